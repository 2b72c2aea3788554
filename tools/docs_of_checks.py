"""A page of the docs for each check of the doctor, made from its docstring while the docs are built."""

from __future__ import annotations

import inspect
import re
from typing import Any

from mkdocs.structure.files import File

from planefold.doctor import CHECKS, Check

FAMILIES = {
    "LC": ("Learning curves", "What the losses show, epoch by epoch."),
    "GR": ("Gradients, steps and units", "Whether the network can learn at all."),
    "DA": ("Data", "What is wrong with the rows, before anything is learned from them."),
    "SC": ("Predictions", "What came out of it."),
}


def on_config(config: Any) -> Any:
    """Put the pages under "Checks"."""
    pages: list[Any] = [{"All checks": "checks/index.md"}]
    for family, (name, _) in FAMILIES.items():
        pages.append({name: [{f"{c.code} {c.title}": f"checks/{c.code}.md"} for c in _of(family)]})
    places = [next(iter(entry)) for entry in config["nav"]]
    config["nav"].insert(places.index("Concepts") + 1, {"Checks": pages})
    return config


def on_files(files: Any, config: Any) -> Any:
    """Add the pages."""
    files.append(File.generated(config, "checks/index.md", content=index()))
    for check in CHECKS.values():
        files.append(File.generated(config, f"checks/{check.code}.md", content=page(check)))
    return files


def _of(family: str) -> list[Check]:
    return [CHECKS[code] for code in sorted(CHECKS) if code.startswith(family)]


def index() -> str:
    """Write the page that lists all checks."""
    parts = [
        "# All checks",
        "What the doctor looks for. Each check answers with a finding, with nothing, or that it has too little to go "
        "by; [the guide](../guides/doctor.md) says how to ask it. `planefold doctor --explain LC101` prints these "
        "pages in a terminal.",
    ]
    for family, (name, lede) in FAMILIES.items():
        rows = [f"| [{c.code}]({c.code}.md) | {c.title} | {_first_line(c)} |" for c in _of(family)]
        parts += [f"## {name}", lede, "\n".join(["| code | title | what it does |", "|---|---|---|", *rows])]
    return "\n\n".join(parts) + "\n"


def page(check: Check) -> str:
    """Write the page of one check from its docstring: its sections become headings."""
    text, _, references = _in_markdown(inspect.cleandoc(check.__doc__ or "")).partition("## References\n")
    parts = [f"# {check.code} {check.title}", text.strip()]
    if check.silences:
        told = ", ".join(f"[{c} {CHECKS[c].title}]({c}.md)" for c in check.silences if c in CHECKS)
        parts.append(f"**Silences** {told}: where it speaks, they would only repeat it, or advise the opposite.")
    if references:
        parts += ["## References", _as_list(references)]
    elif check.source:
        parts += ["## Source of the rule", check.source[0].upper() + check.source[1:] + "."]
    return "\n\n".join(parts) + "\n"


def _in_markdown(text: str) -> str:
    """Turn headings, code and links of a docstring into Markdown; each part of a rule is a paragraph of its own."""
    text = re.sub(r"^(\w[\w ]*)\n-{3,}$", r"## \1\n", text, flags=re.MULTILINE).replace("## Notes\n\n", "")
    text = re.sub(r"``([^`]+)``", r"`\1`", text)
    text = re.sub(r":\w+:`~?([^`]+)`", r"`\1`", text)
    return re.sub(r"(?<=[.:])\s+(?=\*\*(?:Rule|Fires on|Silent on|Limits)\b)", "\n\n", text)


def _as_list(references: str) -> str:
    """Give each reference a line: what begins a line after a full stop is another one."""
    each = re.split(r"(?<=[.?])\n(?=[A-Z])", references.strip())
    return "\n".join("- " + one.replace("\n", " ") for one in each)


def _first_line(check: Check) -> str:
    return (check.__doc__ or "").strip().split("\n\n")[0].replace("\n", " ").replace("|", "\\|")
