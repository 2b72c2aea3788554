"""`read_sounds`: from folders, files, tables of paths and arrays to one array of sounds."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from planefold.core.errors import DataError, MissingFileError, ParameterError, listed, show, unknown_choice
from planefold.data.folders import Listing, list_folder, list_items, list_table, path_column, readable
from planefold.data.sounds.decoding import LEAST_RATE, MOST_RATE, SOUND, check_samples, probe_sound, read_sound
from planefold.data.sounds.sounds import Sounds
from planefold.data.sounds.wav import UnreadableSoundError, scaled
from planefold.data.tables import Table, is_frame, read_table
from planefold.data.work import for_each, threads_of

Wave = NDArray[np.float32]

USUAL_RATE = 22_050  # what librosa reads at; it holds frequencies up to 11,025 Hz
COMMON = 0.5  # share of the sounds that must have one length for it to be everybody's
COVERED = 0.9  # if no length is common: share that must not be cut
MOST_OF_MEMORY = 0.8
TABLES = frozenset((".csv", ".tsv", ".txt"))


def read_sounds(
    source: Any,
    *,
    rate: int | str | None = None,
    seconds: float | str = "auto",
    errors: str = "raise",
    column: str | None = None,
    target: str | None = None,
    folder: str | os.PathLike[str] | None = None,
    n_jobs: int | None = None,
) -> Sounds:
    """Read sounds into one array, all of one rate and one length.

    Parameters
    ----------
    source : path, sequence of paths, table, array or Sounds
        A folder with one folder for each class, whose names are the labels, or with sounds only; a file; a list of
        files; a CSV file, frame or mapping with a column of paths; an array of shape (n_sounds, n_samples), or a list
        of arrays of shape (n_samples,).
    rate : int, "auto" or None
        Samples a second of the result. None is 22,050 for files, as librosa has it; "auto" the rate that most files
        have. For arrays, the rate that they were recorded at: it must be given, as an array does not say it.
    seconds : float or "auto"
        How long each sound becomes: shorter ones get silence at both ends, of longer ones the middle is kept, where a
        word is most likely to be. "auto" is the length that at least half of the sounds have (to a hundredth of a
        second); if there is none, the shortest one that leaves nine of ten uncut. ``notes`` say how many were padded
        and cut.
    errors : {"raise", "skip"}
        What becomes of files that cannot be read: all of them are named in an error, or left out and listed in
        ``skipped``.
    column, target : str, optional
        Of a table: the column with the paths (default: the only one whose entries end as names of sounds do), and the
        one with the labels (default: the only one called "label", "class", "target", "category" or "y").
    folder : path, optional
        Where the paths of a table start; default: the folder of the CSV file, or the current one.
    n_jobs : int, optional
        Threads that read; None takes one for each core.

    Returns
    -------
    Sounds
        ``waves`` is float32, of shape (n_sounds, n_samples), made once in its final size.

    Raises
    ------
    MissingFileError
        If the folder or the file does not exist.
    DataError
        If there are no sounds, or files cannot be read: each by name, with the reason. Empty files, texts, damaged
        headers, files that are cut off, samples that are nan or infinite.
    MissingExtraError
        If a file is FLAC, OGG, MP3 or the like, and the package soundfile is not installed.

    Notes
    -----
    WAV files of 8, 16, 24 and 32 bits and of floating-point numbers need no further package. Channels are averaged.
    Other rates are brought to ``rate`` exactly, by a polyphase filter that keeps frequencies above half of it out
    (:func:`scipy.signal.resample_poly`). Files are ordered by name, folder by folder, with numbers by their value.

    Examples
    --------
    >>> import numpy as np
    >>> sounds = read_sounds([np.ones(4, np.float32), np.ones(2, np.float32)], rate=8000, seconds=4 / 8000)
    >>> sounds.waves.tolist()
    [[1.0, 1.0, 1.0, 1.0], [0.0, 1.0, 1.0, 0.0]]
    >>> sounds.notes
    ('1 of 2 sounds was shorter than 0.0005 s, and got silence at both ends',)
    """
    if errors not in ("raise", "skip"):
        raise unknown_choice("errors", errors, ["raise", "skip"])
    _check_rate(rate)
    _check_seconds(seconds)
    n_threads = threads_of(n_jobs)
    if isinstance(source, Sounds):
        return _again(source, rate, seconds)
    if _is_array(source):
        return _from_arrays(source, rate, seconds)
    listing = _listing(source, column, target, None if folder is None else Path(folder))
    return _Reader(listing, rate, seconds, errors, n_threads).read()


# ------------------------------------------------------------------------------------------------------ parameters


def _check_rate(rate: Any) -> None:
    if rate is None or (isinstance(rate, str) and rate == "auto"):
        return
    if isinstance(rate, bool) or not isinstance(rate, int | np.integer) or not LEAST_RATE <= rate <= MOST_RATE:
        raise ParameterError(
            f"rate={show(rate)} must be a number of samples a second, {LEAST_RATE:,} to {MOST_RATE:,}",
            hint='22050 is common; "auto" takes the rate that most files have',
        )


def _check_seconds(seconds: Any) -> None:
    if isinstance(seconds, str) and seconds == "auto":
        return
    is_number = isinstance(seconds, int | float | np.integer | np.floating) and not isinstance(seconds, bool)
    if not is_number or not 0 < seconds < float("inf"):
        raise ParameterError(f"seconds={show(seconds)} must be a length above 0",
                             hint='"auto" takes the length that most sounds have')  # fmt: skip


def _is_array(source: Any) -> bool:
    if isinstance(source, np.ndarray):
        return source.dtype.kind not in "OUS"
    is_tensor = type(source).__module__ == "torch"
    return is_tensor or (isinstance(source, list | tuple) and len(source) > 0 and not isinstance(
        source[0], str | os.PathLike | Mapping))  # fmt: skip


def _listing(source: Any, column: str | None, target: str | None, folder: Path | None) -> Listing:
    if isinstance(source, str | os.PathLike):
        path = os.path.expanduser(os.fspath(source))
        if os.path.isdir(path):
            return list_folder(path, SOUND)
        if not os.path.exists(path):
            raise MissingFileError(
                f"{readable(path)} does not exist", hint="name a folder, a sound, or a table of paths"
            )
        if Path(path).suffix.lower() in TABLES:
            table = read_table(path)
            return _in_table(table, Path(path).parent if folder is None else folder, column, target)
        return replace(list_items([path], readable(path), SOUND), names=(readable(os.path.basename(path)),))
    if isinstance(source, Table | Mapping) or is_frame(source) or _are_records(source):
        return _in_table(read_table(source), folder, column, target)
    if isinstance(source, np.ndarray) and source.ndim == 1:
        source = source.tolist()
    if hasattr(source, "to_list"):
        source = source.to_list()
    if not isinstance(source, Sequence):
        raise DataError(f"cannot read sounds from a {type(source).__name__}",
                        hint="give a folder, a list of files, a table with a column of paths, or an array")  # fmt: skip
    if not source:
        raise DataError("the list of sounds is empty")
    return _in_list(source)


def _in_list(source: Sequence[Any]) -> Listing:
    for place, path in enumerate(source):
        if not isinstance(path, str | os.PathLike) or not os.fspath(path):
            raise DataError(f"entry {place + 1} of the list is no path: {show(path)}")
    return list_items([os.path.expanduser(os.fspath(path)) for path in source], "the list", SOUND)


def _in_table(table: Table, folder: Path | None, column: str | None, target: str | None) -> Listing:
    paths = path_column(table, column, SOUND)
    if paths is None:
        raise DataError(f"{table.source} has no column with paths of sounds",
                        details=f"columns: {listed(table.names)}", hint="say which it is: column=")  # fmt: skip
    return list_table(table, paths, target, folder, SOUND)


def _are_records(source: Any) -> bool:
    return isinstance(source, list | tuple) and bool(source) and isinstance(source[0], Mapping)


# ----------------------------------------------------------------------------------------------------------- files


@dataclass(frozen=True)
class _Reader:
    """Files that are read in two passes: heads, which tell how large the array becomes, then samples."""

    listing: Listing
    rate: int | str | None
    seconds: float | str
    errors: str
    n_threads: int

    def read(self) -> Sounds:
        listing, n = self.listing, len(self.listing.items)
        reasons: dict[int, str] = {}
        heads = np.zeros((n, 2), np.int64)  # rate, samples

        def probe(place: int) -> None:
            heads[place] = probe_sound(listing.items[place], listing.names[place])

        self._all(range(n), probe, reasons, "looking at sounds")
        kept = np.array([place for place in range(n) if place not in reasons], np.int64)
        if not len(kept):
            raise self._refusal(reasons)
        rate = _rate_of(heads[kept, 0], self.rate)
        n_samples = _length_of(-(-heads[kept, 1] * rate // heads[kept, 0]), rate, self.seconds)
        waves = _empty(len(kept), n_samples, rate)
        lengths = np.zeros(len(kept), np.int64)

        def read(row: int) -> None:
            place = int(kept[row])
            wave = read_sound(listing.items[place], listing.names[place], rate)
            lengths[row] = len(wave)
            _put(wave, waves[row])

        late: dict[int, str] = {}
        self._all(range(len(kept)), read, late, "reading sounds")
        if late:  # the heads were right and the samples were not: the rows move up, in their place
            reasons |= {int(kept[row]): reason for row, reason in late.items()}
            good = np.array([row for row in range(len(kept)) if row not in late], np.int64)
            if not len(good):
                raise self._refusal(reasons)
            for new, old in enumerate(good):
                waves[new] = waves[old]
            waves, lengths, kept = waves[: len(good)], lengths[good], kept[good]
        names = tuple(listing.names[place] for place in kept)
        skipped = (*listing.refused, *((listing.names[place], reasons[place]) for place in sorted(reasons)))
        return Sounds(
            waves=waves,
            rate=rate,
            files=names,
            labels=None if listing.labels is None else listing.labels[kept],
            lengths=lengths,
            source=listing.source,
            skipped=skipped,
            notes=(
                *listing.notes,
                *_notes_of_skipped(skipped, n),
                *_notes_of_rates(heads[kept, 0], rate),
                *_notes_of_lengths(lengths, n_samples, rate),
                *_notes_of_silence(waves, names),
            ),
        )

    def _all(self, places: Sequence[int], work: Callable[[int], None], reasons: dict[int, str], what: str) -> None:
        def one(place: int) -> None:
            try:
                work(place)
            except UnreadableSoundError as error:
                reasons[place] = str(error)

        for_each(len(places), one, n_threads=self.n_threads, what=what)
        if (reasons or self.listing.refused) and self.errors == "raise":
            raise self._refusal(reasons)

    def _refusal(self, reasons: Mapping[int, str]) -> DataError:
        names = self.listing.names
        told = [*self.listing.refused, *((names[place], reasons[place]) for place in sorted(reasons))]
        n, source = len(names), self.listing.source
        if n == 1 and len(told) == 1:
            return DataError(f"cannot read {told[0][0]}", details=told[0][1])
        return DataError(
            f"{len(told):,} of the {n:,} sounds of {source} cannot be read",
            details=listed((f"{name}: {reason}" for name, reason in told), 5),
            hint=None if self.errors == "skip" else 'remove them, or leave them out with errors="skip"',
        )


def _rate_of(rates: NDArray[np.int64], rate: int | str | None) -> int:
    if rate is None:
        return USUAL_RATE
    if not isinstance(rate, str):
        return int(rate)
    counts = Counter(rates.tolist())
    return int(max(counts, key=lambda found: (counts[found], found)))


def _length_of(lengths: NDArray[np.int64], rate: int, seconds: float | str) -> int:
    """Samples that each sound gets."""
    if not isinstance(seconds, str):
        return max(1, round(seconds * rate))
    # To a hundredth of a second: recordings of "one second" differ by a few samples.
    hundredths = np.maximum(np.round(lengths * 100 / rate), 1).astype(np.int64)
    counts = Counter(hundredths.tolist())
    commonest = max(counts, key=lambda found: (counts[found], found))
    if counts[commonest] >= COMMON * len(lengths):
        return int(lengths[hundredths == commonest].max())
    return int(np.sort(lengths)[int(np.ceil(COVERED * len(lengths))) - 1])


def _empty(n: int, n_samples: int, rate: int) -> Wave:
    n_bytes, there = 4 * n * n_samples, _memory()
    if there is not None and n_bytes > MOST_OF_MEMORY * there:
        raise DataError(
            f"{n:,} sounds of {n_samples / rate:,.4g} s need {n_bytes / 1e9:,.3g} GB of memory",
            details=f"this machine has {there / 1e9:,.3g} GB",
            hint="choose shorter seconds, or a lower rate",
        )
    return np.zeros((n, n_samples), np.float32)


def _memory() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return None  # a system that does not say


def _put(wave: Wave, row: Wave) -> None:
    """Put a sound into the middle of a row of zeros, or its middle into the row."""
    spare = len(row) - len(wave)
    if spare >= 0:
        row[spare // 2 : spare // 2 + len(wave)] = wave
    else:
        row[:] = wave[-spare // 2 : -spare // 2 + len(row)]


# ---------------------------------------------------------------------------------------------------------- arrays


def _from_arrays(source: Any, rate: int | str | None, seconds: float | str) -> Sounds:
    if rate is None or isinstance(rate, str):
        raise ParameterError(
            "arrays do not say how many samples make a second", hint="give rate=, for example rate=16000"
        )
    rows: Any = source if isinstance(source, list | tuple) else np.asarray(source)
    if isinstance(rows, np.ndarray) and rows.ndim == 1:
        rows = rows[None]
    if isinstance(rows, np.ndarray) and rows.ndim != 2:
        raise DataError(f"an array of shape {rows.shape} is not (n_sounds, n_samples)",
                        hint="average the channels first: X.mean(axis=1)")  # fmt: skip
    if not len(rows):
        raise DataError("the array holds no sounds", details=f"its shape is {np.shape(rows)}")
    return _in_one_length([_wave_of(row, place) for place, row in enumerate(rows)], int(rate), seconds)


def _wave_of(values: Any, place: int) -> Wave:
    array = np.asarray(values)
    if array.ndim != 1 or not len(array):
        raise DataError(f"sound {place} has shape {array.shape}, not (n_samples,)")
    if array.dtype in (np.uint8, np.int16, np.int32):
        return scaled(array)
    if array.dtype.kind != "f":
        raise DataError(f"sound {place} holds {array.dtype}, whose loudest value nobody knows",
                        hint="divide by the loudest possible value: X / 32768 for 16 bits")  # fmt: skip
    with np.errstate(over="ignore"):
        wave = array.astype(np.float32, copy=False)
    try:
        check_samples(wave)
    except UnreadableSoundError as error:
        raise DataError(f"sound {place} cannot be used", details=str(error)) from None
    return wave


def _in_one_length(rows: Sequence[Wave], rate: int, seconds: float | str) -> Sounds:
    lengths = np.array([len(row) for row in rows], np.int64)
    n_samples = _length_of(lengths, rate, seconds)
    waves = _empty(len(rows), n_samples, rate)
    for row, wave in zip(waves, rows, strict=True):
        _put(wave, row)
    return Sounds(
        waves=waves, rate=rate, lengths=lengths,
        notes=(*_notes_of_lengths(lengths, n_samples, rate), *_notes_of_silence(waves, ())),
    )  # fmt: skip


def _again(sounds: Sounds, rate: int | str | None, seconds: float | str) -> Sounds:
    """Bring sounds that were read already to another rate or length, if that is asked for."""
    from planefold.data.sounds.decoding import resample

    wanted = sounds.rate if rate is None or isinstance(rate, str) else int(rate)
    n_samples = None if isinstance(seconds, str) else max(1, round(seconds * wanted))
    if wanted == sounds.rate and n_samples in (None, sounds.waves.shape[1]):
        return sounds
    rows = [resample(row, sounds.rate, wanted) for row in sounds.waves]
    found = _in_one_length(rows, wanted, seconds)
    return replace(found, files=sounds.files, labels=sounds.labels, source=sounds.source, skipped=sounds.skipped)


# ----------------------------------------------------------------------------------------------------------- notes


def _were(n: int, of: int) -> str:
    return f"{n:,} of {of:,} sound{'s' * (of != 1)} {'was' if n == 1 else 'were'}"


def _notes_of_skipped(skipped: Sequence[tuple[str, str]], n: int) -> list[str]:
    if not skipped:
        return []
    return [f"{_were(len(skipped), n)} left out: {listed((f'{name} ({reason})' for name, reason in skipped), 5)}"]


def _notes_of_rates(rates: NDArray[np.int64], rate: int) -> list[str]:
    others = Counter(found for found in rates.tolist() if found != rate)
    if not others:
        return []
    told = listed((f"{n:,} from {found:,} Hz" for found, n in sorted(others.items())), 6)
    return [f"{_were(sum(others.values()), len(rates))} brought to {rate:,} Hz: {told}"]


def _notes_of_lengths(lengths: NDArray[np.int64], n_samples: int, rate: int) -> list[str]:
    shorter, longer, n = int((lengths < n_samples).sum()), int((lengths > n_samples).sum()), len(lengths)
    long, notes = f"{n_samples / rate:.4g} s", []
    if shorter:
        notes.append(f"{_were(shorter, n)} shorter than {long}, and got silence at both ends")
    if longer:
        longest = f"{int(lengths.max()) / rate:.4g} s"
        notes.append(f"{_were(longer, n)} longer than {long} (up to {longest}), and lost both ends")
    return notes


def _notes_of_silence(waves: Wave, names: Sequence[str]) -> list[str]:
    silent = [place for place, wave in enumerate(waves) if not wave.any()]
    if not silent:
        return []
    told = listed((names[place] if names else place for place in silent), 5)
    return [f"{_were(len(silent), len(waves))} silent throughout: {told}"]
