"""Every lesson: a short program of public names that prints, proves and draws what it says."""

from __future__ import annotations

import ast
import contextlib
import importlib
import io
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import planefold as pf
from planefold.cli.lesson_files import FOLDER, LessonError, chapters, find_lessons, read_lesson, run_cells

NAMES = [name for names in chapters().values() for name in names]
IMPORTS = {("numpy", "np"), ("planefold", "pf")}
GENERATORS = {"default_rng", "RandomState", "Generator"}  # of their own: the state of the process stays as it is


@pytest.fixture(scope="module")
def trees() -> dict[str, ast.Module]:
    return {path.stem: ast.parse(path.read_text(encoding="utf-8")) for path in FOLDER.glob("*.py")}


def imports(tree: ast.AST) -> list[ast.Import | ast.ImportFrom]:
    return [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]


def dotted(node: ast.AST) -> list[str]:
    """The names of ``a.b.c``, if it begins with a plain name."""
    if isinstance(node, ast.Attribute):
        before = dotted(node.value)
        return [*before, node.attr] if before else []
    return [node.id] if isinstance(node, ast.Name) else []


def not_public(names: list[str]) -> str | None:
    """What of ``pf.package.name`` is not public."""
    place: Any = pf
    for name in names[1:]:
        if getattr(place, "__all__", None) is not None:
            if name not in place.__all__:
                return f"{place.__name__} has no public {name}"
            place = getattr(place, name)
        else:  # a method or an attribute of something public
            return f"{name} is private" if name.startswith("_") else None
    return None


# ---------------------------------------------------------------------------------------------------------- the text


def test_every_file_is_in_the_contents_and_the_reverse() -> None:
    assert sorted(NAMES) == sorted(path.stem for path in FOLDER.glob("*.py"))
    assert len(NAMES) == len(set(NAMES))
    assert list(find_lessons()) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_it_has_40_to_100_lines(name: str) -> None:
    assert 40 <= len((FOLDER / f"{name}.py").read_text(encoding="utf-8").splitlines()) <= 100


@pytest.mark.parametrize("name", NAMES)
def test_it_imports_numpy_and_planefold_only(name: str, trees: dict[str, ast.Module]) -> None:
    found = imports(trees[name])
    assert all(isinstance(node, ast.Import) for node in found)
    assert {(alias.name, alias.asname) for node in found for alias in node.names} <= IMPORTS


@pytest.mark.parametrize("name", NAMES)
def test_it_uses_public_names_only(name: str, trees: dict[str, ast.Module]) -> None:
    chains = [dotted(node) for node in ast.walk(trees[name]) if isinstance(node, ast.Attribute)]
    used = [chain for chain in chains if chain and chain[0] == "pf"]
    assert used
    assert [wrong for chain in used if (wrong := not_public(chain))] == []
    private = [node.attr for node in ast.walk(trees[name]) if isinstance(node, ast.Attribute) and node.attr[0] == "_"]
    assert private == []
    of_chance = {chain[2] for chain in chains if chain[:2] == ["np", "random"] and len(chain) > 2}
    assert of_chance <= GENERATORS


@pytest.mark.parametrize("name", NAMES)
def test_it_goes_from_top_to_bottom(name: str, trees: dict[str, ast.Module]) -> None:
    assert not [node for node in ast.walk(trees[name]) if isinstance(node, ast.ClassDef)]
    functions = [node for node in ast.walk(trees[name]) if isinstance(node, ast.FunctionDef)]
    assert all(1 + (node.end_lineno or 0) - node.lineno <= 9 for node in functions), (
        "a function of more than a few lines"
    )
    assert not {"main", "__name__"} & {node.id for node in ast.walk(trees[name]) if isinstance(node, ast.Name)}


@pytest.mark.parametrize("name", NAMES)
def test_it_says_what_it_is_about_and_what_it_builds_on(name: str, trees: dict[str, ast.Module]) -> None:
    title, *summary, needs = (ast.get_docstring(trees[name]) or "").split("\n\n")
    assert title.endswith((".", "?"))
    assert len(title) <= 72  # behind the longest name it fits a line of 100
    assert "\n" not in title
    assert len(" ".join(summary).split()) >= 15
    assert needs.startswith("Needs: ")
    lesson = read_lesson(FOLDER / f"{name}.py")
    assert (lesson.title, lesson.needs) == (title.removesuffix("."), " ".join(needs.removeprefix("Needs: ").split()))
    named = re.findall(r"lessons? ((?:`\w+`(?:, | and |, and )?)+)", lesson.needs)
    before = NAMES[: NAMES.index(name)]
    assert [one for part in named for one in re.findall(r"`(\w+)`", part) if one not in before] == []


@pytest.mark.parametrize("name", NAMES)
def test_it_has_cells_with_headings_and_asserts(name: str, trees: dict[str, ast.Module]) -> None:
    lesson = read_lesson(FOLDER / f"{name}.py")
    assert len(lesson.cells) >= 3
    assert all(cell.heading and (cell.code or cell.text) for cell in lesson.cells)
    before = [node for node in trees[name].body if node.lineno < lesson.cells[0].line]
    assert len(before) == 1, "only the docstring stands before the first cell"
    assert len([node for node in ast.walk(trees[name]) if isinstance(node, ast.Assert)]) >= 3
    always = [
        node.lineno for node in ast.walk(trees[name]) if isinstance(node, ast.Assert) and proves_nothing(node.test)
    ]
    assert always == []
    for cell in lesson.cells:  # what looks like a tag would be one on the page, and not be seen
        assert not re.search(
            r"<[A-Za-z/!]", re.sub(r"`[^`]*`|^    .*$", "", f"{cell.heading}\n{cell.text}", flags=re.M)
        )


def proves_nothing(test: ast.expr) -> bool:
    """Whether an assert has nothing that could be different: no name, no call."""
    return isinstance(test, ast.Tuple) or not any(isinstance(node, ast.Name | ast.Call) for node in ast.walk(test))


@pytest.mark.parametrize("name", NAMES)
def test_its_pictures_have_its_name(name: str) -> None:
    pictures = read_lesson(FOLDER / f"{name}.py").pictures
    assert 1 <= len(pictures) <= 3
    assert all(picture == f"{name}.png" or picture.startswith(f"{name}_") for picture in pictures)


# ----------------------------------------------------------------------------------------------------------- the run


@contextlib.contextmanager
def nothing_of_the_process_changes() -> Iterator[None]:
    """A lesson is a guest: where we are, what is found where, chance and the look of pictures stay as they were."""
    import matplotlib as mpl
    import torch

    def state() -> tuple[Any, ...]:
        generator = np.random.get_state(legacy=False)["state"]  # noqa: NPY002 - that nobody has touched it
        return (os.getcwd(), list(sys.path), dict(mpl.rcParams), generator["pos"], generator["key"].tolist(),
                torch.random.get_rng_state().tolist(), torch.get_default_dtype(), torch.get_num_threads(),
                np.geterr(), np.get_printoptions())  # fmt: skip

    before = state()
    yield
    assert state() == before
    assert "matplotlib.pyplot" not in sys.modules or not importlib.import_module("matplotlib.pyplot").get_fignums()


@pytest.mark.parametrize("name", NAMES)
def test_it_runs_and_prints_and_draws(name: str, tmp_path: Path) -> None:
    lesson = find_lessons()[name]
    with nothing_of_the_process_changes(), contextlib.redirect_stdout(io.StringIO()) as printed:
        ran = list(run_cells(lesson, tmp_path))
    assert ran == list(lesson.cells)
    assert len(printed.getvalue().splitlines()) >= 3
    assert not re.search(r"np\.(float|int|bool)|tensor\(|<function|object at 0x", printed.getvalue())
    assert sorted(path.name for path in tmp_path.glob("*.png")) == sorted(lesson.pictures), (
        "names are to be plain texts"
    )
    assert all(path.name.startswith(name) for path in tmp_path.iterdir())
    for picture in lesson.pictures:
        check_picture(tmp_path / picture)


def check_picture(path: Path) -> None:
    from PIL import Image

    with Image.open(path) as image:
        assert image.format == "PNG"
        assert image.width >= 800
        shades = np.asarray(image.convert("L"), dtype=float)
    border = np.concatenate([shades[0], shades[-1], shades[:, 0], shades[:, -1]])
    assert np.median(border) > 240, "the background is not light"
    assert shades.mean() > 128
    assert shades.std() > 5, "there is nothing on it"


# -------------------------------------------------------------------------------------------- a lesson that is wrong

WRONG = '''"""A lesson that is wrong.

Two and two are five.

Needs: nothing.
"""

# %% Sums
# Two and two:
import numpy as np

total = np.add(2, 2)
print(total)
{line}
print("never")
'''


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("assert total == 5", "the lesson wrong fails in line 14: AssertionError: assert total == 5"),
        ("assert total == 5, 'it is 4'", "the lesson wrong fails in line 14: AssertionError: it is 4"),
        ("total / {}", "the lesson wrong fails in line 14: UFuncTypeError"),
        ("raise SystemExit(0)", "the lesson wrong fails in line 14: SystemExit: 0"),
    ],
)
def test_what_is_wrong_is_never_a_success(tmp_path: Path, line: str, told: str) -> None:
    path = tmp_path / "wrong.py"
    path.write_text(WRONG.replace("{line}", line), encoding="utf-8")
    printed = io.StringIO()
    before = os.getcwd()
    with contextlib.redirect_stdout(printed), pytest.raises(LessonError) as caught:
        list(run_cells(read_lesson(path), tmp_path))
    assert str(caught.value).startswith(told) or "TypeError" in str(caught.value)
    assert printed.getvalue() == "4\n"
    assert os.getcwd() == before


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("pf.plots.sav", "planefold.plots has no public sav"),
        ("pf.engine.fast", "planefold.engine has no public fast"),
        ("pf.core", "planefold has no public core"),
        ("pf.MLPRegressor._fit", "_fit is private"),
        ("pf.MLPRegressor.fit", None),
        ("pf.plots.save", None),
    ],
)
def test_the_rule_of_public_names_sees_what_is_not(line: str, wrong: str | None) -> None:
    assert not_public(dotted(ast.parse(line, mode="eval").body)) == wrong
