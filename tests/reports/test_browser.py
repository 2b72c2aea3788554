"""The page in a real browser: no error, no request, nothing wider than a phone, both colour schemes."""

from __future__ import annotations

import shutil

import pytest

from planefold.reports import write_report

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def browser():
    sync_api = pytest.importorskip("playwright.sync_api", reason="the package playwright is not installed")
    chromium = next(
        (p for name in ("chromium", "chromium-browser", "google-chrome") if (p := shutil.which(name))), None
    )
    if chromium is None:
        pytest.skip("no Chromium on this machine (apt-get install chromium)")
    with sync_api.sync_playwright() as playwright:
        launched = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        )
        yield launched
        launched.close()


@pytest.fixture(scope="module")
def paths(reports, make, tmp_path_factory):
    folder = tmp_path_factory.mktemp("browser")
    read = {"reading": make("report", make("binary"), reading=make("reading"))}
    return {name: write_report(folder / f"{name}.html", data) for name, data in (reports | read).items()}


@pytest.mark.parametrize("name", ["binary", "regression", "multiclass", "hostile", "reading"])
def test_a_page_is_quiet_and_fits_in_both_schemes(name, browser, paths):
    grounds = set()
    for scheme in ("light", "dark"):
        context = browser.new_context(viewport={"width": 1440, "height": 900}, color_scheme=scheme)
        page = context.new_page()
        said: list[str] = []
        asked: list[str] = []
        page.on("console", lambda message, said=said: said.append(message.text))
        page.on("pageerror", lambda error, said=said: said.append(str(error)))
        page.on("dialog", lambda dialog, said=said: said.append(dialog.message))
        page.on("request", lambda request, asked=asked: asked.append(request.url))
        page.goto(paths[name].as_uri())
        for width in (1440, 1100, 768, 390, 320):
            page.set_viewport_size({"width": width, "height": 900})
            assert page.evaluate("document.documentElement.scrollWidth") <= width, width
        assert said == []
        assert [url for url in asked if not url.startswith(("file:", "data:,"))] == []
        grounds.add(page.evaluate("getComputedStyle(document.body).backgroundColor"))
        context.close()
    assert len(grounds) == 2


def test_no_text_of_a_chart_leaves_its_picture(browser, paths):
    clipped = """() => [...document.querySelectorAll('svg text')].filter(text => {
        const box = text.getBoundingClientRect(), picture = text.ownerSVGElement.getBoundingClientRect();
        return box.width && (box.left < picture.left - 2 || box.right > picture.right + 2
            || box.top < picture.top - 2 || box.bottom > picture.bottom + 2);
    }).map(text => text.textContent)"""
    page = browser.new_page()
    for name in ("binary", "regression", "multiclass", "hostile", "reading"):
        page.goto(paths[name].as_uri())
        for width in (1440, 390):
            page.set_viewport_size({"width": width, "height": 900})
            assert page.evaluate(clipped) == [], (name, width)
    page.close()


def test_what_is_folded_away_is_printed(browser, make, tmp_path):
    data = make("report", make("binary"), columns=make("columns", 40))
    page = browser.new_page()
    page.goto(write_report(tmp_path / "folded.html", data).as_uri())
    last = page.get_by_text("column 39", exact=True)
    assert not last.is_visible()
    page.emulate_media(media="print")
    assert last.is_visible()
    page.close()
