"""A right gradient passes wherever it is checked; a wrong one is caught, and the part that it is in is named."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import planefold as pf
from planefold.calculus import gradient_check
from planefold.core.errors import DataError, ParameterError

PARTS = {"W1": slice(0, 30), "b1": slice(30, 40), "W2": np.arange(40, 50), "b2": slice(50, 51)}


def _network(theta, *, tilt=None):
    """Half the mean square of a 3-10-1 tanh network, and its gradient as the chain rule gives it."""
    rng = np.random.RandomState(0)
    X, y = rng.randn(20, 3), rng.randn(20, 1)
    W1, b1, W2, b2 = theta[:30].reshape(3, 10), theta[30:40], theta[40:50, None], theta[50]
    a = np.tanh(X @ W1 + b1)
    r = a @ W2 + b2 - y
    delta2 = r / len(X)
    delta1 = delta2 @ W2.T * (1 - a**2)
    gradient = np.concatenate([(X.T @ delta1).ravel(), delta1.sum(0), (a.T @ delta2).ravel(), delta2.sum(0)])
    return 0.5 * float((r**2).mean()), gradient if tilt is None else gradient * tilt


THETA = np.random.RandomState(1).randn(51)


def _tilted(part, factor):
    tilt = np.ones(51)
    tilt[part] = factor
    return lambda theta: _network(theta, tilt=tilt)


def test_a_right_gradient_passes():
    report = gradient_check(_network, THETA, names=PARTS, n_coordinates=None)
    assert report.passed
    assert report.error <= 4e-8
    assert report.wrong == []
    assert [(part.name, part.n_checked) for part in report.parts] == [("W1", 30), ("b1", 10), ("W2", 10), ("b2", 1)]
    assert report.value == _network(THETA)[0]


@pytest.mark.parametrize("name", PARTS)
def test_a_layer_that_is_5_percent_off_is_named(name):
    report = gradient_check(_tilted(PARTS[name], 1.05), THETA, names=PARTS)
    assert not report.passed
    assert report.wrong == [name]
    assert report.error >= 2e-2
    assert f"WRONG: {name}" in str(report)


def test_a_wrong_sign_in_one_bias_has_the_error_1():
    report = gradient_check(_tilted(33, -1), THETA, names=PARTS, n_coordinates=None)
    assert report.wrong == ["b1"]
    assert report.error == pytest.approx(1.0)
    assert report.parts[1].place == 3
    assert report.parts[1].gradient == pytest.approx(-report.parts[1].difference)


@settings(max_examples=50)
@given(place=st.integers(0, 50), seed=st.integers(0, 2**32 - 1))
def test_a_wrong_sign_shows_even_where_its_coordinate_was_not_drawn(place, seed):
    report = gradient_check(_tilted(place, -1), THETA, names=PARTS, n_coordinates=1, random_state=seed)
    assert report.wrong == [name for name, part in PARTS.items() if place in np.arange(51)[part]]


def test_a_gradient_of_zeros_is_wrong():
    assert gradient_check(lambda theta: (_network(theta)[0], 0 * theta), THETA).wrong == ["theta"]


def test_a_parameter_without_influence_raises_no_alarm():
    def function(theta):
        value, gradient = _network(theta[:51])
        # The last two move numbers that a mean takes off again, as a bias before batch normalisation: only their
        # rounding stays, and it makes slopes of 1e-10.
        z = np.sin(np.arange(50)) + 1000 * theta[51] + theta[52]
        return value + float(((z - z.mean()) ** 2).sum()), np.append(gradient, [0.0, 1e-17])

    theta = np.append(THETA, [1 / 3, 0.7])
    report = gradient_check(function, theta, names={**PARTS, "idle": slice(51, 53)}, n_coordinates=None)
    assert report.passed
    assert report.parts[-1].steepest > 1e-10  # rounding did make a slope


def test_a_small_gradient_is_not_hidden_by_large_ones():
    def function(theta):
        return float(theta[0] ** 2 + 1e-4 * theta[1]), np.array([2 * theta[0], 1.05e-4])

    report = gradient_check(function, np.array([1.0, 1.0]), names={"large": slice(0, 1), "small": slice(1, 2)})
    assert report.wrong == ["small"]


@given(st.integers(0, 2**32 - 1), st.floats(-6, 6))
def test_a_right_gradient_passes_at_any_scale(seed, magnitude):
    rng = np.random.RandomState(seed)
    A = rng.randn(6, 6) * 10**magnitude
    A = A + A.T
    theta = rng.randn(6)
    assert gradient_check(lambda t: (0.5 * float(t @ A @ t), A @ t), theta, n_coordinates=None).passed


# ------------------------------------------------------------------------------------------- kinks


def _folded(theta, *, slopes=(0.0, 1.0)):
    """A sum of units, each with its own crease; the gradient at the crease is that of the left side."""
    low, high = slopes
    return float(np.where(theta > 0, high, low) @ theta + 0.1 * (theta**2).sum()), np.where(
        theta > 0, high, low
    ) + 0.2 * theta


@pytest.mark.parametrize("distance", [3e-8, -3e-8, 4e-7, -4e-7])
def test_a_crease_within_the_step_raises_no_alarm(distance):
    report = gradient_check(_folded, np.array([1.0, distance, -2.0]), n_coordinates=None)
    assert report.passed
    assert report.parts[0].n_checked == 3


def test_a_wrong_gradient_beside_a_crease_is_still_wrong():
    report = gradient_check(
        lambda t: (_folded(t)[0], _folded(t)[1] * [1, 1.05, 1]), np.array([1.0, 4e-7, -2.0]), n_coordinates=None
    )
    assert report.wrong == ["theta"]
    assert report.parts[0].place == 1


def test_on_a_crease_there_is_no_derivative_to_compare_with():
    report = gradient_check(_folded, np.array([1.0, 0.0, -2.0]), n_coordinates=None)
    assert report.passed
    assert report.parts[0].n_checked == 2
    assert report.parts[0].n_kinks >= 1


def test_where_creases_meet_a_slope_outside_of_both_sides_raises_no_alarm():
    """relu(t) - relu(-t) / 2 has the slopes 1/2 and 1, and torch gives 0, as both units are off at 0."""

    def function(theta):
        t = theta[0]
        value = max(t, 0.0) - 0.5 * max(-t, 0.0) + float(theta[1] ** 2)
        return value, np.array([float(t > 0) + 0.5 * (t < 0), 2 * theta[1]])

    report = gradient_check(function, np.array([0.0, 1.0]), n_coordinates=None)
    assert report.passed
    assert (report.parts[0].n_checked, report.parts[0].n_kinks) == (1, 2)  # the direction through both is the second
    wrong = gradient_check(lambda t: (function(t)[0], function(t)[1] * 1.05), np.array([0.0, 1.0]), n_coordinates=None)
    assert wrong.wrong == ["theta"]  # what is wrong shows where there is a derivative


@pytest.mark.parametrize("tilt", [1.0, 1.05, -1.0])
def test_creases_on_both_sides_within_the_step_are_stepped_between(tilt):
    """The right slope, 1, lies outside of those to the left (about 0) and to the right (about 1/2)."""
    left, right = 3e-9, 2e-8

    def function(theta):
        t = theta[0]
        return float(max(t, -left) - 0.5 * max(t - right, 0.0)) + 1.0, np.full(1, tilt)

    report = gradient_check(function, np.zeros(1), n_coordinates=None)
    assert report.passed == (tilt == 1.0)
    assert report.wrong == ([] if tilt == 1.0 else ["theta"])
    assert report.parts[0].n_kinks == 0


def test_a_relu_network_fitted_to_the_end_passes():
    """L-BFGS comes to rest with rows on the creases of several units."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(40, 2))
    labels = (rows[:, 0] * rows[:, 1] > 0).astype(int)
    options = {"hidden_layer_sizes": (3,), "solver": "lbfgs", "alpha": 1, "max_iter": 2000, "random_state": 0}
    model = pf.MLPClassifier(**{**pf.SKLEARN_DEFAULTS, **options}).fit(rows, labels)
    report = model.check_gradients(rows, labels, n_coordinates=None)
    assert report.passed, str(report)
    assert sum(part.n_checked for part in report.parts) > 8


def test_nothing_but_creases_is_no_pass():
    report = gradient_check(_folded, np.zeros(1))
    assert not report.passed
    assert "kinks only" in str(report)


# ---------------------------------------------------------------------------------------- rounding


def test_the_rounding_error_of_the_function_is_measured():
    grid, slope = 1e-9, 10 * np.pi
    report = gradient_check(lambda t: (grid * round(slope * float(t[0]) / grid), np.full(1, slope)), np.ones(1))
    # Rounding to a grid errs by grid / sqrt(12); ten times that, over the step of 1e-6.
    assert 0.3 < report.rounding / (10 * grid / np.sqrt(12) / 1e-6) < 3


def test_float32_is_refused_as_it_would_hide_what_is_wrong():
    def function(theta):
        value, gradient = _network(theta)
        return float(np.float32(value)), gradient

    with pytest.raises(DataError, match="compute in float64"):
        gradient_check(function, THETA)


def test_a_flat_function_cannot_be_checked():
    with pytest.raises(DataError, match="steepest slope is 0"):
        gradient_check(lambda theta: (1.0, 0 * theta), np.ones(3))


# -------------------------------------------------------------------------------------- misuse


def test_a_gradient_with_nan_is_wrong():
    assert gradient_check(lambda t: (float(t @ t), np.full(3, np.nan)), np.ones(3)).wrong == ["theta"]


def test_a_function_that_is_not_finite_is_refused():
    with pytest.raises(DataError, match="the function is nan"):
        gradient_check(lambda t: (float("nan"), t), np.ones(3))


def test_a_gradient_of_another_shape_is_refused():
    with pytest.raises(DataError, match=r"has the shape \(2,\)"):
        gradient_check(lambda t: (float(t @ t), t[:2]), np.ones(3))


@pytest.mark.parametrize("theta", [np.ones((2, 2)), np.ones(0)])
def test_what_is_no_vector_is_refused(theta):
    with pytest.raises(DataError, match="must be a vector"):
        gradient_check(lambda t: (float(t.sum()), t), theta)


@pytest.mark.parametrize("wrong", [{"epsilon": 0}, {"threshold": -1}, {"n_coordinates": 0}, {"n_coordinates": 2.5}])
def test_numbers_that_cannot_be_are_refused(wrong):
    with pytest.raises(ParameterError, match=f"{next(iter(wrong))}="):
        gradient_check(_network, THETA, **wrong)


def test_the_caller_keeps_its_parameters_and_the_report_is_repeatable():
    before = THETA.copy()
    first, again = (gradient_check(_network, THETA, names=PARTS) for _ in range(2))
    np.testing.assert_array_equal(THETA, before)
    assert first == again


def test_the_cheaper_value_is_used_for_the_differences():
    calls = []

    def value_and_gradient(theta):
        calls.append(1)
        return _network(theta)

    assert gradient_check(value_and_gradient, THETA, value=lambda theta: _network(theta)[0]).passed
    assert len(calls) == 1


def test_a_value_of_another_function_is_refused():
    with pytest.raises(DataError, match="where value_and_gradient gives"):
        gradient_check(_network, THETA, value=lambda theta: 1.01 * _network(theta)[0])


def test_a_function_without_a_gradient_is_refused():
    with pytest.raises(ParameterError, match="must give two things"):
        gradient_check(np.sum, np.ones(2))
