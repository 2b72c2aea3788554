"""Tables: read them, find out what their columns are, and turn them into the numbers that a network computes with.

``read_table`` reads a file, a frame or an array; ``find_schema`` finds the kind of each column; ``TableEncoder``
turns rows into network inputs and back; ``read_target`` and ``find_task`` look at what is to be predicted;
``split_rows`` and ``folds`` keep rows apart; ``load_example`` has tables to try it all on.
``images`` and ``sounds`` read folders of these.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from planefold.data import images, sounds
    from planefold.data.encoder import TableEncoder
    from planefold.data.examples import EXAMPLES, load_example, save_example
    from planefold.data.inputs import Input
    from planefold.data.schema import KINDS, Column, Schema, find_schema
    from planefold.data.splits import folds, split_rows
    from planefold.data.tables import Table, is_frame, read_table
    from planefold.data.targets import (
        ClassTarget,
        NumberTarget,
        class_target,
        find_task,
        number_target,
        read_target,
    )

# Loaded when first used: the encoder needs scikit-learn, which takes a second to import.
_PLACES = {
    "Table": "tables",
    "is_frame": "tables",
    "read_table": "tables",
    "KINDS": "schema",
    "Column": "schema",
    "Schema": "schema",
    "find_schema": "schema",
    "Input": "inputs",
    "TableEncoder": "encoder",
    "ClassTarget": "targets",
    "NumberTarget": "targets",
    "class_target": "targets",
    "number_target": "targets",
    "read_target": "targets",
    "find_task": "targets",
    "split_rows": "splits",
    "folds": "splits",
    "EXAMPLES": "examples",
    "load_example": "examples",
    "save_example": "examples",
}

__all__ = [
    "EXAMPLES",
    "KINDS",
    "ClassTarget",
    "Column",
    "Input",
    "NumberTarget",
    "Schema",
    "Table",
    "TableEncoder",
    "class_target",
    "find_schema",
    "find_task",
    "folds",
    "images",
    "is_frame",
    "load_example",
    "number_target",
    "read_table",
    "read_target",
    "save_example",
    "sounds",
    "split_rows",
]


def __getattr__(name: str) -> Any:
    if name in ("images", "sounds"):  # packages of their own
        return importlib.import_module(f"planefold.data.{name}")
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_PLACES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
