"""The one size that all pictures are brought to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from planefold.core.errors import DataError, ParameterError, show

Shape = tuple[int, int]

LONGEST = 96  # pixels of the longer side of size="auto": the work of a network grows with the square
MAX_SIDE = 10_000


def check_size(size: Any) -> Any:
    """Read ``size``: "auto", None, the pixels of the longer side, or (height, width).

    Raises
    ------
    ParameterError
        If it is none of these.
    """
    if size is None or (isinstance(size, str) and size == "auto"):
        return size
    entries = list(size) if isinstance(size, tuple | list | np.ndarray) else [size]
    is_whole = all(isinstance(entry, int | np.integer) and not isinstance(entry, bool) for entry in entries)
    if isinstance(size, str) or len(entries) > 2 or not entries or not is_whole:
        raise ParameterError(
            f"size={show(size)} is no size",
            details='"auto", None (as the pictures are), the pixels of the longer side, or (height, width)',
            hint="for example size=64 or size=(48, 64)",
        )
    if not all(1 <= entry <= MAX_SIDE for entry in entries):
        raise ParameterError(f"size={show(size)}: a side has 1 to {MAX_SIDE:,} pixels")
    if isinstance(size, int | np.integer):
        return int(size)
    if len(entries) == 1:
        raise ParameterError(f"size={show(size)} has one number", hint="(height, width), or the longer side alone")
    return int(entries[0]), int(entries[1])


def choose_shape(size: Any, shapes: Sequence[Shape | None], names: Sequence[str]) -> Shape:
    """Return the (height, width) that pictures of these shapes are brought to.

    Parameters
    ----------
    size : "auto", None, int or (int, int)
        "auto" is the commonest size, reduced to at most 96 pixels on the longer side. A number is the pixels of the
        longer side, in the proportions of the commonest size. None asks that all have one size already.
    shapes : sequence of (height, width) or None
        None for what could not be read.
    names : sequence of str

    Raises
    ------
    DataError
        With ``size=None``, naming the first picture that differs.

    Examples
    --------
    >>> choose_shape("auto", [(208, 176), (208, 176), (20, 30)], ["a", "b", "c"])
    (96, 81)
    >>> choose_shape(32, [(10, 20)], ["a"])
    (16, 32)
    """
    if isinstance(size, tuple):
        return size
    known = [shape for shape in shapes if shape is not None]
    if size is None:
        for shape, name in zip(shapes, names, strict=True):
            if shape is not None and shape != known[0]:
                first = names[next(i for i, other in enumerate(shapes) if other is not None)]
                raise DataError(
                    f"the pictures have different sizes: {name} is {shape[0]} x {shape[1]}, "
                    f"{first} is {known[0][0]} x {known[0][1]} (height x width)",
                    hint='size="auto" or size=(height, width) brings them to one size',
                )
        return known[0]
    counts = Counter(known)
    # Of sizes that are equally common the smallest: it depends on the pictures alone, not on their order.
    height, width = min(counts, key=lambda shape: (-counts[shape], shape[0] * shape[1], shape))
    longest = max(height, width)
    wanted = min(longest, LONGEST) if size == "auto" else size
    return max(1, round(height * wanted / longest)), max(1, round(width * wanted / longest))
