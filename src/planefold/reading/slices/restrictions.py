"""Which plane through the input space: a network of many inputs as one of two."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from planefold.core.errors import DataError, ParameterError, show
from planefold.core.records import Record
from planefold.networks.affine import Floats, PiecewiseLinearNet
from planefold.reading.choices import input_number
from planefold.reading.models import from_model

# Directions whose angle is less than this are one.
PARALLEL = 1e-12


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Restriction(Record):
    """A network on the plane ``origin + u * directions[0] + v * directions[1]`` through its input space.

    Parameters
    ----------
    net : PiecewiseLinearNet
        The network on the plane, of the two inputs u and v.
    source : PiecewiseLinearNet
        The whole network; doubtful signs are decided by its numbers.
    origin : ndarray of shape (n_inputs,)
    directions : ndarray of shape (2, n_inputs)
    """

    net: PiecewiseLinearNet
    source: PiecewiseLinearNet
    origin: Floats
    directions: Floats


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class View(Restriction):
    """A part of a plane: what a top view shows.

    Parameters
    ----------
    net, source, origin, directions
        As of :class:`Restriction`.
    window : ndarray of shape (n_corners, 2)
        Of a convex polygon, counter-clockwise.
    """

    window: Floats


def restriction_of(model: Any, origin: Any, directions: Any) -> Restriction:
    """Restrict a model to a plane.

    Parameters
    ----------
    model : PiecewiseLinearNet or whatever ``from_model`` reads
    origin : array-like of shape (n_inputs,) or None
        Zero by default.
    directions : array-like of shape (2, n_inputs), two input numbers or names, or None
        For a network of two inputs, these by default.

    Raises
    ------
    DataError
        If they do not fit the network, are not finite, or do not span a plane.
    ParameterError
        If they are needed and not given, or an input does not exist.
    """
    source = from_model(model)
    n = source.n_inputs
    if directions is None:
        if n != 2:
            raise ParameterError(
                f"{source.description} has {n} inputs, so a plane through them must be chosen",
                hint="give directions, two rows of that length or two inputs, and origin, a point of the plane",
            )
        directions = (0, 1)
    start = np.zeros(n) if origin is None else _numbers(origin, "origin")
    if start.size != n:
        raise DataError(f"origin has {start.size} numbers, and {source.description} has {n} inputs")
    spanned = _spanned(source, directions)
    for name, array in (("origin", start), ("directions", spanned)):
        if not np.isfinite(array).all():
            raise DataError(f"{name} holds {show(array[~np.isfinite(array)][0])}, which is no finite number")
    lengths = np.linalg.norm(spanned, axis=1)
    for number, length in enumerate(lengths):
        if length == 0:
            raise DataError(f"directions[{number}] is zero, so there is no plane", hint="give two different directions")
    if np.linalg.svd(spanned / lengths[:, None], compute_uv=False)[1] <= PARALLEL:
        raise DataError(
            "the two directions are multiples of each other, so they span no plane",
            details=f"directions[1] / directions[0] is about {lengths[1] / lengths[0]:g}",
            hint="give two directions that differ by more than a factor",
        )
    start = start.ravel()
    is_plane_itself = n == 2 and not start.any() and (spanned == np.eye(2)).all()
    net = source if is_plane_itself else source.restricted(start, spanned)
    return Restriction(net=net, source=source, origin=start, directions=spanned)


def _numbers(values: Any, name: str) -> Floats:
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise DataError(f"{name}={show(values)} is not made of numbers") from None


def _spanned(net: PiecewiseLinearNet, directions: Any) -> Floats:
    n = net.n_inputs
    if isinstance(directions, list | tuple) and len(directions) == 2 and all(map(_is_input, directions)):
        places = [input_number(net, chosen) for chosen in directions]
        if places[0] == places[1]:
            raise DataError(f"directions={show(directions)} are one and the same input", hint="name two inputs")
        return np.eye(n)[places]
    array = _numbers(directions, "directions")
    if array.size != 2 * n or array.shape[:1] != (2,):
        raise DataError(f"directions have shape {array.shape}, and two of {n} inputs have shape (2, {n})")
    return np.ascontiguousarray(array.reshape(2, n))


def _is_input(chosen: Any) -> bool:
    return isinstance(chosen, str | int | np.integer) and not isinstance(chosen, bool)
