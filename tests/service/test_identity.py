"""As whom Triton is called: a token of this process's Google account, for that server alone."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import grpc
import pytest
from google.auth import jwt
from google.auth.transport.requests import Request

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect_service.identity import GoogleIdentity, nobody
from pawfect_service.jobs.contract import JobContract
from pawfect_service.services import open_services
from tests.refusals import refusal
from tests.service.tokens import _keys, token

URL = "https://pawfect-server-1.europe-west4.run.app"


class _Tokens(BaseHTTPRequestHandler):
    """Google's token endpoint: gives what a signed wish names."""

    asked: list[dict[str, Any]]
    status = 200
    life_s = 3600

    def do_POST(self) -> None:
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        wish = jwt.decode(form["assertion"][0], verify=False)
        self.asked.append(wish)
        given = token(aud=wish["target_audience"], exp=int(time.time()) + self.life_s)
        body = json.dumps({"id_token": given}).encode()
        self.send_response(self.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *given: Any) -> None:
        pass


@pytest.fixture
def tokens(tmp_path, monkeypatch) -> Iterator[type[_Tokens]]:
    """Where this process's account gets its tokens."""
    handler = type("Handler", (_Tokens,), {"asked": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    account = {
        "type": "service_account",
        "client_email": "pawfect-api@my-project.iam.example",
        "private_key": _keys("account")[0].decode(),
        "token_uri": f"http://127.0.0.1:{server.server_port}/token",
    }
    (tmp_path / "account.json").write_text(json.dumps(account))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "account.json"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    yield handler
    server.shutdown()
    server.server_close()


def claims(identity: GoogleIdentity) -> dict[str, Any]:
    ((name, value),) = identity.headers()
    assert name == "authorization"
    kind, _, given = value.partition(" ")
    assert kind == "Bearer"
    return dict(jwt.decode(given, verify=False))


def test_a_token_is_for_the_called_server_and_is_kept_while_it_holds(tokens):
    identity = GoogleIdentity(URL, Request())
    assert claims(identity)["aud"] == URL
    assert claims(identity)["aud"] == URL
    assert [wish["target_audience"] for wish in tokens.asked] == [URL]


def test_a_token_that_is_about_to_expire_is_renewed(tokens):
    tokens.life_s = 10
    identity = GoogleIdentity(f"{URL}:443", Request())
    assert identity.audience == URL
    claims(identity)
    claims(identity)
    assert len(tokens.asked) == 2


def test_without_an_identity_the_server_is_unavailable(tokens, monkeypatch):
    tokens.status = 400
    identity = GoogleIdentity(URL, Request())
    message = refusal(ErrorKind.UNAVAILABLE, identity.headers)
    assert message == "server: expected this process's Google identity, got RefreshError"
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "nowhere.json")
    message = refusal(ErrorKind.UNAVAILABLE, GoogleIdentity(URL, Request()).headers)
    assert message.endswith("got DefaultCredentialsError")


def test_no_token_goes_over_an_open_connection():
    message = refusal(ErrorKind.INVALID_ARG, GoogleIdentity, "10.0.0.5:8001", Request())
    assert message.startswith("triton: expected https://HOST with --triton-identity")


def test_nobody_has_no_headers():
    assert nobody() == ()


class _Heard(grpc.GenericRpcHandler):
    """A server that takes note of what came with each call, and answers nothing."""

    def __init__(self) -> None:
        self.metadata: list[dict[str, Any]] = []

    def service(self, details: grpc.HandlerCallDetails) -> None:
        self.metadata.append(dict(details.invocation_metadata))


async def test_every_call_of_the_server_shows_who_calls(tmp_path):
    heard = _Heard()
    server = grpc.aio.server(handlers=[heard])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with open_services(
            f"embedded:{tmp_path}",
            JobContract(),
            f"127.0.0.1:{port}",
            lambda: (("authorization", "Bearer mine"),),
        ) as services:
            for client in (services.tools.triton, services.tools.labeller):
                with pytest.raises(PawfectError, match="PAWFECT_UNAVAILABLE"):
                    await client.probe()
            with pytest.raises(PawfectError, match="PAWFECT_UNAVAILABLE"):
                await services.readiness.check()
    finally:
        await server.stop(None)
    assert len(heard.metadata) >= 3
    assert {one["authorization"] for one in heard.metadata} == {"Bearer mine"}
