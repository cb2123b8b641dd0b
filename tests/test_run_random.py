"""Random DVC projects, changed at random and run with interruptions: the end is that of a serial `dvc repro`."""

from __future__ import annotations

import json
import random
import signal
import subprocess
from pathlib import Path

import pytest

from . import foreign

INPUTS = ["in0.txt", "in1.txt", "in2.txt"]
ENDS = [signal.SIGKILL, signal.SIGINT, signal.SIGTERM]


def a_stage(choose: random.Random, number: int, there: list[str]) -> tuple[str, list[str]]:
    """A stage that reads some of what is there, as a block of dvc.yaml, and its outputs."""
    deps = choose.sample(there, choose.choice([0, 1, 1, 2, 3]))
    folder = choose.choice(["", "one/", "two/deep/", "three/"])
    outs = [f"{folder}s{number}_{part}" for part in range(choose.choice([0, 1, 1, 1, 2]))]
    kind = choose.choice(["plain"] * 5 + ["folder", "metrics", "plots", "cache: false", "persist: true", "always"])
    read = f"find {' '.join(deps) or '/dev/null'} -type f | sort | xargs cat"
    lines = [f"mkdir -p ./{folder}", f"sleep {choose.choice([0, 0, 0.02, 0.1])}"]
    for out in outs:
        if kind == "folder":
            lines += [f"mkdir -p {out}", f"({read}; echo {number}) > {out}/a", f"echo {number} > {out}/b"]
        else:
            lines.append(f"({read}; echo {number}) | cksum > {out}")
    lines.append(foreign.RECORDS)
    block = [f"  s{number}:", "    cmd:", *(f"      - {line}" for line in lines), f"    deps: {json.dumps(deps)}"]
    block += ["    always_changed: true"] if kind == "always" else []
    section = kind if kind in ("metrics", "plots") else "outs"
    flag = {"metrics": "cache: false", "plots": "cache: true"}.get(kind, kind if ":" in kind else "cache: true")
    block += [f"    {section}:", *(f"      - {out}: {{{flag}}}" for out in outs)] if outs else []
    return "\n".join(block), outs


def a_project(choose: random.Random, root: Path) -> Path:
    """Stages in random order, each of those that come before it in another."""
    there, blocks = [*INPUTS], []
    for number in range(choose.randint(6, 14)):
        block, outs = a_stage(choose, number, there)
        blocks.append(block)
        there += outs
    choose.shuffle(blocks)
    foreign.begin(root, "\n".join(["stages:", *blocks, ""]))
    for name in INPUTS:
        (root / name).write_text(f"{name}\n")
    return root


def run_with_interruptions(choose: random.Random, root: Path) -> None:
    for _ in range(choose.randint(0, 2)):
        run = foreign.start(root, "--jobs", "4", stdout=subprocess.DEVNULL)
        try:
            run.wait(choose.uniform(0.6, 1.6))
        except subprocess.TimeoutExpired:
            run.send_signal(choose.choice(ENDS))
            run.wait()
    last = foreign.dla(root, "--jobs", choose.choice("1248"))
    assert last.returncode == 0, last.stdout


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_whatever_happens_the_end_is_that_of_a_serial_run(tmp_path: Path, seed: int) -> None:
    choose = random.Random(seed)
    root = a_project(choose, tmp_path / "project")
    serial = foreign.copy(root, tmp_path / "serial")
    for change in ["nothing", *choose.choices(["input", "back", "lock"], k=2)]:
        name, text = choose.choice(INPUTS), str(choose.random())
        for project in (root, serial):
            if change == "lock":
                (project / "dvc.lock").unlink()
            elif change != "nothing":
                (project / name).write_text(f"{name if change == 'back' else text}\n")
        done = foreign.dvc(serial, "repro")
        assert done.returncode == 0, done.stderr
        run_with_interruptions(choose, root)
        assert foreign.differences(serial, root) == []
