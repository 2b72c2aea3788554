"""What a multilayer perceptron tells of its weights, its gradients and its planes."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from sklearn.utils.validation import check_is_fitted, check_random_state

from planefold.calculus import GradientReport
from planefold.engine.devices import find_device
from planefold.engine.rate_finder import HIGH, LOW, N_STEPS, RateSweep, check_sweep, find_learning_rate
from planefold.estimators.instruments import Instruments
from planefold.estimators.members import wide_coefs, wide_intercepts, wide_skip
from planefold.networks.mlp import MLP

if TYPE_CHECKING:
    from planefold.engine.gradients import ObjectiveFunction

Array = npt.NDArray[Any]


class MLPInstruments(Instruments):
    """Weights, planes, gradients and rates of a model; mixed into :class:`planefold.estimators.base.BaseMLP`."""

    net_: MLP
    encoder_: Any
    solver: str
    max_iter: int | None
    device: str
    random_state: Any
    _check: Any
    _set_out: Any
    _plan: Any
    _objective: Any

    @property
    def coefs_(self) -> list[Array]:
        """Weights of each layer, (fan_in, fan_out); several members stand side by side in one wider network.

        Batch normalisation is worked into them: they are those of the network that predicts.
        """
        return wide_coefs(self._fitted_net().folded()[0])

    @property
    def intercepts_(self) -> list[Array]:
        """Biases of each layer, (fan_out,); several members stand side by side in one wider network.

        Batch normalisation is worked into them: they are those of the network that predicts.
        """
        return wide_intercepts(self._fitted_net().folded()[1])

    @property
    def skip_coef_(self) -> Array | None:
        """Weights of the linear path, (n_inputs, n_outputs); None without one."""
        skip = self._fitted_net().skip_coef
        return None if skip is None else wide_skip(skip)

    def _fitted_net(self) -> MLP:
        if not hasattr(self, "net_"):  # an AttributeError, as for any attribute that is not there yet
            raise AttributeError(f"this {type(self).__name__} has no weights before it is fitted")
        return self.net_

    def read(self, X: Any, y: Any = None, **options: Any) -> Any:
        """Read the planes that rows live in: each a linear model in the table's own columns and units.

        Parameters
        ----------
        X : data frame, path of a CSV file, mapping of columns, or array-like of shape (n_samples, n_features)
            Rows to read, most often those of training.
        y : array-like, or a column name, optional
            Their targets: then each plane says what its rows are and how well they are predicted.
        **options
            ``output`` (one output, a class, or a pair of classes) and ``max_models``, as in
            :func:`planefold.reading.local_models`.

        Returns
        -------
        planefold.reading.tables.records.Reading
            Prints as a summary. ``reading[0]`` is the plane with most rows, ``reading.explain(7)`` explains the
            prediction for row 7, and ``reading.merged(5)`` puts almost equal planes together.

        Raises
        ------
        NotPiecewiseLinearError
            If the network bends between its creases, as with ``activation="tanh"``.
        DataError
            If the rows or targets cannot be used.

        Notes
        -----
        Exact: preparation of the columns, members and target's scale included. The preparation rounds its results to
        float32, the reading does not, so the two differ in the seventh digit.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from planefold import MLPClassifier
        >>> X, y = load_iris(return_X_y=True, as_frame=True)
        >>> model = MLPClassifier((4,), n_members=1, random_state=0).fit(X, y)
        >>> reading = model.read(X, y, output=2)
        >>> reading.n_rows, len(reading) > 1
        (150, True)
        >>> row = reading.explain(0)
        >>> bool(abs(row.base + row.contributions.sum() - row.value) < 1e-9)
        True
        """
        from planefold.estimators.inputs import take_target
        from planefold.reading.tables.local_models import local_models

        check_is_fitted(self, "net_")
        X, y = take_target(X, y, self.encoder_)
        return local_models(self, X, y, **options)

    def check_gradients(
        self, X: Any, y: Any, sample_weight: Any = None, *, n_coordinates: int | None = 10
    ) -> GradientReport:
        """Compare the gradients that training goes down with differences of the objective, tensor by tensor.

        Parameters
        ----------
        X, y, sample_weight
            As in :meth:`fit`. At most 200 rows are used, drawn at random.
        n_coordinates : int or None
            How many numbers of each tensor are tried, drawn at random; None tries all. One direction through the
            whole tensor comes on top.

        Returns
        -------
        planefold.calculus.GradientReport
            One line a tensor, named as in ``net_.named_parameters()``; ``passed`` sums it up, and it prints as a
            table.

        Raises
        ------
        DataError
            If the rows or targets cannot be used.
        ParameterError
            If a parameter has a value that it cannot have.

        Notes
        -----
        In float64, with the penalties, the weights of the rows and their classes, and batch normalisation by the
        statistics of these rows; without dropout, which is random. Of several members the objectives are added up.
        A model that is not fitted is checked at its first weights, a fitted one where it is; neither changes. The
        figures and their limits are explained in :func:`planefold.calculus.gradient_check`.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from planefold import MLPClassifier
        >>> X, y = load_iris(return_X_y=True)
        >>> model = MLPClassifier((5,), activation="tanh", n_members=1, random_state=0)
        >>> report = model.check_gradients(X, y)
        >>> [part.name for part in report.parts]
        ['skip_coef', 'coefs.0', 'coefs.1', 'intercepts.0', 'intercepts.1']
        >>> report.passed
        True
        """
        from planefold.estimators.checking import check_gradients

        model: Any = self
        return check_gradients(model, X, y, sample_weight, n_coordinates)

    def objective_function(self, X: Any, y: Any, sample_weight: Any = None) -> ObjectiveFunction:
        """Return what training lowers as a function of one vector: all weights and biases of the network.

        Parameters
        ----------
        X, y, sample_weight
            As in :meth:`fit`. All rows count.

        Returns
        -------
        planefold.engine.gradients.ObjectiveFunction
            Call it with an array or a tensor of the shape of its ``.theta``, the parameters as they are now;
            ``.windows`` says where each tensor of ``net_.named_parameters()`` stands in it, and
            ``.value_and_gradient(theta)`` gives the gradient by the backward pass that training uses.
            :func:`planefold.calculus.gradient`, ``hessian`` and ``directional_derivative`` take it as a function.

        Raises
        ------
        DataError
            If the rows or targets cannot be used.
        ParameterError
            If a parameter has a value that it cannot have.

        Notes
        -----
        As in :meth:`check_gradients`: in float64, with the penalties and all weights, batch normalisation by the
        statistics of these rows, without dropout; of several members the sum. The model does not change.

        Examples
        --------
        The Hessian of a trained network's loss. Its smallest eigenvalues say in which directions the loss is flat:

        >>> from planefold import MLPRegressor
        >>> from planefold.calculus import hessian
        >>> X = np.linspace(-1, 1, 20)[:, None]
        >>> small = {"hidden_layer_sizes": (2,), "activation": "tanh", "n_members": 1, "skip": None}
        >>> model = MLPRegressor(**small, max_iter=5, random_state=0)
        >>> loss = model.fit(X, X[:, 0] ** 2).objective_function(X, X[:, 0] ** 2)
        >>> loss.names
        ['coefs.0', 'coefs.1', 'intercepts.0', 'intercepts.1']
        >>> hessian(loss, loss.theta).shape
        (7, 7)
        """
        from planefold.estimators.checking import objective_function

        model: Any = self
        return objective_function(model, X, y, sample_weight)

    def find_learning_rate(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        groups: Any = None,
        low: float = LOW,
        high: float = HIGH,
        n_steps: int = N_STEPS,
    ) -> RateSweep:
        """Find a good ``learning_rate_init`` by steps at ever higher rates; the estimator stays as it is.

        Parameters
        ----------
        X, y, sample_weight, groups
            As in :meth:`fit`, which would prepare them in the same way and set out from the same network.
        low, high : float
            The first rate and the last.
        n_steps : int
            Steps from one to the other; the test ends early where the loss goes out of bounds.

        Returns
        -------
        planefold.engine.RateSweep
            ``.suggestion`` is the rate, or None where no rate lowers the loss; :func:`planefold.plots.rates` draws it.

        Raises
        ------
        ParameterError
            For ``solver="lbfgs"``, which has no rate, and for a parameter with a value that it cannot have.
        DataError
            If the rows or targets cannot be used.

        See Also
        --------
        planefold.engine.find_learning_rate : how it is found, and why so.

        Examples
        --------
        >>> from sklearn.datasets import load_diabetes
        >>> from planefold import MLPRegressor
        >>> X, y = load_diabetes(return_X_y=True)
        >>> model = MLPRegressor(n_members=2, skip=None, random_state=0)
        >>> sweep = model.find_learning_rate(X, y)
        >>> 0.001 < sweep.suggestion < 0.1
        True
        >>> model = model.set_params(learning_rate_init=sweep.suggestion)
        """
        check_sweep(self.solver, low, high, n_steps)
        self._check()
        find_device(self.device)
        trial = copy.copy(self)
        is_of_all = self.random_state is None or self.random_state is np.random  # whose state is not ours to move
        trial.random_state = np.random.RandomState() if is_of_all else copy.deepcopy(self.random_state)
        random_state = check_random_state(trial.random_state)
        learn, _, _ = trial._set_out(X, y, sample_weight, None, groups, random_state)
        return find_learning_rate(
            trial.net_.to(learn.y.device), learn, trial._objective, trial._plan(learn, self.max_iter),
            random_state=random_state, low=low, high=high, n_steps=n_steps,
        )  # fmt: skip
