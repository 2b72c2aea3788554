"""Batch normalisation: every column on one scale.

A network adds up what it is given, so a column of large numbers drowns one of small numbers. **Batch normalisation**
brings the numbers that each unit receives to mean 0 and spread 1, batch by batch. We do it by hand, and in a training.

Needs: the lessons `forward` and `batches`; what a mean is.
"""

# %% The table: eleven rows, four columns
import numpy as np

import planefold as pf

left = np.array([
    [0.99, 0.81, 0.85, 0.93], [0.69, 0.89, 0.37, 0.48], [0.73, 0.30, 0.43, 0.57], [0.26, 0.77, 0.90, 0.60],
    [0.22, 0.65, 0.20, 0.79], [0.27, 0.55, 0.63, 0.02], [0.98, 0.99, 0.77, 0.28], [0.56, 0.62, 0.81, 0.78],
    [0.80, 0.29, 0.76, 0.55], [0.16, 0.36, 0.14, 0.91], [0.76, 0.61, 0.28, 0.21],
])  # fmt: skip
means = left.mean(axis=0)
print("means of the columns: ", means.round(5))
assert np.allclose(means, [0.58364, 0.62182, 0.55818, 0.55636], atol=5.1e-6)

# %% Subtract the mean, divide by the spread
# The usual measure of spread is the **standard deviation**: the root of the mean squared distance from the mean. There
# are two of them. For the *sample* deviation the sum of the squares is divided by n - 1, for the *population* deviation
# by n, the number of rows. The lecture's table uses the first (in NumPy: `ddof=1`). A slide writes its first entry as
# 0.41 / 0.3. These are rounded numbers: they give 1.37, the exact ones 1.32.
sample = left.std(axis=0, ddof=1)
shown = (left - means) / sample
print("sample deviations:    ", sample.round(5))
print(f"first entry: (0.99 - {means[0]:.4f}) / {sample[0]:.4f} = {shown[0, 0]:.4f}; 0.41 / 0.3 = {0.41 / 0.3:.2f}")
assert np.allclose(sample, [0.30794, 0.23519, 0.28081, 0.29347], atol=5.1e-6)
assert np.isclose(shown[0, 0], 1.3196, atol=5.1e-5)
assert np.allclose([shown.mean(axis=0), shown.std(axis=0, ddof=1)], [[0] * 4, [1] * 4])

# %% The deviation that batch normalisation uses
# Batch normalisation itself divides by the population deviation (`ddof=0`): the batch is all it looks at, so there is
# nothing to estimate. Then the first entry is 1.384. In batches of hundreds of rows nobody sees the difference.
population = left.std(axis=0)
print("population deviations:", population.round(5), f"first entry: {(0.99 - means[0]) / population[0]:.3f}")
assert np.allclose(population, [0.29361, 0.22425, 0.26775, 0.27981], atol=5.1e-6)
assert np.isclose((0.99 - means[0]) / population[0], 1.384, atol=5.1e-4)

# %% Ten times the numbers, the same result
# The lecture's second table is the first in other units: ten times the numbers, with one digit more. Here is its first
# column. Mean and deviation are ten times as large as well, and nothing of it is left after the division.
tenfold = np.array([9.90, 6.86, 7.27, 2.58, 2.16, 2.71, 9.85, 5.58, 7.96, 1.59, 7.63])
again = (tenfold - tenfold.mean()) / tenfold.std(ddof=1)
print(f"tenfold: (9.90 - {tenfold.mean():.3f}) / {tenfold.std(ddof=1):.3f} = {again[0]:.3f}")
assert np.allclose([tenfold.mean(), tenfold.std(ddof=1), again[0]], [5.826, 3.089, 1.319], atol=5.1e-4)
assert np.abs(again - shown[:, 0]).max() < 0.02  # the digit that the first table does not show

# %% What the network may undo: scale and shift
# A unit may need another mean or spread. So it learns two numbers of its own, a scale and a shift. With scale =
# deviation and shift = mean it has its old numbers back: nothing is lost.
assert np.allclose(sample * shown + means, left)

# %% In prediction there is no batch
# One house has a price also when nobody asks for a second one. So during training a **running mean** is kept of what
# the batches had: nine tenths of the old value and one tenth of the new one; of the squared deviations likewise. With
# these two, the answer for a row does not depend on the rows beside it.
rng = np.random.default_rng(0)
running = np.zeros(4)
for _ in range(200):
    running = 0.9 * running + 0.1 * left[rng.choice(11, 6, replace=False)].mean(axis=0)
print(f"running means after 200 batches of 6 rows: {running.round(2)}, of the table: {means.round(2)}")
assert np.abs(running - means).max() < 0.1

# %% A training with badly scaled inputs
# The columns come in other units: 0.1, 1 or 100 times the numbers. Without batch normalisation the unit decides how
# well a training goes. With it the three are nearly the same. (`R^2` is 1 for a perfect model and 0 for one that always
# says the mean. `plain` turns off what our models do by themselves.)
inputs, unseen = rng.normal(size=(2, 500, 4))
truth, unseen_truth = (np.sin(1.5 * Z[:, 0]) + Z[:, 1] * Z[:, 2] for Z in (inputs, unseen))
plain = {"n_members": 1, "skip": None, "dropout": 0, "preprocess": None, "early_stopping": False, "max_iter": 40}


def score(factor, batch_norm):
    model = pf.MLPRegressor(hidden_layer_sizes=(16, 16), **plain, batch_norm=batch_norm, random_state=0)
    return model.fit(factor * inputs, truth).score(factor * unseen, unseen_truth)


scores = {name: [score(factor, name == "with") for factor in (0.1, 1, 100)] for name in ("with", "without")}
for name, found in scores.items():
    print(f"R^2 of unseen rows, inputs times 0.1, 1, 100, {name:7} batch norm:", *(f"{r2:6.2f}" for r2 in found))
assert np.ptp(scores["with"]) < 0.05 < 0.7 < min(scores["with"])
assert max(scores["without"][0], scores["without"][2]) < 0.5 < scores["without"][1]

# %% What it does not do
# It normalises what a hidden unit receives: a sum over all columns. If one column is a thousand times as large as the
# others, it has drowned them before. So the inputs need one scale, too: `preprocess="auto"`, the default, gives it.
drowned = score(np.array([1, 1, 1, 1000]), batch_norm=True)
print(f"with batch norm, only the last column times 1000: R^2 {drowned:.2f}")
assert drowned < min(scores["with"]) - 0.3

# %% The picture: the table before and after
boards = pf.plots.panels(2, size=(9.2, 5))
for ax, numbers, title in zip(boards, (left, shown), ("Before", "After: mean 0, deviation 1"), strict=True):
    pf.plots.matrix(numbers, columns=["x1", "x2", "x3", "x4"], title=title, ax=ax)
pf.plots.save(boards[0], "batch_normalization.png")
