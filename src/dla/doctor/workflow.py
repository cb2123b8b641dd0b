"""What DVC says of the project: which stages a run would leave alone, and what their results need of the disk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

from dla.core.errors import UserError
from dla.doctor.finding import Finding

DVC_DIR = Path(".dvc")
SHOWN = 3  # files that are named


class Workflow:
    """The project as DVC reads it: dvc.yaml, and in dvc.lock the last run.

    Raises
    ------
    UserError
        If DVC cannot read it.
    """

    def __init__(self) -> None:
        from dvc.repo import Repo

        from dla.run.complaints import as_user_errors
        from dla.run.parameters import remember_parameters

        remember_parameters()
        with as_user_errors():
            self._repo = Repo()
            self._stages = {stage.addressing: stage for stage in self._repo.index.stages}

    @property
    def names(self) -> frozenset[str]:
        """All stages."""
        return frozenset(self._stages)

    @cached_property
    def status(self) -> dict[str, list[Any]]:
        """What is not as dvc.lock records it, by stage: DVC knows no more than that.

        Raises
        ------
        UserError
            In DVC's own words, if it cannot say.
        """
        from dvc.lock import LockError

        from dla.run.complaints import as_user_errors

        try:
            with as_user_errors(whatever=True):
                return dict(self._repo.status())
        except LockError as error:
            raise UserError(" ".join(str(error).split())) from error

    def modified(self) -> list[str]:
        """Files that stages write, and that are there with another content."""
        entries = [entry for found in self.status.values() for entry in found if isinstance(entry, dict)]
        outs = [entry.get("changed outs", {}) for entry in entries]
        return [path for out in outs for path, how in out.items() if how == "modified"]

    def after(self, changed: frozenset[str]) -> frozenset[str]:
        """The stages that read what the changed ones write, directly or by way of others."""
        from dvc.repo.reproduce import plan_repro

        stages = [self._stages[name] for name in changed]
        downstream = plan_repro(self._repo.index.graph, stages, downstream=True) if stages else []
        return frozenset(stage.addressing for stage in downstream) - changed

    def missing(self) -> int:
        """Bytes of recorded outputs that are not here."""
        outs = [out for stage in self._stages.values() for out in stage.outs if out.hash_info]
        return sum(out.meta.size or 0 for out in outs if not out.exists)

    def has_run(self, budget: str) -> bool:
        """Whether dvc.lock records a run of the budget: parameters are recorded with its name."""
        deps = [dep for stage in self._stages.values() for dep in stage.deps if hasattr(dep, "params")]
        return any(budget in key.split(".") for dep in deps for key in dep.hash_info.value or ())


@dataclass(frozen=True)
class Plan:
    """What a run would do."""

    up_to_date: frozenset[str]
    findings: tuple[Finding, ...]


def plan_run(workflow: Workflow, budget: str | None) -> Plan:
    """The plan for params.yaml as it is; DVC cannot be asked about another `budget` than it has there."""
    names = workflow.names
    facts: dict[str, object] = {"stages": len(names)}
    if budget is not None:
        state = f"{len(names)}; DVC says which have to run once params.yaml has `budget: {budget}`"
        return Plan(frozenset(), (Finding("stages", state, facts=facts),))
    try:
        changed, modified = frozenset(workflow.status), workflow.modified()
    except UserError as error:
        return Plan(frozenset(), (unknown(error, str(len(names))),))
    after = workflow.after(changed)
    facts |= {"changed": sorted(changed), "after": sorted(after)}
    state = f"{len(names)}, of which {len(changed)} have to run" if changed else f"{len(names)}, all of them up to date"
    if after:
        state += f"; {len(after)} more read what those write"
    return Plan(names - changed - after, (Finding("stages", state, facts=facts), results(modified)))


def unknown(error: UserError, state: str = "not known") -> Finding:
    """That DVC cannot say what a run would do."""
    return Finding("stages", state, f"DVC cannot say which stages have to run: {error}", stops=True)


def results(modified: Sequence[str]) -> Finding:
    """Whether what stages have written is still what dvc.lock records of it; whether that is right, nobody asks."""
    facts = {"modified": list(modified)}
    if not modified:
        return Finding("results", "as dvc.lock records them, those that are there", facts=facts)
    named = ", ".join(modified[:SHOWN]) + (", ..." if len(modified) > SHOWN else "")
    problem = f"{named}: changed since dvc.lock recorded what a stage wrote there; `dvc repro` writes it anew"
    return Finding("results", f"{len(modified)} not as dvc.lock records them", problem, facts=facts)


def project() -> list[Finding]:
    """The version of DVC, and whether `dvc plots show` has the page that needs no internet."""
    facts = {"version": version("dvc"), "project": DVC_DIR.is_dir()}
    if not DVC_DIR.is_dir():
        problem = "there is no folder .dvc here: run from the root of the project, in a clone made with git"
        return [Finding("dvc", f"{version('dvc')}, and this is no DVC project", problem, stops=True, facts=facts)]
    return [Finding("dvc", f"{version('dvc')}, and this is a DVC project", facts=facts), _plots_page()]


def _plots_page() -> Finding:
    from dvc.config import Config
    from dvc.exceptions import DvcException

    try:
        configured = Config(dvc_dir=str(DVC_DIR))["plots"].get("html_template")
    except DvcException as error:
        return Finding("plots page", "not known", f"{DVC_DIR}/config: {error}", stops=True)
    if configured is None:
        return Finding("plots page", "DVC's own, which needs the internet", facts={"offline": False})
    page = DVC_DIR / configured
    facts = {"offline": True, "made": page.is_file()}
    if page.is_file():
        return Finding("plots page", f"{page}, which needs no internet", facts=facts)
    problem = f"{page} is missing, without which `dvc plots show` fails: python -m dla.site.offline {page}"
    return Finding("plots page", "configured, but not made yet", problem, facts=facts)
