"""Pictures, and what a network of pictures makes of them: filters, feature maps, weights of a plane, a way between two.

Grey pictures are drawn from black (0) to white (255). Numbers that have a sign, such as weights, are orange below 0 and
blue above, as in the other plots.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from planefold.core.errors import DataError, ParameterError, show
from planefold.plots.boards import LABEL, SMALL, TITLE, large, panels, wrapped
from planefold.plots.palette import value_shades
from planefold.plots.style import GREY, INK, plain_ticks

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from torch import Tensor, nn

    from planefold.reading.picture_paths import PicturePath
    from planefold.reading.pictures import LocalPicture

Array = npt.NDArray[Any]
MOST_PICTURES = 200
MOST_FILTERS = 64
_POOLS = ("MaxPool2d", "AvgPool2d")
_ACTIVATIONS = ("ReLU", "LeakyReLU", "Tanh")


# --------------------------------------------------------------------------------------------------- what there is


def as_pictures(found: Any) -> Array:
    """Return pictures as an array (n, height, width) or (n, height, width, 3).

    Raises
    ------
    DataError
        If they are no pictures.
    """
    pixels = np.asarray(getattr(found, "pixels", getattr(found, "values", found)))
    if pixels.dtype == object or pixels.dtype.kind not in "uifb":
        raise DataError("pictures of several sizes, or no pictures at all, cannot be drawn", hint="an array, please")
    if pixels.ndim == 4 and pixels.shape[3] == 1:
        pixels = pixels[..., 0]
    if pixels.ndim == 2:
        pixels = pixels[None]
    if pixels.ndim not in (3, 4) or (pixels.ndim == 4 and pixels.shape[3] != 3) or not pixels.size:
        raise DataError(
            f"an array of shape {pixels.shape} holds no pictures",
            hint="(n, height, width) of grey ones, (n, height, width, 3) of coloured ones",
        )
    return pixels


def prepared(model: Any, found: Any) -> Tensor:
    """Return pictures, or one, as the network of a model takes them: (n, n_channels, height, width).

    Raises
    ------
    DataError
        If they are no pictures, or do not fit the model.
    """
    if not (hasattr(found, "pixels") or isinstance(getattr(found, "values", None), np.ndarray)):
        array = np.asarray(found)
        sides = tuple(model.size_)
        if array.ndim < 2 or sides not in (array.shape[:2], array.shape[1:3]):
            raise DataError(
                f"an array of shape {array.shape} holds no picture of {sides[0]} x {sides[1]} pixels",
                hint=f"{type(model).__name__} was fitted on pictures of that size",
            )
        array = array[None] if array.shape[:2] == sides and array.ndim == 2 + (len(model.mean_) == 3) else array
        is_sound = hasattr(model, "features_")  # whose arrays would be taken for waves
        found = SimpleNamespace(values=array.astype(np.float32)) if is_sound else model._read_pictures(array)
    return model._store(found).take_rows(slice(None))  # type: ignore[no-any-return]


def filters_of(model: Any) -> Array:
    """Return the weights of the first convolution, (n_filters, height, width, n_channels).

    Raises
    ------
    ParameterError
        If the network has none.
    """
    for layer in _module(model).modules():
        if type(layer).__name__ == "Conv2d":
            weight: Any = layer.weight
            return np.asarray(weight.detach().cpu().double().permute(0, 2, 3, 1).numpy())
    raise ParameterError(
        f"the network of this {type(model).__name__} has no convolution", hint="its rows are no pictures"
    )


def maps_of(model: Any, picture: Any) -> list[tuple[str, Array]]:
    """Return what each block makes of one picture: its name, and its maps (n_channels, height, width).

    A block ends with a pooling; its maps are those before it, behind the last activation.

    Raises
    ------
    DataError
        If the picture does not fit the model.
    ParameterError
        If there are no blocks.
    """
    import torch

    values = prepared(model, picture)[:1]
    found: list[tuple[str, Array]] = []
    last: Array | None = None
    with torch.no_grad():
        for layer in _module(model).children():
            if type(layer).__name__ in _POOLS and last is not None:
                found.append((f"block {len(found) + 1}", last))
                last = None
            values = layer(values)
            if values.dim() != 4:
                break
            if type(layer).__name__ in _ACTIVATIONS:
                last = values[0].double().numpy()
    if not found:
        raise ParameterError(f"the network of this {type(model).__name__} has no blocks of convolutions to look into")
    return found


def _module(model: Any) -> nn.Module:
    module = getattr(getattr(model, "net_", None), "module", None)
    if module is None:
        raise ParameterError(f"a {type(model).__name__} is no fitted model of pictures", hint="fit an ImageClassifier")
    return module  # type: ignore[no-any-return]


# ----------------------------------------------------------------------------------------------------- drawing them


def pictures(
    pictures: Any,
    *,
    titles: Sequence[Any] | None = None,
    title: str | None = None,
    columns: int | None = None,
    figure: Figure | None = None,
) -> Figure:
    """Draw pictures side by side.

    Parameters
    ----------
    pictures : Pictures, or array-like of shape (n, height, width) or (n, height, width, 3)
        Whole numbers are pixels from 0 to 255; other numbers go from black, the smallest, to white, the largest.
    titles : sequence, optional
        What stands above each.
    title : str, optional
        Above all.
    columns : int, optional
        Pictures in a row; by default as many as make the whole a little wider than high.
    figure : Figure, optional
        Where to draw; without it, a new one.

    Returns
    -------
    Figure

    Raises
    ------
    DataError
        If there are no pictures, or another number of titles.
    ParameterError
        If there are more than 200, which nobody could see.

    Examples
    --------
    >>> import numpy as np
    >>> len(pictures(np.zeros((5, 8, 8), np.uint8), titles=list("abcde")).axes)
    5
    """
    pixels = as_pictures(pictures)
    n = len(pixels)
    if n > MOST_PICTURES:
        raise ParameterError(f"{n:,} pictures are more than can be seen at once", hint="pictures(X[:40])")
    if titles is not None and len(titles) != n:
        raise DataError(f"{len(titles)} titles were given for {n} pictures")
    if columns is not None and columns < 1:
        raise ParameterError(f"columns={show(columns)} must be above 0")
    across = min(n, columns or math.ceil(1.3 * math.sqrt(n)))
    axes = _grid(n, across, pixels.shape[2] / pixels.shape[1], figure, has_titles=titles is not None, title=title)
    plain = pixels if pixels.dtype == np.uint8 else _stretched(pixels)
    for number, ax in enumerate(axes):
        ax.imshow(plain[number], cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        if titles is not None:
            _entitled(ax, str(titles[number]))
    return axes[0].figure  # type: ignore[return-value]


def filters(model: Any, *, figure: Figure | None = None) -> Figure:
    """Draw the filters of the first convolution: what it looks for at each place of a picture.

    Parameters
    ----------
    model : ImageClassifier or ImageRegressor
        Fitted.
    figure : Figure, optional
        Where to draw; without it, a new one.

    Returns
    -------
    Figure
        Of grey pictures orange where brightness counts against, and blue where it counts for a unit. Of coloured
        pictures as a colour, with grey for weights of 0. At most 64; all on one scale.
    """
    weights = filters_of(model)[:MOST_FILTERS]
    axes = _grid(len(weights), min(8, len(weights)), weights.shape[2] / weights.shape[1], figure, has_titles=True,
                 title="Filters of the first convolution")  # fmt: skip
    most = max(float(np.abs(weights).max()), 1e-300)
    shades, spread = value_shades(np.array([-most, most]))
    for number, (ax, weight) in enumerate(zip(axes, weights, strict=True), start=1):
        if weight.shape[2] == 3:
            ax.imshow(0.5 + 0.5 * weight / most, interpolation="nearest")
        else:
            ax.imshow(weight.mean(axis=2), cmap=shades, norm=spread, interpolation="nearest")
        _entitled(ax, str(number))
    return axes[0].figure  # type: ignore[return-value]


def feature_maps(model: Any, picture: Any, *, n_maps: int = 8, figure: Figure | None = None) -> Figure:
    """Draw what the blocks of a network make of one picture: a row for each block, bright where a filter answers.

    Parameters
    ----------
    model : ImageClassifier or ImageRegressor
        Fitted.
    picture : array-like of shape (height, width) or (height, width, 3)
        As ``predict`` takes it, of the model's size.
    n_maps : int
        How many maps of each block, those that answer most; each is stretched from black to white by itself.
    figure : Figure, optional
        Where to draw; without it, a new one.

    Returns
    -------
    Figure

    Raises
    ------
    DataError
        If the picture has another size.
    ParameterError
        If there is nothing to draw.
    """
    if n_maps < 1:
        raise ParameterError(f"n_maps={show(n_maps)} shows nothing")
    blocks = maps_of(model, picture)
    rows = [(name, strongest(maps, n_maps)) for name, maps in blocks]
    n_columns = 1 + max(len(maps) for _, maps in rows)
    shape = rows[0][1].shape
    aspect = shape[2] / shape[1]
    axes = _grid(len(rows) * n_columns, n_columns, aspect, figure, has_titles=True)
    for ax in axes:
        ax.set_visible(False)
    axes[0].imshow(_shown(picture), cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    axes[0].set_visible(True)
    _entitled(axes[0], "picture")
    for row, (name, maps) in enumerate(rows):
        for column, found in enumerate(maps):
            ax = axes[row * n_columns + 1 + column]
            ax.set_visible(True)
            ax.imshow(found, cmap="gray", interpolation="nearest")
            if column == 0:
                _entitled(ax, f"{name}, {found.shape[0]} × {found.shape[1]}", align="left")
    return axes[0].figure  # type: ignore[return-value]


def strongest(maps: Array, n_maps: int) -> Array:
    """Return the maps that differ most from place to place, in the order of the network."""
    order = np.argsort(-maps.std(axis=(1, 2)), kind="stable")[:n_maps]
    return maps[np.sort(order)]


def local_picture(local: LocalPicture, *, figure: Figure | None = None) -> Figure:
    """Draw the plane of a picture: the picture, the weight of each pixel, and weight times pixel.

    Parameters
    ----------
    local : LocalPicture
        From ``planefold.reading.local_picture(model, picture)``.
    figure : Figure, optional
        Where to draw; without it, a new one.

    Returns
    -------
    Figure
        Blue pixels raise the output where they are brighter, orange ones lower it. Of coloured pictures the sum of
        the three colours. The third panel adds up, with the intercept, to the output.
    """
    aspect = local.picture.shape[1] / local.picture.shape[0]
    axes = _grid(3, 3, aspect, figure, has_titles=True, title=_equation(local), side=2.8)
    shown = axes[0].imshow(_shown(local.picture), cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    _entitled(axes[0], "picture")
    # A bar that is not seen takes the room that the others have.
    axes[0].figure.colorbar(shown, ax=axes[0], location="bottom", pad=0.03, shrink=0.9).ax.set_visible(False)
    for ax, found, name in ((axes[1], local.weights, "weights"), (axes[2], local.contributions, "weight × pixel")):
        values = found if found.ndim == 2 else found.sum(axis=2)
        most = max(float(np.abs(values).max()), 1e-300)
        shades, spread = value_shades(np.array([-most, most]))
        image = ax.imshow(values, cmap=shades, norm=spread, interpolation="nearest")
        _entitled(ax, name)
        bar = ax.figure.colorbar(image, ax=ax, location="bottom", pad=0.03, shrink=0.9)
        bar.locator = _few_ticks()
        bar.update_ticks()
        bar.ax.tick_params(labelsize=SMALL)
        plain_ticks(bar.ax)
        bar.outline.set_visible(False)
    return axes[0].figure  # type: ignore[return-value]


def picture_path(path: PicturePath, *, outputs: Sequence[int] | None = None, figure: Figure | None = None) -> Figure:
    """Draw the way from one picture to another: pictures on it, the outputs, and where the class changes.

    Parameters
    ----------
    path : PicturePath
        From ``planefold.reading.between(model, picture_a, picture_b)``.
    outputs : sequence of int, optional
        Which outputs to draw; by default those of the classes that win somewhere, and the first where there are none.
    figure : Figure, optional
        Where to draw; without it, a new one.

    Returns
    -------
    Figure
        Dashed lines are the borders between classes.

    Raises
    ------
    ParameterError
        If there is no such output.
    """
    from planefold.plots.palette import CURVES

    n_outputs = path.values.shape[1]
    chosen = _outputs_on(path) if outputs is None else [int(number) for number in outputs]
    for number in chosen:
        if not 0 <= number < n_outputs:
            raise ParameterError(f"output {number} does not exist: there are {n_outputs}, counted from 0")
    if figure is None:
        from matplotlib.figure import Figure

        figure = Figure(figsize=(6.4, 4.8), layout="constrained")
    places = [0.0, 0.25, 0.5, 0.75, 1.0]
    grid = figure.add_gridspec(2, len(places), height_ratios=[1, 2.4])
    for column, t in enumerate(places):
        ax = figure.add_subplot(grid[0, column])
        _bare(ax)
        ax.imshow(_shown(path.picture(t)), cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        _entitled(ax, f"t = {t:g}")
    ax = figure.add_subplot(grid[1, :])
    for place, number in enumerate(chosen):
        name = str(path.labels[number]) if n_outputs == len(path.labels) else "output"
        ax.plot(path.ends, path.values[:, number], color=CURVES[place % len(CURVES)], linewidth=1.8, label=name)
    for border in path.borders:
        ax.axvline(border.t, color=INK, linestyle="--", linewidth=1)
    ax.set_xlim(0, 1)
    if len(chosen) > 1:
        ax.legend(frameon=False, fontsize=SMALL, title="class", title_fontsize=SMALL)
    large(ax, x="t, from the first picture to the second", y="logit" if path.labels else "output",
          title=f"{path.n_pieces:,} linear pieces")  # fmt: skip
    return figure


# ------------------------------------------------------------------------------------------------------------- parts


def _outputs_on(path: PicturePath) -> list[int]:
    if not path.labels or path.values.shape[1] == 1:
        return [0]
    winners = {int(place) for place in path.values.argmax(axis=1)}
    return sorted(winners)[:6]


def _equation(local: LocalPicture) -> str:
    sign = "−" if local.intercept < 0 else "+"
    output = f"{local.output:.3g}".replace("-", "−")
    return f"{local.name}: {output} = sum of weight × pixel {sign} {abs(local.intercept):.3g}"


def _few_ticks() -> Any:
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(nbins=3, symmetric=True)


def _shown(picture: Any) -> Array:
    """Return one picture as it is drawn: pixels 0 to 255."""
    pixels: Array = as_pictures(picture)[0]
    if pixels.dtype.kind == "f":
        return np.asarray(np.rint(pixels.clip(0, 255)), np.uint8) if pixels.min() >= 0 else _stretched(pixels)
    return pixels


def _stretched(pixels: Array) -> Array:
    """Bring numbers that are no pixels, and whole ones beyond a byte, to 0 to 255."""
    if pixels.dtype.kind in "ui" and pixels.min() >= 0 and pixels.max() <= 255:
        return pixels.astype(np.uint8)
    values = pixels.astype(np.float64)
    low, high = float(values.min()), float(values.max())
    return np.asarray(np.rint(255 * (values - low) / ((high - low) or 1.0)), np.uint8)


def _grid(
    n: int, across: int, aspect: float, figure: Figure | None, *, has_titles: bool, title: str | None = None,
    side: float | None = None,
) -> list[Axes]:  # fmt: skip
    """Return bare axes for so many pictures, ``across`` of them in a row."""
    down = math.ceil(n / across)
    if figure is None:
        width = side or min(1.6, 9.6 / across)
        height = width / min(max(aspect, 0.25), 4) + (0.34 if has_titles else 0.06)
        extra = (0.5 if title else 0) + (0.7 if side else 0)
        axes = panels(across, down, size=(max(2.4, width * across + 0.2), min(14.0, height * down + extra + 0.1)))
        figure = axes[0].figure  # type: ignore[assignment]
    else:
        axes = list(figure.subplots(down, across, squeeze=False).flat)
    assert figure is not None
    if title:
        figure.suptitle(wrapped(title, 72 * figure.get_size_inches()[0], TITLE), fontsize=LABEL, color=INK)
    for ax in axes:
        _bare(ax)
    for ax in axes[n:]:
        ax.remove()
    return axes[:n]


def _bare(ax: Axes) -> None:
    ax.set_xticks([])
    ax.set_yticks([])
    ax.spines[:].set_color(GREY)
    ax.spines[:].set_linewidth(0.5)


def _entitled(ax: Axes, text: str, *, align: str = "center") -> None:
    ax.set_title(text, fontsize=SMALL, color=INK, pad=3, loc=align)  # type: ignore[arg-type]
