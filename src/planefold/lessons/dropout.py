"""Dropout: learn without relying on anyone.

A team in which one person knows everything is in trouble on the day that person is ill. In **dropout** every training
step sends some of the hidden units home, drawn at random. Each unit has to be useful with whoever is there. We draw
such thinned networks, see why the others are made stronger meanwhile, and measure what it does against overfitting.

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
# With half of the units gone, the next layer would receive half of what it is used to. So each unit that stays is
# multiplied by 1 / (1 - rate), at the rate 0.5 by 2. This is called **inverted dropout**. On average over the masks the
# next layer then gets exactly what it would get from all units. Four units are few enough to try all 16 masks.
units = np.array([0.3, 1.2, 0.0, 2.5])  # what four hidden units pass on
weights = np.array([0.7, -0.4, 1.1, 0.2])
full = units @ weights
rate = 0.2
all_masks = np.indices((2, 2, 2, 2)).reshape(4, 16).T  # 0000, 0001, 0010, ... 1111
chances = np.prod(np.where(all_masks == 1, 1 - rate, rate), axis=1)  # of each mask; together 1
received = (all_masks * units / (1 - rate)) @ weights
print(f"all units together give {full:.4f}")
print(
    f"mean over all 16 masks, scaled: {chances @ received:.4f}; not scaled: {chances @ all_masks * units @ weights:.4f}"
)
assert np.allclose([chances.sum(), chances @ received], [1, full])
assert np.isclose(chances @ all_masks * units @ weights, (1 - rate) * full)
measured = ((rng.random((20_000, 4)) >= rate) * units / (1 - rate)) @ weights
print(f"mean over 20,000 masks drawn at random: {measured.mean():.3f}")
assert abs(measured.mean() - full) < 0.02

# %% Exact for one layer, nearly so for the whole network
# The mean stays equal as long as only sums follow. After a bend (a ReLU) it does not quite: the mean of bent numbers is
# not the bent mean. That error is the price of using one network in prediction instead of 512.
bent = chances @ np.maximum(received, 0)
print(f"after a ReLU: mean over the masks {bent:.3f}, all units {max(full, 0):.3f}")
assert bent > max(full, 0)

# %% A network that learns by heart
# 100 rows, 64 + 64 hidden units: 4,600 weights and biases. Without dropout the training loss goes to zero and the loss
# on 500 unseen rows rises. Dropout makes the training harder and the result better, up to a point: with a rate of 0.8
# too few are left to learn with. All losses are measured with all units on.


def table(n, seed):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 5))
    return X, np.sin(1.5 * X[:, 0]) + 0.5 * X[:, 1] + 0.8 * rng.normal(size=n)


def fit(dropout):
    plain = {"n_members": 1, "skip": None, "preprocess": None, "restore_best": False, "random_state": 0}
    model = pf.MLPRegressor(hidden_layer_sizes=(64, 64), dropout=dropout, max_iter=150, n_iter_no_change=150, **plain)
    return model.fit(*table(100, seed=1), validation_data=table(500, seed=51))


models = {rate: fit(rate) for rate in (0, 0.2, 0.5, 0.8)}
print("rate   training loss   validation loss")
for rate, model in models.items():
    end = model.run_.epochs[-1]
    print(f"{rate:4}   {end.train_eval:13.3f}   {end.val_loss:15.3f}")
ends = [model.run_.epochs[-1] for model in models.values()]
assert (np.diff([end.train_eval for end in ends]) > 0).all()  # the higher the rate, the worse on the training rows
assert ends[2].val_loss < min(0.75 * ends[0].val_loss, ends[3].val_loss)

# %% Dropout or stopping early?
# Without dropout the loss on unseen rows was low once, early, and rose again. Keeping the weights of that epoch
# (`restore_best=True`, the default) is another cure, and here as good. With dropout there is no need to hit the moment.
unseen = {rate: model.run_["val_loss"] for rate, model in models.items()}
print(f"no dropout: lowest {unseen[0].min():.3f} in epoch {unseen[0].argmin()} of 150, {unseen[0][-1]:.3f} at the end")
print(f"rate 0.5:   lowest {unseen[0.5].min():.3f}, {unseen[0.5][-1]:.3f} at the end")
assert unseen[0.5][-1] < 1.1 * unseen[0.5].min() < 0.9 * unseen[0][-1]

# %% In prediction all units are on
# So the same row gets the same answer each time. And the loss noted *during* the training, of thinned networks, is
# higher than that of the whole network on the same rows. (`dropout=(0.2, 0.5)` gives each layer a rate of its own.)
row, by_layer = table(1, seed=2)[0], fit((0.2, 0.5)).run_.epochs[-1].val_loss
print(f"rate 0.5: {ends[2].train_loss:.3f} while units were left out, {ends[2].train_eval:.3f} with all of them")
print(f"rates 0.2 and 0.5: validation {by_layer:.3f}")
assert models[0.5].predict(row) == models[0.5].predict(row)  # nothing is drawn
assert ends[2].train_loss > 1.1 * ends[2].train_eval
assert by_layer < 0.75 * ends[0].val_loss

# %% The pictures: three of the 512 networks, and what dropout does to the curves
axes = pf.plots.panels(3, size=(10.2, 4.6))
for number, (ax, masks_of) in enumerate(zip(axes, masks, strict=True), start=1):
    off = [(layer, unit) for layer, mask in enumerate(masks_of, start=1) for unit in np.flatnonzero(mask == 0)]
    pf.plots.diagram([3, 5, 4, 1], off=off, title=f"Draw {number}", ax=ax)
pf.plots.save(axes[0], "dropout.png")
curves = {f"rate {rate}": unseen[rate] for rate in (0, 0.5, 0.8)}
ax = pf.plots.lines(curves, x="Epoch", y="Loss on unseen rows", title="Dropout against learning by heart")
pf.plots.save(ax, "dropout_curves.png")
