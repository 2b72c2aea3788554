"""Sounds: folders, files and arrays of them, read into one array, and their pictures: spectrogram, mel, chroma."""

from planefold.data.sounds.features import (
    KINDS,
    SoundFeatures,
    chroma,
    feature_pictures,
    mel,
    spectrogram,
)
from planefold.data.sounds.reading import read_sounds
from planefold.data.sounds.sounds import Sounds

__all__ = ["KINDS", "SoundFeatures", "Sounds", "chroma", "feature_pictures", "mel", "read_sounds", "spectrogram"]
