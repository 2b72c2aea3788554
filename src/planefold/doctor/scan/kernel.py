"""What a kernel model says about the class of each row without having seen it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from planefold.data import robust
from planefold.doctor.scan.neighbours import MAX_PARTS, components
from planefold.doctor.scan.sheet import Floats, Sheet

N_LANDMARKS = 200
MAX_LEVELS = 12  # of a category; rarer ones share none
WIDTHS = (None, 1.0, 0.3)  # of the kernel, in median squared distances; None is a linear model alone
PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1)


def unseen_scores(sheet: Sheet, labels: npt.NDArray[np.int64], random: np.random.RandomState) -> Floats:
    r"""Return a score of each class for each row, from all rows but this one.

    Parameters
    ----------
    sheet : Sheet
        Its rows to learn from.
    labels : int array of shape (n_rows,)
        From 0 on.

    Returns
    -------
    array of shape (n_rows, n_classes)
        About 1 for the class that the other rows speak for, about 0 for the others.

    Notes
    -----
    Ridge regression of the classes' indicators on the columns and on their closeness to 200 rows; width and penalty
    are those with the smallest error. Leaving one row out costs nothing: its residual is that of the fit divided by
    :math:`1 - h_i`, with :math:`h_i` the diagonal of the hat matrix.

    References
    ----------
    Hastie, Tibshirani and Friedman, "The Elements of Statistical Learning", 2nd edition, section 7.10.1.
    Williams and Seeger, "Using the Nystroem Method to Speed Up Kernel Machines", NeurIPS 2000.
    """
    Z = _inputs(sheet, random)
    wanted = np.eye(int(labels.max()) + 1)[labels]
    landmarks = Z[random.permutation(len(Z))[: min(N_LANDMARKS, len(Z) // 3)]]
    squares = np.sum(Z * Z, axis=1)[:, None] + np.sum(landmarks * landmarks, axis=1) - 2 * Z @ landmarks.T
    typical = float(np.median(squares)) or 1.0
    best, scores = np.inf, wanted
    for width in WIDTHS:
        F = Z if width is None else np.column_stack([Z, np.exp(-np.maximum(squares, 0) / (2 * width * typical))])
        for found in _left_out(F - F.mean(axis=0), wanted):
            error = float(np.mean((wanted - found) ** 2))
            if error < best:
                best, scores = error, found
    return scores


def _left_out(F: Floats, wanted: Floats) -> list[Floats]:
    """Predict each row from the others, by ridge regression with each of the penalties."""
    F = np.column_stack([np.ones(len(F)), F])
    values, vectors = np.linalg.eigh(F.T @ F)
    rotated = F @ vectors
    target = rotated.T @ wanted
    found = []
    for penalty in PENALTIES:
        scaled = rotated / (np.maximum(values, 0.0) + penalty * len(F))
        fitted, leverage = scaled @ target, np.sum(scaled * rotated, axis=1)
        found.append(wanted - (wanted - fitted) / np.maximum(1 - leverage, 1e-3)[:, None])
    return found


def _inputs(sheet: Sheet, random: np.random.RandomState) -> Floats:
    """Bring the columns to one scale, categories as indicators, wide tables as principal components."""
    if sheet.is_pictures:
        Z = sheet.values
    else:
        Z = np.column_stack([column for j in range(len(sheet.names)) for column in _of_column(sheet, j)])
        Z = Z - Z.mean(axis=0)
        Z = Z / np.where(Z.std(axis=0) > 0, Z.std(axis=0), 1.0)
    if Z.shape[1] > MAX_PARTS:
        Z = components(Z, len(Z), random)
        Z = Z / (Z.std(axis=0).max() or 1.0)
    return Z


def _of_column(sheet: Sheet, j: int) -> list[Floats]:
    values = sheet.values[:, j]
    missing = np.isnan(values)
    if not sheet.numeric[j]:
        levels, counts = np.unique(values[~missing], return_counts=True)
        return [(values == level).astype(float) for level in levels[np.argsort(-counts, kind="stable")[:MAX_LEVELS]]]
    present = values[~missing]
    if not len(present):
        return []
    with np.errstate(over="ignore", invalid="ignore"):
        scaled = np.clip((values - robust.median(present)) / robust.spread(present), -3.0, 3.0)
    filled = np.where(missing, 0.0, scaled)
    return [filled, missing.astype(float)] if missing.any() else [filled]
