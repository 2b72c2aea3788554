"""The pages of the lessons, and the page that says where the lecture slides' parts are."""

from __future__ import annotations

import importlib.util
import inspect
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import planefold as pf
from planefold.cli.lesson_files import chapters, find_lessons, read_lesson
from planefold.cli.main import cli

NAMES = [name for names in chapters().values() for name in names]
ROWS = [f"{part}{n}" for part, last in {"A": 13, "B": 8, "C": 3, "D": 5, "E": 7, "F": 8}.items()
        for n in range(1, last + 1)]  # fmt: skip

# ------------------------------------------------------------------------------------------- the pages of the lessons

LESSON = '''"""A sum: how a_1 and a_2 add up.

It is as simple as that. Then there is more.

And a second paragraph.

Needs: the lesson `gradient`, and the lesson `sum`.
"""

# %% The sum a * b of `x * y`, if a < b
# The lesson `gradient` has **more**: 8*12 + 12*8, `2*3*4`.
#
#     indented = code
import planefold as pf

# A comment of the code
print("the sum is ```", sum([1, 2]))

# %% Nothing is printed here
pf.plots.save(pf.plots.lines({"a": ([0, 1], [0, 1])}), "sum.png")
pf.plots.save(pf.plots.lines({"a": ([0, 1], [0, 1])}), "sum_a.png")
'''


@pytest.fixture(scope="module")
def tool(repository: Path) -> Any:
    pytest.importorskip("mkdocs")
    path = repository / "tools" / "docs_of_lessons.py"
    spec = importlib.util.spec_from_file_location("docs_of_lessons", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # a dataclass looks for its module there
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


@pytest.fixture(scope="module")
def sum_of(tool: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A lesson that has been run, and its page."""
    folder = tmp_path_factory.mktemp("lesson")
    (folder / "sum.py").write_text(LESSON)
    lesson = read_lesson(folder / "sum.py", "Sums")
    tool.run_into(lesson, folder)
    ran = tool.read_run(folder / "done")
    return lesson, ran, tool.page(lesson, ran, ["gradient", "sum", "hessian"])


def test_a_page_has_the_text_the_code_what_it_prints_and_its_pictures_in_this_order(sum_of: Any) -> None:
    page = sum_of[2]
    parts = [
        r"# A sum: how a\_1 and a\_2 add up",
        "It is as simple as that. Then there is more.\n\nAnd a second paragraph.",
        "**Needs** the lesson [`gradient`](gradient.md), and the lesson `sum`.",
        "`planefold lesson sum`",
        r"## The sum a \* b of `x * y`, if a \< b",
        "The lesson [`gradient`](gradient.md) has **more**: 8\\*12 + 12\\*8, `2*3*4`.\n\n    indented = code",
        "import planefold as pf\n\n# A comment of the code",
        "the sum is ``` 3\n````",
        "## Nothing is printed here",
        "![A sum: how a1 and a2 add up: Nothing is printed here](sum.png){ loading=lazy width=",
        "](sum_a.png)",
        "The next lesson: [`hessian`](hessian.md)",
    ]
    places = [page.index(part) for part in parts]
    assert places == sorted(places)
    assert page.count("title='prints'") == 1


def test_pictures_have_the_width_of_a_hundred_dots_per_inch(sum_of: Any) -> None:
    from PIL import Image

    _, ran, page = sum_of
    with Image.open(ran.folder / "sum.png") as image:
        assert f"(sum.png){{ loading=lazy width={image.width // 2} }}" in page
    with Image.open(ran.folder / "small-sum.png") as image:
        assert max(image.size) <= 480


def test_the_first_lines_of_a_lesson_are_told_in_the_list(tool: Any, sum_of: Any, monkeypatch: Any) -> None:
    lesson, ran, _ = sum_of
    monkeypatch.setattr(tool, "chapters", lambda: {"Sums": ["sum", "not_there"], "Nothing yet": ["not_there"]})
    index = tool.index({"sum": lesson}, {"sum": ran})
    assert "## Sums" in index
    assert "## Nothing yet" not in index
    assert "(small-sum.png){ loading=lazy }](sum.md)" in index
    assert "It is as simple as that. Then there is more.\n" in index


def test_what_came_out_is_kept_until_the_lesson_changes(tool: Any, tmp_path: Path, monkeypatch: Any) -> None:
    lesson = find_lessons()["normal_equations"]
    started: list[Any] = []

    def start(command: list[str], **_: Any) -> None:
        started.append(command)
        tool.run_into(quick, Path(command[-1]))

    quick_path = tmp_path / "normal_equations.py"
    quick_path.write_text(LESSON)
    quick = read_lesson(quick_path)
    monkeypatch.setattr(tool.subprocess, "run", start)
    cache = tmp_path / "cache"
    assert tool.ran(quick, cache) == tool.ran(quick, cache)
    assert len(started) == 1
    quick_path.write_text(LESSON + "# changed\n")
    tool.ran(quick, cache)
    assert len(started) == 2
    assert tool._key(lesson) != tool._key(quick)


def test_every_lesson_has_a_page_in_the_order_of_the_contents(tool: Any) -> None:
    nav = tool.on_config({"nav": [{"Guides": []}, {"Concepts": []}]})["nav"]
    assert [next(iter(entry)) for entry in nav] == ["Guides", "Lessons", "Concepts"]
    first, *parts = nav[1]["Lessons"]
    assert first == {"All lessons": "lessons/index.md"}
    places = [place for part in parts for pages in part.values() for page in pages for place in page.values()]
    assert places == [f"lessons/{name}.md" for name in find_lessons()]


# ------------------------------------------------------------------------------------------ from the decks to planefold


@pytest.fixture(scope="module")
def table(repository: Path) -> dict[str, list[str]]:
    """The cells of each row of the page's tables, by its number."""
    text = (repository / "docs" / "guides" / "from-the-decks.md").read_text(encoding="utf-8")
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]
    return {cells[0]: cells for cells in rows if re.fullmatch(r"[A-F]\d+", cells[0])}


@pytest.fixture(scope="module")
def fitted() -> dict[str, Any]:
    X = np.linspace(-1, 1, 40)[:, None]
    quick = {"hidden_layer_sizes": (2,), "max_iter": 2, "n_members": 1, "random_state": 0}
    return {
        "pf.MLPClassifier": pf.MLPClassifier(**quick).fit(X, X[:, 0] > 0),
        "pf.MLPRegressor": pf.MLPRegressor(**quick).fit(X, X[:, 0]),
    }


def test_all_rows_are_there_in_order(table: dict[str, list[str]]) -> None:
    assert list(table) == ROWS
    assert {len(cells) for cells in table.values()} == {5}
    assert all(cells[1] and cells[2] for cells in table.values())


@pytest.mark.parametrize("row", ROWS)
def test_every_name_in_python_is_there(row: str, table: dict[str, list[str]], fitted: dict[str, Any]) -> None:
    cell = table[row][2]
    names = re.findall(r"`([^`]+)`", cell)
    assert names or cell == "not yet"
    assert cell == "not yet" or re.sub(r"`[^`]+`|, ", "", cell) == ""
    for name in names:
        dotted, _, call = name.partition("(")
        first, *others = dotted.split(".")
        assert first in ("pf", "model")
        for place in [pf] if first == "pf" else fitted.values():
            found: Any = place
            for part in others:
                assert not part.startswith("_")
                assert part in getattr(found, "__all__", [part])
                found = getattr(found, part)
            wanted = set(re.findall(r"(\w+)=", call))
            assert wanted <= set(inspect.signature(found).parameters if wanted else ())


@pytest.mark.parametrize("row", ROWS)
def test_every_command_and_its_options_are_there(row: str, table: dict[str, list[str]]) -> None:
    cell = table[row][3]
    assert cell in ("", "not yet") or re.sub(r"`planefold [^`]+`|, ", "", cell) == ""
    for words in re.findall(r"`planefold ([^`]+)`", cell):
        name, *options = words.split()
        command = cli.get_command(None, name)  # type: ignore[arg-type]
        assert command is not None
        assert set(options) <= {option for parameter in command.params for option in parameter.opts}


def test_every_lesson_is_linked_and_every_link_is_a_lesson(table: dict[str, list[str]], repository: Path) -> None:
    text = (repository / "docs" / "guides" / "from-the-decks.md").read_text(encoding="utf-8")
    links = re.findall(r"\[(\w+)\]\(\.\./lessons/(\w+)\.md\)", text)
    assert all(word == name for word, name in links if name != "index")
    assert {name for _, name in links} == {"index", *NAMES}


def test_what_is_not_yet_there_is_said_to_be_so(table: dict[str, list[str]]) -> None:
    """When one of these names comes, its row has to say so."""
    coming = {"D2": "ImageClassifier", "D3": "SoundClassifier", "F2": "SequenceClassifier", "F3": "TextClassifier",
              "F4": "Autoencoder", "F6": "Generator", "F7": "QAgent", "E7": "studio"}  # fmt: skip
    for row, name in coming.items():
        assert (name in pf.__all__) != (table[row][2] == "not yet"), f"{row}: pf.{name}"
