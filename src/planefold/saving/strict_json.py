"""JSON as the standard has it: no NaN, no key twice, no surprises in size or depth."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from typing import Any, NoReturn

from planefold.saving.refusal import RefusalError, quoted

MAX_DEPTH = 100
# Bytes alone bound too little: an empty object of 3 bytes takes 64 once parsed, and parsing costs by the value.
MAX_VALUES = 1_000_000
MAX_HISTORY_VALUES = 3_000_000  # about 100,000 epochs
MAX_LINES = 300_000


def parse_json(data: bytes | str, where: str) -> Any:
    """Parse strict JSON that may come from anyone.

    Parameters
    ----------
    data : bytes or str
        The JSON, in UTF-8 if bytes.
    where : str
        What to call it in messages, for example ``"schema.json"``.

    Raises
    ------
    RefusalError
        If it is not JSON, holds NaN or an infinity (also as ``1e999``), has a key twice in one object,
        or has more than ``MAX_VALUES`` values. Never another exception.
    """
    text = decode(data, where) if isinstance(data, bytes) else data
    if count_values(text) > MAX_VALUES:
        raise RefusalError(f"{where}: more than {MAX_VALUES} values")
    return _parse(text, where)


def _parse(text: str, where: str) -> Any:
    try:
        return _DECODER.decode(text)
    except RefusalError as refusal:
        raise RefusalError(f"{where}: {refusal.details}") from None
    except RecursionError:
        raise RefusalError(f"{where}: nested too deeply") from None
    except ValueError as error:  # also an int of more digits than Python agrees to convert
        raise RefusalError(f"{where}: not JSON ({error})") from None


def parse_object(data: bytes | str, where: str) -> dict[str, Any]:
    """Parse strict JSON whose outermost value must be an object. See `parse_json`."""
    return _as_object(parse_json(data, where), where)


def _as_object(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise RefusalError(f"{where}: must be a JSON object, not a {_json_name(value)}")
    return value


def write_json(value: object, where: str, *, indent: int | None = None) -> bytes:
    """Write a value as strict JSON with sorted keys, so that equal values give equal bytes.

    Raises
    ------
    RefusalError
        If something in it is not JSON; the message names the key.
    """
    _check(value, where, 0)
    separators = (",", ":") if indent is None else (",", ": ")
    try:
        text = json.dumps(value, ensure_ascii=False, sort_keys=True, indent=indent, separators=separators)
        return text.encode()
    except UnicodeEncodeError:  # half a surrogate pair, from a broken CSV file: escaped, it survives
        return json.dumps(value, sort_keys=True, indent=indent, separators=separators).encode()
    except ValueError as error:
        raise RefusalError(f"{where}: cannot be written as JSON ({error})") from None


def finite_json(value: Any) -> Any:
    """Replace every nan and infinity by None, as JSON has neither; the rest stays as it is.

    >>> finite_json({"loss": [0.5, float("nan")], "n": 3})
    {'loss': [0.5, None], 'n': 3}
    """
    if isinstance(value, dict):
        return {key: finite_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite_json(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def write_lines(lines: Iterable[str], where: str) -> bytes:
    """Write JSON lines, one object each; a nan or an infinity in them (a run that diverged) becomes null."""
    return b"".join(_line(line, f"line {number} of {where}") + b"\n" for number, line in enumerate(lines, start=1))


def parse_lines(data: bytes, where: str) -> tuple[str, ...]:
    """Split JSON lines and check that each is an object; they are handed on as text."""
    text = decode(data, where)
    if count_values(text) > MAX_HISTORY_VALUES:
        raise RefusalError(f"{where}: more than {MAX_HISTORY_VALUES} values")
    *lines, rest = text.split("\n")  # not splitlines: U+2028 may stand inside a JSON string
    if rest:
        raise RefusalError(f"{where}: the last line is cut")
    if len(lines) > MAX_LINES:
        raise RefusalError(f"{where}: more than {MAX_LINES} lines")
    for number, line in enumerate(lines, start=1):
        try:
            _as_object(_parse(line, where), where)
        except RefusalError as refusal:
            raise RefusalError(f"line {number} of {refusal.details}") from None
    return tuple(lines)


def decode(data: bytes, where: str) -> str:
    """Decode UTF-8, or refuse."""
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise RefusalError(f"{where}: not UTF-8 at byte {error.start}") from None


def count_values(text: str) -> int:
    """Bound the number of values in a JSON text from above, without parsing it."""
    return 1 + text.count(",") + text.count("[") + text.count("{") + text.count("\n")


def _line(line: str, where: str) -> bytes:
    if not isinstance(line, str):
        raise RefusalError(f"{where}: must be text, not {type(line).__name__}")
    if "\n" in line:
        raise RefusalError(f"{where}: holds a line break")
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise RefusalError(f"{where}: not JSON ({error})") from None
    try:
        parse_object(line, where)
        return line.encode()
    except (RefusalError, UnicodeEncodeError):
        clean = write_json(finite_json(value), where)
        parse_object(clean, where)
        return clean


def _check(value: object, where: str, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise RefusalError(f"{where}: nested deeper than {MAX_DEPTH}, or holds itself")
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise RefusalError(f"{where}: the key {quoted(key)} is {type(key).__name__}; JSON keys are text")
            _check(item, f"{where}[{quoted(key)}]", depth + 1)
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            _check(item, f"{where}[{index}]", depth + 1)
    elif isinstance(value, float) and not math.isfinite(value):
        raise RefusalError(f"{where} is {float(value)}, which JSON does not have", hint="use None for a missing number")
    elif not (value is None or isinstance(value, str | int | float)):
        raise RefusalError(
            f"{where} is a {type(value).__module__}.{type(value).__qualname__}, which JSON does not have",
            hint="arrays have .tolist() and NumPy's numbers .item()",
        )


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) != len(pairs):
        keys = [key for key, _ in pairs]
        seen: set[str] = set()
        twice = next(key for key in keys if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise RefusalError(f"the key {quoted(twice)} comes twice")
    return record


def _refuse_constant(name: str) -> NoReturn:
    raise RefusalError(f"{name} is not JSON")


def _finite_float(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise RefusalError(f"the number {quoted(text)} is too large")
    return number


# One decoder for all: json.loads would build another for every line of a history.
_DECODER = json.JSONDecoder(object_pairs_hook=_unique_keys, parse_constant=_refuse_constant, parse_float=_finite_float)


def _json_name(value: object) -> str:
    names = {list: "list", str: "text", bool: "true or false", int: "number", float: "number"}
    return names.get(type(value), "null")
