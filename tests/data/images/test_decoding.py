"""Pixels of each kind of file, beside what Pillow itself makes of them."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image, ImageOps

from planefold.core.errors import DataError
from planefold.data.images import read_pictures


def _bytes(image: Image.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def _read(raw: bytes, **options: Any) -> np.ndarray:
    return read_pictures([raw], **{"size": None, **options}).pixels[0]


def _random(mode: str, size: tuple[int, int], seed: int) -> Image.Image:
    """A picture of this mode in which each pixel is drawn for itself."""
    random, n_bands = np.random.RandomState(seed), len(Image.new(mode, (1, 1)).getbands())
    if mode == "I;16":
        return Image.fromarray(random.randint(0, 65536, size).astype(np.uint16))
    if mode == "P":
        image = Image.fromarray(random.randint(0, 256, size).astype(np.uint8)).convert("P")
        image.putpalette(random.randint(0, 256, 768).astype(np.uint8).tobytes())
        return image
    if mode == "1":
        return Image.fromarray(random.rand(*size) > 0.5)
    values = random.randint(0, 256, (*size, n_bands)).astype(np.uint8)
    return Image.merge(mode, [Image.fromarray(values[..., band]) for band in range(n_bands)])


KINDS = [
    (mode, kind)
    for modes, kind in (
        (("1", "L", "LA", "P", "RGB", "RGBA", "I;16"), "PNG"),
        (("L", "RGB", "CMYK", "YCbCr"), "JPEG"),
        (("1", "L", "P", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "I;16"), "TIFF"),
        (("1", "L", "P", "RGB"), "BMP"),
        (("L", "P"), "GIF"),
        (("1", "L", "RGB", "I;16"), "PPM"),
        (("RGB", "RGBA"), "WEBP"),
    )
    for mode in modes
]


def _by_pillow(raw: bytes, color: str) -> np.ndarray:
    """What is to come out, by the shortest way that Pillow offers."""
    image = Image.open(io.BytesIO(raw))
    if image.mode.startswith("I"):
        image = Image.fromarray(np.rint(np.asarray(image, dtype=np.float64) / 257).astype(np.uint8))
    elif image.has_transparency_data:
        white = Image.new("RGBA", image.size, (255, 255, 255, 255))
        white.alpha_composite(image.convert("RGBA"))
        image = white.convert("RGB")
    elif image.mode == "1":
        image = image.convert("L")
    elif image.mode not in ("L", "RGB"):
        image = image.convert("RGB")
    return np.asarray(image.convert({"grey": "L", "rgb": "RGB"}[color]))


@pytest.mark.parametrize(("mode", "kind"), KINDS)
@settings(max_examples=20)
@given(size=st.tuples(st.integers(1, 17), st.integers(1, 17)), seed=st.integers(0, 10**6))
def test_pixels_are_those_of_pillow(mode: str, kind: str, size: tuple[int, int], seed: int) -> None:
    raw = _bytes(_random(mode, size, seed), kind)
    assert np.array_equal(_read(raw, color="rgb"), _by_pillow(raw, "rgb"))
    assert np.array_equal(_read(raw, color="grey")[..., 0], _by_pillow(raw, "grey"))
    by_itself = _read(raw)
    assert np.array_equal(by_itself, _by_pillow(raw, "rgb")) or (
        by_itself.shape[2] == 1 and np.array_equal(np.repeat(by_itself, 3, axis=2), _by_pillow(raw, "rgb"))
    )


@given(
    pictures=st.lists(
        st.tuples(st.sampled_from(["L", "RGB", "RGBA", "P", "1", "LA"]), st.integers(1, 40), st.integers(1, 40)),
        min_size=1,
        max_size=12,
    ),
    size=st.tuples(st.integers(1, 50), st.integers(1, 50)),
    color=st.sampled_from(["grey", "rgb"]),
    n_jobs=st.sampled_from([1, 3]),
)  # fmt: skip
def test_folders_of_any_sizes_and_modes_come_out_as_one_by_one(
    pictures: list[Any], size: tuple[int, int], color: str, n_jobs: int
) -> None:
    raws = [_bytes(_random(mode, (h, w), i), "PNG") for i, (mode, h, w) in enumerate(pictures)]
    found = read_pictures(raws, size=size, color=color, n_jobs=n_jobs)
    assert found.shape == (len(raws), *size, 1 if color == "grey" else 3)
    for raw, pixels in zip(raws, found.pixels, strict=True):
        image = Image.fromarray(_by_pillow(raw, color)).resize(size[::-1], Image.Resampling.BILINEAR)
        assert np.array_equal(pixels.squeeze(-1) if color == "grey" else pixels, np.asarray(image))


@given(
    shapes=st.lists(st.tuples(st.integers(1, 100), st.integers(1, 100)), min_size=1, max_size=25),
    size=st.one_of(st.just("auto"), st.integers(1, 90)),
)
def test_the_commonest_size_is_what_all_are_brought_to(shapes: list[tuple[int, int]], size: Any) -> None:
    found = read_pictures([Image.new("L", (w, h)) for h, w in shapes], size=size).shape[1:3]
    most = max(map(shapes.count, shapes))
    height, width = min((s for s in shapes if shapes.count(s) == most), key=lambda s: (s[0] * s[1], s))
    longest = size if size != "auto" else min(96, max(height, width))
    scale = longest / max(height, width)
    assert max(found) == longest
    assert abs(found[0] - height * scale) <= 0.5 or found[0] == 1
    assert abs(found[1] - width * scale) <= 0.5 or found[1] == 1


def test_grey_pictures_in_colour_files_are_grey_until_one_has_colours() -> None:
    grey = [Image.new("RGB", (40, 40), (i, i, i)) for i in range(60)]
    assert read_pictures(grey).shape[3] == 1
    odd = Image.new("RGB", (40, 40), (7, 7, 7))
    odd.putpixel((33, 21), (7, 8, 7))  # one pixel that a coarse look misses
    found = read_pictures([*grey, odd])
    assert found.shape[3] == 3
    assert found.pixels[-1, 21, 33].tolist() == [7, 8, 7]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_pictures_stand_upright(orientation: int, kind: str) -> None:
    image = _random("L", (9, 14), 0).convert("RGB")
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if kind == "WEBP" else {}
    raw = _bytes(image, kind, exif=exif, **options)
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(raw)))
    assert upright is not None
    found = _read(raw, color="rgb")
    assert found.shape[:2] == ((14, 9) if orientation >= 5 else (9, 14))
    assert np.array_equal(found, np.asarray(upright.convert("RGB")))


def test_a_damaged_note_of_the_camera_does_not_break_a_picture() -> None:
    raw = _bytes(Image.new("L", (5, 6), 9), "JPEG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff garbage")
    assert _read(raw).shape == (6, 5, 1)


def test_a_png_that_says_late_how_it_lies_is_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    raw = _bytes(_random("L", (4, 7), 1), "PNG")
    chunk = b"eXIf" + exif.tobytes().removeprefix(b"Exif\0\0")
    late = struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
    found = _read(raw[:-12] + late + raw[-12:])
    expected = np.asarray(Image.open(io.BytesIO(raw)).transpose(Image.Transpose.ROTATE_270))
    assert np.array_equal(found[..., 0], expected)


def test_sixteen_bits_are_scaled_and_not_cut_off() -> None:
    values = np.array([[0, 128, 129, 255, 256, 257, 32768, 65535]], dtype=np.uint16)
    for kind in ("PNG", "TIFF"):
        assert _read(_bytes(Image.fromarray(values), kind))[0, :, 0].tolist() == [0, 0, 1, 1, 1, 1, 128, 255]


def test_what_is_transparent_shows_white() -> None:
    raw = _bytes(Image.new("RGBA", (2, 2), (0, 0, 0, 0)), "PNG")
    assert _read(raw).ravel().tolist() == [255] * 4
    palette = Image.new("P", (2, 1), 1)
    palette.putpalette([9, 9, 9, 200, 0, 0])
    assert _read(_bytes(palette, "PNG", transparency=1)).ravel().tolist() == [255, 255]
    assert _read(_bytes(Image.new("L", (2, 1), 3), "PNG", transparency=3)).ravel().tolist() == [255, 255]


def test_the_first_frame_of_an_animation_is_read() -> None:
    frames = [Image.new("RGB", (4, 4), color) for color in ("red", "blue", "white")]
    for kind in ("GIF", "WEBP", "TIFF", "PNG"):
        options = {"lossless": True} if kind == "WEBP" else {}
        raw = _bytes(frames[0], kind, save_all=True, append_images=frames[1:], **options)
        assert _read(raw)[0, 0].tolist() == [255, 0, 0]


def test_numbers_without_a_known_white_are_refused() -> None:
    for image in (Image.fromarray(np.ones((2, 2), np.float32)), Image.fromarray(np.full((2, 2), 70000, np.int32))):
        with pytest.raises(DataError, match="what is black and white is not known"):
            _read(_bytes(image, "TIFF"))


def test_a_picture_of_one_pixel() -> None:
    raw = _bytes(Image.new("L", (1, 1), 77), "PNG")
    assert _read(raw, size="auto").tolist() == [[[77]]]
    assert read_pictures([raw], size=3).pixels.ravel().tolist() == [77] * 9


@given(pixels=hnp.arrays(np.uint8, hnp.array_shapes(min_dims=2, max_dims=2, max_side=30)))
def test_files_and_arrays_of_the_same_pixels_are_the_same(pixels: np.ndarray) -> None:
    for size in ("auto", 5, (3, 4)):
        by_file = read_pictures([_bytes(Image.fromarray(pixels), "PNG")], size=size).pixels
        assert np.array_equal(by_file, read_pictures(pixels[None], size=size).pixels)


def test_threads_change_nothing(data_dir: Path) -> None:
    folder = data_dir / "cifar10_1200" / "test"
    if not folder.is_dir():
        pytest.skip("needs cifar10_1200")
    one, many = read_pictures(folder, n_jobs=1), read_pictures(folder, n_jobs=4)
    assert np.array_equal(one.pixels, many.pixels)
    assert one.files == many.files
