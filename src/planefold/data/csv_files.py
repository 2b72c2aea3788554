"""Read delimited text files, and say exactly where one is damaged.

Written on the csv module of the standard library and not on pandas: every record keeps its line number for
the messages, and nothing has to be imported.
"""

from __future__ import annotations

import codecs
import contextlib
import csv
import io
import math
import re
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np

from planefold.core.errors import (
    DataError,
    FileError,
    MissingFileError,
    ParameterError,
    did_you_mean,
    listed,
    show,
)
from planefold.data.cells import Array
from planefold.data.parsing import MISSING_AMONG_NUMBERS, parse_number
from planefold.data.tables import Table

DELIMITERS = (",", ";", "\t", "|")
_NAMES = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
_WORDS = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "pipe": "|", "bar": "|"}
# How many records decide which delimiter a file has.
_N_SAMPLE = 50
_SAMPLE_LENGTH = 1_000_000

# Whole numbers with points between their thousands, or without.
_POINTS = re.compile(r"[+-]?(?:[1-9]\d{0,2}\.\d{3}|\d{1,3})")
# Whole numbers that begin with 0, one on each line.
_LEADING_ZERO = re.compile(r"^0\d+$", re.MULTILINE)

_MAGIC = {
    b"PK\x03\x04": "a zip archive (an Excel workbook is one, too)",
    b"\x1f\x8b": "a gzip archive",
    b"\x89PNG": "a PNG picture",
    b"\xff\xd8\xff": "a JPEG picture",
    b"%PDF": "a PDF document",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"PAR1": "a Parquet file",
    b"SQLite format 3": "an SQLite database",
}


def read_csv(
    path: Path, *, delimiter: str | None = None, encoding: str = "utf-8", missing_values: Sequence[str] = ()
) -> Table:
    """Read a text file with one line of column names; see :func:`planefold.data.read_table`."""
    chosen = None if delimiter is None else _checked_delimiter(delimiter)
    text = _decode(_read_bytes(path), path, encoding)
    if chosen is None:
        chosen = find_delimiter(text)
    records = _records(text, chosen, path)
    _, header = next(records, (0, []))
    names = _column_names(header, path)
    rows = _rows(records, names, path, chosen)
    if not rows:
        raise DataError(f"{path.name} has column names and no rows", details=f"{len(names)} columns: {listed(names)}")
    missing = frozenset(text.strip() for text in missing_values) | {""}
    fields = dict(zip(names, zip(*rows, strict=True), strict=True))
    columns = {name: column_from_texts(list(texts), missing) for name, texts in fields.items()}
    doubtful = {
        name: np.array(texts, dtype=object)
        for name, texts in fields.items()
        if columns[name].dtype.kind == "f" and _may_be_thousands(texts)
    }
    return Table(columns, path.name, texts=doubtful)


# ----------------------------------------------------------------------------------------- from the disk to letters


def _read_bytes(path: Path) -> bytes:
    if path.is_dir():
        raise FileError(f"{path} is a folder, not a file", hint=_tables_in(path))
    try:
        raw = path.read_bytes()
    except FileNotFoundError as error:
        raise _missing_file(path) from error
    except (OSError, ValueError) as error:  # a name with a NUL is a ValueError
        raise FileError(f"cannot read {path}", details=str(error)) from error
    if not raw.strip():
        raise DataError(f"{path.name} is empty", hint="a table needs a line of column names and at least one row")
    for magic, kind in _MAGIC.items():
        if raw.startswith(magic):
            raise DataError(f"{path.name} is {kind}, not text", hint="export the table as CSV (UTF-8) first")
    return raw


def _tables_in(folder: Path) -> str | None:
    tables = sorted(path.name for path in folder.glob("*") if path.suffix.lower() in (".csv", ".tsv", ".txt"))
    return f"tables in it: {listed(tables, limit=5)}" if tables else None


def _missing_file(path: Path) -> MissingFileError:
    folder = path.parent
    if not folder.is_dir():
        return MissingFileError(f"there is no file {path}", details=f"not even a folder {folder}")
    files = sorted(entry.name for entry in folder.iterdir() if entry.is_file())
    near = did_you_mean(path.name, files)
    return MissingFileError(
        f"there is no file {path}", hint=f"did you mean {folder / near}?" if near else _tables_in(folder)
    )


def _decode(raw: bytes, path: Path, encoding: str) -> str:
    try:
        codec = codecs.lookup(encoding).name
        if not getattr(codecs.lookup(encoding), "_is_text_encoding", True):
            raise LookupError
    except (LookupError, TypeError, ValueError) as error:
        raise ParameterError(
            f"encoding={show(encoding)} is not known", hint='the usual ones are "utf-8", "latin-1" and "utf-16"'
        ) from error
    if codec == "utf-8" and raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise DataError(f"{path.name} is not UTF-8 but UTF-16", hint='pass encoding="utf-16" (--encoding utf-16)')
    try:
        text = raw.decode(codec)
    except UnicodeDecodeError as error:
        raise _not_text(raw, path, encoding, error) from error
    except UnicodeError as error:  # UTF-16 and UTF-32 without a mark of their byte order
        raise DataError(f"{path.name} is not {encoding} text", details=str(error)) from error
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise DataError(
            f"{path.name} is not a text file: line {line} has a NUL character",
            hint="export the table as CSV (UTF-8) first",
        )
    return text.removeprefix("\ufeff")


def _not_text(raw: bytes, path: Path, encoding: str, error: UnicodeDecodeError) -> DataError:
    if b"\0" in raw:
        return DataError(f"{path.name} is not a text file", hint="export the table as CSV (UTF-8) first")
    start = raw.rfind(b"\n", 0, error.start) + 1
    line = raw.count(b"\n", 0, error.start) + 1
    byte = raw[error.start]
    around = raw[max(start, error.start - 20) : error.start + 10].splitlines()[0].decode("latin-1")
    return DataError(
        f"{path.name} is not {encoding.upper()}: line {line}, byte {error.start - start + 1} is 0x{byte:02x}",
        details=f"near {show(around)} (as latin-1)",
        hint='pass encoding="latin-1" (--encoding latin-1)' if encoding.lower() != "latin-1" else None,
    )


# --------------------------------------------------------------------------------------- from letters to records


def _checked_delimiter(delimiter: str) -> str:
    found = _WORDS.get(delimiter, delimiter)
    if not isinstance(found, str) or len(found) != 1 or found in '"\r\n':
        raise ParameterError(
            f"delimiter={show(delimiter)} is not one character",
            hint="the usual ones are ',', ';', '|' and 'tab'",
        )
    return found


def find_delimiter(text: str) -> str:
    r"""Find what separates the fields: a comma, a semicolon, a tab or a bar.

    It must split the column names, and the first lines into as many fields as there are names. When several
    do so equally well, the one that makes more columns wins.

    >>> find_delimiter('name;price\n"a;b";1,5\n')
    ';'
    """
    best, best_score = ",", (0.0, 0)
    head = text[:_SAMPLE_LENGTH]
    if len(head) < len(text):
        head = head[: head.rfind("\n") + 1] or head  # not half a line
    for delimiter in DELIMITERS:
        reader = csv.reader(io.StringIO(head, newline=""), delimiter=delimiter, skipinitialspace=True)
        sample: list[list[str]] = []
        with contextlib.suppress(csv.Error):  # what could be read before the damage decides
            sample.extend(islice((record for record in reader if record), _N_SAMPLE))
        if not sample or len(sample[0]) == 1:
            continue
        n_fields = len(sample[0])
        agree = sum(len(record) == n_fields for record in sample[1:]) / max(len(sample) - 1, 1)
        if (agree, n_fields) > best_score:
            best, best_score = delimiter, (agree, n_fields)
    return best


def _records(text: str, delimiter: str, path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield the line where each record starts, and its fields; blank lines are none."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True, strict=True)
    line = 1
    try:
        for record in reader:
            if record:
                yield line, record
            line = reader.line_num + 1
    except csv.Error as error:
        raise _damaged(error, line, reader.line_num, path) from error


def _damaged(error: csv.Error, line: int, last_line: int, path: Path) -> DataError:
    if "unexpected end" in str(error) or "field larger" in str(error):
        return DataError(
            f'{path.name}: a quote (") that opens in line {line} is never closed',
            details=f"reading went on to line {last_line}",
            hint='close the quote, or double every " that belongs to the text: ""',
        )
    return DataError(
        f'{path.name}, line {max(line, last_line)}: text after a closing quote (")',
        details=str(error),
        hint='double every " that belongs to the text: "" stands for one',
    )


def _column_names(header: Sequence[str], path: Path) -> list[str]:
    names = [name.strip() for name in header]
    if all(parse_number(name) is not None for name in names) and not _counts_up(names):
        raise DataError(
            f"{path.name} has no line of column names: its first line holds numbers only",
            details=f"line 1: {listed(names, limit=6)}",
            hint="write a name for each column into the first line",
        )
    blank = [i for i, name in enumerate(names) if not name]
    for i in blank:
        name = f"unnamed_{i}"
        while name in names:
            name += "_"
        names[i] = name
    twice = list(dict.fromkeys(name for name in names if names.count(name) > 1)) if len(set(names)) < len(names) else []
    if twice:
        places = [i + 1 for i, name in enumerate(names) if name == twice[0]]
        raise DataError(
            f'{path.name} has the column name "{twice[0]}" more than once',
            details=f"in columns {listed(places)}" + (f"; also repeated: {listed(twice[1:])}" if twice[1:] else ""),
            hint="rename one of them, or remove it",
        )
    return names


def _counts_up(names: Sequence[str]) -> bool:
    # pandas writes a table without names under the names 0, 1, 2 ...
    return list(names) in ([str(i) for i in range(len(names))], [str(i + 1) for i in range(len(names))])


def _rows(
    records: Iterator[tuple[int, list[str]]], names: Sequence[str], path: Path, delimiter: str
) -> list[list[str]]:
    rows: list[list[str]] = []
    for line, record in records:
        if len(record) != len(names):
            raise _ragged(line, len(rows) + 1, record, names, path, delimiter)
        rows.append(record)
    # Spreadsheets write rows of nothing but delimiters below the table.
    while rows and len(names) > 1 and not any(field.strip() for field in rows[-1]):
        rows.pop()
    return rows


def _ragged(line: int, row: int, record: Sequence[str], names: Sequence[str], path: Path, delimiter: str) -> DataError:
    n_found, n_wanted = len(record), len(names)
    name = _NAMES.get(delimiter, repr(delimiter))
    if n_found == n_wanted + 1 and row == 1:
        hint = "does the first line lack the name of one column?"
    elif n_found > n_wanted:
        hint = f'put quotes (") around a text that has a {name} in it, or say delimiter= (--delimiter)'
    else:
        hint = f"is the line cut off? A missing value still needs its {name}"
    return DataError(
        f"{path.name}, line {line} (row {row}): {n_found} field{'s' * (n_found != 1)}, expected {n_wanted}",
        details=f"the line reads {show(delimiter.join(record))}; fields are separated by a {name}",
        hint=hint,
    )


# --------------------------------------------------------------------------------------- from records to columns


def column_from_texts(texts: list[str], missing: frozenset[str] = frozenset(("",))) -> Array:
    """Make a column of the fields of a file: numbers when all that are present are plain ones, else texts.

    Digits with leading zeros ("00501") stay texts, they name something. So do numbers in another style
    ("1,234.50"): which style a column is in is found by :func:`planefold.data.find_schema`.
    """
    texts = list(map(str.strip, texts))
    numbers = _plain_numbers(texts, missing | MISSING_AMONG_NUMBERS)
    if numbers is not None:
        return numbers
    same = {text: None if text in missing else text for text in dict.fromkeys(texts)}
    result = np.empty(len(texts), dtype=object)
    result[:] = [same[text] for text in texts]  # one str object for equal texts: less memory, faster look-ups
    return result


def _may_be_thousands(texts: Sequence[str]) -> bool:
    return all(_POINTS.fullmatch(text.strip()) or text.strip() in MISSING_AMONG_NUMBERS for text in texts)


def _plain_numbers(texts: list[str], missing: frozenset[str]) -> Array | None:
    joined = "\n".join(texts)
    if "_" in joined:  # float() reads 1_000, which nobody means
        return None
    if _LEADING_ZERO.search(joined):
        return None
    try:
        floats = np.array(list(map(float, texts)))
    except ValueError:
        try:  # slower, and most columns need it not
            floats = np.array([math.nan if text in missing else float(text) for text in texts])
        except ValueError:
            return None
    if not np.any(floats == floats):
        return floats
    whole = not any(mark in joined for mark in ".eEnN") and not np.isnan(floats).any()
    if whole and np.all(np.abs(floats) < 2.0**63):
        return np.array([int(text) for text in texts], dtype=np.int64)
    return floats
