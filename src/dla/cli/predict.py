"""`dla predict`: classify photos."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dla.cli.completion import offer_files, offer_names
from dla.cli.computing import limit_threads
from dla.cli.options import count, model_name
from dla.cli.output import as_json, complain, print_table, say_written
from dla.cli.parser import Commands, Parser, add_command
from dla.core.atomic import destination
from dla.core.errors import UserError

if TYPE_CHECKING:  # torch takes seconds to import: only what predicts does
    from dla.vision.predict import Prediction


def add(commands: Commands[Parser]) -> None:
    """Add the command to the parser."""
    predict = add_command(
        commands,
        "predict",
        "classify photos with a trained model, and show where it looks",
        "Say of photos how likely each class is, by a model that `dvc repro` trained.\n"
        "They may have any size and kind. Of several photos, those that cannot be read are named and left out, and the "
        "exit code is 1.",
        "dla predict photo.jpg --model cifar10-resnet34",
        "dla predict photo.jpg --model cifar10-resnet34 --top 3 --cam where.png",
        "dla predict *.jpg --model imagenette-cnn --json",
    )
    images = predict.add_argument(
        "images", nargs="+", type=Path, metavar="IMAGE", help="a photo: JPEG, PNG, WebP, TIFF, ..."
    )
    model = predict.add_argument(
        "--model", required=True, type=model_name, metavar="RUN", help="a name under `train` in params.yaml"
    )
    cam = predict.add_argument(
        "--cam",
        type=Path,
        metavar="FILE",
        help="write to FILE the photo with the places marked that speak for its class (its class activation map); of "
        "several photos each is written to a FILE with its name added",
    )
    predict.add_argument("--top", type=count, default=5, metavar="K", help="show the K likeliest classes (default: 5)")
    predict.add_argument("--json", action="store_true", help="print JSON instead of a table")
    offer_files(images)
    offer_files(cam)
    offer_names(model, "image_runs")
    predict.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Do what was asked for; the exit code."""
    limit_threads()
    from dla.vision.maps.trained import load_classifier
    from dla.vision.predict import predict

    maps = _map_paths(options.cam, options.images) if options.cam else {}
    classifier = load_classifier(options.model)
    done: list[Prediction] = []
    for file in options.images:
        try:
            prediction = predict(classifier, file)
            if options.cam:
                prediction.write_map(classifier, destination(maps[file]))
                say_written(maps[file])
        except UserError as error:
            if len(options.images) == 1:
                raise
            complain(error)
            continue
        done.append(prediction)
        if not options.json:
            print_table(prediction.file, prediction.probabilities[: options.top])
    if options.json:
        shown = [
            {"file": str(prediction.file), "classes": as_json(prediction.probabilities[: options.top])}
            for prediction in done
        ]
        print(json.dumps(shown, indent=2))
    return 0 if len(done) == len(options.images) else 1


def _map_paths(path: Path, files: Sequence[Path]) -> dict[Path, Path]:
    """Where the map of each photo goes: over none of the photos, and over nothing but a file.

    Raises
    ------
    UserError
        If a map cannot be written there, or two of them would be one file.
    """
    from dla.core.artifacts import picture_format

    picture_format(path)
    photos = list(dict.fromkeys(files))
    paths = {
        file: path if len(files) == 1 else path.with_name(f"{path.stem}-{file.stem}{path.suffix}") for file in photos
    }
    sources = {Path(os.path.realpath(file)): file for file in photos}
    taken: dict[Path, Path] = {}
    for file, wanted in paths.items():
        place = destination(wanted)
        if place in sources:
            raise UserError(f"--cam {path}: would write over the photo {sources[place]}; name another")
        if place in taken:
            raise UserError(f"--cam {path}: {taken[place]} and {file} would have one map, {wanted}; take one at a time")
        taken[place] = file
    return paths
