"""The fault run at small size, and whether its result says what went wrong."""

from __future__ import annotations

import asyncio
import copy
import random
from collections import Counter
from dataclasses import replace

import pytest

from harness.relay import Relay
from pawfect_service.jobs.contract import Status
from perf.service.faults.result import RunResult, figures, problems
from perf.service.faults.run import CUT, KILLED, RESTARTED, Plan, faulty_run
from perf.service.moves import broken_moves
from tests.conftest import need_emulators

OLD = {"processingStatus": "processing", "result": None, "cost": None, "report": None}
RESULT = {"start": 1, "edited": "a", "preview": "b"}


@pytest.fixture(scope="module")
def result(tmp_path_factory) -> RunResult:
    need_emulators()
    plan = Plan(jobs=12, workers=2, kills=1, restarts=1, cuts=1, duplicates=0.2)
    folder = tmp_path_factory.mktemp("faults")
    return asyncio.run(faulty_run(plan, folder, stuck_s=240, quiet_s=0, left_s=3))


@pytest.mark.slow
def test_jobs_survive_a_killed_worker_and_server_a_cut_and_duplicate_messages(result):
    # A duplicate that the killed worker held comes when its lease ends: `make faults` waits for it.
    assert problems(replace(result, undelivered=0)) == []
    found = figures(result)
    assert found["statuses"] == {"completed": 12}
    assert [result.done[fault] for fault in (KILLED, RESTARTED, CUT)] == [1, 1, 1]
    assert result.done["connections broken"] > 0
    assert result.done["messages published again"] == 2
    assert found["results_written"] == found["costs_written"] == 12


@pytest.mark.slow
def test_the_result_says_what_is_lost_doubled_or_broken(result):
    first, second = sorted(result.sessions)[:2]
    same = [p for p in result.edited if result.pictures[p] == 0]
    assert len(same) == 2
    for change, says in (
        (lambda o: o.sessions.pop(first), "sessions: expected 12, got 11"),
        (lambda o: o.sessions[first].broken.append("cost was written twice"), "twice"),
        (lambda o: o.edited.update({same[0]: o.edited[second]}), "different results"),
        (lambda o: o.edited.update({first: b"half"}), "a broken result"),
        (lambda o: setattr(o, "undelivered", 1), "messages left in the queue"),
    ):
        spoiled = copy.deepcopy(replace(result, undelivered=0))
        assert problems(spoiled) == []
        change(spoiled)
        assert any(says in problem for problem in problems(spoiled)), says


def test_allowed_moves_are_no_fault():
    done = {"processingStatus": "completed", "result": RESULT, "cost": {"amount": 1}}
    for new in ({}, done, {"processingStatus": "pending"}):
        assert broken_moves(OLD, OLD | new) == []


@pytest.mark.parametrize("final", [status.value for status in Status if status.final])
def test_leaving_a_final_state_and_a_second_result_are_faults(final):
    ended = OLD | {"processingStatus": final, "result": RESULT}
    assert broken_moves(ended, ended) == []
    assert broken_moves(ended, ended | {"processingStatus": "pending"}) == [
        f"{final} became pending"
    ]
    other = ended | {"result": RESULT | {"start": 2}}
    assert broken_moves(ended, other) == ["result was written twice"]


def test_every_fault_of_a_plan_comes_before_the_last_jobs_end():
    plan = Plan()
    schedule = plan.schedule(random.Random(3))
    assert Counter(fault for _, fault in schedule) == {KILLED: 40, RESTARTED: 5, CUT: 5}
    shares = [share for share, _ in schedule]
    assert shares == sorted(shares)
    assert 0 <= shares[0] < shares[-1] < (plan.jobs - 1) / plan.jobs


async def test_a_cut_relay_breaks_what_is_open_and_passes_again_afterwards():
    async def echo(reader, writer):
        while data := await reader.read(100):
            writer.write(data)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, Relay(f"127.0.0.1:{port}").running() as relay:

        async def asked(reader, writer) -> bytes:
            writer.write(b"hello")
            return await reader.read(100)

        host, _, at = relay.address.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(at))
        assert await asked(reader, writer) == b"hello"
        cutting = asyncio.create_task(relay.cut(0.3))
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await reader.readexactly(1)
        with pytest.raises(ConnectionError):
            await asyncio.open_connection(host, int(at))
        assert await cutting == 1
        writer.close()
        again = await asyncio.open_connection(host, int(at))
        assert await asked(*again) == b"hello"
        again[1].close()
