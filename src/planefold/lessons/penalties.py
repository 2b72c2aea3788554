"""Penalties: small weights, and few.

A network that fits the accidents of its rows often does so with large weights. A **penalty** makes weights cost
something: what is lowered is the loss plus the price of the weights. Two prices are common. L2 takes the squares and
makes all weights smaller; L1 takes the absolute values and sets some to exactly zero. The **elastic net** is a mix.

Needs: the lessons `normal_equations` and `gradient`.
"""

# %% An experiment with three switches
# Each of three switches is off (-1) or on (1); all eight settings are tried. The yield is measured. Such a table has a
# property that makes everything exact: its columns are at right angles to each other (their products add up to 0), so
# each weight can be found without looking at the others. With n = 8 rows, X'X is 8 times the unit matrix.
import numpy as np

import planefold as pf

X = np.array([[a, b, c] for a in (-1, 1) for b in (-1, 1) for c in (-1, 1)], dtype=float)
y = 2 + X @ [3, 0.25, -1] + np.array([0.1, -0.1, -0.2, 0.2, 0.1, -0.1, 0.2, -0.2])
n = 8
free = X.T @ y / n  # without a penalty: the normal equations, solved by a division
print("X'X =", (X.T @ X).astype(int).tolist())
print(f"weights without a penalty: {free.round(3)}, intercept {y.mean():.3f}")
assert np.array_equal(X.T @ X, n * np.eye(3))
assert np.allclose(free, np.linalg.solve(X.T @ X, X.T @ y))

# %% L2 shrinks
# The loss is half of the mean squared error, the penalty is s/2 times the sum of the squared weights. The gradient of
# both is zero where (X'X / n + s I) w = X'y / n, where I is the unit matrix. This is called **ridge regression**. Here
# it says: every weight is divided by 1 + s. Large or small, all keep the same share; none becomes 0.
s = 0.5
ridge = np.linalg.solve(X.T @ X / n + s * np.eye(3), X.T @ y / n)
print(f"L2, strength {s}: {ridge.round(3)}, each is {(ridge / free)[0]:.3f} of the free one")
assert np.allclose(ridge, free / (1 + s))


# %% L1 sets to zero
# The penalty is s times the sum of the absolute values. Its slope is s on one side of 0 and -s on the other, however
# small the weight is. So each weight moves towards 0 by s, and one that is smaller than s stops at 0. This is the
# **soft threshold**: sign(w) * max(|w| - s, 0).
def soft(w, s):
    return np.sign(w) * np.maximum(np.abs(w) - s, 0)


lasso = soft(free, s)
print(f"L1, strength {s}: {lasso.round(3)}")
assert lasso[1] == 0  # the second switch hardly mattered: its weight is exactly zero
assert np.allclose(np.abs(lasso[[0, 2]]), np.abs(free[[0, 2]]) - s)

# Is that really the lowest point? Try a million values for each weight: the three do not depend on each other.
tries = np.linspace(-5, 5, 1_000_001)
costs = [0.5 * (tries - w) ** 2 + s * np.abs(tries) for w in free]
assert np.allclose([tries[cost.argmin()] for cost in costs], lasso, atol=1e-5)

# %% Both at once: the elastic net
# A share r of the strength goes to L1, the rest to L2. First the threshold acts, then the division.
r = 0.6
elastic = soft(free, s * r) / (1 + s * (1 - r))
print(f"elastic net, r = {r}: {elastic.round(3)}")
costs = [0.5 * (tries - w) ** 2 + s * (r * np.abs(tries) + (1 - r) / 2 * tries**2) for w in free]
assert np.allclose([tries[cost.argmin()] for cost in costs], elastic, atol=1e-5)


# %% In our models
# `alpha` is the strength, divided by the number of rows of a batch: alpha = n * s. `l1_ratio` is r. Biases are free,
# as they do not make a model more complicated; `penalize_bias=True` includes them. A model without hidden units must
# find what the formulas say. `run_.n_zero_weights` counts weights that are exactly 0.
def fit(alpha, l1_ratio, **how):
    plain = {**pf.SKLEARN_DEFAULTS, "hidden_layer_sizes": (), "solver": "sgd", "momentum": 0, "learning_rate": "cosine"}
    plain |= {"learning_rate_init": 0.5, "max_iter": 200, "n_iter_no_change": 200, "random_state": 0}
    return pf.MLPRegressor(**plain, alpha=alpha, l1_ratio=l1_ratio, **how).fit(X, y)


for name, ratio, exact in (("L2", 0, ridge), ("L1", 1, lasso), ("elastic net", r, elastic)):
    model = fit(n * s, ratio)
    w, b = model.coefs_[0][:, 0], model.intercepts_[0][0]
    print(f"trained, {name:11}: {w.round(3)}, intercept {b:.3f}, {model.run_.n_zero_weights} weights are 0")
    assert np.allclose(w, exact, atol=1e-6)
    assert np.isclose(b, y.mean(), atol=1e-6)
    assert model.run_.n_zero_weights == (exact == 0).sum()

# %% Three ways to write the same penalty
# Books and libraries differ in factors of two and in the biases. With the same loss C0:
# slide: `C0 + lam * r * sum|w| + lam * (1 - r) * sum(w^2)`, biases included;
# scikit-learn's ElasticNet: `C0 + alpha * r * sum|w| + alpha * (1 - r) / 2 * sum(w^2)`, without the bias;
# PyTorch's `weight_decay` (SGD, Adam): adds `weight_decay * w` to the gradient, which is the penalty
# `weight_decay / 2 * sum(w^2)` of all parameters, biases included. There is no L1 part.
# So write down the strengths of both parts, L1 and half of L2, and the rest follows.
lam, r = 0.5, 0.6
l1, l2 = lam * r, 2 * lam * (1 - r)
alpha, ratio, weight_decay = l1 + l2, l1 / (l1 + l2), l2
print(f"slide: lam = {lam}, r = {r}; in parts: L1 {l1:.2f}, L2 {l2:.2f}")
print(f"scikit-learn: alpha = {alpha:.2f}, l1_ratio = {ratio:.4f}; here: alpha = {n} * {alpha:.2f} = {n * alpha:.2f}")
print(f"PyTorch: weight_decay = {weight_decay:.2f}, for the L2 part")
w = np.random.default_rng(0).normal(size=5)
slide = lam * r * np.abs(w).sum() + lam * (1 - r) * (w**2).sum()
assert np.isclose(slide, alpha * ratio * np.abs(w).sum() + alpha * (1 - ratio) / 2 * (w**2).sum())
assert np.isclose(weight_decay, 2 * lam * (1 - r))
assert np.allclose(lam * (1 - r) * 2 * w, weight_decay * w)  # the gradient of the L2 part is what PyTorch adds

# %% With the biases and without
for biases in (False, True):
    model = fit(n * alpha, ratio, penalize_bias=biases)
    b = model.intercepts_[0][0]
    print(f"penalize_bias={biases!s:5}: weights {model.coefs_[0][:, 0].round(3)}, intercept {b:.3f}")
    assert np.allclose(model.coefs_[0][:, 0], soft(free, l1) / (1 + l2), atol=1e-6)
    assert np.isclose(b, soft(y.mean(), l1) / (1 + l2) if biases else y.mean(), atol=1e-6)

# %% The geometry: why L1 finds zeros
# Let there be two weights only. The contour lines belong to the loss, lowest in the middle at (1.6, 0.5). The thick
# line goes through all weights of the same price: a circle for L2, a diamond for L1, a rounded diamond for the mix.
# The star is the best compromise: there a contour line (dashed) touches the thick one. A diamond is touched at a
# corner, where one weight is 0. A circle has no corners.
centre = np.array([1.6, 0.5])
axes = pf.plots.panels(3, size=(10.8, 3.9))
turn = np.linspace(0, 2 * np.pi, 361)
along = np.stack([np.cos(turn), np.sin(turn)])
for ax, (name, share) in zip(axes, {"L2: a ball": 0, "Elastic net": 0.5, "L1: a diamond": 1}.items(), strict=True):
    best = soft(centre, 0.8 * share) / (1 + 0.8 * (1 - share))
    part1, part2 = share * np.abs(along).sum(axis=0), (1 - share) / 2
    price = share * np.abs(best).sum() + part2 * (best**2).sum()
    # How far to go in each direction for that price: part2 * far^2 + part1 * far = price.
    far = 2 * price / (part1 + np.sqrt(part1**2 + 4 * part2 * price))
    print(f"{name:14} touches at ({best[0]:.3f}, {best[1]:.3f})")
    pf.plots.landscape(lambda p: 0.5 * ((p[0] - 1.6) ** 2 + (p[1] - 0.5) ** 2), ((-1.3, 2.3), (-1.6, 2.0)), levels=6,
                       x="w1", y="w2", title=name, equal=True, ax=ax)  # fmt: skip
    ax.plot(*(far * along), color="#D55E00", linewidth=3)
    ax.plot(*(centre[:, None] + np.linalg.norm(best - centre) * along), "--", color="#222222", linewidth=1.8)
    ax.plot(*best, "*", color="#222222", markersize=16, zorder=9)
    losses = 0.5 * ((far * along).T - centre) ** 2
    assert np.isclose(
        losses.sum(axis=1).min(), 0.5 * ((best - centre) ** 2).sum(), atol=1e-3
    )  # nowhere on it is better
    assert (best[1] == 0) == (share == 1)
pf.plots.save(axes[0], "penalties.png")

# %% The weights as the strength grows
strengths = np.linspace(0, 3.5, 141)
left, right = pf.plots.panels(2, size=(9.6, 4.2))
for ax, name, path in (
    (left, "L2: all shrink", free / (1 + strengths[:, None])),
    (right, "L1: one after another is 0", soft(free, strengths[:, None])),
):
    curves = {f"switch {k + 1}": (strengths, path[:, k]) for k in range(3)}
    pf.plots.lines(curves, x="Strength of the penalty", y="Weight", title=name, zero=True, ax=ax)
pf.plots.save(left, "penalties_paths.png")
assert (free / 4.5 != 0).all()
assert (soft(free, 3.5) == 0).all()
