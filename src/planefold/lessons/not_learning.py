"""Is it learning at all? Seven ways in which a training stands still.

A training that does not learn gives no error. It runs through, and a model comes out that knows nothing. Here seven
small trainings are spoilt on purpose, one cause at a time. Of each we look at the number that gives it away, ask
`diagnose()` what it sees, do what it advises, and compare the loss before and after.

Needs: the lessons `learning_rates`, `backpropagation` and `learning_curves`; for the limit of the rate also `hessian`.
"""

# %% The first question: does the cost fall?
# The **cost** is what the training lowers: the mean loss of the rows. If each step sees all rows and follows the
# gradient, the cost must not rise, as long as the steps are short enough. How short is known exactly for a straight
# line: the learning rate must stay below 2 divided by the largest curvature of the cost (see the lesson `hessian`).
import numpy as np

import planefold as pf

rng = np.random.default_rng(0)
X = rng.normal(size=(100, 2)) * [1, 3]
y = 1 + X @ [1, -2] + 0.1 * rng.normal(size=100)
with_ones = np.column_stack([np.ones(100), X])
limit = 2 / np.linalg.eigvalsh(with_ones.T @ with_ones / 100).max()
line = {**pf.SKLEARN_DEFAULTS, "hidden_layer_sizes": (), "solver": "sgd", "momentum": 0, "alpha": 0, "batch_size": 100}
line |= {"max_iter": 20, "n_iter_no_change": 20, "callbacks": [lambda epoch: epoch.epoch == 20], "random_state": 0}
below, above = (pf.MLPRegressor(**{**line, "learning_rate_init": k * limit}).fit(X, y) for k in (0.9, 1.02))
costs = {"10 % below": below.run_["objective"][1:], "2 % above": above.run_["objective"][1:]}
for name, cost in costs.items():
    print(f"rate {name} {limit:.4f}: cost {cost[0]:.1f}, {cost[1]:.1f}, {cost[2]:.1f}, ... {cost[-1]:.2f}")
print("2 % above:", above.diagnose()[0].code, above.diagnose()[0].title)
assert max(np.diff(costs["10 % below"])) < 0 < min(np.diff(costs["2 % above"]))
assert (below.diagnose().healthy, above.diagnose()[0].code) == (True, "GR201")

# %% The task for the rest: a dart board
# Did a dart hit the round board? Two inputs say where it struck, the answer is yes or no. Who knows nothing answers
# "one half" each time, which costs ln 2 = 0.693. A healthy network is far below that after 18 epochs.
darts = rng.uniform(-2, 2, (400, 2))
hit = (darts**2).sum(axis=1) < 2.5
usual = {"hidden_layer_sizes": (16, 16), "n_members": 1, "skip": None, "dropout": 0, "preprocess": None, "max_iter": 18}
usual |= {"n_iter_no_change": 18, "batch_size": 16, "restore_best": False, "random_state": 0}
table, healthy = {}, pf.MLPClassifier(**usual).fit(darts, hit)
print(f"\nhealthy: loss {healthy.run_.epochs[-1].train_eval:.3f} where knowing nothing costs {np.log(2):.3f}")
assert healthy.run_.epochs[-1].train_eval < 0.2
assert healthy.diagnose().healthy


def spoil(name, code, **how):  # train badly, ask the doctor, train again as it advises
    sick = pf.MLPClassifier(**{**usual, **how}).fit(darts, hit)
    told, again = sick.diagnose()[0], sick.retrain(sick.diagnose(), darts, hit)
    before, after = (run.epochs[-1].train_eval for run in (again.before, again.after))
    advice = ", ".join(f"{key}={new!r}" for key, (_, new) in again.changed.items())
    print(f"{told.code} {told.title}: {told.what}\n  try {advice}: loss {before:.3f} -> {after:.3f}")
    assert (told.code, again.outcome) == (code, "better")
    table[f"{name} ({code})"] = before, after
    return sick.run_.epochs


# %% The learning rate is too large, or too small
# Long steps throw the weights far away: what was learned before is gone, and often the units never recover. In steps of
# a hair's breadth nobody arrives. About a thousandth of the weights' size is usual.
large = spoil("rate too large", "GR201", learning_rate_init=1.0)[1].update_ratio
small = spoil("rate too small", "GR202", learning_rate_init=1e-6)[1].update_ratio
assert np.median(small) < 1.5e-4 < 0.02 < np.median(large)

# %% The gradient vanishes
# In backpropagation each layer multiplies the gradient by its weights and by the slopes of its units. The slope of a
# logistic unit is at most one quarter, and six of them make a four-thousandth. ReLU has the slope 1 where it is active.
vanishing = spoil("vanishing gradients", "GR301", hidden_layer_sizes=(16,) * 6, activation="logistic")[1].gradient_norm
print("  size of the gradient by layer:", " ".join(f"{size:.0e}" for size in vanishing))
assert vanishing[0] < 2e-3 * vanishing[-1]

# %% Dead ReLUs, saturated units
# A ReLU passes on what is above zero. With a bias of -5 it answers 0 to nearly every dart, with the slope 0: without a
# gradient it does not learn. And tanh is flat near -1 and 1, where far too large first weights put its units.
dead = spoil("dead units", "GR401", init=pf.Initialization("he_normal", bias=-5))[0].dead_share
drawn = pf.Initialization("normal", scale=10)
saturated = spoil("saturated units", "GR402", init=drawn, activation="tanh")[0].saturated_share
print("  by layer, dead:", *map("{:.0%}".format, dead), " saturated:", *map("{:.0%}".format, saturated))
assert min(dead + saturated) > 0.5

# %% All weights begin at zero
# Units of a layer whose weights, in and out, begin equal get equal gradients. So they stay equal: sixteen copies of one
# unit. That is why first weights are drawn at random.
assert min(spoil("all zero", "GR403", init="zeros")[0].duplicate_share) == 1

# %% The signal explodes
# First weights that are too large make each layer's answers larger than those before. The first loss tells.
deep = {"hidden_layer_sizes": (16,) * 6, "solver": "sgd", "init": pf.Initialization("normal", scale=1)}
spread = spoil("exploding signal", "GR102", **deep)[0].activation_std
print("  spread of the answers by layer:", " ".join(f"{size:.0f}" for size in spread))
assert spread[-1] > 30 * spread[0]

# %% The pictures: the two signs that are seen best, and what the advice brought
relu = pf.MLPClassifier(**{**usual, "hidden_layer_sizes": (16,) * 6}).fit(darts, hit).run_.epochs[1].gradient_norm
left, right = pf.plots.panels(2, size=(9.6, 4))
pf.plots.lines(costs, x="step", y="cost", title="Rates around the limit", log="y", ax=left)
by_layer = {"logistic": (np.arange(1, 8), vanishing), "relu": (np.arange(1, 8), relu)}
pf.plots.lines(by_layer, x="layer", y="size of the gradient", title="In the first epoch", log="y", dots=True, ax=right)
pf.plots.save(left, "not_learning.png")
ax = pf.plots.matrix(list(table.values()), rows=list(table), columns=["before", "after"], title="Loss")
pf.plots.save(ax, "not_learning_cures.png")
