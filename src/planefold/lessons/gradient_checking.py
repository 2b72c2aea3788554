"""Gradient checking: is the slope right that training follows?

A network with a wrong gradient still runs, often still learns a little, and is never as good as it could be. Nobody
sees the slip. But there is a test that knows nothing of formulas: move a weight a little to either side, and look how
the loss changes. Here it is done by hand, then for a real network. Then it finds two slips that we put in.

Needs: the lesson `backpropagation`.
"""

# %% The slope as what it is: rise over run
# J(t) = t^3 has the slope 3 t^2, which is 3 at t = 1. Measure it by one step of e = 0.01 to the right and one to the
# left, (J(1.01) - J(0.99)) / 0.02. That is the **central difference**. A step to one side only is worse by far.
# (A slide's worked line says 3.001 for the first: it is 3.0001, one zero more.)
import numpy as np

import planefold as pf

both = pf.calculus.central_difference(lambda t: t**3, 1.0, epsilon=0.01)
one = (1.01**3 - 1**3) / 0.01
fine = pf.calculus.central_difference(lambda t: t**3, 1.0, epsilon=1e-4)
exact = pf.calculus.gradient(lambda t: t**3, 1.0)
print(f"to both sides, step 0.01:   {both:.4f}")
print(f"to one side,   step 0.01:   {one:.4f}")
print(f"to both sides, step 0.0001: {fine:.8f}")
print(f"exact:                      {exact:.4f}")
assert np.isclose(both, 3.0001, atol=1e-10)
assert np.isclose(one, 3.0301, atol=1e-10)
assert np.isclose(fine, 3.00000001, atol=1e-11)
assert exact == 3

# %% The shorter the step, the better? No
# A shorter step makes the formula better. But the two heights become almost equal, and their difference is lost in the
# last digits of the computer. Ordinary numbers (**float64**) have about 16 digits. The short ones (**float32**), with
# which most networks are trained, have about 7: there even the best step is too bad for a check.
steps, errors = 10.0 ** np.arange(-1, -13, -1), {}
for number in (np.float64, np.float32):
    x, e = np.linspace(0.5, 1.5, 41).astype(number), steps.astype(number)[:, None]
    slopes = (np.exp(x + e) - np.exp(x - e)) / (2 * e)  # of e^x at 41 places; each should be e^x itself
    errors[number] = np.abs(slopes / np.exp(x) - 1).max(axis=1)
errors64, errors32 = errors.values()
print("\nthe slope of e^x, by which part of it is it wrong?\nstep    float64   float32")
for e, good, bad in zip(steps, errors64, errors32, strict=True):
    print(f"{e:.0e}   {good:.0e}     {bad:.0e}")
assert errors64.min() < 1e-9
assert errors32.min() > 1e-5  # no step is good enough for a limit of 1e-5
assert 1e-8 < steps[errors64.argmin()] < 1e-3  # neither the longest nor the shortest
assert errors64[-1] > 1e-6

# %% A whole network passes
# `check_gradients` compares the gradient that training follows with such differences, for some numbers of every table
# of weights (`coefs`) and biases (`intercepts`). The error is relative: |a - n| / (|a| + |n|), where `a` is the slope
# by formula and `n` the one by differences. So 1 means "as wrong as can be". Up to 1e-05 = 0.00001 counts as right.
rng = np.random.default_rng(0)
X = rng.normal(size=(200, 4))
y = np.abs(X[:, 0]) + X[:, 1] * X[:, 2] + 0.1 * rng.normal(size=200)
model = pf.MLPRegressor(hidden_layer_sizes=(5,), n_members=1, skip=None, alpha=1.0, random_state=2)
report = model.check_gradients(X, y)
print(f"\n{report}\n")
assert report.passed
assert report.error <= 4e-8

# %% Why not a step of 0.0001?
# Older texts advise it, a slide too. But a ReLU unit bends like a knee where it switches on. A step that crosses the
# knee for one of the 200 rows mixes two slopes, and a right gradient looks wrong. Try all 31 numbers with either step.
J = model.objective_function(X, y)  # the loss as a function of one list, theta: all weights and biases
right = J.value_and_gradient(J.theta)[1]
worst = {}
for e in (1e-4, 1e-6):
    moves = e * np.eye(len(J.theta))  # one number at a time
    measured = np.array([J.value(J.theta + move) - J.value(J.theta - move) for move in moves]) / (2 * e)
    off = np.abs(right - measured) / (np.abs(right) + np.abs(measured))
    worst[e] = off.max()
    print(f"step {e:f}: {np.sum(off > 1e-5)} of {len(off)} right slopes look wrong, the worst by {worst[e]:.0e}")
assert 1e-3 < worst[1e-4] < 8e-3
assert worst[1e-6] <= 4e-8

# %% Two slips, and the check finds both
# First slip: one layer's slopes are 5 % too large, as after a wrong factor. Second: one bias has the wrong sign.
# `gradient_check` takes any function that returns a value and its gradient, and says which part is wrong.
reports = {}
for name, part, factor in (("5 % too large", "coefs.0", 1.05), ("wrong sign", "intercepts.1", -1)):
    scale = np.ones(len(J.theta))
    scale[J.windows[part]] = factor  # windows: where each part stands in theta
    reports[name] = pf.calculus.gradient_check(
        lambda theta, scale=scale: (J.value(theta), scale * J.value_and_gradient(theta)[1]),
        J.theta, names=J.windows, value=J.value,
    )  # fmt: skip
    print(f"{name}: error {reports[name].error:.3f}, found in {', '.join(reports[name].wrong)}")
assert reports["5 % too large"].wrong == ["coefs.0"]
assert reports["5 % too large"].error >= 2e-2
assert reports["wrong sign"].wrong == ["intercepts.1"]
assert np.isclose(reports["wrong sign"].error, 1.0)

# %% The picture: steps too long, too short, and just right
curves = {"float64": (steps, errors64), "float32": (steps, errors32)}
ax = pf.plots.lines(curves, x="step e", y="relative error of the slope", log="xy", dots=True,
                    title="Too long, too short, just right")  # fmt: skip
pf.plots.save(ax, "gradient_checking.png")
