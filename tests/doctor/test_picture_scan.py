"""The scan of pictures and sounds: planted copies are found with their files, and healthy sets raise nothing."""

from __future__ import annotations

import io
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.ndimage import gaussian_filter

from planefold.core.errors import ParameterError
from planefold.data.images import Pictures
from planefold.doctor import Case, diagnose_case
from planefold.doctor.scan import scan
from planefold.doctor.scan.looks import averages, coarse_pixels, looks_of, small_pictures
from planefold.doctor.scan.names import keys_of, rule_of_names

PICTURE_CHECKS = ("DA205", "DA402", "DA403", "DA404", "DA602")


def _pictures(n, rng, side=28, blur=2.0, channels=0):
    """Smooth random pictures, uint8."""
    shape = (n, side, side, channels) if channels else (n, side, side)
    sigma = (0, blur, blur, 0)[: len(shape)]
    smooth = gaussian_filter(rng.standard_normal(shape), sigma)
    return np.clip(128 + 60 * smooth / smooth.std(), 0, 255).astype(np.uint8)


def _written_anew(picture, rng):
    """Another brightness by 2 %, a shift by a pixel, and a JPEG file in between."""
    changed = np.clip(picture * rng.uniform(0.98, 1.02), 0, 255).astype(np.uint8)
    changed = np.roll(changed, rng.integers(-1, 2, 2), axis=(0, 1))
    buffer = io.BytesIO()
    Image.fromarray(changed).save(buffer, "jpeg", quality=int(rng.integers(75, 96)))
    return np.asarray(Image.open(buffer))


def _found(**parts):
    diagnosis = diagnose_case(Case(scan=scan(**parts)))
    return {finding.code: finding for finding in (*diagnosis.findings, *diagnosis.silenced.values())}


# ----------------------------------------------------------------------------------------------------- small pictures


@pytest.mark.parametrize("size", [1, 31, 48, 49, 100, 176])
def test_each_small_pixel_is_the_mean_of_those_that_it_stands_for(size):
    weights = averages(size, 48)
    np.testing.assert_allclose(weights.sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(weights.sum(axis=0), len(weights) / size, rtol=1e-4)
    if size % 48 == 0 or size <= 48:
        assert ((weights > 0).sum(axis=1) == max(size // 48, 1)).all()


def test_small_pictures_are_those_that_pillows_box_filter_gives():
    rng = np.random.default_rng(0)
    pictures = _pictures(5, rng, side=96)
    boxes = [np.asarray(Image.fromarray(p.astype(np.float32)).resize((48, 48), Image.Resampling.BOX)) for p in pictures]
    np.testing.assert_allclose(small_pictures(pictures), boxes, rtol=1e-5)


def test_colours_are_averaged_and_kept_where_they_are_wanted():
    pictures = _pictures(300, np.random.default_rng(0), side=20, channels=3)
    np.testing.assert_allclose(small_pictures(pictures), pictures.mean(axis=3), rtol=1e-5)
    parts = coarse_pixels(pictures)
    assert parts.shape == (300, 16 * 16 * 3)
    np.testing.assert_allclose(parts.reshape(300, -1, 3).mean(axis=1), pictures.mean(axis=(1, 2)), rtol=1e-4)
    assert list(looks_of(small_pictures(pictures), "sounds")) == ["level", "contrast"]


# -------------------------------------------------------------------------------------------------------------- copies


@settings(max_examples=6)
@given(seed=st.integers(0, 2**32 - 1), side=st.sampled_from([28, 40, 64]), n_copies=st.integers(3, 12))
def test_copies_that_were_changed_a_little_are_found_across_the_split_with_their_files(seed, side, n_copies):
    rng = np.random.default_rng(seed)
    X, X_val = _pictures(150, rng, side), _pictures(60, rng, side)
    origin = rng.choice(150, n_copies, replace=False)
    X_val[:n_copies] = [_written_anew(X[place], rng) for place in origin]
    files = [f"a/{i}.png" for i in range(150)] + [f"b/{i}.jpg" for i in range(60)]
    found = scan(X, X_val=X_val, files=files)
    assert found.overlap.alike.n_alike >= 0.9 * n_copies
    assert all(row < n_copies and other == origin[row] for row, other in found.overlap.alike.pairs)
    finding = _found(X=X, X_val=X_val, files=files)["DA402"]
    assert finding.severity == "error"
    row, other = found.overlap.examples[0]
    assert f"b/{row}.jpg and a/{other}.png" in finding.what


@settings(max_examples=6)
@given(
    seed=st.integers(0, 2**32 - 1), side=st.sampled_from([16, 28, 64]), blur=st.sampled_from([0.0, 1.0, 3.0]),
    channels=st.sampled_from([0, 3]),
)  # fmt: skip
def test_random_pictures_raise_nothing(seed, side, blur, channels):
    rng = np.random.default_rng(seed)
    X, X_val = _pictures(200, rng, side, blur, channels), _pictures(60, rng, side, blur, channels)
    y, y_val = np.arange(200) % 4, np.arange(60) % 4
    files = [f"{label}/{i:04}.png" for i, label in enumerate([*y, *y_val])]
    order = rng.permutation(200)
    found = _found(X=X[order], y=y[order], X_val=X_val, y_val=y_val, task="classification", files=files)
    assert not set(found) & set(PICTURE_CHECKS)
    assert all(finding.severity == "info" for finding in found.values())


def test_copies_inside_the_training_part_are_named_and_those_with_another_class_too():
    rng = np.random.default_rng(0)
    X = _pictures(200, rng)
    y = np.array(["cat", "dog"])[np.arange(200) % 2]
    X[150:156] = [_written_anew(X[place], rng) for place in range(6)]
    y[150:153] = np.where(y[:3] == "cat", "dog", "cat")
    y[153:156] = y[3:6]
    X[160] = X[20]
    y[160] = y[20]
    files = tuple(f"{label}/{i}.png" for i, label in enumerate(y))
    found = scan(X, y, files=files)
    assert {(150 + k, k) for k in range(6)} == set(found.alike.pairs)
    assert len(found.alike_classes) == 3
    told = _found(X=X, y=y, files=files)
    assert f"{files[150]} and {files[0]}" in told["DA403"].what
    assert f"1 more equal an earlier one: {files[160]} = {files[20]}" in told["DA403"].what
    assert "3 pairs of pictures show the same and have different classes" in told["DA602"].what


def test_a_single_copy_is_no_leak_and_equal_pictures_are_told_as_such():
    rng = np.random.default_rng(0)
    X, X_val = _pictures(300, rng), _pictures(100, rng)
    X_val[0] = _written_anew(X[7], rng)
    assert scan(X, X_val=X_val).overlap.alike.n_alike == 1
    assert "DA402" not in _found(X=X, X_val=X_val)
    X_val[:10] = X[:10]
    what = _found(X=X, X_val=X_val)["DA402"].what
    assert "10 of 100 held-out pictures equal one that was learned from" in what
    assert "held-out and training picture 1 and 1" in what


def test_a_sound_with_another_gain_and_a_small_shift_is_a_copy():
    rng = np.random.default_rng(0)
    X = gaussian_filter(rng.standard_normal((200, 32, 80)), (0, 1, 2)) * 30 - 40  # decibels
    X_val = gaussian_filter(rng.standard_normal((60, 32, 80)), (0, 1, 2)) * 30 - 40
    X_val[:8] = np.roll(X[:8], 1, axis=2) + rng.normal(0, 3, (8, 1, 1)) + rng.normal(0, 0.5, (8, 32, 80))
    found = _found(X=X, X_val=X_val, kind="sounds")["DA402"]
    assert "8 of 60 held-out sounds show what one learned from shows" in found.what
    assert "sounds of one thing (patient, speaker, place)" in found.try_


def test_rows_of_other_kinds_are_no_pictures():
    X = np.random.RandomState(0).randn(100, 500)  # a wide table
    found = scan(X, X_val=X[:20])
    assert (found.kind, found.alike, found.looks, found.overlap.alike) == ("rows", None, None, None)
    assert "held-out rows" in _found(X=X, X_val=X[:20])["DA402"].what


@pytest.mark.parametrize("side", [1, 2, 8])
def test_tiny_and_few_pictures_are_scanned_without_a_likeness(side):
    rng = np.random.default_rng(0)
    X = rng.integers(0, 255, (60, side, side)).astype(np.uint8)
    assert scan(X, X_val=X[:12]).overlap.alike is None
    assert scan(_pictures(8, rng), X_val=_pictures(3, rng)).alike is None
    scan(np.zeros((50, 16, 16), np.uint8), np.arange(50) % 2, X_val=np.zeros((50, 16, 16), np.uint8))


# ------------------------------------------------------------------------------------------------------ single pictures


def test_blank_pictures_are_named_and_dark_ones_are_not():
    rng = np.random.default_rng(0)
    X = _pictures(100, rng)
    X[1], X[2], X[3] = 0, 255, X[3] // 10
    found = _found(X=X, files=[f"{i}.png" for i in range(100)])["DA205"]
    assert found.severity == "warning"
    assert found.what == "2 pictures (2 %) have nothing on them: 1.png, 2.png"


def test_a_darker_side_is_a_shift_of_brightness():
    rng = np.random.default_rng(0)
    X, X_val = _pictures(200, rng), _pictures(100, rng)
    found = _found(X=X, X_val=(0.8 * X_val).astype(np.uint8))["DA701"]
    assert "held-out pictures differ" in found.what
    assert "brightness" in found.what
    assert found.where == ""


# --------------------------------------------------------------------------------------------------------------- names


def _of(n_groups, n_each, name):
    return [name.format(group=group, number=number) for group in range(n_groups) for number in range(n_each)]


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("go/{group:08x}_nohash_{number}.wav", "00000000"),
        ("very_ill/p{group:02}-{number}.png", "p00"),
        ("ill/OAS1_{group:04}_MR1_{number}.jpg", "OAS1_0000"),
        ("ill/patient{group}/slice {number}.png", "patient0"),
        ("p{group} ({number}).jpg", "p0"),
    ],
)
def test_groups_are_found_in_names_by_a_rule_that_the_split_takes(name, first):
    from planefold.data.groups import groups_of

    files = _of(10, 4, name)
    rule = rule_of_names(files, n_classes=2)
    keys = keys_of(files, rule)
    assert keys[0] == first
    np.testing.assert_array_equal(np.unique(keys, return_inverse=True)[1], np.repeat(np.arange(10), 4))
    np.testing.assert_array_equal(
        groups_of(Pictures(pixels=np.zeros((40, 1, 1, 1), np.uint8), files=tuple(files)), rule), keys
    )


@pytest.mark.parametrize(
    "files",
    [
        [f"cat/{number:04}.jpg" for number in range(60)],
        [f"{digit}/test_{number:05}.png" for digit in range(10) for number in range(6)],
        [f"{kind}/{kind}Dem{number}.jpg" for kind in ("mild", "non") for number in range(30)],
        [f"{kind}_{number}.png" for kind in "abcdefgh" for number in range(6)],  # as many as there are classes
        [f"a/{number}_x.png" for number in range(60)],  # each alone
        ["a/p1_1.png", *[f"a/p{group}_{number}.png" for group in range(8) for number in range(3)], "a/other.png"],
        [],
    ],
)
def test_names_that_count_or_say_the_class_show_no_groups(files):
    assert rule_of_names(files, n_classes=8) is None


def _speakers(rng, n_groups=30, n_each=6, likeness=0.6):
    """Pictures of which those of one group are alike, far from copies."""
    own = gaussian_filter(rng.standard_normal((n_groups, 28, 28)), (0, 2, 2))[np.repeat(np.arange(n_groups), n_each)]
    each = gaussian_filter(rng.standard_normal((n_groups * n_each, 28, 28)), (0, 2, 2))
    return likeness * own + (1 - likeness) * each, _of(n_groups, n_each, "w/s{group:03}_{number}.png")


@pytest.mark.parametrize("seed", range(3))
def test_groups_on_both_sides_are_an_error_and_groups_apart_are_silent(seed):
    rng = np.random.default_rng(seed)
    X, files = _speakers(rng)
    torn = rng.permutation(len(X))
    finding = _found(X=X[torn[:140]], X_val=X[torn[140:]], files=[files[i] for i in torn])["DA404"]
    assert finding.severity == "error"
    assert 'groups=r"([^/_]+)_[^/]*$"' in finding.try_
    assert re.search(r"such as w/s(\d+)_\d.png and w/s\1_\d.png", finding.what)
    whole = _found(X=X, files=files)
    assert whole["DA404"].severity == "warning"
    assert "of a random split" in whole["DA404"].what
    assert "DA404" not in _found(X=X[:138], X_val=X[138:], files=files)
    told = diagnose_case(Case(scan=scan(X, files=files, groups=np.repeat(np.arange(30), 6))))
    assert "groups are given" in told.not_applicable["DA404"]


@settings(max_examples=5)
@given(seed=st.integers(0, 2**32 - 1))
def test_prefixes_that_say_nothing_of_what_is_in_the_file_are_silent(seed):
    rng = np.random.default_rng(seed)
    X, files = _speakers(rng, likeness=0.0)
    torn = rng.permutation(len(X))
    assert "DA404" not in _found(X=X[torn[:140]], X_val=X[torn[140:]], files=[files[i] for i in torn])


def test_files_that_do_not_fit_are_refused():
    X = np.zeros((50, 16, 16))
    with pytest.raises(ParameterError, match="files has 3 names for 50 rows"):
        scan(X, files=["a", "b", "c"])
    with pytest.raises(ParameterError, match="kind='photos'"):
        scan(X, kind="photos")


# ----------------------------------------------------------------------------------------------------------- real data


def _folder(folder, size=None):
    files = sorted(folder.glob("*/*.jpg"))
    read = [np.asarray(Image.open(file).convert("L").resize(size) if size else Image.open(file)) for file in files]
    return Pictures(
        pixels=np.stack(read).reshape(len(read), *read[0].shape[:2], -1),
        files=tuple(str(file.relative_to(folder)) for file in files),
        labels=np.array([file.parent.name for file in files]),
        source=str(folder),
    )


def test_slices_of_one_head_are_found_on_a_random_split_and_not_across_the_folders(data_dir):
    sides = [_folder(data_dir / "mri_alzheimer_small" / side, (54, 64)) for side in ("train", "test")]
    torn = np.random.RandomState(1).permutation(len(sides[0]))
    finding = _found(X=sides[0][torn[160:]], X_val=sides[0][torn[:160]])["DA402"]
    assert finding.severity == "error"
    assert "Demented/" in finding.what
    assert not set(_found(X=sides[0], X_val=sides[1])) & set(PICTURE_CHECKS)


def test_photographs_of_different_things_raise_nothing(data_dir):
    sides = [_folder(data_dir / "cifar10_1200" / side) for side in ("train", "test")]
    assert _found(X=sides[0], X_val=sides[1]) == {}
