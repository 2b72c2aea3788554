"""What can be said of a window without cutting all of it: the exact range of the outputs, about how many regions."""

from __future__ import annotations

import numpy as np

from planefold.networks.affine import Floats, Ints, PiecewiseLinearNet, Signs
from planefold.reading.slices.border_tiles import NO_LEVEL, UNDECIDED, Window, output_bounds, tiles_by
from planefold.reading.slices.planes import planes

GRID = 33  # points across and up that say at first how far the outputs go
EVEN = 1e-12  # of the range: a tile that could exceed what is known by no more than that is left out
SQUARES, SHARE = 8, 0.125  # across the window, and how wide each is of its room


def value_ranges(net: PiecewiseLinearNet, window: Window) -> Floats:
    """Return the smallest and the largest value of each output in a window, (2, n_outputs), exact but for rounding.

    Parameters
    ----------
    net : PiecewiseLinearNet
        Of two inputs.
    window : ((u0, u1), (v0, v1))

    Notes
    -----
    Branch and bound: tiles that by linear bounds hold nothing beyond what points have shown are left out, and the
    others divided, until few units bend in them and they are cut into regions; extremes lie at their corners.
    """
    sides = [np.linspace(low, high, GRID) for low, high in window]
    shown = net.outputs(np.stack(np.meshgrid(*sides), axis=-1).reshape(-1, 2))
    best = np.stack([shown.min(axis=0), shown.max(axis=0)])

    def decide(small: PiecewiseLinearNet, lower: Floats, upper: Floats) -> tuple[Ints, Signs]:
        least, most, signs = output_bounds(small, lower, upper)
        slack = EVEN * np.abs(best).max(axis=0)
        beyond = (least < best[0] - slack) | (most > best[1] + slack)
        return np.where(beyond.any(axis=1), UNDECIDED, NO_LEVEL), signs

    for tile in tiles_by(decide, net, window):
        if tile.decided == UNDECIDED:
            values = planes(tile.net, tile.window).vertex_outputs
            np.minimum(best[0], values.min(axis=0), out=best[0])
            np.maximum(best[1], values.max(axis=0), out=best[1])
    return best


def sampled_count(net: PiecewiseLinearNet, window: Window) -> tuple[float, float]:
    """Estimate how many activation regions a window has, from squares in which they are counted.

    Parameters
    ----------
    net : PiecewiseLinearNet
        Of two inputs.
    window : ((u0, u1), (v0, v1))

    Returns
    -------
    n_regions, error : float
        The estimate, and its standard error.

    Notes
    -----
    Where two creases cross, one region more begins, so in a window of many regions there are as many as inner corners
    (Euler's formula for the faces of a plane graph). Their number is that of 64 small squares, one at random in each
    eighth by eighth of the window, over the share of the window that these cover, a sixty-fourth. The standard error is
    that of a sum of 64 independent counts.
    """
    random = np.random.default_rng(0)
    (u0, u1), (v0, v1) = window
    across, up = (u1 - u0) / SQUARES, (v1 - v0) / SQUARES
    counts = []
    for i in range(SQUARES):
        for j in range(SQUARES):
            du, dv = (1 - SHARE) * random.random(2)
            u, v = u0 + (i + du) * across, v0 + (j + dv) * up
            found = planes(net, ((u, u + SHARE * across), (v, v + SHARE * up)))
            on_side = found.edges[(found.edge_regions < 0).any(axis=1)]
            counts.append(len(found.vertices) - len(np.unique(on_side)))
    each = np.array(counts) / SHARE**2
    return 1.0 + float(each.sum()), float(np.sqrt(each.size) * each.std())
