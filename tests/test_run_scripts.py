"""Scripts that begin with imported libraries: they cannot tell, and neither can what they leave."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from . import foreign

LOOK = '''\
"""What a script sees of itself."""

import atexit
import json
import multiprocessing
import os
import sys
import threading
from pathlib import Path

import beside


def square(number):
    return number * number


if __name__ == "__main__":
    seen = {
        "file": os.path.relpath(__file__),
        "absolute": os.path.isabs(__file__),
        "name": __name__,
        "document": __doc__,
        "arguments": sys.argv,
        "path": os.path.relpath(sys.path[0]),
        "folder": os.path.relpath(os.getcwd(), os.environ["DVC_ROOT"]),
        "stage": os.environ["DVC_STAGE"],
        "threads variable": os.environ["OMP_NUM_THREADS"],
        "beside": beside.__name__,
        "input": sys.stdin.read(),
        "main": sys.modules["__main__"].square is square,
        "frozen set": sorted(vars().keys() & {"__file__", "__builtins__", "__spec__", "__loader__", "__package__"}),
    }
    for method in ("fork", "spawn"):
        with multiprocessing.get_context(method).Pool(1) as pool:
            seen[method] = pool.map(square, [1, 2, 3])
    thread = threading.Thread(target=lambda: seen.update(thread="ran"))
    thread.start()
    thread.join()
    Path(sys.argv[1]).write_text(json.dumps(seen, indent=1))
    Path("warm").write_text(str("colorsys" in sys.modules))
    atexit.register(lambda: Path("ended").write_text("at the end\\n"))
'''
DRAW = "import json, random, sys, numpy; json.dump([random.random(), numpy.random.rand()], open(sys.argv[1], 'w'))\n"
ENDS = """\
import os, sys
how = sys.argv[1]
print("before the end", flush=True)
if how == "exit":
    sys.exit(3)
if how == "message":
    sys.exit("that was not right")
if how == "hard":
    os._exit(4)
if how == "exception":
    raise ValueError("a reason")
"""
STAGES = """\
stages:
  imported:
    cmd: until [ -e "$IMPORTED" ]; do sleep 0.01; done; echo > imported.txt
    outs: [imported.txt]
  look:
    wdir: inner
    cmd: python ../scripts/look.py seen.json two words
    deps: [../scripts/look.py, ../scripts/beside.py, ../imported.txt]
    outs: [seen.json, ended]
  several:
    cmd: python scripts/look.py several.json
    deps: [scripts/look.py, imported.txt]
    outs: [several.json]
    meta: {threads: 2}
  numbers:
    foreach: [1, 2]
    do:
      cmd: python scripts/draw.py numbers-${item}.json
      deps: [scripts/draw.py, imported.txt]
      outs: ["numbers-${item}.json"]
  ends:
    foreach: [exit, message, hard, exception]
    do:
      cmd: python scripts/ends.py ${item}
      deps: [scripts/ends.py, imported.txt]
"""


def run_scripts(folder: Path, preload: list[str]) -> tuple[Path, str]:
    """A project of Python scripts after a run with these modules imported beforehand, and what was said."""
    root = foreign.begin(folder / "project", STAGES)
    (root / "scripts").mkdir()
    (root / "inner").mkdir()
    files = {"look": LOOK, "ends": ENDS, "draw": DRAW, "beside": "# is found beside the script\n"}
    for name, text in files.items():
        (root / f"scripts/{name}.py").write_text(text)
    (folder / "says_so.py").write_text("import os; open(os.environ['IMPORTED'], 'w').close()\n")
    (root / "pyproject.toml").write_text(f"[tool.dla.run]\npreload = {json.dumps(preload)}\n")
    imported = folder / "imported"
    if not preload:
        imported.touch()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IMPORTED", str(imported))
        patch.setenv("PYTHONPATH", str(folder), prepend=":")
        run = foreign.dla(root, "--keep-going", "--jobs", "2")
    assert (run.returncode, run.stderr) == (1, "")
    return root, run.stdout


@pytest.fixture(scope="module")
def cold(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project after a run that imported nothing beforehand."""
    return run_scripts(tmp_path_factory.mktemp("cold"), [])[0]


@pytest.fixture(scope="module")
def warm(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The project after a run whose scripts began with imported modules, and what was said."""
    return run_scripts(tmp_path_factory.mktemp("warm"), ["colorsys", "numpy.random", "says_so"])


def test_what_a_script_sees_and_leaves_is_the_same(cold: Path, warm: tuple[Path, str]) -> None:
    root, _ = warm
    assert (root / "inner/warm").read_text() == "True"
    assert (cold / "inner/warm").read_text() == "False"
    for name in ("inner/seen.json", "inner/ended"):
        assert (root / name).read_bytes() == (cold / name).read_bytes()
    seen = json.loads((root / "inner/seen.json").read_text())
    assert seen["arguments"] == ["../scripts/look.py", "seen.json", "two", "words"]
    assert (seen["fork"], seen["spawn"], seen["thread"]) == ([1, 4, 9], [1, 4, 9], "ran")
    entries = ((project / "dvc.lock").read_text().partition("  several:")[0] for project in (root, cold))
    assert next(entries) == next(entries)


def test_a_script_with_more_threads_than_libraries_were_imported_with_starts_anew(warm: tuple[Path, str]) -> None:
    root, _ = warm
    assert json.loads((root / "several.json").read_text())["threads variable"] == "2"
    assert (root / "warm").read_text() == "False"


def test_random_numbers_of_two_scripts_differ(warm: tuple[Path, str]) -> None:
    root, _ = warm
    first, second = (json.loads((root / f"numbers-{number}.json").read_text()) for number in (1, 2))
    assert first[0] != second[0]
    assert first[1] != second[1]


def test_a_script_ends_as_it_says_and_prints_what_it_would(cold: Path, warm: tuple[Path, str]) -> None:
    root, text = warm
    for how, code in {"exit": 3, "message": 1, "hard": 4, "exception": 1}.items():
        assert f"ends@{how} failed: its command ended with exit code {code}\n" in text
        own, other = ((project / f"runs/logs/ends@{how}.log").read_text() for project in (root, cold))
        assert own.startswith("before the end\n")
        assert own.replace(str(root), "") == other.replace(str(cold), "")


@pytest.mark.parametrize(
    ("module", "note"),
    [
        ("no_such_module", "no_such_module could not be imported beforehand: No module named 'no_such_module'"),
        ("starts_a_thread", "starts_a_thread starts threads as it is imported: no script begins with what is imported"),
    ],
)
def test_a_module_that_cannot_be_imported_beforehand_is_said_and_harms_nothing(
    tmp_path: Path, module: str, note: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = "import threading, time\nthreading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n"
    (tmp_path / "starts_a_thread.py").write_text(threads)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")
    root = foreign.begin(tmp_path / "project", "stages: {a: {cmd: python a.py, outs: [a.txt]}}")
    (root / "a.py").write_text("import time; time.sleep(1); open('a.txt', 'w').write('done')\n")
    (root / "pyproject.toml").write_text(f"[tool.dla.run]\npreload = ['{module}']\n")
    run = foreign.dla(root)
    assert run.returncode == 0
    assert f"{note}\n" in run.stdout
    assert (root / "a.txt").read_text() == "done"
