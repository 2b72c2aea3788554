"""The greatest number of planes: what is possible, and what networks use.

A formula says how many planes a network of a given size can have at most. For one hidden layer it is reached by almost
every network. For more layers it is a limit that hardly any network comes near. So the honest number is a count, and
the limit tells how much of the capacity is used.

Needs: the lessons `planes_1d`, `planes_2d` and `creases`.
"""

# %% One hidden layer: n units, d inputs
# Each unit cuts the space along a flat crease: a point on a line (d = 1), a line on a map (d = 2), a plane in a room
# (d = 3). n cuts make at most C(n,0) + C(n,1) + ... + C(n,d) pieces, where `C(n,k)` is the number of ways to choose k
# cuts out of n. On a map these are 1 piece at the start, one more for each line, and one more for each crossing of two
# lines. (Zaslavsky 1975 has the full theory.)
import numpy as np

import planefold as pf


def choose(n, k):  # C(n, k) = n (n-1) ... (n-k+1) / (1 2 ... k)
    return round(np.prod([(n - i) / (i + 1) for i in range(k)]))


print("pieces at most\nunits   one input   two inputs   three inputs")
for n in range(1, 7):
    row = [sum(choose(n, k) for k in range(d + 1)) for d in (1, 2, 3)]
    print(f"{n:5}   {row[0]:9}   {row[1]:10}   {row[2]:12}")
    assert row == [pf.reading.bounds((d, n, 1)).upper for d in (1, 2, 3)]
    assert row[:2] == [n + 1, (n**2 + n + 2) // 2]

# %% Reached: by random networks
# Of random lines hardly ever two are parallel, or three meet in one point. So in a window that is large enough all
# pieces are there.
wide = 1e5
for n in (2, 3, 4, 5, 12):
    net = pf.reading.random_net((2, n, 1), seed=1)
    count = pf.reading.planes(net, ((-wide, wide), (-wide, wide))).n_pieces
    print(f"2-{n}-1, random: {count} planes of {pf.reading.bounds(net).upper} possible")
    assert count == pf.reading.bounds(net).upper == {2: 4, 3: 7, 4: 11, 5: 16, 12: 79}[n]
room = pf.reading.regions(pf.reading.random_net((3, 4, 1), seed=1), ([-wide] * 3, [wide] * 3))
print(f"3-4-1, random: {room.n_regions} pieces of space, of {pf.reading.bounds((3, 4, 1)).upper} possible")
assert room.complete
assert room.n_regions == 1 + 4 + 6 + 4

# %% More layers: a limit, seldom reached
# Each plane of the first layer could be cut again by all creases of the second: the product of the two numbers. That is
# too much. Where units are off, less than the whole plane reaches the second layer. With one unit on, only one number
# does: there the creases of the second layer are all parallel. Serra and others (2018) count this in.
limits = {(2, 2, 2, 1): 11, (2, 3, 1, 1): 14, (2, 3, 4, 1): 59, (2, 12, 1): 79}
print("planes at most\nnetwork    product   Serra")
for shape, limit in limits.items():
    found = pf.reading.bounds(shape)
    print(f"{'-'.join(map(str, shape)):9}  {found.montufar_upper:7}   {found.upper:5}")
    assert found.upper == limit <= found.montufar_upper

# %% How much of it random networks use
# Two things can be counted. An **activation region** is where the same units are on. A **linear piece**, or plane, is
# where the output has the same formula. In 2-3-1-1 the second layer has one unit. Where it is off, the output is
# constant, and many regions are one plane. So say which one is meant. The table has the means of 40 networks.
study = pf.reading.study(limits, seeds=range(40), window=((-1000, 1000), (-1000, 1000)))
for one in study.counts:
    regions, pieces = one.n_regions.mean(), one.n_pieces.mean()
    share = pieces / one.bounds.upper
    print(f"{one.name:8} regions {regions:4.1f}, planes {pieces:4.1f}: {share:4.0%} of the limit used")
    assert one.n_pieces.max() <= one.n_regions.max() <= one.bounds.upper
bottleneck = study.counts[1]
assert abs(bottleneck.n_regions.mean() - 10.1) < 0.8
assert abs(bottleneck.n_pieces.mean() - 6.0) < 1.2

# %% How much trained networks use
# A 2-12-1 and a 2-3-4-1 learn a bowl, x1^2 + x2^2, on a square. Only planes in that square help. Each is trained from
# six random starts, and ends with other planes each time. A "fit" of 1 is perfect, 0 is no better than to say the mean
# always. Here the network with two layers gets stuck from most of its starts.
points = np.random.default_rng(0).uniform(-1, 1, size=(400, 2))
bowl = (points**2).sum(axis=1)
plain = {**pf.SKLEARN_DEFAULTS, "solver": "lbfgs", "max_iter": 500, "alpha": 0}
boards = pf.plots.panels(2, size=(8.6, 4.7))
for hidden, ax in zip(((12,), (3, 4)), boards, strict=True):
    name, settings = "-".join(map(str, (2, *hidden, 1))), {**plain, "hidden_layer_sizes": hidden}
    models = [pf.MLPRegressor(**settings, random_state=seed).fit(points, bowl) for seed in range(6)]
    planes = [pf.reading.planes(model, ((-1, 1), (-1, 1))) for model in models]
    fits = [model.score(points, bowl) for model in models]
    best = planes[int(np.argmax(fits))]
    print(f"{name}: planes {[one.n_pieces for one in planes]}, fits {[round(max(fit, 0.0), 2) for fit in fits]}")
    print(f"  the best fit uses {best.n_pieces} of {best.bounds.upper} planes: {best.bounds.used(best.n_pieces):.0%}")
    assert best.bounds.upper == limits[2, *hidden, 1]
    assert max(one.n_pieces for one in planes) < best.bounds.upper  # training does not look for many planes
    assert max(fits) > 0.9
    assert np.median(fits) > 0.95 if hidden == (12,) else np.median(fits) < 0.9
    pf.plots.creases(best, shade=True, ax=ax)
    ax.set(xlabel="$x_1$", ylabel="$x_2$", xticks=[-1, 0, 1], yticks=[-1, 0, 1])
    ax.set_title(f"{name}: {best.n_pieces} planes of {best.bounds.upper}", fontsize=14, pad=26)
pf.plots.save(boards[0], "most_planes.png")
