"""The page: whole, safe, small, and with the numbers of its JSON twin."""

from __future__ import annotations

import dataclasses
import json
import re
from html.parser import HTMLParser
from importlib import resources

import numpy as np
import pytest

from planefold.core.errors import FileError
from planefold.reports import evaluate, to_json, write_report
from planefold.reports.svg import log_ticks, nice_ticks, tick_texts

VOID = {"meta", "link", "br", "img", "hr", "input"}
KINDS = ["binary", "regression", "multiclass", "hostile"]


class Page(HTMLParser):
    """Reads a page, and fails where tags do not close in order."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.values: set[float] = set()
        self.text = ""
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), (tag, names)
        if tag == "data":
            self.values.add(float(dict(attrs)["value"]))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not {"style", "title", "desc"} & set(self.open):
            self.text += data + " "


@pytest.fixture(scope="module")
def pages(reports, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    return {name: write_report(folder / f"{name}.html", data).read_text("utf-8") for name, data in reports.items()}


@pytest.mark.parametrize("name", KINDS)
def test_a_page_is_well_formed_and_in_the_order_of_the_questions(name, pages):
    page = Page(pages[name])
    assert [attrs["id"] for tag, attrs in page.tags if tag == "section"] == [
        "verdict",
        "learning",
        "data",
        "errors",
        "again",
    ]
    assert [tag for tag, _ in page.tags].count("h1") == 1


@pytest.mark.parametrize("name", KINDS)
def test_a_page_asks_nothing_of_any_host_and_runs_nothing(name, pages):
    page = Page(pages[name])
    assert not {"script", "img", "iframe", "object", "base", "form"} & {tag for tag, _ in page.tags}
    for tag, attrs in page.tags:
        assert not [key for key in attrs if key.startswith("on") or key in ("src", "srcset", "xlink:href")], tag
        assert (attrs.get("href") or "#").startswith(("#", "data:,"))
    style = pages[name].split("<style>")[1].split("</style>")[0]
    assert "url(" not in style
    assert "@import" not in style


@pytest.mark.parametrize("name", KINDS)
def test_every_chart_says_what_it_shows(name, pages):
    charts = [attrs for tag, attrs in Page(pages[name]).tags if tag == "svg"]
    assert charts
    assert all(attrs["role"] == "img" and attrs["aria-label"] for attrs in charts)
    assert pages[name].count("<svg") == pages[name].count("</title>") - 1  # the page has one of its own


def test_hostile_names_are_text(pages, hostile_texts):
    html = pages["hostile"]
    assert "<script" not in html
    assert "<img" not in html
    assert html.count("</style>") == 1
    page = Page(html)
    for said in hostile_texts:
        assert said in page.text
    assert "\x00" not in html


@pytest.mark.parametrize("name", ["binary", "regression", "multiclass"])
def test_the_page_holds_the_numbers_of_its_json(name, reports, pages):
    twin = json.loads(json.dumps(to_json(reports[name]), allow_nan=False))
    page = Page(pages[name])
    found = twin["evaluation"]
    numbers = [found["n_rows"]]
    for metric in found["metrics"]:
        numbers += [metric["value"], metric["low"], metric["high"]]
    for row in found["worst_rows"]:
        numbers += [row["row"], row["how_wrong"]]
    for score in found["per_class"]:
        numbers += [score["n_rows"], score["precision"], score["recall"], score["f1"]]
    for row in (found["confusion"] or {"matrix": []})["matrix"]:
        numbers += row
    for column in twin["columns"]:
        numbers += [column.get("minimum"), column.get("median"), column.get("maximum"), column["n_unique"]]
    missing = {value for value in numbers if value is not None} - page.values
    assert not missing
    for said in (
        found["verdict"],
        *found["reasons"],
        twin["diagnosis"]["findings"][0]["advice"][0]["words"],
        *twin["notes"],
    ):
        assert said in " ".join(page.text.split())


def test_to_json_has_no_nan_and_no_numpy(make):
    run = make("run", n_epochs=2)
    broken = dataclasses.replace(run, epochs=(dataclasses.replace(run.epochs[0], val_loss=float("nan")), run.epochs[1]))
    column = {"name": "x", "histogram": np.arange(3), "median": np.float64("nan"), "n_unique": np.int64(3)}
    data = make("report", make("binary"), run=broken, columns=(column,))
    twin = to_json(data)
    assert json.loads(json.dumps(twin, allow_nan=False)) == twin
    assert twin["columns"][0] == {"name": "x", "histogram": [0, 1, 2], "median": None, "n_unique": 3}
    assert twin["run"]["epochs"][0]["val_loss"] is None


def test_a_thousand_columns_and_a_hundred_thousand_rows_stay_below_a_megabyte(tmp_path, make):
    case = make("regression", n_rows=100_000)
    data = make("report", case, columns=make("columns", 1000), run=make("run", n_epochs=5000))
    path = write_report(tmp_path / "big.html", data)
    assert path.stat().st_size <= 1_000_000
    page = Page(path.read_text("utf-8"))
    assert "800 more columns are not shown here" in page.text
    assert len(to_json(data)["columns"]) == 1000


def test_long_names_stay_below_a_megabyte_too(tmp_path, make):
    long = "<&\"'ก" * 2000
    column = {"name": long, "why": long, "kind": long, "n_missing": 5, "categories": [(long, 1)] * 50}
    case = make("multiclass", n_classes=40)
    case["classes"] = [f"{i}{long}" for i in range(40)]
    for key in ("y_true", "y_pred"):
        case[key] = [case["classes"][i] for i in case[key]]
    case["baselines"] = {}
    path = write_report(
        tmp_path / "long.html",
        make(
            "report",
            case,
            title=long,
            target=long,
            columns=(column,) * 500,
            notes=(long,) * 500,
            reproduce={f"{i}{long}": long for i in range(100)},
            versions={f"{i}{long}": long for i in range(100)},
        ),
    )
    assert path.stat().st_size <= 1_000_000
    Page(path.read_text("utf-8"))


@pytest.mark.parametrize(
    "changes",
    [
        {"n_epochs": 1},
        {"n_epochs": 3, "trivial_loss": None, "best_epoch": None, "n_val": 0},
        {"n_epochs": 0},
        {"stopped_because": "diverged", "n_members": 8},
    ],
)
def test_short_and_odd_runs_have_a_page(changes, tmp_path, make):
    data = make("report", make("binary", n_rows=40), run=make("run", **changes))
    Page(write_report(tmp_path / "odd.html", data).read_text("utf-8"))


def test_a_run_that_diverged_has_a_page(tmp_path, make):
    run = make("run", n_epochs=20)
    losses = [0.5, 3.0, 1e3, 1e9, 1e200, float("inf"), float("nan")]
    epochs = tuple(
        dataclasses.replace(epoch, train_loss=loss, val_loss=None)
        for epoch, loss in zip(run.epochs, losses, strict=False)
    )
    data = make("report", make("binary", n_rows=40), run=dataclasses.replace(run, epochs=epochs))
    html = write_report(tmp_path / "diverged.html", data).read_text("utf-8")
    Page(html)
    assert not re.search(r'[\s"]-?(nan|inf)[\s"]', html)


def test_a_model_that_was_not_judged_has_a_page(tmp_path, make):
    data = make("report", make("binary"), evaluation=None, diagnosis=None, columns=(), notes=(), rows={}, model={})
    page = Page(write_report(tmp_path / "alone.html", data).read_text("utf-8"))
    assert "Not judged" in page.text


@pytest.mark.parametrize("n_columns", [1, 8])
def test_several_outputs_and_labels_have_a_page(n_columns, tmp_path, make):
    rng = np.random.default_rng(0)
    y = rng.normal(size=(50, n_columns))
    outputs = evaluate(task="multioutput", y_true=y, y_pred=y + 0.1 * rng.normal(size=y.shape))
    labels = evaluate(task="multilabel", y_true=(y > 0) * 1, y_pred=(y > 0.1) * 1)
    for found in (outputs, labels):
        data = make("report", make("binary"), task=found.task, evaluation=found)
        Page(write_report(tmp_path / f"{found.task}.html", data).read_text("utf-8"))


def test_a_page_that_cannot_be_written_leaves_nothing_behind(tmp_path, reports):
    with pytest.raises(FileError):
        write_report(tmp_path / "no" / "such" / "report.html", reports["binary"])
    assert list(tmp_path.iterdir()) == []


def test_the_same_data_give_the_same_page(tmp_path, reports):
    one = write_report(tmp_path / "1.html", reports["binary"]).read_bytes()
    assert one == write_report(tmp_path / "2.html", reports["binary"]).read_bytes()


def test_ticks_are_round_and_inside():
    assert nice_ticks(-1.2, 3.4) == [-1.0, 0.0, 1.0, 2.0, 3.0]
    assert nice_ticks(5.0, 5.0) == [5.0]
    assert tick_texts(nice_ticks(0, 1e-9))[1].endswith("×10⁻¹⁰")
    assert log_ticks(1e-8, 1e8) == [1e-5, 1.0, 1e5]


def _luminance(colour: str) -> float:
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    parts = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(one: str, other: str) -> float:
    dark, light = sorted((_luminance(one), _luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_colours_pass_wcag_aa_in_every_scheme():
    style = resources.files("planefold.reports").joinpath("style.css").read_text("utf-8")
    blocks = re.findall(r":root \{(.*?)\}", style, re.DOTALL)
    assert len(blocks) == 3  # light, dark, print
    needed = {"ink": 7, "soft": 4.5, "blue-ink": 4.5, "orange-ink": 4.5, "green": 4.5, "blue": 3, "orange": 3}
    needed |= {f"k{number}": 3 for number in range(2, 8)}  # of classes
    for block in blocks:
        colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{3,6});", block))
        for ground in ("paper", "wash"):
            for ink, least in needed.items():
                assert _contrast(colours[ground], colours[ink]) >= least, (ground, ink, colours)
