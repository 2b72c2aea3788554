"""Names in docstrings without Sphinx's roles: ``:class:`Run``` is a name in the docs, and no more."""

from __future__ import annotations

import re
from typing import Any

_ROLE = re.compile(r":(?:attr|class|data|exc|func|meth|mod):(?:<code>|`)(~?)([\w.]+)(?:</code>|`)")


def on_page_content(html: str, **_: Any) -> str:
    """Take the roles out of a page; a tilde leaves the last part of a name, as Sphinx has it."""
    return _ROLE.sub(lambda found: f"<code>{found[2].rpartition('.')[2] if found[1] else found[2]}</code>", html)
