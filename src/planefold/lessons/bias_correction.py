"""Bias correction: why Adam divides by 1 - 0.9^t.

Adam keeps two running means: of the slopes, and of their squares. A running mean must begin somewhere, and it begins
at 0. So at first it leans towards 0, by a factor that is known exactly, whatever the slopes are. Dividing by that
factor mends it from the first step on. Without it, Adam's first steps can be more than six times too long.

Needs: the lesson `optimizers`.
"""

# %% A running mean of something that never changes
# Think of a thermometer that shows a mean of the past: 0.9 times what it showed, plus 0.1 times what it feels. It lay
# at 0 degrees, and is brought into a room of 20 degrees. After forty readings it shows almost 20.
import numpy as np

import planefold as pf

shows, readings = 0.0, []
for _ in range(40):
    shows = 0.9 * shows + 0.1 * 20
    readings.append(shows)
t = np.arange(1, 41)
corrected = np.array(readings) / (1 - 0.9**t)
print("reading     1      2      3     10     40")
print("shows  ", *(f"{readings[i]:6.2f}" for i in (0, 1, 2, 9, 39)))
print("divided", *(f"{corrected[i]:6.2f}" for i in (0, 1, 2, 9, 39)))
assert np.allclose(readings, 20 * (1 - 0.9**t))  # a share 0.9^t of what it shows is still the 0 that it began with
assert np.allclose(corrected, 20)  # right from the first reading on

# %% Where 1 - 0.9^t comes from
# Write the mean of step t out: it is 0.1 times the newest number, 0.1 * 0.9 times the one before, and so on. The shares
# of a mean should add up to 1. These add up to 1 - 0.9^t, as the rest, 0.9^t, is the share of the 0 at the start.
for step in (1, 2, 10):
    shares = 0.1 * 0.9 ** np.arange(step)
    print(f"step {step:2}: the shares add up to {shares.sum():.6f} = 1 - 0.9^{step}")
    assert np.isclose(shares.sum(), 1 - 0.9**step)

# %% The first two steps of Adam by hand
# The valley of the lesson `optimizers`: height x^2 + 50 y^2, slopes seen through noise, start (-5, -5), rate 0.075. `m`
# is the running mean of the slopes (it keeps 0.9), `s` that of their squares (it keeps 0.999). With a hat they are
# corrected: m-hat = m / (1 - 0.9^t), s-hat = s / (1 - 0.999^t). (The slides call s-hat v-hat.)
noise = np.random.RandomState(12345)
place, m, s = np.array([-5.0, -5.0]), np.zeros(2), np.zeros(2)
hats = []
for step in (1, 2):
    g = [2, 100] * (place + 0.1 * noise.randn(2))
    m, s = 0.9 * m + 0.1 * g, 0.999 * s + 0.001 * g**2
    m_hat, s_hat = m / (1 - 0.9**step), s / (1 - 0.999**step)
    place = place - 0.075 * m_hat / np.sqrt(s_hat + 1e-8)
    hats.append((m_hat, s_hat))
    print(f"\nstep {step}\n  slope ({g[0]:9.4f}, {g[1]:11.4f})")
    for name, pair in {"m": m, "m-hat": m_hat, "s": s, "s-hat": s_hat, "place": place}.items():
        print(f"  {name:5} ({pair[0]:9.4f}, {pair[1]:11.4f})")
    if step == 1:
        assert np.allclose(g, [-10.0409, -495.2106], atol=5e-5)
        assert np.allclose(m_hat, g)  # of one slope, the mean is that slope
        assert np.allclose(s_hat, g**2)
        assert np.allclose(place, [-4.9250, -4.9250], atol=5e-5)
assert np.allclose(g, [-9.9539, -498.0573], atol=5e-5)
assert np.allclose(place, [-4.8500, -4.8500], atol=5e-5)

# %% Two slips on the slides
# In the second step a slide divides m by 1 - 0.9^2, which is right, but prints 1 - 0.999^1 below s: the exponent must
# be 2 there as well. Done as printed, s-hat would be 1.999 times as large. And beside v-hat (our s-hat) it prints the
# numbers of m-hat. But a mean of squares is never negative; here it is 99.95 and 246,648.
as_printed = s / (1 - 0.999**1)
print(f"\ns-hat of step 2:     ({s_hat[0]:6.2f}, {s_hat[1]:,.0f})")
print(f"with the exponent 1: ({as_printed[0]:6.2f}, {as_printed[1]:,.0f})")
assert np.allclose(as_printed / s_hat, 1.999)
assert np.allclose(s_hat, [99.95, 246_648], rtol=1e-5)
assert (m_hat < 0).all()

# %% What happens without it
# In step 1 the root of s is sqrt(0.001) = 0.032 of the slope, and m is 0.1 of it. So the step is 0.1 / 0.032 = 3.16
# rates long instead of one. It even gets worse: m fills up within tens of steps, s needs thousands. On a slope that
# never changes we see it in full. `"adam_uncorrected"` is Adam without the two divisions.
steady = {"start": [0.0], "learning_rate_init": 1.0, "n_steps": 1000, "epsilon": 1e-30}
with_it = -np.diff(pf.engine.descend(lambda p: [1.0], solver="adam", **steady).theta[:, 0])
without = -np.diff(pf.engine.descend(lambda p: [1.0], solver="adam_uncorrected", **steady).theta[:, 0])
print("\nsteps on a straight slope, in rates\nstep          1      2     10    100   1000")
for name, steps in {"corrected": with_it, "not": without}.items():
    print(f"{name:9}", *(f"{steps[i]:6.2f}" for i in (0, 1, 9, 99, 999)))
t = np.arange(1, 1001)
assert np.allclose(with_it, 1)  # one rate each, from the first to the last
assert np.allclose(without, (1 - 0.9**t) / np.sqrt(1 - 0.999**t))
assert np.isclose(without[0], 0.1 / np.sqrt(0.001))
print(f"longest: {without.max():.2f} rates, in step {without.argmax() + 1}")
assert without.max() > 6

# %% The picture
left, right = pf.plots.panels(2)
shown = {"as it is": (np.arange(1, 41), readings), "divided by 1 - 0.9^t": (np.arange(1, 41), corrected)}
pf.plots.lines(shown, x="reading", y="degrees Celsius", title="a room of 20 degrees", ax=left)
lengths = {"without correction": (t[:200], without[:200]), "with it": (t[:200], with_it[:200])}
pf.plots.lines(lengths, x="step", y="length of a step, in rates", title="Adam on a straight slope", ax=right)
left.set_ylim(0, 24)
right.set_ylim(0, 8)
pf.plots.save(left, "bias_correction.png")
