"""`SoundClassifier`: folders of sounds, in one line: pictures of sound for a convolutional network."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin
from torch import Tensor

from planefold.core.errors import ParameterError, show, unknown_choice
from planefold.data.sounds import KINDS, SoundFeatures, feature_pictures, read_sounds
from planefold.engine.run import Epoch
from planefold.engine.schedules import Schedule
from planefold.estimators.class_targets import ClassTargets
from planefold.estimators.images import CLASS_WEIGHT, CLASSES, PARAMETERS, BaseImages
from planefold.estimators.training import Array

N_MELS, HOP_SECONDS = 40, 0.016  # a picture of 40 bands, and of 62 steps a second: what words and calls need

SOUND_PARAMETERS = """\
feature : {"mel", "spectrogram", "chroma"}
    The picture that a sound becomes: loudness (in decibels below its loudest place) by frequency and time. "mel" has
    bands as wide as the ear's, "spectrogram" equally wide ones, "chroma" the twelve tones of the octave.
rate : int
    Samples a second that sounds are brought to: 16,000 hold all of speech.
seconds : "auto" or float
    How long each sound is made, by silence around it or by cutting; "auto" is the commonest length.
size : None or (int, int)
    Height and width that the pictures are brought to; None leaves them as they are.
augment : "auto", None or sequence of str
    Changes that training pictures go through, another one each epoch (:mod:`planefold.data.augmentation`). "auto" is
    ("time_shift", "mask"): words come sooner or later, and each part of one should do.
"""


SOUND_ATTRIBUTES = """\
seconds_ : float
    How long each sound is made.
features_ : planefold.data.sounds.SoundFeatures
    How its picture is computed.
size_ : (int, int)
    Bands and steps of the picture.
"""


@dataclass(frozen=True, kw_only=True, eq=False)
class SoundPictures:
    """Pictures of sounds.

    Parameters
    ----------
    values : float32 array of shape (n_sounds, n_bands, n_steps)
        Decibels below the loudest place of each.
    files, labels, source, skipped, notes
        As of the sounds, :class:`planefold.data.sounds.Sounds`.
    """

    values: NDArray[np.float32]
    files: tuple[str, ...] = ()
    labels: Array | None = None
    source: str = "array"
    skipped: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.values)

    @property
    def shape(self) -> tuple[int, ...]:
        """(n_sounds, n_bands, n_steps)."""
        return tuple(self.values.shape)

    def __getitem__(self, index: Array) -> SoundPictures:
        """Return some of them: by whole numbers, or by a mask."""
        places = np.arange(len(self))[index]
        return SoundPictures(
            values=self.values[places],
            files=tuple(self.files[place] for place in places) if self.files else (),
            labels=None if self.labels is None else self.labels[places],
            source=self.source,
        )


@dataclass(frozen=True, eq=False)
class SoundStore:
    """Pictures of sounds as a network takes them: ``(decibels - mean) / scale``, with one channel."""

    values: NDArray[np.float32]
    mean: NDArray[np.float32]
    scale: NDArray[np.float32]

    @property
    def shape(self) -> tuple[int, ...]:
        """(n_sounds, 1, n_bands, n_steps)."""
        n, bands, steps = self.values.shape
        return n, 1, bands, steps

    def take_rows(self, index: NDArray[np.int64] | slice) -> Tensor:
        """Return some of them, (n, 1, n_bands, n_steps), in float32."""
        return torch.from_numpy((self.values[index] - self.mean) / self.scale)[:, None]


class SoundClassifier(ClassTargets, ClassifierMixin, BaseImages):  # type: ignore[misc]
    """A convolutional network that tells sounds apart by their pictures.

    {parameters}

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> t = np.arange(4000) / 8000
    >>> y = np.arange(60) % 2  # a low and a high tone, in noise
    >>> X = np.sin(2 * np.pi * np.where(y, 1500, 300)[:, None] * t) + rng.normal(0, 0.3, (60, 4000))
    >>> model = SoundClassifier(rate=8000, max_iter=5, random_state=0).fit(X.astype("float32"), y)
    >>> model.score(X.astype("float32"), y) > 0.8
    True
    """

    loss = "log_loss"
    color = "grey"
    _enough_steps, _least_epochs, _most_epochs = 600, 12, 50

    def __init__(
        self,
        channels: str | Sequence[int] = "auto",
        *,
        feature: str = "mel",
        rate: int = 16_000,
        seconds: str | float = "auto",
        size: tuple[int, int] | None = None,
        convolutions: str | int | Sequence[int] = "auto",
        kernel_size: int = 3,
        activation: str = "relu",
        batch_norm: bool = True,
        dropout: float = 0.2,
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

    feature: str
    rate: int
    seconds: Any
    seconds_: float

    def _check(self) -> None:
        super()._check()
        if self.feature not in KINDS:
            raise unknown_choice("feature", self.feature, list(KINDS))
        if isinstance(self.rate, bool) or not isinstance(self.rate, int | np.integer) or self.rate < 1:
            raise ParameterError(f"rate={show(self.rate)} must be samples a second, a whole number above 0")
        if self.size is not None and not (isinstance(self.size, tuple | list) and len(self.size) == 2):
            raise ParameterError(f"size={show(self.size)} must be (height, width), or None for pictures as they are")

    def _read_pictures(self, X: Any, *, fresh: bool = False, target: str | None = None) -> Any:
        if isinstance(X, SoundPictures):
            return X
        if fresh:
            self.features_ = self._new_features()
        seconds = self.seconds if fresh else self.seconds_
        sounds = read_sounds(X, rate=self.features_.rate, seconds=seconds, target=target)
        if fresh:
            self.seconds_ = sounds.seconds
            self.skipped_ = sounds.skipped
        values = feature_pictures(sounds, self.features_)[:, 0]
        if fresh:
            self.size_ = (int(values.shape[1]), int(values.shape[2]))
            self.color_ = "grey"
        return SoundPictures(
            values=values, files=sounds.files, labels=sounds.labels, source=sounds.source, skipped=sounds.skipped,
            notes=sounds.notes,
        )  # fmt: skip

    def _new_features(self) -> SoundFeatures:
        hop = max(1, round(HOP_SECONDS * self.rate))
        n_fft = 2 ** int(np.ceil(np.log2(2.5 * hop)))
        return SoundFeatures(
            kind=self.feature, rate=int(self.rate), n_fft=n_fft, hop_length=hop, n_mels=N_MELS,
            size=tuple(self.size or ()),
        )  # fmt: skip

    def _store(self, rows: Any) -> Any:
        return SoundStore(rows.values, self.mean_, self.scale_)

    def _learn_brightness(self, pictures: Any) -> None:
        some = pictures.values[:: max(1, len(pictures) // 1000)]
        deviation = np.float32(some.std(dtype=np.float64))
        self.mean_ = np.array([some.mean(dtype=np.float64)], np.float32)
        self.scale_ = np.array([deviation if deviation > 0 else 1], np.float32)

    def _automatic_changes(self) -> Sequence[str] | None:
        return ("time_shift", "mask")

    def _inputs_in_words(self) -> str:
        return f"{self.feature} pictures of {self.seconds_:g} s, {self.size_[0]} x {self.size_[1]}"


if SoundClassifier.__doc__:  # python -OO has none
    _network, _, _rest = PARAMETERS.partition("\nsize : ")
    _training = "{own}" + _rest.partition("{own}")[2]
    _text = _network + "\n" + SOUND_PARAMETERS + _training.replace("{own}", CLASS_WEIGHT) + CLASSES
    for _of_pictures, _of_sounds in (
        ("pictures and 64", "sounds and 64"),
        ("1,200 steps, at least 10 and at most 60", "600 steps, at least 12 and at most 50"),
        ("Hold pictures out", "Hold sounds out"),
        (_text[_text.index("size_ : ") : _text.index("mean_, scale_")], SOUND_ATTRIBUTES),
        ("mean_, scale_ : ndarray of shape (n_channels,)", "mean_, scale_ : ndarray of shape (1,)"),
        ("training pixels, in shares of full brightness.", "training pictures, in decibels."),
    ):
        _text = _text.replace(_of_pictures, _of_sounds)
    SoundClassifier.__doc__ = inspect.cleandoc(SoundClassifier.__doc__).replace("{parameters}", _text)
