"""The lessons as files: which there are, what each is about, its cells, and how it is run.

A lesson is a program that proves what it says. Its docstring has a title, a summary and, last, what it builds on
("Needs: ..."); a line ``# %% Heading`` begins each cell, comment lines directly below it are the cell's text. All of
that is read with `ast`: only running a lesson imports anything.
"""

from __future__ import annotations

import ast
import contextlib
import inspect
import os
import re
import sys
import tomllib
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from planefold.core.errors import FileError, ParameterError

FOLDER = Path(__file__).resolve().parents[1] / "lessons"
HEADING = re.compile(r"^# %% ?(.*)$")


class LessonError(Exception):
    """A lesson does not prove what it says. That is no mistake of its reader, and so no `PlanefoldError`."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A part of a lesson: its heading, its text in Markdown, its code, and the line on which the code begins."""

    heading: str
    text: str
    code: str
    line: int


@dataclass(frozen=True, kw_only=True)
class Lesson:
    """What is known of a lesson without running it; ``pictures`` are the names of the files that it saves."""

    name: str
    chapter: str
    title: str
    summary: str
    needs: str
    pictures: tuple[str, ...]
    cells: tuple[Cell, ...]
    path: Path


def chapters(folder: Path = FOLDER) -> dict[str, list[str]]:
    """Return the names of all lessons by chapter, in the order in which they are best read."""
    with (folder / "contents.toml").open("rb") as file:
        return {chapter["title"]: list(chapter["lessons"]) for chapter in tomllib.load(file)["chapter"]}


def find_lessons(folder: Path = FOLDER) -> dict[str, Lesson]:
    """Return the lessons that are there, by name, in the order in which they are best read."""
    places = {name: chapter for chapter, names in chapters(folder).items() for name in names}
    paths = {name: folder / f"{name}.py" for name in places}
    return {name: read_lesson(paths[name], chapter) for name, chapter in places.items() if paths[name].is_file()}


def read_lesson(path: Path, chapter: str = "") -> Lesson:
    """Read what a lesson says of itself."""
    source = path.read_text(encoding="utf-8")
    tree = ast.parse(source, str(path))
    title, *paragraphs = (inspect.cleandoc(ast.get_docstring(tree) or path.stem)).split("\n\n")
    needs = [paragraph.removeprefix("Needs:").strip() for paragraph in paragraphs if paragraph.startswith("Needs:")]
    words = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    return Lesson(
        name=path.stem,
        chapter=chapter,
        title=title.strip().removesuffix("."),
        summary="\n\n".join(paragraph for paragraph in paragraphs if not paragraph.startswith("Needs:")),
        needs=" ".join(" ".join(needs).split()),
        pictures=tuple(dict.fromkeys(word for word in words if re.fullmatch(r"[\w-]+\.png", word))),
        cells=tuple(_cells(source.splitlines())),
        path=path,
    )


def _cells(lines: list[str]) -> Iterator[Cell]:
    starts = [number for number, line in enumerate(lines) if HEADING.match(line)]
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        first = start + 1
        while first < end and lines[first].startswith("#"):
            first += 1
        heading = HEADING.match(lines[start])
        yield Cell(
            heading=heading[1].strip() if heading else "",
            text="\n".join(line.removeprefix("#").removeprefix(" ") for line in lines[start + 1 : first]).strip(),
            code="\n".join(lines[first:end]).strip("\n"),
            line=first + 1,
        )


# -------------------------------------------------------------------------------------------------------- running


def run_cells(lesson: Lesson, folder: Path) -> Iterator[Cell]:
    """Run a lesson with ``folder`` as the current one, and hand out each cell when it has run.

    Between two cells, too, ``folder`` is the current one. At the end it is what it was before.

    Raises
    ------
    LessonError
        If a cell fails, be it by its ``assert``: with the lesson's name and the line. What is no fault of the lesson
        (Ctrl-C, an output that nobody reads, a full disk) is raised as it is.
    """
    namespace: dict[str, Any] = {"__name__": "__main__", "__file__": str(lesson.path)}
    body = ast.parse(lesson.path.read_text(encoding="utf-8"), str(lesson.path)).body
    ends = [cell.line for cell in lesson.cells[1:]] + [sys.maxsize]
    with _inside(folder):
        for cell, end in zip(lesson.cells, ends, strict=True):
            part = [statement for statement in body if statement.lineno < end]
            body = body[len(part) :]
            # Not runpy: with `python -O` it would leave out what a lesson is there for, its asserts.
            code = compile(ast.Module(part, []), str(lesson.path), "exec", dont_inherit=True, optimize=0)
            try:
                exec(code, namespace)  # noqa: S102 - a program of ours, which is to run
            except (OSError, MemoryError):
                raise
            except (Exception, SystemExit) as error:
                raise LessonError(_what_failed(lesson, error)) from error
            yield cell


def _what_failed(lesson: Lesson, error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    at = next((frame.lineno for frame in reversed(frames) if frame.filename == str(lesson.path)), None)
    line = lesson.path.read_text(encoding="utf-8").splitlines()[at - 1].strip() if at else ""
    said = next(iter(str(error).splitlines()), "")
    told = ": ".join(filter(None, [type(error).__name__, said or line]))
    return f"the lesson {lesson.name} fails in line {at}: {told}" if at else f"the lesson {lesson.name} fails: {told}"


@contextlib.contextmanager
def _inside(folder: Path) -> Iterator[None]:
    before, places = Path.cwd(), list(sys.path)
    # What is imported in there is looked for where it was looked for before, also where a place is named as "".
    sys.path[:] = [os.path.abspath(place) for place in places]
    try:
        os.chdir(folder)
        yield
    finally:
        os.chdir(before)
        sys.path[:] = places


def make_folder(folder: Path) -> None:
    """Make the folder that pictures are to go into, unless it is there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise ParameterError(f"{folder} is a file, and no folder", hint="name a folder for the pictures") from error
    except OSError as error:
        raise FileError(f"the folder {folder} cannot be made", details=error.strerror) from error
    if not os.access(folder, os.W_OK):
        raise FileError(f"nothing can be written into the folder {folder}", hint="--output FOLDER names another")


def check_places(lesson: Lesson, folder: Path) -> None:
    """Refuse to write a picture over a file that `plots.save` has not written."""
    for path in (folder / name for name in lesson.pictures):
        if path.is_dir() or (path.exists() and not _is_ours(path)):
            raise ParameterError(
                f"{path} is already there, and no picture that planefold has saved",
                hint="name another folder: --output FOLDER",
            )


def _is_ours(path: Path) -> bool:
    with path.open("rb") as file:
        return b"planefold" in file.read(1024)  # pictures of plots.save name it as their creator
