"""Health, readiness, and the page that describes the API."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress

import pytest

from harness.relay import Relay
from pawfect.contract.cutout import CutoutParams
from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.contract.parameters import InpaintParams, NoParams
from pawfect.contract.refine import read_payload
from pawfect.contract.search import SearchParams
from pawfect_client.client import AsyncPawfectClient
from pawfect_client.retry import RetryPolicy
from pawfect_service.http import health
from pawfect_service.jobs.kinds import CUTOUT, IMPORT, RUN_INPAINT, SEARCH, SWAP
from tests.server.conftest import answers, metric
from tests.service.stack import PHOTO, Stack


async def test_readiness_is_a_real_inference_asked_once_in_a_while(stack: Stack, server):
    def filled() -> float:
        return metric(server, "nv_inference_request_success", model="mask_cleanup")

    before, answered = filled(), answers(server, "inpaint", "OK")
    results = await asyncio.gather(*(stack.http.get("/readyz") for _ in range(5)))
    assert {(answer.status_code, answer.text) for answer in results} == {(200, '{"ready":true}')}
    # One by the API, and perhaps a round of the server's own probes meanwhile: of this model, and
    # of the three that call it.
    assert before + 1 <= filled() <= before + 1 + 4
    assert answers(server, "inpaint", "OK") == answered, "an API's question is no answer to a user"


async def settled(ready: health.Readiness) -> None:
    """Wait until the server answers, whatever earlier tests have left it busy with."""
    for _ in range(9):
        with suppress(PawfectError):
            await ready.check()
            return
    await ready.check()


async def test_an_api_before_a_busy_server_stays_ready_for_a_while(server, monkeypatch):
    monkeypatch.setattr(health, "KEPT_S", 0.0)
    once = RetryPolicy(attempts=1)
    async with (
        Relay(server.endpoints.grpc).running() as relay,
        AsyncPawfectClient(relay.address, timeout_s=1, retry=once) as client,
    ):
        ready, never = health.Readiness(client), health.Readiness(client)
        await settled(ready)
        with relay.stalled():
            await ready.check()
            with pytest.raises(PawfectError) as caught:
                await never.check()
            assert caught.value.kind is ErrorKind.DEADLINE
            monkeypatch.setattr(health, "BUSY_S", 0.0)
            with pytest.raises(PawfectError) as caught:
                await ready.check()
            assert caught.value.kind is ErrorKind.DEADLINE
        await settled(ready)


async def test_an_api_without_its_server_lives_and_is_not_ready(alone, nowhere, monkeypatch):
    assert (await alone.http.get("/healthz")).json() == {"alive": True}
    for _ in range(2):
        answer = await alone.http.get("/readyz")
        assert answer.status_code == 503
        assert answer.json()["error"]["kind"] == "UNAVAILABLE"
        assert nowhere.partition(":")[2] not in answer.text, "nobody reads the server's address"
    monkeypatch.setattr(health, "KEPT_S", 0.0)
    assert (await alone.http.get("/readyz")).status_code == 503


async def test_the_page_describes_every_route_with_examples(alone):
    described = (await alone.http.get("/openapi.json")).json()
    here = "/v1/users/{uid}/sessions/{sid}"
    assert set(described["paths"]) == {
        here,
        f"{here}/inpaint",
        f"{here}/events",
        f"{here}/files/{{name}}",
        "/api/v1/jobs/{job_id}/events",
        "/api/v1/jobs/{job_id}/preview.jpg",
        "/api/v1/masks",
        "/api/v1/runs",
        "/api/v1/runs/{run_id}",
        "/api/v1/runs/{run_id}/comparisons",
        "/api/v1/runs/{run_id}/cutout",
        "/api/v1/runs/{run_id}/feedback",
        "/api/v1/runs/{run_id}/files",
        "/api/v1/runs/{run_id}/files/{name}",
        "/api/v1/runs/{run_id}/inpaint",
        "/api/v1/runs/{run_id}/refine",
        "/api/v1/runs/{run_id}/refinements/{job_id}/{name}",
        "/api/v1/runs/{run_id}/run.json",
        "/api/v1/runs/{run_id}/search",
        "/api/v1/runs/{run_id}/swap",
        "/api/v1/runs/{run_id}/versions/{version}",
        "/api/v1/sign-in",
        "/api/v1/studio",
        *(
            f"{api}/v1/users/{{uid}}{what}"
            for api in ("", "/api")
            for what in ("", "/export", "/usage", "/consents")
        ),
        "/healthz",
        "/readyz",
    }
    for routes in described["paths"].values():
        assert all(route["summary"] for route in routes.values())
    post = described["paths"][f"{here}/inpaint"]["post"]
    assert set(post["requestBody"]["content"]) == {"multipart/form-data", "application/json"}
    assert all("example" in body for body in post["requestBody"]["content"].values())
    assert {"202", "400", "401", "403", "409", "413", "429", "503"} <= set(post["responses"])
    example = described["components"]["schemas"]["SessionState"]["example"]
    assert example["processingStatus"] == "processing"
    schemes = {"API key", "Google ID token", "Sign-in of the page"}
    assert set(described["components"]["securitySchemes"]) == schemes
    assert (await alone.http.get("/docs")).status_code == 200
    real = (await alone.post()).json()
    assert set(real) == set(described["components"]["schemas"]["SessionState"]["properties"])
    # The page leaves out what is null.
    assert set(example) <= set(real)
    for name in ("links", "attempts"):
        assert set(example[name]) <= set(real[name])


async def test_the_page_says_what_a_run_may_bring_and_every_parameter_of_its_kinds(alone):
    described = (await alone.http.get("/openapi.json")).json()
    post = described["paths"]["/api/v1/runs"]["post"]
    kinds = {
        "cutout": (CUTOUT, CutoutParams),
        "inpaint": (RUN_INPAINT, InpaintParams),
        "import": (IMPORT, NoParams),
        "search": (SEARCH, SearchParams),
        "swap": (SWAP, SearchParams),
    }
    for body in post["requestBody"]["content"].values():
        assert set(body["examples"]) == set(kinds)
        for schema in body["schema"]["oneOf"]:
            kind, parameters = kinds[schema["title"]]
            assert set(schema["properties"]) == {*kind.fields, *kind.texts, "parameters"}
            said = schema["properties"]["parameters"]["description"]
            for name in parameters.__dataclass_fields__:
                assert f"{name}: " in said
    assert {each["name"] for each in post["parameters"]} == {"kind", "user"}
    feedback = described["paths"]["/api/v1/runs/{run_id}/feedback"]["post"]
    schema = feedback["requestBody"]["content"]["application/json"]["schema"]
    assert schema["properties"]["rating"] == {"type": "integer", "minimum": 1, "maximum": 5}
    assert {"200", "400", "401", "403", "404", "409"} <= set(feedback["responses"])
    answer = await alone.http.post("/api/v1/runs", params={"user": "u"}, files={"photo": PHOTO})
    schemas = described["components"]["schemas"]
    assert set(answer.json()) == set(schemas["RunState"]["properties"])
    (version,) = answer.json()["versions"]
    assert set(version) == set(schemas["RunVersion"]["properties"])
    example = schemas["RunState"]["example"]
    assert set(example) == set(answer.json())
    assert set(example["versions"][0]) <= set(version)
    refine = described["paths"]["/api/v1/runs/{run_id}/refine"]["post"]
    examples = refine["requestBody"]["content"]["application/json"]["examples"]
    for kind, one in examples.items():
        assert one["value"]["type"] == kind
        read_payload(kind, json.dumps(one["value"]["payload"]), 1024, 768)
    assert {"201", "400", "403", "404", "409", "413"} <= set(refine["responses"])
