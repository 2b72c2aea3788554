"""Files .nnet: a network written by hand, the public ones against weights that were parsed independently."""

from __future__ import annotations

import numpy as np
import pytest

from planefold.core.errors import ModelFileError
from planefold.reading.imports.nnet_files import read_nnet
from planefold.reading.models import from_model

# y = 3 + 10 * (relu(2 u - v + 1) - relu(v)), where u = (x0 - 1) / 2 and v = (x1 + 1) / 4
WRITTEN = """// by hand
2,2,1,2,
2,2,1,
0,
-1.0,-2.0,
1.0,3.4028234663852886e+38,
1.0,-1.0,3.0,
2.0,4.0,10.0,
2.0,-1.0,
0.0,1.0,
1.0,
0.0,
1.0,-1.0,
0.0,
"""


def written(tmp_path, text=WRITTEN):
    path = tmp_path / "small.nnet"
    path.write_text(text)
    return path


def test_raw_inputs_are_normalised_and_outputs_brought_back(tmp_path):
    found = read_nnet(written(tmp_path))
    X = np.random.default_rng(0).normal(size=(20, 2)) * 5
    u, v = (X[:, 0] - 1) / 2, (X[:, 1] + 1) / 4
    expected = np.maximum(2 * u - v + 1, 0) - np.maximum(v, 0)
    np.testing.assert_allclose(found.net.outputs(X)[:, 0], 3 + 10 * expected, rtol=1e-12)
    np.testing.assert_allclose(found.normalized_net.outputs(np.c_[u, v])[:, 0], expected, rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal(found.lower, [-1, -2])
    np.testing.assert_array_equal(found.upper, [1, np.inf])
    assert from_model(written(tmp_path)).unit_name(1) == "hidden 1, unit 2"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (WRITTEN, ""),
        (WRITTEN, "\x00\x01\x02" * 100),
        ("2,2,1,2,", "2,2,1000000000,2,"),
        ("2,2,1,\n0", "2,1000000000,1,\n0"),
        ("2,2,1,\n0", "2,-2,1,\n0"),
        ("2.0,-1.0,", "2.0,"),
        ("2.0,-1.0,", "2.0,nan,"),
        ("2.0,-1.0,", "2.0,word,"),
        ("2.0,4.0,10.0,", "2.0,0.0,10.0,"),
        ("1.0,-1.0,\n0.0,\n", ""),
    ],
)
def test_damaged_files_are_refused(tmp_path, old, new):
    assert old in WRITTEN
    with pytest.raises(ModelFileError):
        read_nnet(written(tmp_path, WRITTEN.replace(old, new)))


def test_bytes_that_are_no_text_are_refused(tmp_path):
    path = tmp_path / "small.nnet"
    path.write_bytes(bytes(range(256)) * 10)
    with pytest.raises(ModelFileError, match="not plain text"):
        read_nnet(path)


def test_the_public_networks_agree_with_weights_parsed_elsewhere(data_dir):
    folder = data_dir / "acasxu"
    if not folder.is_dir():
        pytest.skip("the ACAS Xu networks are not here")
    found = read_nnet(folder / "nnet_example" / "ACASXU_run2a_1_1_batch_2000.nnet")
    weights = np.load(folder / "npz" / "ACASXU_run2a_1_1_batch_2000.npz")
    X = np.random.default_rng(0).uniform(found.lower, found.upper, (100, 5))
    values = (X - weights["means"][:5]) / weights["ranges"][:5]
    for k in range(7):
        values = values @ weights[f"W{k}"].T + weights[f"b{k}"]
        values = np.maximum(values, 0) if k < 6 else values
    expected = values * weights["ranges"][5] + weights["means"][5]
    np.testing.assert_allclose(found.net.outputs(X), expected, rtol=1e-9, atol=1e-9)
    files = sorted((data_dir / "coav").glob("*.nnet"))
    assert {from_model(path).widths for path in files} == {(40, 40, 38, 19)}
