"""What the operator says about the remote engine, and the day's budget."""

from __future__ import annotations

import pytest

from pawfect.contract.errors import ErrorKind
from pawfect.refine.remote_settings import (
    DEFAULT_DAILY,
    DEFAULT_MODEL,
    DEFAULT_TIMEOUT_S,
    RemoteSettings,
    read_settings,
)
from tests.refusals import refusal

URL, KEY = "https://api.openai.com/v1", "sk-secret"
BOTH = {"PAWFECT_REMOTE_URL": URL, "PAWFECT_REMOTE_KEY": KEY}


def test_without_url_and_key_there_is_no_remote_engine():
    assert read_settings({}) is None
    assert read_settings({"OPENAI_API_KEY": KEY, "PAWFECT_REMOTE_MODEL": "x"}) is None


def test_both_turn_it_on_with_the_defaults_for_the_rest():
    expected = RemoteSettings(URL, KEY, DEFAULT_MODEL, DEFAULT_DAILY, DEFAULT_TIMEOUT_S)
    assert read_settings(BOTH) == expected


def test_the_rest_can_be_said():
    more = {
        "PAWFECT_REMOTE_MODEL": "painter",
        "PAWFECT_REMOTE_DAILY": "7",
        "PAWFECT_REMOTE_TIMEOUT_S": "30",
    }
    assert read_settings(BOTH | more) == RemoteSettings(URL, KEY, "painter", 7, 30)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8080/v1", "http://localhost/v1", "http://[::1]:9/v1"]
)
def test_plain_http_is_for_this_machine(url):
    settings = read_settings(BOTH | {"PAWFECT_REMOTE_URL": url})
    assert settings is not None
    assert settings.url == url


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"PAWFECT_REMOTE_KEY": ""}, "PAWFECT_REMOTE_KEY: expected it beside PAWFECT_REMOTE_URL"),
        ({"PAWFECT_REMOTE_KEY": " \n"}, "PAWFECT_REMOTE_KEY: expected it beside"),
        ({"PAWFECT_REMOTE_KEY": "sk-secret\nx"}, "PAWFECT_REMOTE_KEY: expected up to 512 ASCII"),
        ({"PAWFECT_REMOTE_KEY": "sk-sécret"}, "PAWFECT_REMOTE_KEY: expected up to 512 ASCII"),
        ({"PAWFECT_REMOTE_URL": ""}, "PAWFECT_REMOTE_URL: expected it beside PAWFECT_REMOTE_KEY"),
        ({"PAWFECT_REMOTE_URL": "http://example.org/v1"}, "got http of another"),
        ({"PAWFECT_REMOTE_URL": "file:///etc/passwd"}, "got file of another"),
        ({"PAWFECT_REMOTE_URL": "api.openai.com/v1"}, "got no scheme of another"),
        ({"PAWFECT_REMOTE_URL": "https://me:pw@example.org"}, "a user's name"),
        ({"PAWFECT_REMOTE_URL": "https://[::1"}, "got no URL"),
        ({"PAWFECT_REMOTE_DAILY": "0"}, "expected an integer from 1 to 100000, got '0'"),
        ({"PAWFECT_REMOTE_DAILY": "1e3"}, "got '1e3'"),
        ({"PAWFECT_REMOTE_DAILY": "9" * 40}, "PAWFECT_REMOTE_DAILY: expected an integer"),
        ({"PAWFECT_REMOTE_TIMEOUT_S": "-5"}, "from 1 to 600, got '-5'"),
    ],
)
def test_settings_that_make_no_sense_are_said_without_the_key(change, said):
    message = refusal(ErrorKind.UNAVAILABLE, read_settings, BOTH | change)
    assert said in message
    assert KEY not in message
    assert "pw" not in message.replace("passwd", "")


def test_no_word_of_the_settings_shows_the_key():
    settings = read_settings(BOTH)
    assert KEY not in f"{settings} {settings!r}"
