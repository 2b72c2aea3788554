"""`Watch`: record anyone's training loop in torch, so that the doctor can judge it."""

from __future__ import annotations

import dataclasses
import math
import time
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from planefold.core.errors import DataError, ParameterError, PlanefoldError, show
from planefold.doctor.diagnose import Diagnosis, diagnose
from planefold.doctor.watching.batches import BatchLosses
from planefold.doctor.watching.facts import input_facts, n_classes_of, output_facts, recall, score, target_facts
from planefold.doctor.watching.losses import RowLosses
from planefold.doctor.watching.pace import Pace
from planefold.doctor.watching.rows import Rows, undisturbed
from planefold.doctor.watching.settings import settings_of, solver_of
from planefold.doctor.watching.steps import Steps
from planefold.doctor.watching.units import Activations, duplicate_shares
from planefold.engine.budget import Budget
from planefold.engine.run import Epoch, Run

N_TRAIN, N_VAL, N_KEPT = 256, 1024, 512  # rows that are judged; held-out rows whose losses are kept
FEWEST_TRAIN, FEWEST_VAL = 64, 96  # of a module that is slow for the little that it learns from
N_TIMED, QUICK = 16, 3e-4  # rows that tell whether a module is slow, and seconds up to which it is not
N_TRIVIAL = 20_000  # targets behind the trivial loss
N_FACTS = 256  # rows behind the scales of the inputs
LOOKS, MORE_LOOKS = 3, 6  # steps that are looked at in an epoch, and in the first one
EPOCHS_A_LOOK = 2  # a look may cost what so many epochs may spend; slower ones see fewer rows
STEP_COST = 6e-6  # seconds that our hooks take of a step: `python benchmarks/recording_watch.py --hooks`, 3 to 7 us


class Watch:
    """Record a training loop in torch as a :class:`planefold.engine.Run`.

    The loop stays as it is: the optimiser's steps and the loss are seen through their hooks, and what happens
    inside of the module while some rows pass through it. Weights, gradients, buffers, modes and the random state stay
    as they would be, so the training gives the same numbers with and without.

    Parameters
    ----------
    module : torch.nn.Module
        Any network that gives a tensor of outputs, a row each row.
    loss : module or function (outputs, y) -> Tensor
        The loss of a batch, a mean (or a sum) over rows.
    train : (X, y)
        The rows that it learns from, as the module and the loss take them: tensors or arrays, on any device. X may be a
        tuple, for a module with several inputs. A ``TensorDataset`` will do.
    val : (X, y), optional
        Rows that it does not learn from.
    optimizer : torch.optim.Optimizer, optional
        Without it, nothing is known of gradients, steps and the learning rate.
    n_epochs : int, optional
        How many epochs are planned: so that looks can be spread evenly, and the last epoch be among them.
    share : float
        Of the training time that looking may take; ``float("inf")`` looks at every row that may be looked at, after
        every epoch. The states before training, after the first epoch and at the end are looked at in any case.
    random_state : int
        Draws the rows that are judged.

    Raises
    ------
    DataError
        If the rows do not fit the module or the loss.
    ParameterError
        If the loss is not known for single rows.

    See Also
    --------
    planefold.diagnose : what to make of the run.

    Notes
    -----
    Up to 256 training rows and 1,024 held-out rows are judged, the same ones each time, and fewer when the module is
    slow for the little that it learns from; ``n_val`` of the run is the number of rows judged. How often that happens
    depends on ``share`` and on the time it takes, so the epochs with figures differ from run to run; the training
    does not. One look in four sees the layers too. Gradients and steps are the medians of up to six steps of an epoch.

    Examples
    --------
    >>> import torch
    >>> _ = torch.manual_seed(0)
    >>> X = torch.randn(200, 3)
    >>> y = X[:, :1].abs()
    >>> net = torch.nn.Sequential(torch.nn.Linear(3, 16), torch.nn.ReLU(), torch.nn.Linear(16, 1))
    >>> loss, optimizer = torch.nn.MSELoss(), torch.optim.Adam(net.parameters(), lr=0.01)
    >>> with Watch(net, loss, train=(X[:150], y[:150]), val=(X[150:], y[150:]), optimizer=optimizer) as watch:
    ...     for epoch in range(30):
    ...         for rows in torch.randperm(150).split(25):
    ...             optimizer.zero_grad()
    ...             loss(net(X[rows]), y[rows]).backward()
    ...             optimizer.step()
    ...         watch.epoch()
    >>> run = watch.run()
    >>> run.n_epochs, run.batch_size, run.solver
    (30, 25, 'adam')
    >>> bool(run["train_loss"][-1] < run["train_loss"][1])
    True
    """

    def __init__(
        self,
        module: nn.Module,
        loss: Any,
        *,
        train: Any,
        val: Any = None,
        optimizer: torch.optim.Optimizer | None = None,
        n_epochs: int | None = None,
        share: float = 0.025,
        random_state: int = 0,
    ) -> None:
        _check_module(module)
        if not isinstance(share, int | float) or not share >= 0:
            raise ParameterError(f"share={show(share)} is not a number of at least 0")
        # What torch.compile wraps shares its parameters, and can be looked into.
        self.module: nn.Module = getattr(module, "_orig_mod", module)
        self.n_epochs = n_epochs
        self.losses = RowLosses(loss)
        self.batch_size: int | None = None
        self._train = Rows.read(train, "train")
        on_cpu = all(p.device.type == "cpu" for p in module.parameters())
        self.budget = Budget(share=share) if on_cpu else Budget(share=share, clock=time.perf_counter)
        self.pace = Pace(self.budget, n_epochs)
        self._val_rows: list[np.ndarray[Any, Any] | None] = [None]
        self._is_told, self._is_interrupted = False, False
        self._batches = BatchLosses()
        self._n_steps = 0
        self._weights: Any = None
        self._lowest = math.inf
        self._together: Rows | None = None
        self._outputs: dict[str, Any] = {}
        with self.budget.spending():
            self._rows = self._choose(val, np.random.default_rng(random_state))
            self.steps = Steps(self.module, optimizer)
            self._records = [Epoch(epoch=0, train_loss=math.nan, objective=math.nan, learning_rate=self.steps.rate)]
            self._look()
            self._settings = settings_of(self.module, optimizer, self._kinds)
        self.pace.start_cost = self.budget.spent
        self._first = module.register_forward_pre_hook(self._on_batch, with_kwargs=True)
        self._hooks = [self._first]
        if isinstance(loss, nn.Module):
            self._hooks.append(loss.register_forward_hook(self._on_loss))
        self._started = time.perf_counter()

    # ---------------------------------------------------------------------------------------- during training

    def step(self, loss: Any) -> None:
        """Tell the loss of a batch: only needed where the loss is a function, which no hook can see."""
        if not self._is_told:
            self._is_told = True
            self._batches.clear()
        self._batches.take(loss)

    def epoch(self) -> None:
        """End an epoch."""
        seconds = time.perf_counter() - self._started
        self._wait()
        with self.budget.spending():
            n_steps = max(self.steps.count, len(self._batches))
            self.budget.spent += STEP_COST * n_steps + self.steps.seconds
            loss = self._mean_loss()
            self._records.append(
                Epoch(
                    epoch=len(self._records), train_loss=loss, objective=loss, seconds=seconds,
                    learning_rate=float(self.steps.rate), **self.steps.figures(),
                )
            )  # fmt: skip
            self._val_rows.append(None)
            self._n_steps = n_steps or self._n_steps
            if self.pace.is_due:
                self._look(at_layers=self.pace.at_layers)
            self._weights = self._state()
            self.pace.plan(len(self._records) - 1)
            n_looks = LOOKS if self.pace.is_due and self.pace.at_layers else 0
            self.steps.expect(self._n_steps or None, n_looks=n_looks)
        self._started = time.perf_counter()

    def close(self) -> None:
        """Take all hooks off; what was recorded stays."""
        for hook in self._hooks:
            hook.remove()
        self._hooks = []
        self.steps.close()

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._is_interrupted = kind is not None and issubclass(kind, KeyboardInterrupt)
        self.close()

    # ---------------------------------------------------------------------------------------- after training

    def run(self, *, restored_best: bool = False) -> Run:
        """Return what was recorded so far.

        Parameters
        ----------
        restored_best : bool
            Say True if the weights of the best epoch were put back, or will be: a rise after it is then history.

        Notes
        -----
        Call it before other weights are put into the module: if the last epoch was not looked at, it is now. Where the
        weights have changed since its end, it stays without figures.
        """
        if self.pace.last_look < len(self._records) - 1 and self._weights == self._state():
            self._look()
        val_losses = [e.val_loss if e.val_loss is not None else math.nan for e in self._records]
        is_known = np.isfinite(val_losses).any()
        train, val = self._rows["train"], self._rows.get("val")
        n_trained = len(self._train)
        batch = self.batch_size or n_trained
        return Run(
            epochs=tuple(self._records),
            objective=self.losses.name,
            solver=solver_of(self.steps.optimizer),
            device=str(train.y.device),
            stopped_because=self._stopped_because(),
            best_epoch=self._records[int(np.nanargmin(val_losses))].epoch if is_known else None,
            restored_best=restored_best,
            n_train=n_trained,
            n_val=0 if val is None else len(val),
            batch_size=batch,
            iterations_per_epoch=self._n_steps or -(-n_trained // batch),
            n_parameters=sum(p.numel() for p in self.module.parameters() if p.requires_grad),
            trivial_loss=self._trivial[0],
            trivial_val_loss=self._trivial[1],
            val_rows=self._kept_rows(),
            n_eval=len(train),
            settings=self._all_settings(),
            facts=self._facts(),
            recording_seconds=self.budget.spent,
        )

    def diagnose(self, **options: Any) -> Diagnosis:
        """Return what the doctor says about :meth:`run`; options are those of :func:`planefold.diagnose`."""
        return diagnose(self.run(), **options)

    # ---------------------------------------------------------------------------------------- the start

    def _choose(self, val: Any, rng: np.random.Generator) -> dict[str, Rows]:
        """Draw the rows that are judged: fewer where they would cost too many epochs."""
        rows = {"train": self._train.choose(N_TRAIN, rng).beside(self.module)}
        if val is not None:
            rows["val"] = Rows.read(val, "val").choose(N_VAL, rng).beside(self.module)
        with undisturbed(self.module):
            self._forward(rows["train"].first(2))  # the first call of all is slow
            few = rows["train"].first(N_TIMED)
            started = self.budget.clock()
            self._forward(few)
            seconds = self.budget.clock() - started
        # Forward and back is three times forward.
        affordable = EPOCHS_A_LOOK * self.budget.share * 3 * len(self._train)
        share = affordable / sum(map(len, rows.values()))
        if share < 1 and seconds > QUICK:
            fewest = {"train": FEWEST_TRAIN, "val": FEWEST_VAL}
            rows = {name: part.choose(max(fewest[name], int(share * len(part))), rng) for name, part in rows.items()}
        return rows

    def _learn(self, outputs: dict[str, Any], units: Activations) -> None:
        """See what the module and the loss are: kinds of units, axis of the inputs, classes, trivial losses."""
        rows, val = self._rows["train"], self._rows.get("val")
        self._check_outputs(outputs["train"], rows)
        self.losses.check(outputs["train"], rows.y)
        self._kinds, self._axis = units.kinds, units.first_axis
        self.n_classes = n_classes_of(self.losses, outputs["train"], rows.y)
        places = np.random.default_rng(0).permutation(len(self._train))[:N_TRIVIAL]
        y = self._train.y[torch.as_tensor(places, device=self._train.y.device)].to(rows.y.device)
        constant = self.losses.constant(outputs["train"], y)
        self._trivial = (
            self.losses.trivial(constant, y),
            None if val is None else self.losses.trivial(constant, val.y),
        )
        # One pass for both is cheaper, where the losses of rows do not depend on the other rows.
        is_apart = self.losses.scales or self.losses.option("weight") is not None
        if val is not None and isinstance(outputs["train"], Tensor) and not is_apart:
            self._together = rows.followed_by(val)

    def _check_outputs(self, outputs: Any, rows: Rows) -> None:
        if isinstance(outputs, Tensor) and (outputs.dim() == 0 or len(outputs) != len(rows)):
            raise DataError(
                f"the module gives outputs of shape {tuple(outputs.shape)} for {len(rows)} rows",
                hint="Watch needs a module whose outputs have one entry a row along their first axis",
            )

    # ---------------------------------------------------------------------------------------- hooks

    def _on_batch(self, module: nn.Module, args: Any, kwargs: Any) -> None:
        """See the first batch that is learned from."""
        if not (module.training and torch.is_grad_enabled()):
            return
        first = next((part for part in (*args, *kwargs.values()) if isinstance(part, Tensor) and part.dim()), None)
        self._first.remove()
        if first is not None:
            self.batch_size = len(first)
            if self.steps.count == 0:
                self.steps.expect(-(-len(self._train) // self.batch_size), n_looks=MORE_LOOKS)
        if len(self._records) == 1:
            self._started = time.perf_counter()

    def _on_loss(self, module: nn.Module, args: Any, loss: Any) -> None:
        if self.module.training and not self._is_told and torch.is_grad_enabled() and isinstance(loss, Tensor):
            self._batches.take(loss)

    # ---------------------------------------------------------------------------------------- the end of an epoch

    def _mean_loss(self) -> float:
        """Average the losses of an epoch's batches over their rows; where none was seen, the last look's loss."""
        mean = self._batches.mean(len(self._train), self.batch_size or 1, is_sum=self.losses.is_sum)
        if mean is None:
            mean = next((e.train_eval for e in reversed(self._records) if e.train_eval is not None), math.nan)
        return mean

    def _state(self) -> Any:
        """Return what changes whenever the weights do."""
        return [(p.data_ptr(), p._version) for p in self.module.parameters()]

    def _look(self, *, at_layers: bool = True) -> None:
        """Judge the weights as they are, and write it into the last record."""
        self._wait()
        with self.budget.spending():
            started = self.budget.clock()
            is_start = len(self._records) == 1
            figures: dict[str, Any] = {}
            with undisturbed(self.module):
                if at_layers or self._together is None:
                    units = Activations()
                    for name, rows in self._rows.items():
                        self._outputs[name] = self._forward(rows, units if name == "train" else None)
                    figures |= units.figures()
                    if is_start:
                        self._learn(self._outputs, units)
                    losses = {name: self._losses_of(rows, self._outputs[name]) for name, rows in self._rows.items()}
                else:
                    outputs, n = self._forward(self._together), len(self._rows["train"])
                    values = self._losses_of(self._together, outputs)
                    self._outputs = {"train": outputs[:n], "val": outputs[n:]}
                    losses = {"train": values[:n], "val": values[n:]}
                for name, rows in self._rows.items():
                    figures |= self._judge(name, rows.y, self._outputs[name], losses[name])
            if at_layers:
                figures["weight_norm"] = self.steps.weight_norm()
            if is_start:  # units that are equal at the start stay so
                figures["duplicate_share"] = duplicate_shares(self.module)
            self._records[-1] = dataclasses.replace(self._records[-1], **figures)
            self.pace.looked(len(self._records) - 1, self.budget.clock() - started, at_layers=at_layers)

    def _losses_of(self, rows: Rows, outputs: Any) -> np.ndarray[Any, Any]:
        return self.losses(outputs, rows.y).cpu().numpy().astype(np.float64)

    def _judge(self, name: str, y: Tensor, outputs: Any, losses: np.ndarray[Any, Any]) -> dict[str, Any]:
        with np.errstate(all="ignore"):
            self._lowest = float(np.fmin.reduce(losses, initial=self._lowest))
            mean = float(losses.mean())
            error = float(losses.std(ddof=1) / len(losses) ** 0.5) if len(losses) > 1 else None
            figure = score(self.losses, outputs, y, self.n_classes)
        if name == "train":
            return {"train_eval": mean, "train_se": error, "train_score": figure}
        largest = float(np.finfo(np.float16).max)
        self._val_rows[-1] = np.clip(losses[:N_KEPT], -largest, largest).astype(np.float16)
        return {"val_loss": mean, "val_se": error, "val_score": figure}

    def _forward(self, rows: Rows, units: Activations | None = None) -> Any:
        """Return the outputs of rows, in evaluation mode; ``units`` looks on."""
        found = []
        for inputs in rows.chunks():
            try:
                if units is None:
                    found.append(self.module(*inputs))
                else:
                    units.begin()
                    with units:
                        output = self.module(*inputs)
                    units.end(output)
                    found.append(output)
            except PlanefoldError:
                raise
            except (RuntimeError, TypeError, ValueError, IndexError) as error:
                raise DataError(
                    "the module does not take the rows as they are",
                    details=str(error).splitlines()[0] if str(error) else None,
                    hint="pass X as the training loop passes its batches: same shape, type and scaling",
                ) from error
        if units is not None:
            self._last_kind = units.output_kind
        if len(found) == 1:
            return found[0]
        if not all(isinstance(part, Tensor) for part in found):
            raise DataError("the module gives no tensor, and its rows are too wide to be judged at once")
        return torch.cat(found)

    def _wait(self) -> None:
        """Let the device finish what the training has asked for, which is not ours to pay for."""
        device = self._rows["train"].y.device
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    # ---------------------------------------------------------------------------------------- the run

    def _stopped_because(self) -> str:
        if self._is_interrupted:
            return "interrupted"
        last = self._records[-1]
        losses = [last.train_loss, last.train_eval or 0.0] if last.epoch else []
        return "max_iter" if all(map(math.isfinite, losses)) else "diverged"

    def _kept_rows(self) -> np.ndarray[Any, np.dtype[np.float16]] | None:
        if "val" not in self._rows:
            return None
        nothing = np.full(min(len(self._rows["val"]), N_KEPT), np.nan, dtype=np.float16)
        return np.stack([nothing if rows is None else rows for rows in self._val_rows])

    def _all_settings(self) -> dict[str, Any]:
        settings = dict(self._settings)
        if self.batch_size:
            settings["batch_size"] = self.batch_size
        if self.n_epochs or self._records[-1].epoch:
            settings["max_iter"] = self.n_epochs or self._records[-1].epoch
        if self.steps.clip_norm is not None:
            settings["clip_norm"] = self.steps.clip_norm
        return settings

    def _facts(self) -> dict[str, Any]:
        facts: dict[str, Any] = {}
        facts |= input_facts(self._train.choose(N_FACTS, np.random.default_rng(0)), self._axis)
        facts |= target_facts(self.losses, self._train.y, self.n_classes)
        facts |= output_facts(self.losses, self._outputs["train"], self._train.y, self._last_kind)
        if math.isfinite(self._lowest):
            facts["lowest_loss"] = self._lowest
        if "val" in self._rows and self.n_classes:
            facts |= recall(self.losses, self._outputs["val"], self._rows["val"].y, self.n_classes)
        return facts


def _check_module(module: Any) -> None:
    if not isinstance(module, nn.Module):
        raise ParameterError(f"module={show(module)} is not a torch.nn.Module")
    if any(nn.parameter.is_lazy(p) for p in module.parameters()):
        raise ParameterError(
            "the module has parameters whose shapes are not known yet",
            hint="pass one batch through it before it is watched",
        )
