"""A table with everything: numbers with gaps, categories, truth values, dates; and nets to read it with."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

import planefold


def make_houses(n_rows: int = 300, seed: int = 0) -> pd.DataFrame:
    random = np.random.RandomState(seed)
    frame = pd.DataFrame(
        {
            "area": random.uniform(40, 200, n_rows).round(1),
            "rooms": random.randint(1, 6, n_rows).astype(float),
            "town": random.choice(["Bonn", "Trier", "Ulm"], n_rows),
            "garden": random.rand(n_rows) < 0.4,
            "built": pd.Timestamp("1990-01-01") + pd.to_timedelta(random.randint(0, 9000, n_rows), unit="D"),
        }
    )
    frame["price"] = 3 * frame["area"] + 50 * (frame["town"] == "Bonn") + 20 * frame["garden"] + random.randn(n_rows)
    frame.loc[frame.index[::10], "area"] = np.nan
    frame.loc[frame.index[::15], "town"] = None
    return frame


@pytest.fixture(scope="session")
def table() -> pd.DataFrame:
    return make_houses()


@pytest.fixture(scope="session")
def houses(table: pd.DataFrame) -> pd.DataFrame:
    return table.drop(columns="price")


@pytest.fixture(scope="session")
def regressor(houses: pd.DataFrame, table: pd.DataFrame) -> Callable[..., planefold.MLPRegressor]:
    """Make a quick model of the prices; the same parameters give the same model object."""
    made: dict[str, planefold.MLPRegressor] = {}

    def make(**parameters: object) -> planefold.MLPRegressor:
        parameters = {"hidden_layer_sizes": (8, 6), "n_members": 1, "max_iter": 20, "random_state": 0, **parameters}
        key = repr(sorted(parameters.items()))
        if key not in made:
            made[key] = planefold.MLPRegressor(**parameters).fit(houses, table["price"])
        return made[key]

    return make
