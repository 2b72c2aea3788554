"""`ImageClassifier` and `ImageRegressor`: folders, tables of paths and arrays of pictures, in one line."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.utils.validation import check_is_fitted

from planefold.core.errors import DataError, ParameterError, show, unknown_choice
from planefold.data.augmentation import augmentation_of
from planefold.data.groups import groups_of
from planefold.data.images import PictureStore, read_pictures
from planefold.data.tables import Table, is_frame
from planefold.engine.run import Epoch
from planefold.engine.schedules import Schedule
from planefold.engine.sources import Rows
from planefold.estimators.class_targets import ClassTargets
from planefold.estimators.examining_pictures import pair_of
from planefold.estimators.inputs import read_groups, read_target_values, read_weights
from planefold.estimators.instruments import Instruments
from planefold.estimators.number_targets import NumberTargets
from planefold.estimators.parameters import MAX_LAYERS, MAX_PARAMETERS, check_some
from planefold.estimators.training import Array, BaseNetwork
from planefold.networks.cnn import ACTIVATIONS, CNNSpec
from planefold.networks.network import ModuleNet

T = TypeVar("T", bound=type)

N_FOR_SCALE = 2000  # pictures that brightness and contrast are told from
FEW = 2000
LARGE = 24  # pixels of the shorter side from which small shifts change little
TABLES = frozenset((".csv", ".tsv", ".txt", ".parquet", ".npz"))
SMALLEST_MAP = 4  # pixels of a side that the last pooling should leave, at least

PARAMETERS = """\
Parameters
----------
channels : "auto" or sequence of int
    Channels of each block of convolutions; a block ends with a pooling that halves height and width. "auto" is 16, 32,
    64, ... for as many blocks (at most four) as leave 4 pixels a side to the next one.
convolutions : "auto", int or sequence of int
    Convolutions of each block; "auto" is one in the first block and two in the others.
kernel_size : int
    Pixels of a side of what a convolution looks at.
activation : {"relu", "leaky_relu", "tanh"}
    With the first two the network is piecewise linear and can be read exactly.
batch_norm : bool
    Whether each convolution is followed by batch normalisation.
dropout : float
    Share of the last channels that a training step leaves out.
size : "auto", int or (int, int)
    Height and width that pictures are brought to. "auto" is the size that most of them have, reduced to at most 96
    pixels on the longer side: the work grows with the square.
color : {"auto", "grey", "rgb"}
    "auto" is grey where all pictures are.
augment : "auto", None or sequence of str
    Changes that training pictures go through, another one each epoch: "shift", "flip" (left to right), "zoom", "turn",
    "noise" (:mod:`planefold.data.augmentation`). "auto" is "shift" for pictures of 24 pixels or more, to which a flip
    is added where pictures have colours: a photograph means the same from left and right, a letter or an organ may not.
{own}solver, alpha, batch_size, learning_rate, learning_rate_init, max_iter, clip_norm
    As in :class:`planefold.MLPClassifier`, but for ``solver="lbfgs"``, which would take all pictures in each step.
    ``batch_size="auto"`` is 32 of up to 2,000 pictures and 64 of more, ``max_iter=None`` as many epochs as make about
    1,200 steps, at least 10 and at most 60.
early_stopping : bool
    Hold pictures out (``validation_fraction``), judge each epoch by them, and keep the weights that were best.
n_iter_no_change : float
    Epochs without a better validation loss after which training ends. Infinite, as "one_cycle" is at its best at the
    end.
device, random_state, verbose, callbacks, restore_best
    As in :class:`planefold.MLPClassifier`.

Attributes
----------
run_ : planefold.engine.Run
    What happened in the training, epoch by epoch.
net_ : planefold.networks.ModuleNet
    ``net_.module`` is a plain ``torch.nn.Sequential``.
size_ : (int, int)
    Height and width that pictures are brought to.
color_ : {"grey", "rgb"}
white_ : float or None
    What is full brightness in arrays of fractions, 1 or 255, as they were in the training; None where there were none.
mean_, scale_ : ndarray of shape (n_channels,)
    Mean and deviation of the training pixels, in shares of full brightness.
skipped_ : tuple of (str, str)
    Files that could not be read, with the reason."""


CLASS_WEIGHT = """\
class_weight : None, "balanced" or dict of label to weight
    What a picture of each class counts for. "balanced" makes all classes count alike, however frequent they are.
"""
CLASSES = """
classes_ : ndarray of shape (n_classes,)
    The labels, in the order of the columns of ``predict_proba``."""
LOSS = """\
loss : {"squared_error", "absolute_error", "huber", "poisson"}
    What is lowered, as in :class:`planefold.MLPRegressor`: "absolute_error" and "huber" bear targets that are far out,
    "poisson" is for counts.
"""


def _documented(cls: T) -> T:
    if cls.__doc__:  # python -OO has none
        own, more = (LOSS, "") if issubclass(cls, RegressorMixin) else (CLASS_WEIGHT, CLASSES)
        text = PARAMETERS.replace("{own}", own) + more
        cls.__doc__ = inspect.cleandoc(cls.__doc__).replace("{parameters}", text)
    return cls


class BaseImages(Instruments, BaseNetwork):
    """What both share: pictures read, brought to one size, and the network built."""

    # What tables can ask for and pictures cannot: the common parts look at them.
    n_members = 1
    preprocess = "auto"
    resample: str | None = None
    threshold = None
    warm_start = False
    shuffle = True
    tol = 0.0
    power_t, momentum, nesterovs_momentum = 0.5, 0.9, True
    beta_1, beta_2, epsilon, rho = 0.9, 0.999, 1e-8, 0.9
    l1_ratio, penalize_bias, max_fun = 0.0, False, 15000
    huber_delta = 1.35
    target_name_: str | None = None
    encoder_ = None

    _enough_steps, _least_epochs, _most_epochs = 1200, 10, 60

    def _automatic_batch_size(self, n_rows: int) -> int:
        return 32 if n_rows <= FEW else 64  # of few pictures an epoch should still be many steps

    loss: str
    _losses: tuple[str, ...] = ("log_loss",)
    channels: Any
    convolutions: Any
    size: Any
    color: str
    augment: Any

    def fit(
        self,
        X: Any,
        y: Any = None,
        sample_weight: Any = None,
        *,
        validation_data: Any = None,
        groups: Any = None,
    ) -> Any:
        r"""Learn from pictures and what they show. When it fails, the model stays as it was.

        Parameters
        ----------
        X : path of a folder, table of paths, list of paths, or array of shape (n_pictures, height, width[, n_channels])
            See :func:`planefold.data.images.read_pictures`.
        y : array-like of shape (n_pictures,), or a column name, optional
            What each shows. A name is of a column of the table X. Without y, the name of the folder that it lies in.
        sample_weight : array-like of shape (n_pictures,), optional
            Not negative.
        validation_data : (X, y), or X alone where folders say what it shows, optional
            Pictures to judge by, instead of some that are held out from X.
        groups : array-like of shape (n_pictures,), str or function, optional
            Pictures of one group (a patient, a place) are held out together. A text is a regular expression that finds
            the group in the file's name, such as ``r"patient(\d+)"``.

        Returns
        -------
        self

        Raises
        ------
        DataError
            If pictures or targets cannot be used, saying which and why.
        ParameterError
            If a parameter has a value that it cannot have.
        TrainingError
            If the training went out of all bounds.
        """
        return super().fit(X, y, sample_weight, validation_data=validation_data, groups=groups)

    def _check(self) -> None:
        parameters = self.get_params(deep=False)
        check_some(parameters)
        _check_network(parameters)
        if not self._is_augmented_by_itself():
            augmentation_of(self.augment)
        if parameters.get("loss", self.loss) not in self._losses:
            raise unknown_choice("loss", self.loss, self._losses)
        if self.solver == "lbfgs":
            raise ParameterError(
                "solver='lbfgs' takes all pictures in each step, without chance, and convolutional networks need many",
                hint="solver='adamw', or another one that takes batches",
            )

    # ----------------------------------------------------------------------------------------- read

    def _read_pictures(self, X: Any, *, fresh: bool = False, target: str | None = None) -> Any:
        if fresh:
            pictures = read_pictures(X, size=self.size, color=self.color, target=target)
            self.skipped_, self.white_ = pictures.skipped, pictures.white
            self.size_ = (int(pictures.shape[1]), int(pictures.shape[2]))
            self.color_ = "grey" if pictures.shape[3] == 1 else "rgb"
            return pictures
        # A dark picture alone does not say what is white: the others did.
        return read_pictures(X, size=self.size_, color=self.color_, white=self.white_, target=target)

    def _pair(self, X: Any, y: Any, *, fresh: bool = False) -> tuple[Any, Any]:
        """Take the labels from the folders, or from a column, where they are not given."""
        if not isinstance(y, str):
            pictures = self._read_pictures(X, fresh=fresh)
            return pictures, self._labels(pictures, y)
        is_path = isinstance(X, str | os.PathLike)
        if not (Path(X).suffix.lower() in TABLES if is_path else isinstance(X, Table | Mapping) or is_frame(X)):
            raise DataError(f"y={show(y)} is the name of a column, and X is no table",
                            hint="give one label for each row; folders say theirs without y")  # fmt: skip
        pictures = self._read_pictures(X, fresh=fresh, target=y)
        return pictures, pictures.labels

    def _inputs_in_words(self) -> str:
        return f"{'grey' if self.color_ == 'grey' else 'colour'} pictures of {self.size_[0]} x {self.size_[1]} pixels"

    def _labels(self, pictures: Any, y: Any) -> Any:
        if y is not None:
            return y
        if pictures.labels is None:
            raise DataError(
                f"{pictures.source} does not say what the pictures show",
                hint="give y, or a folder with one folder for each class",
            )
        return pictures.labels

    def _read_all(
        self, X: Any, y: Any, sample_weight: Any, groups: Any, *, fresh: bool
    ) -> tuple[Any, Array, Array | None, Array | None, list[str] | None]:
        pictures, labels = self._pair(X, y, fresh=fresh)
        n = len(pictures)
        values = read_target_values(labels, n, type(self).__name__)
        weights = read_weights(sample_weight, n)
        return pictures, values, weights, read_groups(groups_of(pictures, groups), n), None

    def _read_validation(self, validation_data: tuple[Any, Any], dtype: torch.dtype) -> Rows:
        X, y = pair_of(validation_data)
        try:
            pictures, labels = self._pair(X, y)
            values = read_target_values(labels, len(pictures), type(self).__name__)
            return self._prepare(pictures, values, self._weigh(values, None), dtype=dtype)
        except ValueError as error:
            error.add_note("while reading validation_data")
            raise

    def _prepare(
        self,
        rows: Any,
        y: Array,
        weights: Array | None,
        *,
        fit: bool = False,
        folds: Array | None = None,
        dtype: torch.dtype | None = None,
    ) -> Rows:
        if fit:
            self._learn_brightness(rows)
        found = self._rows(self._store(rows), y, weights, dtype)
        if not fit:
            return found
        return Rows(X=found.X, y=found.y, weights=found.weights, augment=augmentation_of(self._changes()))

    def _store(self, rows: Any) -> Any:
        """Return rows as the network takes them."""
        return PictureStore(rows.pixels, self.mean_, self.scale_)

    def _learn_brightness(self, pictures: Any) -> None:
        """Find mean and deviation of each channel."""
        some = pictures.pixels[np.linspace(0, len(pictures) - 1, min(len(pictures), N_FOR_SCALE)).astype(int)]
        values = some.reshape(-1, some.shape[-1])
        self.mean_ = (values.mean(axis=0, dtype=np.float64) / 255).astype(np.float32)
        deviation = (values.std(axis=0, dtype=np.float64) / 255).astype(np.float32)
        self.scale_ = np.where(deviation > 0, deviation, np.float32(1))

    def _is_augmented_by_itself(self) -> bool:
        return isinstance(self.augment, str) and self.augment == "auto"

    def _changes(self) -> Sequence[str] | None:
        """Return what training pictures go through."""
        return self._automatic_changes() if self._is_augmented_by_itself() else self.augment

    def _automatic_changes(self) -> Sequence[str] | None:
        """Choose the changes that leave the meaning of such pictures as it is."""
        if min(self.size_) < LARGE:
            return None
        return ("shift", "flip") if self.color_ == "rgb" else ("shift",)

    def _dtype(self, X: Any) -> torch.dtype:
        return torch.float32

    # ---------------------------------------------------------------------------------------- build

    def _new_net(self, rows: Rows, validation: Rows | None, random_state: np.random.RandomState) -> ModuleNet:
        spec = self._new_spec(rows.X.shape[1:], rows.y.shape[1])
        spec.check()
        if spec.n_parameters > MAX_PARAMETERS:
            raise ParameterError(
                f"channels={show(self.channels)} makes a network of {spec.n_parameters:,} parameters",
                details=f"at most {MAX_PARAMETERS:,}",
            )
        return spec.build(random_state)

    def _new_spec(self, shape: Sequence[int], n_outputs: int) -> CNNSpec:
        if isinstance(self.channels, str) and min(shape[1:]) < 2:
            raise DataError(
                f"pictures of {shape[1]} x {shape[2]} pixels are too small for a convolutional network",
                details="each side needs 2 pixels at least",
                hint=f"size={tuple(max(2, side) for side in shape[1:])} enlarges them",
            )
        channels = automatic_channels(shape) if isinstance(self.channels, str) else tuple(map(int, self.channels))
        convolutions: Any = self.convolutions
        if isinstance(convolutions, str):
            convolutions = (1, *[2] * (len(channels) - 1))
        elif np.ndim(convolutions):
            convolutions = tuple(map(int, convolutions))
        else:
            convolutions = int(convolutions)
        return CNNSpec(
            input_shape=(int(shape[0]), int(shape[1]), int(shape[2])), n_outputs=n_outputs, channels=channels,
            convolutions=convolutions, kernel_size=self.kernel_size, batch_norm=self.batch_norm,
            activation=self.activation, dropout=self.dropout,
        )  # fmt: skip

    kernel_size: int
    batch_norm: bool
    activation: str
    dropout: float

    # -------------------------------------------------------------------------------------- predict

    def decision_outputs(self, X: Any) -> Array:
        """Outputs of the network before the link (logits, or scaled values), (n_pictures, n_outputs)."""
        check_is_fitted(self, "net_")
        rows = self._read_pictures(X)
        store = self._store(rows)
        outputs = np.empty((len(rows), self.net_.spec.n_outputs), np.float32)
        with torch.inference_mode():
            for start in range(0, len(rows), 512):
                some = slice(start, min(start + 512, len(rows)))
                outputs[some] = self.net_(store.take_rows(some))[0].numpy()
        return outputs


def _check_network(parameters: Mapping[str, Any]) -> None:
    """Refuse what makes no network, as far as that is seen before there are pictures."""
    for name, example in (("channels", "(16, 32, 64)"), ("convolutions", "2 or (1, 2, 2)")):
        value = parameters[name]
        if isinstance(value, str) and value == "auto":
            continue
        one = name == "convolutions" and _is_count(value)
        several = isinstance(value, list | tuple | np.ndarray) and len(value) > 0 and all(map(_is_count, value))
        if not (one or several):
            raise ParameterError(
                f"{name}={show(value)} must be 'auto' or whole numbers above 0, one for each block",
                hint=f"for example {name}={example}",
            )
        n_layers = int(value) if one else max(len(value), sum(map(int, value)) if name == "convolutions" else 0)
        if n_layers > MAX_LAYERS:
            raise ParameterError(f"{name}={show(value)} makes more than {MAX_LAYERS:,} layers")
    if not _is_count(parameters["kernel_size"]):
        raise ParameterError(f"kernel_size={show(parameters['kernel_size'])} must be an odd whole number")
    rate = parameters["dropout"]
    if isinstance(rate, bool) or not isinstance(rate, int | float | np.integer | np.floating):
        raise ParameterError(f"dropout={show(rate)} must be a share, from 0 to below 1")
    if parameters["activation"] not in ACTIVATIONS:
        raise unknown_choice("activation", parameters["activation"], list(ACTIVATIONS))


def _is_count(value: Any) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool) and bool(value > 0)


def automatic_channels(shape: Sequence[int]) -> tuple[int, ...]:
    """Choose the channels of each block by the size of the pictures.

    >>> automatic_channels((1, 8, 8)), automatic_channels((3, 32, 32))
    ((16, 32), (16, 32, 64))
    """
    side, blocks = min(shape[1:]), 0
    while side >= 2 * SMALLEST_MAP - 1 and blocks < 4:
        side, blocks = side // 2, blocks + 1
    return tuple(16 * 2**k for k in range(max(blocks, 2))) if min(shape[1:]) >= 4 else (32,)


@_documented
class ImageClassifier(ClassTargets, ClassifierMixin, BaseImages):  # type: ignore[misc]
    """A convolutional network that tells what pictures show.

    {parameters}

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> digits = load_digits()
    >>> X = (digits.images * 15.9).astype("uint8")  # (1797, 8, 8)
    >>> model = ImageClassifier(max_iter=3, random_state=0).fit(X[:1500], digits.target[:1500])
    >>> model.score(X[1500:], digits.target[1500:]) > 0.8
    True
    """

    loss = "log_loss"

    def __init__(
        self,
        channels: str | Sequence[int] = "auto",
        *,
        convolutions: str | int | Sequence[int] = "auto",
        kernel_size: int = 3,
        activation: str = "relu",
        batch_norm: bool = True,
        dropout: float = 0.1,
        size: str | int | tuple[int, int] = "auto",
        color: str = "auto",
        augment: str | Sequence[str] | None = "auto",
        class_weight: str | Mapping[Any, float] | None = None,
        solver: str = "adamw",
        alpha: float = 0.05,
        batch_size: int | str = "auto",
        learning_rate: str | Schedule = "one_cycle",
        learning_rate_init: float = 0.01,
        max_iter: int | None = None,
        clip_norm: float | None = None,
        early_stopping: bool = True,
        validation_fraction: float = 0.1,
        n_iter_no_change: float = float("inf"),
        restore_best: bool = True,
        device: str = "auto",
        random_state: Any = None,
        verbose: bool | int = False,
        callbacks: Sequence[Callable[[Epoch], object]] | None = None,
    ) -> None:
        self._keep(locals())


@_documented
class ImageRegressor(NumberTargets, RegressorMixin, BaseImages):  # type: ignore[misc]
    """A convolutional network that tells numbers from pictures.

    {parameters}

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> X = np.zeros((200, 12, 12), np.uint8)  # a bright bar; how far is it from the left?
    >>> place = rng.integers(0, 12, 200)
    >>> X[np.arange(200), :, place] = 255
    >>> model = ImageRegressor(max_iter=30, random_state=0).fit(X, abs(place - 5.5))
    >>> model.predict(X[:2]).shape
    (2,)
    """

    _losses = ("squared_error", "mean_squared_error", "absolute_error", "huber", "poisson")

    def __init__(
        self,
        channels: str | Sequence[int] = "auto",
        *,
        loss: str = "squared_error",
        convolutions: str | int | Sequence[int] = "auto",
        kernel_size: int = 3,
        activation: str = "relu",
        batch_norm: bool = True,
        dropout: float = 0.1,
        size: str | int | tuple[int, int] = "auto",
        color: str = "auto",
        augment: str | Sequence[str] | None = "auto",
        solver: str = "adamw",
        alpha: float = 0.05,
        batch_size: int | str = "auto",
        learning_rate: str | Schedule = "one_cycle",
        learning_rate_init: float = 0.01,
        max_iter: int | None = None,
        clip_norm: float | None = None,
        early_stopping: bool = True,
        validation_fraction: float = 0.1,
        n_iter_no_change: float = float("inf"),
        restore_best: bool = True,
        device: str = "auto",
        random_state: Any = None,
        verbose: bool | int = False,
        callbacks: Sequence[Callable[[Epoch], object]] | None = None,
    ) -> None:
        self._keep(locals())
