"""Writing files so that nobody ever sees half of one."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal, overload

if TYPE_CHECKING:
    from planefold.core.errors import FileError

# errors.py is imported where an error is raised, not above: it needs NumPy, and `planefold inspect` does not.

_TEMPORARY = ".planefold-"
_REASONS = {
    errno.ENOSPC: ("no space left on the disk", "free some space, or write to another disk"),
    errno.EDQUOT: ("the disk quota of this user is used up", "free some space, or write to another disk"),
    errno.EFBIG: ("the file would be larger than this system allows", "raise the limit (ulimit -f)"),
    errno.EACCES: ("permission denied", "choose a place where you may read and write"),
    errno.EPERM: ("permission denied", "choose a place where you may read and write"),
    errno.EROFS: ("the disk is read-only", "write to another disk"),
    errno.EIO: ("the disk reports a hardware error", "write to another disk"),
    errno.ENAMETOOLONG: ("the name is too long", "choose a shorter name"),
    errno.ENOTDIR: ("a part of the path is a file, not a folder", "check the path"),
    errno.EISDIR: ("it is a folder", "name a file inside it"),
    errno.ELOOP: ("the links in the path go round in a circle", "check the path"),
    errno.EMFILE: ("too many files are open", "close some, or raise the limit (ulimit -n)"),
}


def file_error(error: OSError, path: str | os.PathLike[str], action: str) -> FileError:
    """Say in words why the system refused a file.

    Parameters
    ----------
    error : OSError
        What the system said.
    path : path-like
        The file that the user named, which may differ from the one in ``error``.
    action : str
        What was tried: ``"read"`` or ``"write"``.

    Examples
    --------
    >>> print(file_error(OSError(errno.ENOSPC, "..."), "house.fold", "write"))
    cannot write house.fold
      no space left on the disk
      hint: free some space, or write to another disk
    """
    from planefold.core.errors import FileError

    fallback = ((error.strerror or str(error) or type(error).__name__).lower(), None)
    reason, hint = _REASONS.get(error.errno or 0, fallback)
    return FileError(f"cannot {action} {os.fspath(path)}", details=reason, hint=hint)


@overload
def atomic_write(
    path: str | os.PathLike[str], mode: Literal["wb"] = "wb"
) -> contextlib.AbstractContextManager[IO[bytes]]: ...
@overload
def atomic_write(path: str | os.PathLike[str], mode: Literal["w"]) -> contextlib.AbstractContextManager[IO[str]]: ...
@contextlib.contextmanager
def atomic_write(path: str | os.PathLike[str], mode: Literal["wb", "w"] = "wb") -> Iterator[IO[Any]]:
    r"""Open a file for writing that appears under its name only when it is complete.

    The bytes go to a temporary file in the same folder, which is flushed to the disk and then takes the
    place of ``path`` in one step. When anything goes wrong on the way (disk full, Ctrl-C, an error in the
    body), the temporary file is removed and an older file at ``path`` stays as it was.

    Parameters
    ----------
    path : path-like
        Where the file goes. A link is followed; an older file keeps its permissions. A pipe or a
        character device (``/dev/stdout``) is written directly, as it cannot be replaced.
    mode : {"wb", "w"}, default "wb"
        Bytes, or text in UTF-8 with line ends as given (what the csv module asks for).

    Yields
    ------
    file
        A file object for writing.

    Raises
    ------
    MissingFileError
        If the folder does not exist.
    FileError
        If the system refuses, with its reason in words. Errors of the body that are not about this file
        pass unchanged.

    Notes
    -----
    A process that is killed outright (SIGKILL, power cut) can leave a ``.planefold-*.tmp`` file behind,
    never half a file under ``path``.

    Examples
    --------
    >>> import tempfile
    >>> target = Path(tempfile.mkdtemp()) / "scores.csv"
    >>> with atomic_write(target, "w") as file:
    ...     _ = file.write("epoch,loss\n")
    >>> target.read_text()
    'epoch,loss\n'
    """
    if mode not in ("wb", "w"):
        raise ValueError(f"mode must be 'wb' or 'w', not {mode!r}")
    if "\0" in os.fspath(path):
        raise file_error(OSError("the name of a file cannot hold a zero byte"), path, "write")
    target = Path(os.path.realpath(path))
    try:
        _check_folder(path, target.parent)
        older = _mode_of(target)
        if older is not None and (stat.S_ISCHR(older) or stat.S_ISFIFO(older)):
            with _open(target, mode) as file:
                yield file
        else:
            with _replacing(target, mode, older) as file:
                yield file
    except OSError as error:
        if _is_about_another_file(error, target):
            raise
        raise file_error(error, path, "write") from error


def _check_folder(path: str | os.PathLike[str], folder: Path) -> None:
    if not os.path.exists(folder):
        from planefold.core.errors import MissingFileError

        named = Path(path).parent
        raise MissingFileError(
            f"cannot write {os.fspath(path)}",
            details=f'the folder "{named}" does not exist',
            hint=f'create it first (mkdir -p "{named}"), or write to a folder that exists',
        )


def _mode_of(target: Path) -> int | None:
    """Type and permissions of the file that is there, or None; refuse what must not be replaced."""
    try:
        mode = target.stat().st_mode
    except FileNotFoundError:
        return None
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, "it is a folder")
    if stat.S_ISBLK(mode) or stat.S_ISSOCK(mode):
        raise OSError(errno.EINVAL, "it is a device or a socket, not a file")
    if not os.access(target, os.W_OK):  # os.replace would not ask
        raise PermissionError(errno.EACCES, "permission denied")
    return mode


@contextlib.contextmanager
def _replacing(target: Path, mode: str, older: int | None) -> Iterator[IO[Any]]:
    # A short name of its own: with the target's name in it, a long one would pass the limit of 255 bytes.
    temporary = target.parent / f"{_TEMPORARY}{secrets.token_hex(8)}.tmp"
    file = None
    try:
        # 0o666 less the umask, as open() does; an older private file stays private from the first byte.
        permissions = 0o666 if older is None else stat.S_IMODE(older)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
        file = _open(os.open(temporary, flags, permissions & 0o777), mode)
        yield file
        file.flush()
        os.fsync(file.fileno())
        file.close()
        if older is not None:
            os.chmod(temporary, permissions)  # the umask may have taken bits that the older file has
        os.replace(temporary, target)
    except BaseException:
        with contextlib.suppress(OSError, ValueError):
            if file is not None:
                file.close()  # tries to flush once more, and may fail once more
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    _sync_folder(target.parent)


def _open(file: int | Path, mode: str) -> IO[Any]:
    return open(file, "wb") if mode == "wb" else open(file, "w", encoding="utf-8", newline="")


def _sync_folder(folder: Path) -> None:
    """Make the new name itself survive a power cut, where the system can."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _is_about_another_file(error: OSError, target: Path) -> bool:
    from planefold.core.errors import PlanefoldError

    if isinstance(error, PlanefoldError):  # a FileError is an OSError too, and says already what it has to say
        return True
    # Errors of writing carry no name; one that is neither ours nor our temporary file's came from the body.
    name = error.filename
    return name is not None and str(name) != str(target) and not os.path.basename(str(name)).startswith(_TEMPORARY)
