"""What of a machine is free for stages: CPU threads, and places on its GPUs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dla.run.task import Needs


@dataclass(frozen=True)
class Grant:
    """What a stage holds of the machine while it runs."""

    threads: int
    gpu: str | None = None  # as CUDA_VISIBLE_DEVICES names it


class Slots:
    """The CPU threads and GPUs that stages share, each with what it holds until it gives it back.

    A stage that wants more threads than there are takes all of them: it must be able to run at all. One that computes
    on a GPU takes a place on the device that has the fewest stages, or only threads where there are no devices.

    Parameters
    ----------
    threads
        CPU threads to share out, at least 1.
    gpus
        Devices to share out, as CUDA_VISIBLE_DEVICES names them.
    per_gpu
        Stages that may share a device.
    has_memory
        Whether a device that has a stage has the memory for one more; not asked of an empty one.
    """

    def __init__(
        self,
        threads: int,
        gpus: Sequence[str] = (),
        per_gpu: int = 1,
        has_memory: Callable[[str], bool] = lambda gpu: True,
    ) -> None:
        self._threads = self._free = threads
        self._stages_on = dict.fromkeys(gpus, 0)
        self._per_gpu = per_gpu
        self._has_memory = has_memory
        self._chosen: str | None = None  # the device that `room` found, lest `take` ask for its memory once more

    def room(self, needs: Needs) -> bool:
        """Whether a stage with these needs can have them now."""
        if self._wanted(needs) > self._free:
            return False
        return not self._takes_gpu(needs) or self._device() is not None

    def take(self, needs: Needs) -> Grant:
        """Hold what the stage needs; there must be room for it."""
        if not self.room(needs):
            raise ValueError(f"no room for {needs}")
        gpu = self._chosen if self._takes_gpu(needs) else None
        if gpu is not None:
            self._stages_on[gpu] += 1
            self._chosen = None
        self._free -= self._wanted(needs)
        return Grant(self._wanted(needs), gpu)

    def give(self, grant: Grant) -> None:
        """Take back what a stage held."""
        self._free += grant.threads
        if grant.gpu is not None:
            self._stages_on[grant.gpu] -= 1
            self._chosen = None

    def _wanted(self, needs: Needs) -> int:
        return min(needs.threads, self._threads)

    def _takes_gpu(self, needs: Needs) -> bool:
        return needs.gpu and bool(self._stages_on)

    def _device(self) -> str | None:
        """The device with the fewest stages, the first of equal ones, that has a place; None if none has."""
        if self._chosen is None:
            places = [gpu for gpu, stages in self._stages_on.items() if stages < self._per_gpu]
            by_stages = sorted(places, key=self._stages_on.__getitem__)
            free = (gpu for gpu in by_stages if not self._stages_on[gpu] or self._has_memory(gpu))
            self._chosen = next(free, None)
        return self._chosen
