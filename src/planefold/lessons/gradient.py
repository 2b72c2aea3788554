"""The gradient: which way is up, and how steep is it in any direction?

A hiker on a slope can walk in every direction: steeply up, gently up, level, down. Two numbers, the slope to the east
and the slope to the north, are enough to know them all. Together they are the gradient. It points straight uphill, and
its length says how steep it is there. Networks learn by walking against it, step by step.

Needs: what the slope of a curve is; a vector is a list of numbers, drawn as an arrow.
"""

# %% The landscape: z = x^2 + 2 y^2
# A bowl that rises faster in y than in x. Hold y still, and only x^2 changes: the slope along x is 2x. Hold x still:
# the slope along y is 4y. These are the **partial derivatives**, and the gradient is the list of both, (2x, 4y).
# `pf.calculus.gradient` finds it from the program of z alone: it follows each step of the computation backwards.
import numpy as np

import planefold as pf


def z(p):
    return p[0] ** 2 + 2 * p[1] ** 2


places = [(0.5, 0.5), (1.0, 2.0), (2.0, 1.0), (-1.0, 1.0)]
print("    x     y      z     gradient (2x, 4y)")
for x, y in places:
    slope = pf.calculus.gradient(z, [x, y])
    print(f"{x:5.1f} {y:5.1f} {z([x, y]):6.2f}     ({slope[0]:.0f}, {slope[1]:.0f})")
    assert np.allclose(slope, [2 * x, 4 * y])
assert np.allclose(pf.calculus.central_difference(z, [1.0, 2.0]), [2, 8])  # a millionth to either side: the same

# %% The slope in a direction of your own
# Walk in the direction p = (-2, 1): two steps to the left for each step up the map. How steep is it? Multiply entry by
# entry with the gradient and add up: -2 * 2x + 1 * 4y. That is for a walk as long as p. For one of length 1 divide by
# the length, |p| = sqrt(2^2 + 1^2) = sqrt 5. So the **directional derivative** is (-4x + 4y) / sqrt 5.
p = np.array([-2.0, 1.0])
print("slope in the direction (-2, 1):")
for (x, y), expected in zip(places, [0.0, 1.7889, -1.7889, 3.5777], strict=True):
    slope = pf.calculus.directional_derivative(z, [x, y], p)
    print(f"  at ({x:4.1f}, {y:3.1f}): {slope:8.4f}")
    assert np.isclose(slope, (-4 * x + 4 * y) / np.sqrt(5))
    assert np.isclose(slope, expected, atol=5e-5)

# %% At (0.5, 0.5) that slope is 0: across the gradient it is level
# The gradient there is (1, 2), and -2 * 1 + 1 * 2 = 0: the two arrows stand at a right angle (the lesson `perceptron`).
# A walk across the gradient neither climbs nor falls: it begins along the **contour line**, the line of equal height.
here = np.array([0.5, 0.5])
uphill = pf.calculus.gradient(z, here)
assert uphill.tolist() == [1, 2]
assert p @ uphill == 0
for step in (0.1, 0.01, 0.001):  # the line bends away, so z does rise, but ever less: with the square of the step
    rise, climb = (z(here + step * arrow / np.sqrt(5)) - z(here) for arrow in (p, uphill))
    print(f"a step of {step:5.3f} along (-2, 1): z rises by {rise:.7f}; along the gradient by {climb:.7f}")
    assert np.isclose(rise, 1.2 * step**2)

# %% Of all directions the gradient is the steepest
# Look round in 360 directions. Nowhere is it steeper than along the gradient. There the slope is the gradient's length,
# sqrt(1^2 + 2^2) = 2.236. Straight against it is the steepest way down.
turn = np.deg2rad(np.arange(360))
directions = np.column_stack([np.cos(turn), np.sin(turn)])
slopes = np.array([pf.calculus.directional_derivative(z, here, d) for d in directions])
steepest, lowest = slopes.argmax(), slopes.argmin()
of_gradient = np.rad2deg(np.arctan2(uphill[1], uphill[0]))
print(f"the gradient points to {of_gradient:.1f} degrees (0 is along x, 90 along y)")
print(f"steepest up: {steepest} degrees, slope {slopes[steepest]:.3f}")
print(f"steepest down: {lowest} degrees, slope {slopes[lowest]:.3f}")
assert abs(steepest - of_gradient) <= 0.5
assert np.isclose(slopes[steepest], np.linalg.norm(uphill), rtol=1e-3)
assert lowest == steepest + 180

# %% Walk down: gradient descent
# From (0.5, 0.5) take steps of 0.1 times the gradient, against it. x shrinks by 1 - 0.1 * 2 = 0.8 with each step, and
# y by 1 - 0.1 * 4 = 0.6. The bottom is at (0, 0), where the gradient is 0: there is no way down any more.
path = [here]
for _ in range(12):
    path.append(path[-1] - 0.1 * pf.calculus.gradient(z, path[-1]))
for k in range(4):
    print(f"steps taken {k}: x and y = ({path[k][0]:.3f}, {path[k][1]:.3f}), z = {z(path[k]):.4f}")
assert np.allclose(path[1:4], [[0.4, 0.3], [0.32, 0.18], [0.256, 0.108]])
assert np.all(np.diff([z(q) for q in path]) < 0)
assert pf.calculus.gradient(z, [0.0, 0.0]).tolist() == [0, 0]

# %% The pictures: arrows on the contour lines, and the slope all round
left, right = pf.plots.panels(2, size=(8, 4))
arrows = {"gradient (1, 2)": (here, 0.25 * uphill), "(−2, 1): level": (here, 0.25 * p)}
levels = [0.05, 0.25, 0.75, 1.5, 2.5]
window = ((-0.7, 1.3), (-0.8, 1.2))
pf.plots.landscape(z, window, arrows=arrows, levels=levels, equal=True, title="Uphill, and level", ax=left)
left.legend(loc="lower right", fontsize=11, framealpha=1)
curve = {"": (np.arange(360), slopes)}
marks = {"gradient": of_gradient, "level": of_gradient + 90}
pf.plots.lines(
    curve, x="direction (degrees)", y="slope of z", title="The slope all round", zero=True, marks=marks, ax=right
)
right.set_xticks([0, 90, 180, 270, 360])
pf.plots.save(left, "gradient.png")
window, levels = ((-0.3, 0.8), (-0.3, 0.8)), [0.01, 0.05, 0.15, 0.3, 0.5, 0.75, 1.2]
title = "Against the gradient, step by step"
down = pf.plots.landscape(z, window, paths={"12 steps": path}, levels=levels, equal=True, title=title)
pf.plots.save(down, "gradient_descent.png")
