"""One hidden layer can follow any curve.

On a stretch from here to there, a network with one hidden layer and enough units comes as close to a smooth curve as we
like. That is called the **universal approximation theorem** (Cybenko 1989; for ReLU units Leshno and others 1993). Here
it is not proved but built: with a pencil, one bend for each unit. Then we see how fast the error falls, and what the
theorem does not promise: that training finds these weights, or that they are any good where there are no data.

Needs: the lesson `planes_1d`.
"""

# %% A curve to follow: the temperature of a day
# The time `t` is in hours after midnight, the temperature in degrees Celsius. Any other smooth curve would do.
import numpy as np

import planefold as pf


def temperature(t):
    return 28 + 5 * np.sin(np.pi * (t - 9) / 12) + 1.5 * np.sin(np.pi * (t - 2) / 4)


hours = np.linspace(0, 24, 2881)  # every 30 seconds: fine enough to find the largest error

# %% By hand: join points by straight lines, and count the bends
# Take n + 1 points of the curve and join neighbours by straight lines. A ReLU unit, max(0, t - k), is 0 until hour k
# and then rises by 1 an hour. So it adds **one bend**, at k. Start at the first temperature. At each point but the last
# one, add a unit whose output weight is the *change of slope* there. That is n units, and no training at all.


def by_hand(n):
    knots = np.linspace(0, 24, n + 1)
    slopes = np.diff(temperature(knots)) / np.diff(knots)
    changes = np.diff(slopes, prepend=0)  # the first unit brings the first slope
    return pf.networks.from_weights([np.ones((1, n)), changes[:, None]], [-knots[:-1], [temperature(0)]])


four = by_hand(4)
print("4 units, which start to rise at 0, 6, 12 and 18 o'clock")
for t in (0, 6, 12, 18, 24):
    says = float(four.outputs([[t]])[0, 0])
    print(f"  {t:2} o'clock: the network says {says:6.3f} degrees, and the curve {temperature(t):6.3f}")
    assert np.isclose(says, temperature(t))
assert pf.reading.function(four, 0, 24).n_pieces == 4

# %% Twice as many units: a quarter of the error
# Between two points the curve leaves its straight line by at most c h^2 / 8, where h is the distance of the points and
# `c` the largest *curvature* (second derivative: how fast the slope changes). Twice as many units halve h. So once the
# lines are short, the error falls to a quarter: like 1/n^2. We measure it, and compare it with the formula.
curvature = np.abs(np.gradient(np.gradient(temperature(hours), hours), hours)).max()
numbers, errors = 2 ** np.arange(1, 9), []
print("\nunits   largest error   at most, by the formula")
for n in numbers:
    errors.append(np.abs(by_hand(n).outputs(hours[:, None])[:, 0] - temperature(hours)).max())
    print(f"{n:5}   {errors[-1]:13.5f}   {curvature * (24 / n) ** 2 / 8:23.5f}")
    assert errors[-1] <= 1.001 * curvature * (24 / n) ** 2 / 8
assert np.allclose(np.divide(errors[4:-1], errors[5:]), 4, atol=0.4)  # from 32 units on

# %% Trained instead of built
# Now a network has to find the bends itself, from 200 points of the curve. The result depends on the random weights it
# starts from, so each size gets five starts. The table has the typical error (the root of the mean squared error). With
# 1 or 3 units, training beats our pencil: it may choose *where* to bend, and we bent at equal steps. With 50 units no
# start comes near what we built: training stops before it gets there. **The theorem says that good weights exist. It
# does not say that training finds them.**
t_train = np.linspace(0, 24, 200)[:, None]
settings = {**pf.SKLEARN_DEFAULTS, "preprocess": "auto", "solver": "lbfgs", "alpha": 0, "max_iter": 1000}
best = {}
print("\nunits   typical error of five starts: best, worst     by hand")
for n in (1, 3, 10, 50):
    models = [pf.MLPRegressor(**settings | {"hidden_layer_sizes": (n,)}, random_state=seed) for seed in range(5)]
    told = [model.fit(t_train, temperature(t_train[:, 0])).predict(hours[:, None]) for model in models]
    told.append(by_hand(n).outputs(hours[:, None])[:, 0])
    *found, built = [np.sqrt(np.mean((says - temperature(hours)) ** 2)) for says in told]
    best[n] = models[int(np.argmin(found))]
    print(f"{n:5} {min(found):36.3f}, {max(found):5.3f} {built:11.3f}")
    assert n == 10 or (min(found) < 0.8 * built if n < 10 else min(found) > 3 * built)

# %% Outside of the data there is no promise at all
# Of the next day the network knows nothing. Behind its last bend it goes straight on, whatever the day brings.
after = by_hand(128).outputs(np.arange(24.0, 37)[:, None])[:, 0]
print()
for t in (24, 30, 36):
    print(f"{t} h: the network of 128 units says {after[t - 24]:4.1f} degrees, and the curve {temperature(t):4.1f}")
assert abs(after[-1] - temperature(36)) > 10
assert np.allclose(np.diff(after, 2), 0)  # the slope does not change: exactly straight

# %% The pictures
left, right = pf.plots.panels(2)
curve, longer = {"curve": (hours, temperature(hours))}, np.linspace(0, 30, 2000)
built = {f"{n} units": (hours, by_hand(n).outputs(hours[:, None])[:, 0]) for n in (4, 8)}
pf.plots.lines(curve | built, x="hour", y="temperature (°C)", title="by hand", ax=left)
measured = {"measured": (numbers, errors), "formula": (numbers, curvature * 72 / numbers**2)}
pf.plots.lines(measured, x="units", y="largest error (°C)", log="xy", title="twice the units: a quarter", ax=right)
pf.plots.save(left, "universal_approximation.png")
told = {f"{n} unit{'s' * (n > 1)}": (longer, best[n].predict(longer[:, None])) for n in (1, 3, 50)}
told = {"curve": (longer, temperature(longer)), **told}
ax = pf.plots.lines(told, x="hour", y="temperature (°C)", title="trained on one day", marks={"end of the data": 24})
ax.set_ylim(12, 40)
pf.plots.save(ax, "universal_approximation_trained.png")
