"""Compare the agents of all runs over their seeds.

    python stages/agents.py

Reads  params.yaml: agents, the names under agent; metrics/agent/
Writes metrics/agents.json, plots/agents/{aggregate,profile}.csv
"""

from pathlib import Path

from dla.core import stage
from dla.core.artifacts import read_metrics, write_metrics, write_table
from dla.core.parameters import read_block, read_names
from dla.rl.comparison import AGGREGATE, PROFILE, aggregate_rows, compare_agents, profile_rows
from dla.rl.settings import AgentComparison


def main() -> None:
    settings = read_block(AgentComparison, "agents")
    metrics = {name: read_metrics(Path(f"metrics/agent/{name}.json")) for name in read_names("agent")}
    comparison = compare_agents(metrics, settings)
    write_metrics(Path("metrics/agents.json"), comparison)
    write_table(Path("plots/agents/aggregate.csv"), AGGREGATE, aggregate_rows(comparison))
    write_table(Path("plots/agents/profile.csv"), PROFILE, profile_rows(metrics, settings))


if __name__ == "__main__":
    stage.run(main, __doc__)
