"""Python, the version of dla, and how this machine computes."""

from __future__ import annotations

import importlib.metadata
import math
import subprocess
import sys

from dla.core.errors import UserError
from dla.core.pools import cores
from dla.doctor.finding import Finding
from dla.training.settings import Runtime

PYTHONS = ((3, 11), (3, 14))  # the first that will do, and the first that will not, as pyproject.toml says


def python(version: tuple[int, int] = sys.version_info[:2]) -> Finding:
    """Whether dla supports this Python."""
    (major, first), (_, beyond) = PYTHONS
    supported = [f"{major}.{minor}" for minor in range(first, beyond)]
    facts = {"version": sys.version.split()[0], "supported": PYTHONS[0] <= version < PYTHONS[1]}
    state = f"{facts['version']} (supported: {', '.join(supported)})"
    if facts["supported"]:
        return Finding("python", state, facts=facts)
    problem = f"this Python is not supported; install dla with another: make repro PYTHON=python{supported[-1]}"
    return Finding("python", state, problem, stops=True, facts=facts)


def code() -> Finding:
    """Version and commit of dla."""
    try:
        version = importlib.metadata.version("dla")
    except importlib.metadata.PackageNotFoundError:
        version = "not installed"
    commit, changed = _git("rev-parse", "--short", "HEAD"), _git("status", "--porcelain", "--untracked-files=no")
    state = f"{version}, commit {commit or 'unknown'}{', with changes that are not committed' if changed else ''}"
    return Finding("dla", state, facts={"version": version, "commit": commit, "changed": bool(changed)})


def computing(settings: Runtime) -> list[Finding]:
    """The device that a run will take, its number format and why, and its threads."""
    try:
        import torch

        from dla.training.runtime import BFLOAT16_PAYS, COMPILE_PAYS, choose_device, plan
    except (ImportError, OSError) as error:  # OSError: a shared library is missing
        problem = f"torch cannot be imported ({error}); install the requirements anew: rm -rf .venv && make install"
        return [Finding("torch", "cannot be imported", problem, stops=True)]
    found = Finding("torch", torch.__version__, facts={"version": torch.__version__})
    try:
        device = choose_device(settings)
        little = plan(settings, device, flops=1.0, batches=1)
        much = plan(settings, device, BFLOAT16_PAYS, batches=math.ceil(COMPILE_PAYS / BFLOAT16_PAYS))
    except UserError as error:
        return [found, Finding("device", "not usable", str(error), stops=True)]
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else ""
    return [
        found,
        _device(device.type, name, settings),
        Finding("small runs", little.reason, facts={"dtype": str(little.dtype), "compiled": little.compiled}),
        Finding("large runs", much.reason, facts={"dtype": str(much.dtype), "compiled": much.compiled}),
        _threads(settings.threads, cores()),
    ]


def _threads(threads: int, cores: int) -> Finding:
    return Finding("threads", f"{threads} on {cores} cores", facts={"threads": threads, "cores": cores})


def _device(kind: str, name: str, settings: Runtime) -> Finding:
    why = "as torch sees no GPU" if kind == "cpu" else "which torch sees"
    if settings.device != "auto" or settings.kernels == "portable":
        why = "as params.yaml says"
    return Finding("device", f"{kind}{f' ({name})' if name else ''}, {why}", facts={"device": kind, "name": name})


def _git(*command: str) -> str:
    """What git says, or nothing where there is no git or no repository."""
    try:
        return subprocess.run(["git", *command], capture_output=True, text=True, check=True).stdout.strip()  # noqa: S603, S607 (git of the PATH)
    except (OSError, subprocess.CalledProcessError):
        return ""
