"""What files prepared pictures and sounds go to."""

from __future__ import annotations

from pathlib import Path

from planefold.core.errors import ParameterError, did_you_mean, listed

ENDINGS = (".parquet", ".csv", ".npz", ".npy")


def outputs_of(path: Path) -> tuple[Path, ...]:
    """Return the files that are written for ``path``: for ``x.npy`` there is ``x.labels.csv``, too.

    Raises
    ------
    ParameterError
        If the ending says no known kind of file.
    """
    ending = path.suffix.lower()
    if ending not in ENDINGS:
        near = did_you_mean(ending, ENDINGS)
        raise ParameterError(
            f"{path} does not say by its ending what is to be written",
            details=f"endings: {listed(ENDINGS)}",
            hint=f"did you mean {path.with_suffix(near)}?" if near else f"for example {path.with_suffix('.parquet')}",
        )
    return (path, path.with_suffix(".labels.csv")) if ending == ".npy" else (path,)
