"""Run scikit-learn's own tests of its multilayer perceptrons against planefold's classes.

    python tools/run_sklearn_mlp_tests.py                  scikit-learn's default values (SKLEARN_DEFAULTS)
    python tools/run_sklearn_mlp_tests.py --defaults ours  planefold's own default values
    python tools/run_sklearn_mlp_tests.py -k early         only the tests whose name has "early" in it

The tests are those of the installed scikit-learn, unchanged; only the two classes are replaced. A test that
reads or sets private attributes of scikit-learn's classes says nothing about behaviour and is not applicable.
Prints one line a test, and the sums. Exit status 1 if a test failed, or none ran.
"""

from __future__ import annotations

import argparse
import ast
import inspect
import os
import sys
from collections import Counter
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
import sklearn.neural_network

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))  # this checkout, whatever is installed
import planefold

MODULE = "sklearn.neural_network.tests.test_mlp"
CLASSES = ("MLPClassifier", "MLPRegressor")


def private_attributes(source: str) -> dict[str, list[str]]:
    """Find the private attributes that each test function touches."""
    found = {}
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test"):
            names = {a.attr for a in ast.walk(node) if isinstance(a, ast.Attribute)}
            found[node.name] = sorted(n for n in names if n.startswith("_") and not n.startswith("__"))
    return {name: attributes for name, attributes in found.items() if attributes}


def use_defaults(cls: type, defaults: MappingProxyType[str, Any]) -> None:
    """Give a class other default values, in place: tests clone and pickle it by its name."""
    init: Any = cls.__init__
    positional = [p.name for p in inspect.signature(init).parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
    with_default = positional[len(positional) - len(init.__defaults__) :]
    old = zip(with_default, init.__defaults__, strict=True)
    init.__defaults__ = tuple(defaults.get(name, value) for name, value in old)
    init.__kwdefaults__ |= {name: value for name, value in defaults.items() if name in init.__kwdefaults__}
    now = {name: p.default for name, p in inspect.signature(cls).parameters.items()}
    assert all(now[name] == value for name, value in defaults.items())


class Outcomes:
    """A pytest plugin that collects one line a test and leaves out what is not applicable."""

    def __init__(self, private: dict[str, list[str]]) -> None:
        self.private = private
        self.lines: dict[str, tuple[str, str]] = {}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            touched = self.private.get(getattr(item, "originalname", item.name), [])
            if touched:
                self.lines[item.name] = ("not applicable", "reaches into private attributes: " + ", ".join(touched))
        items[:] = [item for item in items if item.name not in self.lines]

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.lines[report.nodeid or "collection"] = ("failed", str(report.longrepr).strip().splitlines()[-1])

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        name = report.nodeid.split("::")[-1]
        if report.failed:
            crash = getattr(report.longrepr, "reprcrash", None)
            self.lines[name] = ("failed", crash.message.splitlines()[0] if crash else str(report.longrepr)[-200:])
        elif report.skipped:
            self.lines[name] = ("not applicable", f"skipped: {report.longrepr[-1]}")
        elif report.when == "call":
            self.lines.setdefault(name, ("passed", ""))


def main() -> int:
    """Run the tests and print what came of each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--defaults", choices=("sklearn", "ours"), default="sklearn", help="whose default values")
    parser.add_argument("-k", metavar="WORDS", help="only the tests that match, as in pytest")
    options = parser.parse_args()
    for name in CLASSES:
        cls = getattr(planefold, name)
        if options.defaults == "sklearn":
            use_defaults(cls, planefold.SKLEARN_DEFAULTS)
        setattr(sklearn.neural_network, name, cls)  # before the tests import it from there

    spec = find_spec(MODULE)
    if spec is None or spec.origin is None:
        print(f"this scikit-learn {sklearn.__version__} comes without its tests ({MODULE})", file=sys.stderr)
        return 1
    path = Path(spec.origin)
    outcomes = Outcomes(private_attributes(path.read_text(encoding="utf-8")))
    arguments = [
        "-p",
        "no:cacheprovider",
        "-p",
        "no:terminal",
        "-c",
        os.devnull,
        "--rootdir",
        str(path.parent),
        str(path),
    ]
    pytest.main(arguments + (["-k", options.k] if options.k else []), plugins=[outcomes])

    for name, (outcome, reason) in outcomes.lines.items():
        print(f"{outcome:<15}{name}" + (f"  ({reason})" if reason else ""))
    counts = Counter(outcome for outcome, _ in outcomes.lines.values())
    print(f"\nscikit-learn {sklearn.__version__}, defaults: {options.defaults}")
    print(", ".join(f"{counts[kind]} {kind}" for kind in ("passed", "failed", "not applicable")))
    return 1 if counts["failed"] or not counts["passed"] else 0


if __name__ == "__main__":
    sys.exit(main())
