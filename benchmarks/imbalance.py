"""What the ways to handle a rare class do to probabilities and to decisions, on the fraud sample.

    python benchmarks/imbalance.py [--data FOLDER] [--seeds 2]

Trains on the sample's training part and judges on its test part; every model has the defaults but for the named
parameters, and the figures are means over the seeds. A model that is tuned is the same one at another threshold, so
its probabilities, and all that follows from them, are the same.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import average_precision_score, balanced_accuracy_score, brier_score_loss, f1_score, log_loss

import planefold as pf

WAYS: dict[str, dict[str, Any]] = {
    "nothing": {},
    "`class_weight='balanced'`": {"class_weight": "balanced"},
    "`resample='bootstrap'`": {"resample": "bootstrap"},
    "`resample='smote'`": {"resample": "smote"},
    "`resample='adasyn'`": {"resample": "adasyn"},
}
THRESHOLDS: dict[str, tuple[str | None, ...]] = {"nothing": (None, "f1", "balanced_accuracy")}
HEADINGS = ["way", "average precision", "log loss", "Brier", "threshold", "F1", "balanced accuracy", "seconds"]


def figures(model: Any, X: pd.DataFrame, y: pd.Series) -> list[float]:
    """Return the columns of the table that a fitted model gives."""
    p, called = model.predict_proba(X)[:, 1], model.predict(X)
    return [
        average_precision_score(y, p), log_loss(y, p), brier_score_loss(y, p), model.threshold_,
        f1_score(y, called), balanced_accuracy_score(y, called),
    ]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(__file__).resolve().parents[2] / "shared" / "data")
    parser.add_argument("--seeds", type=int, default=2)
    options = parser.parse_args()
    if not options.data.is_dir():
        parser.exit(1, f"error: the folder {options.data} is not there\n  hint: --data FOLDER with the data sets\n")
    parts = [pd.read_csv(options.data / "fraud_sample" / f"{part}.csv") for part in ("train", "test")]
    (X, y), (X_test, y_test) = ((part.drop(columns="Class"), part["Class"]) for part in parts)
    for part, labels in (("learn from", y), ("judge by", y_test)):
        print(f"{len(labels):,} rows to {part}, {int(labels.sum())} of the rare class")
    print("| " + " | ".join(HEADINGS) + " |")
    print("|---" * len(HEADINGS) + "|")
    for way, parameters in WAYS.items():
        for threshold in THRESHOLDS.get(way, (None, "f1")):
            found = []
            for seed in range(options.seeds):
                started = time.perf_counter()
                model = pf.MLPClassifier(**parameters, threshold=threshold, random_state=seed).fit(X, y)
                seconds = time.perf_counter() - started
                found.append([*figures(model, X_test, y_test), seconds])
            means = np.mean(found, axis=0)
            name = way if threshold is None else f"{way}, tuned by `{threshold}`"
            cells = [f"{value:.3f}" if place != 2 else f"{value:.4f}" for place, value in enumerate(means[:-1])]
            print("| " + " | ".join([name, *cells, f"{means[-1]:.1f}"]) + " |", flush=True)


if __name__ == "__main__":
    main()
