"""`atomic_write`: the whole file or none of it, and the system's refusals in words."""

from __future__ import annotations

import errno
import os
import stat
import sys
from pathlib import Path
from typing import IO

import pytest

from planefold.core.errors import DataError, FileError, MissingFileError
from planefold.core.files import atomic_write, file_error

posix = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX permissions and devices")


@pytest.fixture
def older(tmp_path: Path) -> Path:
    path = tmp_path / "scores.csv"
    path.write_bytes(b"older")
    return path


def fail_after(file: IO[bytes], error: type[BaseException] | BaseException) -> None:
    file.write(b"half")
    raise error


def names(path: Path) -> list[str]:
    return sorted(os.listdir(path.parent))


def test_bytes_and_text_arrive_as_written(tmp_path):
    with atomic_write(tmp_path / "a.bin") as file:
        file.write(b"\0\r\n")
    with atomic_write(tmp_path / "a.txt", "w") as text:
        text.write("อายุ\r\nx\n")
    assert (tmp_path / "a.bin").read_bytes() == b"\0\r\n"
    assert (tmp_path / "a.txt").read_bytes() == "อายุ\r\nx\n".encode()
    assert sorted(os.listdir(tmp_path)) == ["a.bin", "a.txt"]


def test_the_older_file_is_seen_until_the_new_one_is_complete(older):
    with atomic_write(older) as file:
        file.write(b"new")
        file.flush()
        assert older.read_bytes() == b"older"
    assert older.read_bytes() == b"new"


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, DataError("x"), ZeroDivisionError, MemoryError])
def test_an_error_of_the_body_passes_unchanged_and_leaves_the_older_file(error, older):
    expected = error if isinstance(error, type) else type(error)
    with pytest.raises(expected), atomic_write(older) as file:
        fail_after(file, error)
    assert older.read_bytes() == b"older"
    assert names(older) == ["scores.csv"]


@pytest.mark.parametrize("step", ["open", "fsync", "replace"])
@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
def test_a_failure_at_any_step_leaves_the_older_file(step, error, older, monkeypatch):
    def fail(*arguments, **options):
        raise error

    monkeypatch.setattr(os, step, fail)
    expected = FileError if isinstance(error, OSError) else KeyboardInterrupt
    with pytest.raises(expected) as caught, atomic_write(older) as file:
        file.write(b"half")
    monkeypatch.undo()
    if expected is FileError:
        assert caught.value.details == "no space left on the disk"
        assert str(older) in caught.value.what
    assert older.read_bytes() == b"older"
    assert names(older) == ["scores.csv"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's always full device")
def test_a_device_that_is_really_full_is_told_in_words():
    with pytest.raises(FileError, match="no space left on the disk"), atomic_write("/dev/full") as file:
        file.write(b"x" * 100_000)
    assert stat.S_ISCHR(os.stat("/dev/full").st_mode)  # and it is still a device


def test_an_error_about_another_file_is_not_taken_for_ours(older):
    with pytest.raises(FileNotFoundError, match=r"absent\.csv"), atomic_write(older) as file:
        file.write(Path("absent.csv").read_bytes())
    assert names(older) == ["scores.csv"]


def test_a_file_error_of_the_body_keeps_its_words(older):
    with pytest.raises(FileError, match="cannot read weights"), atomic_write(older):
        raise FileError("cannot read weights")


def test_a_missing_folder_is_named_with_a_hint(tmp_path):
    with pytest.raises(MissingFileError) as caught, atomic_write(tmp_path / "out" / "a.csv"):
        raise AssertionError("the body must not run")
    assert "out" in caught.value.details
    assert "mkdir" in caught.value.hint


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("", "a folder"),
        ("a\0b", "zero byte"),
        ("x" * 300, "too long"),
        ("x" * 300 + "/a", "does not exist"),
        ("scores.csv/a", "is a file, not a folder"),
    ],
)
def test_a_path_that_cannot_be_a_file_is_refused(name, says, older):
    with pytest.raises(FileError, match=says), atomic_write(f"{older.parent}/{name}") as file:
        file.write(b"x")
    assert names(older) == ["scores.csv"]


def test_a_name_as_long_as_the_system_allows_is_fine(tmp_path):
    with atomic_write(tmp_path / ("x" * 255)) as file:
        file.write(b"x")


@posix
@pytest.mark.parametrize("umask", [0o022, 0o077, 0o007])
def test_the_mode_of_a_new_file_follows_the_umask(umask, tmp_path):
    before = os.umask(umask)
    try:
        with atomic_write(tmp_path / "a") as file:
            file.write(b"x")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o666 & ~umask


@posix
@pytest.mark.parametrize("mode", [0o600, 0o664, 0o755])
def test_the_older_file_keeps_its_permissions(mode, older):
    older.chmod(mode)
    with atomic_write(older) as file:
        temporary = next(path for path in older.parent.iterdir() if path != older)
        assert stat.S_IMODE(temporary.stat().st_mode) & ~mode == 0  # never wider, not even for a moment
        file.write(b"x")
    assert stat.S_IMODE(older.stat().st_mode) == mode


@posix
@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may write everything")
def test_a_read_only_file_is_not_replaced(older):
    older.chmod(0o444)
    with pytest.raises(FileError, match="permission denied"), atomic_write(older) as file:
        file.write(b"x")


def test_a_file_that_may_not_be_written_is_not_replaced(older, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(FileError, match="permission denied"), atomic_write(older) as file:
        file.write(b"x")
    assert older.read_bytes() == b"older"


@posix
def test_a_link_is_followed_not_replaced(older, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(older)
    with atomic_write(link) as file:
        file.write(b"new")
    assert link.is_symlink()
    assert older.read_bytes() == b"new"


@posix
def test_devices_are_written_not_replaced():
    with atomic_write(os.devnull) as file:
        file.write(b"x")
    assert stat.S_ISCHR(os.stat(os.devnull).st_mode)


def test_a_file_that_the_body_closed_is_an_error_without_leftovers(older):
    with pytest.raises(ValueError, match="closed"), atomic_write(older) as file:
        file.close()
    assert names(older) == ["scores.csv"]


def test_an_unknown_mode_is_refused(tmp_path):
    with pytest.raises(ValueError, match="mode must be"), atomic_write(tmp_path / "a", "a"):
        pass
    assert not list(tmp_path.iterdir())


def test_reasons_that_we_have_no_words_for_are_the_systems_own():
    assert file_error(OSError(errno.EDOM, "Numerical oddity"), "a", "read").details == "numerical oddity"
    assert file_error(OSError(), "a", "read").details == "oserror"
