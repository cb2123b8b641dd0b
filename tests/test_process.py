"""How a stage ends: at once, but not before all that has to happen."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

BEGINNING = """
import atexit, threading
from dla.core import stage
from dla.core.errors import UserError

class Held:
    def __del__(self):
        print("taken apart")

held = Held()
atexit.register(print, "closed")
"""


def run(folder: Path, rest: str) -> subprocess.CompletedProcess[str]:
    script = folder / "script.py"
    script.write_text(BEGINNING + rest)
    return subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)


def test_a_stage_that_is_done_leaves_when_all_is_closed(tmp_path: Path) -> None:
    done = run(tmp_path, "stage.run(lambda: print('done'), None)")
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\nclosed\n", "")


def test_threads_end_before_the_process(tmp_path: Path) -> None:
    main = """
def main():
    ending = threading.main_thread()
    threading.Thread(target=lambda: (ending.join(), print("written"))).start()

stage.run(main, None)
"""
    done = run(tmp_path, main)
    assert (done.returncode, done.stdout) == (0, "written\nclosed\n")


@pytest.mark.parametrize(("error", "code"), [("UserError('not so')", 2), ("KeyboardInterrupt", 130)])
def test_an_error_has_its_exit_code(tmp_path: Path, error: str, code: int) -> None:
    done = run(tmp_path, f"def main():\n    raise {error}\n\nstage.run(main, None)")
    assert (done.returncode, done.stdout) == (code, "closed\n")
    assert done.stderr == ("error: not so\n" if code == 2 else "")


def test_what_the_system_refuses_about_a_file_is_one_line(tmp_path: Path) -> None:
    done = run(tmp_path, "stage.run(lambda: open('none/there'), None)")
    assert (done.returncode, done.stdout) == (2, "closed\n")
    assert done.stderr == "error: none/there: No such file or directory; see to it and run again\n"
    done = run(tmp_path, "def main():\n    raise OSError('strange')\n\nstage.run(main, None)")
    assert done.returncode == 1
    assert "OSError: strange" in done.stderr


def test_what_nobody_foresaw_is_shown_and_ends_as_python_does(tmp_path: Path) -> None:
    done = run(tmp_path, "stage.run(lambda: 1 / 0, None)")
    assert (done.returncode, done.stdout) == (1, "closed\ntaken apart\n")
    assert "ZeroDivisionError" in done.stderr
