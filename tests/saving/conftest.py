"""A known model, and files made by hand: honest ones to be spoiled, hostile ones that no writer of ours makes."""

from __future__ import annotations

import hashlib
import io
import json
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from planefold.saving import Fold

EMPTY_WEIGHTS = struct.pack("<Q", 2) + b"{}"
EMPTY = {
    "schema.json": b"{}",
    "prep.json": b"{}",
    "weights.safetensors": EMPTY_WEIGHTS,
    "history.jsonl": b"",
    "reference.json": b"{}",
    "card.md": b"",
}


def make_known_fold() -> Fold:
    """The content of golden/v1.fold, written out: two layers of a network for two features."""
    return Fold(
        manifest={
            "estimator": "MLPClassifier",
            "task": "classification",
            "created": "2026-01-31T09:30:00Z",
            "versions": {"planefold": "0.1.0", "python": "3.11.7", "numpy": "2.4.6", "torch": "2.9.0"},
            "n_parameters": 9,
        },
        schema={"columns": [{"name": "อายุ", "kind": "number"}, {"name": "port", "categories": ["C", "Q", "S"]}]},
        prep={"medians": [28.0, None], "scales": [14.5, 1.0]},
        weights={
            "layers.0.weight": np.array([[0.5, -1.25], [2.0, 1e-3]], dtype=np.float32),
            "layers.0.bias": np.array([0.0, -0.0]),
            "offset": np.array(3.5),
            "classes": np.array([0, 1], dtype=np.int64),
            "mask": np.array([True, False, True]),
            "none": np.zeros((0, 2), dtype=np.float16),
        },
        history=('{"epoch": 1, "train_loss": 0.7}', '{"epoch": 2, "train_loss": 0.25}'),
        reference={"quantiles": {"อายุ": [0.42, 28.0, 80.0]}},
        card="# Titanic\n\nWho lived — and why.\n",
    )


def check_same(left: Fold, right: Fold) -> None:
    ours = {"format", "format_version", "entries"}
    assert {k: v for k, v in left.manifest.items() if k not in ours} == {
        k: v for k, v in right.manifest.items() if k not in ours
    }
    for name in ("schema", "prep", "history", "reference", "card"):
        assert getattr(left, name) == getattr(right, name), name
    assert left.weights.keys() == right.weights.keys()
    for name, array in left.weights.items():
        other = right.weights[name]
        assert (array.dtype, array.shape, array.tobytes()) == (other.dtype, other.shape, other.tobytes()), name


class Maker:
    """Makes `.fold` files by hand, with right sizes and hashes around whatever content is asked for."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "made.fold"

    def __call__(self, manifest: dict[str, Any] | bytes | None = None, **content: bytes) -> Path:
        """Content by entry, with ``__`` for the dot; ``manifest`` changes keys, or is the bytes themselves."""
        self.path.write_bytes(self.pack(self.entries(manifest, **content)))
        return self.path

    def entries(self, manifest: dict[str, Any] | bytes | None = None, **content: bytes) -> dict[str, bytes]:
        texts = EMPTY | {name.replace("__", "."): data for name, data in content.items()}
        if not isinstance(manifest, bytes):
            hashes = {k: {"sha256": hashlib.sha256(v).hexdigest(), "size": len(v)} for k, v in texts.items()}
            record = {"format": "planefold", "format_version": [1, 0], "entries": hashes} | (manifest or {})
            manifest = json.dumps(record).encode()
        return {"manifest.json": manifest} | texts

    def pack(self, entries: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", method) as archive:
            for name, data in entries.items():
                stored = name == "weights.safetensors"
                archive.writestr(name, data, zipfile.ZIP_STORED if stored else method)
        return file.getvalue()

    def weights(self, header: dict[str, Any] | bytes, data: bytes = b"") -> Path:
        text = header if isinstance(header, bytes) else json.dumps(header).encode()
        return self(weights__safetensors=struct.pack("<Q", len(text)) + text + data)


@pytest.fixture
def known_fold() -> Fold:
    return make_known_fold()


@pytest.fixture(scope="session")
def same() -> Callable[[Fold, Fold], None]:
    """Assert that two models are the same to the last bit."""
    return check_same


@pytest.fixture
def make(tmp_path: Path) -> Maker:
    return Maker(tmp_path)
