"""Small tables that many tests look at, and quick models."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import planefold

QUICK = {"max_iter": 3, "hidden_layer_sizes": (8,), "random_state": 0}


def make_frame(n_rows: int = 120, seed: int = 0) -> pd.DataFrame:
    """Numbers with gaps, categories, truth values and dates; "price" follows from them, "sold" does, too."""
    random = np.random.RandomState(seed)
    frame = pd.DataFrame(
        {
            "area": random.uniform(40, 200, n_rows).round(1),
            "rooms": random.randint(1, 6, n_rows),
            "town": random.choice(["Bonn", "Trier", "Ulm"], n_rows),
            "garden": random.rand(n_rows) < 0.4,
            "built": pd.Timestamp("1990-01-01") + pd.to_timedelta(random.randint(0, 9000, n_rows), unit="D"),
        }
    )
    frame["price"] = 3 * frame["area"] + 50 * (frame["town"] == "Bonn") + 20 * frame["garden"] + random.randn(n_rows)
    frame["sold"] = np.where(frame["price"] > frame["price"].median(), "yes", "no")
    frame.loc[frame.index[::10], "area"] = np.nan
    return frame


@pytest.fixture
def frame() -> pd.DataFrame:
    return make_frame()


@pytest.fixture
def houses(frame: pd.DataFrame) -> pd.DataFrame:
    """The columns to predict from."""
    return frame.drop(columns=["price", "sold"])


@pytest.fixture
def quick() -> Any:
    """Make a model that trains in a moment: ``quick("MLPClassifier", n_members=1)``."""

    def make(name: str = "MLPClassifier", **parameters: Any) -> Any:
        return getattr(planefold, name)(**{**QUICK, **parameters})

    return make
