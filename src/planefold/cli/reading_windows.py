"""Windows of `planefold read`: all planes of two inputs, or of a slice through more, and what is decided on them."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from planefold.cli.read import column_of
from planefold.cli.reading_model import Model, Rows, numbers_of
from planefold.cli.reading_parts import MAX_NAMES, MOST_REGIONS, Part, reading_of
from planefold.core.errors import ParameterError, listed
from planefold.core.progress import ProgressBar
from planefold.core.records import counted
from planefold.networks.affine import Floats, PiecewiseLinearNet
from planefold.reading.models import from_model
from planefold.reading.plain import as_data
from planefold.reading.slices.boundaries import Decisions, decisions
from planefold.reading.slices.columns import FEW_REGIONS, Slice, slice_of
from planefold.reading.slices.overviews import sampled_count, value_ranges
from planefold.reading.slices.records import Planes
from planefold.reading.slices.tiles import hashes, tiled
from planefold.reading.tables.columns import columns_of, is_estimator
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
    """What is in a window."""

    data: dict[str, Any]
    lines: list[str]
    draw: Callable[[], Any]

    @classmethod
    def read(cls, cut: Slice, model: Any, asked: Mapping[str, Any], codes: Any = None) -> _Window:
        """Cut a window into all its regions, unless these are very many and nobody asked for them."""
        names = _class_names(cut.net, model)
        drawn: Planes | Slice = cut
        if asked["max_regions"] is None and cut.about_n_regions > FEW_REGIONS:
            found = _overview(cut, names)
        else:
            sums = _counted(cut, asked, names)
            found = sums.data()
            drawn = sums.parts[0] if sums.parts else cut
        sides = [
            f"{label} {number(low)} to {number(high)}"
            for label, (low, high) in zip(cut.labels, cut.window, strict=True)
        ]
        data = {"labels": cut.labels, "window": cut.window, "held": dict(cut.fixed), **found}
        return cls(
            data=data,
            lines=[f"  window    {', '.join(sides)}", *_lines(found, cut.net)],
            draw=lambda: _drawn(drawn, cut, codes, names),
        )


def _class_names(net: PiecewiseLinearNet, model: Any) -> list[str]:
    names = list(net.output_names) or [str(place) for place in range(net.n_outputs)]
    if net.n_outputs > 1:
        return names
    known = [str(label) for label in getattr(model, "classes_", ())]
    positive = names[0] if net.output_names else "1"
    return known if len(known) == 2 else [f"not {positive}", positive]


def _drawn(found: Planes | Slice, cut: Slice, codes: Any, class_names: list[str]) -> Any:
    from planefold.plots import decision_map, regions

    options: dict[str, Any] = {"classes": class_names}
    options |= {"X": cut.points, "y": codes} if len(cut.points) else {}
    if _decides(cut.net):
        ax = decision_map(found, **options)
    else:
        ax = regions(found, edges=isinstance(found, Planes) and found.n_regions <= WHOLE_IN_JSON)
    ax.set_xlabel(cut.labels[0])
    ax.set_ylabel(cut.labels[1])
    return ax


def _decides(net: PiecewiseLinearNet) -> bool:
    return net.link == "softmax" or (net.link == "logistic" and net.n_outputs == 1)


def _overview(cut: Slice, class_names: list[str]) -> dict[str, Any]:
    """Say what needs no count of all regions, and about how many these are."""
    about, error = sampled_count(cut.view.net, cut.window)
    low, high = value_ranges(cut.view.net, cut.window)
    found = {
        "n_regions": None,
        "about_n_regions": {"estimate": about, "standard_error": error},
        "n_pieces": None,
        "exact": False,
        "why_not": "the activation regions were estimated from exact counts in 64 small squares",
        "values": _values(cut.net, low, high),
    }
    return found | (_decided(cut.decisions(), class_names) if _decides(cut.net) else {})


def _counted(cut: Slice, asked: Mapping[str, Any], class_names: list[str]) -> _Sums:
    """Cut a window into all its regions, in tiles if there are many."""
    sums, most = _Sums(cut, class_names), asked["max_regions"] or MOST_REGIONS
    deadline = time.monotonic() + asked["time_limit"]
    plane: dict[str, Any] = {"origin": cut.origin, "directions": cut.directions}
    parts: Iterable[Planes] = tiled(cut.net, cut.window, **plane)
    if cut.about_n_regions <= min(AT_ONCE, most, REGIONS_A_SECOND * asked["time_limit"]):
        parts = [cut.planes(most)]
    with ProgressBar(1000, "cutting planes") as bar:
        for part in parts:
            sums.add(part)
            bar.update(int(1000 * sums.area / sums.whole_area), f"{sums.n_regions:,} regions")
            if sums.n_regions > most:
                raise ParameterError(
                    f"the window has more than --max-regions {most:,} activation regions",
                    details=f"{sums.n_regions:,} were there when it stopped",
                    hint="take a smaller --window, or allow more",
                )
            if time.monotonic() > deadline and sums.area < 0.999999 * sums.whole_area:
                sums.why_not = f"--time-limit {asked['time_limit']:g} was over"
                break
    return sums


def _values(net: PiecewiseLinearNet, lows: Floats, highs: Floats) -> list[dict[str, Any]]:
    names = list(net.output_names) or [f"output {place + 1}" for place in range(net.n_outputs)]
    return [{"output": name, "low": low, "high": high} for name, low, high in zip(names, lows, highs, strict=True)]


def _decided(found: Decisions, class_names: list[str]) -> dict[str, Any]:
    regions, border = found.regions, found.border
    data: dict[str, Any] = {
        "classes": _shares(class_names, regions.area_shares),
        "n_decision_regions": regions.n_regions,
        "border": {"length": border.length, "n_segments": border.n_segments, "n_curves": border.n_curves},
    }
    if border.n_segments <= WHOLE_IN_JSON:
        data["border"] |= {"segments": border.segments, "class_pairs": border.class_pairs}
    return data


def _shares(class_names: list[str], shares: Floats) -> list[dict[str, Any]]:
    return [{"class": name, "area_share": share} for name, share in zip(class_names, shares, strict=True)]


class _Sums:
    """What adds up over the tiles of a window."""

    def __init__(self, cut: Slice, class_names: list[str]) -> None:
        self.net, self.class_names = cut.net, class_names
        self.whole_area = float(np.prod(np.ptp(cut.window, axis=1)))
        self.known = np.zeros(0, dtype=np.uint64)
        self.area = self.length = 0.0
        self.shares = np.zeros(max(2, cut.net.n_outputs))
        self.low, self.high = np.full(cut.net.n_outputs, np.inf), np.full(cut.net.n_outputs, -np.inf)
        self.parts: list[Planes] = []  # the only one, or none
        self.decided: Decisions | None = None  # of it
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
            self.decided = decisions(part)
            self.shares += self.decided.regions.area_shares * area
            self.length += self.decided.border.length

    def data(self) -> dict[str, Any]:
        """Everything as plain data."""
        one = self.parts[0] if self.parts and not self.why_not else None
        found: dict[str, Any] = {
            "n_regions": self.n_regions,
            "n_pieces": one.n_pieces if one is not None else None,
            "exact": not self.why_not,
            "why_not": self.why_not or None,
            "values": _values(self.net, self.low, self.high),
        }
        if self.decided is not None and one is not None:
            found |= _decided(self.decided, self.class_names)
        elif self.decided is not None:
            found |= {
                "classes": _shares(self.class_names, self.shares / self.area), "border": {"length": self.length}
            }  # fmt: skip
        if one is not None:
            found["certificate"] = str(one.certificate)
            found["planes"] = as_data(one) if one.n_regions <= WHOLE_IN_JSON else None
        else:
            found["n_tiles"] = self.n_parts
        return found


def _lines(found: Mapping[str, Any], net: PiecewiseLinearNet) -> Iterator[str]:
    """Everything in words."""
    if "about_n_regions" in found:
        about, error = found["about_n_regions"].values()
        yield (
            f"  planes    about {_rounded(about, error)} activation regions, give or take {_rounded(error, error)} "
            "(estimated from 64 small squares; --max-regions 1000000 counts them)"
        )
    else:
        least = "" if found["exact"] else "at least "
        pieces = f", {counted(found['n_pieces'], 'linear piece')}" if found["n_pieces"] else ""
        sure = f"exact, counted in {found['n_tiles']} tiles" if found["exact"] and "n_tiles" in found else ""
        sure = found.get("certificate") or sure or f"not exact: {found['why_not']}"
        yield f"  planes    {least}{counted(found['n_regions'], 'activation region')}{pieces} ({sure})"
    for value in found["values"][:MAX_NAMES]:
        low, high = number(float(value["low"])), number(float(value["high"]))
        before = "" if net.link == "identity" else " before the link"
        yield f"  values    {value['output']} from {low} to {high}{before}"
    if "classes" in found:
        shares = listed((f"{one['class']} {100 * one['area_share']:.1f} %" for one in found["classes"]), MAX_NAMES)
        several = "n_decision_regions" in found
        yield f"  classes   {shares} of the area" + (
            f"; {counted(found['n_decision_regions'], 'decision region')}" if several else ""
        )
        border = found["border"]
        pieces = (
            f"{counted(border['n_segments'], 'segment')}, {counted(border['n_curves'], 'curve')}, " if several else ""
        )
        yield f"  border    {pieces}length {number(border['length'])} in the units of the axes"


def _rounded(value: float, error: float) -> str:
    """Write a number to the first digit of its error."""
    return f"{int(round(value, -math.floor(math.log10(error)) if error >= 1 else 0)):,}"


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
