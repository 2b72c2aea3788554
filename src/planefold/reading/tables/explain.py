"""One prediction explained: contributions of the columns that add up to it, and how far they hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from planefold.core.errors import ParameterError
from planefold.core.records import Record
from planefold.networks.affine import Floats
from planefold.reading.tables.columns import Columns
from planefold.reading.tables.contributions import asked_outputs, one_row, owners_of
from planefold.reading.tables.formulas import number, table
from planefold.reading.tables.inhabited import patterns_of, unpacked
from planefold.reading.tables.reach import nearest_crease, reach

if TYPE_CHECKING:
    from planefold.reading.tables.records import Reading

MAX_SHOWN = 12


@dataclass(frozen=True, kw_only=True)
class Crease:
    """Where the linear model changes.

    Parameters
    ----------
    unit : int
        Whose crease it is, numbered through all folds; -1 where there is none.
    name : str
        In words: "hidden 2, unit 17", or "preparation, area at 172.3" where the preparation cuts off or a bin ends.
    """

    unit: int
    name: str


@dataclass(frozen=True, kw_only=True)
class ColumnRange:
    """How far one number can move alone, all else as it is, before the explanation changes.

    Parameters
    ----------
    name, value
        The coordinate, and where the row is.
    low, high : float
        In the column's own unit; infinite where it can move on for ever.
    low_crease, high_crease : Crease
        What is met there.
    """

    name: str
    value: float
    low: float
    high: float
    low_crease: Crease
    high_crease: Crease


@dataclass(frozen=True, kw_only=True)
class Border:
    """How far the row is from another decision.

    Parameters
    ----------
    lower : float
        No change of the numbers shorter than this changes the decision, in scaled units.
    upper : float
        Some change of this length does; infinite where none was looked for or is known.
    """

    lower: float
    upper: float

    @property
    def exact(self) -> bool:
        """Whether the two meet."""
        return self.lower == self.upper or bool(self.upper - self.lower <= 1e-9 * self.upper)


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Explanation(Record):
    """What one prediction is made of. Prints as a table.

    ``base + contributions.sum()`` is ``value``: the linear model of the row's region, at the reference, plus what each
    column adds by being where it is.

    Parameters
    ----------
    output : str
        What is explained, before the link.
    value : float
        The network's output for the row.
    prediction : float
        The same after the link: a number, or a probability (of a class against its rivals).
    base : float
        The row's linear model at the reference.
    columns : tuple of str
        The columns of the table.
    contributions : ndarray of shape (n_columns,)
        One for each; inputs of one category or date are added up.
    values : tuple of str
        The row, column by column.
    details : mapping of str to float
        The contribution of each coordinate, by its name.
    coef_ : ndarray of shape (n_coordinates,)
        Of the row's linear model.
    intercept_ : float
    x : ndarray of shape (n_coordinates,)
    reference : ndarray of shape (n_coordinates,)
    distance : float
        To the nearest crease, Euclidean over the columns of numbers, each divided by its spread: so far the linear
        model holds for sure.
    crease : Crease
        Which one that is.
    ranges : tuple of ColumnRange
        For each number.
    border : Border or None
        None where the output decides nothing.
    """

    output: str
    value: float
    prediction: float
    base: float
    columns: tuple[str, ...]
    contributions: Floats
    values: tuple[str, ...]
    details: Mapping[str, float]
    coef_: Floats
    intercept_: float
    x: Floats
    reference: Floats
    distance: float
    crease: Crease
    ranges: tuple[ColumnRange, ...]
    border: Border | None
    _link: str = field(default="identity", repr=False)

    def __str__(self) -> str:
        said = {"logistic": "probability", "softmax": "probability", "exp": "prediction"}.get(self._link)
        after = "" if said is None else f" ({said} {number(self.prediction)})"
        order = np.argsort(-np.abs(self.contributions), kind="stable")
        alone = {found.name: found for found in self.ranges}
        rows = [["column", "value", "contribution", "alone from", "to"]]
        for place in order[:MAX_SHOWN]:
            name = self.columns[place]
            span = alone.get(name)
            ends = ["", ""] if span is None else [number(span.low), number(span.high)]
            rows.append([name, self.values[place], _signed(float(self.contributions[place])), *ends])
        rest = order[MAX_SHOWN:]
        if len(rest):
            rows.append([f"{len(rest)} more", "", _signed(float(self.contributions[rest].sum())), "", ""])
        rows.append(["together", "", number(self.value), "", ""])
        rows.insert(1, ["at the reference", "", number(self.base), "", ""])
        lines = [f"{self.output} = {number(self.value)}{after}", "", *table(rows, "<>>>>"), ""]
        if self.crease.unit < 0:
            lines.append("The linear model holds however the numbers move.")
        elif self.distance == 0:
            lines.append(f"The row lies on a crease: {self.crease.name}. Its linear model holds on one side of it.")
        else:
            lines.append(
                f"The linear model holds up to {number(self.distance)} spreads away; first comes {self.crease.name}."
            )
        if self.border is not None:
            lines.append(_border_text(self.border))
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        """Return the explanation as plain data; what is infinite is None."""
        return {
            "output": self.output,
            "value": self.value,
            "prediction": self.prediction,
            "base": self.base,
            "contributions": [
                {"column": name, "value": value, "contribution": float(part)}
                for name, value, part in zip(self.columns, self.values, self.contributions, strict=True)
            ],
            "details": dict(self.details),
            "distance": _finite(self.distance),
            "crease": self.crease.name or None,
            "ranges": [
                {
                    "name": found.name,
                    "value": found.value,
                    "low": _finite(found.low),
                    "high": _finite(found.high),
                    "low_crease": found.low_crease.name or None,
                    "high_crease": found.high_crease.name or None,
                }
                for found in self.ranges
            ],
            "border": None
            if self.border is None
            else {"lower": _finite(self.border.lower), "upper": _finite(self.border.upper)},
        }


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None


def _signed(value: float) -> str:
    return number(value) if value < 0 or number(value) == "0" else f"+{number(value)}"


def _border_text(border: Border) -> str:
    if border.exact and np.isfinite(border.upper):
        return f"Another decision is {number(border.upper)} spreads away."
    if not np.isfinite(border.lower):
        return "No change of the numbers leads to another decision."
    if border.lower == 0 and not np.isfinite(border.upper):
        return "How far another decision is was not looked for; border=True does."
    known = "" if not np.isfinite(border.upper) else f" and at most {number(border.upper)}"
    return f"Another decision is at least {number(border.lower)}{known} spreads away."


def explain(
    reading: Reading,
    row: Any,
    *,
    output: int | str | None = None,
    baseline: Any = None,
    border: bool = False,
    time_limit: float = 10.0,
) -> Explanation:
    """Explain the prediction for one row, exactly: the linear model of the region that it lies in.

    Parameters
    ----------
    reading : Reading
    row : int, mapping, array-like of shape (n_features,), or table of one row
        A number stands for one of the rows that were read.
    output : int or str, optional
        Which output; of several classes by default the one that is predicted.
    baseline : mapping, array-like or table of one row, optional
        What the row is compared with. By default the mean of the rows that were read, in which a category counts by
        its share.
    border : bool
        Whether to look for the nearest other decision beyond the region, too.
    time_limit : float
        Seconds for that search; then the distance is given by bounds.

    Returns
    -------
    Explanation

    Notes
    -----
    In its region the network is ``f(x) = coef @ x + intercept``. The base is this linear model at the reference ``r``,
    and a column contributes ``coef * (x - r)``, so that both add up to ``f(x)``. It says what the model does around
    the row, not what it does at the reference: that lies in another region as a rule.

    Distances are Euclidean over the columns of numbers, each in units of its spread in the training table (without a
    preparation: among the rows that were read). Categories and indicators are 0 or 1 and stay as they are; so does
    everything else, when one column moves alone. Parts of one date move apart from each other here.

    The nearest crease is that of the activation region; a column alone may move beyond it as long as the linear model
    stays the same.
    """
    if isinstance(row, int | np.integer) and not isinstance(row, bool):
        if not 0 <= row < reading.n_rows:
            raise ParameterError(f"row {row} does not exist: {reading.n_rows} were read, counted from 0")
        x = reading.rows[int(row)]
    else:
        x = one_row(reading.columns, row)
    columns, net, scales = reading.columns, reading.net, reading.scales
    packed, outputs, _ = patterns_of(net, x[None])
    which = int(asked_outputs(reading, outputs, output)[0])
    pattern = unpacked(packed, net.n_units)[0]
    coefs, intercepts = net.local_maps(pattern[None])
    coef, intercept = coefs[0, which], float(intercepts[0, which])
    reference = reading.reference if baseline is None else one_row(columns, baseline)
    owners, groups = owners_of(columns)
    parts = coef * (x - reference)
    moving = columns.are_numbers
    distance, unit = nearest_crease(net, x, pattern, scales, moving)
    value = float(outputs[0, which])
    shown = columns.values(x[None])
    return Explanation(
        output=net.output_names[which],
        value=value,
        prediction=_predicted(reading, x, which),
        base=float(coef @ reference) + intercept,
        columns=owners,
        contributions=parts @ groups,
        values=tuple(_text(shown[owner][0]) if owner in shown else _known(columns, owner, x) for owner in owners),
        details=dict(zip(columns.names, parts.tolist(), strict=True)),
        coef_=coef,
        intercept_=intercept,
        x=x,
        reference=reference,
        distance=distance,
        crease=_crease(reading, unit),
        ranges=_ranges(reading, x, pattern, which),
        border=_border(reading, x, outputs[0], coefs[0], which, distance, border, time_limit),
        _link=net.link,
    )


def _predicted(reading: Reading, x: Floats, which: int) -> float:
    outcome = reading.outcome
    all_outputs = reading.whole.outputs(x[None])
    return float(outcome.predictions(all_outputs)[0, outcome.places[which]])


def _text(value: Any) -> str:
    if isinstance(value, np.datetime64):
        return "missing" if np.isnat(value) else str(value.astype("datetime64[D]"))
    if isinstance(value, float | np.floating):
        return "missing" if np.isnan(value) else number(float(value), 6)
    return "missing" if value is None else str(value)


def _known(columns: Columns, owner: str, x: Floats) -> str:
    """Say of a column that was left out whether its value is known, which is all that is read of it."""
    return "missing" if x[columns.owners.index(owner)] > 0.5 else "known"


def _crease(reading: Reading, unit: int) -> Crease:
    return Crease(unit=int(unit), name=reading.net.unit_name(int(unit)) if unit >= 0 else "")


def _ranges(reading: Reading, x: Floats, pattern: npt.NDArray[np.int8], which: int) -> tuple[ColumnRange, ...]:
    places = np.flatnonzero(reading.columns.are_numbers)
    steps = np.diag(reading.scales)[places]
    found = reach(reading.net, x, pattern, np.vstack([-steps, steps]), [which])
    down, up = np.split(found.lengths, 2)
    below, above = np.split(found.units, 2)
    return tuple(
        ColumnRange(
            name=reading.columns.names[place],
            value=float(x[place]),
            low=float(x[place] - down[k] * reading.scales[place]),
            high=float(x[place] + up[k] * reading.scales[place]),
            low_crease=_crease(reading, below[k]),
            high_crease=_crease(reading, above[k]),
        )
        for k, place in enumerate(places)
    )


# ------------------------------------------------------------------------------------------------- other decisions


def _border(
    reading: Reading, x: Floats, outputs: Floats, coefs: Floats, which: int, distance: float, search: bool,
    time_limit: float,
) -> Border | None:  # fmt: skip
    """Bound the distance to another decision by the linear model of the region, or search for it."""
    decides, offsets = reading.outcome.decides, reading.outcome.offsets
    if not decides:
        return None
    moving = reading.columns.are_numbers
    if decides == "sign":
        margins, gradients = np.atleast_1d(outputs[which] - offsets[which]), coefs[[which]]
    else:
        above = outputs - offsets
        winner = int(above.argmax())
        others = np.delete(np.arange(len(outputs)), winner)
        margins, gradients = above[winner] - above[others], coefs[winner] - coefs[others]
    slopes = np.linalg.norm((gradients * reading.scales)[:, moving], axis=1)
    here = float(np.divide(np.abs(margins), slopes, out=np.full(len(slopes), np.inf), where=slopes > 0).min())
    if here <= distance or not search or not np.isfinite(margins).all():
        return Border(lower=min(here, distance), upper=here if here <= distance else np.inf)
    return _searched(reading, x, which, distance, time_limit)


def _searched(reading: Reading, x: Floats, which: int, distance: float, time_limit: float) -> Border:
    """Look for the nearest other decision beyond the region."""
    from planefold.robustness.certify import distance as distance_of

    offsets = reading.outcome.offsets
    net = reading.net
    if reading.outcome.decides == "sign":
        net = net.with_outputs(np.eye(net.n_outputs)[:, [which]], -offsets[[which]])
    else:
        net = net.with_outputs(np.eye(net.n_outputs), -offsets)
    steps = np.diag(reading.scales)[reading.columns.are_numbers]
    found = distance_of(net.restricted(x, steps), np.zeros(len(steps)), norm="l2", time_limit=time_limit)
    return Border(lower=min(max(distance, found.lower), found.upper), upper=found.upper)
