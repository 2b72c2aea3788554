"""Turn frozen records into plain JSON data, and back with every field checked.

A model file may be damaged or hostile: what it says is data, and each value is checked against the type that
the record declares before anything is built from it.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from planefold.core.errors import ModelFileError, listed, show

Record = TypeVar("Record")

# The types a field may declare; annotations are strings, see "from __future__ import annotations".
_SCALARS: dict[str, type | tuple[type, ...]] = {"str": str, "int": int, "float": (int, float), "bool": bool}


def to_json(record: object) -> dict[str, Any]:
    """Write the fields of a record whose values are text, numbers, truth values, None, or tuples of these."""
    fields = dataclasses.fields(record)  # type: ignore[arg-type]
    values = {field.name: getattr(record, field.name) for field in fields}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}


def from_json(cls: type[Record], data: object, where: str) -> Record:
    """Build a record from :func:`to_json`'s data, or raise ModelFileError that says which field is wrong."""
    entries = a_dict(data, where)
    fields = {field.name: str(field.type) for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    if set(entries) != set(fields):
        missing, extra = sorted(set(fields) - set(entries)), sorted(map(str, set(entries) - set(fields)))
        raise ModelFileError(
            f"{where} does not have the fields it should have",
            details=f"missing: {listed(missing) or 'none'}; unexpected: {listed(extra) or 'none'}",
        )
    return cls(**{name: _checked(entries[name], kind, f"{where}, {name}") for name, kind in fields.items()})


def _checked(value: Any, kind: str, where: str) -> Any:
    if kind.startswith("tuple["):
        inner = kind.removeprefix("tuple[").split(",")[0]
        return tuple(_checked(item, inner, where) for item in a_list(value, where))
    for option in kind.split(" | "):
        if option == "None" and value is None:
            return None
        if option in _SCALARS and _fits(value, option):
            return float(value) if option == "float" else value
    raise ModelFileError(f"{where} is {show(value)}, expected {kind}")


def _fits(value: Any, option: str) -> bool:
    number: Any = value
    if isinstance(value, bool) and option != "bool":  # True is an int for Python
        return False
    if not isinstance(value, _SCALARS[option]):
        return False
    if option != "float":
        return True
    try:
        return math.isfinite(float(number))
    except OverflowError:
        return False


def a_dict(value: Any, where: str) -> Mapping[str, Any]:
    """Return value when it is a JSON object, else raise ModelFileError."""
    if not isinstance(value, Mapping):
        raise ModelFileError(f"{where} is {show(value)}, expected an object")
    return value


def a_list(value: Any, where: str) -> list[Any]:
    """Return value when it is a JSON array, else raise ModelFileError."""
    if not isinstance(value, list | tuple):
        raise ModelFileError(f"{where} is {show(value)}, expected a list")
    return list(value)


def entry(data: Mapping[str, Any], name: str, where: str) -> Any:
    """Return one entry of a JSON object, else raise ModelFileError."""
    if name not in data:
        raise ModelFileError(f"{where} has no {show(name)}", details=f"it has: {listed(data) or 'nothing'}")
    return data[name]


def one_of(value: Any, choices: Iterable[str], where: str) -> str:
    """Return value when it is one of a few words, else raise ModelFileError."""
    words = tuple(choices)
    if not isinstance(value, str) or value not in words:
        raise ModelFileError(f"{where} is {show(value)}, expected one of {listed(map(repr, words))}")
    return value
