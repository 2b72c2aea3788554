"""Initialization: where the weights begin.

Before the first step, each weight must have some value. All zeros is the natural idea, and it fails: units that begin
equal stay equal for ever. So weights are drawn at random. But how large? A little too small, and a signal has vanished
after ten layers; a little too large, and it explodes. Two formulas, Xavier's and He's, keep it.

Needs: the lessons `forward` and `backpropagation`.
"""

# %% All zeros: eight units that are one
# Is the product of two numbers positive? Eight hidden units should learn it. If they all begin with the same weights,
# they all answer the same, so they all get the same blame for the error, and all change by the same amount. After 60
# epochs they are still the same unit, eight times. Only chance can tell them apart. The doctor sees it, too.
#
# With ReLU it is worse. A ReLU unit passes on what is above 0, and with weights of 0 that is nothing. Then the output
# has nothing to weigh, nobody gets any blame, and none of the weights ever moves.
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
    first = " ".join(f"{weight:5.2f}" for weight in model.coefs_[0][0])
    print(f"{name:11} right: {model.score(X, y):.0%}; weights from the first input: {first}")
print(zeros.diagnose())
assert np.ptp(zeros.coefs_[0], axis=1).max() < 1e-5  # from the smallest to the largest of the eight units
assert zeros.score(X, y) < 0.7 < drawn.score(X, y)
assert not any(weights.any() for weights in stuck.coefs_)
assert [finding.code for finding in zeros.diagnose().findings] == ["GR403"]  # symmetric units

# %% The kinds of randomness
# Two shapes are common: **uniform** on [-e, e] (all numbers between alike), and **normal** (a bell with deviation s).
# What counts is the deviation: e / sqrt(3) of the uniform one. For a layer with n_in inputs and n_out units:
# - Xavier (also called Glorot, after Xavier Glorot): deviation sqrt(2 / (n_in + n_out)), or uniform with
#   e = sqrt(6 / (n_in + n_out)). Made for activations that are nearly straight around 0, such as tanh.
# - He (after Kaiming He): deviation sqrt(2 / n_in). Twice the square, since ReLU throws half of the signal away.
uniform, glorot, he = 0.05 / 3**0.5, (2 / 700) ** 0.5, (2 / 400) ** 0.5
expected = {"uniform": uniform, "glorot_uniform": glorot, "glorot_normal": glorot, "he_uniform": he, "he_normal": he}
print("\n400 inputs, 300 units   deviation   formula   largest")
for kind, deviation in {"normal": 0.05, **expected}.items():
    weights, _ = pf.Initialization(kind, scale=0.05).draw(np.random.RandomState(0), 400, 300, "relu")
    print(f"{kind:20} {weights.std():12.4f} {deviation:9.4f} {abs(weights).max():9.4f}")
    assert np.isclose(weights.std(), deviation, rtol=0.02)


# %% Through ten layers
# 1,000 rows of 100 numbers pass through ten layers of 100 units. After each layer we measure how large the numbers
# typically are (the root of their mean square). A unit adds up 100 inputs times random weights, which makes a number
# sqrt(100) times as large as one such product; and ReLU takes away half of the squares. So each layer multiplies the
# size by deviation * sqrt(100 / 2). If the factor is a tenth, only a ten-billionth is left after ten layers: the signal
# has **vanished**, and the slopes that training needs with it. With a factor of 2 it **explodes**, to 1,000 times.
def sizes(activation, kind, scale=1.0):
    random_state, a = np.random.RandomState(1), np.random.RandomState(2).randn(1000, 100)
    for _ in range(11):
        yield np.sqrt((a**2).mean())
        z = a @ pf.Initialization(kind, scale=scale).draw(random_state, 100, 100, activation)[0]
        a = np.maximum(z, 0) if activation == "relu" else np.tanh(z)


kinds = {"uniform, 0.05": ("uniform", 0.05), "normal, 0.01": ("normal", 0.01), "normal, 0.3": ("normal", 0.3)}
kinds |= {"Xavier": ("glorot_normal",), "He": ("he_normal",)}
relu, tanh = ({name: [*sizes(f, *kind)] for name, kind in kinds.items()} for f in ("relu", "tanh"))
print(f"\n{'size after layer':20} {'1':>9} {'2':>9} {'5':>9} {'10':>9}")
for f, found in (("relu", relu), ("tanh", tanh)):
    for name, size in found.items():
        print(f"{f}, {name:14}", *(f"{size[i]:9.2g}" for i in (1, 2, 5, 10)))
for size, deviation in zip(relu.values(), (0.05 / 3**0.5, 0.01, 0.3, 0.1, 0.02**0.5), strict=True):
    assert np.isclose((size[10] / size[0]) ** 0.1, deviation * 50**0.5, rtol=0.1)
assert relu["normal, 0.01"][10] < 1e-10 < 0.5 < relu["He"][10] < 2 < 500 < relu["normal, 0.3"][10]
assert 0.15 < tanh["Xavier"][10] < tanh["normal, 0.3"][10] < 1  # it cannot explode: it sticks at -1 and 1 instead

# %% It decides whether a deep network learns, and how many units begin dead
# The task from above with ten layers of ReLU, from small weights and from He's. And: a unit that is 0 on all rows has
# no slope and learns nothing. If all inputs are positive, as the pixels of a bright picture are, many units begin like
# that. A small positive first bias wakes them up: `init=pf.Initialization("normal", bias=0.1)`.
deep = settings | {"hidden_layer_sizes": (30,) * 10, "activation": "relu", "learning_rate_init": 0.003, "max_iter": 40}
tiny = pf.Initialization("normal", scale=0.01)
small, he = (pf.MLPClassifier(**deep, init=init).fit(X, y).score(X, y) for init in (tiny, "he_normal"))
print(f"\nten layers: {small:.0%} right from normal weights of 0.01, {he:.0%} from He's")
assert small < 0.65 < 0.9 < he
pixels = np.random.default_rng(3).uniform(0.5, 1, (200, 20))
z = pixels @ pf.Initialization("normal", scale=0.05).draw(np.random.RandomState(0), 20, 1000, "relu")[0]
dead = [(z + bias <= 0).all(axis=0).mean() for bias in (0.0, 0.1, 0.5)]
print("units that are 0 on every row: bias 0 {:.0%}, bias 0.1 {:.0%}, bias 0.5 {:.0%}".format(*dead))
assert dead[0] > 0.15 > dead[1] > 0.01 > dead[2]
still = settings | {"learning_rate_init": 1e-9, "max_iter": 1}  # one epoch that moves nothing
begun = pf.MLPClassifier(**still, init=pf.Initialization("normal", bias=0.1)).fit(X, y)
print("first biases of eight hidden units:", begun.intercepts_[0].round(6).tolist())
assert np.allclose(begun.intercepts_[0], 0.1, atol=1e-6)

# %% The pictures
boards = pf.plots.panels(2, size=(10.5, 5.6))
for ax, title, found in zip(boards, ("ReLU", "tanh"), (relu, tanh), strict=True):
    pf.plots.lines(found, x="layer (0: the inputs)", y="typical size", log="y", dots=True, title=title, ax=ax)
pf.plots.save(boards[0], "initialization.png")
tables = pf.plots.panels(1, 2, size=(7, 4))
for ax, model, name in zip(tables, (zeros, drawn), ("all zeros", "random numbers"), strict=True):
    words = {"columns": [f"unit {i}" for i in range(1, 9)], "title": f"weights after training, begun with {name}"}
    pf.plots.matrix(model.coefs_[0], rows=["x1", "x2"], **words, ax=ax)
pf.plots.save(tables[0], "initialization_symmetry.png")
