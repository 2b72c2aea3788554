"""Accuracy of the defaults on pictures and sounds, beside a logistic regression on the same pixels.

    python benchmarks/accuracy_folders.py [--data FOLDER] [--only digits mnist cifar mri sounds] [--seeds 1]

Nothing is tuned to a set. Each set is judged by its own test part (words of other speakers), the bundled digits by five
folds. Prints a Markdown table, with the processor seconds and the seconds on the clock of one fit.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import planefold as pf
from planefold.data.images import read_pictures
from planefold.data.sounds import feature_pictures, read_sounds

Split = tuple[Any, Any, Any, Any]


class Problem(NamedTuple):
    """A set: how it is split, and which model learns it."""

    name: str
    splits: Callable[[Path], Iterator[Split]]
    model: Callable[[int], Any]
    groups: str | None = None


def digits(data: Path) -> Iterator[Split]:
    """Five folds of the digits that come with scikit-learn."""
    found = load_digits()
    X, y = (found.images / 16 * 255).astype(np.uint8), found.target
    for learn, test in StratifiedKFold(5, shuffle=True, random_state=0).split(X, y):
        yield X[learn], y[learn], X[test], y[test]


def mnist(data: Path) -> Iterator[Split]:
    """12,000 of MNIST's digits, as their authors split them."""
    found = np.load(data / "mnist_12k" / "mnist_12k.npz", allow_pickle=False)
    yield found["X_train"], found["y_train"], found["X_test"], found["y_test"]


def folders(name: str, read: Callable[..., Any]) -> Callable[[Path], Iterator[Split]]:
    """Take a folder "train" and a folder "test"."""

    def split(data: Path) -> Iterator[Split]:
        learn, test = (read(data / name / part) for part in ("train", "test"))
        yield learn, learn.labels, test, test.labels

    return split


PROBLEMS = {
    "digits": Problem("digits (8 x 8, 5 folds)", digits, lambda seed: pf.ImageClassifier(random_state=seed)),
    "mnist": Problem("mnist_12k (28 x 28)", mnist, lambda seed: pf.ImageClassifier(random_state=seed)),
    "cifar": Problem(
        "cifar10_1200 (32 x 32, colour)",
        folders("cifar10_1200", read_pictures),
        lambda seed: pf.ImageClassifier(random_state=seed),
    ),
    "mri": Problem(
        "mri_alzheimer_small (4 classes)",
        folders("mri_alzheimer_small", read_pictures),
        lambda seed: pf.ImageClassifier(random_state=seed),
    ),
    "sounds": Problem(
        "speech_commands_4 (other speakers)",
        folders("speech_commands_4", lambda path: read_sounds(path, rate=16_000)),
        lambda seed: pf.SoundClassifier(random_state=seed),
        groups=r"([0-9a-f]{8})_",
    ),
}


def flat(rows: Any) -> np.ndarray:
    """Return pixels, or mel pictures of sounds, as a table."""
    if hasattr(rows, "waves"):
        return feature_pictures(rows, "mel").reshape(len(rows), -1)[:, ::4]
    return np.asarray(getattr(rows, "pixels", rows), dtype=np.float32).reshape(len(rows), -1)


def logistic(learn: Any, y: Any, test: Any) -> np.ndarray:
    """Let a logistic regression on standardised pixels answer."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        peer = make_pipeline(StandardScaler(), LogisticRegression(max_iter=200)).fit(flat(learn), y)
    return np.asarray(peer.predict(flat(test)))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    here = Path(__file__).resolve().parents[1]
    parser.add_argument("--data", type=Path, default=here.parent / "shared" / "data")
    parser.add_argument("--only", nargs="+", choices=list(PROBLEMS), default=list(PROBLEMS))
    parser.add_argument("--seeds", type=int, default=1)
    options = parser.parse_args()
    print("| set | accuracy | macro F1 | logistic regression | parameters | processor s | s |")
    print("|---|---|---|---|---|---|---|", flush=True)
    for name in options.only:
        problem, found = PROBLEMS[name], []
        for learn, y, test, truth in problem.splits(options.data):
            peer = accuracy_score(truth, logistic(learn, y, test))
            for seed in range(options.seeds):
                by_clock, by_processor = time.perf_counter(), time.process_time()
                model = problem.model(seed).fit(learn, y, groups=problem.groups)
                seconds = time.process_time() - by_processor, time.perf_counter() - by_clock
                answers = model.predict(test)
                found.append((accuracy_score(truth, answers), f1_score(truth, answers, average="macro"), peer,
                              model.n_parameters_, *seconds))  # fmt: skip
        accuracy, f1, peer, n_parameters, processor, clock = np.mean(found, axis=0)
        row = f"| {problem.name} | {accuracy:.3f} | {f1:.3f} | {peer:.3f} | {n_parameters:,.0f} | {processor:.0f} "
        print(row + f"| {clock:.0f} |", flush=True)


if __name__ == "__main__":
    main()
