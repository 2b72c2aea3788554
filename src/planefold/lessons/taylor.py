"""Taylor series: a curve, rebuilt from what it does at one point.

Standing at one point of a curve you know its height, its slope, how fast the slope changes, and so on. A Taylor series
turns these numbers into a **polynomial**, a sum of powers such as 1 + x + 0.5 x^2, that follows the curve. See how
few terms are enough near the point, how the error shrinks, and where more terms make it worse instead. The first two
terms foretell what a step of training will bring.

Needs: what a derivative is: the slope of a curve at one point.
"""

# %% One term, two terms, three terms: e^x at 0
# The curve e^x has the height 1 at 0. Its slope is e^x again, so it is 1 there, too, and so is the slope of the slope.
# The series is f(0) + f'(0) x + f''(0)/2 x^2 + f'''(0)/6 x^3 + ..., where f' is the slope, f'' the slope of the slope,
# and so on. The number below the k-th term is `k! = 1 * 2 * ... * k`. It makes up for what differentiating `x^k` brings
# down. So for e^x the factors are 1/k!. The highest power is called the **order**.
import numpy as np

import planefold as pf

for order in (0, 1, 2, 3):
    print(f"order {order}: e^x is about {pf.calculus.taylor(np.exp, 0.0, order)}")
factors = pf.calculus.taylor(np.exp, 0.0, 10).coefficients
assert np.allclose(factors, [1 / np.prod(np.arange(1.0, k + 1)) for k in range(11)], rtol=1e-14)
e = pf.calculus.taylor(np.exp, 0.0, 10)(1.0)  # the series at x = 1
print(f"eleven terms at x = 1 give {e:.8f}, and e is {np.e:.8f}")
assert abs(e - np.e) < 3e-8

# %% A wave from powers: sin x
# At 0 a sine has the height 0, the slope 1, the slope of the slope 0, then -1, and round again: only odd powers are
# left, with the signs + and - in turn. `remainder` is what is missing: the curve minus the polynomial.
waves = {order: pf.calculus.taylor(np.sin, 0.0, order) for order in (1, 3, 5, 7, 9)}
print("sin x is about", waves[7])
assert np.allclose(waves[7].coefficients, [0, 1, 0, -1 / 6, 0, 1 / 120, 0, -1 / 5040])
print("order  error at 0.5    at 1.0    at 3.0")
for order, wave in waves.items():
    errors = np.abs(wave.remainder([0.5, 1.0, 3.0]))
    print(f"{order:>5}  {errors[0]:12.1e} {errors[1]:9.1e} {errors[2]:9.1e}")
assert abs(waves[9].remainder(1.0)) < 3e-8 < 1e-4 < abs(waves[3].remainder(1.0))

# %% How the error shrinks when you come closer
# What is missing begins with the first power that was left out. After order 3 that is x^5 (a sine has no x^4). So half
# the distance leaves 1/2^5 = 1/32 of the error. That is why a few terms are enough **near** the point.
far, near = waves[3].remainder([0.2, 0.1])
print(f"order 3: error {far:.2e} at 0.2, {near:.2e} at 0.1: {far / near:.1f} times smaller")
assert 31 < far / near < 33

# %% Where more terms do not help: 1 / (1 + x^2)
# This bump is smooth everywhere. Its series is 1 - x^2 + x^4 - x^6 + ... For |x| above 1 these powers grow, so each
# further term makes the sum worse. How far a series holds is its **radius of convergence**: here it is 1, and for e^x
# and sin x it has no end. A look at the curve does not tell.
bumps = {n: pf.calculus.taylor(lambda x: 1 / (1 + x**2), 0.0, n) for n in (2, 6, 10, 20, 30)}
inside, outside = ([abs(series.remainder(x)) for series in bumps.values()] for x in (0.5, 1.2))
for n, good, bad in zip(bumps, inside, outside, strict=True):
    print(f"order {n:>2}: error {good:.1e} at x = 0.5, {bad:8.2f} at x = 1.2")
assert inside == sorted(inside, reverse=True)
assert inside[-1] < 1e-9
assert outside == sorted(outside)

# %% Two numbers instead of one
# A landscape over a map with x and y has two slopes, one along x and one along y: the **gradient** (the lesson
# `gradient`). And it has bends: along x, along y, and how the slope in x changes when you walk in y (the lesson
# `hessian`). Up to the second order the series is a tilted and bent sheet that touches the landscape.


def hills(p):
    return np.sin(p[0]) * np.exp(0.5 * p[1])


at = [1.0, 0.0]
sheet = pf.calculus.taylor(hills, at, 2)
print("sin(x) e^(y/2) at (1, 0) is about", sheet)
s, c = np.sin(1.0), np.cos(1.0)
assert np.allclose(sheet.derivatives[1], [c, s / 2])
assert np.allclose(sheet.derivatives[2], [[-s, c / 2], [c / 2, s / 4]])
far, near = sheet.remainder([1.2, 0.2]), sheet.remainder([1.1, 0.1])
print(f"0.2 away in x and y: error {abs(far):.6f}; 0.1 away: {abs(near):.6f}")
assert 7 < far / near < 9  # third powers are left: half the way, an eighth of the error

# %% What a step of training will bring
# A network's error is such a landscape over all its weights. The slope says which way is down: training follows it. The
# bend says how far the slope can be trusted. Together they foretell a step. Go down by 0.2 times the slope:
step = -0.2 * sheet.derivatives[1]
first, true = step @ sheet.derivatives[1], hills(at + step) - hills(at)
second = first + 0.5 * step @ sheet.derivatives[2] @ step
print(f"a step changes the height by {true:.4f}; the slope foretold {first:.4f}, slope and bend {second:.4f}")
assert abs(second - true) < 0.3 * abs(first - true)

# %% The picture: how far the series follow
left, right = pf.plots.panels(2, size=(8, 3.9))
x = np.linspace(-7, 7, 281)
curves = {f"order {order}": (x, np.where(np.abs(waves[order](x)) < 2, waves[order](x), np.nan)) for order in (1, 3, 7)}
pf.plots.lines({"sin x": (x, np.sin(x)), **curves}, x="x", y="y", title="More terms reach further", ax=left)
x = np.linspace(-1.6, 1.6, 161)
curves = {f"order {n}": (x, np.array(bumps[n](x))) for n in (2, 6, 20)}
curves = {name: (x, np.where((y > -0.6) & (y < 2), y, np.nan)) for name, (x, y) in curves.items()}
pf.plots.lines({"1/(1+x²)": (x, 1 / (1 + x**2)), **curves}, x="x", y="y", title="Beyond 1 they do not", ax=right)
pf.plots.save(left, "taylor.png")
