"""How the first weights of a network are drawn: the record `Initialization` and the formula of each kind."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from planefold.core.errors import ParameterError, show, unknown_choice
from planefold.networks.activations import GAINS

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Initialization:
    """How the first weights are drawn, for every layer by its ``fan_in`` inputs and ``fan_out`` units.

    Parameters
    ----------
    kind : {"auto", "zeros", "uniform", "normal", "glorot_uniform", "glorot_normal", "he_uniform", "he_normal"}
        See the notes. "auto" is the default because it starts from the same network as scikit-learn does.
    scale : float
        Half width of "uniform", deviation of "normal"; the other kinds find their own. 0.05 is the default of
        both in Keras.
    bias : float or None
        First value of every hidden unit's bias. A small positive one, such as 0.1, lets ReLU units start active.
        None leaves it to the kind. The weights are the same ones with and without it.

    Raises
    ------
    ParameterError
        If the kind is not known, ``scale`` is not a positive number, or ``bias`` is not a number.

    Notes
    -----
    The kinds, where *uniform with b* is uniform on ``[-b, b]`` and ``g`` is the gain of the activation: ``sqrt(2)``
    for "relu", ``sqrt(2 / (1 + 0.01^2))`` for "leaky_relu", 5/3 for "tanh", 1 for the others, as torch has them:

    - "auto": scikit-learn's, uniform with ``b = sqrt(6 / (fan_in + fan_out))`` (2 instead of 6 for the activation
      "logistic"), for weights and biases alike. All others start with biases of 0.
    - "zeros": 0.
    - "uniform": uniform with ``b = scale``.
    - "normal": normal with deviation ``scale``.
    - "glorot_uniform": uniform with ``b = sqrt(6 / (fan_in + fan_out))``.
    - "glorot_normal": normal with deviation ``sqrt(2 / (fan_in + fan_out))``.
    - "he_uniform": uniform with ``b = g * sqrt(3 / fan_in)``.
    - "he_normal": normal with deviation ``g / sqrt(fan_in)``.

    *Zeros cannot learn.* Units of one layer with equal weights get equal gradients, so they stay one unit, however
    long they train; and with ReLU, whose slope at 0 is 0, nothing moves but the output's biases. Random first
    weights break this symmetry, which is what they are for.

    *Glorot* keeps the variance of signals and gradients from layer to layer where the activation is near its
    identity; *He* keeps the power of the signals where the activation passes on ``1 / g^2`` of it: half of it for
    ReLU, hence ``g = sqrt(2)``. As in that paper every layer gets the same gain, though no activation comes before
    the first one.

    References
    ----------
    Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural networks", AISTATS 2010,
    eq. 12 (variance 2 / (fan_in + fan_out)) and 16 (the uniform one).

    He, Zhang, Ren and Sun, "Delving Deep into Rectifiers: Surpassing Human-Level Performance on ImageNet
    Classification", ICCV 2015, eq. 10 (ReLU) and 15 (leaky ReLU).

    Goodfellow, Bengio and Courville, "Deep Learning", MIT Press 2016, section 8.4: the symmetry, and small positive
    biases for ReLU.

    Examples
    --------
    >>> Initialization("normal", scale=0.1)
    Initialization(kind='normal', scale=0.1, bias=None)
    >>> weights, biases = Initialization("he_normal").draw(np.random.RandomState(0), 400, 300, "relu")
    >>> round(float(weights.std()), 3)  # sqrt(2 / 400) = 0.0707
    0.071
    """

    kind: str = "auto"
    _: KW_ONLY
    scale: float = 0.05
    bias: float | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.kind, str) or self.kind not in INITIALIZATIONS:
            raise unknown_choice("kind", self.kind, INITIALIZATIONS)
        if not _is_finite(self.scale) or self.scale <= 0:
            raise ParameterError(f"scale={show(self.scale)} of the first weights must be a number above 0")
        if self.bias is not None and not _is_finite(self.bias):
            raise ParameterError(
                f"bias={show(self.bias)} of the first biases must be a number, or None", hint="such as bias=0.1"
            )
        # Plain numbers, whatever they came as: the record is written into model files.
        object.__setattr__(self, "scale", float(self.scale))
        object.__setattr__(self, "bias", None if self.bias is None else float(self.bias))

    def draw(
        self, random_state: np.random.RandomState, fan_in: int, fan_out: int, activation: str
    ) -> tuple[Floats, Floats]:
        """Draw the first weights and biases of one layer; ``bias`` is left to who knows which layers are hidden.

        Parameters
        ----------
        random_state : numpy.random.RandomState
            "auto" draws the weights and then the biases from it, "zeros" nothing, the others the weights.
        fan_in, fan_out : int
        activation : str
            A name in ``ACTIVATIONS``.

        Returns
        -------
        weights : ndarray of shape (fan_in, fan_out)
        biases : ndarray of shape (fan_out,)
        """
        draw, spread_of = _KINDS[self.kind]
        spread = spread_of(self, fan_in, fan_out, activation)
        weights = draw(random_state, spread, (fan_in, fan_out))
        return weights, draw(random_state, spread, (fan_out,)) if self.kind == "auto" else np.zeros(fan_out)


def _is_finite(value: Any) -> bool:
    value = value.item() if isinstance(value, np.generic) else value
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    return -sys.float_info.max <= value <= sys.float_info.max  # as it is: an int may be too large for a float


def _zeros(random_state: np.random.RandomState, spread: float, shape: tuple[int, ...]) -> Floats:
    return np.zeros(shape)


def _uniform(random_state: np.random.RandomState, spread: float, shape: tuple[int, ...]) -> Floats:
    return random_state.uniform(-spread, spread, shape)


def _normal(random_state: np.random.RandomState, spread: float, shape: tuple[int, ...]) -> Floats:
    return random_state.normal(0.0, spread, shape)


def _auto_bound(init: Initialization, fan_in: int, fan_out: int, activation: str) -> float:
    return math.sqrt((2.0 if activation == "logistic" else 6.0) / (fan_in + fan_out))


def _scale(init: Initialization, fan_in: int, fan_out: int, activation: str) -> float:
    return init.scale


def _glorot(init: Initialization, fan_in: int, fan_out: int, activation: str) -> float:
    return math.sqrt(2.0 / (fan_in + fan_out))


def _he(init: Initialization, fan_in: int, fan_out: int, activation: str) -> float:
    return GAINS[activation] / math.sqrt(fan_in)


def _bound(deviation: Callable[..., float]) -> Callable[..., float]:
    """Half the width of the uniform distribution that has this deviation."""
    return lambda *layer: math.sqrt(3.0) * deviation(*layer)


# Of each kind: the distribution, and its spread in a layer (half the width of uniform, the deviation of normal).
_KINDS: dict[str, tuple[Callable[..., Floats], Callable[..., float]]] = {
    "auto": (_uniform, _auto_bound),
    "zeros": (_zeros, _scale),
    "uniform": (_uniform, _scale),
    "normal": (_normal, _scale),
    "glorot_uniform": (_uniform, _bound(_glorot)),
    "glorot_normal": (_normal, _glorot),
    "he_uniform": (_uniform, _bound(_he)),
    "he_normal": (_normal, _he),
}
INITIALIZATIONS = tuple(_KINDS)
