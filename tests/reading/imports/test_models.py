"""What from_model takes, and what it says of everything else."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from sklearn.decomposition import PCA

from planefold import MLPClassifier, MLPRegressor
from planefold.core.errors import MissingFileError, ParameterError
from planefold.networks.affine_builder import Builder
from planefold.reading.models import from_model


def small_table():
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"area": rng.uniform(50, 200, 60), "town": rng.choice(["Bonn", "Ulm"], 60)})
    return table, table["area"] * 3 + 50 * (table["town"] == "Ulm")


def test_a_piecewise_linear_net_is_returned_as_it_is():
    builder = Builder((2,))
    net = builder.finish(builder.fold(builder.input, layer="hidden 1"))
    assert from_model(net) is net


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_our_estimators_and_their_networks_are_read():
    table, price = small_table()
    model = MLPRegressor(hidden_layer_sizes=(8,), max_iter=5, random_state=0).fit(table, price)
    net = from_model(model)
    from planefold.reading.tables.columns import columns_of

    np.testing.assert_allclose(net.outputs(columns_of(model).rows(table))[:, 0], model.predict(table), rtol=1e-5)
    assert from_model(model.net_).n_units == 8 * model.net_.spec.n_members
    numbers = table[["area"]].to_numpy() / 100
    plain = MLPClassifier(hidden_layer_sizes=(4,), max_iter=5, preprocess=None, random_state=0).fit(
        numbers, price > 400
    )
    read = from_model(plain)
    assert read.link == "logistic"
    np.testing.assert_allclose(
        1 / (1 + np.exp(-read.outputs(numbers)[:, 0])), plain.predict_proba(numbers)[:, 1], rtol=1e-5
    )


@pytest.mark.parametrize(
    ("thing", "said"),
    [
        (3, "a int cannot be read"),
        ([1, 2], "a list cannot be read"),
        (PCA(), "a PCA of scikit-learn cannot be read"),
        (MLPClassifier(), "not fitted"),
        ("model.pt", "may run code"),
        ("model.fold", "planefold.load"),
        ("model.onx", "did you mean .onnx"),
        ("model", "end with .onnx"),
    ],
)
def test_other_things_are_refused_with_what_can_be_read(thing, said):
    with pytest.raises(ParameterError, match=said):
        from_model(thing)


@pytest.mark.parametrize("ending", [".onnx", ".nnet", ".keras"])
def test_a_file_that_is_not_there_is_said_so(ending):
    with pytest.raises(MissingFileError, match="does not exist"):
        from_model("nowhere" + ending)


def test_no_other_library_is_imported_to_read_a_torch_module():
    program = (
        "import sys, torch\n"
        "from planefold.reading.models import from_model\n"
        "assert from_model(torch.nn.Linear(3, 2)).n_outputs == 2\n"
        "assert not {'keras', 'onnx', 'onnxruntime', 'tensorflow'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", program], check=True)


@pytest.mark.parametrize("shape", [(3, -8, 8), "3,8,8", (), (2.5,), (0,)])
def test_shapes_that_are_none_are_refused(shape):
    torch = pytest.importorskip("torch")
    with pytest.raises(ParameterError, match="must be whole numbers above 0"):
        from_model(torch.nn.Linear(2, 1), input_shape=shape)
