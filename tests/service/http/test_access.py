"""Who is let in, and how often."""

from __future__ import annotations

import time

import pytest
from websockets.exceptions import InvalidStatus

from pawfect.contract.errors import PawfectError
from pawfect_service.http import callers
from pawfect_service.http.callers import ApiKeys, GoogleTokens, KeptCertificates, new_api_key
from tests.service.stack import ROUTE, Stack, running
from tests.service.tokens import AUDIENCE, Certificates, token

OWN, OTHERS = ROUTE, "/v1/users/v/sessions/s"


async def got(stack: Stack, path: str, **headers: str) -> int:
    """The status of a GET with these headers."""
    return (await stack.http.get(path, headers=headers)).status_code


@pytest.fixture
def keys() -> tuple[ApiKeys, str, str]:
    """Keys of user `u` and of a service for every user."""
    own, own_line = new_api_key("phone", "u")
    every, every_line = new_api_key("backend", "*")
    return ApiKeys(["# keys", "", own_line, f"{every_line}  # all"]), own, every


async def test_an_api_key_opens_its_users_sessions_alone(store, nowhere, keys):
    authenticators, own, every = keys
    async with running(store, nowhere, authenticators=[authenticators]) as stack:

        async def status(path: str, key: str | None) -> int:
            return await got(stack, path, **({} if key is None else {"x-api-key": key}))

        assert await status(OWN, own) == 404, "let in: there is no such session yet"
        assert await status(OTHERS, own) == 403
        assert [await status(path, every) for path in (OWN, OTHERS)] == [404, 404]
        for key in (None, "", "wrong", own[:-1], own + "x", own.lower()):
            assert await status(OWN, key) == 401
        denied = await stack.post()
        assert denied.status_code == 401
        assert denied.headers["www-authenticate"] == "Bearer"
        assert denied.json()["error"]["kind"] == "INVALID_ARG"
        assert await stack.documents.get("u", "s") is None
        with pytest.raises(InvalidStatus) as caught:
            await stack.socket()
        assert caught.value.response.status_code == 401


async def test_a_key_file_says_where_it_is_wrong(tmp_path):
    for line in (
        "name u",
        "name u " + "0" * 64 + " root",
        "name u abc",
        "name ../v " + "0" * 64,
        "na/me u " + "0" * 64,
    ):
        with pytest.raises(PawfectError, match=r"API keys, line 2|uid"):
            ApiKeys(["# first", line])
    with pytest.raises(PawfectError, match="FileNotFoundError"):
        ApiKeys.from_file(tmp_path / "none")
    key, line = new_api_key("a", "u")
    (tmp_path / "keys").write_text(line)
    assert key not in line
    caller = await ApiKeys.from_file(tmp_path / "keys").caller({"x-api-key": key})
    assert caller is not None
    assert (caller.uid, caller.admin) == ("u", False)
    admin, line = new_api_key("ops", "*", admin=True)
    keys = ApiKeys([line])
    caller = await keys.caller({"x-api-key": admin})
    assert caller is not None
    assert (caller.uid, caller.admin) == (None, True)
    assert [keys.has_admin, ApiKeys.from_file(tmp_path / "keys").has_admin] == [True, False]


async def test_while_google_is_away_its_certificates_of_before_go_on(store, nowhere, monkeypatch):
    google = Certificates()
    authenticators = [GoogleTokens([AUDIENCE], KeptCertificates(google))]
    async with running(store, nowhere, authenticators=authenticators) as stack:
        bearer = f"Bearer {token()}"

        async def status() -> int:
            return await got(stack, OWN, authorization=bearer)

        google.away = True
        assert await status() == 503, "none of before"
        assert google.timeout == callers.FETCH_S
        google.away = False
        monkeypatch.setattr(callers, "CERTIFICATES_KEPT_S", 0.0)
        assert [await status() for _ in range(2)] == [404] * 2
        assert google.fetched == 2, "the hour is over each time"
        google.away = True
        assert await status() == 404
        google.away = False
        assert await status() == 404
        assert google.fetched == 2, "not asked again at once"


async def test_a_google_id_token_opens_its_own_users_sessions(store, nowhere):
    google = Certificates()
    authenticators = [GoogleTokens([AUDIENCE], KeptCertificates(google))]
    async with running(store, nowhere, authenticators=authenticators) as stack:

        async def status(path: str, given: str) -> int:
            return await got(stack, path, authorization=f"Bearer {given}")

        good = token()
        assert await status(OWN, good) == 404
        assert await status(OTHERS, good) == 403
        now = int(time.time())
        for bad in (
            "-",
            "no.token.this",
            good[:-4],
            token(signer="somebody"),
            token(aud="another.client"),
            token(iss="https://accounts.example.org"),
            token(iat=now - 7200, exp=now - 3600),
        ):
            assert await status(OWN, bad) == 401
        assert google.fetched == 1, "they are kept"
        assert await got(stack, OWN, authorization="Basic dTp1") == 401


async def test_without_credentials_only_this_machine_itself_is_let_in(alone):
    assert (await alone.http.get(OWN)).status_code == 404
    for name, value in (
        ("origin", "https://evil.example"),
        ("origin", "null"),
        ("host", "rebound.example"),
        ("host", "["),
        ("origin", "http://[::1"),
    ):
        assert await got(alone, OWN, **{name: value}) == 403
    local = await alone.http.get(OWN, headers={"origin": "http://localhost:3000"})
    assert local.status_code == 404
    assert not [name for name in local.headers if name.startswith("access-control")]


async def test_a_caller_who_asks_too_often_is_told_when_to_come_back(store, nowhere, keys):
    authenticators, own, every = keys
    async with running(store, nowhere, authenticators=[authenticators], rate="5/hour") as stack:
        statuses = [await got(stack, OWN, **{"x-api-key": own}) for _ in range(7)]
        assert statuses == [404] * 5 + [429] * 2
        refused = await stack.http.get(OWN, headers={"x-api-key": own})
        assert refused.json()["error"]["kind"] == "QUEUE_FULL"
        assert 3500 < int(refused.headers["retry-after"]) <= 3600
        assert await got(stack, OWN, **{"x-api-key": every}) == 404, "each key has its own share"
        guesses = [await got(stack, OWN, **{"x-api-key": "guess"}) for _ in range(7)]
        assert guesses == [401] * 5 + [429] * 2, "who guesses is slowed down too"
