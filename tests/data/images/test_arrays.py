"""Arrays, tables with a column for each pixel, and files of NumPy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from planefold.core.errors import DataError, ParameterError
from planefold.data.images import Pictures, read_pictures
from planefold.data.images.writing import write_pictures

RANDOM = np.random.RandomState(0)
GREY = RANDOM.randint(0, 256, (5, 6, 7)).astype(np.uint8)
COLOURS = RANDOM.randint(0, 256, (5, 6, 7, 3)).astype(np.uint8)


def test_bytes_are_taken_as_they_are() -> None:
    assert np.array_equal(read_pictures(GREY).pixels[..., 0], GREY)
    assert np.shares_memory(read_pictures(GREY).pixels, GREY)
    assert np.array_equal(read_pictures(COLOURS).pixels, COLOURS)
    assert np.array_equal(read_pictures(GREY[..., None]).pixels[..., 0], GREY)
    assert np.array_equal(read_pictures(GREY.tolist()).pixels[..., 0], GREY)


@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.int64, np.uint16, np.float32, np.float64, ">f4", np.float16])
def test_numbers_from_0_to_255_of_any_type_are_the_same(dtype: Any) -> None:
    found = read_pictures(GREY.astype(dtype))
    assert np.array_equal(found.pixels[..., 0], GREY)
    assert found.white == (255 if np.dtype(dtype).kind == "f" else None)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_fractions_of_full_brightness_are_scaled(dtype: Any) -> None:
    found = read_pictures(GREY.astype(dtype) / dtype(255))
    assert np.array_equal(found.pixels[..., 0], GREY)
    assert found.white == 1


def test_truth_values_are_black_and_white() -> None:
    assert np.unique(read_pictures(GREY > 9).pixels).tolist() == [0, 255]


def test_sixteen_bits_are_scaled() -> None:
    values = np.array([[[0, 257, 32768, 65535]]], np.uint16)
    assert read_pictures(values).pixels.ravel().tolist() == [0, 1, 128, 255]


def test_digits_of_scikit_learn_keep_their_shades() -> None:
    from sklearn.datasets import load_digits

    digits = load_digits()
    for source in (digits.images, digits.data, load_digits(as_frame=True).frame):
        assert np.array_equal(read_pictures(source).pixels[..., 0], digits.images)
    labels = read_pictures(load_digits(as_frame=True).frame).labels
    assert labels is not None
    assert labels.tolist() == digits.target.tolist()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (GREY.astype(float) - 1, "has values from -1 to"),
        (GREY.astype(float) * 2, "what is black and what is white is not clear"),
        (np.full((1, 2, 2), 2.5), "what is black and what is white is not clear"),
        (np.full((1, 2, 2), 4095, np.uint16), "what is black and what is white is not clear"),
        (np.full((1, 2, 2), 300), "what is black and what is white is not clear"),
        (np.full((1, 2, 2), np.nan), "no numbers"),
        (np.array([[[np.inf, 0]]]), "no numbers"),
        (np.zeros((2, 3, 32, 32)), r"X.transpose\(0, 2, 3, 1\)"),
        (np.zeros((2, 5, 5, 2)), "must be 1, 3 or 4"),
        (np.zeros(5), r"one picture is X\[None\]"),
        (np.zeros((0, 5, 5)), "no picture in it"),
        (np.zeros((2, 12)), "has 12 numbers, which is no square picture"),
        (np.zeros((2, 2, 2), complex), "pictures are numbers"),
        ([np.zeros((2, 2)), np.zeros((3, 3))], "not pictures of one size"),
        (object(), "is no pictures"),
        ([], "shape"),
        (None, "is no pictures"),
    ],
)
def test_what_is_not_clear_is_refused(values: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_pictures(values)


def test_a_dark_picture_is_read_on_the_scale_of_training() -> None:
    dark = np.array([[[0.0, 1.0]]])  # of numbers up to 255
    assert read_pictures(dark).pixels.max() == 255
    assert read_pictures(dark, white=255).pixels.max() == 1
    with pytest.raises(DataError, match="white is 1"):
        read_pictures(dark * 200, white=1)


def test_opacity_shows_white_as_in_files() -> None:
    values = RANDOM.randint(0, 256, (4, 5, 6, 4)).astype(np.uint8)
    by_file = read_pictures([Image.fromarray(one) for one in values], size=None, color="rgb").pixels
    by_array = read_pictures(values, color="rgb").pixels
    assert np.abs(by_file.astype(int) - by_array).max() <= 1  # Pillow composes in whole numbers


def test_flattened_pictures_get_their_shape() -> None:
    flat = GREY.reshape(5, -1)
    for options in ({"shape": (6, 7)}, {"size": (6, 7)}, {"shape": (6, 7, 1)}):
        assert np.array_equal(read_pictures(flat, **options).pixels[..., 0], GREY)
    for options in ({"shape": (6, 7, 3)}, {"size": (6, 7)}):
        assert np.array_equal(read_pictures(COLOURS.reshape(5, -1), **options).pixels, COLOURS)
    with pytest.raises(ParameterError, match="makes 40 numbers, and a row"):
        read_pictures(flat, shape=(5, 8))
    with pytest.raises(ParameterError, match="must be"):
        read_pictures(flat, shape=7)


@settings(max_examples=30)
@given(
    pixels=hnp.arrays(np.uint8, hnp.array_shapes(min_dims=3, max_dims=3, min_side=2, max_side=9)),
    order=st.randoms(use_true_random=False),
    first=st.sampled_from([0, 1]),
    prefix=st.sampled_from(["pixel_", "pixel", "px ", "", "X"]),
)
def test_columns_of_pixels_are_put_in_the_order_of_their_numbers(
    pixels: np.ndarray, order: Any, first: int, prefix: str
) -> None:
    flat = pixels.reshape(len(pixels), -1)
    names = [f"{prefix}{i + first}" for i in range(flat.shape[1])]
    frame = pd.DataFrame(flat, columns=names).assign(label=[f"c{i}" for i in range(len(flat))])
    shuffled = list(frame)
    order.shuffle(shuffled)
    found = read_pictures(frame[shuffled], shape=pixels.shape[1:])
    assert np.array_equal(found.pixels[..., 0], pixels)
    assert found.labels is not None
    assert found.labels.tolist() == frame["label"].tolist()


def test_tables_of_lectures_are_read(tmp_path: Path) -> None:
    path = tmp_path / "mnist.csv"
    names = ["label", *(f"{row}x{column}" for row in (1, 2, 3) for column in (1, 2, 3))]
    pd.DataFrame([[7, *range(9)]], columns=names).to_csv(path, index=False)
    found = read_pictures(path)
    assert (found.pixels.ravel().tolist(), found.labels.tolist()) == (list(range(9)), [7])  # type: ignore[union-attr]


def test_a_missing_column_of_a_pixel_is_an_error() -> None:
    with pytest.raises(DataError, match="lacks the column of pixel 1,"):
        read_pictures({"pixel_0": [1], "pixel_2": [2], "pixel_3": [3], "pixel_4": [4]})
    with pytest.raises(DataError, match='column "pixel_1" of dict has entries that are no numbers'):
        read_pictures({"pixel_0": [1, 2], "pixel_1": ["a", "b"], "pixel_2": [2, 3]})
    with pytest.raises(DataError, match="no numbers"):
        read_pictures({f"pixel_{i}": [1.0, None] for i in range(4)})


# --------------------------------------------------------------------------------------------------- files of NumPy


def test_npy_and_npz_files(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", GREY)
    assert np.array_equal(read_pictures(tmp_path / "a.npy").pixels[..., 0], GREY)
    np.savez(tmp_path / "a.npz", X=GREY, y=np.arange(5))
    found = read_pictures(tmp_path / "a.npz")
    assert np.array_equal(found.pixels[..., 0], GREY)
    assert found.labels is not None
    assert found.labels.tolist() == [0, 1, 2, 3, 4]
    np.savez(tmp_path / "b.npz", X_train=GREY, y_train=np.arange(5), X_test=GREY)
    with pytest.raises(DataError, match="does not say which of its arrays"):
        read_pictures(tmp_path / "b.npz")
    assert len(read_pictures(tmp_path / "b.npz", column="X_train", target="y_train")) == 5
    with pytest.raises(DataError, match='there is no array "X_tran"'):
        read_pictures(tmp_path / "b.npz", column="X_tran")
    np.savez(tmp_path / "c.npz", X=GREY, y=np.arange(4))
    with pytest.raises(DataError, match="5 pictures and 4 labels"):
        read_pictures(tmp_path / "c.npz")


def test_nothing_in_a_file_is_run_and_damage_is_an_error(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match="no file of NumPy that can be read"):
        read_pictures(tmp_path / "a.npy")
    for name in ("b.npy", "b.npz"):
        for raw in (b"", b"PK\x03\x04 and so on", b"\x93NUMPY\x01\x00v\x00{'descr'"):
            (tmp_path / name).write_bytes(raw)
            with pytest.raises(DataError, match="no file of NumPy that can be read"):
                read_pictures(tmp_path / name)


# ---------------------------------------------------------------------------------------------- again, and out again


def test_pictures_are_returned_as_they_are_or_brought_to_what_is_asked() -> None:
    pictures = read_pictures(RANDOM.randint(0, 256, (3, 100, 80, 3)).astype(np.uint8), size=None)
    assert read_pictures(pictures) is pictures
    assert read_pictures(pictures, size=(100, 80), color="rgb") is pictures
    smaller = read_pictures(pictures, size=(10, 8), color="grey")
    assert smaller.shape == (3, 10, 8, 1)
    expected = Image.fromarray(pictures.pixels[1]).convert("L").resize((8, 10), Image.Resampling.BILINEAR)
    assert np.array_equal(smaller.pixels[1, ..., 0], np.asarray(expected))
    assert np.array_equal(read_pictures(smaller, color="rgb").pixels[..., 2], smaller.pixels[..., 0])


@pytest.mark.parametrize("ending", ["csv", "npz", "parquet"])
@pytest.mark.parametrize("values", [GREY, COLOURS])
def test_what_is_written_is_read_again(tmp_path: Path, ending: str, values: np.ndarray) -> None:
    if ending == "parquet":
        pytest.importorskip("pyarrow")
    labels = np.array(["cat", "dog", "cat", 'a, "b"', "ก"], dtype=object)
    pictures = Pictures(
        pixels=read_pictures(values).pixels, labels=labels, files=tuple(f"{i} (1).png" for i in range(5))
    )
    path = tmp_path / f"out.{ending}"
    assert write_pictures(pictures, path) == (path,)
    again = read_pictures(path, size=(6, 7))
    assert np.array_equal(again.pixels, pictures.pixels)
    assert again.labels is not None
    assert again.labels.tolist() == labels.tolist()
    assert again.files == pictures.files
    table = read_pictures(pictures.to_table(), size=(6, 7))
    assert np.array_equal(table.pixels, pictures.pixels)


def test_an_array_is_written_with_its_labels_beside_it(tmp_path: Path) -> None:
    pictures = Pictures(pixels=COLOURS, labels=np.array(list("abcab"), dtype=object), files=tuple("12345"))
    written = write_pictures(pictures, tmp_path / "x.npy")
    assert [path.name for path in written] == ["x.npy", "x.labels.csv"]
    assert np.array_equal(np.load(written[0], allow_pickle=False), COLOURS)
    assert pd.read_csv(written[1])["label"].tolist() == list("abcab")


def test_a_table_has_the_pixels_of_each_picture_in_a_row() -> None:
    table = Pictures(pixels=COLOURS).to_table()
    assert table.names == tuple(f"pixel_{i}" for i in range(6 * 7 * 3))
    assert np.array_equal(np.column_stack(list(table.columns.values())), COLOURS.reshape(5, -1))
