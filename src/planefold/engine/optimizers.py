"""The rules that turn a gradient into a step: `OPTIMIZERS`, by the names that ``solver`` takes.

A rule is a few operations on whole vectors, and each vector may be cut into blocks that stay in the processor's
cache. What changes from step to step are a few numbers (:meth:`Optimizer.coefficients`), computed outside of the
rule: a step is noted or captured once, and replayed with new ones.

In the formulas ``g`` is the gradient, ``r`` the learning rate, ``w`` the parameters.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import Tensor
from torch.optim.adam import adam

from planefold.engine.flat import FlatParameters, Part
from planefold.engine.kernels import Array, Kernels
from planefold.engine.plan import Plan

FUSED_FROM = 50_000  # parameters of a single network; members have cores of their own
Coefficient = Array | float
Flat = FlatParameters | Part  # of a network, or a plain vector laid out like one


class Optimizer(ABC):
    """A rule with memory.

    Attributes
    ----------
    n_slots : int
        How many vectors of the length of the parameters the rule remembers.
    in_blocks : bool
        Whether the rule may be applied to one part of the vectors after the other.
    slots : Tensor of shape (n_slots, n_parameters of all members)
    t : int
        Steps so far.
    """

    n_slots: ClassVar[int] = 0
    in_blocks: ClassVar[bool] = True

    def __init__(self, flat: Flat, plan: Plan) -> None:
        self.plan = plan
        self.slots = torch.zeros((self.n_slots, flat.theta.numel()), dtype=flat.theta.dtype, device=flat.theta.device)
        self.t = 0

    def to(self, device: torch.device) -> None:
        """Bring the memory to where the network is."""
        self.slots = self.slots.to(device)

    def coefficients(self, rate: float) -> tuple[float, ...]:
        """Count a step and return the numbers that the rule needs for it."""
        self.t += 1
        return (rate,)

    @abstractmethod
    def rule(self, kernels: Kernels, w: Array, g: Array, scratch: Array, *rest: Array) -> None:
        """Move ``w`` in place; ``rest`` are the slots, then the coefficients. ``g`` may be overwritten."""


class Update:
    """An optimiser at work on some members: its rule, block by block."""

    def __init__(self, optimizer: Optimizer, members: slice, flat: Part, kernels: Kernels) -> None:
        self.optimizer, self.kernels = optimizer, kernels
        n_columns = flat.theta.shape[1]
        self.slots = [slot.view(-1, n_columns)[members].reshape(-1) for slot in optimizer.slots]
        vectors = [flat.theta.reshape(-1), flat.gradient.reshape(-1), torch.empty_like(flat.theta).reshape(-1)]
        rows = [kernels.array(v) for v in [*vectors, *self.slots]]
        n = flat.theta.numel()
        size = kernels.block if kernels.block and optimizer.in_blocks else n
        self.blocks = [[row[start : start + size] for row in rows] for start in range(0, n, size)]

    def __call__(self, *coefficients: Coefficient) -> None:
        """Make one step."""
        rule = self.optimizer.rule
        for block in self.blocks:
            rule(self.kernels, *block, *coefficients)


class Momentum(Optimizer):
    """Gradient descent with accumulated momentum: ``v = m v + r g``, ``w = w - v``.

    References
    ----------
    Polyak, "Some methods of speeding up the convergence of iteration methods", USSR Computational Mathematics and
    Mathematical Physics 4(5), 1964.
    """

    n_slots = 1

    def rule(self, kernels: Kernels, w: Array, g: Array, scratch: Array, *rest: Array) -> None:
        """Move ``w`` in place."""
        v, rate = rest
        self._accumulate(kernels, v, g, rate)
        kernels.do(kernels.xp.subtract, w, v, out=w)

    def _accumulate(self, kernels: Kernels, v: Array, g: Array, rate: Coefficient) -> None:
        """``g = r g``, ``v = m v + g``."""
        do, xp = kernels.do, kernels.xp
        do(xp.multiply, v, self.plan.momentum, out=v)
        do(xp.multiply, g, rate, out=g)
        do(xp.add, v, g, out=v)


class Nesterov(Momentum):
    """Momentum that looks ahead: ``v = m v + r g``, ``w = w - (m v + r g)``.

    References
    ----------
    Sutskever, Martens, Dahl and Hinton, "On the importance of initialization and momentum in deep
    learning", ICML 2013, eq. 3 and 4, in the form that takes the gradient where the weights are.
    """

    def rule(self, kernels: Kernels, w: Array, g: Array, scratch: Array, *rest: Array) -> None:
        """Move ``w`` in place."""
        v, rate = rest
        do, xp = kernels.do, kernels.xp
        self._accumulate(kernels, v, g, rate)
        do(xp.subtract, w, g, out=w)
        do(xp.multiply, v, self.plan.momentum, out=scratch)
        do(xp.subtract, w, scratch, out=w)


class AveragedMomentum(Optimizer):
    """Gradient descent along a running mean of the gradients: ``v = m v + (1 - m) g``, ``w = w - r v``."""

    n_slots = 1

    def rule(self, kernels: Kernels, w: Array, g: Array, scratch: Array, *rest: Array) -> None:
        """Move ``w`` in place."""
        v, rate = rest
        do, xp = kernels.do, kernels.xp
        do(xp.multiply, v, self.plan.momentum, out=v)
        do(xp.multiply, g, 1 - self.plan.momentum, out=g)
        do(xp.add, v, g, out=v)
        do(xp.multiply, v, rate, out=scratch)
        do(xp.subtract, w, scratch, out=w)


class GradientDescent(Optimizer):
    """Plain gradient descent: ``w = w - r g``."""

    def rule(self, kernels: Kernels, w: Array, g: Array, scratch: Array, *rest: Array) -> None:
        """Move ``w`` in place."""
        kernels.do(kernels.xp.multiply, g, rest[0], out=g)
        kernels.do(kernels.xp.subtract, w, g, out=w)


def _sgd(flat: Flat, plan: Plan) -> Optimizer:
    """Build scikit-learn's ``sgd``, which ``momentum`` and ``nesterovs_momentum`` steer."""
    if plan.momentum == 0:
        return GradientDescent(flat, plan)
    return (Nesterov if plan.nesterovs_momentum else Momentum)(flat, plan)


class Adagrad(Optimizer):
    """Each coordinate's rate falls with its past: ``v = v + g^2``, ``w = w - r g / (sqrt(v) + e)``.

    References
    ----------
    Duchi, Hazan and Singer, "Adaptive subgradient methods for online learning and stochastic optimization",
    JMLR 12, 2011, figure 1 (diagonal, without the composite term).
    """

    n_slots = 1

    def rule(self, kernels: Kernels, w: Array, g: Array, scratch: Array, *rest: Array) -> None:
        """Move ``w`` in place."""
        v, rate = rest
        kernels.do(kernels.xp.multiply, g, g, out=scratch)
        kernels.do(kernels.xp.add, v, scratch, out=v)
        _descend(kernels, w, g, v, scratch, rate, self.plan.epsilon)


class RMSprop(Optimizer):
    """Adagrad that forgets: ``v = b v + (1 - b) g^2``, ``w = w - r g / (sqrt(v) + e)``; b is ``rho``.

    References
    ----------
    Tieleman and Hinton, "Neural networks for machine learning", lecture 6.5, 2012.
    """

    n_slots = 1

    def rule(self, kernels: Kernels, w: Array, g: Array, scratch: Array, *rest: Array) -> None:
        """Move ``w`` in place."""
        v, rate = rest
        _remember_square(kernels, v, g, self.plan.rho, scratch)
        _descend(kernels, w, g, v, scratch, rate, self.plan.epsilon)


class Adadelta(Optimizer):
    """Steps in the units of the weights: their own running mean stands where other rules have a rate.

    ``v = b v + (1 - b) g^2``, ``d = sqrt(u + e) / sqrt(v + e) g``, ``u = b u + (1 - b) d^2``, ``w = w - r d``;
    b is ``rho``, and the paper has no r: ``learning_rate_init=1.0`` is its rule.

    References
    ----------
    Zeiler, "ADADELTA: An adaptive learning rate method", arXiv:1212.5701, 2012, algorithm 1.
    """

    n_slots = 2

    def rule(self, kernels: Kernels, w: Array, g: Array, scratch: Array, *rest: Array) -> None:
        """Move ``w`` in place."""
        v, u, rate = rest
        do, xp = kernels.do, kernels.xp
        _remember_square(kernels, v, g, self.plan.rho, scratch)
        do(xp.add, v, self.plan.epsilon, out=scratch)
        do(xp.sqrt, scratch, out=scratch)
        do(xp.divide, g, scratch, out=g)
        do(xp.add, u, self.plan.epsilon, out=scratch)
        do(xp.sqrt, scratch, out=scratch)
        do(xp.multiply, g, scratch, out=g)
        _remember_square(kernels, u, g, self.plan.rho, scratch)
        do(xp.multiply, g, rate, out=g)
        do(xp.subtract, w, g, out=w)


class Adam(Optimizer):
    """Momentum and RMSprop together, the bias of their first steps corrected.

    ``m = b1 m + (1 - b1) g``, ``v = b2 v + (1 - b2) g^2``,
    ``w = w - r sqrt(1 - b2^t) / (1 - b1^t) m / (sqrt(v) + e)``

    What is remembered is ``m / (1 - b1)`` and ``v / (1 - b2)``: two operations on whole vectors fewer, for two more
    on the rate and on epsilon.

    References
    ----------
    Kingma and Ba, "Adam: A method for stochastic optimization", ICLR 2015, algorithm 1 in the order
    of computation that its section 2 recommends (epsilon is added to the uncorrected root), as scikit-learn has it.
    """

    n_slots = 2

    def __init__(self, flat: Flat, plan: Plan) -> None:
        super().__init__(flat, plan)
        self.of_mean, self.of_root = 1 - plan.beta_1, math.sqrt(1 - plan.beta_2)

    def coefficients(self, rate: float) -> tuple[float, ...]:
        """Count a step and return the rate with both corrections."""
        self.t += 1
        corrected = rate * math.sqrt(1 - self.plan.beta_2**self.t) / (1 - self.plan.beta_1**self.t)
        return (corrected * self.of_mean / self.of_root,)

    def rule(self, kernels: Kernels, w: Array, g: Array, scratch: Array, *rest: Array) -> None:
        """Move ``w`` in place."""
        m, v, rate = rest
        self._remember(kernels, m, v, g, scratch)
        _descend(kernels, w, m, v, scratch, rate, self.plan.epsilon / self.of_root)

    def _remember(self, kernels: Kernels, m: Array, v: Array, g: Array, scratch: Array) -> None:
        do, xp = kernels.do, kernels.xp
        do(xp.multiply, m, self.plan.beta_1, out=m)
        do(xp.add, m, g, out=m)
        do(xp.multiply, v, self.plan.beta_2, out=v)
        do(xp.multiply, g, g, out=scratch)
        do(xp.add, v, scratch, out=v)


class FusedAdam(Optimizer):
    """Adam for many parameters on the CPU: the same step in one pass over the memory, shared by the cores."""

    n_slots = 2
    in_blocks = False

    def coefficients(self, rate: float) -> tuple[float, ...]:
        """Count a step and return the rate, the number of the step, and epsilon as torch counts it."""
        self.t += 1
        # torch adds epsilon to the corrected root.
        return rate, float(self.t), self.plan.epsilon / math.sqrt(1 - self.plan.beta_2**self.t)

    def rule(self, kernels: Kernels, w: Array, g: Array, scratch: Array, *rest: Array) -> None:
        """Move ``w`` in place."""
        kernels.run(self._step, *(torch.as_tensor(part) for part in (w, g, *rest[:2])), *rest[2:])

    def _step(
        self, w: Tensor, g: Tensor, m: Tensor, v: Tensor, rate: Coefficient, t: Coefficient, epsilon: Coefficient
    ) -> None:
        adam(
            [w], [g], [m], [v], [], [torch.tensor(float(t) - 1)], fused=True, amsgrad=False, maximize=False,
            beta1=self.plan.beta_1, beta2=self.plan.beta_2, lr=float(rate), weight_decay=0.0, eps=float(epsilon),
        )  # fmt: skip


def _adam(flat: Flat, plan: Plan) -> Optimizer:
    many = flat.theta.device.type == "cpu" and len(flat.theta) == 1 and flat.theta.numel() >= FUSED_FROM
    return (FusedAdam if many else Adam)(flat, plan)


class AdamUncorrected(Adam):
    """Adam as it would be without the correction of its first steps, to see what that is for."""

    def coefficients(self, rate: float) -> tuple[float, ...]:
        """Count a step and return the rate as it is."""
        self.t += 1
        return (rate * self.of_mean / self.of_root,)


class AdamW(Adam):
    """Adam that shortens the weights itself, by ``r alpha``, instead of by a gradient that it would rescale.

    ``w = (1 - r alpha) w``, then Adam's step with epsilon added to the corrected root, as in torch.

    References
    ----------
    Loshchilov and Hutter, "Decoupled weight decay regularization", ICLR 2019, algorithm 2.
    """

    def coefficients(self, rate: float) -> tuple[float, ...]:
        """Count a step and return the rate and the factor of the root, corrected."""
        self.t += 1
        rate *= self.of_mean / (1 - self.plan.beta_1**self.t)
        return rate, self.of_root / math.sqrt(1 - self.plan.beta_2**self.t)

    def rule(self, kernels: Kernels, w: Array, g: Array, scratch: Array, *rest: Array) -> None:
        """Move ``w`` in place."""
        m, v, rate, of_root = rest
        self._remember(kernels, m, v, g, scratch)
        _descend(kernels, w, m, v, scratch, rate, self.plan.epsilon, of_root)


class NAdam(Adam):
    """Adam with Nesterov's look ahead, its momentum rising over the first steps, as in torch.

    References
    ----------
    Dozat, "Incorporating Nesterov momentum into Adam", ICLR workshop 2016, algorithm 2 with the schedule
    ``mu_t = b1 (1 - 0.96^(0.004 t) / 2)`` of its section 2.
    """

    def __init__(self, flat: Flat, plan: Plan) -> None:
        super().__init__(flat, plan)
        self.product = 1.0  # of all mu so far

    def coefficients(self, rate: float) -> tuple[float, ...]:
        """Count a step and return the rates of gradient and mean and the factor of the root."""
        self.t += 1
        now, ahead = (self.plan.beta_1 * (1 - 0.5 * 0.96 ** (0.004 * t)) for t in (self.t, self.t + 1))
        self.product *= now
        of_gradient = rate * (1 - now) / (1 - self.product)
        of_mean = rate * ahead / (1 - self.product * ahead) * self.of_mean
        return of_gradient, of_mean, self.of_root / math.sqrt(1 - self.plan.beta_2**self.t)

    def rule(self, kernels: Kernels, w: Array, g: Array, scratch: Array, *rest: Array) -> None:
        """Move ``w`` in place."""
        m, v, of_gradient, of_mean, of_root = rest
        self._remember(kernels, m, v, g, scratch)
        do, xp = kernels.do, kernels.xp
        do(xp.multiply, g, of_gradient, out=g)
        do(xp.multiply, m, of_mean, out=scratch)
        do(xp.add, g, scratch, out=g)
        _descend(kernels, w, g, v, scratch, 1.0, self.plan.epsilon, of_root)


def _remember_square(kernels: Kernels, v: Array, g: Array, share: float, scratch: Array) -> None:
    """``v = share v + (1 - share) g^2``."""
    do, xp = kernels.do, kernels.xp
    do(xp.multiply, v, share, out=v)
    do(xp.multiply, g, g, out=scratch)
    do(xp.multiply, scratch, 1 - share, out=scratch)
    do(xp.add, v, scratch, out=v)


def _descend(
    kernels: Kernels,
    w: Array,
    direction: Array,
    v: Array,
    scratch: Array,
    rate: Coefficient,
    epsilon: float,
    of_root: Coefficient | None = None,
) -> None:
    """``w = w - rate direction / (of_root sqrt(v) + epsilon)``."""
    do, xp = kernels.do, kernels.xp
    do(xp.sqrt, v, out=scratch)
    if of_root is not None:
        do(xp.multiply, scratch, of_root, out=scratch)
    do(xp.add, scratch, epsilon, out=scratch)
    do(xp.divide, direction, scratch, out=scratch)
    do(xp.multiply, scratch, rate, out=scratch)
    do(xp.subtract, w, scratch, out=w)


OPTIMIZERS = {
    "sgd": _sgd,
    "momentum": Momentum,
    "averaged_momentum": AveragedMomentum,
    "nesterov": Nesterov,
    "adagrad": Adagrad,
    "rmsprop": RMSprop,
    "adadelta": Adadelta,
    "adam": _adam,
    "adam_uncorrected": AdamUncorrected,
    "adamw": AdamW,
    "nadam": NAdam,
}
