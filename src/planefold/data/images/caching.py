"""Pictures once read, kept on the disk and mapped into memory; read anew when a file changes or the copy is damaged."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import json
import os
import re
import secrets
import sys
import time
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import PIL
from numpy.typing import NDArray

from planefold.core.errors import FileError, ParameterError, show
from planefold.core.files import atomic_write, file_error
from planefold.data.folders import Listing
from planefold.data.images.pictures import Pictures

VERSION = 1  # of what is read: raised when the same files would give other pixels
_HEADER = 128  # bytes before the pixels
_CHUNK = 1 << 24
_STALE_SECONDS = 86_400  # of a file that a killed program left

# Makes pictures in the room that a function gives for a shape, and says which of the listing they are.
Build = Callable[[Callable[[tuple[int, ...]], NDArray[np.uint8]]], tuple[Pictures, list[int]]]


def cache_folder(cache: Any) -> Path | None:
    """Read ``cache``: None or False, a folder, or True for the one that the system keeps for such files.

    Raises
    ------
    ParameterError
        If it is something else.
    """
    if cache is None or cache is False:
        return None
    if isinstance(cache, str | os.PathLike):
        return Path(cache).expanduser()
    if cache is not True:
        raise ParameterError(f"cache={show(cache)} must be True or a folder")
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "planefold" / "images"


def cached(listing: Listing, request: Mapping[str, Any], folder: Path, build: Build) -> Pictures:
    """Return pictures from the cache, or build them there.

    Parameters
    ----------
    listing : Listing
    request : mapping
        What else decides the pixels: size, color and the like.
    folder : Path
        Where the files lie; made if it is not there.
    build : function
        Is given a function that makes room for pixels, and fills it.

    Notes
    -----
    An entry is an array (``.npy``) and its description (``.json``), which is written last and holds the stamp of the
    files (path, size, times of change) and a checksum of the pixels. An entry whose parts do not fit is built anew.
    When files change, the entry of the same folder is replaced.
    """
    if not all(isinstance(item, str) for item in listing.items):
        raise ParameterError("cache= is for pictures in files", hint="leave it out")
    paths = [os.path.abspath(item) for item in listing.items]
    where = (
        os.path.commonpath(paths) if len({os.path.dirname(path) for path in paths}) > 1 else os.path.dirname(paths[0])
    )
    name = _entry_name(where, listing, request)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise file_error(error, folder, "write") from error
    stamp = _stamp(paths, listing)
    found = _load(folder, name, stamp, listing)
    return _build_entry(folder, name, stamp, listing, build) if found is None else found


def _entry_name(where: str, listing: Listing, request: Mapping[str, Any]) -> str:
    asked = json.dumps([where, listing.source, dict(request)], sort_keys=True, default=str)
    slug = re.sub(r"[^A-Za-z0-9]+", "-", Path(where).name).strip("-")[:40] or "pictures"
    return f"{slug}-{hashlib.sha256(asked.encode('utf-8', 'backslashreplace')).hexdigest()[:16]}"


def _stamp(paths: list[str], listing: Listing) -> str:
    digest = hashlib.sha256(f"{VERSION} {PIL.__version__} {len(paths)}".encode())
    for path, name in zip(paths, listing.names, strict=True):
        try:
            found = os.stat(path)
            facts = (found.st_size, found.st_mtime_ns, found.st_ctime_ns)
        except OSError:
            facts = (-1, -1, -1)
        digest.update(repr((os.fsencode(path), name, facts)).encode())
    return digest.hexdigest()


# --------------------------------------------------------------------------------------------------------- reading


def _load(folder: Path, name: str, stamp: str, listing: Listing) -> Pictures | None:
    """Return what is kept, or None where it is not there, of other files, or damaged."""
    try:
        about = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
        if about["stamp"] != stamp:
            return None
        pixels = np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)
        kept = [int(place) for place in about["kept"]]
        sound = pixels.dtype == np.uint8 and pixels.ndim == 4 and len(pixels) == len(kept)
        if not sound or _checksum(pixels) != about["crc32"]:
            return None
        return Pictures(
            pixels=pixels.view(np.ndarray),
            files=tuple(listing.names[place] for place in kept),
            labels=None if listing.labels is None else listing.labels[kept],
            source=listing.source,
            skipped=tuple((str(file), str(reason)) for file, reason in about["skipped"]),
        )
    except (OSError, ValueError, LookupError, TypeError, EOFError):
        return None


def _checksum(pixels: NDArray[np.uint8]) -> int:
    flat, found = pixels.reshape(-1), 0
    for start in range(0, len(flat), _CHUNK):
        found = zlib.crc32(flat[start : start + _CHUNK].data, found)
    return found


# -------------------------------------------------------------------------------------------------------- building


def _build_entry(folder: Path, name: str, stamp: str, listing: Listing, build: Build) -> Pictures:
    _remove_stale(folder)
    temporary = folder / f".planefold-{secrets.token_hex(8)}.tmp"
    try:
        pictures, kept = build(lambda shape: _room(temporary, shape))
        about = {"stamp": stamp, "kept": kept, "skipped": pictures.skipped, "crc32": _checksum(pictures.pixels),
                 "shape": pictures.shape, "source": listing.source}  # fmt: skip
        shape = pictures.shape
        # The map is closed before the file gets its name: some systems rename no file that is mapped.
        labels, files, skipped = pictures.labels, pictures.files, pictures.skipped
        del pictures
        _finish(temporary, shape)
        os.replace(temporary, folder / f"{name}.npy")
        with atomic_write(folder / f"{name}.json", "w") as file:
            json.dump(about, file)
        pixels = np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False).view(np.ndarray)
        return Pictures(pixels=pixels, files=files, labels=labels, source=listing.source, skipped=skipped)
    except FileError:
        raise
    except OSError as error:
        raise file_error(error, folder, "write") from error
    finally:
        with contextlib.suppress(OSError):
            os.unlink(temporary)


def _room(path: Path, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Make a file with room for the pixels behind a header that is still to be written, and map it."""
    n_bytes = _HEADER + int(np.prod(shape, dtype=np.int64))
    with open(path, "wb") as file:
        file.truncate(n_bytes)
        if hasattr(os, "posix_fallocate"):
            # Room that turns out not to be there while a map is written ends the whole process.
            try:
                os.posix_fallocate(file.fileno(), 0, n_bytes)
            except OSError as error:
                if error.errno not in (errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL):  # not every disk can promise
                    raise
    return np.memmap(path, np.uint8, "r+", offset=_HEADER, shape=shape).view(np.ndarray)


def _finish(path: Path, shape: tuple[int, ...]) -> None:
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": shape})
    if len(header.getvalue()) != _HEADER:
        raise AssertionError("NumPy writes a header of another length")
    with open(path, "r+b") as file:
        file.truncate(_HEADER + int(np.prod(shape, dtype=np.int64)))
        file.write(header.getvalue())
        file.flush()
        os.fsync(file.fileno())


def _remove_stale(folder: Path) -> None:
    with contextlib.suppress(OSError):
        for path in folder.glob(".planefold-*.tmp"):
            with contextlib.suppress(OSError):
                if time.time() - path.stat().st_mtime > _STALE_SECONDS:
                    path.unlink()
