"""What the scan measures, against brute force, closed forms, other libraries and planted truth."""

from __future__ import annotations

import time

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ks_2samp
from sklearn.linear_model import Ridge
from sklearn.neighbors import NearestNeighbors

from planefold.core.errors import DataError, ParameterError
from planefold.doctor.case import Case
from planefold.doctor.data import check_rows_on_both_sides
from planefold.doctor.scan import scan
from planefold.doctor.scan.columns import find_outliers
from planefold.doctor.scan.forest import unseen_chances
from planefold.doctor.scan.kernel import _left_out
from planefold.doctor.scan.neighbours import chance_of_nearness, nearest
from planefold.doctor.scan.order import _changes
from planefold.doctor.scan.repeats import copied_share, row_hashes, twins
from planefold.doctor.scan.sheet import read_sheet
from planefold.doctor.scan.shift import _numbers_differ


def _problem(n=400, d=6, seed=0):
    rng = np.random.RandomState(seed)
    X = rng.randn(n, d)
    return X, np.where(X[:, 0] + X[:, 1] ** 2 + 0.3 * rng.randn(n) > 0.8, "b", "a")


def _split(X, y, n_val=100):
    return {"X": X[n_val:], "y": y[n_val:], "X_val": X[:n_val], "y_val": y[:n_val]}


# ------------------------------------------------------------------------------------------------------- neighbours


def test_the_nearest_rows_are_those_that_scikit_learn_finds():
    rng = np.random.RandomState(0)
    queries, reference = rng.randn(50, 7) + 100, rng.randn(300, 7) + 100
    distances, rows = nearest(queries, reference, 5)
    expected, places = NearestNeighbors(n_neighbors=5, algorithm="brute").fit(reference).kneighbors(queries)
    np.testing.assert_allclose(distances, expected, rtol=1e-9)
    np.testing.assert_array_equal(rows, places)


def test_a_row_is_no_neighbour_of_itself():
    points = np.random.RandomState(0).randn(60, 3)
    _, rows = nearest(points, points, 4, np.arange(60))
    assert not (rows == np.arange(60)[:, None]).any()


@pytest.mark.parametrize("d", [2, 5])
def test_chances_of_nearness_are_spread_evenly_where_rows_are(d):
    rng = np.random.RandomState(0)
    points = rng.rand(6000, d)
    inner = points[(np.abs(points - 0.5) < 0.25).all(axis=1)][:400]  # away from the border
    chances = chance_of_nearness(np.sort(nearest(inner, points, 21)[0][:, 1:], axis=1))
    # The smaller of two estimated dimensions counts, so small chances are rather too rare than too frequent.
    assert np.mean(chances < 0.01) <= 0.02
    assert 0.35 < np.median(chances) < 0.65


def test_a_copy_is_nearer_than_chance_puts_it():
    rng = np.random.RandomState(0)
    points = rng.randn(500, 5)
    points[0] = points[1] + 0.01
    chances = chance_of_nearness(nearest(points[:50], points, 20, np.arange(50))[0])
    assert chances[0] < 1e-6
    assert np.sort(chances)[2] > 1e-3


# -------------------------------------------------------------------------------------------------------------- rows


def _cells(frame):
    return read_sheet(frame).identity


def test_equal_rows_are_those_that_pandas_calls_duplicated():
    rng = np.random.RandomState(0)
    frame = pd.DataFrame(rng.randint(0, 3, (200, 4)), columns=list("abcd")).astype({"a": float})
    frame["town"] = rng.choice(["Trier", "Bonn", None], 200)
    frame.loc[::7, "a"] = np.nan
    first = twins(row_hashes(_cells(frame)))
    np.testing.assert_array_equal(first != np.arange(200), frame.duplicated().to_numpy())


def test_minus_zero_equals_zero_and_a_gap_equals_a_gap():
    frame = pd.DataFrame({"a": [0.0, -0.0, np.nan, np.nan, 1.0], "b": [1.0, 1.0, 2.0, 2.0, 3.0]})
    assert twins(row_hashes(_cells(frame))).tolist() == [0, 0, 2, 2, 4]


@pytest.mark.parametrize(("n_columns", "n_values"), [(4, 3), (8, 2), (3, 20)])
def test_columns_that_know_nothing_of_each_other_explain_their_equal_rows(n_columns, n_values):
    rng = np.random.RandomState(0)
    X = rng.randint(0, n_values, (800, n_columns)).astype(float)
    assert copied_share(_cells(X)) < 0.15
    copied = np.concatenate([rng.randn(800, n_columns), rng.randn(800, n_columns)])
    copied[800:840] = copied[:40]
    assert copied_share(_cells(copied)) > 0.99


def test_numbers_of_a_split_count_pairs_across_it_only():
    X = np.random.RandomState(0).randn(100, 3)
    X[1] = X[0]  # on one side
    cells = _cells(X)
    assert copied_share(cells) == 1.0
    assert copied_share(cells, 50) == 0.0


def test_contradictions_are_counted_with_the_best_that_any_model_can_reach():
    X = np.repeat(np.random.RandomState(0).randn(40, 3), 3, axis=0)
    y = np.tile(["a", "a", "b"], 40)
    found = scan(X, y).contradictions
    assert (found.n_rows, found.n_wrong, found.share) == (120, 40, 1.0)
    assert found.examples[0] == (0, 2)


# ---------------------------------------------------------------------------------------------------------- overlap


@pytest.mark.parametrize("blur", [0.0, 0.01])
def test_copies_across_the_split_are_found_with_their_rows(blur):
    X, y = _problem()
    parts = _split(X, y)
    rng = np.random.RandomState(1)
    parts["X_val"] = parts["X_val"].copy()
    parts["X_val"][:20] = parts["X"][100:120] + blur * rng.randn(20, 6)
    parts["y_val"][:20] = parts["y"][100:120]
    found = scan(**parts).overlap
    assert found.is_leak
    assert found.n_equal == (20 if blur == 0 else 0)
    assert all(other == row + 100 for row, other in found.examples)


def test_coarse_tables_whose_rows_coincide_by_chance_have_no_overlap():
    rng = np.random.RandomState(0)
    X = rng.randint(0, 3, (600, 4)).astype(float)
    found = scan(**_split(X, (X.sum(axis=1) > 4).astype(int), 150)).overlap
    assert found.n_equal > 140
    assert not found.is_leak


@pytest.mark.parametrize("seed", range(3))
def test_mixtures_long_tails_and_surfaces_have_no_overlap(seed):
    rng = np.random.RandomState(seed)
    part = rng.randint(4, size=700)
    tables = [
        4 * rng.randn(4, 8)[part] + np.exp(rng.randn(4))[part, None] * rng.randn(700, 8),
        np.exp(1.5 * rng.randn(700, 8)),
        np.tanh(rng.randn(700, 2) @ rng.randn(2, 12)) + 0.03 * rng.randn(700, 12),
    ]
    for X in tables:
        assert scan(**_split(X, X[:, 0] + X[:, 1], 200)).overlap.strength < 0.5


def test_without_a_split_a_random_one_is_tried_and_groups_mend_it():
    rng = np.random.RandomState(0)
    thing = np.repeat(np.arange(120), 4)
    X = rng.randn(120, 6)[thing] + 0.05 * rng.randn(480, 6)
    y = rng.randn(120)[thing]
    assert scan(X, y).overlap.is_leak
    assert not scan(X, y, groups=thing).overlap.is_leak


def _sharing_a_target(n_things=300, seed=0):
    """Rows of one thing, as far apart as those of any two things nearly are, with one target."""
    rng = np.random.RandomState(seed)
    thing = np.repeat(np.arange(n_things), 5)
    centre = rng.randn(n_things, 3)
    return centre[thing] + 0.12 * rng.randn(5 * n_things, 3), np.sum(centre, axis=1)[thing], thing


def test_rows_of_one_thing_are_known_by_their_target():
    X, y, thing = _sharing_a_target()
    held_out = np.random.RandomState(1).rand(len(y)) < 0.25
    found = scan(X[~held_out], y[~held_out], X_val=X[held_out], y_val=y[held_out]).overlap
    assert found.near.strength < 1 < found.near.strength_of_targets
    assert found.is_leak
    # Brute force: how often the nearest row, judged by the inputs as they are, has the same target.
    neighbours = NearestNeighbors(n_neighbors=1).fit(X[~held_out])
    same = y[~held_out][neighbours.kneighbors(X[held_out], return_distance=False)[:, 0]] == y[held_out]
    assert found.near.n_same_target == pytest.approx(same.sum() * found.near.n_looked_at / held_out.sum(), rel=0.1)
    apart = thing >= 225
    assert scan(X[~apart], y[~apart], X_val=X[apart], y_val=y[apart]).overlap.strength < 0.5


@pytest.mark.parametrize("step", [0.02, 0.1, 1.0])
def test_a_rounded_target_is_shared_by_chance(step):
    rng = np.random.RandomState(0)
    X = rng.rand(1500, 2)
    y = np.round((3 * X[:, 0] + np.sin(4 * X[:, 1])) / step) * step
    assert not scan(**_split(X, y, 300)).overlap.is_leak
    assert not scan(**_split(np.round(X, 2), np.maximum(y - 1.5, 0), 300)).overlap.is_leak


def test_copies_of_a_table_are_told_from_copies_that_were_put_on_both_sides():
    X, y = _problem(600)
    again = np.random.RandomState(1).permutation(600)[:200]
    order = np.random.RandomState(2).permutation(800)
    X_twice, y_twice = np.concatenate([X, X[again]])[order], np.concatenate([y, y[again]])[order]
    dealt = scan(**_split(X_twice, y_twice, 200)).overlap
    assert dealt.is_leak
    assert not dealt.is_beyond_copies
    parts = _split(X, y, 150)
    parts["X_val"][:30], parts["y_val"][:30] = parts["X"][:30], parts["y"][:30]
    assert scan(**parts).overlap.is_beyond_copies


def test_a_group_on_both_sides_is_an_overlap():
    X, y = _problem()
    groups = np.arange(400)
    assert scan(**_split(X, y), groups=groups).overlap.n_shared_groups == 0
    groups[350] = 7
    found = scan(**_split(X, y), groups=groups).overlap
    assert found.n_shared_groups == 1
    assert found.is_leak


def _pictures(folder):
    image = pytest.importorskip("PIL.Image")
    files = sorted(file for file in folder.rglob("*") if file.suffix.lower() in (".jpg", ".jpeg", ".png"))
    X = np.array([np.asarray(image.open(file).convert("L").resize((22, 26)), dtype=np.float32) for file in files])
    return X, np.array([file.parent.name for file in files])


def test_slices_of_one_head_fall_on_both_sides_of_a_random_split_but_not_of_the_folders(data_dir):
    folder = data_dir / "mri_alzheimer_small"
    if not folder.is_dir():
        pytest.skip(f"{folder} is not here")
    (X, y), (X_test, y_test) = _pictures(folder / "train"), _pictures(folder / "test")
    order = np.random.RandomState(0).permutation(len(X))
    dealt = scan(**_split(X[order], y[order], 160))
    assert dealt.is_pictures
    assert dealt.overlap.is_leak
    assert dealt.overlap.n_near > 20
    assert check_rows_on_both_sides(Case(scan=dealt)).severity == "error"
    assert scan(X, y, X_val=X_test, y_val=y_test).overlap.strength < 0.5


# ------------------------------------------------------------------------------------------------- columns and leaks


def test_columns_are_found_constant_same_and_ids():
    rng = np.random.RandomState(0)
    kilograms = rng.randn(200)
    town = rng.choice(["Bonn", "Trier", "Köln"], 200)
    frame = pd.DataFrame({
        "kg": kilograms, "pounds": 2.2046 * kilograms - 1, "alike": kilograms + 0.05 * rng.randn(200),
        "town": town, "code": pd.Series(town).map({"Bonn": "BN", "Trier": "TR", "Köln": "K"}),
        "unit": "EUR", "empty": None, "customer": rng.permutation(200) + 5000, "year": rng.randint(1900, 2020, 200),
        "name": [f"person {i}" for i in range(200)],
    })  # fmt: skip
    found = scan(frame, kilograms > 0).columns
    assert found.constant == ("unit", "empty")
    assert found.same == (("kg", "pounds"), ("town", "code"))
    assert set(found.ids) == {"customer", "name"}
    assert found.ids_left_out == ("name",)


@pytest.mark.parametrize("kind", ["numbers", "classes", "categories", "gaps"])
def test_a_column_that_gives_the_target_away_is_named(kind):
    X, y = _problem(seed=3)
    frame = pd.DataFrame(X, columns=list("abcdef"))
    target = y
    if kind == "numbers":
        target = np.exp(X[:, 0] + X[:, 1] + np.random.RandomState(0).randn(400))
        frame["leak"] = np.log(target)
    elif kind == "classes":
        frame["leak"] = (y == "a") * 2.0 + 0.1 * np.random.RandomState(0).randn(400)
    elif kind == "categories":
        frame["leak"] = np.where(y == "a", "open", "closed")
    else:
        frame["leak"] = np.where(y == "a", np.nan, X[:, 5])
    found = scan(frame, target).leak
    assert found.n_leaks == 1 if kind != "gaps" else found.n_leaks >= 1
    assert found.names[0].startswith("leak")
    assert found.skills[0] > 0.98 > found.next_best


def test_strong_columns_are_no_leak():
    X, y = _problem()
    assert scan(X, y).leak.n_leaks == 0
    assert scan(X, X[:, 0] + 0.2 * np.random.RandomState(0).randn(400)).leak.n_leaks == 0  # R^2 of 0.96


def test_outliers_are_told_from_long_tails():
    rng = np.random.RandomState(0)
    ages = rng.uniform(18, 80, 300)
    ages[[5, 17]] = 999
    found = find_outliers("age", ages)
    assert (found.rows, found.n_rows, found.n_equal) == ((5, 17), 2, 2)
    assert found.limit < 2
    for tail in (np.exp(1.5 * rng.randn(3000)), rng.standard_t(3, 3000), rng.standard_cauchy(3000)):
        assert find_outliers("tail", tail) is None


# -------------------------------------------------------------------------------------------------- models that judge


def test_leaving_a_row_out_in_closed_form_is_leaving_it_out():
    rng = np.random.RandomState(0)
    F = rng.randn(30, 4)
    wanted = np.eye(3)[rng.randint(0, 3, 30)]
    found = _left_out(F, wanted)[1]  # the penalty 1e-3 of n, on the constant as well
    design = np.column_stack([np.ones(30), F])
    for row in (0, 11):
        rest = np.arange(30) != row
        model = Ridge(alpha=1e-3 * 30, fit_intercept=False).fit(design[rest], wanted[rest])
        np.testing.assert_allclose(found[row], model.predict(design[row : row + 1])[0], rtol=1e-6)


def test_trees_never_judge_a_row_that_they_have_seen():
    rng = np.random.RandomState(0)
    X, labels = rng.randn(300, 5), rng.randint(0, 2, 300)  # nothing to learn: who has seen a row is right about it
    chances = unseen_chances(X, labels, rng, n_trees=30, min_samples_leaf=1)
    np.testing.assert_allclose(chances.sum(axis=1), 1)
    assert np.mean(chances.argmax(axis=1) == labels) < 0.6


def test_wrong_labels_are_found_and_ranked_first():
    X, y = _problem(n=800)
    y = np.where(X[:, 0] + X[:, 1] ** 2 > 0.8, "b", "a")
    flipped = np.random.RandomState(1).permutation(800)[:120]
    wrong = y.copy()
    wrong[flipped] = np.where(y[flipped] == "a", "b", "a")
    found = scan(X, wrong).noise
    assert 0.08 < found.wrong < 0.2
    assert found.ratio > 4
    assert np.mean(np.isin(found.rows, flipped)) >= 0.8
    assert scan(X, y).noise.ratio < 2


# ----------------------------------------------------------------------------------------------------- shift and order


def test_shifted_rows_are_told_apart_and_the_column_is_named():
    X, y = _problem(n=800)
    parts = _split(X, y, 200)
    assert scan(**parts).shift.z < 3
    parts["X_val"] = parts["X_val"] + np.array([0, 0, 0.8, 0, 0, 0])
    found = scan(**parts).shift
    assert found.auc > 0.6
    assert found.columns[0] == "x2"
    sides = parts["X"][:, 2], parts["X_val"][:, 2]
    assert _numbers_differ(*sides)[0] == pytest.approx(ks_2samp(*sides).statistic)


def test_repeated_rows_of_one_side_are_no_shift():
    X, y = _problem(n=800)
    parts = _split(X, y, 200)
    again = np.random.RandomState(0).randint(0, 600, 600)
    parts["X"], parts["y"] = (
        np.concatenate([parts["X"], parts["X"][again]]),
        np.concatenate([parts["y"], parts["y"][again]]),
    )
    found = scan(**parts).shift
    assert found.z < 3.5
    assert found.n_train <= 600


def test_changes_from_row_to_row_are_as_many_as_in_a_random_order():
    rng = np.random.RandomState(0)
    codes = rng.choice(3, 300, p=[0.5, 0.3, 0.2]).astype(float)
    drawn = [_changes(rng.permutation(codes)) for _ in range(400)]
    likeness, z = np.array(drawn).T
    assert abs(likeness.mean()) < 0.01
    assert np.std(z) == pytest.approx(1, abs=0.1)
    assert _changes(np.sort(codes))[0] > 0.97


def test_a_date_column_tells_a_random_split_of_a_series():
    rng = np.random.RandomState(0)
    y = np.cumsum(rng.randn(400)) * 0.3 + rng.randn(400)
    frame = pd.DataFrame({"day": pd.date_range("2020-01-01", periods=400), "a": rng.randn(400), "b": rng.randn(400)})
    order = rng.permutation(400)
    dealt = scan(frame.iloc[order[100:]], y[order[100:]], X_val=frame.iloc[order[:100]], y_val=y[order[:100]]).order
    assert dealt.time == "day"
    assert dealt.is_mixed
    assert dealt.alike > 0.5
    kept = scan(frame[:300], y[:300], X_val=frame[300:], y_val=y[300:]).order
    assert kept.is_mixed is False


# ------------------------------------------------------------------------------------------------- bad input and time


def test_little_or_broken_input_is_measured_as_far_as_it_goes():
    X, y = _problem(n=60)
    assert scan(X[:2], y[:2]).leak is None
    assert scan(X).task == "none"
    assert scan(X[:30], y[:30], X_val=X[30:31], y_val=y[30:31]).shift is None
    assert scan(X, np.full(60, "a")).noise is None
    assert scan(X, np.column_stack([X[:, 0], X[:, 1]])).leak is None  # two targets
    assert scan(pd.DataFrame({"a": [None] * 30, "b": range(30)}), X[:30, 0]).columns.constant == ("a",)
    gaps = X.copy()
    gaps[:, 2] = np.nan
    gaps[::2, 3] = np.nan
    found = scan(**_split(gaps, y, 20))
    assert found.columns.constant == ("x2",)
    assert found.columns.missing["x3"] == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("wrong", "error", "says"),
    [
        ({"X": np.ones((1, 6)), "y": ["a"]}, DataError, "no column"),
        ({"y": [1, 2]}, DataError, "y has 2 values for 60 rows"),
        ({"X_val": np.zeros((0, 6))}, DataError, "0 sample"),
        ({"X_val": np.zeros((5, 3))}, DataError, "6 features"),
        ({"X": np.zeros((0, 6))}, DataError, "0 sample"),
        ({"task": "ranking"}, ParameterError, "task='ranking'"),
        ({"time": "when"}, DataError, "when"),
        ({"time": [1, 2, 3]}, ParameterError, "time has 3 values"),
        ({"groups": [1, 2, 3]}, ParameterError, "groups has 3 values"),
        ({"names": ["a"]}, ParameterError, "names has 1 entries"),
        ({"X": "nowhere.csv"}, FileNotFoundError, "nowhere.csv"),
        ({"X": np.full((60, 4, 4), np.nan)}, DataError, "pictures hold values that are missing"),
    ],
)
def test_input_that_cannot_be_scanned_is_refused_in_words(wrong, error, says):
    X, y = _problem(n=60)
    with pytest.raises(error, match=says):
        scan(**{"X": X, "y": y} | wrong)


def test_a_file_is_scanned_like_the_frame_that_it_holds(tmp_path):
    X, y = _problem(n=80)
    frame = pd.DataFrame(X, columns=list("abcdef"))
    frame.to_csv(tmp_path / "rows.csv", index=False)
    assert scan(str(tmp_path / "rows.csv"), y).leak.skills == scan(frame, y).leak.skills


@settings(max_examples=5)
@given(seed=st.integers(0, 1000), factor=st.floats(0.01, 1000), offset=st.floats(-100, 100))
def test_scale_and_names_of_labels_change_no_judgement(seed, factor, offset):
    X, y = _problem(n=150, seed=seed)
    X[3:9] = X[20:26]
    y[3:9] = y[20:26]
    some = scan(**_split(X, y, 40))
    others = scan(**_split(factor * X + offset, np.where(y == "a", "yes", "zz"), 40))
    assert some.overlap.is_leak == others.overlap.is_leak
    assert some.overlap.n_equal == others.overlap.n_equal
    assert some.leak.n_leaks == others.leak.n_leaks
    assert some.repeats.n_surplus == others.repeats.n_surplus
    np.testing.assert_allclose(sorted(some.class_counts.values()), sorted(others.class_counts.values()))


def test_a_scan_costs_less_than_a_second_of_one_core():
    X, y = _problem(n=2400, d=20)
    started = time.process_time()
    scan(**_split(X, y, 400))
    assert time.process_time() - started < 5  # a busy machine; benchmarks/doctor_data.py measures
