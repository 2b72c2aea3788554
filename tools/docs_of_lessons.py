"""A page of the docs for each lesson: its text, its code, and what a run of it prints and draws.

The lessons are run while the docs are built, two at a time. What came out is kept in ``.lessons_cache`` until the
lesson or planefold changes.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import io
import json
import logging
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import planefold
from planefold.cli.lesson_files import FOLDER, Cell, Lesson, chapters, find_lessons, run_cells

CACHE = Path(__file__).resolve().parents[1] / ".lessons_cache"
THUMBNAIL = 480  # pixels: twice the width of a card, for sharp screens
LOG = logging.getLogger("mkdocs.hooks.lessons")  # what mkdocs hears: a warning ends a strict build

INTRODUCTION = """\
Each lesson is a program of one or two screens that proves what it says: it prints its numbers, checks them, and draws
its pictures. Here they are with what they print and draw. They need school mathematics and are best read in this
order; each says what it builds on.

## Run them

```console
$ planefold lesson                    # lists them
$ planefold lesson gradient           # runs one
$ planefold lesson gradient --code    # prints its text
$ planefold lesson --all -o pictures  # runs all
```

A lesson prints its numbers and saves its pictures into the current folder, or into the one that `-o` names. They are
made for slides: light, with large letters. Where in planefold to find what the lecture slides are about,
[this page](../guides/from-the-decks.md) says."""


@dataclass(frozen=True, kw_only=True)
class Ran:
    """What a run of a lesson gave: what each cell printed, the pictures that it saved, and where they lie."""

    printed: tuple[str, ...]
    pictures: tuple[tuple[str, ...], ...]
    folder: Path

    @property
    def all_pictures(self) -> list[str]:
        """The names of all pictures, in the order in which they were saved."""
        return [name for names in self.pictures for name in names]


def on_config(config: Any) -> Any:
    """Put the pages behind the guides."""
    lessons, pages = find_lessons(), [{"All lessons": "lessons/index.md"}]
    for chapter, names in chapters().items():
        inside = [{lessons[name].title: f"lessons/{name}.md"} for name in names if name in lessons]
        if inside:
            pages.append({chapter: inside})
    places = [next(iter(entry)) for entry in config["nav"]]
    config["nav"].insert(places.index("Guides") + 1, {"Lessons": pages})
    return config


def on_files(files: Any, config: Any) -> Any:
    """Run the lessons, and add their pages and pictures."""
    from mkdocs.structure.files import File

    lessons = find_lessons()
    with ThreadPoolExecutor(2) as pool:
        ran = dict(zip(lessons, pool.map(_ran_or_warned, lessons.values()), strict=True))
    for name, lesson in lessons.items():
        files.append(File.generated(config, f"lessons/{name}.md", content=page(lesson, ran[name], list(lessons))))
        for picture in (path.name for path in ran[name].folder.glob("*.png")):
            place = str(ran[name].folder / picture)
            files.append(File.generated(config, f"lessons/{picture}", abs_src_path=place))
    files.append(File.generated(config, "lessons/index.md", content=index(lessons, ran)))
    return files


# ---------------------------------------------------------------------------------------------------------- pages


def index(lessons: dict[str, Lesson], ran: dict[str, Ran]) -> str:
    """Write the page that shows all lessons."""
    parts = ["# Lessons", INTRODUCTION]
    for chapter, names in chapters().items():
        cards = [_card(lessons[name], ran[name]) for name in names if name in lessons]
        if cards:
            parts += [f"## {chapter}", '<div class="grid cards" markdown>', *cards, "</div>"]
    return "\n\n".join(parts) + "\n"


def _card(lesson: Lesson, ran: Ran) -> str:
    lines = [f"**[{_escaped(lesson.title)}]({lesson.name}.md)**"]
    if ran.all_pictures:
        lines.insert(
            0, f"[![{_words(lesson.title)}]({_thumbnail(ran.all_pictures[0])}){{ loading=lazy }}]({lesson.name}.md)"
        )
    lines += [_beginning(lesson.summary), f"`planefold lesson {lesson.name}`"]
    return "- " + "\n\n    ".join(line.replace("\n", " ") for line in lines)


def page(lesson: Lesson, ran: Ran, names: list[str]) -> str:
    """Write the page of one lesson: its text, and each cell with what it printed and drew."""
    # Without the list of headings there is room for lines of code of full length.
    parts = ["---\nhide:\n  - toc\n---", f"# {_escaped(lesson.title)}", lesson.summary]
    if lesson.needs:
        parts.append(f"**Needs** {_linked(lesson.needs, names, lesson.name)}")
    parts.append(f"**Run it:** `planefold lesson {lesson.name}` ([how](index.md#run-them))")
    for cell, printed, pictures in zip(lesson.cells, ran.printed, ran.pictures, strict=True):
        parts += _cell(cell, printed, [ran.folder / picture for picture in pictures], names, lesson)
    at = names.index(lesson.name)
    if at + 1 < len(names):
        parts += ["---", f"The next lesson: [`{names[at + 1]}`]({names[at + 1]}.md)"]
    return "\n\n".join(parts) + "\n"


def _cell(cell: Cell, printed: str, pictures: list[Path], names: list[str], lesson: Lesson) -> Iterator[str]:
    yield f"## {_escaped(cell.heading)}"
    if cell.text:
        yield _linked(_as_formulas(cell.text), names, lesson.name)
    if cell.code:
        yield _fenced(cell.code, "python")
    if printed.strip():
        yield _fenced(printed.strip("\n"), "{ .text .no-copy title='prints' }")
    for picture in pictures:
        words, width = _words(f"{lesson.title}: {cell.heading}"), _pixels(picture) // 2  # half of 200 dots per inch
        yield f"![{words}]({picture.name}){{ loading=lazy width={width} }}"


def _fenced(text: str, language: str) -> str:
    fence = "`" * max(3, 1 + max(map(len, re.findall(r"`+", text)), default=0))
    return f"{fence}{' ' if language.startswith('{') else ''}{language}\n{text}\n{fence}"


def _escaped(text: str) -> str:
    """Keep ``*``, ``_`` and ``<`` of a heading's formulas what they are; in code they are anyway."""
    return "".join(re.sub(r"([*_<\[])", r"\\\1", part) if i % 2 == 0 else part
                   for i, part in enumerate(re.split(r"(`[^`]*`)", text)))  # fmt: skip


def _as_formulas(text: str) -> str:
    """Keep the stars of ``8*12 + 12*8`` from making what lies between them slanted."""
    code = re.compile(r"(`[^`]*`|^    .*$)", flags=re.MULTILINE)
    return "".join(part if code.fullmatch(part) else re.sub(r"(?<=\w)\*(?=\w)", r"\\*", part)
                   for part in code.split(text))  # fmt: skip


def _words(text: str) -> str:
    """Leave out of a picture's description what Markdown would take for a sign."""
    return re.sub(r"[\[\]`*_<>]", "", text)


def _linked(text: str, names: list[str], own: str) -> str:
    """Make a link of each lesson that is named as code."""
    there = [name for name in names if name != own]
    return re.sub(
        r"(?<!\[)`(\w+)`", lambda found: f"[{found[0]}]({found[1]}.md)" if found[1] in there else found[0], text
    )


def _beginning(text: str, enough: int = 90) -> str:
    """Take as many sentences as say something together."""
    first, *others = re.split(r"(?<=[.!?])\s+(?=[A-Z\"`])", " ".join(text.split("\n\n")[0].split()))
    while others and len(first) < enough:
        first += " " + others.pop(0)
    return first


def _pixels(picture: Path) -> int:
    """Read the width of a PNG file: the first number behind its 16 bytes of marks."""
    return int.from_bytes(picture.read_bytes()[16:20], "big")


def _thumbnail(picture: str) -> str:
    return f"small-{picture}"


# ------------------------------------------------------------------------------------------------------------ runs


def _ran_or_warned(lesson: Lesson) -> Ran:
    try:
        return ran(lesson)
    except subprocess.CalledProcessError as error:
        LOG.warning("the lesson %s cannot be run:\n%s", lesson.name, error.stderr)
        nothing: tuple[Any, ...] = tuple("" for _ in lesson.cells)
        return Ran(printed=nothing, pictures=tuple(() for _ in lesson.cells), folder=CACHE / "failed")


def ran(lesson: Lesson, cache: Path = CACHE) -> Ran:
    """Run a lesson in a process of its own, or say what came out of it when it was run the last time."""
    folder = cache / lesson.name / _key(lesson)
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as place:
            command = [sys.executable, __file__, lesson.name, place]
            source = str(Path(planefold.__file__).parents[1])
            environment = {"OMP_NUM_THREADS": "1", **os.environ, "PYTHONPATH": source, "PYTHONUTF8": "1"}
            subprocess.run(command, check=True, capture_output=True, encoding="utf-8", env=environment)
            with contextlib.suppress(OSError):  # another build may have been quicker
                (Path(place) / "done").rename(folder)
        _forget_older(folder)
    return read_run(folder)


def read_run(folder: Path) -> Ran:
    """Read what `run_into` has left."""
    told = json.loads((folder / "ran.json").read_text(encoding="utf-8"))
    return Ran(printed=tuple(told["printed"]), pictures=tuple(map(tuple, told["pictures"])), folder=folder)


def _forget_older(folder: Path) -> None:
    """Remove what an older planefold drew; not at once, since another build may still be reading it."""
    for other in folder.parent.iterdir():
        if other != folder and time.time() - other.stat().st_mtime > 24 * 3600:
            shutil.rmtree(other, ignore_errors=True)


def _key(lesson: Lesson) -> str:
    """Name what the outcome depends on: the lesson, planefold, what draws, and this file."""
    parts = [_source(), lesson.path.read_bytes(), Path(__file__).read_bytes()]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]


@functools.cache
def _source() -> bytes:
    files = sorted(path for path in FOLDER.parent.rglob("*") if path.suffix in (".py", ".json"))
    texts = [path.read_bytes() for path in files if path.parent != FOLDER]
    versions = [version(name).encode() for name in ("matplotlib", "numpy", "torch")]
    return hashlib.sha256(b"\0".join(texts + versions)).digest()


def run_into(lesson: Lesson, folder: Path) -> None:
    """Run a lesson cell by cell; its pictures, small ones of them, and ``ran.json`` are in ``folder / "done"``."""
    folder = folder / "done"
    folder.mkdir()
    seen: set[str] = set()
    printed, pictures = [], []
    with contextlib.redirect_stdout(io.StringIO()) as heard:
        for _ in run_cells(lesson, folder):
            printed.append(heard.getvalue())
            heard.seek(0)
            heard.truncate()
            new = {path.name: path.stat().st_mtime_ns for path in folder.glob("*.png") if path.name not in seen}
            pictures.append(sorted(new, key=new.__getitem__))
            seen.update(new)
    for picture in seen:
        _make_small(folder / picture, folder / _thumbnail(picture))
    (folder / "ran.json").write_text(json.dumps({"printed": printed, "pictures": pictures}), encoding="utf-8")


def _make_small(picture: Path, place: Path) -> None:
    from PIL import Image

    with Image.open(picture) as image:
        small = image.convert("RGB")
        small.thumbnail((THUMBNAIL, THUMBNAIL))
        small.save(place)


if __name__ == "__main__":
    run_into(find_lessons()[sys.argv[1]], Path(sys.argv[2]))
