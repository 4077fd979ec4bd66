"""What the operator says about the judges elsewhere."""

from __future__ import annotations

import pytest

from pawfect.contract.errors import ErrorKind
from pawfect.judges import settings as module
from pawfect.judges.settings import CLIENTS, VARIABLES, Client, lacking, read_settings
from tests.refusals import refusal

KEY = "AIza-secret"
HERE = "http://127.0.0.1:2020/v1"


@pytest.mark.parametrize("judge", list(CLIENTS))
def test_a_key_turns_a_judge_on_with_the_tables_url_models_and_bounds(judge):
    assert read_settings(judge, {}) is None
    assert read_settings(judge, {"GOOGLE_API_KEY": KEY, "MOONDREAM_API_KEY": KEY}) is None
    settings = read_settings(judge, {f"PAWFECT_{judge.upper()}_KEY": f" {KEY}\n"})
    assert settings.key == KEY
    assert settings.url.startswith("https://")
    assert len(settings.models) >= 2
    assert all(0 < model.usd_per_call < 0.1 for model in settings.models)
    assert settings.allowance.usd > 0
    assert KEY not in repr(settings)


def test_the_operators_model_is_asked_first_and_at_the_operators_price():
    named = {"PAWFECT_GEMINI_KEY": KEY, "PAWFECT_GEMINI_MODEL": "gemini-9-flash"}
    table = read_settings("gemini", {"PAWFECT_GEMINI_KEY": KEY}).models
    first, *others = read_settings("gemini", named).models
    assert (first.name, first.usd_per_call) == ("gemini-9-flash", table[0].usd_per_call)
    assert tuple(others) == table
    priced = named | {"PAWFECT_GEMINI_USD_PER_CALL": "0.5"}
    assert {model.usd_per_call for model in read_settings("gemini", priced).models} == {0.5}
    known = named | {"PAWFECT_GEMINI_MODEL": table[1].name}
    assert [model.name for model in read_settings("gemini", known).models] == [
        table[1].name, table[0].name, *(model.name for model in table[2:])
    ]  # fmt: skip


def test_the_rest_can_be_said():
    more = {"KEY": KEY, "URL": HERE, "DAILY": "7", "DAILY_USD": "0.25", "TIMEOUT_S": "3"}
    settings = read_settings("gemini", {f"PAWFECT_GEMINI_{k}": v for k, v in more.items()})
    assert (settings.url, settings.timeout_s) == (HERE, 3)
    assert (settings.allowance.requests, settings.allowance.usd) == (7, 0.25)


def test_a_moondream_server_of_this_machine_needs_no_key():
    settings = read_settings("moondream", {"PAWFECT_MOONDREAM_URL": HERE})
    assert (settings.url, settings.key) == (HERE, "")
    for judge, url in (("gemini", HERE), ("moondream", "https://moondream.example/v1")):
        given = {f"PAWFECT_{judge.upper()}_URL": url}
        message = refusal(ErrorKind.UNAVAILABLE, read_settings, judge, given)
        assert message == (
            f"PAWFECT_{judge.upper()}_KEY: expected it beside PAWFECT_{judge.upper()}_URL, "
            "got nothing"
        )


@pytest.mark.parametrize(
    ("part", "value", "says"),
    [
        ("KEY", "AIza secret", "_KEY: expected up to 512 ASCII letters, digits and signs"),
        ("KEY", "AIza\u00e9secret", "_KEY: expected"),
        ("KEY", "AIza-secret\r\nHost: x", "_KEY: expected"),
        ("URL", "http://example.org", "_URL: expected https"),
        ("URL", "https://me:pw@example.org", "a user's name"),
        ("URL", "https://example.org/?key=pw", "a query"),
        ("MODEL", "../models?x", "_MODEL: expected a model's name"),
        ("DAILY", "0", "_DAILY: expected an integer from 1 to 100000"),
        ("DAILY_USD", "-1", "_DAILY_USD: expected USD from 0 to 10000"),
        ("DAILY_USD", "nan", "_DAILY_USD: expected USD"),
        ("DAILY_USD", "1e3", "_DAILY_USD: expected USD"),
        ("DAILY_USD", "20000", "_DAILY_USD: expected USD"),
        ("USD_PER_CALL", "free", "_USD_PER_CALL: expected USD"),
        ("TIMEOUT_S", "601", "_TIMEOUT_S: expected an integer from 1 to 600"),
    ],
)
def test_settings_that_make_no_sense_are_said_without_the_key(part, value, says):
    given = {"PAWFECT_GEMINI_KEY": KEY, f"PAWFECT_GEMINI_{part}": value}
    message = refusal(ErrorKind.UNAVAILABLE, read_settings, "gemini", given)
    assert says in message
    assert "secret" not in message
    assert "pw" not in message
    assert lacking("gemini", given) == f"the judge gemini is off: {message}"


def test_what_a_judge_lacks_is_said_with_what_mends_it(monkeypatch):
    assert lacking("gemini", {}) == (
        "the judge gemini is not set up (PAWFECT_GEMINI_KEY of the server)"
    )
    assert lacking("gemini", {"PAWFECT_GEMINI_KEY": KEY}) is None
    absent = {"gemini": Client("google.no_such", "pip install x"), "moondream": Client("no", "y")}
    monkeypatch.setattr(module, "CLIENTS", absent)
    assert lacking("gemini", {"PAWFECT_GEMINI_KEY": KEY}) == (
        "the judge gemini is off: it needs the package google.no_such: pip install x"
    )


def test_every_variable_is_listed():
    assert len(VARIABLES) == len(set(VARIABLES)) == 14


def test_no_word_of_the_settings_shows_the_key():
    settings = read_settings("gemini", {"PAWFECT_GEMINI_KEY": KEY})
    assert KEY not in f"{settings} {settings!r}"
