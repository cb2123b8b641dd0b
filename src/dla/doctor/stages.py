"""Which stages a run would leave alone."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from dla.core.errors import UserError
from dla.doctor import workflow
from dla.doctor.finding import Finding
from dla.doctor.lock import Lock
from dla.params.effective import stages
from dla.params.whole import Params


@dataclass(frozen=True)
class Plan:
    """What a run would do."""

    up_to_date: frozenset[str]
    findings: tuple[Finding, ...]


def plan_run(params: Params, lock: Lock, asked: subprocess.Popen[str]) -> Plan:
    """The plan for params.yaml as it is; `asked` is DVC, which knows."""
    names = frozenset(stages(params))
    facts: dict[str, object] = {"stages": len(names)}
    try:
        status = workflow.read_status(asked)
    except UserError as error:
        problem = f"DVC cannot say which stages have to run: {error}"
        return Plan(frozenset(), (Finding("stages", str(len(names)), problem, stops=True, facts=facts),))
    changed = status.changed
    names |= changed
    after = lock.after(changed)
    facts |= {"changed": sorted(changed), "after": sorted(after)}
    state = f"{len(names)}, of which {len(changed)} have to run" if changed else f"{len(names)}, all of them up to date"
    if after:
        state += f"; {len(after)} more read what those write"
    return Plan(names - changed - after, (Finding("stages", state, facts=facts), results(status.modified)))


SHOWN = 3  # files that are named


def results(modified: Sequence[str]) -> Finding:
    """Whether what stages have written is still what dvc.lock records of it; whether that is right, nobody asks."""
    facts = {"modified": list(modified)}
    if not modified:
        return Finding("results", "as dvc.lock records them, those that are there", facts=facts)
    named = ", ".join(modified[:SHOWN]) + (", ..." if len(modified) > SHOWN else "")
    problem = f"{named}: changed since dvc.lock recorded what a stage wrote there; `dvc repro` writes it anew"
    return Finding("results", f"{len(modified)} not as dvc.lock records them", problem, facts=facts)


def plan_for_another_budget(params: Params) -> Plan:
    """DVC reads the budget from params.yaml, and so cannot be asked about another one."""
    state = f"{len(stages(params))}; DVC says which have to run once params.yaml has `budget: {params.budget}`"
    return Plan(frozenset(), (Finding("stages", state, facts={"stages": len(stages(params))}),))
