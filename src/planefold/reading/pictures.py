"""Models of pictures, read exactly: one picture's plane as a picture of weights, and the whole in its affine form.

A convolution, batch normalisation by its running statistics and average pooling are affine; ReLU and max pooling fold.
So a convolutional network with these is piecewise linear in the pixels, and everything that is read of a multilayer
perceptron can be read of it. A picture is here what ``predict`` takes: pixels from 0 to 255, (height, width) where the
model is one of grey pictures, (height, width, 3) where it is one of coloured ones; of a model of sounds, decibels,
(bands, steps). The model's own normalisation belongs to what is read.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from planefold.core.errors import DataError, NotPiecewiseLinearError, ParameterError, show, unknown_choice
from planefold.core.records import Record
from planefold.data.targets import NumberTarget
from planefold.networks.affine import Floats, PiecewiseLinearNet
from planefold.networks.network import ModuleNet
from planefold.reading.imports.checks import WHAT_NOW
from planefold.reading.tables.columns import offsets_of, output_names_of

FULL = 255.0  # of a pixel
TOLERANCE_FLOAT32 = 1e-4  # the model computes in float32, the reading in float64
STEP = 1e-6  # of full brightness: how far from a picture its plane is taken
SAME_PLANE = 1e-9  # of the largest output: how far the plane may miss the picture's own outputs

AFFINE = (
    nn.Conv2d, nn.BatchNorm2d, nn.AvgPool2d, nn.Linear, nn.Flatten, nn.Identity, nn.Dropout, nn.Dropout2d,
)  # fmt: skip
FOLDS = (nn.ReLU, nn.LeakyReLU, nn.MaxPool2d, nn.AdaptiveMaxPool2d)
SMOOTH = (
    nn.Tanh, nn.Sigmoid, nn.GELU, nn.SiLU, nn.ELU, nn.SELU, nn.CELU, nn.Mish, nn.Softplus, nn.Softmax, nn.LogSoftmax,
    nn.LayerNorm, nn.GroupNorm, nn.MultiheadAttention,
)  # fmt: skip


# ------------------------------------------------------------------------------------------------------- the network


def is_picture_model(model: Any) -> bool:
    """Tell whether a model is a fitted one of pictures (or of sounds, whose rows are pictures of sound)."""
    return isinstance(getattr(model, "net_", None), ModuleNet) and hasattr(model, "mean_") and hasattr(model, "scale_")


class PictureNet(nn.Module):
    """A model of pictures as one module in float64: from pixels as ``predict`` takes them to the user's units.

    Parameters
    ----------
    model : ImageClassifier or ImageRegressor
        Fitted. It is copied, never changed.

    Raises
    ------
    NotPiecewiseLinearError
        If a layer bends between its creases.
    ParameterError
        If the model is none of pictures, or its network is no chain of layers that are known here.
    """

    factor: Tensor
    shift: Tensor
    out_factor: Tensor
    out_shift: Tensor

    def __init__(self, model: Any) -> None:
        super().__init__()
        if not is_picture_model(model):
            raise ParameterError(
                f"a {type(model).__name__} is no fitted model of pictures", hint="fit an ImageClassifier, and give it"
            )
        self.said = f"{type(model).__name__} of {model.net_.spec.n_parameters:,} parameters"
        self.network: nn.Module = copy.deepcopy(model.net_.module).to(device="cpu", dtype=torch.float64).eval()
        self.network.requires_grad_(False)
        for layer in leaves(self.network):
            _refuse(layer, model)
        n_channels, height, width = (int(side) for side in model.net_.spec.described["input_shape"])
        self.shape = (height, width) if n_channels == 1 else (height, width, n_channels)
        self.channels_first = (n_channels, height, width)
        # Pictures of sounds are decibels, of which there is no fullest.
        full = 1.0 if hasattr(model, "features_") else FULL
        mean, scale = (_spread(np.asarray(part, dtype=np.float64), self.channels_first) for part in
                       (model.mean_, model.scale_))  # fmt: skip
        self.full = full
        self.register_buffer("factor", torch.from_numpy(1 / (full * scale)))
        self.register_buffer("shift", torch.from_numpy(-mean / scale))
        target, n_outputs = model._target, model.net_.spec.n_outputs
        is_number = isinstance(target, NumberTarget)
        scales, means = (target.scale, target.mean) if is_number else (np.ones(n_outputs), np.zeros(n_outputs))
        self.register_buffer("out_factor", torch.from_numpy(np.asarray(scales, dtype=np.float64)))
        self.register_buffer("out_shift", torch.from_numpy(np.asarray(means, dtype=np.float64)))

    def prepared(self, X: Tensor) -> Tensor:
        """Bring pictures (n, height, width) or (n, height, width, n_channels) to what the network takes."""
        X = X[..., None] if X.dim() == 3 else X
        return X.permute(0, 3, 1, 2) * self.factor + self.shift

    def finished(self, outputs: Tensor) -> Tensor:
        """Bring outputs of the network to the user's unit."""
        return outputs * self.out_factor + self.out_shift

    def forward(self, X: Tensor) -> Tensor:
        """Compute the outputs before the link."""
        return self.finished(self.network(self.prepared(X)))

    def picture(self, picture: Any, name: str = "picture") -> Floats:
        """Bring one picture to float64 of the model's shape.

        Raises
        ------
        DataError
            If it has another shape, or a number is not finite.
        """
        pixels = np.asarray(getattr(picture, "pixels", getattr(picture, "values", picture)))
        if pixels.size and pixels.ndim == len(self.shape) + 1 and len(pixels) == 1:
            pixels = pixels[0]
        if pixels.ndim == 3 and pixels.shape[2] == 1 and len(self.shape) == 2:
            pixels = pixels[..., 0]
        if pixels.dtype.kind not in "uifb" or pixels.shape != self.shape:
            raise DataError(
                f"{name} has the shape {pixels.shape}, and {self.said} reads pictures of {self.shape}",
                hint="one picture as an array of numbers: model._read_pictures(folder).pixels[0], say, or X[0]"
                if pixels.ndim != len(self.shape) else "bring it to that size first",
            )  # fmt: skip
        values = np.array(pixels, dtype=np.float64)
        if not np.isfinite(values).all():
            raise DataError(f"{name} holds a number that is not finite")
        return values


def leaves(module: nn.Module) -> Iterator[nn.Module]:
    """Yield the layers of a chain, in their order."""
    if isinstance(module, nn.Sequential):
        for part in module:
            yield from leaves(part)
    else:
        yield module


def _refuse(layer: nn.Module, model: Any) -> None:
    name = type(layer).__name__
    if isinstance(layer, SMOOTH):
        given = getattr(model, "activation", None)
        what = f"activation={show(given)}" if given not in (None, "relu", "leaky_relu") else f"the layer {name}"
        raise NotPiecewiseLinearError(
            f"{what} is not piecewise linear, so this network has no planes to read",
            details="piecewise linear are 'relu' and 'leaky_relu', with max and average pooling",
            hint=WHAT_NOW,
        )
    is_average = isinstance(layer, nn.AdaptiveAvgPool2d)
    if not isinstance(layer, AFFINE + FOLDS) and not is_average:
        raise ParameterError(
            f"a layer {name} of a network of pictures cannot be read",
            details="convolution, batch normalisation, ReLU, leaky ReLU, pooling, dropout and dense layers can, one "
            "after the other",
        )


def _spread(values: Floats, shape: tuple[int, int, int]) -> Floats:
    """Bring means of channels (or, of a sound, of its bands or of all) to (n_channels or 1, height or 1, 1)."""
    if values.size in (1, shape[0]):
        return values.reshape(-1, 1, 1)
    return np.ascontiguousarray(np.broadcast_to(values.reshape(1, -1, 1), (1, shape[1], 1)))


def picture_net(model: Any) -> PiecewiseLinearNet:
    """Return a model of pictures as affine maps and folds; :func:`planefold.reading.from_model` calls it.

    Parameters
    ----------
    model : ImageClassifier or ImageRegressor
        Fitted.

    Returns
    -------
    PiecewiseLinearNet
        Takes pixels from 0 to 255 in the shape in which ``predict`` takes a picture, (height, width) or (height,
        width, 3): ``net.outputs(X)`` equals ``model.decision_outputs(X)``. Outputs are those before the link, of a
        regressor in the unit of its target.

    Raises
    ------
    NotPiecewiseLinearError
        If the network is not piecewise linear, or what was read does not agree with the model on 16 pictures of noise.
    ParameterError
        If the matrices would take more than 2 GiB: :func:`local_picture` and :func:`between` need none.

    Notes
    -----
    The default network on pictures of 28 x 28 pixels: 17 million numbers, read in about two seconds on one core.
    """
    from planefold.reading.imports.torch_modules import read_module

    module = PictureNet(model)
    try:
        net = read_module(module, module.shape)
    except ParameterError as error:
        if "GiB" in f"{error.what}{error.details}":
            error.hint = (
                "local_picture(model, picture) and between(model, picture_a, picture_b) read it without matrices; or "
                "train on smaller pictures (size=32), with fewer channels"
            )
        raise
    net = replace(
        net,
        output_names=output_names_of(model),
        link=model.out_activation_,
        offsets=offsets_of(model) or (0.0,) * net.n_outputs,
        description=module.said,
    )
    check_agreement(model, module, net)
    return net


def check_agreement(model: Any, module: PictureNet, net: PiecewiseLinearNet | None = None) -> None:
    """Compare what was read with the model's own outputs on pictures of noise.

    Raises
    ------
    NotPiecewiseLinearError
        If they differ by more than float32 explains.
    """
    if module.full != FULL:
        return  # a model of sounds makes its pictures itself
    rng = np.random.default_rng(0)
    X = rng.integers(0, 256, (16, *module.shape), dtype=np.uint8)
    X[8:] //= 4  # dark ones too
    theirs = np.asarray(model.decision_outputs(X), dtype=np.float64)
    theirs = theirs * module.out_factor.numpy() + module.out_shift.numpy()
    ours = outputs_of(module, X) if net is None else net.outputs(X)
    difference = float(np.abs(ours - theirs).max() / max(np.abs(theirs).max(), 1e-300))
    if not difference <= TOLERANCE_FLOAT32:
        raise NotPiecewiseLinearError(
            f"{module.said} does not compute what its layers say, so it is not read",
            details=f"on 16 pictures of noise they differ by {difference:.1e} of the largest output",
        )


@torch.no_grad()
def outputs_of(module: PictureNet, pictures: npt.ArrayLike) -> Floats:
    """Outputs before the link in float64, (n_pictures, n_outputs)."""
    X = torch.from_numpy(np.array(pictures, dtype=np.float64))
    step = max(1, 2**24 // (64 * int(np.prod(module.shape))))
    return np.concatenate([module(part).numpy() for part in torch.split(X, step)])


# ----------------------------------------------------------------------------------------------------- one picture


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class LocalPicture(Record):
    """The linear model that a network is around one picture: ``(weights * picture).sum() + intercept`` is its output.

    Parameters
    ----------
    weights : ndarray of shape (height, width) or (height, width, n_channels)
        What one step of brightness (of 255) of each pixel adds to the output.
    intercept : float
    output : float
        The output for the picture itself, before the link: a logit, or a number in the target's unit.
    picture : ndarray of the shape of ``weights``
    name : str
        Which output.
    on_crease : bool
        Whether the picture lies on a crease, where planes meet: even areas do, since all pixels that a max pooling
        compares are equal there. Then the plane is one of those that meet, and they agree in the picture itself.
    """

    weights: Floats
    intercept: float
    output: float
    picture: Floats
    name: str
    on_crease: bool

    def __str__(self) -> str:
        where = ", on a crease: one of the planes that meet there" if self.on_crease else ""
        return f"{self.name}: {self.output:.4g} = the sum of weight x pixel + {self.intercept:.4g}{where}"

    @property
    def contributions(self) -> Floats:
        """``weights * picture``: what each pixel adds, against black."""
        return self.weights * self.picture


def local_picture(model: Any, picture: npt.ArrayLike, output: Any = None, *, against: Any = None) -> LocalPicture:
    """Read the plane that a picture lies in: a picture of weights.

    Parameters
    ----------
    model : ImageClassifier or ImageRegressor
        Fitted, with an activation that folds.
    picture : array-like of shape (height, width) or (height, width, 3)
        Pixels from 0 to 255, as ``predict`` takes them, of the model's size.
    output : class label, or number of the output of a regressor, optional
        By default the class that the model names, or the first number.
    against : class label, optional
        Of more than two classes: read the output of one class minus that of the other. Where it is 0, the two are
        equally probable.

    Returns
    -------
    LocalPicture

    Raises
    ------
    DataError
        If the picture has another size.
    NotPiecewiseLinearError
        If the network is not piecewise linear: of tanh there are no planes.
    ParameterError
        If there is no such class.

    Notes
    -----
    By automatic differentiation in float64, which is exact where the network is a plane; sum and output agree to
    1e-9 of the output. A picture may lie *on* a crease, where the derivative is not defined, and what automatic
    differentiation returns there need not be the slope of any plane. So the plane is taken a millionth of full
    brightness beside the picture (nearer, where there is a crease in between), and it is checked that it meets the
    picture.

    References
    ----------
    Balestriero and Baraniuk, "A spline theory of deep networks", ICML 2018.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from planefold.estimators.images import ImageClassifier
    >>> digits = load_digits()
    >>> X = (digits.images * 15.9).astype("uint8")
    >>> model = ImageClassifier(max_iter=2, random_state=0).fit(X, digits.target)
    >>> plane = local_picture(model, X[0])
    >>> plane.weights.shape, bool(abs(plane.contributions.sum() + plane.intercept - plane.output) < 1e-6)
    ((8, 8), True)
    """
    module = PictureNet(model)
    pixels = module.picture(picture)
    values = outputs_of(module, pixels[None])[0]
    mixture, name = _mixture(model, values, output, against)
    wanted, size = float(mixture @ values), float(np.abs(values).max() + 1e-300)
    slopes = [_beside(module, pixels, mixture, wanted, size, sense) for sense in (1.0, -1.0)]
    weights = slopes[0]
    apart = float(np.abs(slopes[0] - slopes[1]).max())
    return LocalPicture(
        weights=weights,
        intercept=wanted - float((weights * pixels).sum()),
        output=wanted,
        picture=pixels,
        name=name,
        on_crease=apart > 1e-9 * max(float(np.abs(weights).max()), 1e-300),
    )


def _beside(module: PictureNet, pixels: Floats, mixture: Floats, wanted: float, size: float, sense: float) -> Floats:
    """Return the slopes of a plane that meets the picture, on one side of it."""
    direction = sense * np.random.default_rng(0).uniform(0.5, 1.0, pixels.shape)
    direction *= np.random.default_rng(1).choice([-1.0, 1.0], pixels.shape)
    step = STEP * module.full
    for _ in range(5):
        there = torch.from_numpy(pixels + step * direction)[None].requires_grad_(True)
        value = module(there)[0] @ torch.from_numpy(mixture)
        (slopes,) = torch.autograd.grad(value, there)
        found: Floats = slopes[0].numpy()
        if abs(float(value.detach()) - float((found * step * direction).sum()) - wanted) <= SAME_PLANE * 1e-3 * size:
            return found
        step /= 10
    return found


def _mixture(model: Any, values: Floats, output: Any, against: Any) -> tuple[Floats, str]:
    """Return how the outputs are mixed into the one that is asked for, and its name."""
    n_outputs = len(values)
    unit = np.eye(n_outputs)
    if not hasattr(model, "classes_") or model._target.multilabel:
        names = list(output_names_of(model))
        place = 0 if output is None else _place(names, output)
        return unit[place], names[place]
    classes = model.classes_.tolist()
    if n_outputs == 1:  # the output of the second class; that of the first is 0
        if output is None:
            output = classes[-1] if values[0] > (offsets_of(model) or (0.0,))[0] else classes[0]
        sign = -1.0 if _place(classes, output) == 0 and len(classes) == 2 else 1.0
        return np.array([sign]), f"logit of {output}"
    place = int(values.argmax()) if output is None else _place(classes, output)
    if against is None:
        return unit[place], f"logit of {classes[place]}"
    return unit[place] - unit[_place(classes, against)], f"logit of {classes[place]} minus that of {against}"


def _place(names: list[Any], wanted: Any) -> int:
    wanted = wanted.item() if isinstance(wanted, np.generic) else wanted
    if wanted in names:
        return names.index(wanted)
    if str(wanted) in [str(name) for name in names]:
        return [str(name) for name in names].index(str(wanted))
    if names and isinstance(names[0], str) and isinstance(wanted, int) and 0 <= wanted < len(names):
        return wanted
    raise unknown_choice("output", wanted, [str(name) for name in names])
