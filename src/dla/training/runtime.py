"""Seed, device, precision, determinism, threads: how computation is done, chosen once and with the reason given."""

from __future__ import annotations

import os
import random
import shutil
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from dla.core import kernels
from dla.core.errors import UserError
from dla.training.settings import Runtime

# Below this, casting to bfloat16 costs more than it saves: the step of the 784-64-64-10 perceptron at batch 64 is
# 7 MFLOP, of the smallest convolutional net of the laboratories 1.5 GFLOP.
BFLOAT16_PAYS = 1e9  # floating-point operations of one batch, forward
# Compiling takes up to a minute; a GPU at 20 % of an A100's rate does this much work in five.
COMPILE_PAYS = 1e16  # floating-point operations of the whole run, forward


@dataclass(frozen=True)
class Plan:
    """How a run is computed: device, number format, compiled or not, and why."""

    device: torch.device
    dtype: torch.dtype
    compiled: bool
    reason: str

    def autocast(self) -> AbstractContextManager[object]:
        """A context in which matrix work runs in `dtype`."""
        if self.dtype == torch.float32:
            return nullcontext()  # a disabled autocast is not free, and small nets feel it
        return torch.autocast(self.device.type, self.dtype)

    def compile(self, model: nn.Module) -> Any:
        """What computes as the model does: compiled, if that is the plan, or the model itself."""
        if not self.compiled:
            return model
        torch.use_deterministic_algorithms(True)  # as `start` has asked, but this tells the compiler as well
        return torch.compile(model)


CPU = Plan(torch.device("cpu"), torch.float32, compiled=False, reason="a few examples")


def start(runtime: Runtime) -> torch.device:
    """Set kernels, threads, determinism and memory for this process, and choose the device.

    Raises
    ------
    RuntimeError
        If kernels are to be portable, and torch has computed before with others.
    """
    if runtime.kernels == "fast":
        kernels.leave_to_the_machine(kernels.OF_TORCH)
    elif kernels.has_avx2() and (taken := torch.backends.cpu.get_cpu_capability()) != "AVX2":
        raise RuntimeError(f"torch has computed with the kernels of {taken} before params.yaml was heeded")
    torch.set_num_threads(runtime.threads)
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS is deterministic only with this
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(Path(".cache/inductor").resolve()))  # kept between stages
    torch.set_deterministic_debug_mode("error")  # without the compiler, whose import takes a second
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # nothing here reads memory it did not write
    torch.backends.cudnn.benchmark = False
    return choose_device(runtime)


def choose_device(runtime: Runtime) -> torch.device:
    """The device that the parameters name, `auto` being a GPU where there is one, unless kernels are portable.

    Raises
    ------
    UserError
        If the device is not there.
    """
    device = runtime.device if runtime.may_take_gpu else "cpu"
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if device == "auto":
        return torch.device(next(name for name, is_there in there.items() if is_there))
    if not there[device]:
        raise UserError(f"params.yaml: runtime.device = {device!r}, but torch sees no such device; take auto or cpu")
    return torch.device(device)


def plan(runtime: Runtime, device: torch.device, flops: float, batches: int) -> Plan:
    """Choose number format and compilation from the machine and the work.

    Parameters
    ----------
    flops : floating-point operations of one batch, forward
    batches : number of batches in the whole run
    """
    dtype, why = _choose_dtype(runtime, device, flops)
    compiled = runtime.compile == "always"
    if runtime.compile == "auto" and runtime.kernels == "fast":
        # On two CPU cores compiled nets trained at 0.7 to 1.1 times the eager rate (bench/train.py --compile).
        compiled = device.type == "cuda" and flops * batches >= COMPILE_PAYS
    if compiled and device.type == "cpu" and not shutil.which("g++") and not shutil.which("clang++"):
        raise UserError("params.yaml: runtime.compile = 'always' needs a C++ compiler; install g++ or take auto")
    name = str(dtype).removeprefix("torch.")
    reason = f"{device.type}, {name} ({why}), {'compiled' if compiled else 'eager'}, {runtime.kernels} kernels"
    return Plan(device, dtype, compiled, reason)


def _choose_dtype(runtime: Runtime, device: torch.device, flops: float) -> tuple[torch.dtype, str]:
    if runtime.precision != "auto":
        return getattr(torch, runtime.precision), "as params.yaml says"
    if runtime.kernels == "portable":
        return torch.float32, "which every machine has"
    if not has_bfloat16(device):
        return torch.float32, "no bfloat16 here"
    if flops < BFLOAT16_PAYS:
        return torch.float32, "batches too small for bfloat16 to pay"
    return torch.bfloat16, "the hardware has it"


def has_bfloat16(device: torch.device) -> bool:
    """Whether the hardware multiplies bfloat16 matrices natively; emulation would be slower than float32."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type == "cpu":
        return any(torch.cpu.get_capabilities().get(name) for name in ("avx512_bf16", "amx_bf16"))
    return False


def seed_everything(seed: int) -> None:
    """Seed every generator that a library might draw from."""
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 (libraries draw from the global generator)
    torch.manual_seed(seed)
