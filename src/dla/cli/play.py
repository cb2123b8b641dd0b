"""`dla play`: watch an agent."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from dla.cli.completion import offer_names
from dla.cli.options import count, model_name, seed
from dla.cli.output import say_written
from dla.cli.parser import Commands, Parser, add_command
from dla.core import pools
from dla.core.atomic import destination
from dla.core.errors import UserError


def add(commands: Commands[Parser]) -> None:
    """Add the command to the parser."""
    play = add_command(
        commands,
        "play",
        "watch a trained agent",
        "Let an agent that `dvc repro` trained play whole episodes.\n"
        "The return of each is printed; a window or a GIF shows it on request.",
        "dla play cartpole-ppo --episodes 5",
        "dla play cartpole-ppo --render human",
        "dla play cartpole-ppo --episodes 3 --render gif episode.gif",
    )
    name = play.add_argument("name", type=model_name, metavar="RUN", help="a name under `agent` in params.yaml")
    play.add_argument("--episodes", type=count, default=1, metavar="N", help="play N episodes (default: 1)")
    play.add_argument(
        "--seed",
        type=seed,
        default=0,
        metavar="S",
        help="the seed of the first episode; the next ones take the numbers that follow (default: 0)",
    )
    play.add_argument(
        "--render",
        nargs="+",
        default=[],
        metavar=("human|gif", "FILE"),
        help="`human` opens a window, `gif FILE` writes all episodes into one file (default: nothing is drawn)",
    )
    offer_names(name, "agents")
    play.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Do what was asked for; the exit code."""
    pools.limit()  # to one thread, as the agent's training
    from dla.rl.environments.place import Place
    from dla.rl.evaluate import play, write_gif
    from dla.rl.results import load_agent

    mode, file = _rendering(options.render)
    target = destination(file) if file else None
    net, settings = load_agent(options.name)
    place = Place.of(settings)
    frames = []
    for number in range(options.seed, options.seed + options.episodes):
        shown = list(play(net, place, number, mode))
        frames += [moment.frame for moment in shown if moment.frame is not None]
        cut_off = "" if shown[-1].over else "  cut off: the environment sets no limit"
        print(f"seed {number}  steps {len(shown) - 1}  return {shown[-1].total:.2f}{cut_off}")
    if file and target:
        write_gif(target, frames)
        say_written(file)
    return 0


def _rendering(words: Sequence[str]) -> tuple[str | None, Path | None]:
    match words:
        case []:
            return None, None
        case ["human"]:
            return "human", None
        case ["gif", file] if file.lower().endswith(".gif"):
            return "rgb_array", Path(file)
        case ["gif", file]:
            raise UserError(f"--render gif {file}: a GIF is written to a FILE whose name ends in .gif")
    raise UserError(f"--render {' '.join(words)}: takes human, or gif and a FILE")
