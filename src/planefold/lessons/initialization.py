"""Initialization: where the weights begin.

Before the first step, each weight must have some value. All zeros is the natural idea, and it fails: units that begin
equal stay equal for ever. So weights are drawn at random. But how large? If they are too small, a signal has vanished
after ten layers; if they are too large, it explodes. Two formulas, Xavier's and He's, say how large.

Needs: the lessons `forward` and `backpropagation`.
"""

# %% All zeros: eight units that are one
# Is the product of two numbers positive? Eight hidden units should learn it. If they all begin with the same weights,
# they all answer the same, so they all get the same blame for the error, and all change by the same amount. After 60
# passes through the rows they are still the same unit, eight times. The doctor of the library sees it, too. ReLU makes
# it worse: with weights of 0 it passes on nothing, so no unit gets any blame, and no weight ever moves.
import numpy as np

import planefold as pf

X = np.random.default_rng(0).normal(size=(300, 2))
y = (X[:, 0] * X[:, 1] > 0).astype(int)
settings = {**pf.SKLEARN_DEFAULTS, "hidden_layer_sizes": 8, "learning_rate_init": 0.05, "learning_rate": "cosine"}
settings |= {"max_iter": 60, "tol": 0, "random_state": 0}
zeros = pf.MLPClassifier(**settings, activation="logistic", init="zeros").fit(X, y)
drawn = pf.MLPClassifier(**settings, activation="logistic", init="glorot_uniform").fit(X, y)
stuck = pf.MLPClassifier(**settings, activation="relu", init="zeros").fit(X, y)
for name, model in {"zeros": zeros, "random": drawn, "zeros, ReLU": stuck}.items():
    print(f"{name:11} right: {model.score(X, y):.0%}; weights from the first input:", model.coefs_[0][0].round(2))
print(zeros.diagnose())
assert np.ptp(zeros.coefs_[0], axis=1).max() < 1e-5  # from the smallest to the largest of the eight units
assert zeros.score(X, y) < 0.7 < drawn.score(X, y)
assert not any(weights.any() for weights in stuck.coefs_)
assert [finding.code for finding in zeros.diagnose().findings] == ["GR403"]  # symmetric units

# %% How large: the formulas of Xavier and He
# Two kinds of chance are common: **uniform** (all numbers from -e to e are equally likely) and **normal** (most are
# near 0). What counts is the **deviation**, the root of the mean square: e / sqrt(3) for the uniform kind. A layer has
# n_in inputs and n_out units. Xavier Glorot takes sqrt(2 / (n_in + n_out)), so e = sqrt(6 / (n_in + n_out)), for
# activations with slope 1 around 0, such as tanh. Kaiming He takes sqrt(2 / n_in), as ReLU drops half of the squares.
glorot, he = (2 / 700) ** 0.5, (2 / 400) ** 0.5
expected = {"normal": 0.05, "uniform": 0.05 / 3**0.5, "glorot_uniform": glorot, "glorot_normal": glorot}
expected |= {"he_uniform": he, "he_normal": he}
print("\n400 inputs, 300 units   deviation   formula   largest")
for kind, deviation in expected.items():
    weights, _ = pf.Initialization(kind, scale=0.05).draw(np.random.RandomState(0), 400, 300, "relu")
    print(f"{kind:20} {weights.std():12.4f} {deviation:9.4f} {abs(weights).max():9.4f}")
    assert np.isclose(weights.std(), deviation, rtol=0.02)


# %% Through ten layers: a signal vanishes, explodes or stays
# 1,000 rows of 100 numbers pass through ten layers of 100 units. After each layer we measure the typical size of the
# numbers, the root of their mean square. A sum of 100 random products is typically sqrt(100) times as large as one of
# them. ReLU takes half of the squares away. So each layer multiplies the size by about deviation * sqrt(100 / 2). If
# that is 0.1, a ten-billionth is left after ten layers: the signal **vanishes**, and with it the slopes that training
# needs. If it is 2, the signal **explodes**, to 1,000 times its size.
def sizes(activation, kind, scale=1.0):
    random_state, a = np.random.RandomState(1), np.random.RandomState(2).randn(1000, 100)
    for _ in range(11):
        yield np.sqrt((a**2).mean())
        z = a @ pf.Initialization(kind, scale=scale).draw(random_state, 100, 100, activation)[0]
        a = np.maximum(z, 0) if activation == "relu" else np.tanh(z)


kinds = {"normal, 0.01": ("normal", 0.01), "normal, 0.3": ("normal", 0.3)}
kinds |= {"Xavier": ("glorot_normal",), "He": ("he_normal",)}
relu, tanh = ({name: [*sizes(f, *kind)] for name, kind in kinds.items()} for f in ("relu", "tanh"))
print(f"\n{'size after layer':20} {'1':>9} {'2':>9} {'5':>9} {'10':>9}")
for f, found in (("relu", relu), ("tanh", tanh)):
    for name, size in found.items():
        print(f"{f}, {name:14}", *(f"{size[i]:9.2g}" for i in (1, 2, 5, 10)))
for size, deviation in zip(relu.values(), (0.01, 0.3, 0.1, 0.02**0.5), strict=True):
    assert np.isclose((size[10] / size[0]) ** 0.1, deviation * 50**0.5, rtol=0.1)
assert relu["normal, 0.01"][10] < 1e-10 < 0.5 < relu["He"][10] < 2 < 500 < relu["normal, 0.3"][10]
assert 0.15 < tanh["Xavier"][10] < tanh["normal, 0.3"][10] < 1  # it cannot explode: it sticks near -1 and 1

# %% It decides whether a deep network learns: the task from above with ten layers of ReLU
deep = settings | {"hidden_layer_sizes": (30,) * 10, "activation": "relu", "learning_rate_init": 0.003, "max_iter": 40}
tiny = pf.Initialization("normal", scale=0.01)
small, he = (pf.MLPClassifier(**deep, init=init).fit(X, y).score(X, y) for init in (tiny, "he_normal"))
print(f"\nten layers: {small:.0%} right from normal weights of 0.01, {he:.0%} from He's")
assert small < 0.65 < 0.9 < he

# %% And how many units begin dead
# A unit that is 0 on all rows has no slope there and learns nothing. If all inputs are positive, as the pixels of a
# bright picture are, many units begin like that. A positive first bias wakes many of them up.
pixels = np.random.default_rng(3).uniform(0.5, 1, (200, 20))
z = pixels @ pf.Initialization("normal", scale=0.05).draw(np.random.RandomState(0), 20, 1000, "relu")[0]
dead = [(z + bias <= 0).all(axis=0).mean() for bias in (0.0, 0.1, 0.5)]
print("units that are 0 on every row: bias 0 {:.0%}, bias 0.1 {:.0%}, bias 0.5 {:.0%}".format(*dead))
assert dead[0] > 0.15 > dead[1] > 0.01 > dead[2]

# %% The pictures: ten layers, and eight units that are one
boards = pf.plots.panels(2, size=(8.4, 4.6))
for ax, title, found in zip(boards, ("ReLU", "tanh"), (relu, tanh), strict=True):
    pf.plots.lines(found, x="layer (0: the inputs)", y="typical size", log="y", dots=True, title=title, ax=ax)
pf.plots.save(boards[0], "initialization.png")
tables = pf.plots.panels(1, 2, size=(7, 4))
for ax, model, name in zip(tables, (zeros, drawn), ("all zeros", "random numbers"), strict=True):
    pf.plots.matrix(model.coefs_[0], rows=["x1", "x2"], columns=[f"unit {i}" for i in range(1, 9)],
                    title=f"weights after training, begun with {name}", ax=ax)  # fmt: skip
pf.plots.save(tables[0], "initialization_symmetry.png")
