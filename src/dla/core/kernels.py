"""The kernels that libraries compute with on a CPU: import this before them.

They are those of AVX2, for a cache of one size, on every x86 processor that has it, whatever else it has and the shell
says: with others the last bits of a sum differ, and with them where a training ends. Those of torch may be left to the
machine: `runtime.kernels` of params.yaml is for the stages that read it, and `dla.training.runtime.start` heeds it.
"""

from __future__ import annotations

import os
from pathlib import Path

FIXED = {
    "OPENBLAS_CORETYPE": "Haswell",  # of NumPy's and SciPy's matrices: the first processors with AVX2
    "OPENBLAS_L2_SIZE": "512",  # kilobytes, by which matrices are taken apart
    "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR",  # NumPy's own loops: all that it has above AVX2
}
OF_TORCH = {
    "ATEN_CPU_CAPABILITY": "avx2",  # its own loops
    "ONEDNN_MAX_CPU_ISA": "AVX2",  # convolutions
    "MKL_CBWR": "COMPATIBLE",  # matrices: with all others MKL computes otherwise on Intel's processors than on AMD's
}


def choose() -> None:
    """Let libraries, as each reads its variables when it is loaded or first computes, take these kernels."""
    leave_to_the_machine(FIXED | OF_TORCH)
    if has_avx2():
        os.environ |= FIXED | OF_TORCH


def leave_to_the_machine(variables: dict[str, str]) -> None:
    """Let libraries that have not computed yet take the kernels that they take the machine to be best at."""
    for name in variables:
        os.environ.pop(name, None)


def has_avx2() -> bool:
    """Whether Linux says so; where it says nothing, libraries choose by themselves."""
    try:
        return "avx2" in Path("/proc/cpuinfo").read_text(encoding="utf-8").split()
    except OSError:
        return False


choose()
