"""`dla run` against `dvc repro`: the same results in what time?

    python bench/run.py                             # a project of 100 and of 300 stages of 0.1 seconds
    python bench/run.py --stages 100 1000 --only jobs-1 jobs-4
    python bench/run.py --demo --rounds 2           # this project's default run from nothing: half an hour a round
    python bench/run.py --demo --only repro jobs-2 local-2

Each way runs in a new project, or a new clone of this one at HEAD, without a cache; the ways take turns, and the host's
speed is that of its moment: read the ratios. That all of them leave the same dvc.lock is checked.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

ROOT = Path(__file__).parents[1]
SECONDS = 0.1  # of a made-up stage
BIN = Path(sys.executable).parent
WAYS = {
    "repro": ["dvc", "repro", "--quiet"],
    "jobs-1": ["dla", "run", "--jobs", "1"],
    "jobs-2": ["dla", "run", "--jobs", "2"],
    "jobs-4": ["dla", "run", "--jobs", "4"],
    "local-2": ["dla", "run", "--cluster", "local:2"],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stages", type=int, nargs="+", default=[100, 300], help="sizes of the made-up project")
    parser.add_argument("--demo", action="store_true", help="this project's default run instead")
    parser.add_argument(
        "--only", choices=WAYS, nargs="+", default=["repro", "jobs-1", "jobs-2"], help="ways of running"
    )
    parser.add_argument("--rounds", type=int, default=1, help="runs of each way")
    options = parser.parse_args()
    if options.demo:
        compare("the default run", options.only, options.rounds, clone)
    else:
        for size in options.stages:
            compare(f"{size} stages", options.only, options.rounds, partial(make_up, stages=size), size)


def compare(
    what: str, ways: Sequence[str], rounds: int, make: Callable[[Path], None], stages: int | None = None
) -> None:
    """Run each way in a new project, in turn, and print a line for each."""
    seconds: defaultdict[str, list[float]] = defaultdict(list)
    locks = set()
    for _ in range(rounds):
        for way in ways:
            with tempfile.TemporaryDirectory() as folder:
                make(Path(folder))
                seconds[way].append(run(WAYS[way], Path(folder)))
                locks.add((Path(folder) / "dvc.lock").read_bytes())
    print(f"\n{what}: {'one dvc.lock, byte for byte' if len(locks) == 1 else f'{len(locks)} different dvc.lock'}")
    first = statistics.median(seconds[ways[0]])
    for way in ways:
        median = statistics.median(seconds[way])
        beside = ""
        if stages is not None and way in ("repro", "jobs-1"):
            beside = f"  {(median - stages * SECONDS) / stages * 1000:6.1f} ms a stage beside its own"
        print(f"  {' '.join(WAYS[way]):<28} {median:8.1f} s  {median / first:6.2f}{beside}", flush=True)


def run(command: Sequence[str], folder: Path) -> float:
    """Seconds that the command takes there."""
    variables = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", "PYTHONPATH": str(folder / "src")}
    started = time.monotonic()
    with (folder / "output.txt").open("w") as output:
        done = subprocess.run(command, cwd=folder, env=variables, stdout=output, stderr=output, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)} failed:\n{(folder / 'output.txt').read_text()[-3000:]}")
    return time.monotonic() - started


def clone(folder: Path) -> None:
    """This project at HEAD, without any result."""
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder)], check=True)
    (folder / "dvc.lock").unlink()


def make_up(folder: Path, stages: int) -> None:
    """A project of short stages, each of which needs the file of one ten before it."""
    lines = ["stages:"]
    for number in range(stages):
        before = f"out{number - 10}" if number >= 10 else "base"
        lines.append(f"  stage{number}:")
        lines.append(f"    cmd: sleep {SECONDS}; echo {number} > out{number}")
        lines.append(f"    deps: [{before}]")
        lines.append(f"    outs: [out{number}]")
    (folder / "dvc.yaml").write_text("\n".join(lines) + "\n")
    (folder / "base").write_text("base\n")
    subprocess.run([BIN / "dvc", "init", "--quiet", "--no-scm"], cwd=folder, check=True)


if __name__ == "__main__":
    main()
