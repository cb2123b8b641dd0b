"""Install a locked file with uv, which pip brings by its hash, and with pip where uv cannot be had or fails.

    PYTHONPATH=src .venv/bin/python -m dla.site.install requirements.txt

`make install` does so before anything else is there, so this imports the standard library alone. Both install the same
files and check the same hashes; uv downloads and unpacks them side by side. It does not read pip's settings: those that
say where packages come from are handed to it, and where one of them has no counterpart, pip installs.
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

PIP = (sys.executable, "-m", "pip")
UV = str(Path(sys.executable).with_name("uv"))
LOCKED_UV = Path(__file__).parents[3] / "requirements-uv.txt"

# Settings of pip that say where packages come from and are kept, as uv calls them.
VARIABLES = {
    "index-url": "UV_INDEX_URL",
    "extra-index-url": "UV_EXTRA_INDEX_URL",
    "find-links": "UV_FIND_LINKS",
    "trusted-host": "UV_INSECURE_HOST",
    "cert": "SSL_CERT_FILE",
    "cache-dir": "UV_CACHE_DIR",
}
FLAGS = {"no-index": "--no-index", "no-cache-dir": "--no-cache"}
NO = ("0", "f", "false", "n", "no", "off")
# Settings that change nothing of what is installed and whence.
HARMLESS = {
    *("disable-pip-version-check", "no-python-version-warning", "no-warn-script-location", "root-user-action"),
    *("no-color", "no-input", "progress-bar", "quiet", "verbose"),
    *("config-file", "default-timeout", "require-hashes", "require-virtualenv", "retries", "timeout"),
}


def pip_settings(listed: str) -> dict[str, str]:
    """The settings that `pip install` obeys, from what `pip config list` prints.

    The environment is above the section [install], and that above [global]; an empty value says nothing, as for pip.
    """
    settings: dict[str, str] = {}
    for section in ("global.", "install.", ":env:."):
        for line in listed.splitlines():
            name, _, value = line.partition("=")
            if name.startswith(section) and ast.literal_eval(value):
                settings[name.removeprefix(section)] = ast.literal_eval(value)
    return settings


def uv_settings(settings: dict[str, str]) -> tuple[dict[str, str], list[str], list[str]]:
    """Environment variables and flags of uv that say what pip's settings say, and the settings without counterpart.

    Indexes are variables rather than flags, as their addresses may hold a password, which others see among processes.
    """
    variables = {VARIABLES[name]: " ".join(value.split()) for name, value in settings.items() if name in VARIABLES}
    if "find-links" in settings:
        variables["UV_FIND_LINKS"] = ",".join(settings["find-links"].split())
    if "cache-dir" in settings:  # a folder of its own, as `uv cache clean` removes the whole of it
        variables["UV_CACHE_DIR"] = str(Path(settings["cache-dir"], "uv"))
    flags = [flag for name, flag in FLAGS.items() if settings.get(name, "no").lower() not in NO]
    return variables, flags, sorted(settings.keys() - VARIABLES.keys() - FLAGS.keys() - HARMLESS)


def install_with_uv(requirements: str) -> str:
    """Install with uv. Returns why that could not be done, or nothing."""
    # Verbose, as a pip that is set to be quiet lists nothing.
    listed = subprocess.run([*PIP, "config", "list", "-vvv"], capture_output=True, text=True, check=True)  # noqa: S603 (our own Python)
    variables, flags, unknown = uv_settings(pip_settings(listed.stdout))
    if unknown:
        return f"uv has nothing like pip's setting {', '.join(unknown)}"
    # No source: without a wheel for this machine, pip would look for a compiler of Rust.
    bring = [*PIP, "install", "--quiet", "--only-binary", ":all:", "--require-hashes", "--requirement", str(LOCKED_UV)]
    if subprocess.run(bring, check=False).returncode:  # noqa: S603
        return "uv cannot be had here (pip says why above)"
    # A locked version may be in the second index alone; pip looks into all of them, and so does uv when told to.
    command = [UV, "pip", "install", "--python", sys.executable, "--index-strategy", "unsafe-best-match", *flags]
    command += ["--require-hashes", "--requirement", requirements]
    if sys.dont_write_bytecode:  # else each module is compiled when first imported, a fifth of what is installed
        command.append("--compile-bytecode")
    if not sys.stderr.isatty():  # which is where uv shows how far it is
        command.append("--quiet")
    if subprocess.run(command, env=variables | os.environ, check=False).returncode:  # noqa: S603
        return "uv failed (it says why above)"
    return ""


def main() -> None:
    """Install the file that is named on the command line."""
    (requirements,) = sys.argv[1:]
    problem = install_with_uv(requirements)
    if problem:
        print(f"{problem}: pip installs {requirements} instead, which takes some minutes", file=sys.stderr)
        command = [*PIP, "install", "--quiet", "--require-hashes", "--requirement", requirements]
        sys.exit(subprocess.run(command, check=False).returncode)  # noqa: S603


if __name__ == "__main__":
    main()
