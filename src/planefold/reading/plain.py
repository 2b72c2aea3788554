"""Records as plain data: dicts, lists, numbers and texts, that JSON holds and a browser draws."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from planefold.core.errors import ParameterError
from planefold.networks.affine import PiecewiseLinearNet
from planefold.reading.architectures import Study
from planefold.reading.certificate import Certificate
from planefold.reading.segments.records import Line
from planefold.reading.slices.boundaries import Boundary, ClassRegions
from planefold.reading.slices.contours import Contour
from planefold.reading.slices.records import Planes

#: The version of the layout; it changes when a key changes its meaning or goes.
FORMAT = 1


def as_data(record: Any, *, limit: int = 20_000) -> dict[str, Any]:
    """Return a record of the geometry as plain data.

    Parameters
    ----------
    record : Planes, Line, Boundary, ClassRegions, Contour or Study
    limit : int
        Of planes: how many regions at most, the largest first.

    Returns
    -------
    dict
        ``json.dumps(..., allow_nan=False)`` writes it. Numbers are as exact as in the record: what JSON reads back is
        the same float64. An infinite number is the text "inf" or "-inf". All layouts have

        * "format": 1, and "kind": "planes", "line", "boundary", "class_regions", "contour" or "study".

        "planes": what :meth:`Planes.as_dict` gives, "network" and "certificate": "window" [[u, v], ...]
        counter-clockwise, "origin" and "directions" in input space, "vertices" [[u, v], ...], "values"
        [vertex][output], "polygons" [[number of a vertex, ...], ...] counter-clockwise, "areas", "coefs"
        [region][output][2] and "intercepts" [region][output] in (u, v), "pieces" (the linear piece of each region),
        "edges" [[a, b], ...], "edge_regions" [[left, right], ...] (-1 outside), "edge_units" (-1 for a side of the
        window), "n_regions" (activation regions) and "n_pieces" (linear pieces), both of the whole window.

        "line": "origin" and "direction" in input space, "ends" t of the regions, "slopes" and "intercepts"
        [region][output] in t, "values" [end][output], "units" [[unit, ...], ...] that bend at each inner end,
        "kinks" whether the slopes differ there, "n_regions" (activation regions), "n_pieces" (linear pieces) and
        "certificate".

        "boundary": "segments" [[[u, v], [u, v]], ...], "class_pairs", "segment_regions", "length", "n_curves".

        "class_regions": "polygons" [[[u, v], ...], ...], "classes" and "component" per polygon, "n_regions"
        (connected decision regions), "areas" per component, "area_shares" per class.

        "contour": "level", "segments" and "regions" of an output that is above the level on their left.

        "study": "window", "init", "seeds" and "architectures" [{"name", "architecture", "n_multiplications",
        "n_parameters", "upper" (a text beyond 2**53), "n_regions" [seed], "n_pieces" [seed]}, ...].

        "network": "inputs" and "outputs" (names), "link", "description", and "units" [{"name", "depth"}, ...].
        "certificate": "exact", "says" in words, "largest_zero", "smallest_nonzero", "n_rational".

    Raises
    ------
    ParameterError
        For a record of another kind.
    """
    if isinstance(record, Planes):
        return {"format": FORMAT, **_planes(record, limit)}
    for kind, of in _KINDS.items():
        if isinstance(record, kind):
            return {"format": FORMAT, **of(record)}
    raise ParameterError(
        f"a {type(record).__name__} has no layout as plain data",
        details=f"there are layouts for {', '.join(kind.__name__ for kind in (Planes, *_KINDS))}",
    )


def _planes(planes: Planes, limit: int) -> dict[str, Any]:
    return {
        "kind": "planes",
        **plain(planes.as_dict(limit)),
        "network": _network(planes.source),
        "certificate": _certificate(planes.certificate),
    }


def _line(line: Line) -> dict[str, Any]:
    fields = ("origin", "direction", "ends", "values", "slopes", "intercepts", "units", "kinks")
    return {
        "kind": "line",
        **{name: plain(getattr(line, name)) for name in (*fields, "n_regions", "n_pieces")},
        "certificate": _certificate(line.certificate),
    }


def _boundary(boundary: Boundary) -> dict[str, Any]:
    fields = ("segments", "class_pairs", "segment_regions", "length", "n_curves")
    return {"kind": "boundary", **{name: plain(getattr(boundary, name)) for name in fields}}


def _class_regions(found: ClassRegions) -> dict[str, Any]:
    fields = ("classes", "component", "n_regions", "areas", "area_shares")
    return {
        "kind": "class_regions",
        **{name: plain(getattr(found, name)) for name in fields},
        "polygons": [plain(part) for part in np.split(found.points, found.starts[1:-1])],
    }


def _contour(contour: Contour) -> dict[str, Any]:
    return {"kind": "contour", **{name: plain(getattr(contour, name)) for name in ("level", "segments", "regions")}}


def _study(study: Study) -> dict[str, Any]:
    fields = ("name", "architecture", "n_multiplications", "n_parameters", "n_regions", "n_pieces")
    return {
        "kind": "study",
        **{name: plain(getattr(study, name)) for name in ("window", "init", "seeds")},
        "architectures": [
            {**{name: plain(getattr(one, name)) for name in fields}, "upper": plain(one.bounds.upper)}
            for one in study.counts
        ],
    }


def _network(source: PiecewiseLinearNet) -> dict[str, Any]:
    return {
        "inputs": list(source.input_names) or [f"x{place}" for place in range(source.n_inputs)],
        "outputs": list(source.output_names) or [f"y{place}" for place in range(source.n_outputs)],
        "link": source.link,
        "description": source.description,
        "units": [
            {"name": source.unit_name(unit), "depth": depth} for unit, depth in enumerate(source.depths().tolist())
        ],
    }


def _certificate(certificate: Certificate) -> dict[str, Any]:
    fields = ("exact", "largest_zero", "smallest_nonzero", "n_rational")
    return {**{name: plain(getattr(certificate, name)) for name in fields}, "says": str(certificate)}


def plain(value: Any) -> Any:
    """Return arrays as lists and NumPy's scalars as Python's; what is not finite becomes a text.

    >>> plain(np.array([[1.5, np.inf]])), plain(np.int64(3)), plain((np.float64("nan"), "a"))
    ([[1.5, 'inf']], 3, ['nan', 'a'])
    """
    if isinstance(value, np.ndarray):
        if value.dtype.kind != "f" or np.isfinite(value).all():
            return value.tolist()
        value = value.tolist()
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, dict):
        return {key: plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, int) and abs(value) > 2**53:  # what a browser reads numbers as holds no more
        return str(value)
    return value


_KINDS: dict[type, Callable[[Any], dict[str, Any]]] = {
    Line: _line,
    Boundary: _boundary,
    ClassRegions: _class_regions,
    Contour: _contour,
    Study: _study,
}
