"""Learning curves: what two lines say of a training.

After each pass over the rows (an **epoch**) two losses are written down: that of the rows the network learns from, and
that of rows it has never seen, the **validation** rows. Drawn over the epochs they are the learning curves. Small
trainings go right or wrong on purpose here, and `diagnose()` says what it sees, by a code that has a page in the
documentation.

Needs: the lessons `pipeline` and `forward`; what a training is, not how it is done.
"""

# %% The subject: how high is the tide?
# The sea rises and falls once in 12.4 hours. From the hour a network is to learn the height of the water in metres.
# Waves disturb each reading by about `noise` metres. `plain` turns off what our models do against most of these faults.
import numpy as np

import planefold as pf

plain = {"n_members": 1, "skip": None, "dropout": 0, "encoding": "linear", "restore_best": False, "random_state": 0}


def tide(n, noise, seed):
    rng = np.random.default_rng(seed)
    hour = rng.uniform(0, 18, (n, 1))
    return hour, 2 + 1.5 * np.sin(2 * np.pi * hour[:, 0] / 12.4) + noise * rng.normal(size=n)


def train(name, expected, rows, unseen, n_epochs, **how):
    how |= {"max_iter": n_epochs, "n_iter_no_change": n_epochs, "callbacks": [lambda epoch: epoch.epoch == n_epochs]}
    model = pf.MLPRegressor(**plain, **how).fit(*rows, validation_data=unseen)
    end, told = model.run_.epochs[-1], [f"{found.code} {found.title}" for found in model.diagnose()]
    words = told[0] if told else model.diagnose().verdict
    print(f"{name:24} training {end.train_eval:.3f}   validation {end.val_loss:.3f}   {words}")
    assert words == expected
    return model


# %% A good fit, and its gap
# Both lines fall, become flat, and stay close together. The validation line lies a little higher: what was learned from
# the training rows usually fits them better than others. That is the **generalisation gap**; small is good.
calm, unseen, how = tide(400, 0.3, seed=2), tide(500, 0.3, seed=101), {"hidden_layer_sizes": (32, 32), "batch_size": 50}
good = train("good fit", "good fit", calm, unseen, 60, **how)
assert 0 < good.run_.epochs[-1].val_loss - good.run_.epochs[-1].train_eval < 0.02

# %% Loss and metric
# The **loss** is what the training lowers: here half of the mean squared error, divided by that of always predicting
# the mean (the variance), so that this costs 0.5. The **metric** is what you tell others: by how many metres is it
# wrong?
wrong_by = np.sqrt(np.mean((good.predict(unseen[0]) - unseen[1]) ** 2))
print(f"typical error {wrong_by:.2f} m, where the waves alone make 0.30 m; R^2 = {good.score(*unseen):.3f}")
assert np.isclose(good.run_.trivial_loss, 0.5)
assert np.isclose(good.run_.epochs[-1].val_loss, 0.5 * wrong_by**2 / calm[1].var(), rtol=1e-3)

# %% Underfit: flat, or still falling
# A straight line cannot follow a wave: both losses stay at about 0.5, as if it always said the mean. The other network
# could do it, but the training was stopped too early: both lines are still on their way down.
flat = train("underfit, flat", "LC201 hardly learned", calm, unseen, 90, hidden_layer_sizes=())
slow = {"hidden_layer_sizes": (32,), "learning_rate": "constant", "learning_rate_init": 0.003}
falling = train("underfit, still falling", "LC301 still improving", calm, unseen, 50, **slow)
assert flat.run_.epochs[-1].val_loss > 0.9 * 0.5
assert falling.run_["val_loss"][-1] == falling.run_["val_loss"].min()

# %% Overfit: the turning point
# Twenty readings on a rough day, and 4,353 weights and biases. The training line falls on and on: the network learns
# the waves by heart. The validation line turns: from there on the network gets worse. `restore_best=True`, the default,
# keeps the weights of that epoch.
few, many = tide(20, 0.8, seed=2), tide(500, 0.8, seed=100)
overfit = train("overfit", "LC101 overfit", few, many, 300, hidden_layer_sizes=(64, 64), learning_rate="constant")
turn = overfit.run_.epochs[overfit.run_.best_epoch]
print(f"{'':24} it turned in epoch {turn.epoch} of 300, at {turn.val_loss:.3f}")
assert overfit.run_["val_loss"][-1] > 1.2 * turn.val_loss
assert overfit.run_.n_parameters == 4353

# %% Rows that are no fair sample
# Fifteen training readings leave hours without any: both lines become flat, far apart. More rows would help. Five
# validation readings say little, others would have drawn another line: the shade in the picture is that doubt. And
# validation readings of a calm day are easier: their line lies below that of training and promises too much. (R^2 is 1
# for a perfect model and 0 for one that always says the mean.)
sparse, wide = tide(15, 0.5, seed=7), {"hidden_layer_sizes": (64, 64)}
small = train("training rows too few", "LC501 gap", sparse, tide(500, 0.5, seed=100), 60, **wide)
windy = tide(400, 0.5, seed=1)
noisy = train("validation rows too few", "LC601 validation too small", windy, tide(5, 0.5, 103), 60, **how)
others = [noisy.score(*tide(5, 0.5, seed)) for seed in range(110, 114)]
print(f"{'':24} the same network, R^2 on four other fives: {np.round(others, 2).tolist()}")
easy = train("validation rows easier", "LC602 validation easier", windy, tide(200, 0.1, 102), 60, **how)
assert np.ptp(others) > 0.1
assert easy.run_.epochs[-1].val_loss < 0.5 * easy.run_.epochs[-1].train_eval
assert small.run_.epochs[-1].val_loss > 2 * small.run_.epochs[-1].train_eval

# %% The pictures: the line of training is dashed, that of validation solid, and "trivial rule" always says the mean
fits = {"Good fit": good, "Underfit: flat": flat, "Underfit: still falling": falling, "Overfit": overfit}
rows = {"Few to learn from": small, "Few to judge by": noisy, "Easy to judge by": easy}
boards = pf.plots.panels(2, 2, size=(7.6, 6.2)), pf.plots.panels(3, size=(7.8, 3.4))
for axes, models in zip(boards, (fits, rows), strict=True):
    for ax, (name, model) in zip(axes, models.items(), strict=True):
        pf.plots.curves(model.run_, ax=ax).set_title(name, fontsize=14)
        ax.set(yscale="linear", ylim=(0, 0.7), xlabel="epoch", ylabel="loss")
        ax.get_legend().set_visible(ax is axes[2])  # one is enough
pf.plots.save(boards[0][0], "learning_curves.png")
pf.plots.save(boards[1][0], "learning_curves_rows.png")
