"""A Dockerfile's instructions as plain values, and the rules that the steps are run by."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from io import BytesIO
from pathlib import Path

from dockerfile_parse import DockerfileParser

_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")


class DockerfileError(ValueError):
    """An instruction that is not understood; it is quoted."""


@dataclass(frozen=True)
class Instruction:
    """One instruction.

    Attributes:
        name: in capitals.
        value: the rest, its lines joined.
        line: where it starts, from 1.
    """

    name: str
    value: str
    line: int

    def words(self) -> list[str]:
        """Return the exec form's words.

        Raises:
            DockerfileError: it is not in exec form.
        """
        try:
            words = json.loads(self.value)
        except ValueError:
            words = None
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            raise DockerfileError(f"line {self.line}: {self.name}: expected the exec form")
        return words


def instructions(text: str) -> list[Instruction]:
    """Return a Dockerfile's instructions in order, comments left out."""
    parser = DockerfileParser(fileobj=BytesIO(text.encode()))
    return [
        Instruction(item["instruction"], item["value"], item["startline"] + 1)
        for item in parser.structure
        if item["instruction"] != "COMMENT"
    ]


def expanded(text: str, variables: Mapping[str, str]) -> str:
    """Replace $NAME and ${NAME} as Docker does in its own instructions; an unset one is empty."""
    return _VARIABLE.sub(lambda found: variables.get(found[1] or found[2], ""), text)


def assignments(instruction: Instruction, variables: Mapping[str, str]) -> dict[str, str]:
    """Return the NAME=VALUE pairs of an ENV instruction; values see what was set before it.

    Raises:
        DockerfileError: another form.
    """
    pairs = {}
    for word in instruction.value.split():
        name, equals, value = word.partition("=")
        if not equals or not name.isidentifier():
            raise DockerfileError(f"line {instruction.line}: expected NAME=VALUE, got {word!r}")
        pairs[name] = expanded(value.strip("\"'"), variables)
    return pairs


def copied(instruction: Instruction) -> tuple[list[str], str]:
    """Return the sources and the destination of a COPY whose only option is --from.

    Raises:
        DockerfileError: other options, or fewer than two words.
    """
    words = instruction.value.split()
    words = words[1:] if stage_of(instruction) else words
    if len(words) < 2 or any(word.startswith("--") for word in words):
        raise DockerfileError(f"line {instruction.line}: expected COPY SOURCE... DESTINATION")
    return words[:-1], words[-1]


def stage_of(instruction: Instruction) -> str:
    """Return the stage that a COPY --from takes files of; empty where it takes the context's."""
    found = re.match(r"--from=(\S+)", instruction.value)
    return found[1] if found else ""


def stage_name(instruction: Instruction) -> str:
    """Return what a FROM calls its stage; empty where it has no name."""
    found = re.search(r"(?i)\sAS\s+(\S+)$", instruction.value)
    return found[1] if found else ""


def ignored(path: str, patterns: Sequence[str]) -> bool:
    """Say whether .dockerignore keeps a file out of the build.

    Args:
        path: relative to the context, with slashes.
        patterns: the file's lines, of three forms: `*` first, `!NAME` for what is at the top and
            comes back, `**/PATTERN` for names that stay out wherever they are.

    Raises:
        DockerfileError: a line of another form.
    """
    first, *lines = (line for line in patterns if line and not line.startswith("#"))
    kept = {line[1:] for line in lines if re.fullmatch(r"![\w.]+", line)}
    out = [line[3:] for line in lines if re.fullmatch(r"\*\*/[^/!]+", line)]
    if first != "*" or len(kept) + len(out) < len(lines):
        raise DockerfileError(".dockerignore: expected `*`, then lines of !NAME or **/PATTERN")
    parts = path.split("/")
    return parts[0] not in kept or any(fnmatch(part, one) for part in parts for one in out)


def context_files(context: Path, source: str) -> list[str]:
    """Return the files that a COPY source brings, relative to the context, .dockerignore obeyed.

    Raises:
        DockerfileError: it brings none.
    """
    ignore = context / ".dockerignore"
    patterns = ignore.read_text("utf-8").splitlines() if ignore.exists() else []
    start = context / source
    found = [start] if start.is_file() else sorted(start.rglob("*"))
    files = [path.relative_to(context).as_posix() for path in found if path.is_file()]
    files = [path for path in files if not ignored(path, patterns)]
    if not files:
        raise DockerfileError(f"COPY {source}: no such file in the build context")
    return files
