"""`Run`: what happened in a training, epoch by epoch. The doctor, the plots and the reports read it."""

from __future__ import annotations

import base64
import itertools
import json
import math
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from planefold.core.errors import ModelFileError, unknown_choice

MAX_VAL_ROWS = 512  # held-out rows whose losses are kept
MAX_WRITTEN_VALUES = 2**16  # of these losses in a file: at most 100 kB


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """One pass over the training rows. Losses hold no penalty; lists have one entry a layer.

    Parameters
    ----------
    epoch : int
        1 for the first pass; 0 is the state before training, of which ``train_loss`` and ``objective`` are nan.
    train_loss : float
        Mean loss of the training rows, taken while the weights moved (means over the epoch's batches,
        dropout on), averaged over the members.
    objective : float
        The same with the penalties: what the optimiser lowered.
    val_loss : float or None
        Loss of the held-out rows at the end of the epoch (dropout off). With several members, each is
        judged on its own held-out rows and the mean is given.
    val_se : float or None
        Standard error of ``val_loss`` over the distinct held-out rows: what the members get wrong on one row, and its
        weight, count together. Known once the training has ended.
    val_score : float or None
        Accuracy (classification) or R^2 (regression) of the same rows.
    train_eval : float or None
        Loss of ``Run.n_eval`` training rows (of each member, spread over its own) at the end of the epoch, dropout
        off: what may be compared with ``val_loss``. Of the rows and with the weights that the objective has:
        resampled, and weighted by class, where it is. Not measured in every epoch.
    train_se, train_score : float or None
        Standard error of ``train_eval`` over its distinct rows, and their accuracy or R^2. Known once the training has
        ended.
    learning_rate : float
        The rate of the epoch's last step.
    seconds : float
        Wall-clock time of the epoch, in seconds.
    gradient_norm, update_ratio : tuple of float
        Per layer, root mean square of the gradient (with the penalty's, before it is clipped), and the length of a
        step relative to the length of the weights: medians over up to six steps spread over the epoch.
    weight_norm : tuple of float
        Per layer, root mean square of the weights at the end of the epoch.
    activation_mean, activation_std : tuple of float
        Per hidden layer, mean and standard deviation of its activations over units and the rows of ``train_eval``.
    dead_share : tuple of float
        Per hidden layer, share of the units (relu) that are zero on every such row.
    saturated_share : tuple of float
        Per hidden layer, share of the activations (tanh, logistic) that are near their bounds; see
        :func:`planefold.engine.probes.unit_figures`.
    duplicate_share : tuple of float
        Per hidden layer, share of the units whose incoming weights and bias are equal to those of another unit; of
        the start alone.

    Notes
    -----
    What is None, and the figures of layers where they are empty, was not measured in that epoch. Measuring is kept
    within 1.5 % of the time that has passed, so which epochs these are may differ between two trainings that are
    otherwise alike. In any case there are the start, epoch 1, the last epoch and (without layers) the epoch whose
    weights were restored: two to four milliseconds, which is more than that share of trainings of less than 0.2
    seconds, and another half of the share is spent even then. Figures of layers come from epochs that lie further and
    further apart, ``train_eval`` from as many others as the time allows; lbfgs has no steps to watch, so that
    ``gradient_norm``, ``weight_norm`` and ``update_ratio`` are empty.
    """

    epoch: int
    train_loss: float
    objective: float
    val_loss: float | None = None
    val_score: float | None = None
    learning_rate: float = 0.0
    seconds: float = 0.0
    gradient_norm: tuple[float, ...] = ()
    weight_norm: tuple[float, ...] = ()
    update_ratio: tuple[float, ...] = ()
    activation_mean: tuple[float, ...] = ()
    activation_std: tuple[float, ...] = ()
    dead_share: tuple[float, ...] = ()
    saturated_share: tuple[float, ...] = ()
    duplicate_share: tuple[float, ...] = ()
    val_se: float | None = None
    train_eval: float | None = None
    train_se: float | None = None
    train_score: float | None = None

    def with_(self, **changes: Any) -> Epoch:
        """Return a copy with other values, as ``dataclasses.replace`` does, in a tenth of its time."""
        new = object.__new__(Epoch)
        new.__dict__.update(self.__dict__, **changes)
        return new


@dataclass(frozen=True, kw_only=True)
class Run:
    """What happened in one training.

    Parameters
    ----------
    epochs : tuple of Epoch
        In order. ``run["val_loss"]`` gives one column of them as an array.
    objective : str
        Name of the loss, for example ``"squared_error"``.
    solver, device : str
        The optimiser and the device that was used, for example ``"adam"`` and ``"cpu"``.
    stopped_because : str
        ``"max_iter"``, ``"no_improvement"``, ``"callback"``, ``"interrupted"`` or ``"diverged"``; of lbfgs also
        ``"converged"``, and ``"line_search"`` when no step was found that lowers the objective.
    best_epoch : int or None
        Epoch with the lowest validation loss (0 is the start). Without validation None, unless the training
        diverged: then the epoch after which the objective was lowest, whose weights were restored.
    restored_best : bool
        True when the weights that were kept are those of the best epoch, not of the last.
    n_train, n_val : int
        Rows that one member learned from, and rows that it held out.
    n_judged : int
        Distinct rows that all members held out together: one network's ``n_val``; of members with folds of their own
        nearly all rows.
    batch_size, iterations_per_epoch, n_members, n_parameters : int
        How the rows were cut (15 rows in batches of 3 are 5 iterations), how many networks were trained
        side by side, and the number of weights and biases of all of them.
    n_zero_weights : int
        Weights that are exactly 0 at the end, as an L1 penalty makes them.
    trivial_loss : float or None
        Loss of always predicting the training mean or the training shares of the classes.
    trivial_val_loss : float or None
        Loss of the same prediction on the held-out rows, with several members the mean over theirs.
    val_rows : float16 array of shape (n_epochs, n_rows) or None
        Losses of up to 512 held-out rows, the same ones in every epoch; row ``i`` belongs to ``epochs[i]``. They are
        spread over the rows, with several members over those of all of them; where all members hold out the same
        rows, they are the means over the members. Without weights; what is beyond 65,504 is cut there. (Of more
        than 8,192 epochs there are fewer rows, and in a file of more than 128.)
    n_eval : int
        Training rows of each member behind ``train_eval``, up to 256.
    settings : mapping
        How it was trained, by the names of the estimator's parameters and as JSON data: ``learning_rate_init``,
        ``learning_rate`` (its kind), ``batch_size`` and ``max_iter`` (as they came out), ``hidden_layer_sizes`` (a
        list), ``dropout`` (a number, or a list if the layers differ), ``n_iter_no_change`` (None: without end),
        ``preprocess`` (None, ``"auto"`` or ``"custom"``), ``class_weight`` (a name, ``"custom"`` or None), ...
    facts : mapping of str to number or list of numbers
        What the network was given, as far as it is known, and how the weights that were kept do.

        ``input_scale_ratio``: largest over smallest robust deviation of the numeric inputs (those with more than two
        values), as the network receives them, on up to 256 training rows; ``input_scale``: the largest;
        ``input_offset``: largest absolute median in deviations; ``input_scale_column``, ``input_offset_column``:
        numbers of the inputs that have the largest. ``target_scale``, ``target_offset``: standard deviation, and
        absolute mean in deviations, of a numeric target, of several the largest.

        ``class_counts``: distinct training rows of each class, before resampling; ``class_recall``,
        ``class_support``: share of the held-out rows of each class that the kept weights find by the largest
        probability, and their number; of several members each on its own rows.

        ``targets_outside``: share of the targets outside of what the output can give; ``sums_to_one``: share of
        the rows whose inputs of a cross-entropy are probabilities already; ``lowest_loss``: the lowest loss of a
        training row.

        ``kept_train_loss``, ``kept_train_se``, ``kept_train_score``, ``kept_train_rows``: loss of the kept weights on
        256 to 2,000 training rows of each member, as time allows, its standard error, the
        score, the number of rows. They stand here and not among the epochs, where other rows would look like a jump.
    recording_seconds : float
        Time that measuring for the doctor took, in seconds: of the epochs, and before and after them.
    """

    epochs: tuple[Epoch, ...] = field(repr=False)
    objective: str
    solver: str
    device: str
    stopped_because: str
    best_epoch: int | None
    restored_best: bool
    n_train: int
    n_val: int
    batch_size: int
    iterations_per_epoch: int
    n_members: int = 1
    n_parameters: int
    n_zero_weights: int = 0
    trivial_loss: float | None = None
    trivial_val_loss: float | None = None
    val_rows: np.ndarray[Any, np.dtype[np.float16]] | None = field(default=None, repr=False, compare=False)
    n_judged: int = 0
    n_eval: int = 0
    settings: Mapping[str, Any] = field(default_factory=dict, repr=False)
    facts: Mapping[str, Any] = field(default_factory=dict, repr=False)
    recording_seconds: float = 0.0

    @property
    def n_epochs(self) -> int:
        """Number of passes over the training rows; the state before training is none."""
        return sum(epoch.epoch > 0 for epoch in self.epochs)

    @property
    def seconds(self) -> float:
        """Wall-clock time of the whole training, in seconds."""
        return sum(epoch.seconds for epoch in self.epochs)

    def __getitem__(self, name: str) -> np.ndarray[Any, np.dtype[np.float64]]:
        """One column of the history, a row an epoch; missing values are nan.

        A figure of each layer has the shape (n_epochs, n_layers).
        """
        names = [f.name for f in fields(Epoch)]
        if name not in names:
            raise unknown_choice("column", name, names)
        values = [getattr(epoch, name) for epoch in self.epochs]
        if any(isinstance(value, tuple) for value in values):
            columns = list(itertools.zip_longest(*values, fillvalue=np.nan))
            return np.array(columns, dtype=float).T.reshape(len(values), len(columns))
        return np.array([np.nan if value is None else value for value in values], dtype=float)

    def to_lines(self) -> Iterator[str]:
        """Write the run as JSON lines: one of the whole, then one an epoch."""
        whole = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "epochs"}
        whole["val_rows"] = None if self.val_rows is None else _pack(self.val_rows)
        yield json.dumps(whole)
        for epoch in self.epochs:
            yield json.dumps({f.name: getattr(epoch, f.name) for f in fields(epoch)})

    @classmethod
    def from_lines(cls, lines: Iterable[str]) -> Run:
        """Read what :meth:`to_lines` wrote."""
        whole, *epochs = (json.loads(line) for line in lines if line.strip())
        if whole.get("val_rows") is not None:
            whole["val_rows"] = _unpack(whole["val_rows"], len(epochs))
        for name in ("settings", "facts"):
            if not isinstance(whole.get(name, {}), dict):
                raise ModelFileError(
                    f"the {name} of the training are a {type(whole[name]).__name__}, expected a mapping"
                )
        return cls(epochs=tuple(Epoch(**{k: _read(k, v) for k, v in epoch.items()}) for epoch in epochs), **whole)


def _pack(rows: np.ndarray[Any, np.dtype[np.float16]]) -> list[Any]:
    """Write an array as its shape and its compressed bytes in base64.

    A row's loss moves little from epoch to epoch, so what is written are the moves of its bits, the high bytes after
    the low ones: three quarters of the size.
    """
    rows = rows[:, :: -(-rows.size // MAX_WRITTEN_VALUES)]
    bits = np.ascontiguousarray(rows, dtype="<f2").view("<i2")
    moves = np.concatenate([bits[:1], bits[1:] - bits[:-1]])  # modulo 2^16
    packed = zlib.compress(moves.view(np.uint8).reshape(-1, 2).T.tobytes())
    return [*rows.shape, base64.b64encode(packed).decode("ascii")]


def _unpack(packed: Any, n_epochs: int) -> np.ndarray[Any, np.dtype[np.float16]]:
    """Read what :func:`_pack` wrote, from anyone: no more memory is taken than the history's length allows."""
    try:
        n_written, n_rows, text = packed
        if n_written != n_epochs or not 0 < n_rows <= MAX_VAL_ROWS or n_epochs < 1:
            raise ValueError(f"shape {n_written} x {n_rows} for {n_epochs} epochs")
        n_bytes = 2 * n_epochs * n_rows
        unpacking = zlib.decompressobj()
        raw = unpacking.decompress(base64.b64decode(text, validate=True), n_bytes)
        if len(raw) != n_bytes or unpacking.unconsumed_tail:
            raise ValueError("not as many numbers as the shape says")
    except (TypeError, ValueError, zlib.error) as error:
        raise ModelFileError(
            "the losses of single held-out rows cannot be read", details=str(error), hint="save the model anew"
        ) from error
    moves = np.ascontiguousarray(np.frombuffer(raw, dtype=np.uint8).reshape(2, -1).T).view("<i2")
    bits = moves.reshape(n_epochs, n_rows).cumsum(axis=0, dtype="<i2")
    return bits.view("<f2").astype(np.float16)


def _read(name: str, value: Any) -> Any:
    if isinstance(value, list):
        return tuple(math.nan if entry is None else entry for entry in value)
    # Where a loss is always known, null stands for nan or infinity: strict JSON has neither.
    return math.nan if value is None and name in ("train_loss", "objective") else value
