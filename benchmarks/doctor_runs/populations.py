"""Populations: each gives any number of fresh rows, so that what a network learned can be measured exactly enough.

Inputs and targets are brought to one scale by constants of the population (from 20,000 rows of its own), never by the
rows that are drawn: a small validation set would otherwise come from another population.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Rng = np.random.Generator
Sample = Callable[[Rng, int], tuple[Array, Array]]

CONSTANT_ROWS = 20_000
CONSTANTS, EASY, ROWS = 1, 2, 3  # streams of random numbers of a population


@dataclass(frozen=True, kw_only=True)
class Population:
    """Where rows come from.

    Parameters
    ----------
    family : str
        A name in ``FAMILIES``.
    seed : int
        Decides everything about the population; together with the family it is its name.
    n_classes : int
        0 for a numeric target.
    sample : function (rng, n_rows) -> (X, y)
        X of shape (n_rows, n_features); y whole numbers below ``n_classes``, or numbers.
    noise : float or None
        Of a numeric target: standard deviation of the noise, where it is the same everywhere.
    """

    family: str
    seed: int
    n_classes: int
    sample: Sample
    noise: float | None = None

    @property
    def name(self) -> str:
        """Family and seed."""
        return f"{self.family}-{self.seed}"

    @property
    def is_regression(self) -> bool:
        """Whether the target is a number."""
        return self.n_classes == 0

    def draw(self, n_rows: int, seed: int) -> tuple[Array, Array]:
        """Draw fresh rows; the same ones for the same seed.

        Returns
        -------
        X : float32 array of shape (n_rows, n_features)
        y : int64 or float32 array of shape (n_rows,)
        """
        X, y = self.sample(self._rng(ROWS, seed), n_rows)
        (center, spread), (mean, scale) = self._constants
        X = ((X - center) / spread).astype(np.float32)
        return X, ((y - mean) / scale).astype(np.float32) if self.is_regression else y.astype(np.int64)

    @property
    def floor(self) -> float | None:
        """Lowest half squared error that any prediction can have, where the noise is known."""
        return None if self.noise is None else 0.5 * (self.noise / self._constants[1][1]) ** 2

    def easiness(self, X: Array, y: Array) -> Array:
        """Return which share of the population's rows is harder than each row, for a quick model of the population."""
        losses = _row_losses(self._judge, X, y, self.is_regression)
        return 1 - np.searchsorted(self._hardness, losses) / len(self._hardness)

    def _rng(self, stream: int, seed: int = 0) -> Rng:
        return np.random.default_rng([self.seed, stream, seed, *self.family.encode()])

    @functools.cached_property
    def _constants(self) -> tuple[tuple[Array, Array], tuple[float, float]]:
        X, y = self.sample(self._rng(CONSTANTS), CONSTANT_ROWS)
        spread = X.std(axis=0)
        return (X.mean(axis=0), np.where(spread > 1e-9, spread, 1.0)), (float(y.mean()), float(y.std()))

    @functools.cached_property
    def _judge(self) -> Any:
        from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

        model = HistGradientBoostingRegressor if self.is_regression else HistGradientBoostingClassifier
        return model(max_iter=60, random_state=0).fit(*self.draw(3_000, -1 % 2**31))

    @functools.cached_property
    def _hardness(self) -> Array:
        X, y = self.draw(4_000, -2 % 2**31)
        return np.sort(_row_losses(self._judge, X, y, self.is_regression))


def _row_losses(model: Any, X: Array, y: Array, is_regression: bool) -> Array:
    if is_regression:
        return np.asarray((model.predict(X) - y) ** 2)
    return -np.log(np.maximum(model.predict_proba(X)[np.arange(len(y)), y], 1e-12))


def population(family: str, seed: int) -> Population:
    """Make the population of that name."""
    maker, _ = FAMILIES[family]
    rng = np.random.default_rng([seed, 0, *family.encode()])
    n_classes, sample, noise = maker(rng)
    return Population(family=family, seed=seed, n_classes=n_classes, sample=sample, noise=noise)


Made = tuple[int, Sample, float | None]


# --------------------------------------------------------------------------------------------- development half


def _teacher(rng: Rng, n_features: int, n_outputs: int) -> Callable[[Array], Array]:
    """Return a random network with one or two layers of tanh, its outputs on the scale 1."""
    widths = [n_features, *rng.choice([4, 6, 10], size=int(rng.integers(1, 3))), n_outputs]
    weights = [rng.normal(0, 1.5 / np.sqrt(i), (i, o)) for i, o in itertools.pairwise(widths)]
    biases = [rng.normal(0, 0.5, o) for o in widths[1:]]

    def outputs(X: Array) -> Array:
        for W, b in zip(weights[:-1], biases[:-1], strict=True):
            X = np.tanh(X @ W + b)
        return X @ weights[-1] + biases[-1]

    probe = outputs(rng.standard_normal((5_000, n_features)))
    mean, scale = probe.mean(axis=0), probe.std(axis=0)
    return lambda X: (outputs(X) - mean) / scale


def _labels(rng: Rng, logits: Array) -> Array:
    """Draw a class for each row from the softmax of its logits."""
    return np.argmax(logits + rng.gumbel(size=logits.shape), axis=1)


def _teacher_cls(rng: Rng) -> Made:
    d, k, sharpness = int(rng.integers(4, 21)), int(rng.integers(2, 6)), rng.uniform(1.5, 6)
    teacher = _teacher(rng, d, k)

    def sample(rng: Rng, n: int) -> tuple[Array, Array]:
        X = rng.standard_normal((n, d))
        return X, _labels(rng, sharpness * teacher(X))

    return k, sample, None


def _teacher_reg(rng: Rng) -> Made:
    d, noise = int(rng.integers(4, 21)), float(rng.uniform(0.05, 0.7))
    teacher = _teacher(rng, d, 1)

    def sample(rng: Rng, n: int) -> tuple[Array, Array]:
        X = rng.standard_normal((n, d))
        return X, teacher(X)[:, 0] + noise * rng.standard_normal(n)

    return 0, sample, noise


def _mixture(rng: Rng, shares: Array, flip: float = 0.0) -> Sample:
    """Return a sampler of classes that are each one to three normal clouds; a share of the labels is wrong."""
    d, k = int(rng.integers(2, 16)), len(shares)
    n_clouds = int(rng.integers(1, 4))
    centers = rng.normal(0, rng.uniform(1.2, 2.4) / np.sqrt(d) * 1.8, (k, n_clouds, d))
    spreads = rng.uniform(0.5, 1.1, (k, n_clouds, d)) * rng.uniform(0.6, 1.0)

    def sample(rng: Rng, n: int) -> tuple[Array, Array]:
        y, cloud = rng.choice(k, n, p=shares), rng.integers(0, n_clouds, n)
        X = centers[y, cloud] + spreads[y, cloud] * rng.standard_normal((n, d))
        wrong = rng.random(n) < flip
        return X, np.where(wrong, (y + rng.integers(1, k, n)) % k, y)

    return sample


def _gmm_cls(rng: Rng) -> Made:
    k = int(rng.integers(2, 6))
    return k, _mixture(rng, np.full(k, 1 / k)), None


def _rings_cls(rng: Rng) -> Made:
    kind, n_extra = str(rng.choice(["rings", "spirals", "moons", "checker"])), int(rng.integers(0, 7))
    k = int(rng.integers(2, 4)) if kind in ("rings", "spirals") else 2
    noise = rng.uniform(0.04, 0.16)

    def sample(rng: Rng, n: int) -> tuple[Array, Array]:
        y, t = rng.integers(0, k, n), rng.random(n)
        if kind == "rings":
            angle, radius = 2 * np.pi * t, (y + 1) / k
        elif kind == "spirals":
            angle, radius = 3.5 * t + 2 * np.pi * y / k, 0.15 + 0.85 * t
        if kind in ("rings", "spirals"):
            Z = radius[:, None] * np.column_stack([np.cos(angle), np.sin(angle)])
        elif kind == "moons":
            Z = np.column_stack([np.cos(np.pi * t), np.sin(np.pi * t)]) * np.where(y, -1, 1)[:, None] * 0.6
            Z = Z + np.where(y[:, None] == 1, [0.3, 0.15], [-0.3, -0.15])
        else:
            Z = rng.uniform(-1, 1, (n, 2))
            y = (np.floor(1.5 * (Z[:, 0] + 1)) + np.floor(1.5 * (Z[:, 1] + 1))).astype(int) % 2
        return np.hstack([Z + noise * rng.standard_normal((n, 2)), rng.standard_normal((n, n_extra))]), y

    return k, sample, None


def _onehot(rng: Rng) -> Made:
    levels = rng.integers(2, 6, size=int(rng.integers(3, 7)))
    n_numbers, k = int(rng.integers(0, 5)), int(rng.integers(2, 5))
    effects = [rng.normal(0, 1.0, (c, k)) for c in levels]
    pair = rng.normal(0, 1.5, (levels[0], levels[1], k))
    slopes, sharpness = rng.normal(0, 0.7, (n_numbers, k)), rng.uniform(0.8, 2.2)
    chances = [rng.dirichlet(np.full(c, 3.0)) for c in levels]

    def sample(rng: Rng, n: int) -> tuple[Array, Array]:
        codes = [rng.choice(c, n, p=p) for c, p in zip(levels, chances, strict=True)]
        numbers = rng.standard_normal((n, n_numbers))
        logits = sum(e[c] for e, c in zip(effects, codes, strict=True)) + pair[codes[0], codes[1]] + numbers @ slopes
        ones = [np.eye(c)[code] for c, code in zip(levels, codes, strict=True)]
        return np.hstack([*ones, numbers]), _labels(rng, sharpness * logits)

    return k, sample, None


# ---------------------------------------------------------------------------------------------------- test half


def _friedman(rng: Rng) -> Made:
    from sklearn.datasets import make_friedman1, make_friedman2, make_friedman3

    kind, n_extra = int(rng.integers(1, 4)), int(rng.integers(0, 6))
    noise = float(rng.uniform(0.1, 0.6)) * {1: 4.9, 2: 376.0, 3: 0.315}[kind]  # of the signal's deviation

    def sample(rng: Rng, n: int) -> tuple[Array, Array]:
        seed = int(rng.integers(2**31))
        if kind == 1:
            return make_friedman1(n, 5 + n_extra, noise=noise, random_state=seed)  # type: ignore[no-any-return]
        X, y = (make_friedman2 if kind == 2 else make_friedman3)(n, noise=noise, random_state=seed)
        return np.hstack([X, rng.standard_normal((n, n_extra))]), y

    return 0, sample, noise


@functools.cache
def _digit_images() -> tuple[Array, Array]:
    from sklearn.datasets import load_digits

    found = load_digits()
    return found.images / 16.0, found.target


def _digits(rng: Rng) -> Made:
    """Scans of digits, each time moved by up to a pixel, in another brightness, with noise."""
    images, target = _digit_images()
    chosen = np.sort(rng.choice(10, int(rng.integers(3, 11)), replace=False))
    keep = np.isin(target, chosen)
    images, codes = images[keep], np.searchsorted(chosen, target[keep])
    noise = rng.uniform(0.1, 0.35)

    def sample(rng: Rng, n: int) -> tuple[Array, Array]:
        index, moves = rng.integers(0, len(codes), n), rng.integers(-1, 2, (n, 2))
        rows = (np.arange(8)[None] + moves[:, :1]) % 8
        columns = (np.arange(8)[None] + moves[:, 1:]) % 8
        moved = images[index][np.arange(n)[:, None, None], rows[:, :, None], columns[:, None, :]]
        bright = rng.uniform(0.6, 1.2, (n, 1)) * moved.reshape(n, 64)
        return bright + noise * rng.standard_normal((n, 64)), codes[index]

    return len(chosen), sample, None


def _real_table(rng: Rng) -> Made:
    """Columns distributed as those of a real table, with its correlations; the target by a model of the real one.

    The columns keep their own quantiles and the correlations of their normal scores (a normal copula). What is drawn
    is new, so no row of the table is on both sides of a split.
    """
    from scipy.stats import norm
    from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

    load = (load_breast_cancer, load_diabetes, load_wine)[int(rng.integers(3))]
    X, y = load(return_X_y=True)
    some = np.sort(rng.choice(X.shape[1], int(rng.integers(6, X.shape[1] + 1)) if X.shape[1] > 6 else 6, replace=False))
    X = X[:, some]
    scores = norm.ppf((np.argsort(np.argsort(X, axis=0), axis=0) + 0.5) / len(X))
    root = np.linalg.cholesky(np.corrcoef(scores.T) + 1e-6 * np.eye(X.shape[1]))
    ordered, grid = np.sort(X, axis=0), (np.arange(len(X)) + 0.5) / len(X)
    is_regression = load is load_diabetes
    model = (RandomForestRegressor if is_regression else RandomForestClassifier)(
        60, min_samples_leaf=4, random_state=int(rng.integers(2**31))
    ).fit(X, y)
    noise = float(rng.uniform(0.2, 0.6) * model.predict(X).std()) if is_regression else None
    k = 0 if is_regression else len(model.classes_)
    sharpness = rng.uniform(1.0, 2.0)

    def sample(rng: Rng, n: int) -> tuple[Array, Array]:
        ranks = norm.cdf(rng.standard_normal((n, X.shape[1])) @ root.T)
        Z = np.column_stack([np.interp(ranks[:, j], grid, ordered[:, j]) for j in range(X.shape[1])])
        if is_regression:
            return Z, model.predict(Z) + noise * rng.standard_normal(n)
        return Z, _labels(rng, sharpness * np.log(np.maximum(model.predict_proba(Z), 1e-3)))

    return k, sample, noise


def _sequences(rng: Rng) -> Made:
    """Short autoregressive sequences of order two, flattened: each class has its own coefficients."""
    k, length = int(rng.integers(2, 5)), int(rng.integers(10, 25))
    radius, angle = rng.uniform(0.6, 0.95, k), np.sort(rng.uniform(0.2, 2.9, k))
    a, b = 2 * radius * np.cos(angle), -(radius**2)

    def sample(rng: Rng, n: int) -> tuple[Array, Array]:
        y = rng.integers(0, k, n)
        steps = rng.standard_normal((n, length + 20))
        for t in range(2, length + 20):
            steps[:, t] += a[y] * steps[:, t - 1] + b[y] * steps[:, t - 2]
        return steps[:, 20:], y

    return k, sample, None


def _steps_of(rng: Rng, d: int, n_outputs: int) -> Callable[[Array], Array]:
    """Return the sum of a few random trees of depth 3, on the scale 1."""
    trees = [
        (rng.integers(0, d, 7), rng.normal(0, 0.7, 7), rng.normal(0, 1, (8, n_outputs)))
        for _ in range(int(rng.integers(1, 5)))
    ]

    def outputs(X: Array) -> Array:
        total = np.zeros((len(X), n_outputs))
        for features, cuts, leaves in trees:
            node = np.zeros(len(X), int)
            for _ in range(3):
                node = 2 * node + 1 + (X[np.arange(len(X)), features[node]] > cuts[node])
            total += leaves[node - 7]
        return total

    probe = outputs(rng.standard_normal((5_000, d)))
    return lambda X: (outputs(X) - probe.mean(axis=0)) / np.maximum(probe.std(axis=0), 1e-6)


def _trees_reg(rng: Rng) -> Made:
    d, noise = int(rng.integers(3, 11)), float(rng.uniform(0.1, 0.6))
    steps = _steps_of(rng, d, 1)

    def sample(rng: Rng, n: int) -> tuple[Array, Array]:
        X = rng.standard_normal((n, d))
        return X, steps(X)[:, 0] + noise * rng.standard_normal(n)

    return 0, sample, noise


def _trees_cls(rng: Rng) -> Made:
    d, k, sharpness = int(rng.integers(3, 11)), int(rng.integers(2, 5)), rng.uniform(1.5, 4)
    steps = _steps_of(rng, d, k)

    def sample(rng: Rng, n: int) -> tuple[Array, Array]:
        X = rng.standard_normal((n, d))
        return X, _labels(rng, sharpness * steps(X))

    return k, sample, None


def _polynomial(rng: Rng) -> Made:
    d, noise = int(rng.integers(6, 25)), float(rng.uniform(0.05, 0.5))
    terms = [(rng.choice(d, int(rng.integers(1, 4)), replace=False), rng.normal()) for _ in range(5)]
    signal = lambda X: sum(c * X[:, list(some)].prod(axis=1) for some, c in terms)  # noqa: E731
    scale = float(signal(rng.uniform(-1, 1, (5_000, d))).std())

    def sample(rng: Rng, n: int) -> tuple[Array, Array]:
        X = rng.uniform(-1, 1, (n, d))
        return X, signal(X) / scale + noise * rng.standard_normal(n)

    return 0, sample, noise


def _waves(rng: Rng) -> Made:
    d, noise = int(rng.integers(2, 13)), float(rng.uniform(0.05, 0.5))
    frequencies = rng.normal(0, rng.uniform(0.8, 2.0) / np.sqrt(d), (d, 4))
    phases, sizes = rng.uniform(0, 2 * np.pi, 4), rng.normal(0, 1, 4)
    scale = float((np.sin(rng.standard_normal((5_000, d)) @ frequencies + phases) @ sizes).std())

    def sample(rng: Rng, n: int) -> tuple[Array, Array]:
        X = rng.standard_normal((n, d))
        return X, np.sin(X @ frequencies + phases) @ sizes / scale + noise * rng.standard_normal(n)

    return 0, sample, noise


def _imbalanced(rng: Rng) -> Made:
    rare = rng.uniform(0.06, 0.2)
    return 2, _mixture(rng, np.array([1 - rare, rare])), None


def _noisy_labels(rng: Rng) -> Made:
    k = int(rng.integers(2, 5))
    return k, _mixture(rng, np.full(k, 1 / k), flip=float(rng.uniform(0.08, 0.25))), None


FAMILIES: dict[str, tuple[Callable[[Rng], Made], str]] = {
    "teacher_cls": (_teacher_cls, "dev"),
    "teacher_reg": (_teacher_reg, "dev"),
    "gmm_cls": (_gmm_cls, "dev"),
    "rings_cls": (_rings_cls, "dev"),
    "onehot_cls": (_onehot, "dev"),
    "friedman_reg": (_friedman, "test"),
    "digits_cls": (_digits, "test"),
    "real_table": (_real_table, "test"),
    "sequences_cls": (_sequences, "test"),
    "trees_reg": (_trees_reg, "test"),
    "trees_cls": (_trees_cls, "test"),
    "polynomial_reg": (_polynomial, "test"),
    "waves_reg": (_waves, "test"),
    "imbalanced_cls": (_imbalanced, "test"),
    "noisy_labels_cls": (_noisy_labels, "test"),
}
N_DEV, N_TEST, N_NEW = 12, 7, 3  # populations of a family: of the halves, and of a development family in the test half


def names_of(half: str) -> list[tuple[str, int]]:
    """Return the family and seed of every population of a half, ``"dev"`` or ``"test"``; no two families in a row."""
    count = {"dev": N_DEV, "test": N_TEST}[half]
    names = [(family, number) for number in range(count) for family, (_, own) in FAMILIES.items() if own == half]
    if half == "test":  # a minor part: families of the development half, with other seeds
        names += [(family, 1_000 + i) for i in range(N_NEW) for family, (_, own) in FAMILIES.items() if own == "dev"]
    return names
