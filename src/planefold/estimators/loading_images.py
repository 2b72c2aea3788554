"""What a model of pictures adds to its file, and how that is read."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from planefold.core.errors import ModelFileError, show
from planefold.data.sounds import SoundFeatures
from planefold.estimators.parameters import MAX_LAYERS, MAX_PARAMETERS
from planefold.estimators.sounds import SoundClassifier
from planefold.networks.cnn import CNNSpec
from planefold.networks.network import ModuleNet
from planefold.saving import Fold

Parts = tuple[dict[str, Any], dict[str, Any], dict[str, Any]]
MAX_SECONDS = 86_400
MAX_SIDE = 10_000  # pixels: more than any file that is right
MAX_VALUES = 2**28  # of one picture in the widest layer: 1 GiB


def parts_of_images(model: Any) -> Parts:
    """Describe the network, the preparation, and the columns, of which there are none."""
    described = {key: value for key, value in model.net_.spec.described.items() if key not in ("network", "skip")}
    prep = {
        "kind": "pictures",
        "size": list(model.size_),
        "color": model.color_,
        "mean": model.mean_.astype(float).tolist(),
        "scale": model.scale_.astype(float).tolist(),
    }
    if not isinstance(model, SoundClassifier):
        prep["white"] = model.white_
    else:
        prep |= {"kind": "sounds", "seconds": model.seconds_, "features": model.features_.to_json()}
    return {"kind": "cnn", **described}, prep, {}


def read_images(model: Any, fold: Fold) -> None:
    """Read the preparation and the network of a model of pictures."""
    prep, kind = fold.prep, "sounds" if isinstance(model, SoundClassifier) else "pictures"
    if prep.get("kind") != kind or prep.get("color") not in ("grey", "rgb"):
        raise ModelFileError(f"the file says {show(prep.get('kind'))} where it should say how {kind} are prepared")
    height, width = (int(side) for side in prep["size"])
    n_channels = 1 if prep["color"] == "grey" else 3
    mean, scale = (np.asarray(prep[name], dtype=np.float32) for name in ("mean", "scale"))
    if not (0 < height <= MAX_SIDE and 0 < width <= MAX_SIDE):
        raise ModelFileError(f"the file says that pictures have {height} x {width} pixels")
    if (
        mean.shape != (n_channels,)
        or scale.shape != (n_channels,)
        or not (np.isfinite(mean).all() and (scale > 0).all())
    ):
        raise ModelFileError("the file's brightness and contrast do not fit its pictures")
    model.size_, model.color_, model.mean_, model.scale_, model.skipped_ = (
        (height, width),
        prep["color"],
        mean,
        scale,
        (),
    )
    if kind == "pictures":
        model.white_ = _white(prep.get("white"))  # older files do not say
    else:
        model.seconds_, model.features_ = float(prep["seconds"]), SoundFeatures.from_json(prep["features"])
        if not 0 < model.seconds_ <= MAX_SECONDS:
            raise ModelFileError(f"the file says that sounds are {show(model.seconds_)} seconds long")
    model.net_ = _net(fold.manifest["network"], fold.weights, (n_channels, height, width))


def _white(written: Any) -> float | None:
    if written is None:
        return None
    if isinstance(written, bool) or not isinstance(written, int | float) or not 0 < written < float("inf"):
        raise ModelFileError(f"the file says that {show(written)} is white")
    return float(written)


def _net(described: dict[str, Any], weights: dict[str, Any], shape: tuple[int, int, int]) -> ModuleNet:
    if described.get("kind") != "cnn":
        raise ModelFileError(f"the file describes a network of the kind {show(described.get('kind'))}, expected 'cnn'")
    of_block = described["convolutions"]
    spec = CNNSpec(
        input_shape=shape,
        n_outputs=int(described["n_outputs"]),
        channels=tuple(int(width) for width in described["channels"]),
        convolutions=int(of_block) if isinstance(of_block, int) else tuple(int(n) for n in of_block),
        kernel_size=int(described["kernel_size"]),
        batch_norm=bool(described["batch_norm"]),
        activation=str(described["activation"]),
        pool=str(described["pool"]),
        global_pool=str(described["global_pool"]),
        dropout=float(described["dropout"]),
    )
    if tuple(described["input_shape"]) != shape:
        raise ModelFileError(f"the network takes {show(described['input_shape'])}, the pictures are {show(shape)}")
    _refuse_too_large(spec)
    if spec.n_outputs < 1 or spec.n_parameters > MAX_PARAMETERS:
        raise ModelFileError(f"the file describes a network of {spec.n_parameters:,} parameters")
    held = sum(array.size for array in weights.values())
    if held < spec.n_parameters:  # before any memory is taken for the network
        raise ModelFileError(f"the file describes a network of {spec.n_parameters:,} numbers and holds {held:,}")
    net = spec.build(np.random.RandomState(0))
    given = {name: torch.from_numpy(array) for name, array in weights.items()}
    for name, own in net.state_dict().items():
        if name in given and given[name].dtype != own.dtype:
            raise ModelFileError(f"{name} is of type {weights[name].dtype}, expected {own.dtype}")
        if name.endswith("running_var") and name in given and not bool((given[name] >= 0).all()):
            raise ModelFileError("the file holds a negative variance", details=f"in {name}")
    net.load_state_dict(given)
    return net


def _refuse_too_large(spec: CNNSpec) -> None:
    """Refuse what would take all memory, or all time, before any of it is taken."""
    of_block = spec.convolutions if isinstance(spec.convolutions, tuple) else (spec.convolutions,)
    if len(spec.channels) > MAX_LAYERS or len(of_block) > MAX_LAYERS or sum(of_block) > MAX_LAYERS:
        raise ModelFileError("the file describes a network of too many layers")
    if not spec.channels or min(*spec.channels, *of_block, spec.kernel_size) < 1:
        raise ModelFileError("the file describes a network that cannot be", details=f"channels: {spec.channels}")
    _, height, width = spec.input_shape
    widest = max(n * (height >> block) * (width >> block) for block, n in enumerate(spec.channels))
    if widest > MAX_VALUES:
        raise ModelFileError(f"the file describes a network that makes {widest:,} numbers of one picture")
