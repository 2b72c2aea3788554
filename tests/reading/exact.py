"""The regions of a network in exact rational arithmetic, and a public set of networks to try it on.

Polygons are clipped at one crease after another: slow, short and independent of what it checks, since it knows nothing
but a network's matrices and Python's fractions.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np

from planefold.networks.affine import PiecewiseLinearNet
from planefold.networks.affine_builder import Builder
from planefold.networks.matrices import dense


@dataclass(frozen=True)
class ExactRegion:
    """A region: its corners, its pattern, and the network's outputs there as rows of ``(u, v, 1)``, (3, n_outputs)."""

    corners: tuple[tuple[Fraction, Fraction], ...]
    pattern: tuple[int, ...]
    outputs: Any

    @property
    def area(self) -> Fraction:
        pairs = zip(self.corners, (*self.corners[1:], self.corners[0]), strict=True)
        return sum((a[0] * b[1] - a[1] * b[0] for a, b in pairs), Fraction(0)) / 2


def fractions(array: Any) -> Any:
    """Turn floats into fractions, exactly."""
    return np.vectorize(Fraction, otypes=[object])(np.asarray(array, dtype=np.float64))


def exact_regions(net: PiecewiseLinearNet, corners: Any) -> list[ExactRegion]:
    """Cut a convex window (n_corners, 2) of a network of two inputs into its activation regions."""
    identity = fractions([[1, 0], [0, 1], [0, 0]])
    # Polygon, pattern, and values: what each node gives, as rows of (u, v, 1).
    regions = [(tuple(map(tuple, fractions(corners).tolist())), (), {0: identity})]
    for number, node in enumerate(net.nodes):
        matrices = [None if matrix is None else fractions(dense(matrix)) for matrix in node.matrices]
        bias = fractions(node.bias)
        found = []
        for polygon, pattern, values in regions:
            z = fractions(np.zeros((3, node.n_units)))
            for source, matrix in zip(node.sources, matrices, strict=True):
                z = z + (values[source] if matrix is None else values[source].dot(matrix))
            z[2] = z[2] + bias
            if node.fold is None:
                found.append((polygon, pattern, {**values, number + 1: z}))
                continue
            left, right = (fractions(np.broadcast_to(s, node.n_units)) for s in (node.fold.left, node.fold.right))
            for part, signs in _clipped(polygon, z):
                slopes = np.where(np.array(signs) > 0, right, left)
                found.append((part, pattern + signs, {**values, number + 1: z * slopes}))
        regions = found
    return [ExactRegion(polygon, pattern, values[len(net.nodes)]) for polygon, pattern, values in regions]


def _clipped(polygon: Any, z: Any) -> list[tuple[Any, tuple[int, ...]]]:
    parts: list[tuple[Any, tuple[int, ...]]] = [(polygon, ())]
    for a, b, c in z.T:
        cut = []
        for part, signs in parts:
            heights = [a * u + b * v + c for u, v in part]
            if min(heights) < 0 < max(heights):
                cut.append((_half(part, heights, 1), (*signs, 1)))
                cut.append((_half(part, heights, -1), (*signs, -1)))
            else:
                cut.append((part, (*signs, (max(heights) > 0) - (min(heights) < 0))))
        parts = cut
    return parts


def _half(polygon: Any, heights: list[Fraction], sign: int) -> Any:
    kept = []
    for place, (point, h) in enumerate(zip(polygon, heights, strict=True)):
        before, h_before = polygon[place - 1], heights[place - 1]
        if h * h_before < 0:
            t = h_before / (h_before - h)
            kept.append(tuple(p + t * (q - p) for p, q in zip(before, point, strict=True)))
        if h * sign >= 0:
            kept.append(point)
    return tuple(kept)


# ------------------------------------------------------------------------------- a public set of networks

SQUARE = np.array([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]])
DEGENERATE = (
    "integer",
    "halves",
    "quarters",
    "eighths",
    "tenths",
    "zero biases",
    "duplicates",
    "opposites",
    "scaled copies",
    "parallels",
    "zero weights",
    "dead units",
    "dead layer",
    "all scales",
    "cancelling",
    "near copies",
    "last digit",
    "through corners",
)
STRUCTURES = ("relu", "leaky", "abs", "clip", "maximum", "residual", "two outputs", "bottleneck")


def network(layers: Any, *, left: float = 0.0) -> PiecewiseLinearNet:
    """Build the affine form of layers (weights (fan_in, fan_out), biases)."""
    builder = Builder((len(layers[0][0]),))
    value = builder.input
    for number, (coef, intercept) in enumerate(layers, start=1):
        value = builder.affine(value, np.asarray(coef, dtype=np.float64), np.asarray(intercept, dtype=np.float64))
        if number < len(layers):
            value = builder.fold(value, layer=f"hidden {number}", left=left)
    return builder.finish(value)


def drawn(widths: Any, seed: int) -> list[tuple[Any, Any]]:
    """Draw the layers of a network whose creases are spread over the square."""
    random = np.random.default_rng(seed)
    return [(random.normal(size=(a, b)), 0.5 * random.normal(size=b)) for a, b in pairwise(widths)]


def degenerate(kind: str, widths: Any, seed: int) -> PiecewiseLinearNet:
    """Draw a network whose creases are anything but in general position."""
    random = np.random.default_rng([seed, DEGENERATE.index(kind)])
    layers = []
    for number, (a, b) in enumerate(pairwise(widths)):
        coef, intercept = random.normal(size=(a, b)), 0.5 * random.normal(size=b)
        first, again = slice(0, b - b // 2), slice(0, b // 2)
        if kind in ("halves", "quarters", "eighths", "tenths"):
            parts = {"halves": 2, "quarters": 4, "eighths": 8, "tenths": 10}[kind]
            coef, intercept = np.round(coef * parts) / parts, np.round(intercept * parts) / parts
        elif kind == "integer":
            coef, intercept = random.integers(-2, 3, (a, b)), random.integers(-1, 2, b)
        elif kind == "through corners":
            coef = random.choice([-1.0, 1.0], (a, b))
            intercept = random.choice([-2.0, -1.0, 0.0, 1.0, 2.0], b)
        elif kind == "zero biases":
            intercept = np.zeros(b)
        elif kind in ("duplicates", "opposites", "scaled copies", "near copies", "last digit", "parallels"):
            factor: Any = {"opposites": -1.0, "scaled copies": 3.3}.get(kind, 1.0)
            if kind == "near copies":
                factor = 1 + 1e-13 * random.normal(size=(a, b // 2))
            copies = factor * coef[:, again]
            if kind == "last digit":
                copies = np.nextafter(copies, np.inf)
            moved = intercept[first][again] if kind != "parallels" else 0.5 * random.normal(size=b // 2)
            scale = factor if np.ndim(factor) == 0 else 1.0
            coef, intercept = np.hstack([coef[:, first], copies]), np.concatenate([intercept[first], scale * moved])
        elif kind == "zero weights":
            coef, intercept = coef * (random.random((a, b)) < 0.4), intercept * (random.random(b) < 0.5)
        elif kind == "dead units":
            intercept = intercept - 3 * (random.random(b) < 0.5)
        elif kind == "dead layer" and number == 1:
            coef, intercept = -np.abs(coef), -np.abs(intercept)
        elif kind == "all scales":
            coef = coef * 10.0 ** random.integers(-8, 9, b)
            intercept = intercept * 10.0 ** random.integers(-8, 1, b)
        elif kind == "cancelling" and number > 0:
            coef[a - a // 2 :] = -coef[: a // 2] * (1 + 1e-6)
            coef = coef * 1e4
        layers.append((coef, intercept))
    return network(layers)


def structured(kind: str, seed: int) -> PiecewiseLinearNet:
    """Draw a network in general position, of different kinds of folds."""
    random = np.random.default_rng(seed)
    widths = {"bottleneck": (2, 7, 1, 5, 1), "two outputs": (2, 8, 6, 2)}.get(kind, (2, 7, 6, 1))
    layers = drawn(widths, seed)
    if kind in ("relu", "bottleneck", "two outputs", "leaky", "abs"):
        return network(layers, left={"leaky": 0.01, "abs": -1.0}.get(kind, 0.0))
    builder = Builder((2,))
    hidden = builder.affine(builder.input, *layers[0])
    if kind == "clip":
        hidden = builder.clipped(hidden, 0.0, 0.7, layer="hidden 1")
    elif kind == "maximum":
        hidden = builder.affine(builder.input, random.normal(size=(2, 12)), 0.5 * random.normal(size=12))
        hidden = builder.largest(hidden, np.arange(12).reshape(4, 3), layer="hidden 1")
        layers = drawn((4, 6, 1), seed)[:1] + layers[2:]
        layers.insert(0, layers[0])
    else:
        hidden = builder.fold(hidden, layer="hidden 1")
    following = builder.fold(builder.affine(hidden, *layers[1]), layer="hidden 2")
    result = builder.affine(following, *layers[2])
    if kind == "residual":
        result = builder.total([result, builder.affine(builder.input, random.normal(size=(2, 1)))])
    return builder.finish(result)


def public_set() -> list[tuple[str, PiecewiseLinearNet]]:
    """Return names and networks: 54 degenerate ones, and 32 in general position, of several kinds of folds."""
    sizes = ((2, 8, 8, 1), (2, 6, 5, 4, 2), (2, 9, 6, 1))
    found = [(f"{kind}, {n}", degenerate(kind, sizes[n], n)) for kind in DEGENERATE for n in range(3)]
    return found + [(f"{kind}, {n}", structured(kind, n)) for kind in STRUCTURES for n in range(4)]
