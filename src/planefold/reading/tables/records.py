"""What a reading of data finds: its planes, how like each other they are, and how it prints."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from planefold.core.errors import ParameterError
from planefold.core.records import Record
from planefold.networks.affine import Floats, PiecewiseLinearNet, Signs
from planefold.reading.certificate import Certificate
from planefold.reading.tables.columns import Columns
from planefold.reading.tables.formulas import formula, number
from planefold.reading.tables.inhabited import Bytes, alike, unpacked
from planefold.reading.tables.outcomes import Ints, Outcome, place_of_output

if TYPE_CHECKING:
    from planefold.reading.segments.curves import Curve, Curves
    from planefold.reading.tables.contributions import Contributions
    from planefold.reading.tables.explain import Explanation
    from planefold.reading.tables.merging import MergedPlanes


MAX_TERMS, MAX_OUTPUTS = 8, 3  # of a formula and of a plane in a summary
MANY = 0.5  # the ten largest planes hold less than this share of the rows: then merged ones say more


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """How much like its neighbours a plane is.

    Parameters
    ----------
    planes : tuple of int
        The planes whose activation patterns differ from this one's in the fewest units, among those that rows lie in.
    n_units : int
        In how many units they differ; 1 where the regions may touch.
    cosine : float
        Of the angle between the coefficients in scaled columns, the lowest among these neighbours: 1 where all point
        the same way, below 0 where one points the other way.
    difference : float
        Length of the difference of the coefficients, as a share of this plane's; the largest among these neighbours.
    """

    planes: tuple[int, ...]
    n_units: int
    cosine: float
    difference: float


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class LocalModel(Record):
    """One plane: the linear model that the network is for some of the rows.

    Parameters
    ----------
    number : int
        Its rank by rows, from 0.
    n_rows : int
    share : float
        Of all rows that were read.
    coef_ : ndarray of shape (n_coordinates,), or (n_outputs, n_coordinates) of several outputs
        In the units of the columns.
    intercept_ : float, or ndarray of shape (n_outputs,)
    pattern : int8 ndarray of shape (n_units,)
        +1 for units that are on the right of their crease in this region, -1 for the others.
    prediction : ndarray
        Mean of the model's predictions for these rows, after the link: numbers, or probabilities.
    target : ndarray or None
        Mean of the targets of these rows; of classes the share of each. None where ``y`` was not given.
    error : ndarray or None
        Mean of ``|y - prediction|`` for each output; of classes the share of rows with a wrong label.
    """

    number: int
    n_rows: int
    share: float
    coef_: Floats
    intercept_: Any
    pattern: Signs
    prediction: Floats
    target: Floats | None
    error: Floats | None
    _reading: Reading = field(repr=False)

    @property
    def units_on(self) -> Ints:
        """The units that are on the right of their crease, numbered through all folds."""
        return np.flatnonzero(self.pattern > 0)

    @property
    def rows(self) -> Ints:
        """Which rows lie in this plane's region."""
        return np.flatnonzero(self._reading.regions == self.number)

    @property
    def agreement(self) -> Agreement | None:
        """How much like its neighbours it is; None where it is the only plane."""
        return self._reading.agreement(self.number)

    def formula(self, output: int = 0, max_terms: int | None = None) -> str:
        """Write it as a formula in the user's columns, the terms that move most first."""
        return self._reading.formula(self.number, output=output, max_terms=max_terms)

    def __str__(self) -> str:
        rows = "1 row" if self.n_rows == 1 else f"{self.n_rows:,} rows"
        said = "" if self.target is None else f", {self._reading.says(self)}"
        n_outputs = len(self._reading.output_names)
        formulas = [f"  {self.formula(output, MAX_TERMS)}" for output in range(min(n_outputs, MAX_OUTPUTS))]
        more = [f"  ... {n_outputs - MAX_OUTPUTS} outputs more"] if n_outputs > MAX_OUTPUTS else []
        return "\n".join([f"plane {self.number + 1}: {rows} ({100 * self.share:.1f} %){said}", *formulas, *more])


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Reading(Record):
    """The planes that rows live in, most rows first.

    An estimator's ``read`` makes it, or :func:`planefold.reading.local_models`. Iterating and indexing
    gives :class:`LocalModel`; printing gives a summary. A *plane* here is the affine map in one activation region (one
    pattern of units on and off) that at least one row lies in.

    Parameters
    ----------
    whole : PiecewiseLinearNet
        The model: reads the columns and gives all outputs.
    net : PiecewiseLinearNet
        The same with the outputs that were asked for.
    columns : Columns
    rows : ndarray of shape (n_rows, n_coordinates)
    outputs : ndarray of shape (n_rows, n_outputs)
        What ``net`` gives, before the link.
    regions : int ndarray of shape (n_rows,)
        The plane of each row, by rank.
    counts : int ndarray of shape (n_regions,)
    packed : uint8 ndarray of shape (n_regions, n_bytes)
        The units that are on, eight to a byte.
    coefs : ndarray of shape (n_models, n_outputs, n_coordinates)
    intercepts : ndarray of shape (n_models, n_outputs)
    scales, reference : ndarray of shape (n_coordinates,)
        The spread of each column (1 for what is 0 or 1), and the mean of the rows.
    predictions : ndarray of shape (n_rows, n_predictions)
        After the link, of all outputs of the model.
    predicted : int ndarray or None
        The labels that the model decides for; None where it predicts numbers.
    target : ndarray or None
        Numbers of shape (n_rows, n_predictions), codes of classes of shape (n_rows,), or 0 and 1 for several labels.
    outcome : Outcome
        What was asked for: outputs, labels, and how these follow from those.
    largest_residual : float
        Largest difference between a row's output and its plane's value: rounding, and nothing else.
    certificate : Certificate
    """

    whole: PiecewiseLinearNet
    net: PiecewiseLinearNet
    columns: Columns
    rows: Floats
    outputs: Floats
    regions: Ints
    counts: Ints
    packed: Bytes
    coefs: Floats
    intercepts: Floats
    scales: Floats
    reference: Floats
    predictions: Floats
    predicted: Ints | None
    target: npt.NDArray[Any] | None
    outcome: Outcome
    largest_residual: float
    certificate: Certificate

    # ------------------------------------------------------------------------------------------------ what there is

    @property
    def n_rows(self) -> int:
        """How many rows were read."""
        return len(self.rows)

    @property
    def n_regions(self) -> int:
        """How many activation regions the rows lie in."""
        return len(self.counts)

    @cached_property
    def n_formulas(self) -> int:
        """How many different linear models the planes are: regions between which nothing bends have the same one."""
        levels = self.intercepts + self.coefs @ self.reference
        maps = np.concatenate([self.coefs * self.scales, levels[:, :, None]], axis=2)
        return int(alike(maps.reshape(len(maps), -1)).max()) + 1

    @property
    def output_names(self) -> tuple[str, ...]:
        """What the outputs are called in formulas, before the link."""
        return self.net.output_names

    def __len__(self) -> int:
        return len(self.coefs)

    def __iter__(self) -> Iterator[LocalModel]:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, i: int) -> LocalModel:
        i = self._checked(i)
        one = len(self.output_names) == 1
        target, error = self._judged
        return LocalModel(
            number=i,
            n_rows=int(self.counts[i]),
            share=float(self.counts[i] / self.n_rows),
            coef_=self.coefs[i, 0] if one else self.coefs[i],
            intercept_=float(self.intercepts[i, 0]) if one else self.intercepts[i],
            pattern=self.pattern(i),
            prediction=self._mean_of(self.predictions)[i],
            target=None if target is None else target[i],
            error=None if error is None else error[i],
            _reading=self,
        )

    def _checked(self, i: int) -> int:
        if not -len(self) <= i < len(self):
            cut = f"; only the {len(self):,} with most rows are kept" if len(self) < self.n_regions else ""
            raise IndexError(f"plane {i} does not exist: there are {self.n_regions:,}, counted from 0{cut}")
        return int(i) % len(self)

    def pattern(self, i: int) -> Signs:
        """Return which units are on (+1) and off (-1) in a plane's region, int8 of shape (n_units,)."""
        pattern: Signs = unpacked(self.packed[[i]], self.net.n_units)[0]
        return pattern

    def coverage(self, k: int = 10) -> float:
        """Return the share of the rows that the ``k`` largest planes hold."""
        if k < 0:
            raise ParameterError(f"k={k} is no number of planes", hint="give 0 or more")
        return float(self.counts[:k].sum() / self.n_rows)

    def _mean_of(self, values: Floats) -> Floats:
        """Mean of each column over each region's rows, (n_regions, n_columns)."""
        sums = [np.bincount(self.regions, column, minlength=self.n_regions) for column in values.T]
        return np.asarray(np.column_stack(sums) / self.counts[:, None])

    @cached_property
    def _judged(self) -> tuple[Floats | None, Floats | None]:
        """Mean target and mean error of each region."""
        if self.target is None:
            return None, None
        if self.predicted is None:
            return self._mean_of(self.target), self._mean_of(np.abs(self.target - self.predictions))
        wrong = (self.target != self.predicted).reshape(self.n_rows, -1).astype(np.float64)
        shares = self.target if self.target.ndim == 2 else np.eye(len(self.outcome.classes))[self.target]
        return self._mean_of(shares), self._mean_of(wrong)

    def says(self, model: LocalModel) -> str:
        """Say what a plane's rows are and how well they are predicted, in a few words."""
        assert model.target is not None
        assert model.error is not None
        classes = self.outcome.classes
        if not classes:
            return f"mean {number(float(model.target[0]))}, mean error {number(float(model.error[0]))}"
        order = np.argsort(-model.target, kind="stable")[:3]
        mix = ", ".join(f"{100 * model.target[c]:.0f} % {classes[c]}" for c in order if model.target[c] >= 0.005)
        return f"{mix}; {100 * float(model.error.mean()):.1f} % wrong"

    # ------------------------------------------------------------------------------------------------ what they say

    def formula(self, i: int, *, output: int = 0, max_terms: int | None = None) -> str:
        """Write a plane as a formula in the user's columns and units.

        Parameters
        ----------
        i : int
            Which plane, by rank.
        output : int
            Which of the outputs that were read.
        max_terms : int, optional
            Only so many terms, those that move most over the spread of their columns.
        """
        i, output = self._checked(i), place_of_output(output, self.outcome.keys)
        coef, intercept = self.coefs[i, output], float(self.intercepts[i, output])
        return formula(self.output_names[output], coef, intercept, self.columns, self.scales, max_terms)

    def agreement(self, i: int) -> Agreement | None:
        """Compare a plane with those whose patterns differ in the fewest units; None where it is the only one."""
        i = self._checked(i)
        apart = np.bitwise_count(self.packed[: len(self)] ^ self.packed[i]).sum(axis=1, dtype=np.int64)
        apart[i] = np.iinfo(np.int64).max
        if len(self) == 1:
            return None
        near = np.flatnonzero(apart == apart.min())
        own, others = (self.coefs[i] * self.scales).ravel(), (self.coefs[near] * self.scales).reshape(len(near), -1)
        length, lengths = float(np.linalg.norm(own)), np.linalg.norm(others, axis=1)
        differences = np.linalg.norm(others - own, axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            # Two planes that are both level agree; a level and a steep one have no angle between them.
            cosines = np.where(lengths * length > 0, others @ own / (lengths * length), 1.0 * (lengths == length))
            shares = np.where(differences > 0, differences / length, 0.0)
        return Agreement(
            planes=tuple(int(k) for k in near),
            n_units=int(apart.min()),
            cosine=float(np.clip(cosines.min(), -1, 1)),
            difference=float(shares.max()),
        )

    def labels(self, outputs: Floats | None = None) -> Ints | None:
        """Return the decisions that follow from outputs (those of the rows by default); None where none follow."""
        outputs = self.outputs if outputs is None else outputs
        above = outputs - self.outcome.offsets
        if self.outcome.decides == "sign":
            return (above > 0).astype(np.int64)[:, 0] if above.shape[1] == 1 else (above > 0).astype(np.int64)
        return np.asarray(above.argmax(axis=1)) if self.outcome.decides == "largest" else None

    def merged(
        self,
        n_planes: int | None = None,
        *,
        tolerance: float | None = None,
        fidelity: float | None = None,
        around: float = 0.5,
        random_state: Any = 0,
    ) -> MergedPlanes:
        """Put regions whose planes are almost equal together; see :func:`planefold.reading.tables.merging.merged`."""
        from planefold.reading.tables.merging import merged

        return merged(self, n_planes, tolerance=tolerance, fidelity=fidelity, around=around, random_state=random_state)

    def explain(
        self, row: Any, *, output: int | str | None = None, baseline: Any = None, border: bool = False, **options: Any
    ) -> Explanation:
        """Explain one prediction, exactly; see :func:`planefold.reading.tables.explain.explain`."""
        from planefold.reading.tables.explain import explain

        return explain(self, row, output=output, baseline=baseline, border=border, **options)

    def contributions(self, X: Any = None, *, output: int | str | None = None, baseline: Any = None) -> Contributions:
        """Return the contribution of each column for many rows; see :mod:`planefold.reading.tables.contributions`."""
        from planefold.reading.tables.contributions import contributions

        return contributions(self, X, output=output, baseline=baseline)

    def ice(self, column: int | str, *, low: float | None = None, high: float | None = None, output: Any = 0) -> Curves:
        """Follow an output along one column for each row, exactly; see :func:`planefold.reading.ice`."""
        from planefold.reading.segments.attributions import ice

        place, which = self.columns.place(column), place_of_output(output, self.outcome.keys)
        return ice(self.net, self.rows, place, low=low, high=high, output=which)

    def partial_dependence(
        self, column: int | str, *, low: float | None = None, high: float | None = None, output: Any = 0
    ) -> Curve:
        """Average these curves, exactly; see :func:`planefold.reading.partial_dependence`."""
        from planefold.reading.segments.attributions import partial_dependence

        place, which = self.columns.place(column), place_of_output(output, self.outcome.keys)
        return partial_dependence(self.net, self.rows, place, low=low, high=high, output=which)

    @cached_property
    def _few(self) -> MergedPlanes:
        return self.merged(min(5, self.n_regions))

    def where(self) -> str:
        """Say how many planes the rows lie on."""
        rows = "1 row lies" if self.n_rows == 1 else f"{self.n_rows:,} rows lie"
        if self.n_regions == 1:
            return f"{rows} on one plane"
        few = self.n_formulas < len(self)
        formulas = f", with {self.n_formulas:,} different formula{'s' * (self.n_formulas > 1)}" if few else ""
        return f"{rows} on {self.n_regions:,} planes (activation regions){formulas}"

    def __str__(self) -> str:
        k = min(10, self.n_regions)
        lines = [
            self.net.description,
            f"{self.where()}; the {k} largest hold {100 * self.coverage(k):.1f} % of the rows"
            if self.n_regions > 1
            else f"{self.where()}: the model is linear for all of them",
        ]
        if self.n_regions > k and self.coverage(k) < MANY:
            lines += ["", "Hardly two rows share a plane. A few planes that stand for many:", "", str(self._few), ""]
            lines += ["The largest planes themselves:"]
        for i in range(min(3, len(self))):
            lines += ["", str(self[i])]
        return "\n".join([*lines, "", str(self.certificate)])

    def to_json(self, max_models: int = 20) -> dict[str, Any]:
        """Return what was read as plain data: the largest planes, what they hold, and how sure it is."""
        planes = [
            {
                "n_rows": model.n_rows,
                "share": model.share,
                "formulas": [model.formula(output) for output in range(len(self.output_names))],
                "coef": np.atleast_2d(model.coef_).tolist(),
                "intercept": np.atleast_1d(model.intercept_).tolist(),
                "prediction": model.prediction.tolist(),
                "target": None if model.target is None else model.target.tolist(),
                "error": None if model.error is None else model.error.tolist(),
            }
            for model in (self[i] for i in range(min(max_models, len(self))))
        ]
        return {
            "model": self.net.description,
            "columns": list(self.columns.names),
            "outputs": list(self.output_names),
            "link": self.net.link,
            "classes": [str(label) for label in self.outcome.classes],
            "n_rows": self.n_rows,
            "n_regions": self.n_regions,
            "n_formulas": self.n_formulas,
            "coverage": {str(k): self.coverage(k) for k in (1, 10, 100)},
            "planes": planes,
            "exact": self.certificate.exact,
            "certificate": str(self.certificate),
        }
