"""What training adds to the loss so that weights stay small, and few."""

from __future__ import annotations

from planefold.engine.flat import Part
from planefold.engine.kernels import Array, Kernels
from planefold.engine.plan import PROXIMAL_SOLVERS, Plan


class Penalty:
    """``alpha * ((1 - l1_ratio) / 2 * sum(w^2) + l1_ratio * sum(|w|))`` of each member over the weight of its batch.

    That is the elastic net as scikit-learn's linear models have it, divided as its perceptrons divide L2; with
    ``plan.penalty_rows`` it is divided by that number instead, whatever is in the batch. The gradient of the L2 part
    is ``alpha (1 - l1_ratio) w``; the L1 part has none at 0, and is dealt with in one of two ways. Where the optimiser
    steps along the gradient itself (the ``PROXIMAL_SOLVERS``), the step is followed by the proximal operator of the L1
    part, which sets weights to exactly 0 (:meth:`shrink`). Where it scales each coordinate by a history, the
    subgradient ``alpha l1_ratio sign(w)`` joins the gradient, and weights come close to 0. ``adamw`` keeps its L2 part
    out of the gradient: see there.

    References
    ----------
    Zou and Hastie, "Regularization and variable selection via the elastic net", JRSS B 67(2), 2005.
    Parikh and Boyd, "Proximal algorithms", Foundations and Trends in Optimization 1(3), 2014, sections 4.2 and
    6.5.2 (soft thresholding).
    """

    def __init__(self, flat: Part, plan: Plan, kernels: Kernels) -> None:
        self.kernels = kernels
        n_columns = flat.n_weights + (flat.n_biases if plan.penalize_bias else 0)
        self.weights = kernels.array(flat.theta)[:, :n_columns]
        self.gradient = kernels.array(flat.gradient)[:, :n_columns]
        self.scratch = kernels.empty(tuple(self.weights.shape), flat.theta)
        n_members = len(flat.theta)
        self.sums, self.value, self.l1_value, self.factor = (
            kernels.empty((n_members, 1), flat.theta) for _ in range(4)
        )
        self.value[...] = 0
        self.is_decoupled = plan.solver == "adamw"
        self.l2 = plan.alpha * (1 - plan.l1_ratio)
        self.l1 = plan.alpha * plan.l1_ratio
        self.n_rows = None if plan.penalty_rows is None else float(plan.penalty_rows)
        # Of both parts, where there are two.
        self.all_value = kernels.empty((n_members, 1), flat.theta) if self.l1 else self.value
        self.is_proximal = self.l1 > 0 and plan.solver in PROXIMAL_SOLVERS
        # Where momentum adds gradients up, a lasting one moves a weight by rate / (1 - momentum) a step: the weight
        # stands still at the minimum only if the proximal operator reaches as far.
        adds_up = plan.solver != "averaged_momentum" and plan.momentum < 1
        self.reach = 1 / (1 - plan.momentum) if adds_up else 1.0

    def add_gradient(self, total: Array | float) -> Array:
        """Add the penalty's gradient and return its value for each member, in memory of its own.

        Parameters
        ----------
        total : float, or array of shape (n_members, 1)
            Weight of the rows of the batch; infinite for a member that has no rows in it, which is not penalised
            for it.

        Returns
        -------
        array of shape (n_members, 1)
        """
        do, xp = self.kernels.do, self.kernels.xp
        total = total if self.n_rows is None else self.n_rows
        if self.l2 and not self.is_decoupled:
            self._add(self.weights, self.l2, total)
            self._note(self.kernels.row_squares(self.weights, self.sums), 0.5 * self.l2, total, self.value)
        if self.l1:
            if not self.is_proximal:
                self._add(do(xp.sign, self.weights, out=self.scratch), self.l1, total)
            do(xp.abs, self.weights, out=self.scratch)
            self._note(self.kernels.row_sums(self.scratch, self.sums), self.l1, total, self.l1_value)
            do(xp.add, self.value, self.l1_value, out=self.all_value)
        return self.all_value

    def _add(self, slope: Array, strength: float, total: Array | float) -> None:
        """Add ``strength / total`` times ``slope`` to the gradient."""
        factor = self._of_batch(strength, total, self.factor)
        self.kernels.add_scaled(slope, factor, self.gradient, self.scratch)

    def _of_batch(self, strength: float, total: Array | float, out: Array) -> Array | float:
        """Return ``strength / total``; of an array, which may change from step to step, in ``out``."""
        if isinstance(total, float):
            return strength / total
        self.kernels.do(self.kernels.xp.reciprocal, total, out=out)
        return self.kernels.do(self.kernels.xp.multiply, out, strength, out=out)

    def _note(self, sums: Array, strength: float, total: Array | float, out: Array) -> None:
        """Write ``strength / total`` times the sums of the members into ``out``."""
        self.kernels.do(self.kernels.xp.multiply, sums, self._of_batch(strength, total, out), out=out)

    def before_step(self, rate: Array | float) -> None:
        """Shorten the weights before a step of ``adamw`` at ``rate``: ``w = (1 - rate alpha) w``."""
        if self.is_decoupled and self.l2:
            do, xp = self.kernels.do, self.kernels.xp
            do(xp.multiply, self.weights, rate, out=self.scratch)
            do(xp.multiply, self.scratch, self.l2, out=self.scratch)
            do(xp.subtract, self.weights, self.scratch, out=self.weights)

    def after_step(self, total: Array | float, rate: Array | float) -> None:
        """Do what acts on the weights themselves, after a step at ``rate``."""
        if self.is_proximal:
            self.kernels.run(self._shrink_at, total if self.n_rows is None else self.n_rows, rate)

    def _shrink_at(self, total: Array | float, rate: Array | float) -> None:
        self.shrink(rate * self.reach * self.l1 / total)

    def shrink(self, by: Array | float) -> None:
        """Move each weight towards 0 by ``by``, and no further than to 0: ``sign(w) max(|w| - by, 0)``."""
        # w minus w cut off at +-by: the same, without a sign to take.
        self.kernels.xp.clip(self.weights, -by, by, out=self.scratch)
        self.weights -= self.scratch
