"""What one unit does, and how units add up.

A network with one layer of units is a sum of bent lines. Each unit bends once: it is switched off on one side, and a
straight line on the other. Here this is worked out in numbers for two and three units, and drawn step by step. With two
inputs, a unit is a sheet of paper with one fold. At the end a network of ten units that learned a wave by itself is
taken apart in the same way.

Needs: the lesson `forward`, or at least what a weighted sum is.
"""

# %% An everyday network: what it costs to keep a house comfortable
# It is x degrees outside. Below 15 degrees the heating runs: 2 francs a day for each degree. Above 24 degrees the
# cooling runs: 3 francs for each degree. A meter costs 1 franc in any case. Two "if" sentences, so two **units**. Each
# first computes a plain sum: 15 - x for the heating and x - 24 for the cooling. Then comes its **activation**, here the
# ReLU: below zero the unit gives 0, above zero it gives the sum itself.
import numpy as np

import planefold as pf

x = np.array([-5.0, 10, 15, 20, 30])
before = np.column_stack([15 - x, x - 24])
after = np.maximum(before, 0)  # the activation: ReLU
weighted = after * [2, 3]  # times the output weights
cost = 1 + weighted.sum(axis=1)  # the output adds them up, starting from its own bias of 1
print("  x      sums before     after activation   times weights   output")
for row in zip(x, *before.T, *after.T, *weighted.T, cost, strict=True):
    print("{:3.0f}   {:6.0f} {:6.0f}   {:7.0f} {:7.0f}   {:8.0f} {:6.0f} {:8.0f}".format(*row))
assert cost.tolist() == [41, 11, 1, 1, 19]

# %% The same as a network: one input, two units, one output
# We write that as (1,2,1). `from_weights` takes the weights of each layer, then the biases. The first layer computes
# -1 x + 15 and 1 x - 24. The second computes 2 h1 + 3 h2 + 1, where `h1` and `h2` are what the two units give.
house = pf.networks.from_weights([[[-1, 1]], [[2], [3]]], [[15, -24], [1]])
assert np.allclose(house.outputs(x[:, None])[:, 0], cost)
parts = pf.reading.units_at(house, x[:, None])  # every unit at these places, before and after its activation
assert np.allclose(parts.before, before)
assert np.allclose(parts.after, after)
assert np.allclose(parts.terms().values, weighted)
print("the network says the same:", house.outputs(x[:, None])[:, 0].tolist())

# %% A third unit: (1,3,1)
# In frost the heating needs 1 franc more for each degree: one more unit, with the sum 0 - x. The picture has a row for
# each unit; read it from left to right. The last column adds one unit after another, and each adds **one** bend.
frost = pf.networks.from_weights([[[-1, 1, -1]], [[2], [3], [1]]], [[15, -24, 0], [1]])
path = pf.reading.function(frost)
print("three units: bends at", path.ends[1:-1].tolist(), "degrees, slopes", path.slopes[:, 0].tolist())
assert np.allclose(path.ends[1:-1], [0, 15, 24])
assert np.allclose(path.slopes[:, 0], [-3, -2, 0, 3])  # three units: three bends, four straight pieces
running = pf.reading.units_at(frost, [[-5.0]]).terms().sums[0]
print("at -5 degrees: the bias, then with one unit after another:", running.tolist())
assert running.tolist() == [1, 41, 41, 46]
pf.plots.save(pf.plots.unit_grid(frost, -10, 35), "units_three.png")

# %% Two inputs: a unit is a sheet with one fold
# Now the sum is w1 x1 + w2 x2 + b: seen over the map of x1 and x2, a tilted plane. The ReLU makes it flat where it is
# below zero. So there is a fold along a straight line, the **crease**. Such sheets are added height by height. Their
# creases cut the sum into flat pieces, "planes". The third unit has its crease where x1 + x2 = 1.
w, b = np.array([[1, 0, 1, 1], [0, 1, 1, -1]]), np.array([0, 0, -1, 0.5])
v = np.array([[1], [1], [-2], [1]])
square = ((-2, 2), (-2, 2))
for n in (2, 3, 4):
    net = pf.networks.from_weights([w[:, :n], v[:n]], [b[:n], [0]])
    found = pf.reading.planes(net, square)
    print(f"(2,{n},1): {n} creases, {found.n_pieces} planes; at (1, 1) the output is {net.outputs([[1, 1]])[0, 0]:.1f}")
    assert found.n_pieces == {2: 4, 3: 7, 4: 11}[n]
    by_hand = np.maximum(np.array([1, 1]) @ w[:, :n] + b[:n], 0) @ v[:n, 0]
    assert np.isclose(net.outputs([[1, 1]])[0, 0], by_hand)  # 1 + 1 = 2, then 2 - 2 * 1 = 0, then 0 + 0.5
    if n == 3:
        pf.plots.save(pf.plots.surface_grid(net, square), "units_surfaces.png")

# %% A network that learned by itself: (1,10,1)
# It was shown 200 points of a wave, sin(2x). It has ten units, so it can bend ten times at most. Where the bends come
# to lie, training decides: some lie outside the picture, or nearly on top of each other. The last number printed is
# 100 % for a perfect fit, and 0 % for always saying the mean.
grid = np.linspace(-3, 3, 200)[:, None]
wave = np.sin(2 * grid[:, 0])
plain = {**pf.SKLEARN_DEFAULTS, "hidden_layer_sizes": (10,), "solver": "lbfgs", "max_iter": 2000, "alpha": 0}
model = pf.MLPRegressor(**plain, random_state=3).fit(grid, wave)
learned = pf.reading.unit_curves(model, -3, 3)
bends = pf.reading.function(model, -3, 3).n_pieces - 1
share = 1 - np.mean((model.predict(grid) - wave) ** 2) / np.var(wave)
changes = ((learned.before > 0).any(axis=0) & (learned.before < 0).any(axis=0)).sum()  # on in one part, off in another
print(f"trained: {bends} of 10 bends lie between -3 and 3; fit: {share:.1%}")
assert bends == changes <= 10  # the other units are on, or off, all the way
assert share > 0.9
assert np.allclose(learned.terms().sums[:, -1], learned.outputs[:, 0])  # ten terms and a bias, and nothing else
pf.plots.save(pf.plots.unit_grid(model, -3, 3), "units_trained.png")
