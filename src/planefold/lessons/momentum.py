"""Momentum: a ball that rolls, not a walker who stops at every step.

In a long narrow valley plain steps downhill are a bad idea. Across the valley it is steep, so steps must be short;
along it the ground is nearly flat, and short steps take for ever. Momentum remembers the steps so far: what goes to
and fro cancels, what always goes the same way adds up. We follow the lecture slides' table to the last digit.

Needs: the lesson `learning_rates`.
"""

# %% A narrow valley, seen through fog
# The height at (x, y) is x^2 + 50 y^2, its slopes are 2x and 100y. The lowest point is (0, 0). As in real training,
# where each step sees a few rows only, we never see the exact slopes: we read them at a place that is wrong by a random
# number, usually about 0.1. Computers draw such `noise` from a starting number, and 12345 gives the slides' own.
import numpy as np

import planefold as pf


def foggy_slopes():
    noise = np.random.RandomState(12345)
    return lambda place: np.array([2, 100]) * (place + 0.1 * noise.randn(2))


start, rate = np.array([-5.0, -5.0]), 0.0015
g1 = foggy_slopes()(start)
print(f"the first slopes: ({g1[0]:.3f}, {g1[1]:.3f}); without fog they are (-10, -500)")
assert np.allclose(g1, [-10.041, -495.211], atol=5e-4)

# %% Plain descent: place = place - rate * slope
# `pf.engine.descend` makes 200 steps. (`momentum=0` makes plain steps of its rule "sgd", stochastic gradient descent.)
# In its print, `gradient` is the pair of slopes that it saw, `theta` the place and `value` the height. After 200 steps
# y is nearly 0, and x is still at -2.74: it has made less than half of its way.
common = {"learning_rate_init": rate, "n_steps": 200, "value": lambda p: p[0] ** 2 + 50 * p[1] ** 2}
plain = pf.engine.descend(foggy_slopes(), start, momentum=0, **common)
print(f"\nplain descent\n{plain}")
shown = [1, 2, 3, 4, 5, 6, 198, 199, 200]
table = [(-4.984939, -4.257184), (-4.969828, -3.610271), (-4.955508, -3.089631), (-4.940670, -2.630413),
         (-4.926078, -2.254547), (-4.911602, -1.896922), (-2.756824, -0.048170), (-2.748344, -0.060979),
         (-2.740054, -0.058476)]  # fmt: skip
assert np.allclose(plain.theta[shown], table, atol=1e-6)

# %% Momentum: v = 0.9 v + rate * slope, place = place - v
# `v` (for velocity) is the step. Nine tenths of the last one are kept, and a plain step is added. On a steady slope v
# grows towards 1 + 0.9 + 0.81 + ... = 10 plain steps. Here the rule is line by line, and then by `descend`.
place, v, slope, by_hand = start, np.zeros(2), foggy_slopes(), [start]
for _ in range(200):
    v = 0.9 * v + rate * slope(place)
    place = place - v
    by_hand.append(place)
rolling = pf.engine.descend(foggy_slopes(), start, momentum=0.9, nesterovs_momentum=False, **common)
print(f"\nmomentum\n{rolling}")
assert np.allclose(by_hand, rolling.theta, atol=1e-12)

# %% The slides' table
# The slides print the steps 1, 2, 4, 5, 6 and 198, 199, 200. The third one, (-4.9162, -1.3375), is skipped there. And
# the start, printed as -0.5, is -5: only from there do the numbers come out.
table = [(-4.9849, -4.2572), (-4.9563, -2.9417), (-4.9162, -1.3375), (-4.8654, 0.3028), (-4.8053, 1.7149),
         (-4.7371, 2.7480), (-0.0071, -0.1289), (-0.0070, -0.1526), (-0.0068, -0.1577)]  # fmt: skip
assert np.allclose(rolling.theta[shown], table, atol=5.001e-5)
slopes = [(-10.0409, -495.2106), (-10.0738, -431.2757), (-9.5194, -280.2396), (-9.8138, -130.9299), (-9.5770, 42.7401),
          (-9.4092, 158.5233)]  # fmt: skip
assert np.allclose(rolling.gradients[:6], slopes, atol=5.001e-5)
left = [np.hypot(*path.theta[-1]) for path in (plain, rolling)]
print(f"\nleft to go after 200 steps: plain descent {left[0]:.4f}, momentum {left[1]:.4f}")
assert np.allclose(left, [2.74068, 0.15785], atol=1e-5)
assert rolling.theta[5, 1] > 0 > rolling.theta[3, 1]  # the ball rolls through the bottom and up the other side

# %% Two ways to write it: accumulated and averaged
# Some books write v = 0.9 v + 0.1 * slope, place = place - rate * v. Then v is a running mean of the slopes, as long as
# one slope, and not a sum that grows to ten of them. It is the same path, if the rate is ten times larger: the rates of
# the two forms differ by the factor 1 - 0.9. So take the rate from the book that has the rule.
tenfold = common | {"learning_rate_init": 0.015}
averaged = pf.engine.descend(foggy_slopes(), start, solver="averaged_momentum", **tenfold)
print(f"largest difference to the averaged form at ten times the rate: {abs(averaged.theta - rolling.theta).max():.0e}")
assert np.allclose(averaged.theta, rolling.theta, atol=1e-9)

# %% Nesterov: look ahead before you step
# The velocity will carry us on in any case. So look at the slope where it will have carried us, not where we stand: at
# place - 0.9 v. The ball brakes earlier when the ground rises again. Libraries keep that place ahead as "the" place.
ahead, v, slope, by_hand = start, np.zeros(2), foggy_slopes(), [start]
for _ in range(200):
    g = slope(ahead)  # = the slope at place - 0.9 v
    v = 0.9 * v + rate * g
    ahead = ahead - (0.9 * v + rate * g)
    by_hand.append(ahead)
nesterov = pf.engine.descend(foggy_slopes(), start, momentum=0.9, nesterovs_momentum=True, **common)
assert np.allclose(by_hand, nesterov.theta, atol=1e-12)
swings = [path.theta[:, 1].max() for path in (rolling, nesterov)]
print(f"how far up the other side: momentum {swings[0]:.2f}, Nesterov {swings[1]:.2f}")
assert swings[1] < 0.7 * swings[0]

# %% The picture
left, right = pf.plots.panels(2, size=(9.6, 4.2))
paths = {"plain descent": plain.theta[:31], "momentum": rolling.theta[:31], "Nesterov": nesterov.theta[:31]}
words = {"title": "30 steps", "levels": [20, 50, 150, 300, 600, 1000, 1500]}
pf.plots.landscape(common["value"], ((-5.4, -1.2), (-5.5, 5.5)), paths=paths, **words, ax=left)
far = {name: np.hypot(*path.theta.T) for name, path in {"plain descent": plain, "momentum": rolling}.items()}
pf.plots.lines(far, x="step", y="distance to (0, 0)", log="y", title="200 steps", like_paths=True, ax=right)
pf.plots.save(left, "momentum.png")
