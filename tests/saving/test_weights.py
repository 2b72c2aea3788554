"""Our weights are safetensors: the library reads ours, and we read the library's."""

from __future__ import annotations

import json
import struct
import zipfile

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from planefold.saving import Fold, read_fold, write_fold

DTYPES = ["f8", "f4", "f2", "i8", "i4", "i2", "i1", "u8", "u4", "u2", "u1", "?"]
ARRAYS = st.sampled_from(DTYPES).flatmap(
    lambda dtype: hnp.arrays(
        dtype,
        hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
        elements={"allow_nan": False, "allow_infinity": False} if dtype[0] == "f" else None,
    )
)
FUZZ = settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])


@FUZZ
@given(weights=st.dictionaries(st.text(max_size=5).filter(lambda name: name.isprintable()), ARRAYS, max_size=4))
def test_the_library_reads_ours_and_we_read_the_librarys(weights, make):
    path = write_fold(make.path, Fold(manifest={}, weights=weights))
    with zipfile.ZipFile(path) as archive:
        theirs = safetensors.numpy.load(archive.read("weights.safetensors"))
    ours = read_fold(path).weights
    again = read_fold(make(weights__safetensors=safetensors.numpy.save(weights))).weights
    assert theirs.keys() == ours.keys() == again.keys() == weights.keys()
    for name, array in weights.items():
        for other in (theirs[name], ours[name], again[name]):
            assert other.dtype == array.dtype
            assert other.shape == array.shape
            assert other.tobytes() == array.tobytes()


def test_every_array_begins_at_a_multiple_of_its_item(tmp_path):
    weights = {f"{i}.{dtype}": np.ones(3, dtype=dtype) for i, dtype in enumerate(reversed(DTYPES))}
    with zipfile.ZipFile(write_fold(tmp_path / "a.fold", Fold(manifest={}, weights=weights))) as archive:
        data = archive.read("weights.safetensors")
    length = struct.unpack("<Q", data[:8])[0]
    assert length % 8 == 0
    for name, record in json.loads(data[8 : 8 + length]).items():
        assert record["data_offsets"][0] % weights[name].dtype.itemsize == 0


@pytest.mark.parametrize("dtype", DTYPES)
def test_an_empty_array_and_a_number_keep_their_shapes(dtype, tmp_path):
    weights = {"empty": np.ones((3, 0, 2), dtype=dtype), "number": np.ones((), dtype=dtype)}
    fold = read_fold(write_fold(tmp_path / "a.fold", Fold(manifest={}, weights=weights)))
    assert fold.weights["empty"].shape == (3, 0, 2)
    assert fold.weights["number"].shape == ()
