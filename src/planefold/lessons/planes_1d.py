"""One input: how many straight pieces a network has.

A network with one input and one hidden layer of ReLU units is a line with bends. Where are the bends, how many
straight pieces lie between them, and how steep is each? All of it can be read from the weights, exactly. With n units
there are at most n + 1 pieces. Fewer are common, and the lesson shows four ways to lose one.

Needs: the lesson `units`.
"""

# %% Where a unit bends
# Unit j computes w x + b before its activation. It bends where this sum is zero, so at x = -b / w. To the right of
# that place it is on if its weight `w` is positive ("it faces right"), to the left if `w` is negative ("faces left").
import numpy as np

import planefold as pf

w, b = np.array([1.0, -1, 2, 1]), np.array([2.0, 1, -6, -5])  # hidden layer: weights and biases
v, c = np.array([1.0, 2, -1.5, 2]), -2.0  # output: a weight for each unit, and a bias
places = -b / w
for j in range(4):
    print(f"unit {j + 1}: bends at {places[j]:2.0f}, is on to the {'right' if w[j] > 0 else 'left'} of it")
assert places.tolist() == [-2, 1, 3, 5]

# %% How steep each piece is
# Four places cut the line into five pieces: **n cuts make n + 1 pieces**. On a piece some units are on. Each of these
# adds its own slope, output weight times weight, `v * w`. The others add nothing. So a slope is a sum over the units
# that are on.
middles = np.array([-3.0, -1, 2, 4, 6])  # one point on each piece
is_on = middles[:, None] * w + b > 0
slopes = is_on @ (v * w)
heights = np.maximum(middles[:, None] * w + b, 0) @ v + c
for x, on, slope in zip(middles, is_on, slopes, strict=True):
    print(f"at x = {x:2.0f} units {(np.flatnonzero(on) + 1).tolist()} are on: slope {slope:4.1f}")
assert slopes.tolist() == [-2, -1, 1, -2, 0]

# %% The library reads the same from the weights
# `pf.reading.function` follows the network over the whole line and lists every bend and every slope. Nothing is
# sampled: a bend cannot hide between two points of a grid.
net = pf.networks.from_weights([[w], v[:, None]], [b, [c]])
read = pf.reading.function(net)
print("bends: ", read.ends[1:-1].tolist())
print("slopes:", read.slopes[:, 0].tolist(), "on", read.n_pieces, "pieces")
assert np.allclose(read.ends[1:-1], places)
assert np.allclose(read.slopes[:, 0], slopes)
assert np.allclose(read(middles)[:, 0], heights)
assert read.n_pieces == 5 == pf.reading.bounds((1, 4, 1)).upper

# %% Four ways to have fewer
# 1. Two units bend at the **same place**. 2. A unit has weight 0 and so **never bends**. 3. The output gives a unit the
# **weight 0**, so nobody sees it bend. 4. The bend is **outside** the part of the line where the data are; there the
# unit is always on, or always off. One that is off for all data is called dead: it cannot even learn.
same = pf.networks.from_weights([[w], v[:, None]], [[2, 1, -6, -3], [c]])  # unit 4 now bends at 3, as unit 3 does
flat = pf.networks.from_weights([[[1, -1, 2, 0]], v[:, None]], [b, [c]])  # unit 4 has weight 0
unseen = pf.networks.from_weights([[w], [[1], [2], [-1.5], [0]]], [b, [c]])  # unit 4 has output weight 0
counts = {
    "all four bends": read.n_pieces,
    "two at the same place": pf.reading.function(same).n_pieces,
    "one has weight 0": pf.reading.function(flat).n_pieces,
    "one is not read": pf.reading.function(unseen).n_pieces,
    "only from 0 to 4": pf.reading.function(net, 0, 4).n_pieces,
}
for name, n_pieces in counts.items():
    print(f"{name:22}  {n_pieces} pieces")
assert list(counts.values()) == [5, 4, 4, 4, 3]

# %% Never more than n + 1, and random networks reach it
# Twenty random networks of each size. On the whole line they have n + 1 pieces, since two random numbers are hardly
# ever equal. On a short stretch, here from -1 to 1, they have fewer. The table shows the means.
print("units   at most   random, whole line   random, from -1 to 1")
for n in range(1, 9):
    random = [pf.reading.random_net((1, n, 1), seed) for seed in range(20)]
    everywhere = [pf.reading.function(one).n_pieces for one in random]
    nearby = np.mean([pf.reading.function(one, -1, 1).n_pieces for one in random])
    print(f"{n:5}   {n + 1:7}   {np.mean(everywhere):18.1f}   {nearby:20.1f}")
    assert min(everywhere) == max(everywhere) == n + 1
    assert nearby < n + 1

# %% The picture: all five pieces, and what is left when two bends meet
left, right = pf.plots.panels(2)
for ax, one, name in ((left, net, "four bends"), (right, same, "two at one place")):
    line = pf.reading.function(one, -4, 7)
    pf.plots.lines({"": (line.ends, line.values[:, 0])}, x="input x", y="output", zero=True, ax=ax)
    ax.plot(line.ends[1:-1], line.values[1:-1, 0], "o", markersize=9, color="#D55E00")
    ax.set_ylim(-2, 9)
    ax.set_title(f"{name}: {line.n_pieces} pieces", fontsize=15)
pf.plots.save(left, "planes_1d.png")
