"""The pages for readers, and the shell commands that stand in them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
# What a block may be; shell stands under one name, so that no command is passed over.
LANGUAGES: Final = frozenset({"sh", "python", "toml", "json", "mermaid"})
_FENCE: Final = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.M | re.S)
_HEREDOC: Final = re.compile(r"<<'?(\w+)'?")


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes:
        page: its file, from the repository's root.
        language: behind the fence.
        text: without the fences.
    """

    page: str
    language: str
    text: str


@dataclass(frozen=True)
class Command:
    """One command of a shell block.

    Attributes:
        page: its file, from the repository's root.
        text: as it stands, without the comment behind it; perhaps of several lines.
        block: the whole block's text.
    """

    page: str
    text: str
    block: str

    @property
    def line(self) -> str:
        """The command in one line, by which it is named."""
        return " ".join(self.text.replace("\\\n", " ").split())


def pages() -> list[Path]:
    """Return the README, the pages of docs, the runbooks and deploy's."""
    found = sorted((ROOT / "docs").rglob("*.md"))
    return [ROOT / "README.md", *found, ROOT / "deploy" / "README.md"]


@cache
def read(page: str) -> str:
    """Return the text of a page, named from the repository's root."""
    return (ROOT / page).read_text("utf-8")


def blocks_of(page: str) -> list[Block]:
    """Return the fenced blocks of a page, in order."""
    return [Block(page, language, text) for language, text in _FENCE.findall(read(page))]


@cache
def commands() -> tuple[Command, ...]:
    """Return every command of every shell block."""
    return tuple(
        Command(page, text, block.text)
        for page in (str(path.relative_to(ROOT)) for path in pages())
        for block in blocks_of(page)
        if block.language == "sh"
        for text in split(block.text)
    )


def split(block: str) -> Iterator[str]:
    """Yield the commands of a shell block, each whole and without comments behind its lines."""
    pending: list[str] = []
    for line in block.splitlines():
        within = pending and _HEREDOC.search(pending[0])
        pending.append(line if within else _without_comment(line))
        if not "".join(pending).strip():
            pending = []
        elif _is_whole(pending):
            yield "\n".join(pending)
            pending = []
    if pending:
        raise ValueError(f"expected a whole command, got {pending!r}")


def _is_whole(lines: list[str]) -> bool:
    text = "\n".join(lines)
    heredoc = _HEREDOC.search(text)
    if heredoc:
        return lines[-1] == heredoc[1]
    return (
        not text.endswith("\\")
        and _quote_at_end(text) == ""
        and len(re.findall(r"\bdo\b", text)) == len(re.findall(r"\bdone\b", text))
    )


def _without_comment(line: str) -> str:
    for place in (found.start() for found in re.finditer(r"(?:^|(?<=\s))#", line)):
        if _quote_at_end(line[:place]) == "":
            return line[:place].rstrip()
    return line.rstrip()


def _quote_at_end(text: str) -> str:
    """Return the quote that is open where a text ends, empty where none is."""
    quote, escaped = "", False
    for letter in text:
        if escaped:
            escaped = False
        elif letter == "\\" and quote != "'":
            escaped = True
        elif quote == letter:
            quote = ""
        elif not quote and letter in "'\"":
            quote = letter
    return quote


def find(page: str, part: str) -> Command:
    """Return the one command of a page that is a text, or has it as a part."""
    own = [each for each in commands() if each.page == page]
    found = [each for each in own if each.text == part] or [
        each for each in own if part in each.text
    ]
    if len(found) != 1:
        raise LookupError(f"{page}: expected one command with {part!r}, got {len(found)}")
    return found[0]


# Commands that tests run, by page and text.
RUN: Final[set[tuple[str, str]]] = set()


def runs(page: str, *parts: str, whole: bool = False) -> pytest.MarkDecorator:
    """Have a test run commands of a page, which it gets as `script`, one behind the other.

    Args:
        page: from the repository's root.
        parts: of each command something that no other one of the page has.
        whole: the whole block of the first one.
    """
    found = [find(page, part) for part in parts]
    if whole:
        found = [each for each in commands() if (each.page, each.block) == (page, found[0].block)]
    RUN.update((each.page, each.text) for each in found)
    script = "\n".join(each.text for each in found)
    return pytest.mark.parametrize("script", [pytest.param(script, id=f"{page}-{parts[0]}")])
