"""Borders and level lines of large networks: a window in tiles, of which only those are cut that hold a piece of one.

A window of a network of a thousand units has hundreds of thousands of regions, and a border crosses few of them. So
tiles that provably lie on one side are left as they are, and in the others the units that do not bend there are made
part of the affine maps, which leaves a small network that is the same in the tile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from planefold.core.records import Record
from planefold.networks.affine import Floats, Fold, Ints, Node, PiecewiseLinearNet, Signs
from planefold.robustness.bounds import Domain, linear_bounds

Window = tuple[tuple[float, float], tuple[float, float]]

UNDECIDED, NO_LEVEL = -1, -2
COARSE, FINE, DEPTH = 4, 2, 6  # tiles across the window, across each of these that is not decided, and how often
FEW_UNITS = 60  # to cut a tile with fewer that bend in it into regions is quicker than to divide it


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Tile(Record):
    """A part of a window.

    Parameters
    ----------
    window : ((u0, u1), (v0, v1))
    decided : int
        The class that holds all over it; -1 where a border may be, or a level; -2 where no level is.
    net : PiecewiseLinearNet
        As small as it can be to be the same in the tile.
    """

    window: Window
    decided: int
    net: PiecewiseLinearNet


# Says what is decided in each of some boxes (from corners, to corners), and where the units of the network are there.
Decide = Callable[[PiecewiseLinearNet, Floats, Floats], tuple[Ints, Signs]]


def border_tiles(net: PiecewiseLinearNet, window: Window, levels: Sequence[float] | None = None) -> Iterator[Tile]:
    """Divide a window into tiles by what is decided in them.

    Parameters
    ----------
    net : PiecewiseLinearNet
        Of two inputs. One output decides for class 1 above 0 and for class 0 below, of several the largest one.
    window : ((u0, u1), (v0, v1))
    levels : sequence of float, optional
        Values of the one output that are looked for in the place of a border.

    Yields
    ------
    Tile
        Together they are the window.

    Notes
    -----
    What is decided is proved, by linear bounds over the tile (Zhang et al., "Efficient Neural Network Robustness
    Certification with General Activation Functions", NeurIPS 2018, theorem 3.2). Nothing is missed: a tile that is not
    proved to be of one class counts as undecided.
    """
    if levels is not None:
        return tiles_by(partial(_level_decided, levels), net, window)
    return tiles_by(_sign_decided if net.n_outputs == 1 else _largest_decided, net, window)


def tiles_by(decide: Decide, net: PiecewiseLinearNet, window: Window) -> Iterator[Tile]:
    """Divide a window into tiles until each is decided, or its network is small."""
    todo = [(Tile(window=window, decided=UNDECIDED, net=net), 0)]
    while todo:
        tile, depth = todo.pop()
        if tile.decided != UNDECIDED or tile.net.n_units <= FEW_UNITS or depth == DEPTH:
            yield tile
        else:
            todo += [(part, depth + 1) for part in _parts(decide, tile, FINE if depth else COARSE)]


def _parts(decide: Decide, tile: Tile, n: int) -> Iterator[Tile]:
    u, v = (np.linspace(low, high, n + 1) for low, high in tile.window)
    lower = np.array([(a, b) for a in u[:-1] for b in v[:-1]])
    upper = np.array([(a, b) for a in u[1:] for b in v[1:]])
    decided, signs = decide(tile.net, lower, upper)
    for low, high, found, own in zip(lower.tolist(), upper.tolist(), decided.tolist(), signs, strict=True):
        small = without_stable_units(tile.net, own) if found == UNDECIDED else tile.net
        yield Tile(window=((low[0], high[0]), (low[1], high[1])), decided=found, net=small)


def output_bounds(net: PiecewiseLinearNet, lower: Floats, upper: Floats) -> tuple[Floats, Floats, Signs]:
    """Bound each output in each of some boxes from both sides, (n_boxes, n_outputs); and where the units are."""
    n, eye = net.n_outputs, np.eye(net.n_outputs)
    found = linear_bounds(net.with_outputs(np.hstack([eye, -eye])), Domain(lower=lower, upper=upper))
    return found.output_lower[:, :n], -found.output_lower[:, n:], found.signs


def _sign_decided(net: PiecewiseLinearNet, lower: Floats, upper: Floats) -> tuple[Ints, Signs]:
    least, most, signs = output_bounds(net, lower, upper)
    return np.where(least[:, 0] > 0, 1, np.where(most[:, 0] < 0, 0, UNDECIDED)), signs


def _level_decided(
    levels: Sequence[float], net: PiecewiseLinearNet, lower: Floats, upper: Floats
) -> tuple[Ints, Signs]:
    least, most, signs = output_bounds(net, lower, upper)
    met = (least <= np.array(levels)) & (most >= np.array(levels))
    return np.where(met.any(axis=1), UNDECIDED, NO_LEVEL), signs


def _largest_decided(net: PiecewiseLinearNet, lower: Floats, upper: Floats) -> tuple[Ints, Signs]:
    winners, eye = net.outputs((lower + upper) / 2).argmax(axis=1), np.eye(net.n_outputs)
    pairs = [(one, other) for one in np.unique(winners).tolist() for other in range(net.n_outputs) if other != one]
    against = net.with_outputs(np.column_stack([eye[winner] - eye[other] for winner, other in pairs]))
    found = linear_bounds(against, Domain(lower=lower, upper=upper))
    of = np.array([winner for winner, _ in pairs])
    leads = np.array([(found.output_lower[i, of == winner] > 0).all() for i, winner in enumerate(winners.tolist())])
    return np.where(leads, winners, UNDECIDED), found.signs


def without_stable_units(net: PiecewiseLinearNet, signs: Signs) -> PiecewiseLinearNet:
    """Return the network that is the same where some units do not bend, without these units.

    Parameters
    ----------
    net : PiecewiseLinearNet
    signs : int8 ndarray of shape (n_units,)
        +1 or -1 for the units that stay on one side of their crease, 0 for those that are kept.

    Notes
    -----
    Every value is an affine function of the input and of the kept units' values. The rows that go forward are the
    images of these and, last, the origin, which alone takes the biases.

    Examples
    --------
    >>> from planefold.networks.affine_builder import Builder
    >>> builder = Builder((1,))
    >>> hidden = builder.fold(builder.affine(builder.input, np.ones((1, 2)), [5.0, 0.0]), layer="hidden 1")
    >>> net = builder.finish(builder.affine(hidden, np.array([[1.0], [2.0]])))
    >>> small = without_stable_units(net, np.array([1, 0], dtype=np.int8))  # the first is on for x > -5
    >>> small.n_units, net.outputs([[-1], [3]]).ravel(), small.outputs([[-1], [3]]).ravel()
    (1, array([ 4., 14.]), array([ 4., 14.]))
    """
    places = net.unit_slices
    n_inputs, n_kept = net.n_inputs, int((signs == 0).sum())
    values: dict[int, Floats] = {0: np.eye(n_inputs + n_kept + 1, n_inputs)}
    groups: list[slice] = [slice(0, n_inputs)]  # rows of the input, and of the kept units of each new node
    nodes: list[Node] = []
    for number, node in enumerate(net.nodes):
        z = net.sums(values, number)
        z[:-1] -= node.bias
        if node.fold is not None:
            own = signs[places[number]]
            kept = np.flatnonzero(own == 0)
            if len(kept):
                nodes.append(_node(z[:, kept], groups, _of(node.fold, kept)))
                groups.append(slice(groups[-1].stop, groups[-1].stop + len(kept)))
            z = z * node.fold.slopes(own > 0)
            if len(kept):
                z[:, kept] = 0.0
                z[np.arange(groups[-1].start, groups[-1].stop), kept] = 1.0
        values[number + 1] = z
        net.forget(values, number)
    nodes.append(_node(values[len(net.nodes)], groups, None))
    return replace(net, nodes=tuple(nodes))


def _node(z: Floats, groups: Sequence[slice], fold: Fold | None) -> Node:
    read = [(source, z[rows]) for source, rows in enumerate(groups) if z[rows].any() or source == 0]
    sources, matrices = zip(*read, strict=True)
    return Node(sources=sources, matrices=matrices, bias=z[-1].copy(), fold=fold)


def _of(fold: Fold, kept: Ints) -> Fold:
    left, right = (slope if isinstance(slope, float) else slope[kept] for slope in (fold.left, fold.right))
    return replace(fold, left=left, right=right, units=tuple(fold.units[k] for k in kept) if fold.units else ())
