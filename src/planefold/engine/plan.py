"""`Plan`: how to train. A record, so that it can be compared, saved and shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from planefold.engine.schedules import Schedule

STOCHASTIC_SOLVERS = (
    "sgd",
    "momentum",
    "averaged_momentum",
    "nesterov",
    "adagrad",
    "rmsprop",
    "adadelta",
    "adam",
    "adam_uncorrected",
    "adamw",
    "nadam",
)
# Those that step along the gradient itself, where L1 can set weights to exactly 0.
PROXIMAL_SOLVERS = ("sgd", "momentum", "averaged_momentum", "nesterov")
SOLVERS = (*STOCHASTIC_SOLVERS, "lbfgs")
SCHEDULES = ("constant", "invscaling", "adaptive", "step", "cosine", "one_cycle", "warmup", "plateau")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How to train. The names and meanings are scikit-learn's where it has them.

    Parameters
    ----------
    solver : str
        A name in ``OPTIMIZERS``, or ``"lbfgs"``.
    learning_rate : str or Schedule
        A name in ``SCHEDULES``, short for the :class:`~planefold.engine.Schedule` of that kind with its defaults.
    alpha : float
        Strength of the penalty ``alpha * ((1 - l1_ratio) / 2 * sum(w^2) + l1_ratio * sum(|w|))`` over the weights,
        divided by the batch's weight. For ``adamw`` the share ``rate * alpha`` that each step takes off the weights.
    l1_ratio : float
        0 is the L2 penalty, 1 the L1 penalty.
    penalize_bias : bool
        Whether the penalty acts on the biases, too.
    penalty_rows : float or None
        What the penalty is divided by. None is the weight of each batch's rows, as in scikit-learn; with a number the
        penalty is the same in every batch, short last ones included, as in Keras and torch.
    clip_norm : float or None
        Longest gradient of a member, penalty included; longer ones are shortened to it.
    rho : float
        Memory of ``rmsprop`` and ``adadelta``: weight of the past in their running means of squares.
    max_iter : int
        Most epochs (lbfgs: iterations).
    tol, n_iter_no_change : float
        An epoch that lowers the loss by less than ``tol`` counts as no improvement; more than
        ``n_iter_no_change`` of them in a row end the training.
    restore_best : bool
        Keep the weights of the epoch with the lowest validation loss: one epoch for all members, that of
        the lowest mean.
    """

    solver: str = "adam"
    learning_rate: str | Schedule = "constant"
    learning_rate_init: float = 0.001
    power_t: float = 0.5
    alpha: float = 0.0001
    l1_ratio: float = 0.0
    penalize_bias: bool = False
    penalty_rows: float | None = None
    clip_norm: float | None = None
    rho: float = 0.9
    batch_size: int = 200
    max_iter: int = 200
    shuffle: bool = True
    tol: float = 1e-4
    n_iter_no_change: float = 10
    momentum: float = 0.9
    nesterovs_momentum: bool = True
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8
    max_fun: int = 15000
    restore_best: bool = True
