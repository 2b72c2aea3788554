"""ONNX files: each operation against onnxruntime or NumPy, public networks, and files that are damaged."""

from __future__ import annotations

import contextlib
import time

import numpy as np
import pytest

from planefold.core.errors import ModelFileError, NotPiecewiseLinearError, ParameterError, PlanefoldError
from planefold.reading.imports import onnx_files
from planefold.reading.imports.onnx_files import read_onnx
from planefold.reading.models import from_model

from .onnx_writer import data, model, node, number, tensor, varint

RNG = np.random.default_rng(0)
IMAGE, ROW, SERIES = (1, 3, 7, 6), (1, 6), (1, 3, 8)


def draw(*shape):
    return RNG.normal(size=shape).astype(np.float32)


def ints(*numbers):
    return np.array(numbers, dtype=np.int64)


C = np.float32

# name: shape of the input, constants, nodes (from x to y), opset
OPERATIONS = {
    "gemm": (ROW, {"w": draw(4, 6), "b": draw(4)}, [node("Gemm", "xwb", "y", transB=1, alpha=2.0, beta=0.5)], 17),
    "matmul": (ROW, {"w": draw(6, 4)}, [node("MatMul", "xw", "y")], 17),
    "matmul from the left": (SERIES, {"w": draw(5, 3)}, [node("MatMul", "wx", "y")], 17),
    "matmul of a series": (SERIES, {"w": draw(8, 2)}, [node("MatMul", "xw", "y")], 17),
    "arithmetic": (
        ROW,
        {"a": draw(6), "b": draw(1, 6), "c": draw(6) + C(3)},
        [node("Add", "xa", "p"), node("Sub", "bp", "q"), node("Mul", "qa", "r"), node("Div", "rc", "y")],
        17,
    ),
    "neg, abs": (
        ROW,
        {},
        [node("Neg", "x", "p"), node("Abs", "p", "q"), node("Add", "px", "r"), node("Sub", "qr", "y")],
        17,
    ),
    "relu": (ROW, {}, [node("Relu", "x", "y")], 17),
    "leaky relu": (ROW, {}, [node("LeakyRelu", "x", "y", alpha=0.3)], 17),
    "prelu": (IMAGE, {"s": draw(3, 1, 1)}, [node("PRelu", "xs", "y")], 17),
    "clip": (ROW, {"a": C(-0.5), "b": C(0.5)}, [node("Clip", "xab", "y")], 17),
    "clip from above": (ROW, {"b": C(0.5)}, [node("Clip", ["x", "", "b"], "y")], 17),
    "clip, old": (ROW, {}, [node("Clip", "x", "y", min=-0.5, max=3.4028234663852886e38)], 6),
    "hard sigmoid": (ROW, {}, [node("HardSigmoid", "x", "y", alpha=0.3)], 17),
    "max, min": (ROW, {"a": draw(6), "b": draw(1)}, [node("Max", "xab", "p"), node("Min", "pa", "y")], 17),
    "sum, mean": (ROW, {"a": draw(6)}, [node("Sum", "xax", "p"), node("Mean", "pa", "y")], 17),
    "conv": (
        IMAGE,
        {"w": draw(4, 3, 3, 2), "b": draw(4)},
        [node("Conv", "xwb", "y", pads=[1, 0, 0, 1], strides=[2, 1])],
        17,
    ),
    "conv, groups and gaps": (IMAGE, {"w": draw(6, 1, 2, 2)}, [node("Conv", "xw", "y", group=3, dilations=[2, 1])], 17),
    "conv, same": (
        IMAGE,
        {"w": draw(2, 3, 3, 2)},
        [node("Conv", "xw", "y", auto_pad="SAME_UPPER", strides=[2, 2])],
        17,
    ),
    "conv, same lower": (IMAGE, {"w": draw(2, 3, 2, 2)}, [node("Conv", "xw", "y", auto_pad="SAME_LOWER")], 17),
    "conv 1d": (SERIES, {"w": draw(2, 3, 3)}, [node("Conv", "xw", "y")], 17),
    "conv transposed": (
        IMAGE,
        {"w": draw(3, 2, 3, 3), "b": draw(2)},
        [node("ConvTranspose", "xwb", "y", strides=[2, 2], pads=[1, 0, 0, 1], output_padding=[1, 0])],
        17,
    ),
    "batch norm": (
        IMAGE,
        {"s": draw(3), "b": draw(3), "m": draw(3), "v": abs(draw(3)) + C(0.5)},
        [node("BatchNormalization", "xsbmv", "y", epsilon=0.01)],
        17,
    ),
    "max pool": (IMAGE, {}, [node("MaxPool", "x", "y", kernel_shape=[3, 2], strides=[2, 1], pads=[1, 0, 1, 0])], 17),
    "max pool ceil": (IMAGE, {}, [node("MaxPool", "x", "y", kernel_shape=[2, 4], strides=[2, 3], ceil_mode=1)], 17),
    "average pool": (IMAGE, {}, [node("AveragePool", "x", "y", kernel_shape=[3, 3], pads=[1, 1, 1, 1])], 17),
    "average pool with padding": (
        IMAGE,
        {},
        [node("AveragePool", "x", "y", kernel_shape=[3, 3], pads=[1, 1, 1, 1], count_include_pad=1)],
        17,
    ),
    "global pools": (
        IMAGE,
        {},
        [node("GlobalAveragePool", "x", "p"), node("GlobalMaxPool", "x", "q"), node("Sub", "pq", "y")],
        17,
    ),
    "reduce, old": (
        IMAGE,
        {},
        [node("ReduceMean", "x", "p", axes=[2, 3], keepdims=0), node("ReduceMax", "p", "y", axes=[1])],
        12,
    ),
    "reduce, new": (
        IMAGE,
        {"a": ints(-1)},
        [node("ReduceSum", "xa", "p", keepdims=0), node("ReduceMin", "pa", "y")],
        18,
    ),
    "flatten": (IMAGE, {}, [node("Flatten", "x", "y", axis=2)], 17),
    "reshape": (IMAGE, {"s": ints(0, -1, 2)}, [node("Reshape", "xs", "y")], 17),
    "reshape by shapes": (
        IMAGE,
        {"i": ints(0), "m": ints(-1)},
        [
            node("Shape", "x", "s"),
            node("Gather", "si", "n"),
            node("Concat", "nm", "t", axis=0),
            node("Reshape", "xt", "y"),
        ],
        17,
    ),
    "transpose": (IMAGE, {}, [node("Transpose", "x", "y", perm=[0, 2, 3, 1])], 17),
    "squeeze, unsqueeze": (SERIES, {"a": ints(1, 3)}, [node("Unsqueeze", "xa", "p"), node("Squeeze", "pa", "y")], 17),
    "squeeze, unsqueeze, old": (
        SERIES,
        {},
        [node("Unsqueeze", "x", "p", axes=[1]), node("Squeeze", "p", "y", axes=[1])],
        11,
    ),
    "concat, split": (
        ROW,
        {"a": draw(1, 2), "s": ints(3, 5)},
        [node("Concat", "xa", "p", axis=1), node("Split", "ps", "qr", axis=1), node("Concat", "rq", "y", axis=1)],
        17,
    ),
    "split in equal parts": (
        ROW,
        {},
        [node("Split", "x", "pqr", axis=1), node("Add", "pq", "s"), node("Sub", "sr", "y")],
        11,
    ),
    "slice": (
        SERIES,
        {"s": ints(1, 6), "e": ints(3, -1000), "a": ints(1, 2), "t": ints(1, -2)},
        [node("Slice", "xseat", "y")],
        17,
    ),
    "slice, old": (SERIES, {}, [node("Slice", "x", "y", starts=[1, 0], ends=[3, -2], axes=[1, 2])], 9),
    "gather": (SERIES, {"i": ints(2, 0, 0)}, [node("Gather", "xi", "y", axis=1)], 17),
    "pad": (SERIES, {"p": ints(0, 0, 1, 0, 2, 0), "v": C(2.5)}, [node("Pad", "xpv", "y")], 17),
    "pad, reflected": (SERIES, {"p": ints(0, 0, 2, 0, 0, 1)}, [node("Pad", "xp", "y", mode="reflect")], 17),
    "expand, tile": (
        SERIES,
        {"s": ints(2, 1, 1, 1), "r": ints(1, 1, 1, 2)},
        [node("Expand", "xs", "p"), node("Tile", "pr", "y")],
        17,
    ),
    "depth to space": ((1, 8, 2, 3), {}, [node("DepthToSpace", "x", "y", blocksize=2)], 17),
    "resize": (
        IMAGE,
        {"e": np.zeros(0, C), "s": np.array([1, 1, 2, 3], C)},
        [node("Resize", "xes", "y", coordinate_transformation_mode="asymmetric", nearest_mode="floor")],
        17,
    ),
    "constants": (
        ROW,
        {"s": ints(1, 6)},
        [
            node("ConstantOfShape", "s", "p", value=np.array([1.5], C)),
            node("Constant", [], "q", value=draw(6)),
            node("Mul", "pq", "r"),
            node("Identity", "x", "u"),
            node("Dropout", "u", "w"),
            node("Cast", "w", "z", to=1),
            node("Add", "rz", "y"),
        ],
        17,
    ),
    "where": (ROW, {"c": np.array([1, 0, 0, 1, 1, 0], np.bool_), "a": draw(6)}, [node("Where", "cxa", "y")], 17),
}


def saved(tmp_path, content):
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_agrees_with_onnxruntime(name, tmp_path, monkeypatch):
    runtime = pytest.importorskip("onnxruntime")
    shape, constants, nodes, opset = OPERATIONS[name]
    content = model(nodes, constants, shape, opset=opset)
    monkeypatch.setattr(onnx_files, "_compare", lambda *_: None)  # what follows is the comparison
    net = from_model(saved(tmp_path, content))
    options = runtime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 4
    session = runtime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    for row in RNG.normal(size=(5, *shape)).astype(np.float32):
        expected = session.run(None, {"x": row})[0].ravel()
        np.testing.assert_allclose(net.outputs(row.reshape(1, -1))[0], expected, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_weights_are_read_exactly_in_every_way_of_writing(packed, dtype, tmp_path):
    weight, bias = RNG.normal(size=(6, 4)).astype(dtype), RNG.normal(size=4).astype(dtype)
    shape = np.array([-1, 2, 2], dtype=np.int64)
    nodes = [node("MatMul", "xw", "p"), node("Add", "pb", "q"), node("Relu", "q", "r"), node("Reshape", "rs", "y")]
    content = model(
        nodes, {"w": weight, "b": bias, "s": shape}, ROW, packed=packed, kind=11 if dtype == np.float64 else 1
    )
    net = read_onnx(saved(tmp_path, content))
    X = RNG.normal(size=(9, 6))
    expected = np.maximum(X @ weight.astype(np.float64) + bias, 0)
    np.testing.assert_allclose(net.outputs(X), expected, rtol=1e-14, atol=1e-14)
    assert net.nodes[0].fold.layer == "Relu of r"


@pytest.mark.parametrize(
    ("declared", "given", "row"),
    [
        ((None, 6), None, (6,)),
        ((1, 6), None, (6,)),
        ((6,), None, (6,)),
        ((None, None), (6,), (6,)),
        ((4, 6), (6,), (6,)),
    ],
)
def test_the_first_axis_is_the_batch_where_it_is_open_or_one(declared, given, row, tmp_path):
    path = saved(tmp_path, model([node("MatMul", "xw", "p"), node("Relu", "p", "y")], {"w": draw(6, 2)}, declared))
    net = from_model(path, input_shape=given)
    assert net.input_shape == row
    assert net.n_outputs == 2


def test_a_shape_that_is_left_open_is_asked_for(tmp_path):
    path = saved(tmp_path, model([node("Relu", "x", "y")], {}, (None, 3, None, None)))
    with pytest.raises(ParameterError, match=r"leaves the shape of its input open: \(\?, 3, \?, \?\)"):
        from_model(path)
    assert from_model(path, input_shape=(3, 2, 2)).n_units == 12


@pytest.mark.parametrize(("kind", "link"), [("Sigmoid", "logistic"), ("Softmax", "softmax"), ("LogSoftmax", "softmax")])
def test_what_stands_at_the_very_end_is_left_out_and_said(kind, link, tmp_path):
    nodes = [node("MatMul", "xw", "p"), node(kind, "p", "q"), node("Identity", "q", "y")]
    weight = draw(6, 3)
    net = from_model(saved(tmp_path, model(nodes, {"w": weight}, ROW)))
    assert net.link == link
    X = RNG.normal(size=(4, 6))
    np.testing.assert_allclose(net.outputs(X), X @ weight.astype(np.float64))


@pytest.mark.parametrize(
    ("nodes", "said"),
    [
        ([node("Tanh", "x", "y")], r"'Tanh of y' \(Tanh\) is not piecewise linear"),
        ([node("Gelu", "x", "y", domain="com.microsoft")], "its own domain"),
        ([node("Sigmoid", "x", "p"), node("Add", "px", "y")], "computes a sigmoid"),
        ([node("Mul", "xx", "y")], "two values that both depend"),
        ([node("Div", "wx", "y")], "two values that both depend"),
        ([node("Greater", "xw", "y")], "jumps"),
        ([node("Cast", "x", "y", to=7)], "rounds"),
        ([node("Pow", "xw", "y")], "not piecewise linear"),
    ],
)
def test_what_bends_is_refused_by_name(nodes, said, tmp_path):
    with pytest.raises(NotPiecewiseLinearError, match=said):
        from_model(saved(tmp_path, model(nodes, {"w": draw(6)}, ROW)))


GOOD = model([node("MatMul", "xw", "p"), node("Relu", "p", "y")], {"w": draw(6, 2)}, ROW)
HUGE = 2**62
BAD = {
    "nothing": b"",
    "text": b"this is no model at all, is it?" * 20,
    "cut off": GOOD[:-40],
    "a number without end": b"\xff" * 100,
    "a length beyond the file": data(7, b"abc")[:1] + varint(HUGE) + b"abc",
    "two graphs": GOOD + data(7, b""),
    "two inputs": model([node("Add", "xz", "y")], {}, ROW, inputs=("x", "z")),
    "an input from nowhere": model([node("Add", "xq", "y")], {}, ROW),
    "an output from nowhere": model([node("Relu", "x", "q")], {}, ROW),
    "shapes that do not fit": model([node("MatMul", "xw", "y")], {"w": draw(5, 2)}, ROW),
    "strides of nothing": model([node("Conv", "xw", "y", strides=[0, 0])], {"w": draw(2, 3, 2, 2)}, IMAGE),
    "negative pads": model([node("Conv", "xw", "y", pads=[-9, 0, 0, 0])], {"w": draw(2, 3, 2, 2)}, IMAGE),
    "groups of nothing": model([node("Conv", "xw", "y", group=0)], {"w": draw(2, 3, 2, 2)}, IMAGE),
    "a reshape that does not fit": model([node("Reshape", "xs", "y")], {"s": ints(7, 7)}, ROW),
    "a permutation of nothing": model([node("Transpose", "x", "y", perm=[5, 9])], {}, ROW),
    "a constant without numbers": model([node("Constant", [], "y")], {}, ROW),
    "a tensor that is shorter than its shape": number(1, 8)
    + data(7, data(5, number(1, HUGE) + number(1, HUGE) + number(2, 1) + data(8, "w") + data(9, b"abcd"))),
    "a tensor of negative shape": number(1, 8) + data(7, data(5, number(1, -1) + number(2, 1) + data(8, "w"))),
    "weights in other files": number(1, 8)
    + data(7, data(5, tensor("w", draw(2)) + number(14, 1) + data(13, data(1, "location") + data(2, "/etc/passwd")))),
    "a tensor of words": number(1, 8) + data(7, data(5, number(1, 1) + number(2, 8) + data(8, "w"))),
}
LARGE = {
    "a huge input": model([node("Relu", "x", "y")], {}, (1, HUGE)),
    "a huge constant": model([node("ConstantOfShape", "s", "p"), node("Add", "xp", "y")], {"s": ints(1 << 40)}, ROW),
    "a huge pad": model([node("Pad", "xp", "y")], {"p": ints(0, 1 << 40, 0, 1 << 40)}, ROW),
    "a huge tile": model([node("Tile", "xp", "y")], {"p": ints(1, 1 << 40)}, ROW),
    "a huge expansion": model([node("Expand", "xp", "y")], {"p": ints(1 << 40, 6)}, ROW),
    "a huge window": model([node("MaxPool", "x", "y", kernel_shape=[1 << 30, 1 << 30], pads=[1 << 31] * 4)], {}, IMAGE),
    "doubling": model(
        [node("Concat", ["x" if k == 0 else f"t{k}"] * 2, [f"t{k + 1}"], axis=1) for k in range(60)]
        + [node("Relu", ["t60"], "y")],
        {},
        ROW,
    ),
    "a huge sum": model(
        [node("Add", "ab", "c"), node("Add", "xc", "y")], {"a": draw(1 << 16, 1), "b": draw(1, 1 << 16)}, ROW
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_damaged_files_are_refused(name, tmp_path):
    with pytest.raises(ModelFileError):
        from_model(saved(tmp_path, BAD[name]))


@pytest.mark.parametrize("name", LARGE)
def test_files_that_ask_for_too_much_are_refused_at_once(name, tmp_path):
    start = time.process_time()
    with pytest.raises((ParameterError, ModelFileError)):
        from_model(saved(tmp_path, LARGE[name]))
    assert time.process_time() - start < 10


def test_no_cut_and_no_changed_byte_gives_another_error(tmp_path):
    path = tmp_path / "model.onnx"
    rng = np.random.default_rng(0)
    for k in range(0, len(GOOD), 7):
        path.write_bytes(GOOD[:k])
        with pytest.raises(PlanefoldError):
            from_model(path)
    for _ in range(150):
        changed = bytearray(GOOD)
        changed[int(rng.integers(len(changed)))] = int(rng.integers(256))
        path.write_bytes(bytes(changed))
        with contextlib.suppress(PlanefoldError):
            from_model(path)


def test_the_public_networks_agree_with_weights_parsed_elsewhere(data_dir):
    folder = data_dir / "acasxu"
    if not folder.is_dir():
        pytest.skip("the ACAS Xu networks are not here")
    X = RNG.normal(size=(100, 5))
    for path in sorted((folder / "onnx").glob("*.onnx"))[::6]:
        weights = np.load(folder / "npz" / f"{path.stem}.npz")
        net = from_model(path)
        assert net.widths == (50,) * 6
        np.testing.assert_allclose(net.outputs(X), perceptron(weights, X), rtol=1e-4, atol=1e-4)
    for path in (folder / "tiny_tests").glob("*.onnx"):
        assert from_model(path).n_units > 0


def test_the_public_digit_network_agrees_with_weights_parsed_elsewhere(data_dir):
    path = data_dir / "mnistfc" / "mnist-net_256x2.onnx"
    if not path.is_file():
        pytest.skip("the MNIST network is not here")
    net = from_model(path)
    X = RNG.random((20, 784))
    np.testing.assert_allclose(net.outputs(X), perceptron(np.load(path.with_suffix(".npz")), X), rtol=1e-9, atol=1e-9)
    assert net.input_shape == (784, 1)


def perceptron(weights, values):
    n_layers = sum(name.startswith("W") for name in weights)
    for k in range(n_layers):
        values = values @ weights[f"W{k}"].astype(np.float64).T + weights[f"b{k}"]
        values = np.maximum(values, 0) if k < n_layers - 1 else values
    return values
