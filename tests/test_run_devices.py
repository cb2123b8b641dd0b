"""Which GPUs are shared out, and what a stage is told of them; nvidia-smi is a script that answers like it."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from dla.core.errors import UserError
from dla.run import devices

TWO = "0, GPU-aaaa-0, 81559, 81004\n1, GPU-bbbb-1, 81559, 20000\n"
Answer = Callable[..., Path]


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A PATH without the machine's own nvidia-smi, and no word of devices."""
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


@pytest.fixture
def nvidia_smi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Answer:
    """Put a program onto the PATH that gives this answer, and notes each time that it was asked."""
    moments = itertools.count()
    monkeypatch.setattr(devices, "FRESH", 1e-9)  # every answer is old at once
    folder = tmp_path / "bin"
    folder.mkdir()

    def answer(text: str, code: int = 0) -> Path:
        (folder / f"answer-{next(moments)}").write_text(text)
        script = folder / "nvidia-smi"
        script.write_text(
            "#!/bin/sh\n"
            f'echo "$*" >> {folder}/asked\n'
            'test "$*" = "--query-gpu=index,uuid,memory.total,memory.free --format=csv,noheader,nounits" || exit 9\n'
            f"while IFS= read -r line; do echo \"$line\"; done <<'END'\n{text}END\nexit {code}\n"
        )
        script.chmod(0o755)
        return folder / "asked"

    return answer


def test_auto_takes_all_devices_by_names_that_cuda_cannot_number_otherwise(nvidia_smi: Answer) -> None:
    nvidia_smi(TWO)
    assert devices.choose("auto") == ("GPU-aaaa-0", "GPU-bbbb-1")


@pytest.mark.parametrize(
    ("visible", "chosen"),
    [
        ("", ()),
        ("1", ("1",)),
        ("1, 0", ("1", "0")),
        ("GPU-bbbb", ("GPU-bbbb",)),
        ("0,-1,1", ("0",)),  # CUDA heeds nothing behind what is not there
        ("1,2,0", ("1",)),
        ("NoDevFiles", ()),
        ("MIG-0-1,MIG-0-2", ("MIG-0-1", "MIG-0-2")),
    ],
)
def test_auto_takes_what_the_caller_may_see(
    nvidia_smi: Answer, monkeypatch: pytest.MonkeyPatch, visible: str, chosen: tuple[str, ...]
) -> None:
    nvidia_smi(TWO)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert devices.choose("auto") == chosen


def test_auto_finds_nothing_where_there_is_no_nvidia_smi(monkeypatch: pytest.MonkeyPatch) -> None:
    assert devices.choose("auto") == ()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    assert devices.choose("auto") == ()


def test_auto_finds_nothing_where_nvidia_smi_finds_nothing(nvidia_smi: Answer) -> None:
    nvidia_smi("No devices were found\n", code=6)
    assert devices.choose("auto") == ()


def test_none_asks_nobody(nvidia_smi: Answer) -> None:
    asked = nvidia_smi(TWO)
    assert devices.choose("none") == ()
    assert not asked.exists()


@pytest.mark.parametrize(
    ("named", "chosen"),
    [
        ("0", ("GPU-aaaa-0",)),
        ("1,0", ("GPU-bbbb-1", "GPU-aaaa-0")),
        (" GPU-bbbb-1 , 0", ("GPU-bbbb-1", "GPU-aaaa-0")),
    ],
)
def test_a_list_names_devices_as_nvidia_smi_does(nvidia_smi: Answer, named: str, chosen: tuple[str, ...]) -> None:
    nvidia_smi(TWO)
    assert devices.choose(named) == chosen


@pytest.mark.parametrize("named", ["2", "", "0,", "all", "-1", "GPU-", "GPU-cccc", "0;1", "1.0"])
def test_a_device_that_is_not_there_is_named_beside_those_that_are(nvidia_smi: Answer, named: str) -> None:
    nvidia_smi(TWO)
    with pytest.raises(UserError, match=r"there is no device '.*'.*0 \(GPU-aaaa-0\), 1 \(GPU-bbbb-1\)"):
        devices.choose(named)


def test_a_list_where_there_are_no_devices_is_an_error() -> None:
    with pytest.raises(UserError, match=r"there is no device '0'.*none that nvidia-smi knows of"):
        devices.choose("0")


def test_a_device_is_shared_out_once(nvidia_smi: Answer) -> None:
    nvidia_smi(TWO)
    with pytest.raises(UserError, match="names GPU-aaaa-0 twice"):
        devices.choose("0,1,GPU-aaaa-0")


@pytest.mark.parametrize(("text", "code"), [("Failed to initialize NVML: Driver mismatch\n", 18), ("0, GPU-a\n", 0)])
def test_a_driver_that_is_broken_is_an_error_only_for_who_names_a_device(
    nvidia_smi: Answer, text: str, code: int
) -> None:
    nvidia_smi(text, code)
    with pytest.raises(UserError, match=f"nvidia-smi .*{text.strip()}.*without --gpus"):
        devices.choose("0")
    assert devices.choose("auto") == ()
    assert not devices.has_memory("GPU-aaaa-0", 0.5)


def test_a_device_has_memory_while_the_share_is_free(nvidia_smi: Answer) -> None:
    nvidia_smi(TWO)
    assert devices.has_memory("GPU-aaaa-0", 0.5)
    assert not devices.has_memory("GPU-bbbb-1", 0.5)
    assert not devices.has_memory("1", 0.5)
    assert devices.has_memory("1", 0.2)
    nvidia_smi(TWO.replace("20000", "80000"))
    assert devices.has_memory("1", 0.5)


def test_devices_that_say_nothing_of_their_memory_are_shared(nvidia_smi: Answer) -> None:
    nvidia_smi("0, GPU-aaaa-0, [N/A], [N/A]\n")
    assert devices.choose("auto") == ("GPU-aaaa-0",)
    assert devices.has_memory("GPU-aaaa-0", 0.5)
    assert devices.has_memory("MIG-0-1", 0.5)


def test_an_answer_holds_for_a_moment(nvidia_smi: Answer, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = nvidia_smi(TWO)
    monkeypatch.setattr(devices, "FRESH", 1e9)
    for _ in range(100):
        devices.has_memory("0", 0.5)
    assert len(asked.read_text().splitlines()) == 1


def test_a_stage_sees_its_device_or_none() -> None:
    assert devices.variables("GPU-aaaa-0", ["GPU-aaaa-0"]) == {"CUDA_VISIBLE_DEVICES": "GPU-aaaa-0"}
    assert devices.variables(None, ["GPU-aaaa-0"]) == {"CUDA_VISIBLE_DEVICES": ""}
    assert devices.variables(None, ()) == {}
    assert os.environ.get("CUDA_VISIBLE_DEVICES") is None
