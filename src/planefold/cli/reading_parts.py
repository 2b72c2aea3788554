"""The parts of what `planefold read` says: each as data for a program, as lines for a person, and as a picture."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from planefold.cli.options import note
from planefold.cli.read import column_of
from planefold.cli.reading_model import Model, Rows, numbers_of
from planefold.core.errors import DataError, ParameterError, listed
from planefold.core.progress import ProgressBar
from planefold.networks.affine import Floats, PiecewiseLinearNet
from planefold.reading.bounds import bounds
from planefold.reading.columns import decision_offsets
from planefold.reading.density import count_along_lines
from planefold.reading.enumeration import count_regions
from planefold.reading.estimates import estimate_regions
from planefold.reading.explain import Explanation
from planefold.reading.formulas import number
from planefold.reading.lines import function
from planefold.reading.local_models import Reading, local_models
from planefold.reading.plain import as_data
from planefold.reading.planes import Planes, planes
from planefold.reading.slices import Slice, slice_of
from planefold.reading.tiles import hashes, tiled
from planefold.reading.windows import window_corners

N_LINES, FEW_LINES = 100, 10
COUNTED_UP_TO = 8  # inputs of which all regions of a box are counted
FEW_REGIONS = 100_000  # that are expected before they are counted
MAX_PIECES_SHOWN = 12
MAX_NAMES = 8
MAX_FORMULA_TERMS = 8
AT_ONCE = 250_000  # regions of a window that are not cut tile by tile: about 1 GB
WHOLE_IN_JSON = 2_000  # regions up to which all polygons are in the JSON
MANY = 0.5
SECONDS_FOR_A_BORDER = 10.0

_FOLLOWED = {"logistic": "a sigmoid follows", "softmax": "a softmax follows", "exp": "the exponential follows"}


@dataclass(frozen=True, kw_only=True)
class Part:
    """One part of the answer.

    Parameters
    ----------
    key : str
        Of the JSON.
    data : mapping
        Plain data, but for arrays and numbers of NumPy.
    lines : sequence of str
    draw : function, optional
        Draws it with matplotlib, and returns the axes or the figure.
    """

    key: str
    data: Mapping[str, Any]
    lines: Sequence[str]
    draw: Callable[[], Any] | None = None


# -------------------------------------------------------------------------------------------------- the network alone


def network(model: Model) -> Part:
    """Say what the network is: inputs, layers of folds, outputs, and how many planes it can have."""
    net, limits = model.net, bounds(model.net)
    layers: dict[str, int] = {}
    for place, start, stop in net.folds:
        fold = net.nodes[place].fold
        assert fold is not None
        layers[fold.layer] = layers.get(fold.layer, 0) + stop - start
    outputs = list(net.output_names) or [f"output {place + 1}" for place in range(net.n_outputs)]
    usual = limits.expected(2.0**net.n_inputs) if net.n_inputs <= 300 else math.inf
    data = {
        "file": str(model.path),
        "description": net.description,
        "inputs": model.input_names(),
        "input_shape": net.input_shape,
        "layers": [{"layer": name, "units": units} for name, units in layers.items()],
        "n_units": net.n_units,
        "outputs": outputs,
        "link": net.link,
        "box": None if model.box is None else {"lower": model.box[0], "upper": model.box[1], "from": model.box_from},
        "at_most_regions": limits.upper,
        "bounds": {
            "zaslavsky": limits.zaslavsky,
            "montufar_upper": limits.montufar_upper,
            "serra_upper": limits.serra_upper,
            "montufar_lower": limits.montufar_lower,
        },
        "expected_at_random_weights": usual,
    }
    follows = f" ({_FOLLOWED[net.link]})" if net.link in _FOLLOWED else ""
    told = ", ".join(f"{name} {units:,}" for name, units in layers.items()) or "none: it is linear"
    said = [
        f"{model.path}: {net.description}",
        f"  inputs    {net.n_inputs:,}: {listed(model.input_names(), MAX_NAMES)}",
        f"  creases   {net.n_units:,}" + (f": {told}" if layers else ", so it is linear"),
        f"  outputs   {net.n_outputs:,}: {listed(outputs, MAX_NAMES)}{follows}",
    ]
    if net.n_units:
        order = f"; of the order of {_size(usual)} with random weights" if math.isfinite(usual) else ""
        said.append(f"  planes    at most {_size(limits.upper)} activation regions{order}")
    return Part(key="network", data=data, lines=said)


def _size(count: float) -> str:
    """Write a count of any size; what is longer than a float as a power of ten."""
    if count < 10**9:
        return f"{count:,.0f}"
    exponent = len(str(count)) - 1 if isinstance(count, int) else math.floor(math.log10(count))
    lead = count // 10 ** (exponent - 1) / 10 if isinstance(count, int) else count / 10**exponent
    return f"{lead:.1f}e{exponent}"


def alone(model: Model, asked: Mapping[str, Any]) -> Part:
    """Count planes as far as that can be done: on the line, in a window, or along lines through a box."""
    if model.net.n_inputs == 1:
        return _on_the_line(model)
    if model.net.n_inputs == 2:
        return _in_a_window(model, asked)
    if asked["window"] is not None:
        raise ParameterError(
            f"--window is for two inputs, and {model.path.name} has {model.net.n_inputs}",
            hint="with DATA, --x COLUMN --y COLUMN cut a plane through them; --low and --high give a box",
        )
    return _in_a_box(model, asked)


def _on_the_line(model: Model) -> Part:
    found = function(model.net)
    merged = found.merged()
    name = model.input_names()[0]
    data = {
        "n_regions": found.n_regions,
        "n_pieces": found.n_pieces,
        "ends": merged.ends,
        "slopes": merged.slopes,
        "intercepts": merged.intercepts,
        "exact": found.certificate.exact,
        "certificate": str(found.certificate),
    }
    said = [
        f"on the whole line: {found.n_regions:,} activation regions, {found.n_pieces:,} linear pieces "
        f"({found.certificate})"
    ]
    for k in range(min(merged.n_regions, MAX_PIECES_SHOWN)):
        formulas = "; ".join(
            f"{number(float(b))} {'-' if a < 0 else '+'} {number(abs(float(a)))} * {name}"
            for a, b in zip(merged.slopes[k], merged.intercepts[k], strict=True)
        )
        said.append(f"  {number(float(merged.ends[k]))} to {number(float(merged.ends[k + 1]))}: {formulas}")
    if merged.n_regions > MAX_PIECES_SHOWN:
        said.append(f"  ... {merged.n_regions - MAX_PIECES_SHOWN:,} pieces more; --json has all")
    low, high = _ends(model, found.ends)

    def draw() -> Any:
        from planefold.plots import pieces_along

        return pieces_along(function(model.net, low, high), model=model.net)

    return Part(key="function", data=data, lines=said, draw=draw)


def _ends(model: Model, ends: Floats) -> tuple[float, float]:
    if model.box is not None:
        return float(model.box[0][0]), float(model.box[1][0])
    inner = ends[np.isfinite(ends)]
    low, high = (float(inner[0]), float(inner[-1])) if len(inner) else (-1.0, 1.0)
    margin = (high - low) / 5 or 1.0
    return low - margin, high + margin


def _in_a_window(model: Model, asked: Mapping[str, Any]) -> Part:
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


def _in_a_box(model: Model, asked: Mapping[str, Any]) -> Part:
    if model.box is None:
        unknown = "no box of inputs is known, so no planes are counted: --low and --high give one, DATA gives rows"
        return Part(key="box", data={"box": None}, lines=[unknown])
    started, limit = time.monotonic(), asked["time_limit"]
    found = count_along_lines(model.net, model.box, FEW_LINES)
    took = time.monotonic() - started
    if took * N_LINES / FEW_LINES < limit:
        found = count_along_lines(model.net, model.box, N_LINES)
    crossings, is_small = found.crossings, model.net.n_inputs <= COUNTED_UP_TO
    expected = found.expected_regions if is_small else math.inf
    data: dict[str, Any] = {
        "box": {"lower": model.box[0], "upper": model.box[1], "from": model.box_from},
        "n_lines": len(crossings),
        "creases_crossed": {"mean": found.mean, "least": crossings.min(), "most": crossings.max()},
        "exact": found.certificate.exact,
        "expected_regions": expected,
        "regions": None,
    }
    said = [
        f"in the box of {model.box_from}: {len(crossings)} random lines cross {number(found.mean)} creases on average, "
        f"{crossings.min():,} to {crossings.max():,}"
    ]
    left = limit - (time.monotonic() - started)
    if expected <= FEW_REGIONS and left > 0:
        count = count_regions(model.net, model.box, limit=asked["max_regions"], time_limit=left)
        data["regions"] = {
            "n_regions": count.n_regions,
            "complete": count.complete,
            "how": count.method,
            "certificate": str(count.certificate),
        }
        said.append(f"  it has {count}")
    elif is_small:
        said.append(f"  about {_size(expected)} activation regions are expected, too many to be counted")
    else:
        said.append("  more regions than can be counted; DATA says which of them rows lie in")
    return Part(key="box", data=data, lines=said)


# ----------------------------------------------------------------------------------------------------------- windows


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
        sums = _Sums(net, (u1 - u0) * (v1 - v0))
        deadline, why_not = time.monotonic() + asked["time_limit"], ""
        plane: dict[str, Any] = {"origin": cut.origin, "directions": cut.directions}
        flat = net.restricted(cut.origin, cut.directions)
        parts: Iterable[Planes] = tiled(net, cut.window, **plane)
        if estimate_regions(flat, window_corners(cut.window)) <= min(AT_ONCE, asked["max_regions"]):
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
            return _drawn(found, cut, codes)

        data = {"labels": cut.labels, "window": cut.window, "held": dict(cut.fixed), **sums.data(why_not)}
        return cls(data=data, lines=[*told, *sums.lines(why_not)], draw=draw)


def _decisive(net: PiecewiseLinearNet, model: Any) -> PiecewiseLinearNet:
    """Move the outputs so that a classifier decides at 0, or for the largest."""
    offsets = decision_offsets(model, net)
    if not offsets.any():
        return net
    return net.with_outputs(np.eye(net.n_outputs), -offsets, output_names=net.output_names)


def _drawn(found: Planes, cut: Slice, codes: Any) -> Any:
    from planefold.plots import decision_map, regions

    decides = _decides(found.net)
    options = {"X": cut.points, "y": codes} if len(cut.points) else {}
    ax = decision_map(found, **options) if decides else regions(found, edges=found.n_regions <= WHOLE_IN_JSON)
    ax.set_xlabel(cut.labels[0])
    ax.set_ylabel(cut.labels[1])
    return ax


def _decides(net: PiecewiseLinearNet) -> bool:
    return net.link == "softmax" or (net.link == "logistic" and net.n_outputs == 1)


class _Sums:
    """What adds up over the tiles of a window."""

    def __init__(self, net: PiecewiseLinearNet, whole_area: float) -> None:
        self.net, self.whole_area = net, whole_area
        self.known = np.zeros(0, dtype=np.uint64)
        self.area = self.length = 0.0
        self.shares = np.zeros(max(2, net.n_outputs))
        self.low, self.high = np.full(net.n_outputs, np.inf), np.full(net.n_outputs, -np.inf)
        self.parts: list[Planes] = []  # the only one, or none
        self.n_parts = 0
        self.why_not = ""

    @property
    def n_regions(self) -> int:
        """How many activation regions there are so far."""
        return len(self.known)

    def add(self, part: Planes) -> None:
        """Add a tile."""
        from planefold.reading.boundaries import boundary, class_regions

        self.known = np.union1d(self.known, hashes(part.patterns()))
        self.n_parts += 1
        self.parts = [part] if self.n_parts == 1 else []
        self.why_not = self.why_not or part.certificate.why_not
        area = float(part.areas.sum())
        self.area += area
        self.low = np.minimum(self.low, part.vertex_outputs.min(axis=0))
        self.high = np.maximum(self.high, part.vertex_outputs.max(axis=0))
        if _decides(self.net):
            self.shares += class_regions(part).area_shares * area
            self.length += boundary(part).length

    def class_names(self) -> list[str]:
        """Names of the classes."""
        names = list(self.net.output_names)
        if self.net.n_outputs == 1:
            positive = names[0] if names else "1"
            return [f"not {positive}", positive]
        return names or [str(place) for place in range(self.net.n_outputs)]

    def data(self, why_not: str) -> dict[str, Any]:
        """Everything as plain data."""
        from planefold.reading.boundaries import boundary, class_regions

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
                {"class": name, "area_share": share} for name, share in zip(self.class_names(), shares, strict=True)
            ]
            found["border"] = {"length": self.length}
            if one is not None:
                border = boundary(one)
                found["n_decision_regions"] = class_regions(one).n_regions
                found["border"] |= {"n_segments": border.n_segments, "n_curves": border.n_curves}
                if border.n_segments <= WHOLE_IN_JSON:
                    found["border"] |= {"segments": border.segments, "class_pairs": border.class_pairs}
        if one is not None:
            found["certificate"] = str(one.certificate)
            found["planes"] = as_data(one) if one.n_regions <= WHOLE_IN_JSON else None
        return found

    def _outputs(self) -> list[str]:
        return list(self.net.output_names) or [f"output {place + 1}" for place in range(self.net.n_outputs)]

    def lines(self, why_not: str) -> Iterator[str]:
        """Everything in words."""
        found = self.data(why_not)
        least = "" if found["exact"] else "at least "
        pieces = f", {found['n_pieces']:,} linear pieces" if found["n_pieces"] else ""
        sure = f"exact, counted in {self.n_parts} tiles" if found["exact"] else f"not exact: {found['why_not']}"
        yield f"  planes    {least}{self.n_regions:,} activation regions{pieces} ({found.get('certificate', sure)})"
        for value in found["values"][:MAX_NAMES]:
            low, high = number(float(value["low"])), number(float(value["high"]))
            yield f"  values    {value['output']} from {low} to {high}" + (
                " before the link" if self.net.link != "identity" else ""
            )
        if "classes" in found:
            shares = listed((f"{one['class']} {100 * one['area_share']:.1f} %" for one in found["classes"]), MAX_NAMES)
            regions = f"; {found['n_decision_regions']:,} decision regions" if "n_decision_regions" in found else ""
            yield f"  classes   {shares} of the area{regions}"
            border = found["border"]
            pieces = (
                f"{border['n_segments']:,} segments, {border['n_curves']:,} curves, " if "n_curves" in border else ""
            )
            yield f"  border    {pieces}length {number(border['length'])} in the units of the axes"


def slice_through(rows: Rows, asked: Mapping[str, Any]) -> Part:
    """Cut a model along two columns, the others held at what is usual."""
    from planefold.reading.columns import columns_of, is_estimator
    from planefold.reading.models import from_model

    columns = columns_of(rows.source if is_estimator(rows.source) else from_model(rows.source))
    for flag in ("x", "y"):
        several = asked[flag] in columns.owners
        if asked[flag] not in columns.names and not several:
            column_of(asked[flag], list(columns.names), f"the columns that the model reads in {rows.name}", f"--{flag}")
    cut = slice_of(rows.source, asked["x"], asked["y"], rows.X)
    window = _asked_window(asked)
    if window is not None:
        cut = _with_window(cut, window)
    codes = None
    if rows.y is not None and _decides(cut.net):
        codes = _codes(rows)
    found = _Window.read(cut, rows.source, asked, codes)
    held = f"; held at what is usual: {cut.held()}" if cut.fixed else ""
    said = f"the slice through {cut.labels[0]} and {cut.labels[1]}{held}"
    return Part(key="slice", data=found.data, lines=[said, *found.lines], draw=found.draw)


def _with_window(cut: Slice, window: Any) -> Slice:
    from dataclasses import replace

    return replace(cut, window=window)


def _codes(rows: Rows) -> Any:
    reading = reading_of(rows, None)
    return reading.target if reading.target is not None and reading.target.ndim == 1 else None


# -------------------------------------------------------------------------------------------------------------- rows


def reading_of(rows: Rows, of: str | None) -> Reading:
    """Find the planes that rows lie on; without their targets, where these are none that the model knows."""
    y = rows.y
    if y is not None and hasattr(rows.source, "classes_"):
        from planefold.estimators.reporting import comparable

        y = comparable(rows.source, np.asarray(y))
    try:
        return local_models(rows.source, rows.X, y, output=of)
    except DataError as error:
        if y is None:
            raise
        reading = local_models(rows.source, rows.X, None, output=of)  # the same error, if the target is not to blame
        note(f"the target column is left out: {error.what}")
        return reading


def all_rows(reading: Reading, rows: Rows, asked: Mapping[str, Any]) -> Part:
    """Say which planes the rows lie on, and what the largest are."""
    top = min(asked["top"], len(reading))
    data = {"data": rows.name, **reading.to_json(max_models=top)}
    n_regions, k = reading.n_regions, min(10, reading.n_regions)
    counted = "1 plane" if n_regions == 1 else f"{n_regions:,} planes (activation regions)"
    said = [f"{rows.name}: {reading.n_rows:,} rows lie on {counted}; {reading.certificate}"]
    if n_regions > 1:
        shares = ", ".join(f"{n:,}: {100 * reading.coverage(n):.1f} %" for n in (1, 10, 100, 1000) if n < n_regions)
        said.append(f"  the largest hold of the rows  {shares}")
    for place in range(top):
        said += ["", *str(reading[place]).splitlines()]
    merge = asked["merge"]
    if merge is None and n_regions > k and reading.coverage(k) < MANY:
        merge = 5
        said += ["", "Hardly two rows share a plane; --merge K puts those together that are nearly equal. With 5:"]
    elif merge is not None:
        said += [""]
    if merge is not None:
        merged = reading.merged(min(merge, n_regions))
        data["merged"] = merged.to_json()
        said += str(merged).splitlines()

    def draw() -> Any:
        from planefold.plots import local_models as picture

        return picture(reading)

    return Part(key="rows", data=data, lines=said, draw=draw)


def one_row(reading: Reading, rows: Rows, asked: Mapping[str, Any]) -> Part:
    """Explain one prediction."""
    row = asked["row"]
    if not 1 <= row <= reading.n_rows:
        raise ParameterError(f"--row {row} does not exist: {rows.name} has {reading.n_rows:,} rows",
                             hint="rows are counted from 1, without the line of column names")  # fmt: skip
    limit = min(asked["time_limit"], SECONDS_FOR_A_BORDER)
    found: Explanation = reading.explain(
        row - 1, output=_chosen_output(reading, asked["of"]), border=True, time_limit=limit
    )
    data = {"row": row, **found.to_json(), "plane": int(reading.regions[row - 1])}
    share = int(reading.counts[reading.regions[row - 1]])
    shared = "no other row" if share == 1 else f"{share - 1:,} other row{'s' if share > 2 else ''}"
    said = [f"row {row} of {rows.name}, on a plane with {shared}", "", *str(found).splitlines()]

    def draw() -> Any:
        from planefold.plots import explanation

        return explanation(found)

    return Part(key="row", data=data, lines=said, draw=draw)


def _chosen_output(reading: Reading, of: str | None) -> Any:
    """Of what was asked for there is one output; of several, the predicted class decides."""
    if of is not None or len(reading.output_names) == 1 or reading.outcome.decides == "largest":
        return None if reading.outcome.decides == "largest" and of is None else 0
    raise ParameterError(
        f"there are {len(reading.output_names)} outputs: which one is to be explained?",
        details=f"outputs: {listed(reading.outcome.keys)}",
        hint=f"--of {reading.outcome.keys[0]}",
    )
