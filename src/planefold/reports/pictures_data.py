"""What a report shows of pictures: errors, right ones, filters, feature maps, variants, one plane; as small files."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from planefold.core.errors import NotPiecewiseLinearError, ParameterError
from planefold.data.augmentation import augmentation_of
from planefold.plots.galleries import as_pictures, filters_of, maps_of, prepared, strongest
from planefold.reading.pictures import local_picture

Array = npt.NDArray[Any]

MOST_WRONG = 24
MOST_RIGHT = 20
MOST_SKIPPED = 40
N_MAPS, N_VARIANTS = 8, 7
LARGEST = 96  # pixels of the longer side: larger pictures are reduced to it
MOST_LETTERS = 300_000  # of all embedded pictures together, as text
ORANGE, WHITE, BLUE = (166, 61, 0), (248, 246, 243), (0, 81, 127)  # ends and middle of the scale of weights


def pictures_data(
    model: Any,
    pictures: Any,
    *,
    truth: Any,
    predicted: Any,
    proba: Any = None,
    numbers: Any = None,
    training: Any = None,
    skipped: Sequence[tuple[str, str]] = (),
    noun: str = "picture",
) -> dict[str, Any]:
    """Collect what the section shows.

    Parameters
    ----------
    model : ImageClassifier, ImageRegressor or SoundClassifier
        Fitted.
    pictures : Pictures or SoundPictures
        Those that the model was judged by.
    truth, predicted : array of shape (n_pictures,) or (n_pictures, n_outputs)
    proba : array of shape (n_pictures, n_classes), optional
        In the order of ``model.classes_``.
    numbers : array of int, optional
        The number of each, for those without a file.
    training : Pictures or SoundPictures, optional
        Those that it learned from; one of them shows how they are changed in training.
    skipped : sequence of (file, reason)
        What could not be read.
    noun : str
        "picture" or "sound".

    Returns
    -------
    dict
        Texts, numbers, and pictures as data URIs under keys that end with "image" or "images": at most 24 errors, at
        most 300,000 letters of pictures in all.
    """
    numbers = np.arange(len(pictures)) if numbers is None else np.asarray(numbers)
    told = _Told(model, pictures, np.asarray(truth), np.asarray(predicted), proba, numbers)
    found: dict[str, Any] = {
        "noun": noun,
        "n": len(pictures),
        "n_wrong": int(told.is_wrong.sum()) if told.is_class else None,
        "size": [int(side) for side in model.size_],
        "wrong": [told.entry(row) for row in told.worst()],
        "right": [told.entry(row) for row in told.best()],
        "n_skipped": len(skipped),
        "skipped": [[str(name), str(why)] for name, why in skipped[:MOST_SKIPPED]],
    }
    shown = told.worst()[:1] or told.best()[:1] or [0]
    one = pictures[np.array(shown)]
    found |= _inside(model, one)
    found |= _variants(model, training if training is not None else pictures)
    found["plane"] = _plane(model, one, told, shown[0])
    return _within(found)


class _Told:
    """What is said of each picture: the truth, the prediction, and how far they are apart."""

    def __init__(self, model: Any, pictures: Any, truth: Array, predicted: Array, proba: Any, numbers: Array) -> None:
        self.pictures, self.truth, self.predicted, self.numbers = pictures, truth, predicted, numbers
        self.is_class = hasattr(model, "classes_")
        differs = truth != predicted
        self.is_wrong = differs.any(axis=1) if differs.ndim > 1 else differs
        self.said: Array | None = None  # probability of what was predicted
        if not self.is_class:
            errors = np.abs(np.asarray(predicted, float) - np.asarray(truth, float))
            self.off = errors if errors.ndim == 1 else errors.mean(axis=1)
        elif truth.ndim > 1 or proba is None:
            self.off = differs.sum(axis=1) if differs.ndim > 1 else differs.astype(float)
        else:
            code = {label: place for place, label in enumerate(model.classes_.tolist())}
            shares = np.asarray(proba, dtype=float)
            rows = np.arange(len(truth))
            self.said = shares[rows, [code[label] for label in predicted.tolist()]]
            known = np.array([code.get(label, -1) for label in truth.tolist()])
            of_truth = np.where(known >= 0, shares[rows, np.maximum(known, 0)], 0.0)
            self.off = np.where(self.is_wrong, 1 - of_truth, 0.0)

    def worst(self) -> list[int]:
        """Return the errors, the worst first."""
        order = np.argsort(-self.off, kind="stable")[: MOST_WRONG if self.is_class else MOST_WRONG // 2]
        return [int(row) for row in order if self.off[row] > 0]

    def best(self) -> list[int]:
        """Return right ones: of each class those of middle probability; of numbers those that are nearest."""
        if not self.is_class or self.truth.ndim > 1:
            order = np.argsort(self.off, kind="stable")[: MOST_WRONG // 4]
            return [int(row) for row in order if row not in set(self.worst())]
        right = np.flatnonzero(~self.is_wrong)
        classes = sorted(set(self.truth[right].tolist()), key=lambda label: (str(type(label)), label))[:MOST_RIGHT]
        n_each = max(1, min(3, MOST_RIGHT // max(1, len(classes))))
        chosen: list[int] = []
        for label in classes:
            rows = right[self.truth[right] == label]
            if self.said is not None:
                rows = rows[np.argsort(self.said[rows], kind="stable")]
            start = max(0, (len(rows) - n_each) // 2)
            chosen += [int(row) for row in rows[start : start + n_each]]
        return chosen

    def entry(self, row: int) -> dict[str, Any]:
        """Describe one picture."""
        files = self.pictures.files
        return {
            "image": encoded(shown_pictures(self.pictures[np.array([row])])[0]),
            "name": str(files[row]) if files else f"number {int(self.numbers[row])}",
            "truth": _plain(self.truth[row]),
            "prediction": _plain(self.predicted[row]),
            "probability": None if self.said is None else float(self.said[row]),
        }


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return ", ".join(f"{number:.3g}" for number in value.tolist()[:6])
    value = value.item() if isinstance(value, np.generic) else value
    return value if isinstance(value, float) else str(value)


def _inside(model: Any, one: Any) -> dict[str, Any]:
    """Show filters and feature maps, where the network has some."""
    try:
        weights, blocks = filters_of(model), maps_of(model, one)
    except ParameterError:
        return {}
    most = max(float(np.abs(weights).max()), 1e-300)
    if weights.shape[3] == 3:
        filters = [encoded(np.rint(127.5 + 127.5 * weight / most), sharp=True) for weight in weights[:64]]
    else:
        filters = [
            encoded(_upright(in_colours(weight.mean(axis=2), most), model), sharp=True) for weight in weights[:64]
        ]
    return {
        "filter_images": filters,
        "n_filters": len(weights),
        "filters_in_colours": weights.shape[3] == 3,
        "filter_size": [int(weights.shape[1]), int(weights.shape[2])],
        "seen_image": encoded(shown_pictures(one)[0]),
        "blocks": [
            {
                "name": name,
                "n_maps": len(maps),
                "size": [int(maps.shape[1]), int(maps.shape[2])],
                "images": [encoded(_upright(stretched(found), model)) for found in strongest(maps, N_MAPS)],
            }
            for name, maps in blocks
        ],
    }


def _variants(model: Any, training: Any) -> dict[str, Any]:
    """Show what one training picture may look like in an epoch."""
    names = model._changes()
    change = augmentation_of(names)
    if change is None:
        return {"changes": []}
    one = training[np.array([len(training) // 2])]
    row = prepared(model, one)
    made = change(row.repeat(N_VARIANTS, 1, 1, 1), np.random.RandomState(0))
    values = made * torch.from_numpy(model.scale_).reshape(-1, 1, 1) + torch.from_numpy(model.mean_).reshape(-1, 1, 1)
    original = shown_pictures(one)[0]
    if hasattr(model, "features_"):  # decibels: on the scale of the original
        low, high = float(one.values.min()), float(one.values.max())
        pictures = [_upright(stretched(value[0], low, high), model) for value in values.numpy()]
    else:
        pictures = [np.rint(255 * value.transpose(1, 2, 0)).clip(0, 255) for value in values.numpy()]
    return {
        "changes": list(names),
        "changed_image": encoded(original),
        "change_images": [encoded(picture) for picture in pictures],
    }


def _plane(model: Any, one: Any, told: _Told, row: int) -> dict[str, Any]:
    """Read the plane of one picture: of an error, what spoke for the wrong class against the right one."""
    picture = as_pictures(one)[0]
    against = None
    if told.is_class and told.truth.ndim == 1 and told.is_wrong[row] and len(model.classes_) > 2:
        label = told.truth[row]
        against = label if label in model.classes_.tolist() else None
    output = told.predicted[row] if told.is_class and told.truth.ndim == 1 else None
    try:
        local = local_picture(model, picture, output, against=against)
    except NotPiecewiseLinearError as error:
        return {"why_not": f"How it decides cannot be read: {error.what}."}
    except ParameterError:
        return {}
    weights, added = (part if part.ndim == 2 else part.sum(axis=2) for part in (local.weights, local.contributions))
    return {
        "name": local.name,
        "output": local.output,
        "intercept": local.intercept,
        "on_crease": local.on_crease,
        "largest_weight": float(np.abs(weights).max()),
        "largest_part": float(np.abs(added).max()),
        "seen_image": encoded(shown_pictures(one)[0]),
        "weight_image": encoded(_upright(in_colours(weights), model), sharp=True),
        "part_image": encoded(_upright(in_colours(added), model), sharp=True),
    }


# ------------------------------------------------------------------------------------------------------ as files


def shown_pictures(found: Any) -> Array:
    """Return pictures as they are drawn, uint8; those of sounds with low tones at the bottom."""
    pixels = as_pictures(found)
    if hasattr(found, "values"):
        return np.stack([stretched(values)[::-1] for values in pixels])
    return pixels


def _upright(picture: Array, model: Any) -> Array:
    return picture[::-1] if hasattr(model, "features_") else picture


def stretched(values: Array, low: float | None = None, high: float | None = None) -> Array:
    """Bring numbers to 0 to 255, from the smallest to the largest."""
    low, high = (float(values.min()) if low is None else low), (float(values.max()) if high is None else high)
    share: Array = (np.asarray(values, dtype=float) - low) / ((high - low) or 1.0)
    return np.asarray(np.rint(255 * share.clip(0, 1)))


def in_colours(values: Array, most: float | None = None) -> Array:
    """Return numbers as colours: orange below 0, white at 0, blue above."""
    share = (values / (most or float(np.abs(values).max()) or 1.0)).clip(-1, 1)[..., None]
    middle, ends = np.array(WHITE, float), np.where(share < 0, np.array(ORANGE, float), np.array(BLUE, float))
    # The root lets a tenth of the largest be seen.
    return np.asarray(np.rint(middle + np.sqrt(np.abs(share)) * (ends - middle)))


def encoded(picture: Array, *, sharp: bool = False) -> str:
    """Write a picture as a data URI: PNG, or JPEG where that is much shorter; at most 96 pixels a side are kept."""
    from PIL import Image

    pixels = np.ascontiguousarray(picture.clip(0, 255).astype(np.uint8))
    image = Image.fromarray(pixels[..., 0] if pixels.ndim == 3 and pixels.shape[2] == 1 else pixels)
    if max(image.size) > LARGEST:
        image.thumbnail((LARGEST, LARGEST))
    files: dict[str, bytes] = {}
    for kind, how in (("png", {"optimize": True}), ("jpeg", {"quality": 88})):
        memory = io.BytesIO()
        image.save(memory, format=kind.upper(), **how)
        files[kind] = memory.getvalue()
    # Small drawings stay sharp as PNG, and cost little.
    kind = "png" if sharp or len(files["png"]) < 1.3 * len(files["jpeg"]) else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(files[kind]).decode('ascii')}"


def _letters(found: Any, key: str = "") -> Iterator[int]:
    if isinstance(found, Mapping):
        for name, value in found.items():
            yield from _letters(value, str(name))
    elif isinstance(found, list):
        for value in found:
            yield from _letters(value, key)
    elif isinstance(found, str) and key.endswith(("image", "images")):
        yield len(found)


def _within(found: dict[str, Any]) -> dict[str, Any]:
    """Leave out pictures until the rest fits: right ones first, then feature maps, then errors."""
    while sum(_letters(found)) > MOST_LETTERS:
        if len(found["right"]) > 4:
            found["right"] = found["right"][: len(found["right"]) // 2]
        elif any(len(block["images"]) > 4 for block in found.get("blocks", ())):
            for block in found["blocks"]:
                block["images"] = block["images"][:4]
        elif len(found.get("filter_images", ())) > 16:
            found["filter_images"] = found["filter_images"][:16]
        elif len(found["wrong"]) > 1:
            found["wrong"] = found["wrong"][: len(found["wrong"]) * 3 // 4]
        else:
            break
    return found
