"""What the scan of the rows finds in tables with one planted defect, and what it says of tables without.

    python benchmarks/doctor_data.py [--half dev|test] [--tables 600] [--data FOLDER] [--only found|scale|time|real]

Every table is made anew from its seed: 200 to 3,000 rows, 3 to 30 columns, of one of nine families (normal,
correlated, mixtures, coarse numbers, mixed with categories, long tails, near a curved surface, series in time, small
pictures), with a target that a random network or a sum of columns gives, and with one defect or none. The rules were
tuned on the seeds of the half ``dev``; the half ``test`` has others. A defect counts as found when the check that is
responsible for it speaks at all; a false alarm is a warning or an error, ``with notes`` also counts what is for
information only. Every check is judged on all tables without its defect, those with another one included.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from common import show_table, write_json

from planefold import MLPClassifier, MLPRegressor
from planefold.doctor import Case, Finding, diagnose, diagnose_case
from planefold.doctor.scan import scan

SEEDS = {"dev": 0, "test": 7_000_000}
FAMILIES = ("normal", "correlated", "mixture", "coarse", "mixed", "tails", "surface", "series", "pictures")
HELD_OUT = 0.25
OVERLAP = 0.05  # share of the labels, from which classes overlap


@dataclass
class Rows:
    """A table, its split, and what its defect is."""

    X: Any
    y: np.ndarray
    held_out: np.ndarray  # bool
    family: str
    is_classes: bool
    defect: str = "none"
    overlap: float = 0.0  # share of the labels that the signal alone would not have given

    def sides(self) -> dict[str, Any]:
        X, X_val = (self.X[~self.held_out], self.X[self.held_out])
        return {"X": X, "y": self.y[~self.held_out], "X_val": X_val, "y_val": self.y[self.held_out]}


# ---------------------------------------------------------------------------------------------------- healthy tables


def _numbers(family: str, n: int, d: int, rng: np.random.RandomState) -> np.ndarray:
    if family == "correlated":
        return rng.randn(n, d) @ rng.randn(d, d) * np.exp(rng.randn(d))
    if family == "mixture":
        n_parts = rng.randint(2, 9)
        part = rng.randint(n_parts, size=n)
        return 3 * rng.randn(n_parts, d)[part] + np.exp(0.7 * rng.randn(n_parts))[part, None] * rng.randn(n, d)
    if family == "coarse":
        return rng.randint(0, rng.randint(2, 9, size=d), size=(n, d)).astype(float)
    if family == "tails":
        X = np.exp(1.2 * rng.randn(n, d))
        X[:, ::3] = rng.standard_t(3, (n, len(range(0, d, 3))))
        X[:, 1::4] = X[:, 1::4].round(1)
        return X
    if family == "surface":
        z = rng.randn(n, max(2, d // 4))
        return np.tanh(z @ rng.randn(z.shape[1], d)) + 0.05 * rng.randn(n, d)
    return rng.randn(n, d)


def _mixed(n: int, d: int, rng: np.random.RandomState) -> tuple[pd.DataFrame, np.ndarray]:
    """Numbers, whole numbers, many zeros, categories, dates, gaps."""
    z = rng.randn(n, d)
    frame: dict[str, Any] = {}
    for j in range(d):
        column = z[:, j]
        kind = rng.randint(6)
        if kind == 0:
            values: Any = np.array([f"level {k}" for k in range(9)])[np.digitize(column, [-1, -0.3, 0.5, 1.2])]
        elif kind == 1:
            values = np.round(40 + 12 * column)
        elif kind == 2:
            values = np.where(column > 0.5, np.exp(column + 2), 0.0)
        elif kind == 3:
            values = np.where(column > 0, "yes", "no")
        else:
            values = 10.0 ** rng.randint(-3, 4) * column + rng.randint(-5, 6)
        series = pd.Series(values)
        if rng.rand() < 0.2:
            series[rng.rand(n) < rng.choice([0.02, 0.3])] = None
        frame[f"c{j}"] = series
    return pd.DataFrame(frame), z


def _pictures(n: int, rng: np.random.RandomState) -> tuple[np.ndarray, np.ndarray]:
    """Two to four blobs on 16 x 16 pixels and a little noise."""
    grid = np.arange(16)
    latent = rng.uniform(2, 14, (n, 3, 2))
    strength = rng.uniform(0.3, 1, (n, 3))
    across = np.exp(-((grid - latent[:, :, :1]) ** 2) / 6)
    down = np.exp(-((grid - latent[:, :, 1:]) ** 2) / 6)
    X = np.einsum("nk,nki,nkj->nij", strength, across, down) + 0.05 * rng.randn(n, 16, 16)
    return X, np.column_stack([latent[:, 0] / 4 - 2, strength[:, 0] * 3 - 2])


def _signal(z: np.ndarray, rng: np.random.RandomState) -> np.ndarray:
    z = (z - z.mean(axis=0)) / (z.std(axis=0) + 1e-9)
    d = z.shape[1]
    if rng.rand() < 0.5:
        some = rng.permutation(d)[: rng.randint(2, min(d, 6) + 1)]
        return z[:, some] @ rng.uniform(0.5, 2, len(some))
    hidden = np.tanh(z @ rng.randn(d, 12) / np.sqrt(d) * 1.5)
    return hidden @ rng.randn(12)


def healthy(seed: int) -> Rows:
    """A table without a defect, split at random."""
    rng = np.random.RandomState(seed)
    family = rng.choice(FAMILIES)  # not in turn: every third table is healthy, and would always be of the same three
    n, d = int(np.exp(rng.uniform(np.log(200), np.log(3000)))), rng.randint(3, 31)
    X: Any
    if family == "mixed":
        X, z = _mixed(n, d, rng)
    elif family == "pictures":
        X, z = _pictures(min(n, 1200), rng)
        n = len(X)
    elif family == "series":
        return _series(n, d, rng)
    else:
        X = z = _numbers(family, n, d, rng)
    signal = _signal(z, rng)
    clear = signal / signal.std()
    signal = clear + rng.uniform(0.1, 0.6) * rng.randn(n)
    is_classes = rng.rand() < 0.6
    y, overlap = _classes(signal, clear, rng) if is_classes else (100 + 30 * signal, 0.0)
    if family not in ("mixed", "pictures") and rng.rand() < 0.5:
        X = pd.DataFrame(X, columns=[f"f{j}" for j in range(d)])
    held_out = np.zeros(n, dtype=bool)
    held_out[rng.permutation(n)[: int(HELD_OUT * n)]] = True
    return Rows(X, y, held_out, family, is_classes, overlap=overlap)


def _classes(signal: np.ndarray, clear: np.ndarray, rng: np.random.RandomState) -> tuple[np.ndarray, float]:
    n_classes = rng.choice([2, 2, 2, 3, 5])
    shares = rng.dirichlet(np.full(n_classes, 8.0))
    shares = np.maximum(shares, 0.45 / n_classes)
    cuts = np.quantile(signal, np.cumsum(shares / shares.sum())[:-1])
    codes, clear_codes = np.searchsorted(cuts, signal), np.searchsorted(cuts, clear)
    return np.array(["red", "green", "blue", "white", "black"])[codes], float(np.mean(codes != clear_codes))


def _series(n: int, d: int, rng: np.random.RandomState) -> Rows:
    """A series with seasons and noise, its lags as columns, and the last rows held out, as it ought to be."""
    steps = np.arange(n + d)
    season = np.sin(2 * np.pi * steps / rng.randint(7, 40)) * rng.uniform(0.5, 2)
    walk = np.zeros(n + d)
    for t in range(1, n + d):
        walk[t] = rng.choice([0.5, 0.9]) * walk[t - 1] + rng.randn()
    series = season + walk
    X = np.column_stack([series[j : n + j] for j in range(d)])
    held_out = np.arange(n) >= n - int(HELD_OUT * n)
    frame = pd.DataFrame(X, columns=[f"lag {d - j}" for j in range(d)])
    frame.insert(0, "day", pd.date_range("2015-03-01", periods=n).strftime("%Y-%m-%d"))
    return Rows(frame, series[d:], held_out, "series", False)


# ----------------------------------------------------------------------------------------------------------- defects


def _cells(rows: Rows, places: np.ndarray) -> Any:
    return rows.X.iloc[places].reset_index(drop=True) if isinstance(rows.X, pd.DataFrame) else rows.X[places]


def _stack(rows: Rows, more: Any, y: np.ndarray, held_out: np.ndarray) -> Rows:
    if isinstance(rows.X, pd.DataFrame):
        X = pd.concat([rows.X, more], ignore_index=True)
    else:
        X = np.concatenate([rows.X, more])
    return replace(rows, X=X, y=np.concatenate([rows.y, y]), held_out=np.concatenate([rows.held_out, held_out]))


def _blurred(X: Any, scale: float, rng: np.random.RandomState) -> Any:
    """Move every number that is not one of a few by a share of its column's deviation."""
    if isinstance(X, np.ndarray) and X.ndim == 3:
        return X + scale * X.std() * rng.randn(*X.shape)
    frame = pd.DataFrame(X).copy()
    for name in frame:
        column = frame[name]
        if column.dtype.kind == "f" and column.nunique() > 30:
            frame[name] = column + scale * column.std() * rng.randn(len(column))
    return frame if isinstance(X, pd.DataFrame) else frame.to_numpy()


def leak_rows(rows: Rows, rng: np.random.RandomState) -> Rows | None:
    """Copies of training rows among the held-out ones, exact or nearly, 5 % to 50 % of them."""
    if rows.family in ("coarse", "series"):
        return None
    n_val = int(rows.held_out.sum())
    n_new = max(5, int(rng.uniform(0.05, 0.5) * n_val))
    places = rng.choice(np.flatnonzero(~rows.held_out), n_new, replace=False)
    scale = rng.choice([0.0, 0.0, 0.003, 0.01, 0.03])
    more = _cells(rows, places)
    more = _blurred(more, scale, rng) if scale else more
    gone = rng.choice(np.flatnonzero(rows.held_out), n_new, replace=False)
    kept = np.setdiff1d(np.arange(len(rows.y)), gone)
    y = rows.y[places]
    if not rows.is_classes and scale:
        y = y + scale * rows.y.std() * rng.randn(len(y))
    thinner = replace(rows, X=_cells(rows, kept), y=rows.y[kept], held_out=rows.held_out[kept])
    return _stack(thinner, more, y, np.ones(n_new, dtype=bool))


def leak_groups(rows: Rows, rng: np.random.RandomState) -> Rows | None:
    """Three to six rows of each of many things, such as pictures of one head, and a split that ignores that."""
    if rows.family in ("coarse", "series", "mixed"):
        return None
    size = rng.randint(3, 7)
    n_things = min(len(rows.y) // 2, 500)
    thing = np.repeat(np.arange(n_things), size)
    X = _blurred(_cells(rows, thing), rng.uniform(0.02, 0.1), rng)
    held_out = rng.rand(len(thing)) < HELD_OUT
    return replace(rows, X=X, y=rows.y[thing], held_out=held_out)


def leak_target(rows: Rows, rng: np.random.RandomState) -> Rows | None:
    if rows.family == "pictures":
        return None
    n = len(rows.y)
    codes = np.unique(rows.y, return_inverse=True)[1] if rows.is_classes else rows.y
    kind = rng.randint(3)
    if rows.is_classes and kind == 0:
        column: Any = np.array(["a", "b", "c", "d", "e"])[codes]  # another name for the class
    elif rows.is_classes and kind == 1:
        column = codes * 3.0 + rng.uniform(0.05, 0.3) * rng.randn(n)
    elif rows.is_classes:
        column = np.where(rng.rand(n) < 0.005, rng.permutation(codes), codes).astype(float)
    elif kind == 0:
        column = np.exp(rows.y / 50) * 7 - 2  # the target on another scale
    else:
        column = rows.y / 1.609 + rng.uniform(0, 0.03) * rows.y.std() * rng.randn(n)
    return _with_column(rows, column, "status", rng)


def _with_column(rows: Rows, column: Any, name: str, rng: np.random.RandomState) -> Rows:
    frame = pd.DataFrame(rows.X).copy() if not isinstance(rows.X, pd.DataFrame) else rows.X.copy()
    frame.columns = [str(c) for c in frame.columns]
    frame.insert(rng.randint(frame.shape[1] + 1), name, column)
    return replace(rows, X=frame)


def an_id(rows: Rows, rng: np.random.RandomState) -> Rows | None:
    if rows.family == "pictures":
        return None
    n = len(rows.y)
    kind = rng.randint(4)
    if kind == 0:
        column: Any = np.arange(n) + rng.randint(10_000)
    elif kind == 1:
        column = rng.permutation(n) + 1000
    elif kind == 2:
        column = np.array([f"C-{k:06d}" for k in rng.permutation(10 * n)[:n]])
    else:
        column = np.sort(rng.permutation(3 * n)[:n])
    return _with_column(rows, column, rng.choice(["customer_id", "number", "ref"]), rng)


def constant(rows: Rows, rng: np.random.RandomState) -> Rows | None:
    if rows.family == "pictures":
        return None
    value = [0.0, 7.25, "EUR", None][rng.randint(4)]
    return _with_column(rows, np.full(len(rows.y), value), "unit", rng)


def duplicate(rows: Rows, rng: np.random.RandomState) -> Rows | None:
    if rows.family == "pictures":
        return None
    frame = pd.DataFrame(rows.X)
    name = frame.columns[rng.randint(frame.shape[1])]
    column = frame[name]
    if column.dtype.kind == "f" and rng.rand() < 0.7:
        return _with_column(rows, column.to_numpy() * 2.2046 + 3, "again", rng)
    levels = {level: f"group {i}" for i, level in enumerate(column.dropna().unique())}
    if len(levels) > 20:
        return _with_column(rows, column.to_numpy(), "again", rng)
    return _with_column(rows, column.map(levels).to_numpy(), "again", rng)


def outliers(rows: Rows, rng: np.random.RandomState) -> Rows | None:
    if rows.family in ("pictures", "coarse", "mixed"):
        return None
    frame = pd.DataFrame(rows.X).copy()
    frame.columns = [str(c) for c in frame.columns]
    name = rng.choice([name for name in frame if frame[name].dtype.kind == "f"])
    column = frame[name]
    wild = column.abs().max() * rng.choice([30.0, 1000.0])
    places = rng.permutation(len(frame))[: max(3, int(rng.uniform(0.002, 0.01) * len(frame)))]
    frame.loc[places, name] = wild * (rng.uniform(1, 1.5, len(places)) if rng.rand() < 0.5 else 1.0)
    return replace(rows, X=frame)


def repeated(rows: Rows, rng: np.random.RandomState) -> Rows | None:
    """Rows of the training part several times there; the split keeps them on one side."""
    if rows.family in ("coarse", "series"):
        return None
    train = np.flatnonzero(~rows.held_out)
    places = rng.choice(train, int(rng.uniform(0.05, 0.3) * len(train)), replace=False)
    return _stack(rows, _cells(rows, places), rows.y[places], np.zeros(len(places), dtype=bool))


def imbalance(rows: Rows, rng: np.random.RandomState) -> Rows | None:
    if not rows.is_classes:
        return None
    rare = rng.choice(np.unique(rows.y))
    n_classes = len(np.unique(rows.y))
    members = rng.permutation(np.flatnonzero(rows.y == rare))
    others = len(rows.y) - len(members)
    share = rng.uniform(0.02, 0.2) / n_classes
    kept = max(6, int(share / (1 - share) * others))
    places = np.sort(np.setdiff1d(np.arange(len(rows.y)), members[kept:]))
    return replace(rows, X=_cells(rows, places), y=rows.y[places], held_out=rows.held_out[places])


def label_noise(rows: Rows, rng: np.random.RandomState) -> Rows | None:
    if not rows.is_classes or len(rows.y) < 300:
        return None
    y = rows.y.copy()
    flipped = np.flatnonzero(rng.rand(len(y)) < rng.uniform(0.1, 0.25))
    labels = np.unique(y)
    y[flipped] = labels[(np.searchsorted(labels, y[flipped]) + rng.randint(1, len(labels), len(flipped))) % len(labels)]
    return replace(rows, y=y)


def shift(rows: Rows, rng: np.random.RandomState) -> Rows | None:
    """Held-out rows whose numbers lie elsewhere: half a deviation to two, in some columns."""
    if rows.family in ("series", "coarse", "mixed"):
        return None
    if rows.family == "pictures":
        X = rows.X.copy()
        X[rows.held_out] = X[rows.held_out] * rng.choice([0.7, 1.4]) + rng.choice([0.0, 0.1])
        return replace(rows, X=X)
    frame = pd.DataFrame(rows.X).copy()
    some = rng.permutation(frame.shape[1])[: rng.randint(1, max(2, frame.shape[1] // 3))]
    for j in some:
        column = frame.iloc[:, j].to_numpy().copy()
        spread = np.subtract(*np.quantile(column, [0.75, 0.25])) / 1.35
        column[rows.held_out] = column[rows.held_out] * rng.choice([1.0, 1.5]) + spread * rng.uniform(0.5, 1.5)
        frame.iloc[:, j] = column
    return replace(rows, X=frame if isinstance(rows.X, pd.DataFrame) else frame.to_numpy())


def shift_labels(rows: Rows, rng: np.random.RandomState) -> Rows | None:
    """Held-out rows that were drawn so that the target differs."""
    if rows.family == "series":
        return None
    rank = np.unique(rows.y, return_inverse=True)[1].astype(float)
    rank = pd.Series(rank).rank(pct=True).to_numpy()
    wanted = rng.rand(len(rank)) < np.clip(HELD_OUT * (1 + 1.6 * (rank - 0.5)), 0, 1) ** rng.uniform(1.5, 2)
    if wanted.sum() < 40:
        return None
    return replace(rows, held_out=wanted)


def sorted_rows(rows: Rows, rng: np.random.RandomState) -> Rows | None:
    """Rows sorted by the target, and the last ones held out."""
    if rows.family == "series":
        return None
    order = np.argsort(rows.y, kind="stable")
    return replace(
        rows, X=_cells(rows, order), y=rows.y[order], held_out=np.arange(len(order)) >= (1 - HELD_OUT) * len(order)
    )


def random_series(rows: Rows, rng: np.random.RandomState) -> Rows | None:
    """A series whose rows are dealt at random: neighbours in time fall on both sides."""
    if rows.family != "series":
        return None
    held_out = np.zeros(len(rows.y), dtype=bool)
    held_out[rng.permutation(len(rows.y))[: int(HELD_OUT * len(rows.y))]] = True
    return replace(rows, held_out=held_out)


Plant = Callable[[Rows, np.random.RandomState], "Rows | None"]
# Name, what plants it, the code that has to speak, how often a round plants it, the bar of recall.
DEFECTS: dict[str, tuple[Plant, str, int, float | None]] = {
    "rows on both sides": (leak_rows, "DA402", 5, 0.93),
    "groups on both sides": (leak_groups, "DA402", 3, 0.93),
    "target leak": (leak_target, "DA401", 4, 0.95),
    "id": (an_id, "DA204", 2, 0.95),
    "constant": (constant, "DA202", 2, 0.95),
    "duplicate column": (duplicate, "DA203", 2, None),
    "outliers": (outliers, "DA303", 2, None),
    "repeated rows": (repeated, "DA403", 2, None),
    "imbalance": (imbalance, "DA501", 3, 0.95),
    "label noise": (label_noise, "DA601", 5, 0.75),
    "shift": (shift, "DA701", 4, 0.85),
    "label shift": (shift_labels, "DA702", 3, None),
    "sorted by target": (sorted_rows, "DA801", 2, 0.95),
    "random split of a series": (random_series, "DA801", 4, 0.95),
}
# What is true as well where another defect was planted: no false alarm.
ALSO_TRUE = {
    "DA402": {"rows on both sides", "groups on both sides", "random split of a series"},
    "DA403": {"repeated rows", "rows on both sides", "groups on both sides"},
    "DA701": {"shift", "label shift", "sorted by target", "outliers"},
    "DA702": {"label shift", "sorted by target", "random split of a series"},
    "DA601": {"label noise"},
    "DA801": {"sorted by target", "random split of a series"},
}
FALSE_ALARM_BARS = {"DA402": 0.005}


def is_true(code: str, rows: Rows) -> bool:
    """Tell whether a finding is right about a table."""
    if code == "DA601" and rows.overlap >= OVERLAP:
        return True  # "labels contradict each other or classes overlap"
    return rows.defect in ALSO_TRUE.get(code, {name for name, entry in DEFECTS.items() if entry[1] == code})


def tables(half: str, n_tables: int) -> list[Rows]:
    """Every third table is healthy; the others have the defects in turn."""
    waiting = [name for name, (_, _, times, _) in DEFECTS.items() for _ in range(times)]
    found: list[Rows] = []
    seed = SEEDS[half]
    while len(found) < n_tables:
        rows = healthy(seed)
        seed += 1
        if len(found) % 3 == 0:
            found.append(rows)
            continue
        for place, name in enumerate(waiting):  # the next defect that this family can have
            planted = DEFECTS[name][0](rows, np.random.RandomState(seed + 7))
            if planted is not None:
                found.append(replace(planted, defect=name))
                waiting.append(waiting.pop(place))
                break
    return found


def codes_of(rows: Rows, **how: Any) -> dict[str, Finding]:
    """Return the findings by their codes."""
    diagnosis = diagnose_case(Case(scan=scan(**rows.sides(), **how)))
    return {finding.code: finding for finding in (*diagnosis.findings, *diagnosis.silenced.values())}


def found(half: str, n_tables: int) -> dict[str, Any]:
    """Scan planted and healthy tables, and compare what is told with what is there."""
    everything = tables(half, n_tables)
    told, seconds = [], []
    for rows in everything:
        started = time.process_time()
        told.append(codes_of(rows))
        seconds.append(time.process_time() - started)
    results = show_recall(half, everything, told) | show_alarms(everything, told)
    print(f"\n{len(everything)} tables, {np.median(seconds):.2f} s of one core a table (median)")
    stated = [
        {"code": code, "confidence": finding.confidence, "true": is_true(code, rows)}
        for rows, findings in zip(everything, told, strict=True)
        for code, finding in findings.items()
    ]
    return results | {"seconds": seconds, "told": stated}


def show_recall(half: str, everything: list[Rows], told: list[dict[str, Finding]]) -> dict[str, Any]:
    """Count for each defect how often its check speaks."""
    lines, results = [], {}
    for name, (_, code, _, bar) in DEFECTS.items():
        planted = [code in findings for rows, findings in zip(everything, told, strict=True) if rows.defect == name]
        recall = float(np.mean(planted)) if planted else float("nan")
        results[name] = {"code": code, "n": len(planted), "recall": recall, "bar": bar}
        met = "" if bar is None else "not planted" if not planted else "met" if recall >= bar else "NOT met"
        lines.append(
            [name, code, f"{sum(planted)}/{len(planted)}", f"{recall:.3f}", "" if bar is None else f"{bar}", met]
        )
    show_table(f"found, {half} half", ["defect", "code", "found", "recall", "bar", ""], lines)
    return results


def show_alarms(everything: list[Rows], told: list[dict[str, Finding]]) -> dict[str, Any]:
    """Count for each check how often it speaks where its defect is not."""
    lines, results = [], {}
    for code in sorted({code for findings in told for code in findings} | {entry[1] for entry in DEFECTS.values()}):
        clean = [
            (rows, findings.get(code))
            for rows, findings in zip(everything, told, strict=True)
            if not is_true(code, rows)
        ]
        alarms = [rows for rows, finding in clean if finding is not None and finding.severity != "info"]
        n_notes = sum(finding is not None for _, finding in clean)
        n_healthy = sum(rows.defect == "none" for rows, _ in clean)
        rate, bar = len(alarms) / len(clean), FALSE_ALARM_BARS.get(code)
        results[code] = {"alarms": len(alarms), "n": len(clean), "rate": rate, "spoke": n_notes}
        met = "" if bar is None else "met" if rate <= bar else "NOT met"
        well = f"{sum(rows.defect == 'none' for rows in alarms)}/{n_healthy}"
        where = ", ".join(sorted({f"{rows.family}/{rows.defect}" for rows in alarms})[:4])
        lines.append([code, f"{len(alarms)}/{len(clean)}", f"{rate:.4f}", str(n_notes), well, met, where])
    show_table("false alarms", ["code", "alarms", "rate", "with notes", "healthy", "", "where"], lines)
    return results


def scaled(seed: int) -> tuple[np.ndarray, np.ndarray] | None:
    """Columns of numbers that were standardised, some flags among them, and a target."""
    rows, rng = healthy(seed), np.random.RandomState(seed + 3)
    if rows.family in ("mixed", "pictures", "series"):
        return None
    X = np.asarray(rows.X, dtype=float)
    X = (X - X.mean(axis=0)) / np.maximum(X.std(axis=0), 1e-9)
    flags = rng.rand(len(X), rng.randint(0, 4)) < 0.2
    return np.column_stack([X, flags]), rows.y


def unscaled(X: np.ndarray, rng: np.random.RandomState) -> np.ndarray:
    """Give some columns a unit that makes them 100 to 100,000 times as large, or as small, or put them far from 0."""
    X = X.copy()
    numbers = [j for j in range(X.shape[1]) if len(np.unique(X[:, j])) > 2]
    some = rng.permutation(numbers)[: rng.randint(1, max(2, len(numbers) // 2))]
    if rng.rand() < 0.3:
        X[:, some] += 10.0 ** rng.uniform(2, 4)
    else:
        X[:, some] *= 10.0 ** (rng.uniform(2, 5) * (rng.choice([1, -1]) if len(some) < len(numbers) else 1))
    return X


def show_scales(half: str, n_tables: int) -> dict[str, Any]:
    """Train a network for one epoch on numbers as they are, and let DA301 judge what it received."""
    told: dict[bool, list[bool]] = {True: [], False: []}
    seed = SEEDS[half] + 500_000
    while len(told[True]) < n_tables // 2:
        table, rng = scaled(seed), np.random.RandomState(seed + 7)
        seed += 1
        if table is None:
            continue
        kind = MLPClassifier if table[1].dtype.kind == "U" else MLPRegressor
        for is_sick, X in ((False, table[0]), (True, unscaled(table[0], rng))):
            model = kind(preprocess=None, max_iter=1, random_state=0).fit(X, table[1])
            told[is_sick].append("DA301" in {finding.code for finding in diagnose(run=model.run_).findings})
    recall, alarms = float(np.mean(told[True])), float(np.mean(told[False]))
    print(f"\nscales, {half} half: found {sum(told[True])}/{len(told[True])} (bar 0.95), false alarms "
          f"{sum(told[False])}/{len(told[False])}")  # fmt: skip
    return {"scale": {"code": "DA301", "n": len(told[True]), "recall": recall, "bar": 0.95, "false alarms": alarms}}


def show_times() -> dict[str, float]:
    rng = np.random.RandomState(0)
    results = {}
    for n_rows, n_columns, bar in ((2_000, 20, 1.0), (100_000, 30, 5.0)):
        X = rng.randn(n_rows + n_rows // 5, n_columns)
        y = (X[:, 0] * X[:, 1] + 0.5 * rng.randn(len(X)) > 0).astype(int)
        runs = []
        for _ in range(3):
            started = time.process_time()
            scan(X[:n_rows], y[:n_rows], X_val=X[n_rows:], y_val=y[n_rows:])
            runs.append(time.process_time() - started)
        results[f"{n_rows}x{n_columns}"] = float(np.median(runs))
        print(f"{n_rows:,} rows x {n_columns} columns: {np.median(runs):.2f} s of one core, the bar is {bar:g} s")
    return results


REAL = {
    "titanic": ("titanic/train.csv", "Survived"), "iris": ("iris/iris.csv", "species"),
    "pima": ("pima_diabetes/pima.csv", "diabetes"), "wine": ("wine_quality_red/winequality-red.csv", "quality"),
    "insurance": ("insurance/insurance.csv", "charges"), "ames": ("ames_house_prices/train.csv", "SalePrice"),
    "portland": ("portland_houses/housing-data.csv", "price"), "fraud": ("fraud_sample/train.csv", "Class"),
}  # fmt: skip


def show_real(folder: Path) -> None:
    for name, (path, target) in REAL.items():
        if not (folder / path).is_file():
            print(f"\n{name}: {folder / path} is not there")
            continue
        frame = pd.read_csv(folder / path)
        held_out = np.zeros(len(frame), dtype=bool)
        held_out[np.random.RandomState(0).permutation(len(frame))[: len(frame) // 5]] = True
        X, y = frame.drop(columns=target), frame[target].to_numpy()
        print(f"\n{name}, split at random")
        print(diagnose_case(Case(scan=scan(X[~held_out], y[~held_out], X_val=X[held_out], y_val=y[held_out]))))


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--half", choices=SEEDS, default="dev")
    parser.add_argument("--tables", type=int, default=600)
    parser.add_argument("--only", choices=("found", "scale", "time", "real"))
    parser.add_argument("--data", type=Path, default=Path(__file__).resolve().parents[2] / "shared" / "data")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    results: dict[str, Any] = {}
    if options.only in (None, "found"):
        results |= found(options.half, options.tables)
    if options.only in (None, "scale"):
        results |= show_scales(options.half, options.tables // 2)
    if options.only in (None, "time"):
        results |= show_times()
    if options.only in (None, "real"):
        show_real(options.data)
    write_json(options.json, results)


if __name__ == "__main__":
    main()
