"""What a network's outputs mean: which were asked for, what they predict, and what is decided by them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from planefold.core.errors import DataError, ParameterError, did_you_mean, listed, show
from planefold.core.records import Record
from planefold.data.targets import ClassTarget, class_target, read_target, to_numbers
from planefold.networks.affine import Floats, PiecewiseLinearNet

Ints = npt.NDArray[np.int64]
_WORDS = {"logistic": "logit of {}", "softmax": "logit of {}", "exp": "log of {}"}


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Outcome(Record):
    """What was asked of a network.

    Parameters
    ----------
    matrix : ndarray of shape (n_outputs_of_the_network, n_outputs)
        What was asked for is ``outputs @ matrix``.
    names : tuple of str
        Of what was asked for, as in formulas: "logit of setosa".
    keys : tuple of str
        The same as one asks for it: "setosa".
    places : tuple of int
        The output of the network that each is, or begins with.
    decides : {"", "sign", "largest"}
        How a label follows from what was asked for; "" where none does.
    offsets : ndarray of shape (n_outputs,)
        What it is compared with.
    link : str
        From all outputs to predictions.
    all_offsets : ndarray of shape (n_outputs_of_the_network,)
    classes : tuple
        The labels; empty where numbers are predicted.
    """

    matrix: Floats
    names: tuple[str, ...]
    keys: tuple[str, ...]
    places: tuple[int, ...]
    decides: str
    offsets: Floats
    link: str
    all_offsets: Floats
    classes: tuple[Any, ...]

    def net(self, net: PiecewiseLinearNet) -> PiecewiseLinearNet:
        """Return the network that gives what was asked for."""
        if self.matrix.shape[0] == self.matrix.shape[1] and (self.matrix == np.eye(len(self.matrix))).all():
            return replace(net, output_names=self.names)
        return net.with_outputs(self.matrix, output_names=self.names)

    def predictions(self, outputs: Floats) -> Floats:
        """Compute numbers or probabilities from all outputs, (n_rows, n_outputs_of_the_network)."""
        if self.link == "exp":
            with np.errstate(over="ignore"):
                return np.exp(outputs)
        if self.link == "logistic":
            return np.asarray((1 + np.tanh(outputs / 2)) / 2)
        if self.link == "softmax":
            shifted = np.exp(outputs - outputs.max(axis=1, keepdims=True))
            return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))
        return outputs

    def labels(self, outputs: Floats) -> Ints | None:
        """Decide from all outputs: codes (n_rows,), or 0 and 1 for several labels; None where numbers are predicted."""
        if self.link == "softmax":
            return np.asarray((outputs - self.all_offsets).argmax(axis=1))
        if self.link == "logistic":
            above = (outputs > self.all_offsets).astype(np.int64)
            return above[:, 0] if above.shape[1] == 1 else above
        return None

    def target(self, y: Any, n_rows: int) -> npt.NDArray[Any]:
        """Read targets as :attr:`planefold.reading.Reading.target` has them."""
        values = read_target(y)
        if len(values) != n_rows:
            raise DataError(f"y has {len(values)} values for {n_rows} rows", hint="are both from the same table?")
        if self.classes:
            several = self.link == "logistic" and len(self.matrix) > 1
            return ClassTarget(classes=np.array(self.classes), multilabel=several).encode(values)
        numbers = to_numbers(values).reshape(n_rows, -1)
        if numbers.shape[1] != len(self.matrix):
            raise DataError(f"y has {numbers.shape[1]} columns, the network has {len(self.matrix)} outputs")
        return numbers


def outcome(model: Any, net: PiecewiseLinearNet, output: Any, y: Any = None) -> Outcome:
    """Find out what is asked of a network.

    Parameters
    ----------
    model : any
        Whose network it is: an estimator knows its labels.
    net : PiecewiseLinearNet
    output : None, str, int, or a pair of these
        None for all outputs; of classes a pair for the logit of the one less that of the other.
    y : array-like, optional
        Where the model does not know the labels, they are those of ``y``.
    """
    n_outputs = net.n_outputs
    plain = net.output_names or (("output",) if n_outputs == 1 else tuple(f"output {k + 1}" for k in range(n_outputs)))
    names: tuple[str, ...]
    places = tuple(range(n_outputs))
    words = _WORDS.get(net.link, "{}")
    offsets = np.array(net.offsets)
    several = isinstance(output, tuple | list)
    # The same number added to all logits changes no probability: read them about their mean.
    matrix = np.eye(n_outputs) - (1 / n_outputs if net.link == "softmax" else 0.0)
    if several:
        if len(output) != 2:
            raise ParameterError(f"output={show(output)} must be one output, or a pair of two")
        one, other = (place_of_output(name, plain) for name in output)
        if one == other:
            raise ParameterError(f"output={show(output)} is one output twice", hint="name two different ones")
        places = (one,)
        matrix = (np.eye(n_outputs)[one] - np.eye(n_outputs)[other])[:, None]
        names = (f"{words.format(plain[one])} against {plain[other]}",)
        decides, own = "sign" if net.link == "softmax" else "", offsets[[one]] - offsets[[other]]
    elif output is not None:
        chosen = place_of_output(output, plain)
        places = (chosen,)
        matrix, names, own = matrix[:, [chosen]], (words.format(plain[chosen]),), offsets[[chosen]]
        decides = "sign" if net.link == "logistic" else ""
    else:
        names, own = tuple(map(words.format, plain)), offsets
        decides = {"softmax": "largest", "logistic": "sign"}.get(net.link, "")
    return Outcome(
        matrix=matrix,
        names=names,
        keys=tuple(plain[place] for place in places),
        places=places,
        decides=decides,
        offsets=own if decides else np.zeros(len(names)),
        link=net.link,
        all_offsets=offsets,
        classes=_classes(model, net, y),
    )


def place_of_output(name: Any, names: tuple[str, ...]) -> int:
    """Return the place of an output by its name or number.

    Raises
    ------
    ParameterError
        If there is none such.
    """
    if isinstance(name, int | np.integer) and not isinstance(name, bool) and str(name) not in names:
        if 0 <= name < len(names):
            return int(name)
    elif str(name) in names:
        return names.index(str(name))
    near = did_you_mean(str(name), names)
    raise ParameterError(
        f"output={show(name)} is not known",
        details=f"outputs: {listed(names)}",
        hint=f"did you mean {near!r}?" if near else None,
    )


def _classes(model: Any, net: PiecewiseLinearNet, y: Any) -> tuple[Any, ...]:
    if net.link not in ("logistic", "softmax"):
        return ()
    known = getattr(model, "classes_", None)
    if known is not None:
        return tuple(np.asarray(known).tolist())
    n_labels = 2 if net.n_outputs == 1 else net.n_outputs
    if y is not None and not (net.link == "logistic" and net.n_outputs > 1):
        found = class_target(y).classes
        if len(found) == n_labels:
            return tuple(found.tolist())
    return tuple(net.output_names) if len(net.output_names) == n_labels else tuple(range(n_labels))
