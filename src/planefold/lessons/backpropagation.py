"""Backpropagation: every weight's share of the error, in one pass back.

Forward, a network turns a row into an answer. Backward, the error of the answer is handed from layer to layer. Then
each weight can be told where to move, and how much. These are four short equations. Work them out with a pencil, and
compare them with slopes that are simply measured.

Needs: the lessons `forward` and `activations`.
"""

# %% The network of the lesson `forward`, and how wrong it is
# The **loss** is one number for how wrong the answers are: the mean of `-log(p)` (the natural logarithm), where p is
# the probability that the network gave to what was true. Sure and right costs almost nothing; sure and wrong, much.
import numpy as np

import planefold as pf

W1, b1 = np.array([[1.0, -1.0, 0.5], [0.5, 1.0, -1.0]]), np.array([0.0, 0.0, 0.5])
W2, b2 = np.array([[1.0], [-0.5], [2.0]]), np.array([-0.5])
X, y = np.array([[1.0, 2.0], [2.0, 0.0], [0.0, 1.0], [-1.0, 1.0]]), np.array([[1.0], [0.0], [1.0], [0.0]])


def logistic(z):
    return 1 / (1 + np.exp(-z))


def loss(W1, W2, b1, b2):
    p = logistic(np.maximum(X @ W1 + b1, 0) @ W2 + b2)
    return -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p))


Z1 = X @ W1 + b1
A1 = np.maximum(Z1, 0)
A2 = logistic(A1 @ W2 + b2)
print("answers:", A2.ravel().round(4), "targets:", y.ravel(), f"loss: {loss(W1, W2, b1, b2):.4f}")

# %% Equation 1, the error of the output: `delta2 = a2 - y`
# `delta` is the slope of the loss in `z`: how much the loss of a row grows when the weighted sum grows a little. Two
# slopes are multiplied for it (the chain rule): `(a - y) / (a (1 - a))` of the loss in a, and `a (1 - a)` of the
# logistic function. What remains is as simple as can be: answer less target. (Here `a` is a2 and `z` is z2.)
delta2 = A2 - y
measured = pf.calculus.central_difference(lambda z: -np.log(logistic(z)), 1.0)
print(f"row 0: answer less target {delta2[0, 0]:.6f}; the slope at z = 1, measured: {measured:.6f}")
assert np.isclose(delta2[0, 0], measured, atol=1e-8)

# %% Equation 2, the error goes back: `delta1 = (delta2 W2^T) * g'(z1)`
# A hidden unit is to blame as much as its weight to the output says: hence `W2`, turned on its side (`^T`). Then times
# the slope g' of the activation: for relu 1 where z1 is positive, else 0. A unit that was off gets no blame.
delta1 = (delta2 @ W2.T) * (Z1 > 0)
print("row 0: z1 =", Z1[0], " delta1 =", (delta1[0] + 0).round(4))
assert np.allclose(delta1[0], [-0.2689, 0.1345, 0], atol=5e-5)


# %% Equations 3 and 4, the gradient: `dW = a^T delta / m` and `db = mean of delta`
# A weight multiplies what comes in. So its share is what came in times the error behind it. The product of matrices
# adds this up over the m = 4 rows. A bias multiplies nothing. All these slopes together are called the **gradient**.
def backpropagate(W1, W2, b1, b2):
    a1 = np.maximum(X @ W1 + b1, 0)
    delta2 = logistic(a1 @ W2 + b2) - y
    delta1 = (delta2 @ W2.T) * (a1 > 0)
    return X.T @ delta1 / 4, a1.T @ delta2 / 4, delta1.mean(axis=0), delta2.mean(axis=0)


weights, gradient = (W1, W2, b1, b2), backpropagate(W1, W2, b1, b2)
print("dW1 =", gradient[0].round(4).tolist(), " dW2 =", gradient[1].ravel().round(4).tolist())


# %% Are they right? Measure the slopes
# Move one number a millionth up and down and look at the loss: two passes forward for each of 13 weights and biases,
# where all of this took one forward and one back. `pf.calculus.gradient` does by itself what was done here by hand.
def loss_of(theta):
    W1, W2, b1, b2 = np.split(theta, [6, 9, 12])
    return loss(W1.reshape(2, 3), W2.reshape(3, 1), b1, b2)


theta, ours = (np.concatenate([part.ravel() for part in parts]) for parts in (weights, gradient))
by_steps, automatic = pf.calculus.central_difference(loss_of, theta), pf.calculus.gradient(loss_of, theta)
print(f"off by {abs(ours - by_steps).max():.0e} (measured slopes) and {abs(ours - automatic).max():.0e} (automatic)")
assert np.allclose(ours, by_steps, atol=1e-8)
assert np.allclose(ours, automatic, atol=1e-14)

# %% The engine of the library goes down the same gradient
# A step of plain training is `new W = W - rate * dW`. So let a model take one step on these four rows, and read from
# its weights before and after which gradient it went down. (The first call makes weights to begin with.)
plain = {**pf.SKLEARN_DEFAULTS, "hidden_layer_sizes": (3,), "alpha": 0.0, "solver": "sgd", "momentum": 0.0}
model = pf.MLPClassifier(**plain | {"batch_size": 4, "learning_rate_init": 0.1}, random_state=0)
before = model.partial_fit(X, y.ravel(), classes=[0.0, 1.0]).coefs_ + model.intercepts_
after = model.partial_fit(X, y.ravel()).coefs_ + model.intercepts_
engine = [(old - new) / 0.1 for old, new in zip(before, after, strict=True)]
print("dW2 by the engine:", engine[1].ravel().round(6), " by us:", backpropagate(*before)[1].ravel().round(6))
assert all(np.allclose(mine, its, atol=1e-12) for mine, its in zip(backpropagate(*before), engine, strict=True))
assert model.check_gradients(X, y.ravel()).passed  # the same against measured slopes, for any model

# %% One step down: the gradient points uphill, so step against it, and the loss falls
stepped = loss(*(w - 0.5 * part for w, part in zip(weights, gradient, strict=True)))
print(f"loss before {loss(*weights):.4f}, after one step of 0.5 times the gradient {stepped:.4f}")
assert stepped < loss(*weights)
ax = pf.plots.diagram([2, 3, 1], weights=[np.outer(X[0], delta1[0]), np.outer(A1[0], delta2[0])], digits=2,
                      values=[X[0], delta1[0], delta2[0]], names=["x of row 0", "delta1", "delta2"],
                      title="Back: errors in circles, slopes on lines")  # fmt: skip
pf.plots.save(ax, "backpropagation.png")
