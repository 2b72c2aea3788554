"""Reports for the tests: small ones that are healthy, and one that tries to break out of its page."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from planefold.doctor import Action, Diagnosis, Finding
from planefold.engine.run import Epoch, Run
from planefold.reports import ReportData, evaluate

HOSTILE = "<script>alert(1)</script>"
THAI = "จังหวัดที่เกิด"
QUOTES = "\"a\" 'b' & </style><img src=x onerror=alert(2)>"


def make_run(n_epochs: int = 40, **changes: Any) -> Run:
    epochs = tuple(
        Epoch(
            epoch=k,
            train_loss=0.7 * 0.95**k,
            objective=0.7 * 0.95**k + 0.01,
            val_loss=0.3 + 0.0004 * (k - 15) ** 2,
            learning_rate=0.001,
            seconds=0.02,
        )
        for k in range(1, n_epochs + 1)
    )
    run = Run(
        epochs=epochs,
        objective="log_loss",
        solver="adam",
        device="cpu",
        stopped_because="no_improvement",
        best_epoch=15 if n_epochs >= 15 else None,
        restored_best=True,
        n_train=320,
        n_val=80,
        batch_size=64,
        iterations_per_epoch=5,
        n_parameters=2049,
        trivial_loss=0.69,
    )
    return dataclasses.replace(run, **changes)


def binary_case(n_rows: int = 300, seed: int = 0) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    y = rng.integers(2, size=n_rows)
    score = np.clip(0.5 + 0.25 * (y - 0.5) + 0.2 * rng.normal(size=n_rows), 0.01, 0.99)
    boosted = np.clip(score + 0.05 * rng.normal(size=n_rows), 0.01, 0.99)
    names = np.array(["no", "yes"])
    return {
        "task": "binary",
        "y_true": names[y],
        "y_pred": names[(score > 0.5).astype(int)],
        "proba": np.column_stack([1 - score, score]),
        "classes": names,
        "baselines": {
            "majority class": (np.full(n_rows, "no"), np.full((n_rows, 2), 0.5)),
            "gradient boosting": (names[(boosted > 0.5).astype(int)], np.column_stack([1 - boosted, boosted])),
        },
    }


def regression_case(n_rows: int = 300, seed: int = 0) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    y = 1000 + 200 * rng.normal(size=n_rows)
    return {
        "task": "regression",
        "y_true": y,
        "y_pred": y + 60 * rng.normal(size=n_rows),
        "baselines": {
            "mean": (np.full(n_rows, 1000.0), None),
            "gradient boosting": (y + 61 * rng.normal(size=n_rows), None),
        },
    }


def multiclass_case(n_rows: int = 300, n_classes: int = 4, seed: int = 0) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    y = rng.integers(n_classes, size=n_rows)
    scores = rng.normal(size=(n_rows, n_classes)) + 2 * np.eye(n_classes)[y]
    proba = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    return {
        "task": "multiclass",
        "y_true": y,
        "y_pred": proba.argmax(axis=1),
        "proba": proba,
        "classes": list(range(n_classes)),
        "baselines": {"majority class": (np.zeros(n_rows, dtype=int), np.eye(n_classes)[np.zeros(n_rows, dtype=int)])},
    }


def columns(n: int = 4) -> tuple[dict[str, Any], ...]:
    rng = np.random.default_rng(0)
    return tuple(
        {
            "name": f"column {i}",
            "kind": "number",
            "why": "all values are numbers",
            "n_missing": 7 * (i % 3),
            "n_unique": 311,
            "minimum": float(rng.normal() - 5),
            "median": float(rng.normal()),
            "maximum": float(rng.normal() + 12345),
            "categories": None,
            "histogram": rng.integers(100, size=20).tolist(),
        }
        for i in range(n)
    )


def make_report(case: dict[str, Any], **changes: Any) -> ReportData:
    data = ReportData(
        title="Who buys?",
        task=case["task"],
        target="bought",
        model={
            "estimator": "MLPClassifier",
            "parameters": {"hidden_layer_sizes": "(64,)", "activation": "'relu'"},
            "layers": [{"layer": "Linear", "shape": "30 to 64", "parameters": 1984}],
            "n_parameters": 2049,
        },
        evaluation=evaluate(**case),
        run=make_run(),
        diagnosis=Diagnosis(
            findings=(
                Finding(
                    code="LC101",
                    title="overfit",
                    severity="warning",
                    what="validation loss rose 74% after epoch 15",
                    why="the network learns rows by heart",
                    advice=(Action(words="stop earlier", parameters={"max_iter": 15}), Action(words="more rows")),
                    confidence=0.93,
                ),
                Finding(code="DA203", title="missing", severity="info", what="holes", why="they are filled"),
            ),
            verdict="overfit",
            numbers={"gap_share": 0.31, "learned_share": 0.8},
        ),
        columns=(
            *columns(),
            {
                "name": "town",
                "kind": "category",
                "n_missing": 0,
                "n_unique": 9,
                "categories": [("Ulm", 30), ("Bonn", 9)],
            },
            {"name": "id", "kind": "drop", "why": "every row has its own value", "n_missing": 0, "n_unique": 400},
        ),
        notes=("12 rows occur twice.",),
        rows={"train": 400, "test": 300, "how": "split at random"},
        reproduce={"Command line": "planefold train shop.csv --target bought", "Python": "model.fit(X, y)"},
        versions={"planefold": "0.1.0"},
        hashes={"shop.csv": "sha256:0123456789abcdef"},
        created="21 November 2026",
    )
    return dataclasses.replace(data, **changes)


def make_hostile_report() -> ReportData:
    """Every text of the report is an attack, a quote or Thai."""
    case = binary_case()
    names = [HOSTILE, QUOTES]
    for key in ("y_true", "y_pred"):
        case[key] = np.where(case[key] == "yes", QUOTES, HOSTILE)
    case["classes"] = names
    case["baselines"] = {HOSTILE: (np.full(300, HOSTILE), np.full((300, 2), 0.5))}
    advice = (Action(words=THAI, parameters={QUOTES: HOSTILE}),)
    bad = Finding(code=HOSTILE, title=QUOTES, severity=HOSTILE, what=HOSTILE, why=QUOTES, advice=advice)
    codes = (HOSTILE, "DA1" + HOSTILE, "SC1" + QUOTES)
    column = {
        "name": HOSTILE,
        "kind": QUOTES,
        "why": THAI,
        "n_missing": 3,
        "n_unique": 2,
        "categories": [(HOSTILE, 3), (QUOTES, 2), (THAI, 1)],
    }
    texts = {HOSTILE: QUOTES, QUOTES: HOSTILE, THAI: THAI}
    return make_report(
        case,
        title=HOSTILE,
        target=QUOTES,
        model={"estimator": HOSTILE, "parameters": texts, "layers": [[HOSTILE, QUOTES]], "n_parameters": 3},
        run=make_run(objective=HOSTILE, solver=QUOTES, device=HOSTILE, stopped_because=HOSTILE),
        diagnosis=Diagnosis(
            findings=tuple(dataclasses.replace(bad, code=code) for code in codes),
            verdict=HOSTILE,
            numbers={"gap_share": math.nan},
        ),
        retrial=((HOSTILE, QUOTES, THAI),),
        retrial_outcome=HOSTILE,
        columns=(column, {**column, "name": QUOTES, "dropped": True}, {**column, "name": THAI}),
        notes=(HOSTILE, QUOTES, THAI, "zero\x00byte and half a pair \ud800"),
        rows={"train": 400, "test": 300, "how": HOSTILE},
        reproduce=texts,
        versions=texts,
        hashes=texts,
        created=HOSTILE,
    )


def make_reading() -> dict[str, Any]:
    """What a small model with long and hostile names says."""
    import planefold as pf
    from planefold.reports.reading_data import reading_data

    rng = np.random.default_rng(0)
    names = ["a column with a name that is far longer than any card is wide", HOSTILE, THAI, "x" * 60]
    X = {name: 1000 * rng.normal(size=150) for name in names} | {QUOTES: rng.choice([HOSTILE, THAI], size=150)}
    y = np.where(X[names[0]] + abs(X[names[1]]) > 800, HOSTILE, QUOTES)
    model = pf.MLPClassifier((16,), n_members=2, max_iter=20, random_state=0).fit(X, y)
    return reading_data(model, X, y, worst=3)


@pytest.fixture(scope="session")
def reports() -> dict[str, ReportData]:
    """One report of each kind of picture."""
    return {
        "binary": make_report(binary_case()),
        "regression": make_report(regression_case()),
        "multiclass": make_report(multiclass_case()),
        "hostile": make_hostile_report(),
    }


@pytest.fixture(scope="session")
def make() -> Callable[..., Any]:
    """Build things by name: ``make("run", n_epochs=3)``."""
    makers: dict[str, Callable[..., Any]] = {
        "run": make_run,
        "columns": columns,
        "report": make_report,
        "reading": make_reading,
        "binary": binary_case,
        "regression": regression_case,
        "multiclass": multiclass_case,
    }
    return lambda name, *args, **kwargs: makers[name](*args, **kwargs)


@pytest.fixture(scope="session")
def hostile_texts() -> tuple[str, str, str]:
    return HOSTILE, QUOTES, THAI
