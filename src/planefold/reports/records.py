"""The small records that an :class:`~planefold.reports.evaluation.Evaluation` is made of."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One number about a model, with its 95 % bootstrap interval where there is one.

    Parameters
    ----------
    name : str
        As a reader knows it: ``"ROC AUC"``, ``"RMSE"``.
    value : float
    low, high : float or None
        95 % bootstrap interval over the rows.
    larger_is_better : bool, default=True
    """

    name: str
    value: float
    low: float | None = None
    high: float | None = None
    larger_is_better: bool = True


@dataclass(frozen=True, kw_only=True)
class Difference:
    """The headline metric of the model minus that of a baseline, on the same resamples.

    Parameters
    ----------
    value : float
    low, high : float or None
        95 % bootstrap interval of the paired difference; where it holds 0 the two are level.
    """

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, kw_only=True)
class Confusion:
    """How often each class was taken for each other one.

    Parameters
    ----------
    classes : tuple of str
        At most 21: beyond that the rarest are one class, "all others".
    matrix : tuple of tuple of int
        Row: the truth; column: the prediction.
    n_wrong : int
        Rows in the wrong class, also those between two classes that are both among "all others".
    """

    classes: tuple[str, ...]
    matrix: tuple[tuple[int, ...], ...]
    n_wrong: int


@dataclass(frozen=True, kw_only=True)
class ClassScore:
    """How well one class or label is found.

    Parameters
    ----------
    name : str
    n_rows : int
        Rows that truly have it.
    precision, recall, f1 : float or None
        None where there is nothing to divide by.
    """

    name: str
    n_rows: int
    precision: float | None
    recall: float | None
    f1: float | None


@dataclass(frozen=True, kw_only=True)
class Residuals:
    """Prediction minus truth of one output.

    Parameters
    ----------
    output : str
        Name of the output; empty when there is one.
    mean, standard_deviation, minimum, quartile_1, median, quartile_3, maximum : float
        Of prediction minus truth, in the target's unit.
    edges, counts : tuple
        Histogram; one edge more than counts. The outermost bars also hold what lies beyond them.
    points : tuple of (truth, prediction)
        At most 2,000 rows, drawn at random and with the worst always among them.
    """

    output: str
    mean: float
    standard_deviation: float
    minimum: float
    quartile_1: float
    median: float
    quartile_3: float
    maximum: float
    edges: tuple[float, ...]
    counts: tuple[int, ...]
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True, kw_only=True)
class CalibrationBin:
    """Rows with near predicted probabilities, and how many of them were truly positive.

    Parameters
    ----------
    n_rows : int
    predicted : float
        Mean of the predicted probabilities.
    observed : float
        Share of the rows that are positive.
    low, high : float
        95 % Wilson interval of that share.
    """

    n_rows: int
    predicted: float
    observed: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class WorstRow:
    """One row that the model gets badly wrong.

    Parameters
    ----------
    row : int
        Number of the row in the user's table.
    truth, prediction : str or float
    how_wrong : float
        Regression: absolute error; multioutput: root mean square of the errors in standard deviations of each
        output; classification: 1 - probability of the truth (1 without probabilities); multilabel: labels that
        are wrong.
    """

    row: int
    truth: str | float
    prediction: str | float
    how_wrong: float
