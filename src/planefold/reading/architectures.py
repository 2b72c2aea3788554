"""Nodes against layers: what architectures cost, how many planes they can have, and how many random ones do have."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from planefold.core.errors import ParameterError, show, unknown_choice
from planefold.core.records import Record
from planefold.networks.affine import Floats, Ints, PiecewiseLinearNet
from planefold.networks.affine_builder import Builder
from planefold.reading.capacity import Bounds, bounds
from planefold.reading.segments.lines import function
from planefold.reading.slices.planes import planes

# Draws the weights (fan_in, fan_out) and the biases (fan_out,) of one layer.
Initialise = Callable[[np.random.Generator, int, int], tuple[Floats, Floats]]


def _uniform(rng: np.random.Generator, fan_in: int, fan_out: int) -> tuple[Floats, Floats]:
    """PyTorch's: weights and biases even on +-1/sqrt(fan_in)."""
    most = 1 / np.sqrt(fan_in)
    return rng.uniform(-most, most, (fan_in, fan_out)), rng.uniform(-most, most, fan_out)


def _normal(rng: np.random.Generator, fan_in: int, fan_out: int) -> tuple[Floats, Floats]:
    """He's weights, of variance 2/fan_in, and biases of the same variance, so that the creases miss the origin."""
    scale = np.sqrt(2 / fan_in)
    return rng.normal(0, scale, (fan_in, fan_out)), rng.normal(0, scale, fan_out)


INITS: dict[str, Initialise] = {"uniform": _uniform, "normal": _normal}


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class ArchitectureCounts(Record):
    """What was found of one architecture.

    Parameters
    ----------
    architecture : tuple of int
        Inputs, hidden units, outputs.
    n_multiplications, n_parameters : int
        What a prediction costs, and what there is to learn.
    bounds : Bounds
        On the whole plane, so no window can hold more.
    n_regions, n_pieces : int ndarray of shape (n_seeds,)
        Activation regions and linear pieces of each random network, within the window.
    """

    architecture: tuple[int, ...]
    n_multiplications: int
    n_parameters: int
    bounds: Bounds
    n_regions: Ints
    n_pieces: Ints

    @property
    def name(self) -> str:
        """As it is spoken: 2-3-4-1."""
        return "-".join(map(str, self.architecture))


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Study(Record):
    """Architectures beside each other; printed, a table.

    Parameters
    ----------
    counts : tuple of ArchitectureCounts
    seeds : tuple of int
    window : tuple of (low, high)
    init : str
        Which initialisation.
    """

    counts: tuple[ArchitectureCounts, ...]
    seeds: tuple[int, ...]
    window: tuple[tuple[float, float], ...]
    init: str

    def rows(self) -> list[dict[str, Any]]:
        """Return a dictionary for each architecture: a table for pandas."""
        return [
            {
                "architecture": found.name,
                "multiplications": found.n_multiplications,
                "parameters": found.n_parameters,
                "pieces at most": found.bounds.upper,
                "per multiplication": found.bounds.upper / found.n_multiplications,
                "pieces, mean": float(found.n_pieces.mean()),
                "pieces, min": int(found.n_pieces.min()),
                "pieces, max": int(found.n_pieces.max()),
                "regions, mean": float(found.n_regions.mean()),
                "regions, min": int(found.n_regions.min()),
                "regions, max": int(found.n_regions.max()),
            }
            for found in self.counts
        ]

    def __str__(self) -> str:
        rows = self.rows()
        table = [list(rows[0]), *([_cell(value) for value in row.values()] for row in rows)]
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        lines = ["  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)) for line in table]
        window = " x ".join(f"[{low:g}, {high:g}]" for low, high in self.window)
        said = f"{len(self.seeds)} random networks of each architecture ({self.init}), counted on {window}"
        return "\n".join([said, *lines])


def study(
    architectures: Iterable[Sequence[int]],
    *,
    seeds: Iterable[int] = range(20),
    window: Sequence[Sequence[float]] = ((-1.0, 1.0), (-1.0, 1.0)),
    init: str = "uniform",
) -> Study:
    """Compare architectures: what another node, or another layer, costs and how many planes it brings.

    Parameters
    ----------
    architectures : iterable of sequence of int
        Numbers of inputs (one or two), of ReLU units in each hidden layer, and of outputs, such as
        ``[(2, 12, 1), (2, 3, 4, 1)]``.
    seeds : iterable of int
        A network of each architecture is drawn for each.
    window : pair of (low, high)
        Where regions and pieces are counted; of one input, the first. A large one, +-1000 say, holds practically the
        whole plane, and so compares with the bounds.
    init : {'uniform', 'normal'}
        'uniform': PyTorch's, weights and biases even on +-1/sqrt(fan_in). 'normal': He's weights, and biases of the
        same variance. Neither has zero biases, with which all creases of the first layer would meet in the origin.

    Returns
    -------
    Study
        The same for the same arguments.

    Raises
    ------
    ParameterError
        If an architecture has another number of inputs, there are no seeds, or ``init`` is not known.

    Notes
    -----
    A node adds one free crease. A layer folds the planes that there are, so its creases bend at the old ones. The
    bounds grow faster for the cost in multiplications (2-12-1: at most 79 for 36; 2-3-4-1: at most 59 for 22), but
    random networks do not follow: on +-1000, 200 of them had 79 and 22 pieces on average.

    Examples
    --------
    >>> found = study([(1, 4, 1), (1, 2, 2, 1)], seeds=range(5), window=[(-100, 100)])
    >>> [row["pieces at most"] for row in found.rows()]
    [5, 9]
    """
    chosen = tuple(int(seed) for seed in seeds)
    shapes = [tuple(int(n) for n in architecture) for architecture in architectures]
    if not chosen or not shapes:
        raise ParameterError("there is nothing to study without an architecture and a seed")
    box = tuple((float(low), float(high)) for low, high in window)
    counts = []
    for shape in shapes:
        limits = bounds(shape)
        if shape[0] > min(2, len(box)):
            raise ParameterError(
                f"architecture {show(shape)} has {shape[0]} inputs, and the window {len(box)} sides",
                hint="one or two inputs, and a window with a side (low, high) for each",
            )
        found = [_counted(random_net(shape, seed, init=init), box) for seed in chosen]
        pairs = list(pairwise(shape))
        counts.append(
            ArchitectureCounts(
                architecture=shape,
                n_multiplications=sum(fan_in * fan_out for fan_in, fan_out in pairs),
                n_parameters=sum((fan_in + 1) * fan_out for fan_in, fan_out in pairs),
                bounds=limits,
                n_regions=np.array([n_regions for n_regions, _ in found]),
                n_pieces=np.array([n_pieces for _, n_pieces in found]),
            )
        )
    return Study(counts=tuple(counts), seeds=chosen, window=box, init=init)


def random_net(architecture: Sequence[int], seed: int, *, init: str = "uniform") -> PiecewiseLinearNet:
    """Draw a ReLU network.

    Parameters
    ----------
    architecture : sequence of int
        Numbers of inputs, of units in each hidden layer, and of outputs.
    seed : int
        The same one draws the same network.
    init : {'uniform', 'normal'}
        As for :func:`study`.

    Raises
    ------
    ParameterError
        If ``init`` is not known, or the architecture is none.
    """
    if init not in INITS:
        raise unknown_choice("init", init, list(INITS))
    bounds(architecture)  # refuses what is no architecture
    rng = np.random.default_rng(seed)
    builder = Builder((architecture[0],))
    value = builder.input
    last = len(architecture) - 2
    for number, (fan_in, fan_out) in enumerate(pairwise(architecture)):
        value = builder.affine(value, *INITS[init](rng, fan_in, fan_out))
        if number < last:
            value = builder.fold(value, layer=f"hidden {number + 1}")
    name = "-".join(map(str, architecture))
    return builder.finish(value, description=f"a random network {name}")


def _counted(net: PiecewiseLinearNet, box: tuple[tuple[float, float], ...]) -> tuple[int, int]:
    found = function(net, *box[0]) if net.n_inputs == 1 else planes(net, box)
    return found.n_regions, found.n_pieces


def _cell(value: Any) -> str:
    return f"{value:,.1f}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)
