from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize("package", ["planefold.reports", "planefold.plots"])
def test_importing_and_reporting_needs_neither_torch_nor_sklearn_nor_matplotlib(package):
    code = f"""
import sys, {package} as package
heavy = [name for name in ("sklearn", "torch", "matplotlib", "pandas") if name in sys.modules]
assert not heavy, heavy
assert set(package.__all__) <= set(dir(package))
homes = getattr(package, "_HOMES", {{}})
for name in package.__all__:
    if not homes.get(name, "").startswith("geometry"):  # which is computed from networks
        getattr(package, name)
heavy = [name for name in ("sklearn", "torch", "matplotlib", "pandas") if name in sys.modules]
assert not heavy, heavy
"""
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("package", ["planefold.reports", "planefold.plots"])
def test_a_name_that_is_not_there_is_an_attribute_error(package):
    module = __import__(package, fromlist=["x"])
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        module.nothing  # noqa: B018
