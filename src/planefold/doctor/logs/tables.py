"""Any log as tables of numbers: delimited text, JSON in its usual shapes, printed lines, event files."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from planefold.core.errors import DataError, FileError, MissingFileError
from planefold.core.files import file_error
from planefold.data.csv_files import find_delimiter
from planefold.data.parsing import MISSING_AMONG_NUMBERS, parse_number, read_numbers
from planefold.doctor.logs import events
from planefold.doctor.logs.names import meaning_of, words_of

EXPECTED = (
    "a CSV file with a line of names such as epoch, loss, val_loss; JSON lines with such names; a JSON list or a "
    "history of lists; TensorBoard event files"
)
_MOST_COLUMNS = 10_000
_NOT_A_NUMBER = frozenset(("nan", "+nan", "-nan", "nan(ind)", "-nan(ind)"))


@dataclass(frozen=True, kw_only=True)
class LogTable:
    """Rows of a log.

    Parameters
    ----------
    columns : mapping of str to array of shape (n_rows,)
        nan where a field is blank.
    broken : mapping of str to boolean array of shape (n_rows,)
        Where the file itself says nan or infinity: a loss that broke, or somebody's sign for a blank.
    labels : mapping of str to tuple of str
        Columns that say which run a row belongs to, as texts.
    name : str
        Which run all rows belong to; ``""`` when the file holds one.
    notes : tuple of str
        What was left out.
    """

    columns: Mapping[str, NDArray[np.float64]]
    broken: Mapping[str, NDArray[np.bool_]] = field(default_factory=dict)
    labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    name: str = ""
    notes: tuple[str, ...] = ()


def read_tables(path: Path) -> list[LogTable]:
    """Read every table of a log: one, or one for each run that the file keeps apart."""
    if path.is_dir():
        return _event_folder(path)
    raw = _read_bytes(path)
    if events.is_event_file(path, raw):
        return [_event_table([("", raw)], "")]
    return tables_of_text(_decode(raw, path), path.name)


def tables_of_text(text: str, source: str) -> list[LogTable]:
    """Find out what kind of text it is, by what can be read as what."""
    if text.lstrip()[:1] in ("{", "["):
        written = _from_json(text, source)
        if written:
            return written
    delimited = _from_delimited(text)
    if delimited is not None and any(_has_figure(name) for name in delimited.columns):
        return [delimited]
    found = _from_printed(text) or delimited
    if found is None:
        raise _nothing(source, text)
    return [found]


def _has_figure(name: str) -> bool:
    return meaning_of(name).figure is not None and not _NAMED.search(name)


def _nothing(source: str, text: str) -> DataError:
    first = next((line.strip() for line in text.splitlines() if line.strip()), "")
    return DataError(
        f"{source} holds no training log that could be read",
        details=f"it begins with: {first[:80]!r}",
        hint=f"expected {EXPECTED}",
    )


# ------------------------------------------------------------------------------------------------------ from the disk


def _read_bytes(path: Path) -> bytes:
    try:
        raw = path.read_bytes()
    except FileNotFoundError as error:
        raise MissingFileError(f"there is no file {path}", hint="check the path") from error
    except OSError as error:
        raise file_error(error, path, "read") from error
    except ValueError as error:  # a name with a NUL
        raise FileError(f"cannot read {path}", details=str(error)) from error
    if not raw.strip():
        raise DataError(f"{path.name} is empty", hint=f"expected {EXPECTED}")
    return raw


def _decode(raw: bytes, path: Path) -> str:
    """Decode UTF-8 and UTF-16, else Latin-1, whose letters no number is written with."""
    coded = "utf-16" if raw.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    try:
        text = raw.decode(coded)
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    controls = sum(text.count(chr(code)) for code in (*range(9), *range(14, 27), *range(28, 32)))
    if "\0" in text or controls > 0.01 * len(text):
        raise DataError(f"{path.name} is not a text file", hint=f"expected {EXPECTED}")
    return text


# ----------------------------------------------------------------------------------------------------- delimited text


def _from_delimited(text: str) -> LogTable | None:
    """Read rows below a line of names; comments, repeated headers and the last, cut line are left out."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith(("//", "%"))]
    kept = [line for line in lines if not line.lstrip().startswith("#")]
    kept = _with_commented_names(lines, kept)
    if len(kept) < 2:
        return None
    split = _splitter("\n".join(kept))
    names = [name.strip() for name in split(kept[0])]
    if len(names) > _MOST_COLUMNS:
        return None
    if len(names) < 2 and meaning_of(names[0]).kind == "unknown":
        return None
    if all(parse_number(name) is not None for name in names):
        return None
    return _table_of_rows(names, [split(line) for line in kept[1:]])


def _with_commented_names(lines: Sequence[str], kept: list[str]) -> list[str]:
    """Take the names out of a comment, as NumPy's savetxt writes them, where no other line has any."""
    if not kept or lines[0] in kept or any(character.isalpha() for character in re.sub("nan|inf", "", kept[0].lower())):
        return kept
    names = [line.lstrip("# ") for line in lines if line.lstrip().startswith("#")]
    return [names[-1], *kept]


def _splitter(text: str) -> Callable[[str], list[str]]:
    delimiter = find_delimiter(text)
    first = text[: text.find("\n")]
    if delimiter in first:
        return lambda line: _fields(line, delimiter)
    return lambda line: re.split(r"\s{2,}|\t", line.strip()) if re.search(r"\s{2,}", first.strip()) else line.split()


def _fields(line: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader(io.StringIO(line), delimiter=delimiter, skipinitialspace=True), [])
    except csv.Error:
        return line.split(delimiter)


def _table_of_rows(names: list[str], rows: Iterable[Sequence[str]]) -> LogTable | None:
    """Turn fields into numbers. Rows that repeat the names are headers of a log that was begun again."""
    names = _distinct(names)
    good: list[list[str]] = []
    repeated = odd = 0
    for row in rows:
        fields = [value.strip() for value in row]
        if fields[: len(names)] == names[: len(fields)] and any(fields):
            repeated += 1
        elif len(fields) > len(names) and any(fields[len(names) :]):
            odd += 1
        else:
            good.append(fields[: len(names)] + [""] * (len(names) - len(fields)))
    if not good:
        return None
    notes = [
        f"{count} {what}" for count, what in ((repeated, "repeated headers"), (odd, "rows of more fields")) if count
    ]
    return _table_of_texts(
        {name: [row[i] for row in good] for i, name in enumerate(names)}, tuple(f"{note} left out" for note in notes)
    )


def _distinct(names: Sequence[str]) -> list[str]:
    """Number the second column of the same name, and the third."""
    found: list[str] = []
    times: dict[str, int] = {}
    for name in names:
        times[name] = times.get(name, 0) + 1
        found.append(name if times[name] == 1 else f"{name} [{times[name]}]")
    return found


def _table_of_texts(texts: Mapping[str, list[str]], notes: tuple[str, ...] = ()) -> LogTable:
    texts = _spread(texts)
    columns, broken, labels = {}, {}, {}
    for name, values in texts.items():
        numbers = _numbers(values)
        if meaning_of(name).kind == "run":
            labels[name] = tuple(values)
        elif numbers is not None:
            columns[name], broken[name] = numbers
    return LogTable(columns=columns, broken=broken, labels=labels, notes=notes)


def _spread(texts: Mapping[str, list[str]]) -> Mapping[str, list[str]]:
    """Give each part or figure columns of its own where a column names it: ``phase`` train or val, ``metric`` loss."""
    for name, values in texts.items():
        kinds = dict.fromkeys(value for value in values if value)
        if not 1 < len(kinds) <= 50 or any(parse_number(kind) is not None for kind in kinds):
            continue
        if all(_owner(kind) for kind in kinds) or all(meaning_of(kind).figure for kind in kinds):
            return {
                (f"{kind}/{other}" if kind and not _counts(other) else other): (
                    cells
                    if _counts(other)
                    else [cell if value == kind else "" for cell, value in zip(cells, values, strict=True)]
                )
                for other, cells in texts.items()
                if other != name
                for kind in kinds
            }
    return texts


def _owner(word: str) -> str:
    """Return whose figure a word says it is: the ``"val"`` of ``"Validation"``; ``""`` for any other word."""
    return meaning_of(f"{word} loss").part if len(words_of(word)) == 1 else ""


def _counts(name: str) -> bool:
    return meaning_of(name).kind in ("epoch", "step", "run", "rate")


def _numbers(texts: list[str]) -> tuple[NDArray[np.float64], NDArray[np.bool_]] | None:
    """Read a column in the style that most of it is written in; None where it holds no numbers."""
    texts = [_without_wrapping(text) for text in texts]
    counts: dict[str, int] = {}
    for text in texts:
        if text not in MISSING_AMONG_NUMBERS and text.lower() not in _NOT_A_NUMBER:
            counts[text] = counts.get(text, 0) + 1
    values = read_numbers(counts).values if counts else {}
    if counts and len(values) < len(counts) / 2:
        return None
    column = np.array([values.get(text, math.nan) for text in texts])
    broken = np.array([text.lower() in _NOT_A_NUMBER or math.isinf(values.get(text, 0.0)) for text in texts])
    column[np.isinf(column)] = math.nan
    return column, broken


def _without_wrapping(text: str) -> str:
    """Take a number out of ``tensor(0.5, device='cuda:0')``, ``[0.5]`` or ``np.float64(0.5)``."""
    match = re.fullmatch(r"(?:[\w.]+\(|\[)\s*([^,)\]]+).*[)\]]", text)
    return match.group(1).strip() if match else text


# --------------------------------------------------------------------------------------------------------------- JSON


def _from_json(text: str, source: str) -> list[LogTable]:
    try:
        value = json.loads(text)
    except RecursionError:
        raise DataError(f"{source} is nested too deeply", hint=f"expected {EXPECTED}") from None
    except ValueError:
        rows = list(_json_rows(text))
        return [_table_of_records(rows)] if rows else []
    return tables_of_value(value)


def _json_rows(text: str) -> Iterator[dict[str, Any]]:
    for line in text.splitlines():
        try:
            value = json.loads(line.strip().rstrip(","))
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict):
            yield value


def tables_of_value(value: Any) -> list[LogTable]:
    """Find the rows or the columns in a parsed JSON value, or in a history of Python."""
    if isinstance(value, list):
        rows = [row for row in value if isinstance(row, dict)]
        return [_table_of_records(rows)] if rows else []
    if not isinstance(value, dict):
        return []
    for key in ("log_history", "history", "logs", "metrics", "epochs"):
        if isinstance(value.get(key), dict | list):
            found = tables_of_value(value[key])
            if found:
                return found
    if _names_runs(value):
        return [
            LogTable(columns=table.columns, broken=table.broken, labels=table.labels, name=str(name))
            for name, inner in value.items()
            for table in tables_of_value(inner)
        ]
    columns = {name: column for name, column in _lists_of(value).items() if len(column) > 0}
    if not columns:
        return [_table_of_records([value])] if any(_is_number(item) for item in value.values()) else []
    longest = max(map(len, columns.values()))
    return [_table_of_records([{n: c[i] for n, c in columns.items() if i < len(c)} for i in range(longest)])]


def _names_runs(value: Mapping[str, Any]) -> bool:
    """Tell ``{"first run": {"loss": [...]}}`` from ``{"train": {"rmse": [...]}}``."""
    inner = [item for item in value.values() if isinstance(item, dict | list)]
    holds = all(isinstance(item, dict) or (item and isinstance(item[0], dict)) for item in inner)
    named = (meaning_of(f"{name} loss") for name in value)
    parts = any(meaning.part or meaning.number is not None for meaning in named)
    columns = any(meaning_of(name).kind != "unknown" for name in value)
    return bool(inner) and len(inner) == len(value) and holds and not parts and not columns


def _lists_of(value: Mapping[str, Any], prefix: str = "") -> dict[str, list[Any]]:
    """Collect the lists of numbers at any depth, named by the way to them."""
    found: dict[str, list[Any]] = {}
    for name, item in value.items():
        if isinstance(item, list) and not any(isinstance(entry, dict) for entry in item):
            found[f"{prefix}{name}"] = item
        elif isinstance(item, dict) and item and all(str(key).isdecimal() for key in item):  # a frame of pandas
            found[f"{prefix}{name}"] = list(item.values())
        elif isinstance(item, dict) and prefix.count("/") < 5:
            found |= _lists_of(item, f"{prefix}{name}/")
    return found


def _table_of_records(rows: Sequence[Mapping[str, Any]]) -> LogTable:
    flat = [_flat(row) for row in rows]
    names = list(dict.fromkeys(name for row in flat for name in row))
    return _table_of_texts({name: [_text(row.get(name)) for row in flat] for name in names})


def _flat(row: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, item in row.items():
        if isinstance(item, dict) and prefix.count("/") < 5:
            found |= _flat(item, f"{prefix}{name}/")
        elif not isinstance(item, list | dict):
            found[f"{prefix}{name}"] = item
    return found


def _text(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return ""
    return repr(value) if isinstance(value, int | float) else str(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


# ------------------------------------------------------------------------------------------------------ printed lines

_LONGEST = 10_000  # letters of a line that a training prints
_NUMBER = r"[+-]?(?:\d[\d_]*\.?\d*(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?|nan|inf)"
_NAMED = re.compile(
    r"(?<![\w@/.-])['\"]?([A-Za-z][\w@/.-]{0,60}(?: (?:loss|acc|accuracy|error|cost))?)['\"]?"
    rf"\s{{0,9}}[:=]\s*({_NUMBER})\b",
    re.I,
)
_EPOCH = re.compile(r"\bepochs?\s*[:=#\[(]*\s*(\d+(?:\.\d+)?)", re.IGNORECASE)


def _from_printed(text: str) -> LogTable | None:
    """Read what a training printed: ``Epoch 3/10 ... loss: 0.52 - val_loss: 0.61``, or dicts of Python."""
    rows: list[dict[str, str]] = []
    epoch = ""
    for line in re.split(r"[\n\r]", text):
        if len(line) > _LONGEST:
            continue
        named = _EPOCH.search(line)
        epoch = named.group(1) if named else epoch
        row = {name: value for name, value in _NAMED.findall(line) if _speaks(name)}
        if any(_has_figure(name) for name in row):
            rows.append(({"epoch": epoch} if epoch else {}) | row)
    if len(rows) < 2:
        return None
    names = list(dict.fromkeys(name for row in rows for name in row))
    return _table_of_texts({name: [row.get(name, "") for row in rows] for name in names})


def _speaks(name: str) -> bool:
    return bool(words_of(name)) and meaning_of(name).kind != "unknown"


# -------------------------------------------------------------------------------------------------------- event files


def _event_folder(path: Path) -> list[LogTable]:
    """Read all event files below a folder. Folders named train and validation are two parts of one run, as in Keras."""
    files = sorted(file for file in path.rglob("*") if file.is_file() and events.is_event_file(file))
    if not files:
        raise DataError(f"{path} is a folder without TensorBoard event files", hint=f"expected {EXPECTED}")
    runs: dict[str, list[tuple[str, bytes]]] = {}
    for file in files:
        folders = list(file.parent.relative_to(path).parts)
        part = folders.pop() if folders and meaning_of(f"{folders[-1]} loss").part else ""
        runs.setdefault("/".join(folders), []).append((part, _read_bytes(file)))
    return [_event_table(run, name) for name, run in runs.items()]


def _event_table(files: Sequence[tuple[str, bytes]], name: str) -> LogTable:
    rows: dict[int, dict[str, float]] = {}
    for part, raw in files:
        for step, tag, value in events.read_scalars(raw):
            rows.setdefault(step, {})[f"{part}/{tag}" if part else tag] = value
    table = _table_of_records([{"step": step} | rows[step] for step in sorted(rows)])
    return LogTable(columns=table.columns, broken=table.broken, labels=table.labels, name=name)
