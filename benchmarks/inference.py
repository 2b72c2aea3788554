"""Speed of predicting beside the peers: all rows of a table at once, and a single row.

    python benchmarks/inference.py [--rows 1 1000 1000000] [--peers scikit-learn onnxruntime] [--rounds 9]
                                   [--quick] [--json results.json]

One network, (128, 128) with ReLU on 20 columns, float32; all sides carry the same weights, and the script ends with
code 1 if one of them predicts anything else. Each takes an array and gives one back:

- *planefold*, *scikit-learn*: `estimator.predict(X)`, with every check of the input.
- *onnxruntime*: a session with one thread a core, on a model of Gemm and Relu nodes.
- *torch*: the module under `inference_mode`.
- *in pieces*: the same for onnxruntime and torch, 8,192 rows at a time, which keeps the activations in the cache.

For a single row, what the bare network takes is measured too: by hand in NumPy, and a torch module that gets a
tensor; and how much of planefold's time reads and checks the row. Sides take turns within each round after a
warm-up; ratios are medians of the rounds' ratios.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from common import (
    duration,
    installed,
    interleaved,
    machine,
    ratio_text,
    seconds_of,
    show_machine,
    show_table,
    write_json,
)
from peers import Array, Predict, Problem, learn_planefold, learn_sklearn

OURS = "planefold"
PROBLEM = Problem(hidden=(128, 128), batch=200, n_rows=2_000, n_features=20, epochs=10)
PIECE = 8192
SECONDS = 0.2  # of one measurement: a fast call is repeated until it takes that long
SAME = 1e-4  # relative to the predictions' spread, over float32's rounding along three layers

Layers = list[tuple[Array, Array]]


# ------------------------------------------------------------------------------------------------------- the sides


def sklearn_predict(layers: Layers) -> Predict:
    """Give a fitted scikit-learn model these weights."""
    import dataclasses

    problem = dataclasses.replace(PROBLEM, epochs=1)
    model = learn_sklearn(problem, *problem.data(), 0).__self__  # type: ignore[attr-defined]
    model.coefs_ = [coef for coef, _ in layers]
    model.intercepts_ = [intercept for _, intercept in layers]
    return model.predict


def torch_module(layers: Layers) -> Any:
    """Stack linear layers and ReLUs with these weights."""
    import torch
    from torch import nn

    stack: list[nn.Module] = []
    for coef, intercept in layers:
        linear = nn.utils.skip_init(nn.Linear, *coef.shape)
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(coef.T))
            linear.bias.copy_(torch.from_numpy(intercept))
        stack += [linear, nn.ReLU()]
    return nn.Sequential(*stack[:-1]).eval()


def torch_predict(layers: Layers) -> Predict:
    import torch

    module = torch_module(layers)

    def predict(X: Array) -> Array:
        with torch.inference_mode():
            return module(torch.from_numpy(X)).numpy()[:, 0]

    return predict


def onnx_predict(layers: Layers) -> Predict:
    """Write the network as a model of Gemm and Relu nodes, and open a session on it."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 0
    session = onnxruntime.InferenceSession(onnx_model(layers), options, providers=["CPUExecutionProvider"])
    return lambda X: session.run(None, {"X": X})[0][:, 0]


def onnx_model(layers: Layers) -> bytes:
    from onnx import TensorProto, checker, helper, numpy_helper

    nodes, weights, flow = [], [], "X"
    for number, (coef, intercept) in enumerate(layers):
        weights += [numpy_helper.from_array(np.ascontiguousarray(coef), f"W{number}")]
        weights += [numpy_helper.from_array(np.ascontiguousarray(intercept), f"b{number}")]
        last = number == len(layers) - 1
        nodes.append(helper.make_node("Gemm", [flow, f"W{number}", f"b{number}"], ["y" if last else f"z{number}"]))
        if not last:
            flow = f"a{number}"
            nodes.append(helper.make_node("Relu", [f"z{number}"], [flow]))
    inputs = [helper.make_tensor_value_info("X", TensorProto.FLOAT, ["n", layers[0][0].shape[0]])]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", layers[-1][0].shape[1]])]
    graph = helper.make_graph(nodes, "mlp", inputs, outputs, weights)
    # Versions that every onnxruntime of the last years can read, not the newest that this onnx can write.
    model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])
    checker.check_model(model)
    return model.SerializeToString()


def numpy_predict(layers: Layers) -> Predict:
    """Compute the network by hand."""
    *inner, (last_coef, last_intercept) = layers

    def predict(X: Array) -> Array:
        for coef, intercept in inner:
            X = X @ coef
            X += intercept
            np.maximum(X, 0, out=X)
        return (X @ last_coef + last_intercept)[:, 0]

    return predict


def in_pieces(predict: Predict) -> Predict:
    return lambda X: np.concatenate([predict(X[start : start + PIECE]) for start in range(0, len(X), PIECE)])


PEERS: Mapping[str, tuple[tuple[str, ...], Callable[[Layers], Predict]]] = {
    "scikit-learn": (("sklearn",), sklearn_predict),
    "onnxruntime": (("onnx", "onnxruntime"), onnx_predict),
    "torch": (("torch",), torch_predict),
}


def make_sides(names: list[str]) -> tuple[Any, dict[str, Predict]]:
    """Train a model of ours and give its weights to the peers that are there."""
    model = learn_planefold(PROBLEM, *PROBLEM.data(), 0).__self__  # type: ignore[attr-defined]
    sides: dict[str, Predict] = {OURS: model.predict}
    for name in names:
        modules, make = PEERS[name]
        if installed(*modules):
            sides[name] = make(layers_of(model))
        else:
            print(f'{name}: not installed, left out (pip install "planefold[bench]" gets it)')
    return model, sides


def layers_of(model: Any) -> Layers:
    """Copy the weights of a fitted model."""
    return [(np.array(c), np.array(i)) for c, i in zip(model.coefs_, model.intercepts_, strict=True)]


# ------------------------------------------------------------------------------------------------------- measuring


def differing(sides: Mapping[str, Predict], layers: Layers, X: Array) -> list[str]:
    """Name the sides that do not predict what the network by hand does in float64."""
    by_hand = numpy_predict([(coef.astype(np.float64), intercept.astype(np.float64)) for coef, intercept in layers])
    expected = in_pieces(lambda piece: by_hand(piece.astype(np.float64)))(X)
    most = SAME * max(float(expected.std()), 1.0)
    return [name for name, predict in sides.items() if not np.abs(predict(X) - expected).max() <= most]


def per_call(call: Callable[[], Any], seconds: float) -> Callable[[int], float]:
    """Make a measurement of one call out of as many as take about that many seconds."""
    once = seconds_of(call)
    if once < seconds:  # the first call may have loaded something
        once = min(seconds_of(call) for _ in range(3))
    n_calls = max(1, round(seconds / once))

    def measure(_: int) -> float:
        return seconds_of(lambda: [call() for _ in range(n_calls)] and None) / n_calls

    return measure


def compare(sides: Mapping[str, Callable[[], Any]], options: argparse.Namespace) -> dict[str, np.ndarray]:
    seconds = 0.002 if options.quick else SECONDS
    return interleaved({name: per_call(call, seconds) for name, call in sides.items()}, options.rounds)


def calls(sides: Mapping[str, Predict], X: Array) -> dict[str, Callable[[], Any]]:
    return {name: lambda predict=predict: predict(X) for name, predict in sides.items()}


def show(title: str, times: Mapping[str, np.ndarray], n_rows: int) -> None:
    rows = []
    for name, seconds in times.items():
        middle = float(np.median(seconds))
        against = "" if name == OURS else ratio_text(seconds, times[OURS])
        rows.append([name, duration(middle), f"{n_rows / middle:,.0f}", against])
    show_table(title, ["side", "a call", "rows/s", f"time / {OURS}'s (lowest to highest)"], rows)


def one_row(model: Any, sides: Mapping[str, Predict], X: Array) -> dict[str, Callable[[], Any]]:
    """What a row's prediction is made of: the bare network, and reading and checking the row."""
    import torch

    from planefold.estimators.inputs import read_rows

    module, tensor = torch_module(layers_of(model)), torch.from_numpy(X)

    def bare() -> Any:
        with torch.inference_mode():
            return module(tensor)

    by_hand = numpy_predict(layers_of(model))
    return {
        **calls(sides, X),
        "bare network, NumPy by hand": lambda: by_hand(X),
        "bare network, torch module on a tensor": bare,
        "reading and checking, a part of planefold's": lambda: read_rows(model, X, reset=False),
    }


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="+", help="default: 1 1000 1000000, with --quick 1 100")
    parser.add_argument("--peers", nargs="*", choices=list(PEERS), default=list(PEERS), help="sides besides planefold")
    parser.add_argument("--rounds", type=int, help="default: 9, with --quick 1")
    parser.add_argument("--quick", action="store_true", help="only see that everything runs")
    parser.add_argument("--json", type=Path, help="write every single measurement there")
    options = parser.parse_args(arguments)
    options.rows = options.rows or ([1, 100] if options.quick else [1, 1_000, 1_000_000])
    options.rounds = options.rounds or (1 if options.quick else 9)
    return options


def main(arguments: list[str] | None = None) -> None:
    """Compare on each number of rows."""
    options = parse(arguments)
    found: dict[str, Any] = {"machine": machine(), "rounds": options.rounds}
    show_machine(found["machine"])
    print(f"rounds: {options.rounds}{' (quick: the figures mean nothing)' if options.quick else ''}")
    model, sides = make_sides(options.peers)
    wrong = []
    for n_rows in options.rows:
        X = np.random.default_rng(1).standard_normal((n_rows, PROBLEM.n_features), dtype=np.float32)
        here = dict(sides)
        if n_rows > PIECE:
            here |= {f"{name} in pieces": in_pieces(sides[name]) for name in ("onnxruntime", "torch") if name in sides}
        wrong += differing(here, layers_of(model), X)
        times = compare(one_row(model, here, X) if n_rows == 1 else calls(here, X), options)
        show(f"{n_rows:,} row{'s' * (n_rows > 1)} x {PROBLEM.n_features}, {PROBLEM.hidden}", times, n_rows)
        found[f"{n_rows} rows"] = times
    write_json(options.json, found)
    if wrong:
        print(f"\nerror: wrong predictions: {', '.join(wrong)}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
