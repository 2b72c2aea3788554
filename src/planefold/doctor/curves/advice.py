"""What to try, worked out from the settings in use."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from planefold.doctor.case import Case
from planefold.doctor.curves.rules import SHRUNK, STRONG_DROPOUT, dropout_of, shrinkage, sizes_of
from planefold.doctor.figures import scaled_rate
from planefold.doctor.finding import Action

WIDEST, LEAST_WIDTH = 512, 32
MOST_DROPOUT = 0.6
NARROW_LAYER = 8
SHORT_STEP, LONG_STEP = 1.5e-4, 0.045  # lengths of a step, as shares of the weights
ROUGH, LONG_RATE = 0.03, 0.05  # jumps (share of the learnable range) and a learning rate that speak of long steps
SHRINK_TO = 0.01  # share of the weights in the gradient, where there was less


def slower(case: Case, factor: float) -> Action:
    """Advise shorter steps; with lbfgs, which has no learning rate, another solver."""
    if case.settings.get("solver") == "lbfgs":
        return Action(words="another solver", parameters={"solver": "adam"})
    return scaled_rate(case, factor)


def calmer(case: Case) -> tuple[Action, ...]:
    """Advise what stops a loss from jumping."""
    actions = [slower(case, 1 / 8)]
    batch = case.settings.get("batch_size")
    if isinstance(batch, int) and not isinstance(batch, bool):
        actions.append(Action(words="batches of four times the rows", parameters={"batch_size": 4 * batch}))
    if case.settings.get("learning_rate") == "constant":
        actions.append(Action(words="a learning rate that decays", parameters={"learning_rate": "cosine"}))
    return tuple(actions)


def longer(case: Case, n_epochs: int, *, is_judged: bool = True) -> tuple[Action, ...]:
    """Advise three times the epochs, or steps three times as long; where no rows were held out, to hold some out."""
    planned = case.settings.get("max_iter")
    epochs = 3 * max(planned if isinstance(planned, int) else 0, n_epochs)
    action = Action(words="three times the epochs", parameters={"max_iter": epochs})
    if is_judged:
        return best_kept(case, action), scaled_rate(case, 3.0)
    action = Action(
        words=f"{action.words}, with rows held out to stop in time",
        parameters={**keep_best().parameters, **action.parameters},
    )
    return action, scaled_rate(case, 3.0)


def keep_best() -> Action:
    """Advise to keep the weights of the epoch with the lowest loss on held-out rows."""
    parameters = {"early_stopping": True, "restore_best": True}
    return Action(words="keep the weights of the best epoch", parameters=parameters)


def best_kept(case: Case, action: Action) -> Action:
    """Add to what may overfit, where rows are held out already: the weights of the best epoch are kept."""
    is_judged = case.curves is not None and case.curves.val_loss is not None
    if not is_judged or case.settings.get("restore_best") is not False:
        return action
    return Action(words=f"{action.words}, the best epoch kept", parameters={**action.parameters, "restore_best": True})


def regularise(settings: Mapping[str, Any]) -> tuple[Action, ...]:
    """Advise more dropout, and a stronger penalty."""
    dropout = dropout_of(settings)
    more = 0.3 if dropout < 0.2 else min(dropout + 0.2, MOST_DROPOUT)
    actions = [Action(words="more dropout", parameters={"dropout": round(more, 2)})] if more > dropout else []
    return (*actions, stronger_penalty(settings))


def stronger_penalty(settings: Mapping[str, Any]) -> Action:
    """Advise ten times the penalty, and at least one that is felt."""
    alpha, batch = settings.get("alpha"), settings.get("batch_size")
    if not isinstance(alpha, int | float) or isinstance(alpha, bool):
        return Action(words="a stronger penalty on the weights")
    scale = batch if isinstance(batch, int) and settings.get("solver") != "adamw" else 1
    return Action(words="a stronger penalty", parameters={"alpha": _rounded(max(10 * alpha, SHRINK_TO * scale))})


def larger(case: Case) -> Action:
    """Advise wider layers, and nothing that holds them back."""
    settings = case.settings
    sizes = sizes_of(settings)
    wider = tuple(max(min(4 * size, WIDEST), LEAST_WIDTH, size) for size in sizes) or (64, 64)
    freed = [*([] if wider == sizes else ["wider layers"])]
    freed += ["no dropout"] if dropout_of(settings) else []
    freed += ["no penalty"] if shrinkage(settings) or settings.get("alpha") else []
    parameters = {"hidden_layer_sizes": wider, "alpha": 0.0, "dropout": 0.0}
    action = Action(words=" and ".join(freed) or "one more layer", parameters=parameters if freed else _deeper(sizes))
    return best_kept(case, action)


def _deeper(sizes: tuple[int, ...]) -> dict[str, Any]:
    return {"hidden_layer_sizes": (*sizes, sizes[-1])}


def wake_up(case: Case, jitter_share: float) -> tuple[Action, ...]:
    """Advise what may be in the way of a network that learned nothing, the likeliest first."""
    settings, sizes = case.settings, sizes_of(case.settings)
    is_held = dropout_of(settings) >= STRONG_DROPOUT or shrinkage(settings) >= SHRUNK
    rate = slower(case, 0.1) if _steps_are_long(case, jitter_share) else scaled_rate(case, 10.0)
    wider = larger(case) if is_held or (sizes and min(sizes) < NARROW_LAYER) else None
    actions = (wider, rate) if is_held else (rate, wider)
    return tuple(action for action in actions if action is not None)


def _steps_are_long(case: Case, jitter_share: float) -> bool:
    step, rate = _median_step(case), case.settings.get("learning_rate_init")
    if step is not None:
        return step > LONG_STEP or (step > SHORT_STEP and jitter_share > ROUGH)
    return jitter_share > ROUGH or (isinstance(rate, int | float) and rate >= LONG_RATE)


def _median_step(case: Case) -> float | None:
    """Return the length of a step relative to the weights: the median of the layers at the first measurement."""
    if case.run is None:
        return None
    measured = [sorted(epoch.update_ratio) for epoch in case.run.epochs if epoch.update_ratio]
    return float(measured[0][len(measured[0]) // 2]) if measured else None


def _rounded(value: float) -> float:
    return float(f"{value:.3g}")
