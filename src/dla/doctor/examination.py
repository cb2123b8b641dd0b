"""Everything a run needs, looked at in the few seconds that DVC and torch take anyway."""

from __future__ import annotations

import subprocess

from dla.core.errors import UserError
from dla.core.parsing import refer
from dla.doctor import machine, sources, workflow
from dla.doctor.disk import disk
from dla.doctor.downloads import downloads
from dla.doctor.finding import Finding
from dla.doctor.lock import read_lock
from dla.doctor.stages import plan_for_another_budget, plan_run
from dla.params.file import load_params
from dla.params.whole import Params

DATA = {
    "embedded": "data that the dependencies carry",
    "hub": "data of `sources`: from the Hugging Face Hub, the web or this machine",
}


def examine(budget: str | None = None) -> list[Finding]:
    """What there is and what is missing for a run under `budget`, by default the one in force.

    Raises
    ------
    UserError
        If there is no such budget. Whatever else is wrong is a finding.
    """
    found = [machine.python(), machine.code()]
    try:
        params = load_params()
    except UserError as error:
        return [*found, *workflow.project(), Finding("params.yaml", "not in order", str(error), stops=True)]
    if budget is None or budget == params.budget:
        with workflow.ask_for_status() as asked:
            return found + _of_project(params, asked)
    refer("--budget", budget, params.budgets)
    return found + _of_project(load_params(budget=budget), None)


def _of_project(params: Params, asked: subprocess.Popen[str] | None) -> list[Finding]:
    """`asked` is DVC at work on its status, where params.yaml has the budget of `params`."""
    source = params.data_source
    available = sources.look(params.sources, ask=source == "hub" and not sources.is_offline())
    computing = machine.computing(params.runtime)
    lock = read_lock()
    plan = plan_for_another_budget(params) if asked is None else plan_run(params, lock, asked)
    fetched = [name for name in params.sources if f"download@{name}" in plan.up_to_date]
    wanted = downloads(params, available, fetched)
    return [
        *computing,
        *workflow.project(),
        *disk(lock, params.budget, wanted.size),
        Finding("budget", f"{params.budget}, with {DATA[source]}", facts={"budget": params.budget, "data": source}),
        *wanted.findings,
        *plan.findings,
    ]
