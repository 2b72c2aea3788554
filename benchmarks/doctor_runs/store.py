"""Make labelled runs and keep them: one line and one small file a run, so that a job that was killed goes on."""

from __future__ import annotations

import contextlib
import gzip
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from doctor_runs.populations import names_of
from doctor_runs.recipes import Recipe, draw_recipe
from doctor_runs.trials import estimator_of, fit, known_population, rows_of
from doctor_runs.truth import flags_of, label_of, measure, oracle_loss
from planefold.core.errors import TrainingError
from planefold.engine.run import Run


@dataclass(frozen=True, kw_only=True)
class LabelledRun:
    """A stored run with its truth.

    Parameters
    ----------
    name : str
        Population and number.
    population : str
    recipe : Recipe
    label : str or None
        None where the truth is mixed or near a border.
    flags : dict of str
        ``"yes"``, ``"no"`` or ``"borderline"``.
    truth : dict
        As in :class:`doctor_runs.truth.Truth`.
    fresh, train : list of float
        Population and training loss after each epoch.
    run : Run
        What the engine recorded, in a training that nobody watched.
    """

    name: str
    population: str
    recipe: Recipe
    label: str | None
    flags: dict[str, str]
    truth: dict[str, Any]
    fresh: list[float]
    train: list[float]
    run: Run


def make(folder: Path, half: str, n_runs: int, *, report: Any = print) -> None:
    """Make runs until there are ``n_runs``, population by population in turn; those that are there stay.

    A training that ends in an error is kept as a line without a run: its user reads the error.
    """
    folder = folder / half
    (folder / "runs").mkdir(parents=True, exist_ok=True)
    lines = folder / "runs.jsonl"
    _mend(lines)
    done = {json.loads(line)["name"] for line in lines_of(lines)}
    oracles = _Oracles(folder / "oracles.json")
    names = names_of(half)
    for index in range(n_runs):
        family, seed = names[index % len(names)]
        name = f"{family}-{seed}-{index // len(names):02d}"
        if name in done:
            continue
        started = time.process_time()
        line = _make_one(folder, name, family, seed, index // len(names), oracles)
        line["seconds"] = round(time.process_time() - started, 2)
        with lines.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        report(f"{index + 1}/{n_runs} {name} {line['recipe']['intent']}: {line['label']} ({line['seconds']} s)")


def _make_one(folder: Path, name: str, family: str, seed: int, number: int, oracles: _Oracles) -> dict[str, Any]:
    source = known_population(family, seed)
    recipe = draw_recipe(source, number)
    line: dict[str, Any] = {"name": name, "population": source.name, "label": None, "recipe": recipe.to_json()}
    try:
        rows = rows_of(recipe)
        model = fit(estimator_of(recipe), rows)
        truth, seen = measure(recipe, model, rows, oracles.of(family, seed))
    except (TrainingError, ValueError) as error:
        return line | {"error": f"{type(error).__name__}: {error}"}
    flags = flags_of(truth)
    _write(folder, name, model.run_)
    return line | {
        "label": label_of(truth, flags),
        "flags": flags,
        "truth": truth.to_json(),
        "fresh": _short(seen.fresh),
        "train": _short(seen.train),
    }


def record_again(folder: Path, half: str, *, report: Any = print) -> None:
    """Train every stored run once more, for what the engine records by now; its truth stays as it was measured."""
    for known in load(folder, half):
        run = fit(estimator_of(known.recipe), rows_of(known.recipe)).run_
        before, now = (r["val_loss"][-1] for r in (known.run, run))
        same = bool(np.isclose(before, now, rtol=1e-3, equal_nan=True)) and run.n_epochs == known.run.n_epochs
        if same:
            _write(folder / half, known.name, run)
        report(f"{known.name}: {'recorded' if same else 'another training by now, left as it was'}")


def _write(folder: Path, name: str, run: Run) -> None:
    with gzip.open(folder / "runs" / f"{name}.jsonl.gz", "wt", encoding="utf-8") as file:
        file.writelines(text + "\n" for text in run.to_lines())


def _short(values: list[float]) -> list[float | None]:
    return [float(f"{value:.6g}") if np.isfinite(value) else None for value in values]


class _Oracles:
    """Losses of the oracles, one a population, kept in a file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.losses: dict[str, float] = json.loads(path.read_text()) if path.exists() else {}

    def of(self, family: str, seed: int) -> float:
        """Return it, found out when it is first asked for."""
        source = known_population(family, seed)
        if source.name not in self.losses:
            self.losses[source.name] = oracle_loss(source)
            self.path.write_text(json.dumps(self.losses, indent=1))
        return self.losses[source.name]


def _mend(lines: Path) -> None:
    """Take off half a line that a killed job has left."""
    if lines.exists():
        text = lines.read_text(encoding="utf-8")
        if not text.endswith("\n"):
            lines.write_text(text[: text.rfind("\n") + 1], encoding="utf-8")


def lines_of(path: Path) -> list[str]:
    """Return the lines of a file; none where there is no file yet."""
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


def load(folder: Path, half: str) -> Iterator[LabelledRun]:
    """Read the runs of a half, without those that ended in an error."""
    for text in lines_of(folder / half / "runs.jsonl"):
        with contextlib.suppress(json.JSONDecodeError):  # the job that makes them may be writing its last line
            line = json.loads(text)
            if "error" not in line:
                yield _read(folder / half, line)


def _read(folder: Path, line: dict[str, Any]) -> LabelledRun:
    with gzip.open(folder / "runs" / f"{line['name']}.jsonl.gz", "rt", encoding="utf-8") as file:
        run = Run.from_lines(file)
    nan = float("nan")
    return LabelledRun(
        name=line["name"],
        population=line["population"],
        recipe=Recipe(**line["recipe"]),
        label=line["label"],
        flags=line["flags"],
        truth={k: nan if v is None else v for k, v in line["truth"].items()},
        fresh=[nan if v is None else v for v in line["fresh"]],
        train=[nan if v is None else v for v in line["train"]],
        run=run,
    )
