"""`planefold lesson`: lessons to run, to read and to show."""

from __future__ import annotations

import contextlib
import io
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

from planefold.cli.options import json_option, print_json, print_line, say, write

if TYPE_CHECKING:
    from planefold.cli.lesson_files import Lesson

EXIT_FAILED = 1


@click.command(short_help="Run a lesson: how networks learn, in numbers and pictures.")
@click.argument("name", required=False)
@click.option("--output", "-o", "folder", type=Path, metavar="FOLDER",
              help="Where the pictures go, made if it is not there; default: the current folder.")  # fmt: skip
@click.option("--code", is_flag=True, help="Print the lesson's text instead of running it.")
@click.option("--all", "run_all", is_flag=True, help="Run all lessons, one after the other, even if one fails.")
@json_option
@click.pass_context
def lesson(context: click.Context, /, name: str | None, folder: Path | None, code: bool, run_all: bool,
           as_json: bool) -> int:  # fmt: skip
    """List the lessons, or run the one called NAME.

    A lesson is a short program that prints what it shows, checks it, and draws pictures. These are called
    NAME.png or NAME_....png, and replace those of an earlier run; a file that is no picture saved by
    planefold is never overwritten. Nothing else is written into the folder.
    """
    from planefold.cli.lesson_files import find_lessons

    lessons = find_lessons()
    if name is None and not run_all:
        if code or folder is not None:
            raise click.UsageError("which lesson?\n  hint: planefold lesson lists them", context)
        _list(lessons, as_json)
        return 0
    if run_all and (name is not None or code):
        raise click.UsageError(f"--all does not go with {'--code' if code else name}", context)
    if code and folder is not None:
        raise click.UsageError("--code runs nothing, so there are no pictures for --output", context)
    if run_all:
        return _run_all(list(lessons.values()), folder or Path(), as_json)
    chosen = _choose(lessons, str(name))
    if code:
        _print_code(chosen, as_json)
    else:
        _run_one(chosen, folder or Path(), as_json)
    return 0


def _choose(lessons: dict[str, Lesson], name: str) -> Lesson:
    from planefold.core.errors import ParameterError, did_you_mean

    asked = name.removesuffix(".py").replace("-", "_")
    if asked not in lessons:
        near = did_you_mean(asked, lessons)
        raise ParameterError(f'no lesson is called "{name}"', details="there are: " + ", ".join(lessons),
                             hint=f"did you mean {near}?" if near else None)  # fmt: skip
    return lessons[asked]


def _list(lessons: dict[str, Lesson], as_json: bool) -> None:
    if as_json:
        print_json([_told(each) for each in lessons.values()])
        return
    width, chapter = max(map(len, lessons), default=0), None
    for each in lessons.values():
        if each.chapter != chapter:
            print_line(("\n" if chapter else "") + each.chapter)
            chapter = each.chapter
        print_line(f"  {each.name:<{width}}  {each.title}")
    say(f"run one: planefold lesson {next(iter(lessons), 'NAME')}")


def _told(each: Lesson) -> dict[str, Any]:
    return {
        "name": each.name,
        "chapter": each.chapter,
        "title": each.title,
        "summary": " ".join(each.summary.split()),
        "needs": each.needs,
    }


def _print_code(each: Lesson, as_json: bool) -> None:
    text = each.path.read_text(encoding="utf-8")
    if as_json:
        print_json({**_told(each), "code": text})
    else:
        write(text)


# -------------------------------------------------------------------------------------------------------- running


def _run_one(each: Lesson, folder: Path, as_json: bool) -> None:
    _prepare([each], folder)
    ran = _run(each, folder, quiet=as_json)
    if as_json:
        print_json(ran)
    else:
        say(f"{each.name}: {ran['seconds']:.1f} s; {_pictures(ran)}")


def _run_all(lessons: list[Lesson], folder: Path, as_json: bool) -> int:
    from planefold.cli.lesson_files import LessonError

    _prepare(lessons, folder)
    ran: list[dict[str, Any]] = []
    for number, each in enumerate(lessons, start=1):
        say(f"{number} of {len(lessons)}: {each.name}")
        try:
            ran.append(_run(each, folder, quiet=as_json))
        except LessonError as error:
            say(f"  {error}")
            ran.append({"name": each.name, "title": each.title, "error": str(error)})
    failed = [one["name"] for one in ran if "error" in one]
    if as_json:
        print_json({"lessons": ran, "failed": failed})
    else:
        _summarise(ran)
    if failed:
        say(f"error: {len(failed)} of {len(ran)} lessons failed: {', '.join(failed)}\n"
            "  hint: this is a bug in planefold: please report it")  # fmt: skip
    return EXIT_FAILED if failed else 0


def _prepare(lessons: list[Lesson], folder: Path) -> None:
    from planefold.cli.lesson_files import check_places, make_folder

    make_folder(folder)
    for each in lessons:
        check_places(each, folder)


def _run(each: Lesson, folder: Path, *, quiet: bool) -> dict[str, Any]:
    from planefold.core.errors import FileError
    from planefold.core.files import atomic_write, file_error

    started = time.monotonic()
    # In a folder of its own: what else a lesson writes (a model, say) cannot overwrite anybody's file.
    with tempfile.TemporaryDirectory(prefix="planefold-lesson-") as place, _heard(quiet) as heard:
        try:
            _run_through(each, Path(place))
        except (FileError, BrokenPipeError):
            raise
        except OSError as error:  # it prints and saves pictures, and the latter is told as a FileError
            raise file_error(error, "standard output", "write") from error
        for picture in each.pictures:
            with atomic_write(folder / picture) as file:
                file.write((Path(place) / picture).read_bytes())
    return {
        "name": each.name,
        "title": each.title,
        "output": heard.getvalue(),
        "pictures": [str(folder / picture) for picture in each.pictures],
        "seconds": round(time.monotonic() - started, 2),
    }


def _run_through(each: Lesson, place: Path) -> None:
    from planefold.cli.lesson_files import LessonError, run_cells

    with _told_of_ctrl_c() as stopped:
        try:
            for _ in run_cells(each, place):
                if stopped:
                    raise KeyboardInterrupt
        except LessonError:
            if stopped:  # what failed, failed because a training was cut short
                raise KeyboardInterrupt from None
            raise


@contextlib.contextmanager
def _heard(quiet: bool) -> Iterator[io.StringIO]:
    """Keep what is printed, for JSON; or let it through as it comes."""
    heard = io.StringIO()
    with contextlib.redirect_stdout(heard) if quiet else contextlib.nullcontext():
        yield heard


@contextlib.contextmanager
def _told_of_ctrl_c() -> Iterator[list[int]]:
    """Remember Ctrl-C: a training takes it as a wish to end early, keeps its best weights and goes on."""
    stopped: list[int] = []

    def remember(number: int, frame: FrameType | None) -> None:
        stopped.append(number)
        signal.default_int_handler(number, frame)

    if threading.current_thread() is not threading.main_thread():  # only there signals can be listened to
        yield stopped
        return
    before = signal.signal(signal.SIGINT, remember)
    try:
        yield stopped
    finally:
        signal.signal(signal.SIGINT, before)


def _pictures(ran: dict[str, Any]) -> str:
    found = ran["pictures"]
    return f"{'pictures' if len(found) > 1 else 'picture'}: {', '.join(found)}" if found else "no pictures"


def _summarise(ran: list[dict[str, Any]]) -> None:
    width = max((len(one["name"]) for one in ran), default=0)
    say("")
    for one in ran:
        say(f"{one['name']:<{width}}  {'FAILED' if 'error' in one else format(one['seconds'], '5.1f') + ' s'}")
    say(f"{len(ran)} lessons in {sum(one.get('seconds', 0) for one in ran):.0f} s")
