"""The report and DVC's page of plots in a real browser, after a run: nothing missing, nothing asked of the network."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[1]
REPORT = ROOT / "report/index.html"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if program is None:
        pytest.skip("no Chromium on the PATH; on Debian or Ubuntu: apt install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def show(browser: Any) -> Iterator[Any]:
    """Opens a page in a window of some width and colour scheme; whatever goes wrong is collected."""
    problems: list[str] = []
    contexts = []

    def open_page(file: Path = REPORT, width: int = 1280, scheme: str = "light") -> Any:
        bad = ("error", "warning") if file == REPORT else ("error",)  # DVC's own templates give rise to warnings
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        contexts.append(context)
        page = context.new_page()
        page.add_init_script(LISTEN)
        page.on("console", lambda told: problems.append(told.text) if told.type in bad else None)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on(
            "request", lambda asked: None if asked.url.startswith(("file:", "data:")) else problems.append(asked.url)
        )
        page.goto(file.as_uri())
        page.evaluate("() => window.drawn && window.drawn.then(() => null)")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert problems == []


def test_every_chart_has_marks_and_every_picture_is_decoded(show: Any) -> None:
    page = show()
    marks = page.evaluate(
        "() => [...document.querySelectorAll('.vega')].map(chart => chart.querySelectorAll("
        "'svg .mark-line path, svg .mark-symbol path, svg .mark-rule line').length)"
    )
    assert len(marks) >= 10
    assert min(marks) > 0
    sizes = page.evaluate(
        "() => Promise.all([...document.images].map(async picture => {"
        "picture.loading = 'eager'; await picture.decode(); return picture.naturalWidth }))"
    )
    assert len(sizes) >= 10
    assert min(sizes) > 0


@pytest.mark.parametrize("width", [360, 768, 1280])
def test_the_page_never_scrolls_sideways(show: Any, width: int) -> None:
    page = show(width=width)
    assert page.evaluate("() => document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_is_accessible(show: Any, scheme: str) -> None:
    """Contrast of every text among axe-core's rules."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(show(scheme=scheme))
    assert found.violations_count == 0, found.generate_report()


def test_pointing_at_a_curve_tells_its_numbers(show: Any) -> None:
    page = show()
    page.locator("#chart-0 .mark-symbol path").first.hover(force=True)
    assert "epoch" in page.locator("#vg-tooltip-element").inner_text()


def test_the_page_prints(show: Any, tmp_path: Path) -> None:
    printed = show().pdf(path=str(tmp_path / "page.pdf"))
    assert printed.startswith(b"%PDF")


def test_the_page_holds_all_it_shows() -> None:
    assert REPORT.stat().st_size < 8e6
    assert "Not there yet" not in REPORT.read_text()


# Keeps what every call of vegaEmbed promises.
LISTEN = """
window.embedded = [];
Object.defineProperty(window, "vegaEmbed", {
  get() { return this.embed; },
  set(embed) { this.embed = (...given) => { const made = embed(...given); window.embedded.push(made); return made; }; },
});
"""

# Of every plot its title, the titles of its axes, and how many marks are drawn.
PLOTS = """
async () => {
  const titles = node => !node || typeof node !== "object" ? [] : [
    ...(Array.isArray(node.axes) ? node.axes.map(axis => axis.title).filter(Boolean) : []),
    ...Object.values(node).flatMap(titles)];
  const marks = item => (item.role === "mark" && item.marktype !== "group" ? item.items.length : 0)
    + (item.items ?? []).reduce((sum, inner) => sum + marks(inner), 0);
  return (await Promise.all(window.embedded)).filter(made => made?.view).map(({ spec, vgSpec, view }) => [
    spec.title?.text ?? spec.title ?? "", [...new Set(titles(vgSpec).map(String))], marks(view.scenegraph().root)]);
}
"""


def test_dvcs_plots_are_drawn_with_titles_and_axes(show: Any, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "dvc", "plots", "show", "-o", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    page = show(tmp_path / "index.html")
    plots = page.evaluate(PLOTS)
    assert len(plots) >= 30
    titles = [title for title, *_ in plots]
    assert len(set(titles)) == len(titles)  # plots of one title are one
    for title, axes, marks in plots:
        assert title, axes
        assert marks > 0, title
        assert axes, title
        assert not any(axis.startswith("<DVC") for axis in axes), (title, axes)
