"""The checks of scales (DA3). Each is one function of a case: a finding, or None."""

from __future__ import annotations

from planefold.doctor.case import Case
from planefold.doctor.check import NotApplicableError, check
from planefold.doctor.confidence import confidence
from planefold.doctor.figures import TINY, on_one_scale, run_of
from planefold.doctor.finding import Finding

# What steps, units and curves show of numbers on a wrong scale.
SYMPTOMS = ("GR101", "GR102", "GR201", "GR202", "GR203", "GR301", "GR302", "GR401", "GR402", "GR501", "GR702",
            "LC201", "LC202", "LC203", "LC301", "LC401", "LC701", "LC901")  # fmt: skip

RATIO, LARGEST, OFFSET = 25.0, 16.0, 16.0
TARGET_SCALE, TARGET_OFFSET, TARGET_SMALL = 10.0, 10.0, 0.01


@check("DA301", "unscaled inputs", silences=SYMPTOMS, source="LeCun et al., Efficient BackProp, 1998, section 4.3")
def check_inputs(case: Case) -> Finding | None:
    """Report columns on very different scales, or far from zero.

    One learning rate serves all weights. A column whose numbers are a hundred times larger than another's rules the
    first steps, and the other is not heard; columns far from zero drive units to their limits.

    Notes
    -----
    **Rule.** Among the numeric inputs the largest robust deviation is more than 25 times the smallest, or above 16, or
    a median lies more than 16 deviations from zero. Inputs of two values (one-hot) do not count. Of columns that a
    transformer has prepared only the largest deviation counts: pieces of a column that hardly ever differ from 0 or 1
    are as they should be.

    **Fires on** a salary in dollars beside an age in years, as they are; a year such as 2024.

    **Silent on** ``preprocess="auto"``; columns with heavy tails around zero; one-hot columns; ``batch_norm=True``,
    which rescales what each unit receives.

    **Limits.** The target's scale is another finding (DA302).
    """
    facts = run_of(case).facts
    if "input_scale_ratio" not in facts:
        raise NotApplicableError("the scales of the inputs are not known")
    prepared = case.settings.get("preprocess")
    if case.settings.get("batch_norm") or prepared == "auto":
        return None
    ratio, largest, offset = (
        float(facts.get(name) or 0.0) for name in ("input_scale_ratio", "input_scale", "input_offset")
    )
    strengths = {f"a column has a deviation of {largest:.3g}": (largest / LARGEST, "input_scale_column")}
    if prepared is None:
        strengths |= {
            f"the columns' scales are up to {ratio:.3g} times apart": (ratio / RATIO, "input_scale_column"),
            f"a column lies {offset:.3g} deviations from zero": (offset / OFFSET, "input_offset_column"),
        }
    what = max(strengths, key=strengths.__getitem__)
    strength, column = strengths[what]
    if strength < 1:
        return None
    return Finding(
        severity="warning",
        what=what,
        why="One learning rate serves all columns: the largest rules the steps, and the others are hardly heard.",
        advice=(on_one_scale(case, "standardised columns"),),
        evidence={"scale_ratio": ratio, "scale": largest, "offset": offset},
        confidence=confidence("DA301", strength),
        where=f"input {int(facts[column]) + 1}" if column in facts else "",
    )


@check("DA302", "unscaled target", silences=SYMPTOMS, source="LeCun et al., Efficient BackProp, 1998, section 4.5")
def check_target(case: Case) -> Finding | None:
    """Report a target of numbers that are far too large, too small or too far from zero for an output near zero.

    Notes
    -----
    **Rule.** The target's deviation is above 10 or below 0.01, or its mean is more than 10 deviations from zero.

    **Fires on** prices in dollars with ``preprocess=None``.

    **Silent on** ``preprocess="auto"``, which standardises the target; classes; counts with ``loss="poisson"``, whose
    output is a logarithm.

    **Limits.** An output bias that starts at the mean would make up for the offset, and is not seen.
    """
    run = run_of(case)
    if "target_scale" not in run.facts:
        raise NotApplicableError("the target is not a number, or its scale is not known")
    if "poisson" in run.objective:
        return None
    scale, offset = float(run.facts["target_scale"]), float(run.facts.get("target_offset") or 0.0)
    if scale < TINY:
        raise NotApplicableError("the target is the same in every row: there is nothing to learn")
    strengths = {
        f"the target has a deviation of {scale:.3g}": max(scale / TARGET_SCALE, TARGET_SMALL / max(scale, TINY)),
        f"the target's mean lies {offset:.3g} deviations from zero": offset / TARGET_OFFSET,
    }
    what = max(strengths, key=strengths.__getitem__)
    if strengths[what] < 1:
        return None
    return Finding(
        severity="warning",
        what=what,
        why="A network starts near zero, and its steps suit a target of about one: this one takes far too many, or "
        "far too short ones.",
        advice=(on_one_scale(case, "a standardised target"),),
        evidence={"scale": scale, "offset": offset},
        confidence=confidence("DA302", strengths[what]),
    )
