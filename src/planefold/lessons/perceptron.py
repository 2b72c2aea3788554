"""The perceptron: one unit that learns from its mistakes.

A unit takes two numbers, weighs them, adds them up and answers yes (1) or no (0). It starts knowing nothing. Whenever
its answer is wrong, a rule of one line moves its weights. Watch it learn AND and OR, step by step, with numbers small
enough for a pencil.

Needs: adding and multiplying, and the equation of a straight line.
"""

# %% A unit: weigh, add, decide
# Shall I go out? `p1` is 1 if the sun shines, `p2` is 1 if a friend comes along. The sun counts `W1`, the friend counts
# `W2`, and `b` (the **bias**) says how willing I am anyway. The unit adds up W1 p1 + W2 p2 + b, in short `W p + b`.
# Then it decides with a hard limit: `hardlim(z)` is 1 where z is 0 or more, and 0 below. At exactly 0 the answer is 1:
# all that follows depends on that choice.
import numpy as np

import planefold as pf


def hardlim(z):
    return np.where(np.asarray(z) >= 0, 1, 0)


print("z         ", [-2, -1, 0, 1, 2])
print("hardlim(z)", hardlim([-2, -1, 0, 1, 2]).tolist())
assert hardlim([-2, -1, 0, 1, 2]).tolist() == [0, 0, 1, 1, 1]

# %% The rule: add the error times the input
# The error is e = t - a: what the answer should be (the target `t`), less what it is (`a`). It can be 0 (right), 1 (it
# said 0 and should say 1) or -1. The rule: `W' = W + e p` and `b' = b + e`, where the dash means "the new one".
W, b, p, e = np.array([1, 0]), 0, np.array([0, -2]), -1
W_new, b_new = W + e * p, b + e
print(f"W = {W.tolist()}, b = {b}, p = {p.tolist()}, e = {e}: new W = {W_new.tolist()}, new b = {b_new}")
assert W_new.tolist() == [1, 2]
# Why this helps: the sum for the same input changes by e (p.p + 1), where p.p is short for p1 p1 + p2 p2. That has the
# sign of the error, so the sum moves towards the right answer.
before, after = W @ p + b, W_new @ p + b_new
print(f"the sum for this p was {before} and is {after}: it moved by e (p.p + 1) = {e * (p @ p + 1)}")
assert after - before == e * (p @ p + 1) == -5

# %% AND and OR, step by step
# AND says 1 only if both inputs are 1; OR says 1 if at least one is. Start with zeros, go through the four rows in
# order, and correct after each. One pass through all rows is an **epoch**. An epoch without a mistake ends it.
P = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
learned = {}
for name, targets in {"AND": [0, 0, 0, 1], "OR": [0, 1, 1, 1]}.items():
    W, b, epoch, mistakes, corrections = np.zeros(2, dtype=int), 0, 0, 1, 0
    print(f"\n{name}\nepoch   p       t   W p + b   answer    e    new W     new b")
    while mistakes:
        epoch, mistakes = epoch + 1, 0
        for p, t in zip(P, targets, strict=True):
            z = W @ p + b
            e = t - int(hardlim(z))
            W, b, mistakes = W + e * p, b + e, mistakes + abs(e)
            row = f"{epoch:4}    {p[0]} {p[1]}  {t:4} {z:8} {hardlim(z):8} {e:6}   ({W[0]:2},{W[1]:2}) {b:8}"
            print(row + ("   <- corrected" if e else ""))
        corrections += mistakes
    learned[name] = W, b, epoch
    print(f"{name}: W = {W.tolist()}, b = {b}, after {epoch} epochs and {corrections} corrections")
    assert hardlim(P @ W + b).tolist() == targets
W_and, b_and, epochs_and = learned["AND"]
W_or, b_or, epochs_or = learned["OR"]
assert (W_and.tolist(), b_and, epochs_and) == ([2, 1], -3, 6)
assert (W_or.tolist(), b_or, epochs_or) == ([1, 1], -1, 4)

# %% The border is a straight line, and W stands at a right angle to it
# The answer changes where W p + b = 0. That is the equation of a line. A step along the line, `s`, leaves the sum as
# it is, so W.s = W1 s1 + W2 s2 is 0. Such a sum of products is called a **dot product**. Two arrows whose dot product
# is 0 are at a right angle: `W` is the **normal** of the border. It points to the side where the answer is 1.
print()
for name, (W, b, _) in learned.items():
    on_it = np.array([[-b / W[0], 0.0], [0.0, -b / W[1]]])  # where the line meets the two axes
    s = on_it[1] - on_it[0]
    print(f"{name}: the border goes through {on_it[0].tolist()} and {on_it[1].tolist()}; along it W.s = {W @ s:.0f}")
    assert np.allclose(on_it @ W + b, 0)
    assert np.isclose(W @ s, 0)
    assert hardlim((on_it[0] + W) @ W + b) == 1  # one step along W, and the answer is 1
    assert hardlim((on_it[0] - W) @ W + b) == 0

# %% Many weights solve AND: the rule stops at the first
# W = (1, 1) and b = -1.5 solve AND, too, and so do many others: the rule stops at the first that makes no mistake. Its
# border for AND goes right through the point (1, 1), as hardlim(0) = 1 lets it. The rule does not look for room.
assert hardlim(P @ [1, 1] - 1.5).tolist() == [0, 0, 0, 1]
print("AND, sums at the four points:", (P @ W_and + b_and).tolist(), "- the last is 0: on the border, and still a 1")
assert P[3] @ W_and + b_and == 0

# %% The picture: both borders with their normals
axes = pf.plots.panels(2, size=(8, 3.8))
for ax, (name, (W, b, _)), targets in zip(axes, learned.items(), ([0, 0, 0, 1], [0, 1, 1, 1]), strict=True):
    title = f"{name}: W = ({W[0]}, {W[1]}), b = {b}".replace("-", "−")
    pf.plots.points(P, targets, names={0: "answer 0", 1: "answer 1"}, borders={"border": (W, b)}, normals=True,
                    xlabel="p1", ylabel="p2", window=((-0.6, 3.2), (-0.6, 2.6)), title=title, ax=ax)  # fmt: skip
pf.plots.save(axes[0], "perceptron.png")
