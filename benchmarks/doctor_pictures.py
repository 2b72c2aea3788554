"""What the scan says of pictures and sounds: real folders, copies planted into them, random splits, and the time.

    python benchmarks/doctor_pictures.py [--data FOLDER] [--only folders|planted|ratios|time] [--seeds 5] [--json FILE]

``folders`` scans each real set as it is split (nothing on both sides) and split at random (what must be found in the
slices of heads and in the words of speakers, and nowhere else). ``planted`` puts changed copies of training pictures
among those held out: 2 % brighter or darker, shifted by a pixel either way, written as JPEG of quality 60 to 95
(sounds: another gain, one step later), a share of 2 % to 20 %. ``ratios`` shows what the threshold of a copy stands
on: what gain, offset and shift leave unexplained, against what they leave with the middle one of the 20 nearest, of
planted and of natural pairs.
"""

from __future__ import annotations

import argparse
import io
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from common import show_table, write_json
from PIL import Image

from planefold.data.images import read_pictures
from planefold.data.sounds import SoundFeatures, feature_pictures, read_sounds
from planefold.doctor import Case, diagnose_case
from planefold.doctor.scan import pictures as likeness
from planefold.doctor.scan import scan
from planefold.doctor.scan.looks import small_pictures

BOTH_SIDES = ("DA402", "DA404")
TIMED = 1000  # pictures


@dataclass
class Side:
    """Pictures, or pictures of sounds, with what they show and their files."""

    values: np.ndarray
    labels: np.ndarray
    files: tuple[str, ...]
    kind: str = "pictures"

    def take(self, places: np.ndarray) -> Side:
        files = tuple(self.files[place] for place in places) if self.files else ()
        return Side(self.values[places], self.labels[places], files, self.kind)


def of_pictures(folder: Path, size: Any = None) -> Side:
    found = read_pictures(folder, size=size)
    return Side(found.pixels, found.labels, found.files)


def of_sounds(folder: Path) -> Side:
    sounds = read_sounds(folder, rate=16_000, seconds=1.0)
    values = feature_pictures(sounds, SoundFeatures(kind="mel", rate=16_000, n_fft=512, hop_length=200, n_mels=64))[
        :, 0
    ]
    return Side(values, sounds.labels, sounds.files, "sounds")


def real_sets(data: Path) -> dict[str, tuple[Side, Side]]:
    """Read what there is, as it is split."""
    mri, cifar, words = data / "mri_alzheimer_small", data / "cifar10_1200", data / "speech_commands_4"
    digits = np.load(data / "mnist_12k" / "mnist_12k.npz", allow_pickle=False)
    some = np.random.RandomState(0).permutation(len(digits["X_train"]))[:2000]
    png = of_pictures(data / "mnist_12k" / "png")
    half = np.random.RandomState(0).permutation(len(png.labels))
    return {
        "mri, 208 x 176": (of_pictures(mri / "train"), of_pictures(mri / "test")),
        "mri, 64 x 54": (of_pictures(mri / "train", 64), of_pictures(mri / "test", 64)),
        "cifar10": (of_pictures(cifar / "train"), of_pictures(cifar / "test")),
        "mnist": (
            Side(digits["X_train"][some], digits["y_train"][some], ()),
            Side(digits["X_test"][:1000], digits["y_test"][:1000], ()),
        ),
        "mnist png": (png.take(half[40:]), png.take(half[:40])),
        "words": (of_sounds(words / "train"), of_sounds(words / "test")),
    }


def torn(side: Side, seed: int) -> tuple[Side, Side]:
    """Hold out a fifth at random."""
    order = np.random.RandomState(seed).permutation(len(side.labels))
    n_val = len(order) // 5
    return side.take(order[n_val:]), side.take(order[:n_val])


def told(learn: Side, held_out: Side) -> tuple[dict[str, Any], Any, float]:
    started = time.process_time()
    found = scan(
        learn.values, learn.labels, X_val=held_out.values, y_val=held_out.labels, task="classification",
        files=(*learn.files, *held_out.files) if learn.files and held_out.files else None, kind=learn.kind,
    )  # fmt: skip
    seconds = time.process_time() - started
    diagnosis = diagnose_case(Case(scan=found))
    return {f.code: f for f in (*diagnosis.findings, *diagnosis.silenced.values())}, found, seconds


def show_folders(sets: dict[str, tuple[Side, Side]], n_seeds: int) -> dict[str, Any]:
    lines, results = [], {}
    for name, (learn, held_out) in sets.items():
        splits = [("as split", (learn, held_out)), *((f"random {seed}", torn(learn, seed)) for seed in range(n_seeds))]
        for how, sides in splits:
            findings, found, seconds = told(*sides)
            both = [f"{code} {findings[code].severity}" for code in BOTH_SIDES if code in findings]
            rest = [f"{code} {f.severity}" for code, f in findings.items() if code not in BOTH_SIDES]
            results[f"{name}, {how}"] = {code: finding.severity for code, finding in findings.items()}
            size = f"{found.n_train} + {found.n_val}"
            lines.append([name, how, size, ", ".join(both) or "nothing", ", ".join(rest), f"{seconds:.2f}"])
    show_table("real sets", ["set", "split", "files", "on both sides", "other findings", "processor s"], lines)
    return {"folders": results}


# ------------------------------------------------------------------------------------------------------------- planted


def changed(side: Side, random: np.random.RandomState) -> np.ndarray:
    """Write pictures anew: brightness, a shift, a codec."""
    if side.kind == "sounds":
        return np.roll(side.values, 1, axis=2) + random.normal(0, 3, (len(side.values), 1, 1)).astype("float32")
    return np.stack([_written_anew(picture, random) for picture in side.values])


def _written_anew(picture: np.ndarray, random: np.random.RandomState) -> np.ndarray:
    lit = np.clip(picture * random.uniform(0.98, 1.02), 0, 255).astype(np.uint8)
    lit = np.roll(lit, tuple(random.randint(-1, 2, 2)), axis=(0, 1))
    buffer = io.BytesIO()
    Image.fromarray(lit[..., 0] if lit.shape[-1] == 1 else lit).save(buffer, "jpeg", quality=random.randint(60, 96))
    return np.asarray(Image.open(buffer)).reshape(picture.shape)


def show_planted(sets: dict[str, tuple[Side, Side]], n_seeds: int) -> dict[str, Any]:
    lines, results = [], {}
    for name, (learn, held_out) in sets.items():
        hits, n_planted, n_wrong, is_error = 0, 0, 0, []
        for seed in range(n_seeds):
            random = np.random.RandomState(1000 + seed)
            n = max(4, int(random.uniform(0.02, 0.2) * len(held_out.labels)))
            origin, places = (random.permutation(len(side.labels))[:n] for side in (learn, held_out))
            values = held_out.values.copy()
            values[places] = changed(learn.take(origin), random)
            findings, found, _ = told(learn, replace(held_out, values=values))
            truth = dict(zip(places.tolist(), origin.tolist(), strict=True))
            pairs = found.overlap.alike.pairs if found.overlap.alike is not None else ()
            hits += sum(row in truth for row, _ in pairs)
            n_wrong += sum(row not in truth for row, _ in pairs)
            n_planted += n
            is_error.append("DA402" in findings and findings["DA402"].severity != "info")
        share = f"{hits / n_planted:.3f}"
        lines.append([name, f"{hits}/{n_planted}", share, str(n_wrong), f"{sum(is_error)}/{n_seeds}"])
        results[name] = {"found": hits, "planted": n_planted, "wrong": n_wrong, "told": sum(is_error)}
    show_table("planted copies", ["set", "found", "share", "others taken for copies", "DA402"], lines)
    return {"planted": results}


def show_ratios(sets: dict[str, tuple[Side, Side]]) -> dict[str, Any]:
    lines, results = [], {}
    for name, (learn, held_out) in sets.items():
        random = np.random.RandomState(0)
        some = learn.take(random.permutation(len(learn.labels))[:100])
        natural = [_ratios(learn, held_out.values), _ratios(*(lambda a, b: (a, b.values))(*torn(learn, 0)))]
        planted = _ratios(learn, changed(some, random))
        for what, found, shown in (
            ("planted", planted, (0.5, 0.8, 0.9, 1.0)), ("as split", natural[0], (0.0, 0.01, 0.05, 0.5)),
            ("random split", natural[1], (0.0, 0.01, 0.05, 0.5)),
        ):  # fmt: skip
            at = ", ".join(f"{100 * q:.0f} %: {np.quantile(found, q):.3f}" for q in shown)
            lines.append([name, what, at])
            results[f"{name}, {what}"] = np.quantile(found, shown).tolist()
    title = f"unexplained against the middle of the 20 nearest (a copy: < {likeness.SAME})"
    show_table(title, ["set", "pairs", "quantiles"], lines)
    return {"ratios": results}


def _ratios(learn: Side, values: np.ndarray) -> np.ndarray:
    queries, others = (likeness._blurred(small_pictures(some)) for some in (values, learn.values))
    points = likeness._coarse_points(others, queries, np.random.RandomState(0))
    _, places = likeness.nearest(points[len(others) :], points[: len(others)], 20)
    left = likeness._unexplained(queries, others, places)
    return left.min(axis=1) / np.median(left, axis=1)


def show_times() -> dict[str, Any]:
    random, lines, results = np.random.RandomState(0), [], {}
    for height, width, channels in ((28, 28, 1), (64, 54, 1), (64, 64, 3), (208, 176, 1), (256, 256, 3)):
        X = random.randint(0, 256, (TIMED, height, width, channels)).astype(np.uint8)
        y = np.arange(TIMED) % 4
        files = tuple(f"{label}/p{i // 5:03}_{i}.png" for i, label in enumerate(y))
        side = Side(X, y, files)
        seconds = [told(side.take(np.arange(200, TIMED)), side.take(np.arange(200)))[2] for _ in range(3)]
        results[f"{height}x{width}x{channels}"] = float(np.median(seconds))
        lines.append([f"{height} x {width} x {channels}", f"{np.median(seconds):.2f}"])
    show_table(f"{TIMED:,} pictures, 200 of them held out", ["size", "processor s"], lines)
    return {"seconds": results}


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(__file__).resolve().parents[2] / "shared" / "data")
    parser.add_argument("--only", choices=("folders", "planted", "ratios", "time"))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    sets = {} if options.only == "time" else real_sets(options.data)
    results: dict[str, Any] = {}
    if options.only in (None, "folders"):
        results |= show_folders(sets, options.seeds)
    if options.only in (None, "planted"):
        results |= show_planted(sets, options.seeds)
    if options.only in (None, "ratios"):
        results |= show_ratios(sets)
    if options.only in (None, "time"):
        results |= show_times()
    write_json(options.json, results)


if __name__ == "__main__":
    main()
