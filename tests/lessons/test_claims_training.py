"""What the lessons on training well claim, checked with scikit-learn and torch, which a lesson does not import."""

from __future__ import annotations

import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import ElasticNet, Lasso, Ridge
from sklearn.metrics import accuracy_score, average_precision_score, recall_score
from sklearn.preprocessing import StandardScaler
from sklearn.utils.class_weight import compute_class_weight
from torch import nn

import planefold

LESSONS = Path(planefold.__file__).parent / "lessons"


@pytest.fixture(scope="module")
def lesson(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], dict[str, Any]]:
    """Run a lesson once, and return what its names stand for at the end."""
    found: dict[str, dict[str, Any]] = {}

    def run(name: str) -> dict[str, Any]:
        if name not in found:
            with pytest.MonkeyPatch.context() as patch:
                patch.chdir(tmp_path_factory.mktemp(name))
                found[name] = runpy.run_path(str(LESSONS / f"{name}.py"))
        return found[name]

    return run


# ----------------------------------------------------------------------------------------------- batch normalisation


def test_batch_norm_divides_by_the_population_deviation_as_torch_does(lesson: Callable[[str], dict[str, Any]]) -> None:
    names = lesson("batch_normalization")
    norm = nn.BatchNorm1d(4, eps=1e-15, dtype=torch.float64)
    by_torch = norm(torch.tensor(names["left"])).detach().numpy()
    by_hand = (names["left"] - names["means"]) / names["population"]
    np.testing.assert_allclose(by_hand, by_torch, atol=1e-12)
    np.testing.assert_allclose(by_hand, StandardScaler().fit_transform(names["left"]), atol=1e-12)
    # The lecture's table divides by the sample deviation.
    np.testing.assert_allclose(names["shown"], by_torch * np.sqrt(10 / 11), atol=1e-12)


def test_the_running_statistics_are_those_of_torch(lesson: Callable[[str], dict[str, Any]]) -> None:
    left = lesson("batch_normalization")["left"]
    norm = nn.BatchNorm1d(4, dtype=torch.float64)
    running = np.zeros(4)
    for start in (0, 5, 2):
        batch = left[start : start + 6]
        norm(torch.tensor(batch))
        running = 0.9 * running + 0.1 * batch.mean(axis=0)
    assert norm.running_mean is not None
    np.testing.assert_allclose(running, norm.running_mean.numpy(), atol=1e-12)


# ----------------------------------------------------------------------------------------------------------- dropout


def test_what_stays_is_scaled_as_torch_does() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        dropped = nn.functional.dropout(torch.ones(200_000, dtype=torch.float64), p=0.2).numpy()
    assert set(np.unique(dropped)) == {0.0, 1 / (1 - 0.2)}
    assert abs(dropped.mean() - 1) < 0.01


def test_the_mean_over_the_masks_is_what_torch_comes_to(lesson: Callable[[str], dict[str, Any]]) -> None:
    names = lesson("dropout")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        units = torch.tensor(names["units"]).expand(200_000, 4)
        received = nn.functional.dropout(units, p=0.2).numpy() @ names["weights"]
    assert abs(received.mean() - names["full"]) < 0.01
    assert abs(np.maximum(received, 0).mean() - names["bent"]) < 0.01


# --------------------------------------------------------------------------------------------------------- penalties


def test_the_closed_forms_are_those_of_scikit_learn(lesson: Callable[[str], dict[str, Any]]) -> None:
    names = lesson("penalties")
    X, y, n = names["X"], names["y"], 8
    np.testing.assert_allclose(Ridge(alpha=n * 0.5).fit(X, y).coef_, names["ridge"], atol=1e-10)
    np.testing.assert_allclose(Lasso(alpha=0.5, tol=1e-10).fit(X, y).coef_, names["lasso"], atol=1e-8)
    mixed = ElasticNet(alpha=0.5, l1_ratio=0.6, tol=1e-10).fit(X, y)
    np.testing.assert_allclose(mixed.coef_, names["elastic"], atol=1e-8)


def test_the_slides_penalty_in_the_terms_of_scikit_learn(lesson: Callable[[str], dict[str, Any]]) -> None:
    """lam = 0.5 and r = 0.6 on a slide are alpha = 0.7 and l1_ratio = 3/7 there, and the bias is free."""
    names = lesson("penalties")
    assert (names["alpha"], names["ratio"]) == pytest.approx((0.7, 3 / 7))
    there = ElasticNet(alpha=names["alpha"], l1_ratio=names["ratio"], tol=1e-12).fit(names["X"], names["y"])
    here = names["fit"](8 * names["alpha"], names["ratio"])
    np.testing.assert_allclose(here.coefs_[0][:, 0], there.coef_, atol=1e-6)
    assert here.intercepts_[0][0] == pytest.approx(there.intercept_)


def test_the_slides_penalty_with_its_biases_has_its_lowest_point_where_the_lesson_says(
    lesson: Callable[[str], dict[str, Any]],
) -> None:
    names = lesson("penalties")
    model = names["fit"](8 * names["alpha"], names["ratio"], penalize_bias=True)
    lowest = np.append(model.coefs_[0][:, 0], model.intercepts_[0])

    def cost(theta: np.ndarray) -> float:
        errors = names["y"] - names["X"] @ theta[:3] - theta[3]
        penalty = 0.5 * 0.6 * np.abs(theta).sum() + 0.5 * (1 - 0.6) * (theta**2).sum()
        return float(0.5 * (errors**2).mean() + penalty)

    steps = np.random.default_rng(0).normal(size=(500, 4)) * np.logspace(-4, 0, 500)[:, None]
    assert all(cost(lowest) <= cost(lowest + step) for step in steps)


def test_torch_adds_two_lam_times_one_minus_r_of_the_weights(lesson: Callable[[str], dict[str, Any]]) -> None:
    names = lesson("penalties")
    assert names["weight_decay"] == pytest.approx(0.4)
    w = torch.tensor([0.5, -2.0, 3.0], dtype=torch.float64, requires_grad=True)
    decayed = w.detach().clone().requires_grad_()
    (0.5 * (1 - 0.6) * (w**2).sum()).backward()
    torch.optim.SGD([w], lr=0.1).step()
    (0 * decayed.sum()).backward()
    torch.optim.SGD([decayed], lr=0.1, weight_decay=names["weight_decay"]).step()
    torch.testing.assert_close(w, decayed)


# --------------------------------------------------------------------------------------------------------- imbalance


def test_the_weights_of_one_among_twenty_five(lesson: Callable[[str], dict[str, Any]]) -> None:
    names = lesson("imbalance")
    found = compute_class_weight("balanced", classes=np.array([0, 1]), y=names["y"])
    np.testing.assert_allclose(found, [names["balanced"][0], names["balanced"][1]])


def test_pos_weight_makes_the_balanced_loss_but_for_a_factor(lesson: Callable[[str], dict[str, Any]]) -> None:
    names = lesson("imbalance")
    y = torch.tensor(names["y"], dtype=torch.float64)
    z = torch.linspace(-2, 3, 26, dtype=torch.float64)
    ours = nn.functional.binary_cross_entropy_with_logits(z, y, weight=torch.tensor(names["weights"]))
    theirs = nn.functional.binary_cross_entropy_with_logits(z, y, pos_weight=torch.tensor(0.04, dtype=torch.float64))
    assert float(ours / theirs) == pytest.approx(13.0)


def test_what_the_useless_model_scores(lesson: Callable[[str], dict[str, Any]]) -> None:
    names = lesson("imbalance")
    X, y, model = names["X"], names["y"], names["without"]
    assert accuracy_score(y, model.predict(X)) == pytest.approx(25 / 26)
    assert recall_score(y, model.predict(X), pos_label=0) == 0
    assert average_precision_score(y == 0, model.predict_proba(X)[:, 0]) == 1 / names["place"] == 1
    assert average_precision_score(y == 0, np.ones(26)) == pytest.approx(1 / 26)


def test_the_distances_to_the_border_are_those_of_a_search_on_circles(lesson: Callable[[str], dict[str, Any]]) -> None:
    """Within that distance of the lone point every point is called as it is, and a little beyond some are not."""
    names = lesson("imbalance")
    model, far = names["weighted"], names["far"][1, 1]
    turn = np.linspace(0, 2 * np.pi, 20_001)
    circle = np.stack([np.cos(turn), np.sin(turn)], axis=1)
    for share in (0.2, 0.6, 0.9, 0.999):
        assert (model.predict(names["X"][-1] + share * far * circle) == 0).all()
    assert (model.predict(names["X"][-1] + 1.001 * far * circle) == 1).any()


# --------------------------------------------------------------------------------------- learning curves, not learning


def test_the_loss_is_half_of_the_squared_error_in_variances(lesson: Callable[[str], dict[str, Any]]) -> None:
    names = lesson("learning_curves")
    X, y = names["unseen"]
    errors = torch.tensor(names["good"].predict(X) - y)
    loss = 0.5 * nn.functional.mse_loss(errors, torch.zeros_like(errors)) / float(np.var(names["calm"][1]))
    assert names["good"].run_.epochs[-1].val_loss == pytest.approx(float(loss), rel=1e-3)


def test_the_limit_of_the_rate_is_that_of_torchs_descent(lesson: Callable[[str], dict[str, Any]]) -> None:
    names = lesson("not_learning")
    X, y = torch.tensor(names["with_ones"]), torch.tensor(names["y"])
    for share, falls in ((0.98, True), (1.02, False)):
        w = torch.zeros(3, dtype=torch.float64, requires_grad=True)
        optimizer = torch.optim.SGD([w], lr=share * names["limit"])
        costs = []
        for _ in range(300):
            optimizer.zero_grad()
            cost = 0.5 * ((y - X @ w) ** 2).mean()
            cost.backward()
            optimizer.step()
            costs.append(cost.item())
        assert (costs[-1] < 0.02) == falls
        assert (costs[-1] > 1e3 * costs[0]) == (not falls)
