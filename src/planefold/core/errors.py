"""The errors of planefold: each says what was wrong, with what was found there, and what to try.

Every error is a :class:`PlanefoldError` and also the built-in error that it resembles, so that
``except ValueError`` around a scikit-learn model goes on working. The command line prints an error in
three lines at most: what, details, hint.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import Any


class PlanefoldError(Exception):
    """Base of all errors that planefold raises on purpose.

    Parameters
    ----------
    what : str
        What was wrong, with the value as the user typed it.
    details : str, optional
        What was found instead: the columns there are, the row, the shape.
    hint : str, optional
        What to try next.
    """

    def __init__(self, what: str, *, details: str | None = None, hint: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.details = details
        self.hint = hint

    def __str__(self) -> str:
        lines = [self.what]
        if self.details:
            lines.append(f"  {self.details}")
        if self.hint:
            lines.append(f"  hint: {self.hint}")
        return "\n".join(lines)

    def __reduce__(self) -> tuple[Any, ...]:
        # Keyword-only arguments are lost by Exception's own pickling, which joblib needs.
        return _rebuild, (type(self), self.what, self.details, self.hint)


def _rebuild(cls: type[PlanefoldError], what: str, details: str | None, hint: str | None) -> PlanefoldError:
    return cls(what, details=details, hint=hint)


class DataError(PlanefoldError, ValueError):
    """The data cannot be used as they are."""


class ParameterError(PlanefoldError, ValueError):
    """A parameter has a value that it cannot have."""


class TrainingError(PlanefoldError, ValueError):
    """Training cannot go on, or its result is not a usable network."""


class NotPiecewiseLinearError(PlanefoldError, ValueError):
    """A network cannot be read exactly, because something in it is not piecewise linear."""


class MissingExtraError(PlanefoldError, ImportError):
    """A package is needed that only an extra of planefold installs."""

    @classmethod
    def of(cls, package: str, extra: str, purpose: str) -> MissingExtraError:
        """Build the error for a package that is not installed.

        >>> print(MissingExtraError.of("onnx", "onnx", "reading ONNX files"))
        reading ONNX files needs the package onnx, which is not installed
          hint: pip install "planefold[onnx]"
        """
        return cls(
            f"{purpose} needs the package {package}, which is not installed",
            hint=f'pip install "planefold[{extra}]"',
        )


class ModelFileError(PlanefoldError, ValueError):
    """A model file is damaged, hostile, or of a version that this planefold does not know."""


class FileError(PlanefoldError, OSError):
    """A file cannot be read or written."""


class MissingFileError(FileError, FileNotFoundError):
    """A file that was named does not exist."""


def show(value: object) -> str:
    """Write a value as the user typed it: ``0``, not ``np.int64(0)``.

    >>> import numpy as np
    >>> show(np.int64(0)), show("relu"), show((64, 64))
    ('0', "'relu'", '(64, 64)')
    """
    text = repr(_plain(value))
    return text if len(text) <= 80 else text[:77] + "..."


def _plain(value: object) -> object:
    # Told by its module, not by isinstance: a program that only reads a file's summary imports no NumPy.
    is_scalar = type(value).__module__ == "numpy" and hasattr(value, "item") and not hasattr(value, "__len__")
    return value.item() if is_scalar else value  # type: ignore[attr-defined]


def listed(values: Iterable[object], limit: int = 12) -> str:
    """Join values with commas, and say how many were left out.

    >>> listed(["a", "b", "c"], limit=2)
    'a, b, ... (3 in all)'
    """
    items = [str(_plain(value)) for value in values]
    if len(items) <= limit:
        return ", ".join(items)
    return ", ".join(items[:limit]) + f", ... ({len(items)} in all)"


def did_you_mean(value: object, choices: Iterable[str]) -> str | None:
    """Return the choice that is most like ``value``, or None when none is near.

    >>> did_you_mean("rleu", ["relu", "tanh"])
    'relu'
    """
    by_lower = {choice.lower(): choice for choice in choices}
    near = difflib.get_close_matches(str(value).lower(), by_lower, n=1, cutoff=0.6)
    return by_lower[near[0]] if near else None


def unknown_choice(name: str, value: object, choices: Sequence[str]) -> ParameterError:
    """Build the error for a parameter that must be one of a few words.

    >>> print(unknown_choice("activation", "rleu", ["identity", "relu"]))
    activation='rleu' is not known
      choose one of: 'identity', 'relu'
      hint: did you mean 'relu'?
    """
    near = did_you_mean(value, choices) if isinstance(value, str) else None
    return ParameterError(
        f"{name}={show(value)} is not known",
        details="choose one of: " + ", ".join(repr(choice) for choice in choices),
        hint=f"did you mean {near!r}?" if near else None,
    )


def unknown_column(column: object, columns: Sequence[str], source: str, *, flag: str = "") -> DataError:
    """Build the error for a column that a table does not have.

    >>> print(unknown_column("prize", ["price", "area"], "house.csv", flag="--target "))
    column "prize" is not in house.csv
      2 columns: price, area
      hint: did you mean --target price?
    """
    near = did_you_mean(column, columns)
    return DataError(
        f'column "{column}" is not in {source}',
        details=f"{len(columns)} column{'s' * (len(columns) != 1)}: {listed(columns)}",
        hint=f"did you mean {flag}{near}?" if near else None,
    )
