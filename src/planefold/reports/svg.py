"""The few shapes that the charts of a report are made of, as text. Colours and fonts are classes of style.css."""

from __future__ import annotations

import html
import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from planefold.reports.numbers import fixed, number

WIDE, NARROW = 640, 346
EDGE = 12  # pixels beside the plotting area that a text may use
DIGIT = 7.4  # pixels of a tick's digit in the widest system font
# What neither HTML nor a reader can do anything with: control characters and halves of surrogate pairs.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff￾￿]")


def text(value: object, limit: int = 300) -> str:
    """Escape a value for HTML, in text and in quoted attributes; long ones are cut.

    >>> text('<b> & "x"'), text("abcdef", limit=4)
    ('&lt;b&gt; &amp; &quot;x&quot;', 'abc…')
    """
    whole = str(value)
    cut = whole if len(whole) <= limit else whole[: limit - 1] + "…"
    return html.escape(_UNPRINTABLE.sub("�", cut), quote=True)


@dataclass(frozen=True, kw_only=True)
class Scale:
    """A line from values to places on the page, straight or logarithmic."""

    low: float
    high: float
    start: float
    stop: float
    log: bool = False

    def __call__(self, value: float) -> float:
        """Return the place of a value."""
        low, high = self.low, self.high
        if self.log:
            value, low, high = (math.log10(max(v, 1e-300)) for v in (value, low, high))
        share = (value - low) / (high - low)
        # Far outside is as good as just outside, and keeps the numbers in the file short.
        return self.start + min(max(share, -1.0), 2.0) * (self.stop - self.start)

    def ticks(self, count: int = 5) -> list[float]:
        """Return round values inside the scale."""
        return log_ticks(self.low, self.high, count) if self.log else nice_ticks(self.low, self.high, count)


def nice_ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Return about ``count`` round values from ``low`` to ``high``.

    >>> nice_ticks(0.02, 0.98)
    [0.2, 0.4, 0.6, 0.8]
    >>> nice_ticks(0, 37, 4)
    [0.0, 10.0, 20.0, 30.0]
    """
    if not high > low:
        return [low]
    rough = (high - low) / max(count, 1)
    power = 10.0 ** math.floor(math.log10(rough))
    step = min((1, 2, 5, 10), key=lambda m: abs(math.log(m * power / rough))) * power
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [float(f"{i * step:.12g}") for i in range(first, last + 1)]


def log_ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Return 1, 2 and 5 times powers of ten, or the powers alone where that is too many.

    >>> log_ticks(0.04, 3.0)
    [0.05, 0.1, 0.2, 0.5, 1.0, 2.0]
    """
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for multiples, every in (((1, 2, 5), 1), ((1,), 1), ((1,), 2), ((1,), 5), ((1,), 20)):
        found = [float(f"{m}e{p}") for p in powers if p % every == 0 for m in multiples]
        inside = [value for value in found if low * (1 - 1e-9) <= value <= high * (1 + 1e-9)]
        if len(inside) <= count + 1:
            break
    return inside


def tick_texts(ticks: Sequence[float], *, log: bool = False) -> list[str]:
    """Write ticks with as many decimals as their step needs.

    >>> tick_texts([0.0, 0.25, 0.5]), tick_texts([0.0, 20000.0])
    (['0.00', '0.25', '0.50'], ['0', '20,000'])
    """
    largest = max((abs(value) for value in ticks), default=0.0)
    if log or len(ticks) < 2 or largest >= 1e9:
        return [number(value, 1 if log else 3) for value in ticks]
    step = ticks[1] - ticks[0]
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    while decimals < 12 and not math.isclose(step, round(step, decimals), rel_tol=1e-6):
        decimals += 1
    return [number(value, 2) for value in ticks] if decimals > 5 else [fixed(value, decimals) for value in ticks]


def roomy_ticks(x: Scale, count: int) -> list[float]:
    """Return at most about ``count`` round values whose texts have room beside each other on a line across.

    >>> roomy_ticks(Scale(low=0, high=200000, start=0, stop=150), 6)
    [0.0, 100000.0, 200000.0]
    """
    ticks = x.ticks(count)
    while count > 1 and len(ticks) > 1:
        widest = DIGIT * max(map(len, tick_texts(ticks, log=x.log)))
        nearest = min(x(after) - x(before) for before, after in pairwise(ticks))
        if nearest >= widest + DIGIT:
            break
        count -= 1
        ticks = x.ticks(count)
    return ticks


def place(value: float) -> str:
    """Write a coordinate to a tenth of a pixel.

    >>> place(12.04), place(3.25)
    ('12', '3.2')
    """
    written = f"{value:.1f}"
    return written[:-2] if written.endswith(".0") else written


def line(x1: float, y1: float, x2: float, y2: float, css: str) -> str:
    """Draw a straight line."""
    return f'<line x1="{place(x1)}" y1="{place(y1)}" x2="{place(x2)}" y2="{place(y2)}" class="{css}"/>'


def label(x: float, y: float, what: object, css: str = "", *, anchor: str = "start") -> str:
    """Write escaped text at a place; ``y`` is its base line."""
    at = "" if anchor == "start" else f' text-anchor="{anchor}"'
    return f'<text x="{place(x)}" y="{place(y)}" class="{css}"{at}>{text(what, 80)}</text>'


def rect(x: float, y: float, width: float, height: float, css: str) -> str:
    """Draw a filled rectangle."""
    size = f'width="{place(max(width, 0))}" height="{place(max(height, 0))}"'
    return f'<rect x="{place(x)}" y="{place(y)}" {size} class="{css}"/>'


def marker(x: float, y: float, kind: str, css: str, size: float = 5) -> str:
    """Draw a circle, square or diamond, so that colour is not the only sign."""
    if kind == "circle":
        return f'<circle cx="{place(x)}" cy="{place(y)}" r="{place(size)}" class="{css}"/>'
    r = size * (1.35 if kind == "diamond" else 0.95)
    corners = [(0, -r), (r, 0), (0, r), (-r, 0)] if kind == "diamond" else [(-r, -r), (r, -r), (r, r), (-r, r)]
    points = " ".join(f"{place(x + dx)},{place(y + dy)}" for dx, dy in corners)
    return f'<polygon points="{points}" class="{css}"/>'


def path(points: Iterable[tuple[float, float]], css: str) -> str:
    """Draw a line through points; one that is not finite leaves a gap."""
    drawn, pen = [], "M"
    for x, y in points:
        if not (math.isfinite(x) and math.isfinite(y)):
            pen = "M"
            continue
        drawn.append(f"{pen}{place(x)} {place(y)}")
        pen = "L"
    return f'<path d="{"".join(drawn)}" class="{css}"/>' if drawn else ""


def closed(loops: Iterable[Iterable[tuple[float, float]]], css: str) -> str:
    """Fill closed lines; one that lies inside another is a hole."""
    drawn = "".join(f"M{'L'.join(f'{place(x)} {place(y)}' for x, y in loop)}Z" for loop in loops)
    return f'<path d="{drawn}" class="{css}" fill-rule="evenodd"/>' if drawn else ""


def dots(points: Iterable[tuple[float, float]], css: str, layers: int = 6) -> str:
    """Draw many dots in a few paths: small in the file, and darker where several paths lie on each other."""
    places = [f"M{place(x)} {place(y)}h0" for x, y in points]
    parts = [places[i::layers] for i in range(layers)]
    return "".join(f'<path d="{"".join(part)}" class="{css}"/>' for part in parts if part)


@dataclass(frozen=True, kw_only=True)
class Frame:
    """The plotting area: two scales, with axes drawn as light rules."""

    x: Scale
    y: Scale

    def axes(
        self, *, x_label: str, y_label: str, x_ticks: Sequence[float], y_ticks: Sequence[float], rules: bool = True
    ) -> str:
        """Draw rules at the y ticks, a base line, tick texts, and the names of both axes."""
        left, right, bottom = self.x.start, self.x.stop, self.y.start
        parts = [line(left, self.y(value), right, self.y(value), "rule") for value in y_ticks] if rules else []
        parts.append(line(left, bottom, right, bottom, "base"))
        for value, written in zip(y_ticks, tick_texts(y_ticks, log=self.y.log), strict=True):
            parts.append(label(left - 8, self.y(value) + 4, written, "tick", anchor="end"))
        for value, written in zip(x_ticks, tick_texts(x_ticks, log=self.x.log), strict=True):
            parts.append(line(self.x(value), bottom, self.x(value), bottom + 4, "base"))
            over = self.x(value) + DIGIT * len(written) / 2 > right + EDGE  # it would be cut off
            at, anchor = (right + EDGE, "end") if over else (self.x(value), "middle")
            parts.append(label(at, bottom + 18, written, "tick", anchor=anchor))
        parts.append(label((left + right) / 2, bottom + 38, x_label, "axis", anchor="middle"))
        parts.append(label(0, self.y.stop - 12, y_label, "axis"))
        return "".join(parts)


def svg(width: float, height: float, body: str, *, title: str, desc: str = "", css: str = "") -> str:
    """Wrap shapes into a picture with a name and a description for those who do not see it."""
    about = f"<desc>{text(desc, 600)}</desc>" if desc else ""
    return (
        f'<svg class="{css}" viewBox="0 0 {place(width)} {place(height)}" width="{place(width)}" '
        f'height="{place(height)}" role="img" aria-label="{text(title)}">'
        f"<title>{text(title)}</title>{about}{body}</svg>"
    )


def both_widths(draw: Callable[[int], str], wide: int = WIDE, narrow: int = NARROW) -> str:
    """Draw a chart for a desk and for a phone; style.css shows one of them, so that text keeps its size."""
    return f'<div class="on-wide">{draw(wide)}</div><div class="on-narrow">{draw(narrow)}</div>'
