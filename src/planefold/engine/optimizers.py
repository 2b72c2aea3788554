"""The rules that turn a gradient into a step. Each acts on one flat vector, in place.

The formulas are scikit-learn's, so that its parameters keep their meaning to the last digit.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

from planefold.engine.plan import Plan


class Optimizer(Protocol):
    """A rule with memory: ``step`` moves ``theta`` along ``gradient`` at the rate given."""

    def step(self, theta: Tensor, gradient: Tensor, learning_rate: float) -> None:
        """Move ``theta`` in place."""


class SGD:
    """Gradient descent with momentum: ``v = m v - r g``; Nesterov steps by ``m v - r g`` once more.

    References
    ----------
    Sutskever, Martens, Dahl and Hinton, "On the importance of initialization and momentum in deep
    learning", ICML 2013, eq. 1 to 4.
    """

    def __init__(self, theta: Tensor, plan: Plan) -> None:
        self.momentum, self.nesterov = plan.momentum, plan.nesterovs_momentum
        self.velocity = torch.zeros_like(theta)

    def step(self, theta: Tensor, gradient: Tensor, learning_rate: float) -> None:
        """Move ``theta`` in place."""
        self.velocity.mul_(self.momentum).sub_(gradient, alpha=learning_rate)
        if self.nesterov:
            theta.add_(self.velocity, alpha=self.momentum).sub_(gradient, alpha=learning_rate)
        else:
            theta.add_(self.velocity)


class Adam:
    """Adam with both moments' bias corrected in the step length.

    References
    ----------
    Kingma and Ba, "Adam: A method for stochastic optimization", ICLR 2015, algorithm 1 in the order
    of computation that its section 2 recommends (epsilon is added to the uncorrected root).
    """

    def __init__(self, theta: Tensor, plan: Plan) -> None:
        self.beta_1, self.beta_2, self.epsilon = plan.beta_1, plan.beta_2, plan.epsilon
        self.mean, self.square, self.t = torch.zeros_like(theta), torch.zeros_like(theta), 0

    def step(self, theta: Tensor, gradient: Tensor, learning_rate: float) -> None:
        """Move ``theta`` in place."""
        self.t += 1
        self.mean.lerp_(gradient, 1 - self.beta_1)
        self.square.mul_(self.beta_2).addcmul_(gradient, gradient, value=1 - self.beta_2)
        rate = learning_rate * math.sqrt(1 - self.beta_2**self.t) / (1 - self.beta_1**self.t)
        theta.addcdiv_(self.mean, self.square.sqrt().add_(self.epsilon), value=-rate)


OPTIMIZERS: dict[str, Callable[[Tensor, Plan], Optimizer]] = {"sgd": SGD, "adam": Adam}
