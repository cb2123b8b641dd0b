"""Exact resume: after every epoch the whole state of a run, in a folder named by all that determines the run."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from dla.core.artifacts import read_tensors, write_tensors
from dla.core.contents import REMEDY
from dla.core.errors import UserError
from dla.core.success import on_success

FOLDER = Path(".checkpoints")


class Checkpoint:
    """The place where one run keeps its state until the stage has succeeded (`dla.core.success`).

    Parameters
    ----------
    identity : JSON-able description of everything that determines the run: settings, device, number format
    files : data the run reads; their content counts

    The installed version of torch and the source of every module of this package that is imported count too, so a
    checkpoint of other code is never resumed.
    """

    def __init__(self, identity: Mapping[str, Any], files: list[Path]) -> None:
        self.folder = FOLDER / _identify(identity, files)
        on_success(self.discard)

    @property
    def path(self) -> Path:
        """The file of the last finished epoch."""
        return self.folder / "state.safetensors"

    def save(self, state: Mapping[str, Any]) -> None:
        """Keep `state`, as `write_state` takes it, and every random state."""
        write_state(self.path, {"run": self.folder.name, "state": state, "random": _random_states()})

    def load(self) -> dict[str, Any] | None:
        """The state last kept, with every random state set back to what it was; None if there is none of this run."""
        if not self.path.exists():
            return None
        try:
            kept = read_state(self.path)
        except UserError:  # a damaged checkpoint costs its epochs, not the run
            kept = {}
        if kept.get("run") != self.folder.name:
            self.discard()
            return None
        _set_random_states(kept["random"])
        state: dict[str, Any] = kept["state"]
        return state

    def discard(self) -> None:
        """Forget the run."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _identify(identity: Mapping[str, Any], files: list[Path]) -> str:
    digest = hashlib.blake2b(digest_size=16)
    digest.update(json.dumps(identity, sort_keys=True).encode())
    digest.update(f"{torch.__version__} {torch.get_num_threads()}".encode())
    for file in [*files, *_our_sources()]:
        with file.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()


def _our_sources() -> list[Path]:
    modules = [sys.modules[name] for name in sorted(sys.modules) if name == "dla" or name.startswith("dla.")]
    return [Path(module.__file__) for module in modules if module.__file__]


def _random_states() -> dict[str, Any]:
    name, keys, *rest = np.random.get_state()  # noqa: NPY002 (libraries draw from the global generator)
    states = {"python": random.getstate(), "numpy": [name, keys, *rest], "torch": torch.get_rng_state()}
    if torch.cuda.is_available():
        states["cuda"] = torch.cuda.get_rng_state()
    return states


def _set_random_states(states: Mapping[str, Any]) -> None:
    version, internal, gauss = states["python"]
    random.setstate((version, tuple(internal), gauss))
    name, keys, *rest = states["numpy"]
    np.random.set_state((name, keys, *rest))  # noqa: NPY002
    torch.set_rng_state(states["torch"])
    if "cuda" in states:
        torch.cuda.set_rng_state(states["cuda"])


# --- nested state as one file ------------------------------------------------------------------------------------


def write_state(path: Path, state: Mapping[str, Any]) -> None:
    """Write nested dicts and lists of tensors, arrays and JSON values as one safetensors file, without pickle.

    The file says what its content comes to, so that a flipped bit is found.
    """
    arrays: dict[str, np.ndarray[Any, Any]] = {}

    def strip(node: Any) -> Any:
        if isinstance(node, torch.Tensor | np.ndarray):
            name = str(len(arrays))
            arrays[name] = node if isinstance(node, np.ndarray) else node.detach().cpu().contiguous().numpy()
            return {"$array" if isinstance(node, np.ndarray) else "$tensor": name}
        if isinstance(node, Mapping):
            return {"$items": [[key, strip(value)] for key, value in node.items()]}  # keys need not be strings
        if isinstance(node, list | tuple):
            return [strip(value) for value in node]
        return node

    tree = strip(state)
    write_tensors(path, arrays, {"tree": tree, "digest": _digest(arrays, tree)})


def _digest(arrays: Mapping[str, np.ndarray[Any, Any]], tree: Any) -> str:
    digest = hashlib.blake2b(json.dumps(tree, sort_keys=True).encode(), digest_size=16)
    for name, array in sorted(arrays.items()):
        written = np.ascontiguousarray(array)  # which makes a vector of a single number
        digest.update(f"{name} {written.dtype} {written.shape}".encode())
        digest.update(written.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def read_state(path: Path) -> dict[str, Any]:
    """What `write_state` wrote, tensors on the CPU; tuples come back as lists.

    Raises
    ------
    UserError
        If the file is missing, or is not to the bit what was written.
    """
    arrays, metadata = read_tensors(path)
    tree = metadata["tree"]
    if metadata["digest"] != _digest(arrays, tree):
        raise UserError(f"{path}: is not what was written; {REMEDY}")

    def fill(node: Any) -> Any:
        if isinstance(node, list):
            return [fill(value) for value in node]
        if not isinstance(node, dict):
            return node
        if "$array" in node:
            return arrays[node["$array"]]
        if "$tensor" in node:
            return torch.from_numpy(arrays[node["$tensor"]])
        return {key: fill(value) for key, value in node["$items"]}

    state: dict[str, Any] = fill(tree)
    return state
