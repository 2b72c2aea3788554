"""Watching a training loop in torch: it changes nothing, and what it records is what brute force finds."""

from __future__ import annotations

import copy
import math
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from planefold.core.errors import DataError, ParameterError
from planefold.doctor.watch import Watch

EVERYTHING = float("inf")


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.gru, self.out = nn.GRU(2, 6, batch_first=True), nn.Linear(6, 1)

    def forward(self, X):
        return self.out(self.gru(X)[0][:, -1])


class Functional(nn.Module):
    """A network whose activations are functions, not modules."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = nn.Linear(4, 8), nn.Linear(8, 5), nn.Linear(5, 1)

    def forward(self, X):
        return self.c(torch.tanh(self.b(functional.relu(self.a(X)))))


def number(tensor):
    return tensor.detach().item()


def mlp(*last, n_out=1):
    return nn.Sequential(
        nn.Linear(4, 8),
        nn.BatchNorm1d(8),
        nn.ReLU(),
        nn.Dropout(0.3),
        nn.Linear(8, 6),
        nn.Tanh(),
        nn.Linear(6, n_out),
        *last,
    )


def cnn():
    return nn.Sequential(
        nn.Conv2d(1, 3, 3, padding=1), nn.BatchNorm2d(3), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout2d(0.2),
        nn.Flatten(), nn.Linear(3 * 9, 3),
    )  # fmt: skip


def table(n_rows, shape=(4,), seed=0):
    rng = np.random.default_rng(seed)
    X = torch.as_tensor(rng.normal(size=(n_rows, *shape)), dtype=torch.float32)
    flat = X.reshape(n_rows, -1)
    return X, flat[:, :1].abs() - flat[:, 1:2]


def classes(n_rows, shape=(4,), n_classes=3):
    X, y = table(n_rows, shape)
    return X, torch.bucketize(y[:, 0], torch.linspace(0, 1, n_classes - 1) - 0.3)


CASES = {
    "mlp": (mlp, nn.MSELoss, table, (4,)),
    "cnn": (cnn, nn.CrossEntropyLoss, classes, (1, 6, 6)),
    "gru": (Recurrent, nn.L1Loss, table, (7, 2)),
}


def fit(net, loss, X, y, *, n_epochs=4, batch=16, watch=None, optimizer=None, seed=5):
    """A plain loop, as anyone writes it; returns the losses of its batches."""
    optimizer = optimizer or torch.optim.Adam(net.parameters(), lr=0.01)
    torch.manual_seed(seed)
    found = []
    for _ in range(n_epochs):
        net.train()
        for rows in torch.randperm(len(X)).split(batch):
            optimizer.zero_grad()
            value = loss(net(X[rows]), y[rows])
            value.backward()
            optimizer.step()
            found.append((len(rows), value.item()))
        if watch is not None:
            watch.epoch()
    return found


def watched(net, loss, X, y, *, val=None, share=EVERYTHING, optimizer=None, **options):
    optimizer = optimizer or torch.optim.Adam(net.parameters(), lr=0.01)
    with Watch(net, loss, train=(X, y), val=val, optimizer=optimizer, share=share) as watch:
        losses = fit(net, loss, X, y, watch=watch, optimizer=optimizer, **options)
    return watch, losses


@pytest.mark.parametrize("share", [0.0, EVERYTHING])
@pytest.mark.parametrize("case", CASES)
def test_training_is_bit_for_bit_the_same_when_it_is_watched(case, share):
    make, loss, rows, shape = CASES[case]
    X, y = rows(60, shape)
    torch.manual_seed(1)
    alone = make()
    net = copy.deepcopy(alone)
    fit(alone, loss(), X, y)
    after_alone = torch.get_rng_state()
    watch, _ = watched(net, loss(), X, y, val=rows(20, shape), share=share)
    watch.run()
    assert torch.equal(torch.get_rng_state(), after_alone)
    for (name, a), b in zip(alone.state_dict().items(), net.state_dict().values(), strict=True):
        assert torch.equal(a, b), name
    for a, b in zip(alone.parameters(), net.parameters(), strict=True):
        assert torch.equal(a.grad, b.grad)


def test_modes_are_as_they_were_also_where_parts_differ():
    net = mlp()
    net[1].eval()  # a frozen batch norm inside of a module that trains
    before = [part.training for part in net.modules()]
    watch = Watch(net, nn.MSELoss(), train=table(30))
    watch.epoch()
    assert [part.training for part in net.modules()] == before


def test_a_module_that_draws_or_counts_in_evaluation_mode_is_not_disturbed():
    class Noisy(nn.Module):
        def __init__(self):
            super().__init__()
            self.line = nn.Linear(4, 1)
            self.register_buffer("calls", torch.zeros(()))

        def forward(self, X):
            self.calls += 1
            return self.line(functional.dropout(X, 0.5, training=True))

    net = Noisy()
    torch.manual_seed(3)
    before = torch.get_rng_state()
    watch = Watch(net, nn.MSELoss(), train=table(30))
    watch.epoch()
    assert torch.equal(torch.get_rng_state(), before)
    assert float(net.calls) == 0


def test_no_hook_is_left_behind():
    net, loss = mlp(), nn.MSELoss()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    watched(net, loss, *table(40), optimizer=optimizer)
    for module in (*net.modules(), loss):
        assert not module._forward_hooks
        assert not module._forward_pre_hooks
        assert not module._backward_hooks
    assert not optimizer._optimizer_step_pre_hooks
    assert not optimizer._optimizer_step_post_hooks


@pytest.mark.parametrize("case", CASES)
def test_losses_and_their_errors_are_those_of_a_plain_evaluation(case):
    make, loss, rows, shape = CASES[case]
    X, y = rows(60, shape)
    X_val, y_val = rows(33, shape)
    torch.manual_seed(2)
    net = make()
    watch, losses = watched(net, loss(), X, y, val=(X_val, y_val))
    run = watch.run()
    net.eval()
    with torch.no_grad():
        one_by_one = [number(loss()(net(X_val[i : i + 1]), y_val[i : i + 1])) for i in range(33)]
        train_loss = number(loss()(net(X), y))
    last = run.epochs[-1]
    assert run.n_epochs == 4
    assert last.train_eval == pytest.approx(train_loss, rel=1e-5)
    assert last.val_loss == pytest.approx(np.mean(one_by_one), rel=1e-5)
    assert last.val_se == pytest.approx(np.std(one_by_one, ddof=1) / 33**0.5, rel=1e-5)
    np.testing.assert_allclose(run.val_rows[-1], one_by_one, rtol=2e-3, atol=1e-5)
    of_last = losses[-4:]
    assert last.train_loss == pytest.approx(sum(n * v for n, v in of_last) / 60, rel=1e-5)
    assert run.batch_size == 16
    assert run.iterations_per_epoch == 4


def test_scores_are_those_of_scikit_learn():
    from sklearn.metrics import accuracy_score, r2_score, recall_score

    X, y = table(60)
    net = mlp()
    run = watched(net, nn.MSELoss(), X, y)[0].run()
    net.eval()
    assert run.epochs[-1].train_score == pytest.approx(r2_score(y, net(X).detach()), abs=1e-5)
    X, y = classes(60)
    net = mlp(n_out=3)
    run = watched(net, nn.CrossEntropyLoss(), X, y, val=(X, y))[0].run()
    net.eval()
    predicted = net(X).argmax(1)
    assert run.epochs[-1].val_score == pytest.approx(accuracy_score(y, predicted))
    assert run.facts["class_recall"] == pytest.approx(recall_score(y, predicted, average=None, zero_division=0))
    assert run.facts["class_support"] == run.facts["class_counts"] == np.bincount(y).tolist()


def test_gradients_and_steps_are_those_of_the_only_step():
    X, y = table(40)
    torch.manual_seed(4)
    net = mlp()
    before = copy.deepcopy(net)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    run = watched(net, nn.MSELoss(), X, y, optimizer=optimizer, n_epochs=1, batch=40)[0].run()
    old = [w for w in before.parameters() if w.dim() > 1]
    new = [w for w in net.parameters() if w.dim() > 1]
    epoch = run.epochs[1]
    for layer, (a, b) in enumerate(zip(old, new, strict=True)):
        assert epoch.gradient_norm[layer] == pytest.approx(float(b.grad.square().mean().sqrt()), rel=1e-4)
        assert epoch.update_ratio[layer] == pytest.approx(number((b - a).norm() / a.norm()), rel=1e-4)
        assert epoch.weight_norm[layer] == pytest.approx(float(b.detach().square().mean().sqrt()), rel=1e-4)


@pytest.mark.parametrize("make", [mlp, Functional])
def test_activations_are_seen_as_modules_and_as_functions(make):
    X, y = table(60)
    net = make()
    run = watched(net, nn.MSELoss(), X, y)[0].run()
    net.eval()
    with torch.no_grad():
        if make is mlp:
            hidden = [net[:3](X), net[:6](X)]
        else:
            first = net.a(X).relu()
            hidden = [first, net.b(first).tanh()]
    last = run.epochs[-1]
    assert last.activation_mean == pytest.approx([float(a.mean()) for a in hidden], abs=1e-6)
    assert last.activation_std == pytest.approx([float(a.std(correction=0)) for a in hidden], rel=1e-5)
    assert last.dead_share == pytest.approx([float((hidden[0].amax(dim=0) <= 0).float().mean()), 0.0])
    assert last.saturated_share == pytest.approx([0.0, float((hidden[1].abs() > 0.98).float().mean())])


def test_channels_are_the_units_of_an_image_and_states_those_of_a_sequence():
    X, y = classes(60, (1, 6, 6))
    net = cnn()
    with torch.no_grad():
        net[0].weight[1] = 0
        net[0].bias[1] = -1.0
        net[1].eval()
        net[0].weight[2] = net[0].weight[0]
        net[0].bias[2] = net[0].bias[0]
    start = Watch(net, nn.CrossEntropyLoss(), train=(X, y), share=EVERYTHING).run().epochs[0]
    assert start.dead_share == pytest.approx([1 / 3])
    assert start.duplicate_share == pytest.approx([2 / 3])
    net = Recurrent()
    with torch.no_grad():
        for weight in net.gru.parameters():
            weight.fill_(0.3)
    start = Watch(net, nn.MSELoss(), train=table(60, (7, 2)), share=EVERYTHING).run().epochs[0]
    assert start.duplicate_share == (1.0,)
    assert len(start.activation_std) == 1
    assert Watch(Recurrent(), nn.MSELoss(), train=table(60, (7, 2))).run().epochs[0].duplicate_share == (0.0,)


LOSSES = {
    "mse": (nn.MSELoss(), mlp, table),
    "huber": (nn.HuberLoss(delta=0.5), mlp, table),
    "smooth": (nn.SmoothL1Loss(), mlp, table),
    "poisson": (nn.PoissonNLLLoss(), mlp, lambda n: (table(n)[0], table(n)[1].abs())),
    "ce": (nn.CrossEntropyLoss(), partial(mlp, n_out=3), classes),
    "weighted": (nn.CrossEntropyLoss(weight=torch.tensor([1.0, 3.0, 0.5])), partial(mlp, n_out=3), classes),
    "smoothing": (nn.CrossEntropyLoss(label_smoothing=0.1), partial(mlp, n_out=3), classes),
    "function": (functional.cross_entropy, partial(mlp, n_out=3), classes),
    "nll": (nn.NLLLoss(), partial(mlp, nn.LogSoftmax(dim=1), n_out=3), classes),
    "bce": (nn.BCELoss(), partial(mlp, nn.Sigmoid()), lambda n: (table(n)[0], (table(n)[1] > 0).float())),
    "logits": (
        nn.BCEWithLogitsLoss(pos_weight=torch.tensor(3.0)), mlp, lambda n: (table(n)[0], (table(n)[1] > 0).float()),
    ),
    "own": (lambda out, y: (out - y).pow(4).mean(), mlp, table),
}  # fmt: skip


@pytest.mark.parametrize("name", LOSSES)
def test_the_loss_of_rows_averages_to_the_loss_of_them_all(name):
    loss, make, rows = LOSSES[name]
    X, y = rows(50)
    net = make().eval()
    run = Watch(net, loss, train=(X, y), val=(X, y), share=EVERYTHING).run()
    assert run.epochs[0].train_eval == pytest.approx(number(loss(net(X), y)), rel=1e-5)
    assert np.nanmean(run.val_rows[0].astype(float)) == pytest.approx(run.epochs[0].val_loss, rel=2e-3)


@pytest.mark.parametrize("name", [name for name in LOSSES if name != "own"])
def test_no_constant_beats_the_trivial_loss(name):
    loss, make, rows = LOSSES[name]
    X, y = rows(50)
    run = Watch(make(), loss, train=(X, y), share=EVERYTHING).run()
    free = torch.zeros((1, make()(X).shape[1]), requires_grad=True)
    links = {"nll": lambda z: z.log_softmax(1), "bce": torch.sigmoid}
    optimizer = torch.optim.LBFGS([free], max_iter=200, line_search_fn="strong_wolfe", tolerance_change=1e-12)

    def closure():
        optimizer.zero_grad()
        value = loss(links.get(name, lambda z: z)(free).expand(50, -1), y)
        value.backward()
        return value

    optimizer.step(closure)
    assert run.trivial_loss == pytest.approx(number(closure()), rel=1e-4)


def test_a_sum_over_rows_is_recorded_as_a_mean():
    X, y = table(60)
    net = mlp()
    watch, losses = watched(net, nn.MSELoss(reduction="sum"), X, y, n_epochs=1)
    run = watch.run()
    assert run.epochs[1].train_loss == pytest.approx(sum(v for _, v in losses) / 60, rel=1e-5)
    net.eval()
    assert run.epochs[1].train_eval == pytest.approx(number(functional.mse_loss(net(X), y)), rel=1e-5)


def test_a_loss_that_couples_rows_is_refused_with_a_reason():
    with pytest.raises(ParameterError, match="is not a mean over rows"):
        Watch(mlp(), lambda out, y: (out - out.mean()).square().mean(), train=table(40))


def test_a_loss_that_cannot_be_vectorised_is_called_row_by_row():
    def branching(out, y):
        return (out - y).square().mean() if float(out.sum()) > -1e9 else out.sum()

    X, y = table(40)
    net = mlp().eval()
    run = Watch(net, branching, train=(X, y), share=EVERYTHING).run()
    assert run.epochs[0].train_eval == pytest.approx(number(functional.mse_loss(net(X), y)), rel=1e-5)


def test_losses_of_steps_can_be_told_by_hand():
    X, y = table(40)
    net = mlp()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
    with Watch(net, functional.mse_loss, train=(X, y), optimizer=optimizer) as watch:
        values = []
        for rows in torch.arange(40).split(16):
            loss = functional.mse_loss(net(X[rows]), y[rows])
            loss.backward()
            optimizer.step()
            watch.step(loss)
            values.append(loss.item())
        watch.epoch()
    assert watch.run().epochs[1].train_loss == pytest.approx(np.average(values, weights=[16, 16, 8]), rel=1e-5)


def test_wrong_pairs_of_output_and_loss_are_facts():
    X, y = classes(60)
    twice = Watch(mlp(nn.Softmax(dim=1), n_out=3), nn.CrossEntropyLoss(), train=(X, y)).run()
    assert twice.facts["sums_to_one"] == 1.0
    assert Watch(mlp(n_out=3), nn.CrossEntropyLoss(), train=(X, y)).run().facts["sums_to_one"] == 0.0
    negative = Watch(mlp(nn.Softmax(dim=1), n_out=3), nn.NLLLoss(), train=(X, y)).run()
    assert negative.facts["lowest_loss"] < 0
    X, y = table(60)
    out = Watch(mlp(nn.Sigmoid()), nn.MSELoss(), train=(X, y)).run()
    assert out.facts["targets_outside"] == pytest.approx(float(((y < 0) | (y > 1)).float().mean()))
    assert len(out.epochs[0].activation_std) == 2  # the output's sigmoid is no hidden layer
    assert "targets_outside" not in Watch(mlp(), nn.MSELoss(), train=(X, y)).run().facts


def test_scales_of_inputs_and_targets_are_facts():
    X, y = table(200)
    X = X * torch.tensor([1.0, 100.0, 1.0, 1.0]) + torch.tensor([0.0, 0.0, 50.0, 0.0])
    facts = Watch(nn.Linear(4, 1), nn.MSELoss(), train=(X, 30 * y + 1000)).run().facts
    assert 50 < facts["input_scale_ratio"] < 200
    assert 30 < facts["input_offset"] < 80
    assert facts["target_scale"] == pytest.approx(float((30 * y).std(correction=0)), rel=1e-4)


def test_settings_are_read_off_the_module_and_the_optimiser():
    net = mlp()
    optimizer = torch.optim.AdamW(net.parameters(), lr=0.02, weight_decay=0.3)
    run = watched(net, nn.MSELoss(), *table(60), optimizer=optimizer)[0].run()
    wanted = {
        "solver": "adamw", "learning_rate_init": 0.02, "alpha": 0.3, "batch_size": 16, "dropout": 0.3,
        "batch_norm": True, "activation": "relu", "hidden_layer_sizes": [8, 6], "max_iter": 4,
    }  # fmt: skip
    assert {name: run.settings[name] for name in wanted} == wanted
    assert (run.solver, run.objective, run.device) == ("adamw", "mean_squared_error", "cpu")
    assert run.n_parameters == sum(p.numel() for p in net.parameters())


def test_a_schedule_is_seen_at_the_last_step_of_the_epoch():
    X, y = table(40)
    net = mlp()
    optimizer = torch.optim.SGD(net.parameters(), lr=1.0)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)
    with Watch(net, nn.MSELoss(), train=(X, y), optimizer=optimizer) as watch:
        for _ in range(3):
            net(X).mean().backward()
            optimizer.step()
            schedule.step()
            watch.epoch()
    assert watch.run()["learning_rate"][1:].tolist() == [1.0, 0.5, 0.25]
    assert watch.run().settings["learning_rate_init"] == 1.0


def test_gradients_that_are_cut_give_away_the_length():
    X, y = table(64)
    net = mlp()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
    with Watch(net, nn.MSELoss(), train=(X, y), optimizer=optimizer, share=EVERYTHING) as watch:
        for _ in range(4):
            for rows in torch.arange(64).split(8):
                optimizer.zero_grad()
                nn.functional.mse_loss(net(X[rows]), y[rows]).backward()
                nn.utils.clip_grad_norm_(net.parameters(), 0.05)
                optimizer.step()
            watch.epoch()
    assert watch.run().settings["clip_norm"] == pytest.approx(0.05, rel=1e-3)
    assert "clip_norm" not in watched(mlp(), nn.MSELoss(), X, y)[0].run().settings


def test_start_first_and_last_epoch_are_looked_at_whatever_the_share():
    run = watched(mlp(), nn.MSELoss(), *table(60), val=table(20), share=0.0, n_epochs=6)[0].run()
    looked = [epoch.epoch for epoch in run.epochs if epoch.train_eval is not None]
    assert looked == [0, 1, 6]
    assert np.isfinite(run["train_loss"][1:]).all()
    assert np.isnan(run.val_rows[3]).all()
    assert run.best_epoch in looked


@pytest.mark.parametrize("name", LOSSES)
def test_a_look_without_the_layers_finds_the_same_losses(name):
    loss, make, rows = LOSSES[name]
    watch = Watch(make(), loss, train=rows(50), val=rows(33), share=EVERYTHING)
    start = watch.run().epochs[0]
    watch.epoch()
    watch._look(at_layers=False)
    again = watch.run().epochs[1]
    for figure in ("train_eval", "train_se", "train_score", "val_loss", "val_se", "val_score"):
        assert getattr(again, figure) == pytest.approx(getattr(start, figure), rel=1e-5), figure


def test_weights_that_were_changed_after_the_last_epoch_are_not_taken_for_its():
    net = mlp()
    watch, _ = watched(net, nn.MSELoss(), *table(60), share=0.0)
    net.load_state_dict(mlp().state_dict())
    assert watch.run().epochs[-1].train_eval is None


@pytest.mark.parametrize(("n_epochs", "most"), [(200, 5), (None, 7)])
def test_looks_are_spread_evenly_over_what_is_planned_and_stay_within_their_share(n_epochs, most):
    X, y = table(60)
    net = mlp()
    now = 0.0
    watch = Watch(net, nn.MSELoss(), train=(X, y), n_epochs=n_epochs, share=0.025)
    forward = watch._forward

    def slow(*arguments):
        nonlocal now
        now += 10.0
        return forward(*arguments)

    watch._forward, watch.budget.clock = slow, lambda: now
    watch.pace.costs, watch.pace.start_cost = {True: 10.0}, 0.0
    watch.budget.begin()
    for _ in range(200):
        now += 100.0
        watch.epoch()
    looked = [epoch.epoch for epoch in watch.run().epochs if epoch.train_eval is not None]
    assert {0, 1, 200} <= set(looked)
    assert max(np.diff(looked[5:])) <= most
    assert watch.run().recording_seconds <= 0.026 * 200 * 100.0


def test_a_loss_that_is_not_finite_is_a_diverged_run():
    X, y = table(40)
    net = nn.Linear(4, 1)
    optimizer = torch.optim.SGD(net.parameters(), lr=1e30)
    run = watched(net, nn.MSELoss(), X, y, optimizer=optimizer)[0].run()
    assert run.stopped_because == "diverged"


def test_a_loop_that_is_interrupted_says_so():
    with pytest.raises(KeyboardInterrupt), Watch(mlp(), nn.MSELoss(), train=table(40)) as watch:
        raise KeyboardInterrupt
    assert watch.run().stopped_because == "interrupted"


def test_several_inputs_arrays_whole_numbers_and_a_tensor_dataset_will_do():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed, self.line = nn.Embedding(5, 3), nn.Linear(7, 1)

        def forward(self, X, code):
            return self.line(torch.cat([X, self.embed(code)], dim=1))

    X, y = table(40)
    code = torch.arange(40) % 5
    run = Watch(Two(), nn.MSELoss(), train=((X.double().numpy(), code.numpy()), y.numpy())).run()
    same = Watch(Two(), nn.MSELoss(), train=torch.utils.data.TensorDataset(X, code, y)).run()
    assert run.n_train == same.n_train == 40


def test_rows_that_are_wide_pass_in_parts_and_give_the_same():
    X, y = table(60, (1, 64, 64))
    net = nn.Sequential(nn.Conv2d(1, 2, 5, stride=4), nn.ReLU(), nn.Flatten(), nn.Linear(450, 1))
    run = Watch(net, nn.MSELoss(), train=(X, y), val=(X, y), share=EVERYTHING).run()
    hidden = net[:2](X).detach()
    assert run.epochs[0].train_eval == pytest.approx(number(functional.mse_loss(net(X), y)), rel=1e-5)
    assert run.epochs[0].activation_mean == pytest.approx([number(hidden.mean())], rel=0.1)  # of some positions
    assert len(run.epochs[0].activation_mean) == 1


def test_targets_without_the_outputs_last_axis_are_those_of_one_column():
    X, y = table(40)
    net = mlp().eval()
    run = Watch(net, nn.MSELoss(), train=(X, y[:, 0]), share=EVERYTHING).run()
    assert run.epochs[0].train_eval == pytest.approx(number(functional.mse_loss(net(X), y)), rel=1e-5)


def test_classes_of_the_steps_of_a_sequence_may_come_last():
    X = torch.randn(20, 7, 2, generator=torch.Generator().manual_seed(0))
    y = (X.sum(dim=2) > 0).long()
    net = nn.Linear(2, 3)
    run = Watch(net, nn.CrossEntropyLoss(), train=(X, y), val=(X, y), share=EVERYTHING).run()
    assert run.epochs[0].train_eval == pytest.approx(
        number(functional.cross_entropy(net(X).reshape(-1, 3), y.reshape(-1))), rel=1e-5
    )
    assert run.trivial_loss < math.log(2) + 0.01


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"train": (torch.zeros(3, 4), torch.zeros(2, 1))}, "same number of rows"),
        ({"train": (torch.zeros(0, 4), torch.zeros(0, 1))}, "same number of rows"),
        ({"train": torch.zeros(3, 4)}, "is not a pair"),
        ({"train": (torch.zeros(3, 5), torch.zeros(3, 1))}, "does not take the rows"),
        ({"train": (torch.zeros(3, 4), torch.zeros(3, 2))}, "outputs have the shape"),
        ({"train": ([["a"]], torch.zeros(1, 1))}, "no tensor of numbers"),
        ({"train": table(9), "share": -1}, "share=-1"),
        ({"train": table(9), "loss": 3}, "loss=3"),
        ({"train": table(9), "module": "net"}, "is not a torch.nn.Module"),
        ({"train": table(9), "module": nn.LazyLinear(1)}, "shapes are not known"),
    ],
)
def test_what_cannot_be_watched_is_said_before_training(arguments, message):
    given = {"module": mlp(), "loss": nn.MSELoss()} | arguments
    with pytest.raises((DataError, ParameterError), match=message):
        Watch(given.pop("module"), given.pop("loss"), **given)


def test_a_run_goes_through_a_file_and_the_doctor():
    from planefold.engine.run import Run

    watch, _ = watched(mlp(), nn.MSELoss(), *table(60), val=table(20), n_epochs=6)
    run = watch.run()
    again = Run.from_lines(run.to_lines())
    assert again.epochs[-1] == run.epochs[-1]
    assert dict(again.settings) == run.settings
    assert watch.diagnose().verdict


def test_the_engine_and_the_watch_say_the_same_of_the_same_network():
    from planefold.engine import OBJECTIVES, Plan, Rows
    from planefold.engine.loop import train
    from planefold.networks import MLPSpec

    X, y = table(50)
    ours = MLPSpec(n_features=4, n_outputs=1, hidden_layer_sizes=(8, 5), activation="tanh").build(
        np.random.RandomState(0), dtype=torch.float32
    )
    net = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 5), nn.Tanh(), nn.Linear(5, 1))
    layers = [part for part in net if isinstance(part, nn.Linear)]
    with torch.no_grad():
        for layer, coef, intercept in zip(layers, ours.coefs, ours.intercepts, strict=True):
            coef.mul_(4)
            layer.weight.copy_(coef[0].T)
            layer.bias.copy_(intercept.reshape(-1))
    rows = Rows(X=X, y=y)
    plan = Plan(
        max_iter=1, solver="sgd", momentum=0.0, learning_rate_init=0.01, alpha=0.0, batch_size=50, shuffle=False
    )
    run = train(ours, rows, OBJECTIVES["mean_squared_error"], plan, random_state=np.random.RandomState(0))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
    seen = watched(net, nn.MSELoss(), X, y, optimizer=optimizer, n_epochs=1, batch=50)[0].run()
    for name in (
        "activation_mean",
        "activation_std",
        "saturated_share",
        "gradient_norm",
        "update_ratio",
        "weight_norm",
    ):
        theirs, mine = getattr(run.epochs[-1], name), getattr(seen.epochs[-1], name)
        assert mine == pytest.approx(theirs, rel=2e-3, abs=1e-6), name
    assert seen.trivial_loss == pytest.approx(run.trivial_loss, rel=1e-5)
    assert seen.epochs[1].train_loss == pytest.approx(run.epochs[-1].train_loss, rel=1e-4)
    assert seen.facts["input_scale"] == pytest.approx(run.facts["input_scale"], rel=1e-5)
