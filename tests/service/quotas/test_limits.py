"""Which limits a user has, what a job may cost elsewhere, and what it is charged."""

from __future__ import annotations

import json
import tomllib
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from pawfect.contract.errors import PawfectError
from pawfect.judges.asking import REPEATS
from pawfect_service.jobs.kinds import CUTOUT, REFINE, SEARCH, SWAP
from pawfect_service.quotas.ledger import (
    Entry,
    Ledger,
    day_of,
    kept_bytes,
    next_day_s,
    read_ledger,
    write_ledger,
)
from pawfect_service.quotas.limits import GIB, Limits, Rules, parse_exceptions
from pawfect_service.quotas.prices import (
    MOST_CALLS,
    Prices,
    asks_elsewhere,
    cost_of_starts,
    possible_cost,
)

FILE = """
[prices]
gemini = 0.01

[[users]]
uid = "u-4711"
jobs = 20
kept_gib = 0.5

[[users]]
uid = "ops"
unlimited = true
"""
NOON = 1_795_953_600.0


def test_an_exception_stands_in_place_of_the_options_and_what_it_leaves_out_is_theirs(
    tmp_path: Path,
) -> None:
    path = tmp_path / "quotas.toml"
    path.write_text(FILE)
    rules = Rules(Limits(jobs=4, judge_usd=1.0), path)
    assert rules.of("u-4711") == Limits(20, GIB // 2, 1.0)
    assert rules.of("ops") == Limits()
    assert rules.of("else") == Limits(4, None, 1.0)
    assert rules.prices == Prices(gemini=0.01)
    assert not rules.off


def test_the_file_is_read_anew_when_it_changes_and_a_broken_one_changes_nothing(
    tmp_path: Path,
) -> None:
    path = tmp_path / "quotas.toml"
    path.write_text(FILE)
    rules = Rules(Limits(), path)
    path.write_text(FILE.replace("20", "3000000"))
    assert rules.of("u-4711").jobs == 20
    path.write_text(FILE.replace("jobs = 20", "jobs = 7"))
    assert rules.of("u-4711").jobs == 7


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[[users]]\nuid = 'a/b'", "uid"),
        ("[[users]]\nuid = 'a'\njobs = -1", "jobs"),
        ("[[users]]\nuid = 'a'\njobs = true", "jobs"),
        ("[[users]]\nuid = 'a'\nmoney = 1", "money"),
        ("[[users]]\nuid = 'a'\n[[users]]\nuid = 'a'", "once"),
        ("[[users]]\nuid = 'a'\njobs = 1\nunlimited = true", "unlimited"),
        ("[prices]\ngemini = nan", "gemini"),
        ("users = 3", "users"),
        ("=", "TOML"),
    ],
)
def test_a_file_that_says_something_impossible_is_refused_with_where(text: str, why: str) -> None:
    with pytest.raises(PawfectError, match=why):
        parse_exceptions(text)


def test_no_price_is_under_that_of_the_dearest_model_and_no_question_has_more_repeats() -> None:
    """The service knows the judges' prices only from here; the server's own table rules."""
    table = tomllib.loads(
        resources.files("pawfect.judges").joinpath("remote_models.toml").read_text()
    )
    for judge, questions in (("gemini", 1), ("moondream", 6)):
        dearest = max(model["usd_per_call"] for model in table[judge]["models"])
        assert Prices().of(judge) == round(dearest * 1e6)
        assert MOST_CALLS[judge] == questions * (1 + REPEATS)


def test_only_what_may_leave_the_server_costs_and_a_search_for_each_of_its_candidates() -> None:
    remote = {"remote": True}
    assert asks_elsewhere(SEARCH, {}) == asks_elsewhere(SEARCH, {"remote": False}) == ()
    assert asks_elsewhere(CUTOUT, remote) == ()
    assert asks_elsewhere(SWAP, remote) == asks_elsewhere(SEARCH, remote) == ("gemini", "moondream")
    assert asks_elsewhere(REFINE, remote) == ("edit",)
    asked = SEARCH.parse({"k_global": 3, "m_global": 1, "k_local": 2, "remote": True}, {})
    assert possible_cost(asked, ("gemini",), Prices()) == 5 * 3 * 23_000
    assert possible_cost(asked, ("gemini", "moondream"), Prices()) == 5 * (3 * 23_000 + 18_000)
    assert possible_cost(None, ("edit",), Prices()) == 250_000
    assert possible_cost(None, (), Prices()) == 0


class _Job:
    def __init__(self, starts: int, report: Any = None, *, claimed: bool = True) -> None:
        self.counts = type("Counts", (), {"starts": starts})
        self.report = None if report is None else json.dumps(report)
        self.result = object() if report is not None and claimed else None


@pytest.mark.parametrize(
    ("job", "usd"),
    [
        (_Job(0), 0),
        (_Job(1), 1000),
        (_Job(3), 3000),
        (_Job(1, {"candidates": []}), 0),
        (_Job(1, {"candidates": [{"judgements": [{"judge": "gemini", "calls": 2}]}]}), 20),
        # A judge without a judgement was asked in vain, and may be charged.
        (_Job(1, {"candidates": [{"judgements": []}, {}]}), 60),
        (_Job(2, {"candidates": [{"judgements": [{"judge": "gemini", "calls": 1}]}]}), 1010),
        # What somebody has edited into something else is charged at the most, never at less than 0.
        (_Job(1, {"candidates": [{"judgements": [{"judge": "gemini", "calls": -9}]}]}), 30),
        (_Job(1, {"candidates": [{"judgements": [{"judge": "gemini", "calls": 10**9}]}]}), 1000),
        (_Job(1, {"candidates": "x"}), 0),
    ],
)
def test_a_job_is_charged_what_it_asked_or_what_it_may_have(job: Any, usd: int) -> None:
    assert cost_of_starts(job, ("gemini",), 1000, Prices(gemini=10e-6)) == usd


def test_an_edit_elsewhere_is_charged_where_the_report_has_one() -> None:
    prices = Prices(edit=0.001)
    assert cost_of_starts(_Job(1, {"remote": {"model": "m"}}), ("edit",), 1000, prices) == 1000  # type: ignore[arg-type]
    assert cost_of_starts(_Job(1, {"remote": None}), ("edit",), 1000, prices) == 0  # type: ignore[arg-type]


def test_a_new_day_begins_with_nothing_spent_and_a_clock_that_goes_back_begins_none() -> None:
    spent = write_ledger(Ledger(day=day_of(NOON), spent=5))
    assert read_ledger(spent, NOON + 3600).spent == 5
    assert read_ledger(spent, NOON + 86_400).spent == 0
    assert read_ledger(spent, NOON - 86_400) == Ledger(day=day_of(NOON), spent=5)
    assert next_day_s(NOON) == 43_200.0


def test_a_ledger_that_somebody_has_edited_begins_anew() -> None:
    assert read_ledger({"entries": 3}, NOON) == Ledger(day=day_of(NOON))
    assert read_ledger({"spent": -1}, NOON).spent == 0


def test_what_is_on_its_way_counts_once_with_what_is_stored_of_it() -> None:
    entry = Entry(job="j", sid="s", at=NOON, files={"a": 5, "b": 2})
    assert kept_bytes({"a": 5, "c": 1}, [entry]) == 8
    assert kept_bytes({}, []) == 0
