"""Batch normalisation against torch's own layer, a table worked by hand, and the network it folds into."""

from __future__ import annotations

import copy
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from planefold.networks import MLPSpec
from planefold.networks.mlp import NORM_EPSILON, NORM_MOMENTUM

EXACT = {"rtol": 1e-11, "atol": 1e-13}
MODULES = {"identity": nn.Identity, "relu": nn.ReLU, "tanh": nn.Tanh, "logistic": nn.Sigmoid}


def _randn(*shape, seed=1):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def _build(seed=0, **changes):
    """A network whose scales, shifts and running statistics are not those of the start."""
    spec = {"n_features": 3, "hidden_layer_sizes": (5, 4), "n_outputs": 2, "batch_norm": True, **changes}
    net = MLPSpec(**spec).build(np.random.RandomState(seed), dtype=torch.float64)
    with torch.no_grad():
        for layer, (scale, shift) in enumerate(zip(net.norm_scales, net.norm_shifts, strict=True)):
            scale += 0.3 * _randn(*scale.shape, seed=layer)
            shift += 0.3 * _randn(*scale.shape, seed=layer + 100)
            net.running_means[layer].copy_(_randn(*scale.shape, seed=layer + 200))
            net.running_vars[layer].copy_(_randn(*scale.shape, seed=layer + 300).exp())
        if net.skip_coef is not None:
            net.skip_coef.copy_(_randn(*net.skip_coef.shape, seed=7))
    return net


def _torchs(net, member):
    """The same network from torch's layers."""
    layers = []
    for layer, (coef, intercept) in enumerate(zip(net.coefs, net.intercepts, strict=True)):
        linear = nn.Linear(*coef.shape[1:], dtype=torch.float64)
        linear.weight.data = coef[member].detach().T.clone()
        linear.bias.data = intercept[member, 0].detach().clone()
        layers.append(linear)
        if layer < len(net.coefs) - 1:
            norm = nn.BatchNorm1d(coef.shape[2], dtype=torch.float64)
            norm.weight.data = net.norm_scales[layer][member, 0].detach().clone()
            norm.bias.data = net.norm_shifts[layer][member, 0].detach().clone()
            norm.running_mean.copy_(net.running_means[layer][member, 0])
            norm.running_var.copy_(net.running_vars[layer][member, 0])
            layers += [norm, MODULES[net.spec.activation]()]
    return nn.Sequential(*layers).train(net.training)


def test_the_constants_are_torchs():
    norm = nn.BatchNorm1d(1)
    assert (norm.eps, norm.momentum) == (NORM_EPSILON, NORM_MOMENTUM)


@pytest.mark.parametrize("activation", MODULES)
@pytest.mark.parametrize("own_rows", [False, True])
def test_every_member_is_torchs_layers_in_output_gradient_and_running_statistics(activation, own_rows):
    net = _build(n_members=3, activation=activation).train()
    torchs = [_torchs(net, member) for member in range(3)]
    near = partial(torch.testing.assert_close, rtol=1e-9, atol=1e-9)
    for step, n_rows in enumerate([8, 3, 2]):
        X = _randn(*([3] if own_rows else []), n_rows, 3, seed=step) * 10 + 5
        net.zero_grad()
        outputs = net(X)
        outputs.square().sum().backward()
        for member, theirs in enumerate(torchs):
            theirs.zero_grad()
            expected = theirs(X[member] if own_rows else X)
            expected.square().sum().backward()
            torch.testing.assert_close(outputs[member], expected, **EXACT)
            linears, norms = theirs[::3], theirs[1::3]
            for layer, linear in enumerate(linears):
                near(net.coefs[layer].grad[member], linear.weight.grad.T)
                near(net.intercepts[layer].grad[member, 0], linear.bias.grad)
            for layer, norm in enumerate(norms):
                near(net.norm_scales[layer].grad[member, 0], norm.weight.grad)
                near(net.norm_shifts[layer].grad[member, 0], norm.bias.grad)
                near(net.running_means[layer][member, 0], norm.running_mean)
                near(net.running_vars[layer][member, 0], norm.running_var)
    net.eval()
    X = _randn(6, 3)
    for member, theirs in enumerate(torchs):
        torch.testing.assert_close(net(X)[member], theirs.eval()(X), **EXACT)


TABLE = """.99 .81 .85 .93 | .69 .89 .37 .48 | .73 .30 .43 .57 | .26 .77 .90 .60 | .22 .65 .20 .79 | .27 .55 .63 .02
| .98 .99 .77 .28 | .56 .62 .81 .78 | .80 .29 .76 .55 | .16 .36 .14 .91 | .76 .61 .28 .21"""


def test_a_table_is_standardised_as_by_hand_and_ten_times_the_table_becomes_the_same():
    X = torch.tensor([[float(cell) for cell in row.split()] for row in TABLE.split("|")], dtype=torch.float64)
    net = MLPSpec(n_features=4, hidden_layer_sizes=(4,), n_outputs=1, activation="identity", batch_norm=True)
    net = net.build(np.random.RandomState(0), dtype=torch.float64).train()
    with torch.no_grad():
        net.coefs[0].copy_(torch.eye(4))
    first = next(net.hidden(X))[0].detach()
    assert float(first[0, 0]) == pytest.approx(1.384, abs=5e-4)  # (0.99 - 0.58364) / 0.29361
    by_hand = (X - X.mean(dim=0)) / X.std(dim=0, correction=0)
    torch.testing.assert_close(first, by_hand, rtol=2e-4, atol=0)  # epsilon is 1e-5 beside variances of 0.05 to 0.09
    torch.testing.assert_close(next(net.hidden(10 * X))[0].detach(), first, rtol=2e-4, atol=0)
    # Each batch counts a tenth: the second has ten times the mean, and a hundred times the variance.
    mean, var, bias = X.mean(dim=0), X.var(dim=0), net.intercepts[0][0, 0].detach()
    torch.testing.assert_close(net.running_means[0][0, 0], 0.09 * (mean + bias) + 0.1 * (10 * mean + bias), **EXACT)
    torch.testing.assert_close(net.running_vars[0][0, 0], 0.81 + 0.09 * var + 0.1 * 100 * var, **EXACT)


def test_biases_before_it_are_without_effect_in_training():
    net = _build(activation="tanh").train()
    X = _randn(9, 3)
    before = net(X)
    before.square().sum().backward()
    for intercept in [*net.intercepts][:-1]:
        torch.testing.assert_close(intercept.grad, torch.zeros_like(intercept), rtol=0, atol=1e-12)
        with torch.no_grad():
            intercept += 3.0
    torch.testing.assert_close(net(X), before, rtol=1e-9, atol=1e-9)


def test_a_single_row_becomes_the_shift_and_says_nothing_of_mean_and_variance():
    net = _build(activation="identity", hidden_layer_sizes=(5,)).train()
    before = net.running_vars[0].clone()
    X = _randn(1, 3)
    torch.testing.assert_close(next(net.hidden(X)), net.norm_shifts[0], **EXACT)
    assert torch.equal(net.running_vars[0], before)


def test_members_do_not_touch_each_others_statistics():
    net = _build(n_members=3).train()
    before = [tensor.clone() for tensor in net.running_means]
    X = _randn(3, 7, 3)
    net(X)
    one = [tensor.clone() for tensor in net.running_means]
    for tensor, start in zip(net.running_means, before, strict=True):
        tensor.copy_(start)
    X[1] += 100
    net(X)
    for now, then in zip(net.running_means, one, strict=True):
        assert torch.equal(now[[0, 2]], then[[0, 2]])
        assert not torch.equal(now[1], then[1])


def test_rows_that_only_fill_up_a_batch_do_not_count():
    net = _build(n_members=2).train()
    X = _randn(2, 6, 3)
    present = torch.tensor([[True, False, True, True, True, True], [True, True, True, False, False, True]])
    outputs = net(X, None, present)
    for member in range(2):
        there, alone = present[member], _build(n_members=2).train()
        torch.testing.assert_close(outputs[member, there], alone(X[:, there])[member], **EXACT)
        for ours, theirs in zip(
            [*net.running_means, *net.running_vars], [*alone.running_means, *alone.running_vars], strict=True
        ):
            torch.testing.assert_close(ours[member], theirs[member], **EXACT)


def test_to_say_that_all_rows_count_changes_nothing():
    X = _randn(6, 3)
    one, other = _build().train(), _build().train()
    torch.testing.assert_close(one(X, None, torch.ones(6, dtype=torch.bool)), other(X), **EXACT)
    torch.testing.assert_close(one.running_vars, other.running_vars, **EXACT)


def test_a_member_without_rows_keeps_its_statistics_and_stays_finite():
    net = _build(n_members=2).train()
    before = [tensor.clone() for tensor in [*net.running_means, *net.running_vars]]
    present = torch.tensor([[True] * 4, [False] * 4])
    outputs = net(_randn(2, 4, 3), None, present)
    outputs[0].sum().backward()
    assert bool(torch.isfinite(outputs).all())
    assert all(bool(torch.isfinite(p.grad).all()) for p in net.parameters())
    for now, then in zip([*net.running_means, *net.running_vars], before, strict=True):
        assert torch.equal(now[1], then[1])
        assert not torch.equal(now[0], then[0])


def test_a_new_network_predicts_and_predicting_changes_nothing():
    net = _build()
    assert not net.training
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    X = _randn(6, 3)
    outputs = net(X)
    torch.testing.assert_close(torch.cat([net(row[None]) for row in X], dim=1), outputs, **EXACT)
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())


def test_without_it_the_mode_does_not_matter_and_there_is_nothing_of_it():
    net = _build(batch_norm=False)
    X = _randn(6, 3)
    assert torch.equal(net.eval()(X), net.train()(X))
    assert [len(net.norm_scales), len(net.norm_shifts), net.running_means, net.running_vars] == [0, 0, [], []]
    assert not [*net.buffers()]


def test_the_statistics_take_part_in_no_gradient():
    net = _build().train()
    net(_randn(6, 3)).sum().backward()
    assert not any(tensor.requires_grad for tensor in [*net.running_means, *net.running_vars])
    assert {id(p) for p in net.parameters()} == {
        id(p) for p in [*net.coefs, *net.intercepts, *net.norm_scales, *net.norm_shifts]
    }


def test_the_statistics_survive_copies_casts_and_changes_in_place():
    net = _build(n_members=2)
    X = _randn(6, 3)
    twin = copy.deepcopy(net)
    net.running_means[0].add_(1.0)  # in the tensors themselves, whichever way they are reached
    net.running_vars[1].view(-1)[0] = 4.0
    assert float(dict(net.named_buffers())["running_var_1"][0, 0, 0]) == 4.0
    torch.testing.assert_close(net.running_means[0], twin.running_means[0] + 1.0)
    assert not torch.equal(net(X), twin(X))

    single = copy.deepcopy(net).float()
    assert {tensor.dtype for tensor in [*single.running_means, *single.running_vars]} == {torch.float32}
    torch.testing.assert_close(single(X.float()).double(), net(X), rtol=1e-4, atol=1e-5)
    assert torch.equal(copy.deepcopy(net).to("cpu", torch.float64)(X), net(X))
    assert {tensor.device.type for tensor in net.to("meta").running_means} == {"meta"}


def test_masks_come_after_it():
    net = _build(activation="relu").train()
    X = _randn(6, 3)
    mask = (torch.arange(30).reshape(1, 6, 5) % 3 > 0).double()
    masked = next(net.hidden(X, [mask, None]))
    torch.testing.assert_close(masked, next(net.hidden(X)) * mask, **EXACT)


@pytest.mark.parametrize(("sizes", "n_members"), [((5, 4), 1), ((7,), 3), ((), 2)])
def test_scales_and_shifts_count_as_parameters_and_statistics_do_not(sizes, n_members):
    spec = MLPSpec(n_features=3, hidden_layer_sizes=sizes, n_outputs=2, batch_norm=True, n_members=n_members)
    net = spec.build(np.random.RandomState(0))
    torchs = _torchs(net.double(), 0)
    assert spec.n_parameters == sum(p.numel() for p in net.parameters())
    assert spec.n_parameters == n_members * sum(p.numel() for p in torchs.parameters())
    assert spec.n_statistics == sum(tensor.numel() for tensor in net.buffers())
    assert spec.n_statistics == n_members * sum(t.numel() for t in torchs.buffers() if t.is_floating_point())


def test_the_summary_has_a_row_for_it_and_the_activation_stands_after_it():
    rows = list(_build(n_members=2).spec.layers())
    assert [(row["layer"], row["units"], row["activation"], row["n_parameters"]) for row in rows] == [
        ("hidden 1", 5, "", 40),
        ("batch norm 1", 5, "relu", 20),
        ("hidden 2", 4, "", 48),
        ("batch norm 2", 4, "relu", 16),
        ("output", 2, "", 20),
    ]


def test_penalties_act_on_weights_alone():
    net = _build(skip=True)
    assert {id(p) for p in net.penalized()} == {id(p) for p in [*net.coefs, net.skip_coef]}


# -------------------------------------------------------------------------------------------------------- folding


@settings(deadline=None, max_examples=40)
@given(
    sizes=st.lists(st.integers(1, 6), max_size=3).map(tuple),
    n_members=st.integers(1, 3),
    activation=st.sampled_from([*MODULES]),
    skip=st.booleans(),
    seed=st.integers(0, 2**16),
)
def test_folded_it_is_a_plain_network_that_predicts_the_same(sizes, n_members, activation, skip, seed):
    net = _build(seed, hidden_layer_sizes=sizes, n_members=n_members, activation=activation, skip=skip)
    plain = _build(seed, hidden_layer_sizes=sizes, n_members=n_members, activation=activation, skip=skip,
                   batch_norm=False)  # fmt: skip
    coefs, intercepts = net.folded()
    with torch.no_grad():
        for tensors, values in ((plain.coefs, coefs), (plain.intercepts, intercepts)):
            for tensor, value in zip(tensors, values, strict=True):
                tensor.copy_(value)
    X = _randn(8, 3) * 3
    torch.testing.assert_close(plain(X), net(X), rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(net.train().folded(), (coefs, intercepts), rtol=0, atol=0)  # whatever the mode


def test_where_there_is_nothing_to_fold_the_parameters_are_returned_themselves():
    net = _build(batch_norm=False)
    coefs, intercepts = net.folded()
    assert all(a is b for a, b in zip([*coefs, *intercepts], [*net.coefs, *net.intercepts], strict=True))


def test_a_unit_that_was_constant_folds_into_something_finite():
    net = _build()
    net.running_vars[0].zero_()
    assert all(bool(torch.isfinite(tensor).all()) for part in net.folded() for tensor in part)
