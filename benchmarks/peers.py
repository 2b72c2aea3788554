"""The sides of the training benchmarks: one network, one optimiser and the same batches, as each library does it.

    python benchmarks/peers.py

prints which of them are installed. `pip install "planefold[bench]"` gets all.

A multilayer perceptron with ReLU and one output learns the mean squared error with Adam at its usual rates, in
float32, from arrays in memory. All start from the same weights; each draws its own order of the rows. Each side is
written as a competent user of the library writes it:

- *scikit-learn*: `MLPRegressor`, without stopping early.
- *torch loop*: `nn.Sequential` and `torch.optim.Adam`; the batches are `X[rows]` with pieces of a `randperm`, which
  spares it the cost of a `DataLoader`. With `fused=True` it is a side of its own.
- *skorch*: `NeuralNetRegressor` without a validation split. It brings a `DataLoader`.
- *Keras*: `Sequential.fit`, on its torch and on its jax back end, each in a process of its own because Keras has one
  back end a process. The model is built and compiled once for each shape: that is in the warm-up and not in the
  times, which is in favour of Keras.

planefold and scikit-learn carry scikit-learn's default L2 penalty (`alpha=0.0001`); the others have none to compute.
"""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

LEARNING_RATE, BETA_1, BETA_2, EPSILON = 0.001, 0.9, 0.999, 1e-8  # the default of every side but Keras's epsilon
ALPHA = 0.0001

Array = np.ndarray
Predict = Callable[[Array], Array]


@dataclass(frozen=True)
class Problem:
    """Rows to learn from, a network, and how long it learns."""

    hidden: tuple[int, ...]
    batch: int
    n_rows: int
    n_features: int
    epochs: int

    @property
    def name(self) -> str:
        """The hidden layers as one word, which the command line takes."""
        return "x".join(map(str, self.hidden))

    @property
    def units(self) -> tuple[int, ...]:
        """Width of every layer, input and output included."""
        return (self.n_features, *self.hidden, 1)

    @property
    def title(self) -> str:
        """All of it, for people."""
        rows, epochs = f"{self.n_rows:,} x {self.n_features}", f"{self.epochs} epoch{'s' * (self.epochs > 1)}"
        return f"{self.hidden} batch {self.batch}, {rows}, {epochs}"

    def data(self) -> tuple[Array, Array]:
        """Draw rows and a target of mean 0 and variance 1, a curved function of five inputs with some noise."""
        random = np.random.default_rng(0)
        X = random.standard_normal((self.n_rows, self.n_features), dtype=np.float32)
        y = np.sin(2 * X[:, 0]) + X[:, 1] * X[:, 2] + np.abs(X[:, 3]) + X[:, 4]
        y += 0.5 * random.standard_normal(self.n_rows, dtype=np.float32)
        return X, ((y - y.mean()) / y.std()).astype(np.float32)


class Fit(NamedTuple):
    """What one training took, and what it reached."""

    seconds: float
    loss: float  # mean squared error over all training rows afterwards; the target's variance is 1


Side = Callable[[Problem, int], Fit]


def local(learn: Callable[..., Predict], **options: Any) -> Side:
    """Make a side of a function (problem, X, y, seed) that trains in this process and returns how to predict."""

    def side(problem: Problem, seed: int) -> Fit:
        X, y = problem.data()
        started = time.perf_counter()
        predict = learn(problem, X, y, seed, **options)
        seconds = time.perf_counter() - started
        return Fit(seconds, mean_squared_error(predict, X, y))

    return side


def mean_squared_error(predict: Predict, X: Array, y: Array) -> float:
    """Judge a network on the rows that it learned from."""
    return float(np.mean((np.asarray(predict(X)).reshape(-1) - y) ** 2, dtype=np.float64))


def first_weights(units: tuple[int, ...], seed: int) -> list[tuple[Array, Array]]:
    """Draw weights and biases of each layer as scikit-learn and planefold do: from one seed, all sides start alike."""
    random = np.random.RandomState(seed)
    layers = []
    for fan_in, fan_out in itertools.pairwise(units):
        bound = np.sqrt(6 / (fan_in + fan_out))
        coef, intercept = (random.uniform(-bound, bound, shape) for shape in ((fan_in, fan_out), fan_out))
        layers.append((coef.astype(np.float32), intercept.astype(np.float32)))
    return layers


# ------------------------------------------------------------------------------------------- planefold, scikit-learn


def learn_planefold(problem: Problem, X: Array, y: Array, seed: int, **changes: Any) -> Predict:
    """Behave as scikit-learn's: one network on the numbers as they are."""
    from planefold import SKLEARN_DEFAULTS, MLPRegressor

    settings = {**SKLEARN_DEFAULTS, **_common_settings(problem, seed), **changes}
    return _to_the_end(MLPRegressor(**settings), problem, X, y)


def learn_sklearn(problem: Problem, X: Array, y: Array, seed: int) -> Predict:
    from sklearn.neural_network import MLPRegressor

    return _to_the_end(MLPRegressor(**_common_settings(problem, seed)), problem, X, y)


def _common_settings(problem: Problem, seed: int) -> dict[str, Any]:
    return {
        "hidden_layer_sizes": problem.hidden, "batch_size": problem.batch, "max_iter": problem.epochs,
        "learning_rate_init": LEARNING_RATE, "beta_1": BETA_1, "beta_2": BETA_2, "epsilon": EPSILON, "alpha": ALPHA,
        "tol": 0.0, "n_iter_no_change": np.inf, "random_state": seed,
    }  # fmt: skip


def _to_the_end(model: Any, problem: Problem, X: Array, y: Array) -> Predict:
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # it shall not converge, it shall make all epochs
        model.fit(X, y)
    if model.n_iter_ != problem.epochs:
        raise RuntimeError(f"{type(model).__module__} made {model.n_iter_} epochs of {problem.epochs}")
    return model.predict


# ------------------------------------------------------------------------------------------------------------- torch


def torch_network(units: tuple[int, ...], seed: int) -> Any:
    """Stack linear layers and ReLUs."""
    import torch
    from torch import nn

    layers: list[nn.Module] = []
    for coef, intercept in first_weights(units, seed):
        linear = nn.utils.skip_init(nn.Linear, *coef.shape)
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(coef.T))
            linear.bias.copy_(torch.from_numpy(intercept))
        layers += [linear, nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def learn_torch(problem: Problem, X: Array, y: Array, seed: int, *, fused: bool, device: str = "cpu") -> Predict:
    """The loop of every tutorial, with the rows on the device from the start."""
    import torch
    from torch.nn import functional as F

    torch.manual_seed(seed)
    net = torch_network(problem.units, seed).to(device)
    optimizer = torch.optim.Adam(net.parameters(), lr=LEARNING_RATE, betas=(BETA_1, BETA_2), eps=EPSILON, fused=fused)
    inputs, targets = torch.from_numpy(X).to(device), torch.from_numpy(y).to(device)[:, None]
    for _ in range(problem.epochs):
        for rows in torch.randperm(len(inputs), device=device).split(problem.batch):
            optimizer.zero_grad()
            loss = F.mse_loss(net(inputs[rows]), targets[rows])
            loss.backward()
            optimizer.step()
    return torch_predict(net, device)


def torch_predict(net: Any, device: str = "cpu") -> Predict:
    """Return the prediction of a module as a function of an array; waits for the device."""
    import torch

    def predict(X: Array) -> Array:
        with torch.inference_mode():
            return net(torch.from_numpy(X).to(device)).cpu().numpy()

    return predict


def learn_skorch(problem: Problem, X: Array, y: Array, seed: int) -> Predict:
    import torch
    from skorch import NeuralNetRegressor

    torch.manual_seed(seed)
    model = NeuralNetRegressor(
        torch_network(problem.units, seed), optimizer=torch.optim.Adam, lr=LEARNING_RATE, optimizer__eps=EPSILON,
        batch_size=problem.batch, max_epochs=problem.epochs, iterator_train__shuffle=True, train_split=None, verbose=0,
    )  # fmt: skip
    return model.fit(X, y[:, None]).predict


# ------------------------------------------------------------------------------------------------------------- Keras


class KerasWorker:
    """Keras on one back end, in a process that stays and trains when it is told to."""

    def __init__(self, backend: str) -> None:
        self.backend = backend
        quiet = {"KERAS_BACKEND": backend, "JAX_PLATFORMS": "cpu", "TF_CPP_MIN_LOG_LEVEL": "3"}
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).resolve()), "--keras-worker"],
            env={**os.environ, **quiet}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def __call__(self, problem: Problem, seed: int) -> Fit:
        """Train; the time is the worker's own, without the way there and back."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"problem": asdict(problem), "seed": seed}) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError(f"Keras on {self.backend} ended with code {self._process.wait()}; its words are above")
        return Fit(**json.loads(answer))

    def close(self) -> None:
        """End the process."""
        self._process.communicate()  # closes its input, which is the sign to end


def serve_keras() -> None:
    """Train what the lines of standard input ask for, until they end."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever the libraries print goes elsewhere
    models: dict[tuple[int, ...], _KerasModel] = {}
    for line in sys.stdin:
        asked = json.loads(line)
        problem = Problem(**{**asked["problem"], "hidden": tuple(asked["problem"]["hidden"])})
        model = models.setdefault(problem.units, _KerasModel(problem.units))
        X, y = problem.data()
        model.start_over(asked["seed"])
        started = time.perf_counter()
        model.learn(problem, X, y)
        seconds = time.perf_counter() - started
        answers.write(json.dumps(Fit(seconds, mean_squared_error(model.predict, X, y))._asdict()) + "\n")
        answers.flush()


class _KerasModel:
    """A model that is compiled once and learns from the start as often as one likes."""

    def __init__(self, units: tuple[int, ...]) -> None:
        import keras

        self.units = units
        hidden = [keras.layers.Dense(width, activation="relu") for width in units[1:-1]]
        self.model = keras.Sequential([keras.Input((units[0],)), *hidden, keras.layers.Dense(units[-1])])
        self.optimizer = keras.optimizers.Adam(LEARNING_RATE, beta_1=BETA_1, beta_2=BETA_2, epsilon=EPSILON)
        self.model.compile(self.optimizer, loss="mse")
        self.optimizer.build(self.model.trainable_variables)
        self.fresh = [np.array(keras.ops.convert_to_numpy(variable)) for variable in self.optimizer.variables]

    def start_over(self, seed: int) -> None:
        """Take the first weights of this seed and forget the moments."""
        self.model.set_weights([array for layer in first_weights(self.units, seed) for array in layer])
        for variable, value in zip(self.optimizer.variables, self.fresh, strict=True):
            variable.assign(value)

    def learn(self, problem: Problem, X: Array, y: Array) -> None:
        self.model.fit(X, y[:, None], batch_size=problem.batch, epochs=problem.epochs, verbose=0)

    def predict(self, X: Array) -> Array:
        return self.model.predict(X, batch_size=8192, verbose=0)


# -------------------------------------------------------------------------------------------------------------- all

# Name of a side -> the modules that it needs, and how to make it.
SIDES: Mapping[str, tuple[tuple[str, ...], Callable[[], Side]]] = {
    "planefold": (("planefold",), lambda: local(learn_planefold)),
    "scikit-learn": (("sklearn",), lambda: local(learn_sklearn)),
    "torch": (("torch",), lambda: local(learn_torch, fused=False)),
    "torch-fused": (("torch",), lambda: local(learn_torch, fused=True)),
    "skorch": (("skorch",), lambda: local(learn_skorch)),
    "keras-torch": (("keras", "torch"), lambda: KerasWorker("torch")),
    "keras-jax": (("keras", "jax"), lambda: KerasWorker("jax")),
}


if __name__ == "__main__":
    if "--keras-worker" in sys.argv:
        serve_keras()
    else:
        from common import installed

        for side_name, (modules, _) in SIDES.items():
            print(f"{side_name}: {'installed' if installed(*modules) else 'not installed'}")
