"""Model folders from elsewhere: read with the weights that are there, or not at all."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import BertConfig, BertForMaskedLM, BertModel, GPT2Config, GPT2LMHeadModel

from dla.core.errors import UserError
from dla.language.characters import build_tokenizer
from dla.language.generate import read_speaker
from dla.pretrained import read_pretrained
from dla.text.encode import read_encoder

TEXT = "the quick brown fox jumps over the lazy dog"
Tensors = dict[str, torch.Tensor]


def saved(model: Any, folder: Path) -> Path:
    model.save_pretrained(folder)
    build_tokenizer(TEXT, 32).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    words = len(build_tokenizer(TEXT, 32))
    bert = BertConfig(
        vocab_size=words,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=32,
    )
    saved(BertModel(bert), folder / "bert")
    saved(BertForMaskedLM(bert), folder / "masked")
    saved(GPT2LMHeadModel(GPT2Config(vocab_size=words, n_positions=32, n_embd=16, n_layer=2, n_head=2)), folder / "gpt")
    return folder


@pytest.fixture
def models(kept: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(kept, tmp_path / "models"))


def change(folder: Path, edit: Callable[[Tensors], Tensors]) -> None:
    file = folder / "model.safetensors"
    save_file(edit(load_file(file)), file, metadata={"format": "pt"})


def test_weights_are_those_of_the_folder(models: Path) -> None:
    tensors = load_file(models / "bert/model.safetensors")
    read = read_encoder(models / "bert").model.state_dict()
    assert all(torch.equal(read[name], value) for name, value in tensors.items())
    assert read_speaker(models / "gpt").model.lm_head.weight is not None  # tied, so that the file has it once


@pytest.mark.parametrize("read", [read_encoder, read_speaker])
def test_weights_under_other_names_are_an_error(models: Path, read: Callable[[Path], Any]) -> None:
    folder = models / ("bert" if read is read_encoder else "gpt")
    change(folder, lambda tensors: {f"another.{name}": value for name, value in tensors.items()})
    with pytest.raises(UserError, match=r"the weights are not those of the \w+ that config.json describes: they lack"):
        read(folder)


def without(name: str) -> Callable[[Tensors], Tensors]:
    return lambda tensors: {key: value for key, value in tensors.items() if key != name}


def with_(name: str) -> Callable[[Tensors], Tensors]:
    return lambda tensors: {**tensors, name: torch.zeros(3)}


def of_layers(number: int) -> Callable[[dict[str, Any]], None]:
    return lambda config: config.update(num_hidden_layers=number, n_layer=number)


@pytest.mark.parametrize(
    ("model", "edit", "words"),
    [
        ("bert", without("encoder.layer.1.output.dense.bias"), "they lack encoder.layer.1.output.dense.bias;"),
        ("bert", with_("encoder.layer.2.output.dense.bias"), "they have too much, encoder.layer.2.output.dense.bias;"),
        ("bert", with_("encoder.layer.1.output.dense.bias"), "in another shape encoder.layer.1.output.dense.bias;"),
        ("gpt", without("transformer.ln_f.bias"), "they lack transformer.ln_f.bias;"),
        ("gpt", with_("score.weight"), "they have too much, score.weight;"),
        ("gpt", with_("transformer.wpe.weight"), "they have in another shape transformer.wpe.weight;"),
    ],
)
def test_a_weight_too_few_or_too_many_is_an_error(
    models: Path, model: str, edit: Callable[[Tensors], Tensors], words: str
) -> None:
    change(models / model, edit)
    with pytest.raises(UserError, match=words):
        (read_encoder if model == "bert" else read_speaker)(models / model)


@pytest.mark.parametrize(("number", "words"), [(1, r"have too much, .*\.1\."), (3, r"lack .*\.2\.")])
@pytest.mark.parametrize("model", ["bert", "gpt"])
def test_a_configuration_of_another_depth_is_an_error(models: Path, model: str, number: int, words: str) -> None:
    file = models / model / "config.json"
    config = json.loads(file.read_text())
    of_layers(number)(config)
    file.write_text(json.dumps(config))
    with pytest.raises(UserError, match=words):
        (read_encoder if model == "bert" else read_speaker)(models / model)


def test_an_encoder_needs_no_head_and_minds_none(models: Path) -> None:
    change(models / "bert", lambda tensors: {n: v for n, v in tensors.items() if not n.startswith("pooler")})
    change(models / "bert", with_("embeddings.position_ids"))  # of an older version
    read_encoder(models / "bert")
    read_encoder(models / "masked")
    read_encoder(models / "gpt")


def test_only_a_head_that_is_to_be_trained_may_be_missing(models: Path) -> None:
    kind = "AutoModelForSequenceClassification"
    for model in ("bert", "masked", "gpt"):
        read_pretrained(models / model, kind, new_head=True)
        with pytest.raises(UserError, match=r"they lack .*(classifier|score|pooler)"):
            read_pretrained(models / model, kind)
    with pytest.raises(UserError, match=r"BertLMHeadModel that config.json describes: they lack cls"):
        read_speaker(models / "bert")


@pytest.mark.parametrize("file", ["config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors"])
@pytest.mark.parametrize("content", [b"", b"[]", b"null", b"\xff\xfe", None])
def test_a_damaged_file_ends_in_one_line(models: Path, file: str, content: bytes | None) -> None:
    whole = (models / "gpt" / file).read_bytes()
    (models / "gpt" / file).write_bytes(whole[: len(whole) // 2] if content is None else content)
    with pytest.raises(UserError, match="gpt: holds no model that can be read") as error:
        read_speaker(models / "gpt")
    assert "\n" not in str(error.value)
