"""Which pictures are trained on and which validate: as they were prepared, or drawn anew from a seed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from dla.data.pixels import channel_statistics
from dla.vision.training.batches import Facts, Split, read_split


def read_training(prepared: Path, seed: int | None, device: torch.device) -> tuple[Split, Split, Facts]:
    """Training and validation pictures of a prepared data set, and its facts.

    With a seed both are pooled and split anew: as many validation pictures as before, every class in its share, the
    training pictures shuffled, and the facts' mean and standard deviation those of the new training pictures. The test
    pictures are the same for all seeds, and none of them is read.
    """
    training, facts = read_split(prepared, "train", device)
    validation, _ = read_split(prepared, "validation", device)
    if seed is None:
        return training, validation, facts
    training, validation = _split_anew(training, validation, seed)
    mean, std = channel_statistics(training.images.cpu().numpy())
    return training, validation, replace(facts, mean=tuple(mean), std=tuple(std))


def _split_anew(training: Split, validation: Split, seed: int) -> tuple[Split, Split]:
    from sklearn.model_selection import train_test_split  # few stages need it, and its import takes a second

    images = torch.cat([training.images, validation.images])
    labels = torch.cat([training.labels, validation.labels])
    rows = train_test_split(
        torch.arange(len(labels)).numpy(),
        test_size=len(validation.labels),
        stratify=labels.cpu().numpy(),
        random_state=seed,
    )
    kept, held_out = (torch.from_numpy(chosen).to(labels.device) for chosen in rows)
    return Split(images[kept], labels[kept]), Split(images[held_out], labels[held_out])
