"""One hidden layer can follow any curve.

A network with one hidden layer and enough units comes as close to any smooth curve as we like. That is called the
**universal approximation theorem** (Cybenko 1989, Hornik 1991). Here it is not proved but built: with a pencil, one
bend for each unit. Then we see how fast the error falls, what a further layer adds, and what the theorem does not
promise: that training finds these weights, or that they are any good where there are no data.

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
print("4 units start to rise at", [0, 6, 12, 18], "o'clock; at these hours and at 24 the network says")
for t in (0, 6, 12, 18, 24):
    says = float(four.outputs([[t]])[0, 0])
    print(f"  {t:2} o'clock: {says:6.3f} degrees, and the curve {temperature(t):6.3f}")
    assert np.isclose(says, temperature(t))
assert pf.reading.function(four, 0, 24).n_pieces == 4

# %% Twice as many units: a quarter of the error
# Between two points the curve leaves its straight line by at most c h^2 / 8, where h is the distance of the points and
# `c` the largest *curvature* (second derivative: how fast the slope changes). Twice as many units halve h, so the error
# falls to a quarter: like 1/n^2. We measure it, and compare it with the formula.
curvature = np.abs(np.gradient(np.gradient(temperature(hours), hours), hours)).max()
numbers, errors = 2 ** np.arange(1, 9), []
print("\nunits   largest error   at most, by the formula   smaller by the factor")
for n in numbers:
    errors.append(np.abs(by_hand(n).outputs(hours[:, None])[:, 0] - temperature(hours)).max())
    at_most = curvature * (24 / n) ** 2 / 8
    factor = f"{errors[-2] / errors[-1]:21.2f}" if n > 2 else ""
    print(f"{n:5}   {errors[-1]:13.5f}   {at_most:23.5f}   {factor}")
    assert errors[-1] <= 1.001 * at_most
assert np.allclose(np.divide(errors[4:-1], errors[5:]), 4, atol=0.4)

# %% Trained instead of built
# Now a network has to find the bends itself, from 200 points of the curve. The result depends on the random weights it
# starts from, so each size gets five starts. The table has the typical error (the root of the mean squared error). With
# few units, training beats our pencil: it may choose *where* to bend, and we bent at equal steps. With 50 units no
# start comes near what we built: training goes downhill from where it starts, and stops in some valley. **The theorem
# says that good weights exist. It does not say that training finds them.**
t_train = np.linspace(0, 24, 200)[:, None]
settings = {**pf.SKLEARN_DEFAULTS, "preprocess": "auto", "solver": "lbfgs", "alpha": 0, "max_iter": 1000}


def typical_error(says):
    return np.sqrt(np.mean((says - temperature(hours)) ** 2))


best = {}
print("\nunits   typical error of five starts: best, worst     by hand")
for n in (1, 3, 10, 50):
    models = [pf.MLPRegressor(**settings | {"hidden_layer_sizes": (n,)}, random_state=seed) for seed in range(5)]
    told = [model.fit(t_train, temperature(t_train[:, 0])).predict(hours[:, None]) for model in models]
    found = [typical_error(says) for says in told]
    best[n] = models[int(np.argmin(found))], min(found)
    built = typical_error(by_hand(n).outputs(hours[:, None])[:, 0])
    print(f"{n:5} {min(found):36.3f}, {max(found):5.3f} {built:11.3f}")
assert best[1][1] > 1.2 * best[3][1] > 1.5 * best[10][1]
assert best[50][1] > 3 * built  # the last row of the table

# %% What one more unit adds, and what one more layer adds
# One more unit in the only layer adds one more bend. A unit in a *further* layer bends everything that came before. Two
# units can fold the line from 0 to 1 in the middle, up to 1 and down again. Fold the folded line again and again: each
# layer of two units **doubles** the number of pieces (Telgarsky 2016). Such regular folds are rare in practice.
print("\nlayers of 2 units   units   straight pieces   units of one layer, by hand")
for depth in range(1, 7):
    weights = [np.ones((1, 2)), *[np.array([[2.0, 2], [-4, -4]])] * (depth - 1), np.array([[2.0], [-4]])]
    folded = pf.networks.from_weights(weights, [[0, -0.5]] * depth + [[0]])
    n_pieces = pf.reading.function(folded, 0, 1).n_pieces
    print(f"{depth:17}   {2 * depth:5}   {n_pieces:15}   {n_pieces:27}")
    assert n_pieces == 2**depth

# %% Outside of the data there is no promise at all
# Of the next day the network knows nothing. Behind its last bend it goes straight on, whatever the day brings.
line = by_hand(128)
print()
for t in (24, 30, 36):
    print(f"{t} h: the network says {line.outputs([[t]])[0, 0]:4.1f} degrees, and the curve {temperature(t):4.1f}")
assert abs(line.outputs([[36]])[0, 0] - temperature(36)) > 10
after = line.outputs(np.arange(24.0, 40)[:, None])[:, 0]
assert np.allclose(np.diff(after, 2), 0)  # the slope does not change: exactly straight

# %% The pictures
left, right = pf.plots.panels(2)
built = {f"{n} units": (hours, by_hand(n).outputs(hours[:, None])[:, 0]) for n in (4, 8)}
pf.plots.lines(
    {"curve": (hours, temperature(hours)), **built}, x="hour", y="temperature (°C)", title="by hand", ax=left
)
measured = {"measured": (numbers, errors), "formula": (numbers, curvature * 72 / numbers**2)}
pf.plots.lines(measured, x="units", y="largest error (°C)", log="xy", title="twice the units: a quarter", ax=right)
pf.plots.save(left, "universal_approximation.png")

longer = np.linspace(0, 30, 2000)
names = {1: "1 unit", 3: "3 units", 50: "50 units"}
told = {name: (longer, best[n][0].predict(longer[:, None])) for n, name in names.items()}
curves = {"curve": (longer, temperature(longer)), **told}
ax = pf.plots.lines(curves, x="hour", y="temperature (°C)", title="trained on one day", marks={"end of the data": 24})
ax.set_ylim(8, 40)
pf.plots.save(ax, "universal_approximation_trained.png")
