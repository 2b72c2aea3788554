"""Learning curves: what two lines say of a training.

After each pass over the rows (an **epoch**) two losses are written down: that of the rows the network learns from, and
that of rows it has never seen, the **validation** rows. Drawn over the epochs they are the learning curves. Small
trainings are made on purpose here, and `diagnose()` says what it sees, by a code that has a page in the documentation.

Needs: the lessons `pipeline` and `forward`; what a training is, not how it is done.
"""

# %% The subject: how high is the tide?
# The sea rises and falls once in 12.4 hours. From the hour a network is to learn the height of the water in metres.
# Waves disturb each reading by `noise` metres. The last weights are kept: otherwise hardly anything could go wrong.
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
# the training rows fits them a little better than any others. That is the **generalisation gap**; small is good.
calm, unseen, how = tide(400, 0.3, seed=2), tide(500, 0.3, seed=101), {"hidden_layer_sizes": (32, 32), "batch_size": 50}
good = train("good fit", "good fit", calm, unseen, 60, **how)
assert 0 < good.run_.epochs[-1].val_loss - good.run_.epochs[-1].train_eval < 0.02

# %% Loss and metric
# The **loss** is what the training lowers: here half of the squared error, in units of the target's variance, so that
# always predicting the mean costs 0.5. The **metric** is what you tell other people: by how many metres is it wrong?
wrong_by = np.sqrt(np.mean((good.predict(unseen[0]) - unseen[1]) ** 2))
print(f"typical error {wrong_by:.2f} m, of which the waves alone make 0.30 m; R^2 = {good.score(*unseen):.3f}")
assert np.isclose(good.run_.trivial_loss, 0.5)
assert np.isclose(good.run_.epochs[-1].val_loss, 0.5 * wrong_by**2 / calm[1].var(), rtol=1e-3)

# %% When the two disagree
# Of classes the metric is often the **accuracy**, the share of right answers: on which side of one half a probability
# lies. The loss asks how sure the network was, too. Below, the loss on unseen rows nearly doubles after its lowest
# point and the accuracy does not fall: as seldom wrong as before, but far too sure of it (`LC102`).
side = np.arange(600) % 2
cloud = np.random.default_rng(9).normal(size=(600, 2)) + np.outer(2 * side - 1, [1.0, 0.3])
sure = pf.MLPClassifier((32, 32), **plain, max_iter=150, n_iter_no_change=150)
sure.fit(cloud[:100], side[:100], validation_data=(cloud[100:], side[100:]))
best, loss, right = sure.run_.best_epoch, sure.run_["val_loss"], sure.run_["val_score"]
print(f"epoch {best}: loss {loss[best]:.2f}, accuracy {right[best]:.2f}; epoch 150: {loss[-1]:.2f}, {right[-1]:.2f}")
assert loss[-1] > 1.4 * loss[best]
assert "LC102" in [finding.code for finding in sure.diagnose()]

# %% Underfit: flat, or still falling
# A straight line cannot follow a wave: both losses stay where always predicting the mean is. The other network could
# do it, but the training was stopped too early: both lines are still on their way down.
flat = train("underfit, flat", "LC201 hardly learned", calm, unseen, 90, hidden_layer_sizes=())
slow = {"hidden_layer_sizes": (32,), "learning_rate": "constant", "learning_rate_init": 0.003}
falling = train("underfit, still falling", "LC301 still improving", calm, unseen, 50, **slow)
assert flat.run_.epochs[-1].val_loss > 0.9 * 0.5
assert falling.run_["val_loss"][-1] == falling.run_["val_loss"].min()

# %% Overfit: the turning point
# Twenty readings on a rough day, and 4,400 weights. The training line falls on and on: the network learns the waves by
# heart. The validation line turns: from there on the network gets worse. `restore_best=True`, the default, keeps the
# weights of that epoch.
few, many = tide(20, 0.8, seed=2), tide(500, 0.8, seed=100)
overfit = train("overfit", "LC101 overfit", few, many, 300, hidden_layer_sizes=(64, 64), learning_rate="constant")
turn = overfit.run_.epochs[overfit.run_.best_epoch]
print(f"{'':24} it turned in epoch {turn.epoch} of 300, at {turn.val_loss:.3f}")
assert overfit.run_["val_loss"][-1] > 1.2 * turn.val_loss

# %% Rows that are no fair sample
# Fifteen training readings leave hours without any: both lines become flat, far apart. Only more rows would help. Five
# validation readings say little, others would have drawn another line: the shade in the picture is that doubt. And
# validation readings from a day without wind are easier: their line lies below that of training and promises too much.
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

# %% The pictures: the line of training is dashed, that of validation solid
fits = {"Good fit": good, "Underfit: flat": flat, "Underfit: still falling": falling, "Overfit": overfit}
rows = {"Too few to learn from": small, "Too few to judge by": noisy, "Easier to judge by": easy, "Too sure": sure}
for file, models in (("learning_curves_fits.png", fits), ("learning_curves_rows.png", rows)):
    axes = pf.plots.panels(2, 2, size=(7.6, 6.2))
    for ax, (name, model) in zip(axes, models.items(), strict=True):
        pf.plots.curves(model.run_, ax=ax).set_title(name, fontsize=14)
        ax.set(yscale="linear", ylim=(0, 0.7), ylabel="Loss")
        ax.get_legend().set_visible(ax is axes[2])  # one is enough
    pf.plots.save(axes[0], file)
