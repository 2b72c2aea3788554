"""Whatever the bytes are: a `ModelFileError`, quickly, or the true content; never anything else."""

from __future__ import annotations

import contextlib
import io
import json
import struct
import time
import tracemalloc
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from planefold.core.errors import ModelFileError
from planefold.saving import Fold, read_fold, read_summary

GOLDEN = (Path(__file__).parent / "golden" / "v1.fold").read_bytes()


@contextlib.contextmanager
def quick_refusal(says: str, *, megabytes: float = 8) -> Iterator[None]:
    tracemalloc.start()
    began = time.process_time()
    try:
        with pytest.raises(ModelFileError) as caught:
            yield
        seconds, peak = time.process_time() - began, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert says in caught.value.details
    assert caught.value.hint
    assert str(caught.value).isprintable() or "\n" in str(caught.value)
    assert seconds < 2  # half of it for tracemalloc
    assert peak < megabytes * 2**20


def refused(path: Path, says: str, *, megabytes: float = 8) -> None:
    for read in (read_fold, read_summary):
        with quick_refusal(says, megabytes=megabytes):
            read(path)


# ------------------------------------------------------------------------------------------------------- fuzz


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz") / "spoiled.fold"


def same_or_refused(scratch: Path, data: bytes, same: Callable[[Fold, Fold], None], known: Fold) -> None:
    scratch.write_bytes(data)
    try:
        fold = read_fold(scratch)
    except ModelFileError:
        return
    same(fold, known)


FUZZ = settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])


@FUZZ
@given(flips=st.lists(st.tuples(st.integers(0, len(GOLDEN) - 1), st.integers(1, 255)), min_size=1, max_size=4))
def test_flipped_bytes_are_refused_or_harmless(flips, scratch, same, known_fold):
    data = bytearray(GOLDEN)
    for position, change in flips:
        data[position] ^= change
    same_or_refused(scratch, bytes(data), same, known_fold)


def test_every_single_byte_flipped_is_refused_or_harmless(scratch, same, known_fold):
    for position in range(len(GOLDEN)):
        data = bytearray(GOLDEN)
        data[position] ^= 0xFF
        same_or_refused(scratch, bytes(data), same, known_fold)


@FUZZ
@given(length=st.integers(0, len(GOLDEN) - 1))
def test_a_cut_file_is_refused(length, scratch):
    scratch.write_bytes(GOLDEN[:length])
    with pytest.raises(ModelFileError):
        read_fold(scratch)


@FUZZ
@given(start=st.integers(0, len(GOLDEN)), stop=st.integers(0, len(GOLDEN)), new=st.binary(max_size=50))
def test_replaced_stretches_are_refused_or_harmless(start, stop, new, scratch, same, known_fold):
    same_or_refused(scratch, GOLDEN[:start] + new + GOLDEN[stop:], same, known_fold)


@FUZZ
@given(header=st.binary(max_size=60), data=st.binary(max_size=60))
def test_any_bytes_as_weights_with_a_right_hash_give_a_model_or_a_refusal(header, data, make):
    path = make(weights__safetensors=struct.pack("<Q", len(header)) + header + data)
    with contextlib.suppress(ModelFileError):
        read_fold(path)


SIZES = st.lists(st.sampled_from([0, 1, 2, 4, 8, -1, 2**31, 2**62, 2**64, 1.5, None, True]), max_size=3)
ARRAYS = st.fixed_dictionaries(
    {"dtype": st.sampled_from(["F32", "F64", "BOOL", "BF16", "", None]), "shape": SIZES, "data_offsets": SIZES}
)


@FUZZ
@given(header=st.dictionaries(st.text(max_size=3), ARRAYS, max_size=3), data=st.binary(max_size=16))
def test_any_safetensors_header_gives_a_model_or_a_refusal(header, data, make):
    with contextlib.suppress(ModelFileError):
        read_fold(make.weights(header, data))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@FUZZ
@given(key=st.sampled_from(["format", "format_version", "entries", "versions", "task"]), value=JSON)
def test_any_manifest_gives_a_model_or_a_refusal(key, value, make):
    for read in (read_fold, read_summary):
        with contextlib.suppress(ModelFileError):
            read(make({key: value}))


# -------------------------------------------------------------------------------------------------- not a zip


@pytest.mark.parametrize("data", [b"", b"a,b\n1,2\n", b"\x80\x04N." + b"\0" * 200, b"PK\5\6" + b"\0" * 18])
def test_a_file_that_is_no_model_is_refused(data, tmp_path):
    (tmp_path / "a.fold").write_bytes(data)
    refused(tmp_path / "a.fold", "does not begin like a .fold file")


def test_bytes_before_and_behind_the_zip_are_refused(make):
    data = make().read_bytes()
    make.path.write_bytes(b"#!/bin/sh\n" + data)
    refused(make.path, "does not begin like")
    make.path.write_bytes(b"PK\3\4" + data)
    refused(make.path, "overlaps another, or leaves a gap")
    make.path.write_bytes(data + b"\0")
    refused(make.path, "added behind it")


# --------------------------------------------------------------------------------------------------- entries


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("../schema.json", "outside the file"),
        ("/etc/passwd", "outside the file"),
        ("C:evil", "outside the file"),
        ("a\\b", "outside the file"),
        ("..", "outside the file"),
        ("schema.json\0.txt", "outside the file"),
        ("extra/", "is a folder"),
        ("run.py", "does not belong there"),
        ("SCHEMA.JSON", "does not belong there"),
        ("\x1b[2J", "'\\x1b[2J' does not belong there"),
    ],
)
def test_entries_that_are_not_ours_are_refused(name, says, make):
    # zipfile cleans names on the way in: the placeholder of the same length is replaced in the bytes.
    placeholder = "~" * (len(name) - name.endswith("/")) + "/" * name.endswith("/")
    data = make.pack(make.entries() | {placeholder: b""})
    make.path.write_bytes(data.replace(placeholder.encode(), name.encode()))
    refused(make.path, says)


def test_an_entry_that_comes_twice_is_refused(make):
    data = make.pack(make.entries() | {"schemaXjson": b'{"a": 1}'})
    make.path.write_bytes(data.replace(b"schemaXjson", b"schema.json"))
    refused(make.path, "'schema.json' comes twice")


@pytest.mark.parametrize("name", ["manifest.json", "schema.json", "weights.safetensors", "card.md"])
def test_a_missing_entry_is_named(name, make):
    entries = make.entries()
    del entries[name]
    make.path.write_bytes(make.pack(entries))
    refused(make.path, f"{name} is missing")


def changed_directory(data: bytes, entry_name: bytes, **fields: tuple[int, str, int]) -> bytes:
    """Change fields (offset, format, value) of one entry of the central directory."""
    changed = bytearray(data)
    entry = data.rindex(entry_name) - 46
    assert data[entry : entry + 4] == b"PK\1\2"
    for offset, code, value in fields.values():
        struct.pack_into("<" + code, changed, entry + offset, value)
    return bytes(changed)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"flags": (8, "H", 0x1)}, "is encrypted"),
        ({"flags": (8, "H", 0x40)}, "is encrypted"),
        ({"flags": (8, "H", 0x20)}, "packed in a way"),
        ({"flags": (8, "H", 0x8)}, "damaged"),
        ({"method": (10, "H", 12)}, "packed in a way"),
        ({"method": (10, "H", 99)}, "packed in a way"),
        ({"mode": (38, "L", 0o120777 << 16)}, "a link or a device"),
        ({"mode": (38, "L", 0o020666 << 16)}, "a link or a device"),
        ({"mode": (38, "L", 0x10)}, "is a folder"),
        ({"needs": (6, "H", 99)}, "the zip directory is damaged"),
        ({"crc": (16, "L", 1)}, "schema.json is damaged"),
        ({"unpacked": (24, "L", 5)}, "another length"),
        ({"unpacked": (24, "L", 2**32 - 2)}, "at most 67108864"),
        ({"packed": (20, "L", 3)}, "overlaps"),
        ({"packed": (20, "L", 2**31)}, "overlaps"),
        ({"place": (42, "L", 0)}, "overlaps"),
        ({"place": (42, "L", 2**31)}, "overlaps"),
        ({"name": (28, "H", 60000)}, ""),
        ({"extra": (30, "H", 60000)}, ""),
        ({"name": (28, "H", 0), "comment": (32, "H", 11)}, "'' names a place outside"),
    ],
)
def test_a_directory_that_lies_is_refused(fields, says, make):
    manifest = json.loads(make.entries()["manifest.json"])
    manifest["entries"]["schema.json"]["size"] = fields.get("unpacked", (0, "", 2))[2]  # the manifest joins in
    data = make(manifest).read_bytes()
    make.path.write_bytes(changed_directory(data, b"schema.json", **fields))
    refused(make.path, says)


def test_two_entries_that_share_their_bytes_are_refused(make):
    # The trick of the bomb "42.zip" of 2019: many directory entries point at one place.
    data = make(prep__json=b"{}").read_bytes()
    place = struct.unpack_from("<L", data, data.rindex(b"schema.json") - 46 + 42)[0]
    make.path.write_bytes(changed_directory(data, b"prep.json", place=(42, "L", place)))
    refused(make.path, "overlaps")


def test_a_directory_of_a_million_entries_is_not_even_read(make):
    entry = b"PK\1\2" + b"\0" * 42
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 65535, 65535, 46 * 10**6, 30, 0)
    make.path.write_bytes(b"PK\3\4" + b"\0" * 26 + entry * 10**6 + end)
    refused(make.path, "directory is said to have 46000000 bytes")


def test_a_false_record_of_64_bits_is_refused(make):
    data = make().read_bytes()
    directory, end = data[:-22], data[-22:]
    record = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, 7, 7, 2**60, 0)
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, len(directory), 1)
    make.path.write_bytes(directory + record + locator + end)
    refused(make.path, "directory is said to have")
    make.path.write_bytes(directory + record.replace(b"PK\6\6", b"XXXX") + locator + end)
    refused(make.path, "directory is damaged")


# ----------------------------------------------------------------------------------------------------- bombs


def deflated(make, name: str, data: bytes, method: int = zipfile.ZIP_DEFLATED) -> Path:
    make.path.write_bytes(make.pack(make.entries(**{name.replace(".", "__"): data}), method))
    return make.path


def test_a_zip_bomb_is_refused_by_its_ratio(make):
    bomb = b'{"a":"' + b" " * 20_000_000 + b'"}'
    path = deflated(make, "schema.json", bomb)
    assert path.stat().st_size < 100_000
    refused(path, "more than 200 times its size")


def test_a_bomb_as_manifest_is_refused_before_it_is_unpacked(make):
    make.path.write_bytes(make.pack(make.entries(b'{"a":"' + b" " * 20_000_000 + b'"}'), zipfile.ZIP_DEFLATED))
    refused(make.path, "more than 200 times its size")


def test_an_entry_that_unpacks_to_more_than_it_declares_is_refused(make):
    big = b'{"a":"' + b"x" * 3_000_000 + b'"}'
    data = deflated(make, "schema.json", big).read_bytes()
    crc = zlib.crc32(big[:500_000])
    make.path.write_bytes(changed_directory(data, b"schema.json", unpacked=(24, "L", 500_000), crc=(16, "L", crc)))
    refused(make.path, "the manifest says")
    entries = make.entries(schema__json=big)
    manifest = json.loads(entries["manifest.json"])
    manifest["entries"]["schema.json"]["size"] = 500_000
    data = make.pack(entries | {"manifest.json": json.dumps(manifest).encode()}, zipfile.ZIP_DEFLATED)
    make.path.write_bytes(changed_directory(data, b"schema.json", unpacked=(24, "L", 500_000), crc=(16, "L", crc)))
    refused(make.path, "SHA-256")


def test_compressed_weights_are_refused(make):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in make.entries().items():
            archive.writestr(name, data)
    make.path.write_bytes(file.getvalue())
    refused(make.path, "weights.safetensors is compressed")


# ---------------------------------------------------------------------------------------------- hash and JSON


def test_a_wrong_hash_is_refused(make):
    entries = make.entries()
    make.path.write_bytes(make.pack(entries | {"schema.json": b"[]"}))  # of the same length
    refused(make.path, "schema.json is not what the manifest says")


def test_wrong_weights_are_refused_by_their_hash(make):
    entries = make.entries(weights__safetensors=struct.pack("<Q", 2) + b"{}")
    entries["weights.safetensors"] = struct.pack("<Q", 1) + b"{}"
    make.path.write_bytes(make.pack(entries))
    with quick_refusal("weights.safetensors"):
        read_fold(make.path)


DEEP = b'{"a":' + b"[" * 200_000 + b"]" * 200_000 + b"}"


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "not JSON"),
        (b"[]", "must be a JSON object, not a list"),
        (b'"a"', "must be a JSON object, not a text"),
        (b"null", "must be a JSON object, not a null"),
        (b'{"a": NaN}', "NaN is not JSON"),
        (b'{"a": [-Infinity]}', "-Infinity is not JSON"),
        (b'{"a": 1e999}', "the number '1e999' is too large"),
        (b'{"a": ' + b"9" * 5000 + b"}", "not JSON"),
        (b'{"a": 1, "b": 2, "a": 1}', "the key 'a' comes twice"),
        (b'{"a": [{"b": 1, "b": 1}]}', "the key 'b' comes twice"),
        (DEEP, "nested too deeply"),
        (DEEP[:100_000], "nested too deeply"),
        (b'{"a": "\xff"}', "not UTF-8 at byte 7"),
        (b"\xef\xbb\xbf{}", "not JSON"),
        (b"{} {}", "not JSON"),
        (b'{"a":[' + b"0," * 1_000_000 + b"0]}", "more than 1000000 values"),
    ],
    ids=lambda value: value[:20] if isinstance(value, bytes) else None,
)
def test_json_that_is_not_strict_is_refused_in_every_entry(data, says, make):
    refused(make(data), f"manifest.json: {says}", megabytes=30)
    refused(make(schema__json=data), says, megabytes=30)
    with quick_refusal(says, megabytes=30):
        read_fold(make(prep__json=data))
    with quick_refusal(says.removesuffix(" at byte 7").replace("1000000 v", "3000000 v"), megabytes=60):
        read_fold(make(history__jsonl=b"{}\n" + data.replace(b"0," * 1_000_000, b"0," * 3_000_000) + b"\n"))


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"{}", "the last line is cut"),
        (b"{}\n\n", "line 2 of history.jsonl: not JSON"),
        (b"{}\n" * 300_001, "more than 300000 lines"),
    ],
)
def test_a_history_that_is_not_lines_of_objects_is_refused(data, says, make):
    with quick_refusal(says, megabytes=60):
        read_fold(make(history__jsonl=data))


def test_a_card_that_is_not_utf_8_is_refused(make):
    with quick_refusal("card.md: not UTF-8 at byte 1"):
        read_fold(make(card__md=b"a\xff"))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"format": "keras"}, "format is 'keras'"),
        ({"format": [[[1]]]}, "format is"),
        ({"entries": None}, "does not list"),
        ({"entries": {}}, "does not list"),
    ],
)
def test_a_manifest_of_something_else_is_refused(change, says, make):
    refused(make(change), says)


@pytest.mark.parametrize("spoil", [{"size": 3}, {"size": 2.0}, {"size": True}, {"sha256": None}, {"sha256": "0" * 64}])
def test_an_entry_of_the_manifest_that_does_not_fit_is_refused(spoil, make):
    manifest = json.loads(make.entries()["manifest.json"])
    manifest["entries"]["schema.json"].update(spoil)
    refused(make(manifest), "schema.json")


# --------------------------------------------------------------------------------------------------- weights

ONE = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}


@pytest.mark.parametrize(
    ("header", "says"),
    [
        ({"w": ONE | {"shape": [1_342_177_280]}}, "too large"),  # looks like 5 GB
        ({"w": ONE | {"shape": [500_000_000]}}, "needs 2000000000 bytes, its place has 8"),
        ({"w": ONE | {"shape": [500_000_000], "data_offsets": [0, 2_000_000_000]}}, "the file has 8 for them"),
        ({"w": ONE | {"shape": [2**62, 4]}}, "too large"),  # 0 in 64-bit arithmetic
        ({"w": ONE | {"shape": [0, 2**62], "data_offsets": [0, 0]}}, "too large"),
        ({"w": ONE | {"shape": [-2]}}, "impossible shape"),
        ({"w": ONE | {"shape": [-1, -2]}}, "impossible shape"),
        ({"w": ONE | {"shape": [2.0]}}, "impossible shape"),
        ({"w": ONE | {"shape": [True, 2]}}, "impossible shape"),
        ({"w": ONE | {"shape": 2}}, "impossible shape"),
        ({"w": ONE | {"shape": [1] * 33 + [2]}}, "impossible shape"),
        ({"w": ONE | {"data_offsets": [-8, 0]}}, "impossible place"),
        ({"w": ONE | {"data_offsets": [8, 0]}}, "impossible place"),
        ({"w": ONE | {"data_offsets": [0, 8, 16]}}, "impossible place"),
        ({"w": ONE | {"data_offsets": [8, 16]}}, "begins at byte 8, the one before ends at 0"),
        ({"w": ONE, "v": ONE}, "begins at byte 0, the one before ends at 8"),
        ({"w": ONE | {"dtype": "BF16"}}, "unknown type 'BF16'"),
        ({"w": ONE | {"dtype": ["F32"]}}, "unknown type"),
        ({"w": ONE | {"more": 1}}, "must have dtype"),
        ({"w": [1]}, "must have dtype"),
        ({}, "the arrays take 0 bytes, the file has 8"),
        ({"w": ONE, "__metadata__": {"a": 1}}, "__metadata__"),
        ({"w": ONE, "__metadata__": [1]}, "__metadata__"),
        (b'{"w": 1, "w": 1}', "comes twice"),
        (b"[" * 100_000, "nested too deeply"),
        (b"{}" + b" " * 2**21, "at most 2097152 are read"),
    ],
)
def test_a_header_that_lies_is_refused_before_anything_is_allocated(header, says, make):
    refused(make.weights(header, b"\0" * 8), says, megabytes=16)


@pytest.mark.parametrize("data", [b"", b"\0" * 7, struct.pack("<Q", 2**63), struct.pack("<Q", 3) + b"{}"])
def test_a_header_longer_than_the_file_is_refused(data, make):
    refused(make(weights__safetensors=data), "weights.safetensors")


@pytest.mark.parametrize(
    ("dtype", "data", "says"),
    [
        ("F32", struct.pack("<ff", 1, float("nan")), "1 of 2 values"),
        ("F32", struct.pack("<ff", float("inf"), float("-inf")), "2 of 2 values"),
        ("BOOL", b"\0\2", "neither 0 nor 1"),
    ],
)
def test_numbers_that_no_network_has_are_refused(dtype, data, says, make):
    path = make.weights({"w": {"dtype": dtype, "shape": [2], "data_offsets": [0, len(data)]}}, data)
    with quick_refusal(says):
        read_fold(path)


def test_no_warning_and_no_open_file_is_left_after_a_refusal(make):
    make({"entries": None})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(20):
            with pytest.raises(ModelFileError):
                read_fold(make.path)
