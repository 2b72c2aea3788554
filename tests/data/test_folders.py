"""Where files of one kind are: one set of rules for pictures and sounds, compared with what the system lists."""

from __future__ import annotations

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planefold.core.errors import DataError
from planefold.data.folders import Kind, list_folder, list_items, list_table, natural, path_column
from planefold.data.images.formats import PICTURE
from planefold.data.sounds.decoding import SOUND
from planefold.data.tables import read_table

TEXT = Kind(singular="text", plural="texts", endings=frozenset((".txt",)), usual=(".txt",))
KINDS = [PICTURE, SOUND, TEXT]


def put(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")


@given(names=st.lists(st.from_regex(r"\A[ab]/[ab1-9(\[ ]{1,6}\.(txt|TXT|csv)\Z"), min_size=1, unique_by=str.casefold))
@settings(max_examples=20)
def test_all_files_of_the_kind_are_found_and_no_others(names, tmp_path_factory):
    folder = tmp_path_factory.mktemp("texts")
    put(folder, *names)
    expected = {os.path.join(here, name) for here, _, found in os.walk(folder) for name in found
                if name.lower().endswith(".txt")}  # fmt: skip
    if not expected:
        with pytest.raises(DataError, match="there are no texts"):
            list_folder(str(folder), TEXT)
        return
    listing = list_folder(str(folder), TEXT)
    assert set(listing.items) == expected
    assert len(listing.items) == len(expected)
    assert [name.split("/")[0] for name in listing.names] == listing.labels.tolist()
    assert [*listing.names] == sorted(listing.names, key=lambda name: [natural(part) for part in name.split("/")])


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.plural)
def test_the_messages_name_the_kind(kind, tmp_path):
    put(tmp_path, "a/readme.doc")
    with pytest.raises(
        DataError, match=rf"there are no {kind.plural}(.|\n)*1 \.doc(.|\n)*{kind.plural} end in \{kind.usual[0]}"
    ):
        list_folder(str(tmp_path), kind)
    put(tmp_path, f"b/1{kind.usual[0]}")
    assert list_folder(str(tmp_path), kind).notes == (
        f"{tmp_path}: no {kind.plural} in the folder a; there is no such class",
    )
    for part in ("train", "test"):
        put(tmp_path / "split", f"{part}/a/1{kind.usual[0]}", f"{part}/b/2{kind.usual[0]}")
    with pytest.raises(DataError, match="parts of a data set, not classes: test, train"):
        list_folder(str(tmp_path / "split"), kind)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.plural)
def test_folders_that_lie_too_deep_are_told_and_circles_end(kind, tmp_path):
    put(tmp_path, "a/b/c" + kind.usual[0], "/".join(["x"] * 110) + "/c" + kind.usual[0])
    (tmp_path / "a" / "back").symlink_to(tmp_path)
    listing = list_folder(str(tmp_path), kind)
    assert listing.names == (f"a/b/c{kind.usual[0]}",)
    assert listing.refused == (("x/x/x/...", "folders lie more than 100 deep"),)
    assert listing.notes == ()  # "x" is no empty class: nobody knows


def test_lists_and_tables_name_files(tmp_path):
    assert list_items([tmp_path / "1.txt", b"bytes"], "the list", TEXT).names == (str(tmp_path / "1.txt"), "text 2")
    table = read_table({"where": ["1.txt", "2.txt"], "label": ["a", "b"], "n": [1, 2]})
    assert path_column(table, None, TEXT) == "where"
    assert path_column(table, None, SOUND) is None
    listing = list_table(table, "where", None, tmp_path, TEXT)
    assert listing.items == (str(tmp_path / "1.txt"), str(tmp_path / "2.txt"))
    assert listing.labels.tolist() == ["a", "b"]
    with pytest.raises(DataError, match='row 1: column "n" names no text'):
        list_table(table, "n", None, tmp_path, TEXT)
    two = read_table({"a": ["1.txt"], "b": ["2.txt"]})
    with pytest.raises(DataError, match="2 columns with paths of texts: a, b"):
        path_column(two, None, TEXT)
