"""What an estimator tells of its network, and how it is kept: the part that neither trains nor predicts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy.typing as npt
from sklearn.utils.validation import check_is_fitted

from planefold.engine.run import Run

if TYPE_CHECKING:
    from planefold.doctor import Diagnosis
    from planefold.estimators.advice import Retrial

Array = npt.NDArray[Any]


class Instruments:
    """Summary, findings and file of a model, whatever its network is."""

    net_: Any
    run_: Run
    _decision_in_words: Any
    _inputs_in_words: Any

    def summary(self) -> str:
        """Return a table of the layers with the parameters of each, and where two classes part if not at one half."""
        check_is_fitted(self, "net_")
        spec = self.net_.spec
        lines = [f"{'layer':<14}{'units':>8}  {'activation':<12}{'parameters':>12}"]
        lines += [
            f"{row['layer']:<14}{row['units']:>8}  {row['activation']:<12}{row['n_parameters']:>12,}"
            for row in spec.layers()
        ]
        members = f", {spec.n_members} members together" if spec.n_members > 1 else ""
        lines.append(f"{self._inputs_in_words()}, {spec.n_parameters:,} parameters{members}")
        n_statistics = sum(statistic.numel() for statistic in self.net_.statistics())
        if n_statistics:
            lines.append(f"and {n_statistics:,} running statistics, which are measured and not trained")
        return "\n".join(filter(None, [*lines, self._decision_in_words()]))

    @property
    def n_parameters_(self) -> int:
        """Weights and biases of all members together, with the scales and shifts of batch normalisation."""
        check_is_fitted(self, "net_")
        return int(self.net_.spec.n_parameters)

    def diagnose(
        self,
        X: Any = None,
        y: Any = None,
        *,
        validation_data: tuple[Any, Any] | None = None,
        groups: Any = None,
        time: Any = None,
        reference: bool = True,
    ) -> Diagnosis:
        """Say what is wrong with the training, the data or the predictions, and what to try.

        Parameters
        ----------
        X, y : as in :meth:`fit`, optional
            The rows that the model learned from. Without them only what :meth:`fit` recorded is looked at, which
            takes milliseconds. With them the rows are scanned (leaks, duplicates, label noise, ...), and trees
            learn from them, which tells a network that is too small from a target that is noisy; about a second.
        validation_data : (X, y), optional
            Rows that the model has not learned from: then the predictions are judged, too, and the rows are
            compared with those of training.
        groups, time : array-like of shape (n_samples,), optional
            Which rows belong together, and when each was taken, as far as that is known.
        reference : bool
            Whether trees learn from the rows.

        Returns
        -------
        planefold.doctor.Diagnosis
            Prints as text; iterating gives the findings.

        Raises
        ------
        DataError
            If the rows or targets cannot be used.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from planefold import MLPClassifier
        >>> X, y = load_iris(return_X_y=True)
        >>> model = MLPClassifier(max_iter=20, random_state=0).fit(X, y)
        >>> model.diagnose().healthy
        True
        """
        from planefold.doctor import diagnose_case
        from planefold.estimators.examining import case_of

        model: Any = self
        return diagnose_case(
            case_of(model, X, y, validation_data=validation_data, groups=groups, time=time, reference=reference)
        )

    def apply(self, finding: Any) -> Any:
        """Return an unfitted copy with the parameters that a finding advises first.

        Parameters
        ----------
        finding : planefold.doctor.Finding, or a Diagnosis
            Of several findings, the first one whose advice is a parameter counts.

        Returns
        -------
        MLPClassifier or MLPRegressor

        Raises
        ------
        ParameterError
            If no parameter does what is advised: more rows, say, or other columns.

        Examples
        --------
        >>> from planefold import MLPRegressor
        >>> from planefold.doctor import Action, Finding
        >>> action = Action(words="a lower rate", parameters={"learning_rate_init": 0.001})
        >>> finding = Finding(severity="warning", what="the loss jumps", why="Steps are too long.", advice=(action,))
        >>> MLPRegressor().apply(finding)
        MLPRegressor(learning_rate_init=0.001)
        """
        from planefold.estimators.advice import advised

        model: Any = self
        return advised(model, finding)

    def retrain(self, finding: Any, X: Any, y: Any, sample_weight: Any = None, **how: Any) -> Retrial:
        """Train a copy as a finding advises, and put both trainings side by side; this model stays as it is.

        Parameters
        ----------
        finding : planefold.doctor.Finding, or a Diagnosis
        X, y, sample_weight, **how
            As they were given to :meth:`fit`: then the same rows are held out, and the comparison is fair.

        Returns
        -------
        planefold.estimators.advice.Retrial
            Prints as a table; ``.outcome`` is ``"better"``, ``"worse"`` or ``"no clear difference"``, and ``.model``
            the new model.

        Raises
        ------
        ParameterError
            If no parameter does what is advised, or if there are no held-out rows to compare by.
        """
        from planefold.estimators.advice import retrain

        model: Any = self
        return retrain(model, finding, X, y, sample_weight, **how)

    def plot_curves(self, ax: Any = None) -> Any:
        """Draw the learning curves; returns the matplotlib axes."""
        from planefold.plots import curves

        check_is_fitted(self, "run_")
        return curves(self.run_, ax=ax)

    def save(self, path: str | Path) -> Path:
        """Write the model to a ``.fold`` file, which holds data only and runs nothing when it is read.

        Parameters
        ----------
        path : str or Path

        Returns
        -------
        Path

        Raises
        ------
        FileError
            If the file cannot be written; an older file of that name stays as it was.
        ParameterError
            If a transformer of your own prepares the columns: only its code could say what it does.
        """
        from planefold.estimators.loading import save

        model: Any = self
        return save(model, path)
