"""One among twenty-five: classes of unequal size.

When two rows in a hundred are frauds, a model that never says "fraud" is right 98 times in 100, and useless. Here the
rare class is a single point. We see how little it counts, what the border between the classes looks like without and
with **class weights**, and which numbers tell a useless model from a good one although both look fine.

Needs: the lesson `pipeline`; what a probability is.
"""

# %% Twenty-six points, and weights that make the classes equal
# Twenty-five points of class 1 stand on a grid, one of class 0 far away. What a training lowers, the loss, is a mean
# over the rows; a row of weight 13 counts as thirteen rows do. "balanced" gives every class the same weight in total:
# number of rows / (number of classes * rows of the class). So the lone point has half of the whole, 50 %, and each of
# the many 2 %. PyTorch asks for `pos_weight`, the weight of class 1 when class 0 has the weight 1.
import numpy as np

import planefold as pf

X = np.array([(a, b) for a in range(5) for b in range(5)] + [(-4, -4)], dtype=float)
y = np.array([1] * 25 + [0])
balanced = {label: 26 / (2 * (y == label).sum()) for label in (0, 1)}
weights = np.where(y == 0, balanced[0], balanced[1])
shares = weights / weights.sum()
ratio = balanced[1] / balanced[0]
print(f"balanced weights: {balanced[0]:.1f} for class 0, {balanced[1]:.2f} for class 1; pos_weight: {ratio:.2f}")
print(f"shares: {shares[-1]:.0%} the lone point, {shares[0]:.0%} each of the many; without weights {1 / 26:.1%} each")
assert np.allclose([balanced[0], balanced[1], ratio], [13.0, 0.52, 0.04])
assert np.allclose(shares, [0.02] * 25 + [0.5])

# %% Train without weights and with them
# No row is held out to test on, as a single one cannot be learned from as well. `plain` turns off what our models do by
# themselves. `pf.reading` finds the border between the classes exactly, in straight pieces.
plain = {"n_members": 1, "skip": None, "dropout": 0, "preprocess": None, "early_stopping": False, "max_iter": 100}
window = ((-6, 6), (-6, 6))


def fit(seed, **how):
    return pf.MLPClassifier((8, 8), **plain, **how, random_state=seed).fit(X, y)


def distance(model):  # from the lone point to the nearest straight piece of the border; 0 where it is lost
    pieces = pf.reading.boundary(pf.reading.planes(model, window)).segments
    if model.predict(X)[-1] == 1:
        return 0.0
    start, along = pieces[:, 0], pieces[:, 1] - pieces[:, 0]
    share = np.clip(((X[-1] - start) * along).sum(axis=1) / (along**2).sum(axis=1), 0, 1)
    return np.linalg.norm(start + share[:, None] * along - X[-1], axis=1).min()


without, weighted = fit(1), fit(1, class_weight="balanced")
for name, model in (("without weights", without), ("with weights", weighted)):
    n_pieces = pf.reading.boundary(pf.reading.planes(model, window)).n_segments
    print(f"{name}: the lone point is called class {model.predict(X)[-1]}; straight pieces of the border: {n_pieces}")
assert (weighted.predict(X) == y).all()

# %% How far away the border is
# The first weights of a training are drawn at random. Of four such starts one loses the point without class weights.
# With them none does, and on average the border keeps farther away from it.
far = np.array([[distance(fit(seed, class_weight=weight)) for weight in (None, "balanced")] for seed in range(4)])
print("distance to the border, four starts, without weights:", far[:, 0].round(2), f"mean {far[:, 0].mean():.2f}")
print("                                        with weights:", far[:, 1].round(2), f"mean {far[:, 1].mean():.2f}")
assert (far == 0).sum(axis=0).tolist() == [1, 0]
assert np.diff(far.mean(axis=0)) > 0.3

# %% 96 % right, and useless
# The network without weights calls everything class 1. Its **accuracy**, the share of right answers, is 25/26. The
# **recall** of a class is the share of its rows that are found: of class 0 none. Now sort the rows by the probability
# of the rare class. The **average precision** asks how soon the rare rows come: a single one in place k gives 1/k; a
# model with one answer for all has 1/26. Here it is 1: the order is right, only one half is the wrong probability to
# decide at.
suspicion = without.predict_proba(X)[:, 0]
recalls = [(without.predict(X)[y == label] == label).mean() for label in (0, 1)]
place = 1 + (suspicion > suspicion[-1]).sum()
print(f"accuracy {without.score(X, y):.0%}; recall of class 0: {recalls[0]:.0%}, of class 1: {recalls[1]:.0%}")
print(f"probability of class 0: {suspicion[-1]:.2f} for the lone point, next {np.sort(suspicion)[-2]:.2f}")
print(f"average precision {1 / place:.2f}; one answer for all: {1 / 26:.2f}")
assert np.isclose(without.score(X, y), 25 / 26)
assert (recalls, place) == ([0, 1], 1)

# %% Other ways: more rows of the rare class
# `resample="bootstrap"` repeats its rows until the classes are equal. `resample="smote"` makes up rows on the straight
# line to a near neighbour of the same class, `"adasyn"` does so more often where other classes are near. Of a single
# point these two can make nothing: there is no second one to draw a line to.
assert fit(1, resample="bootstrap").predict(X)[-1] == 0
try:
    assert fit(1, resample="smote") is None  # never reached
except pf.PlanefoldError as error:
    print(str(error).splitlines()[0])

# %% The picture: the border, drawn exactly
axes = pf.plots.panels(2, size=(9, 5.5))
names = np.array(["class 0", "class 1"])
for ax, model, title in zip(axes, (without, weighted), ("Without weights", "Balanced weights"), strict=True):
    pf.plots.decision_map(pf.reading.planes(model, window), X=X, y=names[y], classes=list(names), ax=ax)
    ax.set_title("", loc="left")
    ax.set_title(title, fontsize=15)
    ax.set(xlabel="x1", ylabel="x2")
    for words in (ax.xaxis.label, ax.yaxis.label, *ax.get_legend().get_texts()):
        words.set_fontsize(12)
pf.plots.save(axes[0], "imbalance.png")
