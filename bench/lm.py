"""Training throughput of the language model of characters against the model that a student writes.

    python bench/lm.py                # five passes each
    python bench/lm.py --batch 12 --context 64 --layers 4 --heads 4 --width 128

Plain: every attention head a module of its own in a Python list, its weights a masked softmax, float32. Ours: what
`dvc repro` trains, in the number format that it would take. The same sizes, batches, dropout, optimizer and loss, in
tokens per second; every pass has a process of its own and the two take turns.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import nn
from torch.nn import functional as F

from dla.language.lm import Logits, NextToken, RandomPassages, build_gpt
from dla.language.settings import LanguageModel, Sampling
from dla.params.file import load_params
from dla.training import runtime
from dla.training.epoch import train_epoch
from dla.training.optim import Steps, build_optimizer

VOCABULARY = 69
WARM_UP = 2  # steps that are not timed


class Head(nn.Module):
    """One head of causal attention, (B, T, width) -> (B, T, width / heads)."""

    visible: torch.Tensor

    def __init__(self, settings: LanguageModel) -> None:
        super().__init__()
        size = settings.width // settings.heads
        self.key, self.query, self.value = (nn.Linear(settings.width, size, bias=False) for _ in range(3))
        self.register_buffer("visible", torch.tril(torch.ones(settings.context, settings.context)))
        self.dropout = nn.Dropout(settings.dropout)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        length = x.shape[1]
        key, query, value = self.key(x), self.query(x), self.value(x)
        scores = query @ key.transpose(-2, -1) * key.shape[-1] ** -0.5
        scores = scores.masked_fill(self.visible[:length, :length] == 0, float("-inf"))
        attended: torch.Tensor = self.dropout(F.softmax(scores, dim=-1)) @ value
        return attended


class Block(nn.Module):
    """Heads one after the other, then a perceptron, each on what is normalised, each added."""

    def __init__(self, settings: LanguageModel) -> None:
        super().__init__()
        width = settings.width
        self.heads = nn.ModuleList(Head(settings) for _ in range(settings.heads))
        self.mix = nn.Sequential(nn.Linear(width, width), nn.Dropout(settings.dropout))
        self.perceptron = nn.Sequential(
            nn.Linear(width, 4 * width), nn.ReLU(), nn.Linear(4 * width, width), nn.Dropout(settings.dropout)
        )
        self.first, self.second = nn.LayerNorm(width), nn.LayerNorm(width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        normalised = self.first(x)
        x = x + self.mix(torch.cat([head(normalised) for head in self.heads], dim=-1))
        out: torch.Tensor = x + self.perceptron(self.second(x))
        return out


class PlainGPT(nn.Module):
    """Tokens (B, T) -> logits (B, T, V)."""

    def __init__(self, settings: LanguageModel) -> None:
        super().__init__()
        self.tokens = nn.Embedding(VOCABULARY, settings.width)
        self.positions = nn.Embedding(settings.context, settings.width)
        self.blocks = nn.Sequential(*(Block(settings) for _ in range(settings.layers)))
        self.last = nn.Sequential(nn.LayerNorm(settings.width), nn.Linear(settings.width, VOCABULARY))

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        positions = self.positions(torch.arange(tokens.shape[1]))
        logits: torch.Tensor = self.last(self.blocks(self.tokens(tokens) + positions))
        return logits


def passages(settings: LanguageModel, steps: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    generator = torch.Generator().manual_seed(0)
    text = torch.randint(VOCABULARY, (100_000,), generator=generator)
    return RandomPassages(text, replace(settings, steps=steps)).epoch(1)


def rate(settings: LanguageModel, seconds: float) -> float:
    return settings.steps * settings.batch_size * settings.context / seconds


def plain(settings: LanguageModel) -> float:
    torch.set_num_threads(load_params().runtime.threads)
    torch.manual_seed(0)
    model = PlainGPT(settings)
    optimizer = torch.optim.AdamW(model.parameters(), lr=settings.learning_rate)
    begin = 0.0
    for number, (inputs, targets) in enumerate(passages(settings, settings.steps + WARM_UP)):
        if number == WARM_UP:
            begin = time.perf_counter()
        logits = model(inputs)
        loss = F.cross_entropy(logits.view(-1, VOCABULARY), targets.reshape(-1))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return rate(settings, time.perf_counter() - begin)


def ours(settings: LanguageModel) -> float:
    device = runtime.start(load_params().runtime)
    torch.manual_seed(0)
    model = Logits(build_gpt(settings, VOCABULARY, 1)).to(device)
    flops = 2.0 * sum(p.numel() for p in model.parameters()) * settings.batch_size * settings.context
    chosen = runtime.plan(load_params().runtime, device, flops, settings.steps)
    optimizer = build_optimizer(model, settings)
    begin = 0.0
    for count in (WARM_UP, settings.steps):
        begin = time.perf_counter()
        steps = Steps(settings, optimizer, 0, settings.steps)
        train_epoch(model, model, passages(settings, count), NextToken(), chosen, steps)
    return rate(settings, time.perf_counter() - begin)


LOOPS = {"plain": plain, "ours": ours}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    sizes = {"batch": 48, "context": 256, "layers": 6, "heads": 6, "width": 384, "steps": 4, "passes": 5}
    for name, default in sizes.items():
        parser.add_argument(f"--{name}", type=int, default=default, help=f"({default})")
    parser.add_argument("--loop", choices=LOOPS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.loop:
        settings = LanguageModel(
            data="random",
            layers=options.layers,
            heads=options.heads,
            width=options.width,
            context=options.context,
            dropout=0.2,
            steps=options.steps,
            seed=1,
            prompt="a",
            length=1,
            sampling=Sampling(),
            epochs=1,
            batch_size=options.batch,
            optimizer="adamw",
            learning_rate=3e-4,
        )
        print(LOOPS[options.loop](settings))
        return
    rates: dict[str, list[float]] = {loop: [] for loop in LOOPS}
    for _ in range(options.passes):
        for loop, found in rates.items():
            command = [sys.executable, __file__, *sys.argv[1:], "--loop", loop]
            found.append(float(subprocess.run(command, capture_output=True, text=True, check=True).stdout))
    fast, slow = (statistics.median(rates[loop]) for loop in ("ours", "plain"))
    print(
        f"tokens per second, medians of {options.passes}: ours {fast:,.0f}, plain {slow:,.0f}, {fast / slow:.2f} times"
    )


if __name__ == "__main__":
    main()
