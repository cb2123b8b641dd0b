"""What a run says while it trains: a line per epoch, a progress bar on a terminal, TensorBoard, Weights & Biases.

None of it is a result: it holds times and is neither committed nor cached.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dla.core.errors import UserError
from dla.training.fit import Epoch, Observer
from dla.training.settings import Tracking

LOGS = Path("runs")


@contextmanager
def observers(name: str, epochs: int, settings: Mapping[str, Any], tracking: Tracking) -> Iterator[list[Observer]]:
    """The observers that `tracking` switches on, closed at the end of the block.

    Parameters
    ----------
    name : of the run; logs go to runs/NAME
    epochs : how many the run will have
    settings : shown beside the curves in Weights & Biases

    Raises
    ------
    UserError
        If Weights & Biases is asked for and cannot be used.
    """
    logs: list[Any] = [Lines(epochs)]
    if tracking.tensorboard:
        logs.append(Spared(TensorBoard(LOGS / name.replace("/", "-"))))
    if tracking.wandb:
        logs.append(WeightsAndBiases(name, settings))
    try:
        yield logs
    finally:
        for log in logs:
            log.close()


class Spared:
    """A log that a run can do without: where it cannot be written, one line says so and the run goes on."""

    def __init__(self, log: Any) -> None:
        self.log: Any = log

    def __call__(self, epoch: Epoch) -> None:
        self._try(lambda: self.log(epoch))

    def close(self) -> None:
        self._try(lambda: self.log.close())

    def _try(self, write: Callable[[], None]) -> None:
        if self.log is None:
            return
        try:
            write()
        except OSError as error:
            print(f"warning: no logs are written: {LOGS} ({error.strerror or error})", file=sys.stderr, flush=True)
            self.log = None


class Lines:
    """One aligned line per epoch with the time left; on a terminal a progress bar as well."""

    def __init__(self, epochs: int) -> None:
        from tqdm import tqdm

        self.epochs = epochs
        self.started: float | None = None
        self.first = 0
        self.since = time.monotonic()
        self.bar = tqdm(total=epochs, unit="epoch", leave=False, disable=not sys.stderr.isatty())

    def __call__(self, epoch: Epoch) -> None:
        if self.started is None:  # a resumed run begins after its first epoch
            self.started, self.first = self.since, epoch.number - 1
        done = epoch.number - self.first
        left = (time.monotonic() - self.started) / done * (self.epochs - epoch.number)
        line = (
            f"epoch {epoch.number:>{len(str(self.epochs))}}/{self.epochs}"
            f"  train loss {epoch.train.loss:7.4f} accuracy {epoch.train.accuracy:7.2%}"
            f"  validation loss {epoch.validation.loss:7.4f} accuracy {epoch.validation.accuracy:7.2%}"
            f"  left {_duration(left)}"
        )
        self.bar.write(line, file=sys.stdout)
        sys.stdout.flush()
        self.bar.update(epoch.number - self.bar.n)

    def close(self) -> None:
        self.bar.close()


class TensorBoard:
    """Curves for `tensorboard --logdir runs`."""

    def __init__(self, folder: Path) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.folder = folder
        self.open = SummaryWriter
        self.writer: Any = None

    def __call__(self, epoch: Epoch) -> None:
        if self.writer is None:
            if epoch.number == 1:  # a run from the start, not a resumed one: forget the curves that stood here
                for file in self.folder.glob("events.out.tfevents.*"):
                    file.unlink()
            self.writer = self.open(str(self.folder), purge_step=epoch.number)
        for name, value in _scalars(epoch).items():
            self.writer.add_scalar(name, value, epoch.number)

    def close(self) -> None:
        if self.writer is not None:
            self.writer.close()


class WeightsAndBiases:
    """Curves on wandb.ai, or in wandb/ if WANDB_MODE=offline.

    Raises
    ------
    UserError
        If wandb is not installed, or lets nobody in.
    """

    def __init__(self, name: str, settings: Mapping[str, Any]) -> None:
        try:
            import wandb
        except ImportError:
            raise UserError(
                "params.yaml: tracking.wandb = true, but wandb is not installed: pip install -e '.[tracking]'"
            ) from None
        try:
            self.run = wandb.init(project="dla", name=name, config=dict(settings))
        except wandb.errors.Error as error:
            reason = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
            raise UserError(
                f"params.yaml: tracking.wandb = true, but Weights & Biases cannot be used ({reason}): `wandb login`, "
                "or WANDB_MODE=offline"
            ) from error

    def __call__(self, epoch: Epoch) -> None:
        self.run.log(_scalars(epoch), step=epoch.number)

    def close(self) -> None:
        self.run.finish()


def _scalars(epoch: Epoch) -> dict[str, float]:
    return {
        "loss/train": epoch.train.loss,
        "loss/validation": epoch.validation.loss,
        "accuracy/train": epoch.train.accuracy,
        "accuracy/validation": epoch.validation.accuracy,
        "learning_rate": epoch.learning_rate,
    }


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"
