"""The page of each check, made from its docstring."""

from __future__ import annotations

import importlib.util
import re

import pytest

pytest.importorskip("mkdocs")

from planefold.doctor import CHECKS


@pytest.fixture(scope="module")
def pages(request):
    path = request.config.rootpath / "tools" / "docs_of_checks.py"
    spec = importlib.util.spec_from_file_location("docs_of_checks", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return {code: module.page(check) for code, check in CHECKS.items()} | {"index": module.index()}


@pytest.mark.parametrize("code", CHECKS)
def test_a_page_says_when_a_check_speaks_when_it_does_not_and_what_it_cannot_see(pages, code):
    page = pages[code]
    assert page.startswith(f"# {code} {CHECKS[code].title}\n\n")
    parts = [page.index(f"\n\n**{part}") for part in ("Rule.", "Fires on", "Silent on", "Limits.")]
    assert parts == sorted(parts)


@pytest.mark.parametrize("code", CHECKS)
def test_a_page_is_plain_markdown(pages, code):
    assert not re.search(r"``|:\w+:`|^-{3,}$|^\.\. ", pages[code], flags=re.MULTILINE)


def test_links_lead_to_pages_that_there_are(pages):
    linked = {code for page in pages.values() for code in re.findall(r"\]\((\w+)\.md\)", page)}
    assert linked == set(CHECKS)


def test_a_reference_that_goes_on_in_the_next_line_stays_one(pages):
    references = pages["LC301"].partition("## References\n\n")[2].strip().splitlines()
    assert all(line.startswith("- ") and line.endswith(".") for line in references)
