"""Another name for :mod:`planefold.engine.loop`, until the estimators import from there."""

# A module `train` hides the function `planefold.engine.train` as soon as it is imported: delete this one.
from planefold.engine.loop import Memory, train

__all__ = ["Memory", "train"]
