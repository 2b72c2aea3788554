"""`read_pictures`: from a folder, a list, a table or an array to pictures of one size."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from planefold.core.errors import (
    DataError,
    MissingExtraError,
    MissingFileError,
    ParameterError,
    did_you_mean,
    listed,
    show,
    unknown_choice,
)
from planefold.data.folders import Listing, list_folder, list_items, list_table, path_column, readable
from planefold.data.images import formats
from planefold.data.images.formats import MAX_PIXELS, PICTURE, BrokenPictureError
from planefold.data.images.pictures import Pictures
from planefold.data.images.sizes import check_size, choose_shape
from planefold.data.tables import Table, is_frame, read_table
from planefold.data.work import Stopped, for_each, threads_of

Array = NDArray[Any]
Allocate = Callable[[tuple[int, ...]], NDArray[np.uint8]]

COLORS = ("auto", "grey", "rgb")
_TABLES = (".csv", ".tsv", ".txt", ".parquet")
_ARRAYS = (".npy", ".npz")
_SHOWN = 5  # broken files that a message names
_FEW = 16  # pictures whose sizes stand for all at first
# Pixels of a picture from which several threads decode faster than one: opening a file holds Python's lock.
_GAINS = 60_000


def read_pictures(
    source: Any,
    *,
    size: Any = "auto",
    color: str = "auto",
    errors: str = "raise",
    cache: Any = None,
    n_jobs: int | None = None,
    column: str | None = None,
    target: str | None = None,
    shape: Any = None,
    white: float | None = None,
    max_pixels: int = MAX_PIXELS,
) -> Pictures:
    """Read pictures from wherever they are, and bring them to one size and to grey or colour.

    Parameters
    ----------
    source : path, list, table, array or Pictures
        * A folder. Where it holds folders, their names are the labels; what lies deeper belongs to the folder of the
          first level. Files are in natural order (``b9`` before ``b10``); hidden files and those whose names do not
          end like a picture's are passed over; links are followed, and a circle of links ends.
        * A picture: its file, its bytes, or one of Pillow. A list of such.
        * A table with a column of paths: a CSV or Parquet file, whose paths are relative to its own folder, or a frame.
          A column called label, class, target, category or y gives the labels.
        * A table with columns ``pixel_0``, ``pixel_1``, ..., in the order of their numbers.
        * An array (n, height, width), (n, height, width, channels) with 1, 3 or 4 channels, or (n, height * width);
          ``.npy`` and ``.npz`` files.
    size : "auto", None, int or (int, int)
        "auto" is the commonest size, reduced to at most 96 pixels on the longer side. None leaves pictures as they
        are, which must then be of one size. A number is the pixels of the longer side, in the proportions of the
        commonest size; two are (height, width). Pictures of other proportions are stretched.
    color : {"auto", "grey", "rgb"}
        "auto" is grey where red, green and blue are equal in every pixel of all pictures.
    errors : {"raise", "skip"}
        Whether files that cannot be read are an error that names them, or are left out with a warning.
    cache : True or path, optional
        Keep the pictures on the disk, in this folder or in the user's folder for such files, and map them into memory.
        They are read anew when a file changes.
    n_jobs : int, optional
        Threads that decode; by default one for each core, at most 8.
    column, target : str, optional
        The column of a table (the array of a ``.npz`` file) with the pictures, and the one with the labels.
    shape : (int, int) or (int, int, int), optional
        Height, width and channels of flattened pictures that are not square.
    white : float, optional
        What is full brightness in an array of fractions, or of whole numbers that go above 255. By default 1 or 255 for
        fractions, whichever no value is above; and 65535 for 16 bits, half of which must be reached.
    max_pixels : int
        A picture with more (a "decompression bomb") is not decoded: its header can ask for any amount of memory.

    Returns
    -------
    Pictures

    Raises
    ------
    MissingFileError
        If there is no such file or folder.
    DataError
        If there are no pictures, some cannot be read, or numbers are not clear.
    ParameterError
        If a parameter has a value that it cannot have.

    Notes
    -----
    Files are decoded into one array that is made before. JPEG, PNG, BMP, GIF, TIFF, WebP, AVIF, JPEG 2000 and PNM
    are read with Pillow, stood upright as EXIF asks, taken to eight bits (16 bits by division by 257), shown on white
    where they are transparent, made grey by ``0.299 red + 0.587 green + 0.114 blue``, and resized by Pillow's
    antialiased bilinear filter. Of an animation the first frame is read.

    Examples
    --------
    >>> import numpy as np
    >>> pictures = read_pictures(np.zeros((10, 28, 28)), size=(14, 14))
    >>> pictures.shape, pictures.pixels.dtype
    ((10, 14, 14, 1), dtype('uint8'))
    """
    size, n_threads = check_size(size), threads_of(n_jobs)
    if color not in COLORS:
        raise unknown_choice("color", color, COLORS)
    if errors not in ("raise", "skip"):
        raise unknown_choice("errors", errors, ("raise", "skip"))
    if white is not None and not (isinstance(white, int | float) and white > 0):
        raise ParameterError(f"white={show(white)} must be a number above 0", hint="the brightest that there can be")
    if isinstance(source, Pictures):
        return _adapted(source, size, color, n_threads)
    asked = {"size": size, "color": color}
    found = _found(source, column, target)
    if isinstance(found, Listing):
        request = _Request(size, color, errors, n_jobs, max_pixels)
        return _read_listing(found, request, cache)
    from planefold.data.images import arrays

    options: dict[str, Any] = {**asked, "shape": shape, "white": white, "n_threads": n_threads}
    if isinstance(found, Table):
        return arrays.from_table(found, target=target, **options)
    values, labels, files, name = found
    return arrays.from_array(values, labels=labels, files=files, source=name, **options)


def _adapted(pictures: Pictures, size: Any, color: str, n_threads: int) -> Pictures:
    """Return pictures that were read before: "auto" leaves them as they are."""
    from planefold.data.images.arrays import brought

    if not len(pictures):
        return pictures
    is_given = not (size is None or size == "auto")
    wanted = choose_shape(size, [pictures.shape[1:3]], [""]) if is_given else pictures.shape[1:3]  # type: ignore[list-item]
    own = "grey" if pictures.shape[3] == 1 else "rgb"
    return brought(pictures, (wanted[0], wanted[1]), own if color == "auto" else color, n_threads)


# ---------------------------------------------------------------------------------------------- what was given


def _found(source: Any, column: str | None, target: str | None) -> Any:
    """Return a listing of files, a table of pixels, or (values, labels, files, name)."""
    from PIL import Image

    if isinstance(source, str | os.PathLike):
        return _at_path(os.fspath(source), column, target)
    if hasattr(source, "read") and not hasattr(source, "shape"):
        source = source.read()
    if isinstance(source, bytes | bytearray | memoryview | Image.Image):
        return list_items([source], "the picture", PICTURE)
    if isinstance(source, Table | Mapping) or is_frame(source):
        return _in_table(read_table(source), None, column, target)
    items = _as_items(source)
    if items is not None:
        return list_items(items, "the list", PICTURE)
    if isinstance(source, list | tuple) and source and all(isinstance(row, Mapping) for row in source):
        return _in_table(read_table(source), None, column, target)
    return _as_array(source), None, (), type(source).__name__ if not isinstance(source, np.ndarray) else "the array"


def _as_items(source: Any) -> list[Any] | None:
    from PIL import Image

    if isinstance(source, np.ndarray) and source.dtype.kind not in "OUS":
        return None
    if not isinstance(source, list | tuple | np.ndarray) and not hasattr(source, "to_list"):
        return None
    if getattr(source, "ndim", 1) != 1:
        return None
    items = source.tolist() if isinstance(source, np.ndarray) else list(source)
    kinds = (str, os.PathLike, bytes, bytearray, Image.Image)
    if not items or not isinstance(items[0], kinds):
        return None
    for place, item in enumerate(items):
        if not isinstance(item, kinds):
            raise DataError(f"entry {place + 1} of the list is no picture and no path: {show(item)}",
                            hint="give paths, the bytes of files, or pictures of Pillow")  # fmt: skip
    return items


def _as_array(source: Any) -> Array:
    try:
        values = np.asarray(source)
    except (ValueError, TypeError) as error:
        raise DataError(
            f"a {type(source).__name__} is not pictures of one size", details=str(error).splitlines()[0],
            hint="arrays must have one shape: resize them, or give the paths of their files",
        ) from error  # fmt: skip
    if values.dtype == object or values.dtype.kind not in "biufUSc":
        raise DataError(f"a {type(source).__name__} is no pictures",
                        hint="give a folder, paths, a table or an array")  # fmt: skip
    return values


def _at_path(path: str, column: str | None, target: str | None) -> Any:
    if "\0" in path:
        raise MissingFileError("the name of a file cannot hold a zero byte", details=show(path))
    if os.path.isdir(path):
        return list_folder(path, PICTURE)
    if not os.path.exists(path):
        raise _missing(path)
    ending = os.path.splitext(path)[1].lower()
    if ending in _ARRAYS:
        from planefold.data.images.arrays import load_arrays

        return *load_arrays(Path(path), column, target), os.path.basename(path)
    if ending in _TABLES:
        table = _parquet(path) if ending == ".parquet" else read_table(path)
        return _in_table(table, Path(path).parent, column, target)
    listing = list_items([path], readable(path), PICTURE)
    return Listing(items=listing.items, names=(readable(os.path.basename(path)),), source=listing.source)


def _missing(path: str) -> MissingFileError:
    name, folder = readable(path), os.path.dirname(path) or "."
    if os.path.islink(path):
        return MissingFileError(f"{name} is a link to nothing that is there")
    if os.path.isfile(folder):
        return MissingFileError(f"there is no {name}", details=f"{readable(folder)} is a file, not a folder")
    if not os.path.isdir(folder):
        return MissingFileError(f"there is no {name}", details=f"not even a folder {readable(folder)}")
    near = did_you_mean(os.path.basename(path), sorted(map(readable, os.listdir(folder))))
    hint = f"did you mean {os.path.join(os.path.dirname(path), near)}?" if near else None
    return MissingFileError(f"there is no file or folder {name}", hint=hint)


def _parquet(path: str) -> Table:
    try:
        from pyarrow import parquet
    except ImportError:
        raise MissingExtraError.of("pyarrow", "arrow", "reading a Parquet file") from None
    try:
        return read_table(parquet.read_table(path))
    except (OSError, ValueError) as error:  # pyarrow's own errors are among these
        raise DataError(
            f"{readable(path)} is no Parquet file that can be read", details=str(error).splitlines()[0]
        ) from error


def _in_table(table: Table, folder: Path | None, column: str | None, target: str | None) -> Listing | Table:
    # A table of pixels may name the files that they came from, too.
    has_pixels = {"pixel_0", "pixel_1"} <= set(table.names) and column is None
    paths = None if has_pixels else path_column(table, column, PICTURE)
    return table if paths is None else list_table(table, paths, target, folder, PICTURE)


# ------------------------------------------------------------------------------------------------ reading of files


class _Request:
    """What was asked for, checked."""

    def __init__(self, size: Any, color: str, errors: str, n_jobs: Any, max_pixels: int) -> None:
        self.size, self.color, self.errors = size, color, errors
        self.n_jobs, self.n_threads, self.max_pixels = n_jobs, threads_of(n_jobs), max_pixels


def _read_listing(listing: Listing, request: _Request, cache: Any) -> Pictures:
    from planefold.data.images.caching import cache_folder, cached

    for note in listing.notes:
        warnings.warn(note, UserWarning, stacklevel=3)
    folder = cache_folder(cache)
    if folder is None:
        pictures, _ = _decoded(listing, request, _in_memory)
    else:
        asked = {"size": request.size, "color": request.color, "errors": request.errors,
                 "max_pixels": request.max_pixels, "refused": listing.refused}  # fmt: skip
        pictures = cached(listing, asked, folder, lambda allocate: _decoded(listing, request, allocate))
    if pictures.skipped:
        n = len(listing.items) + len(listing.refused)
        warnings.warn(f"{_count(len(pictures.skipped), n)} left out: {_reasons(pictures.skipped)}",
                      UserWarning, stacklevel=3)  # fmt: skip
    return pictures


def _count(n_broken: int, n: int) -> str:
    return f"{n_broken:,} of {n:,} picture{'s' * (n != 1)}"


def _reasons(broken: tuple[tuple[str, str], ...]) -> str:
    return listed((f"{name} ({reason})" for name, reason in broken), _SHOWN)


def _in_memory(shape: tuple[int, ...]) -> NDArray[np.uint8]:
    n_bytes = int(np.prod(shape, dtype=np.int64))
    try:
        if n_bytes > _memory():  # the system may promise it, and end the program when it is used
            raise MemoryError
        return np.empty(shape, np.uint8)
    except MemoryError as error:
        raise DataError(
            f"{shape[0]:,} pictures of {shape[1]:,} x {shape[2]:,} pixels need {n_bytes / 1e9:,.1f} GB of memory",
            hint="a smaller size=, or cache=True, which keeps them on the disk",
        ) from error


def _memory() -> float:
    try:
        return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, ValueError, OSError):
        return float("inf")


def _decoded(listing: Listing, request: _Request, allocate: Allocate) -> tuple[Pictures, list[int]]:
    """Decode all files into one array; leave out, or refuse, what cannot be read."""
    with warnings.catch_warnings():
        # Of what a camera noted wrongly, and the like: the pixels are whole, and nobody can do anything about it.
        warnings.filterwarnings("ignore", module=r"PIL\b")
        return _decode_all(listing, request, allocate)


def _decode_all(listing: Listing, request: _Request, allocate: Allocate) -> tuple[Pictures, list[int]]:
    n = len(listing.items)
    broken: dict[int, str] = {}
    shapes: list[tuple[int, int] | None] = [None] * n
    wanted = _first_guess(listing, request, shapes, broken)
    color = "grey" if request.color == "auto" else request.color
    pixels: NDArray[np.uint8] | None = None
    while len(broken) < n:
        del pixels  # before there is another
        pixels = allocate((n, *wanted, 1 if color == "grey" else 3))
        if not _fill(pixels, listing, request, color, shapes, broken):
            color = "rgb"
            continue
        if len(broken) == n:
            break
        settled = choose_shape(request.size, shapes, listing.names)
        if settled == wanted:
            break
        wanted = settled
    skipped = (*listing.refused, *((listing.names[i], broken[i]) for i in sorted(broken)))
    if pixels is None or len(broken) == n or (skipped and request.errors == "raise"):
        raise _refused(listing, broken)
    kept = [place for place in range(n) if place not in broken]
    if len(kept) < n:
        for new, old in enumerate(kept):  # within the array: a second one would take as much memory again
            if new != old:
                pixels[new] = pixels[old]
        pixels = pixels[: len(kept)]
    pictures = Pictures(
        pixels=pixels,
        files=tuple(listing.names[place] for place in kept),
        labels=None if listing.labels is None else listing.labels[kept],
        source=listing.source,
        skipped=skipped,
    )
    return pictures, kept


def _first_guess(
    listing: Listing, request: _Request, shapes: list[tuple[int, int] | None], broken: dict[int, str]
) -> tuple[int, int]:
    """Find the size that is probably the one, and how many threads will gain.

    Where a few pictures from all over are of one size, most likely all are: then each is opened only once.
    """

    def work(place: int) -> None:
        try:
            with formats.opened(listing.items[place], request.max_pixels) as image:
                shapes[place] = formats.shape_of(image)
        except BrokenPictureError as error:
            broken[place] = str(error)

    n = len(listing.items)
    few = np.unique(np.linspace(0, n - 1, min(n, _FEW)).astype(int)).tolist()
    for place in few:
        work(place)
    seen = [shape for place in few if (shape := shapes[place]) is not None]
    is_small = bool(seen) and np.mean([height * width for height, width in seen]) < _GAINS
    if request.n_jobs is None and is_small:
        request.n_threads = 1
    if len(set(seen)) != 1 and not isinstance(request.size, tuple):
        for_each(n, work, n_threads=request.n_threads, what="looking at pictures")
    return choose_shape(request.size, shapes, listing.names) if any(shapes) else (1, 1)


def _fill(
    pixels: NDArray[np.uint8], listing: Listing, request: _Request, color: str,
    shapes: list[tuple[int, int] | None], broken: dict[int, str],
) -> bool:  # fmt: skip
    """Decode into ``pixels``; False when the pictures were taken to have no colours and one has."""
    # Whether there are colours is known only when all is decoded: there are none until one is found.
    must_be_grey = request.color == "auto" and color == "grey"
    shape = (pixels.shape[1], pixels.shape[2])

    def work(place: int) -> None:
        if place in broken:
            return
        try:
            with formats.opened(listing.items[place], request.max_pixels) as image:
                found = formats.plain(image)
                if must_be_grey and not formats.is_colourless(found):
                    raise Stopped
                shapes[place] = (found.size[1], found.size[0])
                pixels[place] = np.asarray(formats.brought_to(found, shape, color)).reshape(pixels.shape[1:])
        except BrokenPictureError as error:
            broken[place], shapes[place] = str(error), None

    return for_each(len(listing.items), work, n_threads=request.n_threads, what="reading pictures")


def _refused(listing: Listing, broken: Mapping[int, str]) -> DataError:
    n = len(listing.items) + len(listing.refused)
    all_broken = (*listing.refused, *((listing.names[i], broken[i]) for i in sorted(broken)))
    if n == 1:
        return DataError(f"{all_broken[0][0]} is no picture that can be read", details=all_broken[0][1])
    return DataError(
        f"{_count(len(all_broken), n)} in {listing.source} cannot be read",
        details=_reasons(all_broken),
        hint='errors="skip" (--skip-broken) leaves them out' if len(all_broken) < n else None,
    )
