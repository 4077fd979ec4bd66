"""A store that is away or cannot be written to when API or worker start: ended, or waited for."""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from harness.process import PAWFECT, LoggedProcess
from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect_service.jobs.contract import JobContract
from pawfect_service.services import open_services
from pawfect_service.stores import make_queue
from pawfect_service.stores.reached import say_until_filling, say_until_reached
from tests.conftest import free_ports
from tests.service.process.test_commands import refused

WAITS = "waiting for the store"
# From the start of a process to the line, s: the bound.
SAID_S = 10.0
# And that on a machine that does much else.
START_S = 60.0
COMMANDS = (("api", "--no-auth"), ("worker",))


@pytest.fixture
def dead(monkeypatch) -> dict[str, str]:
    """Google's services, on ports where nobody listens."""
    hosts = [f"127.0.0.1:{port}" for port in free_ports(3)]
    names = ("FIRESTORE_EMULATOR_HOST", "PUBSUB_EMULATOR_HOST", "STORAGE_EMULATOR_HOST")
    variables = dict(zip(names, (hosts[0], hosts[1], f"http://{hosts[2]}"), strict=True))
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return variables


@contextmanager
def full_disk() -> Iterator[None]:
    """No file may grow in here, as on a disk that is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("command", COMMANDS)
def test_a_folder_that_cannot_be_made_ends_the_start_in_a_line(tmp_path, command):
    (tmp_path / "file").write_text("")
    said = refused(*command, "--store", f"embedded:{tmp_path / 'file'}")
    assert "store: expected a folder that can be written to, got File exists" in said
    assert "name another, --store embedded:FOLDER" in said


@pytest.mark.parametrize("command", COMMANDS)
def test_a_full_disk_ends_the_start_in_a_line(tmp_path, command):
    with full_disk():
        said = refused(*command, "--store", f"embedded:{tmp_path / 'data'}")
    assert "store: expected a folder that can be written to, got " in said
    assert "free space there" in said


@pytest.mark.parametrize("command", COMMANDS)
def test_a_damaged_database_ends_the_start_in_a_line(tmp_path, command):
    (tmp_path / "sessions.sqlite3").write_bytes(b"not a database " * 500)
    said = refused(*command, "--store", f"embedded:{tmp_path}")
    assert "store: expected a whole database in its folder, got: file is not a database" in said
    assert "put a copy of it back" in said


@pytest.mark.parametrize("command", COMMANDS)
def test_missing_credentials_end_the_start_in_a_line(tmp_path, monkeypatch, command):
    for name in ("FIRESTORE", "PUBSUB", "STORAGE"):
        monkeypatch.delenv(f"{name}_EMULATOR_HOST", raising=False)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    said = refused(*command, "--store", "google:project/bucket/topic")
    assert "store: expected Google's credentials, got none" in said


def test_a_queue_that_is_away_cannot_be_made_and_that_is_said_within_ten_seconds(dead):
    began = time.monotonic()
    with pytest.raises(PawfectError, match="queue: ") as caught:
        make_queue("google:project/bucket/topic", JobContract())
    assert caught.value.kind is ErrorKind.UNAVAILABLE
    assert "check --store, the network" in caught.value.message
    assert time.monotonic() - began < SAID_S


async def test_a_store_that_does_not_answer_is_waited_for_and_named(dead, caplog):
    caplog.set_level(logging.WARNING, "pawfect.store")
    store = "google:project/bucket/topic"
    async with open_services(store, JobContract(), f"127.0.0.1:{free_ports(1)[0]}"):
        async with asyncio.timeout(SAID_S):
            while WAITS not in caplog.messages:
                await asyncio.sleep(0.05)
    (line,) = (each for each in caplog.records if each.message == WAITS)
    assert line.store == store
    assert line.why
    assert "check --store" in line.mend


class Documents:
    """Answers once it has failed and been silent."""

    def __init__(self) -> None:
        self.asked = 0

    async def get(self, uid: str, sid: str) -> None:
        self.asked += 1
        if self.asked == 1:
            raise PawfectError(ErrorKind.UNAVAILABLE, "Firestore: ServiceUnavailable")
        if self.asked == 2:
            await asyncio.sleep(60)


async def test_each_try_is_said_with_its_reason_and_then_that_the_store_answers(caplog):
    caplog.set_level(logging.INFO, "pawfect.store")
    documents = Documents()
    await say_until_reached(documents, "google:p/b/t", patience_s=0.05, again_s=0.01)
    assert documents.asked == 3
    assert caplog.messages == [WAITS, WAITS, "the store answers"]
    reasons = [each.why for each in caplog.records if each.message == WAITS]
    assert reasons == ["Firestore: ServiceUnavailable", "no answer within 0.05 s"]


async def test_a_store_that_answers_is_not_spoken_of(caplog):
    caplog.set_level(logging.INFO, "pawfect.store")
    documents = Documents()
    documents.asked = 2
    await say_until_reached(documents, "embedded:data")
    assert caplog.messages == []


async def test_a_server_that_is_away_is_waited_for_and_named(caplog):
    caplog.set_level(logging.INFO, "pawfect.store")
    answers = iter([PawfectError(ErrorKind.UNAVAILABLE, "server: refused"), None])

    async def ask() -> None:
        if (answer := next(answers)) is not None:
            raise answer

    await say_until_filling(ask, "127.0.0.1:1", again_s=0.01)
    assert caplog.messages == ["waiting for the server", "the server answers"]
    line = caplog.records[0]
    assert (line.server, line.why) == ("127.0.0.1:1", "server: refused")
    assert "check --triton" in line.mend


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("server", [(), ("--triton", "https://x.invalid", "--triton-identity")])
def test_a_process_whose_server_is_away_says_so_within_ten_seconds_and_lives(
    tmp_path, command, server
):
    (port, nobody) = free_ports(2)
    ports = ("--port", str(port)) if command[0] == "api" else ()
    away = server or ("--triton", f"127.0.0.1:{nobody}")
    none = {"GOOGLE_APPLICATION_CREDENTIALS": str(tmp_path / "none.json")}
    log, arguments = tmp_path / "log", [PAWFECT, *command, *away, *ports]
    environment = {**os.environ, **none}
    with LoggedProcess(arguments, log, folder=tmp_path, environment=environment) as running:
        running.wait_for("waiting for the server", timeout_s=START_S)
        assert running.process.poll() is None
    if server:
        assert "expected this process's Google identity" in log.read_text()


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_a_process_whose_store_is_away_says_so_and_lives(tmp_path, dead, command):
    (port,) = free_ports(1)
    ports = ("--port", str(port)) if command[0] == "api" else ()
    arguments = [PAWFECT, *command, "--store", "google:project/bucket/topic", *ports]
    log = tmp_path / "log"
    with LoggedProcess(arguments, log, environment={**os.environ, **dead}) as running:
        running.wait_for(WAITS)
        assert running.process.poll() is None
