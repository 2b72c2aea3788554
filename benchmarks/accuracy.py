"""Accuracy of planefold's defaults beside its peers' on real tables, 5-fold cross-validated.

    python benchmarks/accuracy.py [--data FOLDER] [--only titanic iris] [--seeds 1]

Everybody runs with defaults; nothing is tuned to a set. The peers get what they need to run at all: one-hot
categories, medians for missing values, standardised numbers (not the trees), and for regression by
scikit-learn's MLP a standardised target. The same folds for all: shuffled, seed 0 (stratified for classes).
The fraud sample comes with a test part of its own. Prints a Markdown table and the seconds of one fit.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from sklearn.compose import TransformedTargetRegressor, make_column_selector, make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import accuracy_score, average_precision_score, roc_auc_score, root_mean_squared_error
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.neural_network import MLPClassifier as SklearnMLPClassifier
from sklearn.neural_network import MLPRegressor as SklearnMLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

import planefold as pf


class Problem(NamedTuple):
    """A table, its target and how an answer is judged."""

    name: str
    metric: str
    X: pd.DataFrame
    y: pd.Series
    for_peers: list[str]  # columns that only planefold gets: the peers could not use them
    test: tuple[pd.DataFrame, pd.Series] | None = None


def problems(data: Path) -> list[Problem]:
    """Read the sets."""

    def table(path: str, target: str) -> tuple[pd.DataFrame, pd.Series]:
        frame = pd.read_csv(data / path)
        return frame.drop(columns=target), frame[target]

    ames, price = table("ames_house_prices/train.csv", "SalePrice")
    return [
        Problem("titanic", "AUC", *table("titanic/train.csv", "Survived"), ["PassengerId", "Name", "Ticket", "Cabin"]),
        Problem("ames (log1p price)", "RMSE", ames, np.log1p(price), ["Id"]),
        Problem("portland", "RMSE", *table("portland_houses/housing-data.csv", "price"), []),
        Problem("iris", "accuracy", *table("iris/iris.csv", "species"), []),
        Problem("insurance", "RMSE", *table("insurance/insurance.csv", "charges"), []),
        Problem("wine red", "RMSE", *table("wine_quality_red/winequality-red.csv", "quality"), []),
        Problem("pima", "AUC", *table("pima_diabetes/pima.csv", "diabetes"), []),
        Problem("fraud", "average precision", *table("fraud_sample/train.csv", "Class"), [],
                table("fraud_sample/test.csv", "Class")),
    ]  # fmt: skip


def prepared(model: Any, *, scale: bool) -> Any:
    """Put the usual preparation before a peer."""
    text = make_column_selector(dtype_include=["object", "string", "category"])
    number = make_column_selector(dtype_include="number")
    if scale:
        numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
        texts = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    else:
        numbers = "passthrough"
        texts = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    return make_pipeline(make_column_transformer((numbers, number), (texts, text)), model)


def models(classes: bool, seed: int) -> dict[str, Callable[[], Any]]:
    """All models by name, each with its defaults."""
    if classes:
        return {
            "linear": lambda: prepared(LogisticRegression(max_iter=5000), scale=True),
            "hist. gradient boosting": lambda: prepared(HistGradientBoostingClassifier(random_state=seed), scale=False),
            "scikit-learn MLP": lambda: prepared(SklearnMLPClassifier(random_state=seed), scale=True),
            "planefold": lambda: pf.MLPClassifier(random_state=seed),
        }
    return {
        "linear": lambda: prepared(LinearRegression(), scale=True),
        "hist. gradient boosting": lambda: prepared(HistGradientBoostingRegressor(random_state=seed), scale=False),
        "scikit-learn MLP": lambda: TransformedTargetRegressor(
            prepared(SklearnMLPRegressor(random_state=seed), scale=True), transformer=StandardScaler()
        ),
        "planefold": lambda: pf.MLPRegressor(random_state=seed),
    }


def score(problem: Problem, model: Any, X: pd.DataFrame, y: pd.Series) -> float:
    """Judge a fitted model on rows it has not seen."""
    if problem.metric == "RMSE":
        return float(root_mean_squared_error(y, model.predict(X)))
    if problem.metric == "accuracy":
        return float(accuracy_score(y, model.predict(X)))
    positive = model.predict_proba(X)[:, 1]
    return float((roc_auc_score if problem.metric == "AUC" else average_precision_score)(y, positive))


def evaluate(problem: Problem, name: str, seed: int) -> tuple[float, float]:
    """Mean score over the folds, and the median seconds of a fit."""
    classes = problem.metric != "RMSE"
    X, y = problem.X, problem.y
    if name != "planefold":
        X = X.drop(columns=problem.for_peers)
    if problem.test is not None:
        parts = [(X, y, *problem.test)]
    else:
        splitter = (StratifiedKFold if classes else KFold)(5, shuffle=True, random_state=0)
        parts = [(X.iloc[a], y.iloc[a], X.iloc[b], y.iloc[b]) for a, b in splitter.split(X, y)]
    scores, seconds = [], []
    for X_train, y_train, X_test, y_test in parts:
        model = models(classes, seed)[name]()
        started = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(X_train, y_train)
        seconds.append(time.perf_counter() - started)
        scores.append(score(problem, model, X_test, y_test))
    return float(np.mean(scores)), float(np.median(seconds))


def main() -> None:
    """Run every model on every set and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path(__file__).resolve().parents[2] / "shared" / "data")
    parser.add_argument("--only", nargs="*", help="names of sets")
    parser.add_argument("--models", nargs="*", help="names of models")
    parser.add_argument("--seeds", type=int, default=1, help="average over that many seeds of the models")
    options = parser.parse_args()
    if not options.data.is_dir():
        parser.exit(1, f"error: the folder {options.data} is not there\n  hint: --data FOLDER with the data sets\n")

    names = options.models or list(models(True, 0))
    evaluate(problems(options.data)[3], "planefold", 0)  # warm up: the first fit loads libraries
    print("| set | metric | " + " | ".join(names) + " | seconds a fit |")
    print("|---|---|" + "---|" * (len(names) + 1))
    for problem in problems(options.data):
        if options.only and problem.name.split()[0] not in options.only:
            continue
        cells, times = [], []
        for name in names:
            results = [evaluate(problem, name, seed) for seed in range(options.seeds)]
            value = float(np.mean([r[0] for r in results]))
            cells.append(f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3f}")
            times.append(f"{np.median([r[1] for r in results]):.2f}")
        print(f"| {problem.name} | {problem.metric} | {' | '.join(cells)} | {' / '.join(times)} |", flush=True)


if __name__ == "__main__":
    main()
