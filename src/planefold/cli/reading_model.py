"""What `planefold read` reads: a model of any kind that is safe to open, and the box of inputs that it is meant for."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from planefold.cli.options import notes
from planefold.core.errors import (
    DataError,
    MissingFileError,
    NotPiecewiseLinearError,
    ParameterError,
    did_you_mean,
    listed,
    show,
    unknown_column,
)

if TYPE_CHECKING:
    from planefold.data import Table
    from planefold.networks.affine import Floats, PiecewiseLinearNet

READABLE = (".fold", ".onnx", ".nnet", ".keras")
RUNS_CODE = (".pkl", ".pickle", ".joblib", ".pt", ".pth", ".bin", ".skops", ".h5", ".hdf5")


@dataclass(frozen=True, kw_only=True, eq=False)
class Model:
    """A model that can be read.

    Parameters
    ----------
    path : Path
    source : estimator, or PiecewiseLinearNet
    net : PiecewiseLinearNet
    target : str or None
        The column that it predicts, where it says so.
    box : (lower, upper) of shape (n_inputs,), or None
        Where its inputs lie.
    box_from : str
        Where that is known from.
    """

    path: Path
    source: Any
    net: PiecewiseLinearNet
    target: str | None = None
    box: tuple[Floats, Floats] | None = None
    box_from: str = ""

    @property
    def is_ours(self) -> bool:
        """Whether it is a model of planefold, which knows its columns."""
        return self.source is not self.net

    def input_names(self) -> list[str]:
        """Names of the inputs, x0, x1, ... where they have none."""
        return list(self.net.input_names) or [f"x{place}" for place in range(self.net.n_inputs)]


def load_model(path: Path, shape: str | None = None) -> Model:
    """Open a model file that holds data and no code.

    Parameters
    ----------
    path : Path
    shape : str, optional
        Shape of one row, as in "1,28,28", for files that leave lengths open.
    """
    ending = path.suffix.lower()
    if ending in RUNS_CODE:
        raise ParameterError(
            f"{path} is not read: a file {ending} can run any code when it is opened",
            details=f"files that hold data only: {', '.join(READABLE)}",
            hint="export it to ONNX, or open it yourself and use planefold.reading.from_model(model) in Python",
        )
    if ending not in READABLE:
        near = did_you_mean(ending, READABLE) if ending else None
        raise ParameterError(
            f"{path} is no model file that can be read",
            details=f"files that can be read: {', '.join(READABLE)}",
            hint=f"did you mean {path.with_suffix(near)}?" if near else "the order is planefold read MODEL DATA",
        )
    if not path.is_file():
        raise MissingFileError(f"{path} does not exist" if not path.exists() else f"{path} is a folder, not a file",
                               hint="check the path")  # fmt: skip
    return _ours(path) if ending == ".fold" else _foreign(path, ending, shape)


def _ours(path: Path) -> Model:
    from planefold.estimators import load
    from planefold.reading.models import from_model

    fitted = load(path)
    try:
        net = from_model(fitted)
    except NotPiecewiseLinearError as error:
        error.what = f"{path}: {error.what}"
        error.hint = (
            "planefold report and planefold predict work with it; train with --activation relu to read how it decides"
        )
        raise
    return Model(
        path=path, source=fitted, net=net, target=getattr(fitted, "target_name_", None), box=_trained_box(fitted),
        box_from="the ranges of training",
    )  # fmt: skip


def _trained_box(fitted: Any) -> tuple[Floats, Floats] | None:
    """Return what the coordinates spanned in training; None where no preparation of ours has seen them."""
    import numpy as np

    from planefold.data.encoder import TableEncoder

    if not isinstance(fitted.encoder_, TableEncoder):
        return None
    schema, ends = fitted.encoder_.schema_, []
    for found in fitted.encoder_.inputs_:
        low, high = found.low, found.high
        if found.kind == "value":
            column = schema[found.column]
            if column.minimum is not None and column.maximum is not None and column.minimum < column.maximum:
                low, high = column.minimum, column.maximum
        elif found.kind != "date part":
            low, high = 0.0, 1.0
        if found.kind != "bin":  # which is of the same coordinate
            ends.append((low, high))
    lower, upper = np.array(ends, dtype=np.float64).T
    return lower, upper


def _foreign(path: Path, ending: str, shape: str | None) -> Model:
    import numpy as np

    from planefold.reading.models import from_model

    if ending == ".nnet":
        from planefold.reading.imports.nnet_files import read_nnet

        file = read_nnet(path)
        is_box = bool(
            np.isfinite(file.lower).all() and np.isfinite(file.upper).all() and (file.lower < file.upper).all()
        )
        box = (file.lower, file.upper) if is_box else None
        return Model(path=path, source=file.net, net=file.net, box=box, box_from="the file")
    net = from_model(path, input_shape=None if shape is None else numbers_of(shape, "--shape", whole=True))
    return Model(path=path, source=net, net=net)


def numbers_of(text: str, flag: str, *, whole: bool = False) -> tuple[Any, ...]:
    """Read numbers between commas.

    >>> numbers_of("0,1.5", "--low"), numbers_of("1x28x28", "--shape", whole=True)
    ((0.0, 1.5), (1, 28, 28))
    """
    parts = re.split(r"[,;x]" if whole else r"[,;]", text)
    try:
        found = tuple(int(part) if whole else float(part) for part in parts)
    except ValueError:
        raise ParameterError(f"{flag} {text} must be numbers with commas between them") from None
    if any(value != value or abs(value) == float("inf") for value in found) or (whole and min(found) < 1):
        raise ParameterError(f"{flag} {text} must be {'whole numbers above 0' if whole else 'finite numbers'}")
    return found


def with_box(model: Model, low: str | None, high: str | None) -> Model:
    """Put the box of `--low` and `--high` in the place of the one that is known."""
    import numpy as np

    if low is None and high is None:
        return model
    sides = []
    for flag, text, place in (("--low", low, 0), ("--high", high, 1)):
        if text is None:
            if model.box is None:
                other = "--high" if flag == "--low" else "--low"
                raise ParameterError(f"{other} alone is no box", hint=f"give {flag} as well")
            sides.append(model.box[place])
            continue
        values = numbers_of(text, flag)
        if len(values) not in (1, model.net.n_inputs):
            raise ParameterError(f"{flag} has {len(values)} numbers, the model has {model.net.n_inputs} inputs",
                                 hint="give one for all, or one for each")  # fmt: skip
        sides.append(np.broadcast_to(np.array(values), model.net.n_inputs).astype(np.float64))
    if not (sides[0] < sides[1]).all():
        place = int(np.argmin(sides[0] < sides[1]))
        raise ParameterError(
            f"--low {sides[0][place]:g} is not below --high {sides[1][place]:g} for {model.input_names()[place]}"
        )
    return replace(model, box=(sides[0], sides[1]), box_from="--low and --high")


# --------------------------------------------------------------------------------------------------------- the rows


@dataclass(frozen=True, kw_only=True, eq=False)
class Rows:
    """Rows to read a model on.

    Parameters
    ----------
    X : Table, or ndarray of shape (n_rows, n_inputs)
        As :func:`planefold.reading.local_models` takes them.
    y : ndarray, or None
    source : estimator or PiecewiseLinearNet
        The model, whose inputs have the table's names where they had none.
    name : str
        Of the file.
    """

    X: Any
    y: Any
    source: Any
    name: str


def rows_of(model: Model, table: Table, target: str | None) -> Rows:
    """Take the inputs and the target out of a table."""
    from planefold.data.cells import is_missing

    if target is not None and target not in table.names:
        raise unknown_column(target, table.names, table.source, flag="--target ")
    target = target or (model.target if model.target in table.names else None)
    X, y = (table, None) if target is None else (table.drop([target]), table[target])
    if y is not None and any(map(is_missing, y.tolist())):
        y = None  # the planes do not need it
    if model.is_ours:
        from planefold.data.encoder import TableEncoder

        if isinstance(model.source.encoder_, TableEncoder):
            notes(model.source.encoder_.transform_with_notes(X)[1])
        return Rows(X=X, y=y if target == model.target else None, source=model.source, name=table.source)
    return Rows(X=_matrix(model, X), y=y, source=_named(model, X), name=table.source)


def _matrix(model: Model, X: Table) -> Floats:
    import numpy as np

    n_inputs = model.net.n_inputs
    if len(X.names) != n_inputs:
        raise DataError(
            f"{X.source} has {len(X.names)} columns, and {model.path.name} has {n_inputs} inputs",
            details=f"columns: {listed(X.names)}",
            hint="one column for each input, in their order; --target names one that is none",
        )
    for name in X.names:
        if X[name].dtype.kind not in "iufb":
            value = next(value for value in X[name].tolist() if not isinstance(value, int | float))
            raise DataError(
                f'column "{name}" of {X.source} holds {show(value)}, and the inputs of {model.path.name} are numbers'
            )
    values = np.column_stack([X[name].astype(np.float64) for name in X.names])
    if not np.isfinite(values).all():
        row, place = np.argwhere(~np.isfinite(values))[0].tolist()
        raise DataError(f'column "{X.names[place]}" of {X.source} has no finite number in row {row + 1}',
                        hint="fill it in, or leave the row out")  # fmt: skip
    return values


def _named(model: Model, X: Table) -> Any:
    return model.source if model.net.input_names else replace(model.net, input_names=tuple(X.names))
