"""The user's own columns as the input space of a network: preparation and network in one affine form.

What a fitted :class:`planefold.data.TableEncoder` does to a number is itself piecewise linear: scaled numbers are cut
off at both ends, and bins rise from 0 to 1. So the preparation consists of folds like those of the network, and the
planes of both together are linear models in the units of the table.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from sklearn.utils.validation import check_is_fitted

from planefold.core.errors import DataError, did_you_mean, show
from planefold.core.records import Record
from planefold.data.encoder import TableEncoder
from planefold.data.inputs import Input, decode_table, encode_table, part_of_dates
from planefold.data.parsing import number_text
from planefold.data.tables import Table, read_table
from planefold.data.targets import NumberTarget
from planefold.networks.affine import Floats, PiecewiseLinearNet
from planefold.networks.affine_builder import Builder
from planefold.networks.affine_mlp import affine_form
from planefold.networks.matrices import is_sparse
from planefold.networks.mlp import MLP

NUMBERS = ("number", "date part")  # the kinds that have a spread; the others are 0 or 1
UNITS_OF_PARTS = {"days": "days", "month": "months", "weekday": "days", "hour": "hours"}
MAX_DENSE_VALUES = 50_000_000
NEVER = 1e300  # beyond all logits: of a threshold of 0 or 1
NONE_KNOWN = "none known"
FARTHEST = 1e6  # spreads beyond the ends at which numbers are cut off: as far as their ramps cancel but for 1e-10


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Columns(Record):
    """The space of the columns that a model reads: what each coordinate means, and how rows get there.

    Parameters
    ----------
    names : tuple of str
        Of the coordinates: "area", "sold: month", "town = Bonn", "area is missing".
    kinds : tuple of {"number", "date part", "category", "missing"}
        The first two are numbers in their own unit, the others are 0 or 1.
    units : tuple of str
        "months" and the like for parts of dates, "0 or 1", or "" for a column's own unit.
    owners : tuple of str
        The column of the table that each coordinate belongs to.
    net : PiecewiseLinearNet
        From the coordinates to what the network reads.
    scales : ndarray of shape (n_coordinates,), or None
        The spread of each number in the training table, 1 for what is 0 or 1; None where no preparation measured it.
    encoder : TableEncoder or None
    read : function
        From whatever the user passes to a table, or to numbers where there is no encoder.
    """

    names: tuple[str, ...]
    kinds: tuple[str, ...]
    units: tuple[str, ...]
    owners: tuple[str, ...]
    net: PiecewiseLinearNet
    scales: Floats | None = None
    encoder: TableEncoder | None = None
    read: Callable[[Any], Any] = lambda X: X

    @property
    def are_numbers(self) -> npt.NDArray[np.bool_]:
        """Which coordinates are numbers and not 0 or 1, shape (n_coordinates,)."""
        return np.array([kind in NUMBERS for kind in self.kinds], dtype=bool)

    def rows(self, X: Any) -> Floats:
        """Bring rows of the user into this space.

        Parameters
        ----------
        X : data frame, path of a CSV file, mapping of columns, or array-like of shape (n_rows, n_features)
            As the model takes it for a prediction.

        Returns
        -------
        ndarray of shape (n_rows, n_coordinates)
            float64. A missing number is the median of training, as the model has it, and its indicator is 1. Numbers
            more than a million spreads beyond the values at which the preparation cuts them off are brought back to
            there: the model sees no difference, and rounding stays small.

        Raises
        ------
        DataError
            If a column is not there or a value is not of its kind.
        """
        found = self.read(X)
        if self.encoder is None:
            if is_sparse(found):
                if found.shape[0] * found.shape[1] > MAX_DENSE_VALUES:
                    raise DataError(
                        f"a sparse matrix of {found.shape[0]:,} x {found.shape[1]:,} is too large to be read",
                        hint=f"read a sample of its rows: {MAX_DENSE_VALUES // found.shape[1]:,} at most",
                    )
                found = found.toarray()
            return self.net.rows(found)
        schema = self.encoder.schema_
        table = found if isinstance(found, Table) else read_table(found, missing_values=schema.missing_values)
        aligned, _ = schema.align(table, with_dropped=True)
        inputs = self.encoder.inputs_
        marks = tuple(found for found in inputs if found.kind in ("category", "missing"))
        result = np.empty((aligned.n_rows, len(self.names)))
        result[:, ~self.are_numbers] = encode_table(aligned, schema, marks, "float64")
        for place, template in zip(np.flatnonzero(self.are_numbers), _templates(inputs), strict=True):
            values = aligned.columns[template.column]
            numbers = part_of_dates(values, template.part, schema[template.column]) if template.part else values
            known = np.where(np.isnan(numbers), template.fill, numbers)
            assert template.low is not None
            assert template.high is not None
            margin = FARTHEST * template.scale
            result[:, place] = np.clip(known, template.low - margin, template.high + margin)
        return result

    def values(self, rows: Floats) -> dict[str, npt.NDArray[Any]]:
        """Return rows of this space column by column, as people write them: texts, days, None where missing.

        A category that is none of those in training is "none known".
        """
        if self.encoder is None:
            return {name: rows[:, place] for place, name in enumerate(self.names)}
        inputs = self.encoder.inputs_
        Z = self.net.outputs(rows)
        numbers = dict(zip(_templates(inputs), np.flatnonzero(self.are_numbers), strict=True))
        for number, found in enumerate(inputs):
            if found in numbers:  # the network sees it cut off
                Z[:, number] = (rows[:, numbers[found]] - found.center) / found.scale
        columns = decode_table(Z, self.encoder.schema_, inputs)
        missing = {name: place for place, found in enumerate(inputs) for name in found.covers}
        for name, values in columns.items():
            if values.dtype == object:
                is_known = Z[:, missing[name]] <= 0.5 if name in missing else True
                unknown = np.array([value is None for value in values.tolist()], dtype=bool) & is_known
                values[unknown] = NONE_KNOWN
        return columns

    def place(self, name: str | int) -> int:
        """Return the place of a coordinate by its name (or its place).

        Raises
        ------
        DataError
            If there is none of that name.
        """
        if isinstance(name, int | np.integer) and not isinstance(name, bool) and 0 <= name < len(self.names):
            return int(name)
        if name in self.names:
            return self.names.index(str(name))
        several = [own for own, owner in zip(self.names, self.owners, strict=True) if owner == name]
        near = None if several else did_you_mean(name, self.names)
        several_hint = "a category has one coordinate for each value, a date one for each part"
        raise DataError(
            f"column {show(name)} is no coordinate of this model",
            details=f"coordinates: {', '.join(several or self.names[:12])}",
            hint=f"did you mean {near!r}?" if near else several_hint if several else None,
        )


def _templates(inputs: Sequence[Input]) -> list[Input]:
    """Return the inputs that stand for a number or a part of a date; their bins follow from the same coordinate."""
    return [found for found in inputs if found.kind in ("value", "date part")]


def columns_of(model: Any) -> Columns:
    """Return the space of the columns that a model reads.

    Parameters
    ----------
    model : TableEncoder, estimator of planefold, or PiecewiseLinearNet
        All fitted. An estimator with another transformer in ``preprocess`` has the columns that this gives, since only
        its code could say what it does to the user's; one without ``preprocess`` has the columns of its array.

    Examples
    --------
    >>> from planefold.data import TableEncoder
    >>> encoder = TableEncoder().fit({"area": [50, 80, 65, 120], "town": ["Bonn", "Trier", "Bonn", "Trier"]})
    >>> columns = columns_of(encoder)
    >>> columns.names, columns.kinds
    (('area', 'town = Trier'), ('number', 'category'))
    >>> columns.rows({"area": [70.0], "town": ["Trier"]})
    array([[70.,  1.]])
    """
    if isinstance(model, TableEncoder):
        check_is_fitted(model)
        return _columns_of_encoder(model)
    if isinstance(model, PiecewiseLinearNet):
        return plain_columns(model.n_inputs, model.input_names, model.input_shape)
    check_is_fitted(model, "net_")
    if isinstance(model.encoder_, TableEncoder):
        return replace(_columns_of_encoder(model.encoder_), read=model._read)
    found: Any = getattr(model, "feature_names_in_", ())
    if model.encoder_ is not None:
        try:
            found = model.encoder_.get_feature_names_out()
        except (AttributeError, ValueError, TypeError):  # many transformers do not know
            found = ()
    n_features = model.net_.spec.n_features
    names = tuple(map(str, found)) if len(found) == n_features else ()
    return replace(plain_columns(n_features, names), read=lambda X: model._encode(model._read(X)))


def plain_columns(n_columns: int, names: Sequence[str] = (), shape: Sequence[int] = ()) -> Columns:
    """Return the space of numbers that a network reads as they are, called x0, x1, ... where they have no names."""
    names = tuple(names) or tuple(f"x{i}" for i in range(n_columns))
    builder = Builder(tuple(shape) or (n_columns,))
    net = builder.finish(builder.input, input_names=names, description="no preparation")
    kinds, units = ("number",) * n_columns, ("",) * n_columns
    return Columns(names=names, kinds=kinds, units=units, owners=names, net=net)


def _columns_of_encoder(encoder: TableEncoder) -> Columns:
    inputs = encoder.inputs_
    coordinates = [found for found in inputs if found.kind != "bin"]
    are_numbers = [found.kind in ("value", "date part") for found in coordinates]
    names = tuple(found.name for found in coordinates)
    return Columns(
        names=names,
        kinds=tuple("number" if found.kind == "value" else found.kind for found in coordinates),
        units=tuple(
            UNITS_OF_PARTS.get(found.part or "", "") if is_number else "0 or 1"
            for found, is_number in zip(coordinates, are_numbers, strict=True)
        ),
        owners=tuple(found.column for found in coordinates),
        net=_preparation(inputs, names),
        scales=np.array([found.scale if n else 1.0 for found, n in zip(coordinates, are_numbers, strict=True)]),
        encoder=encoder,
    )


def _preparation(inputs: Sequence[Input], names: tuple[str, ...]) -> PiecewiseLinearNet:
    """Write an encoder's inputs as folds of the coordinates.

    A cut and a bin are differences of two ramps, ``relu(x - low) - relu(x - high)``. Neighbouring bins share an edge,
    and with it a fold: creases that coincide would be counted twice.
    """
    builder = Builder((len(names),))
    coordinates = [found for found in inputs if found.kind != "bin"]
    own_place = {found.name: place for place, found in enumerate(coordinates)}
    place_of = {(found.column, found.part): own_place[found.name] for found in _templates(inputs)}
    ramps: dict[tuple[int, float], int] = {}
    straight = np.zeros((len(names), len(inputs)))
    bent: list[tuple[int, int, float]] = []  # ramp, input, slope
    bias = np.zeros(len(inputs))
    # Sums are scaled by a power of two, near the spread: without rounding, and without overflow for huge columns.
    factors = {place_of[found.column, found.part]: _power_of_two(found.scale) for found in _templates(inputs)}
    for number, found in enumerate(inputs):
        if not _is_number(found):
            straight[own_place[found.name], number] = 1.0
            continue
        place = place_of[found.column, found.part]
        assert found.low is not None
        assert found.high is not None
        bias[number] = found.encode(np.array([found.low]))[0]  # not -limit, where the edge would overflow
        slope = 1 / (found.scale * factors[place])
        for edge, sign in ((found.low, slope), (found.high, -slope)):
            ramp = ramps.setdefault((place, edge), len(ramps))
            bent.append((ramp, number, sign))
    value = builder.affine(builder.input, straight, bias)
    if ramps:
        places = np.array([place for place, _ in ramps])
        factor = np.array([factors[place] for place, _ in ramps])
        sums = sp.csr_array((factor, (places, np.arange(len(ramps)))), shape=(len(names), len(ramps)))
        edges = builder.affine(builder.input, sums, -factor * np.array([edge for _, edge in ramps]))
        units = tuple(f"{names[place]} at {number_text(float(f'{edge:.6g}'))}" for place, edge in ramps)
        folded = builder.fold(edges, layer="preparation", depth=0, units=units)
        which, number_of, slopes = (np.array(part) for part in zip(*bent, strict=True))
        matrix = sp.csr_array((slopes, (which, number_of)), shape=(len(ramps), len(inputs)))
        value = builder.total([value, builder.affine(folded, matrix)])
    return builder.finish(value, input_names=names, description="the preparation of the columns")


def _is_number(found: Input) -> bool:
    return found.kind in ("value", "date part", "bin")


def _power_of_two(scale: float) -> float:
    return float(np.ldexp(1.0, -int(np.frexp(scale)[1])))


def estimator_net(model: Any) -> PiecewiseLinearNet:
    """Return a fitted estimator as one piecewise-linear network, from the user's columns to the user's units.

    Parameters
    ----------
    model : MLPClassifier or MLPRegressor
        Fitted. Of several members, the network is the mean that they predict.

    Returns
    -------
    PiecewiseLinearNet
        Reads what ``columns_of(model).rows(table)`` gives. With a :class:`planefold.data.TableEncoder` its first folds
        are those of the preparation (layer "preparation", depth 0). The outputs are:

        * of a regressor, numbers in the unit of the target. With ``loss="poisson"`` they are logarithms, and ``.link``
          is "exp";
        * of a classifier, logits, before ``.link``: one for the second of two classes ("logistic"), one for each class
          of more ("softmax"), one for each label of several ("logistic"). Where ``threshold_`` was moved, ``.offsets``
          say what they are compared with.

    Raises
    ------
    NotPiecewiseLinearError
        If the activation bends between its creases, as tanh does.

    Notes
    -----
    The preparation rounds its results to float32 unless ``dtype="float64"``, and this network does not: predictions
    of the two differ in the seventh digit.
    """
    columns = columns_of(model)
    network = affine_form(model.net_)
    target = model._target
    if isinstance(target, NumberTarget):
        network = network.with_outputs(np.diag(target.scale), target.mean)
    said = f"{type(model).__name__} of {model.net_.spec.n_parameters:,} parameters"
    if isinstance(model.encoder_, TableEncoder):
        network = network.after(columns.net)
    elif model.encoder_ is not None:
        said += f", in the columns that its {type(model.encoder_).__name__} makes"
    return replace(
        network,
        input_names=columns.names,
        output_names=output_names_of(model),
        link=model.out_activation_,
        offsets=offsets_of(model),
        description=said,
    )


def output_names_of(model: Any) -> tuple[str, ...]:
    """Name the outputs of a fitted estimator: its classes, or its target."""
    n_outputs = model.net_.spec.n_outputs
    if not isinstance(model._target, NumberTarget):
        return tuple(str(label) for label in model.classes_.tolist()[-n_outputs:])
    if n_outputs == 1:
        return (model.target_name_ or "y",)
    return tuple(f"y{i}" for i in range(n_outputs))


def offsets_of(model: Any) -> tuple[float, ...]:
    """Return what the outputs of an estimator are compared with; empty where its threshold was never moved."""
    thresholds, n_outputs = getattr(model, "threshold_", None), model.net_.spec.n_outputs
    if thresholds is None or (model.out_activation_ == "logistic" and n_outputs > 1):
        return ()
    shares = np.atleast_1d(np.asarray(thresholds, dtype=np.float64))
    with np.errstate(divide="ignore"):
        logs = np.log(shares / shares.max()) if n_outputs > 1 else np.log(shares) - np.log1p(-shares)
    return tuple(logs.clip(-NEVER, NEVER).tolist())


def is_estimator(model: Any) -> bool:
    """Tell whether a model is a fitted estimator of planefold."""
    return isinstance(getattr(model, "net_", None), MLP) and hasattr(model, "encoder_")
