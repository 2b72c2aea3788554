"""The loss of each row, out of any loss that is a mean over rows; and of always predicting the same."""

from __future__ import annotations

import copy
import inspect
import operator
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from planefold.core.errors import DataError, ParameterError

Floats = np.ndarray[Any, np.dtype[np.float64]]

# torch's name to the name that our objectives have, or would have.
OBJECTIVES = {
    "CrossEntropyLoss": "log_loss",
    "NLLLoss": "log_loss",
    "BCEWithLogitsLoss": "binary_log_loss",
    "BCELoss": "binary_log_loss",
    "MSELoss": "mean_squared_error",
    "L1Loss": "absolute_error",
    "HuberLoss": "huber",
    "SmoothL1Loss": "huber",
    "PoissonNLLLoss": "poisson",
}
_FUNCTIONS: dict[Any, str] = {
    functional.cross_entropy: "CrossEntropyLoss",
    functional.nll_loss: "NLLLoss",
    functional.binary_cross_entropy_with_logits: "BCEWithLogitsLoss",
    functional.binary_cross_entropy: "BCELoss",
    functional.mse_loss: "MSELoss",
    functional.l1_loss: "L1Loss",
    functional.huber_loss: "HuberLoss",
    functional.smooth_l1_loss: "SmoothL1Loss",
    functional.poisson_nll_loss: "PoissonNLLLoss",
}
OF_CLASSES = ("CrossEntropyLoss", "NLLLoss")
OF_BINARIES = ("BCEWithLogitsLoss", "BCELoss")
LARGEST_ERROR = 1e-3  # relative, between the loss of a batch and the mean over its rows, that is rounding


class RowLosses:
    """A loss, row by row.

    Parameters
    ----------
    loss : module or function (outputs, targets) -> Tensor
        Mean (or sum) over rows.

    Attributes
    ----------
    kind : str
        The name of torch's class, for example ``"MSELoss"``; ``""`` of a loss that is not torch's.
    is_sum : bool
        Whether the loss of a batch is the sum over its rows.
    """

    def __init__(self, loss: Any) -> None:
        if not callable(loss):
            raise ParameterError(
                f"loss={loss!r} cannot be called", hint="pass torch.nn.MSELoss(), or any function of outputs and y"
            )
        self.loss = loss
        base = loss.func if isinstance(loss, partial) else loss
        self.kind = next((name for function, name in _FUNCTIONS.items() if function is base), "")
        if (
            isinstance(loss, nn.Module)
            and type(loss).__name__ in OBJECTIVES
            and type(loss).__module__.startswith("torch.")
        ):
            self.kind = type(loss).__name__
        self.is_sum = self.option("reduction", "mean") == "sum"
        self.scales = False
        # Not the module's call: the watch has a hook there.
        self._call: Callable[[Any, Any], Tensor] = loss.forward if isinstance(loss, nn.Module) else loss
        self._vectorised = True
        self._each = self._split()

    def option(self, name: str, default: Any = None) -> Any:
        """Return a setting of the loss, such as ``weight`` or ``reduction``."""
        if isinstance(self.loss, partial):
            return self.loss.keywords.get(name, default)
        return getattr(self.loss, name, default) if isinstance(self.loss, nn.Module) else default

    @property
    def name(self) -> str:
        """What the loss is called in a run."""
        if self.kind:
            return OBJECTIVES[self.kind]
        return str(getattr(self.loss, "__name__", type(self.loss).__name__))

    def _split(self) -> Callable[[Any, Tensor], Tensor]:
        if isinstance(self.loss, nn.Module) and hasattr(self.loss, "reduction"):
            twin = copy.copy(self.loss)
            twin.__dict__["reduction"] = "none"
            return twin.forward
        if self.kind or "reduction" in _parameters(self.loss):
            return partial(self.loss, reduction="none")
        return self._one_by_one

    def fit(self, outputs: Any, y: Tensor) -> tuple[Any, Tensor]:
        """Bring outputs and targets into the form that the loss takes them in, as far as that is beyond doubt."""
        if not isinstance(outputs, Tensor):
            return outputs, y
        if outputs.dtype in (torch.float16, torch.bfloat16):
            outputs = outputs.float()
        if self.kind in OF_CLASSES:
            return _fit_classes(outputs, y)
        if self.kind:
            if y.numel() != outputs.numel():
                raise DataError(
                    f"the module's outputs have the shape {tuple(outputs.shape)}, the targets {tuple(y.shape)}",
                    hint="the loss needs one target for each output",
                )
            y = y.reshape(outputs.shape).to(outputs.dtype)
        return outputs, y

    def check(self, outputs: Any, y: Tensor) -> None:
        """See that the loss is a mean over rows, or a sum.

        Raises
        ------
        ParameterError
            If it is neither, so that it cannot be known for one row.
        """
        outputs, y = self.fit(outputs, y)
        rows = self._rows(outputs, y)
        whole = self._whole(outputs, y)
        mean = float(rows.mean())
        if not np.isfinite(whole) or not np.isfinite(mean):
            return
        if _near(whole, mean):
            return
        if len(rows) > 1 and _near(whole, mean * len(rows)):
            self.is_sum = True
        elif self.kind or hasattr(self.loss, "reduction"):
            self.scales = True  # a weighted mean, or rows that are ignored
        else:
            raise ParameterError(
                f"the loss {self.name} is not a mean over rows",
                details=f"of {len(rows)} rows it is {whole:.6g}, and their mean one by one is {mean:.6g}",
                hint="pass a loss whose value for a batch is the mean of its values for the single rows",
            )

    def __call__(self, outputs: Any, y: Tensor) -> Tensor:
        """Return the loss of each row, shape (n_rows,), whose mean is the loss of them all."""
        outputs, y = self.fit(outputs, y)
        rows = self._rows(outputs, y)
        if self.scales or self.option("weight") is not None:
            whole, mean = self._whole(outputs, y), float(rows.mean())
            rows = rows * (whole / mean if mean else 1.0)
        return rows

    def _rows(self, outputs: Any, y: Tensor) -> Tensor:
        values = self._each(outputs, y)
        if values.dim() == 0 and len(y) > 1:  # a reduction that it has, and does not heed
            self._each = self._one_by_one
            values = self._each(outputs, y)
        return values.reshape(len(y), -1).mean(dim=1)

    def _one_by_one(self, outputs: Any, y: Tensor) -> Tensor:
        """Call the loss once a row: vectorised where torch can, else in a loop."""

        def of_row(output: Any, target: Tensor) -> Tensor:
            return self._call(_map(output, lambda part: part[None]), target[None]).reshape(())

        if self._vectorised:
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # torch warns of what it vectorises slowly
                    rows: Tensor = torch.func.vmap(of_row)(outputs, y)
                    return rows
            except (RuntimeError, ValueError, TypeError, AttributeError):  # of functions that it cannot take
                self._vectorised = False
        return torch.stack([of_row(_map(outputs, operator.itemgetter(i)), y[i]) for i in range(len(y))])

    def _whole(self, outputs: Any, y: Tensor) -> float:
        whole = self._call(outputs, y)
        return float(whole.mean()) / (len(y) if self.option("reduction", "mean") == "sum" else 1)

    # ------------------------------------------------------------------------------------------ always the same

    def constant(self, outputs: Tensor, y: Tensor) -> Tensor | None:
        """Return the one output, of shape (1, ...), that has the lowest loss for all targets.

        Parameters
        ----------
        outputs : Tensor of shape (n_rows, ...)
            Any outputs of the module, for their shape and precision.
        y : Tensor of shape (n_targets, ...)
            Targets to learn from.

        Returns
        -------
        Tensor or None
            None of a loss that is not known.
        """
        if not self.kind or not isinstance(outputs, Tensor):
            return None
        like = outputs[:1].expand(len(y), *outputs.shape[1:])
        like, y = self.fit(like, y)
        if self.kind in OF_CLASSES:
            best = self._shares(like, y).log()
            best = best.reshape(1, -1, *[1] * (like.dim() - 2))
        else:
            best = _CONSTANTS[self.kind](self, y.double())[None]
        return best.to(like.dtype)

    def trivial(self, constant: Tensor | None, y: Tensor) -> float | None:
        """Return the loss of always giving one output."""
        if constant is None:
            return None
        like = constant.expand(len(y), *constant.shape[1:])
        if self.kind in OF_CLASSES and y.dim() > 1 and constant.dim() > 2:
            like = constant.expand(len(y), constant.shape[1], *y.shape[1:])
        return float(self(like, y).double().mean())

    def _shares(self, outputs: Tensor, y: Tensor) -> Tensor:
        n_classes = outputs.shape[1]
        if y.is_floating_point():
            counts = y.double().movedim(1, -1).reshape(-1, n_classes).sum(dim=0)
        else:
            known = y[(y >= 0) & (y < n_classes) & (y != self.option("ignore_index", -100))]
            counts = torch.bincount(known, minlength=n_classes).double()
        if self.option("weight") is not None:
            counts = counts * self.option("weight").double()
        smoothing = float(self.option("label_smoothing", 0.0))
        shares = (1 - smoothing) * counts / counts.sum().clamp_min(1) + smoothing / n_classes
        return shares.clamp_min(torch.finfo(torch.float32).eps)


def _parameters(function: Any) -> tuple[str, ...]:
    try:
        return tuple(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return ()


def _near(a: float, b: float) -> bool:
    return abs(a - b) <= LARGEST_ERROR * max(abs(a), abs(b)) + 1e-7


def _fit_classes(outputs: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Bring classes into torch's form: indices as whole numbers, the axis of the classes second."""
    if y.shape == outputs.shape and y.is_floating_point():
        return outputs, y.to(outputs.dtype)  # shares of classes
    positions = outputs.shape[2:]
    if outputs.dim() > 2 and tuple(y.shape[1:]) != tuple(positions) and tuple(y.shape) == tuple(outputs.shape[:-1]):
        outputs, positions = outputs.movedim(-1, 1), outputs.shape[1:-1]
    wanted = (len(outputs), *positions)
    if y.numel() != int(np.prod(wanted)):
        raise DataError(
            f"the module's outputs have the shape {tuple(outputs.shape)}, the targets {tuple(y.shape)}",
            hint="cross-entropy needs the index of one class for each row",
        )
    return outputs, y.reshape(wanted).long()


def _map(outputs: Any, function: Callable[[Tensor], Tensor]) -> Any:
    if isinstance(outputs, Tensor):
        return function(outputs)
    if isinstance(outputs, dict):
        return {name: _map(part, function) for name, part in outputs.items()}
    if isinstance(outputs, tuple | list):
        return type(outputs)(_map(part, function) for part in outputs)
    return outputs


# ---------------------------------------------------------------------------------------------- best constants


def _mean(losses: RowLosses, y: Tensor) -> Tensor:
    return y.mean(dim=0)


def _logit(losses: RowLosses, y: Tensor) -> Tensor:
    positive = y.mean(dim=0)
    weight = losses.option("pos_weight")
    up = positive if weight is None else positive * weight.double()
    share = up / (up + 1 - positive)
    return torch.logit(share, eps=torch.finfo(torch.float32).eps)


def _median(losses: RowLosses, y: Tensor) -> Tensor:
    return y.median(dim=0).values


def _log_mean(losses: RowLosses, y: Tensor) -> Tensor:
    mean = y.mean(dim=0)
    is_log = losses.option("log_input", True)
    return mean.clamp_min(torch.finfo(torch.float32).tiny).log() if is_log else mean


def _lowest(losses: RowLosses, y: Tensor) -> Tensor:
    """Halve the interval of each column's best constant until it is a point: a convex loss has one minimum."""
    low, high = y.amin(dim=0), y.amax(dim=0)
    for _ in range(80):
        third = (high - low) / 3
        a, b = low + third, high - third
        cost = [losses._each(c.expand_as(y), y).mean(dim=0) for c in (a, b)]
        falls = cost[0] > cost[1]
        low, high = torch.where(falls, a, low), torch.where(falls, high, b)
    return (low + high) / 2


_CONSTANTS: dict[str, Callable[[RowLosses, Tensor], Tensor]] = {
    "BCEWithLogitsLoss": _logit,
    "BCELoss": _mean,
    "MSELoss": _mean,
    "L1Loss": _median,
    "HuberLoss": _lowest,
    "SmoothL1Loss": _lowest,
    "PoissonNLLLoss": _log_mean,
}
