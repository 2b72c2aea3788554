"""What README and docs show, works: each page is run from top to bottom in a folder of its own.

Python blocks of one page share one namespace. Of a console block, the lines that begin with ``planefold`` or
``$ planefold`` are run, each in a process of its own, and must succeed. A block below the comment
``<!-- not run: reason -->`` is left out.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
CONSOLE = ("console", "sh")
FENCE = re.compile(r"^(?P<indent> *)(?P<fence>`{3,})(?P<info>[^`]*)$")
NOT_RUN = re.compile(r"<!-- not run: \S.* -->")
COMMAND = "import sys; from planefold.cli.main import main; sys.argv[0] = 'planefold'; sys.exit(main())"


@dataclass(frozen=True, kw_only=True)
class Block:
    """A fenced block that is to be run; ``line`` is the page's line on which its first line stands."""

    language: str
    line: int
    text: str


def read_blocks(page: str) -> Iterator[Block]:
    """Find the Python and console blocks of a page, without those that say they are not run."""
    last_text = ""  # the last line that was not blank and lies outside of blocks
    lines = enumerate(page.splitlines(), start=1)
    for number, line in lines:
        opening = FENCE.match(line)
        if opening is None:
            last_text = line.strip() or last_text
            continue
        indent, fence = opening["indent"], opening["fence"]
        inside = []
        for _, content in lines:
            if content.strip() == fence:
                break
            inside.append(content.removeprefix(indent))
        else:
            raise ValueError(f"the block that opens on line {number} is never closed")
        language = opening["info"].split()[0] if opening["info"].strip() else ""
        if language in ("python", *CONSOLE) and not NOT_RUN.fullmatch(last_text):
            yield Block(language=language, line=number + 1, text="\n".join(inside))
        last_text = ""


def read_commands(text: str) -> Iterator[list[str]]:
    """Find the planefold commands of a console block, as the arguments after ``planefold``."""
    for line in text.replace("\\\n", " ").splitlines():
        words = shlex.split(line.removeprefix("$ "), comments=True) if "planefold " in line else []
        if not words or words[0] != "planefold":
            continue
        shell = [word for word in words if word in ("|", "||", "&&", "&", ";", ">", ">>", "<")]
        if shell:
            raise ValueError(f"{line.strip()!r} needs a shell for {shell[0]!r}; put '<!-- not run: ... -->' above it")
        yield words[1:]


def pages() -> list[Path]:
    return [page for page in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))) if page.exists()]


def pages_to_run() -> list[Any]:
    """Only pages with something to run: a test that runs nothing proves nothing."""
    return [
        pytest.param(page, id=page.relative_to(ROOT).as_posix())
        for page in pages()
        if any(
            block.language == "python" or [*read_commands(block.text)] for block in read_blocks(page.read_text("utf-8"))
        )
    ]


@pytest.mark.parametrize("page", pages_to_run())
def test_every_block_of_the_page_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"__name__": "__main__"}
    for block in read_blocks(page.read_text("utf-8")):
        if block.language == "python":
            # Blank lines above the code make line numbers of a traceback those of the page.
            exec(compile("\n" * (block.line - 1) + block.text, str(page), "exec"), names)
            continue
        for arguments in read_commands(block.text):
            done = subprocess.run(
                [sys.executable, "-c", COMMAND, *arguments],
                cwd=tmp_path,
                capture_output=True,
                text=True,
                check=False,
                timeout=300,
            )
            where = f"{page.name}, block on line {block.line}: planefold {shlex.join(arguments)}"
            assert done.returncode == 0, f"{where}\n{done.stdout}{done.stderr}"


def test_the_reader_of_pages_finds_what_is_to_be_run() -> None:
    page = """\
```python
x = 1
```
<!-- not run: it needs a server -->

```python
serve()
```

1. In a list:

    ```console
    $ python -m pip install planefold
    $ planefold train houses.csv \\
        --target "the price"  # a comment
    planefold predict model.fold
    planefolder is no command of ours
    ```

```text
planefold train --nothing
```
"""
    blocks = list(read_blocks(page))
    assert [(block.language, block.line) for block in blocks] == [("python", 2), ("console", 13)]
    assert list(read_commands(blocks[1].text)) == [
        ["train", "houses.csv", "--target", "the price"],
        ["predict", "model.fold"],
    ]


def test_a_pipe_is_refused_and_not_silently_left_out() -> None:
    with pytest.raises(ValueError, match="needs a shell"):
        list(read_commands("planefold predict model.fold new.csv | head"))


def test_a_block_that_is_never_closed_is_refused() -> None:
    with pytest.raises(ValueError, match="never closed"):
        list(read_blocks("```python\nx = 1\n"))
