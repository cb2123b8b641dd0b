"""What installs the locked requirements: real pip, real uv, and a folder of wheels for an index."""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from dla.site.install import pip_settings, uv_settings

from .conftest import ROOT

OFFLINE = {"PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1"}
OURS = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "UV_"))}


def settings_of_pip(**variables: str) -> dict[str, str]:
    command = [sys.executable, "-m", "pip", "config", "list", "-vvv"]
    listed = subprocess.run(command, env=OURS | variables, capture_output=True, text=True, check=True)
    return pip_settings(listed.stdout)


def test_indexes_of_pip_are_those_of_uv(tmp_path: Path) -> None:
    config = tmp_path / "pip.conf"
    config.write_text(
        "[global]\nindex-url = https://me:word@a.example/simple\ntimeout = 9\nquiet = 1\ncert = /a/bundle.pem\n"
        "extra-index-url =\n    https://b.example/simple\n    file:///c\n[install]\nfind-links = /d\n    /e\n"
        "[freeze]\nproxy = http://f.example\n"
    )
    variables, flags, unknown = uv_settings(settings_of_pip(PIP_CONFIG_FILE=str(config)))
    assert variables["UV_INDEX_URL"] == "https://me:word@a.example/simple"
    assert variables["UV_EXTRA_INDEX_URL"] == "https://b.example/simple file:///c"
    assert variables["UV_FIND_LINKS"] == "/d,/e"
    assert variables["SSL_CERT_FILE"] == "/a/bundle.pem"
    assert not flags
    assert not unknown


def test_the_environment_is_above_files_as_for_pip(tmp_path: Path) -> None:
    config = tmp_path / "pip.conf"
    config.write_text("[global]\nindex-url = https://a.example\n[install]\nindex-url = https://b.example\n")
    assert settings_of_pip(PIP_CONFIG_FILE=str(config))["index-url"] == "https://b.example"
    above = settings_of_pip(PIP_CONFIG_FILE=str(config), PIP_INDEX_URL="https://c.example", PIP_CACHE_DIR="/g")
    variables, _, _ = uv_settings(above)
    assert (variables["UV_INDEX_URL"], variables["UV_CACHE_DIR"]) == ("https://c.example", "/g/uv")


def test_pip_without_settings_asks_nothing_of_uv() -> None:
    assert uv_settings(settings_of_pip(PIP_CONFIG_FILE=os.devnull, PIP_INDEX_URL="")) == ({}, [], [])


def test_flags_and_settings_without_counterpart() -> None:
    given = {"no-index": "true", "no-cache-dir": "off", "proxy": "http://f.example", "constraint": "a.txt"}
    assert uv_settings(given) == ({}, ["--no-index"], ["constraint", "proxy"])


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one wheel, and the file that locks it by its hash."""
    folder = tmp_path_factory.mktemp("wheels")
    wheel = folder / "tiny-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("tiny.py", "")
        archive.writestr("tiny-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
        archive.writestr("tiny-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr("tiny-1.0.dist-info/RECORD", "")
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    (folder / "locked.txt").write_text(f"tiny==1.0 --hash=sha256:{digest}\n")
    return folder


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment in which nothing but pip is installed."""
    folder = tmp_path_factory.mktemp("venv")
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    return folder / "bin/python"


@pytest.fixture
def with_uv(python: Path) -> None:
    """The locked uv is in that environment already, as pip would have brought it."""
    site = next((python.parents[1] / "lib").glob("python*/site-packages"))
    for file in importlib.metadata.files("uv") or []:
        target = (site / file).resolve()
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(str(file.locate()), target)


def install(python: Path, wheels: Path, locked: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    subprocess.run([python, "-m", "pip", "uninstall", "--quiet", "--yes", "tiny"], check=True, capture_output=True)
    cache = {"UV_CACHE_DIR": str(wheels / "cache"), "PIP_FIND_LINKS": str(wheels)}
    environment = OURS | OFFLINE | cache | {"PYTHONPATH": str(ROOT / "src")} | variables
    command = [str(python), "-m", "dla.site.install", str(locked)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def installer(python: Path) -> str:
    """What installed the package, by its own word."""
    script = "import importlib.metadata as m; print(m.distribution('tiny').read_text('INSTALLER'))"
    return subprocess.run([python, "-c", script], capture_output=True, text=True, check=True).stdout.strip()


def test_pip_installs_where_uv_cannot_be_had(python: Path, wheels: Path) -> None:
    done = install(python, wheels, wheels / "locked.txt")
    assert done.returncode == 0
    assert "uv cannot be had here (pip says why above): pip installs" in done.stderr
    assert installer(python) == "pip"


@pytest.mark.usefixtures("with_uv")
def test_uv_installs_from_where_pip_would(python: Path, wheels: Path) -> None:
    done = install(python, wheels, wheels / "locked.txt")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert installer(python) == "uv"


@pytest.mark.usefixtures("with_uv")
def test_pip_installs_where_uv_lacks_a_setting(python: Path, wheels: Path) -> None:
    done = install(python, wheels, wheels / "locked.txt", PIP_PROXY="http://127.0.0.1:9")
    assert done.returncode == 0
    assert "uv has nothing like pip's setting proxy: pip installs" in done.stderr
    assert installer(python) == "pip"


@pytest.mark.usefixtures("with_uv")
def test_another_hash_is_installed_by_neither(python: Path, wheels: Path, tmp_path: Path) -> None:
    locked = tmp_path / "locked.txt"
    locked.write_text(f"tiny==1.0 --hash=sha256:{'0' * 64}\n")
    done = install(python, wheels, locked)
    assert done.returncode != 0
    assert "uv failed (it says why above): pip installs" in done.stderr
    missing = subprocess.run([python, "-c", "import tiny"], capture_output=True, check=False)
    assert missing.returncode != 0


def test_uv_is_the_one_of_the_locked_tools() -> None:
    """With the same hashes: else installing the tools for development would bring another."""
    pins = [
        re.findall(r"^(uv==\S+) \\\n((?:    --hash=\S+(?: \\)?\n)+)", (ROOT / name).read_text(), re.MULTILINE)
        for name in ("requirements-uv.txt", "requirements-dev.txt")
    ]
    assert len(pins[0]) == 1
    assert pins[0] == pins[1]
