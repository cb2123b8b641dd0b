"""The GPUs of this machine that stages share, as the driver's own `nvidia-smi` names them; nothing here loads CUDA."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass

from dla.core.errors import UserError

VISIBLE = "CUDA_VISIBLE_DEVICES"
QUERY = ("--query-gpu=index,uuid,memory.total,memory.free", "--format=csv,noheader,nounits")
PATIENCE = 30.0  # seconds; a driver that hangs does not answer at all
FRESH = 1.0  # seconds for which an answer holds: asking takes 0.1 to 1


@dataclass(frozen=True)
class Gpu:
    """A device as nvidia-smi reports it; memory in MiB, None where it says none (memory shared with the CPU)."""

    index: str
    uuid: str
    total: int | None
    free: int | None

    def is_called(self, name: str) -> bool:
        """Whether a user or CUDA_VISIBLE_DEVICES may name it so: by number, by UUID, or by how that begins."""
        return name == self.index or (name.startswith("GPU-") and self.uuid.startswith(name))


def choose(gpus: str) -> tuple[str, ...]:
    """The devices to share out, as CUDA_VISIBLE_DEVICES names them, for `auto`, `none` or a list such as `0,1`.

    `auto` takes those that the caller's CUDA_VISIBLE_DEVICES leaves, without one all; none where nvidia-smi fails, as
    after an update of the driver, when work goes on without GPUs. A list has numbers or UUIDs of nvidia-smi; it becomes
    UUIDs, as CUDA may number otherwise (the fastest first).

    Raises
    ------
    UserError
        If a list names a device that is not there or the same twice, or nvidia-smi fails.
    """
    if gpus == "none":
        return ()
    if gpus == "auto":
        return _all_visible()
    there = _query()
    chosen = tuple(_find(name.strip(), there).uuid for name in gpus.split(","))
    twice = next((uuid for uuid in chosen if chosen.count(uuid) > 1), None)
    if twice is not None:
        raise UserError(f"--gpus {gpus}: names {twice} twice; name each device once, see --jobs-per-gpu for sharing")
    return chosen


def has_memory(gpu: str, share: float) -> bool:
    """Whether that share (0 to 1) of the device's memory is free.

    Also where the device says nothing of its memory; not where nvidia-smi fails, which may pass.
    """
    try:
        there = _query_at(time.monotonic() // FRESH)
    except UserError:
        return False
    device = next((device for device in there if device.is_called(gpu)), None)
    return device is None or device.total is None or device.free is None or device.free >= device.total * share


def variables(gpu: str | None, gpus: Sequence[str]) -> dict[str, str]:
    """What says to a stage which of the devices that are shared out it has: its own, or none of them.

    Where none are shared out nothing is said, and the stage sees what the caller sees.
    """
    return {VISIBLE: gpu or ""} if gpus else {}


def _find(name: str, there: Sequence[Gpu]) -> Gpu:
    matches = [gpu for gpu in there if gpu.is_called(name)]
    if len(matches) == 1:
        return matches[0]
    known = ", ".join(f"{gpu.index} ({gpu.uuid})" for gpu in there) or "none that nvidia-smi knows of"
    raise UserError(f"--gpus: there is no device {name!r}; take auto, none, or a list of what is there: {known}")


def _all_visible() -> tuple[str, ...]:
    try:
        there = _query()
    except UserError:
        return ()
    visible = os.environ.get(VISIBLE)
    return tuple(gpu.uuid for gpu in there) if visible is None else _visible(visible, there)


def _visible(names: str, there: Sequence[Gpu]) -> tuple[str, ...]:
    """Of a list in CUDA_VISIBLE_DEVICES what CUDA heeds: all before the first that is not there.

    Names stay as they are, so that they mean to CUDA in a stage what they mean in the caller's own process.
    """
    chosen: list[str] = []
    for name in (part.strip() for part in names.split(",")):
        is_there = any(gpu.is_called(name) for gpu in there) or (bool(there) and name.startswith("MIG-"))
        if not is_there or name in chosen:
            break
        chosen.append(name)
    return tuple(chosen)


@functools.lru_cache(maxsize=1)
def _query_at(moment: float) -> tuple[Gpu, ...]:
    """The devices as of that moment."""
    return _query()


def _query() -> tuple[Gpu, ...]:
    """The devices of this machine, none where there is no nvidia-smi or it finds none."""
    command = shutil.which("nvidia-smi")
    if command is None:
        return ()
    try:
        answer = subprocess.run(  # noqa: S603 (of the caller's own PATH)
            [command, *QUERY], capture_output=True, text=True, timeout=PATIENCE, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _failed(str(error)) from None
    if "no devices were found" in answer.stdout.lower():
        return ()
    if answer.returncode != 0:
        raise _failed(answer.stdout + answer.stderr)
    return tuple(_parse(line) for line in answer.stdout.splitlines() if line.strip())


def _parse(line: str) -> Gpu:
    fields = [field.strip() for field in line.split(",")]
    if len(fields) != 4 or not fields[0].isdecimal():
        raise _failed(f"its answer was {line!r}")
    index, uuid, total, free = fields
    return Gpu(index, uuid, *(int(memory) if memory.isdecimal() else None for memory in (total, free)))


def _failed(reason: str) -> UserError:
    return UserError(
        f"nvidia-smi does not say which GPUs there are ({reason.strip()}); mend that, or run without --gpus"
    )
