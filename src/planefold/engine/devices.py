"""Which device a training runs on."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator

import torch
from threadpoolctl import ThreadpoolController

from planefold.core.errors import ParameterError, show

# Multiply-adds of a network's largest product up to which one thread is used. A second one saves little of so short
# a product on an idle machine, and costs many times that on a busy one, where threads wait for each other: see
# docs/design.md.
ONE_THREAD_UP_TO = 5_000_000


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


@contextlib.contextmanager
def threads_for(multiply_adds: int) -> Iterator[None]:
    """Use one thread, of torch and of BLAS, while products are small, and put the numbers back afterwards.

    Parameters
    ----------
    multiply_adds : int
        Of the largest product: rows of a batch times weights of a member's largest layer.
    """
    if multiply_adds > ONE_THREAD_UP_TO:
        yield
        return
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with _blas().limit(limits=1, user_api="blas"):
            yield
    finally:
        torch.set_num_threads(before)


@functools.cache
def _blas() -> ThreadpoolController:
    """Find the libraries behind NumPy's and SciPy's products: once, as it takes milliseconds."""
    return ThreadpoolController()
