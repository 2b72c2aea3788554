"""How right the doctor is: real trainings whose truth is measured, its verdicts, confidences, numbers and advice.

    python benchmarks/doctor.py --make --half test --runs 850     trains (resumes where it was stopped)
    python benchmarks/doctor.py --record --half test              trains them again for what the engine records by now
    python benchmarks/doctor.py --score [--half test]             confusion, macro F1, alarms, confidences, numbers
    python benchmarks/doctor.py --advice [--half test]            follows the first advice on every sick run

Small networks are trained on populations that give any number of fresh rows, into each of ten conditions. What a run
really is, is measured: population loss after each epoch on 3,000 fresh rows, the loss of oracles trained on 6,000, and
the same training for twice as long. Runs that are mixed or near a border get no label, but keep a yes, no or
borderline for each flag. Rules of the doctor may be tuned on the half "dev" only; the populations of the half "test"
are others (a sixth of them are of the same families, with other seeds).

Unit of all shares: R, the learnable range, from the loss of always predicting the same down to the best known.
"""

from __future__ import annotations

import argparse
import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from common import machine, show_machine, show_table, write_json
from doctor_runs import advice, cases, scoring, store
from doctor_runs.populations import FAMILIES
from doctor_runs.recipes import HABITS
from doctor_runs.truth import LABELS

FOLDER = Path(__file__).resolve().parent / ".labelled_runs"
RUNS = {"dev": 420, "test": 850}


def score(folder: Path, half: str, tier: int) -> dict[str, Any]:
    """Print how one tier does, and return its numbers."""
    found = scoring.answers(cases.cases(folder, half, tier))
    clear = scoring.labelled(found)
    labels, verdicts = [str(a.known.label) for a in clear], [a.verdict for a in clear]
    table = scoring.confusion(labels, verdicts)
    _show_confusion(f"tier {tier}: {cases.TIERS[tier]}; {half} half, {len(clear)} of {len(found)} runs", table)
    low, high = scoring.interval(scoring.macro_f1_of, clear)
    macro = scoring.macro_f1_of(clear)
    print(f"\nmacro F1 {macro:.3f} (90 % of resampled populations: {low:.3f} to {high:.3f})")
    alarmed, healthy, codes = scoring.healthy_alarmed(clear)
    told = ", ".join(f"{code} {n}" for code, n in codes.most_common())
    print(f"healthy runs with a warning: {alarmed} of {healthy} ({alarmed / max(healthy, 1):.1%}) {told}")
    results: dict[str, Any] = {
        "runs": len(found),
        "labelled": len(clear),
        "macro F1": macro,
        "interval": (low, high),
        "confusion": table,
        "F1": dict(zip(LABELS, scoring.f1_of(table).tolist(), strict=True)),
        "healthy alarmed": (alarmed, healthy),
    }
    results["parts"] = _show_parts(clear)
    results["findings"] = _show_findings(found)
    results["calibration"] = _show_calibration(found)
    if tier > 1:
        results["numbers"] = _show_numbers(found)
    middle, most = scoring.milliseconds(found)
    print(f"diagnose(): median {middle:.1f} ms, 95 % below {most:.1f} ms of the processor")
    results["milliseconds"] = (middle, most)
    if tier == max(cases.TIERS):
        results["peers"] = _show_peers(found)
    return results


def _show_confusion(title: str, table: Any) -> None:
    short = [label.replace("underfit", "uf").replace("unrep", "ur") for label in LABELS]
    f1 = scoring.f1_of(table)
    rows = [
        [name, *(str(n) if n else "." for n in counts), str(counts.sum()), f"{value:.2f}"]
        for name, counts, value in zip(short, table, f1, strict=True)
    ]
    show_table(title + " (rows truth, columns verdict)", ["", *short, scoring.OTHER, "n", "F1"], rows)


def _show_parts(clear: list[scoring.Answer]) -> dict[str, Any]:
    """Print how it does on parts of the runs: by how they were trained, and by where the rows come from."""
    parts = {f"trained {habit}": [a for a in clear if a.known.run.recipe.habit == habit] for habit, _ in HABITS}
    for half in ("dev", "test"):
        own = [a for a in clear if FAMILIES[a.known.run.recipe.family][1] == half]
        parts[f"families of the {half} half"] = own
    results = {}
    for name, part in parts.items():
        if part:
            right = sum(a.verdict == a.known.label for a in part)
            alarmed, healthy, _ = scoring.healthy_alarmed(part)
            results[name] = (len(part), right, scoring.macro_f1_of(part), alarmed, healthy)
    rows = [
        [name, str(n), f"{right / n:.0%}", f"{macro:.2f}", f"{alarmed} of {healthy}"]
        for name, (n, right, macro, alarmed, healthy) in results.items()
    ]
    show_table("parts of the runs", ["", "n", "verdict right", "macro F1", "healthy alarmed"], rows)
    return results


def _show_findings(found: list[scoring.Answer]) -> dict[str, Any]:
    table = scoring.per_finding(found)
    rows = [
        [code, scoring.CODES[code][1], f"{p:.2f}", f"{r:.2f}", f"{f1:.2f}", str(n), f"{of_label:.2f}"]
        for code, (p, r, f1, n, of_label) in table.items()
    ]
    show_table(
        "each finding by its own flag, clear cases of all runs",
        ["", "flag", "precision", "recall", "F1", "n", "recall of its label"],
        rows,
    )
    return table


def _show_calibration(found: list[scoring.Answer]) -> dict[str, Any]:
    c = scoring.calibration(found)
    share = c.sure_true / c.sure if c.sure else float("nan")
    print(f"\nconfidence: calibration error {c.ece:.3f} over {len(c.stated)} findings; ", end="")
    print(f"above 0.8: {c.sure_true} of {c.sure} true ({share:.1%})")
    return {"ece": c.ece, "sure": c.sure, "sure true": c.sure_true, "findings": len(c.stated)}


def _show_numbers(found: list[scoring.Answer]) -> Mapping[str, Any]:
    numbers = scoring.printed_numbers(found)
    show_table("printed numbers", ["", "measured", "runs"], [[k, f"{v:.3f}", str(n)] for k, (v, n) in numbers.items()])
    return numbers


def _show_peers(found: list[scoring.Answer]) -> dict[str, Any]:
    table = scoring.peers(found)
    rows = [
        [name, *(f"{value:.2f}" for value in peer.overfit), f"{peer.alarmed:.1%}"]
        for name, peer in sorted(table.items(), key=lambda entry: entry[1].overfit[2])
    ]
    show_table("is it overfitting?", ["", "precision", "recall", "F1", "healthy runs alarmed"], rows)
    return {name: {"overfit": peer.overfit, "healthy alarmed": peer.alarmed} for name, peer in table.items()}


def follow_advice(folder: Path, half: str, *, loud: bool) -> dict[str, Any]:
    """Print what the first advice does, followed on every sick run, and return it."""
    found = scoring.answers(cases.cases(folder, half, max(cases.TIERS)))
    trials = advice.follow(found, folder / half, report=print if loud else None)
    table = advice.summary(trials)
    names = [*advice.CURABLE, "all of these", *(n for n in table if n not in (*advice.CURABLE, "all of these"))]
    heading = ["improved", "same", "worse", "no parameter", "not found"]
    rows = [
        [name, str(table[name]["n"]), *(str(table[name][key]) for key in heading),
         f"{table[name]['improved share']:.0%}", f"{table[name]['worse share']:.0%}",
         f"{table[name]['median gain']:.2f}", f"{table[name]['improved on the best epoch']:.0%}"]
        for name in names if name in table
    ]  # fmt: skip
    show_table(
        f"the first advice, followed; {half} half",
        ["truth", "n", *heading, "improved", "worse", "median gain (R)", "on the best epoch"],
        rows,
    )
    return {"summary": table, "trials": advice.to_json(trials)}


def main(arguments: list[str] | None = None) -> None:
    """Make, score, or follow advice, as asked for; everything where nothing is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--make", action="store_true")
    parser.add_argument("--record", action="store_true")
    parser.add_argument("--score", action="store_true")
    parser.add_argument("--advice", action="store_true")
    parser.add_argument("--half", choices=list(RUNS), default="test")
    parser.add_argument("--runs", type=int, help=f"how many there shall be; {RUNS}")
    parser.add_argument("--tiers", type=int, nargs="+", choices=list(cases.TIERS), default=list(cases.TIERS))
    parser.add_argument("--to", type=Path, default=FOLDER, metavar="FOLDER", help="where the runs are kept")
    parser.add_argument("--verbose", action="store_true", help="tell of each piece of advice")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    everything = not (options.make or options.record or options.score or options.advice)
    results: dict[str, Any] = {"machine": machine(), "half": options.half}
    if options.make or everything:
        store.make(options.to, options.half, options.runs or RUNS[options.half])
    if options.record:
        store.record_again(options.to, options.half)
    if not any(store.load(options.to, options.half)):
        parser.exit(1, f"error: there are no runs in {options.to}\n  hint: --make trains them\n")
    if options.score or everything:
        show_machine(results["machine"])
        for tier in options.tiers:
            if tier == 1 and importlib.util.find_spec("planefold.doctor.bare") is None:
                print("\ntier 1: left out, there is no scorecard for bare curves")
                continue
            results[f"tier {tier}"] = score(options.to, options.half, tier)
    if options.advice or everything:
        results["advice"] = follow_advice(options.to, options.half, loud=options.verbose)
    write_json(options.json, results)


if __name__ == "__main__":
    main()
