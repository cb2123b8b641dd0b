"""Which rows make up the batches of an epoch."""

from __future__ import annotations

import torch


class Order:
    """Rows in batches: in a new random order every epoch, or as they are without a seed.

    What epoch n comes to follows from the seed and n alone, so a resumed run needs to remember neither.
    """

    def __init__(self, count: int, batch_size: int, seed: int | None = None) -> None:
        self.count = count
        self.batch_size = batch_size
        self.seed = seed

    def __len__(self) -> int:
        """Number of batches in an epoch."""
        full, rest = divmod(self.count, self.batch_size)
        return full + (not self.is_dropped(rest) and rest > 0)

    def epoch(self, number: int) -> tuple[torch.Tensor, torch.Generator]:
        """The rows (N,) int64 of epoch `number` in their order, and what else is random in that epoch."""
        generator = torch.Generator().manual_seed((self.seed or 0) * 1_000_003 + number)
        if self.seed is None:
            return torch.arange(self.count), generator
        return torch.randperm(self.count, generator=generator), generator

    def is_dropped(self, size: int) -> bool:
        """Batch norm cannot train on a last batch of one row; every epoch leaves out another."""
        return size == 1 and self.seed is not None and self.count > 1
