"""Which agent learns?"""

from __future__ import annotations

from typing import Any

from dla.report import charts
from dla.report.chapter import NOTHING, Block, Chapter, Chart, Picture, Table
from dla.report.results import Results, Settings
from dla.report.statements import count, p_value, percent
from dla.statistics.outcomes import CONFIDENCE, wilson

Judged = dict[str, dict[str, Any]]  # metrics by run
SCORE = "normalised score (0: random actions, 1: solved)"


def chapter(params: Settings, results: Results) -> Chapter:
    """Agents by environment: curves, test episodes, a recorded episode; and all of them compared over their seeds."""
    judged = results.each(params["agent"], "agent")
    comparison = results.metrics("metrics/agents.json", "agents")
    blocks: list[Block] = []
    for environment in dict.fromkeys(metrics["environment"] for metrics in judged.values()):
        runs = {name: metrics for name, metrics in judged.items() if metrics["environment"] == environment}
        blocks += [*_curves(environment, runs, results), _table(environment, runs), *_pictures(runs, results)]
    if comparison is not None:
        blocks += _comparison(comparison, results)
    return Chapter(
        key="agents",
        question="Which agent learns?",
        findings=_findings(judged, comparison) if judged else NOTHING,
        about="The environments are Gymnasium's own and a room of ours; a budget cuts steps, or takes a simpler one.",
        embedded=False,
        blocks=blocks,
        commands=("dvc repro agent", "dvc repro agents"),
        missing=tuple(results.missing),
    )


# --- sentences ------------------------------------------------------------------------------------------------


def _findings(judged: Judged, comparison: dict[str, Any] | None) -> list[str]:
    """Who solves each environment, from how many seeds; and whether one algorithm is better than another."""
    sentences = []
    for environment in dict.fromkeys(metrics["environment"] for metrics in judged.values()):
        runs = {name: metrics for name, metrics in judged.items() if metrics["environment"] == environment}
        sentences += [*_solved(environment, runs), *_succeeded(environment, runs)]
    return [*(sentences or ["No environment says what solves it."]), *_algorithms(comparison)]


def _solved(environment: str, runs: Judged) -> list[str]:
    """A sentence where a threshold is published: whose seeds reach it."""
    runs = {name: metrics for name, metrics in runs.items() if "threshold" in metrics}
    if not runs:
        return []
    threshold = next(iter(runs.values()))["threshold"]
    seeds = [_seeds(name, metrics["solved"], len(metrics["seeds"])) for name, metrics in runs.items()]
    return [
        f"{environment} is solved, by a mean return of {threshold:g} in greedy episodes on new seeds, by "
        f"{_listed(seeds)}."
    ]


def _seeds(name: str, solved: int, n: int) -> str:
    """A run, and from how many of its seeds it solved its environment."""
    lower, upper = wilson(solved, n)
    between = f"{percent(CONFIDENCE, 0)} interval {100 * lower:.0f} to {100 * upper:.0f} %"
    return f"{name} from {solved} of {n} seeds ({between})"


def _succeeded(environment: str, runs: Judged) -> list[str]:
    """A sentence where an environment says what success is: in how many episodes who succeeds."""
    shares = [_share(name, metrics["success_rate"]) for name, metrics in runs.items() if "success_rate" in metrics]
    if not shares:
        return []
    baselines = _baselines(next(iter(runs.values()))).items()
    without = [f"{percent(one['success_rate'])} of {name}" for name, one in baselines if "success_rate" in one]
    beside = f", and without training {_listed(without)}" if without else ""
    return [f"In {environment} success ends of the greedy episodes on new seeds {_listed(shares)}{beside}."]


def _share(name: str, rate: dict[str, Any]) -> str:
    """The share of a run's episodes that end in success, over its seeds."""
    notes = [f"mean of {rate['n']} seeds" if rate["n"] > 1 else "one seed"]
    if "lower" in rate:
        notes.append(f"{percent(CONFIDENCE, 0)} interval {100 * rate['lower']:.1f} to {100 * rate['upper']:.1f}")
    return f"{percent(rate['mean'])} of {name} ({', '.join(notes)})"


def _listed(words: list[str]) -> str:
    """One, two and three."""
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


def _algorithms(comparison: dict[str, Any] | None) -> list[str]:
    """A sentence for every two algorithms."""
    if comparison is None:
        return []
    over = comparison["over_environments"]
    sentences = []
    for pair, improvement in comparison["algorithm_by_algorithm"].items():
        better, worse, numbers = _best_first(pair, improvement)
        seeds = {name: over[name]["seeds"] for name in (better, worse)}
        by = f"{better.upper()} beats {worse.upper()} in {percent(numbers[0])} of the pairs of runs"
        where = f"over {over['environments']} environments" if over["environments"] > 1 else "in one environment"
        sentences.append(f"{by} {where}{_verdict(numbers, improvement, seeds, comparison['confidence'])}.")
    return sentences


def _best_first(pair: str, improvement: dict[str, Any]) -> tuple[str, str, list[float | None]]:
    """Who is better more often, than whom, and the probability with the ends of its interval."""
    first, second = pair.split(">")
    numbers = [improvement[key] for key in ("probability", "lower", "upper")]
    if numbers[0] >= 0.5:
        return first, second, numbers
    value, upper, lower = (None if number is None else 1 - number for number in numbers)
    return second, first, [value, lower, upper]


def _verdict(numbers: list[float | None], improvement: dict[str, Any], seeds: dict[str, int], confidence: float) -> str:
    """How sure that is."""
    _, lower, upper = numbers
    if lower is None:
        alone = " and ".join(f"{n} seed{'s' * (n > 1)} of {name.upper()}" for name, n in seeds.items())
        return f", from {alone}: not shown, one seed has no spread to measure it by"
    interval = f"{percent(confidence, 0)} interval {100 * lower:.1f} to {100 * (upper or 0):.1f}"
    words = f" ({interval}, exact test {p_value(improvement['adjusted_p_value'])})"
    if improvement["shown"]:
        return f"{words}: shown"
    if improvement["smallest_adjusted_p_value"] > round(1 - confidence, 12):
        return f"{words}: not shown, and no result of so few seeds could show it"
    return f"{words}: not shown"


# --- an environment -------------------------------------------------------------------------------------------


def _curves(environment: str, runs: Judged, results: Results) -> list[Block]:
    rows = [row for name in runs for row in results.rows(f"plots/agent/{name}.csv", f"agent@{name}")]
    keys = ("run", "seed", "step", "return")
    rows = [{key: row[key] for key in keys} for row in rows if row["policy"] == "greedy"]
    if not rows:
        return []
    first = next(iter(runs.values()))
    references = {name: baseline["mean"] for name, baseline in _baselines(first).items()}
    references |= {"threshold": first["threshold"]} if "threshold" in first else {}
    caption = (
        f"{environment}: return of complete greedy episodes on validation seeds, of several training seeds their mean, "
        f"lowest and highest. Dashed: {', '.join(references)}."
    )
    axes = ("step", "steps of all copies"), ("return", "return of an episode")
    return [Chart(caption, charts.span(rows, *axes, "run", references))]


def _baselines(metrics: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """What needs no training, by its name."""
    return {
        "random actions" if key == "random" else baseline.get("rule", key): baseline
        for key, baseline in metrics["baselines"].items()
    }


def _table(environment: str, runs: Judged) -> Table:
    """Returns of every policy on test seeds, with what the environment says is solved, or is success, if it does."""
    first = next(iter(runs.values()))
    solvable, ends_well = "threshold" in first, "success_rate" in first
    header = ["policy", "steps", "seeds", "greedy return (95 % interval)", "sampled return"]
    header += ["solved at step"] * solvable + ["success"] * ends_well
    rows = [_row(name, metrics) for name, metrics in runs.items()]
    for name, baseline in _baselines(first).items():
        success = [percent(baseline["success_rate"])] if ends_well else []
        rows.append((name, "none", "none", _mean(baseline), *[""] * (1 + solvable), *success))
    caption = f"{environment}: episodes on test seeds. Intervals are over seeds, of the baselines over episodes."
    if solvable:
        caption += (
            f" A seed has solved it at the first point of its curve whose greedy validation episodes reach its "
            f"published threshold, {first['threshold']:g}."
        )
    if earlier := [name for name, metrics in runs.items() if _is_kept_earlier(metrics)]:
        caption += f" Of {_listed(earlier)} it is the weights of the point that was best on validation that are tested."
    return Table(caption, tuple(header), rows)


def _is_kept_earlier(metrics: dict[str, Any]) -> bool:
    """Whether the weights of any seed are not those of its end."""
    return any(seed["kept_at"] != metrics["steps"] for seed in metrics["seeds"].values())


def _row(name: str, metrics: dict[str, Any]) -> tuple[str, ...]:
    seeds = metrics["seeds"].values()
    returns = _mean(metrics["return"]), _mean(metrics["sampled_return"])
    row: tuple[str, ...] = (name, count(metrics["steps"]), str(len(seeds)), *returns)
    if "threshold" in metrics:
        solved = (seed["solved_at"] for seed in seeds)
        row = (*row, "; ".join("never" if step is None else count(step) for step in solved))
    return (*row, percent(metrics["success_rate"]["mean"])) if "success_rate" in metrics else row


def _mean(summary: dict[str, Any]) -> str:
    interval = f" ({summary['lower']:.1f} to {summary['upper']:.1f})" if "lower" in summary else ""
    return f"{summary['mean']:.1f}{interval}"


def _pictures(runs: Judged, results: Results) -> list[Block]:
    addresses = {name: results.picture(f"plots/agent/{name}.gif", f"agent@{name}") for name in runs}
    return [
        Picture(f"{name}: an episode.", f"An episode of {name} in {runs[name]['environment']}", address)
        for name, address in addresses.items()
        if address
    ]


# --- all of them ----------------------------------------------------------------------------------------------


def _comparison(comparison: dict[str, Any], results: Results) -> list[Block]:
    blocks: list[Block] = []
    dots = [
        {**row, "name": f"{row['agent']}, all environments" if row["environment"] == "all" else row["agent"]}
        for row in results.rows("plots/agents/aggregate.csv", "agents")
    ]
    interval = f"{percent(comparison['confidence'], 0)} interval (stratified bootstrap; one seed has none)"
    if dots:
        caption = (
            "Interquartile mean of the score over seeds: 0 is what random actions get, 1 the published threshold or, "
            f"without one, success in every episode. With its {interval}."
        )
        blocks.append(Chart(caption, charts.intervals(dots, SCORE)))
    profile = results.rows("plots/agents/profile.csv", "agents")
    if profile:
        caption = f"Share of runs above a score, over the environments that the algorithms share, and its {interval}."
        axes = ("score", SCORE), ("share", "share of runs above it")
        blocks.append(Chart(caption, charts.profile(profile, *axes, "algorithm")))
    return [*blocks, *_pairs(comparison)]


def _pairs(comparison: dict[str, Any]) -> list[Block]:
    rows = []
    for pair, improvement in (comparison["algorithm_by_algorithm"] | comparison["run_by_run"]).items():
        better, worse, (value, lower, upper) = _best_first(pair, improvement)
        between = "" if lower is None or upper is None else f"{100 * lower:.1f} to {100 * upper:.1f}"
        p_values = p_value(improvement["adjusted_p_value"]), p_value(improvement["smallest_adjusted_p_value"])
        rows.append((better, worse, percent(value), between, *p_values, "yes" if improvement["shown"] else "no"))
    if not rows:
        return []
    confidence = percent(comparison["confidence"], 0)
    caption = (
        "How often a run of the first is better than one of the second in the same environment. The exact test is "
        "corrected for the number of pairs (Holm), algorithms and runs apart; beside it the smallest p-value that so "
        "few seeds can have."
    )
    header = ("compared", "against", "is better", f"{confidence} interval", "exact test", "at best", "shown")
    return [Table(caption, header, rows)]
