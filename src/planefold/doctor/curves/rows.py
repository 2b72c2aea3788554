"""What the rows do to the curves: LC501, LC601, LC602."""

from __future__ import annotations

import math

from planefold.doctor.case import Case
from planefold.doctor.check import NotApplicableError, check
from planefold.doctor.confidence import confidence
from planefold.doctor.curves.advice import keep_best, regularise
from planefold.doctor.curves.rules import (
    easier_strength,
    gap_strength,
    measures_of,
    memorises,
    noise_strength,
    ratio,
    share,
)
from planefold.doctor.finding import Action, Finding
from planefold.doctor.measures import SETTLED

WANTED = 0.03  # standard error of a validation loss that is good enough, share of the learnable range
SHIFT, SHIFT_Z = 0.55, 3.5  # area under the curve of a forest that tells training from held-out rows
LARGEST_FRACTION = 0.4


@check(
    "LC501",
    "gap",
    silences=("LC202", "LC203", "LC402", "LC601"),
    source='Viering and Loog, "The Shape of Learning Curves", 2023',
)
def check_gap(case: Case) -> Finding | None:
    """Report training rows that do not tell the whole story: held-out rows are predicted much worse.

    Notes
    -----
    **Rule.** At the end the validation loss lies more than 20 % of the learnable range, and four standard errors, above
    the loss of the training rows with dropout off, and more than more training promises to gain. No rise: that would
    be LC101.

    **Fires on** 60 training rows: 0.05 on them and 0.6 on others, both flat.

    **Silent on** the small gap that every network has, and on a gap that few held-out rows make.

    **Limits.** Whether the held-out rows come from another source is told from the columns alone (a forest that tells
    them from training rows), where a reference was asked for.

    References
    ----------
    Viering and Loog, "The Shape of Learning Curves: A Review", 2023.
    """
    measures = measures_of(case, val=True)
    if measures.gap is None or measures.gap_se is None:
        raise NotApplicableError("the training loss and the standard errors of the losses are not known")
    strength = gap_strength(measures)
    if strength < 1 or memorises(measures, case):
        return None
    n_train = case.curves.n_train if case.curves is not None else None
    rows = f"{n_train:,} rows" if n_train else "the training rows"
    gap = share(measures, "gap")
    return Finding(
        severity="warning",
        what=f"the loss is {gap:.0%} of what can be learned higher on held-out rows than on training rows",
        why=f"What holds for {rows} does not hold for others. {_source_of_shift(case)}".strip(),
        advice=(*_back(case), *regularise(case.settings), Action(words="more rows, and more different ones")),
        evidence={"gap": measures.gap, "gap_se": measures.gap_se, "gap_share": gap},
        confidence=confidence("LC501", strength),
    )


def _back(case: Case) -> tuple[Action, ...]:
    """Advise to keep the best epoch, where the last one is worse, though not enough to call it overfitted."""
    is_kept = case.curves is None or case.curves.kept_epoch is not None
    return () if is_kept or share(measures_of(case), "rise") <= SETTLED else (keep_best(),)


def _source_of_shift(case: Case) -> str:
    """Say whether training and held-out rows look alike, where that was measured."""
    reference = case.reference
    if reference is None or reference.shift_auc is None:
        return ""
    z = ratio(reference.shift_auc - 0.5, reference.shift_se)
    if reference.shift_auc > SHIFT and z > SHIFT_Z:
        return (
            f"A forest tells the two apart by their columns (area under the curve {reference.shift_auc:.2f}): "
            "they come from different sources."
        )
    return "By their columns the two cannot be told apart: there are too few rows for this network."


@check(
    "LC601",
    "validation too small",
    silences=("LC202", "LC203", "LC301", "LC402", "LC602"),
    source='Raschka, "Model Evaluation, Model Selection, and Algorithm Selection in Machine Learning", 2018',
)
def check_validation_small(case: Case) -> Finding | None:
    """Report held-out rows that are too few to judge by.

    Notes
    -----
    **Rule.** The standard error of the validation loss where it is lowest, over the learnable range and divided by one
    plus the gain that more training promises, is above 7.5 %. It is that of the held-out rows, or what the spread of
    the training rows' losses makes of so many rows, whichever is larger: a handful of rows underestimates its own
    spread.

    **Fires on** a dozen held-out rows. Their curve is smooth, since the same rows are asked in each epoch; it is in the
    wrong place.

    **Silent on** a wiggly curve of thousands of rows (that is LC701), and on a gap that is beyond chance (LC501).

    **Limits.** What counts as too few depends on what is to be decided: two networks that differ by a tenth of the
    range need more rows than this asks for.

    References
    ----------
    Raschka, "Model Evaluation, Model Selection, and Algorithm Selection in Machine Learning", 2018.
    """
    measures = measures_of(case, val=True)
    if measures.best_se is None:
        raise NotApplicableError("the standard error of the validation loss is not known")
    noise, strength = share(measures, "best_se"), noise_strength(measures, case)
    if strength < 1:
        return None
    n_val = case.curves.n_val if case.curves is not None else None
    needed = None if n_val is None else math.ceil(n_val * (noise / WANTED) ** 2)
    rows = "the held-out rows" if n_val is None else f"{n_val:,} held-out rows"
    return Finding(
        severity="warning",
        what=f"{rows} give the validation loss only to within {2 * noise:.0%} of what can be learned, up or down",
        why="Which epoch or which network is best is then chosen by chance.",
        advice=_more_rows(case, n_val, needed),
        evidence={"val_se": measures.best_se, "val_se_share": noise} | ({} if needed is None else {"needed": needed}),
        confidence=confidence("LC601", strength),
    )


def _more_rows(case: Case, n_val: int | None, needed: int | None) -> tuple[Action, ...]:
    if n_val is None or needed is None:
        return (Action(words="hold out more rows"),)
    fraction = case.settings.get("validation_fraction")
    if case.settings.get("n_members", 1) > 1:  # which hold out every row already, each a part of them
        return (Action(words=f"more rows, about {needed:,}"),)
    is_split = case.settings.get("early_stopping") and not case.settings.get("validation_data")
    if not is_split or not isinstance(fraction, float):  # the caller chose the held-out rows
        return (Action(words=f"hold out about {needed:,} rows"),)
    larger = round(min(fraction * needed / n_val, LARGEST_FRACTION), 2)
    if larger <= fraction:
        return (Action(words="more rows"),)
    return (
        Action(words=f"hold out more rows, up to about {needed:,}", parameters={"validation_fraction": larger}),
        Action(words="several members, which together hold out every row", parameters={"n_members": 8}),
    )


@check(
    "LC602",
    "validation easier",
    silences=("LC202", "LC203", "LC301", "LC402"),
    source='Geirhos et al., "Shortcut Learning in Deep Neural Networks", 2020',
)
def check_validation_easier(case: Case) -> Finding | None:
    """Report held-out rows that are easier than the training rows.

    Notes
    -----
    **Rule.** The loss of the training rows at the end, dropout off, lies more than 7 % of the learnable range, and two
    standard errors, above the validation loss.

    **Fires on** held-out rows that were filtered, sorted by time or class before the split, or seen in training.

    **Silent on** dropout, penalties and the mean over an epoch, which lift the training loss that most tools print: the
    losses compared here are measured in the same mode, on the same weights. On few held-out rows, too.

    **Limits.** It tells that the split is not fair, not why.

    References
    ----------
    Keras documentation, "Why is my training loss much higher than my testing loss?".
    """
    measures = measures_of(case, val=True)
    if measures.running or measures.gap is None or measures.gap_se is None:
        raise NotApplicableError("the training loss with dropout off is not known")
    below, z = -share(measures, "gap"), -ratio(measures.gap, measures.gap_se)
    strength = easier_strength(measures, case)
    if strength < 1:
        return None
    return Finding(
        severity="warning",
        what=f"the held-out rows are predicted better than the training rows, by {below:.0%} of what can be learned "
        f"({z:.1f} standard errors)",
        why="Both were measured in the same mode: this is not dropout. The held-out rows are not like the others.",
        advice=(
            Action(words="split again at random, by groups where rows belong together"),
            Action(words="look for rows on both sides, for filters and for an order in time"),
        ),
        evidence={"below": -(measures.gap or 0.0), "below_share": below, "z": min(z, 1e6)},
        confidence=confidence("LC602", strength),
    )
