"""Penalties: small weights, and few.

A network that fits the accidents of its rows often does so with large weights. A **penalty** makes weights cost
something: what is lowered is the loss plus the price of the weights. Two prices are common. L2 takes the squares and
makes all weights smaller; L1 takes the absolute values and sets some to exactly zero. The **elastic net** is a mix.

Needs: the lessons `normal_equations` and `gradient`.
"""

# %% An experiment with three switches
# Each switch is off (-1) or on (1); for all eight settings the yield is measured. The columns of this table are at
# right angles: `X'X / 8` is the unit matrix (1 on the diagonal, else 0), and so each weight can be found alone.
import numpy as np

import planefold as pf

X = np.array([[a, b, c] for a in (-1, 1) for b in (-1, 1) for c in (-1, 1)], dtype=float)
y = 2 + X @ [3, 0.25, -1] + np.array([0.1, -0.1, -0.2, 0.2, 0.1, -0.1, 0.2, -0.2])
free = X.T @ y / 8  # without a penalty: the normal equations, solved by a division
print(f"weights without a penalty: {free.round(3)}, intercept {y.mean():.3f}")
assert np.array_equal(X.T @ X, 8 * np.eye(3))

# %% L2 shrinks
# The loss is half of the mean squared error, the penalty is s/2 times the sum of the squared weights. The gradient of
# both together is zero where `(X'X / n + s I) w = X'y / n`; `n` is the number of rows, `I` the unit matrix. This is
# called **ridge regression**. Here it says: divide each weight by 1 + s. All keep the same share, and none becomes 0.
s = 0.5
ridge = np.linalg.solve(X.T @ X / 8 + s * np.eye(3), X.T @ y / 8)
print(f"L2, strength {s}:          {ridge.round(3)}, each is {(ridge / free)[0]:.3f} of the free one")
assert np.allclose(ridge, free / (1 + s))


# %% L1 sets to zero, and the elastic net does both
# The L1 penalty is s times the sum of the absolute values. It pulls each weight towards 0 with the slope s, however
# small the weight is. So here each weight moves towards 0 by s, and stops at 0: the **soft threshold**. In the elastic
# net a share r of the strength goes to L1, the rest to L2: first the threshold acts, then the division. A million
# values are tried for each weight: none is better.
def soft(w, s):
    return np.sign(w) * np.maximum(np.abs(w) - s, 0)


lasso, elastic = soft(free, s), soft(free, 0.6 * s) / (1 + 0.4 * s)
print(f"L1, strength {s}:          {lasso.round(3)}\nelastic net, r = 0.6:      {elastic.round(3)}\n")
assert lasso[1] == elastic[1] == 0  # the second switch hardly mattered: its weight is exactly zero
tries = np.linspace(-5, 5, 1_000_001)
for r, found in ((1, lasso), (0.6, elastic)):
    costs = [0.5 * (tries - w) ** 2 + s * (r * np.abs(tries) + (1 - r) / 2 * tries**2) for w in free]
    assert np.allclose([tries[cost.argmin()] for cost in costs], found, atol=2e-5)


# %% In our models
# `alpha` is divided by the number of rows of a batch, so alpha = n * s; `l1_ratio` is r. Biases are free, as they do
# not bend the model. A model without hidden units must find what the formulas say.
def fit(alpha, l1_ratio, **how):
    plain = {**pf.SKLEARN_DEFAULTS, "hidden_layer_sizes": (), "solver": "sgd", "momentum": 0, "learning_rate": "cosine"}
    plain |= {"learning_rate_init": 0.5, "max_iter": 200, "n_iter_no_change": 200, "random_state": 0}
    return pf.MLPRegressor(**plain, alpha=alpha, l1_ratio=l1_ratio, **how).fit(X, y)


for name, r, exact in (("L2", 0, ridge), ("L1", 1, lasso), ("elastic net", 0.6, elastic)):
    found = fit(8 * s, r).coefs_[0][:, 0]
    print(f"trained, {name:11}       {found.round(3)}, weights that are exactly 0: {(found == 0).sum()}")
    assert (abs(found - exact) <= 1e-5 * (exact != 0)).all()  # what is to be 0 is exactly 0

# %% Three ways to write the same penalty
# Books differ in a factor of two and in the biases. A slide adds `lam * r * sum|w| + lam * (1 - r) * sum(w^2)`, biases
# included. scikit-learn's ElasticNet adds `alpha * r * sum|w| + alpha * (1 - r) / 2 * sum(w^2)`, and leaves the bias
# free. PyTorch's `weight_decay` (in SGD and Adam) adds `weight_decay * w` to the gradient, by default of all
# parameters, and has no L1. Write down the strengths of L1 and of half of the squares, and the rest follows.
lam, r = 0.5, 0.6
l1, l2 = lam * r, 2 * lam * (1 - r)
alpha, ratio, weight_decay = l1 + l2, l1 / (l1 + l2), l2
print(f"\nslide: lam = {lam}, r = {r}; PyTorch's weight_decay = {weight_decay:.2f}, for the L2 part")
print(f"scikit-learn: alpha = {alpha:.2f}, l1_ratio = {ratio:.4f}; here: alpha = 8 * {alpha:.2f} = {8 * alpha:.2f}")
w = np.array([0.7, -1.3, 0])
slide = lam * r * np.abs(w).sum() + lam * (1 - r) * (w**2).sum()
assert np.isclose(slide, alpha * ratio * np.abs(w).sum() + alpha * (1 - ratio) / 2 * (w**2).sum())
assert np.allclose(lam * (1 - r) * 2 * w, weight_decay * w)  # the gradient of the L2 part is what PyTorch adds
for biases in (False, True):
    model = fit(8 * alpha, ratio, penalize_bias=biases)
    b = model.intercepts_[0][0]
    print(f"penalize_bias={biases!s:5}: weights {model.coefs_[0][:, 0].round(3)}, intercept {b:.3f}")
    assert np.isclose(b, soft(2, l1) / (1 + l2) if biases else 2, atol=1e-5)

# %% The picture: why L1 finds zeros
# Now two weights only. The contour lines belong to the loss, lowest at (1.6, 0.5). The thick line goes through all
# weights of one price: a circle for L2, a diamond for L1. The star is the best compromise: there a contour line
# (dashed) touches the thick one. A diamond is often touched at a corner, where one weight is 0.
centre, turn = np.array([1.6, 0.5]), np.linspace(0, 2 * np.pi, 361)
along, axes = np.stack([np.cos(turn), np.sin(turn)]), pf.plots.panels(2, size=(9, 4.6))
stars = {"L2: a circle": centre / (1 + 0.8), "L1: a diamond": soft(centre, 0.8)}
for ax, (title, star), size in zip(axes, stars.items(), (1, np.abs(along).sum(axis=0)), strict=True):
    far, to_star = np.linalg.norm(star) / size * along, np.linalg.norm(star - centre)
    pf.plots.landscape(lambda p: 0.5 * ((p[0] - 1.6) ** 2 + (p[1] - 0.5) ** 2), ((-1.2, 2.6), (-1.5, 2.3)), levels=6,
                       x="w1", y="w2", title=title, equal=True, ax=ax)  # fmt: skip
    ax.plot(*far, color="#D55E00", linewidth=3)
    ax.plot(*(centre[:, None] + to_star * along), "--", color="#222222", linewidth=1.8)
    ax.plot(*star, "*", color="#222222", markersize=16, zorder=9)
    assert np.isclose(np.linalg.norm(far - centre[:, None], axis=0).min(), to_star, atol=1e-3)  # nowhere is better
pf.plots.save(axes[0], "penalties.png")
