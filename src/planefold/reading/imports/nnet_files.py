"""Files ``.nnet``, the text format of the Reluplex and Marabou verifiers: ReLU networks with a box of inputs."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from planefold.core.errors import MissingFileError, ModelFileError, show
from planefold.core.records import Record
from planefold.networks.affine import Floats, PiecewiseLinearNet
from planefold.networks.affine_builder import Builder

MAX_BYTES = 2**30


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class NnetFile(Record):
    """What a ``.nnet`` file holds.

    Parameters
    ----------
    net : PiecewiseLinearNet
        From raw inputs to raw outputs: inputs are normalised and outputs brought back to their unit within it. Inputs
        beyond ``lower`` and ``upper`` are *not* cut off, as the programs of the format do.
    normalized_net : PiecewiseLinearNet
        The layers alone, from ``(input - means) / ranges`` to outputs before they are brought back.
    lower, upper : ndarray of shape (n_inputs,)
        The box of raw inputs that the network is meant for; infinite where the file has the largest float.
    means, ranges : ndarray of shape (n_inputs + 1,)
        By which inputs and, last, all outputs are normalised.
    """

    net: PiecewiseLinearNet
    normalized_net: PiecewiseLinearNet
    lower: Floats
    upper: Floats
    means: Floats
    ranges: Floats


def read_nnet(path: str | Path) -> NnetFile:
    """Read a ``.nnet`` file.

    Raises
    ------
    ModelFileError
        If it is damaged.

    References
    ----------
    Katz, Barrett, Dill, Julian and Kochenderfer, "Reluplex: An Efficient SMT Solver for Verifying Deep Neural
    Networks", CAV 2017; the format is by K. Julian, Stanford 2016.
    """
    path = Path(path)
    if not path.is_file():
        raise MissingFileError(f"{show(str(path))} does not exist", hint="check the path")
    if path.stat().st_size > MAX_BYTES:
        raise ModelFileError(f"{path.name} has more than 1 GiB, which no .nnet file has")
    try:
        lines = path.read_text(encoding="ascii").splitlines()
    except UnicodeDecodeError:
        raise ModelFileError(f"{path.name} is no .nnet file: it is not plain text") from None
    rest = [line for line in lines if line.strip() and not line.startswith("//")]
    if len(rest) < 7:
        raise ModelFileError(f"{path.name} ends before its first layer", hint="it has 7 lines before the weights")
    n_layers, n_inputs, n_outputs = (_integers(rest[0], path.name) + [0, 0, 0])[:3]
    sizes = _integers(rest[1], path.name)
    if len(sizes) != n_layers + 1 or [n_inputs, n_outputs] != [sizes[0], sizes[-1]] or min(sizes) < 1 or n_layers < 1:
        raise ModelFileError(
            f"{path.name} contradicts itself: {n_layers} layers, {n_inputs} inputs and {n_outputs} outputs, but sizes "
            f"{sizes}"
        )
    n_lines = 7 + 2 * sum(sizes[1:])
    if len(rest) < n_lines:
        raise ModelFileError(f"{path.name} has {len(rest)} lines where its sizes need {n_lines}")
    lower, upper = (_reals(rest[number], n_inputs, path.name) for number in (3, 4))
    means, ranges = (_reals(rest[number], n_inputs + 1, path.name) for number in (5, 6))
    if not ranges.all():
        raise ModelFileError(f"{path.name} divides by a range of 0")
    layers, place = [], 7
    for fan_in, n_units in pairwise(sizes):
        weights = np.array([_reals(line, fan_in, path.name) for line in rest[place : place + n_units]])
        biases = [_reals(line, 1, path.name) for line in rest[place + n_units : place + 2 * n_units]]
        layers.append((weights.T, np.concatenate(biases)))
        place += 2 * n_units
    limit = float(np.finfo(np.float32).max)
    return NnetFile(
        net=_network(layers, path.name, means, ranges),
        normalized_net=_network(layers, path.name),
        lower=np.where(lower <= -limit, -np.inf, lower),
        upper=np.where(upper >= limit, np.inf, upper),
        means=means,
        ranges=ranges,
    )


def _network(
    layers: list[tuple[Floats, Floats]], name: str, means: Floats | None = None, ranges: Floats | None = None
) -> PiecewiseLinearNet:
    builder = Builder((len(layers[0][0]),))
    value = builder.input
    if means is not None and ranges is not None:
        value = builder.scaled(value, 1 / ranges[:-1], -means[:-1] / ranges[:-1])
    for number, (matrix, bias) in enumerate(layers, start=1):
        value = builder.affine(value, matrix, bias)
        if number < len(layers):
            value = builder.fold(value, layer=f"hidden {number}")
    if means is not None and ranges is not None:
        value = builder.scaled(value, ranges[-1], means[-1])
    return builder.finish(value, description=f"the network of {name}")


def _numbers(line: str, name: str) -> list[str]:
    return [entry.strip() for entry in line.split(",") if entry.strip()]


def _integers(line: str, name: str) -> list[int]:
    try:
        return [int(entry) for entry in _numbers(line, name)]
    except ValueError:
        raise ModelFileError(f"{name}: {show(line[:40])} holds no integers") from None


def _reals(line: str, n: int, name: str) -> Floats:
    try:
        found = np.array([float(entry) for entry in _numbers(line, name)])
    except ValueError:
        raise ModelFileError(f"{name}: {show(line[:40])} holds no numbers") from None
    if len(found) < n:
        raise ModelFileError(f"{name}: a line of {len(found)} numbers where {n} belong", details=show(line[:40]))
    if not np.isfinite(found[:n]).all():
        raise ModelFileError(f"{name}: {show(line[:40])} holds a number that is not finite")
    return found[:n]
