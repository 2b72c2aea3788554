"""Fit how sure the checks of the data (DA...) are, on tables whose defect was planted.

    python benchmarks/doctor_data.py --half dev --only found --json tables.json
    python tools/calibrate_scan.py tables.json [--write]

A finding is true where its defect was planted, or where it follows from the one that was. For each code
``sigmoid(slope * ln(strength) + offset)`` is fitted, with a ridge towards what all codes together give, as in
``calibrate_causes.py``. ``--write`` puts the numbers into the table; those of other codes stay.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from calibrate_causes import LOOSE, TARGET, TIGHT, Numbers, Told, fit, strength

from planefold.doctor.confidence import OFFSET, SLOPE

FITTED = ("DA204", "DA303", "DA401", "DA402", "DA403", "DA601", "DA701", "DA702", "DA801")


def calibrate(stated: Iterable[Mapping[str, Any]], table: Mapping[str, Numbers]) -> dict[str, Numbers]:
    """Return slope and offset of each code.

    Parameters
    ----------
    stated : iterable of mappings
        ``code``, ``confidence`` and ``true`` of each finding.
    table : mapping of str to (slope, offset)
        The numbers that the confidences were stated with.
    """
    told = [
        Told(one["code"], strength(one["code"], one["confidence"], dict(table)), one["true"])
        for one in stated
        if one["code"] in FITTED
    ]
    shared = fit(told, (SLOPE, OFFSET), LOOSE)
    codes = sorted({one.code for one in told})
    return {code: fit([one for one in told if one.code == code], shared, TIGHT) for code in codes}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--write", action="store_true")
    chosen = parser.parse_args()
    table = {code: (slope, offset) for code, (slope, offset) in json.loads(TARGET.read_text(encoding="utf-8")).items()}
    stated = [one for file in chosen.files for one in json.loads(file.read_text(encoding="utf-8"))["told"]]
    numbers = calibrate(stated, table)
    for code, (slope, offset) in numbers.items():
        right = [one["true"] for one in stated if one["code"] == code]
        at = [1 / (1 + math.exp(-slope * math.log(s) - offset)) for s in (1, 2)]
        print(f"{code}  true {sum(right)} of {len(right)}; at the threshold {at[0]:.2f}, at twice of it {at[1]:.2f}")
    if chosen.write:
        TARGET.write_text(json.dumps(table | numbers, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
