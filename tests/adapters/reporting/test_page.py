"""The page in a real browser: nothing from elsewhere, all plots, a figure down to its events."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest
from playwright.sync_api import Locator, Page, expect, sync_playwright

from fillwright.adapters.reporting.building import Request, build
from fillwright.adapters.reporting.page import page
from fillwright.adapters.reporting.source import Source
from fillwright.domain.ops import REPORT_KINDS

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = (
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-sync",
    "--no-first-run",
)
PLOTS = ("waterfall", "distribution", "by-strategy", "by-hour", "participation", "fills", "limits")


@pytest.fixture
def browser_page() -> Iterator[Page]:
    """A page of a headless Chromium."""
    if CHROMIUM is None:
        pytest.skip("chromium is not installed")
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield browser.new_page()
        browser.close()


def _follow(browser_page: Page, link: Locator) -> Locator:
    """Follow a link within the page; what it led to, once that is the target and can be seen."""
    id = (link.get_attribute("href") or "").removeprefix("#")
    link.click()
    expect(browser_page.locator(f"[id='{id}']:target")).to_be_visible()
    return browser_page.locator(f"[id='{id}']")


@pytest.mark.parametrize("kind", REPORT_KINDS)
def test_every_page_is_the_same_each_time_and_names_nothing_elsewhere(
    kind: str, source: Source
) -> None:
    report = build(source, Request(kind))
    text = page(source, report)
    assert text == page(source, build(source, Request(kind)))
    assert not re.search(
        r"""(?:src|href)=['"]?(?:https?:)?//|url\(|@import|<link rel=.style""", text
    )
    ids = re.findall(r"\sid='([^']+)'", text)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r"href='#([^']+)'", text)) <= set(ids)
    for drawing in re.findall(r"<svg.*?</svg>", text, re.S):
        assert ElementTree.fromstring(drawing).attrib["aria-label"]


def test_the_page_shows_all_plots_and_leads_a_figure_to_its_events(
    source: Source, tmp_path: Path, browser_page: Page
) -> None:
    report = build(source, Request("execution"))
    file = tmp_path / "report.html"
    file.write_text(page(source, report, commentary=("model", "One.\n\nTwo.")), encoding="utf-8")
    said: list[str] = []
    asked: list[str] = []
    browser_page.on("console", lambda message: said.append(message.text))
    browser_page.on("pageerror", lambda error: said.append(str(error)))
    browser_page.on("request", lambda request: asked.append(request.url))
    browser_page.goto(file.as_uri())

    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    for name in PLOTS:
        plot = browser_page.locator(f"figure[data-plot='{name}'] svg").first
        box = plot.bounding_box()
        assert box is not None, name
        assert box["width"] > 200, name
        assert box["height"] > 60, name
        assert plot.locator("rect, circle, polyline").count() > 0, name

    assert browser_page.locator("figure[data-plot='fills'] polyline.dashed").count() > 0

    table = report.table("by_strategy")
    key = table.key_of(table.rows[0])
    link = browser_page.locator(f"[data-cell='by_strategy:{key[0]}:shortfall_bps']")
    target = _follow(browser_page, link)
    ids = table.members.instructions(key)
    assert [link.inner_text() for link in target.locator("a").all()] == [id[:8] for id in ids]
    to_events = target.locator("a").first
    listed = _follow(browser_page, to_events)
    events = listed.locator("tbody tr")
    expect(events.first).to_be_visible()
    shown = [row.locator("td").nth(0).inner_text() for row in events.all()]
    assert shown == [str(event.position) for event in source.events[ids[0]]]
    hashes = [row.locator("td").nth(2).get_attribute("title") for row in events.all()]
    assert hashes == [event.hash for event in source.events[ids[0]]]

    listed.locator("summary").click()
    expect(events.first).to_be_hidden()
    _follow(browser_page, to_events)
    expect(events.first).to_be_visible()

    browser_page.emulate_media(media="print")
    expect(browser_page.locator("#evidence")).to_be_hidden()
    expect(browser_page.locator("#t-totals dl")).to_be_visible()
    # Nothing is cut off at the edge of a sheet of paper.
    browser_page.set_viewport_size({"width": 1050, "height": 1400})
    cut = "t => t.scrollWidth > t.clientWidth + 1 ? t.getAttribute('aria-label') : null"
    wide = browser_page.locator(".wide").evaluate_all(f"all => all.map({cut}).filter(x => x)")
    assert wide == []
    assert said == []
