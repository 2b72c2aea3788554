"""`KerasMLPRegressor`, `KerasMLPClassifier`, `PytorchMLPRegressor`, `PytorchMLPClassifier`: as on the slides."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils.validation import check_is_fitted

from planefold.core.errors import PlanefoldError
from planefold.decks.training import AsOnSlides, ClassifierOnSlides, Otherwise, RegressorOnSlides
from planefold.decks.translation import KERAS, TORCH, Library, translated
from planefold.saving import keras_model, torch_module

if TYPE_CHECKING:
    from planefold.doctor import Diagnosis

Array = npt.NDArray[Any]
T = TypeVar("T", bound=type)

PARAMETERS = """\
    Parameters
    ----------
    input_dim : int, optional
        How many columns X has. ``fit`` counts them; a number that is given must agree.
    hidden_layer_sizes : int or sequence of int
        Units of each hidden layer; ``()`` is a linear model.
    activation_function : {"relu", "leaky_relu", "tanh", "sigmoid", "linear"}
        Of the hidden layers, in any of the spellings of Keras and torch ("ReLU", "LeakyReLU", ...).
    learning_rate_init : float
        The rate, the same in every epoch. 0.001 is Keras's and torch's for Adam.
    epochs : int
        How often the rows are gone through. Training never ends early and the last weights are kept, so that the
        whole of both curves can be seen.
    validation_split : float
        Share of the rows that is held out and judged after each epoch; 0 is none. As in Keras these are the *last*
        rows, taken before any shuffling: shuffle sorted tables first.
    use_gpu : bool
        Whether to train on a GPU. Where there is none, a warning says so and the CPU is used.
    {classes}l1_lambda, l2_lambda : float
        What is lowered is the mean loss ``+ l1_lambda * sum(|w|) + l2_lambda * sum(w^2)``, summed over the weights and
        biases of all layers (Keras's ``L1L2``; torch's ``weight_decay`` is ``2 * l2_lambda``).
    dropout_rate : float or sequence of float
        Share of the units of each hidden layer that a training step leaves out: one for all layers, or one for each.
    solver : {solvers}
        The optimiser, in any spelling of capitals, with {library}'s constants.
    batch_size : int
        Rows of a step. 32 is Keras's.
    random_state : int, RandomState or None
        The same number gives the same model on the same machine.
    verbose : bool or int
        Print the loss of each epoch.

    Attributes
    ----------
    model_ : planefold.{ours}
        The network that came out, as planefold's own estimator: all that this can do, it can do (``report``,
        ``retrain``, plots, ...). Its other fitted attributes (``run_``, ``net_``, ``coefs_``, ``n_iter_``, ...) can
        be had from here, too.
    history_ : dict of str to list of float
        As in Keras, one entry an epoch: "loss" (with the penalties, while the weights moved), and with rows held out
        "val_loss" (without penalties) and "{val_score}"."""

CLASSES = """\
    class_weight : "balanced", dict of class to weight, or None
        Weights of the rows by their class; "balanced" gives each class the same weight in total.
    classes : sequence, optional
        All labels, when some may be missing in the rows of a ``fit``: each has an output. ``classes_`` has them sorted.
        With several labels a row, their names.
    """


class OnSlides(BaseEstimator):  # type: ignore[misc]
    """Base of the four; see :class:`KerasMLPClassifier` for the parameters."""

    _library: ClassVar[Library]
    _trainer: ClassVar[type[AsOnSlides]]

    def _keep(self, given: Mapping[str, Any]) -> None:
        """Keep the constructor's parameters as they were given, unchecked, as scikit-learn wants it."""
        for name in self._get_param_names():
            setattr(self, name, given[name])

    def fit(self, X: Any, y: Any, sample_weight: Any = None, *, validation_data: tuple[Any, Any] | None = None) -> Any:
        """Learn from rows and their targets, for ``epochs`` epochs. When it fails, the model stays as it was.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Numbers on one scale: nothing is prepared here.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        sample_weight : array-like of shape (n_samples,), optional
        validation_data : (X, y), optional
            Rows to judge by after each epoch, in place of ``validation_split``.

        Returns
        -------
        self

        Raises
        ------
        ParameterError
            If a parameter has a value that it cannot have, or ``input_dim`` is not the number of columns.
        DataError
            If the rows or targets cannot be used, saying which and why.
        TrainingError
            If the training went out of all bounds.
        """
        given: Any = self
        trainer = self._trainer(**translated(self.get_params(deep=False), self._library))
        trainer.otherwise = Otherwise(
            input_dim=given.input_dim,
            validation_split=float(given.validation_split),
            l1=float(given.l1_lambda),
            l2=float(given.l2_lambda),
            classes=getattr(self, "classes", None),
        )
        try:
            trainer.fit(X, y, sample_weight, validation_data=validation_data)
        except PlanefoldError as error:
            if error.hint:  # there is no such parameter here
                error.hint = error.hint.replace("preprocess='auto'", "a planefold.TableEncoder before it in a pipeline")
            raise
        self.model_ = trainer.plain()
        return self

    def predict(self, X: Any) -> Array:
        """Predict a label or a number for each row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_outputs)
        """
        return np.asarray(self._fitted().predict(X))

    @property
    def history_(self) -> dict[str, list[float]]:
        """Losses and scores of each epoch, by Keras's names."""
        run = self.run_
        epochs = [epoch for epoch in run.epochs if epoch.epoch > 0]
        history = {"loss": [epoch.objective for epoch in epochs]}
        if run.n_val:
            history["val_loss"] = [epoch.val_loss for epoch in epochs]
            history[self._val_score] = [epoch.val_score for epoch in epochs]
        return history

    _val_score: ClassVar[str]

    def __getattr__(self, name: str) -> Any:
        """Find what `fit` learned in ``model_``."""
        is_learned, model = name.endswith("_") and not name.startswith("_"), self.__dict__.get("model_")
        if is_learned and model is not None:
            return getattr(model, name)
        raise AttributeError(f"this {type(self).__name__} has no {name}{' before it is fitted' if is_learned else ''}")

    def summary(self) -> str:
        """Return a table of the layers with the parameters of each."""
        return str(self._fitted().summary())

    def diagnose(self, X: Any = None, y: Any = None, **options: Any) -> Diagnosis:
        """Say what is wrong with the training, the data or the predictions, and what to try.

        Parameters
        ----------
        X, y, **options
            As in :meth:`planefold.MLPClassifier.diagnose`. Advice names planefold's parameters: the guide "The slides'
            estimators" has them beside these.
        """
        found: Diagnosis = self._fitted().diagnose(X, y, **options)
        return found

    def read(self, X: Any, y: Any = None, **options: Any) -> Any:
        """Read the planes that rows live in: each a linear model in the table's own columns and units.

        Parameters
        ----------
        X, y, **options
            As in :meth:`planefold.MLPClassifier.read`.
        """
        return self._fitted().read(X, y, **options)

    def plot_curves(self, ax: Any = None) -> Any:
        """Draw the learning curves; returns the matplotlib axes."""
        return self._fitted().plot_curves(ax=ax)

    def save(self, path: str | Path) -> Path:
        """Write ``model_`` to a ``.fold`` file; ``planefold.load`` gives that planefold estimator back.

        Parameters
        ----------
        path : str or Path

        Returns
        -------
        Path
        """
        return Path(self._fitted().save(path))

    def _fitted(self) -> Any:
        check_is_fitted(self, "model_")
        return self.model_

    def __sklearn_is_fitted__(self) -> bool:
        return "model_" in self.__dict__

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


class _Regressor(RegressorMixin, OnSlides):  # type: ignore[misc]
    _trainer = RegressorOnSlides
    _val_score = "val_r2"

    def __init__(
        self,
        input_dim: int | None = None,
        hidden_layer_sizes: int | Sequence[int] = (100,),
        *,
        activation_function: str = "relu",
        learning_rate_init: float = 0.001,
        epochs: int = 100,
        validation_split: float = 0.0,
        use_gpu: bool = False,
        l1_lambda: float = 0.0,
        l2_lambda: float = 0.0,
        dropout_rate: float | Sequence[float] = 0.0,
        solver: str = "adam",
        batch_size: int = 32,
        random_state: Any = None,
        verbose: bool | int = False,
    ) -> None:
        self._keep(locals())


class _Classifier(ClassifierMixin, OnSlides):  # type: ignore[misc]
    _trainer = ClassifierOnSlides
    _val_score = "val_accuracy"

    def __init__(
        self,
        input_dim: int | None = None,
        hidden_layer_sizes: int | Sequence[int] = (100,),
        *,
        activation_function: str = "relu",
        learning_rate_init: float = 0.001,
        epochs: int = 100,
        validation_split: float = 0.0,
        use_gpu: bool = False,
        class_weight: str | Mapping[Any, float] | None = None,
        classes: Sequence[Any] | None = None,
        l1_lambda: float = 0.0,
        l2_lambda: float = 0.0,
        dropout_rate: float | Sequence[float] = 0.0,
        solver: str = "adam",
        batch_size: int = 32,
        random_state: Any = None,
        verbose: bool | int = False,
    ) -> None:
        self._keep(locals())

    def predict_proba(self, X: Any) -> Array:
        """Probability of each class, in the order of ``classes_``.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Each row adds up to 1, except with several labels a row, where each column stands alone.
        """
        return np.asarray(self._fitted().predict_proba(X))

    def predict_log_proba(self, X: Any) -> Array:
        """Logarithm of :meth:`predict_proba`."""
        return np.asarray(self._fitted().predict_log_proba(X))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


class _InKeras(OnSlides):
    _library = KERAS

    def to_keras(self) -> Any:
        """Return the network as a Keras model with the same outputs, compiled for going on in Keras.

        Returns
        -------
        keras.Sequential
            ``model.predict(X)`` has the shape (n_samples, n_outputs): a regressor's predictions; of two classes the
            probability of the second one; else those of all classes, or labels, in the order of ``classes_``. Compiled
            with this loss ("mean_squared_error", "binary_crossentropy"; of more than two classes
            "sparse_categorical_crossentropy", for which y are the places of the labels in ``classes_``), with this
            optimiser and these penalties.

        Raises
        ------
        MissingExtraError
            If keras is not installed: ``pip install "planefold[keras]"``.
        """
        given: Any = self
        made = keras_model(self._fitted(), l1=float(given.l1_lambda), l2=float(given.l2_lambda))
        loss = KERAS_LOSSES[self.model_.run_.objective]
        made.compile(
            optimizer=_keras_optimizer(given.solver.lower(), given.learning_rate_init),
            loss=loss,
            metrics=[] if loss == "mean_squared_error" else ["accuracy"],
        )
        return made


# Of the losses that these estimators train with.
KERAS_LOSSES = {
    "mean_squared_error": "mean_squared_error",
    "binary_log_loss": "binary_crossentropy",
    "log_loss": "sparse_categorical_crossentropy",
}


def _keras_optimizer(solver: str, rate: float) -> Any:
    from keras import optimizers

    ours = KERAS.solvers[solver]
    if "epsilon" not in ours:
        return optimizers.SGD(rate, momentum=ours["momentum"], nesterov=solver == "nesterov")
    options = {name: ours[name] for name in ("rho", "epsilon") if name in ours}
    if solver == "adagrad":
        options["initial_accumulator_value"] = 0.0  # Adagrad's own, and ours; Keras would begin with 0.1
    name = {"adagrad": "Adagrad", "rmsprop": "RMSprop", "adadelta": "Adadelta", "adam": "Adam"}[solver]
    return getattr(optimizers, name)(rate, **options)


class _InTorch(OnSlides):
    _library = TORCH

    def to_torch(self) -> Any:
        """Return the network as a module of torch's own layers with the same outputs.

        Returns
        -------
        torch.nn.Sequential
            From a float32 tensor of shape (n_samples, n_features) to (n_samples, n_outputs): a regressor's
            predictions; of two classes the probability of the second one; else those of all classes, or labels, in
            the order of ``classes_``. A classifier's last module is ``Sigmoid`` or ``Softmax``; ``module[:-1]`` gives
            the logits that torch's losses take. In evaluation mode, on the CPU; its weights are copies.
        """
        return torch_module(self._fitted())


def _documented(cls: T) -> T:
    """Fill the parameters into a class's docstring at ``{parameters}``."""
    if cls.__doc__:  # python -OO has none
        library: Library = cls._library  # type: ignore[attr-defined]
        is_classifier = issubclass(cls, ClassifierMixin)
        words = {
            "{classes}": CLASSES.lstrip() if is_classifier else "",
            "{solvers}": "{" + ", ".join(f'"{name}"' for name in library.solvers) + "}",
            "{library}": library.name,
            "{ours}": "MLPClassifier" if is_classifier else "MLPRegressor",
            "{val_score}": cls._val_score,  # type: ignore[attr-defined]
        }
        text = PARAMETERS
        for mark, word in words.items():
            text = text.replace(mark, word)
        cls.__doc__ = inspect.cleandoc(cls.__doc__).replace("{parameters}", dedent(text).rstrip())
    return cls


@_documented
class KerasMLPRegressor(_InKeras, _Regressor):
    """A plain network that predicts numbers, with the parameters of the slides' class of this name.

    Trained by planefold as Keras would train it: first weights after Glorot, mean squared error, the rows shuffled in
    each epoch. :meth:`to_keras` returns the Keras model.

    {parameters}

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.preprocessing import scale
    >>> X, y = load_diabetes(return_X_y=True)
    >>> model = KerasMLPRegressor(10, (12, 8), learning_rate_init=0.01, epochs=20, random_state=0)
    >>> model.fit(scale(X), y / 100).score(scale(X), y / 100) > 0.4
    True
    >>> print(model.summary())
    layer            units  activation    parameters
    hidden 1            12  relu                 132
    hidden 2             8  relu                 104
    output               1                         9
    10 inputs, 245 parameters
    """


@_documented
class KerasMLPClassifier(_InKeras, _Classifier):
    """A plain network that tells classes apart, with the parameters of the slides' class of this name.

    Trained by planefold as Keras would train it: first weights after Glorot, cross-entropy, the rows shuffled in each
    epoch. Two classes have one sigmoid output, more a softmax, several labels a row a sigmoid each.
    :meth:`to_keras` returns the Keras model.

    {parameters}

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True)
    >>> model = KerasMLPClassifier(4, (8,), learning_rate_init=0.01, epochs=30, random_state=0).fit(X, y)
    >>> model.predict(X[:2])
    array([0, 0])
    >>> len(model.history_["loss"])
    30
    """


@_documented
class PytorchMLPRegressor(_InTorch, _Regressor):
    """A plain network that predicts numbers, with the parameters of the slides' class of this name.

    Trained by planefold as a loop in PyTorch would train it: mean squared error, the rows shuffled in each epoch.
    :meth:`to_torch` returns the module.

    {parameters}

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.preprocessing import scale
    >>> X, y = load_diabetes(return_X_y=True)
    >>> model = PytorchMLPRegressor(10, (3,), learning_rate_init=0.01, epochs=5, random_state=0).fit(scale(X), y / 100)
    >>> model.to_torch()
    Sequential(
      (0): Linear(in_features=10, out_features=3, bias=True)
      (1): ReLU()
      (2): Linear(in_features=3, out_features=1, bias=True)
    )
    """


@_documented
class PytorchMLPClassifier(_InTorch, _Classifier):
    """A plain network that tells classes apart, with the parameters of the slides' class of this name.

    Trained by planefold as a loop in PyTorch would train it: cross-entropy, the rows shuffled in each epoch. Two
    classes have one sigmoid output, more a softmax, several labels a row a sigmoid each. :meth:`to_torch` returns
    the module.

    {parameters}

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True)
    >>> model = PytorchMLPClassifier(4, (8,), activation_function="Tanh", epochs=5, random_state=0).fit(X, y)
    >>> model.to_torch()
    Sequential(
      (0): Linear(in_features=4, out_features=8, bias=True)
      (1): Tanh()
      (2): Linear(in_features=8, out_features=3, bias=True)
      (3): Softmax(dim=-1)
    )
    """
