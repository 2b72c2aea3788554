"""The findings of bare curves in words: what was seen, with its numbers, and what to try."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from planefold.doctor.bare.statistics import Pair, jitter
from planefold.doctor.case import Curve
from planefold.doctor.finding import Action, Finding

GOOD, UNKNOWN = "good_fit", "unknown"
TITLES = {
    "LC901": "diverged",
    "LC701": "oscillating",
    "LC201": "hardly learned",
    "LC101": "overfit",
    "LC602": "validation easier",
    "LC601": "validation too small",
    "LC301": "still improving",
    "LC202": "too small",
    "LC501": "gap",
    GOOD: "good fit",
    UNKNOWN: "unknown",
}
CODES = tuple(code for code in TITLES if code.startswith("LC"))
SOURCE = "a scorecard learned on trainings of known truth"

Numbers = Mapping[str, float]
Told = tuple[str, str, tuple[Action, ...]]


def noise(pair: Pair) -> float:
    """Return by how much the noisier curve differs from its neighbours in the last half, as a share of its level."""
    return max(level_noise(pair.train), level_noise(pair.val))


def level_noise(values: Curve) -> float:
    """Return the noise of the last half of a curve as a share of its level."""
    half = values[len(values) // 2 :] if len(values) >= 8 else values
    return min(jitter(half) / max(abs(float(np.median(half))), 1e-12), 1e3)


def finding(code: str, numbers: Numbers, rate: float | None, *, confidence: float, sure: bool) -> Finding:
    """Write a finding down; what is not sure is for information."""
    write, names = _WORDS[code]
    what, why, advice = write(numbers, rate)
    evidence = {name: numbers[name] for name in names}
    return told(code, what if sure else f"it may be that {what}", why, advice, evidence, confidence, sure=sure)


def told(
    code: str, what: str, why: str, advice: tuple[Action, ...], evidence: Numbers, confidence: float, *, sure: bool
) -> Finding:
    """Return a finding with its code and title."""
    return Finding(
        code=code,
        title=TITLES[code],
        severity="warning" if sure else "info",
        what=what,
        why=why,
        advice=advice,
        evidence=dict(evidence),
        confidence=min(confidence, 0.995),
        source=SOURCE,
    )


def broken(epoch: float, rate: float | None) -> Finding:
    """Tell of a loss that became infinite or not a number."""
    return Finding(
        code="LC901",
        title=TITLES["LC901"],
        severity="error",
        what=f"the loss became infinite or not a number in epoch {epoch:g}",
        why="The steps were so long that each made things worse.",
        advice=slower(rate),
        evidence={"epoch": epoch},
        source="the log itself",
    )


def at_rate(rate: float | None, factor: float) -> dict[str, Any]:
    """Return the learning rate to try, where the log says which one was used."""
    return {} if rate is None else {"learning_rate_init": float(f"{factor * rate:.3g}")}


def slower(rate: float | None) -> tuple[Action, ...]:
    """Advise what keeps a loss finite."""
    return (
        Action(words="a learning rate ten times lower", parameters=at_rate(rate, 0.1)),
        Action(words="inputs, and a numeric target, on one scale", parameters={"preprocess": "auto"}),
        Action(words="clip the gradient", parameters={"clip_norm": 1.0}),
    )


def calmer(rate: float | None) -> tuple[Action, ...]:
    """Advise what stops a loss from jumping."""
    return (
        Action(words="a learning rate five to ten times lower", parameters=at_rate(rate, 0.15)),
        Action(words="a learning rate that decays", parameters={"learning_rate": "cosine"}),
        Action(words="batches of four times the rows"),
    )


def bolder(rate: float | None) -> tuple[Action, ...]:
    """Advise what to try where hardly anything was learned."""
    return (
        Action(words="a learning rate three to ten times higher, if it is low", parameters=at_rate(rate, 5.0)),
        Action(words="see whether gradient boosting does better on the same rows; if not, other columns"),
    )


def longer(epochs: float, rate: float | None) -> tuple[Action, ...]:
    """Advise to go on."""
    return (
        Action(words="three times the epochs", parameters={"max_iter": 3 * max(int(epochs), 1)}),
        Action(words="a learning rate three times higher", parameters=at_rate(rate, 3.0)),
    )


def _diverged(numbers: Numbers, rate: float | None) -> Told:
    rose = -numbers["train_fall"]
    what = (
        f"the training loss ends {rose:.0%} above where it began"
        if rose > 0.02
        else (f"training made it worse: the validation loss ends {numbers['rise']:.0%} above its lowest value")
    )
    return what, "The steps were so long that each made things worse.", slower(rate)


def _oscillating(numbers: Numbers, rate: float | None) -> Told:
    what = f"the loss jumps by {numbers['noise']:.0%} of its level from one epoch to the next"
    return what, "Steps that are too long leap over the minimum again and again.", calmer(rate)


def _hardly(numbers: Numbers, rate: float | None) -> Told:
    what = f"the training loss fell by {max(numbers['train_fall'], 0):.0%} in all, and hardly anything was learned"
    return what, "Either the inputs say little about the target, or the training could not find it.", bolder(rate)


def _improving(numbers: Numbers, rate: float | None) -> Told:
    what = (
        f"the loss was still falling at the end: as many epochs more would remove roughly "
        f"{numbers['promised_gain']:.0%} of it"
        if numbers["promised_gain"] >= 0.01
        else "the loss was still falling at the end"
    )
    return what, "The training ended before it was done.", longer(numbers["epochs"], rate)


def _too_small(numbers: Numbers, rate: float | None) -> Told:
    what = (
        f"both losses level off after a fall of {max(numbers['train_fall'], 0):.0%}, with {abs(numbers['gap']):.0%} "
        "between them: the network is too small, or held back"
    )
    advice = (
        Action(
            words="wider layers, without dropout and penalties",
            parameters={"hidden_layer_sizes": (256, 256), "alpha": 0.0, "dropout": 0.0},
        ),
        Action(words="see whether gradient boosting does better on the same rows; if not, it is the noise"),
    )
    return what, "A network that cannot follow its own training rows follows no others.", advice


def _overfit(numbers: Numbers, rate: float | None) -> Told:
    what = (
        f"the validation loss rose {numbers['rise']:.0%} after epoch {numbers['turning_epoch']:g}, "
        "while the training loss fell"
    )
    advice = (
        Action(
            words=f"keep the weights of epoch {numbers['turning_epoch']:g}",
            parameters={"early_stopping": True, "restore_best": True},
        ),
        Action(words="more rows, or more dropout or weight decay", parameters={"dropout": 0.3}),
    )
    return what, "From there on the network learned the training rows by heart.", advice


def _gap(numbers: Numbers, rate: float | None) -> Told:
    what = f"the validation loss stays {numbers['gap']:.0%} above the training loss"
    advice = (
        Action(words="more dropout or weight decay", parameters={"dropout": 0.3}),
        Action(words="more and more varied training rows"),
        Action(words="see whether both parts come from the same source"),
    )
    return what, "The training rows do not tell the whole story.", advice


def _too_few(numbers: Numbers, rate: float | None) -> Told:
    what = "the validation loss goes its own way: its rows seem too few to judge by"
    advice = (Action(words="more validation rows, or cross-validation"),)
    return what, "What is measured on few rows is mostly luck, and so is the choice of the best epoch.", advice


def _easier(numbers: Numbers, rate: float | None) -> Told:
    what = f"the validation loss lies below the training loss in {numbers['below']:.0%} of the epochs"
    advice = (
        Action(words="measure the training loss again with dropout off: if the gap closes, nothing is wrong"),
        Action(words="split again at random; look for duplicates, filters and order in time"),
    )
    return what, "Validation rows that are easier than the rest promise too much.", advice


# What is said of each, and which numbers it rests on.
_WORDS: dict[str, tuple[Callable[[Numbers, float | None], Told], tuple[str, ...]]] = {
    "LC901": (_diverged, ("train_fall", "rise")),
    "LC701": (_oscillating, ("noise",)),
    "LC201": (_hardly, ("train_fall", "val_fall")),
    "LC301": (_improving, ("promised_gain", "epochs")),
    "LC202": (_too_small, ("train_fall", "gap")),
    "LC101": (_overfit, ("turning_epoch", "rise", "train_fall")),
    "LC501": (_gap, ("gap",)),
    "LC601": (_too_few, ("noise", "gap")),
    "LC602": (_easier, ("below", "gap")),
}
