"""`RefusalError`: what the parts of this package raise inside; `fold.py` turns it into an error with the path."""

from __future__ import annotations


class RefusalError(Exception):
    """Something is wrong with the content of a file; the caller knows which file.

    Parameters
    ----------
    details : str
        Where and what, for example ``"schema.json: the key 'columns' comes twice"``.
    hint : str, optional
        What to try, where it is not the usual "copy the file again".
    """

    def __init__(self, details: str, hint: str | None = None) -> None:
        super().__init__(details)
        self.details = details
        self.hint = hint


def quoted(text: object) -> str:
    """Show text from a file that nobody has vouched for: escaped, and never longer than a line."""
    shown = ascii(text)
    return shown if len(shown) <= 80 else shown[:77] + "..."
