"""Settings that leave too little to work on, or ask for more than there is, are one line once that is known."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.feature_extraction.text import TfidfVectorizer

from dla.core.artifacts import write_tensors
from dla.core.errors import UserError, is_beyond_memory
from dla.params.file import load_params
from dla.text import tfidf, tsne
from dla.text.batches import TokenBatches
from dla.text.features import read_labelled
from dla.text.perceptron import VectorBatches
from dla.training.job import Job
from dla.training.settings import Runtime, Tracking, Training

from .conftest import ROOT

TOO_LARGE = [
    "import torch; torch.empty(10**13)",
    "import torch; torch.nn.Linear(10**9, 10**9)",
    "import torch; torch.nn.Linear(10**9, 10**9, device='cpu', dtype=torch.float64)",
    "import torch; torch.zeros(10**9, 10**9, 10**9)",
    "import torch; torch.nn.Embedding(10**9, 10**6)",
    "import numpy; numpy.zeros((10**9, 10**6))",
    "import numpy; numpy.zeros((10**9, 10**9, 10**9))",
    "[0] * 10**14",
]


@pytest.mark.parametrize("code", TOO_LARGE)
def test_more_memory_than_there_is_ends_a_stage_in_one_line(tmp_path: Path, code: str) -> None:
    script = tmp_path / "script.py"
    script.write_text(f"from dla.core import stage\n\ndef main():\n    {code}\n\nstage.run(main, None)\n")
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: more memory is needed than there is: take smaller sizes")
    assert done.stderr.count("\n") == 1


def test_other_errors_of_libraries_are_not_taken_for_it() -> None:
    assert not is_beyond_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied (2x3 and 4x5)"))
    assert not is_beyond_memory(OverflowError("math range error"))


def test_a_pass_has_a_batch_for_every_part() -> None:
    sequences = [{"input_ids": [1, 2]}] * 8
    with pytest.raises(UserError, match="parts = 5 leave nothing for some of them: a pass has 4 batches"):
        TokenBatches(sequences, torch.zeros(8, dtype=torch.int64), 0, 2, seed=1, parts=5)


def test_a_training_without_a_batch_is_an_error() -> None:
    none = VectorBatches(lambda rows: rows, torch.zeros(0, dtype=torch.int64), 8, 1)
    settings = Training(epochs=1, batch_size=8, optimizer="adam", learning_rate=0.01)
    runtime = Runtime(device="cpu", precision="float32", compile="never", threads=1)
    job = Job("empty", settings, [], torch.device("cpu"), runtime, Tracking(tensorboard=False, wandb=False))
    with pytest.raises(UserError, match="empty: there is no batch to train on or to validate with"):
        job.run(torch.nn.Linear(1, 1), (none, none), 1.0)


def test_training_texts_without_one_of_a_class_are_an_error(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    tensors = {"train.features": np.zeros((2, 3), np.float32), "train.labels": np.array([0, 2])}
    write_tensors(path, tensors, {"classes": ["a", "b", "c"]})
    with pytest.raises(UserError, match="none of its 2 training texts is of class 'b'; take more examples"):
        read_labelled(path, "train")


def test_words_that_are_all_too_rare_are_an_error() -> None:
    vectorizer = TfidfVectorizer(min_df=10**9)
    with pytest.raises(UserError, match=r"no word occurs in as many as rarest = 1000000000 of the 2 training texts"):
        tfidf._count(vectorizer, ["a line", "a tree"])


def test_too_few_texts_for_the_plane_are_an_error() -> None:
    settings = load_params(ROOT / "params.yaml").tsne["test"]
    with pytest.raises(UserError, match="t-SNE: split test of ag_news has 2 texts, 50 are needed"):
        tsne.choose(2, settings)
    assert len(tsne.choose(60, settings)) == 60
