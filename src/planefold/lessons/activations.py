"""Activation functions: values, slopes, and why flat ones stop learning.

Between two layers every number goes through a small function, the **activation**. Without it many layers would be no
more than one. Here are six of them: what they make of a number, how steep they are there, and what is left of the
slope when ten of them follow one another. At the end: which one belongs at the output of a network.

Needs: the lesson `perceptron`, and what the slope of a curve is.
"""

# %% Six functions and their slopes
# The slope says how much the output changes when the input changes a little. Training lives on it.
import numpy as np

import planefold as pf


def logistic(z):
    return 1 / (1 + np.exp(-z))


functions = {  # the value, and the slope
    "identity": (lambda z: z, np.ones_like),
    "hardlim": (lambda z: np.where(z >= 0, 1.0, 0.0), np.zeros_like),
    "relu": (lambda z: np.maximum(z, 0), lambda z: np.where(z > 0, 1.0, 0.0)),
    "leaky relu": (lambda z: np.where(z > 0, z, 0.01 * z), lambda z: np.where(z > 0, 1.0, 0.01)),
    "tanh": (np.tanh, lambda z: 1 - np.tanh(z) ** 2),
    "logistic": (logistic, lambda z: logistic(z) * (1 - logistic(z))),
}
z = np.array([-4.0, -1.0, 0.5, 1.0])
print("at z =      ", *(f"{number:8.1f}" for number in z))
for name, (value, slope) in functions.items():
    print(f"{name:10} value", *(f"{number:8.4f}" for number in value(z)))
    print(f"{'':10} slope", *(f"{number:8.4f}" for number in slope(z)))
assert np.allclose(functions["leaky relu"][0](z), [-0.04, -0.01, 0.5, 1])
assert np.allclose(logistic(z), [0.0180, 0.2689, 0.6225, 0.7311], atol=5e-5)
assert np.allclose(np.tanh(z), 2 * logistic(2 * z) - 1)  # tanh is the logistic curve, stretched

# %% Are the slopes right? Take two points close together
# Slope = rise over run. `central_difference` goes a millionth to the left and to the right, and divides. At z = 0 relu
# has a corner and hardlim a jump: there is no slope, and programs use 0. Elsewhere `hardlim` is flat: a slope of 0 says
# "no small change helps". That is why the perceptron has a rule of its own.
for value, slope in functions.values():
    measured = [pf.calculus.central_difference(value, float(number)) for number in z]
    assert np.allclose(slope(z), measured, atol=1e-8)

# %% Saturation: flat ends, and slopes that vanish
# Far from 0 the logistic curve is flat: the unit is **saturated**. And nowhere is it steeper than 1/4. When functions
# follow one another their slopes are multiplied (the chain rule). So after n logistic units at most 0.25 to the power n
# is left: after ten, a millionth. (In a network the weights between the units are factors, too; here they are 1.) Then
# the first layers hardly learn: their slope, the gradient, **vanishes**. relu keeps 1 where its input is above 0.
everywhere = np.linspace(-20, 20, 4001)
steepest = {name: functions[name][1](everywhere).max() for name in ("logistic", "tanh", "relu")}
print("\nsteepest slope:", ", ".join(f"{name} {slope:.2f}" for name, slope in steepest.items()))
assert np.allclose(list(steepest.values()), [0.25, 1, 1])
left_over = {}
for name in steepest:
    value, slope = functions[name]
    x, left_over[name] = 1.0, [1.0]
    for _ in range(20):  # the next unit of twenty in a row
        left_over[name].append(left_over[name][-1] * slope(x))
        x = value(x)
    print(f"{name:9} left after 1, 5, 10 units from z = 1:", *(f"{left_over[name][n]:10.2e}" for n in (1, 5, 10)))
three_in_a_row = pf.calculus.central_difference(lambda x: np.tanh(np.tanh(np.tanh(x))), 1.0)
assert np.isclose(left_over["tanh"][3], three_in_a_row, atol=1e-8)  # the product is the slope of the whole chain
assert np.all(left_over["logistic"] <= 0.25 ** np.arange(21))
assert left_over["relu"] == [1.0] * 21


# %% At the output: let the answer decide
# The last layer's function gives the answer its form. A price may be any number: **identity**. A yes or no is a
# probability between 0 and 1: **logistic**. One of K classes needs K probabilities that add up to 1: **softmax** takes
# e to the power of each number, and divides by the sum. Of two numbers it is the logistic function of the difference.
def softmax(z):
    powers = np.exp(z - np.max(z))  # less the largest: the result is the same, and no power is too large to store
    return powers / powers.sum()


share, of_two = softmax(np.array([2.0, 1.0, 0.0])), softmax(np.array([1.0, 0.0]))
print(f"\nsoftmax of 2, 1, 0: {share.round(4)}; of 1, 0: {of_two.round(4)}; logistic of 1: {logistic(1.0):.4f}")
assert np.allclose(share, [0.6652, 0.2447, 0.0900], atol=5e-5)
assert np.allclose(softmax(np.array([1002.0, 1001.0, 1000.0])), share)
assert np.allclose([softmax(np.array([number, 0.0]))[0] for number in z], logistic(z))
X = np.random.default_rng(0).normal(size=(30, 2))
plain = {**pf.SKLEARN_DEFAULTS, "hidden_layer_sizes": (2,), "solver": "lbfgs", "alpha": 1.0, "random_state": 0}
number = pf.MLPRegressor(**plain).fit(X, X[:, 0]).out_activation_
two = pf.MLPClassifier(**plain).fit(X, (X[:, 0] > 0).astype(int)).out_activation_
three = pf.MLPClassifier(**plain).fit(X, (X > 0).sum(axis=1)).out_activation_
print(f"at the output, for a number: {number}, for one of two classes: {two}, for one of three: {three}")
assert (number, two, three) == ("identity", "logistic", "softmax")

# %% The pictures: the functions, their slopes, and what is left after many layers
line, axes = np.linspace(-4, 4, 801), pf.plots.panels(2, size=(8.6, 4))
for place, what in enumerate(("value", "slope")):
    curves = {name: (line, functions[name][place](line)) for name in ("relu", "leaky relu", "tanh", "logistic")}
    pf.plots.lines(curves, x="input z", y=what, title=what.capitalize(), zero=True, ax=axes[place])
axes[0].set_ylim(-1.2, 2.2)
pf.plots.save(axes[0], "activations.png")
ax = pf.plots.lines(left_over | {"0.25 to the power n": 0.25 ** np.arange(21)}, log="y", dots=True,
                    x="units in a row, n", y="slope that is left", title="How much of the slope is left")  # fmt: skip
pf.plots.save(ax, "activations_vanishing.png")
