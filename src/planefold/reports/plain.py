"""Records as plain dicts, lists, numbers and text, as JSON has them."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np


def plain(value: Any) -> Any:
    """Return a value that JSON can hold; nan and infinity become None, what is unknown becomes text.

    >>> plain({"a": np.float64("nan"), 2: (np.int64(1), True)})
    {'a': None, '2': [1, True]}
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {item.name: plain(getattr(value, item.name)) for item in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, np.generic | np.ndarray):
        return plain(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, Sequence | set | frozenset) and not isinstance(value, bytes):
        return [plain(item) for item in value]
    return str(value)


def without_pictures(found: Any) -> Any:
    """Return the same texts and numbers without the embedded pictures, for a program."""
    if isinstance(found, Mapping):
        return {
            key: without_pictures(value) for key, value in found.items() if not str(key).endswith(("image", "images"))
        }
    return [without_pictures(value) for value in found] if isinstance(found, list | tuple) else found
