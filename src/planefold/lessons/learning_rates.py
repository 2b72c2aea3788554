"""Learning rates: how long a step downhill may be.

A network learns by walking downhill: it asks which way the ground rises most steeply, and goes the other way. How far
it goes is the learning rate, a number that somebody has to choose. Too small, and it never arrives; too large, and it
jumps over the valley. On a small bowl all of this can be computed by hand. Then we see it in a real network.

Needs: the lesson `gradient`.
"""

# %% Three steps by hand
# The ground is a bowl: at the place (x, y) its height is z = x^2 + 2 y^2. Its lowest point is (0, 0). The **gradient**
# is the pair of slopes in the two directions: (2x, 4y). It points steeply up, so we subtract it:
#
#     new place = old place - rate * gradient
#
# From (0.5, 0.5), where it is (1, 2), the rate 0.1 leads to (0.5 - 0.1, 0.5 - 0.2) = (0.4, 0.3). `pf.engine.descend`
# does such steps with the very code that trains networks. `momentum=0` asks for plain steps.
import numpy as np

import planefold as pf

bowl = {"gradient": lambda p: [2 * p[0], 4 * p[1]], "value": lambda p: p[0] ** 2 + 2 * p[1] ** 2}


def walk(rate, n_steps):
    return pf.engine.descend(start=[0.5, 0.5], **bowl, learning_rate_init=rate, momentum=0, n_steps=n_steps)


print(walk(0.1, 3))
assert np.allclose(walk(0.1, 3).theta, [[0.5, 0.5], [0.4, 0.3], [0.32, 0.18], [0.256, 0.108]])

# %% What a step does: it multiplies
# The new x is x - rate * 2x = (1 - 2 rate) x. The new y is y - rate * 4y = (1 - 4 rate) y. So each step multiplies x by
# one fixed number and y by another. If both numbers are between -1 and 1, x and y shrink to 0. A negative number means:
# each step jumps to the other side of the valley. (Below, 6.2e-20 is short for 6.2 / 10^20, and 4e+06 for 4 million.)
rates = {"too small": 0.02, "good": 1 / 3, "to and fro": 0.48, "too large": 0.52}
paths = {name: walk(rate, 20) for name, rate in rates.items()}
print(f"\n{'':10} {'rate':>6} {'x times':>8} {'y times':>8} {'height after 5':>15} {'10':>9} {'20 steps':>10}")
for name, rate in rates.items():
    z = paths[name].values
    print(f"{name:10} {rate:6.3f} {1 - 2 * rate:8.2f} {1 - 4 * rate:8.2f} {z[5]:15.2g} {z[10]:9.2g} {z[20]:10.2g}")
    assert np.allclose(paths[name].theta, 0.5 * np.array([1 - 2 * rate, 1 - 4 * rate]) ** np.arange(21)[:, None])
small, good, fro, large = (path.values[-1] for path in paths.values())
assert good < 1e-15 < fro < small < 0.75 < large  # the start has 0.75

# %% The limit: 2 divided by the largest curvature
# How fast the slope itself changes is the **curvature** (see the lesson `hessian`): 2 along x, 4 along y. The factor 1
# - 4 rate is -1 at the rate 0.5, which is 2 / 4. There the walk neither arrives nor flies off: y jumps between 0.5 and
# -0.5 for ever. With a rate a little below it comes to rest at the bottom, a little above it leaves every bound.
border, below, above, flown = walk(0.5, 100), walk(0.499, 2000), walk(0.501, 2000), walk(5, 1000)
print("\nrate 0.5: y is", border.theta[:5, 1].tolist(), "...", border.theta[-1, 1])
print(f"after 2,000 steps: height {below.values[-1]:.0e} with the rate 0.499, {above.values[-1]:.0e} with 0.501")
print("rate 5:", str(flown).splitlines()[0], end="\n\n")
assert np.array_equal(border.theta[:, 1], 0.5 * (-1.0) ** np.arange(101))
assert below.values[-1] < 1e-6 < 1e6 < above.values[-1]
assert flown.stopped_because == "diverged"

# %% The best fixed rate
# The walk is as slow as its slower direction: the larger of |1 - 2 rate| and |1 - 4 rate|. It is smallest where both
# are equal: at 2 / (smallest curvature + largest curvature) = 2 / (2 + 4) = 1/3. Then each step leaves a third of the
# way. With curvatures 2 and 100 even the best rate leaves 96 %. The lessons `momentum` and `optimizers` mend that.
tried = np.linspace(0.0001, 0.6, 6000)
for steep in (4, 100):
    slower = np.maximum(abs(1 - 2 * tried), abs(1 - steep * tried))
    best = tried[slower.argmin()], slower.min()
    print(f"curvatures 2 and {steep:3}: best rate {best[0]:.4f}, each step leaves {best[1]:.3f} of the way")
    assert np.allclose(best, [2 / (steep + 2), (steep - 2) / (steep + 2)], atol=0.001)

# %% A real network
# A network of 20 units learns the heights of 200 places. Its own ground has 81 directions instead of two, one for each
# of its numbers, and nobody knows the curvatures. The height of that ground is the **loss**: how far the network's
# answers are from the right ones. One rate is too small, one good, and with one it jumps higher and higher. `diagnose`
# names the cause, with a code (GR201) that has a page in the documentation.
X = np.random.default_rng(0).uniform(-1, 1, (200, 2))
y = bowl["value"](X.T)
settings = {**pf.SKLEARN_DEFAULTS, "hidden_layer_sizes": 20, "activation": "tanh", "solver": "sgd", "momentum": 0}
settings |= {"learning_rate": pf.Schedule(kind="cosine", final=1), "tol": 0, "random_state": 0}  # the rate stays
losses = {}
for name, rate, n_epochs in (("too small", 0.002, 40), ("good", 0.3, 40), ("too large", 3.0, 4)):
    model = pf.MLPRegressor(**settings | {"learning_rate_init": rate, "max_iter": n_epochs}).fit(X, y)
    z = losses[f"{name} ({rate:g})"] = model.run_["train_loss"][1:]
    print(f"{name:9}: loss before steps 1 to 4:", *(f"{loss:.3f}" for loss in z[:4]), f"... the last {z[-1]:.3f}")
print(model.diagnose())
assert model.run_.n_parameters == 81
assert losses["good (0.3)"][-1] < 0.5 * losses["too small (0.002)"][-1]
assert z[3] > z[2] > z[1] > 10 * z[0]
assert "GR201" in [finding.code for finding in model.diagnose()]

# %% The pictures: four walks, and how high they are after each step
boards = pf.plots.panels(2, 2, size=(9, 7.2))
for ax, (name, path) in zip(boards, paths.items(), strict=True):
    words = {"title": f"{name}: rate {rates[name]:.3g}", "levels": [0.25, 0.5, 1, 1.5, 2, 2.5, 3]}
    pf.plots.landscape(bowl["value"], ((-0.7, 0.7), (-1.2, 1.2)), paths={"": path.theta[:9]}, **words, ax=ax)
pf.plots.save(boards[0], "learning_rates.png")
left, right = pf.plots.panels(2)
heights = {f"{name} ({rates[name]:.3g})": path.values for name, path in paths.items()}
pf.plots.lines(heights, x="step", y="height z", log="y", title="on the bowl", ax=left).set_ylim(1e-4, 30)
words = {"x": "steps made", "y": "training loss", "log": "y", "title": "a network of 20 units"}
pf.plots.lines(losses, **words, ax=right).set_ylim(0.1, 100)
pf.plots.save(left, "learning_rates_losses.png")
