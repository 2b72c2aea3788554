"""The checks of steps and gradients (GR1 to GR3, GR5). Each is one function of a case: a finding, or None."""

from __future__ import annotations

import numpy as np

from planefold.core.records import counted
from planefold.doctor.case import Case
from planefold.doctor.check import NotApplicableError, check
from planefold.doctor.confidence import confidence
from planefold.doctor.figures import (
    NO_LEARNING,
    TINY,
    at_start,
    fresh_start,
    has_diverged,
    jitter,
    layer,
    learned,
    run_of,
    scaled_rate,
    share_that_died,
    through_time,
    training_losses,
    trivial_loss,
    usual_start,
    without_zeros,
)
from planefold.doctor.finding import Action, Finding
from planefold.engine.run import Run

RISES_OF_DESCENT, RISES_WITH_MEMORY = 0.001, 0.1  # all rises of the cost as a share of all falls
JITTER = 0.05  # share of the learnable range
LONG_STEP, TOO_LONG_STEP, FATAL_STEP = 0.045, 0.18, 0.02  # length of a step relative to the length of the weights
SHORT_STEP = 1.5e-4
NOTICED, LATE = 0.1, 0.1  # share of the trivial loss that was learned; share of this that came in the second half
SMALL_BATCH = 8
DIED = 0.3  # share of a layer's units
FORWARD, BACKWARD = 6e-3, 2e-3  # signal in the last layer relative to the first; gradient in the first to the last
SHALLOW, BACKWARD_SHALLOW = 3, 1e-4  # layers of weights; two logistic layers on sparse inputs have 1e-3
BLOCKED = 0.5  # share of dead or saturated units that explains small gradients
GROWTH, STEEP = 30.0, 100.0  # signal in the last layer relative to the first; gradient relative to the weights


@check("GR101", "cost rises", source="Boyd and Vandenberghe, Convex Optimization, 2004, section 9.2: descent methods")
def check_cost_rises(case: Case) -> Finding | None:
    """Report a cost that rises from iteration to iteration where every step sees all rows.

    Gradient descent on all rows lowers the cost in each step if the step is short enough, and a line search only
    takes steps that lower it. A rise therefore means that steps are too long, or that the gradient is wrong.

    Notes
    -----
    **Rule.** The rises of the objective add up to more than 0.1 % of its falls (plain gradient descent and lbfgs), or
    to more than 10 % (rules with memory, which overshoot now and then). A warning where the cost ends more than 5 % of
    its range above the lowest, else for information.

    **Fires on** full-batch gradient descent with a learning rate of twice the stability limit.

    **Silent on** batches of some of the rows, and dropout: both change the cost from step to step, whatever the
    step does; rises in the seventh digit.

    **Limits.** At least five iterations. It does not tell a long step from a wrong gradient:
    ``model.check_gradients(X, y)`` does.
    """
    run = run_of(case)
    if run.solver != "lbfgs" and run.iterations_per_epoch != 1:
        raise NotApplicableError("steps see some of the rows, so that the cost differs from step to step anyway")
    if np.any(np.asarray(case.settings.get("dropout", 0.0))):
        raise NotApplicableError("dropout changes the cost from step to step anyway")
    cost = np.array([epoch.objective for epoch in run.epochs if epoch.epoch > 0], dtype=float)
    cost = cost[np.isfinite(cost)]
    if len(cost) < 5:
        raise NotApplicableError(f"{len(cost)} iterations are too few")
    steps = np.diff(cost)
    rises, falls = float(steps[steps > 0].sum()), float(-steps[steps < 0].sum())
    bar = RISES_OF_DESCENT if _is_plain(case, run) else RISES_WITH_MEMORY
    share = min(rises / max(falls, TINY), 1e6)
    if share < bar:
        return None
    ends_high = cost[-1] > cost.min() + 0.05 * np.ptp(cost)
    n_rises = int((steps > 0).sum())
    more = (Action(words="model.check_gradients(X, y), which tells a long step from a wrong gradient"),)
    return Finding(
        severity="warning" if ends_high else "info",
        what=f"the cost rose in {n_rises} of {len(steps)} iterations over all rows, by {share:.1%} of what it fell",
        why="A step that sees all rows and is short enough lowers the cost: these steps are too long.",
        advice=(scaled_rate(case, 1 / 3), *more) if ends_high and run.solver != "lbfgs" else more,
        evidence={"rises": n_rises, "share": share},
        confidence=confidence("GR101", share / bar),
    )


def _is_plain(case: Case, run: Run) -> bool:
    """Tell whether the solver promises to lower the cost in each step, if the step is short enough."""
    momentum = case.settings.get("momentum", 0.9)
    return run.solver == "lbfgs" or (run.solver == "sgd" and momentum == 0)


@check(
    "GR201",
    "learning rate too large",
    silences=("GR101", "GR202", "LC201", "LC301", "LC401", "LC701", "LC901"),
    source="Bengio, Practical recommendations, 2012, section 3.1.1",
)
def check_rate_too_large(case: Case) -> Finding | None:
    """Report steps so long that they jump over the minimum instead of running into it.

    A step is measured against the weights that it changes. About a thousandth is usual; where one step changes the
    weights by a fifth, nothing stays of what the steps before had learned.

    Notes
    -----
    **Rule.** In the first epoch a step's length is more than 0.045 of the weights' (the median of the layers), and the
    training loss then jumps by more than 5 % of the learnable range from epoch to epoch. Or more than 0.18, and less
    than 90 % of what can be learned was. Or more than 0.02, and the training diverged, or more than 30 % of a layer's
    units died and less than 90 % was learned.

    **Fires on** Adam with ``learning_rate_init=0.3``.

    **Silent on** the long first steps of Adam in a training that then settles; logistic units and one-hot inputs,
    whose first steps are long (0.03 to 0.04); jumps of a small batch at a low rate (GR501 knows them); the output's
    weights beside a linear path (``skip="linear"``), which start at zero, and units that die beside it.

    **Limits.** Needs the length of a step in the first epoch. A wrong scale of inputs or target has the same symptoms
    and is told first.
    """
    run = run_of(case)
    ratio = float(np.median(without_zeros(run, through_time(run, "update_ratio", until=0.0)[0])))
    jumps, share = jitter(case), learned(case)
    diverged = has_diverged(case)
    died = share_that_died(run)
    strength = max(
        min(ratio / LONG_STEP, jumps / JITTER),
        ratio / TOO_LONG_STEP if share < 0.9 else 0.0,
        min(ratio / FATAL_STEP, died / DIED) if share < 0.9 else 0.0,
        ratio / FATAL_STEP if diverged else 0.0,
    )
    if not strength >= 1:
        return None
    if diverged:
        end = "the training diverged"
    elif died >= DIED:
        end = f"{died:.0%} of a layer's units died"
    elif jumps >= JITTER:
        end = f"the loss jumps by {jumps:.0%} of the learnable range from epoch to epoch"
    else:
        end = f"{max(share, 0):.0%} of what can be learned was"
    # Where a step sees all rows there is no larger batch.
    larger = (Action(words="a larger batch_size"),) if run.iterations_per_epoch > 1 else ()
    return Finding(
        severity="warning",
        what=f"a step of the first epoch changed the weights by {min(ratio, 1e4):.1%} of their size, and {end}",
        why="Steps this long jump over the minimum, back and forth.",
        advice=(scaled_rate(case, 0.1), *larger),
        evidence={"update_ratio": min(ratio, 1e9), "jumps": jumps, "learned": max(share, -1e9)},
        confidence=confidence("GR201", strength),
    )


@check(
    "GR202",
    "learning rate too small",
    silences=("GR101", *NO_LEARNING, "LC402"),
    source="Karpathy, CS231n notes: ratio of updates to weights about 1e-3",
)
def check_rate_too_small(case: Case) -> Finding | None:
    """Report steps so short that the weights hardly move.

    Notes
    -----
    **Rule.** The median length of a step in the first half of the training is less than 1.5e-4 of the weights', less
    than 60 % of what can be learned was, and the training did not level out: its second half brought a tenth or more
    of all that it learned.

    **Fires on** Adam with ``learning_rate_init=1e-6``.

    **Silent on** the end of a cosine schedule; trainings that have converged, where gradients and steps are small
    because nothing is left to do, noisy targets included; networks whose units are blocked (GR3, GR4), which are told
    first; clipped gradients (GR203).

    **Limits.** Needs the lengths of some steps.
    """
    run = run_of(case)
    ratio = _usual_step(run)
    share = learned(case)
    if not ratio < SHORT_STEP or share >= 0.6 or _has_levelled_out(case) or _clips(case, run) >= 1:
        return None
    strength = SHORT_STEP / max(ratio, TINY)
    factor = float(np.clip(10 ** np.round(np.log10(1e-3 / max(ratio, TINY))), 10, 1000))
    return Finding(
        severity="warning",
        what=f"a step changes the weights by {ratio:.1g} of their size, and {max(share, 0):.0%} of the loss is gone",
        why="At this pace the training ends long before it arrives; about a thousandth is usual.",
        advice=(scaled_rate(case, factor), Action(words="more epochs")),
        evidence={"update_ratio": ratio, "learned": share},
        confidence=confidence("GR202", strength),
    )


def _usual_step(run: Run) -> float:
    """Median over layers and the first half of the epochs of a step's length relative to the weights'.

    A schedule that warms up begins with short steps: they are put in relation to its highest rate.
    """
    rates = {epoch.epoch: epoch.learning_rate for epoch in run.epochs if epoch.learning_rate > 0}
    first = min((epoch.epoch for epoch in run.epochs if epoch.update_ratio), default=0)
    warm = max(rates.values(), default=1.0) / rates.get(first, max(rates.values(), default=1.0))
    return warm * float(np.median(np.median(through_time(run, "update_ratio", until=0.5), axis=1)))


def _has_levelled_out(case: Case) -> bool:
    """Tell whether something was learned, and the second half of the epochs brought less than a tenth of it."""
    losses = training_losses(case)
    if len(losses) < 6 or not np.isfinite(losses).all():
        return False
    half, trivial = len(losses) // 2, trivial_loss(case)
    fall = min(float(losses[0]), trivial) - float(losses[half:].min())
    late = float(losses[half] - np.median(losses[-3:]))
    return fall > NOTICED * trivial and late < LATE * fall


@check("GR203", "clipping too tight", silences=("GR202", *NO_LEARNING), source="Pascanu, Mikolov and Bengio, ICML 2013")
def check_clipping(case: Case) -> Finding | None:
    """Report gradients that are cut so short that the weights hardly move.

    Notes
    -----
    **Rule.** ``clip_norm`` is set, the gradient is more than ten times as long, a step changes the weights by less than
    1.5e-4 of their size in the first half of the training, and less than 60 % of what can be learned was.

    **Fires on** ``solver="sgd", clip_norm=1e-4``.

    **Silent on** clipping that cuts single long gradients; Adam and its relatives, whose steps do not depend on the
    gradient's length.

    **Limits.** The length of the gradient is worked out from its root mean square in each layer and the layers' sizes,
    the number of inputs taken as one: a lower bound.
    """
    run = run_of(case)
    strength = _clips(case, run)
    if not strength >= 1:
        return None
    ratio, share, limit = _usual_step(run), learned(case), float(case.settings["clip_norm"])
    if not ratio < SHORT_STEP or share >= 0.6 or _has_levelled_out(case):
        return None
    return Finding(
        severity="warning",
        what=f"gradients are cut to length {limit:g}, less than a tenth of their own, and a step changes the weights "
        f"by {ratio:.1g} of their size",
        why="Clipping is for the few gradients that are far too long; here it shortens every step.",
        advice=(
            Action(words="no clipping (clip_norm)", parameters={"clip_norm": None}),
            Action(words="a clip_norm of 1", parameters={"clip_norm": 1.0}),
        ),
        evidence={"clip_norm": limit, "update_ratio": ratio, "learned": share},
        confidence=confidence("GR203", min(strength, SHORT_STEP / max(ratio, TINY))),
    )


def _clips(case: Case, run: Run) -> float:
    """Length of the gradient at the start in units of ten times ``clip_norm``; 0 without clipping."""
    limit = case.settings.get("clip_norm")
    if not limit:
        return 0.0
    norms = through_time(run, "gradient_norm", until=0.0)[0]
    hidden = np.atleast_1d(np.asarray(case.settings.get("hidden_layer_sizes", 1), dtype=float))
    sizes = np.concatenate([[1.0], hidden, [1.0]])
    n_weights = sizes[:-1] * sizes[1:] if len(sizes) == len(norms) + 1 else np.ones(len(norms))
    return float(np.sqrt((norms**2 * n_weights).sum()) / (10 * float(limit)))


@check(
    "GR301",
    "vanishing gradients",
    silences=("GR201", "GR202", "GR203", "GR401", *NO_LEARNING),
    source="Glorot and Bengio, AISTATS 2010; He et al., ICCV 2015",
)
def check_vanishing(case: Case) -> Finding | None:
    """Report a signal that dies away from layer to layer, so that the first layers learn nothing.

    Notes
    -----
    **Rule.** Before training the activations' deviation in the last hidden layer is less than 6e-3 of that in the
    first, or in the first epoch the gradient of the first layer's weights is less than 2e-3 of that of the last
    layer's (1e-4 in networks of two hidden layers); and less than half of what can be learned was (or both shares are
    below 1e-3). Not where half of a layer's units are dead or saturated, which explains it.

    **Fires on** eight layers of logistic units; weights drawn a hundred times too small.

    **Silent on** deep relu (0.014) and tanh (0.09) networks with the usual first weights; two logistic layers on
    sparse inputs (0.001); the end of a training; the output's weights beside a linear path, which start at zero.

    **Limits.** Needs two hidden layers, and figures of the first epoch.
    """
    run = run_of(case)
    forward, backward = _fading(run)
    bar = BACKWARD if len(at_start(run, "gradient_norm")) > SHALLOW else BACKWARD_SHALLOW
    by_signal, by_gradient = FORWARD / max(forward, TINY), bar / max(backward, TINY)
    strength = max(by_signal, by_gradient)
    both = forward < 1e-3 and backward < 1e-3
    if strength < 1 or _is_blocked(run) or not (both or learned(case) < 0.5):
        return None
    by = "signal" if by_signal >= by_gradient else "gradient"
    share = forward if by == "signal" else backward
    ends = "last hidden layer is {} of that in the first" if by == "signal" else "first layer is {} of that in the last"
    return Finding(
        severity="warning",
        what=f"the {by} in the " + ends.format(f"{share:.1g}"),
        why="What does not arrive cannot be learned from: the first layers stay as they were drawn.",
        advice=_revivals(case),
        evidence={"forward": min(forward, 1e9), "backward": min(backward, 1e9)},
        confidence=confidence("GR301", strength),
        where=layer(0) if by == "gradient" else layer(len(at_start(run, "gradient_norm")) - 2),
    )


def _fading(run: Run) -> tuple[float, float]:
    """What arrives of the signal in the last hidden layer, and of the gradient in the first layer, as shares."""
    gradient = at_start(run, "gradient_norm")
    if len(gradient) < 3:
        raise NotApplicableError("the network has fewer than two hidden layers")
    gradient = without_zeros(run, gradient)  # through an output that starts at zero nothing comes back yet
    signal = at_start(run, "activation_std")
    backward = float(gradient[0] / gradient[-1]) if gradient[-1] > 0 else np.inf
    return float(signal[-1] / max(signal[0], TINY)), backward


def _is_blocked(run: Run) -> bool:
    """Tell whether units that were dead or saturated from the start explain small gradients."""
    shares = [getattr(epoch, name) for epoch in run.epochs[:1] for name in ("dead_share", "saturated_share")]
    return any(max(share) > BLOCKED for share in shares if len(share))


def _revivals(case: Case) -> tuple[Action, ...]:
    """What makes signals pass, the most promising first."""
    activation = Action(words="activation relu", parameters={"activation": "relu"})
    norm = Action(words="batch_norm", parameters={"batch_norm": True})
    start = fresh_start(case)
    if not usual_start(case):
        return start, norm
    if case.settings.get("activation") in ("logistic", "tanh"):
        return activation, norm
    return norm, Action(words="fewer hidden layers")


@check(
    "GR302",
    "exploding gradients",
    silences=("GR101", "GR201", "GR202", "GR203", "GR401", "LC201", "LC301", "LC701", "LC901"),
    source="Pascanu, Mikolov and Bengio, On the difficulty of training recurrent neural networks, ICML 2013",
)
def check_exploding(case: Case) -> Finding | None:
    """Report a signal or a gradient that grows out of proportion.

    Notes
    -----
    **Rule.** Before training the activations' deviation in the last hidden layer is more than 30 times that in the
    first, or in the first epoch a layer's gradient is more than 100 times its weights (root mean squares); and less
    than 90 % of what can be learned was.

    **Fires on** eight relu layers whose weights are drawn five times too large.

    **Silent on** a training that settles all the same, as Adam does not mind the gradient's length.

    **Limits.** Needs figures of the first epoch. Unscaled inputs and targets have the same symptoms and are told first.
    """
    run = run_of(case)
    gradient, weights = (without_zeros(run, at_start(run, name)) for name in ("gradient_norm", "weight_norm"))
    signal = at_start(run, "activation_std")
    growth = float(signal[-1] / max(signal[0], TINY)) if len(signal) > 1 else 1.0
    steepness = gradient / np.maximum(weights, TINY)
    strength = max(growth / GROWTH, float(steepness.max()) / STEEP)
    if strength < 1 or learned(case) >= 0.9:
        return None
    what = (
        f"the signal grows {growth:.3g} times from the first hidden layer to the last"
        if growth / GROWTH >= steepness.max() / STEEP
        else f"the gradient of the weights is {steepness.max():.3g} times as large as the weights"
    )
    clip = Action(words="a clip_norm of 1", parameters={"clip_norm": 1.0})
    norm = Action(words="batch_norm", parameters={"batch_norm": True})
    first = (clip, norm, scaled_rate(case, 0.1)) if usual_start(case) else (fresh_start(case), clip, norm)
    return Finding(
        severity="warning",
        what=what,
        why="One step then throws the weights far away, wherever they were.",
        advice=first,
        evidence={"growth": growth, "steepness": float(steepness.max())},
        confidence=confidence("GR302", strength),
        where=layer(int(np.argmax(steepness))),
    )


@check(
    "GR501",
    "batch too small",
    silences=("GR202", "LC301", "LC701", "LC901"),
    source="Bengio, Practical recommendations for gradient-based training of deep architectures, 2012, section 3.1.1",
)
def check_batch_too_small(case: Case) -> Finding | None:
    """Report steps that follow single rows so closely that the training does not settle.

    Notes
    -----
    **Rule.** Batches of at most 8 rows (and of less than an eighth of the rows), and the training diverged, or its
    loss jumps by more than 5 % of the learnable range from epoch to epoch, or more than 30 % of a layer's units died
    and less than 90 % of what can be learned was. These are the signs of a learning rate that is too large (GR201):
    this finding adds the other way out.

    **Fires on** ``batch_size=1`` with ``learning_rate_init=0.05``.

    **Silent on** small batches with a small rate, which settle.

    **Limits.** How much the rows of a batch disagree is not measured: late in a training that number says nothing, as
    the gradient itself goes to zero.
    """
    run = run_of(case)
    if run.solver == "lbfgs":
        raise NotApplicableError("lbfgs sees all rows in each step")
    if run.batch_size > SMALL_BATCH or run.iterations_per_epoch < SMALL_BATCH:
        return None
    jumps, diverged = jitter(case), has_diverged(case)
    died = 0.0 if diverged or learned(case) >= 0.9 else share_that_died(run)
    if not diverged and jumps < JITTER and died < DIED:
        return None
    if diverged:
        end = "the training diverged"
    elif jumps >= JITTER:
        end = f"the loss jumps by {jumps:.0%} of the learnable range"
    else:
        end = f"{died:.0%} of a layer's units died"
    new = run.batch_size * 8
    return Finding(
        severity="warning",
        what=f"each step follows {counted(run.batch_size, 'row')}, and {end}",
        why="The fewer rows a step follows, the more it goes astray, and the shorter it must be.",
        advice=(
            Action(words="batch_size 8 times larger", parameters={"batch_size": new}),
            scaled_rate(case, 0.1),
        ),
        evidence={"batch_size": run.batch_size, "jumps": jumps},
        confidence=confidence("GR501", 2.0 if diverged else max(jumps / JITTER, died / DIED)),
    )
