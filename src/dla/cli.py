"""The `dla` command."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dla.effective import effective
from dla.errors import UserError
from dla.params import load_params

if TYPE_CHECKING:  # torch takes seconds to import: only what predicts does
    from dla.vision.predict import Prediction


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code: 0, or 2 with one line about what is wrong.

    1 says that a part of what was asked for could not be done; there is a line about each.
    """
    parser = argparse.ArgumentParser(prog="dla", description="Laboratories of deep learning as one DVC workflow.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_params(commands)
    _add_predict(commands)
    _add_classify(commands)
    _add_generate(commands)
    _add_play(commands)
    options = parser.parse_args(arguments)
    try:
        code: int = options.run(options)
    except UserError as error:
        _complain(error)
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader, say `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code


def _complain(error: UserError) -> None:
    print(f"error: {error}", file=sys.stderr)


Commands = argparse._SubParsersAction  # the type that add_subparsers returns has no public name


# --- dla params ---------------------------------------------------------------------------------------------------


def _add_params(commands: Commands[argparse.ArgumentParser]) -> None:
    params = commands.add_parser(
        "params",
        help="check params.yaml, and print what a stage will really run with",
        description="Check the whole of params.yaml; with STAGE, print what it runs with under the budget in force.",
        epilog="examples: dla params rank@margin; dla params cifar10-cnn (all stages of that name)",
    )
    params.add_argument("name", nargs="?", metavar="STAGE", help="a stage of dvc.yaml, or what follows its @")
    params.set_defaults(run=_params)


def _params(options: argparse.Namespace) -> int:
    params = load_params()
    if options.name is None:
        print(f"params.yaml is valid; budget {params.budget}: {params.budgeted.data.source} data")
    else:
        print(json.dumps(effective(params, options.name), indent=2))
    return 0


# --- dla predict --------------------------------------------------------------------------------------------------


def _add_predict(commands: Commands[argparse.ArgumentParser]) -> None:
    predict = commands.add_parser(
        "predict",
        help="classify photos with a trained model, and show where it looks",
        description="Classify photos of any size and kind with a model that `dvc repro` trained.",
        epilog="example: dla predict photo.jpg --model cifar10-resnet34 --cam where.png",
    )
    predict.add_argument(
        "images", nargs="+", type=Path, metavar="IMAGE", help="a photo in any format that Pillow reads"
    )
    predict.add_argument("--model", required=True, metavar="RUN", help="a trained key of `train` in params.yaml")
    predict.add_argument(
        "--cam",
        type=Path,
        metavar="FILE",
        help="write the photo with its class activation map; of several photos each to FILE with its name added",
    )
    predict.add_argument("--top", type=_count, default=5, metavar="K", help="how many classes are shown (default: 5)")
    predict.add_argument("--json", action="store_true", help="print JSON instead of a table")
    predict.set_defaults(run=_predict)


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


def _seed(text: str) -> int:
    if not text.isdecimal() or int(text) >= 2**32:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0 to {2**32 - 1}")
    return int(text)


def _predict(options: argparse.Namespace) -> int:
    from dla.vision.predict import predict
    from dla.vision.weights import read_classifier

    classifier = read_classifier(options.model)
    done: list[Prediction] = []
    for file in options.images:
        try:
            prediction = predict(classifier, file)
            if options.cam:
                prediction.write_map(classifier, _map_path(options.cam, file, single=len(options.images) == 1))
        except UserError as error:
            if len(options.images) == 1:
                raise
            _complain(error)
            continue
        done.append(prediction)
        if not options.json:
            _print_table(prediction.file, prediction.probabilities[: options.top])
    if options.json:
        shown = [
            {"file": str(prediction.file), "classes": _as_json(prediction.probabilities[: options.top])}
            for prediction in done
        ]
        print(json.dumps(shown, indent=2))
    return 0 if len(done) == len(options.images) else 1


def _map_path(path: Path, file: Path, *, single: bool) -> Path:
    return path if single else path.with_name(f"{path.stem}-{file.stem}{path.suffix}")


Ranked = Sequence[tuple[str, float]]  # classes with their probabilities, the likeliest first


def _print_table(heading: object, shown: Ranked) -> None:
    print(heading)
    width = max(len(name) for name, _ in shown)
    for name, probability in shown:
        print(f"  {name:<{width}}  {probability:7.2%}")


def _as_json(shown: Ranked) -> list[dict[str, object]]:
    return [{"class": name, "probability": probability} for name, probability in shown]


# --- dla classify -------------------------------------------------------------------------------------------------


def _add_classify(commands: Commands[argparse.ArgumentParser]) -> None:
    classify = commands.add_parser(
        "classify",
        help="classify texts with a trained model",
        description="Classify texts with a model that `dvc repro` trained: TEXT arguments, else lines of FILE or of "
        "standard input.",
        epilog='example: dla classify "Draw a line through the points." --model logreg',
    )
    classify.add_argument("texts", nargs="*", metavar="TEXT", help="a text, in quotes")
    classify.add_argument(
        "--model", required=True, metavar="HEAD", help="a key of `tfidf`, `classify` or `finetune` in params.yaml"
    )
    classify.add_argument("--file", type=Path, metavar="FILE", help="a file with a text per line")
    classify.add_argument("--json", action="store_true", help="print JSON instead of a table")
    classify.set_defaults(run=_classify)


def _classify(options: argparse.Namespace) -> int:
    from dla.text.heads import read_text_classifier

    texts = _texts(options)
    classifier = read_text_classifier(options.model)
    found = [
        (text, sorted(zip(classifier.classes, map(float, row), strict=True), key=lambda shown: -shown[1]))
        for text, row in zip(texts, classifier.probabilities(texts), strict=True)
    ]
    if options.json:
        print(json.dumps([{"text": text, "classes": _as_json(shown)} for text, shown in found], indent=2))
    else:
        for text, shown in found:
            _print_table(text, shown)
    return 0


def _texts(options: argparse.Namespace) -> list[str]:
    if options.texts and options.file:
        raise UserError("take either TEXT arguments or --file")
    lines: list[str] = options.texts
    if options.file:
        try:
            lines = options.file.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"{options.file}: cannot be read as text ({error})") from None
    elif not lines:
        lines = sys.stdin.read().splitlines()
    texts = [line.strip() for line in lines if line.strip()]
    if not texts:
        raise UserError("there is no text to classify")
    return texts


# --- dla generate -------------------------------------------------------------------------------------------------


def _add_generate(commands: Commands[argparse.ArgumentParser]) -> None:
    generate = commands.add_parser(
        "generate",
        help="let a language model go on from a prompt",
        description="Write what a causal language model says after PROMPT, token by token as it says it.",
        epilog='example: dla generate "The mean of " --sample top-p=0.9,temperature=0.8 --length 300',
    )
    generate.add_argument("prompt", nargs="?", default="", metavar="PROMPT", help="in quotes; none: from nothing")
    generate.add_argument(
        "--model",
        metavar="MODEL",
        help="a key of `lm` or `sources` in params.yaml, a folder, or OWNER/NAME of the Hub (default: the first `lm`)",
    )
    generate.add_argument(
        "--sample",
        default="temperature=0.8",
        metavar="HOW",
        help="greedy, or any of temperature=T,top-k=K,top-p=P (default: temperature=0.8)",
    )
    generate.add_argument("--length", type=_count, default=500, metavar="N", help="tokens at most (default: 500)")
    generate.add_argument("--seed", type=_seed, default=1, metavar="S", help="another one, another text (default: 1)")
    generate.set_defaults(run=_generate)


def _generate(options: argparse.Namespace) -> int:
    from dla.text.characters import START, tokens_of
    from dla.text.speakers import find_speaker, parse_sampling
    from dla.text.stream import stream

    sampling = parse_sampling(options.sample)
    model = options.model or next(iter(load_params().lm), None)
    if model is None:
        raise UserError("params.yaml: lm has no model to take; name one with --model")
    speaker = find_speaker(model)
    prompt = tokens_of(speaker.tokenizer, options.prompt or speaker.tokenizer.bos_token or START)
    print(options.prompt, end="", flush=True)
    for piece in stream(speaker.model, speaker.tokenizer, prompt, options.length, sampling, options.seed):
        print(piece, end="", flush=True)
    print()
    return 0


# --- dla play -----------------------------------------------------------------------------------------------------


def _add_play(commands: Commands[argparse.ArgumentParser]) -> None:
    play = commands.add_parser(
        "play",
        help="watch a trained agent",
        description="Let an agent that `dvc repro` trained play whole episodes, on a screen or into a GIF.",
        epilog="example: dla play cartpole-ppo --episodes 3 --render gif episode.gif",
    )
    play.add_argument("name", metavar="RUN", help="a trained key of `agent` in params.yaml")
    play.add_argument("--episodes", type=_count, default=1, metavar="N", help="how many (default: 1)")
    play.add_argument("--seed", type=_seed, default=0, metavar="S", help="of the first episode (default: 0)")
    play.add_argument(
        "--render",
        nargs="+",
        default=[],
        metavar=("human|gif", "FILE"),
        help="human: a window; gif FILE: all episodes in one file; left out: nothing is drawn",
    )
    play.set_defaults(run=_play)


def _play(options: argparse.Namespace) -> int:
    from dla.rl.evaluate import play, write_gif
    from dla.rl.results import read_agent

    mode, file = _rendering(options.render)
    net, run = read_agent(options.name)
    frames = []
    for seed in range(options.seed, options.seed + options.episodes):
        shown = list(play(net, run.environment, seed, mode))
        frames += [frame for frame, _ in shown if frame is not None]
        print(f"seed {seed}  steps {len(shown) - 1}  return {shown[-1][1]:.2f}")
    if file:
        write_gif(file, frames)
    return 0


def _rendering(words: Sequence[str]) -> tuple[str | None, Path | None]:
    match words:
        case []:
            return None, None
        case ["human"]:
            return "human", None
        case ["gif", file]:
            return "rgb_array", Path(file)
    raise UserError(f"--render {' '.join(words)}: takes human, or gif and a FILE")
