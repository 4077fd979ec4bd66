"""Parameters of `candidate_search` that its proposers have for themselves."""

from __future__ import annotations

import pytest

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.contract.search import (
    MAX_NAME,
    SearchParams,
    check_mask,
    check_reference,
    check_swap_consent,
    search_plan,
)


@pytest.mark.parametrize("name", ["Rex", "Käthe O'Neil-Möhre II.", "猫", "auto", "K" * MAX_NAME])
def test_a_name_is_any_short_printable_text(name):
    assert SearchParams.parse({"proposer": "edit", "character": name}).character == name


@pytest.mark.parametrize(
    "name", ["", " ", " Rex", "Rex ", "Rex\n", "a\tb", "K" * (MAX_NAME + 1), 5]
)
def test_a_name_that_is_none_is_refused(name):
    with pytest.raises(PawfectError, match="character: expected 1 to 80 printable") as refused:
        SearchParams.parse({"proposer": "edit", "character": name})
    assert refused.value.kind is ErrorKind.INVALID_ARG


@pytest.mark.parametrize("engine", ["flux", "lama", "patch"])
def test_an_engine_that_does_not_edit_makes_no_edits(engine):
    with pytest.raises(PawfectError, match="engine: expected auto, edit or klein with proposer"):
        search_plan(SearchParams(proposer="edit", engine=engine))


def test_of_edits_there_are_two_candidates_at_least_and_the_first_is_unedited():
    with pytest.raises(PawfectError, match="k_global: expected at least 2 with proposer=edit"):
        search_plan(SearchParams(proposer="edit", k_global=1))
    assert search_plan(SearchParams(proposer="edit", k_global=2)).unedited
    assert not search_plan(SearchParams(k_global=1)).unedited


def test_of_fills_and_edits_only_edits_need_the_characters_picture():
    check_reference(SearchParams(), given=False)
    check_reference(SearchParams(proposer="edit"), given=True)
    with pytest.raises(PawfectError, match="reference: expected the character's picture"):
        check_reference(SearchParams(proposer="edit"), given=False, name="reference")


def test_a_swap_needs_the_characters_picture_and_consent_but_no_mask():
    swap = SearchParams(proposer="swap", consent=True)
    check_mask(swap, given=False)
    check_reference(swap, given=True)
    check_swap_consent(swap)
    check_swap_consent(SearchParams(proposer="edit"))
    with pytest.raises(PawfectError, match=r"REFERENCE: .* proposer=swap, got none"):
        check_reference(swap, given=False)
    with pytest.raises(PawfectError, match=r"consent: expected true, .* agrees, got false"):
        check_swap_consent(SearchParams(proposer="swap"))
    with pytest.raises(PawfectError, match=r"MASK: expected a mask with proposer=edit, got none"):
        check_mask(SearchParams(proposer="edit"), given=False)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"k_global": 65}, "k_global: expected from 1 to 64"),
        ({"m_global": 65}, "m_global: expected from 0 to 64"),
        ({"k_local": 17}, "k_local: expected from 0 to 16"),
        ({"at_once": 65}, "at_once: expected from 1 to 64"),
        ({"steps": 101}, "steps: expected from 1 to 100"),
        ({"judge_ms": 600_001}, "judge_ms: expected from 1 to 600000"),
        ({"deadline_ms": 600_001}, "deadline_ms: expected from 1 to 600000"),
    ],
)
def test_what_a_search_costs_is_bounded(given, expected):
    with pytest.raises(PawfectError, match=expected):
        SearchParams.parse(given)


def test_a_callers_name_is_one_short_printable_line():
    assert SearchParams.parse({"caller": "vet-7"}).caller == "vet-7"
    for name in ("a\nINFO forged", "a\x1b[2J", "a\0", "x" * 129):
        with pytest.raises(PawfectError, match="caller: expected 1 to 128 printable characters"):
            SearchParams.parse({"caller": name})
