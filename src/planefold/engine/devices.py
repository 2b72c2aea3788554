"""Which device a training runs on."""

from __future__ import annotations

import torch

from planefold.core.errors import ParameterError, show


def find_device(device: str) -> torch.device:
    """Turn the parameter ``device`` into a device that is there.

    Parameters
    ----------
    device : str
        ``"auto"`` (the first GPU if there is one, else the CPU), or a name that torch knows, such as
        ``"cpu"`` or ``"cuda:1"``.

    Raises
    ------
    ParameterError
        If there is no such device on this machine.
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        found = torch.device(device)
        torch.empty(0, device=found)
    except Exception as error:  # torch raises a different type for each backend that is missing
        raise ParameterError(
            f"device={show(device)} cannot be used",
            details=str(error).splitlines()[0],
            hint="device='auto' takes a GPU if there is one, and the CPU if not",
        ) from error
    return found
