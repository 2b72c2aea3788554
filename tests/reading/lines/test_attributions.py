"""Integrated gradients against quadrature, curves and partial dependence against evaluation and scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad
from sklearn.exceptions import ConvergenceWarning
from sklearn.inspection import partial_dependence as brute_force
from sklearn.neural_network import MLPRegressor

from planefold.core.errors import DataError, ParameterError
from planefold.networks.affine_builder import Builder
from planefold.reading.segments import attributions
from planefold.reading.segments.attributions import ice, integrated_gradients, partial_dependence
from planefold.reading.segments.lines import line


@pytest.fixture(scope="module")
def problem(build, draw):
    return build(draw([5, 16, 16, 2], 0)), np.random.default_rng(0).normal(size=(40, 5))


def test_gradients_are_integrated_exactly(problem):
    net, X = problem
    found = integrated_gradients(net, X, np.full(5, 0.3), output=1)
    for row, values in zip(X[:3], found.values[:3], strict=True):

        def gradient(t, k, row=row):
            x = 0.3 + t * (row - 0.3)
            return net.local_maps(net.patterns(x[None]))[0][0, 1, k]

        kinks = line(net, np.full(5, 0.3), row).ends[1:-1]
        for k in range(5):
            integral, _ = quad(gradient, 0, 1, args=(k,), points=kinks, limit=200)
            assert values[k] == pytest.approx((row[k] - 0.3) * integral, abs=1e-9)


def test_attributions_are_complete(problem):
    net, X = problem
    found = integrated_gradients(net, X)
    assert found.error < 1e-13
    change = net.outputs(X)[:, 0] - net.outputs(X.mean(axis=0)[None])[0, 0]
    np.testing.assert_allclose(found.values.sum(axis=1), change, atol=1e-13)
    np.testing.assert_allclose(found.baseline, X.mean(axis=0))
    assert found.certificate.exact
    assert (found.n_regions >= 1).all()


def test_each_row_may_have_its_own_baseline_or_be_it(problem):
    net, X = problem
    baselines = X[::-1].copy()
    baselines[3] = X[3]
    found = integrated_gradients(net, X, baselines)
    assert found.error < 1e-13
    assert (found.values[3] == 0).all()
    assert found.n_regions[3] == 1
    assert (integrated_gradients(net, X[:1], X[:1]).values == 0).all()
    single = integrated_gradients(net, X[7], baselines[7])
    np.testing.assert_allclose(single.values[0], found.values[7], atol=1e-14)


def test_rows_are_taken_in_pieces(problem, monkeypatch):
    net, X = problem
    whole = integrated_gradients(net, X).values
    monkeypatch.setattr(attributions, "VALUES_AT_ONCE", 1)
    np.testing.assert_allclose(integrated_gradients(net, X).values, whole, atol=1e-15)


def test_a_path_within_a_crease_is_complete(build):
    net = build([(np.array([[1.0, 1.0], [-1.0, 0.0]]), [0, 0]), (np.ones((2, 1)), [0])])
    found = integrated_gradients(net, [[2.0, 2.0]], [0, 0])  # along x = y, which is unit 0's crease
    assert found.error == 0
    np.testing.assert_allclose(found.values, [[2, 0]])


def test_one_row_needs_a_baseline(problem):
    net, X = problem
    with pytest.raises(DataError, match="one row has no mean"):
        integrated_gradients(net, X[:1])
    with pytest.raises(DataError, match="2 baselines"):
        integrated_gradients(net, X, X[:2])
    with pytest.raises(ParameterError, match="output=2"):
        integrated_gradients(net, X, output=2)


@pytest.mark.parametrize("feature", range(5))
def test_curves_of_rows_are_the_network_along_a_feature(problem, feature):
    net, X = problem
    curves = ice(net, X, feature, low=-3, high=3, output=1)
    assert len(curves) == len(X)
    grid = np.linspace(-3, 3, 101)
    for row, curve in zip(X, curves, strict=True):
        rows = np.tile(row, (101, 1))
        rows[:, feature] = grid
        np.testing.assert_allclose(curve(grid), net.outputs(rows)[:, 1], atol=1e-13)
    mean = partial_dependence(net, X, feature, low=-3, high=3, output=1)
    np.testing.assert_allclose(mean(grid), np.mean([curve(grid) for curve in curves], axis=0), atol=1e-13)
    everywhere = np.concatenate([curve.t for curve in curves])
    np.testing.assert_allclose(mean(everywhere), np.mean([curve(everywhere) for curve in curves], axis=0), atol=1e-13)


def test_partial_dependence_is_scikit_learns():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(100, 4))
    model = MLPRegressor(hidden_layer_sizes=(10, 10), max_iter=20, solver="lbfgs", random_state=0)
    with pytest.warns(ConvergenceWarning):  # it need not be good
        model.fit(X, np.sin(X[:, 0]) + X[:, 1] ** 2)
    grid = np.linspace(-2, 2, 30)
    theirs = brute_force(model, X, [1], custom_values={1: grid}, method="brute", kind="both")
    mean, curves = (read(model, X, 1, low=-2, high=2) for read in (partial_dependence, ice))
    np.testing.assert_allclose(mean(grid), theirs["average"][0], atol=1e-12)
    np.testing.assert_allclose([curve(grid) for curve in curves], theirs["individual"][0], atol=1e-12)
    thin = mean.thinned()
    assert len(thin.t) < len(mean.t)
    assert thin.error <= np.ptp(mean.values) / 1000


def test_a_feature_goes_from_its_lowest_to_its_highest_value_and_has_a_name():
    builder = Builder((2,))
    hidden = builder.fold(builder.affine(builder.input, np.eye(2)), layer="hidden 1")
    net = builder.finish(builder.affine(hidden, np.ones((2, 1))), input_names=["age", "height"])
    X = [[1.0, -1.0], [3.0, 2.0], [2.0, 0.5]]
    curves = ice(net, X, "height")
    assert [curve.t.tolist() for curve in curves] == [[-1, 0, 2]] * 3
    assert [curve.values.tolist() for curve in curves] == [[1, 1, 3], [3, 3, 5], [2, 2, 4]]
    mean = partial_dependence(net, X, "height")
    assert (mean.t.tolist(), mean.values.tolist()) == ([-1, 0, 2], [2, 2, 4])
    assert (curves[-1].t == curves[2].t).all()
    with pytest.raises(IndexError, match="curve 3"):
        curves[3]
    with pytest.raises(ParameterError, match="did you mean height"):
        ice(net, X, "heigth")
    with pytest.raises(ParameterError, match="input 2 does not exist"):
        ice(net, X, 2)
    with pytest.raises(ParameterError, match="constant column"):
        ice(net, X[:1], "age")
    with pytest.raises(DataError, match="no row"):
        ice(net, np.zeros((0, 2)), "age")
    with pytest.raises(ParameterError, match="output=1"):
        partial_dependence(net, X, "age", output=1)


def test_no_rows_and_no_numbers_are_refused(problem):
    net, _ = problem
    with pytest.raises(DataError, match="no rows"):
        integrated_gradients(net, np.zeros((0, 5)))
    with pytest.raises(DataError, match="not made of numbers: could not convert"):
        integrated_gradients(net, [["a", "b", "c", "d", "e"]])
