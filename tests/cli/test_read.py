"""`planefold read`: what it says is what the model does, of any file that holds no code, and bad input is told."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import planefold as pf
from planefold.cli.reading_model import READABLE, RUNS_CODE

NNET = """// a hat: relu(x) - 2 relu(x - 1), on [-3, 3]
2,1,1,2,
1,2,1,
0,
-3.0,
3.0,
0.0,0.0,
1.0,1.0,
1.0,
1.0,
0.0,
-1.0,
1.0,-2.0,
0.0,
"""


def nnet(path: Path, n_inputs: int, layers: list[tuple[np.ndarray, np.ndarray]], box: float = 1.0) -> Path:
    """Write a network as a .nnet file."""
    sizes = [n_inputs, *(len(bias) for _, bias in layers)]
    lines = [
        f"{len(layers)},{n_inputs},{sizes[-1]},{max(sizes)},", ",".join(map(str, sizes)) + ",", "0,",
        *[",".join([str(side)] * n_inputs) + "," for side in (-box, box)],
        ",".join(["0.0"] * (n_inputs + 1)) + ",", ",".join(["1.0"] * (n_inputs + 1)) + ",",
    ]  # fmt: skip
    for weights, bias in layers:
        lines += [",".join(map(repr, row.tolist())) + "," for row in weights]
        lines += [f"{value!r}," for value in bias.tolist()]
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def hat(tmp_path: Path) -> Path:
    path = tmp_path / "hat.nnet"
    path.write_text(NNET)
    return path


@pytest.fixture
def square(tmp_path: Path) -> Path:
    """Four creases through the middle of [-1, 1]^2: the axes and the diagonals."""
    weights = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [1.0, -1.0]])
    return nnet(tmp_path / "square.nnet", 2, [(weights, np.zeros(4)), (np.array([[1.0, 2.0, 4.0, 8.0]]), np.zeros(1))])


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A small classifier of three classes on two numbers and a category, with its table."""
    random = np.random.RandomState(0)
    rows = []
    for _ in range(120):
        a, b, c = random.normal(), random.normal(), "uv"[random.randint(2)]
        kind = "low" if a + b < -0.5 else "high" if a - b > 0.5 + (c == "u") else "mid"
        rows.append((a, b, c, kind))
    folder = tmp_path_factory.mktemp("small")
    data = folder / "small.csv"
    data.write_text("a,b,c,kind\n" + "".join(f"{a:.4f},{b:.4f},{c},{k}\n" for a, b, c, k in rows))
    model = pf.MLPClassifier((8,), n_members=1, max_iter=40, random_state=0).fit(data, "kind")
    return model.save(folder / "small.fold"), data


# ------------------------------------------------------------------------------------------------------------- alone


def test_a_network_of_one_input_is_read_on_the_whole_line(cli: Any, hat: Path) -> None:
    ended = cli("read", hat)
    assert ended.code == 0, ended.err
    lines = ended.out.splitlines()
    assert "3 activation regions, 3 linear pieces" in ended.out
    assert lines[-3:] == [
        "  -infinite to 0: 0 + 0 * x0",
        "  0 to 1: 0 + 1 * x0",
        "  1 to infinite: 2 - 1 * x0",
    ]


def test_the_json_of_the_line_is_exact(cli: Any, hat: Path) -> None:
    found = cli("read", hat, "--json").json
    assert found["function"]["slopes"] == [[0.0], [1.0], [-1.0]]
    assert found["function"]["intercepts"] == [[0.0], [0.0], [2.0]]
    assert found["function"]["ends"] == [None, 0.0, 1.0, None]  # JSON has no infinity
    assert found["network"]["at_most_regions"] == 3
    assert found["network"]["layers"] == [{"layer": "hidden 1", "units": 2}]
    assert found["network"]["box"] == {"lower": [-3.0], "upper": [3.0], "from": "the file"}


def test_a_network_of_two_inputs_is_read_in_its_window(cli: Any, square: Path) -> None:
    found = cli("read", square, "--json").json["window"]
    assert (found["n_regions"], found["n_pieces"], found["exact"]) == (8, 8, True)
    assert found["values"][0]["high"] == max(1 + 8, 1 + 4 + 8, 1 + 2 + 8, 13 + 2 - 2, 1 + 2 + 8 + 0, 1 + 2 + 2 * 4, 17)
    areas = found["planes"]["areas"]
    np.testing.assert_allclose(sorted(areas), [0.5] * 8, rtol=1e-12)
    other = cli("read", square, "--window", "0.1,0.2,0.5,0.6", "--json").json["window"]
    assert other["n_regions"] == 1


def test_low_and_high_are_a_box_as_well(cli: Any, square: Path) -> None:
    found = cli("read", square, "--low", "0.5,0.1", "--high", "1,0.2", "--json").json
    assert found["window"]["window"] == [[0.5, 1.0], [0.1, 0.2]]
    assert found["window"]["n_regions"] == 1


def test_more_inputs_are_read_along_lines_and_counted_where_they_are_few(cli: Any, tmp_path: Path) -> None:
    path = nnet(tmp_path / "cube.nnet", 3, [(np.eye(3), np.array([0.1, 0.2, 0.3])), (np.ones((1, 3)), np.zeros(1))])
    ended = cli("read", path)
    assert "100 random lines cross" in ended.out
    assert "it has 8 activation regions" in ended.out
    found = cli("read", path, "--json").json["box"]
    assert (found["regions"]["n_regions"], found["regions"]["complete"]) == (8, True)
    assert found["creases_crossed"]["most"] <= 3


def test_without_a_box_nothing_is_counted_and_the_flags_are_named(cli: Any, tmp_path: Path) -> None:
    path = nnet(tmp_path / "open.nnet", 3, [(np.eye(3), np.zeros(3)), (np.ones((1, 3)), np.zeros(1))], box=np.inf)
    path.write_text(path.read_text().replace("inf", "3.4028234663852886e38"))
    ended = cli("read", path)
    assert ended.code == 0, ended.err
    assert "--low and --high give one" in ended.out
    assert "it has 8 activation regions" in cli("read", path, "--low=-1", "--high", "1").out


def test_our_models_are_read_in_the_ranges_of_training(cli: Any, regressor: Any) -> None:
    found = cli("read", regressor.model, "--json").json
    assert found["box"]["box"]["from"] == "the ranges of training"
    names, box = found["network"]["inputs"], found["network"]["box"]
    inputs = dict(zip(names, zip(box["lower"], box["upper"], strict=True), strict=True))
    assert 40 <= inputs["area"][0] < inputs["area"][1] <= 200
    assert inputs["town = Köln"] == (0.0, 1.0)
    assert all(low < high for low, high in inputs.values())


# -------------------------------------------------------------------------------------------------------------- rows


def test_formulas_are_what_the_model_predicts(cli: Any, regressor: Any) -> None:
    found = cli("read", regressor.model, regressor.data, "--top", "100", "--json").json["rows"]
    model = pf.load(regressor.model)
    reading = model.read(regressor.data, "price")
    predicted = model.predict(regressor.data.with_name("houses.csv"))
    assert found["n_rows"] == 60
    assert sum(plane["n_rows"] for plane in found["planes"]) == 60
    for plane, region in zip(found["planes"], range(100), strict=False):
        rows = np.flatnonzero(reading.regions == region)
        values = reading.rows[rows] @ np.array(plane["coef"])[0] + plane["intercept"][0]
        np.testing.assert_allclose(values, predicted[rows], rtol=1e-5)


def test_rows_are_told_in_words(cli: Any, trained: Any) -> None:
    ended = cli("read", trained.model, trained.new, "--top", "1")
    assert ended.code == 0, ended.err
    assert ended.err == ""
    assert "new.csv: 10 rows lie on" in ended.out
    assert re.search(r"^plane 1: \d+ rows? \(", ended.out, re.MULTILINE)
    assert "area" in ended.out


def test_planes_are_put_together_on_demand(cli: Any, small: tuple[Path, Path]) -> None:
    found = cli("read", *small, "--merge", "2", "--json").json["rows"]["merged"]
    assert found["n_planes"] == 2
    assert 0 < found["r2"] <= 1
    assert "2 planes stand for" in cli("read", *small, "--merge", "2").out


def test_contributions_add_up_to_the_prediction(cli: Any, trained: Any) -> None:
    found = cli("read", trained.model, trained.new, "--row", "3", "--time-limit", "2", "--json").json["row"]
    total = found["base"] + sum(part["contribution"] for part in found["contributions"])
    assert total == pytest.approx(found["value"], abs=1e-9 * max(1, abs(found["value"])))
    model = pf.load(trained.model)
    if hasattr(model, "predict_proba"):
        chance = model.predict_proba(trained.new)[2]
        assert min(abs(chance - found["prediction"])) < 1e-5
    else:
        assert found["prediction"] == pytest.approx(model.predict(trained.new)[2], rel=1e-5)


def test_a_row_is_told_in_words(cli: Any, small: tuple[Path, Path]) -> None:
    ended = cli("read", *small, "--row", "1", "--of", "mid")
    assert ended.code == 0, ended.err
    assert "row 1 of small.csv, on a plane with" in ended.out
    assert "logit of mid = " in ended.out
    assert "together" in ended.out


def test_a_slice_has_the_shares_of_a_dense_grid(cli: Any, small: tuple[Path, Path]) -> None:
    window = (-2.0, 2.0, -1.5, 1.5)
    ended = cli("read", *small, "--x", "a", "--y", "b", "--window", ",".join(map(str, window)), "--json")
    assert ended.code == 0, ended.err
    found = ended.json["slice"]
    a, b = np.meshgrid(np.linspace(*window[:2], 301), np.linspace(*window[2:], 301))
    table = {"a": a.ravel(), "b": b.ravel(), "c": [found["held"]["c"]] * a.size}
    predicted = pf.load(small[0]).predict(table)
    for one in found["classes"]:
        assert one["area_share"] == pytest.approx((predicted == one["class"]).mean(), abs=0.01)
    assert sum(one["area_share"] for one in found["classes"]) == pytest.approx(1, abs=1e-12)
    assert found["border"]["length"] > 0
    assert found["n_regions"] >= found["n_pieces"] >= 1


def test_a_slice_in_tiles_is_the_slice_in_one(
    cli: Any, small: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from planefold.cli import reading_windows
    from planefold.reading.slices import tiles

    whole = cli("read", *small, "--x", "a", "--y", "b", "--json").json["slice"]
    monkeypatch.setattr(reading_windows, "AT_ONCE", 1)
    monkeypatch.setattr(tiles, "TILE", 1)
    monkeypatch.setattr(tiles, "estimate_regions", lambda *_: 20_000)  # so that it takes a dozen
    tiled = cli("read", *small, "--x", "a", "--y", "b", "--json").json["slice"]
    assert tiled["n_pieces"] is None
    assert tiled["n_regions"] == whole["n_regions"]
    shares, expected = ([one["area_share"] for one in found["classes"]] for found in (tiled, whole))
    assert shares == pytest.approx(expected)
    assert tiled["border"]["length"] == pytest.approx(whole["border"]["length"])


@pytest.mark.parametrize("kind", ["small", "regressor"])
def test_of_very_many_regions_only_what_is_asked_is_cut(
    cli: Any, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    from planefold.cli import reading_windows
    from planefold.plots import geometry_2d
    from planefold.reading.slices import columns

    model = request.getfixturevalue(kind)
    files = model if isinstance(model, tuple) else (model.model, model.data)
    flags = ["--x", "a", "--y", "b"] if kind == "small" else ["--x", "area", "--y", "garden"]
    whole = cli("read", *files, *flags, "--json").json["slice"]
    for module in (reading_windows, columns, geometry_2d):
        monkeypatch.setattr(module, "FEW_REGIONS", 0)
    picture = tmp_path / "map.png"
    found = cli("read", *files, *flags, "-o", picture, "--json").json["slice"]
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert (found["n_regions"], found["exact"]) == (None, False)
    about = found["about_n_regions"]
    assert about["estimate"] <= whole["n_regions"] + 4 * about["standard_error"]
    for one, other in zip(found["values"], whole["values"], strict=True):
        assert (one["low"], one["high"]) == pytest.approx((other["low"], other["high"]))
    if kind == "small":
        shares, expected = ([one["area_share"] for one in own["classes"]] for own in (found, whole))
        assert shares == pytest.approx(expected, abs=1e-9)
        assert found["border"]["length"] == pytest.approx(whole["border"]["length"])
        assert found["n_decision_regions"] == whole["n_decision_regions"]
    assert "activation regions, give or take" in cli("read", *files, *flags).out
    counted = cli("read", *files, *flags, "--max-regions", "100000", "--json").json["slice"]
    assert counted["n_regions"] == whole["n_regions"]


@pytest.mark.parametrize(
    ("ending", "flags"),
    [
        ("png", []),
        ("png", ["--x", "area", "--y", "garden", "--window", "80,120,2,5"]),
        *((ending, ["--row", "2", "--time-limit", "2"]) for ending in ("png", "svg", "pdf")),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value[:1]) or "rows",
)
def test_each_part_has_a_picture(cli: Any, binary: Any, tmp_path: Path, ending: str, flags: list[str]) -> None:
    picture = tmp_path / f"picture.{ending}"
    ended = cli("read", binary.model, binary.data, *flags, "-o", picture)
    assert ended.code == 0, ended.err
    assert ended.out.splitlines()[-1] == f"picture: {picture}"
    starts = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}
    assert picture.read_bytes().startswith(starts[ending])


def test_networks_of_one_and_two_inputs_have_pictures_of_their_own(
    cli: Any, hat: Path, square: Path, tmp_path: Path
) -> None:
    for path in (hat, square):
        assert cli("read", path, "-o", tmp_path / f"{path.stem}.png").code == 0
        assert (tmp_path / f"{path.stem}.png").stat().st_size > 5000


# ------------------------------------------------------------------------------------------------------ other models


def test_a_csv_of_the_inputs_is_read_with_a_foreign_model(cli: Any, square: Path, tmp_path: Path) -> None:
    data = tmp_path / "points.csv"
    data.write_text("left,right,truth\n0.5,0.2,1.5\n0.6,0.1,2.5\n-0.5,0.7,3.5\n")
    found = cli("read", square, data, "--target", "truth", "--json").json["rows"]
    assert found["columns"] == ["left", "right"]
    assert [plane["n_rows"] for plane in found["planes"]] == [2, 1]
    assert found["planes"][0]["coef"] == [[1 + 4 + 8, 2 + 4 - 8]]  # on: x, y, x + y, x - y
    assert "13 * left" in cli("read", square, data, "-t", "truth").out
    slice_ = cli("read", square, data, "-t", "truth", "--x", "left", "--y", "right", "--window=-1,1,-1,1", "--json")
    assert slice_.json["slice"]["n_regions"] == 8


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("a\n1\n2\n", ("1 column", "2 inputs")),
        ("a,b\n1,x\n2,y\n", ("'x'", "numbers")),
        ("a,b\n1,\n2,3\n", ("no finite number", "row 1")),
    ],
)
def test_a_csv_that_does_not_fit_a_foreign_model(
    cli: Any, square: Path, tmp_path: Path, table: str, words: tuple[str, ...]
) -> None:
    data = tmp_path / "points.csv"
    data.write_text(table)
    ended = cli("read", square, data)
    assert (ended.code, ended.out) == (1, "")
    assert all(word in "\n".join(ended.error) for word in words), ended.err


def test_an_onnx_file_gives_what_its_formula_gives(cli: Any, tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    random = np.random.default_rng(0)
    first, second = random.normal(size=(3, 5)).astype(np.float32), random.normal(size=(5, 1)).astype(np.float32)
    make, numbers = onnx.helper, onnx.TensorProto.FLOAT
    nodes = [("MatMul", ["x", "first"], "z"), ("Relu", ["z"], "h"), ("MatMul", ["h", "second"], "y")]
    graph = make.make_graph(
        [make.make_node(kind, inputs, [output]) for kind, inputs, output in nodes],
        "net",
        [make.make_tensor_value_info("x", numbers, ["n", 3])],
        [make.make_tensor_value_info("y", numbers, ["n", 1])],
        [onnx.numpy_helper.from_array(first, "first"), onnx.numpy_helper.from_array(second, "second")],
    )
    onnx.save(make.make_model(graph, opset_imports=[make.make_opsetid("", 17)], ir_version=9), tmp_path / "net.onnx")
    (tmp_path / "p.csv").write_text("a,b,c\n0.5,-0.25,1\n")
    found = cli("read", tmp_path / "net.onnx", tmp_path / "p.csv", "--row", "1", "--json").json["row"]
    expected = np.maximum(np.array([0.5, -0.25, 1]) @ first.astype(float), 0) @ second.astype(float)
    assert found["value"] == pytest.approx(expected[0], rel=1e-12)


# ---------------------------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize("ending", RUNS_CODE)
def test_files_that_run_code_are_refused_unread(cli: Any, tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"model{ending}"
    path.write_bytes(b"cos\nsystem\n(S'touch pwned'\ntR.")
    ended = cli("read", path)
    assert (ended.code, ended.out) == (1, "")
    assert "can run any code" in ended.error[0]
    assert "ONNX" in ended.error[-1]
    assert "from_model" in ended.error[-1]


@pytest.mark.parametrize("ending", READABLE)
def test_damaged_and_missing_files_are_told(cli: Any, tmp_path: Path, ending: str) -> None:
    if ending == ".keras":
        pytest.importorskip("keras")
    path = tmp_path / f"model{ending}"
    assert "does not exist" in cli("read", path).error[0]
    path.write_bytes(b"\x00\x01 not a model")
    ended = cli("read", path)
    assert (ended.code, ended.out) == (1, "")
    assert "bug" not in ended.error[0]
    assert f"model{ending}" in "\n".join(ended.error)
    path.unlink()
    path.mkdir()
    assert "is a folder" in cli("read", path).error[0]


def test_a_table_in_the_place_of_the_model(cli: Any, houses: Path) -> None:
    ended = cli("read", houses)
    assert ended.code == 1
    assert ended.error[-1] == "  hint: the order is planefold read MODEL DATA"
    near = cli("read", houses.with_name("model.onx"))
    assert near.error[-1].endswith("model.onnx?")


def test_tanh_is_named_with_what_can_still_be_done(cli: Any, quick: Any, houses: Path) -> None:
    assert cli("train", houses, "-t", "price", *quick, "--activation", "tanh", "--no-report").code == 0
    ended = cli("read", houses.with_suffix(".fold"))
    assert (ended.code, ended.out) == (1, "")
    assert "'tanh' is not piecewise linear" in ended.error[0]
    assert "planefold report and planefold predict work with it" in ended.error[-1]


def test_weights_that_are_not_finite_are_told(cli: Any, hat: Path) -> None:
    hat.write_text(NNET.replace("1.0,-2.0,", "nan,-2.0,"))
    ended = cli("read", hat)
    assert (ended.code, ended.out) == (1, "")
    assert "bug" not in ended.error[0]


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--x", "are", "--y", "garden"], ['column "are" is not in', "did you mean --x area?"]),
        (["--x", "area", "--y", "town"], ["--y town", "not a number", "area"]),
        (["--x", "area"], ["--x needs --y"]),
        (["--x", "area", "--y", "area"], ["not two columns"]),
        (["--row", "0"], ["--row 0 does not exist", "10 rows"]),
        (["--row", "11"], ["--row 11 does not exist"]),
        (["--row", "1", "--x", "area", "--y", "garden"], ["--row and --x"]),
        (["--of", "prise"], ["--of prise is not known", "did you mean 'price'?"]),
        (["--target", "prize"], ['column "prize" is not in', "did you mean --target price?"]),
        (["--x", "area", "--y", "garden", "--window", "1,2,3"], ["--window 1,2,3 must be four numbers"]),
        (["--x", "area", "--y", "garden", "--window", "1,0,0,1"], ["X0 below X1"]),
        (["--x", "area", "--y", "garden", "--max-regions", "3"], ["more than --max-regions 3", "allow more"]),
        (["-o", "picture.gif"], ["picture.gif", ".png, .svg, .pdf"]),
        (["--low", "1", "--high", "0"], ["--low 1 is not below --high 0"]),
        (["--low", "a"], ["--low a must be numbers"]),
        (["--low", "1,2"], ["--low has 2 numbers"]),
    ],
    ids=lambda value: " ".join(value[:2]) if value[0].startswith("-") else "",
)
def test_what_cannot_be_read_is_told_in_the_words_that_were_typed(
    cli: Any, regressor: Any, flags: list[str], words: list[str]
) -> None:
    ended = cli("read", regressor.model, regressor.new, *flags)
    assert (ended.code, ended.out) == (1, "")
    assert all(word in "\n".join(ended.error) for word in words), ended.err


@pytest.mark.parametrize("flags", [["--row", "1"], ["--merge", "2"], ["--target", "price"], ["--x", "a", "--y", "b"]])
def test_what_needs_rows_says_so(cli: Any, regressor: Any, flags: list[str]) -> None:
    ended = cli("read", regressor.model, *flags)
    assert ended.code == 1
    assert "needs rows" in ended.error[0]


def test_a_picture_of_many_inputs_needs_rows(cli: Any, regressor: Any, tmp_path: Path) -> None:
    ended = cli("read", regressor.model, "-o", tmp_path / "p.png")
    assert (ended.code, ended.out) == (1, "")
    assert "--x COLUMN --y COLUMN" in ended.error[-1]
    assert not (tmp_path / "p.png").exists()


def test_a_picture_does_not_replace_the_data(cli: Any, regressor: Any) -> None:
    ended = cli("read", regressor.model, regressor.new, "-o", regressor.new)
    assert ended.code == 1
    assert regressor.new.read_text().startswith("area,")


def test_a_missing_column_is_named(cli: Any, regressor: Any, tmp_path: Path) -> None:
    lines = [",".join(line.split(",")[1:]) for line in regressor.new.read_text("utf-8").splitlines()]
    (tmp_path / "less.csv").write_text("\n".join(lines) + "\n", "utf-8")
    ended = cli("read", regressor.model, tmp_path / "less.csv")
    assert (ended.code, ended.out) == (1, "")
    assert "area" in "\n".join(ended.error)


def test_a_target_that_the_model_does_not_know_is_left_out(cli: Any, binary: Any, tmp_path: Path) -> None:
    text = binary.new.read_text("utf-8").replace(",yes,", ",perhaps,").replace(",no,", ",perhaps,")
    (tmp_path / "other.csv").write_text(text, "utf-8")
    ended = cli("read", binary.model, tmp_path / "other.csv")
    assert ended.code == 0, ended.err
    assert "note: the target column is left out" in ended.err


def test_a_time_limit_leaves_what_is_known(cli: Any, small: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    from planefold.reading.slices import tiles

    monkeypatch.setattr(tiles, "TILE", 1)
    monkeypatch.setattr(tiles, "estimate_regions", lambda *_: 20_000)
    found = cli("read", *small, "--x", "a", "--y", "b", "--time-limit", "0.0000001", "--json").json["slice"]
    assert not found["exact"]
    assert "--time-limit" in found["why_not"]
    assert found["n_regions"] >= 1


def test_json_of_everything_has_no_nan(cli: Any, trained: Any) -> None:
    for flags in ([], ["--row", "1", "--time-limit", "1"]):
        out = cli("read", trained.model, trained.new, *flags, "--json").out
        json.loads(out, parse_constant=lambda name: pytest.fail(name))


def test_help_needs_neither_torch_nor_numpy(process: Any) -> None:
    code = (
        "import sys; from planefold.cli.main import run; code = run(['read', '--help']);"
        "heavy = {'torch', 'sklearn', 'pandas', 'numpy', 'scipy'} & set(sys.modules);"
        "assert not heavy, heavy; sys.exit(code)"
    )
    ended = process(code=code)
    assert (ended.code, ended.err) == (0, "")


def test_flags_that_would_be_ignored_are_refused(cli: Any, small: tuple[Path, Path], square: Path) -> None:
    assert "--of low is for rows" in cli("read", *small, "--x", "a", "--y", "b", "--of", "low").err
    assert "--of nonsense is for rows" in cli("read", square, "--of", "nonsense").err
    assert "--time-limit nan must be" in cli("read", *small, "--time-limit", "nan").err
    assert cli("read", square, "--window", "0,1e300,0,1").code == 1


def test_new_categories_are_noted(cli: Any, small: tuple[Path, Path], tmp_path: Path) -> None:
    data = tmp_path / "new.csv"
    data.write_text("a,b,c\n0.1,0.2,w\n")
    ended = cli("read", small[0], data, "--row", "1")
    assert ended.code == 0, ended.err
    assert "category that training never saw: 'w'" in ended.err
    assert "1 row lies on one plane" in cli("read", small[0], data).out


def test_no_more_planes_are_expected_than_there_can_be(cli: Any, tmp_path: Path) -> None:
    path = nnet(tmp_path / "few.nnet", 3, [(np.ones((1, 3)), np.zeros(1)), (np.ones((1, 1)), np.zeros(1))])
    assert "at most 2 activation regions\n" in cli("read", path).out
