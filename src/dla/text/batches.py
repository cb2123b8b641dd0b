"""Batches of token sequences for the training loop."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch

from dla.core.errors import UserError
from dla.text.encode import Tokens, pad
from dla.training.order import Order

Batch = tuple[torch.Tensor, torch.Tensor]

NEIGHBOURHOOD = 32  # batches whose sequences are sorted by length among themselves, so that little is padded


class TokenBatches:
    """Batches of token sequences and targets, those of one batch being of about one length.

    Inputs are (B, 3, T) int64, or (B, 4, 3, T) if each target has four sequences: token, attention mask, token type.

    Parameters
    ----------
    sequences : one per target, or as many per target as there are options
    padding : the token that stands for none
    parts : epochs that one pass over the data is divided into, so that a long pass is looked at and saved on its way
    difficulty : (N,) of every target, on the CPU; the first pass goes from the lowest to the highest

    Raises
    ------
    UserError
        If a pass has fewer batches than parts.
    """

    def __init__(
        self,
        sequences: Sequence[Tokens],
        targets: torch.Tensor,
        padding: int,
        batch_size: int,
        seed: int | None = None,
        parts: int = 1,
        difficulty: torch.Tensor | None = None,
    ) -> None:
        self.sequences = sequences
        self.targets = targets
        self.padding = padding
        self.options = len(sequences) // max(len(targets), 1)
        self.order = Order(len(targets), batch_size, seed)
        if parts > max(len(self.order), 1):
            raise UserError(f"parts = {parts} leave nothing for some of them: a pass has {len(self.order)} batches")
        self.parts = parts
        self.difficulty = torch.zeros(len(targets)) if difficulty is None else difficulty

    def __len__(self) -> int:
        """Number of batches in an epoch."""
        return len(self.order) // self.parts

    def epoch(self, number: int) -> Iterator[Batch]:
        """The batches of epoch `number`."""
        done, part = divmod(number - 1, self.parts)
        for chosen in self._pass(done + 1)[part * len(self) : (part + 1) * len(self)]:
            yield self._inputs(chosen.tolist()), self.targets[chosen.to(self.targets.device)]

    def _pass(self, number: int) -> list[torch.Tensor]:
        """The rows of all batches of a pass over the data."""
        order, generator = self.order.epoch(number)
        difficulty = (self.difficulty if number == 1 else torch.zeros_like(self.difficulty))[order]
        size = self.order.batch_size
        chosen: list[torch.Tensor] = []
        for level in difficulty.unique():
            batches: list[torch.Tensor] = []
            for rows in order[difficulty == level].split(NEIGHBOURHOOD * size):
                by_length = sorted(rows.tolist(), key=self._length)
                batches += torch.tensor(by_length).split(size)
            if self.order.seed is not None:
                batches = [batches[i] for i in torch.randperm(len(batches), generator=generator)]
            chosen += [rows for rows in batches if not self.order.is_dropped(len(rows))]
        return chosen

    def _length(self, row: int) -> int:
        return max(len(tokens["input_ids"]) for tokens in self._sequences(row))

    def _sequences(self, row: int) -> Sequence[Tokens]:
        return self.sequences[row * self.options : (row + 1) * self.options]

    def _inputs(self, rows: list[int]) -> torch.Tensor:
        padded = pad([tokens for row in rows for tokens in self._sequences(row)], self.padding)
        types = padded.get("token_type_ids", torch.zeros_like(padded["input_ids"]))
        packed = torch.stack([padded["input_ids"], padded["attention_mask"], types], 1).to(self.targets.device)
        return packed if self.options == 1 else packed.unflatten(0, (-1, self.options))
