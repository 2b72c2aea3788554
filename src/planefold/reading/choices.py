"""Inputs and outputs that a caller chooses by number or name."""

from __future__ import annotations

import numpy as np

from planefold.core.errors import ParameterError, did_you_mean, listed, show
from planefold.networks.affine import PiecewiseLinearNet


def check_output(output: int, n_outputs: int) -> int:
    """Return the number of an output.

    Raises
    ------
    ParameterError
        If there is none such.
    """
    is_number = isinstance(output, int | np.integer) and not isinstance(output, bool)
    if not is_number or not 0 <= output < n_outputs:
        raise ParameterError(f"output={show(output)} does not exist: there are {n_outputs}, counted from 0")
    return int(output)


def input_number(net: PiecewiseLinearNet, chosen: str | int) -> int:
    """Return the number of an input given by number or name.

    Raises
    ------
    ParameterError
        If there is none such.
    """
    if isinstance(chosen, str):
        if chosen not in net.input_names:
            near = did_you_mean(chosen, net.input_names)
            raise ParameterError(
                f'there is no input "{chosen}"',
                details=f"inputs: {listed(net.input_names)}" if net.input_names else "its inputs have no names",
                hint=f"did you mean {near}?" if near else "count them from 0",
            )
        return net.input_names.index(chosen)
    if not 0 <= chosen < net.n_inputs:
        raise ParameterError(f"input {show(chosen)} does not exist: there are {net.n_inputs}, counted from 0")
    return int(chosen)
