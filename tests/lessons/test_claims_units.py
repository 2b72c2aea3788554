"""What the first lessons claim, checked with tools that a lesson does not import."""

from __future__ import annotations

import itertools
import runpy
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.optimize import linprog
from scipy.special import expit, softmax
from sklearn.feature_selection import SelectKBest
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import cross_val_score
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline

import planefold

LESSONS = Path(planefold.__file__).parent / "lessons"
CORNERS = ((0, 0), (0, 1), (1, 0), (1, 1))
AND, OR, XOR = (0, 0, 0, 1), (0, 1, 1, 1), (0, 1, 1, 0)


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


def torch_network(weights: list[Any], biases: list[Any], activation: Callable[[], torch.nn.Module]) -> Any:
    layers: list[torch.nn.Module] = []
    for w, b in zip(weights, biases, strict=True):
        layer = torch.nn.Linear(*w.shape).double()
        layer.weight.data, layer.bias.data = torch.tensor(w.T.copy()), torch.tensor(np.array(b))
        layers += [layer, activation()]
    return torch.nn.Sequential(*layers[:-1])


# ------------------------------------------------------------------------------------------ normal_equations


def test_the_houses_have_the_exact_answer_that_the_lesson_prints(lesson: Any) -> None:
    rows, prices = ((3, 2), (2, 2), (4, 2), (2, 1), (4, 3)), (35, 30, 47, 28, 50)
    aa, ab, bb = (sum(Fraction(row[i] * row[j]) for row in rows) for i, j in ((0, 0), (0, 1), (1, 1)))
    ay, by = (sum(Fraction(row[i] * price) for row, price in zip(rows, prices, strict=True)) for i in (0, 1))
    determinant = aa * bb - ab * ab
    w = ((ay * bb - ab * by) / determinant, (aa * by - ab * ay) / determinant)
    assert w == (Fraction(89, 9), Fraction(35, 9))
    assert np.allclose(lesson("normal_equations")["w"], [float(number) for number in w], rtol=1e-12)
    squares = sum((price - w[0] * a - w[1] * b) ** 2 for (a, b), price in zip(rows, prices, strict=True))
    assert squares == Fraction(97, 3)


def test_scikit_learn_finds_the_same_lines(lesson: Any) -> None:
    names = lesson("normal_equations")
    X, y = names["X"], names["y"]
    assert np.allclose(LinearRegression(fit_intercept=False).fit(X[:5], y[:5]).coef_, names["w"])
    with_intercept = LinearRegression().fit(X[:5], y[:5])
    assert np.allclose([with_intercept.intercept_, *with_intercept.coef_], names["w_with"])
    assert np.allclose(LinearRegression(fit_intercept=False).fit(X, y).coef_, names["w_seven"])


# ------------------------------------------------------------------------------------------ perceptron and xor


def can_be_parted(targets: tuple[int, ...]) -> bool:
    """Ask a linear program for a line with every point on its side, at a distance."""
    rows = np.array([[*corner, 1] for corner in CORNERS]) * np.where(np.array(targets) == 1, -1, 1)[:, None]
    return bool(linprog(np.zeros(3), A_ub=rows, b_ub=-np.ones(4), bounds=[(None, None)] * 3).status == 0)


def test_of_all_sixteen_tables_a_line_parts_all_but_xor_and_its_opposite() -> None:
    parted = {targets for targets in itertools.product((0, 1), repeat=4) if can_be_parted(targets)}
    assert set(itertools.product((0, 1), repeat=4)) - parted == {XOR, (1, 0, 0, 1)}
    assert {AND, OR} <= parted


def epochs_of_the_rule(
    targets: tuple[int, ...], start: tuple[int, int, int] = (0, 0, 0), most: int = 1000
) -> tuple[tuple[int, int, int], int, int]:
    """The rule in whole numbers: the last weights, the epochs and the corrections."""
    w1, w2, b = start
    epochs = corrections = 0
    is_over = False
    while epochs < most and not is_over:
        epochs, before = epochs + 1, corrections
        for (p1, p2), t in zip(CORNERS, targets, strict=True):
            e = t - (w1 * p1 + w2 * p2 + b >= 0)
            w1, w2, b, corrections = w1 + e * p1, w2 + e * p2, b + e, corrections + abs(e)
        is_over = corrections == before
    return (w1, w2, b), epochs, corrections


def test_the_rule_in_whole_numbers_arrives_where_the_lesson_says(lesson: Any) -> None:
    learned = lesson("perceptron")["learned"]
    for name, targets in {"AND": AND, "OR": OR}.items():
        W, b, epochs = learned[name]
        assert epochs_of_the_rule(targets)[:2] == ((*W.tolist(), b), epochs)
    assert epochs_of_the_rule(AND)[:2] == ((2, 1, -3), 6)
    assert epochs_of_the_rule(OR)[:2] == ((1, 1, -1), 4)


def test_corrections_stay_below_the_bound_of_novikoff() -> None:
    # On Convergence Proofs for Perceptrons, 1962: at most (R / margin)^2 corrections from a start at 0.
    for targets, (w1, w2, b) in ((AND, (2, 2, -3)), (OR, (2, 2, -1))):
        sides = [(2 * t - 1) * (w1 * p1 + w2 * p2 + b) for (p1, p2), t in zip(CORNERS, targets, strict=True)]
        assert min(sides) > 0
        bound = Fraction(3 * (w1**2 + w2**2 + b**2), min(sides) ** 2)
        assert 0 < epochs_of_the_rule(targets)[2] <= bound


def test_xor_never_ends_wherever_the_rule_starts() -> None:
    for start in itertools.product(range(-3, 4), repeat=3):
        assert epochs_of_the_rule(XOR, start, most=60)[1] == 60
        assert epochs_of_the_rule(AND, start, most=60)[1] < 60  # the same starts are no obstacle elsewhere


def test_the_cycle_of_xor_is_the_one_in_whole_numbers(lesson: Any) -> None:
    shown = lesson("xor")["after_epoch"]
    assert [epochs_of_the_rule(XOR, most=n)[0] for n in range(1, len(shown) + 1)] == shown


def test_the_hand_made_layers_are_the_logic_that_they_are_named_after(lesson: Any) -> None:
    names = lesson("xor")
    for (p1, p2), (first, second), out in zip(CORNERS, names["hidden"], names["output"], strict=True):
        assert (first, second, out) == (p1 or p2, not (p1 and p2), p1 ^ p2)


# ------------------------------------------------------------------------------------------ activations

TORCH = {
    "identity": lambda z: z * 1,
    "relu": torch.relu,
    "leaky relu": torch.nn.functional.leaky_relu,
    "tanh": torch.tanh,
    "logistic": torch.sigmoid,
}


@pytest.mark.parametrize("name", TORCH)
def test_values_and_slopes_are_those_of_torch(lesson: Any, name: str) -> None:
    names = lesson("activations")
    z = torch.linspace(-6, 6, 50, dtype=torch.float64, requires_grad=True)  # without 0, where relu has a corner
    value = TORCH[name](z)
    (slope,) = torch.autograd.grad(value.sum(), z)
    at = z.detach().numpy()
    its_value, its_slope = names["functions"][name]
    assert np.allclose(its_value(at), value.detach().numpy(), rtol=1e-12)
    assert np.allclose(its_slope(at), slope.numpy(), rtol=1e-9)


def test_logistic_and_softmax_are_those_of_scipy(lesson: Any) -> None:
    names = lesson("activations")
    z = np.random.default_rng(0).normal(0, 3, size=(20, 4))
    assert np.allclose(names["logistic"](z), expit(z), rtol=1e-12)
    assert np.allclose([names["softmax"](row) for row in z], softmax(z, axis=1), rtol=1e-12)


@pytest.mark.parametrize("name", ["logistic", "tanh", "relu"])
def test_what_is_left_of_the_slope_is_what_autograd_carries_through_the_chain(lesson: Any, name: str) -> None:
    start = torch.tensor(1.0, dtype=torch.float64, requires_grad=True)
    x = start
    first, *others = lesson("activations")["left_over"][name]
    assert first == 1
    for left in others:
        x = TORCH[name](x)
        (slope,) = torch.autograd.grad(x, start, retain_graph=True)
        assert left == pytest.approx(float(slope), rel=1e-10)


# ------------------------------------------------------------------------------------------ forward, back


def test_a_network_of_torch_with_the_lessons_weights_answers_the_same(lesson: Any) -> None:
    names = lesson("forward")
    net = torch_network([names["W1"], names["W2"]], [names["b1"], names["b2"]], torch.nn.ReLU)
    assert np.allclose(net(torch.tensor(names["X"])).sigmoid().detach().numpy(), names["A2"], rtol=1e-12)
    iris = torch_network([names["V1"], names["V2"]], [names["c1"], names["c2"]], torch.nn.ReLU)
    shares = iris(torch.tensor(names["flowers"])).softmax(dim=1).detach().numpy()
    assert np.allclose(names["by_model"], shares, atol=1e-12)


@pytest.mark.parametrize(("where", "gradient"), [("weights", "gradient"), ("before", "engine")])
def test_the_gradient_is_the_one_of_autograd(lesson: Any, where: str, gradient: str) -> None:
    names = lesson("backpropagation")
    w1, w2, b1, b2 = names[where]
    net = torch_network([w1, w2], [b1, b2], torch.nn.ReLU)
    X, y = torch.tensor(names["X"]), torch.tensor(names["y"])
    loss = torch.nn.functional.binary_cross_entropy_with_logits(net(X), y)
    assert float(loss.detach()) == pytest.approx(names["loss"](w1, w2, b1, b2), rel=1e-12)
    dw1, db1, dw2, db2 = (slopes.numpy().T for slopes in torch.autograd.grad(loss, [*net.parameters()]))
    for mine, its in zip(names[gradient], (dw1, dw2, db1, db2), strict=True):
        assert abs(its).max() > 0
        assert np.allclose(mine, its, atol=1e-12)


# ------------------------------------------------------------------------------------------ parameter_counts


@pytest.mark.parametrize(
    ("sizes", "n_parameters", "n_products"),
    [((2, 3, 1), 13, 9), ((4, 3), 15, 12), ((8, 12, 8, 1), 221, 200), ((2, 12, 1), 49, 36), ((2, 3, 4, 1), 30, 22)],
)
def test_torch_counts_as_many(lesson: Any, sizes: tuple[int, ...], n_parameters: int, n_products: int) -> None:
    net = torch.nn.Sequential(*(torch.nn.Linear(a, b) for a, b in itertools.pairwise(sizes)))
    assert sum(p.numel() for p in net.parameters()) == n_parameters
    assert sum(p.numel() for p in net.parameters() if p.ndim == 2) == n_products
    assert lesson("parameter_counts")["of_each_layer"](sizes).sum() == n_parameters


def test_a_scan_costs_what_the_lesson_says_and_adam_keeps_four_numbers_for_each_parameter(lesson: Any) -> None:
    scan = torch.nn.Linear(176 * 208, 100, device="meta")  # shapes without memory
    assert sum(p.numel() for p in scan.parameters()) == lesson("parameter_counts")["costs"]["scan 176 x 208"]
    layer = torch.nn.Linear(10, 100)
    optimizer = torch.optim.Adam(layer.parameters())
    layer(torch.ones(1, 10)).sum().backward()
    optimizer.step()
    kept = sum(
        parameter.numel() + parameter.grad.numel() + sum(t.numel() for t in state.values() if t.ndim)
        for parameter, state in optimizer.state.items()
    )
    assert kept == 4 * sum(p.numel() for p in layer.parameters())


# ------------------------------------------------------------------------------------------ pipeline


def test_other_models_fall_for_the_same_mistakes() -> None:
    rng = np.random.default_rng(1)
    dice, coins = rng.normal(size=(100, 5_000)), rng.permutation(np.repeat([0, 1], 50))
    inside = cross_val_score(make_pipeline(SelectKBest(k=20), GaussianNB()), dice, coins, cv=5).mean()
    before = cross_val_score(GaussianNB(), SelectKBest(k=20).fit_transform(dice, coins), coins, cv=5).mean()
    assert inside < 0.65
    assert before > 0.8
    rows, coins = np.repeat(rng.normal(size=(2_000, 5)), 2, axis=0), np.repeat(rng.integers(0, 2, 2_000), 2)
    order = rng.permutation(4_000)
    learn, ask = order[:3_000], order[3_000:]
    by_heart = KNeighborsClassifier(1).fit(rows[learn], coins[learn]).score(rows[ask], coins[ask])
    assert by_heart == pytest.approx(0.875, abs=0.04)  # three of four have their twin, the rest is guessed


def test_the_transformer_learned_nothing_from_the_test_part(lesson: Any) -> None:
    names = lesson("pipeline")
    table = names["table"].select(names["features"])
    changed = {name: values.copy() for name, values in table.columns.items()}
    for values in changed.values():
        values[names["test"]] *= 1000
    again = planefold.TableEncoder(encoding="linear").fit({n: v[names["train"]] for n, v in changed.items()})
    assert np.array_equal(again.transform(names["X_train"]), names["Z_train"])
