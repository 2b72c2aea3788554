"""The convolutional network: `CNNSpec` says what to build."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass

import numpy as np
import torch
from torch import nn

from planefold.core.errors import ParameterError, show, unknown_choice
from planefold.networks.network import LayerRow, ModuleNet

ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "leaky_relu": nn.LeakyReLU, "tanh": nn.Tanh}
POOLS: dict[str, type[nn.Module]] = {"max": nn.MaxPool2d, "average": nn.AvgPool2d}
GLOBAL_POOLS: dict[str, type[nn.Module]] = {"average": nn.AdaptiveAvgPool2d, "max": nn.AdaptiveMaxPool2d}


@dataclass(frozen=True, kw_only=True)
class CNNSpec:
    """What convolutional network to build: blocks of convolutions, each ended by a pooling, and a linear layer.

    A block is ``convolution, batch normalisation, activation``, once or several times, then a pooling that halves
    height and width. After the last block each channel is pooled to one number, dropout leaves some of them out, and a
    linear layer answers.

    Parameters
    ----------
    input_shape : (int, int, int)
        Channels, height and width of a picture.
    n_outputs : int
    channels : tuple of int
        Channels of each block. More blocks see more of the picture at once: after k of them a number at the end has
        looked at a window of about ``2^k`` times the kernel.
    convolutions : tuple of int, or int
        Convolutions of each block.
    kernel_size : int
        Odd. Edges are filled with zeros, so that a convolution keeps height and width.
    batch_norm : bool
    activation : {"relu", "leaky_relu", "tanh"}
        With relu and leaky_relu, and the poolings here, the network is piecewise linear and can be read exactly.
    pool : {"max", "average"}
    global_pool : {"average", "max"}
    dropout : float
        Share of the channels that a training step leaves out before the last layer.

    Raises
    ------
    ParameterError
        When it is built, if a value is not possible, or a block has nothing left to halve.

    Examples
    --------
    >>> spec = CNNSpec(input_shape=(1, 28, 28), n_outputs=10, channels=(16, 32))
    >>> spec.n_parameters
    5178
    >>> [row["layer"] for row in spec.layers()][:3]
    ['convolution 1', 'batch norm 1', 'max pool 1']

    References
    ----------
    LeCun, Bottou, Bengio and Haffner, "Gradient-based learning applied to document recognition", Proc. IEEE 86(11),
    1998. Lin, Chen and Yan, "Network in network", ICLR 2014, section 3.2 (global average pooling).
    """

    input_shape: tuple[int, int, int]
    n_outputs: int
    channels: tuple[int, ...] = (16, 32, 64)
    convolutions: tuple[int, ...] | int = 1
    kernel_size: int = 3
    batch_norm: bool = True
    activation: str = "relu"
    pool: str = "max"
    global_pool: str = "average"
    dropout: float = 0.0

    @property
    def n_parameters(self) -> int:
        """Weights and biases, with the scales and shifts of batch normalisation."""
        return sum(row["n_parameters"] for row in self.layers())

    def layers(self) -> Iterator[LayerRow]:
        """One row a layer, as a summary table shows it."""
        fan_in, number = self.input_shape[0], 0
        for block, (width, n) in enumerate(zip(self.channels, self._convolutions(), strict=True), start=1):
            for _ in range(n):
                number += 1
                weights = fan_in * self.kernel_size**2 * width + (0 if self.batch_norm else width)
                shown = "" if self.batch_norm else self.activation
                yield {
                    "layer": f"convolution {number}", "units": width, "activation": shown, "n_parameters": weights,
                }  # fmt: skip
                if self.batch_norm:
                    yield {
                        "layer": f"batch norm {number}", "units": width, "activation": self.activation,
                        "n_parameters": 2 * width,
                    }  # fmt: skip
                fan_in = width
            yield {"layer": f"{self.pool} pool {block}", "units": width, "activation": "", "n_parameters": 0}
        yield {"layer": f"global {self.global_pool} pool", "units": fan_in, "activation": "", "n_parameters": 0}
        yield {
            "layer": "output", "units": self.n_outputs, "activation": "", "n_parameters": (fan_in + 1) * self.n_outputs,
        }  # fmt: skip

    def build(self, random_state: np.random.RandomState, *, dtype: torch.dtype = torch.float32) -> ModuleNet:
        """Build the network; its first weights are drawn from ``random_state``.

        Returns
        -------
        ModuleNet
            In evaluation mode; ``.module`` is a plain ``torch.nn.Sequential``.

        Notes
        -----
        Weights of convolutions are normal with deviation ``sqrt(2 / fan_in)`` (He et al. 2015, eq. 10), those of the
        last layer are torch's default. Biases of convolutions that batch normalisation follows are left out: the mean
        takes them off again.
        """
        self.check()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(random_state.randint(2**31)))
            module = self._module().to(dtype)
        described = {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}
        example = torch.zeros(1, *self.input_shape, dtype=dtype)
        return ModuleNet(module, example, {"network": "cnn", "skip": None} | described, self.layers())

    def _module(self) -> nn.Sequential:
        layers: list[nn.Module] = []
        fan_in = self.input_shape[0]
        for width, n in zip(self.channels, self._convolutions(), strict=True):
            for _ in range(n):
                convolution = nn.Conv2d(
                    fan_in, width, self.kernel_size, padding=self.kernel_size // 2, bias=not self.batch_norm
                )
                nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
                layers.append(convolution)
                if self.batch_norm:
                    layers.append(nn.BatchNorm2d(width))
                layers.append(ACTIVATIONS[self.activation]())
                fan_in = width
            layers.append(POOLS[self.pool](2))
        layers += [GLOBAL_POOLS[self.global_pool](1), nn.Flatten()]
        if self.dropout:
            layers.append(nn.Dropout(self.dropout))
        return nn.Sequential(*layers, nn.Linear(fan_in, self.n_outputs))

    def _convolutions(self) -> tuple[int, ...]:
        if isinstance(self.convolutions, int):
            return (self.convolutions,) * len(self.channels)
        return tuple(self.convolutions)

    def check(self) -> None:
        """Refuse what cannot be built.

        Raises
        ------
        ParameterError
            For the first value that is not possible.
        """
        for name, table in (("activation", ACTIVATIONS), ("pool", POOLS), ("global_pool", GLOBAL_POOLS)):
            if getattr(self, name) not in table:
                raise unknown_choice(name, getattr(self, name), list(table))
        if not self.channels or min(self.channels) < 1:
            raise ParameterError(f"channels={show(self.channels)} must be whole numbers above 0, one for each block")
        if len(self._convolutions()) != len(self.channels) or min(self._convolutions()) < 1:
            raise ParameterError(
                f"convolutions={show(self.convolutions)} does not fit channels={show(self.channels)}",
                hint="one number above 0 for each block, or one for all",
            )
        if self.kernel_size < 1 or self.kernel_size % 2 == 0:
            raise ParameterError(f"kernel_size={show(self.kernel_size)} must be odd", hint="3 is usual")
        longest = max(self.input_shape[1:])
        if self.kernel_size > max(2 * longest, 3):
            raise ParameterError(
                f"kernel_size={show(self.kernel_size)} reaches beyond pictures of "
                f"{self.input_shape[1]} x {self.input_shape[2]} from any pixel",
                hint="3 is usual",
            )
        if not 0 <= self.dropout < 1:
            raise ParameterError(f"dropout={show(self.dropout)} must be a share, from 0 to below 1")
        side = min(self.input_shape[1:])
        if side >> len(self.channels) < 1:
            possible = int(math.log2(side)) if side else 0
            raise ParameterError(
                f"channels={show(self.channels)} halves pictures of {self.input_shape[1]} x {self.input_shape[2]} "
                f"{len(self.channels)} times, which leaves nothing",
                hint=f"at most {possible} blocks, or larger pictures" if possible else "larger pictures",
            )
