"""One picture file: opened as far as its header, refused where it is none, too large or damaged, and made plain.

Plain is what networks take: upright, opaque, eight bits, grey or red, green and blue.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import stat
from collections.abc import Iterator
from typing import IO, Any

import numpy as np
from PIL import Image

from planefold.core.files import file_error
from planefold.data.folders import Kind
from planefold.data.work import Stopped

Shape = tuple[int, int]

MAX_PIXELS = 100_000_000  # of one picture: 400 MB while it is decoded

# The format's name in Pillow and the module that reads it. Pillow knows more of them, some of which start other
# programs (EPS starts Ghostscript); what a folder holds must not.
FORMATS = {
    "JPEG": "JpegImagePlugin",
    "PNG": "PngImagePlugin",
    "BMP": "BmpImagePlugin",
    "GIF": "GifImagePlugin",
    "TIFF": "TiffImagePlugin",
    "WEBP": "WebPImagePlugin",
    "PPM": "PpmImagePlugin",
    "JPEG2000": "Jpeg2KImagePlugin",
    "AVIF": "AvifImagePlugin",
}
PICTURE = Kind(
    singular="picture",
    plural="pictures",
    endings=frozenset((
        ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm",
        ".pbm", ".pnm", ".jp2", ".j2k", ".jpx", ".avif",
    )),
    usual=(".png", ".jpg", ".bmp", ".gif", ".tif", ".webp"),
)  # fmt: skip

# The order of Image.Transpose that stands an orientation of EXIF upright, as ImageOps.exif_transpose does it.
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_ORIENTATION = 0x0112


class BrokenPictureError(Exception):
    """A file that cannot be used; its text is the reason."""


# --------------------------------------------------------------------------------------------------------- opening


@contextlib.contextmanager
def opened(item: Any, max_pixels: int = MAX_PIXELS) -> Iterator[Image.Image]:
    """Open a picture as far as its header; what goes wrong then or in the body is a BrokenPictureError.

    Parameters
    ----------
    item : str, path, bytes or PIL.Image.Image
    max_pixels : int
        A picture with more is refused before memory is taken for it.
    """
    try:
        if isinstance(item, Image.Image):
            yield _checked(item, max_pixels)
            return
        with _file(item) as file:
            yield _checked(_identified(file), max_pixels)
    except (BrokenPictureError, Stopped, MemoryError):
        raise
    except Exception as error:  # a damaged file can make a decoder raise anything
        raise BrokenPictureError(_reason(error)) from error


def _file(item: Any) -> IO[bytes]:
    if isinstance(item, bytes | bytearray | memoryview):
        if not len(item):
            raise BrokenPictureError("it is empty")
        return io.BytesIO(item)
    try:
        found = os.stat(item)
        if stat.S_ISDIR(found.st_mode):
            raise BrokenPictureError("it is a folder")
        if not stat.S_ISREG(found.st_mode):  # to open a pipe would wait for somebody to write into it
            raise BrokenPictureError("it is not a regular file")
        if not found.st_size:
            raise BrokenPictureError("the file is empty")
        return open(item, "rb")
    except OSError as error:
        raise BrokenPictureError(_reason(error)) from error


def _reason(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "there is no such file"
    if isinstance(error, OSError) and error.errno:
        return str(file_error(error, "", "read").details)
    return next(iter(str(error).splitlines()), "") or type(error).__name__


def _readers() -> dict[str, tuple[Any, Any]]:
    """Return Pillow's reader of each format, and its look at the first bytes."""
    if not _READERS:
        found = {}
        for name, module in FORMATS.items():
            with contextlib.suppress(ImportError):  # an older Pillow knows fewer
                importlib.import_module(f"PIL.{module}")
            if name in Image.OPEN:
                found[name] = Image.OPEN[name]
        _READERS.update(found)  # in one step: another thread never sees half of them
    return _READERS


_READERS: dict[str, tuple[Any, Any]] = {}


def _identified(file: IO[bytes]) -> Image.Image:
    # Not Image.open: it warns of large pictures by a limit of the whole process, and asks further formats.
    start = file.read(32)
    for name, (reader, accept) in _readers().items():
        accepted = accept(start) if accept is not None else False
        if isinstance(accepted, str):
            raise BrokenPictureError(f"this Pillow was built without {name}")
        if accepted:
            file.seek(0)
            try:
                return reader(file, "")  # type: ignore[no-any-return]
            except MemoryError:
                raise
            except Exception as error:
                raise BrokenPictureError(f"damaged {name}: {_reason(error)}") from error
    raise BrokenPictureError("it is text, not a picture" if _is_text(start) else "it is no picture of a known format")


def _is_text(start: bytes) -> bool:
    return all(byte >= 32 or byte in b"\t\n\r\f" for byte in start)


def _checked(image: Image.Image, max_pixels: int) -> Image.Image:
    width, height = image.size
    if width < 1 or height < 1:
        raise BrokenPictureError("it has no pixels")
    if width * height > max_pixels:
        raise BrokenPictureError(f"{height:,} x {width:,} pixels are more than {max_pixels:,}")
    return image


def shape_of(image: Image.Image) -> Shape:
    """(height, width) as the picture is to be seen, from its header."""
    width, height = image.size
    # Pillow turns TIFF files itself; a PNG says late in the file what its header does not, and would be decoded.
    if image.format == "TIFF" or (image.format == "PNG" and "exif" not in image.info):
        return height, width
    return (width, height) if _orientation(image) >= 5 else (height, width)


def _orientation(image: Image.Image) -> int:
    try:
        found = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # the picture may be sound where what a camera noted about it is not
        return 1
    return found if isinstance(found, int) and found in _UPRIGHT else 1


# ---------------------------------------------------------------------------------------------------- what is shown


def plain(image: Image.Image) -> Image.Image:
    """Return the picture upright, opaque and in eight bits: in mode "L" or "RGB".

    Notes
    -----
    16 bits become 8 by division by 257 and rounding, so that 65535 is 255; of 16-bit colours Pillow keeps the upper
    byte. What is transparent shows white behind it: a drawing's dark ink stays to be seen. CMYK, YCbCr, Lab and
    palettes become RGB as Pillow converts them; colour profiles are not applied. Of an animation, or a file of many
    pages, this is the first.
    """
    image.load()
    orientation = _orientation(image)  # a PNG may say it after its pixels
    image = _in_eight_bits(image)
    return image.transpose(_UPRIGHT[orientation]) if orientation != 1 else image


def _in_eight_bits(image: Image.Image) -> Image.Image:
    mode = image.mode
    if mode.startswith("I"):
        return _from_sixteen_bits(image)
    if mode == "F":
        raise BrokenPictureError("its pixels are fractions: what is black and white is not known; save it in 8 bits")
    if mode in ("LA", "La", "PA", "RGBA", "RGBa") or image.info.get("transparency") is not None:
        opaque = image.convert("LA") if mode == "La" else image
        front = opaque.convert("RGBA")
        on_white = Image.alpha_composite(Image.new("RGBA", front.size, "white"), front)
        return on_white.convert("RGB")
    if mode in ("L", "RGB"):
        return image
    return image.convert("L" if mode == "1" else "RGB")


def _from_sixteen_bits(image: Image.Image) -> Image.Image:
    values = np.asarray(image)
    if image.mode == "I":
        low, high = int(values.min()), int(values.max())
        # PNG and PGM in 16 bits come in this mode from some versions of Pillow; elsewhere it is 32 bits.
        if image.format not in ("PNG", "PPM") or low < 0 or high > 65535:
            raise BrokenPictureError(
                f"its pixels are 32-bit numbers ({low} to {high}): what is black and white is not known; "
                "save it in 8 or 16 bits"
            )
    return Image.fromarray(((values.astype(np.uint32) + 128) // 257).astype(np.uint8))


def is_colourless(image: Image.Image) -> bool:
    """Tell whether red, green and blue are equal in each pixel."""
    if image.mode == "L":
        return True
    few = image.resize((16, 16), Image.Resampling.NEAREST)  # most pictures with colours are known by these alone
    for some in (few, image):
        red, green, blue = (band.tobytes() for band in some.split())
        if red != green or green != blue:
            return False
    return True


def brought_to(image: Image.Image, shape: Shape, color: str) -> Image.Image:
    """Return a plain picture in this (height, width), "grey" or "rgb"."""
    if color == "grey" and image.mode != "L":
        image = image.convert("L")
    elif color == "rgb" and image.mode != "RGB":
        image = image.convert("RGB")
    if image.size != shape[::-1]:
        image = image.resize(shape[::-1], Image.Resampling.BILINEAR)
    return image
