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

from dla.core.claim import claim
from dla.core.errors import UserError
from dla.publish.chain import find_breaks
from dla.publish.page import write_page
from dla.publish.record import Times, publish, results_of
from dla.publish.workshop import open_workshop
from dla.repository import head
from dla.verify.scratch import run_in

DLA = ("-c", "from dla.cli.main import run; run()")


def main() -> int:
    """Do what was asked for; the exit code is that of `dla run`, or 1 if what is published does not hang together."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", help="a budget, or another name whose instead.yaml says which")
    parser.add_argument("stages", nargs="*", metavar="STAGE", help="with all they need; default: all")
    parser.add_argument("--jobs", default=None, metavar="N", help="as `dla run` takes it")
    options = parser.parse_intermixed_args()
    jobs = ["--jobs", options.jobs] if options.jobs else []
    with claim(f"results {options.name}"):
        return _publish(options.name, ["run", "--keep-going", *jobs, *options.stages])


def _publish(name: str, command: list[str]) -> int:
    root = Path.cwd()
    commit, folder = head(root), results_of(root, name)
    workshop = open_workshop(root, name, commit)
    before = Times.read(workshop)
    with chdir(workshop):
        if code := run_in(workshop, root, [*DLA, "params"]):
            return code
        code = run_in(workshop, root, [*DLA, *command])
    new = publish(workshop, folder, commit, Times.read(workshop).since(before))
    print(f"{folder.relative_to(root)}: {', '.join(new) or 'nothing'} new of commit {commit[:9]}")
    write_page(root)
    breaks = find_breaks(folder, root)
    for sentence in breaks:
        print(sentence, file=sys.stderr)
    return code or int(bool(breaks))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except UserError as error:
        sys.exit(f"error: {error}")
