"""`judge_bare`: a verdict from two bare curves, by a scorecard that was learned on trainings of known truth.

With nothing but a training and a validation loss, no rule can measure how much there was to learn. A weighted sum of
statistics does better than rules then: a softmax over ten verdicts, whose weights lie in ``scorecard.json``.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import NDArray

from planefold.doctor.bare import one_curve, words
from planefold.doctor.bare.statistics import Pair, end_of, jitter, pair_of, promised_gain, rate_of, statistics
from planefold.doctor.bare.words import GOOD, TITLES, UNKNOWN
from planefold.doctor.case import Curves
from planefold.doctor.check import NotApplicableError
from planefold.doctor.extrapolation import mann_kendall
from planefold.doctor.finding import Finding

FARTHEST = 4.0  # deviations from the mean: beyond, a statistic counts as much as there
STATED = 0.9  # of the probability: curves of kinds that it was not fitted to are less certain than it takes them for
LEAST_RISING, RISE, STEADY = 6, 0.5, 3.0  # epochs, share of the fall, Mann and Kendall's z
MENTIONED = 0.25  # a finding below this probability is not told at all
_BEYOND = "two bare curves do not show it"


@dataclass(frozen=True, kw_only=True)
class BareVerdict:
    """What bare curves say.

    Parameters
    ----------
    verdict : str
        Code of the most probable verdict, ``"good_fit"``, or ``"unknown"`` where there is too little to judge.
    probabilities : mapping of str to float
        Of each verdict, calibrated; they add up to 1. Empty where nothing could be judged, or only by rules.
    findings : mapping of code to Finding
        The most probable finding: a warning when it is sure enough, else for information.
    not_applicable : mapping of code to str
        What cannot be said, and why.
    numbers : mapping of str to float
        What was measured on the curves.
    """

    verdict: str
    probabilities: Mapping[str, float] = field(default_factory=dict)
    findings: Mapping[str, Finding] = field(default_factory=dict)
    not_applicable: Mapping[str, str] = field(default_factory=dict)
    numbers: Mapping[str, float] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """The verdict in words: ``"overfit"``, ``"good fit"``, ``"unknown"``."""
        return TITLES[self.verdict]


def judge_bare(curves: Curves) -> BareVerdict:
    """Judge a training by its curves alone.

    Parameters
    ----------
    curves : Curves
        Training and validation loss; scores and the loss before training (epoch 0) are used where they are known.

    Returns
    -------
    BareVerdict

    Notes
    -----
    The scorecard computes the statistics of :mod:`planefold.doctor.bare.statistics`, standardises and weighs them, and
    takes a softmax. ``tools/fit_scorecard.py`` fits it to trainings whose truth was measured on fresh rows, each in
    several copies: rounded, with fewer epochs, with gaps. There is a sheet of weights for each kind of log: with and
    without the loss before training and the scores, and for scores alone. How right it is on populations that it was
    not fitted to stands in ``scorecard.json`` under ``"measured"``.

    With one curve, plain rules say what one curve can say, and never that all is well.

    Where the validation loss has turned and steadily climbs back by half of its fall, what looks like a gap is called
    an overfit. Confidences are nine tenths of the probabilities.

    Limits: small networks on small tables; a finding that is not sure is for information. A training loss that was
    printed while dropout was on lies above the validation loss of a healthy training.
    """
    try:
        pair = pair_of(curves)
    except NotApplicableError as why:
        return _of_one(curves, str(why))
    if pair.broken:
        found = words.broken(pair.broken_epoch, rate_of(curves))
        return BareVerdict(
            verdict="LC901", probabilities={"LC901": 1.0}, findings={"LC901": found}, not_applicable=_beyond()
        )
    figures = statistics(pair)
    name = sheet_name(figures, pair.of_scores)
    probabilities = _sheets()[name].probabilities(figures)
    if rises_steadily(pair) and probabilities["LC501"] > probabilities["LC101"]:  # then it is no mere gap
        probabilities["LC101"], probabilities["LC501"] = probabilities["LC501"], probabilities["LC101"]
    verdict = max(probabilities, key=probabilities.__getitem__)
    numbers = _numbers(pair)
    return BareVerdict(
        verdict=verdict,
        probabilities=probabilities,
        findings=_findings(probabilities, numbers, rate_of(curves), load()["sheets"][name]["alarm"]),
        not_applicable=_beyond(),
        numbers=numbers,
    )


def rises_steadily(pair: Pair) -> bool:
    """Tell whether the validation loss, once it has turned, climbs back by half of its fall or more, without doubt.

    Trainings that showed this without overfitting had a handful of held-out rows; a gap was hardly ever among them.
    """
    turning = int(np.argmin(pair.val))
    after, rise = pair.val[turning:], end_of(pair.val) - pair.val[turning]
    if pair.of_scores or len(after) < LEAST_RISING:
        return False
    far = rise > RISE * (pair.val[:2].max() - after[0]) and rise > 8 * jitter(pair.val)
    return bool(far and mann_kendall(after) > STEADY and end_of(pair.train) < pair.train[turning])


def _of_one(curves: Curves, why: str) -> BareVerdict:
    """Judge by rules when one of the curves is missing; say why not when both are too short."""
    found: dict[str, Finding] = {}
    if curves.train_loss is None or curves.val_loss is None:
        try:
            found = one_curve.judge(curves)
            why += "" if found else "; nothing is wrong with the other curve alone"
        except NotApplicableError as shorter:
            why = str(shorter)
    silent = {code: why for code in words.CODES if code not in found}
    return BareVerdict(verdict=next(iter(found), UNKNOWN), findings=found, not_applicable=silent | _beyond())


def _beyond() -> dict[str, str]:
    return dict.fromkeys(("LC102", "LC203", "LC401", "LC402", "LC902"), _BEYOND)


def _findings(
    probabilities: Mapping[str, float], numbers: Mapping[str, float], rate: float | None, alarm: Mapping[str, float]
) -> dict[str, Finding]:
    """Tell the most probable thing that is wrong: as a warning only when something is, by all odds."""
    sick = {code: p for code, p in probabilities.items() if code != GOOD}
    code = max(sick, key=sick.__getitem__)
    if sick[code] < MENTIONED:
        return {}
    sure = sick[code] >= alarm["finding"] and 1 - probabilities[GOOD] >= alarm["anything"]
    return {code: words.finding(code, numbers, rate, confidence=STATED * sick[code], sure=sure)}


def _numbers(pair: Pair) -> dict[str, float]:
    """Measure what the sentences of the findings, and the user, want to know."""
    train, val, turning = pair.train, pair.val, int(np.argmin(pair.val))
    return {
        "turning_epoch": float(pair.epoch[turning]),
        "rise": _share(end_of(val) - val[turning], val[turning]),
        "train_fall": _share(train[0] - end_of(train), train[0]),
        "val_fall": _share(val[0] - end_of(val), val[0]),
        "gap": _share(end_of(val) - end_of(train), end_of(train)),
        "below": float(np.mean(val < train)),
        "promised_gain": _share(promised_gain(val), end_of(val)),
        "noise": words.noise(pair),
        "epochs": float(pair.epoch[-1]),
    }


def _share(part: float, whole: float) -> float:
    """Divide by the size of the whole, up to a thousand times of it."""
    return float(np.clip(part / max(abs(whole), 1e-12), -1e3, 1e3))


# ---------------------------------------------------------------------------------------------------------- the sheets


def sheet_name(figures: Mapping[str, float], scores_alone: bool) -> str:
    """Name the sheet that these statistics are weighed by."""
    if scores_alone:
        return "scores"
    return "losses" + (" start" if "start_val" in figures else "") + (" scores" if "score_end" in figures else "")


@dataclass(frozen=True, kw_only=True, eq=False)
class Sheet:
    """Weights of statistics for each verdict: ``weights`` has the shape (n_verdicts, n_statistics)."""

    names: tuple[str, ...]
    mean: NDArray[np.float64]
    scale: NDArray[np.float64]
    weights: NDArray[np.float64]
    bias: NDArray[np.float64]
    verdicts: tuple[str, ...]

    def probabilities(self, figures: Mapping[str, float]) -> dict[str, float]:
        """Weigh the statistics of one pair of curves."""
        row = (np.array([figures[name] for name in self.names]) - self.mean) / self.scale
        logits = self.weights @ np.clip(row, -FARTHEST, FARTHEST) + self.bias
        shares = np.exp(logits - logits.max())
        return dict(zip(self.verdicts, (shares / shares.sum()).tolist(), strict=True))


@functools.cache
def load() -> dict[str, Any]:
    """Read the scorecard that ships with the package."""
    text = resources.files("planefold.doctor.bare").joinpath("scorecard.json").read_text(encoding="utf-8")
    card: dict[str, Any] = json.loads(text)
    return card


@functools.cache
def _sheets() -> dict[str, Sheet]:
    card = load()
    return {name: sheet_from(written, card["verdicts"]) for name, written in card["sheets"].items()}


def sheet_from(written: Mapping[str, Any], codes: list[str]) -> Sheet:
    """Make a sheet of what stands in the file."""
    arrays = {name: np.array(written[name], dtype=float) for name in ("mean", "scale", "weights", "bias")}
    return Sheet(names=tuple(written["statistics"]), verdicts=tuple(codes), **arrays)
