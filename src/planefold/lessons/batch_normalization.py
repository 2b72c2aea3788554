"""Batch normalisation: every column on one scale.

A network adds up what it is given. A column of large numbers drowns one of small numbers, and a layer whose numbers
grow while it learns makes the next layer learn again. **Batch normalisation** brings the numbers that a unit receives
to mean 0 and spread 1, batch by batch. We do it by hand on a small table, and then see what it does for a training.

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
print("means:     ", means.round(5))
assert np.allclose(means, [0.58364, 0.62182, 0.55818, 0.55636], atol=5e-6)

# %% Subtract the mean, divide by the spread
# The usual measure of spread is the **standard deviation**: the root of the mean squared distance from the mean. There
# are two of them. The *sample* deviation divides the sum of squares by n - 1, the *population* deviation by n. The
# lecture's table uses the first (in NumPy: `ddof=1`).
sample = left.std(axis=0, ddof=1)
shown = (left - means) / sample
print("deviations:", sample.round(5))
print(f"first entry: (0.99 - {means[0]:.4f}) / {sample[0]:.4f} = {shown[0, 0]:.4f}")
print(shown.round(2))
assert np.allclose(sample, [0.30794, 0.23519, 0.28081, 0.29347], atol=5e-6)
assert np.isclose(shown[0, 0], 1.3196, atol=5e-5)
assert np.allclose([shown.mean(axis=0), shown.std(axis=0, ddof=1)], [[0] * 4, [1] * 4])

# %% Two small print matters
# A slide writes the first entry as 0.41 / 0.3. These are rounded numbers: they give 1.37, the exact ones 1.32.
# And batch normalisation itself divides by the population deviation (`ddof=0`): the batch is all it looks at, so there
# is nothing to estimate. Then the first entry is 1.384. On batches of hundreds of rows nobody sees the difference.
population = left.std(axis=0)
print(f"first entry from rounded numbers: {0.41 / 0.3:.2f}, from exact ones: {shown[0, 0]:.2f}")
print(f"as batch normalisation does it: {(0.99 - means[0]) / population[0]:.3f}")
assert np.allclose(population, [0.29361, 0.22425, 0.26775, 0.27981], atol=5e-6)
assert np.isclose((left - means)[0, 0] / population[0], 1.384, atol=5e-4)

# %% Ten times the numbers, the same result
# The lecture's second table is the first in other units, about ten times the numbers (one digit more is shown).
# Mean and deviation are ten times as large as well, and nothing of it is left after the division.
right = np.array([
    [9.90, 8.06, 8.54, 9.33], [6.86, 8.86, 3.71, 4.85], [7.27, 3.00, 4.30, 5.67], [2.58, 7.67, 9.01, 5.98],
    [2.16, 6.50, 2.02, 7.85], [2.71, 5.45, 6.35, 0.22], [9.85, 9.94, 7.65, 2.81], [5.58, 6.19, 8.09, 7.83],
    [7.96, 2.90, 7.58, 5.46], [1.59, 3.55, 1.37, 9.11], [7.63, 6.14, 2.76, 2.11],
])  # fmt: skip
right_means, right_sample = right.mean(axis=0), right.std(axis=0, ddof=1)
same = (right - right_means) / right_sample
print(f"(9.90 - {right_means[0]:.3f}) / {right_sample[0]:.3f} = {same[0, 0]:.3f}")
assert np.allclose(right_means, [5.826364, 6.205455, 5.58, 5.565455], atol=5e-7)
assert np.allclose(right_sample, [3.089376, 2.355676, 2.814068, 2.93079], atol=5e-7)
assert np.allclose(right.std(axis=0), [2.945605, 2.246049, 2.683109, 2.794398], atol=5e-7)
assert np.allclose([same[0, 0], (9.9 - right_means[0]) / right[:, 0].std()], [1.318595, 1.382954], atol=5e-7)
assert np.abs(same - shown).max() < 0.03  # the digit that the first table does not show

# %% The lecture's result
# The slides show one result for both tables. It was computed from numbers with still more digits: the second table
# gives it to within 0.01, the first to within 0.03. Two digits of a table do not decide the second digit of a result.
lecture = np.array([
    [1.32, 0.79, 1.05, 1.29], [0.33, 1.13, -0.66, -0.25], [0.47, -1.36, -0.46, 0.03], [-1.05, 0.62, 1.22, 0.14],
    [-1.19, 0.12, -1.26, 0.78], [-1.01, -0.32, 0.27, -1.82], [1.30, 1.58, 0.74, -0.94], [-0.08, -0.01, 0.89, 0.77],
    [0.69, -1.40, 0.71, -0.04], [-1.37, -1.13, -1.50, 1.21], [0.58, -0.03, -1.00, -1.18],
])  # fmt: skip
away = [np.abs(table - lecture).max() for table in (same, shown)]
print(f"largest difference from the lecture's result: {away[0]:.3f} (second table), {away[1]:.3f} (first)")
assert away[0] < 0.01 < away[1] < 0.03

# %% What the network may undo: scale and shift
# A unit may need another mean or spread than 0 and 1. So it gets two numbers of its own, which are learned like
# weights: a scale gamma and a shift beta. It passes on gamma * z + beta. With gamma = deviation and beta = mean it
# would have its old numbers back: nothing is lost, and what it needs is now two numbers and not a whole layer.
assert np.allclose(sample * shown + means, left)

# %% In prediction there is no batch
# One house has a price also when nobody asks for a second one. So during training a **running mean** is kept of what
# the batches had: nine tenths of the old value and one tenth of the new one, the deviation likewise. Prediction uses
# these two, and its answer for a row does not depend on the rows beside it.
rng = np.random.default_rng(0)
running = np.zeros(4)
for _ in range(200):
    batch = left[rng.choice(11, 6, replace=False)]
    running = 0.9 * running + 0.1 * batch.mean(axis=0)
print(f"running means after 200 batches of 6 rows: {running.round(2)}; of the table: {means.round(2)}")
assert np.abs(running - means).max() < 0.1

# %% A training with badly scaled inputs
# Four columns and a target made of them. The columns come in other units: 0.1, 1, 10 or 100 times the numbers. Without
# batch normalisation only one of the four trainings goes well. With it all four are the same.
inputs, unseen = rng.normal(size=(2, 500, 4))


def target(Z):
    return np.sin(1.5 * Z[:, 0]) + Z[:, 1] * Z[:, 2]


def fit(factor, batch_norm):
    plain = {"n_members": 1, "skip": None, "dropout": 0, "preprocess": None, "early_stopping": False}
    model = pf.MLPRegressor(hidden_layer_sizes=(16, 16), **plain, batch_norm=batch_norm, max_iter=40, random_state=0)
    return model.fit(factor * inputs, target(inputs))


factors = [0.1, 1, 10, 100]
models = {norm: [fit(factor, norm) for factor in factors] for norm in (False, True)}
scores = {
    norm: [model.score(factor * unseen, target(unseen)) for factor, model in zip(factors, of, strict=True)]
    for norm, of in models.items()
}
print("R^2 on unseen rows (1 is perfect, 0 is always the mean)")
print("inputs times      ", " ".join(f"{factor:6g}" for factor in factors))
for norm, name in ((False, "without"), (True, "with batch norm")):
    print(f"{name:18}", " ".join(f"{score:6.2f}" for score in scores[norm]))
assert np.ptp(scores[True]) < 0.05
assert min(scores[True]) > 0.7
assert max(scores[False][0], scores[False][3]) < 0.5

# %% Layers that need not chase each other
# The spread of what each layer passes on says why. Without normalisation it follows the units of the inputs through
# all layers, and each step of one layer moves the scale of the next. With it each layer knows what it will get.
for norm, name in ((False, "without"), (True, "with batch norm")):
    spreads = [models[norm][place].run_.epochs[-1].activation_std for place in (1, 3)]
    print(f"{name:18} times 1: {np.round(spreads[0], 1).tolist()}   times 100: {np.round(spreads[1], 1).tolist()}")
    assert (spreads[1][0] > 20 * spreads[0][0]) == (not norm)

# %% What it does not do
# It normalises what a hidden unit receives: a sum over all columns. If one column is a thousand times as large as the
# others, it has drowned them before. So the inputs themselves want one scale, too: that is what `preprocess="auto"`,
# the default, does to every table.
uneven = np.array([1, 1, 1, 1000])
drowned = fit(uneven, True).score(uneven * unseen, target(unseen))
print(f"with batch norm, the last column alone times 1000: {drowned:.2f}")
assert drowned < min(scores[True]) - 0.3

# %% The network that predicts has it folded in
# With fixed running means and deviations, normalising is a multiplication and an addition. Both go into the weights
# and biases, once. So a trained network with batch normalisation is a plain network, and costs nothing extra.
model = models[True][1]
hidden = unseen
for weights, biases in zip(model.coefs_[:-1], model.intercepts_[:-1], strict=True):
    hidden = np.maximum(hidden @ weights + biases, 0)
by_hand = (hidden @ model.coefs_[-1] + model.intercepts_[-1])[:, 0]
print(f"predicted by plain layers: largest difference {np.abs(by_hand - model.predict(unseen)).max():.0e}")
assert np.allclose(by_hand, model.predict(unseen))

# %% The pictures: the table before and after, and the scores
axes = pf.plots.panels(2, size=(9.2, 5))
names = [f"x{column}" for column in (1, 2, 3, 4)]
pf.plots.matrix(right, columns=names, title="Before", ax=axes[0])
pf.plots.matrix(same, columns=names, title="After: mean 0, deviation 1", ax=axes[1])
pf.plots.save(axes[0], "batch_normalization.png")
r2 = {
    name: (np.array(factors), np.array(scores[norm])) for norm, name in ((True, "with batch norm"), (False, "without"))
}
ax = pf.plots.lines(
    r2, x="Inputs times", y="R² on unseen rows", title="The same task in other units", log="x", dots=True
)
pf.plots.save(ax, "batch_normalization_scale.png")
