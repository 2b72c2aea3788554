"""Two inputs: how many planes a network has.

With two inputs a network's output is a landscape made of flat pieces, "planes". With one layer of units, each unit
draws one straight line on the map, its crease, and the lines cut the map into the planes. So the question is an old
puzzle: into how many pieces do n straight cuts divide a pancake?

Needs: the lessons `units` and `planes_1d`.
"""

# %% The puzzle: 1, 2, 4, 7, 11, 16
# Draw the lines one after another. The 4th crosses the 3 old ones, so these cut it into 4 parts. Each part divides one
# old piece into two: there are 4 pieces more. In the same way **the k-th line adds k pieces**. Before the first line
# there is 1 piece, so n lines make 1 + (1 + 2 + ... + n) = (n^2 + n + 2) / 2 pieces.
import numpy as np

import planefold as pf

most = 1 + np.cumsum(np.arange(6))
print("0 to 5 lines:", most.tolist(), "pieces at most")
assert most.tolist() == [1, 2, 4, 7, 11, 16]
assert all(most[n] == (n**2 + n + 2) // 2 for n in range(6))

# %% Five units, added one at a time
# Unit j has its crease where `w1 x1 + w2 x2 + b = 0`. The library cuts a window of the map along the creases and counts
# the polygons that come out. Nothing is sampled: the smallest sliver is found, too.
w = np.array([[1.0, 0.0, 1.0, 1.0, -0.5], [0.0, 1.0, 1.0, -1.0, 1.0]])  # a column for each unit
b = np.array([0.0, 0.0, -1.0, 0.5, 0.75])
v, c = np.array([[1.0], [1.0], [-2.0], [1.0], [-1.5]]), [0.5]
window = ((-3, 3), (-3, 3))
nets = {n: pf.networks.from_weights([w[:, :n], v[:n]], [b[:n], c]) for n in range(1, 6)}
found = {n: pf.reading.planes(net, window) for n, net in nets.items()}
for n, planes in found.items():
    print(f"units: {n}, planes: {planes.n_pieces:2}; their areas add up to {planes.areas.sum():.0f}")
    assert planes.n_pieces == most[n]
    assert np.isclose(planes.areas.sum(), 36)  # the window is 6 x 6, and the planes leave no gap

# %% When there are fewer
# The k-th line adds k pieces only if it crosses every other line, each at a place of its own. **Parallel** lines never
# cross. Lines through **one point** cross all at once. And a crossing **outside the window** is not seen.
parallel = pf.networks.from_weights([[[1, 1, 1], [0, 0, 0]], v[:3]], [[0, 1, -1], c])
one_point = pf.networks.from_weights([w[:, :3], v[:3]], [[0, 0, 0], c])
counts = {
    "three lines, each crosses the others": found[3].n_pieces,
    "all three through one point": pf.reading.planes(one_point, window).n_pieces,
    "all three parallel": pf.reading.planes(parallel, window).n_pieces,
    "three lines, window too small": pf.reading.planes(nets[3], ((-2.5, -1.5), (-2.5, -1.5))).n_pieces,
}
for name, n_planes in counts.items():
    print(f"{name:38} {n_planes} plane{'s' if n_planes > 1 else ''}")
assert list(counts.values()) == [7, 6, 4, 1]

# %% Every plane has its own formula
# On one plane the same units are on. Each adds `v * (w1 x1 + w2 x2 + b)`, the others add 0. So we can add up by hand:
# the slopes `v * w` and the constants `v * b` of the units that are on.
three = found[3]
patterns = three.patterns() > 0  # a row for each plane: which units are on
slopes = patterns @ (w[:, :3] * v[:3, 0]).T
constants = patterns @ (b[:3] * v[:3, 0]) + c[0]
print("the planes of the first three units (1 and 2 added, 3 taken away twice):")
for on, (s1, s2), constant in zip(patterns, slopes, constants, strict=True):
    print(f"  units {(np.flatnonzero(on) + 1).tolist()!s:9} on: y = {s1:4.1f} x1 {s2:+4.1f} x2 {constant:+4.1f}")
assert np.allclose(three.coefs[:, 0], slopes)  # the library finds the same formulas
assert np.allclose(three.intercepts[:, 0], constants)
assert len(np.unique(np.column_stack([slopes, constants]), axis=0)) == 7  # seven planes, no two alike

# %% All seven formulas belong to one landscape
# Take any point: the formula of the plane it lies on gives exactly what the network gives.
points = np.random.default_rng(0).uniform(-3, 3, size=(1000, 2))
where = three.locate(points)  # the number of the plane under each point
by_formula = (slopes[where] * points).sum(axis=1) + constants[where]
error = np.abs(by_formula - nets[3].outputs(points)[:, 0]).max()
print(f"1000 random points: formula and network differ by {error:.0e} at most")
assert error < 1e-12

# %% The picture: two to five creases from above
for ax, n in zip(board := pf.plots.panels(2, 2, size=(6.6, 6.9)), (2, 3, 4, 5), strict=True):
    pf.plots.creases(found[n], shade=True, ax=ax)
    ax.set_title(f"{n} creases: {found[n].n_pieces} planes", fontsize=14)
pf.plots.save(board[0], "planes_2d.png")
