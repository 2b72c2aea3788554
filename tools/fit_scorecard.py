"""Fit the scorecard of bare curves to trainings whose truth was measured, and write what it reaches on unseen ones.

    python tools/fit_scorecard.py ../shared/data/training_runs_dev [--store FOLDER] [--check]

Each folder holds ``runs_*.csv.gz`` (a row a training: rid, task, label) and ``curves_*.csv.gz`` (a row an epoch).
``--store`` adds the development half of what ``benchmarks/doctor.py --make`` trained. ``--check`` writes nothing.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score, log_loss
from sklearn.model_selection import GroupKFold

from planefold.doctor.bare.scorecard import FARTHEST, sheet_from
from planefold.doctor.bare.statistics import SCORE_STATISTICS, START_STATISTICS, STATISTICS, pair_of, statistics
from planefold.doctor.case import Curves
from planefold.doctor.check import NotApplicableError

ROOT = Path(__file__).resolve().parents[1]
CARD = ROOT / "src" / "planefold" / "doctor" / "bare" / "scorecard.json"
VERDICTS = {
    "diverged": "LC901",
    "oscillating": "LC701",
    "underfit_flat": "LC201",
    "overfit": "LC101",
    "unrep_val_easy": "LC602",
    "unrep_val_noisy": "LC601",
    "underfit_improving": "LC301",
    "underfit_capacity": "LC202",
    "unrep_train": "LC501",
    "good_fit": "good_fit",
}
CODES = tuple(VERDICTS.values())
GOOD = CODES.index("good_fit")
SHEETS = {
    "losses": (False, STATISTICS),
    "losses start": (False, STATISTICS | START_STATISTICS),
    "losses scores": (False, STATISTICS | SCORE_STATISTICS),
    "losses start scores": (False, STATISTICS | START_STATISTICS | SCORE_STATISTICS),
    "scores": (True, STATISTICS | SCORE_STATISTICS),
}
N_FOLDS = 10
RARE = 0.4  # verdicts count by their rarity to this power: 0 as they come, 1 all alike
STRENGTH = {"losses": 0.8}  # C of the regression; the more statistics, the less
LESS = 0.3
MOST_ALARMS = 0.02  # of the healthy runs


class Example(NamedTuple):
    """Curves, the code that is right for them, and where they come from: held out whole, each in its turn."""

    curves: Curves
    code: str
    population: str
    family: str


# -------------------------------------------------------------------------------------------------------- the examples


def examples_of_folder(folder: Path) -> Iterator[Example]:
    """Yield the runs with one clear verdict."""
    facts = pd.read_csv(next(folder.glob("runs_*.csv.gz"))).set_index("rid")
    curves = pd.read_csv(next(folder.glob("curves_*.csv.gz")))
    facts = facts[facts.label.notna()]
    for rid, rows in curves[curves.rid.isin(facts.index)].groupby("rid"):
        columns = {name: rows[name].to_numpy(float) for name in rows if name != "rid"}
        code = VERDICTS[facts.label[rid]]
        drawn = _curves(*(columns[name] for name in ("epoch", "train_loss", "val_loss", "train_metric", "val_metric")))
        yield Example(drawn, code, f"{folder.name} {facts.task[rid]}", str(facts.family[rid]))


def examples_of_store(folder: Path) -> Iterator[Example]:
    """Yield the development half of the benchmark's own runs."""
    sys.path.insert(0, str(ROOT / "benchmarks"))
    from doctor_runs.store import load

    for known in load(folder, "dev"):
        if known.label is None:
            continue
        run = known.run
        yield Example(
            _curves(run["epoch"], run["objective"], run["val_loss"], run["train_score"], run["val_score"]),
            VERDICTS[known.label],
            f"store {known.population}",
            "store " + known.population.rstrip("0123456789 _-"),
        )


def _curves(epoch: Any, train: Any, val: Any, train_score: Any, val_score: Any) -> Curves:
    """Build curves; a loss that is not finite after the start has broken."""
    later = epoch > 0
    broken = later & ~(np.isfinite(train) & np.isfinite(val))
    return Curves(
        epoch=epoch,
        train_loss=np.where(broken, np.inf, train),
        val_loss=np.where(broken, np.inf, val),
        train_score=train_score,
        val_score=val_score,
    )


def _kept(curves: Curves, keep: Any, digits: int) -> Curves:
    """Leave out epochs, and round as tools do."""

    def rounded(values: Any) -> Any:
        return None if values is None else np.array([float(f"{value:.{digits}g}") for value in values[keep]])

    names = ("train_loss", "val_loss", "train_score", "val_score")
    return dataclasses.replace(
        curves, epoch=curves.epoch[keep], **{name: rounded(getattr(curves, name)) for name in names}
    )


def _as_it_is(curves: Curves, rng: np.random.Generator) -> Curves:
    return curves


def _rounded(curves: Curves, rng: np.random.Generator) -> Curves:
    return _kept(curves, np.ones(len(curves.epoch), dtype=bool), 4)


def _thinned(curves: Curves, rng: np.random.Generator) -> Curves:
    n = len(curves.epoch)
    every = 2 if n >= 17 else 1
    return _kept(curves, (np.arange(n) % every == rng.integers(every)) | (np.arange(n) == 0), 4)


def _with_gaps(curves: Curves, rng: np.random.Generator) -> Curves:
    n = len(curves.epoch)
    return _kept(curves, (rng.random(n) > 0.2) | (n < 14) | (np.arange(n) == 0), 5)


COPIES: tuple[Callable[[Curves, np.random.Generator], Curves], ...] = (_as_it_is, _rounded, _thinned, _with_gaps)


def _turned(curves: Curves) -> Curves:
    """Take the scores for the losses, as of a log without any loss."""
    if curves.train_score is None or curves.val_score is None:
        raise NotApplicableError("there are no scores")
    broken = np.isinf(curves.val_loss)
    return dataclasses.replace(
        curves,
        train_loss=np.where(broken, np.inf, 1 - curves.train_score),
        val_loss=np.where(broken, np.inf, 1 - curves.val_score),
    )


def tables_of(examples: Iterable[Example], *, scores: bool, random_state: int) -> list[pd.DataFrame]:
    """Compute the statistics of each copy of each example: a table a copy, a row an example."""
    rng = np.random.default_rng(random_state)
    tables: list[list[dict[str, float]]] = [[] for _ in COPIES]
    for example in examples:
        for table, copy in zip(tables, COPIES, strict=True):
            curves = copy(example.curves, rng)
            try:
                table.append(statistics(pair_of(_turned(curves) if scores else curves)))
            except NotApplicableError:  # too short, or without scores: left out of the sheet
                table.append({})
    return [pd.DataFrame(table) for table in tables]


# ------------------------------------------------------------------------------------------------------------- the fit


def fit_sheet(tables: list[Any], codes: Any, strength: float) -> dict[str, Any]:
    """Fit the weights of one sheet to all copies at once."""
    X = pd.concat(tables)
    mean, scale = X.mean(), X.std(ddof=0)
    scale = scale.where(scale > 1e-9, 1.0)
    Z = ((X - mean) / scale).clip(-FARTHEST, FARTHEST)
    y = np.tile(codes, len(tables))
    shares = np.bincount(y, minlength=len(CODES)) / len(y)
    weights = np.where(shares > 0, np.maximum(shares, 1e-9) ** -RARE, 1.0)[y]
    model = LogisticRegression(C=strength / len(tables) * 2, max_iter=2000)
    model.fit(Z.to_numpy(), y, sample_weight=weights)
    W = np.zeros((len(CODES), X.shape[1]))
    bias = np.full(len(CODES), -20.0)  # a verdict without an example
    W[model.classes_], bias[model.classes_] = model.coef_, model.intercept_
    return {"statistics": list(X), "mean": mean.to_numpy(), "scale": scale.to_numpy(), "weights": W, "bias": bias}


def predict(sheet: dict[str, Any], table: Any) -> Any:
    """Return the probabilities of each row, by the package's own reading of a sheet."""
    read = sheet_from(sheet, list(CODES))
    return np.array([list(read.probabilities(row).values()) for row in table.to_dict("records")])


def held_out(tables: list[Any], codes: Any, groups: Any, strength: float) -> list[Any]:
    """Predict every copy of every example by a sheet that has not seen its population."""
    found = [np.zeros((len(codes), len(CODES))) for _ in tables]
    for train, test in GroupKFold(min(N_FOLDS, len(set(groups)))).split(codes, groups=groups):
        sheet = fit_sheet([table.iloc[train] for table in tables], codes[train], strength)
        for probabilities, table in zip(found, tables, strict=True):
            probabilities[test] = predict(sheet, table.iloc[test])
    return found


def sharpened(probabilities: Any, factor: float) -> Any:
    """Raise probabilities to a power: what shrunk weights say too carefully."""
    logits = factor * np.log(np.maximum(probabilities, 1e-12))
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    return shares / shares.sum(axis=1, keepdims=True)


def best_factor(probabilities: Any, codes: Any) -> float:
    """Return the power under which held-out probabilities fit best."""
    factors = np.arange(0.7, 2.01, 0.05)
    every = list(range(len(CODES)))
    losses = [log_loss(codes, sharpened(probabilities, factor), labels=every) for factor in factors]
    return float(factors[int(np.argmin(losses))])


def calibration_error(probabilities: Any, codes: Any, n_bins: int = 10) -> float:
    """Return the expected calibration error of the stated verdicts."""
    stated, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == codes
    bins = np.minimum((stated * n_bins).astype(int), n_bins - 1)
    return float(sum(abs(stated[bins == b].mean() - right[bins == b].mean()) * (bins == b).mean() for b in set(bins)))


def measures(probabilities: Any, codes: Any) -> dict[str, float]:
    """Summarise held-out probabilities."""
    verdict, healthy = probabilities.argmax(axis=1), codes == GOOD
    return {
        "macro_f1": float(f1_score(codes, verdict, average="macro")),
        "overfit_f1": float(f1_score(codes == CODES.index("LC101"), verdict == CODES.index("LC101"))),
        "healthy_misjudged": float((verdict[healthy] != GOOD).mean()),
        "calibration_error": calibration_error(probabilities, codes),
        "above_0.8_true": float((verdict == codes)[probabilities.max(axis=1) > 0.8].mean()),
    }


def alarms(probabilities: Any, codes: Any, finding: float, anything: float) -> dict[str, float]:
    """Count warnings: of healthy runs, of sick ones, and how many of the latter are right."""
    sick = probabilities.copy()
    sick[:, GOOD] = 0
    warned = (sick.max(axis=1) >= finding) & (1 - probabilities[:, GOOD] >= anything)
    healthy = codes == GOOD
    return {
        "healthy_alarmed": float(warned[healthy].mean()),
        "sick_alarmed": float(warned[~healthy].mean()),
        "alarms_right": float((sick.argmax(axis=1) == codes)[warned].mean()),
        "macro_f1_of_alarms": float(f1_score(codes, np.where(warned, sick.argmax(axis=1), GOOD), average="macro")),
    }


def best_alarm(found: list[tuple[Any, Any]]) -> dict[str, float]:
    """Choose the thresholds of a warning: few healthy runs in every split, then as many sick ones as can be."""
    best, most = {"finding": 0.9, "anything": 0.98}, -1.0
    for finding, anything in itertools.product(np.arange(0.35, 0.91, 0.05), np.arange(0.8, 0.99, 0.02)):
        counted = [alarms(probabilities, codes, finding, anything) for probabilities, codes in found]
        worst = float(np.max([count["healthy_alarmed"] for count in counted]))
        caught = float(np.mean([count["sick_alarmed"] * count["alarms_right"] for count in counted]))
        if worst <= MOST_ALARMS and caught > most:
            best, most = {"finding": round(float(finding), 2), "anything": round(float(anything), 2)}, caught
    return best


def fit(examples: list[Example], *, random_state: int = 0, report: Callable[[str], None] = print) -> dict[str, Any]:
    """Fit every sheet, calibrate it on populations that it has not seen, and measure it there."""
    codes = np.array([CODES.index(example.code) for example in examples])
    groups = {
        "unseen populations": np.array([example.population for example in examples]),
        "unseen families": np.array([example.family for example in examples]),
    }
    sheets, measured = {}, {}
    for name, (scores, chosen) in SHEETS.items():
        tables = tables_of(examples, scores=scores, random_state=random_state)
        tables = [table.reindex(columns=list(chosen)) for table in tables]
        known = np.all([table.notna().all(axis=1) for table in tables], axis=0)
        tables = [table[known].reset_index(drop=True) for table in tables]
        strength, right = STRENGTH.get(name, LESS), codes[known]
        found = {split: held_out(tables, right, labels[known], strength) for split, labels in groups.items()}
        unseen = {}
        factor = float(np.mean([best_factor(parts[0], right) for parts in found.values()]))
        for split, parts in found.items():
            plain, thin = sharpened(parts[0], factor), sharpened(parts[2], factor)
            unseen[split] = plain, right
            row = {"runs": len(right), **measures(plain, right)}
            row["macro_f1_every_second_epoch"] = measures(thin, right)["macro_f1"]
            measured[f"{name}, {split}"] = row
            report(f"{name}, {split}: {_words(row)}; sharpened {factor:.2f}")
        sheet = fit_sheet(tables, right, strength)
        sheet["weights"], sheet["bias"] = factor * sheet["weights"], factor * sheet["bias"]
        alarm = best_alarm(list(unseen.values()))
        for split, pair in unseen.items():
            measured[f"{name}, {split}"] |= alarms(*pair, **alarm)
            report(f"  {split}: alarm {alarm}: {_words(alarms(*pair, **alarm))}")
        weights = {key: value if key == "statistics" else _short(value) for key, value in sheet.items()}
        sheets[name] = {"alarm": alarm, **weights}
    rounded = {name: {key: round(value, 4) for key, value in row.items()} for name, row in measured.items()}
    return {"verdicts": list(CODES), "measured": rounded, "sheets": sheets}


def _short(values: Any) -> Any:
    return [_short(value) for value in values] if np.ndim(values) else float(f"{values:.4g}")


def _words(row: dict[str, float]) -> str:
    return ", ".join(
        f"{key} {value:.3f}" if isinstance(value, float) else f"{key} {value}" for key, value in row.items()
    )


def write(card: dict[str, Any], path: Path) -> None:
    """Write a line a row of weights: a diff shows what changed."""
    text = json.dumps(card, indent=1)
    lines, depth = [], 0
    for line in text.splitlines():  # join the innermost lists again
        stripped = line.strip()
        if depth and stripped not in ("],", "]"):
            lines[-1] += stripped + " " if stripped.endswith(",") else stripped
        elif depth:
            lines[-1] = lines[-1].rstrip() + stripped
            depth = 0
            continue
        else:
            lines.append(line)
        if stripped.endswith("[") and depth:
            lines[-1] = lines[-1][: -len(stripped)].rstrip()
            lines.append(line)
        depth = 1 if stripped.endswith("[") else depth
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--store", type=Path)
    parser.add_argument("--check", action="store_true", help="write nothing")
    options = parser.parse_args()
    examples = [example for folder in options.folders for example in examples_of_folder(folder)]
    if options.store:
        examples += examples_of_store(options.store)
    print(len(examples), "runs with one clear verdict")
    card = fit(examples)
    if not options.check:
        write(card, CARD)
        print("written:", CARD)


if __name__ == "__main__":
    main()
