"""`ModuleNet`: modules of every kind are measured, sorted into weights, biases and others, and looked into."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from planefold.core.errors import ParameterError
from planefold.networks import ModuleNet


class LastState(nn.Module):
    """The last state of an LSTM, and a line on it."""

    def __init__(self):
        super().__init__()
        self.recurrent = nn.LSTM(3, 5, batch_first=True)
        self.last = nn.Linear(5, 2)

    def forward(self, X):
        return self.last(self.recurrent(X)[0][:, -1])


def test_a_recurrent_network_is_measured_and_sorted():
    net = ModuleNet(LastState(), torch.zeros(1, 7, 3))
    assert net.spec.n_outputs == 2
    assert net.spec.n_parameters == sum(p.numel() for p in net.parameters())
    parts = [*net.penalized(), *net.biases(), *net.scales()]
    assert sorted(map(id, parts)) == sorted(map(id, net.parameters()))
    assert sorted(map(id, net.biases())) == sorted(id(p) for name, p in net.named_parameters() if "bias" in name)
    assert net(torch.randn(4, 7, 3)).shape == (1, 4, 2)
    assert net(torch.randn(4, 11, 3)).shape == (1, 4, 2)  # as long as it likes


def test_the_scales_of_normalisation_are_no_weights():
    net = ModuleNet(nn.Sequential(nn.Linear(4, 6), nn.LayerNorm(6), nn.ReLU(), nn.Linear(6, 1)), torch.zeros(1, 4))
    norm = net.module[1]
    assert [id(p) for p in net.scales()] == [id(norm.weight), id(norm.bias)]
    assert len(net.penalized()) == len(net.biases()) == 2
    assert net.statistics() == []
    outputs, hidden = net.look(torch.randn(3, 4))
    assert outputs.shape == (1, 3, 1)
    assert [tuple(values.shape) for values in hidden] == [(3, 6)]
    assert net.spec.activation == "relu"


def test_whole_numbers_are_embedded():
    words = nn.Sequential(nn.Embedding(10, 4), nn.Flatten(), nn.Linear(12, 2))
    net = ModuleNet(words, torch.zeros(1, 3, dtype=torch.int64))
    X = torch.randint(0, 10, (6, 3))
    assert torch.equal(net(X)[0], words(X))
    assert net.spec.n_parameters == 40 + 24 + 2


def test_what_is_frozen_is_not_trained():
    module = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 1))
    module[0].requires_grad_(False)
    net = ModuleNet(module, torch.zeros(1, 4))
    assert net.spec.n_parameters == 7
    assert [id(p) for p in net.penalized()] == [id(module[2].weight)]


def test_a_new_network_is_in_evaluation_mode_and_keeps_its_statistics():
    module = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Dropout(0.5), nn.Flatten(), nn.Linear(8, 1))
    net = ModuleNet(module, torch.randn(5, 1, 4, 4))
    assert not net.training
    assert torch.equal(module[1].running_mean, torch.zeros(2))
    assert [id(s) for s in net.statistics()] == [id(module[1].running_mean), id(module[1].running_var)]


def test_many_rows_are_predicted_as_few_are(monkeypatch):
    module = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 1))
    net = ModuleNet(module, torch.zeros(1, 4))
    X = torch.randn(50, 4)
    whole = net(X)
    monkeypatch.setattr("planefold.networks.network.VALUES_AT_ONCE", 40)
    assert torch.allclose(net(X), whole, atol=1e-6)


@pytest.mark.parametrize("module", [nn.Conv1d(4, 2, 1), nn.Flatten(0), nn.LSTM(4, 3)])
def test_a_module_must_answer_a_row_with_a_row_of_numbers(module):
    with pytest.raises(ParameterError, match="answers one row of shape"):
        ModuleNet(module, torch.zeros(1, 4, 5).transpose(1, 2) if isinstance(module, nn.LSTM) else torch.zeros(1, 4, 5))
