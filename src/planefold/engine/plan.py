"""`Plan`: how to train. A record, so that it can be compared, saved and shown."""

from __future__ import annotations

from dataclasses import dataclass

STOCHASTIC_SOLVERS = ("sgd", "adam")
SOLVERS = (*STOCHASTIC_SOLVERS, "lbfgs")
SCHEDULES = ("constant", "invscaling", "adaptive", "cosine")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How to train. The names and meanings are scikit-learn's where it has them.

    Parameters
    ----------
    solver : {"sgd", "adam", "lbfgs"}
    learning_rate : {"constant", "invscaling", "adaptive", "cosine"}
        The schedule. As in scikit-learn, invscaling and adaptive act on sgd alone; cosine lowers the
        rate of every stochastic solver from ``learning_rate_init`` to 0 over ``max_iter`` epochs.
    alpha : float
        The penalty ``alpha / 2 * sum(w^2)`` over the weights (no biases), divided by the batch's weight.
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
    learning_rate: str = "constant"
    learning_rate_init: float = 0.001
    power_t: float = 0.5
    alpha: float = 0.0001
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
