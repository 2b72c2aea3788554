"""Rare classes: training rows made even, probabilities put right afterwards, and where to decide.

A network that learns from rows with more of a rare class than there are in the data finds that class too probable.
How much too probable is known exactly, since we chose it: the logit of each class is too large by the logarithm of
what its rows were multiplied by. :func:`evened` makes the rows even and keeps these logarithms, :func:`move_outputs`
takes them off the biases of the output, and a threshold keeps the decisions that the even rows led to.
"""

from __future__ import annotations

import copy
import dataclasses
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy import sparse
from scipy.special import expit, logit, softmax
from torch import Tensor

from planefold.core.errors import DataError, show
from planefold.data.imbalance import count_synthetic, repeated_rows, synthetic_rows
from planefold.engine.sources import Rows
from planefold.estimators.inputs import is_sparse
from planefold.estimators.members import with_members
from planefold.networks.mlp import MLP

Array = npt.NDArray[Any]

MAX_SYNTHETIC_VALUES = 500_000_000  # 2 GB of float32, of all members together
ROWS_AT_ONCE = 8192
ROUNDING = 1e-6  # measures that differ by less are equal: row weights may be float32


# ------------------------------------------------------------------------------------------------ resampling


@dataclass(frozen=True, kw_only=True)
class Evened:
    """Training rows in which every class is about as frequent as the most frequent one.

    Parameters
    ----------
    learn : Rows
        Each member's window has its own rows, some of them several times, or new rows made from them.
    judge : Rows or None
        The held-out rows, none of them new or repeated, with weights that give each class the share it has in
        ``learn``: so the held-out loss is that of the same question that the network learns to answer.
    log_growth : ndarray of shape (n_members, n_classes)
        Logarithm of what each class's total weight in a member's window was multiplied by.
    """

    learn: Rows
    judge: Rows | None
    log_growth: Array


def evened(
    learn: Rows, judge: Rows | None, method: str, random_state: np.random.RandomState, *, labels: Sequence[Any]
) -> Evened:
    """Make the classes of the training rows even, for each member from the rows that it learns from.

    Parameters
    ----------
    learn, judge : Rows
        With one target column of 0 and 1, or one column for each class.
    method : {"bootstrap", "smote", "adasyn"}
    random_state : numpy.random.RandomState
    labels : sequence
        The classes, for messages.

    Raises
    ------
    DataError
        If new rows cannot be made from the rows there are, or would need too much memory.

    Notes
    -----
    "bootstrap" needs no memory but for the indices. The new rows of the others are made for each member apart, since a
    row made from two others must not be shown to a member that is judged by one of these.

    A repeated row has the weight of its original. A new row has the mean weight of its class in the member's window:
    the two rows that it lies between are drawn without a look at their weights, so this is the weight that it has in
    expectation, and the mean weight of the class stays as it is. Rows of weight 0 are neither repeated nor built upon.
    """
    windows = [np.arange(learn.n_rows)] if learn.members is None else [line[line >= 0] for line in learn.members]
    weights = _weights(learn)
    roots = [window[weights[window] > 0] for window in windows]
    if method == "bootstrap":
        codes = _codes(learn.y)
        rows, more = learn, [root[repeated_rows(codes[root], random_state)] for root in roots]
    else:
        rows, more = _with_synthetic(learn, roots, method, random_state, labels)
    before = _totals(rows, roots)
    log_growth = np.log1p(np.divide(_totals(rows, more), before, out=np.zeros_like(before), where=before > 0))
    if judge is not None:
        judge = _reweighted(judge, np.exp(log_growth.mean(axis=0)))
    # Mixed, so that with shuffle=False no batch is of new rows alone.
    longer = [random_state.permutation(np.concatenate(pair)) for pair in zip(windows, more, strict=True)]
    return Evened(learn=with_members(rows, longer), judge=judge, log_growth=log_growth)


def _with_synthetic(
    learn: Rows, roots: list[Array], method: str, random_state: np.random.RandomState, labels: Sequence[Any]
) -> tuple[Rows, list[Array]]:
    """Append the new rows of all members to the table; return it with the places of each member's."""
    codes, weights, device = _codes(learn.y), _weights(learn), learn.y.device
    _refuse_too_many(learn, sum(count_synthetic(codes[root]) for root in roots), method)
    X_new: list[Any] = []
    new_codes, new_weights = [np.empty(0, dtype=np.int64)], [np.empty(0)]
    for root in roots:
        parents = learn.X[root] if is_sparse(learn.X) else learn.X[torch.from_numpy(root).to(device)].cpu().numpy()
        X, made = synthetic_rows(parents, codes[root], method, random_state, labels=labels)
        of_class = np.bincount(codes[root], weights[root]) / np.maximum(np.bincount(codes[root]), 1)
        X_new.append(X)
        new_codes.append(made)
        new_weights.append(of_class[made])
    an_example = np.array([np.argmax(codes == code) for code in range(codes.max() + 1)])
    y = learn.y[torch.from_numpy(an_example[np.concatenate(new_codes)]).to(device)]
    w = torch.from_numpy(np.concatenate(new_weights))
    rows = Rows(
        X=_appended(learn.X, X_new),
        y=torch.cat([learn.y, y]),
        weights=None if learn.weights is None else torch.cat([learn.weights, w.to(learn.weights)]),
    )
    ends = np.cumsum([len(codes), *map(len, new_codes[1:])])
    return rows, [np.arange(start, stop) for start, stop in itertools.pairwise(ends)]


def _refuse_too_many(learn: Rows, n_new: int, method: str) -> None:
    n_rows, n_features = learn.X.shape
    # A sparse row made from two others has the entries of both.
    n_values = n_new * (2 * learn.X.nnz / n_rows if is_sparse(learn.X) else n_features)
    if n_values > MAX_SYNTHETIC_VALUES:
        raise DataError(
            f"resample={method!r} would make {n_new:,} new rows of {n_features:,} inputs, which take too much memory",
            details="each member needs new rows of its own, made from those that it does not hold out",
            hint="resample='bootstrap' and class_weight='balanced' make none",
        )


def _appended(X: Any, more: list[Any]) -> Any:
    if is_sparse(X):
        return sparse.vstack([X, *more], format="csr")
    return torch.cat([X, *(torch.from_numpy(part).to(X) for part in more)])


def _reweighted(judge: Rows, growth: Array) -> Rows:
    factors = torch.from_numpy(growth / growth.min())[torch.from_numpy(_codes(judge.y))].to(judge.y)
    return dataclasses.replace(judge, weights=factors if judge.weights is None else judge.weights * factors)


def _totals(rows: Rows, windows: list[Array]) -> Array:
    """Return the weight of each class in each window, (n_windows, n_classes)."""
    codes, weights, n_classes = _codes(rows.y), _weights(rows), max(2, rows.y.shape[1])
    return np.array([np.bincount(codes[w], weights[w], n_classes) for w in windows])


def _codes(y: Tensor) -> Array:
    """Return the class of each row as a number, from targets of 0 and 1."""
    codes = y[:, 0].round() if y.shape[1] == 1 else y.argmax(dim=1)
    return codes.long().cpu().numpy()


def _weights(rows: Rows) -> Array:
    return np.ones(len(rows.y)) if rows.weights is None else rows.weights.cpu().numpy().astype(float)


# ------------------------------------------------------------------------------------- probabilities put right


def move_outputs(net: MLP, log_growth: Array, sign: int) -> None:
    r"""Bring the output biases of ``net`` from even classes to those of the data (``sign=-1``), or back (``1``).

    Parameters
    ----------
    net : MLP
        Changed in place.
    log_growth : ndarray of shape (n_members, n_classes)
        As in :class:`Evened`.
    sign : {-1, 1}

    Notes
    -----
    Resampling changes the prior :math:`p(c)` of the classes and leaves the rows of each class, :math:`p(x | c)`, as
    they are. So by Bayes' rule, with a tilde on what belongs to the resampled rows,

    .. math:: p(c | x) \propto \tilde p(c | x) \; p(c) / \tilde p(c)

    and on the logits, before a softmax, this is the constant :math:`\log p(c) - \log \tilde p(c)` for each class;
    before a sigmoid it is the difference of the two constants. A factor that all classes share cancels out, so totals
    do for shares. Exact for rows that are drawn again; rows made up between others change :math:`p(x | c)` a little,
    too.

    References
    ----------
    Saerens, Latinne and Decaestecker, "Adjusting the Outputs of a Classifier to New a Priori Probabilities", Neural
    Computation 14, 2002, eq. 4.
    King and Zeng, "Logistic Regression in Rare Events Data", Political Analysis 9, 2001, section 4.1.
    Dal Pozzolo, Caelen, Johnson and Bontempi, "Calibrating Probability with Undersampling for Unbalanced
    Classification", IEEE SSCI 2015, eq. 4.
    """
    bias = net.intercepts[-1]  # (n_members, 1, n_outputs)
    shift = log_growth if bias.shape[-1] > 1 else log_growth[:, 1:] - log_growth[:, :1]
    with torch.no_grad():
        bias += sign * torch.from_numpy(shift[:, None]).to(bias)


def threshold_of(log_growth: Array) -> float | Array:
    """Return where corrected probabilities decide as those of the even classes did.

    Parameters
    ----------
    log_growth : ndarray of shape (n_members, n_classes)
        As in :class:`Evened`. The members' outputs are averaged, and so are their corrections.

    Returns
    -------
    float, or ndarray of shape (n_classes,)
        Of two classes the probability of the second one above which it is chosen. Of more, numbers that add up to 1;
        the class whose probability is largest beside its number is chosen. Where resampling made the classes exactly
        even, they are the shares of the classes in the training rows.
    """
    mean = -log_growth.mean(axis=0)
    return float(expit(mean[1] - mean[0])) if len(mean) == 2 else np.asarray(softmax(mean))


# --------------------------------------------------------------------------------------------- tuned thresholds


def _f1(hits: Array, alarms: Array, n_true: float, n_false: float) -> Array:
    return 2 * hits / (2 * hits + alarms + (n_true - hits))


def _balanced_accuracy(hits: Array, alarms: Array, n_true: float, n_false: float) -> Array:
    return (hits / n_true + 1 - alarms / n_false) / 2


def _matthews_corrcoef(hits: Array, alarms: Array, n_true: float, n_false: float) -> Array:
    called = hits + alarms
    product = called * (n_true + n_false - called) * n_true * n_false
    # 0 where all rows are called the same, as scikit-learn has it.
    return (hits * n_false - alarms * n_true) / np.sqrt(np.where(product > 0, product, 1))


# From the total weight of true rows above a threshold (hits), of false ones (alarms), and of both kinds in all.
MEASURES: dict[str, Callable[[Array, Array, float, float], Array]] = {
    "f1": _f1,
    "balanced_accuracy": _balanced_accuracy,
    "matthews_corrcoef": _matthews_corrcoef,
}


def best_threshold(p: Array, truth: Array, weights: Array | None, measure: str, *, start: float = 0.5) -> float:
    """Find the probability above which to predict the second class, so that a measure is highest.

    Parameters
    ----------
    p : ndarray of shape (n_rows,)
        Probability of the second class, for rows that were not learned from.
    truth : bool array of shape (n_rows,)
        Whether the row is of the second class; both must occur.
    weights : ndarray of shape (n_rows,), optional
    measure : str
        A name in ``MEASURES``, which are those of scikit-learn's scorers.
    start : float
        The threshold without tuning.

    Returns
    -------
    float
        Above 0 and below 1. Exactly the best of all thresholds: between two neighbouring probabilities all are equal,
        so one for each gap is tried, the middle. ``start`` is kept unless another is better, and of equal ones the
        nearest to it in log-odds is taken.

    Notes
    -----
    One sort: ``O(n_rows log n_rows)``.

    Examples
    --------
    >>> best_threshold(np.array([0.1, 0.2, 0.3, 0.4]), np.array([False, False, True, True]), None, "f1")
    0.25
    """
    order = np.argsort(p)
    p = np.asarray(p, dtype=np.float64)[order]
    w = np.ones(len(p)) if weights is None else np.asarray(weights, dtype=np.float64)[order]
    true = np.where(truth[order], w, 0.0)
    edges = np.concatenate([[0.0], p, [1.0]])
    middles = (edges[:-1] + edges[1:]) / 2
    middles = np.where(
        middles < edges[1:], middles, edges[:-1]
    )  # of two neighbouring floats the middle may be the upper
    candidates = np.unique(np.append(middles[(middles > 0) & (middles < 1)], start))
    n_below = np.searchsorted(p, candidates, side="right")
    hits = true.sum() - np.append(0.0, true.cumsum())[n_below]
    alarms = (w - true).sum() - np.append(0.0, (w - true).cumsum())[n_below]
    values = MEASURES[measure](hits, alarms, float(true.sum()), float((w - true).sum()))
    best = candidates[values >= values.max() - ROUNDING]
    return float(best[np.argmin(np.abs(logit(best) - logit(start)))])


def held_out_outputs(net: MLP, judge: Rows) -> tuple[Array, Array]:
    """Compute the outputs for held-out rows, each by the members that did not learn from it.

    Parameters
    ----------
    net : MLP
    judge : Rows
        Without windows no member learned from any of the rows, and all are asked.

    Returns
    -------
    rows : int array of shape (n_held_out,)
        Places in ``judge``; rows that no member held out are left out.
    outputs : ndarray of shape (n_held_out, n_outputs)
        Before the link; the mean of the members that were asked.
    """
    n_members = net.spec.n_members
    index = np.arange(len(judge.y))[None] if judge.members is None else judge.members
    asked = copy.deepcopy(net).double().eval()  # as in prediction
    sums, counts = np.zeros((len(judge.y), net.spec.n_outputs)), np.zeros(len(judge.y))
    step = max(1, ROWS_AT_ONCE // n_members)
    for start in range(0, index.shape[1], step):
        some = index[:, start : start + step]
        places = some if len(some) == n_members else np.repeat(some, n_members, axis=0)
        with torch.inference_mode():
            outputs = asked(judge.take(places)[0].double().cpu()).numpy()
        present = places >= 0
        np.add.at(sums, places[present], outputs[present])
        np.add.at(counts, places[present], 1)
    rows = np.flatnonzero(counts)
    return rows, sums[rows] / counts[rows, None]


def tuned_threshold(
    net: MLP, judge: Rows, measure: str, *, class_weights: Array | None = None, start: float = 0.5
) -> float:
    """Find the best threshold of a network of two classes on the rows that its members held out.

    Parameters
    ----------
    net : MLP
    judge : Rows
    measure : str
        A name in ``MEASURES``.
    class_weights : ndarray of shape (2,), optional
        What the weights of the rows were multiplied by for training. Divided out again: a measure is about the rows
        as they come. Rows of a class of weight 0 take no part.
    start : float
        The threshold without tuning.

    Notes
    -----
    One member's probabilities are a little more extreme than those of the mean of all, for which the threshold is
    used, as in any cross-validated choice the parts differ a little from the whole.
    """
    rows, outputs = held_out_outputs(net, judge)
    truth = _codes(judge.y)[rows] == 1
    weights = None if judge.weights is None else _weights(judge)[rows]
    if weights is not None and class_weights is not None:
        factors = class_weights[truth.astype(int)]
        weights = np.divide(weights, factors, out=np.zeros_like(weights), where=factors > 0)
    return best_threshold(expit(outputs[:, 0]), truth, weights, measure, start=start)


def refuse_one_sided(judge: Rows, labels: Sequence[Any], measure: str) -> None:
    """Raise DataError unless both of two classes are among the held-out rows; before any training."""
    rows = np.arange(len(judge.y)) if judge.members is None else np.unique(judge.members[judge.members >= 0])
    totals = _totals(judge, [rows])[0]
    if not totals.all():
        raise DataError(
            f"threshold={measure!r} is tuned on the held-out rows, and none of them is of class "
            f"{show(labels[int(np.argmin(totals))])}",
            hint="hold out other rows (validation_data, groups), or give a number",
        )
