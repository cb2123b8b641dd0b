"""What a trained agent leaves behind: weights, metrics, curves, a recording; and the agent read back from it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from dla.core.artifacts import read_tensors, write_metrics, write_table, write_tensors
from dla.core.contents import load_weights
from dla.core.errors import UserError
from dla.core.parameters import untrained
from dla.core.parsing import parse_kept
from dla.rl.baselines import RULES, baselines
from dla.rl.dqn import QNet
from dla.rl.environments import Place
from dla.rl.evaluate import record, summary, write_gif
from dla.rl.ppo import ActorCritic
from dla.rl.seeds import first_seed
from dla.rl.settings import Agent, DQNRun, PPORun
from dla.rl.train import TrainedAgent, all_rows, curves

MODELS = Path("models/agents")


@dataclass(frozen=True)
class Metadata:
    """What stands beside the weights."""

    agent: Agent


def write_agents(name: str, run: DQNRun | PPORun, agents: list[TrainedAgent]) -> None:
    """Write the results of all seeds."""
    weights = {f"{agent.seed}.{key}": value for agent in agents for key, value in agent.weights.items()}
    write_tensors(MODELS / f"{name}.safetensors", weights, {"agent": asdict(run)})
    write_metrics(Path(f"metrics/agent/{name}.json"), metrics(run, agents))
    write_table(Path(f"plots/agent/{name}.csv"), curves(run), all_rows(agents))
    first = {key: torch.from_numpy(value) for key, value in agents[0].weights.items()}
    net = load_net(run, first, MODELS / f"{name}.safetensors")
    write_gif(Path(f"plots/agent/{name}.gif"), record(net, Place.of(run), first_seed("test", 0, 1)))


def metrics(run: DQNRun | PPORun, agents: list[TrainedAgent]) -> dict[str, Any]:
    """Seeds one by one and together; n is the number of seeds there, of episodes here."""
    threshold = Place.of(run).threshold
    judged = {agent.seed: {policy: one.metrics() for policy, one in agent.evaluation.items()} for agent in agents}
    means = {policy: [one[policy]["mean"] for one in judged.values()] for policy in ("greedy", "sampled")}
    every = {policy: [value for agent in agents for value in agent.evaluation[policy].returns] for policy in means}
    made: dict[str, Any] = {
        "environment": run.environment,
        "algorithm": run.name,
        "steps": agents[0].steps,
        "return": summary(means["greedy"], every["greedy"]),
        "sampled_return": summary(means["sampled"], every["sampled"]),
        "seeds": {
            str(agent.seed): judged[agent.seed]
            | ({} if threshold is None else {"solved_at": agent.solved_at(threshold)})
            | {"area": agent.area()}
            for agent in agents
        },
        "baselines": {policy: one.metrics() for policy, one in baselines(run, agents[0].seed).items()},
    }
    if "rule" in made["baselines"]:
        made["baselines"]["rule"]["rule"] = RULES[run.environment].description
    if threshold is not None:
        made |= {"threshold": threshold, "solved": sum(mean >= threshold for mean in means["greedy"])}
    rates = [one["greedy"]["success_rate"] for one in judged.values() if "success_rate" in one["greedy"]]
    if rates:
        made["success_rate"] = summary(rates, (0.0, 1.0))
    return made


def load_net(run: DQNRun | PPORun, weights: dict[str, torch.Tensor], path: Path) -> Any:
    """The net of a run with these weights, which are those of the file `path`, ready to act."""
    environments = Place.of(run).make(1)
    kind: Any = QNet if isinstance(run, DQNRun) else ActorCritic
    net = kind(run, environments.observation_space, environments.action_space)
    load_weights(net, weights, path)
    return net.eval()


def load_agent(name: str, seed: int | None = None, folder: Path = MODELS) -> tuple[Any, DQNRun | PPORun]:
    """The net that a stage agent@NAME left, of one training seed or the first, and its run.

    Raises
    ------
    UserError
        If there is none, or none of that seed, or the file is not what the stage writes.
    """
    path = folder / f"{name}.safetensors"
    if not path.exists():
        raise untrained(path, ["agent"], sorted(file.stem for file in folder.glob("*.safetensors")))
    tensors, metadata = read_tensors(path)
    run = parse_kept(Metadata, metadata, path).agent
    chosen = run.seeds[0] if seed is None else seed
    weights = {
        key.partition(".")[2]: torch.from_numpy(value)
        for key, value in tensors.items()
        if key.partition(".")[0] == str(chosen)
    }
    if not weights:
        raise UserError(f"{path}: was trained from the seeds {', '.join(map(str, run.seeds))}, not from {chosen}")
    return load_net(run, weights, path), run
