"""Health, readiness, and the page that describes the API."""

from __future__ import annotations

import asyncio

from pawfect_sessions import readiness
from tests.client.serving import answers
from tests.sessions.flow.stack import Stack


async def test_readiness_is_a_real_inference_asked_once_in_a_while(stack: Stack, server):
    before = answers(server, "inpaint", "OK")
    results = await asyncio.gather(*(stack.http.get("/readyz") for _ in range(5)))
    assert {(answer.status_code, answer.text) for answer in results} == {(200, '{"ready":true}')}
    assert answers(server, "inpaint", "OK") == before + 1


async def test_an_api_without_its_server_lives_and_is_not_ready(alone, nowhere, monkeypatch):
    assert (await alone.http.get("/healthz")).json() == {"alive": True}
    for _ in range(2):
        answer = await alone.http.get("/readyz")
        assert answer.status_code == 503
        assert answer.json()["error"]["kind"] == "UNAVAILABLE"
        assert nowhere.partition(":")[2] not in answer.text, "nobody reads the server's address"
    monkeypatch.setattr(readiness, "KEPT_S", 0.0)
    assert (await alone.http.get("/readyz")).status_code == 503


async def test_the_page_describes_every_route_with_examples(alone):
    described = (await alone.http.get("/openapi.json")).json()
    here = "/v1/users/{uid}/sessions/{sid}"
    assert set(described["paths"]) == {
        here,
        f"{here}/inpaint",
        f"{here}/events",
        f"{here}/files/{{name}}",
        "/healthz",
        "/readyz",
    }
    post = described["paths"][f"{here}/inpaint"]["post"]
    assert set(post["requestBody"]["content"]) == {"multipart/form-data", "application/json"}
    assert all("example" in body for body in post["requestBody"]["content"].values())
    assert {"202", "400", "401", "403", "409", "413", "429", "503"} <= set(post["responses"])
    example = described["components"]["schemas"]["SessionState"]["example"]
    assert example["processingStatus"] == "processing"
    assert set(described["components"]["securitySchemes"]) == {"API key", "Google ID token"}
    assert (await alone.http.get("/docs")).status_code == 200


async def test_the_example_has_the_fields_of_a_real_answer(alone):
    described = (await alone.http.get("/openapi.json")).json()
    schema = described["components"]["schemas"]["SessionState"]
    real = (await alone.post()).json()
    assert set(real) == set(schema["properties"])
    # The page leaves out what is null.
    for given, shown in (
        (real, schema["example"]),
        (real["links"], schema["example"]["links"]),
        (real["attempts"], schema["example"]["attempts"]),
    ):
        assert set(shown) <= set(given)
