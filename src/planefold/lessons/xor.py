"""XOR: what one unit cannot learn, and two layers can.

XOR says 1 if exactly one of two inputs is 1: "soup or salad, but not both". The rule of the lesson `perceptron` runs
in a circle on it for ever. Four short inequalities show why no weights can do it. A second layer of units can:
the first moves the four points to places where one straight line is enough.

Needs: the lesson `perceptron`.
"""

# %% The rule runs in a circle
# The same unit, the same rule, the same order of the rows. The second epoch ends with W = (-1, 0) and b = 0. The third
# begins there, corrects all four rows, and ends there again. So the fourth is the third once more, and so on for ever.
import numpy as np

import planefold as pf


def hardlim(z):
    return np.where(np.asarray(z) >= 0, 1, 0)


P, targets = np.array([[0, 0], [0, 1], [1, 0], [1, 1]]), np.array([0, 1, 1, 0])
W, b, after_epoch, cycle = np.zeros(2, dtype=int), 0, [], []
for epoch in range(1, 101):
    for p, t in zip(P.tolist(), targets.tolist(), strict=True):
        e = t - int(hardlim(W @ p + b))
        W, b = W + e * np.array(p), b + e
        if epoch in (3, 4):
            cycle.append((*W.tolist(), b))
            print(f"epoch {epoch}: p = {p}, error {e:2}, new W = ({W[0]:2}, {W[1]:2}), new b = {b:2}")
    after_epoch.append((*W.tolist(), b))
print("(W1, W2, b) after epoch 1, 2, 3, ..., 100:", *after_epoch[:3], "...", after_epoch[-1])
assert set(after_epoch[1:]) == {(-1, 0, 0)}
assert cycle[:4] == cycle[4:]  # epoch 4 is epoch 3 again, step by step

# %% Why: four wishes that contradict each other
# Put the four points into W p + b. The unit is right about all of them only if
#
# ```text
# (0,0) shall give 0:             b <  0
# (0,1) shall give 1:        W2 + b >= 0
# (1,0) shall give 1:   W1      + b >= 0
# (1,1) shall give 0:   W1 + W2 + b <  0
# ```
#
# Add the first and the last: W1 + W2 + 2b < 0. Add the two in the middle: W1 + W2 + 2b >= 0. A number cannot be both
# below 0 and not below 0. So there are no such weights, whatever the rule that looks for them.
parts = np.column_stack([P, np.ones(4, dtype=int)])  # how often W1, W2 and b come in each of the four
below, not_below = parts[targets == 0].sum(axis=0), parts[targets == 1].sum(axis=0)
print("how often W1, W2 and b come in the sum below 0:", below.tolist(), "and in the other:", not_below.tolist())
assert below.tolist() == not_below.tolist() == [1, 1, 2]

# %% Two layers: ask two questions first
# XOR is "at least one of them, and not both". The first hidden unit answers "at least one?" (that is OR), the second
# "not both?" (that is NAND, for NOT AND). The output unit only has to take AND of the two answers.
W1, b1 = np.array([[1.0, -1.0], [1.0, -1.0]]), np.array([-0.5, 1.5])  # a column for each hidden unit
w2, b2 = np.array([1.0, 1.0]), -1.5
hidden = hardlim(P @ W1 + b1)
output = hardlim(hidden @ w2 + b2)
print("\np1 p2   OR  NAND   output   target")
for p, h, a, t in zip(P, hidden, output, targets, strict=True):
    print(f" {p[0]}  {p[1]} {h[0]:5} {h[1]:5} {a:8} {t:8}")
assert hidden.T.tolist() == [[0, 1, 1, 1], [1, 1, 1, 0]]
assert output.tolist() == targets.tolist()

# %% What the first layer did: it moved the points
# The output unit does not see p1 and p2. It sees the two answers. There the points (0,1) and (1,0) have become one and
# the same point, (1,1), and one straight line parts it from the other two. That is what hidden layers are for: they
# move the points to places where the last layer has an easy task.
places = hidden[targets == 1].tolist()
print("the points with target 1, as the output unit sees them:", places)
assert places == [[1, 1], [1, 1]]

# %% Trained instead of made by hand
# Training follows slopes downhill, but `hardlim` is flat: its slope is 0 (the lesson `activations` tells more). So take
# `tanh`, a rounded step, for the two hidden units. Begin ten times, each time with other random weights. Some starts
# get stuck, as a walker does who only goes downhill. Keep the network with the smallest **loss**: how wrong it is.
points = P.astype(float)
plain = {**pf.SKLEARN_DEFAULTS, "hidden_layer_sizes": (2,), "activation": "tanh", "solver": "lbfgs", "alpha": 1e-3}
models = [pf.MLPClassifier(**plain, random_state=seed).fit(points, targets) for seed in range(10)]
n_solved = sum(model.score(points, targets) == 1 for model in models)
best = min(models, key=lambda model: model.loss_)
probability = best.predict_proba(points)[:, 1]
print(f"\n{n_solved} of 10 starts solve XOR; the best one's probabilities of a 1: {probability.round(3).tolist()}")
assert n_solved >= 3
assert abs(probability - targets).max() < 0.1

# %% The pictures: two borders, then one after the first layer; and what training found
names, window = {0: "target 0", 1: "target 1"}, ((-0.6, 2.9), (-0.6, 2.7))
left, right = pf.plots.panels(2, size=(8, 4))
two = {"OR: 1 above": (W1[:, 0], b1[0]), "NAND: 1 below": (W1[:, 1], b1[1])}
pf.plots.points(P, targets, names=names, borders=two, window=window, xlabel="p1", ylabel="p2",
                title="The inputs: two borders", ax=left)  # fmt: skip
pf.plots.points(hidden, targets, names=names, borders={"AND: 1 above": (w2, b2)}, window=window,
                xlabel="answer of OR", ylabel="answer of NAND", title="Hidden layer: one border", ax=right)  # fmt: skip
pf.plots.save(left, "xor.png")
ax = pf.plots.landscape(lambda p: best.predict_proba(p.reshape(2, -1).T)[:, 1].reshape(p.shape[1:]), window,
                        levels=[0, 0.1, 0.5, 0.9, 1], title="Trained 2-2-1: darker is surer of a 1")  # fmt: skip
pf.plots.points(P, targets, names=names, window=window, xlabel="p1", ylabel="p2", ax=ax)
pf.plots.save(ax, "xor_trained.png")
