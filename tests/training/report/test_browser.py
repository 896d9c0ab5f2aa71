"""The page in a real browser, wide and narrow, without a network."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from metatap_training.report.page import page as render
from metatap_training.report.read import from_arrow
from tests.training.report import synthetic

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on the PATH"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as driver:
        # Without a sandbox: test machines run as root, and the page is our own.
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(render(from_arrow(synthetic.table(synthetic.rows()))), "utf-8")
    return path


@pytest.fixture(params=[(1280, "light"), (390, "dark")], ids=["wide-light", "narrow-dark"])
def shown(browser: Browser, file: Path, request: pytest.FixtureRequest) -> Iterator[Page]:
    """The page, opened; afterwards: nothing on the console, no request but the file."""
    width, scheme = request.param
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    faults: list[str] = []
    requests: list[str] = []
    page.on("console", lambda message: faults.append(message.text))
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("request", lambda request: requests.append(request.url))
    page.goto(file.as_uri())
    yield page
    context.close()
    assert faults == []
    assert {url.partition("#")[0] for url in requests} == {file.as_uri()}


def test_the_body_never_scrolls_sideways(shown: Page) -> None:
    """Wide tables scroll in their own frames, folded ones too once open."""
    for details in shown.locator("details").all():
        details.evaluate("it => it.open = true")
    width = shown.evaluate("document.documentElement.scrollWidth")
    assert width <= shown.evaluate("window.innerWidth")


def test_navigation_stays_and_leads_to_its_section(shown: Page) -> None:
    """By keyboard too: Enter on a link brings its heading under the bar."""
    link = shown.locator("nav a[href='#families']")
    link.focus()
    shown.keyboard.press("Enter")
    expect(shown.locator("#families h2")).to_be_in_viewport()
    expect(link).to_have_attribute("aria-current", "true")
    expect(link).to_be_in_viewport()
    assert shown.locator("nav").evaluate("it => it.getBoundingClientRect().top") == 0


def _column(page: Page, table: str, column: int) -> list[str]:
    cells = page.locator(f"{table} tbody tr td:nth-child({column})")
    return [text.split()[0] for text in cells.all_text_contents()]


def test_a_click_on_the_head_sorts_and_a_second_turns_it_round(shown: Page) -> None:
    """Figures start with the greatest and sort as numbers, words by letter."""
    head = shown.locator("#cell-table th", has_text="positives")
    head.locator("button").click()
    tpr = shown.locator("#cell-table th", has_text="metatap").first
    tpr.locator("button").click()
    expect(tpr).to_have_attribute("aria-sort", "descending")
    expect(head).to_have_attribute("aria-sort", "none")
    values = [float(text) for text in _column(shown, "#cell-table", 10)]
    assert values == sorted(values, reverse=True)
    assert len(set(values)) > 5
    tpr.locator("button").press("Enter")
    assert [float(text) for text in _column(shown, "#cell-table", 10)] == sorted(values)
    shown.locator("#cell-table th", has_text="family").locator("button").click()
    names = _column(shown, "#cell-table", 4)
    assert names == sorted(names)


def test_filters_leave_what_was_asked_for(shown: Page) -> None:
    """A choice and a word together; the count says how many are left."""
    bar, rows = shown.locator(".filters"), shown.locator("#cell-table tbody tr:not([hidden])")
    total = rows.count()
    bar.locator("select").first.select_option("own")
    bar.locator("input").fill("made-up-worm")
    assert 0 < rows.count() < total
    expect(bar.locator("output")).to_have_text(f"{rows.count()} rows")
    for text in rows.all_text_contents():
        assert "own" in text
        assert "made-up-worm" in text


def test_text_stands_out_from_its_background(shown: Page) -> None:
    """WCAG 2.2 AA: 4.5 to 1 for words, in both schemes."""
    contrast = """() => {
      const style = getComputedStyle(document.documentElement);
      const light = (name) => {
        const hex = style.getPropertyValue(name).trim().replace('#', '');
        const full = hex.length === 3 ? [...hex].map((c) => c + c).join('') : hex;
        const [r, g, b] = [0, 2, 4].map((at) => {
          const v = parseInt(full.slice(at, at + 2), 16) / 255;
          return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
        });
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
      };
      const pairs = [['--ink', '--paper'], ['--soft', '--paper'], ['--soft', '--panel'],
        ['--own', '--paper'], ['--good', '--good-back'], ['--bad', '--bad-back']];
      return pairs.map(([a, b]) => {
        const [low, high] = [light(a), light(b)].sort((x, y) => x - y);
        return (high + 0.05) / (low + 0.05);
      });
    }"""
    assert min(shown.evaluate(contrast)) >= 4.5


def test_drawings_are_named(shown: Page) -> None:
    """Each is an image with a label or hidden from readers because its row says the same."""
    for svg in shown.locator("svg").all():
        hidden = svg.get_attribute("aria-hidden") == "true"
        assert hidden or (svg.get_attribute("role") == "img" and svg.get_attribute("aria-label"))
