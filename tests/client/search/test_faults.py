"""A machine that fails: full disks, interrupts, and the end without warning."""

from __future__ import annotations

import json
import os
import random
import resource
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pawfect.contract.errors import TABLE, ErrorKind
from pawfect_client.search.task_folder import TaskFolder
from tests.client.search.conftest import Desk, installed_in
from tests.client.search.flow import MADE, PACE
from tests.lawn import holes, lawn
from tests.pawfect.photo.pictures import png
from tests.server.conftest import until

START = "from pawfect.cli import main; main()"
TOTAL = 12


@pytest.fixture
def started(tmp_path):
    """Start the command as a process that finds the flow; what still runs at the end is killed."""
    running = []
    ours = [str(installed_in(tmp_path / "process")), os.getcwd()]
    ours += [path for path in sys.path if path and "dist-info" not in path]

    def start(desk: Desk, *options: str, pace: float = 0.0, size: int | None = None):
        files = [str(desk.root / name) for name in ("photo.png", "mask.png")]
        command = [sys.executable, "-c", START, "search", *files, "--output-dir", str(desk.out)]
        variables = {PACE: str(pace), MADE: str(desk.root / "made"), "PYTHONUNBUFFERED": "1"}
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(ours), **variables}

        def prepare() -> None:
            # A suite that runs in the background inherits SIGINT as ignored; a terminal's not.
            signal.signal(signal.SIGINT, signal.default_int_handler)
            if size is not None:
                resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

        process = subprocess.Popen(
            [*command, "--local", *options],
            env=environment,
            preexec_fn=prepare,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        running.append(process)
        return process

    yield start
    for process in running:
        process.kill()
        process.communicate()


def finished(desk: Desk) -> set[int]:
    return {
        json.loads(path.read_text())["candidate"]["number"]
        for path in desk.task().glob("candidate_*.json")
    }


def made(desk: Desk) -> list[int]:
    path = desk.root / "made"
    return [int(line) for line in path.read_text().split()] if path.exists() else []


def left_overs(desk: Desk) -> list[str]:
    return [path.name for path in desk.out.rglob("*.part")]


@pytest.mark.slow
def test_what_finds_no_room_is_that_tasks_error_and_nothing_half_written_stays(desk, started):
    # A photo whose PNG finds no room, and a mask that does.
    process = started(desk, size=6000)
    out, err = process.communicate(timeout=60)
    assert process.returncode == TABLE[ErrorKind.INVALID_ARG].exit_code, err
    assert "init.png: expected a place that can be written to, got File too large" in err
    assert "0 of 1 tasks searched, 1 failed" in out
    assert left_overs(desk) == []
    assert started(desk).wait(timeout=60) == 0


def test_a_candidate_that_finds_no_room_ends_its_task_and_the_rest_goes_on(desk, flow):
    flat = np.full((72, 96, 3), 90, np.uint8)
    desk.put("flat.png", png(flat))
    real, stop_at = TaskFolder.write, "candidate_2_seed14.json"

    def write(self: TaskFolder, name: str, data: bytes) -> None:
        if name == stop_at and self.path.name == "task_1":
            # A disk that is full as long as this file is written.
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(os, "fsync", _no_room)
                real(self, name, data)
        real(self, name, data)

    tasks = [
        {"id": number, "init_image_url": "photo.png", "mask_image_url": "mask.png"}
        for number in (1, 2)
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TaskFolder, "write", write)
        run = desk.tasks(tasks)
    assert run.exit_code == TABLE[ErrorKind.INVALID_ARG].exit_code
    assert f"task 1: the request itself is wrong: {stop_at}: expected a place" in run.stderr
    assert "No space left on device" in run.stderr
    assert "1 of 2 tasks searched, 1 failed" in run.stdout
    names = {path.name for path in desk.task("1").glob("candidate*")}
    assert names == {
        f"candidate_{number}_seed{number * 7}.{kind}"
        for number in (0, 1)
        for kind in ("png", "json")
    }
    assert left_overs(desk) == []
    flow.requests.clear()
    assert desk.tasks(tasks).exit_code == 0
    assert flow.requests[0]["known"] == [0, 1]


def _no_room(file: int) -> None:
    raise OSError(28, os.strerror(28))


@pytest.mark.slow
def test_an_interrupt_says_how_to_go_on_and_the_same_command_does(desk, started):
    process = started(desk, pace=0.1)
    until(lambda: len(finished(desk)) >= 2, 60)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == TABLE[ErrorKind.CANCELLED].exit_code
    assert "interrupted with 1 to go, with which the same command goes on" in out
    there = finished(desk)
    (desk.root / "made").unlink()
    assert started(desk).wait(timeout=60) == 0
    assert not there & set(made(desk))
    assert desk.metrics()["complete"] is True


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_killed_at_any_moment_no_finished_candidate_is_made_twice_and_the_best_is_the_same(
    tmp_path, started, seed
):
    def desk_at(name: str) -> Desk:
        made_there = Desk(tmp_path / name)
        made_there.root.mkdir()
        made_there.put("photo.png", png(lawn(300, 400)))
        made_there.put("mask.png", png(holes(300, 400, (100, 80, 180, 160))))
        return made_there

    options = (f"--seed={seed}", "--k-global=6", "--m-global=3", "--k-local=2")
    whole, desk = desk_at("whole"), desk_at("killed")
    assert started(whole, *options).wait(timeout=120) == 0
    rng, kills = random.Random(seed), 0
    for _ in range(40):
        before = finished(desk)
        process = started(desk, *options, pace=0.05)
        (desk.root / "made").unlink(missing_ok=True)
        if kills < 8:
            # From before the first candidate to after the last.
            more = rng.randrange(0, 4)
            wanted = min(len(before) + more, TOTAL)
            until(
                lambda wanted=wanted, process=process: (
                    len(finished(desk)) >= wanted or process.poll() is not None
                ),
                60,
            )
            with_pause = rng.uniform(0, 0.06)
            try:
                process.wait(timeout=with_pause)
            except subprocess.TimeoutExpired:
                process.kill()
                kills += 1
        process.wait(timeout=120)
        assert not before & set(made(desk)), "a finished candidate was made again"
        if process.returncode == 0:
            break
    assert process.returncode == 0
    assert kills >= 2
    expected, got = whole.metrics(), desk.metrics()
    for metrics in (expected, got):
        metrics["report"].pop("known")
    assert got == expected
    assert left_overs(desk) == []
    assert pictures(whole.task()) == pictures(desk.task())


def pictures(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*.png")}
