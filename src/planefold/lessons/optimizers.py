"""Adagrad, RMSprop and Adam: a step length for every direction.

One learning rate for all directions is a compromise: right for the steep one, far too short for the flat one. The
rules of this lesson measure how large the slopes of each direction usually are, and divide by that: how steep it is no
longer matters, only where it goes down. We follow the tables of the lecture slides to the last digit.

Needs: the lesson `momentum`, for the valley and the fog; `bias_correction` explains one detail of Adam.
"""

# %% The same valley, the same fog
# Each rule starts at (-5, -5) and sees the same noise. (A slide prints the start as -0.5. Its own numbers begin at -5.)
# A rule gets the slopes `g`, what it remembers, and the number `t` of the step; it answers with the step and what to
# remember. `descend` is the library's own code. Both must make the same path, and the slides' table.
import numpy as np

import planefold as pf


def foggy_slopes():
    noise = np.random.RandomState(12345)
    return lambda place: np.array([2, 100]) * (place + 0.1 * noise.randn(2))


def descend(solver, rate, **options):
    return pf.engine.descend(foggy_slopes(), [-5, -5], solver=solver, learning_rate_init=rate, n_steps=200, **options)


def compare(path, table, rule, *memory):
    place, slopes = np.array([-5.0, -5.0]), foggy_slopes()
    for t in range(1, 201):
        step, *memory = rule(slopes(place), *memory, t)
        place = place - step
        assert np.allclose(path.theta[t], place, atol=1e-6)
    assert np.allclose(path.theta[[1, 2, 4, 5, 6, 198, 199, 200]], table, atol=5.1e-5)
    print(f"{path}\n")


# %% Adagrad: divide by the root of all squares so far
# `G` is the sum of the squares of all slopes of a direction. Both directions now make equal steps, though one is fifty
# times as steep: the first is 0.5 long in both. As G only grows, steps get shorter: on a steady slope, step t has the
# length rate / sqrt(t). The 1e-8 only keeps us from dividing by 0. (A slide prints the rate 0.0015; it used 0.5.)
def adagrad_rule(g, G, t):
    G = G + g**2
    return 0.5 * g / np.sqrt(G + 1e-8), G


adagrad = descend("adagrad", 0.5)
table = [(-4.5, -4.5), (-4.1642, -4.1615), (-3.6890, -3.6833), (-3.4986, -3.4949), (-3.3299, -3.3157),
         (-0.0116, -0.0151), (-0.0090, -0.0188), (-0.0083, -0.0196)]  # fmt: skip
compare(adagrad, table, adagrad_rule, 0)  # the sum G begins at 0
assert np.allclose(adagrad.gradients[0], [-10.041, -495.211], atol=5e-4)


# %% RMSprop: forget old slopes
# Adagrad never forgets: a steep start makes its steps short for ever. RMSprop keeps a **running mean** of the squares:
# each step, nine tenths of the old mean and one tenth of the new square. Old slopes fade away, so steps need not
# shrink. At the end it dances around the goal, a few rates away.
def rmsprop_rule(g, s, t):
    s = 0.9 * s + 0.1 * g**2
    return 0.0375 * g / np.sqrt(s + 1e-8), s


rmsprop = descend("rmsprop", 0.0375, rho=0.9)
table = [(-4.8814, -4.8814), (-4.7961, -4.7955), (-4.6648, -4.6636), (-4.6083, -4.6075), (-4.5558, -4.5527),
         (0.0031, -0.0599), (0.0235, -0.0782), (0.0208, -0.0694)]  # fmt: skip
compare(rmsprop, table, rmsprop_rule, 0)


# %% Adam: both at once
# Adam has momentum's running mean `m` of the slopes, and RMSprop's running mean `s` of their squares. Both start at 0,
# and would at first be too small; dividing by 1 - 0.9^t and 1 - 0.999^t mends that (the lesson `bias_correction` shows
# how). A step is the rate times mean slope / usual size of a slope: hardly ever longer than one rate.
def adam_rule(g, m, s, t):
    m, s = 0.9 * m + 0.1 * g, 0.999 * s + 0.001 * g**2
    return 0.075 * (m / (1 - 0.9**t)) / np.sqrt(s / (1 - 0.999**t) + 1e-8), m, s


adam = descend("adam", 0.075, beta_1=0.9, beta_2=0.999)
table = [(-4.9250, -4.9250), (-4.8500, -4.8500), (-4.7005, -4.7003), (-4.6259, -4.6257), (-4.5514, -4.5510),
         (-0.0100, -0.0005), (-0.0096, -0.0027), (-0.0092, -0.0048)]  # fmt: skip
compare(adam, table, adam_rule, 0, 0)
assert abs(np.diff(adam.theta, axis=0)).max() < 1.01 * 0.075

# %% All of them in one valley
# The three go nearly straight. Momentum swings, plain descent creeps. At other rates another rule may win. More rules:
# **AdaDelta** takes the usual size of its own steps in place of the rate; **AdamW** also pulls all weights towards 0.
print("all rules:", *pf.engine.OPTIMIZERS, "\n\ndistance to (0, 0) after  50     100     200 steps")
paths = {"plain descent": descend("sgd", 0.0015, momentum=0), "momentum": descend("momentum", 0.0015)}
paths |= {"Adam": adam, "Adagrad": adagrad, "RMSprop": rmsprop}
far = {name: np.hypot(*path.theta.T) for name, path in paths.items()}
for name, distance in far.items():
    print(f"{name:20}", *(f"{distance[step]:7.3f}" for step in (50, 100, 200)))
assert min(far, key=lambda name: far[name][200]) == "Adam"
assert all(abs(path.theta[:100] @ [1, -1]).max() < 0.5 for path in (adam, adagrad, rmsprop))  # x and y stay alike
left, right = pf.plots.panels(2, size=(9.6, 4.6))
words = {"paths": {name: path.theta for name, path in list(paths.items())[:3]}, "levels": [5, 50, 150, 300, 600, 1000]}
pf.plots.landscape(lambda p: p[0] ** 2 + 50 * p[1] ** 2, ((-5.4, 1), (-5.6, 4.6)), title="200 steps", **words, ax=left)
far = {name: distance[:121] for name, distance in far.items()}
pf.plots.lines(far, x="step", y="distance to (0, 0)", log="y", title="120 steps", like_paths=True, ax=right)
pf.plots.save(left, "optimizers.png")
