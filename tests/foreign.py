"""A DVC project that is not ours: small shell commands as stages, and something of all that DVC lets a project have.

Each command writes the name of its stage into the file that RAN names, outside of the project: what has run, and how
often.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

DLA = str(Path(sys.executable).with_name("dla"))
RECORDS = 'echo "$DVC_STAGE" >> "$RAN"'
NOT_RESULTS = (".git", ".dvc/tmp", "runs/logs")  # of a project's files: what the tools themselves need

ROOT_STAGES = """\
vars:
  - ending: end
  - sizes.yaml
stages:
  letters:
    cmd:
      - mkdir -p made
      - tr a-z A-Z < "rohe Größen.txt" > "made/große Buchstaben.txt"
      - RECORDS
    deps: ["rohe Größen.txt"]
    outs: ["made/große Buchstaben.txt"]
  part:
    foreach: [a, b, c]
    do:
      cmd: mkdir -p parts && grep -ic ${item} "made/große Buchstaben.txt" > "parts/${item} ${ending}.txt"; RECORDS
      deps: ["made/große Buchstaben.txt"]
      outs: ["parts/${item} ${ending}.txt"]
  grid:
    matrix: {size: "${sizes}", kind: [x, y]}
    cmd: |
      echo '{"${item.kind}": ${item.size}}' > grid-${item.size}-${item.kind}.json

      RECORDS
    deps: ["parts/a ${ending}.txt"]
    metrics:
      - grid-${item.size}-${item.kind}.json: {cache: false}
  folder:
    cmd: mkdir -p out/deep && cp parts/* out && echo deep > out/deep/file && RECORDS
    deps: ["parts/a ${ending}.txt", "parts/b ${ending}.txt", "parts/c ${ending}.txt"]
    outs: [out]
  kept:
    frozen: true
    cmd: "false"
    deps: ["parts/a ${ending}.txt"]
    outs: [kept.txt]
  after_kept:
    cmd: cat kept.txt imported.txt > after.txt; RECORDS
    deps: [kept.txt, imported.txt]
    outs: [after.txt]
  always:
    always_changed: true
    cmd: cp sizes.yaml always.yaml; RECORDS
    deps: [sizes.yaml]
    outs: [always.yaml]
  lonely:
    cmd: echo alone > lonely.txt; RECORDS
    outs: [lonely.txt]
  callback:
    cmd: RECORDS
  check:
    cmd: test -s out/deep/file && RECORDS
    deps: [out]
  uncached:
    cmd: cp lonely.txt uncached.txt; RECORDS
    deps: [lonely.txt]
    outs:
      - uncached.txt: {cache: false}
  diary:
    cmd: cat lonely.txt >> diary.txt; RECORDS
    deps: [lonely.txt]
    outs:
      - diary.txt: {persist: true}
  reader:
    cmd: cat lonely.txt - > read.txt; RECORDS
    deps: [lonely.txt]
    params:
      - settings.toml:
          - reading.speed
    outs: [read.txt]
"""
INNER_STAGES = """\
stages:
  count:
    wdir: inner
    cmd: cat ../../made/*.txt | wc -c > count.txt && echo "x,y" > curve.csv && RECORDS
    deps: ["../../made/große Buchstaben.txt"]
    params: [rate, deep.er]
    outs: [count.txt]
    plots: [curve.csv]
  twice:
    cmd: cat inner/count.txt inner/count.txt > twice.txt; RECORDS
    deps: [inner/count.txt]
    outs: [twice.txt]
"""


def build(root: Path, outside: Path) -> Path:
    """Make the project in the folder `root`; `outside` takes the file that it imports."""
    begin(root)
    for name, text in {
        "dvc.yaml": ROOT_STAGES,
        "sizes.yaml": "sizes: [1, 2]\n",
        "settings.toml": "[reading]\nspeed = 1.5\n",
        "rohe Größen.txt": "abc\nabba\nccc\n",
        "kept.txt": "kept\n",
        "sub/dvc.yaml": INNER_STAGES,
        "sub/inner/params.yaml": "rate: 1e-4\ndeep: {er: [1, two]}\n",
        # An import without the words that `dvc import-url` would take seconds to add.
        "imported.txt.dvc": f"deps:\n- path: {outside}\nouts:\n- path: imported.txt\n  hash: md5\n",
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text.replace("RECORDS", RECORDS))
    outside.write_text("from outside\n")
    done = dvc(root, "add", "rohe Größen.txt")
    assert done.returncode == 0, done.stderr
    return root


def begin(root: Path, stages: str = "") -> Path:
    """An empty DVC project, as `git init` and `dvc init` leave it, with these stages."""
    (root / ".dvc").mkdir(parents=True)
    (root / ".dvc/config").touch()
    (root / ".dvc/.gitignore").write_text("/config.local\n/tmp\n/cache\n")
    subprocess.run(["git", "init", "--quiet", str(root)], check=True)
    if stages:
        (root / "dvc.yaml").write_text(stages.replace("RECORDS", RECORDS))
    return root


def copy(project: Path, place: Path) -> Path:
    """The same project elsewhere."""
    shutil.copytree(project, place, symlinks=True)
    return place


def environment(root: Path) -> dict[str, str]:
    """Variables for a process beside or in the project: DVC's own caches and the list of what ran lie beside it."""
    beside = root.parent / f"{root.name}.beside"
    beside.mkdir(exist_ok=True)
    own = {"DVC_SITE_CACHE_DIR": str(beside / "site"), "DVC_NO_ANALYTICS": "1", "RAN": str(ran_file(root))}
    inherited = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    return inherited | own | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "SHELL": "/bin/sh"}


def ran_file(root: Path) -> Path:
    """The file with the names of the stages that ran."""
    return root.parent / f"{root.name}.ran"


def ran(root: Path) -> list[str]:
    """What has run since this was last asked, sorted."""
    path = ran_file(root)
    names = sorted(path.read_text().split()) if path.exists() else []
    path.unlink(missing_ok=True)
    return names


def dvc(root: Path, *arguments: str, folder: str = ".") -> subprocess.CompletedProcess[str]:
    """Run a command of DVC in a folder of the project."""
    return _run([sys.executable, "-m", "dvc", *arguments], root, folder)


def dla(root: Path, *arguments: str, folder: str = ".") -> subprocess.CompletedProcess[str]:
    """Run `dla run` in a folder of the project."""
    return dla_command(root, "run", *arguments, folder=folder)


def dla_command(root: Path, *arguments: str, folder: str = ".") -> subprocess.CompletedProcess[str]:
    """Run another command of `dla` there."""
    return _run([DLA, *arguments], root, folder)


def _run(command: list[str], root: Path, folder: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=root / folder,
        env=environment(root),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def contents(root: Path) -> dict[str, tuple[int, bytes]]:
    """Mode and bytes of every file of the project: dvc.lock, outputs, .gitignore, DVC's cache and run-cache."""
    return {
        str(path.relative_to(root)): (path.stat().st_mode, path.read_bytes())
        for path in sorted(root.rglob("*"))
        if path.is_file()
        and not str(path.relative_to(root)).startswith(NOT_RESULTS)
        and not (path.name.startswith(".") and path.suffix == ".tmp")  # of DVC, killed while it copied
    }


def differences(one: Path, other: Path) -> list[str]:
    """The names of the files in which two projects differ."""
    first, second = contents(one), contents(other)
    return sorted(name for name in first.keys() | second.keys() if first.get(name) != second.get(name))


def start(root: Path, *arguments: str, **settings: Any) -> subprocess.Popen[str]:
    """Begin `dla run` beside the caller; what it says goes to the pipe `stdout`, unless told otherwise."""
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    command = [DLA, "run", *arguments]
    return subprocess.Popen(command, cwd=root, env=environment(root), text=True, **streams | settings)


def processes(root: Path) -> list[psutil.Process]:
    """The processes of the project's stages, and what these have started."""
    mine = str(ran_file(root))
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            variables = process.environ()
            if variables.get("RAN") == mine and "DVC_STAGE" in variables and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def wait_until(condition: Callable[[], object], seconds: float = 20.0) -> None:
    """Return as soon as the condition holds, and fail if it does not within the time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "what was waited for did not come"
        time.sleep(0.01)


def wait_for_line(process: subprocess.Popen[str], words: str, seconds: float = 30.0) -> str:
    """The next line with these words that the process says; one that does not say it in time is killed."""
    assert process.stdout is not None
    timer = threading.Timer(seconds, process.kill)
    timer.start()
    try:
        return next(line for line in process.stdout if words in line)
    finally:
        timer.cancel()
