"""Texts with names of files in them, as one line of a terminal."""

from __future__ import annotations


def printable(text: str) -> str:
    r"""Return a text on one line: what does not print, such as a newline in a name, as `\n`."""
    shown = (char if char.isprintable() else _escaped(char) for char in text)
    return "".join(shown)


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")
