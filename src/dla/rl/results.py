"""What a trained agent leaves behind: weights, metrics, curves, a recording; and the agent read back from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray

from dla.core.artifacts import read_tensors, write_metrics, write_table, write_tensors
from dla.core.contents import load_weights
from dla.core.errors import UserError
from dla.core.parameters import untrained
from dla.core.parsing import parse_kept
from dla.rl.base.algorithm import build
from dla.rl.base.policy import PolicyNet
from dla.rl.baselines import RULES, baselines
from dla.rl.environments.place import Place
from dla.rl.evaluate import record, summary, write_gif
from dla.rl.seeds import first_seed
from dla.rl.settings import Agent, AgentSettings
from dla.rl.train import TrainedAgent

MODELS = Path("models/agents")


@dataclass(frozen=True)
class Metadata:
    """What stands beside the weights."""

    agent: Agent


def write_agents(name: str, settings: AgentSettings, agents: Sequence[TrainedAgent]) -> None:
    """Write the results of all seeds."""
    path = MODELS / f"{name}.safetensors"
    weights = {f"{agent.seed}.{key}": value for agent in agents for key, value in agent.weights.items()}
    rows = [row for agent in agents for row in agent.rows]
    write_tensors(path, weights, {"agent": asdict(settings)})
    write_metrics(Path(f"metrics/agent/{name}.json"), metrics(settings, agents))
    write_table(Path(f"plots/agent/{name}.csv"), list(rows[0]), rows)
    net = load_net(settings, agents[0].weights, path)
    write_gif(Path(f"plots/agent/{name}.gif"), record(net, Place.of(settings), first_seed("test", 0, 1)))


def metrics(settings: AgentSettings, agents: Sequence[TrainedAgent]) -> dict[str, Any]:
    """Seeds one by one and together; n is the number of seeds there, of episodes here."""
    threshold = Place.of(settings).threshold
    judged = {agent.seed: {policy: one.metrics() for policy, one in agent.evaluation.items()} for agent in agents}
    means = {policy: [one[policy]["mean"] for one in judged.values()] for policy in ("greedy", "sampled")}
    every = {policy: [value for agent in agents for value in agent.evaluation[policy].returns] for policy in means}
    content: dict[str, Any] = {
        "environment": settings.environment,
        "algorithm": settings.algorithm,
        "steps": agents[0].steps,
        "return": summary(means["greedy"], every["greedy"]),
        "sampled_return": summary(means["sampled"], every["sampled"]),
        "seeds": {
            str(agent.seed): judged[agent.seed]
            | ({} if threshold is None else {"solved_at": agent.solved_at(threshold)})
            | {"area": agent.area(), "kept_at": agent.kept_at}
            for agent in agents
        },
        "baselines": {policy: one.metrics() for policy, one in baselines(settings, agents[0].seed).items()},
    }
    if "rule" in content["baselines"]:
        content["baselines"]["rule"]["rule"] = RULES[settings.environment].description
    if threshold is not None:
        content |= {"threshold": threshold, "solved": sum(mean >= threshold for mean in means["greedy"])}
    rates = [one["greedy"]["success_rate"] for one in judged.values() if "success_rate" in one["greedy"]]
    if rates:
        content["success_rate"] = summary(rates, (0.0, 1.0))
    return content


def load_net(settings: AgentSettings, weights: Mapping[str, NDArray[Any]], path: Path) -> PolicyNet:
    """The net of an agent with these weights, which are those of the file `path`, ready to act."""
    net = build(settings, Place.of(settings).make(1)).net
    load_weights(net, {key: torch.from_numpy(value) for key, value in weights.items()}, path)
    return net.eval()


def load_agent(name: str, seed: int | None = None, folder: Path = MODELS) -> tuple[PolicyNet, AgentSettings]:
    """The net that a stage agent@NAME left, of one training seed or the first, and its settings.

    Raises
    ------
    UserError
        If there is none, or none of that seed, or the file is not what the stage writes.
    """
    path = folder / f"{name}.safetensors"
    if not path.exists():
        raise untrained(path, ["agent"], sorted(file.stem for file in folder.glob("*.safetensors")))
    tensors, metadata = read_tensors(path)
    settings = parse_kept(Metadata, metadata, path).agent
    chosen = settings.seeds[0] if seed is None else seed
    prefix = f"{chosen}."
    weights = {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
    if not weights:
        raise UserError(f"{path}: was trained from the seeds {', '.join(map(str, settings.seeds))}, not from {chosen}")
    return load_net(settings, weights, path), settings
