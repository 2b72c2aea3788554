"""The parts of what `planefold read` says: each as data for a program, as lines for a person, and as a picture."""

from __future__ import annotations

import math
import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from planefold.cli.options import note
from planefold.cli.reading_model import Model, Rows
from planefold.core.errors import DataError, ParameterError, listed
from planefold.core.records import counted
from planefold.networks.affine import Floats
from planefold.reading.boxes.density import count_along_lines
from planefold.reading.boxes.enumeration import count_regions
from planefold.reading.capacity import bounds
from planefold.reading.segments.lines import function
from planefold.reading.tables.explain import Explanation
from planefold.reading.tables.formulas import number
from planefold.reading.tables.local_models import Reading, local_models

N_LINES, FEW_LINES = 100, 10
COUNTED_UP_TO = 8  # inputs of which all regions of a box are counted
MOST_REGIONS = 1_000_000  # that are counted where nobody said how many
FEW_REGIONS = 100_000  # that are expected before they are counted
MAX_PIECES_SHOWN = 12
MAX_NAMES = 8
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
        order = f"; of the order of {_size(usual)} with random weights" if usual < limits.upper else ""
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
        from planefold.cli.reading_windows import in_a_window

        return in_a_window(model, asked)
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
        f"on the whole line: {counted(found.n_regions, 'activation region')}, "
        f"{counted(found.n_pieces, 'linear piece')} "
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
        count = count_regions(model.net, model.box, max_regions=asked["max_regions"] or MOST_REGIONS, time_limit=left)
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
    said = [f"{rows.name}: {reading.where()}; {reading.certificate}"]
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
        hint=f"--of {shlex.quote(reading.outcome.keys[0])}",
    )
