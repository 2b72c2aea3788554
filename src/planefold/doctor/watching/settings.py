"""How a watched module is trained, by the names of the estimators' parameters, as far as it can be read off."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

SOLVERS = {
    "SGD": "sgd", "Adam": "adam", "AdamW": "adamw", "NAdam": "nadam", "RMSprop": "rmsprop", "Adagrad": "adagrad",
    "Adadelta": "adadelta", "LBFGS": "lbfgs",
}  # fmt: skip


def solver_of(optimizer: torch.optim.Optimizer | None) -> str:
    """Return our name of torch's optimiser, or its own in small letters."""
    if optimizer is None:
        return ""
    name = type(optimizer).__name__
    return SOLVERS.get(name, name.lower())


def settings_of(module: nn.Module, optimizer: torch.optim.Optimizer | None, kinds: list[str]) -> dict[str, Any]:
    """Read the settings of a module and its optimiser.

    Parameters
    ----------
    kinds : list of str
        Of the hidden layers' activations.
    """
    settings: dict[str, Any] = {"hidden_layer_sizes": _sizes(module), "batch_norm": _has_norm(module)}
    dropout = _dropout(module)
    settings["dropout"] = dropout[0] if len(set(dropout)) == 1 else dropout if dropout else 0.0
    if kinds:
        settings["activation"] = kinds[0]
    if optimizer is not None:
        settings |= {"solver": solver_of(optimizer), **_of_optimizer(optimizer.param_groups[0])}
    return settings


def _of_optimizer(group: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"learning_rate_init": float(group.get("initial_lr", group["lr"]))}
    if "weight_decay" in group:
        found["alpha"] = float(group["weight_decay"])
    if "momentum" in group:
        found["momentum"] = float(group["momentum"])
    if "nesterov" in group:
        found["nesterovs_momentum"] = bool(group["nesterov"])
    if "betas" in group:
        found["beta_1"], found["beta_2"] = (float(beta) for beta in group["betas"])
    return found


def _sizes(module: nn.Module) -> list[int]:
    """Return the number of units, channels or states of each layer but the last."""
    found: list[int] = []
    for part in module.modules():
        if isinstance(part, nn.Linear):
            found.append(part.out_features)
        elif isinstance(part, nn.Conv1d | nn.Conv2d | nn.Conv3d):
            found.append(part.out_channels)
        elif isinstance(part, nn.RNNBase):
            found += [part.hidden_size] * part.num_layers
    return found[:-1]


def _dropout(module: nn.Module) -> list[float]:
    kinds = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout, nn.FeatureAlphaDropout)
    found = [float(part.p) for part in module.modules() if isinstance(part, kinds)]
    found += [float(part.dropout) for part in module.modules() if isinstance(part, nn.RNNBase) and part.dropout]
    return found


def _has_norm(module: nn.Module) -> bool:
    kinds = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)
    return any(isinstance(part, kinds) for part in module.modules())
