"""All checks, in the order in which findings are told: causes before what they cause."""

from __future__ import annotations

from types import ModuleType

from planefold.doctor import curves, data, gradients, outputs, scaling, scores, units
from planefold.doctor.check import Check

# What the network was given; how it was built and stepped; what the curves then show; what came out of it.
ORDER = (
    # wrong results, whatever the training did
    "GR603", "GR601", "GR602", "DA402", "DA404", "DA401",
    # causes
    "DA301", "DA302", "GR403", "GR702", "GR402", "GR102", "GR301", "GR302", "GR203", "GR701", "GR201", "GR501",
    "GR401", "GR202", "GR101", "DA502",
    # what the curves show
    "LC901", "LC902", "LC701", "LC401", "LC201", "LC101", "LC102", "LC602", "LC601", "LC301", "LC202", "LC203",
    "LC501", "LC402",
    # the rest of the data
    "DA801", "DA601", "DA602", "DA701", "DA702", "DA403", "DA202", "DA203", "DA204", "DA205", "DA501", "DA303",
    "DA101", "DA102", "DA901", "DA201",
    # the predictions
    "SC101", "SC102", "SC103", "SC201", "SC301", "SC401", "SC501",
)  # fmt: skip


def _checks_of(module: ModuleType) -> dict[str, Check]:
    return {value.code: value for value in vars(module).values() if isinstance(value, Check)}


_MODULES = (curves, gradients, units, outputs, scaling, data, scores)
_FOUND = {code: check for module in _MODULES for code, check in _checks_of(module).items()}
CHECKS: dict[str, Check] = {code: _FOUND[code] for code in ORDER if code in _FOUND}
assert CHECKS.keys() == _FOUND.keys(), f"these have no place in the order: {_FOUND.keys() - CHECKS.keys()}"
