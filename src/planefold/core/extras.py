"""Packages that only an extra installs, imported where they are needed."""

from __future__ import annotations

import importlib
import json
import os
import sys
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

from planefold.core.errors import MissingExtraError

BACKEND = "KERAS_BACKEND"  # the environment variable that says what keras computes with


def import_keras(purpose: str) -> ModuleType:
    """Import keras, on torch where what it is set to compute with is not installed.

    Parameters
    ----------
    purpose : str
        What it is needed for, as the beginning of a sentence: "reading .keras files".

    Returns
    -------
    module

    Raises
    ------
    MissingExtraError
        If keras is not installed.

    Notes
    -----
    keras chooses its backend once, when it is imported: what the variable ``KERAS_BACKEND`` says, else what its own
    settings say, else TensorFlow. Where TensorFlow is missing that import fails; then, and only then, the variable is
    set to torch, which is always there, for the time of the import.
    """
    if find_spec("keras") is None:
        raise MissingExtraError.of("keras", "keras", purpose)
    if "keras" in sys.modules or BACKEND in os.environ or find_spec(_chosen_backend()) is not None:
        return importlib.import_module("keras")
    os.environ[BACKEND] = "torch"
    try:
        return importlib.import_module("keras")
    finally:
        del os.environ[BACKEND]


def _chosen_backend() -> str:
    """Return what the settings of keras name, or what it takes without any."""
    home = os.environ.get("KERAS_HOME")
    folder = Path(home) if home else Path("~/.keras").expanduser()
    try:
        named = json.loads((folder / "keras.json").read_text(encoding="utf-8")).get("backend")
    except (OSError, ValueError, AttributeError):
        named = None
    return named if isinstance(named, str) and named.isidentifier() else "tensorflow"
