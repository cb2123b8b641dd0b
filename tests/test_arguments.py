"""Whatever is typed or piped in ends in a result or in one line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from transformers import GPT2Config, GPT2LMHeadModel

from dla.cli.main import main
from dla.language.characters import build_tokenizer

COMMAND = [sys.executable, "-c", "from dla.cli.main import run; run()"]
TEXT = "the quick brown fox jumps over the lazy dog"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    tokenizer = build_tokenizer(TEXT, 32)
    words = len(tokenizer)
    GPT2LMHeadModel(
        GPT2Config(vocab_size=words, n_positions=32, n_embd=16, n_layer=1, n_head=2, bos_token_id=1, eos_token_id=None)
    ).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one line of an error."""
    try:
        code: object = main(arguments)
    except SystemExit as exit_:
        code = exit_.code
    assert code == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert len(error) < 500
    return error


@pytest.mark.parametrize("command", ["classify", "generate"])
def test_an_argument_that_is_not_utf8(capsys: pytest.CaptureFixture[str], command: str) -> None:
    argument = os.fsdecode(b"caf\xe9")
    assert "is not UTF-8" in said(capsys, command, argument, "--model", "x")
    assert "is not UTF-8" in said(capsys, command, "text", "--model", argument)


def test_standard_input_that_is_not_utf8(project: Path) -> None:
    for locale in ("C", "C.UTF-8"):
        done = subprocess.run(
            [*COMMAND, "classify", "--model", "x"],
            input=b"caf\xe9\n",
            capture_output=True,
            check=False,
            env=os.environ | {"LC_ALL": locale},
        )
        assert done.returncode == 2
        assert done.stderr.startswith(b"error: standard input: cannot be read as text (")
        assert done.stderr.count(b"\n") == 1


def test_a_photo_whose_name_is_not_utf8_is_named_in_the_error(project: Path) -> None:
    name = os.fsdecode(b"caf\xe9.png")
    Image.new("RGB", (8, 8)).save(name)
    done = subprocess.run([*COMMAND, "predict", name, "--model", "x"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)


@pytest.mark.parametrize("command", [["predict", "x.png"], ["classify", "text"], ["generate", "text"]])
@pytest.mark.parametrize("name", ["x" * 5000, "x" * 5000 + "/y", "/".join(["x" * 200] * 25)])
def test_a_name_of_five_thousand_characters(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, command: list[str], name: str
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert "is too long for a name" in said(capsys, *command, "--model", name)


@pytest.mark.parametrize(
    "sample",
    [
        *("temperature=1e-320", "temperature=1e999", "temperature=NaN", f"temperature={'[' * 5000}"),
        *(f"top-k={2**70}", f"top-k={'9' * 5000}"),
    ],
)
def test_a_sample_that_no_text_can_be_drawn_from(model: Path, capsys: pytest.CaptureFixture[str], sample: str) -> None:
    assert "--sample" in said(capsys, "generate", "the ", "--model", str(model), "--sample", sample)


@pytest.mark.parametrize(
    "sample", ["temperature=1e-3", "temperature=1e300", f"top-k={10**9}", "top-p=1e-300", "top-p=1,top-k=1"]
)
def test_a_sample_at_the_edge_of_its_range(model: Path, capsys: pytest.CaptureFixture[str], sample: str) -> None:
    assert main(["generate", "the ", "--model", str(model), "--length", "3", "--sample", sample]) == 0
    assert len(capsys.readouterr().out) == len("the 123\n")
