"""`planefold lesson`: the list, a run, its pictures, and what happens when something is wrong."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest

from planefold.cli import lesson_files
from planefold.cli.lesson_files import find_lessons

CONTENTS = """
[[chapter]]
title = "Sums"
lessons = ["two", "three", "not_there_yet"]

[[chapter]]
title = "Products"
lessons = ["six"]
"""
LESSON = '''"""{title}.

Sums of small numbers, exact.

Needs: nothing.
"""

# %% The sum
# All of **it**.
import planefold as pf

total = sum(range({n}))
print("the sum is", total)

# %% The picture
{line}
pf.plots.save(pf.plots.lines({{"sum": ([0, 1], [0, total])}}), "{name}.png")
'''


@pytest.fixture
def lessons(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with three lessons in it; one is named in the contents, but not there."""
    folder = tmp_path / "lessons"
    folder.mkdir()
    (folder / "contents.toml").write_text(CONTENTS)
    for name, n in (("two", 3), ("three", 4), ("six", 7)):
        write(folder, name, n)
    monkeypatch.setattr(lesson_files, "find_lessons", lambda: find_lessons(folder))
    monkeypatch.chdir(tmp_path)
    return folder


def write(folder: Path, name: str, n: int, line: str = "") -> None:
    text = LESSON.format(title=f"The sum up to {name}", n=n, name=name, line=line)
    (folder / f"{name}.py").write_text(text)


# ---------------------------------------------------------------------------------------------------------- the list


def test_without_a_name_the_lessons_are_listed_by_chapter(cli: Any, lessons: Path) -> None:
    ended = cli("lesson")
    assert ended.code == 0
    assert ended.out.splitlines() == [
        "Sums",
        "  two    The sum up to two",
        "  three  The sum up to three",
        "",
        "Products",
        "  six    The sum up to six",
    ]
    assert ended.err == "run one: planefold lesson two\n"


def test_the_list_as_json(cli: Any, lessons: Path) -> None:
    told = cli("lesson", "--json").json
    assert [one["name"] for one in told] == ["two", "three", "six"]
    assert told[0] == {"name": "two", "chapter": "Sums", "title": "The sum up to two",
                       "summary": "Sums of small numbers, exact.", "needs": "nothing."}  # fmt: skip


def test_the_lessons_that_are_shipped_are_listed(cli: Any) -> None:
    assert [one["name"] for one in cli("lesson", "--json").json] == list(find_lessons())


def test_the_code_is_the_file(cli: Any, lessons: Path) -> None:
    assert cli("lesson", "two", "--code").out == (lessons / "two.py").read_text()
    assert cli("lesson", "two", "--code", "--json").json["code"] == (lessons / "two.py").read_text()


def test_help_list_and_code_import_neither_torch_nor_numpy(process: Any) -> None:
    for arguments in (["lesson", "--help"], ["lesson"], ["lesson", "normal_equations", "--code"]):
        code = "import sys; from planefold.cli.main import run; run(sys.argv[1:]); print('torch' in sys.modules)"
        ended = process(*arguments, code=code)
        assert ended.out.endswith("False\n"), ended.err


# ----------------------------------------------------------------------------------------------------------- one run


def test_a_lesson_prints_and_saves_and_says_what_it_saved(cli: Any, lessons: Path) -> None:
    ended = cli("lesson", "two")
    assert (ended.code, ended.out) == (0, "the sum is 3\n")
    assert ended.err.startswith("two: ")
    assert ended.err.endswith(" s; picture: two.png\n")
    assert Path("two.png").read_bytes().startswith(b"\x89PNG")


def test_a_folder_is_made_for_the_pictures(cli: Any, lessons: Path, tmp_path: Path) -> None:
    ended = cli("lesson", "two", "-o", "new/pictures")
    assert ended.code == 0
    assert f"picture: {Path('new/pictures/two.png')}" in ended.err
    assert [path.name for path in (tmp_path / "new" / "pictures").iterdir()] == ["two.png"]
    assert not (tmp_path / "two.png").exists()


def test_a_run_as_json(cli: Any, lessons: Path) -> None:
    ended = cli("lesson", "two", "-o", "new", "--json")
    told = ended.json
    assert told.pop("seconds") >= 0
    assert told == {"name": "two", "title": "The sum up to two", "output": "the sum is 3\n",
                    "pictures": [str(Path("new/two.png"))]}  # fmt: skip
    assert ended.err == ""


def test_nothing_of_the_process_changes(cli: Any, lessons: Path) -> None:
    before = os.getcwd(), list(sys.path), signal.getsignal(signal.SIGINT)
    assert cli("lesson", "two", "-o", "new").code == 0
    write(lessons, "two", 3, "assert not total")
    assert cli("lesson", "two", "-o", "new").code == 70
    assert (os.getcwd(), list(sys.path), signal.getsignal(signal.SIGINT)) == before


def test_a_picture_of_the_lesson_is_replaced(cli: Any, lessons: Path) -> None:
    assert cli("lesson", "two").code == 0
    first = Path("two.png").read_bytes()
    write(lessons, "two", 9)
    assert cli("lesson", "two").code == 0
    assert Path("two.png").read_bytes() != first


@pytest.mark.parametrize("content", [b"notes of mine", b"", b"\x89PNG\r\n\x1a\n"])
@pytest.mark.parametrize("arguments", [["two"], ["--all"]])
def test_another_file_is_never_overwritten(cli: Any, lessons: Path, content: bytes, arguments: list[str]) -> None:
    Path("two.png").write_bytes(content)
    ended = cli("lesson", *arguments)
    assert (ended.code, ended.out) == (1, "")
    assert ended.error == ["error: two.png is already there, and no picture that planefold has saved",
                           "  hint: name another folder: --output FOLDER"]  # fmt: skip
    assert Path("two.png").read_bytes() == content
    assert not Path("three.png").exists()


def test_what_else_a_lesson_writes_is_not_left_behind(cli: Any, lessons: Path) -> None:
    Path("two.fold").write_bytes(b"mine")
    write(lessons, "two", 3, "with open('two.fold', 'w') as file:\n    file.write('a model')")
    assert cli("lesson", "two").code == 0
    assert Path("two.fold").read_bytes() == b"mine"
    assert sorted(path.name for path in Path().iterdir()) == ["lessons", "two.fold", "two.png"]


def test_only_the_lessons_own_pictures_count(cli: Any, lessons: Path) -> None:
    Path("two_of_mine.png").write_bytes(b"mine")
    assert cli("lesson", "two").code == 0
    assert Path("two_of_mine.png").read_bytes() == b"mine"


# --------------------------------------------------------------------------------------------------- what goes wrong


@pytest.mark.parametrize(
    ("arguments", "code", "error"),
    [
        (["thre"], 1, ['error: no lesson is called "thre"', "  there are: two, three, six",
                       "  hint: did you mean three?"]),
        (["qwertz"], 1, ['error: no lesson is called "qwertz"', "  there are: two, three, six"]),
        (["not_there_yet"], 1, ['error: no lesson is called "not_there_yet"', "  there are: two, three, six"]),
        (["--code"], 2, ["error: which lesson?", "  hint: planefold lesson lists them"]),
        (["-o", "x"], 2, ["error: which lesson?", "  hint: planefold lesson lists them"]),
        (["two", "--all"], 2, ["error: --all does not go with two",
                               "  hint: planefold lesson --help lists what there is"]),
        (["--all", "--code"], 2, ["error: --all does not go with --code",
                                  "  hint: planefold lesson --help lists what there is"]),
        (["two", "--code", "-o", "x"], 2, ["error: --code runs nothing, so there are no pictures for --output",
                                           "  hint: planefold lesson --help lists what there is"]),
        (["two", "-o", "file"], 1, ["error: file is a file, and no folder", "  hint: name a folder for the pictures"]),
    ],
)  # fmt: skip
def test_a_wrong_line_says_what_was_meant(
    cli: Any, lessons: Path, arguments: list[str], code: int, error: list[str]
) -> None:
    Path("file").write_text("mine")
    ended = cli("lesson", *arguments)
    assert (ended.code, ended.out) == (code, "")
    assert ended.error == error


def test_a_name_may_be_typed_as_a_file_or_with_a_hyphen(cli: Any) -> None:
    text = find_lessons()["normal_equations"].path.read_text(encoding="utf-8")
    assert cli("lesson", "normal-equations", "--code").out == text
    assert cli("lesson", "normal_equations.py", "--code").out == text


def test_a_false_assert_is_our_bug_and_names_lesson_and_line(cli: Any, lessons: Path) -> None:
    write(lessons, "two", 3, "assert total == 4")
    ended = cli("lesson", "two")
    assert (ended.code, ended.out) == (70, "the sum is 3\n")
    what = "the lesson two fails in line 16: AssertionError: assert total == 4"
    assert ended.error[0] == f"error: this is a bug in planefold: LessonError: {what}"
    assert cli("lesson", "two", "--json").json["exit_code"] == 70


def test_an_assert_counts_also_where_python_is_told_to_leave_them_out(repository: Path, tmp_path: Path) -> None:
    write(tmp_path, "two", 3, "assert total == 4")
    code = ("import sys; from pathlib import Path; from planefold.cli.lesson_files import *\n"
            "list(run_cells(read_lesson(Path('two.py')), Path('.')))")  # fmt: skip
    ended = subprocess.run([sys.executable, "-O", "-c", code], cwd=tmp_path, capture_output=True, encoding="utf-8",
                           env={**os.environ, "PYTHONPATH": str(repository / "src")}, check=False)  # fmt: skip
    assert ended.returncode == 1
    assert "the lesson two fails in line 16" in ended.stderr


def test_a_full_disk_is_no_bug(cli: Any, lessons: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    ended = cli("lesson", "two")
    assert ended.code == 1
    assert "no space left on the disk" in ended.err


# --------------------------------------------------------------------------------------------------------------- all


def test_all_lessons_run_and_go_on_after_one_that_fails(cli: Any, lessons: Path) -> None:
    write(lessons, "three", 4, "assert total == 5")
    ended = cli("lesson", "--all", "-o", "pictures")
    assert (ended.code, ended.out) == (1, "the sum is 3\nthe sum is 6\nthe sum is 21\n")
    assert "2 of 3: three\n  the lesson three fails in line 16: AssertionError: assert total == 5" in ended.err
    assert "\nthree  FAILED\n" in ended.err
    assert ended.error == [
        "error: 1 of 3 lessons failed: three",
        "  hint: this is a bug in planefold: please report it",
    ]
    assert sorted(path.name for path in Path("pictures").iterdir()) == ["six.png", "two.png"]


def test_all_lessons_as_json(cli: Any, lessons: Path) -> None:
    told = cli("lesson", "--all", "--json").json
    assert told["failed"] == []
    assert [one["output"] for one in told["lessons"]] == ["the sum is 3\n", "the sum is 6\n", "the sum is 21\n"]
    write(lessons, "three", 4, "assert total == 5")
    ended = cli("lesson", "--all", "--json")
    assert (ended.code, ended.json["failed"]) == (1, ["three"])
    assert "line 16" in ended.json["lessons"][1]["error"]


# ------------------------------------------------------------------------------------------------------------ Ctrl-C


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT to send")
@pytest.mark.parametrize("line", [
    "import time; time.sleep(60)",
    # As a training does, which keeps its best weights and goes on: what follows may be cut short, so it proves nothing.
    "import time\ntry:\n    time.sleep(60)\nexcept KeyboardInterrupt:\n    assert False",
    "import time\ntry:\n    time.sleep(60)\nexcept KeyboardInterrupt:\n    pass",
])  # fmt: skip
def test_ctrl_c_ends_with_130(cli: Any, lessons: Path, line: str) -> None:
    write(lessons, "two", 3, line)

    def press() -> None:
        time.sleep(0.5)
        os.kill(os.getpid(), signal.SIGINT)

    pressing = threading.Thread(target=press)
    pressing.start()
    ended = cli("lesson", "two")
    pressing.join()
    assert ended.code == 130
    assert ended.error == ["error: stopped by Ctrl-C"]


# ----------------------------------------------------------------------------------------------------------- shipped


@pytest.mark.slow
def test_a_wheel_has_the_lessons(repository: Path, tmp_path: Path) -> None:
    pytest.importorskip("setuptools")
    source = tmp_path / "source"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        (source / name).write_bytes((repository / name).read_bytes())
    shutil.copytree(repository / "src", source / "src", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    command = ["-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", str(tmp_path), "."]
    ended = subprocess.run([sys.executable, *command], cwd=source, capture_output=True, encoding="utf-8", check=False)
    assert ended.returncode == 0, ended.stderr
    (wheel,) = tmp_path.glob("*.whl")
    inside = set(zipfile.ZipFile(wheel).namelist())
    assert {f"planefold/lessons/{name}.py" for name in find_lessons(source / "src" / "planefold" / "lessons")} <= inside
    assert "planefold/lessons/contents.toml" in inside
