from __future__ import annotations

import itertools
import json
import time

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, KBinsDiscretizer, OneHotEncoder, RobustScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from planefold.core.errors import DataError, ModelFileError, ParameterError, PlanefoldError
from planefold.data import Table, TableEncoder, read_table

ENCODINGS = ("linear", "piecewise_linear")


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@parametrize_with_checks([TableEncoder(), TableEncoder(encoding="piecewise_linear", dtype="float64")])
def test_the_encoder_keeps_the_contract_of_scikit_learn(estimator, check):
    check(estimator)


def encoder_of(columns, **options):
    return TableEncoder(dtype="float64", **options).fit(columns)


# ------------------------------------------------------------------------------------------ against other libraries


def test_numbers_are_scaled_as_robust_scaler_does():
    X = np.random.RandomState(0).normal(5, 3, size=(200, 3))
    ours = encoder_of(X, clip=1000).transform(X)
    np.testing.assert_allclose(ours, RobustScaler().fit_transform(X) * 1.349, rtol=1e-12, atol=1e-12)


def test_categories_are_those_of_one_hot_encoder():
    town = np.random.RandomState(0).choice(["a", "b", "c", "d"], p=[0.6, 0.3, 0.07, 0.03], size=400)
    encoder = encoder_of({"town": town}, min_frequency=20)
    theirs = OneHotEncoder(min_frequency=20, sparse_output=False).fit(town.reshape(-1, 1))
    names = [f"town = {name.removeprefix('x0_')}" for name in theirs.get_feature_names_out()]
    names = [name.replace("infrequent_sklearn", "other") for name in names]
    places = [list(encoder.get_feature_names_out()).index(name) for name in names]
    np.testing.assert_array_equal(encoder.transform({"town": town})[:, places], theirs.transform(town.reshape(-1, 1)))


def test_bins_have_the_edges_of_kbins_and_hold_equally_many_rows():
    x = np.random.RandomState(0).lognormal(size=(800, 1))
    encoder = encoder_of(x, encoding="piecewise_linear", n_bins=8)
    edges = [found.low for found in encoder.inputs_[1:]] + [encoder.inputs_[-1].high]
    theirs = KBinsDiscretizer(8, strategy="quantile", quantile_method="linear").fit(x).bin_edges_[0]
    np.testing.assert_allclose(edges, theirs)
    inside = [np.sum((z > 0) & (z < 1)) for z in encoder.transform(x)[:, 1:].T]
    assert min(inside) >= 98


@pytest.mark.parametrize("name", ["titanic/train.csv", "ames_house_prices/train.csv"])
def test_real_tables_agree_with_get_dummies_and_medians(shared, name):
    # pandas reads "None" as missing, we do not: one of the kinds of masonry is called so.
    frame = pd.read_csv(shared(name), keep_default_na=False, na_values=["", "NA"])
    table = read_table(shared(name))
    encoder = encoder_of(table, min_frequency=1, max_categories=1000)
    Z = dict(zip(encoder.get_feature_names_out(), encoder.transform(table).T, strict=True))
    for found in encoder.inputs_:
        series = frame[found.column]
        if found.kind == "missing":
            expected = series.isna()
        elif found.kind == "category":
            expected = pd.get_dummies(series)[found.category]
        else:
            filled = series.fillna(series.median())
            low, high = series.quantile([0.25, 0.75])
            if low == high:
                continue
            expected = ((filled - series.median()) / ((high - low) / 1.349)).clip(-3, 3)
        np.testing.assert_allclose(Z[found.name], expected.to_numpy(float), rtol=1e-12, err_msg=found.name)


def test_titanic_has_the_inputs_that_one_expects(shared):
    encoder = TableEncoder().fit(read_table(shared("titanic/train.csv")).drop(["Survived"]))
    assert list(encoder.get_feature_names_out()) == [
        "Pclass", "Sex = male", "Age", "Age is missing", "SibSp", "Parch", "Fare", "Cabin is missing",
        "Embarked = S", "Embarked = C", "Embarked = Q",
    ]  # fmt: skip
    Z, notes = encoder.transform_with_notes(shared("titanic/test.csv"))
    assert Z.dtype == np.float32
    assert Z.flags.c_contiguous
    assert notes == ['Column "Fare": 1 row has no value, which never happened in training; the median 14.4542 is used.']


def test_columns_missing_together_share_an_indicator(shared):
    encoder = TableEncoder().fit(shared("ames_house_prices/train.csv"))
    garage = next(found for found in encoder.inputs_ if "GarageYrBlt" in found.covers)
    assert set(garage.covers) == {"GarageType", "GarageYrBlt", "GarageFinish", "GarageQual", "GarageCond"}
    assert garage.name == f"{garage.column} is missing"


# ------------------------------------------------------------------------------------------------- numbers and bins


def test_half_equal_values_are_scaled_by_a_deviation_that_a_giant_cannot_spoil():
    x = np.r_[np.zeros(800), np.arange(1.0, 201)]
    spoilt = np.r_[x, 1e12]
    plain, other = (encoder_of({"x": values}).inputs_[0].scale for values in (x, spoilt))
    low, high = np.quantile(x, [0.005, 0.995])
    np.testing.assert_allclose(plain, np.clip(x, low, high).std())
    assert other < 1.05 * plain
    assert encoder_of({"x": np.r_[np.zeros(500), 1.0]}).inputs_[0].scale == np.r_[np.zeros(500), 1.0].std()


finite = st.floats(allow_nan=False, allow_infinity=False)


@given(npst.arrays(np.float64, st.integers(2, 30), elements=finite), st.sampled_from(ENCODINGS))
def test_no_finite_number_gives_anything_but_finite_inputs(x, encoding):
    columns = {"x": x, "y": np.arange(len(x)) % 2}
    Z = TableEncoder(encoding=encoding).fit(columns).transform(columns)
    assert np.isfinite(Z).all()
    assert np.abs(Z).max() <= 10


@given(
    # Values on a grid: edges that are 1e-200 apart leave no room for a line that one could test.
    npst.arrays(np.float64, st.integers(3, 40), elements=st.integers(-(10**6), 10**6).map(lambda i: i / 1000)),
    st.integers(2, 9),
    npst.arrays(np.float64, 5, elements=st.floats(0, 1)),
)
def test_the_encoding_is_linear_between_edges(x, n_bins, shares):
    encoder = encoder_of({"x": x, "y": np.arange(len(x)) % 2}, encoding="piecewise_linear", n_bins=n_bins, clip=1e6)
    bins = [found for found in encoder.inputs_ if found.kind == "bin" and found.column == "x"]
    if not bins:
        return
    assert len(bins) <= n_bins
    edges = np.array([found.low for found in bins] + [bins[-1].high])
    assert edges[0] == x.min()
    assert edges[-1] == x.max()
    assert np.all(np.diff(edges) > 0)
    places = [i for i, found in enumerate(encoder.inputs_) if found.kind == "bin" and found.column == "x"]
    for low, high in itertools.pairwise(edges):
        inside = low + shares * (high - low)
        between = encoder.transform({"x": np.r_[low, high, inside], "y": np.zeros(7)})[:, places]
        line = between[0] + ((inside - low) / (high - low))[:, None] * (between[1] - between[0])
        np.testing.assert_allclose(between[2:], line, atol=1e-7)
    # At the i-th edge the first i bins are full and the others empty.
    at_edges = encoder.transform({"x": edges, "y": np.zeros(len(edges))})[:, places]
    np.testing.assert_array_equal(at_edges, np.tri(len(edges), len(bins), -1))


def test_two_values_get_no_bins_and_few_values_are_their_own_edges():
    encoder = encoder_of({"two": [0, 1, 0, 1], "few": [1, 2, 5, 5]}, encoding="piecewise_linear")
    assert [found.name for found in encoder.inputs_] == ["two", "few", "few, 1st of 2 bins", "few, 2nd of 2 bins"]
    assert [(found.low, found.high) for found in encoder.inputs_[2:]] == [(1, 2), (2, 5)]


# ------------------------------------------------------------------------------------------ missing and categories


def test_an_indicator_needs_five_rows_and_half_a_percent():
    def has_indicator(n_missing, n_rows):
        x = np.where(np.arange(n_rows) < n_missing, np.nan, np.arange(n_rows) % 13)
        return any(found.kind == "missing" for found in encoder_of({"x": x, "y": np.arange(n_rows) % 3}).inputs_)

    assert has_indicator(5, 100)
    assert not has_indicator(4, 100)
    assert has_indicator(10, 2000)
    assert not has_indicator(9, 2000)


def test_missing_numbers_become_the_median():
    encoder = encoder_of({"x": [1.0, 2.0, 9.0, None]})
    assert encoder.transform({"x": [None]})[0, 0] == encoder.transform({"x": [2.0]})[0, 0] == 0


def test_a_boolean_needs_one_input():
    encoder = encoder_of({"smoker": ["yes", "no", "no"]})
    assert list(encoder.get_feature_names_out()) == ["smoker = yes"]
    assert encoder.transform({"smoker": ["yes", "no"]}).ravel().tolist() == [1, 0]


def test_rare_and_unknown_categories_share_an_input():
    encoder = encoder_of({"town": ["a"] * 5 + ["b"] * 5 + ["c"]})
    assert list(encoder.get_feature_names_out()) == ["town = a", "town = b", "town = other"]
    Z, notes = encoder.transform_with_notes({"town": ["c", "new", "a"]})
    assert Z.tolist() == [[0, 0, 1], [0, 0, 1], [1, 0, 0]]
    assert "'new' (1)" in notes[0]


def test_an_unknown_category_is_all_zeros_when_none_was_rare():
    encoder = encoder_of({"town": list("aabbcc")})
    assert encoder.transform({"town": ["new", None]}).tolist() == [[0, 0, 0]] * 2


def test_a_category_called_other_and_a_column_called_like_an_input_keep_their_names_apart():
    encoder = encoder_of({"t": ["other", "a"] * 4 + ["b"], "t = a": np.arange(9.0)})
    names = list(encoder.get_feature_names_out())
    assert len(set(names)) == len(names)


def test_max_categories_keeps_the_most_frequent():
    encoder = encoder_of({"t": list("aaabbbbccd" * 3)}, max_categories=2)
    assert list(encoder.get_feature_names_out()) == ["t = b", "t = a", "t = other"]


def test_a_column_of_one_category_says_only_whether_it_is_known():
    encoder = encoder_of({"pool": ["yes"] * 5 + [None] * 5})
    assert list(encoder.get_feature_names_out()) == ["pool is missing"]
    assert encoder.inverse_transform([[0], [1]])["pool"].tolist() == ["yes", None]


# ------------------------------------------------------------------------------------------------------------ dates


def test_parts_of_dates_are_those_of_pandas():
    days = pd.date_range("2019-12-30 01:00", periods=200, freq="37h")
    encoder = encoder_of({"sold": days.to_numpy()}, clip=1000)
    Z = encoder.transform({"sold": days.to_numpy()})
    expected = {
        "days": (days.normalize() - days[0].normalize()).days,
        "month": days.month,
        "weekday": days.day_of_week,
        "hour": days.hour,
    }
    assert [found.part for found in encoder.inputs_] == list(expected)
    for found, z in zip(encoder.inputs_, Z.T, strict=True):
        np.testing.assert_allclose(found.decode(z), expected[found.part], atol=1e-9)
    assert encoder.inputs_[0].name == "sold: days since 2019-12-30"


def test_parts_that_never_change_are_left_out():
    encoder = encoder_of({"sold": np.array(["2020-01-06", "2020-01-13", "2020-01-27"], "datetime64[D]")})
    assert [found.part for found in encoder.inputs_] == ["days"]


# ----------------------------------------------------------------------------------------------- there and back again

mixed_tables = st.integers(2, 12).flatmap(
    lambda n: st.fixed_dictionaries(
        {
            "number": st.lists(st.none() | st.floats(-1e6, 1e6), min_size=n, max_size=n),
            "whole": st.lists(st.integers(-100, 100), min_size=n, max_size=n),
            "text": st.lists(st.none() | st.sampled_from(["a", "b", "c", " d"]), min_size=n, max_size=n),
            "flag": st.lists(st.booleans(), min_size=n, max_size=n),
            "day": st.lists(
                st.none() | st.dates(pd.Timestamp(1900, 1, 1).date(), pd.Timestamp(2100, 1, 1).date()),
                min_size=n, max_size=n,
            ),
        }
    )
)  # fmt: skip


def fitted_or_none(table, **options):
    try:
        return TableEncoder(**options).fit(table)
    except DataError:
        return None


@given(mixed_tables, st.sampled_from(ENCODINGS))
def test_decoding_gives_back_what_was_encoded(columns, encoding):
    encoder = fitted_or_none(columns, encoding=encoding, clip=1e6, min_frequency=1, dtype="float64")
    if encoder is None:
        return
    back = encoder.inverse_transform(encoder.transform(columns))
    table, _ = encoder.schema_.align(read_table(columns))
    covered = {name for found in encoder.inputs_ for name in found.covers}
    for name, values in table.columns.items():
        known = ~pd.isna(values)
        if name in covered:
            assert pd.isna(back[name]).tolist() == (~known).tolist()
        if values.dtype.kind == "f":
            scale = max([one.scale for one in encoder.inputs_ if (one.column, one.kind) == (name, "value")], default=0)
            inside = known & (np.abs(values - encoder.schema_[name].median) <= 1e6 * scale)
            np.testing.assert_allclose(back[name][inside], values[inside], rtol=1e-9, atol=1e-9 * scale)
        else:
            assert back[name][known].tolist() == values[known].tolist()


@given(mixed_tables, st.sampled_from(ENCODINGS), st.sampled_from(["float32", "float64"]))
def test_an_encoder_from_json_transforms_bit_for_bit_alike(columns, encoding, dtype):
    encoder = fitted_or_none(columns, encoding=encoding, dtype=dtype)
    if encoder is None:
        return
    again = TableEncoder.from_json(json.loads(json.dumps(encoder.to_json(), allow_nan=False)))
    first, second = encoder.transform(columns), again.transform(columns)
    assert first.dtype == second.dtype == dtype
    assert first.tobytes() == second.tobytes()
    assert again.inputs_ == encoder.inputs_
    assert again.to_json() == encoder.to_json()


odd_cells = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=6), st.datetimes(), st.dates(),
    st.decimals(allow_nan=True), st.binary(max_size=3),
    st.sampled_from(["NA", "inf", "1,5", "1.234,5", "2020-01-01", "yes", "no", "-", " 7 "]),
)  # fmt: skip


@given(
    st.integers(1, 12).flatmap(
        lambda n: st.dictionaries(st.text(max_size=3), st.lists(odd_cells, min_size=n, max_size=n), max_size=4)
    ),
    st.sampled_from(ENCODINGS),
)
def test_any_table_is_encoded_or_refused_with_a_planefold_error(columns, encoding):
    try:
        encoder = TableEncoder(encoding=encoding).fit(columns)
        Z = encoder.transform(columns)
    except PlanefoldError:
        return
    assert np.isfinite(Z).all()
    encoder.inverse_transform(Z)


@given(st.data())
def test_one_wrong_value_in_an_encoder_file_is_refused_or_harmless(data):
    encoder = TableEncoder(encoding="piecewise_linear").fit(SMALL)
    record = json.loads(json.dumps(encoder.to_json()))
    target = data.draw(st.sampled_from([record, *record["inputs"], *record["schema"]["columns"]]))
    target[data.draw(st.sampled_from(sorted(target)))] = data.draw(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4) | st.just([]) | st.just({})
    )
    try:
        again = TableEncoder.from_json(record)
        again.inverse_transform(again.transform(SMALL))
    except PlanefoldError:
        pass


SMALL = {
    "x": [1.0, 2.0, 3.0, 7.0, 8.0],
    "t": list("aabbc"),
    "d": pd.date_range("2020", periods=5).to_numpy(),
    "b": [True, False, True, False, True],
}


@pytest.mark.parametrize("data", [None, [], {}, {"format": 99}, "x"])
def test_nonsense_is_no_encoder(data):
    with pytest.raises(ModelFileError):
        TableEncoder.from_json(data)


# ----------------------------------------------------------------------------------------------------- the estimator


@pytest.mark.parametrize(
    "options",
    [
        {"encoding": "liner"}, {"n_bins": 1}, {"n_bins": 2.5}, {"max_categories": 0}, {"clip": 0}, {"clip": np.inf},
        {"dtype": "int8"}, {"min_frequency": -1}, {"missing_values": "unknown"}, {"types": {"x": "numbr"}},
    ],
)  # fmt: skip
def test_a_wrong_parameter_is_refused_before_any_work(options):
    with pytest.raises(ParameterError):
        TableEncoder(**options).fit({"x": [1.0, 2.0]})


def test_transform_changes_nothing_and_set_params_after_fit_neither():
    encoder = TableEncoder().fit(SMALL)
    before = encoder.to_json()
    first = encoder.transform(SMALL)
    encoder.set_params(dtype="float64", clip=0.1)
    assert encoder.transform(SMALL).tobytes() == first.tobytes()
    assert encoder.to_json() == before
    assert clone(encoder).get_params()["clip"] == 0.1


def test_the_target_is_never_looked_at():
    first = TableEncoder().fit(SMALL, y=[0, 1, 0, 1, 0])
    second = TableEncoder().fit(SMALL)
    assert first.to_json() == second.to_json()


def test_it_works_in_a_pipeline_and_gives_frames():
    frame = pd.DataFrame(SMALL)
    out = make_pipeline(TableEncoder().set_output(transform="pandas"), FunctionTransformer()).fit_transform(frame)
    assert list(out.columns) == list(TableEncoder().fit(frame).get_feature_names_out())


def test_a_dropped_column_whose_absence_tells_something_may_be_absent():
    columns = {"x": np.arange(60.0) % 7, "cabin": [f"C{i}" if i % 2 else None for i in range(60)]}
    encoder = TableEncoder().fit(columns)
    assert encoder.schema_["cabin"].kind == "drop"
    assert encoder.transform({"x": [1.0], "cabin": ["D4"]})[0, 1] == 0
    Z, notes = encoder.transform_with_notes({"x": [1.0]})
    assert Z[0, 1] == 1
    assert "cabin" in notes[0]


def test_arrays_must_have_as_many_columns_as_in_training():
    encoder = TableEncoder().fit(np.random.RandomState(0).normal(size=(10, 3)))
    with pytest.raises(DataError, match="X has 2 features, but TableEncoder is expecting 3 features as input"):
        encoder.transform(np.zeros((4, 2)))


def test_a_hundred_thousand_rows_take_seconds():
    random = np.random.RandomState(0)
    n = 100_000
    words = np.array([f"word {i}" for i in range(40)], dtype=object)
    columns = {f"n{i}": random.normal(size=n) for i in range(15)}
    columns |= {f"i{i}": random.randint(0, 50, n) for i in range(7)}
    columns |= {f"t{i}": words[random.randint(0, 40, n)] for i in range(8)}
    table = Table(columns)
    start = time.process_time()
    TableEncoder().fit(table).transform(table)
    assert time.process_time() - start < 8  # about 1 second on an idle machine; this one may be busy
