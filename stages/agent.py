"""Train one agent from every seed, judge it on episodes it never saw, and record one.

    python stages/agent.py cartpole-ppo

Reads  params.yaml: agent.NAME
Writes models/agents/NAME.safetensors, metrics/agent/NAME.json, plots/agent/NAME.csv, plots/agent/NAME.gif
"""

from dla.core import stage
from dla.core.parameters import read_block
from dla.rl.results import write_agents
from dla.rl.settings import Agent, AgentSettings
from dla.rl.train import train_agent


def main(name: str) -> None:
    settings: AgentSettings = read_block(Agent, "agent", name)
    write_agents(name, settings, [train_agent(name, settings, seed) for seed in settings.seeds])


if __name__ == "__main__":
    stage.run(main, __doc__, "a key of `agent` in params.yaml")
