"""What is found in folders, lists and tables, and in which order."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from planefold.core.errors import DataError, MissingFileError
from planefold.data import read_table
from planefold.data.images import read_pictures


def test_folders_name_the_classes_and_files_come_in_natural_order(animals: Path) -> None:
    pictures = read_pictures(animals)
    assert pictures.files == ("cat/a9.png", "cat/a10.png", "cat/deep/er/b.png", "dog/1.png", "dog/2.png")
    assert pictures.labels is not None
    assert pictures.labels.tolist() == ["cat", "cat", "cat", "dog", "dog"]
    assert (pictures.shape, pictures.pixels.dtype, pictures.skipped) == ((5, 6, 5, 1), np.uint8, ())
    for file, pixels in zip(pictures.files, pictures.pixels, strict=True):
        assert np.array_equal(pixels[..., 0], np.asarray(Image.open(animals / file)))


def test_the_order_does_not_depend_on_the_order_of_creation(save: Any, tmp_path: Path) -> None:
    names = [f"{i}.png" for i in (11, 2, 1, 100, 20, 3)]
    for folder, order in (("one", names), ("two", names[::-1])):
        for name in order:
            save(f"{folder}/{name}")
    one, two = read_pictures(tmp_path / "one"), read_pictures(tmp_path / "two")
    assert one.files == two.files == ("1.png", "2.png", "3.png", "11.png", "20.png", "100.png")


def test_a_flat_folder_has_no_labels(save: Any, tmp_path: Path) -> None:
    save("b.png"), save("a.PNG")
    pictures = read_pictures(tmp_path)
    assert (pictures.files, pictures.labels) == (("a.PNG", "b.png"), None)


def test_one_class_is_read_and_an_empty_one_is_named(save: Any, tmp_path: Path) -> None:
    save("cat/1.png")
    assert read_pictures(tmp_path).labels.tolist() == ["cat"]  # type: ignore[union-attr]
    (tmp_path / "dog").mkdir()
    with pytest.warns(UserWarning, match=r"no pictures in the folder dog; there is no such class"):
        read_pictures(tmp_path)


def test_pictures_beside_folders_have_no_labels_and_that_is_said(save: Any, tmp_path: Path) -> None:
    save("x.png"), save("cat/1.png")
    with pytest.warns(UserWarning, match=r"holds pictures beside its folders \(x.png\)"):
        assert read_pictures(tmp_path).labels is None


def test_train_and_test_are_no_classes(save: Any, tmp_path: Path) -> None:
    for part in ("train", "test"):
        save(f"{part}/cat/1.png"), save(f"{part}/dog/1.png")
    with pytest.raises(DataError, match=r"parts of a data set, not classes: test, train\n.*cat, dog\n.*/train"):
        read_pictures(tmp_path)


@pytest.mark.parametrize("name", ["26 (19).png", "a [b] {c}.png", "Größe/ñandú.png", "ตัวอย่าง/ภาพ.png", "'\"$x&;.png"])
def test_names_may_hold_anything(save: Any, tmp_path: Path, name: str) -> None:
    save(f"class/{name}")
    pictures = read_pictures(tmp_path)
    assert pictures.files == (f"class/{name}",)
    assert pictures.labels.tolist() == ["class"]  # type: ignore[union-attr]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere names are texts")
def test_names_that_are_no_text_are_shown_as_codes(save: Any, tmp_path: Path) -> None:
    path = save("ok.png")
    os.makedirs(os.fsencode(tmp_path) + b"/in/caf\xe9")
    os.rename(path, os.fsencode(tmp_path) + b"/in/caf\xe9/x.png")
    pictures = read_pictures(tmp_path / "in")
    assert pictures.files == ("caf\\xe9/x.png",)
    pictures.files[0].encode("utf-8")


def test_accents_in_two_spellings_are_one_class(save: Any, tmp_path: Path) -> None:
    save("one/Cafe\u0301/1.png"), save("two/Caf\u00e9/1.png")
    one, two = (read_pictures(tmp_path / name).labels for name in ("one", "two"))
    assert one is not None
    assert two is not None
    assert one.tolist() == two.tolist() == ["Caf\u00e9"]


def test_links_are_followed_and_circles_end(save: Any, tmp_path: Path) -> None:
    save("in/cat/1.png"), save("out/2.png")
    inside = tmp_path / "in" / "cat"
    (inside / "up").symlink_to(tmp_path / "in", target_is_directory=True)
    (inside / "self").symlink_to(inside / "self")
    (inside / "other").symlink_to(tmp_path / "out", target_is_directory=True)
    assert read_pictures(tmp_path / "in").files == ("cat/1.png", "cat/other/2.png")


def test_folders_without_an_end_are_refused(save: Any, tmp_path: Path) -> None:
    save("1.png"), save("/".join("a" * 300) + "/2.png")
    with pytest.raises(DataError, match=r"1 of 2.*\n  a/a/a/... \(folders lie more than 100 deep\)"):
        read_pictures(tmp_path)


def test_links_to_nothing_are_broken_files(save: Any, tmp_path: Path) -> None:
    save("1.png")
    (tmp_path / "2.png").symlink_to(tmp_path / "nothing")
    (tmp_path / "3.png").symlink_to(tmp_path / "3.png")
    with pytest.raises(DataError, match=r"2 of 3 pictures.*\n.*2.png \(there is no such file\), 3.png \(.*circle"):
        read_pictures(tmp_path)


def test_a_folder_without_pictures_says_what_is_in_it(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no pictures in .*\n  the folder is empty"):
        read_pictures(tmp_path)
    (tmp_path / "cat").mkdir()
    with pytest.raises(DataError, match="its 1 folders are empty: cat"):
        read_pictures(tmp_path)
    (tmp_path / "cat" / "a.wav").write_bytes(b"x")
    with pytest.raises(DataError, match=r"other files: 1 .wav"):
        read_pictures(tmp_path)


def test_missing_places_are_named_with_what_is_near(save: Any, tmp_path: Path) -> None:
    save("pictures/1.png")
    with pytest.raises(MissingFileError, match=r"no file or folder .*picturse\n.*did you mean .*pictures\?"):
        read_pictures(tmp_path / "picturse")
    with pytest.raises(MissingFileError, match="not even a folder"):
        read_pictures(tmp_path / "no" / "where")
    with pytest.raises(MissingFileError, match=r"1.png is a file, not a folder"):
        read_pictures(tmp_path / "pictures" / "1.png" / "x")
    with pytest.raises(MissingFileError, match="zero byte"):
        read_pictures("a\0b")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_what_may_not_be_read_is_named(save: Any, tmp_path: Path) -> None:  # pragma: no cover - tests run as root
    save("a/1.png"), save("a/2.png").chmod(0)
    with pytest.raises(DataError, match=r"1 of 2.*\n.*2.png \(permission denied\)"):
        read_pictures(tmp_path)


def test_a_folder_that_cannot_be_looked_into_is_named(
    save: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save("cat/1.png"), save("dog/1.png")
    scandir = os.scandir

    def refuse(path: Any) -> Any:
        if str(path).endswith("dog"):
            raise PermissionError(13, "no")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(DataError, match=r"1 of 2 pictures in .* cannot be read\n  dog \(permission denied\)"):
        read_pictures(tmp_path)
    with pytest.warns(UserWarning, match="left out: dog"):
        assert read_pictures(tmp_path, errors="skip").skipped == (("dog", "permission denied"),)


# ------------------------------------------------------------------------------------------------- lists and tables


def test_one_file_its_bytes_and_a_picture_are_the_same(save: Any) -> None:
    path = save("one.png")
    expected = np.asarray(Image.open(path))
    with path.open("rb") as file:
        sources = (
            path,
            str(path),
            path.read_bytes(),
            Image.open(path),
            file,
            [path],
            (str(path),),
            np.array([str(path)]),
        )
        for source in sources:
            assert np.array_equal(read_pictures(source).pixels[0, ..., 0], expected)
    assert read_pictures(path).files == ("one.png",)


def test_lists_keep_their_order_and_names(save: Any) -> None:
    paths = [save("b.png"), save("a.png")]
    for source in (paths, pd.Series(list(map(str, paths)))):
        pictures = read_pictures(source)
        assert (pictures.files, pictures.labels) == (tuple(map(str, paths)), None)
    with pytest.raises(DataError, match="entry 2 of the list is no picture and no path: 7"):
        read_pictures([paths[0], 7])


def test_tables_name_files_beside_themselves(save: Any, tmp_path: Path) -> None:
    save("in/p/1.png"), save("in/p/2.png")
    table = tmp_path / "in" / "t.csv"
    table.write_text("age,where,label\n3,p/2.png,cat\n4,p/1.png,dog\n", encoding="utf-8")
    pictures = read_pictures(table)
    assert pictures.files == ("p/2.png", "p/1.png")
    assert pictures.labels.tolist() == ["cat", "dog"]  # type: ignore[union-attr]
    assert read_pictures(table, target="age").labels.tolist() == [3, 4]  # type: ignore[union-attr]
    frame = pd.DataFrame({"where": [str(tmp_path / "in" / "p" / "1.png")], "n": [1]})
    for source in (frame, read_table(frame), frame.to_dict("list"), frame.to_dict("records")):
        assert len(read_pictures(source)) == 1
    with pytest.raises(DataError, match='column "wher" is not in'):
        read_pictures(table, column="wher")


def test_tables_that_are_not_clear_are_refused(save: Any, tmp_path: Path) -> None:
    save("1.png")
    table = tmp_path / "t.csv"
    table.write_text("left,right\n1.png,1.png\n", encoding="utf-8")
    with pytest.raises(DataError, match="has 2 columns with paths of pictures: left, right"):
        read_pictures(table)
    assert len(read_pictures(table, column="left")) == 1
    table.write_text("a,b\nx,y\n", encoding="utf-8")
    with pytest.raises(DataError, match="neither a column with paths of pictures nor columns of pixels"):
        read_pictures(table)
    table.write_text("f,n\n1.png,1\n,2\n", encoding="utf-8")
    with pytest.raises(DataError, match=r'row 2: column "f" names no picture'):
        read_pictures(table)


def test_parquet_tables_are_tables(save: Any, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    save("1.png")
    pd.DataFrame({"file": ["1.png"], "label": ["x"]}).to_parquet(tmp_path / "t.parquet")
    assert read_pictures(tmp_path / "t.parquet").labels.tolist() == ["x"]  # type: ignore[union-attr]
    (tmp_path / "t.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(DataError, match="no Parquet file that can be read"):
        read_pictures(tmp_path / "t.parquet")


# ---------------------------------------------------------------------------------------------------- real folders


@pytest.mark.parametrize(
    ("name", "shape", "n_classes"),
    [
        ("mri_alzheimer_small/test", (192, 96, 81, 1), 4),
        ("cifar10_1200/test", (200, 32, 32, 3), 10),
        ("mnist_12k/png", (200, 28, 28, 1), 10),
    ],
)  # fmt: skip
def test_real_folders(data_dir: Path, name: str, shape: tuple[int, ...], n_classes: int) -> None:
    if not (data_dir / name).is_dir():
        pytest.skip(f"needs {name}")
    pictures = read_pictures(data_dir / name)
    assert pictures.shape == shape
    assert pictures.labels is not None
    assert len(set(pictures.labels.tolist())) == n_classes
    assert len(set(pictures.files)) == shape[0]
