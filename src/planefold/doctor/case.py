"""`Case`: everything that the checks look at. Each part may be absent; a check says so when it needs it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from planefold.core.records import Record
from planefold.engine.run import Run

if TYPE_CHECKING:
    from planefold.doctor.reference import Reference
    from planefold.doctor.scan import Scan
    from planefold.doctor.scoring import Scores

Curve = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Curves(Record):
    """The learning curves of one training, from a `Run` or from anyone's log.

    Every array has one entry an epoch, nan where the figure was not measured; None where it never was.

    Parameters
    ----------
    epoch : array of shape (n,)
        Strictly rising; 0 is the state before training.
    train_loss : array or None
        Loss of the training rows while the weights moved, dropout on (a running mean, what most tools print).
    train_eval : array or None
        Loss of training rows at the end of the epoch, dropout off: the one that may be compared with ``val_loss``.
    val_loss : array or None
        Loss of the held-out rows at the end of the epoch.
    train_se, val_se : array or None
        Standard errors of ``train_eval`` and ``val_loss`` over their rows.
    train_score, val_score : array or None
        Accuracy, R^2 or another figure of which higher is better.
    learning_rate : array or None
    val_rows : array of shape (n, n_rows) or None
        Losses of the same held-out rows in every epoch, for paired tests.
    trivial_loss, trivial_val_loss : float or None
        Loss of always predicting the training mean or the training shares, on training and held-out rows.
    n_train, n_val : int or None
        Rows behind the curves.
    n_eval : int or None
        Training rows behind ``train_eval`` and ``train_se``.
    is_plain : bool
        Whether the network does the same in training as elsewhere (no dropout, no batch norm): then ``train_loss`` and
        ``train_eval`` differ by the steps of one epoch, and by the rows.
    kept_train : tuple of float or None
        Loss of more training rows with the weights that were kept, its standard error, and how many rows these are.
    kept_epoch : int or None
        Epoch whose weights were put back at the end; None when the last weights stayed.
    stopped_because : str
        As in :class:`planefold.engine.Run`; ``""`` when it is not known.
    rounded : bool
        Whether the numbers were written with few digits, as some tools do.
    source : str
        What to call it in messages.
    """

    epoch: Curve
    train_loss: Curve | None = None
    train_eval: Curve | None = None
    val_loss: Curve | None = None
    train_se: Curve | None = None
    val_se: Curve | None = None
    train_score: Curve | None = None
    val_score: Curve | None = None
    learning_rate: Curve | None = None
    val_rows: NDArray[np.floating[Any]] | None = None
    trivial_loss: float | None = None
    trivial_val_loss: float | None = None
    n_train: int | None = None
    n_val: int | None = None
    n_eval: int | None = None
    is_plain: bool = False
    kept_train: tuple[float, float, int] | None = None
    kept_epoch: int | None = None
    stopped_because: str = ""
    rounded: bool = False
    source: str = "the run"

    @classmethod
    def of_run(cls, run: Run) -> Curves:
        """Take the curves out of what our own engine recorded."""

        def column(name: str) -> Curve | None:
            values = run[name]
            return values if np.isfinite(values).any() or np.isinf(values).any() else None

        return cls(
            epoch=run["epoch"],
            train_loss=column("train_loss"),
            train_eval=column("train_eval"),
            val_loss=column("val_loss"),
            train_se=column("train_se"),
            val_se=column("val_se"),
            train_score=column("train_score"),
            val_score=column("val_score"),
            learning_rate=column("learning_rate"),
            val_rows=run.val_rows,
            trivial_loss=run.trivial_loss,
            trivial_val_loss=run.trivial_val_loss,
            n_train=run.n_train,
            n_val=run.n_judged or run.n_val or None,
            n_eval=run.n_eval or None,
            is_plain=_is_plain(run),
            kept_train=_kept_train(run),
            kept_epoch=run.best_epoch if run.restored_best else None,
            stopped_because=run.stopped_because,
        )


def _is_plain(run: Run) -> bool:
    settings = run.settings
    return settings.get("batch_norm") is False and not np.any(settings.get("dropout", 1.0) or 0.0)


def _kept_train(run: Run) -> tuple[float, float, int] | None:
    """Return what the kept weights reach on more training rows than those of each epoch."""
    loss, se = run.facts.get("kept_train_loss"), run.facts.get("kept_train_se")
    rows = run.facts.get("kept_train_rows")
    return None if loss is None or se is None or not rows else (float(loss), float(se), int(rows))


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Case(Record):
    """What there is to look at.

    Parameters
    ----------
    curves : Curves or None
    run : Run or None
        What our engine (or :class:`planefold.doctor.Watch`) recorded: layers, units, facts of the inputs.
    settings : mapping
        Parameters of the estimator in use, by their names there: ``learning_rate_init``, ``alpha``, ... Advice
        is worked out from them.
    reference : Reference or None
        What gradient boosting reaches on the same rows, in the same loss.
    scan : Scan or None
        What was measured on the rows themselves.
    scores : Scores or None
        What was measured on the predictions.
    schema : planefold.data.Schema or None
        What the columns of the table are.
    """

    curves: Curves | None = None
    run: Run | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    reference: Reference | None = None
    scan: Scan | None = None
    scores: Scores | None = None
    schema: Any = None
