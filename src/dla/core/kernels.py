"""The kernels that NumPy's and SciPy's OpenBLAS compute with: import this before them.

They are those of AVX2, for a cache of one size, on every x86 processor that has it, whatever else it has and the shell
says: with others the last bits of a sum differ, and with them where L-BFGS and t-SNE end.
"""

from __future__ import annotations

import os
from pathlib import Path

FIXED = {
    "OPENBLAS_CORETYPE": "Haswell",  # the first processors with AVX2
    "OPENBLAS_L2_SIZE": "512",  # kilobytes, by which matrices are taken apart
}


def choose() -> None:
    """Let OpenBLAS, wherever it is loaded from now on, take these kernels if the processor has AVX2."""
    for name in FIXED:
        os.environ.pop(name, None)
    if has_avx2():
        os.environ |= FIXED


def has_avx2() -> bool:
    """Whether Linux says so; where it says nothing, OpenBLAS chooses by itself."""
    try:
        return "avx2" in Path("/proc/cpuinfo").read_text(encoding="utf-8").split()
    except OSError:
        return False


choose()
