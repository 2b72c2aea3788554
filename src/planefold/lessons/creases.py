"""Creases of the second layer: straight lines that bend at older ones.

Units of the first layer fold the map of the two inputs along straight lines. A unit of the second layer folds what the
first layer made of it. Its crease is straight on every plane, but where it meets an older crease it turns. A slide says
that new creases are "parallel to the old ones, shifted". That is so in some places only; here is where, and how often.

Needs: the lessons `units` and `planes_2d`.
"""

# %% A network with two hidden layers, 2-3-2-1
# Two inputs, a layer of three units, a layer of two, one output. Unit j of the first layer has the sum `w_j . x + b_j`;
# here `w_j` is its pair of weights, an arrow on the map, and `w_j . x` is short for w1 x1 + w2 x2. A unit of the second
# layer adds up what the first layer gives, with weights of its own: `V_1 h_1 + V_2 h_2 + V_3 h_3 + c`.
import numpy as np

import planefold as pf

w = np.array([[1.0, 0.0, -1.0], [0.0, 1.0, -1.0]])  # a column for each unit of the first layer
V = np.array([[1.0, 1.0], [0.7, -1.2], [0.8, 0.5]])  # a column for each unit of the second layer
net = pf.networks.from_weights([w, V, [[1.0], [-1.3]]], [[0.0, 0.0, 1.0], [-1.6, -0.3], [0.0]])
planes = pf.reading.planes(net, ((-3, 3), (-3, 3)))
creases = planes.creases()  # all creases, in straight pieces from crossing to crossing; with unit and layer of each
first, second = creases.segments[creases.depths == 1], creases.segments[creases.depths == 2]
unit = creases.units[creases.depths == 2] - 3  # units are numbered through all layers; 0 and 1 are easier to read
print(f"{planes.n_pieces} planes; the creases of layer 2, from crossing to crossing: {len(second)} straight pieces")

# %% The rule: which way a new crease runs
# On one plane of the first layer some units are on: there `h_j` is `w_j . x + b_j`. For the others it is 0. So the new
# unit's sum is again of the form `u . x + constant`, and `u` is the **sum of V_j w_j over the units that are on**. The
# new crease is where that is 0, a straight line at a right angle to the arrow `u`. On the other side of an old crease
# one unit more is on, or one less. A term joins `u`, or leaves it: the line turns.
middles, ways = second.mean(axis=1), second[:, 1] - second[:, 0]  # of each piece its middle, and its two ends' distance
ways /= np.linalg.norm(ways, axis=1)[:, None]  # arrows of length 1 along the pieces
is_on = net.sums_of_units(middles)[:, :3] > 0  # which units of the first layer are on there
for k in np.argsort(unit, kind="stable"):
    u = w @ (V[:, unit[k]] * is_on[k])
    on = str((np.flatnonzero(is_on[k]) + 1).tolist())
    print(f"layer 2, unit {unit[k] + 1}, where units {on:9} of layer 1 are on: u = ({u[0]:4.1f}, {u[1]:4.1f})")
    assert abs(u @ ways[k]) < 1e-9  # a right angle, as the rule says

# %% Parallel to an old crease: where exactly one unit is on
# If only unit j is on, then `u` is `V_j w_j`, a multiple of `w_j`. So the new crease is parallel to that of unit j,
# only shifted, as the slide says. If two or three are on, `u` is a mixture, and the crease runs in a new direction. If
# none is on, the sum does not change at all, and there is no crease.
angles = ways @ (w / np.linalg.norm(w, axis=0))  # 0 where a piece is at a right angle to `w_j`: parallel to its crease
is_parallel = (np.abs(angles) < 1e-9).any(axis=1)
n_on = is_on.sum(axis=1)
print(f"{(n_on == 1).sum()} pieces where one unit is on: {is_parallel[n_on == 1].sum()} are parallel to an old crease")
print(f"{(n_on > 1).sum()} pieces where more are on: {is_parallel[n_on > 1].sum()} are parallel to an old crease")
assert is_parallel[n_on == 1].all()
assert not is_parallel[n_on > 1].any()
assert 0 < is_parallel.sum() < len(second)
assert n_on.min() == 1

# %% First-layer creases never turn
# All pieces of such a crease lie on one straight line, `w_j . x + b_j = 0`.
first_unit = creases.units[creases.depths == 1]
sums = [net.sums_of_units(ends)[:, j] for ends, j in zip(first, first_unit, strict=True)]
print(f"sums of the first layer on its own creases: {np.abs(sums).max():.0e} at most")
assert np.abs(sums).max() < 1e-9

# %% How often is that? A hundred random networks, 2-3-3-1
# What counts is length, not the number of pieces. We add up the lengths over 100 networks, in a window from -1000 to
# 1000. Many creases run on for ever, so most of the length is far out. The **standard error** says how far such a share
# typically is from that of very many networks.
lengths = np.zeros((100, 2))  # of each network: where exactly one unit is on, and in all
for seed in range(100):
    random = pf.reading.random_net((2, 3, 3, 1), seed)
    found = pf.reading.planes(random, ((-1000, 1000), (-1000, 1000))).creases()
    new = found.segments[found.depths == 2]
    length = np.linalg.norm(new[:, 1] - new[:, 0], axis=1)
    alone = (random.sums_of_units(new.mean(axis=1))[:, :3] > 0).sum(axis=1) == 1
    lengths[seed] = length[alone].sum(), length.sum()
share = lengths[:, 0].sum() / lengths[:, 1].sum()
error = np.std(lengths[:, 0] - share * lengths[:, 1]) / lengths[:, 1].mean() / np.sqrt(100)
print(f"parallel to an old crease: {share:.0%} of the length, standard error {error:.0%}")
assert abs(share - 0.42) < 3 * error < 0.12  # over a thousand networks it is 42 percent: less than half

# %% The picture
# Dark lines: the first layer, straight from edge to edge. The others: the second layer, which turns at dark lines.
pf.plots.save(pf.plots.creases(planes, shade=True), "creases.png")
