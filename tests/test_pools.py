"""Threads: one in every library, or as many as params.yaml says; never what a shell says, and none that spins."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from dla.core.kernels import FIXED, has_avx2
from dla.core.pools import cores
from dla.run.local import read_preload

from .conftest import ROOT

Change = Callable[[Path, dict[str, object]], None]

SHELL = {  # of a user who means another program
    "OMP_NUM_THREADS": "7",
    "OMP_DYNAMIC": "true",
    "OMP_THREAD_LIMIT": "5",
    "OMP_WAIT_POLICY": "ACTIVE",
    "GOMP_SPINCOUNT": "infinite",
    "MKL_NUM_THREADS": "7",
    "MKL_DYNAMIC": "true",
    "OPENBLAS_NUM_THREADS": "7",
}
POOLS = """
import pyarrow, sklearn.linear_model, threadpoolctl
from openTSNE import TSNE
print(*sorted({pool["user_api"] for pool in threadpoolctl.threadpool_info()}))
print(*{pool["num_threads"] for pool in threadpoolctl.threadpool_info()}, pyarrow.cpu_count())
"""
ARCHITECTURES = """
from dla.core import pools
import numpy, scipy.linalg, threadpoolctl
print(*{pool["architecture"] for pool in threadpoolctl.threadpool_info() if pool["internal_api"] == "openblas"})
"""
TORCH = """
import os, sys, time
from dla.core import stage
import torch
from dla.training.settings import Runtime
from dla.training.runtime import start

def compute():
    start(Runtime("cpu", "float32", "never", int(sys.argv[1])))
    numbers = torch.rand(1000, 1000, generator=torch.Generator().manual_seed(1))
    whole, main = time.process_time(), time.thread_time()
    for _ in range(5):
        numbers = (numbers @ numbers).softmax(1)
    main = time.thread_time() - main
    whole = time.process_time() - whole
    print(torch.get_num_threads(), round(whole / main), numbers.sum(0).norm().item().hex(), flush=True)
"""

KERNELS = """
import os, sys
from importlib import import_module
for name in sys.argv[2:]:
    import_module(name)
if sys.argv[2:] and os.fork():
    sys.exit(os.waitstatus_to_exitcode(os.wait()[1]))

from dla.core import stage
import torch
from dla.training.settings import Runtime
from dla.training.runtime import start

start(Runtime("cpu", "auto", "auto", 1, sys.argv[1]))
pictures, filters = torch.ones(2, 8, 16, 16), torch.ones(8, 8, 3, 3)
torch.nn.functional.conv2d(pictures, filters) @ torch.ones(14, 14)
print("ATen:", torch.backends.cpu.get_cpu_capability(), flush=True)
"""


LOADED = "import sys; print({'numpy', 'pyarrow', 'scipy', 'sklearn', 'torch'} & {*sys.modules})"


def output(code: str, *arguments: str, folder: Path = ROOT) -> list[str]:
    """What a process of that code prints, started from a shell that says much of threads."""
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, cwd=folder, env=os.environ | SHELL, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize("script", sorted((ROOT / "stages").glob("*.py")), ids=lambda script: script.stem)
def test_a_script_limits_the_pools_before_it_imports_a_library(script: Path) -> None:
    imports = [node for node in ast.parse(script.read_text()).body if isinstance(node, ast.Import | ast.ImportFrom)]
    modules = [node.module or "" if isinstance(node, ast.ImportFrom) else node.names[0].name for node in imports]
    first, *_ = (i for i, module in enumerate(modules) if module.partition(".")[0] not in sys.stdlib_module_names)
    assert ast.unparse(imports[first]) == "from dla.core import stage"


def test_the_frame_of_scripts_loads_no_library_itself() -> None:
    assert output(f"from dla.core import stage; {LOADED}") == ["set()"]


@pytest.mark.slow
@pytest.mark.parametrize("script", ["train", "tfidf", "tsne"])
def test_a_stage_has_one_thread_in_every_library_whatever_the_shell_says(script: str) -> None:
    code = f"import sys; sys.path.insert(0, 'stages'); import {script}\n{POOLS}"
    assert output(code) == ["blas openmp", "1 1"]


def test_the_shell_would_have_a_say_otherwise() -> None:
    _, numbers = output(POOLS)
    assert numbers != "1 1"


def test_a_command_computes_with_the_threads_of_the_project(project: Path, change: Change) -> None:
    code = "from dla.cli.computing import limit_threads; limit_threads(); import pyarrow; print(pyarrow.cpu_count())"
    change(project / "params.yaml", {"runtime.threads": 3})
    assert output(code, folder=project) == ["3"]
    (project / "params.yaml").unlink()
    assert output(code, folder=project) == ["1"]


def test_the_command_line_loads_no_library_before_it_knows_the_command() -> None:
    assert output(f"import dla.cli.main; {LOADED}") == ["set()"]


@pytest.mark.parametrize("threads", [1, 2])
def test_a_stage_computes_with_the_threads_of_params_whether_it_is_started_or_forked(threads: int) -> None:
    started = output(TORCH + "compute()", str(threads))
    warm = "torch.ones(1_000_000).sum()\nif os.fork() == 0:\n    compute()\nelse:\n    os.wait()\n"
    assert output(TORCH + warm, str(threads)) == started
    assert started[0].startswith(f"{threads} {threads} ")  # as many as were asked for share the work


def test_threads_without_work_sleep() -> None:
    code = """
import time
from dla.core import stage
import torch

torch.set_num_threads(2)
numbers = torch.zeros(200_000)
whole, main = time.process_time(), time.thread_time()
for _ in range(200):
    torch.add(numbers, 1)
    end = time.thread_time() + 0.001
    while time.thread_time() < end:
        pass
main = time.thread_time() - main
print((time.process_time() - whole - main) / main)
"""
    (others,) = output(code)
    assert float(others) < 0.5  # about 0.04, and 0.98 if they spin


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system gives cores to no process")
def test_cores_are_those_that_this_process_may_use() -> None:
    allowed = os.sched_getaffinity(0)
    assert cores() == len(allowed)
    os.sched_setaffinity(0, {min(allowed)})
    try:
        assert cores() == 1
    finally:
        os.sched_setaffinity(0, allowed)


@pytest.mark.skipif(not has_avx2(), reason="OpenBLAS chooses by itself where the processor has no AVX2")
@pytest.mark.parametrize("shell", ["", "Prescott", "SkylakeX"])
def test_sums_are_those_of_avx2_whatever_the_shell_says(shell: str) -> None:
    variables = {name: value for name, value in os.environ.items() if name not in FIXED}
    variables |= {"OPENBLAS_CORETYPE": shell} if shell else {}
    told = subprocess.run(
        [sys.executable, "-c", ARCHITECTURES], env=variables, capture_output=True, text=True, check=True
    )
    assert told.stdout == "Haswell\n"


def kernels_of_torch(kernels: str, *imported: str) -> dict[str, str]:
    """What its libraries say they compute with, started or forked from a process with these imports."""
    shell = {"ONEDNN_VERBOSE": "1", "MKL_VERBOSE": "1", "ATEN_CPU_CAPABILITY": "default", "MKL_CBWR": "SSE4_2"}
    command = [sys.executable, "-c", KERNELS, kernels, *imported]
    told = subprocess.run(command, env=os.environ | shell, capture_output=True, text=True, check=True).stdout
    said = {"ATen": "ATen: (.*)", "oneDNN": "cpu,isa:(.*)", "MKL": "CNR:([A-Z0-9,]+)"}
    return {library: re.findall(words, told)[0] for library, words in said.items()}


@pytest.mark.skipif(not has_avx2(), reason="torch chooses by itself where the processor has no AVX2")
@pytest.mark.slow
def test_kernels_of_torch_are_those_of_params_whether_a_stage_is_started_or_forked() -> None:
    """So none of the imports computes anything, after which it would be too late to choose."""
    imported = read_preload(ROOT / "pyproject.toml")
    portable, fast = kernels_of_torch("portable"), kernels_of_torch("fast")
    assert portable == {"ATen": "AVX2", "oneDNN": "Intel AVX2", "MKL": "COMPATIBLE"}
    assert fast["MKL"] == "OFF"
    assert fast["ATen"] != "DEFAULT"
    assert kernels_of_torch("portable", *imported) == portable
    assert kernels_of_torch("fast", *imported) == fast


@pytest.mark.skipif(not has_avx2(), reason="torch chooses by itself where the processor has no AVX2")
def test_portable_kernels_after_others_are_an_error() -> None:
    code = """
import os, torch
os.environ["ATEN_CPU_CAPABILITY"] = "default"
torch.ones(2) + 1
from dla.core import stage
from dla.training.settings import Runtime
from dla.training.runtime import start
try:
    start(Runtime("cpu", "auto", "auto", 1, "portable"))
except RuntimeError as error:
    print(error)
"""
    assert output(code) == ["torch has computed with the kernels of DEFAULT before params.yaml was heeded"]


def test_where_kernels_are_portable_nothing_is_decided_from_the_machine() -> None:
    code = """
from dla.core import stage
import torch
from dla.training.settings import Runtime
from dla.training.runtime import choose_device, plan
torch.cuda.is_available = torch.backends.mps.is_available = lambda: True
torch.cpu.get_capabilities = lambda: {"avx512_bf16": True}
for kernels in ("portable", "fast"):
    runtime = Runtime("auto", "auto", "auto", 1, kernels)
    print(choose_device(runtime), plan(runtime, torch.device("cpu"), 1e12, 1000).dtype)
"""
    assert output(code) == ["cpu torch.float32", "cuda torch.bfloat16"]


@pytest.mark.skipif(not has_avx2(), reason="NumPy chooses by itself where the processor has no AVX2")
def test_numpy_has_no_loops_above_avx2() -> None:
    code = """
from dla.core import pools
import numpy
from numpy._core._multiarray_umath import __cpu_dispatch__ as groups, __cpu_features__ as features
print([group for group in groups if features[group]])
"""
    assert output(code) == ["['X86_V3']"]
