"""Networks to cut into regions, and a slow way to find regions that shares nothing with ours."""

from __future__ import annotations

from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy.optimize import linprog
from torch import nn

from planefold.networks.affine_builder import Builder

KINDS = ("zero", "whole", "halves", "eighths", "tenths", "doubled", "dead")


def from_layers(layers, left=0.0):
    builder = Builder((len(layers[0][0]),))
    value = builder.input
    for number, (coef, intercept) in enumerate(layers, start=1):
        value = builder.affine(value, np.asarray(coef), intercept)
        if number < len(layers):
            value = builder.fold(value, layer=f"hidden {number}", left=left)
    return builder.finish(value)


def initialised(*widths, seed=0):
    """As PyTorch initialises it."""
    state = torch.get_rng_state()
    torch.manual_seed(seed)
    layers = [nn.Linear(fan_in, fan_out) for fan_in, fan_out in pairwise(widths)]
    torch.set_rng_state(state)
    return from_layers([(one.weight.detach().double().numpy().T, one.bias.detach().double().numpy()) for one in layers])


def degenerate(kind, *widths, seed=0, left=0.0):
    """Creases that coincide, are parallel, or cross many in one point."""
    rng = np.random.default_rng(seed)
    layers = []
    for fan_in, fan_out in pairwise(widths):
        coef, intercept = rng.normal(size=(fan_in, fan_out)), rng.normal(size=fan_out) / 2
        if kind == "zero":
            intercept[:] = 0
        elif kind == "whole":
            coef, intercept = np.round(coef), np.round(intercept)
        elif kind in ("halves", "eighths", "tenths"):
            parts = {"halves": 2, "eighths": 8, "tenths": 10}[kind]
            coef, intercept = np.round(coef * parts) / parts, np.round(intercept * parts) / parts
        elif kind == "doubled" and fan_out > 3:
            coef[:, 1], intercept[1] = coef[:, 0], intercept[0]
            coef[:, 2], intercept[2] = -3 * coef[:, 0], -3 * intercept[0]
            coef[:, 3] = coef[:, 0]  # parallel
        elif kind == "dead" and fan_out > 2:
            coef[:, 0] = 0
            intercept[1] = -100
        layers.append((coef, intercept))
    return from_layers(layers, left)


def facets_by_linprog(A, b):
    """Rows that can be violated when the others hold."""
    found = []
    for row in range(len(A)):
        relaxed = b.copy()
        relaxed[row] += 1
        answer = linprog(-A[row], A_ub=A, b_ub=relaxed, bounds=[(None, None)] * A.shape[1], method="highs")
        if -answer.fun > b[row] + 1e-7:
            found.append(row)
    return found


def ball_by_linprog(A, b):
    d = A.shape[1]
    rows = np.column_stack([A, np.linalg.norm(A, axis=1)])
    answer = linprog(np.append(np.zeros(d), -1), A_ub=rows, b_ub=b, bounds=[(None, None)] * (d + 1), method="highs")
    return -1.0 if answer.x is None else answer.x[-1]


def patterns_by_linprog(net, lower=-1.0, upper=1.0):
    """All patterns in a box: cells are split unit by unit, where both sides have room for a ball."""
    d = net.n_inputs
    cells = [(np.vstack([np.eye(d), -np.eye(d)]), np.repeat([upper, -lower], d), np.zeros(net.n_units, np.int8))]
    for _, start, stop in net.folds:
        for unit in range(start, stop):
            parts = []
            for A, b, pattern in cells:
                coefs, intercepts = net.maps_of_units(pattern)
                length = np.linalg.norm(coefs[unit])
                if length < 1e-12:
                    sides = [0 if abs(intercepts[unit]) < 1e-12 else int(np.sign(intercepts[unit]))]
                else:
                    sides = [-1, 1]
                for side in sides:
                    at = pattern.copy()
                    at[unit] = side
                    if length < 1e-12:
                        parts.append((A, b, at))
                        continue
                    rows = np.vstack([A, -side * coefs[unit] / length])
                    ends = np.append(b, side * intercepts[unit] / length)
                    if ball_by_linprog(rows, ends) > 1e-7:
                        parts.append((rows, ends, at))
            cells = parts
    return {pattern.tobytes() for _, _, pattern in cells}


@pytest.fixture(scope="session")
def nets():
    return SimpleNamespace(
        KINDS=KINDS,
        from_layers=from_layers,
        initialised=initialised,
        degenerate=degenerate,
        facets_by_linprog=facets_by_linprog,
        ball_by_linprog=ball_by_linprog,
        patterns_by_linprog=patterns_by_linprog,
    )
