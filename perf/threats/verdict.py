"""What a run of tests says: read from its JUnit file."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final
from xml.etree import ElementTree

from perf.threats.rows import VITEST

# What a test says where the guard's removal broke the code: that proves nothing.
_BROKEN: Final = re.compile(
    r"(NameError|UnboundLocalError|ImportError|ModuleNotFoundError|ReferenceError)\b"
)
# A page's table holds a line of this length.
_LINE: Final = 160


class Verdict(StrEnum):
    """How a row's test ended."""

    GREEN = "green"
    RED = "red"
    SKIPPED = "skipped"
    BROKEN = "broken"
    NOT_RUN = "not run"
    TIMED_OUT = "timed out"


@dataclass(frozen=True)
class Outcome:
    """How a row's test ended, and where and with what it failed.

    Attributes:
        verdict: over all of the test's cases.
        failure: the first line of the first failure; empty without one.
        where: FILE:LINE in the test of that failure; empty without one.
    """

    verdict: Verdict
    failure: str = ""
    where: str = ""


@dataclass(frozen=True)
class _Case:
    name: str
    kind: str
    message: str
    text: str


def outcome(junit: Path, test: str) -> Outcome:
    """Return how one test ended, over all of its cases.

    Args:
        junit: the run's JUnit file.
        test: FILE::NAME or FILE::CLASS::NAME.
    """
    if not junit.is_file():
        return Outcome(Verdict.NOT_RUN)
    document = ElementTree.parse(junit)
    cases = [_case(node) for node in document.iter("testcase") if _is_of(node, test)]
    failed = [case for case in cases if case.kind in ("failure", "error")]
    if failed:
        bad = [case for case in failed if case.kind == "error" or _BROKEN.match(case.message)]
        first = (bad or failed)[0]
        verdict = Verdict.BROKEN if bad else Verdict.RED
        return Outcome(verdict, _first_line(first.message), _where(first.text, test))
    if any(case.kind == "passed" for case in cases):
        return Outcome(Verdict.GREEN)
    return Outcome(Verdict.SKIPPED if cases else Verdict.NOT_RUN)


def _is_of(node: ElementTree.Element, test: str) -> bool:
    file, *names = test.split("::")
    if file.endswith(VITEST):
        # The names of the groups that it is in come before its own.
        return node.get("name", "").split(" > ")[-1] == names[0]
    module = file.removesuffix(".py").replace("/", ".")
    place = ".".join((module, *names[:-1]))
    return node.get("classname") == place and node.get("name", "").split("[")[0] == names[-1]


def _case(node: ElementTree.Element) -> _Case:
    for kind in ("error", "failure", "skipped"):
        found = node.find(kind)
        if found is not None:
            return _Case(node.get("name", ""), kind, found.get("message", ""), found.text or "")
    return _Case(node.get("name", ""), "passed", "", "")


def _first_line(message: str) -> str:
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    line = lines[0] if lines else ""
    return line if len(line) <= _LINE else f"{line[: _LINE - 3]}..."


def _where(text: str, test: str) -> str:
    """Return the first line of the test's own file that the failure's text names."""
    file = test.split("::")[0]
    found = re.search(rf"{re.escape(file.removeprefix('web/'))}:(\d+)", text)
    return f"{file}:{found[1]}" if found else ""
