"""Draw the gallery of exact geometry: units, surfaces, creases, regions, borders, curves, and planes of real tables.

    python tools/draw_geometry.py --to FOLDER [--only NAME ...]

Prints the name and the size of each picture. The Titanic table is looked for in $PLANEFOLD_DATA or beside the
repository, and its pictures are left out where it is absent.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from draw_imbalance import N_STARTS, is_found
from draw_imbalance import X as POINTS
from draw_imbalance import fit as fit_points
from draw_imbalance import y as POINT_CLASSES
from matplotlib.figure import Figure
from sklearn.datasets import load_iris, make_moons

from planefold import MLPClassifier, MLPRegressor, plots
from planefold.networks.affine import PiecewiseLinearNet
from planefold.networks.affine_builder import Builder
from planefold.reading.architectures import random_net, study
from planefold.reading.models import from_model
from planefold.reading.segments.lines import line
from planefold.reading.slices.columns import slice_of
from planefold.reading.slices.planes import planes
from planefold.reading.tables.local_models import local_models

DATA = Path(os.environ.get("PLANEFOLD_DATA", Path(__file__).parents[2] / "shared" / "data"))
SQUARE = ((-2.0, 2.0), (-2.0, 2.0))
MOONS, ACROSS = ("upper moon", "lower moon"), ([-1.5, -0.8], [2.5, 1.3])
ONE = {"n_members": 1, "skip": None, "random_state": 0}


def given(*layers: tuple[Any, Any]) -> PiecewiseLinearNet:
    """Build a network from matrices (fan_in, fan_out) and biases."""
    builder = Builder((len(layers[0][0]),))
    value = builder.input
    for number, (matrix, bias) in enumerate(layers[:-1], start=1):
        value = builder.fold(builder.affine(value, np.array(matrix, dtype=float), bias), layer=f"hidden {number}")
    return builder.finish(builder.affine(value, np.array(layers[-1][0], dtype=float), layers[-1][1]))


ONE_TWO_ONE = given(([[1, -0.7]], [1, 0.9]), ([[1.2], [1.5]], [-1]))
ONE_THREE_ONE = given(([[1, 1, -1]], [1, -1, 0.5]), ([[1], [-2], [0.8]], [0.5]))
TWO_TWO_ONE = given(([[1, -0.5], [0.6, 1]], [0.2, -0.3]), ([[1], [-1.4]], [0.5]))
TWO_THREE_ONE = given(([[1, -0.6, 0.3], [0.4, 1, -1]], [0.3, 0.5, 0.4]), ([[1], [-1.2], [0.8]], [0.2]))
TWO_FOUR_ONE = given(
    ([[1, -0.6, 0.3, 0.9], [0.4, 1, -1, 0.8]], [0.3, 0.5, 0.4, -0.7]), ([[1], [-1.2], [0.8], [-1.5]], [0.2])
)
TWO_THREE_TWO_ONE = given(
    ([[1, -0.6, 0.3], [0.4, 1, -1]], [0.3, 0.5, 0.4]),
    ([[1, -1], [-0.8, 1.2], [1.5, -0.4]], [-0.4, 0.2]),
    ([[1], [-1.3]], [0]),
)


@cache
def wave() -> PiecewiseLinearNet:
    """A (1,10,1) network that has learned a wave."""
    x = np.linspace(-3, 3, 400)[:, None]
    model = MLPRegressor(
        hidden_layer_sizes=(10,), preprocess=None, max_iter=300, early_stopping=False, learning_rate_init=0.02,
        alpha=0.0, dropout=0.0, batch_size=32, n_members=1, skip=None, random_state=5,
    )  # fmt: skip
    return from_model(model.fit(x, np.sin(2 * x[:, 0])))


@cache
def moons() -> tuple[Any, Any, MLPClassifier]:
    """Two half moons, and a 2-64-64-1 network that has learned them."""
    X, y = make_moons(400, noise=0.15, random_state=0)
    model = MLPClassifier(
        hidden_layer_sizes=(64, 64), preprocess=None, max_iter=150, early_stopping=False, dropout=0.0, **ONE
    )
    return X, y, model.fit(X, y)


@cache
def iris() -> tuple[Any, Any, list[str], MLPClassifier]:
    """Petals of three kinds of iris, and a 2-16-16-3 network."""
    found = load_iris(as_frame=True)
    X = found.data[["petal length (cm)", "petal width (cm)"]]
    y = found.target_names[found.target]
    model = MLPClassifier(
        hidden_layer_sizes=(16, 16), max_iter=300, early_stopping=False, dropout=0.0, learning_rate_init=0.01, **ONE
    )
    return X, y, list(found.target_names), model.fit(X, y)


@cache
def titanic() -> tuple[pd.DataFrame, pd.Series, MLPClassifier]:
    """The passengers, whether they survived, and a (64,64) network."""
    frame = pd.read_csv(DATA / "titanic" / "train.csv")
    target = frame.pop("Survived")
    return frame, target, MLPClassifier(hidden_layer_sizes=(64, 64), **ONE).fit(frame, target)


@cache
def read_titanic() -> Any:
    """The planes that the passengers live on."""
    X, y, model = titanic()
    return local_models(model, X, y)


def sketches() -> Iterator[tuple[str, Callable[[], Any]]]:
    """Names and what draws them; what is returned has a figure, or is one."""
    yield "units_1_2_1", lambda: plots.unit_grid(ONE_TWO_ONE, -3, 3)
    yield "units_1_3_1", lambda: plots.unit_grid(ONE_THREE_ONE, -3, 3)
    yield "units_1_10_1", lambda: plots.unit_grid(wave(), -3, 3)
    yield "units_1_8_8_1", lambda: plots.unit_grid(random_net((1, 8, 8, 1), 4, init="normal"), -3, 3)
    yield "surfaces_2_2_1", lambda: plots.surface_grid(TWO_TWO_ONE, SQUARE)
    yield "surfaces_2_3_1", lambda: plots.surface_grid(TWO_THREE_ONE, SQUARE)
    yield "surfaces_2_4_1", lambda: plots.surface_grid(TWO_FOUR_ONE, SQUARE)
    yield "surfaces_2_3_2_1", lambda: plots.surface_grid(TWO_THREE_TWO_ONE, SQUARE)
    yield "creases_2_3_2_1", lambda: plots.creases(TWO_THREE_TWO_ONE, SQUARE, shade=True)
    yield "creases_2_16_16_1", lambda: plots.creases(random_net((2, 16, 16, 1), 0, init="normal"), SQUARE)
    yield "creases_ten_layers", lambda: plots.creases(random_net((2, *[12] * 10, 1), 1, init="normal"), SQUARE)
    yield "surface_2_16_16_1", lambda: plots.surface(planes(random_net((2, 16, 16, 1), 0, init="normal"), SQUARE))
    for by in ("output", "slope", "random"):
        yield f"regions_moons_{by}", lambda by=by: plots.regions(planes(moons()[2], around_moons()), by=by)
    yield "creases_moons", lambda: plots.creases(moons()[2], data=moons()[0])
    yield "map_moons", draw_moons
    yield "map_iris", lambda: plots.decision_map(planes(iris()[3], ((0.5, 7.5), (0, 2.7))), X=iris()[0], y=iris()[1])
    yield (
        "line_moons",
        lambda: plots.pieces_along(line(moons()[2], *ACROSS), model=moons()[2], classes=MOONS),
    )
    yield "line_iris", lambda: plots.pieces_along(line(iris()[3], [0.8, 0.1], [6.9, 2.5]), model=iris()[3])
    yield "nodes_against_layers", draw_study
    yield "imbalance", draw_imbalance
    if (DATA / "titanic").is_dir():
        yield "titanic_creases", lambda: plots.creases(titanic()[2], x="Age", y="Fare", data=titanic()[0])
        yield "titanic_map", draw_titanic
        yield "titanic_planes", lambda: plots.local_models(read_titanic())
        yield "titanic_row", lambda: plots.explanation(read_titanic().explain(1))
        yield "titanic_age", draw_curves


def around_moons() -> tuple[tuple[float, float], tuple[float, float]]:
    """The window of the moons' pictures."""
    return (-1.6, 2.6), (-1.1, 1.6)


def draw_moons() -> Any:
    """The border between the moons."""
    X, y, model = moons()
    return plots.decision_map(planes(model, around_moons()), X=X, y=y, classes=MOONS)


def draw_study() -> Any:
    """Deck architectures on what is practically the whole plane."""
    shapes = [(2, 3, 1), (2, 3, 1, 1), (2, 4, 1), (2, 3, 3, 1), (2, 3, 4, 1), (2, 12, 1), (2, 4, 4, 4, 1), (2, 6, 6, 1)]
    return plots.nodes_against_layers(study(shapes, seeds=range(40), window=((-1000, 1000), (-1000, 1000))))


def draw_imbalance() -> Figure:
    """The border of the 26 points without and with class weights."""
    figure = Figure(figsize=(9.2, 5.2), layout="constrained")
    axes = figure.subplots(1, 2)
    ways = (({}, "without weights"), ({"class_weight": "balanced"}, 'class_weight="balanced"'))
    # As in draw_imbalance: a start whose lone point is lost without weights.
    lost = next(start for start in reversed(range(N_STARTS)) if not is_found(fit_points(start)))
    for ax, (parameters, said) in zip(axes, ways, strict=True):
        model = fit_points(lost, **parameters)
        found = planes(model, ((-6.0, 6.0), (-6.0, 6.0)))
        plots.decision_map(found, X=POINTS, y=POINT_CLASSES, classes=["class 0", "class 1"], ax=ax)
        ax.set_title(f"{said}: {ax.get_title(loc='left')}", fontsize=10, loc="left")
    return figure


def draw_titanic() -> Any:
    """Which women of the third class survive, by age and fare."""
    X, y, model = titanic()
    chosen = (X["Sex"] == "female") & (X["Pclass"] == 3)
    cut = slice_of(model, "Age", "Fare", X[chosen])
    found = planes(cut.net, cut.window, origin=cut.origin, directions=cut.directions)
    ax = plots.decision_map(found, X=cut.points, y=y[chosen], classes=["died", "survived"])
    ax.set(xlabel=cut.labels[0], ylabel=cut.labels[1])
    return ax


def draw_curves() -> Any:
    """The effect of age on the logit."""
    found, ages = read_titanic(), titanic()[0]["Age"].dropna()
    return plots.ice_curves(
        found.ice("Age"), found.partial_dependence("Age"), data=ages, name="Age", output="logit of survival"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--to", type=Path, required=True, help="the folder, which is made")
    parser.add_argument("--only", nargs="*", help="names, or parts of names")
    parser.add_argument("--dpi", type=int, default=110)
    asked = parser.parse_args()
    asked.to.mkdir(parents=True, exist_ok=True)
    for name, draw in sketches():
        if asked.only and not any(part in name for part in asked.only):
            continue
        drawn = draw()
        figure = drawn if isinstance(drawn, Figure) else drawn.figure
        path = asked.to / f"{name}.png"
        figure.savefig(path, dpi=asked.dpi)
        print(f"{path.name}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
