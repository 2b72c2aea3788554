"""Counting parameters: how large is a network, and what does it cost?

A parameter is a number that training has to find: each weight and each bias. Their count says how much memory a network
takes, and hints at how many rows it needs. Multiplications say how much work one answer is. Both are counted with a
pencil here, and found again in the library's own table. Then the input is a picture, and the numbers explode.

Needs: the lesson `forward`.
"""

# %% One layer: inputs times units, and a bias for each unit
# Every unit has a weight for each of its inputs and one bias: (inputs + 1) times units. A network is written by its
# sizes: 2-3-1 has two inputs, three hidden units and one output. In Keras that is `Dense(3)` and `Dense(1)`.
import numpy as np

import planefold as pf


def of_each_layer(sizes):
    return (np.array(sizes[:-1]) + 1) * np.array(sizes[1:])


print("network    parameters of each layer      all")
for sizes, expected in {(2, 3, 1): 13, (4, 3): 15, (8, 12, 8, 1): 221}.items():
    n_all = of_each_layer(sizes).sum()
    print(f"{'-'.join(map(str, sizes)):10} {' + '.join(map(str, of_each_layer(sizes))):24} {n_all:8}")
    assert n_all == expected

# %% The library counts the same
# `summary()` prints a line for each layer, as Keras's summary does. The 4-3 network has no hidden layer: four inputs,
# three classes, softmax. What it learns does not matter here, so any numbers will do.
rng = np.random.default_rng(0)
quick = {**pf.SKLEARN_DEFAULTS, "solver": "lbfgs", "alpha": 10.0}
for sizes in ((2, 3, 1), (4, 3), (8, 12, 8, 1)):
    X = rng.normal(size=(60, sizes[0]))
    y = np.arange(60) % max(2, sizes[-1])
    model = pf.MLPClassifier(**quick | {"hidden_layer_sizes": sizes[1:-1]}, random_state=0).fit(X, y)
    print(f"\n{'-'.join(map(str, sizes))}\n{model.summary()}")
    assert model.n_parameters_ == of_each_layer(sizes).sum()
    assert str(model.n_parameters_) in str(model.summary())
    assert sum(w.size for w in model.coefs_) + sum(b.size for b in model.intercepts_) == model.n_parameters_

# %% The work: one multiplication for each weight
# An answer takes one multiplication for each weight; biases are only added. So compare one wide layer with two narrow
# ones: 2-12-1 has 2*12 + 12*1 = 36 weights, 2-3-4-1 has 2*3 + 3*4 + 4*1 = 22. What the two can draw for that price
# is told in the lesson `nodes_and_layers`.
print("\nnetwork   multiplications   parameters")
for sizes, n_weights, n_all in (((2, 12, 1), 36, 49), ((2, 3, 4, 1), 22, 30)):
    n_products = np.dot(sizes[:-1], sizes[1:])
    print(f"{'-'.join(map(str, sizes)):10} {n_products:14} {of_each_layer(sizes).sum():12}")
    assert n_products == n_weights
    assert of_each_layer(sizes).sum() == n_all
    spec = pf.networks.MLPSpec(n_features=sizes[0], hidden_layer_sizes=sizes[1:-1], n_outputs=1)
    assert spec.n_parameters == n_all

# %% A picture as a table row: every pixel is a column
# A brain scan of 176 x 208 pixels, written as one row, has 36,608 columns. A spectrogram (a picture of a sound) of
# 256 x 32 has 8,192. Connect each pixel to 100 units and see. Each parameter takes 4 bytes. Training with Adam (the
# lesson `optimizers`) keeps four numbers for each: the parameter, its gradient and two running means.
pictures = {"table of 10 columns": 10, "spectrogram 256 x 32": 256 * 32, "scan 176 x 208": 176 * 208}
costs = {name: of_each_layer((n_columns, 100))[0] for name, n_columns in pictures.items()}
print("\none layer of 100 units on       columns   parameters   megabytes   of training")
for name, n_columns in pictures.items():
    size = 4 * costs[name] / 1e6
    print(f"{name:30} {n_columns:8,} {costs[name]:12,} {size:11.3f} {4 * size:13.3f}")
assert pictures["scan 176 x 208"] == 36_608
assert pictures["spectrogram 256 x 32"] == 8_192
assert list(costs.values()) == [1_100, 819_300, 3_660_900]

# %% More questions than answers: it learns coin tosses by heart
# A folder of 5,121 scans gives 5,121 answers to learn from. The first layer alone asks for 3,660,900 numbers: 715 for
# each scan. With more columns than rows there are nearly always weights that fit every row exactly, even if there is
# nothing to learn. Here are 60 rows of 2,000 columns that are pure chance, and targets made by tossing a coin:
per_row = costs["scan 176 x 208"] / 5_121
print(f"\nparameters for each scan: {per_row:.0f}")
assert round(per_row) == 715
noise, coins = rng.normal(size=(260, 2_000)), rng.choice([-1.0, 1.0], size=260)
w = np.linalg.lstsq(noise[:60], coins[:60])[0]
right = np.sign(noise @ w) == coins
print(f"coin tosses: {right[:60].mean():.0%} right on the rows learned from, {right[60:].mean():.0%} on new ones")
assert np.allclose(noise[:60] @ w, coins[:60])
assert right[:60].all()
assert 0.35 < right[60:].mean() < 0.65
# What helps: few numbers that are used at every place of the picture (the lesson `convolution`: a 3 x 3 window has 9
# weights, however large the picture is), penalties and dropout (`penalties`, `dropout`), and more rows.

# %% The picture: three inputs, one layer
ax = pf.plots.bars({"table\n10 columns": costs["table of 10 columns"] / 1e6,
                    "spectrogram\n256 x 32": costs["spectrogram 256 x 32"] / 1e6,
                    "scan\n176 x 208": costs["scan 176 x 208"] / 1e6},
                   y="parameters (millions)", title="One layer of 100 units: parameters", digits=4)  # fmt: skip
pf.plots.save(ax, "parameter_counts.png")
