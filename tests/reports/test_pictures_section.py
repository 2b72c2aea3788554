"""The section about pictures: complete in itself, safe, small, and quiet in a browser."""

from __future__ import annotations

import base64
import dataclasses
import io
import re
import shutil
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from planefold.estimators import report
from planefold.estimators.images import ImageClassifier
from planefold.reports import to_json, write_report
from planefold.reports.pictures_data import MOST_LETTERS, encoded, in_colours, pictures_data, stretched
from planefold.reports.pictures_section import pictures_section
from planefold.reports.plain import without_pictures

DIGITS = load_digits()
X, Y = (DIGITS.images * 15.9).astype(np.uint8), DIGITS.target
HOSTILE = "<script>alert(1)</script>\"'&.png"


@pytest.fixture(scope="module")
def model():
    return ImageClassifier(channels=(4, 6), max_iter=2, augment=["shift", "turn"], random_state=0).fit(X[:400], Y[:400])


@pytest.fixture(scope="module")
def found(model):
    from planefold.data.images import Pictures

    pictures = Pictures(pixels=X[400:600, ..., None], files=tuple(f"{k}/{HOSTILE}" for k in range(200)))
    return pictures_data(
        model, pictures, truth=Y[400:600], predicted=model.predict(X[400:600]), proba=model.predict_proba(X[400:600]),
        skipped=[(HOSTILE, "the file is empty")] * 45,
    )  # fmt: skip


class Closed(HTMLParser):
    """Fails where tags do not close in order, or something could run."""

    def __init__(self, html):
        super().__init__()
        self.open, self.images = [], []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        assert tag not in ("script", "iframe", "object")
        assert not [name for name, _ in attrs if name.startswith("on")]
        if tag == "img":
            self.images.append(dict(attrs))
        else:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def decoded(uri):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))))


def test_the_section_is_whole_and_safe(found):
    page = Closed(pictures_section(found))
    assert all(image["src"].startswith("data:image/") and image["alt"] for image in page.images)
    assert sum(len(image["src"]) for image in page.images) <= MOST_LETTERS


def test_what_is_embedded_is_the_picture_itself(found, model):
    for one in found["wrong"]:
        row = int(one["name"].partition("/")[0])
        shown = decoded(one["image"])
        assert shown.shape == (8, 8)
        assert np.abs(shown.astype(int) - X[400 + row].astype(int)).max() <= (0 if "png" in one["image"][:20] else 40)
    assert len(found["wrong"]) == 24
    assert [block["size"] for block in found["blocks"]] == [[8, 8], [4, 4]]
    assert len(found["filter_images"]) == 4
    assert len(found["change_images"]) == 7
    assert len(set(found["change_images"])) > 1


def test_the_plane_of_the_worst_error_adds_up(found, model):
    plane = found["plane"]
    row = int(found["wrong"][0]["name"].partition("/")[0])
    outputs = model.decision_outputs(X[400 + row][None])[0]
    said, truth = int(found["wrong"][0]["prediction"]), int(found["wrong"][0]["truth"])
    assert plane["name"] == f"logit of {said} minus that of {truth}"
    assert plane["output"] == pytest.approx(outputs[said] - outputs[truth], abs=1e-4)


def test_files_that_were_skipped_are_listed_and_counted(found):
    html = pictures_section(found)
    assert "45 files" in html
    assert "5 more files" in html
    assert html.count("the file is empty") == 40


def test_many_large_pictures_stay_within_the_limit(model):
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (80, 64, 64, 3), dtype=np.uint8)  # noise: nothing to compress
    labels = np.arange(80) % 10
    large = ImageClassifier(channels=(8, 8), max_iter=1, random_state=0).fit(pictures, labels)
    read = large._read_pictures(pictures)
    found = pictures_data(
        large, read, truth=labels, predicted=large.predict(pictures), proba=large.predict_proba(pictures)
    )
    assert sum(len(image["src"]) for image in Closed(pictures_section(found)).images) <= MOST_LETTERS
    assert 0 < len(found["wrong"]) <= 24
    big = encoded(rng.integers(0, 256, (300, 200, 3)).astype(float))
    assert max(decoded(big).shape[:2]) == 96


def test_colours_say_the_sign():
    orange, white, blue = in_colours(np.array([[-2.0, 0.0, 2.0]]))[0]
    assert orange[0] > orange[2]
    assert blue[2] > blue[0]
    assert white.min() > 240
    assert stretched(np.array([3.0, 5.0])).tolist() == [0, 255]
    assert stretched(np.zeros(3)).tolist() == [0, 0, 0]


def test_a_program_gets_the_facts_without_the_pictures(found):
    told = without_pictures(found)
    assert "base64" not in str(told)
    assert told["wrong"][0]["truth"] == found["wrong"][0]["truth"]
    assert told["blocks"][0]["n_maps"] == 4


def test_reports_of_tables_say_nothing_of_pictures(reports):
    assert pictures_section(None) == ""
    assert to_json(reports["binary"])["pictures"] is None


def test_a_page_with_pictures_is_whole(reports, found, tmp_path):
    data = dataclasses.replace(reports["multiclass"], pictures=found)
    html = write_report(tmp_path / "page.html", data).read_text("utf-8")
    assert re.findall(r'<section id="(\w+)"', html) == ["verdict", "learning", "data", "errors", "pictures", "again"]
    assert "<script" not in html
    assert "test pictures" in html
    assert len(html) < 1_000_000


@pytest.mark.browser
def test_the_section_is_quiet_and_fits_in_both_schemes(model, tmp_path):
    sync_api = pytest.importorskip("playwright.sync_api", reason="the package playwright is not installed")
    chromium = next(
        (p for name in ("chromium", "chromium-browser", "google-chrome") if (p := shutil.which(name))), None
    )
    if chromium is None:
        pytest.skip("no Chromium on this machine (apt-get install chromium)")
    path = tmp_path / "page.html"
    report(model, path, X[400:600], Y[400:600], train=(X[:400], Y[:400]))
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        )
        for scheme in ("light", "dark"):
            page = browser.new_context(viewport={"width": 1440, "height": 900}, color_scheme=scheme).new_page()
            said: list[str] = []
            asked: list[str] = []
            page.on("console", lambda message, said=said: said.append(message.text))
            page.on("request", lambda request, asked=asked: asked.append(request.url))
            page.goto(path.as_uri())
            for width in (1440, 768, 390, 320):
                page.set_viewport_size({"width": width, "height": 900})
                assert page.evaluate("document.documentElement.scrollWidth") <= width, width
            broken = "[...document.images].filter(image => !image.naturalWidth).length"
            assert page.evaluate(broken) == 0
            assert said == []
            assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
        browser.close()
