"""Windows of `planefold read`: all planes of two inputs, or of a slice through more, and what is decided on them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from planefold.cli.read import column_of
from planefold.cli.reading_model import Model, Rows, numbers_of
from planefold.cli.reading_parts import MAX_NAMES, Part, counted, reading_of
from planefold.core.errors import ParameterError, listed
from planefold.core.progress import ProgressBar
from planefold.networks.affine import PiecewiseLinearNet
from planefold.reading.models import from_model
from planefold.reading.plain import as_data
from planefold.reading.slices.boundaries import Boundary, ClassRegions, boundary, class_regions
from planefold.reading.slices.columns import Slice, slice_of
from planefold.reading.slices.estimates import estimate_regions
from planefold.reading.slices.planes import Planes, planes
from planefold.reading.slices.tiles import hashes, tiled
from planefold.reading.slices.windows import window_corners
from planefold.reading.tables.columns import columns_of, decision_offsets, is_estimator
from planefold.reading.tables.formulas import number

AT_ONCE = 250_000  # regions of a window that are not cut tile by tile: about 1 GB
REGIONS_A_SECOND = 10_000  # at least, of a network of a thousand units
WHOLE_IN_JSON = 2_000  # regions up to which all polygons are in the JSON


def in_a_window(model: Model, asked: Mapping[str, Any]) -> Part:
    """Read all planes of a network of two inputs."""
    window = _asked_window(asked)
    if window is None and model.box is not None:
        window = tuple(zip(model.box[0].tolist(), model.box[1].tolist(), strict=True))
    if window is None:
        raise ParameterError(
            f"{model.path.name} does not say where its two inputs lie",
            hint="say it: --window X0,X1,Y0,Y1, or --low and --high",
        )
    of = "" if asked["window"] is not None else f" ({model.box_from})"
    cut = Slice(
        net=model.net, origin=np.zeros(2), directions=np.eye(2), window=window, fixed={}, points=np.zeros((0, 2)),
        labels=(model.input_names()[0], model.input_names()[1]),
    )  # fmt: skip
    found = _Window.read(cut, model.source, asked)
    return Part(key="window", data=found.data, lines=[f"in the window{of}", *found.lines], draw=found.draw)


def _asked_window(asked: Mapping[str, Any]) -> Any:
    if asked["window"] is None:
        return None
    found = numbers_of(asked["window"], "--window")
    if len(found) != 4 or not (found[0] < found[1] and found[2] < found[3]):
        raise ParameterError(f"--window {asked['window']} must be four numbers X0,X1,Y0,Y1",
                             hint="X0 below X1, and Y0 below Y1")  # fmt: skip
    return (found[0], found[1]), (found[2], found[3])


@dataclass(frozen=True, kw_only=True)
class _Window:
    """All planes of a window."""

    data: dict[str, Any]
    lines: list[str]
    draw: Callable[[], Any]

    @classmethod
    def read(cls, cut: Slice, model: Any, asked: Mapping[str, Any], codes: Any = None) -> _Window:
        """Cut a window into planes, in tiles if there are many."""
        net = _decisive(cut.net, model)
        (u0, u1), (v0, v1) = cut.window
        sums = _Sums(net, (u1 - u0) * (v1 - v0), _class_names(net, model))
        deadline, why_not = time.monotonic() + asked["time_limit"], ""
        plane: dict[str, Any] = {"origin": cut.origin, "directions": cut.directions}
        flat = net.restricted(cut.origin, cut.directions)
        parts: Iterable[Planes] = tiled(net, cut.window, **plane)
        about = estimate_regions(flat, window_corners(cut.window))
        if about <= min(AT_ONCE, asked["max_regions"], REGIONS_A_SECOND * asked["time_limit"]):
            parts = [planes(net, cut.window, max_regions=asked["max_regions"], **plane)]
        with ProgressBar(1000, "cutting planes") as bar:
            for part in parts:
                sums.add(part)
                bar.update(int(1000 * sums.area / sums.whole_area), f"{sums.n_regions:,} regions")
                if sums.n_regions > asked["max_regions"]:
                    raise ParameterError(
                        f"the window has more than --max-regions {asked['max_regions']:,} activation regions",
                        details=f"{sums.n_regions:,} were there when it stopped",
                        hint="take a smaller --window, or allow more",
                    )
                if time.monotonic() > deadline and sums.area < 0.999999 * sums.whole_area:
                    why_not = f"--time-limit {asked['time_limit']:g} was over"
                    break
        names = (number(u0), number(u1), number(v0), number(v1))
        told = [f"  window    {cut.labels[0]} {names[0]} to {names[1]}, {cut.labels[1]} {names[2]} to {names[3]}"]

        def draw() -> Any:
            found = sums.parts[0] if sums.parts else planes(net, cut.window, max_regions=asked["max_regions"], **plane)
            return _drawn(found, cut, codes, sums.class_names)

        found = sums.data(why_not)
        data = {"labels": cut.labels, "window": cut.window, "held": dict(cut.fixed), **found}
        return cls(data=data, lines=[*told, *sums.lines(found)], draw=draw)


def _decisive(net: PiecewiseLinearNet, model: Any) -> PiecewiseLinearNet:
    """Move the outputs so that a classifier decides at 0, or for the largest."""
    offsets = decision_offsets(model, net)
    if not offsets.any():
        return net
    return net.with_outputs(np.eye(net.n_outputs), -offsets, output_names=net.output_names)


def _class_names(net: PiecewiseLinearNet, model: Any) -> list[str]:
    names = list(net.output_names) or [str(place) for place in range(net.n_outputs)]
    if net.n_outputs > 1:
        return names
    known = [str(label) for label in getattr(model, "classes_", ())]
    positive = names[0] if net.output_names else "1"
    return known if len(known) == 2 else [f"not {positive}", positive]


def _drawn(found: Planes, cut: Slice, codes: Any, class_names: list[str]) -> Any:
    from planefold.plots import decision_map, regions

    decides = _decides(found.net)
    options: dict[str, Any] = {"classes": class_names}
    options |= {"X": cut.points, "y": codes} if len(cut.points) else {}
    ax = decision_map(found, **options) if decides else regions(found, edges=found.n_regions <= WHOLE_IN_JSON)
    ax.set_xlabel(cut.labels[0])
    ax.set_ylabel(cut.labels[1])
    return ax


def _decides(net: PiecewiseLinearNet) -> bool:
    return net.link == "softmax" or (net.link == "logistic" and net.n_outputs == 1)


class _Sums:
    """What adds up over the tiles of a window."""

    def __init__(self, net: PiecewiseLinearNet, whole_area: float, class_names: list[str]) -> None:
        self.net, self.whole_area, self.class_names = net, whole_area, class_names
        self.known = np.zeros(0, dtype=np.uint64)
        self.area = self.length = 0.0
        self.shares = np.zeros(max(2, net.n_outputs))
        self.low, self.high = np.full(net.n_outputs, np.inf), np.full(net.n_outputs, -np.inf)
        self.parts: list[Planes] = []  # the only one, or none
        self.borders: list[tuple[ClassRegions, Boundary]] = []  # of it
        self.n_parts = 0
        self.why_not = ""

    @property
    def n_regions(self) -> int:
        """How many activation regions there are so far."""
        return len(self.known)

    def add(self, part: Planes) -> None:
        """Add a tile."""
        self.known = np.union1d(self.known, hashes(part.patterns()))
        self.n_parts += 1
        self.parts = [part] if self.n_parts == 1 else []
        self.why_not = self.why_not or part.certificate.why_not
        area = float(part.areas.sum())
        self.area += area
        self.low = np.minimum(self.low, part.vertex_outputs.min(axis=0))
        self.high = np.maximum(self.high, part.vertex_outputs.max(axis=0))
        if _decides(self.net):
            self.borders = [(class_regions(part), boundary(part))]
            self.shares += self.borders[0][0].area_shares * area
            self.length += self.borders[0][1].length

    def data(self, why_not: str) -> dict[str, Any]:
        """Everything as plain data."""
        why_not = why_not or self.why_not
        one = self.parts[0] if self.parts and not why_not else None
        found: dict[str, Any] = {
            "n_regions": self.n_regions,
            "n_pieces": one.n_pieces if one is not None else None,
            "exact": not why_not,
            "why_not": why_not or None,
            "values": [
                {"output": name, "low": low, "high": high}
                for name, low, high in zip(self._outputs(), self.low, self.high, strict=True)
            ],
        }
        if _decides(self.net):
            shares = self.shares / self.area
            found["classes"] = [
                {"class": name, "area_share": share} for name, share in zip(self.class_names, shares, strict=True)
            ]
            found["border"] = {"length": self.length}
            if one is not None:
                classes, border = self.borders[0]
                found["n_decision_regions"] = classes.n_regions
                found["border"] |= {"n_segments": border.n_segments, "n_curves": border.n_curves}
                if border.n_segments <= WHOLE_IN_JSON:
                    found["border"] |= {"segments": border.segments, "class_pairs": border.class_pairs}
        if one is not None:
            found["certificate"] = str(one.certificate)
            found["planes"] = as_data(one) if one.n_regions <= WHOLE_IN_JSON else None
        return found

    def _outputs(self) -> list[str]:
        return list(self.net.output_names) or [f"output {place + 1}" for place in range(self.net.n_outputs)]

    def lines(self, found: Mapping[str, Any]) -> Iterator[str]:
        """Everything in words."""
        least = "" if found["exact"] else "at least "
        pieces = f", {counted(found['n_pieces'], 'linear piece')}" if found["n_pieces"] else ""
        sure = f"exact, counted in {self.n_parts} tiles" if found["exact"] else f"not exact: {found['why_not']}"
        sure = found.get("certificate", sure)
        yield f"  planes    {least}{counted(self.n_regions, 'activation region')}{pieces} ({sure})"
        for value in found["values"][:MAX_NAMES]:
            low, high = number(float(value["low"])), number(float(value["high"]))
            yield f"  values    {value['output']} from {low} to {high}" + (
                " before the link" if self.net.link != "identity" else ""
            )
        if "classes" in found:
            shares = listed((f"{one['class']} {100 * one['area_share']:.1f} %" for one in found["classes"]), MAX_NAMES)
            regions = (
                f"; {counted(found['n_decision_regions'], 'decision region')}" if "n_decision_regions" in found else ""
            )
            yield f"  classes   {shares} of the area{regions}"
            border = found["border"]
            pieces = (
                f"{counted(border['n_segments'], 'segment')}, {counted(border['n_curves'], 'curve')}, "
                if "n_curves" in border
                else ""
            )
            yield f"  border    {pieces}length {number(border['length'])} in the units of the axes"


def slice_through(rows: Rows, asked: Mapping[str, Any]) -> Part:
    """Cut a model along two columns, the others held at what is usual."""
    columns = columns_of(rows.source if is_estimator(rows.source) else from_model(rows.source))
    axes = [name for name, is_number in zip(columns.names, columns.are_numbers, strict=True) if is_number]
    for flag in ("x", "y"):
        name = asked[flag]
        if name in columns.owners and name not in axes:
            raise ParameterError(f'--{flag} {name}: column "{name}" is not a number, so no slice goes along it',
                                 details=f"numbers: {listed(axes)}")  # fmt: skip
        column_of(name, axes, f"the columns that the model reads as numbers in {rows.name}", f"--{flag}")
    cut = slice_of(rows.source, asked["x"], asked["y"], rows.X)
    window = _asked_window(asked)
    if window is not None:
        cut = replace(cut, window=window)
    codes = None
    if rows.y is not None and _decides(cut.net):
        codes = _codes(rows)
    found = _Window.read(cut, rows.source, asked, codes)
    held = f"; held at what is usual: {cut.held()}" if cut.fixed else ""
    said = f"the slice through {cut.labels[0]} and {cut.labels[1]}{held}"
    return Part(key="slice", data=found.data, lines=[said, *found.lines], draw=found.draw)


def _codes(rows: Rows) -> Any:
    reading = reading_of(rows, None)
    return reading.target if reading.target is not None and reading.target.ndim == 1 else None
