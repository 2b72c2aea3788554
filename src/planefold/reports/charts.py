"""The charts of a report: each is a function from records to the text of one SVG."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from planefold.engine.run import Run
from planefold.reports.baselines import TRIVIAL
from planefold.reports.metrics import Floats
from planefold.reports.numbers import number, percent, together
from planefold.reports.records import CalibrationBin, Metric, Residuals
from planefold.reports.svg import (
    Frame,
    Scale,
    closed,
    dots,
    label,
    line,
    marker,
    path,
    rect,
    roomy_ticks,
    svg,
    tick_texts,
)

_MOST_BUCKETS = 150
_NAMES = {"majority class": "Majority rule", "mean": "Always the mean", "gradient boosting": "Gradient boosting"}


def intervals(headline: Metric, baselines: dict[str, Metric], width: int) -> str:
    """Draw the headline and the baselines as dots with their intervals, on one axis."""
    # The rival that is hard to beat stands next to the model, the trivial rule last.
    order = sorted(baselines, key=lambda name: name in TRIVIAL)
    rows = [("This model", "circle", headline)]
    rows += [(_name(n), "square" if n in TRIVIAL else "diamond", baselines[n]) for n in order]
    said = _said([metric for _, _, metric in rows])
    roomy = width > 450
    # 8.4 pixels hold a digit of the widest system font in bold.
    left, right, height = (152, 16 + 8.4 * max(map(len, said)), 42) if roomy else (12, 14, 54)
    values = [v for _, _, m in rows for v in (m.value, m.low, m.high) if v is not None]
    low, high = padded(min(values), max(values), 0.06)
    if headline.name in ("ROC AUC", "accuracy"):
        low, high = max(low, -0.02), min(high, 1.005)
    bottom = height * len(rows) + 12
    x = Scale(low=low, high=high, start=left, stop=width - right)
    ticks = roomy_ticks(x, 6 if roomy else 4)
    parts = [line(x(t), 6, x(t), bottom, "rule") for t in ticks]
    for i, (name, kind, metric) in enumerate(rows):
        y = height * i + (height / 2 + 6 if roomy else 42)
        css = "model" if i == 0 else "rival"
        if headline.low is not None and headline.high is not None:  # so that each rival is seen in or out of it
            top, size = (y - height / 2, height) if roomy else (y - 13, 26)
            parts.append(rect(x(headline.low), top, x(headline.high) - x(headline.low), size, "band"))
        if metric.low is not None and metric.high is not None:
            parts.append(line(x(metric.low), y, x(metric.high), y, f"span {css}"))
        parts.append(marker(x(metric.value), y, kind, f"mark {css}", 7 if i == 0 else 5.5))
        text_y = y + 5 if roomy else y - 16
        parts.append(label(0, text_y, name, f"row {css}"))
        parts.append(label(width, text_y, said[i], f"row number {css}", anchor="end"))
    parts.append(line(left, bottom, width - right, bottom, "base"))
    for t, written_tick in zip(ticks, tick_texts(ticks), strict=True):
        parts.append(label(x(t), bottom + 18, written_tick, "tick", anchor="middle"))
    way = "higher is better" if headline.larger_is_better else "lower is better"
    said_below = f"{capital(headline.name)}, {way}"
    parts.append(label((left + width - right) / 2, bottom + 38, said_below, "axis", anchor="middle"))
    desc = "; ".join(f"{name}: {_in_words(metric)}" for name, _, metric in rows)
    return svg(width, bottom + 46, "".join(parts), title=f"{headline.name} of the model and its baselines", desc=desc)


def _name(baseline: str) -> str:
    """Name a baseline where there is little room: what it learned from is said elsewhere."""
    short, on, _ = baseline.partition(" on ")
    return _NAMES.get(baseline, capital(short) if on else baseline)


def _said(found: Sequence[Metric]) -> list[str]:
    """Write metrics with their intervals, all with the decimals that the first one's interval allows."""
    first = found[0]
    spread = None if first.low is None or first.high is None else first.high - first.low
    values = [[v for v in (m.value, m.low, m.high) if v is not None] for m in found]
    written = iter(together(*(v for own in values for v in own), spread=spread))
    parts = [[next(written) for _ in own] for own in values]
    return [own[0] if len(own) < 3 else f"{own[0]} ({own[1]} to {own[2]})" for own in parts]


def curves(run: Run, width: int) -> str:
    """Draw training and validation loss an epoch, the best epoch and the loss of the trivial rule."""
    epochs, train, val = run["epoch"], run["train_loss"], run["val_loss"]
    roomy = width > 450
    known = np.concatenate([train, val])
    known = known[np.isfinite(known)]
    height, left, right = (340, 52, 92) if roomy else (290, 46, 16)
    if not len(known):
        return ""
    low, high = float(known.min()), float(known.max())
    trivial = run.trivial_loss
    if trivial is not None and low <= trivial <= high + 0.6 * (high - low):
        high = max(high, trivial)
    log = low > 0 and high / low > 20
    low, high = (low / 1.1, high * 1.1) if log else padded(0.0 if 0 <= low < 0.35 * high else low, high, 0.04)
    if not log and known.min() >= 0:
        low = max(low, 0.0)
    x = Scale(low=epochs[0], high=max(epochs[-1], epochs[0] + 1), start=left, stop=width - right)
    y = Scale(low=low, high=high, start=height - 46, stop=44 if roomy else 62, log=log)
    frame = Frame(x=x, y=y)
    x_ticks = [t for t in roomy_ticks(x, 6 if roomy else 4) if float(t).is_integer()]
    named = capital(run.objective.replace("_", " "))
    unit = f"{named if 'loss' in named.lower() else f'Loss: {named.lower()}'}{', log scale' if log else ''}"
    parts = [frame.axes(x_label="Epoch", y_label=unit, x_ticks=x_ticks, y_ticks=y.ticks(5))]
    if trivial is not None and low <= trivial <= high:
        parts.append(line(left, y(trivial), width - right, y(trivial), "trivial"))
        # On the side where the name of the best epoch is not.
        late = run.best_epoch is not None and x(run.best_epoch) > (left + width - right) / 2
        at = left + 0.45 * (width - right - left) if late else width - right
        parts.append(label(at, y(trivial) - 6, f"trivial rule {number(trivial, 2)}", "tick", anchor="end"))
    parts.append(_band(run, frame))
    parts.append(_best_line(run, frame))
    for values, css in ((train, "train"), (val, "val")):
        kept = _thinned(values)
        places = [(x(epochs[i]), y(values[i]) if np.isfinite(values[i]) else math.nan) for i in kept]
        parts.append(path(places, f"curve {css}"))
        if len(epochs) <= 15:
            kind = "square" if css == "train" else "circle"
            parts += [marker(px, py, kind, f"mark {css}", 3) for px, py in places if math.isfinite(py)]
    parts.append(_end_labels(frame, train, val) if roomy else _legend(bool(np.isfinite(val).any())))
    return svg(width, height, "".join(parts), title="Training and validation loss by epoch", desc=_curves_desc(run))


def _band(run: Run, frame: Frame) -> str:
    """Draw two standard errors on either side of the validation loss: it may as well lie anywhere in there."""
    val, se = run["val_loss"], run["val_se"]
    known = [i for i in _thinned(val) if np.isfinite(val[i]) and np.isfinite(se[i])]
    if len(known) < 2:
        return ""
    low, high = frame.y.low, frame.y.high
    sides = [
        [(frame.x(run["epoch"][i]), frame.y(min(max(val[i] + k * se[i], low), high))) for i in known] for k in (2, -2)
    ]
    return closed([[*sides[0], *sides[1][::-1]]], "doubt")


def _best_words(run: Run) -> str:
    # The start may be kept though a later loss is a little lower: "best" would not be true of what is drawn.
    return "kept: the start" if run.restored_best and run.best_epoch == 0 else f"best: epoch {run.best_epoch:,}"


def _best_line(run: Run, frame: Frame) -> str:
    if run.best_epoch is None:
        return ""
    place = frame.x(run.best_epoch)
    parts = line(place, frame.y.stop, place, frame.y.start, "best")
    at = next((e.val_loss for e in run.epochs if e.epoch == run.best_epoch), None)
    if at is not None and math.isfinite(at):
        parts += marker(place, frame.y(at), "circle", "mark hollow", 5)
    late = place > (frame.x.start + frame.x.stop) / 2
    beside = label(
        place + (-6 if late else 6), frame.y.stop + 4, _best_words(run), "tick strong",
        anchor="end" if late else "start",
    )  # fmt: skip
    return parts + beside


def _end_labels(frame: Frame, train: Floats, val: Floats) -> str:
    """Name each line at its end, pushed apart where they would touch."""
    last = {
        name: frame.y(float(values[np.isfinite(values)][-1]))
        for name, values in (("training", train), ("validation", val))
        if np.isfinite(values).any()
    }
    names = sorted(last, key=lambda name: last[name])
    if len(names) == 2 and last[names[1]] - last[names[0]] < 18:
        middle = sum(last.values()) / 2
        last = {names[0]: middle - 9, names[1]: middle + 9}
    css = {"training": "name train", "validation": "name val"}
    return "".join(label(frame.x.stop + 10, y + 4, name, css[name]) for name, y in last.items())


def _legend(has_validation: bool) -> str:
    parts = line(0, 12, 26, 12, "curve train") + label(32, 16, "training", "name train")
    if has_validation:
        parts += line(116, 12, 142, 12, "curve val") + label(148, 16, "validation", "name val")
    return parts


def _curves_desc(run: Run) -> str:
    first, last = run.epochs[min(1, len(run.epochs) - 1)], run.epochs[-1]  # of the start no training loss is known
    ends = f"{number(first.train_loss)} to {number(last.train_loss)}"
    words = f"Training loss goes from {ends} in {run.n_epochs:,} epochs"
    if last.val_loss is not None:
        words += f"; validation loss ends at {number(last.val_loss)}"
    return words + (f"; the best epoch is {run.best_epoch}." if run.best_epoch is not None else ".")


def _thinned(values: Floats) -> list[int]:
    """Rows to draw: all, or of many the lowest and the highest of each bucket, so that no peak is lost."""
    if len(values) <= 2 * _MOST_BUCKETS:
        return list(range(len(values)))
    kept = {0, len(values) - 1}
    for bucket in np.array_split(np.arange(len(values)), _MOST_BUCKETS):
        known = bucket[np.isfinite(values[bucket])]
        if len(known):
            kept |= {int(known[values[known].argmin()]), int(known[values[known].argmax()])}
    return sorted(kept)


def learning_rate(run: Run, width: int = 340) -> str:
    """Draw the learning rate an epoch, small."""
    epochs, rate = run["epoch"], run["learning_rate"]
    used = np.isfinite(rate) & (rate > 0)
    if not used.any():
        return ""
    epochs, rate = epochs[used], rate[used]
    low, high = float(rate.min()), float(rate.max())
    height = 128
    log = high / low > 20
    low, high = (low / 1.3, high * 1.3) if log else (0.0, 1.15 * high)
    y = Scale(low=low, high=high, start=height - 26, stop=30, log=log)
    y_ticks = y.ticks(2)
    written = tick_texts(y_ticks, log=log)
    left = 12 + 8.4 * max(map(len, written), default=0)
    x = Scale(low=epochs[0], high=max(epochs[-1], epochs[0] + 1), start=left, stop=width - 12)
    ends = list(dict.fromkeys([epochs[0], epochs[-1]]))
    parts = [line(left, y(t), width - 12, y(t), "rule") for t in y_ticks]
    parts += [label(left - 8, y(t) + 4, w, "tick", anchor="end") for t, w in zip(y_ticks, written, strict=True)]
    parts.append(line(left, height - 26, width - 12, height - 26, "base"))
    anchors = ("start", "end") if len(ends) == 2 else ("start",)
    for value, anchor in zip(ends, anchors, strict=True):
        name = f"epoch {int(value):,}" if anchor == "start" else f"{int(value):,}"
        parts.append(label(x(value), height - 8, name, "tick", anchor=anchor))
    parts.append(path([(x(epochs[i]), y(rate[i])) for i in _thinned(rate)], "curve rate"))
    parts.append(label(0, 14, f"Learning rate{' (log scale)' if log else ''}", "axis"))
    desc = f"The learning rate goes from {number(float(rate[0]))} to {number(float(rate[-1]))}."
    return svg(width, height, "".join(parts), title="Learning rate by epoch", desc=desc)


def predicted_against_true(found: Residuals, width: int) -> str:
    """Draw truth across and prediction up; a perfect model has all dots on the diagonal."""
    points = np.array(found.points)
    low, high = padded(float(points.min()), float(points.max()), 0.03)
    height = min(width, 430)
    x = Scale(low=low, high=high, start=60, stop=width - 16)
    y = Scale(low=low, high=high, start=height - 46, stop=34)
    ticks = roomy_ticks(x, 5 if width > 400 else 4)
    parts = [Frame(x=x, y=y).axes(x_label="True value", y_label="Predicted value", x_ticks=ticks, y_ticks=ticks)]
    parts.append(line(x(low), y(low), x(high), y(high), "ideal"))
    css = "dot few" if len(found.points) < 300 else "dot"
    parts.append(dots(((x(t), y(p)) for t, p in found.points), css))
    title = f"Predicted against true values{f' of {found.output}' if found.output else ''}"
    desc = f"{len(found.points):,} rows; the line is where prediction and truth are equal."
    return svg(width, height, "".join(parts), title=title, desc=desc)


def residual_histogram(found: Residuals, width: int) -> str:
    """Draw how many rows are off by how much."""
    height = 250
    top = max(found.counts) or 1
    x = Scale(low=found.edges[0], high=found.edges[-1], start=46, stop=width - 16)
    y = Scale(low=0, high=1.05 * top, start=height - 46, stop=34)
    y_ticks = [t for t in y.ticks(4) if t.is_integer()]
    x_ticks = roomy_ticks(x, 5 if width > 400 else 4)
    parts = [Frame(x=x, y=y).axes(x_label="Predicted minus true", y_label="Rows", x_ticks=x_ticks, y_ticks=y_ticks)]
    for start, stop, count in zip(found.edges, found.edges[1:], found.counts, strict=False):
        parts.append(rect(x(start) + 0.5, y(count), x(stop) - x(start) - 1, y(0) - y(count), "bar"))
    if found.edges[0] < 0 < found.edges[-1]:
        parts.append(line(x(0), 34, x(0), y(0), "zero"))
    desc = f"Half of the errors lie between {number(found.quartile_1)} and {number(found.quartile_3)}."
    return svg(width, height, "".join(parts), title="Errors: predicted minus true", desc=desc)


def calibration(bins: Sequence[CalibrationBin], positive: str, width: int) -> str:
    """Draw the share of positive rows against the predicted probability; honest ones lie on the diagonal."""
    height = min(width, 400)
    x = Scale(low=0, high=1, start=52, stop=width - 14)
    y = Scale(low=0, high=1, start=height - 46, stop=34)
    ticks = [0.0, 0.25, 0.5, 0.75, 1.0]
    frame = Frame(x=x, y=y)
    positive = positive if len(positive) <= 18 else positive[:17] + "…"
    across, up = f"Predicted probability of “{positive}”", f"Share that is “{positive}”"
    parts = [frame.axes(x_label=across, y_label=up, x_ticks=ticks, y_ticks=ticks)]
    parts.append(line(x(0), y(0), x(1), y(1), "ideal"))
    parts += [line(x(b.predicted), y(b.low), x(b.predicted), y(b.high), "span model") for b in bins]
    parts.append(path([(x(b.predicted), y(b.observed)) for b in bins], "curve thin"))
    parts += [marker(x(b.predicted), y(b.observed), "circle", "mark model", 4.5) for b in bins]
    desc = "; ".join(f"predicted {percent(b.predicted)}, true {percent(b.observed)} of {b.n_rows:,} rows" for b in bins)
    return svg(width, height, "".join(parts), title="Calibration of the probabilities", desc=desc)


def small_bars(counts: Sequence[float], *, title: str, gaps: bool = False) -> str:
    """Draw counts as bars in a table cell; ``gaps`` sets categories apart from the bins of a number."""
    width, height = 104, 26
    top = max(counts, default=0) or 1
    step = min(width / max(len(counts), 1), 26 if gaps else width)
    gap = min(3.0, step / 3) if gaps else 0.6 if step > 3 else 0
    parts = [
        rect(i * step, height - max(1.0 if count else 0.0, (height - 1) * count / top), step - gap,
             max(1.0 if count else 0.0, (height - 1) * count / top), "bar quiet")
        for i, count in enumerate(counts)
    ]  # fmt: skip
    parts.append(line(0, height - 0.5, width, height - 0.5, "base"))
    return svg(width, height, "".join(parts), title=title, css="small")


def capital(name: str) -> str:
    """Return the name with its first letter raised, as the first word of a label."""
    return name[:1].upper() + name[1:]


def padded(low: float, high: float, share: float) -> tuple[float, float]:
    """Widen a range by a share of itself on both sides; one that is a point becomes a range."""
    width = high - low
    if not width > 1e-9 * max(abs(low), abs(high), 1e-300):
        width = abs(low) or 1.0
    return low - share * width, high + share * width


def _in_words(metric: Metric) -> str:
    if metric.low is None or metric.high is None:
        return number(metric.value)
    return f"{number(metric.value)}, from {number(metric.low)} to {number(metric.high)}"
