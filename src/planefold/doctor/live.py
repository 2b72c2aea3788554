"""`Watchdog`: what should make a person stop a training while it runs. Everything else waits for the end."""

from __future__ import annotations

import math

from planefold.engine.run import Epoch

FAR_OUT = 10.0  # times the trivial loss: worse than any network that only starts badly
N_FAR_OUT = 5  # epochs in a row
NO_GAIN = 0.995  # share of the trivial loss that counts as nothing learned
NOTHING_TO_LEARN = 1e-6  # what the best constant loses on a target that is constant, up to rounding in float32
LEAST_STEPS = 200
PATIENCE, PATIENCE_SHARE = 20, 0.2  # epochs before that is said, at least, and as a share of all


class Watchdog:
    """Watch a training epoch by epoch, and speak at most once.

    Parameters
    ----------
    trivial_loss : float
        Loss of always predicting the training mean or the training shares of the classes.
    max_iter : int
        Epochs that the training may take.
    learning_rate : float
        The first learning rate, for the advice.
    steps : int
        Steps of an epoch.
    from_nothing : bool
        Whether the network began with weights that know nothing. One that began at the linear solution may have
        nothing to gain.

    Notes
    -----
    It speaks of a training loss that has been more than 10 times the trivial loss for 5 epochs and is not falling,
    and of one that, on training and held-out rows, was never below 99.5 % of the trivial loss in the first 20 epochs,
    or the first fifth of them or 200 steps if that is more. A loss that is not a number ends the training by itself.

    Examples
    --------
    >>> dog = Watchdog(trivial_loss=1.0, max_iter=50, learning_rate=0.1, steps=10)
    >>> for number in range(1, 21):
    ...     said = dog(Epoch(epoch=number, train_loss=1.01, objective=1.01))
    >>> said
    'after 20 epochs the training loss is 1.01, still that of always predicting the same (1): nothing has been learned
    yet. Ctrl-C stops it; the diagnosis afterwards looks for the cause.'
    """

    def __init__(
        self, *, trivial_loss: float, max_iter: int, learning_rate: float, steps: int, from_nothing: bool = True
    ) -> None:
        self.from_nothing = from_nothing
        self.trivial_loss, self.learning_rate = trivial_loss, learning_rate
        self.patience = max(PATIENCE, math.ceil(PATIENCE_SHARE * max_iter), math.ceil(LEAST_STEPS / steps))
        self.recent: list[float] = []
        self.lowest = math.inf
        self.has_spoken = not (trivial_loss > NOTHING_TO_LEARN and math.isfinite(trivial_loss))

    def __call__(self, epoch: Epoch) -> str | None:
        """Take in an epoch; return what to say, the one time there is something."""
        if self.has_spoken or epoch.epoch < 1 or not math.isfinite(epoch.train_loss):
            return None
        self.recent = [*self.recent[1 - N_FAR_OUT :], epoch.train_loss]
        known = (epoch.train_loss, epoch.train_eval, epoch.val_loss)
        self.lowest = min(self.lowest, *(loss for loss in known if loss is not None))
        said = self._far_out(epoch) or self._nothing_learned(epoch)
        self.has_spoken = said is not None
        return said

    def _far_out(self, epoch: Epoch) -> str | None:
        is_long = len(self.recent) == N_FAR_OUT and min(self.recent) > FAR_OUT * self.trivial_loss
        if not is_long or self.recent[-1] < self.recent[0]:
            return None
        return (
            f"the training loss has been above {FAR_OUT:g} times that of always predicting the same for {N_FAR_OUT} "
            f"epochs, and is {epoch.train_loss:.3g} in epoch {epoch.epoch}: the steps are too long. Ctrl-C stops it; "
            f"try learning_rate_init={self.learning_rate / 10:g}."
        )

    def _nothing_learned(self, epoch: Epoch) -> str | None:
        if not self.from_nothing or epoch.epoch < self.patience or self.lowest < NO_GAIN * self.trivial_loss:
            return None
        return (
            f"after {epoch.epoch} epochs the training loss is {epoch.train_loss:.3g}, still that of always predicting "
            f"the same ({self.trivial_loss:.3g}): nothing has been learned yet. Ctrl-C stops it; the diagnosis "
            "afterwards looks for the cause."
        )
