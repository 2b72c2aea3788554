"""What the commands on folders of pictures and sounds share: which of the two it is, reading, words for errors."""

from __future__ import annotations

import contextlib
import os
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from planefold.cli.flags import errors_in_flags, messages
from planefold.core.errors import DataError, PlanefoldError, listed

if TYPE_CHECKING:
    from planefold.data.folders import Kind

# Estimators that learn from files, as the manifest of a model's file names them -> what they read.
OF_FILES = {"ImageClassifier": "pictures", "ImageRegressor": "pictures", "SoundClassifier": "sounds"}


def kinds() -> dict[str, Kind]:
    """Return the kinds of files that there are, by their names."""
    from planefold.data.images.formats import PICTURE
    from planefold.data.sounds.decoding import SOUND

    return {kind.plural: kind for kind in (PICTURE, SOUND)}


def kind_of_folder(folder: Path) -> Kind:
    """Tell by the endings of the names of its files whether a folder holds pictures or sounds.

    Raises
    ------
    DataError
        If it holds both, or neither.
    """
    from planefold.data.folders import readable

    found: Counter[str] = Counter(os.path.splitext(name)[1].lower() for name in _files_in(str(folder)))
    counts = {kind: sum(found[end] for end in kind.endings) for kind in kinds().values()}
    there = [kind for kind, count in counts.items() if count]
    name = readable(str(folder))
    if len(there) == 1:
        return there[0]
    if there:
        both = " and ".join(_counted(kind, counts[kind]) for kind in there)
        raise DataError(f"{name} holds {both}: it is not clear what to learn from",
                        hint="keep them in folders of their own")  # fmt: skip
    if found[".csv"] or found[".tsv"]:
        from planefold.data import read_table

        read_table(folder)  # its error names the tables
    others = listed((f"{count:,} {readable(end) or 'without ending'}" for end, count in found.most_common()), 6)
    raise DataError(
        f"{name} holds neither pictures nor sounds",
        details=f"other files: {others}" if found else "there are no files in it",
        hint="pictures end in .png, .jpg and the like, sounds in .wav, .flac and the like; one folder for each class",
    )


def _counted(kind: Kind, count: int) -> str:
    return f"{count:,} {kind.singular if count == 1 else kind.plural}"


def _files_in(folder: str) -> Iterator[str]:
    """Yield the names of all files, those below links too; links in a circle end."""
    seen: set[tuple[int, int]] = set()
    for here, folders, files in os.walk(folder, followlinks=True):
        with contextlib.suppress(OSError):
            status = os.stat(here)
            if (status.st_dev, status.st_ino) in seen:
                folders.clear()
                continue
            seen.add((status.st_dev, status.st_ino))
        folders[:] = [name for name in folders if not name.startswith(".") and name != "__MACOSX"]
        yield from (name for name in files if not name.startswith("."))


def read_files(kind: Kind, source: Any, **how: Any) -> tuple[Any, list[str]]:
    """Read pictures or sounds; return them, and what a person should know of them."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        if kind.plural == "pictures":
            from planefold.data.images import read_pictures

            rows: Any = read_pictures(source, **how)
        else:
            from planefold.data.sounds import read_sounds

            rows = read_sounds(source, **how)
    return rows, [*messages(caught), *getattr(rows, "notes", ())]


@contextlib.contextmanager
def errors_of_files(group: str | None = None) -> Iterator[None]:
    """Let errors of the body speak of flags, of those that are for files too."""
    from planefold.core.errors import show

    said = {'errors="skip" (--skip-broken)': "--skip-broken", 'errors="skip"': "--skip-broken"}
    if group is not None:
        said[f"groups={show(group)}"] = f"--group {group}"
    try:
        with errors_in_flags():
            yield
    except PlanefoldError as error:
        for python, flag in said.items():
            error.what = error.what.replace(python, flag)
            error.hint = error.hint and error.hint.replace(python, flag)
        raise


def class_counts(labels: Any) -> dict[str, int]:
    """Count the files of each class, in the order of the classes."""
    counts = Counter(map(str, labels.tolist()))
    return {name: counts[name] for name in sorted(counts)}


def described(rows: Any, kind: Kind) -> str:
    """Say in one line what was read."""
    n = f"{len(rows):,} {kind.singular if len(rows) == 1 else kind.plural}"
    if kind.plural == "sounds":
        told = f"{n} of {rows.seconds:.4g} s at {rows.rate:,} Hz"
    else:
        _, height, width, channels = rows.shape
        told = f"{n}, {height} x {width} (height x width), {'grey' if channels == 1 else 'colours'}"
    if rows.labels is None:
        return told
    return f"{told}: " + listed((f"{name} {count:,}" for name, count in class_counts(rows.labels).items()), 10)
