"""What a watched module was given: the scales of inputs and targets, and whether its output can meet them."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from planefold.doctor.watching.losses import OF_BINARIES, OF_CLASSES, RowLosses
from planefold.doctor.watching.rows import Rows
from planefold.doctor.watching.units import RANGES
from planefold.engine.facts import scale_of_inputs, scale_of_targets
from planefold.engine.probes import by_unit

_SCALES = ("input_scale", "input_scale_ratio", "input_offset")
SUM = 1e-3  # distance from 1 of a row of probabilities


def input_facts(rows: Rows, axis: int | None) -> dict[str, Any]:
    """Tell the scales of the inputs: of the columns, of the channels of images, of the features of sequences.

    Parameters
    ----------
    axis : int or None
        Of the features: 1 for the channels of images; None where it is not known.
    """
    parts = [part for part in rows.inputs if part.is_floating_point() and part.numel()]
    tables = [by_unit(part, axis=axis or (1 if part.dim() > 3 else -1)).double().cpu().numpy() for part in parts]
    found = [facts for facts in (scale_of_inputs(table[np.isfinite(table).all(axis=1)]) for table in tables) if facts]
    if len(found) == 1:
        return found[0]
    # Of several inputs, the widest apart: their columns have no common numbers.
    return {name: max(facts[name] for facts in found) for name in _SCALES} if found else {}


def target_facts(losses: RowLosses, y: Tensor, n_classes: int) -> dict[str, Any]:
    """Tell the scale of numeric targets, or the number of rows of each class."""
    if n_classes:
        return {"class_counts": np.bincount(class_of_targets(y), minlength=n_classes).tolist()}
    if losses.kind in OF_CLASSES or not y.is_floating_point():
        return {}
    return scale_of_targets(y.double().reshape(len(y), -1).cpu().numpy())


def output_facts(losses: RowLosses, outputs: Any, y: Tensor, output_kind: str) -> dict[str, float]:
    """Tell whether the output can be what the loss wants: its range, and probabilities where scores are wanted."""
    facts = {}
    if losses.kind not in OF_CLASSES and output_kind in RANGES and y.is_floating_point():
        low, high = RANGES[output_kind]
        facts["targets_outside"] = float(((y < low) | (y > high)).double().mean())
    if losses.kind == "CrossEntropyLoss" and isinstance(outputs, Tensor):
        sums, lowest = outputs.double().sum(dim=1), outputs.amin(dim=1)
        facts["sums_to_one"] = float(((lowest >= 0) & ((sums - 1).abs() < SUM)).double().mean())
    return facts


def n_classes_of(losses: RowLosses, outputs: Any, y: Tensor) -> int:
    """Return the number of classes of a row's target; 0 where there are no classes."""
    if not isinstance(outputs, Tensor) or y.numel() != len(y):
        return 0
    if losses.kind in OF_CLASSES:
        return outputs.shape[1] if outputs.dim() == 2 else 0
    is_binary = losses.kind in OF_BINARIES and bool(((y == 0) | (y == 1)).all())
    if is_binary and outputs.numel() == len(outputs):
        return 2
    is_index = not losses.kind and not y.is_floating_point() and outputs.dim() == 2 and outputs.shape[1] > 1
    return outputs.shape[1] if is_index and int(y.min()) >= 0 and int(y.max()) < outputs.shape[1] else 0


def class_of_targets(y: Tensor) -> np.ndarray[Any, Any]:
    """Return the class of each row; those that are marked to be ignored are left out."""
    classes = y.detach().reshape(-1).long().cpu().numpy()
    return classes[classes >= 0]


def predicted_classes(losses: RowLosses, outputs: Tensor) -> Tensor:
    """Return the class that each row's output names."""
    if losses.kind in OF_BINARIES:
        return (outputs.reshape(-1) > (0.0 if losses.kind == "BCEWithLogitsLoss" else 0.5)).long()
    return outputs.argmax(dim=1)


def recall(losses: RowLosses, outputs: Tensor, y: Tensor, n_classes: int) -> dict[str, list[Any]]:
    """Return the share of the rows of each class that were found (0 where there are none), and their number."""
    truth = y.reshape(-1).long()
    hits = predicted_classes(losses, outputs) == truth
    known = truth >= 0
    support = torch.bincount(truth[known], minlength=n_classes)
    found = torch.bincount(truth[known & hits], minlength=n_classes)
    share = found.double() / support.clamp_min(1)
    return {"class_recall": share.tolist(), "class_support": support.tolist()}


def score(losses: RowLosses, outputs: Any, y: Tensor, n_classes: int) -> float | None:
    """Return the accuracy where there are classes, R^2 of numbers, None of anything else."""
    if not isinstance(outputs, Tensor):
        return None
    if n_classes:
        return float((predicted_classes(losses, outputs) == y.reshape(-1).long()).double().mean())
    if losses.kind == "PoissonNLLLoss" and losses.option("log_input", True):
        outputs = outputs.exp()
    if losses.kind in (*OF_CLASSES, *OF_BINARIES) or not y.is_floating_point() or y.numel() != outputs.numel():
        return None
    truth = y.reshape(len(y), -1).cpu().numpy().astype(np.float64)
    residual = truth - outputs.reshape(truth.shape).cpu().numpy()
    deviation = truth - truth.mean(axis=0)
    left, total = np.square(residual).sum(axis=0), np.square(deviation).sum(axis=0)
    return float(np.mean(1 - left[total > 0] / total[total > 0])) if (total > 0).any() else None
