"""The ``.fold`` file: a trained model as a zip of JSON and one safetensors file.

==================== =============================================================================
entry                content
==================== =============================================================================
manifest.json        format version, estimator, task, versions; size and SHA-256 of the others
schema.json          columns, types, categories, ranges
prep.json            what the preparation learned: medians, scales, categories
weights.safetensors  the numbers of the network, stored uncompressed
history.jsonl        the run, one JSON object a line
reference.json       sketches of the training data, for drift
card.md              the model card, for people
==================== =============================================================================

Versions are ``[major, minor]``. A newer minor version may add keys, which older readers ignore; a new
entry, or a changed meaning, is a new major version, which they refuse by name.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeGuard

from planefold.core.files import atomic_write, file_error
from planefold.saving import weights as safetensors
from planefold.saving.container import CHUNK, CONTENT, FREE_OF_RATIO, MANIFEST, MAX_RATIO, MAX_SIZES, Container, Entry
from planefold.saving.refusal import RefusalError, quoted
from planefold.saving.strict_json import (
    MAX_HISTORY_VALUES,
    MAX_LINES,
    MAX_VALUES,
    count_values,
    decode,
    parse_lines,
    parse_object,
    write_json,
    write_lines,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# errors.py is imported where an error is raised, not above: it needs NumPy, and `planefold inspect` does not.

FORMAT = "planefold"
FORMAT_VERSION = (1, 0)


@dataclass(frozen=True, kw_only=True, eq=False)  # eq would compare arrays, which have no one answer
class Fold:
    """Everything that a ``.fold`` file holds.

    Objects are written with sorted keys: where an order matters (columns), use a list.

    Parameters
    ----------
    manifest : dict
        Estimator class, task, ``created`` (ISO, UTC), ``versions``, ``n_parameters`` and any other JSON.
        ``format``, ``format_version`` and ``entries`` are set by `write_fold`.
    schema, prep, reference : dict
        JSON objects; their meaning belongs to the data layer.
    weights : dict of str to array
        Finite numbers or bool, of any shape, at most 4 GiB together.
    history : tuple of str
        One JSON object a line, as ``Run.to_lines`` writes them.
    card : str
        Markdown.
    """

    manifest: dict[str, Any]
    schema: dict[str, Any] = field(default_factory=dict)
    prep: dict[str, Any] = field(default_factory=dict)
    weights: dict[str, NDArray[Any]] = field(default_factory=dict)
    history: tuple[str, ...] = ()
    reference: dict[str, Any] = field(default_factory=dict)
    card: str = ""


def write_fold(path: str | os.PathLike[str], fold: Fold) -> Path:
    """Write a model file, all of it or nothing.

    Parameters
    ----------
    path : path-like
        Where it goes, usually ``*.fold``. An older file is replaced only when the new one is complete.
    fold : Fold
        What to write. Equal content gives equal bytes (with the same zlib).

    Returns
    -------
    Path
        ``path``.

    Raises
    ------
    ModelFileError
        If weights are nan or infinite, or a value is not JSON (the message names it); before any file is
        touched.
    FileError
        If the system refuses: no such folder, no permission, no space left.

    Notes
    -----
    A nan or an infinity in the history (a run that diverged) is written as null: JSON has neither. One pass
    over the weights hashes them, another writes them; no copy of them is made.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> target = Path(tempfile.mkdtemp()) / "small.fold"
    >>> fold = Fold(manifest={"estimator": "MLPRegressor"}, weights={"w": np.arange(3.0)})
    >>> read_fold(write_fold(target, fold)).weights["w"]
    array([0., 1., 2.])
    """
    with _refusals_as_errors(f"the model cannot be saved as {os.fspath(path)}", hint=None):
        texts = {
            "schema.json": _write_object(fold.schema, "schema"),
            "prep.json": _write_object(fold.prep, "prep"),
            "history.jsonl": write_lines(fold.history, "history"),
            "reference.json": _write_object(fold.reference, "reference"),
            "card.md": _encode_card(fold.card),
        }
        header, pieces = safetensors.pack_arrays(fold.weights)
        entries = {name: {"sha256": _sha256(data), "size": len(data)} for name, data in texts.items()}
        entries[safetensors.NAME] = {
            "sha256": _sha256(header, *safetensors.chunks(pieces)),
            "size": len(header) + sum(piece.size for piece in pieces),
        }
        ours = {"format": FORMAT, "format_version": list(FORMAT_VERSION), "entries": entries}
        texts[MANIFEST] = _write_object(fold.manifest | ours, "manifest", indent=2)
        _check_limits(texts)
    with atomic_write(path) as file:
        _write_zip(file, texts, header, pieces)
    return Path(path)


def read_fold(path: str | os.PathLike[str]) -> Fold:
    """Read a model file and check everything in it; no code of the file's maker is ever run.

    Returns
    -------
    Fold
        Its weights are views of one buffer, which nobody else uses: they may be changed.

    Raises
    ------
    ModelFileError
        If the file is damaged, hostile, or of a newer major version. Whatever the bytes are, there is no
        other error.
    MissingFileError, FileError
        If there is no such file, or the system does not let us read it.

    Notes
    -----
    Memory is bounded by the size of the file: for weights by what it really holds, for the rest by 200
    times its packed size, up to 64 MiB and a million values an entry (history: 256 MiB, three million).
    """
    with _opened(path) as container:
        manifest = _read_manifest(container)
        schema, prep, reference = (
            parse_object(_read_checked(container, manifest, name), name)
            for name in ("schema.json", "prep.json", "reference.json")
        )
        return Fold(
            manifest=manifest,
            schema=schema,
            prep=prep,
            weights=_read_weights(container, manifest),
            history=parse_lines(_read_checked(container, manifest, "history.jsonl"), "history.jsonl"),
            reference=reference,
            card=decode(_read_checked(container, manifest, "card.md"), "card.md"),
        )


def read_summary(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read what can be told about a model without its weights, and without importing NumPy.

    Returns
    -------
    dict
        ``manifest`` and ``schema`` (checked as by `read_fold`); ``tensors``: for each array its ``dtype``
        and ``shape`` from the header of the weights, whose numbers are not read and whose hash is
        therefore not checked; ``sizes``: bytes of every entry; ``file_size``: bytes on the disk.

    Raises
    ------
    ModelFileError, MissingFileError, FileError
        As `read_fold`.
    """
    with _opened(path) as container:
        manifest = _read_manifest(container)
        schema = parse_object(_read_checked(container, manifest, "schema.json"), "schema.json")
        with container.open(safetensors.NAME) as entry:
            places = _read_header(entry)
        return {
            "manifest": manifest,
            "schema": schema,
            "tensors": {
                name: {"dtype": place.dtype, "shape": list(place.shape)} for name, place in sorted(places.items())
            },
            "sizes": container.sizes,
            "file_size": container.n_bytes,
        }


# ---------------------------------------------------------------------------------------------- writing


def _write_object(value: object, where: str, *, indent: int | None = None) -> bytes:
    if not isinstance(value, dict):
        raise RefusalError(f"{where} must be a dict, not {type(value).__name__}")
    return write_json(value, where, indent=indent)


def _encode_card(card: str) -> bytes:
    if not isinstance(card, str):
        raise RefusalError(f"card must be text, not {type(card).__name__}")
    return card.encode(errors="replace")  # half a surrogate pair is not worth losing a model


def _sha256(*parts: bytes | memoryview) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()


def _check_limits(texts: Mapping[str, bytes]) -> None:
    """Refuse to write what `read_fold` would refuse to read."""
    for name, data in texts.items():
        if len(data) > MAX_SIZES[name]:
            raise RefusalError(f"{name} has {len(data)} bytes; a .fold file holds at most {MAX_SIZES[name]}")
        if name == "card.md":
            continue
        n_values, limit = count_values(data.decode()), MAX_HISTORY_VALUES if name == "history.jsonl" else MAX_VALUES
        if n_values > limit:
            raise RefusalError(f"{name} has about {n_values} values; a .fold file holds at most {limit}")
    n_lines = texts["history.jsonl"].count(b"\n")
    if n_lines > MAX_LINES:
        raise RefusalError(f"history.jsonl has {n_lines} lines; a .fold file holds at most {MAX_LINES}")


def _write_zip(file: IO[bytes], texts: Mapping[str, bytes], header: bytes, pieces: list[NDArray[np.uint8]]) -> None:
    with zipfile.ZipFile(file, "w") as archive:
        for name in (MANIFEST, *CONTENT):
            if name == safetensors.NAME:
                info = _zip_info(name, zipfile.ZIP_STORED, len(header) + sum(piece.size for piece in pieces))
                with archive.open(info, "w") as entry:
                    entry.write(header)
                    for chunk in safetensors.chunks(pieces):
                        entry.write(chunk)
            else:
                data = texts[name]
                archive.writestr(_zip_info(name, _method(data), len(data)), data)


def _zip_info(name: str, method: int, size: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))  # the same bytes whenever it is written
    info.compress_type = method
    info.create_system = 3
    info.external_attr = (stat.S_IFREG | 0o644) << 16
    info.file_size = size  # tells zipfile whether it needs the 64-bit layout
    return info


def _method(data: bytes) -> int:
    # The reader takes what unpacks to 200 times its size for a bomb: monotonous text is stored as it is.
    if len(data) > FREE_OF_RATIO and len(data) > MAX_RATIO // 2 * len(zlib.compress(data)):
        return zipfile.ZIP_STORED
    return zipfile.ZIP_DEFLATED


# ---------------------------------------------------------------------------------------------- reading


@contextlib.contextmanager
def _opened(path: str | os.PathLike[str]) -> Iterator[Container]:
    what = f"{os.fspath(path)} cannot be read as a model"
    try:
        n_bytes = _check_file(path)
        with _refusals_as_errors(what, hint="copy the file again, or save the model again"), open(path, "rb") as file:
            yield Container(file, n_bytes)
    except FileNotFoundError as error:
        raise _missing_file(path) from error
    except OSError as error:
        raise file_error(error, path, "read") from error


def _check_file(path: str | os.PathLike[str]) -> int:
    if "\0" in os.fspath(path):
        raise FileNotFoundError
    status = os.stat(path)
    if not stat.S_ISREG(status.st_mode):  # opening a pipe would wait for ever
        what = "it is a folder" if stat.S_ISDIR(status.st_mode) else "it is not a regular file"
        raise OSError(what)
    return status.st_size


@contextlib.contextmanager
def _refusals_as_errors(what: str, *, hint: str | None) -> Iterator[None]:
    try:
        yield
    except RefusalError as refusal:
        from planefold.core.errors import ModelFileError

        raise ModelFileError(what, details=refusal.details, hint=refusal.hint or hint) from None
    except RecursionError:
        from planefold.core.errors import ModelFileError

        raise ModelFileError(what, details="nested too deeply", hint=hint) from None
    except MemoryError:
        from planefold.core.errors import ModelFileError

        raise ModelFileError(what, details="it needs more memory than there is", hint="close other programs") from None


def _missing_file(path: str | os.PathLike[str]) -> Exception:
    from planefold.core.errors import MissingFileError, did_you_mean, listed, show

    named = Path(path)
    if "\0" in os.fspath(path):
        return MissingFileError("the name of a file cannot hold a zero byte", details=show(os.fspath(path)))
    try:
        names = sorted(entry.name for entry in os.scandir(named.parent) if entry.name.endswith(".fold"))
    except OSError:
        details = f'the folder "{named.parent}" does not exist or cannot be listed'
        return MissingFileError(f"there is no model file {named}", details=details)
    near = did_you_mean(named.name, names) or did_you_mean(f"{named.name}.fold", names)
    return MissingFileError(
        f"there is no model file {named}",
        details=f"*.fold there: {listed(names)}" if names else f"no *.fold files in {named.parent.absolute()}",
        hint=f"did you mean {named.parent / near}?" if near else None,
    )


def _read_manifest(container: Container) -> dict[str, Any]:
    """Read the manifest, the version first: a newer major version may differ in everything else."""
    manifest = parse_object(container.read(MANIFEST)[0], MANIFEST)
    if manifest.get("format") != FORMAT:
        raise RefusalError(f'{MANIFEST}: format is {quoted(manifest.get("format"))}, not "{FORMAT}"')
    version = manifest.get("format_version")
    if not _is_version(version):
        raise RefusalError(f"{MANIFEST}: format_version {quoted(version)} is not [major, minor]")
    if version[0] > FORMAT_VERSION[0]:
        versions = manifest.get("versions")
        newer = versions.get("planefold") if isinstance(versions, dict) else None
        raise RefusalError(
            f"it was written by a newer planefold{f' ({quoted(newer)})' if newer else ''}, in format "
            f"{version[0]}.{version[1]}; this one reads up to {FORMAT_VERSION[0]}.x",
            hint="pip install --upgrade planefold",
        )
    container.check_complete()
    _check_entries(manifest.get("entries"), container.sizes)
    return manifest


def _is_version(version: Any) -> TypeGuard[list[int]]:
    return (
        isinstance(version, list)
        and len(version) == 2
        and all(type(part) is int and 0 <= part < 10**6 for part in version)
        and version[0] >= 1
    )


def _check_entries(entries: Any, sizes: Mapping[str, int]) -> None:
    if not isinstance(entries, dict) or set(entries) != set(CONTENT):
        raise RefusalError(f"{MANIFEST}: entries does not list the entries of the file")
    for name, entry in entries.items():
        size, digest = (entry.get("size"), entry.get("sha256")) if isinstance(entry, dict) else (None, None)
        if type(size) is not int or not isinstance(digest, str):
            raise RefusalError(f"{MANIFEST}: the entry of {name} has no size or no sha256")
        if size != sizes[name]:
            raise RefusalError(f"{name} has {sizes[name]} bytes; the manifest says {size}")


def _check_hash(manifest: dict[str, Any], name: str, digest: str) -> None:
    if manifest["entries"][name]["sha256"] != digest:
        raise RefusalError(f"{name} is not what the manifest says (another SHA-256)")


def _read_checked(container: Container, manifest: dict[str, Any], name: str) -> bytes:
    data, digest = container.read(name)
    _check_hash(manifest, name, digest)
    return data


def _read_header(entry: Entry) -> dict[str, safetensors.Place]:
    length = safetensors.parse_header_length(entry.read_exactly(min(8, entry.size)), entry.size)
    return safetensors.parse_header(entry.read_exactly(length), entry.size - 8 - length)


def _read_weights(container: Container, manifest: dict[str, Any]) -> dict[str, NDArray[Any]]:
    import numpy as np

    with container.open(safetensors.NAME) as entry:
        places = _read_header(entry)
        # Stored entries lie in the file as they are, so this allocates no more than the file has.
        data = np.empty(max((place.end for place in places.values()), default=0), dtype=np.uint8)
        for start in range(0, data.size, CHUNK):
            stop = min(start + CHUNK, data.size)
            data[start:stop] = np.frombuffer(entry.read_exactly(stop - start), dtype=np.uint8)
        _check_hash(manifest, safetensors.NAME, entry.finish())
    return safetensors.build_arrays(places, data)
