"""The checks of outputs, losses and rare classes (GR6, DA502). Each is one function of a case: a finding, or None."""

from __future__ import annotations

from typing import Any

import numpy as np

from planefold.doctor.case import Case
from planefold.doctor.check import NotApplicableError, check
from planefold.doctor.confidence import confidence
from planefold.doctor.figures import run_of
from planefold.doctor.finding import Action, Finding

# What steps, units and curves show of a training that cannot get on.
NOT_GETTING_ON = ("GR101", "GR102", "GR201", "GR202", "GR301", "GR401", "DA302",
                  "LC201", "LC202", "LC203", "LC301", "LC901")  # fmt: skip

OUTSIDE = 0.25  # share of the targets
PROBABILITIES = 0.9  # share of the rows
ROUNDING = -1e-5
RARE, MISSED, BEHIND, LEAST_ROWS = 0.25, 0.65, 0.25, 5
# Losses that cannot be negative whatever the outputs are.
POSITIVE = ("log_loss", "squared_error", "absolute_error", "huber")


def _fact(case: Case, name: str) -> Any:
    value = run_of(case).facts.get(name)
    if value is None:
        raise NotApplicableError(f"{name} is not known")
    return value


@check("GR601", "softmax twice", silences=NOT_GETTING_ON, source="torch.nn.CrossEntropyLoss: expects raw logits")
def check_softmax_twice(case: Case) -> Finding | None:
    """Report a cross-entropy that takes logits but is given probabilities: the softmax is then applied twice.

    Notes
    -----
    **Rule.** Of 90 % of the rows the inputs of the loss are not negative and sum to 1.

    **Fires on** a network that ends in ``nn.Softmax`` with ``nn.CrossEntropyLoss``.

    **Silent on** logits, which may sum to 1 by chance in single rows.

    **Limits.** Our estimators cannot do this; it is for training loops of one's own.
    """
    share = float(_fact(case, "sums_to_one"))
    if share < PROBABILITIES:
        return None
    return Finding(
        severity="error",
        what=f"the cross-entropy is given probabilities in {share:.0%} of the rows, and takes them for logits",
        why="A softmax of probabilities can hardly say anything with certainty, and its gradient fades.",
        advice=(Action(words="leave out the softmax (or sigmoid) before the loss"),),
        evidence={"sums_to_one": share},
        confidence=confidence("GR601", 3.0),
    )


@check("GR602", "targets outside the output's range", silences=NOT_GETTING_ON, source="UMLAUT, CHI 2021")
def check_output_range(case: Case) -> Finding | None:
    """Report an output whose activation cannot give the targets: a sigmoid for prices, relu for negative numbers.

    Notes
    -----
    **Rule.** More than a quarter of the targets lie outside of what the output can give.

    **Fires on** labels -1 and 1 with a sigmoid; a standardised target with relu at the output.

    **Silent on** a single target at or slightly beyond the limits.

    **Limits.** Our estimators choose the output by the loss, and cannot do this; it is for training loops of one's own.
    """
    share = float(_fact(case, "targets_outside"))
    if share <= OUTSIDE:
        return None
    return Finding(
        severity="error",
        what=f"{share:.0%} of the targets lie outside of what the output can give",
        why="Whatever the network learns, it cannot say these numbers.",
        advice=(
            Action(
                words="no activation at the output, or targets brought into its range (labels 0 and 1, not -1 and 1)"
            ),
        ),
        evidence={"targets_outside": share},
        confidence=confidence("GR602", share / OUTSIDE),
    )


@check(
    "GR603",
    "negative loss",
    silences=(*NOT_GETTING_ON, "GR602"),
    source="Goodfellow, Bengio and Courville, Deep Learning, 2016, section 6.2",
)
def check_negative_loss(case: Case) -> Finding | None:
    """Report a loss below zero where it cannot be: then the labels, the sign or the pair of output and loss is wrong.

    Notes
    -----
    **Rule.** The lowest loss of a row is below -1e-5, with a cross-entropy, squared, absolute or Huber loss (an
    error), or with any loss of one's own where the targets are classes, whose likelihood is at most 1 (a warning).

    **Fires on** a binary cross-entropy with labels -1 and 1; a forgotten or a surplus minus.

    **Silent on** likelihoods of densities, cosine similarities and other losses of one's own for numbers, which may be
    negative.

    **Limits.** Goes by the name of the loss and the kind of the targets.
    """
    lowest = float(_fact(case, "lowest_loss"))
    run = run_of(case)
    is_known = any(word in run.objective for word in POSITIVE)
    if not is_known and "class_counts" not in run.facts:
        raise NotApplicableError(f"whether {run.objective or 'the loss'} may be negative is not known")
    if not lowest < ROUNDING:
        return None
    name = run.objective if is_known else "a loss of classes"
    return Finding(
        severity="error" if is_known else "warning",
        what=f"the loss of a row is {max(lowest, -1e30):.3g}, and {name} cannot be negative",
        why="Training lowers it without end, away from the targets.",
        advice=(Action(words="labels 0 and 1 (or whole numbers of classes), and the loss with its proper sign"),),
        evidence={"lowest_loss": max(lowest, -1e30)},
        confidence=confidence("GR603", 3.0 if is_known else 1.5),
    )


@check("DA502", "rare class missed", silences=("DA501",), source="He and Garcia, Learning from Imbalanced Data, 2009")
def check_rare_class_missed(case: Case) -> Finding | None:
    """Report a rare class that the network hardly ever finds, while it finds others.

    Notes
    -----
    **Rule.** A class has less than a quarter of its even share of the rows (below 12.5 % of two classes), at least 5
    held-out rows, and less than 65 % of these are found, 25 points less than of the class that is found best.

    **Fires on** 2 % of frauds of which one in three is found.

    **Silent on** rare classes that are found: imbalance alone does no harm.

    **Limits.** From few held-out rows the share that is found is known roughly. Classes that overlap cannot both be
    found. With a ``threshold`` of its own a model decides otherwise than by the largest probability, which is what was
    recorded: then nothing is said.
    """
    if case.settings.get("threshold") is not None:
        raise NotApplicableError("decisions with a threshold of their own were not recorded")
    counts = np.asarray(_fact(case, "class_counts"), dtype=float)
    recall = np.asarray(_fact(case, "class_recall"), dtype=float)
    support = np.asarray(_fact(case, "class_support"), dtype=float)
    if len(counts) != len(recall) or len(counts) < 2 or not (support >= LEAST_ROWS).any():
        raise NotApplicableError("too few rows of each class were held out")
    best = float(np.nanmax(recall[support >= LEAST_ROWS]))
    shares = counts / counts.sum()
    missed = (shares < RARE / len(counts)) & (support >= LEAST_ROWS) & (recall < MISSED) & (recall < best - BEHIND)
    if not missed.any():
        return None
    place = int(np.argmin(np.where(missed, recall, np.inf)))
    return Finding(
        severity="warning",
        what=f"of a class that has {shares[place]:.1%} of the rows, {recall[place]:.0%} of {support[place]:.0f} "
        f"held-out rows are found, of another class {best:.0%}",
        why="A loss that is a mean over the rows is hardly touched by a class this rare.",
        advice=_for_the_rare(case, len(counts)),
        evidence={"recall": float(recall[place]), "share": float(shares[place]), "best": best},
        confidence=confidence("DA502", (best - float(recall[place])) / BEHIND),
        where=f"class {place}",
    )


def _for_the_rare(case: Case, n_classes: int) -> tuple[Action, ...]:
    """What lets a rare class count, the most promising first; nothing that is already done."""
    settings = case.settings
    actions = []
    if settings.get("class_weight") is None and settings.get("resample") is None:
        actions.append(
            Action(words="class_weight that makes the classes count alike", parameters={"class_weight": "balanced"})
        )
        actions.append(
            Action(words="resample, which makes up rows of the rare class", parameters={"resample": "smote"})
        )
    if n_classes == 2 and settings.get("early_stopping", True):
        actions.append(Action(words="a threshold that is tuned on the held-out rows", parameters={"threshold": "f1"}))
    return (*actions, Action(words="more rows of this class"))
