"""One training from settings to kept weights: number format chosen, resumed if it was cut short, told of, fitted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import nn

from dla.core.errors import UserError
from dla.models.base.registry import count_parameters
from dla.training import tracking
from dla.training.checkpoint import Checkpoint
from dla.training.epoch import Batches, Objective
from dla.training.fit import EpochProbe, Fitted, fit
from dla.training.runtime import Plan, plan
from dla.training.settings import Runtime, Tracking, Training


@dataclass(frozen=True)
class Outcome:
    """A finished training, and how it was computed."""

    fitted: Fitted
    plan: Plan


@dataclass(frozen=True)
class Job:
    """All that one training needs but its model and its batches."""

    name: str  # shown with every line, and of the folder of logs
    settings: Training
    files: Sequence[Path]  # what it reads; their content counts as part of the run
    device: torch.device
    runtime: Runtime
    log: Tracking

    def run(
        self,
        model: nn.Module,
        data: tuple[Batches, Batches],
        flops: float,
        *,
        objective: Objective | None = None,
        probe: EpochProbe | None = None,
    ) -> Outcome:
        """Train `model` in place, on from where a killed process stopped, and leave it with the weights to keep.

        Parameters
        ----------
        data : batches for training and for validation, on the device
        flops : floating-point operations of one training batch, forward
        objective, probe : as `fit` takes them

        Raises
        ------
        UserError
            If there is no batch, or a loss or a weight is no longer a finite number.
        """
        train, validation = data
        if not len(train) or not len(validation):
            raise UserError(f"{self.name}: there is no batch to train on or to validate with: give it more examples")
        chosen = plan(self.runtime, self.device, flops, self.settings.epochs * len(train))
        model.to(self.device)
        print(
            f"{self.name}: {count_parameters(model):,} parameters, {len(train)} batches an epoch; {chosen.reason}",
            flush=True,
        )
        settings = asdict(self.settings)
        identity = {
            "settings": settings,
            "device": self.device.type,
            "dtype": str(chosen.dtype),
            "compiled": chosen.compiled,
        }
        checkpoint = Checkpoint(identity, list(self.files))
        with tracking.observers(self.name, self.settings.epochs, settings, self.log) as observers:
            fitted = fit(
                model,
                data,
                self.settings,
                chosen,
                checkpoint,
                objective=objective,
                probe=probe,
                observers=observers,
            )
        return Outcome(fitted, chosen)
