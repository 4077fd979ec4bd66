"""A short soak, in which each kind of event comes once: nothing is lost, doubled or left."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

import pawfect
from perf.publish import publish
from perf.service.soak import result
from perf.service.soak.__main__ import version_of_code
from perf.service.soak.clock import SteppedClock
from perf.service.soak.disk import Disk
from perf.service.soak.ledger import Accepted
from perf.service.soak.run import UNENDED, Found, Plan, died, soak
from perf.service.soak.schedule import EVENTS, SESSION

# The load lasts 100 s, the storm 70: a server that is started anew has 20 s until it is hit again.
# The drain is longer than by default: on a busy machine the server comes back late.
PLAN = Plan(minutes=2.2, seed=3, clients=4, drain_s=240)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("soak")


@pytest.fixture(scope="module")
def found(folder) -> Found:
    return asyncio.run(soak(PLAN, folder))


@pytest.mark.slow
def test_nothing_is_lost_or_doubled_and_every_result_is_right(found):
    assert found.unfinished is None
    assert found.lost == found.late == []
    assert found.moves.doubled == []
    assert found.wrong == []
    ends = result.figures(found)["ends"]
    assert sum(kind.get("completed", 0) for kind in ends.values()) == found.pictures > 10


@pytest.mark.slow
def test_each_kind_of_event_came_or_says_why_not(found):
    assert {done.event.kind for done in found.done} == set(EVENTS)
    for done in found.done:
        assert done.victim or done.skipped, done.event.kind.name
    skipped = [done.skipped for done in found.done if done.skipped]
    assert len(skipped) <= 3, skipped


@pytest.mark.slow
def test_what_was_started_has_ended_and_nothing_is_left(found, folder):
    left = [found.left[name] for name in ("messages", "dead letters", "segments of shared memory")]
    assert left == [0, 0, 0]
    assert found.left["processes"] == []
    own = [one for one in psutil.process_iter(["cmdline"]) if str(folder) in str(one.info)]
    assert own == []
    assert str(folder) not in Path("/proc/mounts").read_text()
    assert found.seconds < 60 * PLAN.minutes + PLAN.drain_s + 90


@pytest.mark.slow
def test_its_page_and_figures_say_what_was_done(found, tmp_path):
    source = {"command": "c", "date": "d", "machine": "m", "versions": {}, "commit": "abc"}
    source |= found.means
    figures = result.figures(found)
    publish(tmp_path, "soak", figures, result.page(source, figures))
    assert json.loads((tmp_path / "soak.json").read_text()) == json.loads(json.dumps(figures))
    page = (tmp_path / "soak.md").read_text()
    for kind in EVENTS:
        assert kind.name in page
    assert "| lost | 0 |" in page
    assert {row["role"] for row in figures["memory"]} >= {"worker 1", "tritonserver", "api 1"}


def test_a_run_that_has_shown_nothing_reaches_no_goal_and_has_its_page_all_the_same():
    found = Found(PLAN, unfinished="RuntimeError: no start")
    figures = result.figures(found)
    assert figures["missed"][0] == "unfinished: RuntimeError: no start"
    assert any(missed.startswith("accepted") for missed in figures["missed"])
    assert any(missed.startswith("recovery") for missed in figures["missed"])
    source = {"command": "c", "date": "d", "machine": "m", "versions": {}, "commit": "abc"}
    assert "no start" in result.page(source | found.means, figures)


@pytest.mark.parametrize("name", result.LISTS)
def test_each_list_that_is_not_empty_misses_a_goal(name):
    found = Found(PLAN)
    (found.moves.doubled if name == "doubled" else getattr(found, name)).append("u/s1: it")
    figures = result.figures(found)
    assert f"{name.replace('_', ' ')}: expected 0, got 1" in figures["missed"]


def test_results_that_nobody_looked_at_and_jobs_without_an_end_miss_a_goal():
    found = Found(PLAN, left={UNENDED: 2})
    for sid in ("s1", "s2"):
        url = f"/v1/users/u/sessions/{sid}"
        found.ledger.accept(Accepted("u", sid, "j", SESSION, "ground 0", url, 0.0))
        counts = {"starts": 1, "passingFailures": 0, "publications": 0}
        found.documents["u", sid] = {"processingStatus": "completed", "counts": counts}
    for pictures, says in ((1, True), (2, False)):
        found.pictures = pictures
        missed = result.figures(found)["missed"]
        assert ("results looked at: expected all 2, got 1" in missed) is says
        assert f"{UNENDED} left: expected none, got 2" in missed


async def test_what_a_task_died_of_is_told_and_one_that_was_ended_is_not():
    async def breaks() -> None:
        raise KeyError(7)

    async def lasts() -> None:
        await asyncio.Event().wait()

    tasks = [asyncio.create_task(one()) for one in (breaks, lasts)]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    (told,) = await died(tasks)
    assert "breaks died: KeyError: 7" in told
    assert tasks[1].cancelled()


def test_the_version_is_of_the_code_that_ran(monkeypatch, tmp_path):
    assert version_of_code("abc1234 with changes") == {"pawfect": "at abc1234 with changes"}
    # Installed elsewhere: its own version stands.
    monkeypatch.setattr(pawfect, "__file__", str(tmp_path / "pawfect" / "__init__.py"))
    assert version_of_code("abc1234") == {}


def test_a_slow_recovery_and_one_that_never_came_miss_the_goal():
    for value, says in ((30.0, "got 30.0"), (None, "1 never")):
        found = Found(PLAN, recovery_s={0: value, 1: 1.0} if value is None else {0: value})
        missed = result.figures(found)["missed"]
        assert any(says in one for one in missed if one.startswith("recovery"))


def test_a_stepped_clock_moves_the_wall_and_no_steady_one(tmp_path):
    clock = SteppedClock(tmp_path)
    if clock.why_none:
        pytest.skip(clock.why_none)
    script = (
        "import sys, time, datetime\n"
        "for line in sys.stdin:\n"
        "    told = time.time(), datetime.datetime.now().timestamp(), time.monotonic()\n"
        "    print(*told, flush=True)\n"
    )
    reading = subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env={**os.environ, **clock.environment},
    )  # fmt: skip
    assert reading.stdin
    assert reading.stdout

    def told() -> list[float]:
        reading.stdin.write("now\n")
        reading.stdin.flush()
        return [float(word) for word in reading.stdout.readline().split()]

    try:
        first = told()
        clock.step(3600.0)
        second = told()
        clock.step(-3600.0)
        third = told()
    finally:
        reading.kill()
        reading.communicate()
    assert second[0] - first[0] == pytest.approx(3600, abs=30)
    assert second[1] - first[1] == pytest.approx(3600, abs=30)
    assert third[0] - first[0] == pytest.approx(-3600, abs=30)
    assert 0 <= third[2] - first[2] < 30
    assert clock.offset_s == -3600.0


def test_a_full_disk_takes_nothing_and_takes_it_again_once_it_is_free(tmp_path):
    with Disk(tmp_path / "disk", 1) as disk:
        if disk.why_none:
            pytest.skip(disk.why_none)
        (disk.folder / "before").write_bytes(b"x" * 100_000)
        disk.fill()
        with pytest.raises(OSError, match="No space left"):
            (disk.folder / "after").write_bytes(b"x" * 100_000)
        disk.free()
        (disk.folder / "after").write_bytes(b"x" * 100_000)
        assert (disk.folder / "before").stat().st_size == 100_000
    assert str(disk.folder) not in Path("/proc/mounts").read_text()


def test_a_disk_that_is_written_to_meanwhile_is_full_all_the_same(tmp_path, monkeypatch):
    with Disk(tmp_path / "disk", 1) as disk:
        if disk.why_none:
            pytest.skip(disk.why_none)
        (disk.folder / "before").write_bytes(b"x" * 100_000)
        looked = [os.statvfs(disk.folder)]
        (disk.folder / "meanwhile").write_bytes(b"x" * 200_000)
        real = os.statvfs
        monkeypatch.setattr(os, "statvfs", lambda path: looked.pop() if looked else real(path))
        disk.fill()
        with pytest.raises(OSError, match="No space left"):
            (disk.folder / "after").write_bytes(b"x" * 100_000)
        disk.free()
        assert disk.why_none is None
