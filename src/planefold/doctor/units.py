"""The checks of units and first weights (GR102, GR4, GR7). Each is one function of a case: a finding, or None."""

from __future__ import annotations

import math

import numpy as np

from planefold.doctor.case import Case
from planefold.doctor.check import NotApplicableError, check
from planefold.doctor.confidence import confidence
from planefold.doctor.figures import (
    NO_LEARNING,
    TINY,
    at_start,
    dead_units,
    fresh_start,
    has_diverged,
    has_linear_path,
    layer,
    learned,
    on_one_scale,
    run_of,
    scaled_rate,
    through_time,
    trivial_loss,
    usual_start,
)
from planefold.doctor.finding import Action, Finding
from planefold.doctor.measures import measured
from planefold.engine.run import Run

FIRST_LOSS = 3.0  # times the loss of a network that knows nothing and says so
DEAD, DIED, ALL_DEAD = 0.5, 0.3, 0.95
SATURATED_AT_START, SATURATED_SOON = 0.6, 0.85
EQUAL_UNITS = 0.9
DROPOUT, HARM, ENOUGH = 0.6, 0.2, 0.8
GAP = 0.2  # share of the trivial loss
PENALTY = 0.3  # share of the trivial loss
NOTHING = 0.1  # share of what can be learned


@check(
    "GR102",
    "first loss too high",
    silences=("GR101", "GR201", "GR202", "GR301", "GR302", "GR401", *NO_LEARNING, "LC701", "LC901"),
    source="Karpathy, A Recipe for Training Neural Networks, 2019: verify the loss at the start",
)
def check_first_loss(case: Case) -> Finding | None:
    """Report a network that is confidently wrong before it has learned anything.

    A network that knows nothing should say so: its loss is then about that of always predicting the same. Much more
    comes from first weights that are too large, or from inputs or targets on other scales.

    Notes
    -----
    **Rule.** The loss before training is more than three times log(number of classes), or three times that of always
    predicting the mean; and it was not made up for: at least 90 % of the training loss gone, and 80 % of the held-out.

    **Fires on** first weights drawn ten times too large.

    **Silent on** rare classes: the bar is the loss of *equal* probabilities, not of the classes' shares; a bad start
    that is made up for.

    **Limits.** Not for counts (``loss="poisson"``) and batch normalisation, where a healthy start may be far off.
    """
    run = run_of(case)
    first, known = _first_loss(run), _ignorance(case, run)
    strength = first / (FIRST_LOSS * known)
    if not strength >= 1 or _is_made_up_for(case):
        return None
    scaled, drawn = on_one_scale(case, "inputs and target on one scale"), fresh_start(case)
    size = f"{strength * FIRST_LOSS:.3g} times that" if math.isfinite(strength) else "far above that"
    return Finding(
        severity="warning",
        what=f"before training the loss is {size} of a network that knows nothing",
        why="The network starts confidently wrong: its first weights are too large, or inputs or targets are not on "
        "one scale.",
        advice=(scaled, drawn) if scaled.parameters and usual_start(case) else (drawn, scaled),
        evidence={"first_loss": min(first, 1e30), "ignorance": known},
        confidence=confidence("GR102", min(strength, 1e6)),
    )


def _is_made_up_for(case: Case) -> bool:
    """Tell whether the network got over its start, on held-out rows where there are any."""
    skill = None if case.curves is None else measured(case.curves, case.reference).val_skill
    return learned(case) >= 0.9 and (skill is None or skill >= 0.8)


def _first_loss(run: Run) -> float:
    """Return the loss before training; where it is not known, that of the first epoch, which is lower if anything."""
    for epoch in run.epochs[:2]:
        losses = (epoch.train_eval, epoch.val_loss) if epoch.epoch == 0 else (epoch.train_loss,)
        for loss in losses:
            if loss is not None and not math.isnan(loss):
                return loss
    raise NotApplicableError("the loss before training is not known")


def _ignorance(case: Case, run: Run) -> float:
    """Return the loss of a network that knows nothing: equal probabilities, or the mean."""
    if "poisson" in run.objective:
        raise NotApplicableError("counts have no usual first loss")
    if case.settings.get("batch_norm"):
        raise NotApplicableError("before the first epoch batch normalisation knows nothing of the rows")
    counts = run.facts.get("class_counts", ())
    trivial = max(trivial_loss(case), run.trivial_val_loss or 0.0)
    if counts:
        return max(trivial, math.log(max(len(counts), 2)))
    if run.objective in ("binary_log_loss", "log_loss"):
        raise NotApplicableError("rows with several labels have no usual first loss")
    return trivial


@check(
    "GR401",
    "dead units",
    silences=("GR202", *NO_LEARNING, "LC401"),
    source="Lu et al., Dying ReLU and Initialization, 2019; keras issue 7057",
)
def check_dead_units(case: Case) -> Finding | None:
    """Report a layer most of whose relu units give zero for every row: they learn nothing any more.

    Notes
    -----
    **Rule.** More than half of a layer's units are zero on all of the probe's rows (up to 256), and less than 10 % of
    what can be learned was, or the share grew by more than 0.3 during the training and less than 90 % was, or it is
    above 0.95. Weights that were put back count, not the last ones. For information where a linear path
    (``skip="linear"``) learned 10 % or more all the same.

    **Fires on** first biases of -5; a learning rate that throws the biases far below zero.

    **Silent on** activations of which 60 to 80 % are zero, as long as each unit has rows of its own: that is how relu
    works. Deep networks that start with 40 % of dead units and learn all the same; weights that a penalty took to
    zero.

    **Limits.** Seen on a probe: a unit may answer to a row that is not in it.
    """
    run = run_of(case)
    before, after = dead_units(run)
    place = int(np.argmax(after))
    now, growth = float(after[place]), float(after[place] - before[place])
    if now <= DEAD or _was_shrunk(run, place):
        return None
    share = learned(case)
    if share >= NOTHING and (share >= 0.9 or growth <= DIED) and now <= ALL_DEAD:
        return None
    died = growth > DIED
    lower, start = scaled_rate(case, 0.1), fresh_start(case)
    leaky = Action(words="activation leaky_relu, whose units never die", parameters={"activation": "leaky_relu"})
    carried = has_linear_path(run) and share >= NOTHING
    return Finding(
        severity="info" if carried else "warning",
        what=f"{now:.0%} of the units of hidden {layer(place)} give zero for every row"
        + (f", {growth:.0%} died during the training" if died else ""),
        why="A relu unit that is zero everywhere has no slope: it neither helps nor learns again."
        + (" What was learned is on the linear path." if carried else ""),
        advice=(lower, leaky) if died else (start, leaky, lower),
        evidence={"dead_share": now, "died": growth},
        confidence=confidence("GR401", now / DEAD),
        where=layer(place),
    )


def _was_shrunk(run: Run, place: int) -> bool:
    """Tell whether a layer's weights went to zero, as penalties make them."""
    norms = through_time(run, "weight_norm")
    return bool(norms[-1, place] < 0.1 * norms[0, place])


@check(
    "GR402",
    "saturated units",
    silences=("GR101", "GR102", "GR201", "GR202", "GR301", "GR302", *NO_LEARNING, "LC701"),
    source="Glorot and Bengio, Understanding the difficulty of training deep feedforward neural networks, 2010",
)
def check_saturated_units(case: Case) -> Finding | None:
    """Report a layer of tanh or logistic units that are at their limits from the start, where they have no slope.

    Notes
    -----
    **Rule.** Beyond 0.98 in size (tanh), below 0.02 or above 0.98 (logistic) are more than 60 % of a layer's
    activations before training, or more than 85 % at the end of the first epoch where less than 10 % of what can be
    learned was.

    **Fires on** tanh units whose first weights are drawn ten times too large.

    **Silent on** units that saturate late, in a network that has learned; the output.

    **Limits.** Of the probe's rows only.
    """
    run = run_of(case)
    start = at_start(run, "saturated_share")
    place = int(np.argmax(start))
    share = float(start[place])
    at_once = run.epochs[0].epoch == 0 and bool(run.epochs[0].saturated_share) and not run.settings.get("batch_norm")
    bar = SATURATED_AT_START if at_once else SATURATED_SOON
    if share < bar or (bar == SATURATED_SOON and learned(case) >= NOTHING):
        return None
    return Finding(
        severity="warning",
        what=f"{share:.0%} of the activations of hidden {layer(place)} are at their limits from the start",
        why="A unit at its limit has hardly any slope, so that nothing behind it learns.",
        advice=(
            fresh_start(case),
            Action(words="batch_norm", parameters={"batch_norm": True}),
            Action(words="activation relu", parameters={"activation": "relu"}),
        ),
        evidence={"saturated_share": share},
        confidence=confidence("GR402", share / bar),
        where=layer(place),
    )


@check(
    "GR403",
    "symmetric units",
    silences=("GR101", "GR102", "GR201", "GR202", "GR301", "GR302", "GR401", "GR402", *NO_LEARNING, "LC401", "LC701"),
    source="Goodfellow, Bengio and Courville, Deep Learning, 2016, section 8.4",
)
def check_symmetric_units(case: Case) -> Finding | None:
    """Report units with equal incoming weights: they get equal gradients, and stay one unit however long they train.

    Notes
    -----
    **Rule.** At the start more than 90 % of a layer's units have the incoming weights of another unit.

    **Fires on** ``init="zeros"``; all weights 0.1.

    **Silent on** layers of one unit; dead units, whose weights differ; units that became alike late, or whose weights
    an L1 penalty took to zero.

    **Limits.** Units that are each other's mirror image are not equal, and not reported.
    """
    run = run_of(case)
    shares = at_start(run, "duplicate_share")
    place = int(np.argmax(shares))
    share = float(shares[place])
    if share <= EQUAL_UNITS:
        return None
    return Finding(
        severity="error",
        what=f"{share:.0%} of the units of hidden {layer(place)} start with the weights of another unit",
        why="Equal units get equal gradients: the layer works as one unit, however wide it is.",
        advice=(Action(words="first weights at random (init)", parameters={"init": "auto"}),),
        evidence={"duplicate_share": share},
        confidence=confidence("GR403", 3.0),
        where=layer(place),
    )


@check(
    "GR701",
    "dropout too high",
    silences=("GR202", *NO_LEARNING, "LC101", "LC501"),
    source="Srivastava et al., Dropout, JMLR 2014, section A.4: 0.2 to 0.5 for hidden units",
)
def check_dropout(case: Case) -> Finding | None:
    """Report dropout that leaves too few units to learn with.

    Notes
    -----
    **Rule.** A layer's dropout is 0.6 or more, and the training loss with dropout is above that without by more than
    20 % of the trivial loss, or less than 80 % of what can be learned was; but not where the held-out loss is above
    the training loss by more than 20 % of the trivial loss: there dropout has something to do.

    **Fires on** ``dropout=0.9``.

    **Silent on** 0.3, the default, and 0.5; high dropout in networks so wide that they learn all the same.

    **Limits.** On a noisy target without a reference, "less than 80 %" may be all there is.
    """
    run_of(case)
    rate = float(np.max(np.asarray(case.settings.get("dropout", 0.0), dtype=float), initial=0.0))
    if rate < DROPOUT:
        return None
    harm, share = _harm_of_dropout(case), learned(case)
    strength = max(harm / HARM, (1 - share) / (1 - ENOUGH))
    if strength < 1 or _gap(case) > GAP:
        return None
    return Finding(
        severity="warning",
        what=f"dropout leaves out {rate:.0%} of the units in each step, and {max(share, 0):.0%} of the loss is gone",
        why="The few units that are left cannot learn together what all of them have to say.",
        advice=(Action(words="a dropout of 0.2", parameters={"dropout": 0.2}), Action(words="wider layers")),
        evidence={"dropout": rate, "harm": harm, "learned": max(share, -1e9)},
        confidence=confidence("GR701", strength),
    )


@check(
    "GR702",
    "penalty too strong",
    silences=("GR101", "GR201", "GR202", "GR301", "GR302", "GR401", *NO_LEARNING, "LC101", "LC401", "LC501"),
    source="Krogh and Hertz, A Simple Weight Decay Can Improve Generalization, 1991",
)
def check_penalty(case: Case) -> Finding | None:
    """Report a penalty that counts for more than what the rows say.

    Notes
    -----
    **Rule.** In the first epoch the penalty is more than 30 % of the loss of always predicting the same, with ``alpha``
    above a thousandth of the rows in a batch; for ``solver="adamw"``, the penalty's part is more than half of a step
    and takes more than a thousandth off the weights. And less than half of what can be learned was, without a
    divergence, which makes weights and penalties large by itself.

    **Fires on** ``alpha=300``.

    **Silent on** penalties as usual, a ten-thousandth of the loss; strong ones of a network that learns all the same.

    **Limits.** When a training has come to rest, penalty and rows pull alike by definition, so only the first epoch
    counts. Of other people's loops only AdamW's penalty is known.
    """
    run = run_of(case)
    alpha = float(case.settings.get("alpha") or 0.0)
    weight = _weight_of_penalty(case, run, alpha)
    share = learned(case)
    if weight < PENALTY or share >= 0.5 or has_diverged(case):
        return None
    weighs = (
        f"is {0.5 * weight / PENALTY:.3g} times as large as a step"
        if run.solver == "adamw"
        else f"weighs {weight:.3g} times what the rows can say"
    )
    return Finding(
        severity="warning",
        what=f"in the first epoch the penalty (alpha={alpha:g}) {weighs}, and {max(share, 0):.0%} of the loss is gone",
        why="The weights are held near zero, whatever the rows say.",
        advice=(Action(words="alpha 1000 times lower", parameters={"alpha": float(f"{alpha / 1000:.3g}")}),),
        evidence={"weight": weight, "learned": share},
        confidence=confidence("GR702", weight / PENALTY),
    )


def _weight_of_penalty(case: Case, run: Run, alpha: float) -> float:
    """Return the penalty in the first epoch as a share of the trivial loss; of adamw, its part of a step."""
    if run.solver == "adamw":
        pull = alpha * float(case.settings.get("learning_rate_init", 0.0))
        steps = at_start(run, "update_ratio")
        return float(np.median(pull / np.maximum(steps, TINY))) * PENALTY / 0.5 if pull > 1e-3 else 0.0
    first = next((epoch for epoch in run.epochs if epoch.epoch > 0), None)
    if first is None or alpha < 1e-3 * run.batch_size:
        return 0.0
    weight = (first.objective - first.train_loss) / trivial_loss(case)
    return weight if math.isfinite(weight) else 0.0


def _harm_of_dropout(case: Case) -> float:
    """How far the training loss with dropout is above that without at the end, as a share of the trivial loss."""
    curves = case.curves
    if curves is None or curves.train_eval is None or curves.train_loss is None:
        return 0.0
    both = np.isfinite(curves.train_eval) & np.isfinite(curves.train_loss)
    if not both.any():
        return 0.0
    return float((curves.train_loss[both][-1] - curves.train_eval[both][-1]) / trivial_loss(case))


def _gap(case: Case) -> float:
    """How far the held-out loss is above the training loss at the end, as a share of the trivial loss."""
    gap = None if case.curves is None else measured(case.curves, case.reference).gap
    return 0.0 if gap is None else gap / trivial_loss(case)
