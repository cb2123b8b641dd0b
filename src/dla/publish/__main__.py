"""Run a budget in a clone of this commit and keep its results below results/.

    python -m dla.publish quick
    python -m dla.publish quick --jobs 2 labels finetune@finetune

What was run before is not run again. Interrupted or killed, it goes on where it was; what has ended is kept.
results/BUDGET/instead.yaml, where there is one, has settings that are taken in the place of those of params.yaml.
"""

from __future__ import annotations

import argparse
import sys
from contextlib import chdir
from pathlib import Path
from typing import get_args

from dla.core.errors import UserError
from dla.core.parameters import BudgetName
from dla.publish.record import publish, results_of
from dla.publish.workshop import open_workshop
from dla.repository import head
from dla.verify.scratch import run_in

RUN = ("-c", "from dla.cli.main import run; run()")


def main() -> int:
    """Do what was asked for; the exit code is that of `dla run`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("budget", choices=get_args(BudgetName))
    parser.add_argument("stages", nargs="*", metavar="STAGE", help="with all they need; default: all")
    parser.add_argument("--jobs", default=None, metavar="N", help="as `dla run` takes it")
    parser.add_argument("--no-run", action="store_true", help="keep what has been run, and run nothing")
    options = parser.parse_intermixed_args()
    root = Path.cwd()
    commit = head(root)
    workshop = open_workshop(root, options.budget)
    code = 0
    if not options.no_run:
        jobs = ["--jobs", options.jobs] if options.jobs else []
        with chdir(workshop):
            code = run_in(workshop, root, [*RUN, "params"]) or run_in(
                workshop, root, [*RUN, "run", "--keep-going", *jobs, *options.stages]
            )
    new = publish(workshop, results_of(root, options.budget), commit)
    print(f"results/{options.budget}: {', '.join(new) or 'nothing'} new of commit {commit[:9]}")
    return code


if __name__ == "__main__":
    try:
        sys.exit(main())
    except UserError as error:
        sys.exit(f"error: {error}")
