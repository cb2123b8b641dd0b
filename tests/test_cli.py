"""The command line: help that fits a screen, errors of one line, exit codes that say what happened."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dla.cli.main import COMMANDS, build_parser, main

from .conftest import ROOT

NAMES = [command.__name__.rpartition(".")[2] for command in COMMANDS]
SCREEN = (80, 40)  # columns and lines


def told(*arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """What the command says in a process of its own."""
    code = "import sys; from dla.cli.main import main; sys.exit(main())"
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"HF_HUB_OFFLINE": "1"},
    )


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    code = "from dla.cli.main import run; run()"
    done = subprocess.run(
        [sys.executable, "-c", code, "params", "cifar10-cnn"],
        cwd=ROOT,
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        env=environment,
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, "")


def help_of(capsys: pytest.CaptureFixture[str], *command: str) -> str:
    with pytest.raises(SystemExit) as exit_:
        main([*command, "--help"])
    assert exit_.value.code == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("command", [(), *((name,) for name in NAMES)])
def test_help_fits_a_screen_and_its_examples_are_understood(
    capsys: pytest.CaptureFixture[str], command: tuple[str, ...]
) -> None:
    text = help_of(capsys, *command)
    columns, lines = SCREEN
    assert len(text.splitlines()) <= lines
    assert max(map(len, text.splitlines())) <= columns
    shown = re.split(r"\nexamples?:\n", text)[1].partition("\n\n")[0].splitlines()
    assert all(line.startswith("  ") for line in shown)  # none was broken, so it can be pasted
    examples = [found[0] for line in shown if (found := re.search(r"\bdla [^)>]*", line))]
    assert examples
    for example in examples:
        words = shlex.split(example, comments=True)[1:]
        if "--help" not in words:
            assert build_parser().parse_args(words).command == (command[0] if command else words[0])


def test_the_help_of_all_names_every_command_and_the_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    text = help_of(capsys)
    for name in NAMES:
        assert f"\n    {name} " in text
    for code in ("0 ", "1 ", "2 ", "130 "):
        assert f"\n  {code}" in text


def test_the_bare_command_shows_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "examples:" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["predct"], "choose from"),
        (["predict"], "error: the following arguments are required: IMAGE, --model; see `dla predict --help`\n"),
        (["play", "x", "--episodes", "0"], "argument --episodes: '0' is not a whole number above 0"),
        (["params", "--wrong"], "error: unrecognized arguments: --wrong; see `dla --help`\n"),
    ],
)
def test_a_command_line_that_does_not_fit_is_one_line_and_exit_code_2(
    capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(arguments)
    assert exit_.value.code == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_an_error_away_from_the_project_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["play", "cartpole-ppo"]) == 2
    error = capsys.readouterr().err
    assert error.endswith("(there is no params.yaml here: commands are run from the root of the project)\n")
    assert error.count("\n") == 1


@pytest.mark.parametrize("arguments", [["--debug", "params"], ["params", "--debug"]])
def test_debug_shows_where_an_error_arose_and_what_caused_it(tmp_path: Path, arguments: list[str]) -> None:
    plain, debug = told("params", cwd=tmp_path), told(*arguments, cwd=tmp_path)
    assert plain.returncode == debug.returncode == 2
    assert plain.stderr.startswith("error: params.yaml: cannot be read")
    assert "Traceback" not in plain.stderr
    for part in ("Traceback", "FileNotFoundError", "UserError: params.yaml: cannot be read"):
        assert part in debug.stderr


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("mine.gif", "mine.gif: is a folder; name a file to write"),
        ("nowhere/episode.gif", "nowhere/episode.gif: could not be written (there is no folder nowhere)"),
        (".", "--render gif .: a GIF is written to a FILE whose name ends in .gif"),
        ("params.yaml", "--render gif params.yaml: a GIF is written to a FILE whose name ends in .gif"),
    ],
)
def test_a_gif_takes_the_place_of_nothing_but_a_gif(
    project: Path, capsys: pytest.CaptureFixture[str], file: str, message: str
) -> None:
    (project / "mine.gif").mkdir()
    (project / "mine.gif/diary.txt").write_text("mine")
    before = {path: path.stat().st_mtime_ns for path in project.rglob("*")}
    assert main(["play", "cartpole-ppo", "--render", "gif", file]) == 2
    assert capsys.readouterr().err.startswith(f"error: {message}")
    assert {path: path.stat().st_mtime_ns for path in project.rglob("*")} == before


# --- dla report -----------------------------------------------------------------------------------------------------


@pytest.fixture
def page(project: Path) -> Path:
    path = project / "report/index.html"
    path.parent.mkdir()
    path.write_text("<title>results</title>")
    return path


def test_report_opens_the_page_in_the_browser(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    browser = page.with_name("browser")
    browser.write_text(f'#!/bin/sh\necho "$1" > {page.with_name("opened")}\n')
    browser.chmod(0o755)
    monkeypatch.setenv("BROWSER", str(browser))
    assert told("report", cwd=page.parents[1]).returncode == 0
    assert page.with_name("opened").read_text() == f"{page.as_uri()}\n"


def test_report_prints_the_path_where_there_is_no_browser(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "--path"]) == 0
    assert capsys.readouterr().out == f"{page}\n"


def test_report_says_where_the_page_is_if_no_browser_starts(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", str(page.parent))  # where there is none
    stopped = told("report", cwd=page.parents[1])
    assert stopped.returncode == 2
    assert stopped.stderr == f"error: no browser can be started here; open {page} in one, or see `dla report --path`\n"


@pytest.mark.parametrize("arguments", [["report"], ["report", "--path"]])
def test_a_missing_report_names_the_stage_that_makes_it(
    project: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    assert main(arguments) == 2
    assert capsys.readouterr().err == "error: report/index.html: is missing; `dvc repro report` makes it\n"


# --- dla completion -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh"])
def test_the_script_of_every_shell_knows_every_command(capsys: pytest.CaptureFixture[str], shell: str) -> None:
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert all(name in script for name in NAMES)
    if shutil.which(shell):
        checked = subprocess.run([shell, "-n"], input=script, capture_output=True, text=True, check=False)
        assert (checked.returncode, checked.stderr) == (0, "")


def completed(project: Path, *words: str) -> list[str]:
    """What bash offers for the last of the words."""
    command = project / "bin/dla"
    command.parent.mkdir(exist_ok=True)
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -c "from dla.cli.main import main; exit(main())" "$@"\n')
    command.chmod(0o755)
    script = """
        set -eu
        eval "$(dla completion bash)"
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
        compopt() { :; }  # bash has it only while a key is pressed
        $(complete -p dla | sed 's/.*-F \\([^ ]*\\).*/\\1/')
        printf '%s\\n' "${COMPREPLY[@]}"
    """
    path = f"{command.parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", script, "bash", *words],
        cwd=project,
        capture_output=True,
        text=True,
        env=os.environ | {"PATH": path},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (("dla", "pr"), ["predict"]),
        (("dla", "predict", "--mo"), ["--model"]),
        (("dla", "predict", "pa"), ["params.yaml"]),
        (("dla", "predict", "x.png", "--model", "cifar10-resnet"), ["cifar10-resnet34", "cifar10-resnet50"]),
        (("dla", "classify", "--model", "log"), ["logreg-lab", "logreg"]),
        (("dla", "play", "cartpole-d"), ["cartpole-dqn"]),
        (("dla", "params", "cifar10-m"), ["cifar10-mlp"]),
        (("dla", "doctor", "--budget", "q"), ["quick"]),
        (("dla", "completion", "z"), ["zsh"]),
    ],
)
def test_bash_completes_commands_options_files_and_names(
    project: Path, words: tuple[str, ...], offered: list[str]
) -> None:
    assert completed(project, *words) == offered


def test_names_are_those_that_params_has_at_that_moment(project: Path) -> None:
    params = project / "params.yaml"
    params.write_text(params.read_text().replace("cartpole-dqn", "cartpole-mine"))
    assert completed(project, "dla", "play", "cartpole-m") == ["cartpole-mine"]


def test_params_lists_names_and_refuses_a_section_that_is_none(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["params", "--names", "tfidf", "classify"]) == 0
    assert capsys.readouterr().out.split() == ["tfidf", "logreg-lab", "logreg", "mlp-lab", "mlp"]
    assert main(["params", "--names"]) == 0
    assert {"mnist", "cifar10-cnn", "repeats", "1"} <= set(capsys.readouterr().out.split())
    assert main(["params", "--names", "trian"]) == 2
    assert capsys.readouterr().err.endswith("; did you mean train?\n")
