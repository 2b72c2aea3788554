"""Decision regions: where a network says yes, and where it says no.

A network with one output decides between two classes: class 1 where the output is above zero, class 0 below. Between
them lies the border, where the output is zero. It consists of straight pieces, one at most on each plane. How many
regions and pieces can there be? Slides give a limit for both. It is right, but the smallest networks do not reach it.

Needs: the lessons `planes_1d` and `planes_2d`.
"""

# %% One input, three units: five regions
# Three bends make four straight pieces. Each piece crosses zero once at most, so there are four crossings and **five
# regions** at most: n + 2 for n units. To reach it, the output must go through zero up and down in turn. Here is such a
# network. The units bend at 0, 2 and 6; the first two are on to the right ("face right"), the last one faces **left**.
import numpy as np

import planefold as pf

three = pf.networks.from_weights([[[1, 1, -1]], [[-2], [1.5], [-1]]], [[0, -2, 6], [7]])
line = pf.reading.function(three)
regions = line.classes()  # the stretches of one class each
slopes, heights = line.slopes[:, 0], line.values[1:-1, 0]
print("slopes of the pieces:", slopes.tolist(), "; changes at the bends:", np.diff(slopes).tolist())
print("heights at the bends:", heights.tolist(), "; zero at", line.crossings().tolist())
print("classes from left to right:", regions.classes.tolist())
assert np.allclose(slopes, [1, -1, 0.5, -0.5])
assert np.allclose(np.diff(slopes), [-2, 1.5, -1])
assert np.allclose(heights, [1, -1, 1])  # they alternate
assert np.allclose(line.crossings(), [-1, 1, 4, 8])
assert len(regions.classes) == 3 + 2

# %% Why one and two units cannot do it
# The slopes are not free. Far on the left only units that face left are on, so the first slope is fixed by them: it is
# **minus the sum of their slope changes**.
# - One unit: on one side it is off, so the output is flat there and does not cross zero. One crossing: 2 regions.
# - Two units facing the same way: flat at one end. Facing away from each other: flat in the middle. Facing each other,
#   with slope changes d1 and d2: the slopes are -d2, d1 - d2, d1. If the outer two go up, -d2 > 0 and d1 > 0, so the
#   middle goes up, too; and likewise down. Never three crossings, so 3 regions at most.
assert np.isclose(slopes[0], -np.diff(slopes)[2])  # above: the third unit alone faces left
most = {n: pf.reading.bounds((1, n, 1)).borders.upper for n in (1, 2, 3, 4)}
for n in (1, 2):
    random = [pf.reading.function(pf.reading.random_net((1, n, 1), seed, init="normal")) for seed in range(120)]
    best = max(len(read.classes().classes) for read in random)
    print(f"units: {n}, regions at most: {most[n]}; best of 120 random networks: {best}")
    assert best == most[n] == n + 1
assert (most[3], most[4]) == (5, 6)  # the slide's n + 2 from three units on

# %% Two inputs: pieces of the border
# Every plane carries one straight piece of the border at most, so there are (n^2 + n + 2) / 2 at most, as a slide says.
# But where all units are off the output is constant, and no border crosses that plane. With one or two units there is
# such a plane: 1 and 3 pieces, not 2 and 4. With three units it is 6, not 7: the border can go round the triangle of
# the creases, as in the picture, but then not through it. With four units it can be done: in the fourth network below,
# the border runs through **all eleven** planes.
nets = {
    1: pf.networks.from_weights([[[1], [0]], [[1]]], [[0], [-1]]),
    2: pf.networks.from_weights([[[1, 0], [0, 1]], [[1], [1]]], [[0, 0], [-1]]),
    3: pf.networks.from_weights([[[1, 0, -1], [0, 1, -1]], [[1], [1], [1]]], [[0, 0, 1], [-1.5]]),
    4: pf.networks.from_weights([[[1, 1, -2, 2], [4, -4, -3, 4]], [[-7], [1], [6], [6]]], [[1, -3, 4, 2], [-34]]),
}
for n, net in nets.items():
    planes = pf.reading.planes(net, ((-1000, 1000), (-1000, 1000)))
    border = pf.reading.boundary(planes)
    print(f"units: {n}, planes: {planes.n_pieces:2}, straight pieces of the border: {border.n_segments:2}")
    assert planes.n_pieces == (n**2 + n + 2) // 2
    assert border.n_segments == {1: 1, 2: 3, 3: 6, 4: 11}[n]

# %% A trained network: exact border, exact areas
# Two half moons of points, one turned over and put into the other. A network with two hidden layers learns to tell them
# apart. The library finds the border as one more crease. So it knows the area of each class, too.
rng = np.random.default_rng(0)
angle = rng.uniform(0, np.pi, 300)
y = np.repeat([0, 1], 150)
X = np.where(y == 0, [np.cos(angle), np.sin(angle)], [1 - np.cos(angle), 0.5 - np.sin(angle)]).T
X += rng.normal(0, 0.12, X.shape)
plain = {**pf.SKLEARN_DEFAULTS, "hidden_layer_sizes": (8, 8), "solver": "lbfgs", "alpha": 1e-3, "max_iter": 300}
model = pf.MLPClassifier(**plain, random_state=1).fit(X, y)
moons = pf.reading.planes(model, ((-1.6, 2.6), (-1.2, 1.7)))
found = pf.reading.decisions(moons)
print(f"moons: {moons.n_pieces} planes, {found.regions.n_regions} decision regions; {model.score(X, y):.1%} right")
print(f"border: {found.border.n_segments} straight pieces; shares of the area {found.regions.area_shares.round(4)}")
assert np.isclose(found.regions.areas.sum(), 4.2 * 2.9)  # nothing is left over
on_border = model.predict_proba(found.border.segments.reshape(-1, 2))[:, 1]
print(f"probability of class 1 along the border: {on_border.min():.4f} to {on_border.max():.4f}")
assert np.allclose(on_border, 0.5, atol=1e-3)
assert model.score(X, y) > 0.95

# %% Pictures: three units on a line; the border of three on a map, with a dot at each bend; the moons
left, right = pf.plots.panels(2, size=(9, 4.3))
drawn = pf.reading.function(three, -4, 11)
pf.plots.lines({"": (drawn.ends, drawn.values[:, 0])}, x="input x", y="output", zero=True, ax=left)
left.plot(line.crossings(), np.zeros(4), "o", markersize=9, color="#D55E00")
left.set_title("3 units, 5 decision regions", fontsize=14)
planes = pf.reading.planes(nets[3], ((-3, 3), (-3, 3)))
pf.plots.creases(planes, shade=True, ax=right)
for ends in pf.reading.boundary(planes).segments:
    right.plot(*ends.T, "-o", color="#D55E00", linewidth=3.5, markersize=7)
right.set_title("3 units, 7 planes, 6 border pieces", fontsize=14)
pf.plots.save(left, "decision_regions.png")
ax = pf.plots.decision_map(moons, X=X, y=y, classes=("upper moon", "lower moon"))
ax.set(xlabel="$x_1$", ylabel="$x_2$")
pf.plots.save(ax, "decision_regions_moons.png")
