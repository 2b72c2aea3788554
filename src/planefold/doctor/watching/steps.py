"""What some of the optimiser's steps do to the weights, seen through its own hooks."""

from __future__ import annotations

import statistics
import time
from typing import Any

import torch
from torch import Tensor, nn

N_STEPS = 6  # looked at in an epoch, at most
UNKNOWN = (1, 2, 4, 8, 16, 32)  # which ones, before the length of an epoch is known
SAME = 1e-3  # relative difference of gradients' lengths that were cut to the same one


class Steps:
    """Count an optimiser's steps and look at a few of them.

    Parameters
    ----------
    module : nn.Module
        Its parameters with two axes or more are the weights of the layers.
    optimizer : torch.optim.Optimizer or None
        None: nothing is seen.
    """

    def __init__(self, module: nn.Module, optimizer: torch.optim.Optimizer | None) -> None:
        self.weights = [p for p in module.parameters() if p.dim() >= 2 and p.requires_grad and p.is_floating_point()]
        self.all = [p for p in module.parameters() if p.requires_grad]
        self.optimizer = optimizer
        self.rate = 0.0
        self.lengths: list[float] = []  # of whole gradients
        self.expect(None)
        self._hooks: list[Any] = []
        if optimizer is not None:
            self.rate = float(optimizer.param_groups[0]["lr"])
            self._hooks = [optimizer.register_step_pre_hook(self._before)]

    def expect(self, n_steps: int | None, *, n_looks: int = N_STEPS) -> None:
        """Begin an epoch of so many steps (None: not known), of which ``n_looks`` are looked at."""
        self.count = 0
        self.seconds = 0.0
        self.seen: list[Tensor] = []
        self._wanted = frozenset(UNKNOWN[:n_looks] if n_steps is None else _spread(n_steps, n_looks))

    def close(self) -> None:
        """Take the hooks off."""
        for hook in self._hooks:
            hook.remove()
        self._hooks = []

    def _before(self, optimizer: Any, args: Any, kwargs: Any) -> None:
        self.count += 1
        self.rate = optimizer.param_groups[0]["lr"]  # now: a schedule may change it before the epoch is recorded
        if self.count in self._wanted:
            started = time.perf_counter()
            self._then = optimizer.register_step_post_hook(self._after)  # here, as it costs as much as this hook does
            with torch.no_grad():
                self._old = [w.detach().clone() for w in self.weights]
                slopes = [torch.zeros_like(w) if w.grad is None else _dense(w.grad) for w in self.all]
                self._lengths = torch.stack(torch._foreach_norm(slopes)) if slopes else torch.zeros(0)
            self.seconds += time.perf_counter() - started

    def _after(self, optimizer: Any, args: Any, kwargs: Any) -> None:
        started = time.perf_counter()
        self._then.remove()
        with torch.no_grad():
            new = [w.detach() for w in self.weights]
            lengths = [*torch._foreach_norm(torch._foreach_sub(new, self._old)), *torch._foreach_norm(self._old)]
            self.seen.append(torch.cat([self._lengths, torch.stack(lengths)]) if lengths else self._lengths)
        self.seconds += time.perf_counter() - started

    def figures(self) -> dict[str, Any]:
        """Return medians over the steps looked at, one number a layer."""
        if not self.seen or not self.weights:
            return {}
        n, places = len(self.weights), [i for i, w in enumerate(self.all) if any(w is v for v in self.weights)]
        gradients, ratios = [], []
        for row in torch.stack(self.seen).double().tolist():
            slopes, moves, sizes = row[: len(self.all)], row[len(self.all) : -n], row[-n:]
            self.lengths.append(sum(s * s for s in slopes) ** 0.5)
            gradients.append([slopes[i] / self.all[i].numel() ** 0.5 for i in places])
            ratios.append([move / max(size, 1e-30) for move, size in zip(moves, sizes, strict=True)])
        return {
            "gradient_norm": tuple(statistics.median(column) for column in zip(*gradients, strict=True)),
            "update_ratio": tuple(statistics.median(column) for column in zip(*ratios, strict=True)),
        }

    def weight_norm(self) -> tuple[float, ...]:
        """Return the root mean square of each layer's weights."""
        if not self.weights:
            return ()
        lengths = torch.stack(torch._foreach_norm([w.detach() for w in self.weights])).tolist()
        return tuple(length / w.numel() ** 0.5 for length, w in zip(lengths, self.weights, strict=True))

    @property
    def clip_norm(self) -> float | None:
        """The length that most gradients were cut to; None where they were not."""
        if len(self.lengths) < N_STEPS:
            return None
        longest = max(self.lengths)
        cut = sum(length >= (1 - SAME) * longest for length in self.lengths)
        return longest if longest > 0 and cut >= 0.5 * len(self.lengths) else None


def _spread(n_steps: int, n_looks: int) -> list[int]:
    """Choose steps evenly, the last one among them."""
    n_looks = min(n_steps, n_looks)
    return [n_steps * (i + 1) // n_looks for i in range(n_looks)]


def _dense(gradient: Tensor) -> Tensor:
    return (gradient.to_dense() if gradient.is_sparse else gradient).detach()
