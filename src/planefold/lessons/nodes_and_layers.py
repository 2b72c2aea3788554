"""More nodes or more layers: what each of them adds, and what it costs.

A network can grow in two ways. Another unit ("node") in a layer adds one crease. Another layer folds again what was
folded before. Slides say: "a layer multiplies the planes at little cost". What is true of it? We compare 2-12-1, one
layer of twelve units, with 2-3-4-1, two layers of three and four: by limits, by counts, and by what they cost.

Needs: the lessons `creases` and `most_planes`.
"""

# %% What it costs: multiplications
# Every arrow in the picture of a network is a weight, and every weight is one multiplication for each prediction.
# 2-12-1 has 2 * 12 + 12 * 1 of them, 2-3-4-1 has 2 * 3 + 3 * 4 + 4 * 1.
import numpy as np

import planefold as pf

costs = {shape: int(np.dot(shape[:-1], shape[1:])) for shape in ((2, 12, 1), (2, 3, 4, 1))}
print("multiplications:", {"-".join(map(str, shape)): cost for shape, cost in costs.items()})
assert list(costs.values()) == [36, 22]

# %% The claim, by limits
# The wide network can have 79 planes, and often has. The deep one has 59 at most: a proved limit, maybe never reached.
# For each multiplication these are 2.2 and 2.7: the layer **is** ahead, by about a fifth. That is an advantage, but it
# does not multiply the planes.
for shape, cost in costs.items():
    limit = pf.reading.bounds(shape).upper
    print(f"{'-'.join(map(str, shape)):8} at most {limit} planes, {limit / cost:.1f} for each multiplication")
assert [pf.reading.bounds(shape).upper for shape in costs] == [79, 59]
assert [round(pf.reading.bounds(shape).upper / cost, 1) for shape, cost in costs.items()] == [2.2, 2.7]

# %% By counts: random networks
# Forty random networks of each shape, each counted exactly in a window that holds nearly all crossings. The wide ones
# come near their limit; the deep ones do not. For each multiplication the wide network is ahead now.
shapes = [(2, 3, 1), (2, 3, 1, 1), (2, 4, 1), (2, 3, 4, 1), (2, 12, 1)]
study = pf.reading.study(shapes, seeds=range(40), window=((-25, 25), (-25, 25)))
mean = {one.architecture: one.n_pieces.mean() for one in study.counts}
regions = {one.architecture: one.n_regions.mean() for one in study.counts}
print("network   cost   planes at most   planes, mean   for each multiplication")
for one in study.counts:
    n, cost = one.n_pieces.mean(), one.n_multiplications
    print(f"{one.name:8}  {cost:4}   {one.bounds.upper:14}   {n:12.1f}   {n / cost:22.1f}")
    assert one.n_pieces.max() <= one.bounds.upper
assert abs(mean[2, 12, 1] - 77) < 1.5
assert abs(mean[2, 3, 4, 1] - 20.4) < 4
assert mean[2, 12, 1] / 36 > mean[2, 3, 4, 1] / 22

# %% What one more node does, and one more layer of one
# The crease of a fourth node crosses the three that there are: up to 4 planes more, 11 instead of 7. It costs 3
# multiplications. A second layer of **one** unit costs only one. It adds a crease, too: there are about 10 activation
# regions now, sets of points where the same units are on. But where the new unit is off, the output is the same
# constant, and those regions become one plane or a few. So 2-3-1-1 has **fewer** planes than 2-3-1 on average, though
# some of them have more.
print(f"2-3-1: {mean[2, 3, 1]:.1f} planes on average; one node more: {mean[2, 4, 1]:.1f}")
print(f"one layer of one node more: {regions[2, 3, 1, 1]:.1f} activation regions, but {mean[2, 3, 1, 1]:.1f} planes")
assert study.counts[1].n_pieces.max() > 7 == study.counts[0].n_pieces.max()
assert abs(mean[2, 3, 1] - 6.9) < 0.15
assert abs(mean[2, 3, 1, 1] - 6.0) < 1.2
assert mean[2, 3, 1, 1] < mean[2, 3, 1] < mean[2, 4, 1]
assert abs(regions[2, 3, 1, 1] - 10.1) < 0.8

# %% Where layers do multiply
# With weights made for it. Two units fold a line like a strip of paper, so that its halves lie on each other. A cut
# through the folded paper cuts both. The "tooth" below goes up and down once. Feeding it its own output doubles the
# teeth: 2, 4, 8, 16 pieces with two units a layer. A single layer needs a unit for each bend: 15 units for 16 pieces.
# So a deep network **can** multiply. Random ones did not.
first, again = [[2, 4]], [[2, 4], [-2, -4]]  # on 0..1: relu(2x) - relu(4x - 2) rises to 1 and falls back to 0
print("hidden layers   units   pieces between 0 and 1   random networks: mean of 20, on the whole line")
for layers in range(1, 5):
    coefs = [np.array(again, dtype=float)] * (layers - 1)
    teeth = pf.networks.from_weights([first, *coefs, [[1], [-1]]], [[0, -2]] * layers + [[0]])
    made = pf.reading.function(teeth, 0, 1).n_pieces
    shape = (1, *[2] * layers, 1)
    drawn = np.mean([pf.reading.function(pf.reading.random_net(shape, seed)).n_pieces for seed in range(20)])
    print(f"{layers:13}   {2 * layers:5}   {made:22}   {drawn:46.1f}")
    assert made == 2**layers
    assert drawn < 2 * layers + 2

# %% The picture: a dot for each random network, and the limit as a line
ax = pf.plots.nodes_against_layers(study, log=False)
pf.plots.save(ax, "nodes_and_layers.png")
path = pf.reading.function(teeth, 0, 1)
teeth_drawn = {"": (path.ends, path.values[:, 0])}
ax = pf.plots.lines(teeth_drawn, x="input x", y="output", title="4 layers of 2 units: 16 pieces")
pf.plots.save(ax, "nodes_and_layers_teeth.png")
