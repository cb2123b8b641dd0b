"""dla predict: photos of every kind, and clear words about what cannot be read or written."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_sample_images

from dla.cli.main import main
from dla.core.artifacts import read_tensors, write_tensors
from dla.core.parsing import parse
from dla.data.pixels import to_pixels
from dla.models import resnet
from dla.models.base.registry import build
from dla.vision.maps.trained import load_classifier
from dla.vision.settings import SeededTraining

CLASSES = ("airplane", "cat", "golden retriever")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a trained model `net` and a photo of 640 by 427 pixels."""
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    run = SeededTraining(
        data="cifar10",
        model=resnet.Settings(family="resnet", layers=20, skips=True, stem="cifar", width=4),
        seed=1,
        epochs=1,
        batch_size=8,
        optimizer="adam",
        learning_rate=1e-3,
    )
    model = build(run.model, (3, 32, 32), 3)
    facts = {"classes": CLASSES, "source": "embedded", "mean": (0.5, 0.4, 0.3), "std": (0.2, 0.2, 0.2)}
    tensors = {name: value.numpy() for name, value in model.state_dict().items()}
    write_tensors(Path("models/net.safetensors"), tensors, {"run": asdict(run), "input_shape": (3, 32, 32), **facts})
    Image.fromarray(load_sample_images().images[1]).save("photo.jpg")
    return tmp_path


def predicted(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, object]]:
    assert main(["predict", "--model", "net", "--json", *arguments]) == 0
    found: list[dict[str, object]] = json.loads(capsys.readouterr().out)
    return found


def test_a_table_of_the_most_probable_classes(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", "photo.jpg", "--model", "net", "--top", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "photo.jpg"
    assert len(lines) == 3
    shares = [float(line.split()[-1].rstrip("%")) for line in lines[1:]]
    assert shares == sorted(shares, reverse=True)


def test_json_holds_the_models_own_probabilities(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (found,) = predicted(capsys, "photo.jpg")
    classifier = load_classifier("net")
    pixels = torch.from_numpy(to_pixels(Image.open("photo.jpg"), 3, 32).copy())[None]
    with torch.no_grad():
        expected = classifier.model(classifier.normalise(pixels)).softmax(1)[0]
    classes = found["classes"]
    assert isinstance(classes, list)
    assert {c["class"]: c["probability"] for c in classes} == pytest.approx(
        dict(zip(CLASSES, expected.tolist(), strict=True))
    )


@pytest.mark.parametrize("mode", ["RGB", "L", "LA", "RGBA", "P", "CMYK", "1", "I;16"])
@pytest.mark.parametrize("size", [(40, 30), (1, 1), (32, 32), (7, 300)])
def test_pictures_of_every_mode_and_size(
    place: Path, capsys: pytest.CaptureFixture[str], mode: str, size: tuple[int, int]
) -> None:
    name = "picture.tiff" if mode == "CMYK" else "picture.png"
    Image.new("L", size, 90).convert(mode).save(name)
    predicted(capsys, name, "--cam", "map.png")
    assert Image.open("map.png").size == size


def test_what_is_transparent_counts_as_white(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Image.new("RGBA", (50, 50), (0, 0, 0, 0)).save("clear.png")
    Image.new("RGB", (50, 50), "white").save("white.png")
    clear, white = predicted(capsys, "clear.png", "white.png")
    assert clear["classes"] == white["classes"]


def test_a_photo_is_turned_as_its_exif_data_say(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photo = Image.open("photo.jpg")
    exif = Image.Exif()
    exif[0x0112] = 6  # held a quarter turn to the right
    photo.transpose(Image.Transpose.ROTATE_90).save("turned.png", exif=exif)
    photo.save("straight.png")
    turned, straight = predicted(capsys, "turned.png", "straight.png")
    assert turned["classes"] == straight["classes"]


def test_a_net_whose_feature_map_is_one_place_says_that_it_has_no_map(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tensors, facts = read_tensors(Path("models/net.safetensors"))
    run = facts["run"] | {"model": {"family": "cnn", "widths": [4] * 5}}
    model = build(parse(SeededTraining, run, "a test").model, (3, 32, 32), 3)
    tensors = {name: value.numpy() for name, value in model.state_dict().items()}
    write_tensors(Path("models/net.safetensors"), tensors, facts | {"run": run})
    assert main(["predict", "photo.jpg", "--model", "net"]) == 0
    assert main(["predict", "photo.jpg", "--model", "net", "--cam", "map.png"]) == 2
    assert "map.png: the model's last feature map is one place" in capsys.readouterr().err
    assert not Path("map.png").exists()


def test_the_map_lies_over_the_middle_square_at_the_photos_own_resolution(place: Path) -> None:
    assert main(["predict", "photo.jpg", "--model", "net", "--cam", "map.png"]) == 0
    before, after = (np.asarray(Image.open(name)).astype(int) for name in ("photo.jpg", "map.png"))
    assert before.shape == after.shape == (427, 640, 3)
    changed = np.flatnonzero((before != after).any((0, 2)))
    assert (changed.min(), changed.max()) >= (106, 0)
    assert changed.max() < 106 + 427
    assert len(changed) > 100


def test_several_photos_get_a_map_each(place: Path) -> None:
    Image.open("photo.jpg").save("other.jpg")
    Path("maps").mkdir()
    assert main(["predict", "photo.jpg", "other.jpg", "--model", "net", "--cam", "maps/where.png"]) == 0
    assert sorted(path.name for path in Path("maps").iterdir()) == ["where-other.png", "where-photo.png"]


def test_a_map_is_not_written_without_a_word(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    predicted(capsys, "photo.jpg")
    assert main(["predict", "photo.jpg", "--model", "net", "--json", "--cam", "map.png"]) == 0
    told = capsys.readouterr()
    assert told.err == "written: map.png\n"
    assert json.loads(told.out)


@pytest.mark.parametrize(
    ("cam", "words"),
    [
        ("mine.png", "mine.png: is a folder; name a file to write"),
        (".", ".: no ending is not a format for pictures"),
        ("link.png", "link.png: is a folder; name a file to write"),
        ("nowhere/map.png", "nowhere/map.png: could not be written (there is no folder nowhere)"),
        ("pipe.png", "pipe.png: is not a file that can be replaced"),
        ("circle.png", "circle.png: could not be written"),
        ("photo.jpg", "--cam photo.jpg: would write over the photo photo.jpg"),
        ("alias.jpg", "--cam alias.jpg: would write over the photo photo.jpg"),
        (f"{'x' * 300}.png", "could not be written (File name too long)"),
    ],
)
def test_a_map_takes_the_place_of_nothing_but_a_file(
    place: Path, capsys: pytest.CaptureFixture[str], cam: str, words: str
) -> None:
    Path("mine.png").mkdir()
    Path("mine.png/diary.txt").write_text("mine")
    Path("link.png").symlink_to("mine.png")
    Path("circle.png").symlink_to("circle.png")
    Path("alias.jpg").symlink_to("photo.jpg")
    os.mkfifo("pipe.png")
    before = {path: path.stat(follow_symlinks=False).st_mtime_ns for path in place.rglob("*")}
    assert main(["predict", "photo.jpg", "--model", "net", "--cam", cam]) == 2
    told = capsys.readouterr().err
    assert words in told
    assert told.count("\n") == 1
    assert {path: path.stat(follow_symlinks=False).st_mtime_ns for path in place.rglob("*")} == before


def test_a_map_goes_where_a_link_leads(place: Path) -> None:
    Path("folder").mkdir()
    Path("where.png").symlink_to("folder/real.png")
    assert main(["predict", "photo.jpg", "--model", "net", "--cam", "where.png"]) == 0
    assert Path("where.png").is_symlink()
    assert Image.open("folder/real.png").size == (640, 427)


def test_two_photos_of_one_name_would_have_one_map(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("more").mkdir()
    Image.open("photo.jpg").save("more/photo.png")
    assert main(["predict", "photo.jpg", "more/photo.png", "--model", "net", "--cam", "map.png"]) == 2
    assert "photo.jpg and more/photo.png would have one map, map-photo.png" in capsys.readouterr().err
    assert not Path("map-photo.png").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["missing.jpg", "--model", "net"], "missing.jpg: there is no such file"),
        (["text.jpg", "--model", "net"], "text.jpg: is not a picture"),
        (["cut.jpg", "--model", "net"], "cut.jpg: cannot be read"),
        ([".", "--model", "net"], "."),
        (
            ["photo.jpg", "--model", "nut"],
            "'nut' is no name under train in params.yaml; trained: net; did you mean net?",
        ),
        (["photo.jpg", "--model", "net", "--cam", "photo.jpg/map.png"], "photo.jpg/map.png: could not be written"),
        (["photo.jpg", "--model", "net", "--cam", "map.xyz"], "map.xyz: '.xyz' is not a format"),
    ],
)
def test_what_is_wrong_is_one_line_and_exit_code_2(
    place: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    Path("text.jpg").write_text("no picture")
    Path("cut.jpg").write_bytes(Path("photo.jpg").read_bytes()[:5000])
    assert main(["predict", *arguments]) == 2
    told = capsys.readouterr()
    assert told.err.startswith("error: ")
    assert words in told.err
    assert told.err.count("\n") == 1
    assert told.out == ""


def test_a_model_that_is_not_there_names_a_stage_that_is(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", "photo.jpg", "--model", "cifar10-resnet43"]) == 2
    assert capsys.readouterr().err == (
        "error: 'cifar10-resnet43' is no name under train in params.yaml; trained: none yet; "
        "did you mean cifar10-resnet34?\n"
    )
    assert main(["predict", "photo.jpg", "--model", "cifar10-resnet34"]) == 2
    assert "is missing; `dvc repro train@cifar10-resnet34` makes it; trained: none yet" in capsys.readouterr().err


def test_a_batch_goes_on_with_the_next_and_exits_1(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", "missing.jpg", "photo.jpg", "--model", "net"]) == 1
    told = capsys.readouterr()
    assert "missing.jpg: there is no such file" in told.err
    assert told.out.startswith("photo.jpg\n")
