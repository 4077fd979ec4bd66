"""What a fetch or a build says while it runs; the bars are the hub library's."""

from __future__ import annotations

from collections.abc import Callable

# Takes one line that stays true.
Say = Callable[[str], None]


def silent(line: str) -> None:
    """Drop the line."""


def in_words(size: int | None) -> str:
    """Return bytes for people, in decimal units as the hub shows them."""
    if size is None:
        return "size not known"
    amount, unit = float(size), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if amount < 1000:
            break
        amount, unit = amount / 1000, larger
    return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.3g} {unit}"
