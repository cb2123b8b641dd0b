"""`dla run`: `dvc repro` with stages side by side."""

from __future__ import annotations

import argparse
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from dla.cli.completion import offer_names
from dla.cli.options import count
from dla.cli.parser import Commands, Parser, add_command
from dla.core.errors import UserError
from dla.core.parameters import read_names
from dla.core.pools import cores

if TYPE_CHECKING:
    from dla.run.project import Project


def add(commands: Commands[Parser]) -> None:
    """Add the command to the parser."""
    parser = add_command(
        commands,
        "run",
        "run the stages that have changed, side by side",
        "Run the stages of a DVC project that have changed, several at a time.\n"
        "It leaves what `dvc repro` leaves: the same dvc.lock, cache and outputs, byte for byte. What a stage prints "
        "is kept in runs/logs/STAGE.log. Interrupted or killed, it goes on where it was when it is run again.",
        "dla run",
        "dla run repeats --jobs 4  # this stage and all it needs, four at a time",
        "dla run --dry  # what would be run?",
        "dla run --gpus 0,1 --jobs-per-gpu 2",
    )
    targets = parser.add_argument(
        "targets",
        nargs="*",
        metavar="TARGET",
        help="stages, with all they need; default: those of the dvc.yaml in this folder",
    )
    _add_places(parser)
    parser.add_argument(
        "-k", "--keep-going", action="store_true", help="after a failure, run what does not depend on it"
    )
    parser.add_argument("-f", "--force", action="store_true", help="run stages that have not changed as well")
    parser.add_argument("-P", "--all-pipelines", action="store_true", help="all stages of the whole project")
    parser.add_argument("-n", "--dry", action="store_true", help="say what would be run, and run nothing")
    offer_names(targets, "stages")
    parser.set_defaults(run=run)


def _add_places(parser: Parser) -> None:
    """Options that say where stages run."""
    parser.add_argument(
        "-j", "--jobs", type=count, default=cores(), metavar="N", help="CPU threads to share out (default: all cores)"
    )
    parser.add_argument(
        "--gpus", default="auto", metavar="LIST", help="devices to share out, as 0,1; or auto, or none (default: auto)"
    )
    parser.add_argument(
        "--jobs-per-gpu", type=count, default=1, metavar="N", help="stages that may share a device (default: 1)"
    )
    parser.add_argument(
        "--cluster",
        metavar="ADDRESS",
        help="run stages on the workers of a Dask scheduler, as tcp://HOST:8786; or of local:N, N workers started here",
    )
    parser.add_argument(
        "--remote",
        metavar="NAME",
        help="with --cluster: workers do not see this folder; they clone the commit and share files by this DVC remote",
    )
    parser.add_argument(
        "--clone-from",
        metavar="URL",
        help="with --remote: the git repository as workers reach it (default: that of origin, or this one's path)",
    )


def run(options: argparse.Namespace) -> int:
    """Do what was asked for; the exit code."""
    from dla.run.driver import Run, preview
    from dla.run.local import on_this_machine
    from dla.run.project import Project
    from dla.run.screen import open_screen
    from dla.run.task import Executor

    if (options.remote and not options.cluster) or (options.clone_from and not options.remote):
        raise UserError("--remote goes with --cluster, and --clone-from with --remote; see `dla run --help`")
    if _is_this_workflow():
        from dla.params.file import load_params

        if options.gpus == "auto" and not load_params().runtime.may_take_gpu:
            options.gpus = "none"  # stages would wait for each other's device, and not compute on it
    project = Project()
    plan = project.plan(options.targets, options.all_pipelines)
    if options.dry:
        return preview(project, plan)
    screen = open_screen(sys.stdout)
    project.say_with(screen.note)
    on_gpus = [name for name, needs in plan.needs.items() if needs.gpu]
    executor: Executor
    if options.cluster is None:
        executor = here = on_this_machine(project.root, options.jobs, options.gpus, options.jobs_per_gpu, screen.note)
        scarce = on_gpus if here.gpus else []
    else:
        from dla.run.cluster.executor import on_cluster
        from dla.run.cluster.remote import Remote

        sharing = (
            Remote(project, list(plan.after), options.remote, options.clone_from) if options.remote else project.state
        )
        executor = on_cluster(options.cluster, project, sharing, options.jobs_per_gpu, screen.note)
        scarce = on_gpus
    code = Run(project, plan, executor, screen, scarce, options.keep_going, options.force)()
    if code == 0 and (line := _compared(project)):
        screen.note(line)
    return code


def _compared(project: Project) -> str:
    """How the results stand to the committed ones; nothing where none are committed."""
    from dla.repository import has_commit
    from dla.verify.committed import compare_results
    from dla.verify.comparison import summary

    return summary(compare_results(project.root, project.repo.index.stages)) if has_commit(project.root) else ""


def _is_this_workflow() -> bool:
    """Whether params.yaml is that of this workflow; that of another DVC project may be as DVC alone allows."""
    with suppress(UserError):
        return {"budget", "budgets"} <= set(read_names())
    return False
