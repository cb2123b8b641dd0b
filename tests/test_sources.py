"""What a source's files may hold, and what is said of those that do not fit: one line that helps."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest
from PIL import Image

from dla.core.errors import UserError
from dla.data import web
from dla.data.kinds import images, questions, texts
from dla.data.settings import TextSource

IMAGES = images.Settings(
    kind="images",
    source="own",
    image_column="image",
    label_column="label",
    channels=1,
    image_size=8,
    validation_fraction=0.2,
    split_seed=1,
)
TEXTS = texts.Settings(
    kind="texts",
    source="own",
    text_column="text",
    label_column="label",
    validation_fraction=0.2,
    split_seed=1,
)
AGAIN = r"dvc repro -f -s download@own"
LABEL = datasets.ClassLabel(names=["cat", "dog"])


def write(folder: Path, columns: dict[str, list[Any]], features: dict[str, Any]) -> Path:
    """A source whose splits train and test hold the same rows."""
    raw = folder / "own"
    raw.mkdir(exist_ok=True)
    for split in ("train", "test"):
        rows = datasets.Dataset.from_dict(columns, features=datasets.Features(features))
        rows.to_parquet(raw / f"{split}-00000.parquet")
    return raw


def pictures(folder: Path, count: int = 20) -> Path:
    made = [Image.fromarray(np.full((8, 8), i, np.uint8)) for i in range(count)]
    columns: dict[str, list[Any]] = {
        "image": made,
        "label": [i % 2 for i in range(count)],
        "name": [str(i) for i in range(count)],
    }
    return write(folder, columns, {"image": datasets.Image(), "label": LABEL, "name": datasets.Value("string")})


def prepare_images(raw: Path, **changed: Any) -> None:
    settings = {name: getattr(IMAGES, name) for name in IMAGES.__dataclass_fields__} | changed
    images.prepare(raw, images.Settings(**settings), raw.parent / "own.safetensors", "hub")


def prepare_texts(folder: Path, columns: dict[str, list[Any]], features: dict[str, Any]) -> None:
    raw = write(folder, columns, features)
    texts.prepare(raw, TEXTS, folder / "own.parquet", "hub")


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"image_column": "name"}, rf"'name' holds string, no pictures \(image\); .*{AGAIN}"),
        ({"image_column": "label"}, r"'label' holds int64, no pictures \(image\)"),
        ({"image_column": "img"}, rf"has no column 'img' but image, label, name; .*{AGAIN}"),
        ({"label_column": "name"}, rf"'name' has no class names, which a ClassLabel .* \(label\); .*{AGAIN}"),
        ({"validation_fraction": 1e-9}, r"validation_fraction = 1e-09 of 20 rows cannot hold one of each of 2 classes"),
        ({"validation_fraction": 0.002}, r"validation_fraction = 0.002 of 20 rows cannot hold one of each"),
    ],
)
def test_settings_that_do_not_fit_the_pictures(tmp_path: Path, changed: dict[str, Any], words: str) -> None:
    raw = pictures(tmp_path)
    with pytest.raises(UserError, match=words):
        prepare_images(raw, **changed)


def test_a_missing_picture_or_label_is_named(tmp_path: Path) -> None:
    features = {"image": datasets.Image(), "label": LABEL}
    picture = Image.fromarray(np.zeros((8, 8), np.uint8))
    raw = write(tmp_path, {"image": [picture, None] * 10, "label": [0, 1] * 10}, features)
    with pytest.raises(UserError, match="a file is truncated or broken"):
        prepare_images(raw)
    raw = write(tmp_path, {"image": [picture] * 20, "label": [0, 1, 0, -1] * 5}, features)
    with pytest.raises(UserError, match="row 3 has the label -1 in 'label', of 2 classes"):
        prepare_images(raw)


@pytest.mark.parametrize(
    ("columns", "features", "words"),
    [
        ({"text": [1] * 20}, {"text": datasets.Value("int64")}, r"'text' holds int64, no texts"),
        ({"text": [None, "b"] * 10}, {"text": datasets.Value("string")}, r"'text' is empty in some rows"),
        ({"text": [["a"]] * 20}, {"text": datasets.List(datasets.Value("string"))}, r"'text' holds List, no texts"),
    ],
)
def test_a_text_column_holds_texts(
    tmp_path: Path, columns: dict[str, list[Any]], features: dict[str, Any], words: str
) -> None:
    with pytest.raises(UserError, match=words):
        prepare_texts(tmp_path, {**columns, "label": [0, 1] * 10}, {**features, "label": LABEL})


def test_a_source_of_csv_is_told_what_to_do(tmp_path: Path) -> None:
    raw = pictures(tmp_path)
    (raw / "train-00000.parquet").rename(raw / "train-00000.csv")
    with pytest.raises(UserError, match=rf"'train' is train-00000.csv, but only parquet is read; .*{AGAIN}"):
        prepare_images(raw)
    (raw / "train-00000.csv").unlink()
    with pytest.raises(UserError, match=rf"has no split 'train' but test; .*{AGAIN}"):
        prepare_images(raw)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"answer": ""}, "has 4 options and answer ''"),
        ({"answer": "AB"}, "has 4 options and answer 'AB'"),
        ({"answer": None}, "'answer' is empty in some rows"),
        ({"options": ["a", "b", "c"]}, "has 3 options and answer 'A'"),
        ({"options": ["a", "b", "c", None]}, "'options' is empty in some rows"),
        ({"example_id": "hard1.txt"}, "'hard1.txt' begins with the name of no level: middle, high"),
    ],
)
def test_a_question_has_four_options_an_answer_and_a_level(tmp_path: Path, changed: dict[str, Any], words: str) -> None:
    row = {"example_id": "high1.txt", "article": "a", "question": "q", "options": list("abcd"), "answer": "A"}
    row |= changed
    features = {name: datasets.Value("string") for name in row} | {"options": datasets.List(datasets.Value("string"))}
    raw = write(tmp_path, {name: [value] for name, value in row.items()}, features)
    (raw / "validation-00000.parquet").write_bytes((raw / "train-00000.parquet").read_bytes())
    settings = questions.Settings(kind="questions", source="own", split_seed=1)
    with pytest.raises(UserError, match=words):
        questions.prepare(raw, settings, tmp_path / "own.parquet", "hub")


# --- a text of the web ------------------------------------------------------------------------------------------------

BODY = b"una selva oscura\n" * 100


class Server(BaseHTTPRequestHandler):
    """Answers /whole, cuts /cut short, and never says anything after the head of /silent."""

    ended = threading.Event()

    def do_HEAD(self) -> None:
        self._head()

    def do_GET(self) -> None:
        self._head()
        if self.path == "/silent":
            self.ended.wait(30)
        else:
            self.wfile.write(BODY if self.path == "/whole" else BODY[:100])

    def _head(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(BODY)))
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def server() -> Iterator[str]:
    Server.ended.clear()
    serving = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=serving.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{serving.server_port}"
    Server.ended.set()
    serving.shutdown()
    serving.server_close()


def text_at(url: str) -> TextSource:
    return TextSource(type="text", url=url, sha256=hashlib.sha256(BODY).hexdigest(), embedded="docstring-text")


def test_a_text_is_fetched_from_the_web(tmp_path: Path, server: str) -> None:
    web.download(text_at(f"{server}/whole"), tmp_path / "text")
    assert (tmp_path / "text" / "text.txt").read_bytes() == BODY


@pytest.mark.parametrize("path", ["/cut", "/silent"])
def test_a_server_that_stops_in_the_middle_is_one_line(tmp_path: Path, server: str, path: str) -> None:
    with pytest.raises(UserError, match=r"cannot be fetched \(.+\): connect to the internet") as error:
        web.download(text_at(server + path), tmp_path / "text", patience=0.5)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "text").exists()
