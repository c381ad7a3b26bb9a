"""A report in a real browser: it fits a telephone, asks for nothing, runs nothing, and follows light and dark."""

import shutil

import pytest

from arc.kit.report import write
from tests.unit.kit.test_report import full

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = [pytest.mark.browser, pytest.mark.skipif(CHROMIUM is None, reason="needs a Chromium")]
LONG = "a_very_long_name_without_any_place_to_break_it_" * 4
TOO_WIDE = """() => [...document.querySelectorAll('main *')].filter(each =>
    !each.closest('.scroll') && !each.closest('pre') && !each.closest('svg') && each.getBoundingClientRect().right > innerWidth + 1
).map(each => each.outerHTML.slice(0, 80))"""


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield opened
        opened.close()


@pytest.mark.parametrize("word", ["word", LONG], ids=["short", "long"])
@pytest.mark.parametrize(("width", "height"), [(390, 844), (1440, 900)])
def test_nothing_is_wider_than_the_screen_and_nothing_is_asked_for(browser, tmp_path, width, height, word):
    write(tmp_path / "report.html", full(word))
    page = browser.new_page(viewport={"width": width, "height": height})
    said, asked = [], []
    page.on("console", lambda message: said.append(message.text))
    page.on("request", lambda request: asked.append(request.url))
    page.goto((tmp_path / "report.html").as_uri())
    assert page.evaluate(TOO_WIDE) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert said == []
    assert [url for url in asked if not url.startswith(("file:", "data:image/"))] == []
    page.close()


def test_light_and_dark_are_the_readers_choice(browser, tmp_path):
    write(tmp_path / "report.html", full("word"))
    seen = {}
    for scheme in ("light", "dark"):
        page = browser.new_page(color_scheme=scheme)
        page.goto((tmp_path / "report.html").as_uri())
        curve = "getComputedStyle(document.querySelector('figure svg g[id*=line2d] path')).stroke"
        seen[scheme] = (page.evaluate("getComputedStyle(document.body).backgroundColor"), page.evaluate(curve))
        page.close()
    assert seen["light"][0] != seen["dark"][0]
    assert seen["light"][1] != seen["dark"][1]
