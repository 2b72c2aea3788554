"""How records that hold arrays show themselves: the arrays by shape, not by thousands of numbers."""

from __future__ import annotations

import dataclasses
from typing import Any

from planefold.core.errors import show


def counted(count: int, what: str) -> str:
    """Write a count with its noun.

    >>> counted(1, "linear piece"), counted(1200, "activation region")
    ('1 linear piece', '1,200 activation regions')
    """
    return f"{count:,} {what}{'' if count == 1 else 's'}"


class Record:
    """Base of records with arrays; their dataclass is made with ``repr=False``.

    >>> import numpy as np
    >>> @dataclasses.dataclass(frozen=True, repr=False)
    ... class Path(Record):
    ...     name: str
    ...     points: np.ndarray
    >>> Path("a", np.zeros((100, 2)))
    Path(name='a', points=<float64 (100, 2)>)
    """

    def __repr__(self) -> str:
        record: Any = self  # a dataclass, as all that derive from this are
        kept = (field.name for field in dataclasses.fields(record) if field.repr)
        shown = ", ".join(f"{name}={_short(getattr(self, name))}" for name in kept)
        return f"{type(self).__name__}({shown})"


def _short(value: Any) -> str:
    if hasattr(value, "dtype") and getattr(value, "shape", None):
        return f"<{value.dtype} {value.shape}>"
    if isinstance(value, Record):
        return f"<{type(value).__name__}>"
    if isinstance(value, tuple | list) and len(value) > 8:
        return f"<{len(value)} of {type(value[0]).__name__}>"
    return show(value)
