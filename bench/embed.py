"""Encoding throughput: `dla.text.encode` against the plain loop.

    python bench/embed.py                  # three passes each, about five minutes
    python bench/embed.py --texts 1024

Plain: batches of 128 in the order of the data set, padded to the longest, float32. Ours: `encode` as `dvc repro` runs
it. DistilBERT's architecture with random weights, on token sequences as long as those of AG News: log-normal lengths of
mean 51, so that a plain batch holds 2.7 times the real tokens. Every pass has a process of its own and the two take
turns. At the end: how far the features of both are apart, in float32 and in bfloat16.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import DistilBertConfig, DistilBertModel

from dla.params.file import load_params
from dla.text.encode import Encoder, Tokens, encode, pad
from dla.training import runtime

MEAN, SIGMA, LONGEST = 51, 0.415, 512  # tokens
BATCH = 128


def sequences(count: int) -> list[Tokens]:
    generator = np.random.default_rng(0)
    lengths = generator.lognormal(np.log(MEAN) - SIGMA**2 / 2, SIGMA, count).clip(4, LONGEST).astype(int)
    return [{"input_ids": generator.integers(1000, 30000, length).tolist()} for length in lengths]


def encoder() -> Encoder:
    torch.manual_seed(0)
    model = DistilBertModel(DistilBertConfig()).eval()
    return Encoder(model, SimpleNamespace(pad_token_id=0), LONGEST)


def plain(texts: list[Tokens], _: str) -> tuple[float, NDArray[Any]]:
    torch.set_num_threads(load_params().runtime.threads)
    model = encoder().model
    found = []
    begin = time.perf_counter()
    with torch.no_grad():
        for start in range(0, len(texts), BATCH):
            inputs = pad(texts[start : start + BATCH], 0)
            hidden = model(**inputs).last_hidden_state
            mask = inputs["attention_mask"][..., None]
            found.append((hidden * mask).sum(1) / mask.sum(1))
    return len(texts) / (time.perf_counter() - begin), torch.cat(found).numpy()


def ours(texts: list[Tokens], precision: Any) -> tuple[float, NDArray[Any]]:
    settings = replace(load_params().runtime, precision=precision)
    device = runtime.start(settings)
    chosen = runtime.plan(settings, device, flops=1e12, batches=1)
    loaded = encoder()
    with tempfile.TemporaryDirectory() as shards:
        begin = time.perf_counter()
        found = encode(loaded, texts, "mean", chosen, Path(shards))
        return len(texts) / (time.perf_counter() - begin), found


LOOPS = {"plain": plain, "ours": ours}


def measure(loop: str, count: int, precision: str, file: Path) -> tuple[float, NDArray[Any]]:
    """Texts per second of one pass, in a process of its own, and its features."""
    command = [sys.executable, __file__, "--texts", str(count), "--loop", loop, precision, str(file)]
    rate = float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return rate, np.load(file)


def difference(ours: NDArray[Any], plain: NDArray[Any]) -> str:
    lengths = np.linalg.norm(ours, axis=1) * np.linalg.norm(plain, axis=1)
    cosine = 1 - ((ours * plain).sum(1) / lengths).min()
    return f"largest difference {np.abs(ours - plain).max():.1e}, largest cosine distance {cosine:.1e}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=int, default=512, help="texts of one pass (512)")
    parser.add_argument("--passes", type=int, default=3, help="passes of each loop (3)")
    parser.add_argument("--loop", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.loop:
        loop, precision, file = options.loop
        rate, found = LOOPS[loop](sequences(options.texts), precision)
        np.save(file, found)
        print(rate)
        return
    with tempfile.TemporaryDirectory() as folder:
        files = {name: Path(folder, f"{name}.npy") for name in ("plain", "auto", "float32", "bfloat16")}
        rates: dict[str, list[float]] = {"ours": [], "plain": []}
        for _ in range(options.passes):
            for loop, precision in (("ours", "auto"), ("plain", "auto")):
                rate, _ = measure(loop, options.texts, precision, files["plain" if loop == "plain" else "auto"])
                rates[loop].append(rate)
        fast, slow = (statistics.median(rates[loop]) for loop in ("ours", "plain"))
        print(
            f"texts per second, medians of {options.passes}: ours {fast:.1f}, plain {slow:.1f}, ratio {fast / slow:.2f}"
        )
        reference = np.load(files["plain"])
        for precision in ("float32", "bfloat16"):
            _, found = measure("ours", options.texts, precision, files[precision])
            print(f"{precision}: {difference(found, reference)}")


if __name__ == "__main__":
    main()
