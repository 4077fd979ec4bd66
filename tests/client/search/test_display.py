"""How far a search is, on a terminal and where nobody watches; and that its page names it all."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from pawfect.contract.candidates import FoundCandidate
from pawfect.contract.errors import ErrorKind
from pawfect.contract.search_report import Candidate
from pawfect_client import StageEvent
from pawfect_client.search.command import search
from pawfect_client.search.display import exit_code, failure_lines, shown_run, summary
from pawfect_client.search.search_task import Searched

ROOT = Path(__file__).parents[3]
FOUND = FoundCandidate(Candidate(3, "global", 21, "seed", potential=7.25))
FAILED = Searched("b\n", error=ErrorKind.UNAVAILABLE, message="nobody there")


def run(console: Console, log=None) -> None:
    with shown_run(console, 2, log) as show:
        show.begun(1)
        show.known(2, 8)
        show.stage(StageEvent("judges", 0.5))
        show.stage(StageEvent("candidate 3", 0.6, None, FOUND))
        show.ended(Searched(1))
        show.begun("b\n")
        show.ended(FAILED)


def test_a_terminal_has_bars_for_tasks_candidates_and_the_stage():
    screen = io.StringIO()
    logged: list[str] = []
    run(Console(file=screen, force_terminal=True, width=140), logged.append)
    text = screen.getvalue()
    for told in ("2 of 2, 1 failed", "candidates of task", "tasks"):
        assert told in text
    assert len(logged) == 4


def test_elsewhere_there_is_a_line_for_each_candidate_and_task():
    screen = io.StringIO()
    run(Console(file=screen, width=60))
    assert screen.getvalue().splitlines() == [
        "1/2 task 1: 2 of 8 candidates finished before",
        "1/2 task 1: candidate 3 (seed 21, seed) at 7.25, 3 of 8",
        "1/2 task 1: complete before",
        r"2/2 task b\n: failed: nobody there",
    ]


def test_many_failures_are_shown_in_part():
    lines = list(failure_lines([FAILED] * 25))
    assert len(lines) == 21
    assert lines[0].startswith(r"pawfect: task b\n: the server, or the engine asked for")
    assert lines[-1] == "pawfect: and 5 more failed"


@pytest.mark.parametrize(
    ("kinds", "interrupted", "code"),
    [
        ([None], False, 0),
        ([None, "INVALID_ARG", "INVALID_ARG"], False, 65),
        (["INVALID_ARG", "UNAVAILABLE"], False, 1),
        (["INVALID_ARG"], True, 130),
    ],
)
def test_the_exit_code_is_that_of_the_failures_one_kind(kinds, interrupted, code):
    results = [Searched(0, error=kind and ErrorKind[kind]) for kind in kinds]
    assert exit_code(results, interrupted=interrupted) == code


def test_the_last_line_counts_what_was_done():
    line = summary("out", [Searched(1), FAILED], 4, interrupted=True)
    assert line == (
        "out: 0 of 4 tasks searched, 1 complete before, 1 failed, interrupted with 2 to go, "
        "with which the same command goes on"
    )


def test_the_page_of_the_search_names_every_option():
    page = (ROOT / "docs" / "search.md").read_text()
    missing = [
        option
        for one in search.params
        for option in one.opts
        if option.startswith("--") and option not in page
    ]
    assert missing == []
