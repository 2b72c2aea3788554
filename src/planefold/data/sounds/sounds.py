"""`Sounds`: what was read, all of one rate and one length, in one array."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from planefold.data.sounds.features import SoundFeatures
    from planefold.data.tables import Table

Array = NDArray[Any]


@dataclass(frozen=True, kw_only=True, eq=False)
class Sounds:
    """Sounds of one rate and one length.

    Parameters
    ----------
    waves : float32 array of shape (n_sounds, n_samples)
        Between -1 and 1, one channel.
    rate : int
        Samples a second.
    files : tuple of str
        Where each came from, relative to the source; empty for arrays.
    labels : array of shape (n_sounds,), optional
        The folder that each lay in.
    lengths : int64 array of shape (n_sounds,), optional
        Samples that each had at this rate, before it was padded or cut.
    source : str
        What was read, for messages.
    skipped : tuple of (str, str)
        Files that could not be read, each with the reason.
    notes : tuple of str
        What a person should know: how many were padded, cut and resampled, and which are silent.
    """

    waves: NDArray[np.float32]
    rate: int
    files: tuple[str, ...] = ()
    labels: Array | None = None
    lengths: NDArray[np.int64] | None = None
    source: str = "array"
    skipped: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.waves)

    @property
    def seconds(self) -> float:
        """How long each is."""
        return float(self.waves.shape[1] / self.rate)

    def __getitem__(self, index: Array) -> Sounds:
        """Return some of them: by whole numbers, or by a mask."""
        places = np.arange(len(self))[index]
        return Sounds(
            waves=self.waves[places],
            rate=self.rate,
            files=tuple(self.files[place] for place in places) if self.files else (),
            labels=None if self.labels is None else self.labels[places],
            lengths=None if self.lengths is None else self.lengths[places],
            source=self.source,
        )

    def to_table(self, features: SoundFeatures | None = None) -> Table:
        """Write each sound as a row: its label, its file, and its picture of sound, value by value.

        Parameters
        ----------
        features : SoundFeatures, optional
            Default: a mel spectrogram, 32 high and 256 wide: 8,192 columns.

        Returns
        -------
        Table
            ``label`` and ``file`` where they are known, and ``pixel_0``, ``pixel_1``, ...: the lowest band from the
            first moment to the last, then the next band.
        """
        from planefold.data.sounds.features import SoundFeatures, feature_pictures
        from planefold.data.tables import Table

        wanted = SoundFeatures(rate=self.rate, size=(32, 256)) if features is None else features
        flat = feature_pictures(self, wanted).reshape(len(self), -1)
        columns: dict[str, Array] = {}
        if self.labels is not None:
            columns["label"] = self.labels
        if self.files:
            columns["file"] = np.array(self.files, dtype=object)
        columns |= {f"pixel_{i}": values.astype(np.float64) for i, values in enumerate(flat.T)}
        return Table(columns, self.source)
