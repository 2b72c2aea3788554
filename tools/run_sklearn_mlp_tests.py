"""Run scikit-learn's own tests of its multilayer perceptrons against planefold's classes.

    python tools/run_sklearn_mlp_tests.py                  scikit-learn's default values (SKLEARN_DEFAULTS)
    python tools/run_sklearn_mlp_tests.py --defaults ours  planefold's own default values

The tests are those of the installed scikit-learn, unchanged; only the two classes are replaced. A test that
reads or sets private attributes of scikit-learn's classes says nothing about behaviour and is not applicable.
Prints one line a test, and the sums. Exit status 1 if a test failed.
"""

from __future__ import annotations

import argparse
import ast
import inspect
import sys
from collections import Counter
from importlib.util import find_spec
from pathlib import Path

import pytest
import sklearn.neural_network

import planefold

MODULE = "sklearn.neural_network.tests.test_mlp"


def private_attributes(source: str) -> dict[str, list[str]]:
    """The private attributes that each test function touches."""
    found = {}
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test"):
            names = {a.attr for a in ast.walk(node) if isinstance(a, ast.Attribute)}
            found[node.name] = sorted(n for n in names if n.startswith("_") and not n.startswith("__"))
    return {name: attributes for name, attributes in found.items() if attributes}


def use_sklearn_defaults() -> None:
    """Give planefold's classes scikit-learn's default values."""
    for cls in (planefold.MLPClassifier, planefold.MLPRegressor):
        init = cls.__init__
        names = [p.name for p in inspect.signature(init).parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
        with_default = names[-len(init.__defaults__) :]
        values = zip(with_default, init.__defaults__, strict=True)
        init.__defaults__ = tuple(planefold.SKLEARN_DEFAULTS.get(name, value) for name, value in values)
        keywords = {k: v for k, v in planefold.SKLEARN_DEFAULTS.items() if k in init.__kwdefaults__}
        init.__kwdefaults__.update(keywords)


class Outcomes:
    """A pytest plugin that collects one line a test and leaves out what is not applicable."""

    def __init__(self, private: dict[str, list[str]]) -> None:
        self.private = private
        self.lines: dict[str, tuple[str, str]] = {}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            touched = self.private.get(item.originalname, [])
            if touched:
                reason = "reaches into private attributes: " + ", ".join(touched)
                self.lines[item.name] = ("not applicable", reason)
        items[:] = [item for item in items if item.name not in self.lines]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        name = report.nodeid.split("::")[-1]
        if report.failed:
            crash = getattr(report.longrepr, "reprcrash", None)
            self.lines[name] = ("failed", crash.message.splitlines()[0] if crash else str(report.longrepr)[-200:])
        elif report.skipped:
            self.lines[name] = ("not applicable", f"skipped: {report.longrepr[-1]}")
        elif report.when == "call":
            self.lines[name] = ("passed", "")


def main() -> int:
    """Run the tests and print what came of each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--defaults", choices=("sklearn", "ours"), default="sklearn")
    options = parser.parse_args()
    if options.defaults == "sklearn":
        use_sklearn_defaults()
    sklearn.neural_network.MLPClassifier = planefold.MLPClassifier
    sklearn.neural_network.MLPRegressor = planefold.MLPRegressor

    path = Path(find_spec(MODULE).origin)
    outcomes = Outcomes(private_attributes(path.read_text()))
    quiet = ["-p", "no:cacheprovider", "-p", "no:terminal", "-c", "/dev/null"]
    pytest.main([*quiet, "--rootdir", str(path.parent), str(path)], plugins=[outcomes])

    for name, (outcome, reason) in outcomes.lines.items():
        print(f"{outcome:<15}{name}" + (f"  ({reason})" if reason else ""))
    counts = Counter(outcome for outcome, _ in outcomes.lines.values())
    print(f"\nscikit-learn {sklearn.__version__}, defaults: {options.defaults}")
    print(", ".join(f"{counts[kind]} {kind}" for kind in ("passed", "failed", "not applicable")))
    return 1 if counts["failed"] or not counts["passed"] else 0


if __name__ == "__main__":
    sys.exit(main())
