"""The zip around a model, read as if a stranger had sent it.

`zipfile` does the decoding; everything that a hostile file could use against it is checked before: the
directory is small, the names are ours and come once, no entry shares a byte with another, nothing lies
between, before or behind them, and sizes are believed only as far as the bytes really arrive.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from typing import IO

from planefold.saving import weights
from planefold.saving.refusal import RefusalError, quoted

MANIFEST = "manifest.json"
CONTENT = ("schema.json", "prep.json", weights.NAME, "history.jsonl", "reference.json", "card.md")
NAMES = (MANIFEST, *CONTENT)

MAX_SIZES = dict.fromkeys(NAMES, 64 * 2**20) | {weights.NAME: weights.MAX_BYTES, "history.jsonl": 256 * 2**20}
# Bytes that come out for each that went in. Deflate can reach 1032; the writer stores what would pass half of ours.
MAX_RATIO = 200
FREE_OF_RATIO = 2**20
MAX_DIRECTORY = 2**16  # seven entries take less than 1000 bytes
CHUNK = 2**20

_ENCRYPTED = 0x1 | 0x40 | 0x2000
_PATCHED = 0x20
_HAS_DESCRIPTOR = 0x8
# What zipfile and zlib raise on damaged input; RuntimeError includes NotImplementedError.
_DAMAGE = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, ValueError, RuntimeError, OverflowError, LookupError)


class Container:
    """A zip whose directory has been checked; entries are read one at a time.

    Parameters
    ----------
    file : binary file
        Open for reading and seekable.
    n_bytes : int
        Its length.
    """

    def __init__(self, file: IO[bytes], n_bytes: int) -> None:
        self.n_bytes = n_bytes
        _check_ends(file, n_bytes)
        with _damage_refused("the zip directory"):
            self._zip = zipfile.ZipFile(file)
        self._entries = _check_names(self._zip.infolist())
        with _damage_refused("the zip directory"):
            _check_places(file, self._zip.infolist(), self._zip.start_dir)

    @property
    def sizes(self) -> dict[str, int]:
        """Bytes of every entry when unpacked, as declared (reading checks it)."""
        return {name: entry.file_size for name, entry in self._entries.items()}

    def check_complete(self) -> None:
        """Refuse a file that lacks an entry or has one that this version does not know."""
        missing = [name for name in NAMES if name not in self._entries]
        if missing:
            raise RefusalError(f"{missing[0]} is missing")
        extra = [name for name in self._entries if name not in NAMES]
        if extra:
            raise RefusalError(f"the entry {quoted(extra[0])} does not belong there")

    @contextlib.contextmanager
    def open(self, name: str) -> Iterator[Entry]:
        """Open an entry after checking its declared size."""
        info = self._entries.get(name)
        if info is None:
            raise RefusalError(f"{name} is missing")
        _check_size(info)
        with _damage_refused(name), self._zip.open(info) as file:
            yield Entry(file, info)

    def read(self, name: str) -> tuple[bytes, str]:
        """Read an entry whole; return its bytes and their SHA-256."""
        with self.open(name) as entry:
            parts = list(iter(entry.read_chunk, b""))
            return b"".join(parts), entry.finish()


class Entry:
    """An open entry that counts and hashes what is read from it."""

    def __init__(self, file: IO[bytes], info: zipfile.ZipInfo) -> None:
        self._file = file
        self._name = info.filename
        self.size = info.file_size
        self._left = info.file_size
        self._hash = hashlib.sha256()

    def read_chunk(self, n_bytes: int = CHUNK) -> bytes:
        """Read up to ``n_bytes``; empty at the end. More bytes than declared are refused."""
        data = self._file.read(n_bytes)
        self._left -= len(data)
        if self._left < 0:
            raise RefusalError(f"{self._name}: more bytes than declared")
        self._hash.update(data)
        return data

    def read_exactly(self, n_bytes: int) -> bytes:
        """Read ``n_bytes``, or refuse."""
        parts = []
        while n_bytes and (data := self.read_chunk(min(n_bytes, CHUNK))):
            parts.append(data)
            n_bytes -= len(data)
        if n_bytes:
            raise RefusalError(f"{self._name}: fewer bytes than declared")
        return b"".join(parts)

    def finish(self) -> str:
        """Check that everything was read, and return its SHA-256."""
        if self.read_chunk(1) or self._left:  # this read also makes zipfile check the CRC
            raise RefusalError(f"{self._name}: another length than declared")
        return self._hash.hexdigest()


@contextlib.contextmanager
def _damage_refused(where: str) -> Iterator[None]:
    try:
        yield
    except _DAMAGE as error:
        raise RefusalError(f"{where} is damaged ({quoted(str(error))})") from None
    except OSError as error:
        if error.errno != errno.EINVAL:  # a seek to before the file; anything else is the disk's fault
            raise
        raise RefusalError(f"{where} is damaged (a place outside the file)") from None


def _check_ends(file: IO[bytes], n_bytes: int) -> None:
    """Check the first and the last bytes before `zipfile` reads a directory of whatever size they say."""
    file.seek(0)
    if file.read(4) != b"PK\3\4":
        raise RefusalError("it does not begin like a .fold file", hint="a .fold file is what model.save() writes")
    file.seek(max(0, n_bytes - 98))
    tail = file.read(98)
    if len(tail) < 98 or tail[-22:-18] != b"PK\5\6" or tail[-2:] != b"\0\0":
        raise RefusalError("the end is missing: the file was cut, or something was added behind it")
    size: int = struct.unpack("<L", tail[-10:-6])[0]
    n_before_end = n_bytes - 22
    if tail[-42:-38] == b"PK\6\7":  # files above 2 GiB: a longer record stands before, and zipfile believes it
        if tail[:4] != b"PK\6\6":
            raise RefusalError("the zip directory is damaged")
        size = struct.unpack("<Q", tail[40:48])[0]
        n_before_end = n_bytes - 98
    if size > min(MAX_DIRECTORY, n_before_end):
        raise RefusalError(f"the zip directory is said to have {size} bytes")


def _check_names(infos: list[zipfile.ZipInfo]) -> dict[str, zipfile.ZipInfo]:
    entries: dict[str, zipfile.ZipInfo] = {}
    for info in infos:
        name = info.orig_filename  # .filename is already cut at a zero byte
        shown = quoted(name)
        if name.endswith("/") or info.external_attr & 0x10:
            raise RefusalError(f"the entry {shown} is a folder")
        if name != info.filename or any(mark in name for mark in ("/", "\\", ":", "\0")) or name in ("", ".", ".."):
            raise RefusalError(f"the entry {shown} names a place outside the file")
        if name in entries:
            raise RefusalError(f"the entry {shown} comes twice")
        if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG):
            raise RefusalError(f"the entry {shown} is a link or a device")
        if info.flag_bits & _ENCRYPTED:
            raise RefusalError(f"the entry {shown} is encrypted")
        if info.flag_bits & _PATCHED or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise RefusalError(f"the entry {shown} is packed in a way that .fold files are not")
        entries[name] = info
    return entries


def _check_places(file: IO[bytes], infos: list[zipfile.ZipInfo], start_of_directory: int) -> None:
    """Check that the entries fill the file from its first byte to the directory, each byte used once."""
    end = 0
    for info in sorted(infos, key=lambda info: info.header_offset):
        if info.header_offset != end:
            raise RefusalError(f"the entry {quoted(info.filename)} overlaps another, or leaves a gap")
        file.seek(info.header_offset)
        header = file.read(30)
        if len(header) < 30 or header[:4] != b"PK\3\4":
            raise RefusalError(f"the entry {quoted(info.filename)} has no header")
        n_name, n_extra = struct.unpack("<HH", header[26:30])
        end += 30 + n_name + n_extra + info.compress_size
        if info.flag_bits & _HAS_DESCRIPTOR:  # written to a pipe: sizes follow the data
            end += _descriptor_length(file, end)
    if end != start_of_directory:
        raise RefusalError("the last entry overlaps the zip directory, or leaves a gap")


def _descriptor_length(file: IO[bytes], position: int) -> int:
    file.seek(position)
    following = file.read(28)
    for length in (16, 24):
        if following[:4] == b"PK\7\x08" and following[length : length + 2] == b"PK":
            return length
    raise RefusalError("the zip directory is damaged")


def _check_size(info: zipfile.ZipInfo) -> None:
    name, size, packed = info.filename, info.file_size, info.compress_size
    if size > MAX_SIZES[name]:
        raise RefusalError(f"{name} has {size} bytes unpacked; at most {MAX_SIZES[name]} are read")
    if info.compress_type == zipfile.ZIP_STORED:
        if size != packed:
            raise RefusalError(f"{name}: another length than declared")
    elif name == weights.NAME:
        raise RefusalError(f"{name} is compressed; in .fold files it is stored as it is")
    elif size > FREE_OF_RATIO and size > MAX_RATIO * packed:
        raise RefusalError(f"{name} unpacks to more than {MAX_RATIO} times its size, which no model does")
