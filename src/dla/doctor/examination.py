"""Everything a run needs, looked at in the few seconds that DVC and torch take anyway."""

from __future__ import annotations

from dla.core.errors import UserError
from dla.core.parsing import refer
from dla.doctor import machine, sources, workflow
from dla.doctor.disk import disk
from dla.doctor.downloads import downloads
from dla.doctor.finding import Finding
from dla.doctor.workflow import Plan, Workflow, plan_run, unknown
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
        return found + _of_project(params, None)
    refer("--budget", budget, params.budgets)
    return found + _of_project(load_params(budget=budget), budget)


def _of_project(params: Params, other: str | None) -> list[Finding]:
    """`other` is the budget of `params`, if params.yaml has another one."""
    source = params.data_source
    available = sources.look(params.sources, ask=source == "hub" and not sources.is_offline())
    computing = machine.computing(params.runtime)
    missing = None
    try:
        known = Workflow()
        missing = known.missing() if known.has_run(params.budget) else None
        plan = plan_run(known, other)
    except UserError as error:
        plan = Plan(frozenset(), (unknown(error),))
    fetched = [name for name in params.sources if f"download@{name}" in plan.up_to_date]
    wanted = downloads(params, available, fetched)
    return [
        *computing,
        *workflow.project(),
        *disk(missing, params.budget, wanted.size),
        Finding("budget", f"{params.budget}, with {DATA[source]}", facts={"budget": params.budget, "data": source}),
        *wanted.findings,
        *plan.findings,
    ]
