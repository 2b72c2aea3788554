from __future__ import annotations

import contextlib

import pytest
import torch

from planefold.core.errors import ParameterError
from planefold.engine.devices import ONE_THREAD_UP_TO, find_device, threads_for


def test_auto_is_a_gpu_where_there_is_one():
    assert find_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert find_device("cpu") == torch.device("cpu")


@pytest.mark.parametrize("device", ["cuda:99", "gpu", "nonsense:1"])
def test_a_device_that_is_not_there_is_refused_by_name(device):
    with pytest.raises(ParameterError, match=f"device='{device}' cannot be used") as caught:
        find_device(device)
    assert "device='auto'" in str(caught.value)


@pytest.mark.parametrize("work", [1, ONE_THREAD_UP_TO, ONE_THREAD_UP_TO + 1])
def test_small_steps_use_one_thread_and_the_number_is_put_back(work):
    before = torch.get_num_threads()
    small = work <= ONE_THREAD_UP_TO
    with threads_for(work):
        assert torch.get_num_threads() == (1 if small else before)
    assert torch.get_num_threads() == before
    with contextlib.suppress(KeyboardInterrupt), threads_for(work):
        raise KeyboardInterrupt
    assert torch.get_num_threads() == before
