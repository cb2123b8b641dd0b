"""Training throughput: our loop against the plain loop a student writes.

    python bench/train.py                     # three runs, medians of three passes each, about 15 minutes
    python bench/train.py mnist-mlp-64 --passes 5
    python bench/train.py cifar10-cnn --compile   # ours compiled against ours eager

Student: a DataLoader with 4 workers, torchvision's ToTensor and Normalize per image, float32, eager, NCHW, and
`loss.item()` per batch. Ours: `dla.training.epoch.train_epoch` as `dvc repro` runs it. Same model, batch size and
optimizer, at the laboratories' full widths. Every pass has a process of its own and the two take turns, so that neither
a setting of one nor a change of the machine's speed counts for the other. Pixels are random: their values cost nothing.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from dla.models.base.registry import build
from dla.params.file import load_params
from dla.training import runtime
from dla.training.epoch import CrossEntropy, train_epoch
from dla.training.optim import Steps, build_optimizer
from dla.vision.settings import ImageRun
from dla.vision.training.batches import Facts, ImageBatches, Split
from dla.vision.training.classifier import forward_flops

# Images of one pass: enough that starting the workers is under a tenth of it.
PASSES = {"mnist-mlp-64": 120_000, "cifar10-plain-20": 3_840, "cifar10-cnn": 24_000}
SHAPES = {"mnist": (1, 28, 28), "cifar10": (3, 32, 32)}
FACTS = {
    "mnist": Facts(tuple("0123456789"), "random", (0.13,), (0.31,)),
    "cifar10": Facts(tuple("0123456789"), "random", (0.49, 0.48, 0.45), (0.25, 0.24, 0.26)),
}


def pixels(run: ImageRun, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(256, (count, *SHAPES[run.data]), dtype=torch.uint8, generator=generator)
    return images, torch.randint(10, (count,), generator=generator)


# --- the loop a student writes ------------------------------------------------------------------------------------


class Pictures(Dataset[tuple[torch.Tensor, int]]):
    """As torchvision.datasets has them: an array, a PIL image per access, a transform."""

    def __init__(self, images: np.ndarray, labels: list[int], transform: Callable[[Image.Image], torch.Tensor]) -> None:
        self.images, self.labels, self.transform = images, labels, transform

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return self.transform(Image.fromarray(self.images[index])), self.labels[index]


def student(run: ImageRun, count: int) -> float:
    images, labels = pixels(run, count)
    arrays = images.squeeze(1).numpy() if images.shape[1] == 1 else images.permute(0, 2, 3, 1).contiguous().numpy()
    facts = FACTS[run.data]
    transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize(facts.mean, facts.std)])
    loader = DataLoader(Pictures(arrays, labels.tolist(), transform), run.batch_size, shuffle=True, num_workers=4)
    model = build(run.model, SHAPES[run.data], 10)
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=run.learning_rate)

    def step(inputs: torch.Tensor, targets: torch.Tensor) -> float:
        optimizer.zero_grad()
        loss = criterion(model(inputs), targets)
        loss.backward()
        optimizer.step()
        return float(loss.item())

    warm = torch.rand(run.batch_size, *SHAPES[run.data])
    for _ in range(2):
        step(warm, labels[: run.batch_size])
    begin = time.perf_counter()
    running = 0.0
    for inputs, targets in loader:
        running += step(inputs, targets)
    return count / (time.perf_counter() - begin)


# --- ours -----------------------------------------------------------------------------------------------------------


def ours(run: ImageRun, count: int, compiled: bool = False) -> float:
    params = load_params()
    device = runtime.start(params.runtime)
    model = build(run.model, SHAPES[run.data], 10)
    flops = forward_flops(model, SHAPES[run.data]) * run.batch_size
    plan = runtime.plan(replace(params.runtime, compile="always" if compiled else "auto"), device, flops, 1)
    model = model.to(device).to(memory_format=torch.channels_last)
    compute = torch.compile(model) if plan.compiled else model
    batches = ImageBatches(Split(*pixels(run, count)), FACTS[run.data], run.batch_size, seed=1)
    warm_up = ImageBatches(Split(*pixels(run, 2 * run.batch_size)), FACTS[run.data], run.batch_size, seed=1)
    steps = Steps(run, build_optimizer(model, run), first=0, total=2 * len(batches))
    train_epoch(compute, model, warm_up.epoch(1), CrossEntropy(), plan, steps)
    begin = time.perf_counter()
    train_epoch(compute, model, batches.epoch(1), CrossEntropy(), plan, steps)
    return count / (time.perf_counter() - begin)


LOOPS: dict[str, Callable[[ImageRun, int], float]] = {
    "student": student,
    "ours": ours,
    "compiled": lambda run, count: ours(run, count, compiled=True),
}


def measure(loop: str, name: str) -> float:
    """Images per second of one pass, in a process of its own."""
    command = [sys.executable, __file__, name, "--loop", loop]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="*", default=list(PASSES), metavar="RUN", help=f"of {', '.join(PASSES)}")
    parser.add_argument("--passes", type=int, default=3, help="passes of each loop (3)")
    parser.add_argument("--compile", action="store_true", help="compare ours compiled with ours eager")
    parser.add_argument("--loop", choices=LOOPS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.loop:
        (name,) = options.runs
        print(LOOPS[options.loop](load_params().train[name], PASSES[name]))
        return
    first, second = ("compiled", "ours") if options.compile else ("ours", "student")
    print(f"images per second, medians of {options.passes}")
    print(f"{'run':<18}{'batch':>6}{first:>12}{second:>12}{'ratio':>8}")
    for name in options.runs:
        pairs = [(measure(first, name), measure(second, name)) for _ in range(options.passes)]
        fast, slow = (statistics.median(column) for column in zip(*pairs, strict=True))
        batch = load_params().train[name].batch_size
        print(f"{name:<18}{batch:>6}{fast:>12,.0f}{slow:>12,.0f}{fast / slow:>8.2f}", flush=True)


if __name__ == "__main__":
    main()
