"""Unmodified torch modules: they run once on a tensor that knows which affine function of the input it is.

The forward pass of the model is carried out by torch itself, with a tensor without numbers. Whatever Python does there
(functional calls, loops, shapes, writing into slices), each elementary operation of torch arrives at
:class:`~planefold.reading.imports.torch_tracing.Traced`, and is carried out on the affine form. So there is no list of
supported modules: there is a list of operations, in :mod:`planefold.reading.imports.torch_operations`.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import nn

from planefold.core.errors import DataError, NotPiecewiseLinearError, ParameterError
from planefold.networks.affine import Floats, PiecewiseLinearNet
from planefold.reading.imports.checks import ENDS, Ended, check, points
from planefold.reading.imports.torch_tracing import Trace, first_line, only

TOLERANCE = 1e-9
TOLERANCE_FLOAT32 = 1e-4


def read_module(model: nn.Module, input_shape: Sequence[int] | None = None) -> PiecewiseLinearNet:
    """Return the affine form of a torch module.

    Parameters
    ----------
    model : torch.nn.Module
        Any that takes one tensor and returns one. It is read as it predicts (``eval``), on a copy in float64; the
        model itself is not touched.
    input_shape : sequence of int, optional
        Shape of one row, without the axis of the batch: (3, 32, 32). Not needed where the first layer is linear.

    Returns
    -------
    PiecewiseLinearNet
        A sigmoid, softmax or log-softmax at the very end is left out and stands in ``link``. Folds are called after
        their modules.

    Raises
    ------
    NotPiecewiseLinearError
        If a layer is not piecewise linear, or what was read does not agree with the model on 16 random points.
    ParameterError
        If the shape of the input is not known or does not fit, or the network is too large to be read.
    DataError
        If a weight is not finite.
    """
    model = getattr(model, "_orig_mod", model)  # of torch.compile
    name = type(model).__name__
    work = _working_copy(model, name)
    shape = tuple(int(length) for length in input_shape) if input_shape is not None else _first_shape(work, name)
    trace = Trace(work, shape)
    result = trace.run(name)
    value, end = (result.value, result.end) if isinstance(result, Ended) else (result, "")
    if end not in ENDS:
        raise NotPiecewiseLinearError(f"the torch model {name} returns a {end}, which jumps")
    net = trace.builder.finish(
        trace.builder.reshaped(value, (value.size,)),
        link=ENDS[end][0],
        description=f"the torch model {name}",
    )
    net = replace(net, input_shape=shape)
    X = points(net.n_inputs)
    try:
        expected, tolerance = _own_outputs(work, X.reshape(-1, *shape), torch.float64), TOLERANCE
    except RuntimeError:  # a tensor of a certain type is made within the forward pass
        work = _working_copy(model, name, torch.float32)
        expected, tolerance = _own_outputs(work, X.reshape(-1, *shape), torch.float32), TOLERANCE_FLOAT32
    check(net, X, expected, tolerance=tolerance, end=end)
    return net


def _working_copy(model: nn.Module, name: str, dtype: torch.dtype = torch.float64) -> nn.Module:
    try:
        with torch.no_grad():
            work = copy.deepcopy(model).to(device="cpu", dtype=dtype).eval()
    except Exception as error:
        raise ParameterError(
            f"the torch model {name} cannot be copied, and so it is not read: {first_line(error)}",
            hint="the model itself is never touched; make it one that copy.deepcopy() can copy",
        ) from error
    for kind in (work.named_parameters(), work.named_buffers()):
        for parameter, tensor in kind:
            if nn.parameter.is_lazy(tensor):
                raise ParameterError(
                    f"the torch model {name}: {parameter} has no shape yet", hint="call the model on data once"
                )
            if not torch.isfinite(tensor).all():
                raise DataError(
                    f"the torch model {name}: {parameter} holds a number that is not finite",
                    hint="a training that diverged leaves such weights; train again with a lower learning rate",
                )
    return work


def _first_shape(work: nn.Module, name: str) -> tuple[int, ...]:
    for module in work.modules():
        if isinstance(module, nn.Linear):
            return (module.in_features,)
        if any(True for _ in module.parameters(recurse=False)):
            break
    raise ParameterError(
        f"the shape of one row is needed to read the torch model {name}",
        details="only that of a model whose first layer is linear is known by itself",
        hint="from_model(model, input_shape=(3, 32, 32)), without the axis of the batch",
    )


def _own_outputs(work: nn.Module, X: Floats, dtype: torch.dtype) -> Floats:
    rows = torch.from_numpy(X).to(dtype)
    with torch.no_grad():
        try:
            result = only(work(rows.clone()))
        except Exception:
            result = None
        if result is None or len(result) != len(rows):  # some models take one row at a time
            result = torch.stack([only(work(rows[k : k + 1].clone())) for k in range(len(rows))])
    return np.asarray(result.to(torch.float64).reshape(len(rows), -1).numpy())
