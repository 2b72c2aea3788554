"""A tensor that knows which affine function of the input it is, and the forward pass that it goes through."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from planefold.core.errors import NotPiecewiseLinearError, ParameterError, PlanefoldError, show
from planefold.networks.affine import Ints
from planefold.networks.affine_builder import Value
from planefold.networks.affine_layers import LayerBuilder
from planefold.reading.imports.checks import WHAT_NOW, Ended
from planefold.reading.imports.torch_calls import (
    CONSTANTS,
    REARRANGEMENTS,
    SAME,
    VIEWS,
    Call,
    as_array,
    goes_on,
    refusal,
)
from planefold.reading.imports.torch_operations import JUMPS, OPERATIONS, SMOOTH


def only(result: Any) -> Tensor:
    """Return the one tensor that a model gives."""
    while isinstance(result, tuple | list) and len(result) == 1:
        result = result[0]
    if isinstance(result, Tensor):
        return result
    raise ParameterError(
        f"the model returns {type(result).__name__} in the place of one tensor",
        hint="wrap it in a small module whose forward() picks the tensor to be read",
    )


def first_line(error: BaseException) -> str:
    """Return what an error says first."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


class Trace:
    """One forward pass: the builder, the modules that are being run, and how often each made a fold."""

    def __init__(self, work: nn.Module, shape: tuple[int, ...]) -> None:
        self.work = work
        self.builder = LayerBuilder((1, *shape))
        self.running: list[tuple[str, str]] = [("", type(work).__name__)]
        self.used: Counter[str] = Counter()

    def run(self, name: str) -> Value | Ended:
        """Run the model once, and return what it gives."""
        handles = []
        for path, module in self.work.named_modules():
            _refuse_gates(path, module)
            if path and not isinstance(module, torch.jit.ScriptModule):  # these take no hooks
                handles.append(module.register_forward_pre_hook(self._enter(path)))
                handles.append(module.register_forward_hook(self._leave))
        try:
            with torch.no_grad():
                result = only(self.work(Traced(Storage(self.builder.input), None, self)))
        except PlanefoldError:
            raise
        except Exception as error:
            where = f", in {self.here}" if len(self.running) > 1 else ""
            raise ParameterError(
                f"the torch model {name} does not run on one row of shape {self.builder.input_shape[1:]}{where}: "
                f"{first_line(error)}",
                hint="give the shape of one row without the axis of the batch: from_model(model, "
                "input_shape=(3, 32, 32)); a model with several inputs needs a small module around it",
            ) from error
        finally:
            for handle in handles:
                handle.remove()
        content = result.read() if isinstance(result, Traced) else None
        if content is None or (isinstance(content, Value) and not content.terms):
            raise ParameterError(f"what the torch model {name} returns does not depend on its input")
        return content

    def _enter(self, path: str) -> Callable[..., None]:
        return lambda module, _: self.running.append((path, type(module).__name__))

    def _leave(self, *_: Any) -> None:
        self.running.pop()

    @property
    def here(self) -> str:
        """The module that is being run, for messages."""
        path, kind = self.running[-1]
        return f"layer {show(path)} ({kind})" if path else f"the forward pass of {kind}"

    def layer(self, operation: str) -> str:
        """Name a layer of folds after the module, with a number where a module folds more than once."""
        path = self.running[-1][0]
        is_module = bool(path) and not list(self.work.get_submodule(path).children())
        name = path if is_module else f"{path}.{operation}".lstrip(".")
        self.used[name] += 1
        return name if self.used[name] == 1 else f"{name} ({self.used[name]})"

    def compute(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Carry out one operation of torch, some of whose arguments are traced."""
        name = func._schema.name.removeprefix("aten::")
        is_in_place = name.endswith("_") and func._schema.is_mutable
        call = Call(
            name=name.rstrip("_") if is_in_place else name,
            func=func,
            args=tuple(map(_content, args)),
            kwargs={key: _content(value) for key, value in kwargs.items()},
            builder=self.builder,
            here=self.here,
            layer=self.layer,
        )
        if not is_in_place:
            return self._viewed(call, args[0]) if call.name in VIEWS else self._wrapped(_computed(call))
        if not isinstance(args[0], Traced):
            raise refusal(
                call, "writes values that depend on the input into a tensor that does not: make it by x.new_zeros()"
            )
        result = _computed(call)
        if isinstance(result, Tensor):
            result = self.builder.constant(as_array(result))
        if (result.value if isinstance(result, Ended) else result).shape != tuple(args[0].shape):
            raise refusal(call, "changes the shape of a tensor in place")
        args[0].write(result, call)
        return args[0]

    def _viewed(self, call: Call, source: Traced) -> Any:
        """Look at the same numbers in another way: what is written into one of the two is seen in the other."""
        places = source.places
        if places is None:
            places = np.arange(math.prod(source.shape)).reshape(source.shape)
        found = call.func(torch.from_numpy(places), *call.args[1:], **call.kwargs)
        parts = [
            Traced(source.storage_, np.ascontiguousarray(part.numpy()), self)
            for part in ([found] if isinstance(found, Tensor) else found)
        ]
        return parts[0] if isinstance(found, Tensor) else type(found)(parts)

    def _wrapped(self, result: Any) -> Any:
        if isinstance(result, Tensor) and result.is_floating_point():
            result = self.builder.constant(as_array(result))  # what depends on the input may be added to it in place
        if isinstance(result, Value | Ended):
            return Traced(Storage(result), None, self)
        if isinstance(result, tuple | list):
            return type(result)(map(self._wrapped, result))
        return result


def _refuse_gates(path: str, module: nn.Module) -> None:
    """Refuse layers that torch computes in one piece, where the operation that is at fault would not be named."""
    where = f"layer {show(path)} ({type(module).__name__})" if path else f"the model itself ({type(module).__name__})"
    if isinstance(module, nn.RNN) and module.nonlinearity == "relu":
        raise NotPiecewiseLinearError(
            f"{where} is not read: torch computes all its steps in one piece",
            hint="write its steps as a loop over torch.nn.RNNCell, which can be read",
        )
    if isinstance(module, nn.RNNBase | nn.RNNCellBase | nn.MultiheadAttention) and not (
        isinstance(module, nn.RNNCell) and module.nonlinearity == "relu"
    ):
        is_attention = isinstance(module, nn.MultiheadAttention)
        what = "weighs values by a softmax inside" if is_attention else "multiplies gates, or computes tanh, inside"
        raise NotPiecewiseLinearError(f"{where} is not piecewise linear: it {what}", hint=WHAT_NOW)


def _computed(call: Call) -> Any:
    """Carry out an operation on the affine form."""
    if call.name in CONSTANTS:
        shape = call.args[0].value.shape if isinstance(call.args[0], Ended) else call.args[0].shape
        made = call.func(torch.zeros(shape, dtype=torch.float64), *call.args[1:], **call.kwargs)
        # Still traced, since values that depend on the input may be written into it.
        return call.builder.constant(as_array(made)) if made.is_floating_point() else made
    if not _depends((*call.args, *call.kwargs.values())):
        return call.func(*call.args, **call.kwargs)
    if call.name in SAME:
        return SAME[call.name](call)
    for argument in call.args:
        if isinstance(argument, Ended):
            return goes_on(call, argument)
    if call.name in REARRANGEMENTS:
        return REARRANGEMENTS[call.name](call)
    if call.name in OPERATIONS and "out" not in call.kwargs:
        return OPERATIONS[call.name](call)
    if call.name in JUMPS:
        raise NotPiecewiseLinearError(
            f"{call.here} decides by the values of the data ({call.name})",
            details="what is computed may then jump from row to row",
            hint="where it selects the larger or the smaller, write it with torch.maximum, torch.clamp or relu",
        )
    if call.name in SMOOTH:
        raise refusal(call, f"is not piecewise linear: it computes {call.name.strip('_').removeprefix('native_')}")
    raise refusal(call, f"uses {call.name}, which is not known to be piecewise linear")


def _depends(arguments: Any) -> bool:
    """Tell whether anything depends on the input of the model."""
    if isinstance(arguments, tuple | list):
        return any(map(_depends, arguments))
    return isinstance(arguments, Value | Ended)


def _content(arg: Any) -> Any:
    """Return what a traced tensor carries; an ordinary tensor where that is a constant."""
    if isinstance(arg, Traced):
        content = arg.read()
        if isinstance(content, Ended) or content.terms:
            return content
        return torch.from_numpy(content.bias.reshape(content.shape).copy())
    if isinstance(arg, tuple | list):
        return [_content(part) for part in arg]
    return arg


class Storage:
    """What tensors that share their numbers share."""

    def __init__(self, content: Value | Ended) -> None:
        self.content = content


class Traced(Tensor):
    """A tensor without numbers: it carries the affine form of what it would hold, or of a part of what others hold.

    ``places`` says which entries of the storage it has, in its shape; None for all.
    """

    storage_: Storage
    places: Ints | None
    tracer: Trace

    @staticmethod
    def __new__(cls, storage: Storage, places: Ints | None, tracer: Trace) -> Traced:
        """Make a tensor of the type of the working copy, so that checks of types within a model pass."""
        content = storage.content
        value = content.value if isinstance(content, Ended) else content
        shape = value.shape if places is None else places.shape
        made: Traced = Tensor._make_wrapper_subclass(cls, shape, dtype=torch.float64)
        return made

    def __init__(self, storage: Storage, places: Ints | None, tracer: Trace) -> None:
        self.storage_, self.places, self.tracer = storage, places, tracer

    def read(self) -> Value | Ended:
        """Return the affine form."""
        content = self.storage_.content
        if self.places is None:
            return content
        if isinstance(content, Ended):
            return content.after(self.tracer.builder.selected(content.value, self.places), self.tracer.here)
        return self.tracer.builder.selected(content, self.places)

    def write(self, new: Value | Ended, call: Call) -> None:
        """Put other numbers in the place of these, for all tensors that share them."""
        if self.places is None:
            self.storage_.content = new
            return
        old = self.storage_.content
        if isinstance(new, Ended) or isinstance(old, Ended):
            raise refusal(call, "writes a sigmoid or softmax into a part of a tensor")
        where_from = np.full(old.size, -1, dtype=np.int64)
        where_from[self.places.ravel()] = np.arange(new.size)
        kept = np.where(where_from < 0, np.arange(old.size), -1)
        builder = self.tracer.builder
        both = builder.total([builder.selected(old, kept), builder.selected(new, where_from)])
        self.storage_.content = builder.reshaped(both, old.shape)

    def __repr__(self, **_: Any) -> str:  # type: ignore[override]  # torch leaves the type open
        return f"<a traced tensor of shape {tuple(self.shape)}>"

    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Carry out an operation of torch on what the arguments carry."""
        return _trace_of((args, kwargs or {})).compute(func, args, kwargs or {})


def _trace_of(arguments: Any) -> Trace:
    """Find the trace that the traced tensors among the arguments belong to."""
    open_ = [arguments]
    while open_:
        part = open_.pop()
        if isinstance(part, Traced):
            return part.tracer
        open_ += list(part.values()) if isinstance(part, dict) else list(part) if isinstance(part, tuple | list) else []
    raise AssertionError("no argument is traced")
