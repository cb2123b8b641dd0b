"""Batches of images from tensors that live on the device: no files, no workers, no copies inside an epoch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from dla.core.artifacts import read_tensors
from dla.core.contents import REMEDY
from dla.core.errors import UserError
from dla.core.parsing import parse_kept
from dla.training.order import Order

Batch = tuple[torch.Tensor, torch.Tensor]  # inputs and targets, on the device

SLAB = 2**23  # numbers made ready at a time, 32 MB in float32: many small steps in one


@dataclass(frozen=True)
class Split:
    """One split of a prepared image data set."""

    images: torch.Tensor  # (N, C, H, W) uint8
    labels: torch.Tensor  # (N,) int64

    def first(self, count: int | None) -> Split:
        """The first `count` pictures, all of them if None."""
        return self if count is None else Split(self.images[:count], self.labels[:count])


@dataclass(frozen=True)
class Facts:
    """What the metadata of a prepared image data set say."""

    classes: tuple[str, ...]
    source: str  # embedded or hub
    mean: tuple[float, ...]  # per channel, range 0 to 1, of the training pictures
    std: tuple[float, ...]


def read_split(prepared: Path, split: str, device: torch.device) -> tuple[Split, Facts]:
    """Split `train`, `validation` or `test` of a prepared data set; nothing of the other two is read."""
    tensors, metadata = read_tensors(prepared, f"{split}.")
    images, labels = (torch.from_numpy(tensors[name]) for name in ("images", "labels"))
    facts = parse_kept(Facts, metadata, prepared)
    _require_fitting(images, labels, facts, prepared)
    images, labels = images.to(device), labels.to(device)
    return Split(images, labels), facts


def _require_fitting(images: torch.Tensor, labels: torch.Tensor, facts: Facts, prepared: Path) -> None:
    fits = images.ndim == 4 and images.dtype == torch.uint8 and labels.dtype == torch.int64
    fits = fits and len(images) > 0 and labels.shape == images.shape[:1]
    fits = fits and images.shape[1] == len(facts.mean) == len(facts.std)
    if not fits or int(labels.min()) < 0 or int(labels.max()) >= len(facts.classes):
        raise UserError(f"{prepared}: its pictures, labels and classes do not fit each other; {REMEDY}")


@dataclass(frozen=True)
class Augmentation:
    """Random changes to training pictures."""

    crop_padding: int = 0  # pixels of its reflection around the picture before a random crop of its own size
    flip: bool = False  # mirror every picture left to right in every other epoch
    cutout: int = 0  # side in pixels of the square that is taken out of every picture (DeVries and Taylor, 1708.04552)

    def __call__(self, images: torch.Tensor, turn: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Changed copies of uint8 pictures (N, C, H, W), of which those whose `turn` (N,) it is may be mirrored."""
        if self.crop_padding:
            images = _random_crop(images, self.crop_padding, generator)
        if self.flip:
            images = torch.where(turn[:, None, None, None], images.flip(-1), images)
        return images

    def cut(self, inputs: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Normalised pictures (N, C, H, W), in place, without their squares: zeros, the mean of the training pictures.

        A square lies within its picture, as in the speed runs (Jordan, arXiv 2404.00498).
        """
        if self.cutout:
            rows, columns = (_spans(len(inputs), size, self.cutout, generator) for size in inputs.shape[2:])
            square = rows[:, None, :, None] & columns[:, None, None, :]
            inputs.masked_fill_(square.to(inputs.device), 0.0)
        return inputs


def _spans(count: int, size: int, length: int, generator: torch.Generator) -> torch.Tensor:
    """Which of `size` places lie in a random span of `length` of them, (count, size)."""
    first = torch.randint(size - length + 1, (count, 1), generator=generator)
    places = torch.arange(size)
    return (places >= first) & (places < first + length)


def _random_crop(images: torch.Tensor, padding: int, generator: torch.Generator) -> torch.Tensor:
    count, _, height, width = images.shape
    offsets = torch.randint(2 * padding + 1, (2, count), generator=generator).to(images.device)
    rows, columns = (_reflected(size, padding, images.device) for size in (height, width))
    padded = images.index_select(2, rows).index_select(3, columns)
    windows = padded.unfold(2, height, 1).unfold(3, width, 1)  # (N, C, dy, dx, H, W), a view
    return windows[torch.arange(count, device=images.device), :, offsets[0], offsets[1]]


def _reflected(size: int, padding: int, device: torch.device) -> torch.Tensor:
    """Indices (size + 2 padding,) that go on beyond both ends by turning round; `F.pad` reflects no bytes."""
    period = max(2 * (size - 1), 1)
    places = torch.arange(-padding, size + padding, device=device) % period
    return torch.minimum(places, period - places) if size > 1 else places


class ImageBatches:
    """Batches of one split, normalised per channel; shuffled and augmented for training, in order without a seed.

    What epoch n yields follows from the seed and n alone (see `Order`). Flips alternate (Jordan, arXiv 2404.00498,
    section 3.6): half of the pictures, drawn once, are mirrored in odd epochs, and the others in even ones.
    """

    def __init__(
        self,
        split: Split,
        facts: Facts,
        batch_size: int,
        seed: int | None = None,
        augmentation: Augmentation | None = None,
    ) -> None:
        self.split = split
        self.batch_size = batch_size
        self.order = Order(len(split.labels), batch_size, seed)
        self.augmentation = augmentation or Augmentation()
        generator = torch.Generator().manual_seed(seed or 0)
        self._odd = (torch.rand(len(split.labels), generator=generator) < 0.5).to(split.labels.device)
        mean, std = (torch.tensor(values, device=split.images.device) for values in (facts.mean, facts.std))
        self._scale = (1 / (255 * std.clamp(min=1e-6)))[:, None, None]
        self._shift = (-mean / std.clamp(min=1e-6))[:, None, None]
        colour = len(facts.mean) > 1  # with one channel both layouts are the same
        self._layout = torch.channels_last if colour else torch.contiguous_format

    def __len__(self) -> int:
        """Number of batches in an epoch."""
        return len(self.order)

    def epoch(self, number: int) -> Iterator[Batch]:
        """Yield inputs (B, C, H, W) float32 and labels (B,) int64 of epoch `number`."""
        order, generator = self.order.epoch(number)
        slab = max(1, SLAB // (self.split.images[0].numel() * self.batch_size)) * self.batch_size
        for chosen in order.to(self.split.labels.device).split(slab):
            # index_select copies whole pictures, five times as fast as indexing does.
            images, turn = self.split.images.index_select(0, chosen), self._odd[chosen] ^ (number % 2 == 0)
            inputs = self._normalise(self.augmentation(images, turn, generator))
            inputs = self.augmentation.cut(inputs, generator)
            labels = self.split.labels[chosen]
            for batch in zip(inputs.split(self.batch_size), labels.split(self.batch_size), strict=True):
                if not self.order.is_dropped(len(batch[1])):
                    yield batch

    def _normalise(self, images: torch.Tensor) -> torch.Tensor:
        pixels = images.float()  # a copy of the bytes, so what follows may be done in place
        return pixels.mul_(self._scale).add_(self._shift).contiguous(memory_format=self._layout)
