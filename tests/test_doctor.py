"""dla doctor: what it says is there is there, and what would stop a run is said in sentences."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import threading
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from huggingface_hub import constants

from dla.cli.doctor import READY
from dla.cli.main import main
from dla.core.errors import UserError
from dla.data.settings import DatasetSource, ModelSource, Source, TextSource
from dla.doctor import machine, sources, workflow
from dla.doctor.disk import disk
from dla.doctor.downloads import downloads
from dla.doctor.finding import Finding, bytes_in_words
from dla.doctor.sources import Availability, look
from dla.doctor.workflow import Workflow
from dla.params.file import load_params
from dla.training.settings import Runtime

from .conftest import ROOT

Change = Callable[[Path, dict[str, object]], None]
COMMIT = "0" * 40
MNIST = DatasetSource("dataset", "ylecun/mnist", "main", {"train": ("train-*.parquet",), "test": ("test*",)}, "digits")
GPT2 = ModelSource("model", "openai-community/gpt2", "main", ("config.json",), "nothing")


def text_at(url: str) -> TextSource:
    return TextSource("text", url, "0" * 64, "docstring-text")


# --- the machine ------------------------------------------------------------------------------------------------


def test_the_supported_pythons_are_those_of_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (first, beyond) = (".".join(map(str, version)) for version in machine.PYTHONS)
    assert project["requires-python"] == f">={first},<{beyond}"


@pytest.mark.parametrize(("version", "stops"), [((3, 10), True), ((3, 11), False), ((3, 13), False), ((3, 14), True)])
def test_a_python_that_is_not_supported_stops_a_run(version: tuple[int, int], stops: bool) -> None:
    found = machine.python(version)
    assert (bool(found.problem), found.stops) == (stops, stops)


def test_it_says_what_small_and_large_runs_are_computed_with() -> None:
    found = {finding.subject: finding for finding in machine.computing(Runtime("cpu", "float32", "auto", threads=3))}
    assert found["device"].state == "cpu, as params.yaml says"
    assert (
        found["small runs"].state
        == found["large runs"].state
        == "cpu, float32 (as params.yaml says), eager, fast kernels"
    )
    assert found["threads"].facts["threads"] == 3


def test_a_device_that_is_not_there_is_a_finding() -> None:
    *_, found = machine.computing(Runtime("mps", "auto", "auto", threads=1))
    assert found.stops
    assert found.problem == "params.yaml: runtime.device = 'mps', but torch sees no such device; take auto or cpu"


def test_sizes_are_read_as_disks_are_sold() -> None:
    assert (bytes_in_words(0), bytes_in_words(2_540_000)) == ("0.0 MB", "2.5 MB")
    assert bytes_in_words(1_234_500_000_000) == "1,234.5 GB"


# --- sources, on this machine -----------------------------------------------------------------------------------


@pytest.fixture
def hub_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache as the Hub's client lays it out, with one of MNIST's two files."""
    repository = tmp_path / "hub/datasets--ylecun--mnist"
    (repository / "snapshots" / COMMIT).mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs/main").write_text(COMMIT)
    (repository / "snapshots" / COMMIT / "train-0.parquet").write_bytes(b"PAR1")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return repository / "snapshots" / COMMIT


def test_a_source_is_cached_when_every_pattern_has_its_file(hub_cache: Path) -> None:
    assert look({"mnist": MNIST}, ask=False) == {"mnist": Availability("ylecun/mnist")}
    (hub_cache / "test.parquet").write_bytes(b"PAR1")
    assert look({"mnist": MNIST}, ask=False) == {"mnist": Availability("ylecun/mnist", here=True, size=0)}


def test_another_revision_and_a_name_that_is_none_are_not_cached(hub_cache: Path) -> None:
    (hub_cache / "test.parquet").write_bytes(b"PAR1")
    others = {"old": replace(MNIST, revision="v2"), "none": replace(MNIST, repository="not a name")}
    assert not any(found.here for found in look(others, ask=False).values())


def test_a_folder_and_a_file_are_taken_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "poem.txt").write_text("Nel mezzo")
    given: dict[str, Source] = {
        "folder": replace(GPT2, repository=str(tmp_path)),
        "file": text_at(f"file://{tmp_path}/poem.txt"),
        "missing": text_at(str(tmp_path / "prose.txt")),
    }
    found = look(given, ask=True)
    assert [(place.here, place.wrong) for place in found.values()] == [(True, False), (True, False), (False, True)]


# --- sources, on the network: a server on this machine that answers as the Hub does ---------------------------------

FILES = {"train-0.parquet": 4000, "test.parquet": 1000, "README.md": 77}


class Hub(BaseHTTPRequestHandler):
    """Knows ylecun/mnist, a gated repository, and a text."""

    asked: list[str]

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.asked.append(path)
        gated = path.startswith("/api/datasets/owner/gated/")
        if gated or path == "/api/datasets/ylecun/mnist/revision/main":
            siblings = [{"rfilename": name, "size": size} for name, size in FILES.items()]
            self.answer(200, {"id": "ylecun/mnist", "sha": COMMIT, "siblings": siblings, "gated": gated and "manual"})
        elif path.startswith("/api/datasets/ylecun/mnist"):
            self.answer(404, {"error": "Revision Not Found"}, "RevisionNotFound")
        else:
            self.answer(404, {"error": "Repository Not Found"}, "RepoNotFound")

    def do_HEAD(self) -> None:
        self.asked.append(self.path)
        self.send_response(200 if self.path == "/poem.txt" else 403)
        self.send_header("Content-Length", "550000")
        self.end_headers()

    def answer(self, status: int, content: dict[str, Any], error: str = "") -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        if error:
            self.send_header("X-Error-Code", error)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the name that the library gives it)
        """Keep standard error clean."""


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr(Hub, "asked", [], raising=False)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    address = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr(constants, "ENDPOINT", address)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no token"))
    yield address
    server.shutdown()
    thread.join()
    server.server_close()


def test_what_is_left_to_download_is_what_the_cache_lacks(hub: str, hub_cache: Path) -> None:
    found = look({"mnist": MNIST}, ask=True)["mnist"]
    assert (found.here, found.reachable, found.size) == (False, True, FILES["test.parquet"])
    (hub_cache / "test.parquet").write_bytes(b"PAR1")
    found = look({"mnist": MNIST}, ask=True)["mnist"]
    assert (found.here, found.reachable, found.size) == (True, True, 0)


@pytest.mark.parametrize(
    ("source", "trouble"),
    [
        (replace(MNIST, revision="v2"), "there is no revision 'v2'"),
        (replace(MNIST, repository="ylecun/mnits"), "it is not on the Hub, or is private: `hf auth login`"),
        (replace(MNIST, repository="owner/gated"), "it asks for consent to its terms"),
        (replace(MNIST, repository="not a name"), "Repo id must"),
        (replace(MNIST, files={"train": ("none/*.parquet",)}), "there is no file 'none/*.parquet'"),
    ],
)
def test_what_params_say_wrongly_is_told_from_a_network_that_is_down(
    hub: str, hub_cache: Path, source: DatasetSource, trouble: str
) -> None:
    found = look({"mnist": source}, ask=True)["mnist"]
    assert found.wrong
    assert found.trouble.startswith(trouble)


def test_a_text_has_the_size_that_its_host_says(hub: str) -> None:
    found = look({"poem": text_at(f"{hub}/poem.txt"), "secret": text_at(f"{hub}/secret.txt")}, ask=True)
    assert (found["poem"].reachable, found["poem"].size) == (True, 550_000)
    assert (found["secret"].reachable, found["secret"].wrong) == (False, False)


def test_nobody_waits_for_a_host_that_never_answers(hub_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "DEADLINE", 0.3)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    (hub_cache / "test.parquet").write_bytes(b"PAR1")
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        address = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        monkeypatch.setattr(constants, "ENDPOINT", address)
        found = look({"mnist": MNIST, "gpt2": GPT2, "poem": text_at(f"{address}/poem.txt")}, ask=True)
    assert all(place.trouble == "no answer in time" for place in found.values())
    assert [place.here for place in found.values()] == [True, False, False]


# --- what is to be downloaded ------------------------------------------------------------------------------------

PARAMS = load_params(ROOT / "params.yaml")
QUICK = replace(PARAMS, budget="quick")
FAR = Availability("owner/name", reachable=True, size=2_000_000)
NEAR = Availability("owner/name", here=True, size=0)
DOWN = Availability("owner/name", reachable=False, trouble="no route")


def found_everywhere(place: Availability, **others: Availability) -> dict[str, Availability]:
    return dict.fromkeys(PARAMS.sources, place) | others


def by_subject(findings: list[Finding]) -> dict[str, Finding]:
    return {finding.subject: finding for finding in findings}


def test_under_an_embedded_budget_nothing_is_downloaded_and_nothing_can_be_missing() -> None:
    told = downloads(PARAMS, found_everywhere(Availability("owner/name"), mnist=NEAR), [])
    assert told.size == 0
    assert not any(finding.problem for finding in told.findings)
    assert by_subject(told.findings)["downloads"].state.startswith("nothing, as budget demo takes data")
    assert "other budgets find owner/name on this machine" in by_subject(told.findings)["source mnist"].state


def test_downloads_are_added_up_without_what_is_here_or_was_fetched_before() -> None:
    told = downloads(QUICK, found_everywhere(NEAR, race=FAR, gpt2=FAR, mnist=FAR), fetched=["mnist"])
    assert told.size == 2 * 2_000_000
    lines = by_subject(told.findings)
    assert lines["downloads"].state.startswith("4.0 MB (the Hub's cache is ")
    assert lines["source mnist"].state == "owner/name: fetched already, as data/raw/mnist"
    assert lines["source race"].state == "owner/name: reachable, 2.0 MB to download"
    assert not any(finding.problem for finding in told.findings)


def test_a_size_that_nobody_told_is_unknown_rather_than_nothing() -> None:
    told = downloads(QUICK, found_everywhere(NEAR, race=FAR, dante=replace(FAR, size=None)), [])
    assert by_subject(told.findings)["downloads"].state.startswith("unknown of dante; of the others 2.0 MB (")


def test_all_that_is_out_of_reach_is_one_sentence() -> None:
    told = downloads(QUICK, found_everywhere(NEAR, race=DOWN, gpt2=DOWN), [])
    (problem,) = [finding for finding in told.findings if finding.problem]
    assert problem.stops
    assert problem.problem.startswith("race, gpt2: cannot be fetched: connect to the internet")
    assert not [f for f in downloads(QUICK, found_everywhere(DOWN), fetched=PARAMS.sources).findings if f.problem]


def test_offline_only_the_hub_is_known_to_be_out_of_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    unasked = Availability("owner/name")
    told = downloads(QUICK, found_everywhere(NEAR, race=unasked, dante=unasked), [])
    lines = by_subject(told.findings)
    assert lines["source race"].state.endswith("not on this machine, and not asked for, as HF_HUB_OFFLINE is set")
    assert lines["downloads"].problem.startswith("race: cannot be fetched")


def test_a_source_that_is_not_as_params_say_is_a_sentence_of_its_own() -> None:
    wrong = replace(FAR, wrong=True, trouble="there is no revision 'v2'")
    told = downloads(QUICK, found_everywhere(NEAR, race=wrong), [])
    assert [f.problem for f in told.findings if f.problem] == [
        "params.yaml: sources.race: owner/name: there is no revision 'v2'"
    ]


# --- DVC, its lock, the disk ------------------------------------------------------------------------------------


def test_dvc_knows_the_budget_of_the_last_run_and_what_reads_what(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    project = Workflow()
    assert project.has_run(PARAMS.budget)
    assert not project.has_run("full")
    after = project.after(frozenset({"download@mnist"}))
    assert {"prepare@mnist", "train@mnist-mlp-64", "report"} <= after
    assert not {"download@mnist", "train@cifar10-cnn"} & after
    assert project.after(frozenset({"gradients"})) == {"report"}  # which reads the folders that it writes to
    assert project.after(frozenset()) == frozenset()


def test_outputs_that_are_not_here_are_needed_twice(project: Path) -> None:
    assert [found.facts["needed"] for found in disk(1000, "demo", downloads=0)] == [2000]


def test_outputs_that_are_there_are_not_missing(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(clone)
    before = Workflow().missing()
    (clone / "data/raw/mnist").mkdir(parents=True)
    after = Workflow().missing()
    (clone / "data/raw/mnist").rmdir()
    assert 0 < after < before


def test_before_the_first_run_of_a_budget_downloads_are_counted_and_the_rest_is_called_unknown(
    project: Path, hub_cache: Path
) -> None:
    (found,) = disk(None, "quick", downloads=1000)
    assert found.facts["needed"] == 3000
    assert found.state.endswith("at least: the outputs of budget quick are known after its first run")


def test_a_disk_that_is_too_small_stops_a_run(project: Path) -> None:
    (found,) = disk(10**18, "demo", downloads=0)
    assert found.stops
    assert found.problem.endswith("but 2,000,000,000.0 GB are needed; make room")


@pytest.mark.parametrize(
    ("config", "made", "state", "problem"),
    [
        ("", False, "DVC's own, which needs the internet", ""),
        ("[plots]\nhtml_template = plots/page.html\n", True, ".dvc/plots/page.html, which needs no internet", ""),
        ("[plots]\nhtml_template = plots/page.html\n", False, "configured, but not made yet", "is missing, without"),
        ("[plots", False, "not known", ".dvc/config: "),
    ],
)
def test_the_offline_page_of_plots(project: Path, config: str, made: bool, state: str, problem: str) -> None:
    (project / ".dvc/plots").mkdir(parents=True)
    (project / ".dvc/config").write_text(config)
    if made:
        (project / ".dvc/plots/page.html").touch()
    found = workflow.project()[1]
    assert found.state == state
    assert problem in found.problem
    assert bool(found.problem) == bool(problem)


def test_a_folder_without_dvc_is_said_to_be_none_of_its_projects(project: Path) -> None:
    (found,) = workflow.project()
    assert found.stops
    assert "run from the root of the project" in found.problem


def test_what_dvc_complains_of_is_a_finding(clone: Path, project: Path) -> None:
    with pytest.raises(UserError, match="there is no DVC project here"):
        Workflow()
    lock, before = clone / "dvc.lock", (clone / "dvc.lock").read_text()
    lock.write_text("<<<<<<< HEAD\nstages: {\n")
    try:
        code, told = doctor(clone, HF_HUB_OFFLINE="1")
    finally:
        lock.write_text(before)
    (found,) = [finding for finding in told["findings"] if finding["subject"] == "stages"]
    assert (code, found["stops"]) == (1, True)
    assert found["problem"].startswith("DVC cannot say which stages have to run: ")
    assert "dvc.lock" in found["problem"]


# --- the command -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone as a newcomer has it, of the files as they are now."""
    folder = tmp_path_factory.mktemp("clone") / "dla"
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    for command in (["init", "-q"], ["add", "."]):
        subprocess.run(["git", *command], cwd=folder, check=True)
    return folder


def doctor(folder: Path, *arguments: str, **environment: str) -> tuple[int, dict[str, Any]]:
    code = "import sys; from dla.cli.main import main; sys.exit(main())"
    command = [sys.executable, "-c", code, "doctor", "--json", *arguments]
    with pytest.MonkeyPatch.context() as patch:
        for key, value in environment.items():
            patch.setenv(key, value)
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    return done.returncode, json.loads(done.stdout)


def test_a_fresh_clone_can_run_the_demo_and_doctor_asks_nobody_and_changes_nothing(clone: Path, hub: str) -> None:
    code, told = doctor(clone, HF_ENDPOINT=hub, HF_HUB_OFFLINE="0")
    found = {finding["subject"]: finding for finding in told["findings"]}
    assert (code, told["ready"]) == (0, True)
    assert Hub.asked == []
    # All but `agents`, which reads and writes nothing but what is committed.
    assert found["stages"]["stages"] - 1 == len(found["stages"]["changed"]) > 60
    assert found["disk"]["needed"] > 0
    assert [finding["subject"] for finding in told["findings"] if finding["problem"]] == ["plots page"]
    changed = subprocess.run(["git", "diff", "--stat"], cwd=clone, capture_output=True, text=True, check=True)
    assert changed.stdout == ""


def test_results_that_were_changed_by_hand_are_a_finding_and_right_ones_are_not_promised(clone: Path, hub: str) -> None:
    file = clone / "metrics/train/cifar10-mlp.json"
    before = file.read_text()
    file.write_text(before.replace('"n":', '"n": 1'))
    try:
        code, told = doctor(clone, HF_ENDPOINT=hub)
    finally:
        file.write_text(before)
    (found,) = [finding for finding in told["findings"] if finding["subject"] == "results"]
    assert (code, told["ready"], found["stops"]) == (0, True, False)
    assert found["modified"] == ["metrics/train/cifar10-mlp.json"]
    assert found["problem"].startswith("metrics/train/cifar10-mlp.json: changed since dvc.lock recorded")
    assert READY.endswith("Whether the results that lie here are right was not looked at.")


def test_another_budget_can_be_asked_about_before_it_is_taken(clone: Path) -> None:
    code, told = doctor(clone, "--budget", "quick", HF_HUB_OFFLINE="1", HF_HUB_CACHE=str(clone.parent / "empty"))
    (stops,) = [finding for finding in told["findings"] if finding["problem"] and finding["stops"]]
    assert (code, told["ready"], stops["subject"]) == (1, False, "downloads")
    assert stops["unknown"] == list(PARAMS.sources)


def test_params_that_are_not_in_order_are_a_finding(
    project: Path, change: Change, capsys: pytest.CaptureFixture[str]
) -> None:
    change(project / "params.yaml", {"train.cifar10-mlp.epochs": 0})
    assert main(["doctor"]) == 1
    told = capsys.readouterr().out
    assert "stops a run: params.yaml: train.cifar10-mlp.epochs = 0 should be greater than or equal to 1\n" in told
    assert told.endswith("Something would stop a run.\n")


def test_a_budget_that_is_none_is_an_error(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--budget", "quik"]) == 2
    expected = "error: --budget = 'quik' is not one of demo, quick, full; did you mean quick?\n"
    assert capsys.readouterr().err == expected
