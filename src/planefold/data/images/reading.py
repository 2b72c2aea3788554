"""Placeholder that the reading of folders replaces: arrays only."""

from __future__ import annotations

from typing import Any

import numpy as np

from planefold.data.images.pictures import Pictures


def read_pictures(source: Any, *, size: Any = "auto", color: str = "auto") -> Pictures:
    """Read pictures."""
    if isinstance(source, Pictures):
        return source
    X = np.asarray(source)
    return Pictures(pixels=X[..., None] if X.ndim == 3 else X)
