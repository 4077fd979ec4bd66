"""What is told of a job: numbers that only rise, lines that are bounded."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pawfect.contract.search_report import Candidate
from pawfect_service.jobs.live import (
    AT_ONCE,
    LONGEST_LINE,
    MOST_CANDIDATES,
    MOST_LINES,
    Live,
    LiveCandidate,
    LiveSheet,
)


@given(st.lists(st.lists(st.text(max_size=300), max_size=30), max_size=20))
def test_numbers_rise_by_one_and_no_line_is_longer_than_its_bound(batches):
    live = Live()
    for batch in batches:
        before = live
        live = live.said(batch, at=1.0).moved().shown()
        assert live.seq - before.seq == min(len(batch), AT_ONCE) + 2
        assert (live.state, live.preview) == (live.seq - 1, live.seq)
        numbers = [line.seq for line in live.lines]
        assert numbers == sorted(set(numbers))
        assert len(live.lines) <= MOST_LINES
        assert all(len(line.text) <= LONGEST_LINE for line in live.lines)
        assert all(line.text.isprintable() for line in live.lines)
        assert Live.model_validate(live.model_dump(by_alias=True), by_alias=True) == live


def test_what_is_too_much_at_once_is_counted():
    live = Live().said([f"line {number}" for number in range(50)], at=2.0)
    assert [live.lines[0].text, live.lines[-1].text] == ["line 0", "31 more lines"]
    assert live.lines[-1].seq == live.seq == 1 + AT_ONCE
    for number in range(MOST_LINES):
        live = live.said([f"later {number}"], at=3.0)
    assert live.lines[0].text == "later 0", "the last ones are kept"


def test_a_line_is_one_line_of_what_can_be_stored():
    (line,) = Live().said(["a\nb\x1b[2J\ud800<b>" + "x" * 900], at=1.0).lines
    assert line.text.startswith("a b [2J <b>xxx")
    line.text.encode()


def found(number: int, error: str | None = None) -> LiveCandidate:
    scores = {"realism": 5}
    return LiveCandidate.of(
        Candidate(number, "global", 2**63 - 1, "seed", scores=scores, error=error)
    )


def test_a_candidate_that_is_told_again_takes_its_own_place_and_a_new_start_has_none():
    sheet = LiveSheet(planned=3, columns=2, rows=2, ratio=1.5)
    live = Live().found([found(0), found(1)], sheet).shown()
    live = live.found([found(0, "x\ud800" * 900)], None)
    assert [(one.number, one.seq) for one in live.candidates] == [(1, 3), (0, 5)]
    assert live.sheet == sheet
    assert len(live.candidates[1].error or "") == 300
    assert Live.model_validate(live.model_dump(by_alias=True), by_alias=True) == live
    live = live.found(map(found, range(MOST_CANDIDATES)), None)
    assert len(live.candidates) == MOST_CANDIDATES
    anew = live.anew()
    assert (anew.candidates, anew.sheet, anew.preview, anew.seq) == ((), None, None, live.seq)
