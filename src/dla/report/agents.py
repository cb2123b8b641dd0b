"""Which agent learns?"""

from __future__ import annotations

from typing import Any

from dla.report import charts
from dla.report.chapter import NOTHING, Block, Chapter, Chart, Picture, Table
from dla.report.results import Results
from dla.report.statements import count, percent
from dla.settings.whole import Params

Judged = dict[str, dict[str, Any]]  # metrics by run


def chapter(params: Params, results: Results) -> Chapter:
    """Agents by environment: curves, greedy episodes on new seeds, a recorded episode."""
    judged = results.each(params.agent, "agent")
    blocks: list[Block] = []
    for environment in dict.fromkeys(metrics["environment"] for metrics in judged.values()):
        names = [name for name, metrics in judged.items() if metrics["environment"] == environment]
        blocks += _environment(environment, names, results)
    return Chapter(
        key="agents",
        question="Which agent learns?",
        finding=_finding(judged),
        about="The environments are Gymnasium's own and a room of ours, under every budget; a budget cuts steps.",
        embedded=False,
        blocks=[*blocks, _table(judged)] if judged else blocks,
        commands=("dvc repro agent",),
        missing=tuple(results.missing),
    )


def _finding(judged: Judged) -> str:
    """Who reaches the published threshold, from how many seeds."""
    if not judged:
        return NOTHING
    with_threshold = {name: found for name, found in judged.items() if "threshold" in found}
    solved = [
        f"{name} ({found['solved']} of {len(found['seeds'])} seeds)"
        for name, found in with_threshold.items()
        if found["solved"]
    ]
    if not solved:
        return "No agent reaches the published threshold of its environment."
    others = [name for name, found in with_threshold.items() if not found["solved"]]
    rest = f"; {', '.join(others)} do not" if others else ""
    return f"The published threshold is reached, in greedy episodes on new seeds, by {', '.join(solved)}{rest}."


def _environment(environment: str, names: list[str], results: Results) -> list[Block]:
    blocks: list[Block] = []
    rows = [row for name in names for row in results.rows(f"plots/agent/{name}.csv", f"agent@{name}")]
    rows = [{key: row[key] for key in ("run", "seed", "step", "return")} for row in rows if row["return"] is not None]
    if rows:
        caption = f"{environment}: return of training episodes, of several seeds their mean and standard deviation."
        axes = ("step", "steps of all copies"), ("return", "return of an episode")
        blocks.append(Chart(caption, charts.band(rows, *axes, "run")))
    for name in names:
        address = results.picture(f"plots/agent/{name}.gif", f"agent@{name}")
        if address:
            blocks.append(Picture(f"{name}: an episode.", f"An episode of {name} in {environment}", address))
    return blocks


def _table(judged: Judged) -> Table:
    rows = []
    for name, found in judged.items():
        mean = found["return"]
        interval = f" ({mean['lower']:.1f} to {mean['upper']:.1f})" if "lower" in mean else ""
        rate = found.get("success_rate")
        first = [seed["solved_at"] for seed in found["seeds"].values() if seed.get("solved_at")]
        rows.append(
            (
                name,
                count(found["steps"]),
                str(len(found["seeds"])),
                f"{mean['mean']:.1f}{interval}",
                f"{found['threshold']:g}" if "threshold" in found else "none",
                ", ".join(map(count, first)) or "never",
                percent(rate["mean"]) if rate else "not defined",
            )
        )
    header = ("run", "steps", "seeds", "return (95 % interval over seeds)", "threshold", "solved at step", "success")
    return Table("Greedy episodes on seeds that training never saw.", header, rows)
