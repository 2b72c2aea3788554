"""Every layer against torch itself, in double: outputs, and the planes against automatic differentiation."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from planefold.core.errors import DataError, NotPiecewiseLinearError, ParameterError
from planefold.networks import affine_layers
from planefold.reading.models import from_model


class Function(nn.Module):
    """A function as a module, for operations that have no module of their own."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


def randomized(model, seed=0):
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
            if tensor.is_floating_point():
                drawn = torch.randn(tensor.shape, generator=generator, dtype=torch.float64)
                tensor.copy_(0.5 + drawn.abs() if name.endswith("running_var") else 0.5 * drawn)
    return model.double()


def agree(model, shape, n_rows=6):
    """Compare outputs, and local maps with the Jacobian, at random points."""
    net = from_model(model, input_shape=shape)
    model.eval()
    X = torch.from_numpy(np.random.default_rng(1).normal(size=(n_rows, *shape)))
    with torch.no_grad():
        rows = [model(row[None]).reshape(-1) for row in X]
    expected = torch.stack(rows).numpy()
    np.testing.assert_allclose(net.outputs(X.numpy()), expected, rtol=1e-10, atol=1e-10)
    coefs, intercepts = net.local_maps(net.patterns(X.numpy()))
    for k, row in enumerate(X):
        jacobian = torch.autograd.functional.jacobian(lambda x: model(x[None]).reshape(-1), row)
        np.testing.assert_allclose(coefs[k], jacobian.reshape(len(expected[k]), -1), rtol=1e-10, atol=1e-10)
        np.testing.assert_allclose(coefs[k] @ row.numpy().ravel() + intercepts[k], expected[k], rtol=1e-9, atol=1e-9)
    return net


def written(x):
    x = x * 2
    x[:, 0] = 1.5
    x[:, 1, ::2].mul_(-3)
    x[:, 2] += x[:, 1]
    x[:, :, :5].add_(x[:, :, 5:])
    return x.relu()


def gathered(x):
    out = x.new_zeros(x.size(0), 4)
    out[:, 1] = x[:, 0]
    out[:, 2:] = F.relu(x[:, 1:3])
    return out


IMAGE, SERIES, ROW = (3, 9, 8), (3, 10), (6,)
PAIR = torch.arange(6.0, dtype=torch.float64) - 2.5
LAYERS = {
    "linear": (nn.Linear(6, 4), ROW),
    "linear, no bias": (nn.Linear(6, 4, bias=False), ROW),
    "linear on a series": (nn.Linear(10, 4), SERIES),
    "linear on an image": (nn.Linear(8, 4), IMAGE),
    "conv1d": (nn.Conv1d(3, 4, 3), SERIES),
    "conv1d same": (nn.Conv1d(3, 4, 4, padding="same", dilation=2), SERIES),
    "conv2d": (nn.Conv2d(3, 4, 3), IMAGE),
    "conv2d strided": (nn.Conv2d(3, 4, (3, 2), stride=(2, 3), padding=(1, 0)), IMAGE),
    "conv2d dilated": (nn.Conv2d(3, 4, 3, padding=2, dilation=2), IMAGE),
    "conv2d grouped": (nn.Conv2d(4, 6, 3, groups=2, padding=1), (4, 5, 6)),
    "conv2d depthwise": (nn.Conv2d(3, 6, 3, groups=3), IMAGE),
    "conv2d reflect": (nn.Conv2d(3, 4, 3, padding=1, padding_mode="reflect"), IMAGE),
    "conv2d circular": (nn.Conv2d(3, 4, 3, padding=1, padding_mode="circular"), IMAGE),
    "conv3d": (nn.Conv3d(2, 3, 2), (2, 3, 4, 3)),
    "conv transposed 1d": (nn.ConvTranspose1d(3, 2, 3, stride=2), SERIES),
    "conv transposed 2d": (nn.ConvTranspose2d(3, 2, 3, stride=2, padding=1, output_padding=1), IMAGE),
    "conv transposed grouped": (nn.ConvTranspose2d(4, 6, 3, groups=2, dilation=2), (4, 4, 5)),
    "batch norm 1d": (nn.BatchNorm1d(6), ROW),
    "batch norm of a series": (nn.BatchNorm1d(3), SERIES),
    "batch norm 2d": (nn.BatchNorm2d(3), IMAGE),
    "batch norm, not affine": (nn.BatchNorm2d(3, affine=False), IMAGE),
    "instance norm with statistics": (nn.InstanceNorm1d(3, track_running_stats=True), SERIES),
    "relu": (nn.ReLU(), ROW),
    "relu in place": (nn.Sequential(nn.Linear(6, 6), nn.ReLU(inplace=True)), ROW),
    "relu6": (nn.ReLU6(), ROW),
    "leaky relu": (nn.LeakyReLU(0.2), ROW),
    "leaky relu steeper on the left": (nn.LeakyReLU(1.7), ROW),
    "prelu": (nn.PReLU(), ROW),
    "prelu by channel": (nn.PReLU(3), IMAGE),
    "rrelu": (nn.RReLU(), ROW),
    "hardtanh": (nn.Hardtanh(-0.5, 0.7), ROW),
    "threshold": (nn.Threshold(0.0, 0.0), ROW),
    "threshold elsewhere": (nn.Threshold(0.5, 0.5), ROW),
    "softshrink": (nn.Softshrink(0.4), ROW),
    "max pool 1d": (nn.MaxPool1d(3, stride=2), SERIES),
    "max pool 2d": (nn.MaxPool2d(2), IMAGE),
    "max pool overlapping": (nn.MaxPool2d(3, stride=2, padding=1), IMAGE),
    "max pool dilated": (nn.MaxPool2d(2, stride=1, dilation=2, ceil_mode=True), IMAGE),
    "max pool ceil": (nn.MaxPool2d((2, 3), ceil_mode=True), IMAGE),
    "max pool 3d": (nn.MaxPool3d(2), (2, 4, 3, 4)),
    "average pool 1d": (nn.AvgPool1d(3, padding=1), SERIES),
    "average pool 2d": (nn.AvgPool2d(3, stride=2, padding=1), IMAGE),
    "average pool, padding not counted": (nn.AvgPool2d(3, stride=2, padding=1, count_include_pad=False), IMAGE),
    "average pool ceil": (nn.AvgPool2d(3, stride=2, padding=1, ceil_mode=True), IMAGE),
    "average pool divisor": (nn.AvgPool2d(2, divisor_override=3), IMAGE),
    "adaptive average pool": (nn.AdaptiveAvgPool2d((4, 3)), IMAGE),
    "adaptive average pool 1d": (nn.AdaptiveAvgPool1d(4), SERIES),
    "global average pool": (nn.AdaptiveAvgPool2d(1), IMAGE),
    "adaptive max pool": (nn.AdaptiveMaxPool2d((4, 3)), IMAGE),
    "dropout": (nn.Dropout(0.5), ROW),
    "dropout 2d": (nn.Dropout2d(0.5), IMAGE),
    "identity": (nn.Identity(), ROW),
    "flatten": (nn.Flatten(), IMAGE),
    "flatten, unflatten": (nn.Sequential(nn.Flatten(), nn.Unflatten(1, (9, 24))), IMAGE),
    "zero pad": (nn.ZeroPad2d((1, 2, 0, 3)), IMAGE),
    "constant pad": (nn.ConstantPad2d(1, 2.5), IMAGE),
    "replication pad": (nn.ReplicationPad2d(2), IMAGE),
    "upsample nearest": (nn.Upsample(scale_factor=2), IMAGE),
    "upsample bilinear": (nn.Upsample(scale_factor=2, mode="bilinear"), IMAGE),
    "upsample bilinear, corners": (nn.Upsample(size=(5, 11), mode="bilinear", align_corners=True), IMAGE),
    "pixel shuffle": (nn.PixelShuffle(2), (4, 3, 2)),
    "fold out": (nn.Unfold(2), IMAGE),
    "abs": (Function(torch.abs), ROW),
    "clamp": (Function(lambda x: x.clamp(-0.3, 0.8)), ROW),
    "clamp from below": (Function(lambda x: torch.clip(x, min=0.1)), ROW),
    "clamp by tensors": (Function(lambda x: x.clamp(PAIR, PAIR + 1)), ROW),
    "maximum": (Function(lambda x: torch.maximum(x[:, :3], x[:, 3:])), ROW),
    "minimum": (Function(lambda x: torch.minimum(x, -2 * x + 1)), ROW),
    "torch.max of two": (Function(lambda x: torch.max(x, x.flip(1))), ROW),
    "max along": (Function(lambda x: x.max(dim=2).values), SERIES),
    "min along": (Function(lambda x: x.min(dim=1, keepdim=True)[0]), SERIES),
    "amax": (Function(lambda x: x.amax((2, 3))), IMAGE),
    "max of all": (Function(lambda x: x.max().reshape(1, 1)), ROW),
    "mean": (Function(lambda x: x.mean((2, 3), keepdim=True)), IMAGE),
    "sum": (Function(lambda x: x.sum(-1)), SERIES),
    "cumsum": (Function(lambda x: x.cumsum(2)), SERIES),
    "permute": (Function(lambda x: x.permute(0, 3, 1, 2).reshape(x.size(0), -1)), IMAGE),
    "transpose, squeeze": (Function(lambda x: x.transpose(1, 2).unsqueeze(1).squeeze(1)), SERIES),
    "cat with a constant": (Function(lambda x: torch.cat([x, x.relu(), PAIR[None]], 1)), ROW),
    "stack": (Function(lambda x: torch.stack([x, 2 * x], dim=2)), ROW),
    "chunk": (Function(lambda x: x.chunk(2, 1)[1] - x.chunk(2, 1)[0]), ROW),
    "split": (Function(lambda x: x.split([1, 5], 1)[1]), ROW),
    "slices": (Function(lambda x: x[:, 1:, ::2] - x[:, :1, 1::2]), SERIES),
    "index": (Function(lambda x: x[:, [0, 2, 2]]), ROW),
    "roll": (Function(lambda x: x.roll(1, 1)), ROW),
    "arithmetic": (Function(lambda x: 3 - (x + PAIR) * 2 / (PAIR + 10) - -x), ROW),
    "in place arithmetic": (Function(lambda x: x.clone().add_(1).mul_(2).sub_(PAIR).relu_()), ROW),
    "add with alpha": (Function(lambda x: torch.add(x, x.relu(), alpha=-3)), ROW),
    "broadcast": (Function(lambda x: x[:, :, None] + x[:, None, :].relu()), ROW),
    "where": (Function(lambda x: torch.where(PAIR > 0, x, -x)), ROW),
    "masked fill": (Function(lambda x: x.masked_fill(PAIR > 1, 7.0)), ROW),
    "matmul from the left": (Function(lambda x: torch.ones(4, 3, dtype=x.dtype).triu() @ x), SERIES),
    "matmul of a stack": (
        Function(lambda x: x @ torch.arange(60.0, dtype=x.dtype).reshape(3, 10, 2)[:, :, :1]),
        IMAGE[:1] + (4, 10),
    ),
    "einsum": (Function(lambda x: torch.einsum("bct,tk->bck", x, torch.eye(10, dtype=x.dtype)[:, :4])), SERIES),
    "bmm": (Function(lambda x: torch.bmm(x, torch.ones(1, 10, 2, dtype=x.dtype).cumsum(1))), SERIES),
    "functional": (Function(lambda x: F.leaky_relu(F.max_pool2d(F.relu6(x), 2), 0.3)), IMAGE),
    "zeros like": (Function(lambda x: torch.zeros_like(x) + x), ROW),
    "written into slices": (Function(written), SERIES),
    "written into a new tensor": (Function(gathered), ROW),
    "dropout, functional": (Function(lambda x: F.dropout(x, training=False)), ROW),
}


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_agrees_with_torch_and_with_its_jacobian(name):
    layer, shape = LAYERS[name]
    agree(randomized(layer), shape)


class Recurrent(nn.Module):
    """The last state of a recurrent cell with ReLU."""

    def __init__(self):
        super().__init__()
        self.cell = nn.RNNCell(3, 4, nonlinearity="relu")

    def forward(self, x):
        state = x.new_zeros(x.size(0), 4)
        for k in range(x.size(1)):
            state = self.cell(x[:, k], state)
        return state


class Residual(nn.Module):
    """A residual network in functional style, as people write it."""

    def __init__(self, channels=4, classes=3):
        super().__init__()
        self.stem = nn.Conv2d(3, channels, 3, padding=1)
        self.norm = nn.BatchNorm2d(channels)
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)
        self.relu = nn.ReLU(inplace=True)
        self.head = nn.Linear(channels * 4, classes)

    def forward(self, x):
        x = self.relu(self.norm(self.stem(x)))
        for _ in range(2):  # the same weights twice
            out = self.relu(self.conv1(x))
            out = self.conv2(out)
            out += x
            x = self.relu(out)
        x = F.adaptive_avg_pool2d(F.max_pool2d(x, 2), 2)
        return self.head(torch.flatten(x, 1))


WHOLE = {
    "mlp": (nn.Sequential(nn.Linear(6, 9), nn.ReLU(), nn.Linear(9, 7), nn.LeakyReLU(), nn.Linear(7, 2)), ROW),
    "cnn": (
        nn.Sequential(
            nn.Conv2d(3, 4, 3, padding=1, bias=False),
            nn.BatchNorm2d(4),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(4, 5, 3, stride=2, groups=1),
            nn.PReLU(5),
            nn.Flatten(),
            nn.Dropout(),
            nn.Linear(5, 3),
        ),
        (3, 8, 8),
    ),
    "residual": (Residual(), (3, 8, 8)),
    "recurrent": (Recurrent(), (5, 3)),
    "pool before the fold": (nn.Sequential(nn.Conv2d(3, 4, 3), nn.MaxPool2d(3, 2), nn.ReLU6()), (3, 8, 8)),
    "two linear layers in a row": (nn.Sequential(nn.Linear(6, 40), nn.Linear(40, 2), nn.ReLU(), nn.Linear(2, 30)), ROW),
    "bottleneck": (nn.Sequential(nn.Linear(6, 30), nn.ReLU(), nn.Linear(30, 2), nn.Linear(2, 30), nn.ReLU()), ROW),
}


@pytest.mark.parametrize("name", WHOLE)
def test_a_whole_network_agrees_with_torch_and_with_its_jacobian(name):
    model, shape = WHOLE[name]
    agree(randomized(model), shape)


def test_a_bottleneck_stays_one():
    model = nn.Sequential(nn.Linear(6, 100), nn.ReLU(), nn.Linear(100, 2), nn.Linear(2, 100), nn.ReLU())
    net = from_model(model)
    assert net.n_multiplications == 6 * 100 + 100 * 2 + 2 * 100


def test_folds_are_called_after_modules():
    net = from_model(randomized(Residual()), input_shape=(3, 8, 8))
    names = [net.nodes[number].fold.layer for number, _, _ in net.folds]
    assert names[:5] == ["relu", "relu (2)", "relu (3)", "relu (4)", "relu (5)"]
    assert set(names[5:]) == {"max_pool2d"}
    sequential = from_model(nn.Sequential(nn.Sequential(nn.Linear(2, 3), nn.ReLU()), nn.Linear(3, 1)))
    assert sequential.unit_name(1) == "0.1, unit 2"


def test_the_model_is_not_touched():
    model = nn.Sequential(nn.Linear(3, 4), nn.Dropout(), nn.BatchNorm1d(4), nn.ReLU(inplace=True), nn.Linear(4, 1))
    model.train()
    seen = []
    model[0].register_forward_hook(lambda *_: seen.append(1))
    before = copy.deepcopy(model.state_dict())
    n_hooks = len(model[0]._forward_hooks)
    from_model(model)
    assert model.training
    assert all(module.training for module in model.modules())
    assert len(model[0]._forward_hooks) == n_hooks
    assert not model[1]._forward_hooks
    assert not model[1]._forward_pre_hooks
    for name, tensor in model.state_dict().items():
        assert tensor.dtype == before[name].dtype
        assert torch.equal(tensor, before[name])
    assert all(parameter.grad is None and parameter.requires_grad for parameter in model.parameters())


@pytest.mark.parametrize(
    ("end", "link"),
    [
        (nn.Sigmoid(), "logistic"),
        (nn.LogSigmoid(), "logistic"),
        (nn.Softmax(dim=1), "softmax"),
        (nn.LogSoftmax(dim=-1), "softmax"),
        (Function(lambda x: F.softmax(x, 1).squeeze(0).reshape(1, -1)), "softmax"),
        (nn.Sequential(nn.Sigmoid(), nn.Flatten(), nn.Identity(), nn.Dropout()), "logistic"),
    ],
)
def test_what_stands_at_the_very_end_is_left_out_and_said(end, link):
    body = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 4))
    net = from_model(nn.Sequential(body, end))
    assert net.link == link
    X = np.random.default_rng(0).normal(size=(5, 3))
    np.testing.assert_allclose(net.outputs(X), from_model(body).outputs(X))


@pytest.mark.parametrize(
    ("layer", "shape", "said"),
    [
        (nn.GELU(), (4,), r"layer '1' \(GELU\) is not piecewise linear: it computes gelu"),
        (nn.SiLU(), (4,), "silu"),
        (nn.Tanh(), (4,), "tanh"),
        (nn.ELU(), (4,), "elu"),
        (nn.Softplus(), (4,), "softplus"),
        (nn.LayerNorm(4), (4,), "layer_norm"),
        (nn.GroupNorm(2, 4), (4,), "group_norm"),
        (nn.InstanceNorm1d(3), (3, 4), "statistics"),
        (nn.LSTM(4, 3), (5, 4), r"LSTM\) is not piecewise linear: it multiplies gates"),
        (nn.RNN(4, 3, nonlinearity="relu"), (5, 4), "RNNCell"),
        (nn.TransformerEncoderLayer(4, 2, batch_first=True), (5, 4), "MultiheadAttention"),
        (nn.Sequential(nn.Sigmoid(), nn.Linear(4, 1)), (4,), r"Sigmoid\) computes a sigmoid.*Linear\) goes on with it"),
        (Function(lambda x: F.softmax(x, 1) * 2), (4,), "computes a softmax"),
        (nn.Softmax(dim=2), (3, 4), "one axis of several"),
        (Function(lambda x: x * x), (4,), r"x \* y is not piecewise linear"),
        (Function(lambda x: x @ x.transpose(1, 2)), (3, 4), "two matrices that both depend"),
        (Function(lambda x: 1 / x), (4,), "not piecewise linear"),
        (Function(lambda x: x / x.sum()), (4,), "divides by a value"),
        (Function(lambda x: x**2), (4,), "pow"),
        (Function(lambda x: x.norm()), (4,), "norm"),
        (Function(lambda x: torch.where(x > 0, x, 0.0)), (4,), "decides by the values of the data"),
        (Function(lambda x: x if x.sum() > 0 else -x), (4,), "decides by the values of the data"),
        (nn.Hardshrink(), (4,), "decides by the values"),
        (nn.Threshold(0.0, 1.0), (4,), "jumps"),
        (Function(lambda x: torch.fft.rfft(x).abs()), (4,), "not known to be piecewise linear"),
        (Function(lambda x: x.sort(1).values), (4,), "decides by the values"),
        (Function(lambda x: x.round()), (4,), "decides by the values"),
    ],
)
def test_what_bends_or_jumps_is_refused_by_name(layer, shape, said):
    model = nn.Sequential(nn.Identity(), layer)
    with pytest.raises(NotPiecewiseLinearError, match=said) as caught:
        from_model(model, input_shape=shape)
    assert caught.value.hint


def test_chance_and_other_rows_are_noticed():
    class Chance(nn.Module):
        def forward(self, x):
            return x + torch.randn(x.shape[1:], dtype=torch.float64)

    class Batch(nn.Module):
        def forward(self, x):
            return x - x.mean(0)

    for model in (Chance(), Batch()):
        with pytest.raises(NotPiecewiseLinearError, match="does not compute what its layers say"):
            from_model(model, input_shape=(3,))


def test_the_shape_of_the_input_is_asked_for_or_explained():
    convolution = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
    with pytest.raises(ParameterError, match="shape of one row is needed"):
        from_model(convolution)
    with pytest.raises(ParameterError, match=r"does not run on one row of shape \(1, 8, 8\), in layer '0' \(Conv2d\)"):
        from_model(convolution, input_shape=(1, 8, 8))
    net = from_model(convolution, input_shape=(3, 8, 8))
    assert net.input_shape == (3, 8, 8)
    assert net.outputs(np.zeros((2, 3, 8, 8))).shape == (2, 4 * 36)
    assert from_model(nn.Linear(7, 2)).n_inputs == 7


def test_two_outputs_and_no_dependence_are_refused():
    with pytest.raises(ParameterError, match="in the place of one tensor"):
        from_model(Function(lambda x: (x, x)), input_shape=(2,))
    with pytest.raises(ParameterError, match="does not depend on its input"):
        from_model(Function(lambda x: torch.ones(1, 2)), input_shape=(2,))


def test_weights_that_are_not_finite_are_refused():
    model = nn.Linear(2, 2)
    with torch.no_grad():
        model.weight[0, 0] = torch.inf
    with pytest.raises(DataError, match="weight holds a number that is not finite"):
        from_model(model)


def test_a_float32_model_that_makes_its_own_tensors_is_read():
    class Own(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(3, 2)

        def forward(self, x):
            return F.linear(self.linear(x.float()).relu(), torch.eye(2))

    model = Own()
    X = np.random.default_rng(0).normal(size=(4, 3))
    with torch.no_grad():
        expected = model(torch.from_numpy(X)).numpy()
    np.testing.assert_allclose(from_model(model).outputs(X), expected, rtol=1e-5, atol=1e-6)


def test_a_network_that_needs_too_much_memory_is_refused_before_it_is_made():
    model = nn.Sequential(nn.Conv2d(3, 2, 3, stride=2), nn.ReLU(), nn.ConvTranspose2d(2, 512, 5, stride=2))
    with pytest.raises(ParameterError, match=r"layer '2' \(ConvTranspose2d\).*GiB") as caught:
        from_model(model, input_shape=(3, 224, 224))
    assert "the limit is" in str(caught.value)


def test_a_hard_sigmoid_is_read():
    # Apart from the others: torch differentiates it with a sixth in float32.
    X = np.linspace(-4, 4, 21)[:, None]
    expected = nn.Hardsigmoid()(torch.from_numpy(X)).numpy()
    np.testing.assert_allclose(from_model(nn.Hardsigmoid(), input_shape=(1,)).outputs(X), expected, atol=1e-12)


def test_places_of_maxima_lead_nowhere():
    pooled = Function(lambda x: F.max_unpool1d(*F.max_pool1d(x, 2, return_indices=True), 2))
    with pytest.raises(NotPiecewiseLinearError, match="choice by size"):
        from_model(pooled, input_shape=(3, 10))
    with pytest.raises(NotPiecewiseLinearError, match="jumps"):
        from_model(Function(lambda x: x.max(1).indices), input_shape=(3,))


@pytest.mark.filterwarnings("ignore::FutureWarning")  # of torch.export itself
def test_an_exported_program_is_read():
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1))
    X = np.random.default_rng(0).normal(size=(5, 3))
    scripted = torch.export.export(model.eval(), (torch.zeros(1, 3),))
    np.testing.assert_allclose(from_model(scripted, input_shape=(3,)).outputs(X), from_model(model).outputs(X))


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
def test_scripted_compiled_and_parallel_models_are_read():
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1))
    X = np.random.default_rng(0).normal(size=(5, 3))
    for kind in (torch.jit.script, torch.compile, nn.DataParallel, torch.fx.symbolic_trace):
        np.testing.assert_allclose(from_model(kind(model), input_shape=(3,)).outputs(X), from_model(model).outputs(X))


def test_a_tensor_that_cannot_be_written_into_is_refused_with_what_to_do():
    def gather(x):
        out = torch.zeros(len(x), 2, dtype=x.dtype)
        out[:, 0] = x[:, 1]
        return out

    with pytest.raises(NotPiecewiseLinearError, match=r"make it by x\.new_zeros"):
        from_model(Function(gather), input_shape=(3,))


@pytest.mark.filterwarnings("ignore:Lazy modules:UserWarning")
def test_a_model_without_shapes_is_refused():
    with pytest.raises(ParameterError, match="has no shape yet"):
        from_model(nn.LazyLinear(3), input_shape=(3,))


def test_weight_norm_is_read():
    model = nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(3, 4)), nn.ReLU(), nn.Linear(4, 1))
    agree(model.double(), (3,))


def test_entries_of_a_convolution_are_where_they_belong_at_any_size():
    # Against torch on every size, since arithmetic on places goes wrong at borders first.
    rng = np.random.default_rng(0)
    for _ in range(25):
        n_in, n_out, groups = (int(k) for k in rng.integers(1, 4, 3))
        lengths, kernel = rng.integers(3, 8, 2), rng.integers(1, 4, 2)
        stride, dilation = (rng.integers(1, 3, 2).tolist() for _ in range(2))
        padding = [tuple(pair) for pair in rng.integers(0, 3, (2, 2)).tolist()]
        if (lengths + [sum(pair) for pair in padding] <= np.array(dilation) * (kernel - 1)).any():
            continue
        weight = rng.normal(size=(n_out * groups, n_in, *kernel))
        values = rng.normal(size=(1, n_in * groups, *lengths))
        builder = affine_layers.LayerBuilder(values.shape)
        net = builder.finish(
            builder.convolution(builder.input, weight, stride=stride, padding=padding, dilation=dilation, groups=groups)
        )
        padded = F.pad(torch.from_numpy(values), (*padding[1], *padding[0]))
        expected = F.conv2d(padded, torch.from_numpy(weight), stride=stride, dilation=dilation, groups=groups)
        np.testing.assert_allclose(net.outputs(values), expected.reshape(1, -1), rtol=1e-10, atol=1e-12)
