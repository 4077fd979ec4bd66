"""Who may audit, what is refused, and in which words."""

from __future__ import annotations

import json
import resource

import numpy as np
import pytest

from pawfect.contract.errors import PawfectError
from pawfect_service.api.audits.audits import Audits
from pawfect_service.http.callers import ApiKeys
from tests.pawfect.photo.pictures import encoded, scene
from tests.service.api.audits.conftest import AUDIT, audited
from tests.service.stack import HERE, PHOTO, running

TRUTH = encoded(scene(160, 128), "PNG")


def refused(answer, status: int, kind: str, message: str) -> None:
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert error["kind"] == kind
    assert message in error["message"]
    assert "Traceback" not in answer.text


async def test_without_a_folder_there_are_no_audits(store, nowhere, keys):
    authenticators, headers = [ApiKeys(keys.lines)], {"x-api-key": keys.admin}
    async with running(store, nowhere, authenticators=authenticators, headers=headers) as stack:
        for method in ("GET", "POST", "DELETE"):
            refused(await stack.http.request(method, AUDIT), 404, "INVALID_ARG", "path: expected")
        assert "audit" not in (await stack.http.get("/openapi.json")).text


async def test_audits_are_for_admins_keys_and_their_own_users(audits, keys):
    http = audits.stack.http
    for method in ("GET", "POST", "DELETE"):
        for key, status, message in (
            ("wrong", 401, "an unknown key"),
            (keys.user, 403, "expected an admin's key, got another"),
            (keys.others, 403, "expected the caller's own, got another user's"),
        ):
            answer = await http.request(method, AUDIT, headers={"x-api-key": key})
            refused(answer, status, "INVALID_ARG", message)
    assert (await http.get(f"/v1/{HERE}", headers={"x-api-key": keys.user})).status_code == 200
    refused(await http.get(AUDIT), 404, "INVALID_ARG", "session s: expected an audit, got none")
    missing = await http.post("/v1/users/u/sessions/none/audit", json={})
    refused(missing, 404, "INVALID_ARG", "session none: expected one, got none")
    assert not audits.folder.exists()


async def test_a_wrong_order_is_refused_in_words_and_nothing_is_written(audits):
    for parameters, message in (
        ({}, "matrix: expected one of broken (3 cells), defect (3 cells), "),
        ({"matrix": "t4"}, "three (3 cells), waiting (3 cells), got t4"),
        ({"matrix": "../t4"}, "matrix: expected a matrix's name, got '../t4'"),
        ({"matrix": 4}, "matrix: expected a matrix's name, got int 4"),
        ({"matrix": "three", "steps": 4}, "parameters: expected some of matrix, prompts, retry"),
        ({"matrix": "three", "retry_failed": "true"}, "retry_failed: expected true or false"),
        ({"matrix": "three", "prompts": ["a"]}, "prompts: expected a table"),
        (
            {"matrix": "three", "prompts": {"one": 1}},
            "prompts: one: expected a text, neither empty nor",
        ),
        ({"matrix": "three", "prompts": {"a=b": "x"}}, "prompts: expected names of 1 to 64"),
        ({"matrix": "three", "prompts": {"one": "a\0b"}}, "nor with a zero byte, got 'a\\x00b'"),
        ({"matrix": "three", "prompts": {"one": "\ud800"}}, "expected text that UTF-8 can carry"),
        ({"matrix": "three", "prompts": {"one": "x" * 2049}}, "prompts: expected texts of at most"),
    ):
        # Not by httpx's own JSON, which has no halves of characters.
        body, kind = json.dumps({"parameters": parameters}), {"content-type": "application/json"}
        answer = await audits.stack.http.post(AUDIT, content=body, headers=kind)
        refused(answer, 400, "INVALID_ARG", message)
    for body, message in (
        ({"matrix": "three"}, "request: expected some of truth, parameters, got matrix"),
        ({"truth": "users/v/x.png"}, "truth: expected the path of a file below users/u/"),
        ({"truth": "users/u/x.png"}, "truth: expected a file in storage, got none"),
    ):
        answer = await audits.stack.http.post(AUDIT, json=body)
        refused(answer, 400, "INVALID_ARG", message)
    assert not audits.folder.exists()


async def test_a_truth_comes_as_a_file_or_from_storage_and_is_of_the_photos_size(audits):
    form = {"parameters": json.dumps({"matrix": "three"})}
    for truth, message in (
        (b"no picture", "truth: expected"),
        (encoded(scene(128, 160), "PNG"), "truth: expected the photo's size 160x128"),
    ):
        answer = await audits.stack.http.post(AUDIT, data=form, files={"truth": truth})
        refused(answer, 400, "INVALID_ARG", message)
    assert not audits.folder.exists()
    answer = await audits.stack.http.post(AUDIT, data=form, files={"truth": TRUTH})
    assert answer.status_code == 202, answer.text
    assert answer.json()["truth"] is True
    assert (audits.folder / "truth").read_bytes() == TRUTH
    await audits.over()
    await audits.started("three")
    assert (await audits.over())["truth"] is False
    assert not (audits.folder / "truth").exists(), "every start says all anew"
    await audits.stack.files.put({"users/u/clean.png": TRUTH})
    assert (await audits.started("three", truth="users/u/clean.png"))["truth"] is True
    assert (audits.folder / "truth").read_bytes() == TRUTH
    await audits.over()


async def test_what_must_never_be_filled_goes_along(audits):
    guard = np.zeros((128, 160), np.uint8)
    guard[:20, :20] = 255
    protect = encoded(guard, "PNG")
    assert (await audits.stack.post(protect=protect)).status_code == 202
    await audits.started("three")
    assert (audits.folder / "protect.png").read_bytes() == protect
    await audits.over()


async def test_a_session_without_photo_or_mask_is_refused(audits):
    for name in ("mask_auto.png", "original.jpg"):
        await audits.stack.files.delete(f"{HERE}/{name}")
        message = f"{name}: expected a file in storage, got none"
        refused(await audits.start(), 400, "INVALID_ARG", message)
        await audits.stack.files.put({f"{HERE}/{name}": PHOTO})
    assert not audits.folder.exists()


async def test_a_damaged_journal_is_told_of_and_left_alone(audits):
    await audits.started("three")
    await audits.over()
    journal = audits.folder / "audit" / "journal.jsonl"
    for line, message in (
        ("no line of it", "journal: expected one of an audit, got another line 1; move the"),
        ('{"format": 3, "run": {}}', "journal: expected format 2, got another; finish it with"),
    ):
        journal.write_text(line + "\n")
        for answer in (await audits.start(), await audits.stack.http.get(AUDIT)):
            refused(answer, 500, "INTERNAL", message)
        assert journal.read_text() == line + "\n"
    journal.unlink()
    await audits.started("three")
    assert (await audits.over())["status"] == "completed", "the refusals hold no lock"


async def test_a_full_disk_is_told_of_and_the_next_start_is_as_good_as_any(audits):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(PHOTO) - 1, hard))
    try:
        answer = await audits.start()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    refused(answer, 503, "UNAVAILABLE", "audits: File too large")
    assert not (audits.folder / "photo.jpg").exists()
    refused(await audits.stack.http.get(AUDIT), 404, "INVALID_ARG", "expected an audit, got none")
    await audits.started("three")
    assert (await audits.over())["status"] == "completed"


async def test_where_the_command_is_not_installed_a_start_is_unavailable(
    store, nowhere, root, keys, tmp_path, monkeypatch
):
    away = tmp_path / "away"
    away.mkdir()
    (away / "perf.py").write_text("raise ModuleNotFoundError('no perf', name='perf')")
    monkeypatch.setenv("PYTHONPATH", str(away))
    monkeypatch.chdir(tmp_path)
    async with audited(store, nowhere, root, keys) as api:
        refused(
            await api.start(),
            503,
            "UNAVAILABLE",
            "audit: expected it to be installed: audit needs the package perf: it runs in the "
            "source tree alone, after `make setup-perf`",
        )
        assert not api.folder.exists()


def test_a_folder_that_cannot_be_written_to_is_refused_at_the_start(tmp_path):
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(PawfectError, match="audits: expected a folder to write to, got") as caught:
        Audits(file, None)
    assert str(tmp_path) not in str(caught.value)


async def test_the_page_describes_audits_with_examples(audits):
    page = (await audits.stack.http.get("/openapi.json")).json()
    here = page["paths"]["/v1/users/{uid}/sessions/{sid}/audit"]
    body = here["post"]["requestBody"]["content"]
    example = body["application/json"]["example"]
    assert example["parameters"]["matrix"] == "t4"
    assert json.loads(body["multipart/form-data"]["example"]["parameters"]) == example["parameters"]
    assert body["multipart/form-data"]["schema"]["properties"]["truth"]["format"] == "binary"
    assert set(here) == {"get", "post", "delete"}
    assert {"401", "403", "404", "409", "503"} <= set(here["post"]["responses"])
    assert page["components"]["schemas"]["AuditState"]["example"]["status"] == "running"
    assert "/v1/audits/{token}/{name}" in page["paths"]
