"""Which two-dimensional slice to look at: two columns vary, the others are held at what is usual."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from planefold.core.errors import DataError, ParameterError, show
from planefold.core.records import Record
from planefold.networks.affine import Floats, PiecewiseLinearNet
from planefold.reading.models import from_model
from planefold.reading.slices.boundaries import Decisions, decisions
from planefold.reading.slices.decision_tiles import decisions_in_tiles
from planefold.reading.slices.estimates import estimate_regions
from planefold.reading.slices.planes import planes
from planefold.reading.slices.records import Planes
from planefold.reading.slices.restrictions import View, restriction_of
from planefold.reading.slices.windows import window_corners
from planefold.reading.tables.columns import Columns, columns_of, is_estimator

FEW_REGIONS = 30_000  # that are cut one and all without a thought: within a second or two


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Slice(Record):
    """A plane through the columns of a model: the input is ``origin + u * directions[0] + v * directions[1]``.

    Parameters
    ----------
    net : PiecewiseLinearNet
        The whole network, from the columns on.
    origin : ndarray of shape (n_inputs,)
        What the other columns are held at; 0 in the two that vary, so that u and v are in their units.
    directions : ndarray of shape (2, n_inputs)
    window : tuple of ((u0, u1), (v0, v1))
        Where 95 % of the rows lie in each of the two columns, and a twentieth more on each side; never beyond them.
    labels : tuple of str
        What the two columns are called, with their units where these are not the columns' own.
    fixed : mapping of column to value
        What the others are held at, as people write it.
    points : ndarray of shape (n_rows, 2)
        The rows in the two columns.
    """

    net: PiecewiseLinearNet
    origin: Floats
    directions: Floats
    window: tuple[tuple[float, float], tuple[float, float]]
    labels: tuple[str, str]
    fixed: Mapping[str, Any]
    points: Floats

    def planes(self, max_regions: int = 1_000_000) -> Planes:
        """Cut the slice into its regions, as :func:`planefold.reading.planes` does."""
        return planes(self.net, self.window, origin=self.origin, directions=self.directions, max_regions=max_regions)

    @cached_property
    def view(self) -> View:
        """The network on the plane, and the corners of the window."""
        flat = restriction_of(self.net, self.origin, self.directions)
        return View(**vars(flat), window=window_corners(self.window))

    @cached_property
    def about_n_regions(self) -> float:
        """About how many activation regions there are, by the creases along a few lines.

        Often within a factor of two, sometimes three: only to plan with.
        """
        return estimate_regions(self.view.net, self.view.window)

    def decisions(self, *, threshold: float | None = None) -> Decisions:
        """Return the areas of the classes and the border between them.

        Parameters
        ----------
        threshold : float, optional
            As for :func:`planefold.reading.boundary`.

        Notes
        -----
        A window of more than about 30,000 regions is not cut into all of them, but only along the border, and put
        together from tiles (see :func:`~planefold.reading.slices.decision_tiles.decisions_in_tiles`).
        """
        return self._decisions if threshold is None else self._decide(threshold)

    @cached_property
    def _decisions(self) -> Decisions:
        return self._decide(None)

    def _decide(self, threshold: float | None) -> Decisions:
        if self.about_n_regions <= FEW_REGIONS:
            return decisions(self.planes(), threshold=threshold)
        return decisions_in_tiles(self.view.net, self.window, threshold=threshold)

    def held(self) -> str:
        """Say in words where the other columns are held."""
        return ", ".join(f"{name} = {'missing' if value is None else value}" for name, value in self.fixed.items())


def slice_of(model: Any, x: str | int | None, y: str | int | None, data: Any) -> Slice:
    """Lay a slice through two columns of a model, at the medians and most frequent values of the others.

    Parameters
    ----------
    model : estimator, PiecewiseLinearNet or whatever ``from_model`` reads
    x, y : str or int
        Columns of numbers, by name or by place.
    data : data frame, mapping of columns, path of a CSV file, or array-like of shape (n_rows, n_columns)
        Rows that say what is usual, and how far the two columns go.

    Returns
    -------
    Slice
        ``.planes()`` subdivides it.

    Raises
    ------
    ParameterError
        If x and y are not two different columns of numbers.
    DataError
        If a column does not exist, or there are no rows.

    Notes
    -----
    Numbers are held at their medians, dates at the one in the middle, categories at the most frequent one, and what was
    missing in most rows is missing. The network is exact on the slice; another slice can look different.
    """
    net = from_model(model)
    columns = columns_of(model if is_estimator(model) else net)
    if x is None or y is None or columns.place(x) == columns.place(y):
        raise ParameterError(f"x={show(x)} and y={show(y)} are not two columns", hint="name two different columns")
    if data is None:
        raise DataError(
            "without data, nothing says where the other columns are to be held", hint="data=the rows it was trained on"
        )
    places = [columns.place(x), columns.place(y)]
    for place in places:
        if not columns.are_numbers[place]:
            raise ParameterError(
                f"{show(columns.names[place])} is 0 or 1, so there is nothing between to slice through",
                hint=f"columns of numbers: {', '.join(np.array(columns.names)[columns.are_numbers][:12])}",
            )
    rows = columns.rows(data)
    if not len(rows):
        raise DataError("data has no rows, so nothing is usual")
    usual = usual_row(columns, rows)
    fixed = {name: _value(value[0]) for name, value in columns.values(usual[None]).items()}
    origin, directions = usual.copy(), np.zeros((2, len(usual)))
    origin[places] = 0.0
    directions[[0, 1], places] = 1.0
    units = [columns.units[place] for place in places]
    labels = [columns.names[place] + (f" ({unit})" if unit else "") for place, unit in zip(places, units, strict=True)]
    for place in places:
        fixed.pop(columns.owners[place], None)
    return Slice(
        net=net,
        origin=origin,
        directions=directions,
        window=usual_window(rows[:, places]),
        labels=(labels[0], labels[1]),
        fixed=fixed,
        points=rows[:, places],
    )


def usual_row(columns: Columns, rows: Floats) -> Floats:
    """Return medians of the numbers, the middle one of the dates, and the most frequent 0s and 1s of each column."""
    usual = np.median(rows, axis=0)
    for owner in {*columns.owners}:
        own = np.array([name == owner for name in columns.owners])
        marks, dates = own & ~columns.are_numbers, own & np.array([kind == "date part" for kind in columns.kinds])
        if marks.any():
            combinations, counts = np.unique(rows[:, marks], axis=0, return_counts=True)
            usual[marks] = combinations[counts.argmax()]
        if dates.any():  # the parts of one date: medians of each part would be of no date
            alike = rows[(rows[:, marks] == usual[marks]).all(axis=1)][:, dates]
            usual[dates] = alike[np.argsort(alike[:, 0], kind="stable")[(len(alike) - 1) // 2]]
    return usual


def around(points: Floats) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return the window that holds all points, with a margin of a twentieth; 1 where they do not spread.

    >>> around(np.array([[0.0, 5.0], [20.0, 5.0]]))
    ((-1.0, 21.0), (4.0, 6.0))
    """
    low, high = points.min(axis=0), points.max(axis=0)
    margin = np.where(high > low, 0.05 * (high - low), 1.0)
    (u0, v0), (u1, v1) = (low - margin).tolist(), (high + margin).tolist()
    return (u0, u1), (v0, v1)


def usual_window(points: Floats) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return the window that holds most points: without the 2.5 % at either end of each axis, which may be far away."""
    low, high = np.quantile(points, [0.025, 0.975], axis=0)
    low, high = np.where(high > low, [low, high], [points.min(axis=0), points.max(axis=0)])
    margin = 0.05 * (high - low)
    low, high = np.maximum(low - margin, points.min(axis=0)), np.minimum(high + margin, points.max(axis=0))
    alone = ~(high > low)
    (u0, v0), (u1, v1) = (low - alone).tolist(), (high + alone).tolist()
    return (u0, u1), (v0, v1)


def _value(value: Any) -> Any:
    if isinstance(value, np.datetime64):
        return None if np.isnat(value) else str(value.astype("datetime64[D]"))
    plain = value.item() if hasattr(value, "item") else value
    if isinstance(plain, float):
        return None if np.isnan(plain) else float(f"{plain:.6g}") if plain % 1 else int(plain)
    return plain
