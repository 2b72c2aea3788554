"""From one picture to another: every piece of a network along the straight way, and where the class changes.

Along the way every pixel is an affine function of ``t``. Layer by layer, a unit's sum is affine between neighbouring
breaks; where it changes its sign (ReLU), or another of the numbers that a pooling compares becomes the largest, there
is a new break. No matrix of the network is formed, and a break that does not reach the layer's result is none: of a
pooling's numbers only the largest is followed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from planefold.core.errors import DataError, ParameterError, show
from planefold.core.progress import ProgressBar
from planefold.core.records import Record, counted
from planefold.networks.affine import Floats, Ints
from planefold.reading.certificate import Certificate
from planefold.reading.pictures import PictureNet, check_agreement, leaves, outputs_of
from planefold.reading.segments.records import Line
from planefold.reading.tables.columns import offsets_of

NUMBERS_AT_ONCE = 2**19  # of the widest layer, at the points that are held together: 4 MiB
TIE = 1e-12  # of a layer's largest number: differences below are rounding
SAME_PLACE = 1e-12  # of the whole way: breaks nearer to each other count as one
EXACT = 1e-9  # of the largest output: what the network itself may differ from its pieces
N_CHECKED = 64
MOST_PIECES = 100_000
ENOUGH = 0.05  # of the way, to tell how many pieces all of it has


class Border(NamedTuple):
    """Where the class changes on the way."""

    t: float
    before: Any
    after: Any


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class PicturePath(Record):
    """A network along the straight way from one picture to another.

    Parameters
    ----------
    line : Line
        Its pieces: between two neighbouring ``line.ends`` the outputs are affine in ``t``, which goes from 0 at the
        first picture to 1 at the second. ``line.origin`` and ``line.direction`` are the pictures, flat. No patterns
        and no units are listed.
    shape : tuple of int
        Of a picture.
    layers : int ndarray of shape (n_pieces - 1,)
        In which fold the outputs bend at each inner end: a place in ``layer_names``.
    layer_names : tuple of str
    labels : tuple
        The classes, empty for numbers.
    offsets : tuple of float
        What the outputs are compared with where a class is decided.
    """

    line: Line
    shape: tuple[int, ...]
    layers: Ints
    layer_names: tuple[str, ...]
    labels: tuple[Any, ...] = ()
    offsets: tuple[float, ...] = field(default=())

    def __str__(self) -> str:
        said = f"{counted(self.n_pieces, 'linear piece')} from one picture to the other"
        for border in self.borders[:4]:
            said += f"; {border.before} becomes {border.after} at t = {border.t:.6g}"
        left = len(self.borders) - 4
        return said + (f"; and {counted(left, 'more border')}" if left > 0 else "") + f"; {self.line.certificate}"

    @property
    def n_pieces(self) -> int:
        """Pieces along the way."""
        return self.line.n_regions

    @property
    def ends(self) -> Floats:
        """Where the pieces end, from 0 to 1; shape (n_pieces + 1,)."""
        return self.line.ends

    @property
    def values(self) -> Floats:
        """The outputs before the link there, (n_pieces + 1, n_outputs)."""
        return self.line.values

    def picture(self, t: float) -> Floats:
        """Return the picture at a place of the way, pixels from 0 to 255, not rounded."""
        if not 0 <= t <= 1:
            raise ParameterError(f"t={show(t)} is not on the way, which goes from 0 to 1")
        return self.line.points(t).reshape(self.shape)

    def __call__(self, t: npt.ArrayLike) -> Floats:
        """Evaluate the outputs before the link at places of the way; see :meth:`Line.__call__`."""
        return self.line(t)

    @cached_property
    def borders(self) -> tuple[Border, ...]:
        """Where the class changes, in the order of the way; none for numbers. At a border both classes tie."""
        if not self.labels:
            return ()
        line = self.line
        if len(self.offsets) == line.slopes.shape[1] > 1:
            line = _lowered(line, np.asarray(self.offsets))
        found = line.classes(self.offsets[0] if len(self.offsets) == 1 else 0.0)
        names = [self.labels[min(place, len(self.labels) - 1)] for place in found.classes]
        changes = zip(found.ends[1:-1].tolist(), pairwise(names), strict=True)
        return tuple(Border(t, before, after) for t, (before, after) in changes)


def _lowered(line: Line, offsets: Floats) -> Line:
    return replace(line, values=line.values - offsets, intercepts=line.intercepts - offsets)


def between(
    model: Any,
    start: npt.ArrayLike,
    stop: npt.ArrayLike,
    *,
    most_pieces: int = MOST_PIECES,
    progress: bool | None = None,
) -> PicturePath:
    """Cut the straight way from one picture to another into the pieces on which the network is a plane.

    Parameters
    ----------
    model : ImageClassifier or ImageRegressor
        Fitted, with an activation that folds.
    start, stop : array-like of shape (height, width) or (height, width, 3)
        Pixels from 0 to 255, as ``predict`` takes them, of the model's size.
    most_pieces : int
        Give up beyond that many.
    progress : bool, optional
        Whether a bar shows how far it has come; by default on a terminal.

    Returns
    -------
    PicturePath
        Pieces, outputs, and ``.borders``: the places at which the class changes.

    Raises
    ------
    DataError
        If a picture has another size, or both are the same.
    NotPiecewiseLinearError
        If the network is not piecewise linear: of tanh there are no pieces.
    ParameterError
        If there are more than ``most_pieces`` pieces, or a twentieth of the way says that there will be twice as many.

    See Also
    --------
    planefold.reading.line : the same for networks of a few thousand units, with the units that bend and their sides.

    Notes
    -----
    In float64: places and outputs are exact up to rounding, differences below 1e-12 of a layer's largest number count
    as ties, and breaks that lie nearer together than 1e-12 of the way as one. At 64 places between breaks the network
    itself is compared with its pieces; the certificate says whether they agree to 1e-9. Cost: about one prediction a
    piece; memory does not grow with the number of pieces but for the result. Of the default network, pictures of 28 x
    28 pixels have some 5,000 pieces between them, of 64 x 64 pixels with colours some 40,000.

    References
    ----------
    Sotoudeh and Thakur, "Computing Linear Restrictions of Neural Networks", NeurIPS 2019.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from planefold.estimators.images import ImageClassifier
    >>> digits = load_digits()
    >>> X = (digits.images * 15.9).astype("uint8")
    >>> model = ImageClassifier(max_iter=2, random_state=0).fit(X, digits.target)
    >>> path = between(model, X[0], X[1])
    >>> path.n_pieces > 10, len(path.values) == len(path.ends)
    (True, True)
    """
    if most_pieces < 1:
        raise ParameterError(f"most_pieces={show(most_pieces)} must be above 0")
    module = PictureNet(model)
    first, last = module.picture(start, "start"), module.picture(stop, "stop")
    if np.array_equal(first, last):
        raise DataError("both pictures are the same, so there is no way between them")
    check_agreement(model, module)
    walk = _Walk(module, first, last)
    ends, values, layers = walk.run(most_pieces, progress)
    line = _line(module, first, last, ends, values)
    is_class = hasattr(model, "classes_") and not model._target.multilabel
    return PicturePath(
        line=line,
        shape=module.shape,
        layers=layers[1:-1],
        layer_names=walk.names,
        labels=tuple(model.classes_.tolist()) if is_class else (),
        offsets=offsets_of(model),
    )


def _line(module: PictureNet, first: Floats, last: Floats, ends: Floats, values: Floats) -> Line:
    lengths = np.diff(ends)[:, None]
    slopes = np.diff(values, axis=0) / lengths
    intercepts = values[:-1] - slopes * ends[:-1, None]
    # A slope is known to the rounding of the values over the length of its piece.
    doubt = TIE * np.abs(values).max() / np.minimum(lengths[1:], lengths[:-1])
    kinks = (np.abs(np.diff(slopes, axis=0)) > doubt).any(axis=1)
    origin, direction = first.ravel(), (last - first).ravel()
    n = len(slopes)
    return Line(
        origin=origin, direction=direction, ends=ends, values=values, slopes=slopes, intercepts=intercepts,
        units=((),) * (n - 1), kinks=kinks, patterns=np.zeros((n, 0), dtype=np.int8),
        certificate=_certificate(module, first, last, ends, values),
    )  # fmt: skip


def _certificate(module: PictureNet, first: Floats, last: Floats, ends: Floats, values: Floats) -> Certificate:
    """Let the network itself compute some places between the breaks."""
    rng = np.random.default_rng(0)
    pieces = np.sort(rng.permutation(len(ends) - 1)[:N_CHECKED])
    share = rng.uniform(0.2, 0.8, (len(pieces), 1))
    t = (ends[pieces, None] * (1 - share) + ends[pieces + 1, None] * share)[:, 0]
    by_pieces = values[pieces] * (1 - share) + values[pieces + 1] * share
    own = outputs_of(module, first + t.reshape(-1, *[1] * first.ndim) * (last - first))
    difference = float(np.abs(own - by_pieces).max() / max(np.abs(values).max(), 1e-300))
    if difference <= EXACT:
        return Certificate()
    return Certificate(exact=False, why_not=f"the network differs from its pieces by {difference:.1e} of its output")


# ---------------------------------------------------------------------------------------------------- the way itself


class _Step(NamedTuple):
    """Affine layers, and the fold behind them: ReLU, a maximum, or both at once; ``fold`` is None at the end."""

    affine: nn.Sequential
    fold: nn.Sequential | None
    name: str


def _steps(network: nn.Module) -> list[_Step]:
    """Divide a chain of layers at its folds. ReLU and the maximum right behind it are one: their order is the same."""
    steps: list[_Step] = []
    affine: list[nn.Module] = []
    n_relu = n_pool = 0
    layers = list(leaves(network))
    place = 0
    fold: list[nn.Module]
    while place < len(layers):
        layer = layers[place]
        place += 1
        if isinstance(layer, nn.ReLU | nn.LeakyReLU):
            n_relu += 1
            fold, name = [layer], f"hidden {n_relu}"
            if isinstance(layer, nn.ReLU) and place < len(layers) and isinstance(layers[place], _MAXIMA):
                n_pool += 1
                fold, name = [layer, layers[place]], f"hidden {n_relu}, max pool {n_pool}"
                place += 1
        elif isinstance(layer, _MAXIMA):
            n_pool += 1
            fold, name = [layer], f"max pool {n_pool}"
        else:
            affine.append(layer)
            continue
        steps.append(_Step(nn.Sequential(*affine), nn.Sequential(*fold), name))
        affine = []
    return [*steps, _Step(nn.Sequential(*affine), None, "output")]


_MAXIMA = (nn.MaxPool2d, nn.AdaptiveMaxPool2d)


def _windows(z: Tensor, fold: nn.Sequential) -> Tensor:
    """Return what each unit of a fold compares, (n_points, n_compared, n_units)."""
    n = len(z)
    parts = []
    pools = [layer for layer in fold if isinstance(layer, _MAXIMA)]
    if not pools:
        parts.append(z.reshape(n, 1, -1))
    elif isinstance(pools[0], nn.AdaptiveMaxPool2d):
        if pools[0].output_size not in (1, (1, 1)):
            raise ParameterError("an adaptive maximum over parts of a picture cannot be read along a path")
        parts.append(z.flatten(2).transpose(1, 2))
    else:
        parts.append(_tiles(z, pools[0]))
    if isinstance(fold[0], nn.ReLU | nn.LeakyReLU):
        parts.append(torch.zeros(1, 1, 1, dtype=z.dtype).expand(n, 1, parts[0].shape[2]))
    return torch.cat(parts, dim=1)


def _tiles(z: Tensor, pool: nn.MaxPool2d) -> Tensor:
    size, stride, padding, dilation = (
        (value, value) if isinstance(value, int) else tuple(value)
        for value in (pool.kernel_size, pool.stride, pool.padding, pool.dilation)
    )
    if padding != (0, 0) or dilation != (1, 1) or pool.ceil_mode:
        raise ParameterError("a max pooling with padding, dilation or ceil_mode cannot be read along a path")
    tiles = z.unfold(2, size[0], stride[0]).unfold(3, size[1], stride[1])  # (n, channels, down, across, *size)
    n, channels, down, across = tiles.shape[:4]
    return tiles.permute(0, 4, 5, 1, 2, 3).reshape(n, size[0] * size[1], channels * down * across)


def _breaks(compared: Floats) -> tuple[Ints, Floats]:
    """Find where the largest of what is compared changes between neighbouring points: pieces, and shares of them.

    Parameters
    ----------
    compared : ndarray of shape (n_points, n_compared, n_units)
        Affine between neighbouring points.
    """
    tie = TIE * np.abs(compared).max(initial=1e-300)
    leads = compared >= compared.max(axis=1, keepdims=True) - tie
    # What is largest at both ends is so between them.
    changed = ~(leads[:-1] & leads[1:]).any(axis=1)
    pieces, units = np.nonzero(changed)
    start, stop = compared[pieces, :, units], compared[pieces + 1, :, units]
    ahead = leads[pieces, :, units]
    rows, slopes = np.arange(len(pieces)), stop - start
    at_end = leads[pieces + 1, :, units]
    leader = np.where(ahead, slopes, -np.inf).argmax(axis=1)  # who ties at the start, and is steepest
    share = np.zeros(len(pieces))
    found_pieces, found_shares = [], []
    for _ in range(compared.shape[1]):
        going = ~at_end[rows, leader]
        if not going.any():
            break
        rows, start, slopes, at_end = rows[going], start[going], slopes[going], at_end[going]
        leader, share, pieces = leader[going], share[going], pieces[going]
        rows = np.arange(len(rows))
        steeper = slopes - slopes[rows, leader][:, None]
        with np.errstate(divide="ignore", invalid="ignore"):
            overtaken = (start[rows, leader][:, None] - start) / steeper
        overtaken = np.where(steeper > 0, np.maximum(overtaken, share[:, None]), np.inf)
        share = overtaken.min(axis=1)
        rivals = np.where(overtaken <= share[:, None], slopes, -np.inf)
        leader = rivals.argmax(axis=1)
        inside = share < 1
        found_pieces.append(pieces[inside])
        found_shares.append(share[inside])
        rows, start, slopes, at_end = rows[inside], start[inside], slopes[inside], at_end[inside]
        leader, share, pieces = leader[inside], share[inside], pieces[inside]
        rows = np.arange(len(rows))
    none: Ints = np.zeros(0, dtype=np.int64)
    return np.concatenate([none, *found_pieces]), np.concatenate([none.astype(float), *found_shares])


class _Walk:
    """Goes through the layers with the points of the way, few at a time, and from left to right."""

    def __init__(self, module: PictureNet, first: Floats, last: Floats) -> None:
        self.module, self.steps = module, _steps(module.network)
        self.names = tuple(step.name for step in self.steps[:-1])
        self.pictures = module.prepared(torch.from_numpy(np.stack([first, last])))
        with torch.no_grad():
            z, widest = self.pictures[:1], self.pictures[0].numel()
            for step in self.steps:
                z = step.affine(z)
                widest = max(widest, z[0].numel())
                z = z if step.fold is None else step.fold(z)
        self.at_once = max(2, NUMBERS_AT_ONCE // widest)

    @torch.no_grad()
    def run(self, most_pieces: int, progress: bool | None) -> tuple[Floats, Floats, Ints]:
        """Return the ends of the pieces, the outputs there, and which fold bends there."""
        places: list[Floats] = []
        values: list[Floats] = []
        layers: list[Ints] = []
        n = 0
        with ProgressBar(1000, "reading the way", enabled=progress) as bar:
            start = np.array([0.0, 1.0]), self.pictures, np.full(2, -1)
            for t, outputs, made in self._through(0, *start):
                # The first point of a part is the last of the one before.
                skip = 1 if places else 0
                places.append(t[skip:])
                values.append(outputs[skip:])
                layers.append(made[skip:])
                n += len(t) - 1
                bar.update(int(1000 * t[-1]), f"{n:,} pieces")
                expected = int(n / t[-1])
                if n > most_pieces or (t[-1] > ENOUGH and expected > 2 * most_pieces):
                    raise ParameterError(
                        f"the way from one picture to the other has about {expected:,} pieces",
                        details=f"{n:,} up to t = {t[-1]:.3g}; most_pieces={most_pieces:,} are allowed",
                        hint="pictures that are more alike, a network with fewer channels, smaller pictures (size=), "
                        f"or most_pieces={2 * expected} with patience; local_picture reads one plane at once",
                    )
        return np.concatenate(places), np.concatenate(values), np.concatenate(layers)

    def _through(self, number: int, t: Floats, values: Tensor, made: Ints) -> Iterator[tuple[Floats, Floats, Ints]]:
        """Take points through the layers from ``number`` on, in parts that follow one another."""
        if len(t) > self.at_once:
            for begin in range(0, len(t) - 1, self.at_once - 1):
                part = slice(begin, begin + self.at_once)
                yield from self._through(number, t[part], values[part], made[part])
            return
        step = self.steps[number]
        z = step.affine(values)
        if step.fold is None:
            yield t, self.module.finished(z).numpy(), made
            return
        pieces, shares = _breaks(_windows(z, step.fold).numpy())
        pieces, shares = _apart(t, pieces, shares)
        # Old and new points in one row; each is a share of the way from an old point to the next.
        which = np.concatenate([np.arange(len(t)), pieces])
        share = np.concatenate([np.zeros(len(t)), shares])
        order = np.lexsort((share, which))
        which, share = which[order], share[order]
        following = np.minimum(which + 1, len(t) - 1)
        places = np.where(share > 0, t[which] + share * (t[following] - t[which]), t[which])
        makers = np.where(share > 0, number, made[which])
        for begin in range(0, len(places) - 1, self.at_once - 1):
            part = slice(begin, begin + self.at_once)
            weight = torch.from_numpy(share[part]).reshape(-1, *[1] * (z.dim() - 1))
            there = torch.lerp(z[which[part]], z[following[part]], weight)
            yield from self._through(number + 1, places[part], step.fold(there), makers[part])


def _apart(t: Floats, pieces: Ints, shares: Floats) -> tuple[Ints, Floats]:
    """Leave out breaks that are nearer to another, or to an old point, than places can be told apart."""
    order = np.lexsort((shares, pieces))
    pieces, shares = pieces[order], shares[order]
    begin, length = t[pieces], t[pieces + 1] - t[pieces]
    places = begin + shares * length
    before = np.where(np.concatenate([[True], pieces[1:] != pieces[:-1]])[: len(pieces)], begin, np.roll(places, 1))
    kept = (places - before > SAME_PLACE) & (begin + length - places > SAME_PLACE)
    return pieces[kept], shares[kept]
