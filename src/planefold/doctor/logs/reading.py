"""`read_log`: anyone's training log as learning curves."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from planefold.core.errors import DataError, ParameterError, did_you_mean, listed, show
from planefold.core.records import counted
from planefold.doctor.case import Curve, Curves
from planefold.doctor.logs import tables
from planefold.doctor.logs.choosing import Choice, choose
from planefold.doctor.logs.tables import LogTable
from planefold.engine.run import Run

# Logs by steps are cut into at most so many points, and what is logged by epochs needs at least so many.
MAX_POINTS, MIN_POINTS = 100, 5
# A log whose counter falls back more often, as a share of its rows, does not hold runs one below the other.
MOST_FALLS = 0.3

Mask = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class LogCurves(Curves):
    """Learning curves out of a log.

    Parameters
    ----------
    name : str
        Which run of the log it is; ``""`` when the log holds one.
    notes : tuple of str
        Which columns were taken for what, which were not used, and what was done to them.
    by_steps : bool
        Whether ``epoch`` counts points of a log by steps, and not epochs.
    """

    name: str = ""
    notes: tuple[str, ...] = ()
    by_steps: bool = False


def read_log(
    path: str | os.PathLike[str] | Any,
    *,
    run: str | int | None = None,
    train: str | None = None,
    val: str | None = None,
    epoch: str | None = None,
) -> tuple[Curves, ...]:
    """Read the learning curves out of a training log.

    Parameters
    ----------
    path : path-like, or a history in memory
        CSV, TSV or a table in columns; JSON lines, a JSON list, a history of lists (Keras), ``trainer_state.json``
        (Hugging Face); what a training printed; a TensorBoard event file or a folder of them; the history of our
        own runs. Delimiter, decimal comma, percent signs and encoding are found. In memory: ``{"loss": [...],
        "val_loss": [...]}``, the ``History`` that Keras returns, ``trainer.state.log_history``, or a data frame with a
        row an epoch.
    run : str or int, optional
        Name of one run, or its place from 0 on, of a log that holds several.
    train, val, epoch : str, optional
        Names of the columns, where theirs do not say what they are.

    Returns
    -------
    tuple of Curves
        One for each run in the log. Those of other tools are :class:`LogCurves`, whose ``notes`` say which columns
        were taken for what. An epoch 0 is the state before training: logs that count their first epoch as 0
        are counted from 1 here.

    Raises
    ------
    DataError
        If there is no learning curve in the file; it says what was found and what is expected.

    Notes
    -----
    Several rows of one epoch are averaged. A log without epochs is cut where the validation loss was measured, or into
    100 pieces of equally many steps. A run begins anew where the epoch falls back to the first. A loss that is nan or
    infinite to the end of the log counts as infinite; elsewhere nan counts as not measured.
    """
    if isinstance(path, str | os.PathLike):
        file = Path(path)
        own = _own_history(file)
        if own is not None:
            return _chosen((own,), run, file.name)
        source, written = file.name, tables.read_tables(file)
    else:
        source, written = "the log", _tables_of_history(path)
    found = [curves for table in written for curves in _curves_of(table, source, train=train, val=val, epoch=epoch)]
    if not found:
        raise DataError(f"{source} has no epoch with a loss in it", hint=f"expected {tables.EXPECTED}")
    return _chosen(tuple(found), run, source)


def _tables_of_history(history: Any) -> list[LogTable]:
    """Take the tables out of a history in memory: of Keras, of Hugging Face, a frame, lists by name."""
    value = getattr(history, "history", history)
    if hasattr(value, "columns"):  # a frame of pandas or polars
        value = {str(name): _plain(value[name]) for name in value.columns}
    elif isinstance(value, Mapping):
        value = {str(name): _plain(item) for name, item in value.items()}
    elif isinstance(value, list):
        value = [{str(k): _plain(v) for k, v in row.items()} if isinstance(row, Mapping) else row for row in value]
    found = tables.tables_of_value(value)
    if not found:
        raise DataError(
            f"the log is a {type(history).__name__} without learning curves in it",
            hint="pass the path of a log, or {'loss': [...], 'val_loss': [...]}",
        )
    return found


def _plain(item: Any) -> Any:
    """Turn arrays and their numbers into lists and numbers of Python."""
    if hasattr(item, "tolist"):
        return item.tolist()
    if hasattr(item, "to_list"):
        return item.to_list()
    return [_plain(entry) for entry in item] if isinstance(item, list | tuple) else item


def _chosen(found: tuple[Curves, ...], run: str | int | None, source: str) -> tuple[Curves, ...]:
    if run is None:
        return found
    names = [getattr(curves, "name", "") for curves in found]
    if isinstance(run, int) and -len(found) <= run < len(found):
        return (found[run],)
    if run in names:
        return (found[names.index(str(run))],)
    near = did_you_mean(run, names)
    raise ParameterError(
        f"run={show(run)} is not in {source}",
        details=f"{counted(len(found), 'run')}: {listed(name or '(without a name)' for name in names)}",
        hint=f"did you mean {near!r}?" if near else None,
    )


def _own_history(file: Path) -> Curves | None:
    """Read what ``Run.to_lines`` wrote, which is known by its first line."""
    try:
        with open(file, encoding="utf-8") as lines:
            if '"stopped_because"' not in lines.readline(1_000_000):
                return None
            lines.seek(0)
            return replace(Curves.of_run(Run.from_lines(lines)), source=file.name)
    except (OSError, ValueError, TypeError):
        return None


# ----------------------------------------------------------------------------------------------- from tables to curves


def _curves_of(
    table: LogTable, source: str, *, train: str | None, val: str | None, epoch: str | None
) -> Iterator[LogCurves]:
    for choice in choose(table, source, train=train, val=val, epoch=epoch):
        for name, rows in _runs(table, choice):
            full = " ".join(part for part in (table.name, choice.name, name) if part)
            curves = _curves(table, choice, rows, full, source)
            if curves is not None:
                yield curves


def _runs(table: LogTable, choice: Choice) -> Iterator[tuple[str, NDArray[np.intp]]]:
    """Tell the runs of a table apart: by a column that names them, and where the epochs begin anew."""
    n_rows = len(next(iter(table.columns.values())))
    everything = np.arange(n_rows)
    names = [""] * n_rows
    for label in table.labels.values():
        if 1 < len(set(label)) <= n_rows / 2:
            names = [f"{name} {text}".strip() for name, text in zip(names, label, strict=True)]
    groups: dict[str, list[int]] = {}
    for row, name in enumerate(names):
        groups.setdefault(name, []).append(row)
    for name, rows in groups.items():
        parts = _restarts(table, choice, everything[rows])
        for i, part in enumerate(parts, start=1):
            yield f"{name} {f'run {i}' if len(parts) > 1 else ''}".strip(), part


def _restarts(table: LogTable, choice: Choice, rows: NDArray[np.intp]) -> list[NDArray[np.intp]]:
    """Cut rows where the epoch (or the step) falls back to the first; going back a little is a resumed training."""
    counter = choice.epoch or choice.step
    if counter is None:
        return [rows]
    counts = table.columns[counter][rows]
    falls = np.diff(counts[np.isfinite(counts)]) < 0
    if not falls.any() or falls.mean() > MOST_FALLS:  # rows that are in no order, or the last epoch first
        return [rows]
    runs: list[list[int]] = [[]]
    first = last = np.nan
    for row, at in zip(rows.tolist(), counts.tolist(), strict=True):
        if np.isfinite(at):
            if at < last and at <= first and _repeats(table, choice, runs[-1], row):
                runs.append([])
                first = at
            elif at < last and counter == choice.epoch:
                runs[-1] = [r for r in runs[-1] if not _replaces(table, choice, row, r, at)]
            first = at if np.isnan(first) else first
            last = at
        runs[-1].append(row)
    return [np.array(run) for run in runs if run]


def _known(table: LogTable, choice: Choice, row: int) -> set[str]:
    return {name for name in choice.figures if np.isfinite(table.columns[name][row]) or table.broken[name][row]}


def _repeats(table: LogTable, choice: Choice, run: Sequence[int], row: int) -> bool:
    """Tell a new run from the other half of this one, below it in the file: all training rows, then all others."""
    mine = _known(table, choice, row)
    return not mine or any(mine & _known(table, choice, other) for other in run)


def _replaces(table: LogTable, choice: Choice, row: int, older: int, at: float) -> bool:
    counter = choice.epoch
    return bool(
        counter is not None
        and table.columns[counter][older] >= at
        and _known(table, choice, row) & _known(table, choice, older)
    )


def _curves(table: LogTable, choice: Choice, rows: NDArray[np.intp], name: str, source: str) -> LogCurves | None:
    train, train_broken = _loss(table, choice.train, choice.use, rows)
    val, val_broken = _loss(table, choice.val, choice.use, rows)
    place, by_steps, how = _places(table, choice, rows, train, val)
    figured = _measured(train, train_broken) | _measured(val, val_broken)
    points = np.unique(place[(place >= 0) & figured])
    if not len(points):
        return None

    def at_points(values: Curve | None) -> Curve | None:
        return None if values is None else _averaged(values, place, points)

    losses = {"train_loss": at_points(train), "val_loss": at_points(val)}
    broken = {"train_loss": _any(train_broken, place, points), "val_loss": _any(val_broken, place, points)}
    _break_ends(losses, broken)
    epoch, how_counted = _counted_from_one(points.astype(float), losses["train_loss"])
    measured = [values for values in losses.values() if values is not None]
    return LogCurves(
        epoch=epoch,
        train_loss=losses["train_loss"],
        val_loss=losses["val_loss"],
        train_score=at_points(_score(table, choice.train_score, rows)),
        val_score=at_points(_score(table, choice.val_score, rows)),
        learning_rate=at_points(None if choice.rate is None else table.columns[choice.rate][rows]),
        rounded=_is_rounded(measured),
        source=f"{source}, {name}" if name else source,
        name=name,
        notes=(*choice.notes, *table.notes, *how, *how_counted),
        by_steps=by_steps,
    )


def _loss(
    table: LogTable, names: tuple[str, ...], use: str, rows: NDArray[np.intp]
) -> tuple[Curve | None, Mask | None]:
    """Return the loss of each row: lower is better."""
    if not names:
        return None, None
    values = np.sum([table.columns[name][rows] for name in names], axis=0)
    broken = np.any([table.broken[name][rows] for name in names], axis=0)
    if use == "share":
        return 1 - _as_share(values), broken
    if use == "negative":
        return -values, broken
    if use == "log" and np.nanmin(values, initial=np.inf) > 0:
        return np.log(values), broken
    return values, broken


def _score(table: LogTable, name: str | None, rows: NDArray[np.intp]) -> Curve | None:
    return None if name is None else _as_share(table.columns[name][rows])


def _as_share(values: Curve) -> Curve:
    """Divide what is in percent by 100."""
    top = np.nanmax(values, initial=-np.inf)
    return values / 100 if 1.5 < top <= 100 else values


def _places(
    table: LogTable, choice: Choice, rows: NDArray[np.intp], train: Curve | None, val: Curve | None
) -> tuple[NDArray[np.intp], bool, tuple[str, ...]]:
    """Find the point of the curves that each row belongs to (-1: none), and whether these are not epochs."""
    number = np.arange(1.0, len(rows) + 1)
    epoch = None if choice.epoch is None else _filled(table.columns[choice.epoch][rows])
    step = number if choice.step is None else _filled(table.columns[choice.step][rows])
    if epoch is not None and np.isfinite(epoch).any():
        whole = np.ceil(np.nan_to_num(epoch, nan=-1.0) - 1e-6)
        tested = None if val is None else np.isfinite(val)
        n_epochs = len(np.unique(whole if tested is None else whole[tested]))
        n_tests = 0 if tested is None else len(np.unique(step[tested]))
        if n_epochs >= MIN_POINTS or n_tests < MIN_POINTS or n_tests <= n_epochs:
            if train is not None and (epoch[np.isfinite(epoch)] % 1 != 0).any():
                whole[(whole == 0) & np.isfinite(train)] = 1  # an epoch of 0.05 belongs to the first
            return whole.astype(np.intp), False, ()
        step = step if choice.step is not None else epoch
    if train is not None and val is not None and not (np.isfinite(train) & np.isfinite(val)).any():
        together = _in_turn(train, val)
        if together is not None and choice.step is None:
            return together, False, ("rows were counted as epochs: the log names none",)
    unit = "row" if choice.step is None else "step"
    return _pieces(step, val, unit)


def _filled(values: Curve) -> Curve:
    """Fill blanks with the value above, the first ones with the value below."""
    known = np.flatnonzero(np.isfinite(values))
    if not len(known):
        return values
    last = np.maximum.accumulate(np.where(np.isfinite(values), np.arange(len(values)), known[0]))
    return values[last]


def _in_turn(train: Curve, val: Curve) -> NDArray[np.intp] | None:
    """Pair the rows of training and validation when they take turns and nothing counts them."""
    is_train, is_val = np.isfinite(train), np.isfinite(val)
    if is_train.sum() != is_val.sum():
        return None
    place = np.full(len(train), -1)
    place[is_train] = np.arange(1, is_train.sum() + 1)
    place[is_val] = np.arange(1, is_val.sum() + 1)
    return place


def _pieces(step: Curve, val: Curve | None, unit: str) -> tuple[NDArray[np.intp], bool, tuple[str, ...]]:
    """Cut a log by steps: after each validation, or into equal pieces where there are too many or none."""
    ends = np.unique(step[np.isfinite(step)] if val is None else step[np.isfinite(step) & np.isfinite(val)])
    if not len(ends):
        ends = np.unique(step[np.isfinite(step)])
    if not len(ends):
        return np.arange(1, len(step) + 1), True, ("rows were counted as epochs: nothing else counts them",)
    note = f"the log has no epochs: a point was made of each {unit} with a measurement"
    if len(ends) > MAX_POINTS:
        low, high = min(ends[0], 0.0), ends[-1]
        width = (high - low) / MAX_POINTS
        note = f"the log has no epochs: {len(ends)} {unit}s were averaged in {MAX_POINTS} pieces"
        ends = low + width * np.arange(1, MAX_POINTS + 1)
    place = np.searchsorted(ends, step - 1e-9 * max(abs(ends[-1]), 1.0)) + 1
    place[(place > len(ends)) | ~np.isfinite(step)] = -1
    if val is not None and ends[0] <= 0:
        place[place > 0] -= 1  # measured before the first step
    return place, True, (note,)


def _measured(values: Curve | None, broken: Mask | None) -> Mask:
    if values is None or broken is None:
        return np.zeros(1, dtype=bool)
    known: Mask = np.isfinite(values) | broken
    return known


def _averaged(values: Curve, place: NDArray[np.intp], points: NDArray[np.intp]) -> Curve:
    known = np.isfinite(values) & np.isin(place, points)
    at = np.searchsorted(points, place[known])
    counts = np.bincount(at, minlength=len(points))
    sums = np.bincount(at, weights=values[known], minlength=len(points))
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def _any(broken: Mask | None, place: NDArray[np.intp], points: NDArray[np.intp]) -> Mask:
    found = np.zeros(len(points), dtype=bool)
    if broken is not None:
        found[np.searchsorted(points, place[broken & np.isin(place, points)])] = True
    return found


def _break_ends(losses: dict[str, Curve | None], broken: Mapping[str, Mask]) -> None:
    """Make a loss infinite from where all that is logged is nan to the end; nan elsewhere is a missing value."""
    there = {name: values for name, values in losses.items() if values is not None}
    gone = [broken[name] & ~np.isfinite(values) for name, values in there.items()]
    known = np.any([np.isfinite(values) for values in there.values()], axis=0)
    first = int(np.flatnonzero(known)[-1]) + 1 if known.any() else 0
    if not all(mask[first:].any() for mask in gone):
        return
    for (name, values), mask in zip(there.items(), gone, strict=True):
        losses[name] = np.where(mask & (np.arange(len(values)) >= first), np.inf, values)


def _counted_from_one(points: Curve, train: Curve | None) -> tuple[Curve, tuple[str, ...]]:
    """Count from 1 what counts its first epoch as 0: before training there is no training loss."""
    if points[0] == 0 and (train is None or np.isfinite(train[0]) or np.isinf(train[0])):
        return points + 1, ("the log counts its first epoch as 0; here it is epoch 1",)
    return points, ()


def _is_rounded(losses: Sequence[Curve]) -> bool:
    """Tell whether the losses have at most five digits."""
    values = np.concatenate([loss[np.isfinite(loss)] for loss in losses])
    return bool(len(values)) and all(float(f"{value:.5g}") == value for value in values.tolist())
