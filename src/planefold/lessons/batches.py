"""Batches: how many rows to look at before a step.

A network takes a step downhill after looking at some of its rows. It may look at all rows (batch), at one
(stochastic), or at a few (mini-batch). Few rows give a rough idea of the slope, but they give it quickly: five rough
steps often lead further than one exact step. It is like an opinion poll: nobody asks everybody.

Needs: the lesson `learning_rates`.
"""

# %% 15 rows in batches of 3 are 5 iterations
# One pass over all rows is an **epoch**; one step is an **iteration**. Each epoch first shuffles the rows and then
# deals them out like cards, three at a time. So each row is used exactly once in each epoch, each time in other
# company. If each batch were drawn by lot instead, some rows would come up more often than others.
import numpy as np

import planefold as pf


def deal(n_rows, size, rng):
    while True:  # shuffle, deal out, shuffle again
        order = rng.permutation(n_rows)
        yield from (order[first : first + size] for first in range(0, n_rows, size))


hands = deal(15, 3, np.random.default_rng(0))
epochs = [[next(hands) for _ in range(5)] for _ in range(100)]
for number in (0, 1):
    print(f"epoch {number + 1}:", "  ".join(" ".join(f"{row:2}" for row in batch) for batch in epochs[number]))
assert sorted(map(tuple, epochs[0])) != sorted(map(tuple, epochs[1]))
assert all(sorted(np.concatenate(epoch)) == list(range(15)) for epoch in epochs)
dealt = np.bincount(np.ravel(epochs), minlength=15)
drawn = np.bincount(np.random.default_rng(1).integers(15, size=1500), minlength=15)
print("\nhow often each of the 15 rows was used in 100 epochs\ndealt:", *dealt)
print("drawn:", *drawn)
assert (dealt == 100).all()
assert drawn.min() < 95 < 105 < drawn.max()

# %% How rough is the slope of a few rows?
# 10,000 points lie around the line y = 2 x + 1. The model is y = w x + b, and w = b = 0 at the start. The loss of a row
# is half of its squared error; its slope along w is (prediction - y) times x. The slope of a batch is the mean over its
# rows. We draw 10,000 batches of each size and see how far their slopes scatter around that of all rows: the **standard
# deviation**, which is the root of the mean squared distance from their mean. It is the law of opinion polls: four
# times as many answers make the error half as large. The scatter falls as `1 / sqrt(size)`, so scatter times sqrt(size)
# stays the same. A batch of 100 rows is 10 times as exact as one row.
rng = np.random.default_rng(2)
x = rng.normal(size=10_000)
y = 2 * x + 1 + 0.5 * rng.normal(size=10_000)
row_slopes = (0 * x + 0 - y) * x
sizes = np.array([1, 4, 16, 64, 256])
scatter = np.array([row_slopes[rng.integers(10_000, size=(10_000, size))].mean(axis=1).std() for size in sizes])
print(f"\nslope of all rows: {row_slopes.mean():.3f}")
for size, spread in zip(sizes, scatter, strict=True):
    print(f"batches of {size:3}: slopes scatter by {spread:.3f}; times sqrt({size}): {spread * np.sqrt(size):.3f}")
assert np.allclose(scatter * np.sqrt(sizes), row_slopes.std(), rtol=0.06)

# %% Three ways down
# Now 15 of these points, and ten epochs with batches of 15, 3 and 1 rows at the same rate. All three look at each row
# ten times; but that makes 10, 50 or 150 steps. The exact steps go nearly straight and are still on their way. The
# single rows get there first and then stagger around the goal. Small batches are the usual compromise. In the library,
# `batch_size` says how many rows make a step, and `run_` records what came of it.
x, y = x[:15], y[:15]
X = np.column_stack([x, np.ones(15)])  # a column of ones for b
goal = np.linalg.lstsq(X, y)[0]  # the best line in closed form: the lesson `normal_equations`
settings = {**pf.SKLEARN_DEFAULTS, "hidden_layer_sizes": (), "solver": "sgd", "momentum": 0, "learning_rate": "cosine"}


def loss(p):
    return sum((p[0] * a + p[1] - c) ** 2 for a, c in zip(x, y, strict=True)) / 30


def slopes_of(size):
    hands = deal(15, size, np.random.default_rng(3))
    return lambda p: X[rows := next(hands)].T @ (X[rows] @ p - y[rows]) / size


print(f"\nbest line: w = {goal[0]:.3f}, b = {goal[1]:.3f}, loss {loss(goal):.4f}; at the start {loss([-1, -1.5]):.4f}")
paths, near, stagger = {}, {}, {}
for size in (15, 3, 1):
    options = {"learning_rate_init": 0.08, "momentum": 0, "n_steps": 10 * 15 // size, "value": loss}
    path = paths[size] = pf.engine.descend(slopes_of(size), [-1.0, -1.5], **options)
    near[size] = (path.values < 0.3).argmax() * size / 15  # epochs until the loss is below 0.3
    stagger[size] = np.hypot(*np.diff(path.theta[-2 * 15 // size :], axis=0).T).mean()  # steps of the last two epochs
    run = pf.MLPRegressor(**settings | {"batch_size": size, "max_iter": 10, "random_state": 0}).fit(x[:, None], y).run_
    print(f"batches of {size:2}: {run.iterations_per_epoch:2} iterations per epoch, {path.n_steps:3} in 10", end="")
    print(f" epochs, loss {path.values[-1]:.4f}")
    assert (run.batch_size, run.iterations_per_epoch, run.n_epochs) == (size, 15 // size, 10)
assert paths[3].values[-1] < 0.5 * paths[15].values[-1]
assert near[1] < near[3]
assert stagger[1] > stagger[3]

# %% The pictures: three ways down (the cross is the best line), and the scatter
boards = pf.plots.panels(3, size=(9.6, 3.8))
for ax, (size, path) in zip(boards, paths.items(), strict=True):
    words = {"x": "w", "y": "b", "title": f"size {size}: {path.n_steps} steps", "levels": [0.3, 0.8, 1.6, 3, 5, 7]}
    pf.plots.landscape(loss, ((-1.5, 3.5), (-2, 2.5)), paths={"": path.theta}, **words, ax=ax)
    ax.plot(*goal, "x", color="black", markersize=10)
pf.plots.save(boards[0], "batches.png")
curves = {"scatter of one row / sqrt(rows)": (sizes, row_slopes.std() / np.sqrt(sizes)), "measured": (sizes, scatter)}
ax = pf.plots.lines(curves, x="rows in a batch", y="scatter of the slope", log="xy", dots=True)
pf.plots.save(ax, "batches_noise.png")
