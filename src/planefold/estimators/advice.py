"""The doctor's advice put to work: a model with the advised parameters, and both trainings side by side."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted

from planefold.core.errors import ParameterError, listed, show
from planefold.core.records import Record
from planefold.doctor.finding import Action, Finding
from planefold.engine.run import Epoch, Run

if TYPE_CHECKING:
    from planefold.estimators.base import BaseMLP

WORTH_IT = 0.02  # share of the learnable range: less is no difference that anyone would notice
SURE = 2.0  # standard errors
LEAST_REACH = 0.05  # of the trivial loss: where neither training learned anything, shares of what they did are noise


def advised(model: BaseMLP, finding: Finding | Iterable[Finding]) -> BaseMLP:
    """Return an unfitted copy of ``model`` with the parameters that a finding advises first.

    Parameters
    ----------
    model : MLPClassifier or MLPRegressor
    finding : Finding, or the findings of a diagnosis
        Of several, the first one whose advice is a parameter is taken.

    Returns
    -------
    MLPClassifier or MLPRegressor

    Raises
    ------
    ParameterError
        If no parameter of this estimator does what is advised: more rows, say, or other columns.
    """
    findings = [finding] if isinstance(finding, Finding) else list(finding)
    _, action = advice_in(model, findings)
    if action is None:
        told = listed([f"{found.code}: {found.try_}" for found in findings], limit=3)
        raise ParameterError(
            "no parameter does what is advised" if told else "there is no finding, so nothing is advised",
            details=told or None,
        )
    changed: BaseMLP = clone(model)
    changed.set_params(**action.parameters)
    return changed


def advice_in(model: BaseMLP, findings: Iterable[Finding]) -> tuple[Finding | None, Action | None]:
    """Return the first finding with an action whose parameters ``model`` has, and that action."""
    names = set(model._get_param_names())
    current = model.get_params(deep=False)
    for found in findings:
        for action in found.advice:
            is_new = any(not _same(current.get(name), value) for name, value in action.parameters.items())
            if action.parameters and is_new and names.issuperset(action.parameters):
                return found, action
    return None, None


def _same(old: Any, new: Any) -> bool:
    return type(old) is type(new) and bool(np.all(old == new))


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Retrial(Record):
    """A training with the doctor's advice beside the one before it.

    Parameters
    ----------
    finding : Finding
        What was advised against.
    changed : mapping of str to (old value, new value)
        The parameters that differ.
    before, after : Run
    model : MLPClassifier or MLPRegressor
        The one that was trained as advised.
    gain : float
        How much lower the held-out loss of the kept weights is, as a share of the learnable range: from always
        predicting the same down to the better of the two, and at least 0.05 of the former.
    se : float
        Its standard error, over the held-out rows.
    """

    finding: Finding
    changed: Mapping[str, tuple[Any, Any]]
    before: Run
    after: Run
    model: Any = field(repr=False)
    gain: float
    se: float

    @property
    def outcome(self) -> str:
        """``"better"``, ``"worse"``, or ``"no clear difference"``: less than 0.02, or than two standard errors."""
        if abs(self.gain) < max(WORTH_IT, SURE * self.se):
            return "no clear difference"
        return "better" if self.gain > 0 else "worse"

    @property
    def headline(self) -> str:
        """What came of it, in one sentence."""
        share = f"{self.gain:+.0%} of what can be learned, standard error {self.se:.0%}"
        if abs(self.gain) > 1:  # one of the two was worse than always predicting the same
            share = f"{'lower' if self.gain > 0 else 'higher'} by more than all that can be learned"
        return f"{self.finding.code} {self.finding.title}, trained again as advised: {self.outcome} ({share})"

    @property
    def kept(self) -> str:
        """Which training to keep: ``"after"`` where it is clearly better, else ``"before"``."""
        return "after" if self.outcome == "better" else "before"

    def rows(self) -> list[tuple[str, str, str]]:
        """Both trainings side by side: what is compared, before, after."""
        lines = [(name, show(old), show(new)) for name, (old, new) in self.changed.items()]
        for name, of in _COMPARED.items():
            lines.append((name, of(self.before), of(self.after)))
        return lines

    def __str__(self) -> str:
        rows = [("", "before", "after"), *self.rows()]
        widths = [max(len(row[column]) for row in rows) for column in range(3)]
        lines = [f"{row[0]:<{widths[0]}}  {row[1]:>{widths[1]}}  {row[2]:>{widths[2]}}" for row in rows]
        return "\n".join([self.headline, *lines])


def kept_epoch(run: Run) -> Epoch:
    """Return the record of the epoch whose weights were kept."""
    if run.restored_best:
        return next(epoch for epoch in run.epochs if epoch.epoch == run.best_epoch)
    return run.epochs[-1]


_COMPARED: dict[str, Callable[[Run], str]] = {
    "epochs": lambda run: f"{run.n_epochs}",
    "kept epoch": lambda run: f"{kept_epoch(run).epoch}",
    "held-out loss": lambda run: f"{kept_epoch(run).val_loss:.4g}",
    "held-out score": lambda run: "" if kept_epoch(run).val_score is None else f"{kept_epoch(run).val_score:.4g}",
    "seconds": lambda run: f"{run.seconds:.1f}",
}


def retrain(
    model: BaseMLP, finding: Finding | Iterable[Finding], X: Any, y: Any, sample_weight: Any = None, **how: Any
) -> Retrial:
    """Train again as advised, on the same rows, and compare; see :meth:`Instruments.retrain`."""
    check_is_fitted(model, "run_")
    before = model.run_
    if kept_epoch(before).val_loss is None:
        raise ParameterError(
            "there are no held-out rows to compare by",
            hint="fit with early_stopping=True or validation_data=(X_val, y_val) first",
        )
    findings = [finding] if isinstance(finding, Finding) else list(finding)
    found, _ = advice_in(model, findings)
    changed = advised(model, findings)
    if changed.random_state is None and hasattr(model, "_began"):  # the same rows are held out then
        changed.random_state = np.random.RandomState()
        changed.random_state.set_state(model._began)
    after = changed.fit(X, y, sample_weight, **how).run_
    changed.random_state = model.random_state
    gain, se = _gain(before, after)
    old, new = model.get_params(deep=False), changed.get_params(deep=False)
    differs = {name: (old[name], new[name]) for name in new if not _same(old[name], new[name])}
    assert found is not None
    return Retrial(finding=found, changed=differs, before=before, after=after, model=changed, gain=gain, se=se)


def _gain(before: Run, after: Run) -> tuple[float, float]:
    """Return the gain as a share of the learnable range, and its standard error.

    Losses are divided by the trivial loss of the same rows, as another preparation may have changed their unit.
    """
    losses, ses, rows = zip(*(_relative(run) for run in (before, after)), strict=True)
    reach = max(1 - min(losses), LEAST_REACH)
    if rows[0] is not None and rows[1] is not None and rows[0].shape == rows[1].shape:
        differences = rows[0] - rows[1]
        se = float(differences.std(ddof=1)) / math.sqrt(len(differences)) if len(differences) > 1 else math.inf
    else:
        se = math.hypot(*ses)
    return (losses[0] - losses[1]) / reach, se / reach


def _relative(run: Run) -> tuple[float, float, np.ndarray[Any, Any] | None]:
    """Return the kept weights' held-out loss, its standard error and its rows, in units of the trivial loss."""
    epoch = kept_epoch(run)
    unit = run.trivial_val_loss or run.trivial_loss or 1.0
    assert epoch.val_loss is not None
    rows = None
    if run.val_rows is not None:
        rows = run.val_rows[run.epochs.index(epoch)].astype(float) / unit
        rows = rows if np.isfinite(rows).all() else None
    se = epoch.val_se if epoch.val_se is not None else math.nan
    return epoch.val_loss / unit, se / unit, rows
