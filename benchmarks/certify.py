"""Exact distances to the border, and verdicts on published verification problems.

    python benchmarks/certify.py --data FOLDER [--only cancer coav acasxu] [--time-limit 60] [--problems 1_1:prop_2]
                                 [--quick] [--json results.json]

- *cancer*: networks on the standardised breast cancer table, from scikit-learn, trained here. For some rows the
  distance in each norm by two methods that share nothing but the search for a first upper bound: branch and bound, and
  the walk through regions (l2) or integer programs (linf, l1). CPU seconds, the better of two runs. The script ends
  with code 1 if two methods disagree by more than a millionth, or the norms are not in their order. The bar: on
  30-16-16-1 every row is exact within half a second of CPU, in each norm.
- *coav*: 20 networks 6-40-40-38-19-1 (Ehlers 2017, in the files of Marabou) and whether an output can be 0 or less.
- *acasxu*: networks 5-50-50-50-50-50-50-5 with the properties of Katz et al. (CAV 2017), as in VNN-COMP 2021.

`FOLDER` holds the folders coav and acasxu. A verdict that is not the published one ends the script with code 1.
Times of verdicts are wall-clock; those of the competition's tools, on the competition's machine, include their start.
"""

from __future__ import annotations

import argparse
import csv
import json
import re
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from common import duration, machine, show_machine, show_table, write_json

from planefold.networks.affine import PiecewiseLinearNet
from planefold.networks.affine_builder import Builder
from planefold.robustness import distance, verify

PARTS = ("cancer", "coav", "acasxu")
SAME = 1e-6
BAR = 0.5  # CPU seconds a row
SECONDS_A_ROW = 4.0  # for each way; the walk takes them all on most rows
OTHERS = {"l2": "walk", "linf": "milp", "l1": "milp"}
WAYS = [(norm, method) for norm, other in OTHERS.items() for method in ("auto", other)]
NETWORKS = {"30-16-1": (16,), "30-16-16-1": (16, 16), "30-32-32-1": (32, 32)}


def build(layers: Sequence[tuple[np.ndarray, np.ndarray]]) -> PiecewiseLinearNet:
    builder = Builder((layers[0][0].shape[0],))
    value = builder.input
    for number, (matrix, bias) in enumerate(layers, start=1):
        value = builder.affine(value, np.asarray(matrix, dtype=np.float64), np.asarray(bias, dtype=np.float64))
        if number < len(layers):
            value = builder.fold(value, layer=f"hidden {number}")
    return builder.finish(value)


# -------------------------------------------------------------------------------------------------------- distances


def cancer(n_rows: int, n_runs: int, time_limit: float) -> tuple[list[dict[str, Any]], bool]:
    """Distances of some rows; whether all that must agree does."""
    from sklearn.datasets import load_breast_cancer
    from sklearn.neural_network import MLPClassifier

    X, y = load_breast_cancer(return_X_y=True)
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    results, agree = [], True
    for name, hidden in NETWORKS.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it is stopped on purpose
            model = MLPClassifier(hidden, random_state=0, max_iter=150, tol=0).fit(X, y)
        net = build(list(zip(model.coefs_, model.intercepts_, strict=True)))
        for row in range(0, len(X), len(X) // n_rows + 1):
            found = {key: measured(net, X[row], *key, n_runs, time_limit) for key in WAYS}
            for norm, other in OTHERS.items():
                first, second = found[norm, "auto"], found[norm, other]
                both = first["exact"] and second["exact"]
                second["difference"] = abs(first["upper"] - second["upper"]) / first["upper"] if both else 0.0
                agree &= second["difference"] <= SAME
            linf, l2, l1 = (found[norm, "auto"] for norm in ("linf", "l2", "l1"))
            agree &= linf["lower"] <= l2["upper"] * (1 + SAME) and l2["lower"] <= l1["upper"] * (1 + SAME)
            results.append({"network": name, "row": row, **{" ".join(key): facts for key, facts in found.items()}})
    return results, agree


def measured(
    net: PiecewiseLinearNet, x: np.ndarray, norm: str, method: str, n_runs: int, time_limit: float
) -> dict[str, Any]:
    """One distance, and the CPU seconds of the fastest run."""
    seconds = []
    for _ in range(n_runs):
        started = time.process_time()
        found = distance(net, x, norm=norm, method=method, time_limit=time_limit)
        seconds.append(time.process_time() - started)
        if seconds[-1] > time_limit / 4:  # long enough to be told apart from noise
            break
    facts = {field: getattr(found, field) for field in ("lower", "upper", "exact", "n_nodes")}
    return {**facts, "cpu_seconds": min(seconds), "difference": 0.0}


def show_cancer(results: list[dict[str, Any]]) -> None:
    rows = []
    for name in NETWORKS:
        for norm, method in WAYS:
            mine = [result[f"{norm} {method}"] for result in results if result["network"] == name]
            seconds = [facts["cpu_seconds"] for facts in mine]
            n_exact = sum(facts["exact"] for facts in mine)
            nodes = f"{np.median([facts['n_nodes'] for facts in mine]):.0f}"
            cells = [f"{n_exact} of {len(mine)}", duration(float(np.median(seconds))), duration(max(seconds)), nodes]
            worst = "" if method == "auto" else f"{max(facts['difference'] for facts in mine):.0e}"
            rows.append([name, norm, method, *cells, worst])
    header = ["network", "norm", "method", "exact", "median CPU", "longest CPU", "nodes", "difference to auto"]
    show_table("Breast cancer: distance to the border", header, rows)
    for norm in OTHERS:
        mine = [result[f"{norm} auto"] for result in results if result["network"] == "30-16-16-1"]
        within = sum(facts["exact"] and facts["cpu_seconds"] <= BAR for facts in mine)
        both = sum(result[f"{norm} {OTHERS[norm]}"]["exact"] and result[f"{norm} auto"]["exact"] for result in results)
        said = "met" if within == len(mine) else "missed"
        print(f"bar, {norm} on 30-16-16-1: {within} of {len(mine)} rows exact within {BAR} s, {said}", end="; ")
        print(f"compared with {OTHERS[norm]} on {both} of {len(results)} rows of all networks, where both are exact")


# --------------------------------------------------------------------------------------------------------- verdicts

Problem = tuple[str, PiecewiseLinearNet, list[np.ndarray], list[tuple[np.ndarray, np.ndarray]], str, str]


def coav(folder: Path) -> Iterator[Problem]:
    for path in sorted(folder.glob("*.nnet")):
        lines = [line for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("//")]
        numbers = [np.array([float(part) for part in line.split(",") if part.strip()]) for line in lines]
        rest, layers = numbers[7:], []
        for fan_out in numbers[1].astype(int)[1:]:
            layers.append((np.array(rest[:fan_out]).T, np.concatenate(rest[fan_out : 2 * fan_out])))
            rest = rest[2 * fan_out :]
        verdict = path.stem.rsplit("_", 1)[1].lower()
        box = np.array([numbers[3], numbers[4]])
        yield path.stem.removeprefix("reluBenchmark"), build(layers), [box], [(np.eye(1), np.zeros(1))], verdict, ""


def acasxu(folder: Path) -> Iterator[Problem]:
    properties = json.loads((folder / "properties.json").read_text(encoding="utf-8"))
    with (folder / "verdicts_vnncomp2021.csv").open(encoding="utf-8") as file:
        table = list(csv.DictReader(file))
    for row in table:
        stem = row["net"].removesuffix(".onnx")
        weights = np.load(folder / "npz" / f"{stem}.npz")
        net = build([(weights[f"W{layer}"].T, weights[f"b{layer}"]) for layer in range(7)])
        prop = properties[row["prop"]]
        unsafe = [_inequalities(texts) for texts in prop["unsafe_if_any_of_all"]]
        boxes = [np.array(box).T for box in prop["input_boxes"]]
        name = f"{stem.removeprefix('ACASXU_run2a_').removesuffix('_batch_2000')}:{row['prop']}"
        yield name, net, boxes, unsafe, row["verdict"], f"{float(row['fastest_s']):.2f} to {row['median_s']} s"


def _inequalities(texts: list[str]) -> tuple[np.ndarray, np.ndarray]:
    rows, sides = [], []
    for text in texts:
        match = re.fullmatch(r"Y_(\d) (<=|>=) (?:Y_(\d)|(\S+))", text)
        assert match is not None, text
        sign = 1.0 if match[2] == "<=" else -1.0
        other = np.eye(5)[int(match[3])] if match[3] else np.zeros(5)
        rows.append(sign * (np.eye(5)[int(match[1])] - other))
        sides.append(sign * float(match[4] or 0.0))
    return np.array(rows), np.array(sides)


def decide(problem: Problem, time_limit: float) -> dict[str, Any]:
    """One verdict over all boxes of a problem."""
    name, net, boxes, unsafe, published, tools = problem
    started, verdicts, n_boxes = time.perf_counter(), [], 0
    for box in boxes:
        left = time_limit - (time.perf_counter() - started)
        found = verify(net, box[0], box[1], unsafe, time_limit=max(left, 1e-3))
        verdicts.append(found.verdict)
        n_boxes += found.n_boxes
        if found.counterexample is not None:
            x = found.counterexample
            y = net.outputs(x[None])[0]
            real = (x >= box[0]).all() and (x <= box[1]).all() and any((A @ y <= b).all() for A, b in unsafe)
            verdicts[-1] = "sat" if real else "no counterexample"
            break
    verdict = verdicts[-1] if verdicts[-1] != "unsat" else "unsat" if set(verdicts) == {"unsat"} else "unknown"
    seconds = time.perf_counter() - started
    return {
        "problem": name,
        "published": published,
        "verdict": verdict,
        "right": verdict in (published, "unknown"),
        "seconds": seconds,
        "n_boxes": n_boxes,
        "tools": tools,
    }


def show_verdicts(title: str, results: list[dict[str, Any]], time_limit: float) -> None:
    rows = [
        [r["problem"], r["published"], r["verdict"], duration(r["seconds"]), f"{r['n_boxes']:,}", r["tools"]]
        for r in results
    ]
    show_table(title, ["problem", "published", "verdict", "time", "boxes", "fastest and median tool"], rows)
    decided = [result["seconds"] for result in results if result["verdict"] in ("sat", "unsat")]
    print(f"\ndecided within {time_limit:g} s each: {len(decided)} of {len(results)}", end="")
    print(f"; median {duration(float(np.median(decided)))}, longest {duration(max(decided))}" if decided else "")
    for verdict in ("sat", "unsat"):
        mine = [result for result in results if result["published"] == verdict]
        print(f"{verdict}: {sum(result['verdict'] == verdict for result in mine)} of {len(mine)}", end="; ")
    wrong = [result["problem"] for result in results if not result["right"]]
    print(f"wrong: {', '.join(wrong) or 'none'}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--problems", nargs="+", help="of acasxu: 1_1:prop_2, or prop_2 for all networks")
    parser.add_argument("--time-limit", type=float, default=60.0)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    facts = machine()
    show_machine(facts)
    results: dict[str, Any] = {"machine": facts}
    fine = True
    if "cancer" in options.only:
        n_rows, n_runs = (2, 1) if options.quick else (12, 2)
        results["cancer"], agree = cancer(n_rows, n_runs, min(options.time_limit, SECONDS_A_ROW))
        show_cancer(results["cancer"])
        fine &= agree
    for part, problems in (("coav", coav), ("acasxu", acasxu)):
        if part not in options.only:
            continue
        if options.data is None or not (options.data / part).is_dir():
            print(f"\n{part}: left out, since --data names no folder that holds it")
            continue
        chosen = list(problems(options.data / part))
        if part == "acasxu" and options.problems:
            chosen = [p for p in chosen if p[0] in options.problems or p[0].split(":")[1] in options.problems]
        chosen = chosen[:2] if options.quick else chosen
        results[part] = [decide(problem, options.time_limit) for problem in chosen]
        show_verdicts(part, results[part], options.time_limit)
        fine &= all(result["right"] for result in results[part])
    write_json(options.json, results)
    if not fine:
        print("\nnot all results are right")
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
