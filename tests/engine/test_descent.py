"""`descend`: every rule on plain functions, against torch.optim, the lecture decks' tables and typed-out formulas."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from planefold.core.errors import DataError, ParameterError
from planefold.engine import OPTIMIZERS, Descent, descend

# Plain descent is sgd without momentum. Our adam adds epsilon to the uncorrected root, torch to the corrected one:
# they are compared where neither matters. Torch has no adam without correction. Averaged momentum is accumulated
# momentum at a rate times (1 - 0.9).
TORCHS = {
    "sgd": ({"momentum": 0.0}, lambda p: torch.optim.SGD(p, lr=0.02)),
    "momentum": ({"momentum": 0.8}, lambda p: torch.optim.SGD(p, lr=0.02, momentum=0.8)),
    "averaged_momentum": ({}, lambda p: torch.optim.SGD(p, lr=0.002, momentum=0.9)),  # v is a tenth
    "nesterov": ({}, lambda p: torch.optim.SGD(p, lr=0.02, momentum=0.9, nesterov=True)),
    "adagrad": ({}, lambda p: torch.optim.Adagrad(p, lr=0.02, eps=1e-8)),
    "rmsprop": ({"rho": 0.95}, lambda p: torch.optim.RMSprop(p, lr=0.02, alpha=0.95)),
    "adadelta": ({"epsilon": 1e-6}, lambda p: torch.optim.Adadelta(p, lr=0.02, eps=1e-6)),
    "adam": ({"epsilon": 1e-30}, lambda p: torch.optim.Adam(p, lr=0.02, eps=1e-30)),
    "adamw": ({"epsilon": 1e-4}, lambda p: torch.optim.AdamW(p, lr=0.02, eps=1e-4, weight_decay=0)),
    "nadam": ({"epsilon": 1e-4}, lambda p: torch.optim.NAdam(p, lr=0.02, eps=1e-4)),
}


def _quadratic(seed, n=6):
    """Half of x'Ax - 2 b'x, with A positive definite, and somewhere to start."""
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(n, n))
    return root @ root.T + np.eye(n), rng.normal(size=n), rng.normal(size=n)


def _torchs_path(make, gradient, start, n_steps):
    theta = torch.tensor(start, dtype=torch.float64, requires_grad=True)
    rule, path = make([theta]), [np.array(start, dtype=float)]
    for _ in range(n_steps):
        theta.grad = torch.from_numpy(np.asarray(gradient(theta.detach().numpy())))
        rule.step()
        path.append(theta.detach().numpy().copy())
    return np.array(path)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("solver", TORCHS)
def test_fifty_steps_on_a_random_quadratic_are_torchs(solver, seed):
    a, b, start = _quadratic(seed)
    options, make = TORCHS[solver]
    path = descend(lambda x: a @ x - b, start, solver=solver, learning_rate_init=0.02, n_steps=50, **options)
    expected = _torchs_path(make, lambda x: a @ x - b, start, 50)
    atol = 1e-6 if solver == "nadam" else 1e-9  # torch keeps nadam's product of momenta in float32
    np.testing.assert_allclose(path.theta, expected, rtol=0, atol=atol)
    np.testing.assert_array_equal(path.gradients, [a @ x - b for x in path.theta[:-1]])
    assert np.abs(path.theta[-1] - path.theta[0]).max() > 1e-4  # something moved


def test_sgd_has_the_estimators_momentum_unless_told_otherwise():
    a, b, start = _quadratic(7)
    options = {"learning_rate_init": 0.01, "n_steps": 20}
    default = descend(lambda x: a @ x - b, start, **options)
    nesterov = descend(lambda x: a @ x - b, start, solver="nesterov", **options)
    np.testing.assert_array_equal(default.theta, nesterov.theta)
    heavy = descend(lambda x: a @ x - b, start, nesterovs_momentum=False, **options)
    np.testing.assert_array_equal(heavy.theta, descend(lambda x: a @ x - b, start, solver="momentum", **options).theta)


def test_adam_without_correction_is_the_formula():
    a, b, start = _quadratic(8)
    path = descend(lambda x: a @ x - b, start, solver="adam_uncorrected", learning_rate_init=0.02, n_steps=50)
    theta, m, v = start, 0.0, 0.0
    for t in range(50):
        g = a @ theta - b
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
        theta = theta - 0.02 * m / (np.sqrt(v) + 1e-8)
        np.testing.assert_allclose(path.theta[t + 1], theta, rtol=0, atol=1e-9)


def test_every_rule_was_compared():
    assert {*TORCHS, "adam_uncorrected"} == {*OPTIMIZERS}


# ------------------------------------------------------------------------------------------------ the decks' bowl

# theta after steps 1 ... 6 and 198 ... 200, the gradients of steps 1 ... 6 and the length of the last theta: recomputed
# from the decks' formulas, epsilon inside of the root as on the slides.
BOWL = {
    "momentum": ("sgd", {"learning_rate_init": 0.0015, "momentum": 0.9, "nesterovs_momentum": False},
        [(-4.984939, -4.257184), (-4.956273, -2.941736), (-4.916194, -1.337474), (-4.865403, 0.302757),
         (-4.805325, 1.714855), (-4.737142, 2.747958), (-0.007126, -0.1289), (-0.006968, -0.152614),
         (-0.006761, -0.157708)],
        [(-10.0409, -495.2106), (-10.0738, -431.2757), (-9.5194, -280.2396), (-9.8138, -130.9299), (-9.577, 42.7401),
         (-9.4092, 158.5233)], 0.15785),
    "adagrad": ("adagrad", {"learning_rate_init": 0.5},
        [(-4.5, -4.5), (-4.164154, -4.161486), (-3.911533, -3.904948), (-3.689029, -3.683304), (-3.498592, -3.494852),
         (-3.329948, -3.315663), (-0.01159, -0.015104), (-0.00903, -0.018844), (-0.008271, -0.019647)],
        [(-10.0409, -495.2106), (-9.1039, -455.5573), (-7.9352, -402.2146), (-7.8045, -387.6774),
         (-7.2243, -355.8661), (-6.7957, -362.4474)], 0.02132),
    "rmsprop": ("rmsprop", {"learning_rate_init": 0.0375, "rho": 0.9},
        [(-4.881415, -4.881415), (-4.796101, -4.795508), (-4.72764, -4.726207), (-4.664844, -4.663607),
         (-4.608275, -4.607455), (-4.555751, -4.55267), (0.003114, -0.059924), (0.023534, -0.078247),
         (0.020812, -0.069367)],
        [(-10.0409, -495.2106), (-9.8667, -493.6988), (-9.199, -465.6168), (-9.4367, -469.8033),
         (-9.1759, -453.8964), (-9.0151, -473.7077)], 0.07242),
    "adam": ("adam", {"learning_rate_init": 0.075, "beta_1": 0.9, "beta_2": 0.999},
        [(-4.925, -4.925), (-4.850018, -4.849989), (-4.775258, -4.775144), (-4.700509, -4.700344),
         (-4.625873, -4.625705), (-4.55139, -4.551018), (-0.009962, -0.000518), (-0.009604, -0.002683),
         (-0.009172, -0.00482)],
        [(-10.0409, -495.2106), (-9.9539, -498.0573), (-9.3069, -471.0649), (-9.5319, -474.6969),
         (-9.2472, -457.5701), (-9.0503, -475.5327)], 0.01036),
    "plain descent": ("sgd", {"learning_rate_init": 0.0015, "momentum": 0},
        [(-4.984939, -4.257184), (-4.969828, -3.610271), (-4.955508, -3.089631), (-4.94067, -2.630413),
         (-4.926078, -2.254547), (-4.911602, -1.896922), (-2.756824, -0.04817), (-2.748344, -0.060979),
         (-2.740054, -0.058476)],
        [(-10.0409, -495.2106), (-10.0738, -431.2757), (-9.5465, -347.093), (-9.8924, -306.1456),
         (-9.7275, -250.5769), (-9.6507, -238.4169)], 2.74068),
}  # fmt: skip


def _noisy_slope():
    """The gradient of x^2 + 50 y^2, seen through noise that is the same in each descent."""
    noise = np.random.RandomState(12345)
    return lambda theta: [2, 100] * (theta + 0.1 * noise.randn(2))


@pytest.mark.parametrize("name", BOWL)
def test_the_tables_of_the_bowl_to_six_digits(name):
    solver, options, places, slopes, length = BOWL[name]
    path = descend(_noisy_slope(), [-5, -5], solver=solver, n_steps=200, **options)
    np.testing.assert_allclose(path.theta[[1, 2, 3, 4, 5, 6, 198, 199, 200]], places, rtol=0, atol=1e-6)
    np.testing.assert_allclose(path.gradients[:6], slopes, rtol=0, atol=5.001e-5)
    assert np.hypot(*path.theta[-1]) == pytest.approx(length, abs=5.001e-6)


FORMULAS = {
    # As the slides have them: state and slope to state and step; e is inside of the root, torch's outside.
    "momentum": (lambda g, v, _, t: (0.9 * v + 0.0015 * g, 0, 0.9 * v + 0.0015 * g),
                 lambda p: torch.optim.SGD(p, lr=0.0015, momentum=0.9)),
    "adagrad": (lambda g, v, _, t: (v + g**2, 0, 0.5 * g / np.sqrt(v + g**2 + 1e-8)),
                lambda p: torch.optim.Adagrad(p, lr=0.5, eps=1e-8)),
    "rmsprop": (lambda g, v, _, t: (0.9 * v + 0.1 * g**2, 0, 0.0375 * g / np.sqrt(0.9 * v + 0.1 * g**2 + 1e-8)),
                lambda p: torch.optim.RMSprop(p, lr=0.0375, alpha=0.9)),
    "adam": (lambda g, v, m, t: (0.999 * v + 0.001 * g**2, 0.9 * m + 0.1 * g,
                                 0.075 * (0.9 * m + 0.1 * g) / (1 - 0.9**t)
                                 / np.sqrt((0.999 * v + 0.001 * g**2) / (1 - 0.999**t) + 1e-8)),
             lambda p: torch.optim.Adam(p, lr=0.075)),
}  # fmt: skip


@pytest.mark.parametrize("name", FORMULAS)
def test_the_slides_formulas_are_torchs_and_ours_on_the_bowl(name):
    formula, make = FORMULAS[name]
    slope, theta, v, m = _noisy_slope(), np.array([-5.0, -5.0]), 0.0, 0.0
    path = [theta]
    for t in range(1, 201):
        v, m, step = formula(slope(theta), v, m, t)
        theta = theta - step
        path.append(theta)
    np.testing.assert_allclose(path, _torchs_path(make, _noisy_slope(), [-5, -5], 200), rtol=0, atol=1e-8)
    solver, options, *_ = BOWL[name]
    ours = descend(_noisy_slope(), [-5, -5], solver=solver, n_steps=200, **options)
    np.testing.assert_allclose(path, ours.theta, rtol=0, atol=1e-6)


# ----------------------------------------------------------------------------------------------------- the record


def _bowl(p):
    return p[0] ** 2 + 2 * p[1] ** 2


def _bowls_slope(p):
    return [2 * p[0], 4 * p[1]]


def test_steepest_descent_by_hand():
    path = descend(_bowls_slope, [0.5, 0.5], learning_rate_init=0.1, momentum=0, n_steps=3, value=_bowl)
    np.testing.assert_allclose(path.theta, [[0.5, 0.5], [0.4, 0.3], [0.32, 0.18], [0.256, 0.108]], rtol=1e-14)
    np.testing.assert_allclose(path.gradients, [[1, 2], [0.8, 1.2], [0.64, 0.72]], rtol=1e-14)
    np.testing.assert_allclose(path.values, [0.75, 0.34, 0.1672, 0.088864], rtol=1e-14)
    assert (path.n_steps, path.stopped_because, path.solver) == (3, "n_steps", "sgd")


@pytest.mark.parametrize(("rate", "settles"), [(0.499, True), (0.501, False)])
def test_plain_descent_on_a_quadratic_settles_below_two_over_the_largest_curvature(rate, settles):
    path = descend(_bowls_slope, [0.5, 0.5], learning_rate_init=rate, momentum=0, n_steps=2000, value=_bowl)
    assert (path.values[-1] < 1e-3) == settles


def test_a_path_that_leaves_the_numbers_ends_there_and_says_so():
    path = descend(lambda x: 2 * x, [1.0], learning_rate_init=5, momentum=0, n_steps=1000, value=lambda x: x[0] ** 2)
    # Each step multiplies by -9; 9^161 squared is the last below 1.8e308.
    assert path.n_steps == 161
    assert path.stopped_because == "diverged"
    assert [part.shape for part in (path.theta, path.gradients, path.values)] == [(162, 1), (161, 1), (162,)]
    assert all(np.isfinite(part).all() for part in (path.theta, path.gradients, path.values))
    assert "161 steps, then diverged: step 162 led to numbers that are not finite" in str(path)


def test_a_gradient_that_is_not_a_number_later_ends_the_path_before_it():
    path = descend(lambda x: np.where(x < 1, np.nan, x), [3.0], learning_rate_init=0.5, momentum=0, n_steps=9)
    assert path.theta.ravel().tolist() == [3.0, 1.5, 0.75]
    assert path.stopped_because == "diverged"


def test_the_functions_cannot_move_the_path_by_writing_into_what_they_are_given():
    def gradient(theta):
        slope = 2 * theta
        theta[:] = 100
        return slope

    path = descend(gradient, [1.0, 2.0], learning_rate_init=0.25, momentum=0, n_steps=2)
    assert path.theta.tolist() == [[1, 2], [0.5, 1], [0.25, 0.5]]


def test_a_gradient_that_returns_one_array_of_its_own_each_time_is_recorded_step_by_step():
    kept = np.zeros(1)

    def gradient(theta):
        kept[:] = 2 * theta
        return kept

    path = descend(gradient, [1.0], learning_rate_init=0.25, momentum=0, n_steps=2)
    assert path.gradients.ravel().tolist() == [2, 1]


def test_the_start_is_left_as_it_is():
    start = np.array([1.0, 1.0])
    descend(_bowls_slope, start, learning_rate_init=0.1)
    assert start.tolist() == [1, 1]


def test_many_parameters_take_the_rule_that_large_networks_take():
    start = np.linspace(1, 2, 50_000)
    path = descend(lambda x: 2 * x, start, solver="adam", learning_rate_init=0.01, n_steps=5)
    expected = _torchs_path(lambda p: torch.optim.Adam(p, lr=0.01, eps=1e-30), lambda x: 2 * x, start, 5)
    np.testing.assert_allclose(path.theta, expected, rtol=0, atol=1e-6)


def test_a_table_shows_the_first_steps_and_the_last():
    path = descend(_bowls_slope, [0.5, 0.5], learning_rate_init=0.1, momentum=0, n_steps=20, value=_bowl)
    lines = str(path).splitlines()
    assert lines[0] == "sgd, learning_rate_init=0.1: 20 steps"
    assert lines[1].split() == ["step", "gradient", "theta", "value"]
    assert [line.split()[0] for line in lines[2:]] == [*"0123456", "...", "18", "19", "20"]
    assert lines[3].split() == ["1", "1.0000", "2.0000", "0.4000", "0.3000", "0.3400"]
    assert len({len(line) for line in lines[1:] if "..." not in line}) == 1
    assert lines[-1].split()[3:] == ["0.0058", "1.828e-05", "3.323e-05"]


def test_a_table_of_many_parameters_says_what_it_leaves_out():
    path = descend(lambda x: x, np.ones(7), learning_rate_init=0.1, n_steps=1)
    assert "1 step (3 more parameters not shown)" in str(path)
    assert repr(path).startswith("Descent(solver='sgd', learning_rate_init=0.1, theta=<float64 (2, 7)>")
    assert isinstance(path, Descent)


# ------------------------------------------------------------------------------------------------------ errors


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"solver": "lbfgs"}, "no rule of single steps"),
        ({"solver": "adamm"}, "did you mean 'adam'"),
        ({"solver": ["adam"]}, "is not known"),
        ({"learning_rate_init": 0}, "learning_rate_init=0 must be above 0"),
        ({"learning_rate_init": "fast"}, "learning_rate_init='fast' must be a number"),
        ({"learning_rate_init": float("nan")}, "must be above 0"),
        ({"momentum": 1.5}, "momentum=1.5 must be"),
        ({"beta_1": 1}, "beta_1=1 must be at least 0 and below 1"),
        ({"rho": -0.1}, "rho=-0.1"),
        ({"epsilon": 0}, "epsilon=0 must be above 0"),
        ({"n_steps": 0}, "n_steps=0 must be a whole number"),
        ({"n_steps": 2.5}, "n_steps=2.5"),
    ],
)  # fmt: skip
def test_parameters_that_cannot_be_are_refused(options, words):
    with pytest.raises(ParameterError, match=words):
        descend(_bowls_slope, [1.0, 1.0], **{"learning_rate_init": 0.1, **options})


@pytest.mark.parametrize(
    ("gradient", "start", "words"),
    [
        (lambda x: 2 * x[0], [1.0, 1.0], r"the shape \(\) for parameters of the shape \(2,\)"),
        (lambda x: x[:, None], [1.0, 1.0], r"the shape \(2, 1\)"),
        (lambda x: "down", [1.0], "the gradient is 'down'"),
        (lambda x: x * np.nan, [1.0], "the gradient is .nan. at start=.1.0. already"),
        (lambda x: x, 1.0, r"hint: start=\[1.0\]"),
        (lambda x: x, [], "row of finite numbers"),
        (lambda x: x, [[1.0]], "row of finite numbers"),
        (lambda x: x, [np.inf], "row of finite numbers"),
        (lambda x: x, ["a"], "start=.'a'. must be a row of numbers"),
    ],
)  # fmt: skip
def test_functions_and_starts_that_cannot_be_are_refused(gradient, start, words):
    with pytest.raises(DataError, match=words):
        descend(gradient, start, learning_rate_init=0.1)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (lambda x: x, r"the value has the shape \(1,\)"),
        (lambda x: None if x.size else 0, "the value is nan at start"),
        (lambda x: "low", "the value is 'low'"),
        (lambda x: np.inf, "the value is inf at start"),
    ],
)  # fmt: skip
def test_values_that_are_not_numbers_are_refused(value, words):
    with pytest.raises(DataError, match=words):
        descend(lambda x: x, [1.0], learning_rate_init=0.1, value=value)
