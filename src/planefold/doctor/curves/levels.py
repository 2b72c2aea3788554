"""How low the training loss came: LC201, LC202, LC203."""

from __future__ import annotations

from planefold.core.errors import listed
from planefold.doctor.case import Case
from planefold.doctor.check import NotApplicableError, check
from planefold.doctor.confidence import confidence
from planefold.doctor.curves.advice import larger, wake_up
from planefold.doctor.curves.rules import (
    SKILL,
    flat_strength,
    gain_strength,
    gap_strength,
    held_back_by,
    held_strength,
    measures_of,
    share,
    small_strength,
)
from planefold.doctor.finding import Action, Finding

PLATEAU_SKILL = 0.8  # a training loss below that share of the trivial loss has room to fall


@check(
    "LC201",
    "hardly learned",
    silences=(
        "LC101", "LC102", "LC202", "LC203", "LC301", "LC402", "LC501", "LC601", "LC602", "DA502", "SC102", "SC103",
        "SC201", "SC401", "SC501",
    ),
    source='Karpathy, "A Recipe for Training Neural Networks", 2019',
)  # fmt: skip
def check_never_learned(case: Case) -> Finding | None:
    """Report a loss that is hardly below that of always predicting the mean or the shares of the classes.

    Notes
    -----
    **Rule.** The lowest loss of the training rows is less than 10 % below that of always predicting the same, or less
    than 13 % of the way to what the reference reaches. Where so little is known, shares of the learnable range mean
    nothing, so the other findings of the curves are muted.

    **Fires on** zero weights, dead units, steps a thousand times too short; on columns that say nothing.

    **Silent on** a training that has only begun: a steady fall that promises more than 4 % of the trivial loss is
    LC301's.

    **Limits.** A noisy target may leave less than 10 % to learn. With a reference that fails, too, that is said;
    without one, it cannot be known.

    References
    ----------
    Karpathy, "A Recipe for Training Neural Networks", 2019: "verify loss at init", "overfit one batch".
    """
    measures = measures_of(case)
    if measures.skill is None or case.curves is None or case.curves.trivial_loss is None:
        raise NotApplicableError("the loss of always predicting the same is not known")
    strength = flat_strength(measures, case)
    if strength < 1:
        return None
    trivial, reference = case.curves.trivial_loss, case.reference
    nothing = reference is not None and reference.loss > (1 - SKILL) * trivial
    found = wake_up(case, share(measures, "jitter"))
    others = Action(words="other columns, or a target that these columns can tell")
    why = "Either the columns say little about the target, or the training could not find it."
    if reference is not None:
        why = (
            "A reference on the same rows finds hardly more: the columns say little about the target."
            if nothing
            else f"A reference on the same rows reaches {reference.loss:.3g}: there is something to learn."
        )
    return Finding(
        severity="warning",
        what=f"the training loss came only {max(measures.skill, 0):.0%} below that of always predicting the same",
        why=why,
        advice=(others,) if nothing else (*found, others) if reference is None else found,
        evidence={"skill": measures.skill, "trivial_loss": trivial, "loss": measures.lowest_train or 0.0},
        confidence=confidence("LC201", strength),
    )


@check(
    "LC202",
    "too small",
    silences=("LC203", "LC402", "SC102", "SC103"),
    source='Goodfellow et al., "Deep Learning", 5.2',
)
def check_too_small(case: Case) -> Finding | None:
    """Report a network that cannot fit its training rows: too small, or held back by penalties or dropout.

    Notes
    -----
    **Rule.** The lowest loss of the training rows is more than 15 % of the learnable range, and two standard
    errors, above what the reference reaches on rows it has not seen. Without a reference: the training loss stays less
    than 47 % below the trivial loss, nothing promises a further fall, there is no gap (LC501), and the network has a
    layer of at most three units (62 % for a layer of one), a dropout of 0.4 or more (57 % from 0.5 on), or (57 %) a
    penalty that takes 2 % off the weights per unit of learning rate.

    **Fires on** a linear model on rings, where trees do well; ``hidden_layer_sizes=(1,)``; ``alpha`` of 10.

    **Silent on** a noisy target, where the reference is no better; on trainings that still improve or overfit.

    **Limits.** A reference that fails as well proves nothing. A network can be too small and still beat trees that see
    few rows.

    References
    ----------
    Goodfellow, Bengio and Courville, "Deep Learning", 5.2, "Capacity, Overfitting and Underfitting".
    """
    measures = measures_of(case)
    if measures.train_loss is None or measures.skill is None or measures.running:
        raise NotApplicableError("the training loss with dropout off is not known")
    held = held_back_by(case.settings)
    if case.reference is not None:
        return _against_reference(case, held)
    if not case.settings:
        raise NotApplicableError("neither a reference nor the settings are known")
    strength = held_strength(measures, case)
    if strength < 1:
        return None
    return Finding(
        severity="warning",
        what=f"the training loss came {measures.skill:.0%} below always predicting the same, with {listed(held)}",
        why="The network may be held back from fitting the rows it learns from; a reference would tell for sure.",
        advice=(larger(case),),
        evidence={"skill": measures.skill, "train_loss": measures.train_loss},
        confidence=confidence("LC202-settings", strength),
    )


def _against_reference(case: Case, held: list[str]) -> Finding | None:
    measures, reference = measures_of(case), case.reference
    strength = small_strength(measures, case)
    if strength < 1 or reference is None or measures.lowest_train is None or gain_strength(measures, case) >= 1:
        return None
    behind = (measures.lowest_train - reference.loss) / (measures.learnable_range or 1.0)
    cause = f"; it has {listed(held)}" if held else ""
    return Finding(
        severity="warning",
        what="a reference predicts unseen rows better than the network predicts its own training rows, by "
        f"{behind:.0%} of what can be learned{cause}",
        why="The network is too small for these rows, or held back by penalties or dropout.",
        advice=(larger(case),),
        evidence={"train_loss": measures.lowest_train, "reference_loss": reference.loss, "behind_share": behind},
        confidence=confidence("LC202", strength),
    )


@check("LC203", "plateau")
def check_plateau(case: Case) -> Finding | None:
    """Tell that the training loss levelled off high, where a curve cannot say why.

    Notes
    -----
    **Rule.** There is no reference; the training loss ends less than 80 % below the trivial loss, promises no further
    fall, and the held-out rows are predicted about as well.

    **Fires on** a curve that is flat at half of the trivial loss.

    **Silent on** trainings with a reference, which knows.

    **Limits.** That is the point: noise that nothing can predict and a network that is too small look alike.
    """
    measures = measures_of(case)
    if case.reference is not None:
        return None
    if measures.skill is None or measures.train_loss is None:
        raise NotApplicableError("the loss of always predicting the same is not known")
    if measures.skill >= PLATEAU_SKILL or gain_strength(measures, case) >= 1 or gap_strength(measures) >= 1:
        return None
    return Finding(
        severity="info",
        what=f"the training loss levelled off {measures.skill:.0%} below that of always predicting the same",
        why="It is either noise that nobody can predict, or the network is too small; the curves cannot tell which.",
        advice=(Action(words="compare with gradient boosting on the same rows: model.diagnose(X, y, reference=True)"),),
        evidence={"skill": measures.skill, "train_loss": measures.train_loss},
        confidence=1.0,
    )
