"""The decks' numbers, each computed in a way of its own: with sets, NumPy, scikit-learn and torch."""

from __future__ import annotations

import math
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import ElasticNet
from sklearn.utils.class_weight import compute_class_weight

import planefold as pf

# -------------------------------------------------------------------------------------- association rules (groceries)


@pytest.fixture(scope="module")
def baskets(data_dir: Path) -> list[set[str]]:
    """What was bought together, a set for each of 9,835 purchases."""
    path = data_dir / "groceries" / "groceries.csv"
    if not path.is_file():
        pytest.skip(f"{path} is not here")
    return [set(line.split(",")) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def frequent(baskets: list[set[str]]) -> dict[frozenset[str], int]:
    """How many baskets hold each set of goods that at least 0.6 % of them hold: Apriori, with a bit for each basket."""
    of_item: dict[str, int] = {}
    for i, basket in enumerate(baskets):
        for item in basket:
            of_item[item] = of_item.get(item, 0) | 1 << i
    level = {frozenset([item]): bits for item, bits in of_item.items()}
    found: dict[frozenset[str], int] = {}
    while level := {items: bits for items, bits in level.items() if bits.bit_count() >= 0.006 * len(baskets)}:
        found |= {items: bits.bit_count() for items, bits in level.items()}
        # A set of k + 1 goods is frequent only if its parts of k are: it is the union of two of those.
        level = {a | b: level[a] & level[b] for a, b in combinations(level, 2) if len(a | b) == len(a) + 1}
    return found


@pytest.fixture(scope="module")
def rules(frequent: dict[frozenset[str], int]) -> list[tuple[frozenset[str], str, float]]:
    """``(if these, then this, confidence)`` for confidences of at least 0.25."""
    return [
        (items - {then}, then, n / frequent[items - {then}])
        for items, n in frequent.items()
        if len(items) > 1
        for then in items
        if n >= 0.25 * frequent[items - {then}]
    ]


def test_of_9835_baskets_747_sets_of_goods_are_frequent(
    baskets: list[set[str]], frequent: dict[frozenset[str], int]
) -> None:
    assert len(baskets) == 9_835
    assert len(frequent) == 747
    for items in list(frequent)[::50]:  # counted once more, basket by basket
        assert frequent[items] == sum(items <= basket for basket in baskets)


def test_they_give_463_rules(rules: list[tuple[frozenset[str], str, float]]) -> None:
    sizes = [len(given) + 1 for given, _, _ in rules]
    assert len(rules) == 463
    assert [sizes.count(n) for n in (2, 3, 4)] == [150, 297, 16]


def test_the_most_confident_rule_is_of_milk(rules: list[tuple[frozenset[str], str, float]]) -> None:
    given, then, confidence = max(rules, key=lambda rule: rule[2])
    assert (given, then) == ({"butter", "whipped/sour cream"}, "whole milk")
    assert confidence == 0.66


# ------------------------------------------------------------------------------------------ pictures as rows of a table


def test_a_scan_is_a_row_of_36608_columns(data_dir: Path) -> None:
    from PIL import Image

    folder = data_dir / "mri_alzheimer_small" / "train"
    if not folder.is_dir():
        pytest.skip(f"{folder} is not here")
    classes = sorted(path.name for path in folder.iterdir())
    assert len(classes) == 4
    assert sum(not name.startswith("Non") for name in classes) == 3  # the three with label 1
    for name in classes:
        with Image.open(min((folder / name).iterdir())) as image:
            assert image.size == (176, 208)
            assert np.asarray(image.convert("L")).size == 36_608


def test_a_spectrogram_of_256_by_32_is_a_row_of_8192_columns() -> None:
    assert np.zeros((32, 256)).reshape(1, -1).shape == (1, 8_192)


# ------------------------------------------------------------------------------------------------- batch normalisation

LEFT = np.array([
    [0.99, 0.81, 0.85, 0.93], [0.69, 0.89, 0.37, 0.48], [0.73, 0.30, 0.43, 0.57], [0.26, 0.77, 0.90, 0.60],
    [0.22, 0.65, 0.20, 0.79], [0.27, 0.55, 0.63, 0.02], [0.98, 0.99, 0.77, 0.28], [0.56, 0.62, 0.81, 0.78],
    [0.80, 0.29, 0.76, 0.55], [0.16, 0.36, 0.14, 0.91], [0.76, 0.61, 0.28, 0.21],
])  # fmt: skip
RIGHT = np.array([
    [9.90, 8.06, 8.54, 9.33], [6.86, 8.86, 3.71, 4.85], [7.27, 3.00, 4.30, 5.67], [2.58, 7.67, 9.01, 5.98],
    [2.16, 6.50, 2.02, 7.85], [2.71, 5.45, 6.35, 0.22], [9.85, 9.94, 7.65, 2.81], [5.58, 6.19, 8.09, 7.83],
    [7.96, 2.90, 7.58, 5.46], [1.59, 3.55, 1.37, 9.11], [7.63, 6.14, 2.76, 2.11],
])  # fmt: skip
SHOWN = np.array([
    [1.32, 0.79, 1.05, 1.29], [0.33, 1.13, -0.66, -0.25], [0.47, -1.36, -0.46, 0.03], [-1.05, 0.62, 1.22, 0.14],
    [-1.19, 0.12, -1.26, 0.78], [-1.01, -0.32, 0.27, -1.82], [1.30, 1.58, 0.74, -0.94], [-0.08, -0.01, 0.89, 0.77],
    [0.69, -1.40, 0.71, -0.04], [-1.37, -1.13, -1.50, 1.21], [0.58, -0.03, -1.00, -1.18],
])  # fmt: skip
DEVIATIONS = {
    "left": (LEFT, [0.307937, 0.235194, 0.280814, 0.293471], [0.293607, 0.224249, 0.267745, 0.279814],
             1.31963, 1.38404),
    "right": (RIGHT, [3.089376, 2.355676, 2.814068, 2.930790], [2.945605, 2.246049, 2.683109, 2.794398],
              1.31860, 1.38295),
}  # fmt: skip


@pytest.mark.parametrize("table", DEVIATIONS)
def test_deviations_of_a_sample_and_of_a_population(table: str) -> None:
    values, sample, population, z_sample, z_population = DEVIATIONS[table]
    n = len(values)
    squares = ((values - values.sum(axis=0) / n) ** 2).sum(axis=0)
    for divisor, deviations, z in ((n - 1, sample, z_sample), (n, population, z_population)):
        np.testing.assert_allclose(np.sqrt(squares / divisor), deviations, atol=5e-7)
        first = (values[0, 0] - values[:, 0].mean()) / math.sqrt(squares[0] / divisor)
        assert first == pytest.approx(z, abs=5e-6)


def test_the_means_of_both_tables() -> None:
    np.testing.assert_allclose(LEFT.mean(axis=0), [0.583636, 0.621818, 0.558182, 0.556364], atol=5e-7)
    np.testing.assert_allclose(RIGHT.mean(axis=0), [5.826364, 6.205455, 5.580000, 5.565455], atol=5e-7)


def test_the_slides_table_is_the_one_of_the_sample_deviation() -> None:
    """Of 44 entries; the tables on the slide are rounded, so a few differ by one in the second place."""
    of_sample = (LEFT - LEFT.mean(axis=0)) / LEFT.std(axis=0, ddof=1)
    of_population = (LEFT - LEFT.mean(axis=0)) / LEFT.std(axis=0)
    assert np.abs(of_sample - SHOWN).max() < 0.021
    assert np.abs(of_population - SHOWN).max() > 0.06


def test_torch_divides_by_the_population_deviation() -> None:
    layer = torch.nn.BatchNorm1d(4, eps=1e-12, affine=False, dtype=torch.float64)
    z = layer(torch.from_numpy(LEFT)).numpy()
    assert z[0, 0] == pytest.approx(1.3840402, abs=1e-7)
    assert round((9.90 - 5.826) / 3.089, 3) == 1.319


# ----------------------------------------------------------------------------------------------------- class weights


def test_balanced_weights_of_25_and_1() -> None:
    y = np.array([1] * 25 + [0])
    np.testing.assert_allclose(compute_class_weight("balanced", classes=np.array([0, 1]), y=y), [13.0, 0.52])
    shares = np.where(y == 0, 1 / 2, 1 / (2 * 25))
    np.testing.assert_allclose([shares[-1], shares[0], shares.sum()], [0.5, 0.02, 1.0])
    assert 1 / 25 == 0.04  # torch's pos_weight: how many of class 0 there are for one of class 1


# -------------------------------------------------------------------------------------------------------- derivatives


@pytest.mark.parametrize(
    ("place", "slope"), [((0.5, 0.5), 0.0), ((1, 2), 1.78885438), ((2, 1), -1.78885438), ((-1, 1), 3.57770876)]
)
def test_slopes_and_curvature_of_the_bowl_along_a_direction(place: tuple[float, float], slope: float) -> None:
    def z(x: Any) -> Any:
        return x[0] ** 2 + 2 * x[1] ** 2

    at, p = np.array(place, dtype=float), np.array([-2.0, 1.0])
    unit, step = p / np.sqrt(5), 1e-3
    before, here, after = (z(at + t * unit) for t in (-step, 0, step))  # differences are exact for a quadratic
    assert (after - before) / (2 * step) == pytest.approx(slope, abs=1e-8)
    assert (after - 2 * here + before) / step**2 == pytest.approx(2.4, abs=1e-6)
    assert pf.calculus.directional_derivative(z, at, p) == pytest.approx(slope, abs=1e-8)
    assert pf.calculus.directional_derivative(z, at, p, order=2) == pytest.approx(2.4, abs=1e-8)


def test_the_gradient_and_the_hessian_of_the_bowl_and_the_largest_stable_rate() -> None:
    def z(x: Any) -> Any:
        return x[0] ** 2 + 2 * x[1] ** 2

    at = np.array([0.5, 0.5])
    np.testing.assert_allclose(pf.calculus.gradient(z, at), 2 * at * [1, 2])
    np.testing.assert_allclose(pf.calculus.hessian(z, at), [[2, 0], [0, 4]], atol=1e-12)
    path = [at]
    for _ in range(3):
        path.append(path[-1] - 0.1 * path[-1] * [2, 4])
    np.testing.assert_allclose(path[1:], [[0.4, 0.3], [0.32, 0.18], [0.256, 0.108]])
    for rate, factor in ((0.49, 0.96), (0.5, 1.0), (0.51, 1.04)):  # of the steepest coordinate, with each step
        assert abs(1 - rate * 4) == pytest.approx(factor)


# --------------------------------------------------------------------------------------------------------- perceptron

INPUTS = [(0, 0), (0, 1), (1, 0), (1, 1)]


def learn(targets: list[int], n_epochs: int) -> list[tuple[tuple[int, int], int]]:
    """Weights and bias after each epoch of ``W' = W + e p``, ``b' = b + e``, from zeros."""
    w0 = w1 = b = 0
    after = []
    for _ in range(n_epochs):
        for (p0, p1), target in zip(INPUTS, targets, strict=True):
            e = target - (w0 * p0 + w1 * p1 + b >= 0)
            w0, w1, b = w0 + e * p0, w1 + e * p1, b + e
        after.append(((w0, w1), b))
    return after


@pytest.mark.parametrize(
    ("targets", "found", "n_epochs"), [([0, 0, 0, 1], ((2, 1), -3), 6), ([0, 1, 1, 1], ((1, 1), -1), 4)]
)
def test_and_and_or_are_learned(targets: list[int], found: tuple[tuple[int, int], int], n_epochs: int) -> None:
    after = learn(targets, 20)
    assert after[-1] == found
    assert 1 + max(i for i in range(1, 20) if after[i] != after[i - 1]) + 1 == n_epochs  # the last one changes nothing


def test_xor_goes_round_in_a_circle() -> None:
    assert set(learn([0, 1, 1, 0], 100)[1:]) == {((-1, 0), 0)}


def test_the_slides_correction() -> None:
    w, p, e = np.array([1, 0]), np.array([0, -2]), -1
    assert (w + e * p).tolist() == [1, 2]


# ---------------------------------------------------------------------------------------------------------- penalties


@pytest.mark.parametrize("l1_ratio", [0.0, 0.3, 1.0])
def test_the_decks_elastic_net_and_torchs_weight_decay(l1_ratio: float) -> None:
    """``lam * (1 - r) * sum(w^2)`` pulls as torch's ``weight_decay = 2 * lam * (1 - r)`` does."""
    lam = 0.05
    w = torch.tensor([0.7, -1.3, 0.0], dtype=torch.float64, requires_grad=True)
    (lam * (1 - l1_ratio) * (w**2).sum()).backward()
    other = torch.tensor([0.7, -1.3, 0.0], dtype=torch.float64, requires_grad=True)
    other.grad = torch.zeros(3, dtype=torch.float64)
    torch.optim.SGD([other], lr=1.0, weight_decay=2 * lam * (1 - l1_ratio)).step()
    assert w.grad is not None
    np.testing.assert_allclose((w - w.grad).detach(), other.detach())


@pytest.mark.parametrize("l1_ratio", [0.2, 0.5, 0.9])
def test_scikit_learns_elastic_net_has_half_of_the_squares_and_no_bias(l1_ratio: float) -> None:
    rng = np.random.default_rng(0)
    X, alpha = rng.normal(size=(60, 4)), 0.2
    y = X @ [1.5, -2.0, 0.0, 0.05] + 3 + 0.1 * rng.normal(size=60)
    net = ElasticNet(alpha=alpha, l1_ratio=l1_ratio, tol=1e-12, max_iter=100_000).fit(X, y)
    w, errors = net.coef_, net.predict(X) - y
    assert errors.mean() == pytest.approx(0, abs=1e-12)  # the bias is not pulled
    pull = X.T @ errors / 60 + alpha * (1 - l1_ratio) * w
    np.testing.assert_allclose(pull[w != 0], -alpha * l1_ratio * np.sign(w[w != 0]), atol=1e-8)
    assert (np.abs(pull[w == 0]) <= alpha * l1_ratio + 1e-8).all()
