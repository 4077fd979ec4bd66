"""Audits of `pawfect api` as a process: killed and gone on with, and the options for them."""

from __future__ import annotations

import json
import time
from pathlib import Path

import httpx
import psutil
import pytest

from pawfect_service.http.callers import new_api_key
from tests.conftest import free_ports
from tests.service.api.audits.conftest import AUDIT, PROCESS
from tests.service.process.test_commands import answered, family_of, process, refused
from tests.service.stack import MASK, PHOTO, ROUTE

WAIT_S = 60.0


def until(http: httpx.Client, holds) -> dict:
    """The audit's state once `holds` is true of it."""
    limit = time.monotonic() + WAIT_S
    while not holds(state := http.get(AUDIT).json()):
        assert time.monotonic() < limit, state
        time.sleep(0.05)
    return state


def start(http: httpx.Client, matrix: str) -> httpx.Response:
    return http.post(AUDIT, json={"parameters": {"matrix": matrix}})


@pytest.mark.slow
def test_a_killed_api_takes_its_audit_along_and_the_next_one_goes_on(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(PROCESS))
    key, line = new_api_key("ops", "*", admin=True)
    (tmp_path / "keys").write_text(line)
    triton, port = free_ports(2)
    url = f"http://127.0.0.1:{port}"
    common = ("--triton", f"127.0.0.1:{triton}", "--port", str(port), "--processes", "2")
    arguments = ("api", *common, "--api-keys", "keys", "--audits", "audits")
    headers = {"x-api-key": key}
    with httpx.Client(base_url=url, headers=headers, trust_env=False, timeout=WAIT_S) as http:
        with process(tmp_path, *arguments) as api:
            answered(f"{url}/healthz")
            queued = http.post(f"{ROUTE}/inpaint", files={"photo": PHOTO, "mask": MASK})
            assert queued.status_code == 202
            assert start(http, "waiting").status_code == 202
            until(http, lambda state: state["progress"])
            _, *family = family_of(api)
            api.process.kill()
            api.process.wait()
            _, left = psutil.wait_procs(family, WAIT_S)
            for each in left:
                each.kill()
            assert left == []
        with process(tmp_path, *arguments) as api:
            answered(f"{url}/healthz")
            state = http.get(AUDIT).json()
            assert (state["status"], state["progress"]["ran"]) == ("interrupted", 1)
            assert start(http, "three").status_code == 202
            state = until(http, lambda state: state["status"] != "running")
            assert (state["status"], state["progress"]["ran"]) == ("completed", 3)
            assert httpx.get(url + state["links"]["report"], trust_env=False).status_code == 200
            assert api.stop() == 0
    journal = (tmp_path / "audits" / "u" / "s" / "audit" / "journal.jsonl").read_text()
    tables = [json.loads(line) for line in journal.splitlines()]
    assert [table["cell"][0] for table in tables if "cell" in table] == ["a", "b", "c"]
    log = (tmp_path / "api.log").read_text()
    assert "audit started" in log
    assert state["links"]["report"].split("/")[3] not in log, "no log has a report's link"


@pytest.mark.parametrize("options", [["--no-auth"], ["--api-keys", "keys"]])
def test_audits_without_an_admins_key_are_refused(tmp_path, monkeypatch, options):
    monkeypatch.chdir(tmp_path)
    Path("keys").write_text(new_api_key("phone", "u")[1])
    said = refused("api", *options, "--audits", "audits")
    assert "--audits: expected an admin's key in --api-keys" in said
    assert not Path("audits").exists()


def test_a_folder_of_audits_that_is_a_file_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("keys").write_text(new_api_key("ops", "*", admin=True)[1])
    said = refused("api", "--api-keys", "keys", "--audits", "keys")
    assert "Directory 'keys' is a file" in said
