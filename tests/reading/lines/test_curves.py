"""Units as curves, and how they add up: against the network and against hand-made ones."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planefold.core.errors import DataError, ParameterError
from planefold.networks.affine_builder import Builder
from planefold.reading.segments.curves import Curve
from planefold.reading.segments.units import unit_curves, units_at


@pytest.mark.parametrize("sizes", [(1, 2, 1), (1, 3, 1), (1, 10, 1), (1, 4, 5, 3), (1, 3, 3, 3, 1)])
@pytest.mark.parametrize("left", [0.0, 0.1, -1.0])
def test_terms_add_up_and_curves_are_straight_between_rows(build, draw, sizes, left):
    net = build(draw(sizes, 3), left=left)
    found = unit_curves(net, -5, 5)
    grid = np.linspace(-5, 5, 701)
    sums = net.sums_of_units(grid[:, None])
    for unit in range(net.n_units):
        np.testing.assert_allclose(np.interp(grid, found.t, found.before[:, unit]), sums[:, unit], atol=1e-12)
        folded = np.where(sums[:, unit] > 0, 1.0, left) * sums[:, unit]
        np.testing.assert_allclose(found.curve(unit)(grid), folded, atol=1e-12)
        np.testing.assert_allclose(found.curve(unit, folded=False)(grid), sums[:, unit], atol=1e-12)
        terms = found.terms(unit=unit)
        np.testing.assert_allclose(terms.sums[:, -1], found.before[:, unit], atol=1e-12)
    for output in range(net.n_outputs):
        terms = found.terms(output)
        assert terms.units.tolist() == list(range(net.n_units - sizes[-2], net.n_units))
        np.testing.assert_allclose(terms.sums[:, -1], found.outputs[:, output], atol=1e-12)
        assert (terms.sums[:, 0] == terms.bias).all()
        np.testing.assert_allclose(terms.values, found.after[:, terms.units] * terms.weights)


@pytest.mark.parametrize("sizes", [(2, 2, 1), (2, 3, 1), (2, 4, 1)])
def test_surfaces_of_units_add_up_to_the_surface_of_the_network(build, draw, sizes):
    net = build(draw(sizes, 5))
    X = np.stack(np.meshgrid(np.linspace(-1, 1, 9), np.linspace(-1, 1, 9)), axis=-1).reshape(-1, 2)
    found = units_at(net, X)
    np.testing.assert_allclose(found.before, net.sums_of_units(X))
    np.testing.assert_allclose(found.after, np.maximum(found.before, 0))
    np.testing.assert_allclose(found.terms().sums[:, -1], net.outputs(X)[:, 0], atol=1e-14)
    assert found.terms().names == tuple(f"hidden 1, unit {k + 1}" for k in range(sizes[1]))


def test_a_unit_has_its_own_kinks_alone(build):
    found = unit_curves(build([([[1.0, 1.0, 1.0]], [1.0, 0.0, -1.0]), ([[1.0], [1.0], [1.0]], [0.0])]))
    assert found.t.tolist() == [-1.4, -1, 0, 1, 1.4]
    assert found.curve(1).t.tolist() == [-1.4, 0, 1.4]
    assert found.curve(1, folded=False).t.tolist() == [-1.4, 1.4]
    assert found.curve(1).slopes.tolist() == [0, 1]
    assert (found.before[[1, 2, 3], [0, 1, 2]] == 0).all()  # a unit bends where its sum is zero, to the last digit


def test_inputs_and_sums_that_are_not_folded_are_terms_too():
    builder = Builder((1,))
    hidden = builder.fold(builder.affine(builder.input, np.ones((1, 2)), [0.0, -1.0]), layer="hidden 1")
    middle = builder.node(builder.affine(hidden, np.ones((2, 1)), [0.5]))
    net = builder.finish(builder.total([builder.affine(middle, np.full((1, 1), 2.0)), builder.input]))
    found = unit_curves(net)
    terms = found.terms()
    np.testing.assert_allclose(terms.sums[:, -1], found.outputs[:, 0])
    assert sorted(terms.units) == [-1, -1]
    assert "input 1" in terms.names


def test_without_kinks_there_is_a_range_still(build):
    assert unit_curves(build([([[2.0]], [1.0])])).t.tolist() == [-1.4, 1.4]
    one = unit_curves(build([([[2.0]], [-1.0]), ([[2.0]], [1.0])]))
    assert one.t.tolist() == [-0.5, 0.5, 1.5]


def test_what_does_not_exist_is_refused(build, draw):
    found = unit_curves(build(draw([1, 3, 2], 0)))
    with pytest.raises(ParameterError, match="output=2"):
        found.terms(2)
    with pytest.raises(ParameterError, match="unit=3"):
        found.curve(3)
    with pytest.raises(ParameterError, match="finite ends"):
        unit_curves(found.net, -np.inf, 1)
    with pytest.raises(DataError, match="2 inputs"):
        unit_curves(build(draw([2, 3, 1], 0)))


@settings(max_examples=30)
@given(st.integers(2, 300), st.integers(0, 10**6), st.floats(0, 1))
def test_a_thinned_curve_is_off_by_what_it_says(n, seed, tolerance):
    rng = np.random.default_rng(seed)
    curve = Curve(t=np.cumsum(rng.exponential(size=n)), values=np.cumsum(rng.normal(size=n)))
    thin = curve.thinned(tolerance)
    grid = np.concatenate([curve.t, np.linspace(curve.t[0], curve.t[-1], 500)])
    off = np.abs(thin(grid) - curve(grid)).max()
    assert off <= thin.error + 1e-12 <= tolerance + 2e-12
    assert thin.error == pytest.approx(np.abs(thin(curve.t) - curve.values).max())
    assert set(thin.t) <= set(curve.t)
    assert curve.thinned(0.0)(grid) == pytest.approx(curve(grid))


def test_a_tolerance_is_no_negative_number():
    with pytest.raises(ParameterError, match="tolerance=-1"):
        Curve(t=np.arange(3.0), values=np.zeros(3)).thinned(-1)
