"""Cores, and thread pools of the libraries that compute: of one thread, asleep while idle, whatever the shell says.

How many threads share a sum decides in which order its parts are added, and so its last bits. Therefore their number
comes from params.yaml alone: whoever may use more than one says so to the library (`dla.training.runtime.start`).
"""

from __future__ import annotations

import os

from dla.core import kernels

ONE = (
    "OMP_NUM_THREADS",  # torch, scikit-learn, openTSNE; Arrow too, when it first needs its pool
    "MKL_NUM_THREADS",  # torch's matrices on x86
    "OPENBLAS_NUM_THREADS",  # those of NumPy and SciPy, each with a copy of its own, and torch's on ARM
    "VECLIB_MAXIMUM_THREADS",  # those of NumPy on macOS
    "RAYON_NUM_THREADS",  # tokenizers
)
# By default a thread without work spins, in case some comes, and takes a core from the stage beside it meanwhile.
ASLEEP = {
    "OMP_WAIT_POLICY": "PASSIVE",  # GNU's OpenMP, which is torch's and scikit-learn's on Linux, and LLVM's on macOS
    "GOMP_SPINCOUNT": "0",  # GNU's: would go before the policy
    "KMP_BLOCKTIME": "0",  # LLVM's: the same
}
OTHERS = (  # would change a number of threads behind its back
    "GOTO_NUM_THREADS",
    "MKL_DOMAIN_NUM_THREADS",
    "MKL_DYNAMIC",
    "OMP_DYNAMIC",
    "OMP_THREAD_LIMIT",
)


MOST_THREADS = 1024  # more than any machine has cores: a slip, and a system that makes no more ends the process


def cores() -> int:
    """The cores that this process may use: of a shared machine often not all."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def limit(threads: int = 1) -> None:
    """Limit the pools of the libraries that this process loads from now on, as each reads its variables when loaded.

    Torch takes more threads also later, by `torch.set_num_threads`; a process that forks others leaves it at one.
    """
    os.environ |= dict.fromkeys(ONE, str(threads)) | ASLEEP
    for name in OTHERS:
        os.environ.pop(name, None)
    kernels.choose()
