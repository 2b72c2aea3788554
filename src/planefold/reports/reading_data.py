"""What the reading section of a report says, as plain data: planes in use, rows explained, a map, exact effects."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt

from planefold.networks.affine import Floats
from planefold.reading.segments.attributions import partial_dependence
from planefold.reading.tables.local_models import MANY, Reading, local_models
from planefold.reading.tables.reach import nearest_crease
from planefold.reports.plain import plain
from planefold.reports.reading_map import map_of, value_text

Ints = npt.NDArray[np.int64]

SAME = 1e-9  # models whose numbers differ by less than this share of the largest are one
N_TERMS = 7  # of a formula
N_LARGEST, N_MERGED = 3, 5  # planes that are written out
N_CONTRIBUTIONS = 7
N_EFFECTS = 3
N_CURVE_POINTS = 60
WORK = 1_500_000_000  # rows times units times weights of a mean effect: about a third of a second for each column
FEWEST_ROWS, MOST_ROWS = 16, 200
USUAL = (0.01, 0.99)  # quantiles: beyond them lie few rows and most of a chart


def reading_data(
    model: Any, X: Any, y: Any = None, *, numbers: Sequence[int] | None = None, worst: int | None = None
) -> dict[str, Any]:
    """Read a model on some rows, for a report.

    Parameters
    ----------
    model : estimator
    X : table or array
    y : array-like, optional
        Their targets.
    numbers : sequence of int, optional
        The number of each row in its file; by default counted from 1.
    worst : int, optional
        Which of the rows is predicted worst, counted from 0.

    Returns
    -------
    dict
        Plain data: ``ReportData.reading``.

    Raises
    ------
    NotPiecewiseLinearError
        If the network bends between its creases.
    """
    reading = local_models(model, X, y)
    planes = _distinct(reading)
    coordinates = _by_strength(reading)
    seen = reading.predictions if reading.outcome.classes else reading.outputs
    data: dict[str, Any] = {
        "description": reading.net.description,
        "n_rows": reading.n_rows,
        "n_units": reading.net.n_units,
        "n_regions": reading.n_regions,
        "n_planes": len(planes.counts),
        "outputs": reading.output_names,
        "link": reading.net.link,
        "coverage": _coverage(planes),
        **_told(reading, planes),
        "rows": list(_explained(reading, numbers, worst)),
        "map": map_of(reading, coordinates),
        "effects": _effects(reading, coordinates, np.argsort(seen[:, -1], kind="stable")),
        "exact": reading.certificate.exact,
        "certificate": str(reading.certificate),
    }
    found: dict[str, Any] = plain(data)
    return found


def _by_strength(reading: Reading) -> list[int]:
    """Order the numbers among the coordinates by how much they move the outputs of the rows, the strongest first."""
    kept = reading.regions < len(reading)
    moves = np.zeros(len(reading.columns.names))
    for plane, count in enumerate(np.bincount(reading.regions[kept], minlength=len(reading)).tolist()):
        moves += count * np.abs(reading.coefs[plane]).sum(axis=0)
    varied = np.array([len(np.unique(column)) for column in reading.rows.T])
    strength = np.where(reading.columns.are_numbers & (varied > 1), moves * reading.scales, -1.0)
    # What has a few values only is a poor axis, whatever its strength.
    order = np.lexsort((-strength, varied < 5))
    return [int(place) for place in order if strength[place] > 0]


# ----------------------------------------------------------------------------------------------------------- planes


@dataclass(frozen=True, kw_only=True, eq=False)
class _Planes:
    """The different linear models that rows have, most rows first.

    Parameters
    ----------
    regions : int ndarray of shape (n_planes,)
        One activation region of each.
    of_rows : int ndarray of shape (n_rows,)
    counts : int ndarray of shape (n_planes,)
    """

    regions: Ints
    of_rows: Ints
    counts: Ints


def _distinct(reading: Reading) -> _Planes:
    """Count activation regions with the same linear model once: units that nothing reads change nothing."""
    levels = reading.intercepts + reading.coefs @ reading.reference
    maps = np.concatenate([reading.coefs * reading.scales, levels[:, :, None]], axis=2).reshape(len(reading), -1)
    steps = np.round(maps / (SAME * max(float(np.abs(maps).max(initial=0.0)), 1e-300)))
    _, first, planes = np.unique(steps, axis=0, return_index=True, return_inverse=True)
    # Of regions beyond those whose coefficients are kept, each counts for itself.
    extra = np.arange(reading.n_regions - len(reading))
    first = np.concatenate([first, len(reading) + extra])
    planes = np.concatenate([planes.ravel(), planes.max(initial=-1) + 1 + extra])
    of_rows = planes[reading.regions]
    counts = np.bincount(of_rows, minlength=len(first))
    order = np.lexsort((first, -counts))
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    return _Planes(regions=first[order], of_rows=rank[of_rows], counts=counts[order])


def _coverage(planes: _Planes) -> list[tuple[int, float]]:
    shares = np.cumsum(planes.counts) / planes.counts.sum()
    last = len(shares)
    counts = np.unique(np.geomspace(1, last, N_CURVE_POINTS).round().astype(np.int64))
    return [(int(n), float(shares[n - 1])) for n in (counts if last > N_CURVE_POINTS else range(1, last + 1))]


def _told(reading: Reading, planes: _Planes) -> dict[str, Any]:
    """Describe the largest planes, or merged ones where hardly two rows share a plane."""
    counts = planes.counts
    if len(counts) <= 10 or counts[:10].sum() >= MANY * reading.n_rows:
        n_shown = len(counts) if len(counts) <= N_MERGED else N_LARGEST
        own = planes.regions[:n_shown]
        told = _described(reading, reading.coefs[own], reading.intercepts[own], planes.of_rows)
        return {"planes": list(told), "merged": None}
    few = reading.merged(N_MERGED)
    merged = {
        "n_planes": len(few),
        "r2": few.r2,
        "agreement": few.agreement,
        "mean_difference": few.mean_difference,
        "max_difference": few.max_difference,
        "planes": list(_described(reading, few.coefs, few.intercepts, few.row_planes)),
    }
    return {"planes": [], "merged": merged}


def _described(reading: Reading, coefs: Floats, intercepts: Floats, planes: Ints) -> Iterator[dict[str, Any]]:
    for number, (coef, intercept) in enumerate(zip(coefs, intercepts, strict=True)):
        rows = np.flatnonzero(planes == number)
        output = _output_of(reading, rows)
        wrong = None
        if reading.target is not None and reading.predicted is not None:
            wrong = float((reading.target[rows] != reading.predicted[rows]).mean())
        yield {
            "n_rows": len(rows),
            "share": len(rows) / reading.n_rows,
            "mean_prediction": reading.predictions[rows].mean(axis=0),
            "wrong": wrong,
            "formula": _formula(reading, coef[output], float(intercept[output]), output),
        }


def _output_of(reading: Reading, rows: Ints) -> int:
    """Return the output that is told of some rows: of several classes the one that most of them are put in."""
    if reading.outcome.decides != "largest" or not len(rows):
        return 0
    winners = (reading.outputs[rows] - reading.outcome.offsets).argmax(axis=1)
    return int(np.bincount(winners).argmax())


def _formula(reading: Reading, coef: Floats, intercept: float, output: int) -> dict[str, Any]:
    columns = reading.columns
    moves = np.abs(coef * reading.scales)
    order = [place for place in np.argsort(-moves, kind="stable") if moves[place] > SAME * moves.max()]
    shown = order if len(order) <= N_TERMS + 1 else order[:N_TERMS]
    terms = [
        {"name": columns.names[place], "is_number": bool(columns.are_numbers[place]), "coef": float(coef[place])}
        for place in shown
    ]
    return {
        "output": reading.output_names[output],
        "intercept": intercept,
        "terms": terms,
        "n_more": len(order) - len(shown),
    }


# ------------------------------------------------------------------------------------------------------------- rows


def _explained(reading: Reading, numbers: Sequence[int] | None, worst: int | None) -> Iterator[dict[str, Any]]:
    told = numbers if numbers is not None else range(1, reading.n_rows + 1)
    several = reading.outcome.decides != "largest"
    found = reading.contributions(output=reading.outcome.keys[0] if several else None)
    done: set[int] = set()
    for which, row in _chosen(reading, worst):
        if row in done:
            continue
        done.add(row)
        parts, output = found.values[row], int(found.which[row])
        order = np.argsort(-np.abs(parts), kind="stable")
        shown = order if len(order) <= N_CONTRIBUTIONS + 1 else order[:N_CONTRIBUTIONS]
        rest = order[len(shown) :]
        x = reading.rows[row]
        values = reading.columns.values(x[None])
        pattern = reading.pattern(int(reading.regions[row]))
        distance, _ = nearest_crease(reading.net, x, pattern, reading.scales, reading.columns.are_numbers)
        yield {
            "which": which,
            "row": int(told[row]),
            "output": reading.output_names[output],
            "base": float(found.base[row]),
            "value": float(found.outputs[row]),
            "prediction": float(reading.predictions[row, reading.outcome.places[output]]),
            "label": _label(reading, reading.predicted, row),
            "truth": _truth(reading, row),
            "contributions": [
                {
                    "column": found.columns[k],
                    "value": _value(reading, x, values, found.columns[k]),
                    "contribution": float(parts[k]),
                }
                for k in shown
            ],
            "others": {"n": len(rest), "contribution": float(parts[rest].sum())} if len(rest) else None,
            "distance": distance,
        }


def _value(reading: Reading, x: Floats, values: dict[str, npt.NDArray[Any]], column: str) -> str:
    if column in values:
        return value_text(values[column][0])
    # Of this column only whether it is missing is known.
    return "missing" if x[reading.columns.owners.index(column)] > 0 else "there"


def _chosen(reading: Reading, worst: int | None) -> Iterator[tuple[str, int]]:
    """Choose three rows, always the same ones: in the middle, at the end, and the worst."""
    if reading.predicted is None or reading.predicted.ndim > 1:
        height = reading.outputs[:, 0]
        yield "middle", _middle(height)
        yield "highest", int(height.argmax())
        if worst is not None:
            yield "worst", worst
        else:
            yield "lowest", int(height.argmin())
        return
    if reading.predictions.shape[1] == 1:
        sure = np.abs(reading.outputs[:, 0] - reading.outcome.offsets[0])
    else:
        above = np.sort(reading.outputs - reading.outcome.offsets, axis=1)
        sure = above[:, -1] - above[:, -2]
    yield "middle", _middle(sure)
    yield "surest", int(sure.argmax())
    if worst is not None:
        yield "worst", worst
    else:
        yield "least sure", int(sure.argmin())


def _middle(values: Floats) -> int:
    return int(np.argsort(values, kind="stable")[(len(values) - 1) // 2])


def _label(reading: Reading, codes: npt.NDArray[Any] | None, row: int) -> str | None:
    if codes is None or codes.ndim > 1:
        return None
    return str(reading.outcome.classes[int(codes[row])])


def _truth(reading: Reading, row: int) -> str | float | None:
    if reading.target is None:
        return None
    if reading.outcome.classes:
        return _label(reading, reading.target, row)
    return float(reading.target[row, 0])


# ---------------------------------------------------------------------------------------------------------- effects


def _effects(reading: Reading, coordinates: Sequence[int], order: Ints) -> list[dict[str, Any]]:
    """Compute the mean outputs of some rows along the strongest columns, with every kink."""
    work = max(reading.net.n_units * reading.net.n_multiplications, 1)
    n_rows = min(max(WORK // work, FEWEST_ROWS), MOST_ROWS, reading.n_rows)
    # Evenly from the lowest to the highest prediction.
    rows = reading.rows[order[np.linspace(0, reading.n_rows - 1, n_rows).round().astype(np.int64)]]
    curves = (_effect(reading, rows, place) for place in coordinates)
    found = list(islice((curve for curve in curves if curve is not None), N_EFFECTS))
    for one in found:
        values = [value for other in found if other["output"] == one["output"] for _, value in other["points"]]
        one["low"], one["high"] = min(values), max(values)
    return found


def _effect(reading: Reading, rows: Floats, place: int) -> dict[str, Any] | None:
    column = reading.rows[:, place]
    low, high = np.quantile(column, USUAL)
    if not low < high:
        return None
    strength = np.abs(reading.coefs[:, :, place]).mean(axis=0)
    output = int(strength.argmax()) if reading.outcome.decides == "largest" else 0
    curve = partial_dependence(reading.net, rows, place, low=float(low), high=float(high), output=output)
    drawn = curve if len(curve.t) <= N_CURVE_POINTS else curve.thinned()
    return {
        "column": reading.columns.names[place],
        "unit": reading.columns.units[place],
        "output": reading.output_names[output],
        "n_rows": len(rows),
        "n_kinks": len(curve.t) - 2,
        "error": drawn.error,
        "points": np.column_stack([drawn.t, drawn.values]).tolist(),
        "deciles": np.quantile(column, np.arange(1, 10) / 10).clip(low, high).tolist(),
    }
