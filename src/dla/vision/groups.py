"""Gradients of a net's layer groups over the epochs of its training, as the laboratory logged them."""

from __future__ import annotations

import torch
from torch import nn

from dla.models.base.registry import layer_groups


class GroupGradients:
    """Mean, variance and norm of the gradient of every layer group, over all steps of an epoch.

    Mean and variance are over the entries of a group's gradients at all steps; the norm is the Euclidean norm of the
    group's gradient at a step, averaged over the steps. All sums stay on the device until the epoch ends.
    """

    def __init__(self, model: nn.Module) -> None:
        self.groups = layer_groups(model)
        self._forget()

    def _forget(self) -> None:
        device = next(iter(self.groups.values()))[0].device
        dtype = torch.float32 if device.type == "mps" else torch.float64
        self.steps = 0
        self.sums = torch.zeros(3, len(self.groups), dtype=dtype, device=device)  # entries, their squares, norms

    @torch.no_grad()
    def step(self) -> None:
        """Add the gradients that a batch left in the model."""
        columns = []
        for parameters in self.groups.values():
            gradients = [p.grad for p in parameters if p.grad is not None]
            norm = nn.utils.get_total_norm(gradients)
            columns.append(torch.stack([torch.stack([g.sum() for g in gradients]).sum(), norm**2, norm]))
        self.sums += torch.stack(columns, dim=1)
        self.steps += 1

    def epoch(self) -> dict[str, float]:
        """`GROUP.mean`, `GROUP.variance` and `GROUP.norm` since this was last called."""
        found: dict[str, float] = {}
        for (name, parameters), (total, squares, norms) in zip(self.groups.items(), self.sums.T.tolist(), strict=True):
            entries = self.steps * sum(p.numel() for p in parameters)
            mean = total / entries
            found |= {
                f"{name}.mean": mean,
                f"{name}.variance": squares / entries - mean**2,
                f"{name}.norm": norms / self.steps,
            }
        self._forget()
        return found
