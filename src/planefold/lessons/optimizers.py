"""Adagrad, RMSprop and Adam: a step length for every direction.

One learning rate for all directions is a compromise: right for the steep one, far too short for the flat one. The
rules of this lesson measure how large the slopes of each direction usually are, and divide by that. What is left is
nearly the sign of the slope: downhill, so many metres. We follow the lecture slides' tables to the last digit.

Needs: the lesson `momentum`, for the valley and the fog; `bias_correction` explains one detail of Adam.
"""

# %% The same valley, the same fog
# The height is x^2 + 50 y^2, its slopes are 2x and 100y, and we read them at a place that is wrong by some noise. Each
# rule starts at (-5, -5) and sees the same noise. (A slide prints the start as -0.5. Its own numbers begin at -5.) A
# rule gets the slopes `g`, what it remembers, and the number `t` of the step; it answers with the step and what to
# remember. `descend` is the library's own code. Both must make the same path, and the slides' table.
import numpy as np

import planefold as pf


def foggy_slopes():
    noise = np.random.RandomState(12345)
    return lambda place: np.array([2, 100]) * (place + 0.1 * noise.randn(2))


def by_hand(rule, *memory):
    place, slopes, path = np.array([-5.0, -5.0]), foggy_slopes(), []
    for t in range(1, 201):
        step, *memory = rule(slopes(place), *memory, t)
        path.append(place := place - step)
    return path


def descend(solver, rate, **options):
    return pf.engine.descend(foggy_slopes(), [-5, -5], solver=solver, learning_rate_init=rate, n_steps=200, **options)


def compare(path, by_hand, table, left_to_go):
    print(f"{path}\n")
    assert np.allclose(path.theta[1:], by_hand, atol=1e-7)
    assert np.allclose(path.theta[[1, 2, 3, 4, 5, 6, 198, 199, 200]], table, atol=1e-6)
    assert np.allclose(path.gradients[0], [-10.041, -495.211], atol=5e-4)
    assert np.isclose(np.hypot(*path.theta[-1]), left_to_go, atol=1e-5)


# %% Adagrad: divide by the root of all squares so far
# `G` is the sum of the squares of all slopes of a direction. Both directions now make equal steps, though one is fifty
# times as steep: the first step is 0.5 in both. As G only grows, steps only get shorter: on a steady slope, step t is
# rate / sqrt(t) long. The 1e-8 = 0.00000001 is there only so that nothing is divided by 0. The rate is 0.5. (A slide
# prints 0.0015, left over from the momentum example; its numbers come from 0.5.)
def adagrad_rule(g, G, t):
    G = G + g**2
    return 0.5 * g / np.sqrt(G + 1e-8), G


adagrad = descend("adagrad", 0.5)
table = [(-4.5, -4.5), (-4.164154, -4.161486), (-3.911533, -3.904948), (-3.689029, -3.683304), (-3.498592, -3.494852),
         (-3.329948, -3.315663), (-0.011590, -0.015104), (-0.009030, -0.018844), (-0.008271, -0.019647)]  # fmt: skip
compare(adagrad, by_hand(adagrad_rule, 0), table, 0.02132)


# %% RMSprop: forget old slopes
# Adagrad never forgets: a steep start makes its steps short for ever. RMSprop keeps a **running mean** of the squares:
# each step, nine tenths of the old mean and one tenth of the new square. Old slopes fade away, so steps need not
# shrink. At the end it dances around the goal, a few rates away.
def rmsprop_rule(g, s, t):
    s = 0.9 * s + 0.1 * g**2
    return 0.0375 * g / np.sqrt(s + 1e-8), s


rmsprop = descend("rmsprop", 0.0375, rho=0.9)
table = [(-4.881415, -4.881415), (-4.796101, -4.795508), (-4.727640, -4.726207), (-4.664844, -4.663607),
         (-4.608275, -4.607455), (-4.555751, -4.552670), (0.003114, -0.059924), (0.023534, -0.078247),
         (0.020812, -0.069367)]  # fmt: skip
compare(rmsprop, by_hand(rmsprop_rule, 0), table, 0.07242)


# %% Adam: both at once
# Adam has momentum's running mean `m` of the slopes, and RMSprop's running mean `s` of their squares. Both start at 0,
# and would at first be too small; dividing by 1 - 0.9^t and 1 - 0.999^t mends that (the lesson `bias_correction` shows
# how). A step is the rate times mean slope / usual size of a slope: hardly ever longer than one rate.
def adam_rule(g, m, s, t):
    m, s = 0.9 * m + 0.1 * g, 0.999 * s + 0.001 * g**2
    return 0.075 * (m / (1 - 0.9**t)) / np.sqrt(s / (1 - 0.999**t) + 1e-8), m, s


adam = descend("adam", 0.075, beta_1=0.9, beta_2=0.999)
table = [(-4.925, -4.925), (-4.850018, -4.849989), (-4.775258, -4.775144), (-4.700509, -4.700344),
         (-4.625873, -4.625705), (-4.551390, -4.551018), (-0.009962, -0.000518), (-0.009604, -0.002683),
         (-0.009172, -0.004820)]  # fmt: skip
compare(adam, by_hand(adam_rule, 0, 0), table, 0.01036)
assert abs(np.diff(adam.theta, axis=0)).max() < 1.01 * 0.075

# %% All of them on one bowl, and the others by name
# **AdaDelta** replaces the rate, too, by a running mean: that of its own steps. **AdamW** is Adam that pulls all
# weights a little towards 0 in each step (the lesson `penalties` says what for).
print("all rules:", *pf.engine.OPTIMIZERS)
plain, rolling = descend("sgd", 0.0015, momentum=0), descend("momentum", 0.0015)
paths = {"plain descent": plain, "momentum": rolling, "Adagrad": adagrad, "RMSprop": rmsprop, "Adam": adam}
left, right = pf.plots.panels(2, size=(11, 5))
words = {"title": "three of five go straight", "levels": [5, 20, 50, 150, 300, 600, 1000, 1500]}
steps, far = ({name: f(path.theta) for name, path in paths.items()} for f in (np.array, lambda p: np.hypot(*p.T)))
pf.plots.landscape(lambda p: p[0] ** 2 + 50 * p[1] ** 2, ((-5.4, 1), (-5.6, 4.6)), paths=steps, **words, ax=left)
pf.plots.lines(far, x="step", y="distance to (0, 0)", log="y", title="how far it is still", like_paths=True, ax=right)
pf.plots.save(left, "optimizers.png")
assert min(far, key=lambda name: far[name][-1]) == "Adam"
