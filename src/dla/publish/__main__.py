"""Run a budget in a clone of this commit and keep its results below results/.

    python -m dla.publish quick
    python -m dla.publish quick --jobs 2 labels finetune@finetune
    python -m dla.publish pair-20 repeats

What was run before is not run again. Interrupted, it keeps what has ended; the same command goes on where it was.
results/NAME/instead.yaml, where there is one, has settings that are taken in the place of those of params.yaml, and
where NAME is none, the budget.
"""

from __future__ import annotations

import argparse
import sys
from contextlib import chdir
from pathlib import Path

from dla.core.errors import UserError
from dla.publish.record import publish, results_of
from dla.publish.workshop import open_workshop
from dla.repository import head
from dla.verify.scratch import run_in

DLA = ("-c", "from dla.cli.main import run; run()")
INTERRUPTED = 130


def main() -> int:
    """Do what was asked for; the exit code is that of `dla run`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", help="a budget, or another name whose instead.yaml says which")
    parser.add_argument("stages", nargs="*", metavar="STAGE", help="with all they need; default: all")
    parser.add_argument("--jobs", default=None, metavar="N", help="as `dla run` takes it")
    options = parser.parse_intermixed_args()
    root = Path.cwd()
    commit, folder = head(root), results_of(root, options.name)
    workshop = open_workshop(root, options.name)
    jobs = ["--jobs", options.jobs] if options.jobs else []
    code = _run(workshop, root, ["params"]) or _run(workshop, root, ["run", "--keep-going", *jobs, *options.stages])
    new = publish(workshop, folder, commit)
    print(f"results/{options.name}: {', '.join(new) or 'nothing'} new of commit {commit[:9]}")
    return code


def _run(workshop: Path, root: Path, command: list[str]) -> int:
    """The exit code of a command of `dla` in the workshop, also where Ctrl-C has ended it."""
    try:
        with chdir(workshop):
            return run_in(workshop, root, [*DLA, *command])
    except KeyboardInterrupt:
        return INTERRUPTED


if __name__ == "__main__":
    try:
        sys.exit(main())
    except UserError as error:
        sys.exit(f"error: {error}")
