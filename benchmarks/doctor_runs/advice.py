"""Follow the doctor's first advice: train again on the same rows, and measure on fresh ones what the user has then."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from doctor_runs.cases import KnownCase
from doctor_runs.recipes import Recipe
from doctor_runs.scoring import Answer
from doctor_runs.store import lines_of
from doctor_runs.trials import estimator_of, fit, fresh_rows, rows_of
from doctor_runs.truth import ensemble_loss
from planefold.core.errors import PlanefoldError
from planefold.doctor.finding import Finding
from planefold.estimators.advice import advice_in

WORTH_IT = 0.02  # of the learnable range
# Of these a parameter is the remedy; of the others more, or other, rows are.
CURABLE = ("diverged", "oscillating", "underfit_flat", "underfit_improving", "underfit_capacity", "overfit")


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What following the advice did to one sick run.

    Parameters
    ----------
    name, label : str
    code : str
        The finding whose advice was followed; ``""`` where nothing was wrong for the doctor.
    parameters : dict
        Empty where no parameter does what is advised.
    gain : float or None
        Fall of the population loss of what the user has, as a share of the learnable range; minus infinity where the
        training failed, None where nothing was followed.
    gain_on_best : float or None
        The same against the sick run's best epoch, which the user could have had by luck.
    """

    name: str
    label: str
    code: str
    parameters: dict[str, Any]
    gain: float | None
    gain_on_best: float | None = None

    @property
    def outcome(self) -> str:
        """``"improved"``, ``"same"``, ``"worse"``, ``"no parameter"`` or ``"not found"``."""
        if not self.code:
            return "not found"
        if self.gain is None:
            return "no parameter"
        return "improved" if self.gain > WORTH_IT else "worse" if self.gain < -WORTH_IT else "same"


def follow(answers: Iterable[Answer], folder: Path, *, report: Any = None) -> list[Trial]:
    """Follow the advice on every sick run; what was tried before with the same parameters is not trained again."""
    path = folder / "advice.jsonl"
    done = {line["key"]: line["losses"] for line in map(json.loads, lines_of(path))}
    trials = []
    for answer in answers:
        known = answer.known
        if known.label in (None, "good_fit"):
            continue
        code, parameters = advised(known, answer)
        gains: tuple[float | None, float | None] = (None, None)
        if parameters:
            text = json.dumps([known.run.name, parameters], sort_keys=True, default=repr)
            key = hashlib.sha256(text.encode()).hexdigest()
            if key not in done:
                done[key] = losses_of(known, parameters)
                with path.open("a", encoding="utf-8") as file:
                    file.write(json.dumps({"key": key, "losses": done[key]}) + "\n")
            gains = gains_of(known.truth, *done[key])
        trials.append(
            Trial(
                name=known.run.name,
                label=str(known.label),
                code=code,
                parameters=parameters,
                gain=gains[0],
                gain_on_best=gains[1],
            )
        )
        if report is not None:
            told = "" if gains[0] is None else f"{gains[0]:.2f} R"
            report(f"{known.run.name} {known.label}: {code} {parameters} {trials[-1].outcome} {told}")
    return trials


def advised(known: KnownCase, answer: Answer) -> tuple[str, dict[str, Any]]:
    """Return the finding whose advice the estimator can follow, and the parameters; info is no call for action."""
    warnings: list[Finding] = [f for f in answer.diagnosis.findings if f.severity != "info"]
    if not warnings:
        return "", {}
    finding, action = advice_in(estimator_of(known.run.recipe), warnings)
    if finding is None or action is None:
        return warnings[0].code, {}
    return finding.code, dict(action.parameters)


def losses_of(known: KnownCase, parameters: Mapping[str, Any]) -> tuple[float, float]:
    """Return the population losses that the user has before, and after training as advised."""
    recipe = known.run.recipe
    # The loss of one network is known; that of several was measured member by member.
    before = known.truth["fresh_end"] if known.run.run.n_members == 1 else _loss(recipe, {})
    try:
        return before, _loss(recipe, parameters)
    except PlanefoldError:
        return before, math.inf


def gains_of(truth: Mapping[str, float], before: float, after: float) -> tuple[float, float]:
    """Return the gain as a share of the learnable range, against the end and against the best epoch."""
    if not math.isfinite(after):
        return -math.inf, -math.inf
    return (before - after) / truth["R"] if math.isfinite(before) else math.inf, (truth["fresh_best"] - after) / truth[
        "R"
    ]


def _loss(recipe: Recipe, parameters: Mapping[str, Any]) -> float:
    """Population loss of what the user has after a training."""
    X, y = fresh_rows(recipe.family, recipe.seed)
    if recipe.no_signal:
        y = np.random.default_rng(0).permutation(y)
    model = fit(estimator_of(recipe, **parameters), rows_of(recipe))
    return ensemble_loss(model, X, y)


def summary(trials: Iterable[Trial]) -> dict[str, dict[str, Any]]:
    """Count outcomes for each label, and for all labels that a parameter can cure."""
    table: dict[str, list[Trial]] = {}
    for trial in trials:
        table.setdefault(trial.label, []).append(trial)
    table["all of these"] = [trial for label in CURABLE for trial in table.get(label, [])]
    return {name: _counts(group) for name, group in table.items()}


def _counts(group: list[Trial]) -> dict[str, Any]:
    gains = [trial.gain for trial in group if trial.gain is not None]
    on_best = [trial.gain_on_best for trial in group if trial.gain_on_best is not None]
    counts = dict.fromkeys(("improved", "same", "worse", "no parameter", "not found"), 0)
    for trial in group:
        counts[trial.outcome] += 1
    tried = counts["improved"] + counts["same"] + counts["worse"]
    return {
        "n": len(group),
        **counts,
        "improved share": counts["improved"] / tried if tried else math.nan,
        "worse share": counts["worse"] / tried if tried else math.nan,
        "median gain": float(np.median(gains)) if gains else math.nan,
        "improved on the best epoch": float(np.mean(np.array(on_best) > WORTH_IT)) if on_best else math.nan,
    }


def to_json(trials: Iterable[Trial]) -> list[dict[str, Any]]:
    """Return the trials as JSON data."""
    return [asdict(trial) | {"outcome": trial.outcome, "parameters": repr(trial.parameters)} for trial in trials]
