"""Dropout: learn without relying on anyone.

A team in which one person knows everything is in trouble on the day that person is ill. In **dropout** every training
step sends some of the hidden units home, drawn at random. Each unit has to be useful with whoever is there. We draw
such thinned networks, see why the others are made stronger meanwhile, and measure whether less is learned by heart.

Needs: the lesson `forward`; what a probability is.
"""

# %% Drawing a mask
# `rate` is the chance of a unit to be left out. For each row of each step a number between 0 and 1 is drawn for every
# hidden unit; below the rate the unit is out. The list of ones and zeros is called a **mask**.
import numpy as np

import planefold as pf

rng = np.random.default_rng(4)
masks = [[(rng.random(n_units) >= 0.5).astype(int) for n_units in (5, 4)] for _ in range(3)]
for first, second in masks:
    print(f"first layer {first}, second layer {second}: {first.sum() + second.sum()} of 9 units stay")
print(f"there are 2^9 = {2**9} such networks; they all share their weights")

# %% Who stays is made stronger
# With half of the units gone, the next layer would on average receive half of what it is used to. So what a unit passes
# on is multiplied by 1 / (1 - rate) if it stays, at the rate 0.5 by 2. This is called **inverted dropout**. On average
# over the masks the next layer then gets exactly what it would get from all units. Four units are few enough to try all
# 16 masks, here at the rate 0.2.
units = np.array([0.3, 1.2, 0.0, 2.5])  # what four hidden units pass on
weights = np.array([0.7, -0.4, 1.1, 0.2])
full, rate = units @ weights, 0.2
all_masks = np.indices((2, 2, 2, 2)).reshape(4, 16).T  # 0000, 0001, 0010, ... 1111
chances = np.prod(np.where(all_masks == 1, 1 - rate, rate), axis=1)  # of each mask; together 1
received = (all_masks * units / (1 - rate)) @ weights
not_scaled = chances @ (all_masks * units @ weights)
print(f"all units give {full:.4f}; mean over all 16 masks {chances @ received:.4f}, not made stronger {not_scaled:.4f}")
assert np.allclose([chances.sum(), chances @ received, not_scaled], [1, full, (1 - rate) * full])
measured = ((rng.random((20_000, 4)) >= rate) * units / (1 - rate)) @ weights
print(f"mean over 20,000 masks drawn at random: {measured.mean():.3f}")
assert abs(measured.mean() - full) < 0.04

# %% Exact for one layer, nearly so for the whole network
# The mean stays equal as long as only sums follow. After a bend (a ReLU) it does not quite: the mean of bent numbers is
# not the bent mean. That error is the price of predicting with one network instead of all the thinned ones.
bent = chances @ np.maximum(received, 0)
print(f"after a ReLU: mean over the masks {bent:.3f}, all units {max(full, 0):.3f}")
assert bent > max(full, 0)


# %% A network that learns by heart
# 100 rows, 64 + 64 hidden units: 4,609 weights and biases. The **loss** says how wrong the answers are. Without dropout
# it goes to zero on the training rows and rises on 500 unseen rows (validation). Dropout makes the training harder and
# the result better, up to a point: 0.8 is too much. All losses of the table are measured with all units on.
def table(n, seed):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 5))
    return X, np.sin(1.5 * X[:, 0]) + 0.5 * X[:, 1] + 0.8 * rng.normal(size=n)


def fit(dropout):
    plain = {"n_members": 1, "skip": None, "preprocess": None, "restore_best": False, "random_state": 0}
    model = pf.MLPRegressor(hidden_layer_sizes=(64, 64), dropout=dropout, max_iter=150, n_iter_no_change=150, **plain)
    return model.fit(*table(100, seed=1), validation_data=table(500, seed=51))


models = {rate: fit(rate) for rate in (0, 0.2, 0.5, 0.8)}
ends = [model.run_.epochs[-1] for model in models.values()]
print("rate   training loss   validation loss")
for rate, end in zip(models, ends, strict=True):
    print(f"{rate:4}   {end.train_eval:13.3f}   {end.val_loss:15.3f}")
assert (np.diff([end.train_eval for end in ends]) > 0).all()  # the higher the rate, the worse on the training rows
assert ends[2].val_loss < min(0.75 * ends[0].val_loss, ends[3].val_loss)
assert (ends[0].train_eval < 0.01) & (models[0].run_.n_parameters == 4609)

# %% Dropout or stopping early?
# Without dropout the loss on unseen rows was low once, early, and rose again. Keeping the weights of that epoch
# (`restore_best=True`, the default) is another cure, and here as good. With dropout there is no need to hit the moment.
unseen = {rate: model.run_["val_loss"] for rate, model in models.items()}
for rate in (0, 0.5):
    lowest, last = unseen[rate].min(), unseen[rate][-1]
    print(f"rate {rate:3}: validation loss lowest {lowest:.3f} in epoch {unseen[rate].argmin()}, after 150 {last:.3f}")
assert unseen[0.5][-1] < 1.1 * unseen[0.5].min() < 0.9 * unseen[0][-1]
assert abs(unseen[0].min() - unseen[0.5][-1]) < 0.1

# %% In prediction all units are on
# So the same row gets the same answer each time. And the loss noted *during* the training, of thinned networks, is
# higher here than that of the whole network on the same rows.
print(f"rate 0.5: training loss {ends[2].train_loss:.3f} with units left out, {ends[2].train_eval:.3f} with all")
X = table(10, seed=2)[0]
assert (models[0.5].predict(X) == models[0.5].predict(X)).all()  # nothing is drawn
assert ends[2].train_loss > 1.1 * ends[2].train_eval

# %% The pictures: three of the 512 networks, and what dropout does to the curves
axes = pf.plots.panels(3, size=(9.6, 4.2))
for number, (ax, masks_of) in enumerate(zip(axes, masks, strict=True), start=1):
    off = [(layer, unit) for layer, mask in enumerate(masks_of, start=1) for unit in np.flatnonzero(mask == 0)]
    pf.plots.diagram([3, 5, 4, 1], off=off, title=f"Draw {number}", ax=ax)
pf.plots.save(axes[0], "dropout.png")
curves = {f"rate {rate}": unseen[rate] for rate in (0, 0.5, 0.8)}
ax = pf.plots.lines(curves, x="Epoch", y="Loss on unseen rows", title="Dropout against learning by heart")
pf.plots.save(ax, "dropout_curves.png")
