"""What a killed server leaves is removed by the next one, and nothing that anybody still uses."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil
import pytest

from harness.local_server import free_ports
from pawfect.profile import load_profile
from pawfect_triton import dead_runs
from pawfect_triton.dead_runs import PREFIX, hold, sweep
from pawfect_triton.installation import SHM_FOLDER
from pawfect_triton.server import Endpoints, TritonServer
from tests.conftest import ServedProcess
from tests.server.conftest import until

# Holds a folder and hands it on to a child that outlives it, as serve does to Triton.
HOLDER = """
import subprocess, sys
from pathlib import Path
from pawfect_triton.dead_runs import hold
lock = hold(Path(sys.argv[1]))
child = subprocess.Popen(["sleep", "60"], pass_fds=(lock,), stdout=subprocess.DEVNULL)
print(child.pid, flush=True)
sys.stdin.read()
"""


# Starts a model's process and never looks after it, as some first processes of containers do.
NEGLECTFUL = """
import subprocess, sys
lock, stub, model = sys.argv[1:]
child = subprocess.Popen([model, "60"], executable=stub, pass_fds=(int(lock),))
print(child.pid, flush=True)
sys.stdin.read()
"""


def _runs(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


@pytest.fixture
def run(tmp_path):
    """A run's folder with a segment of shared memory."""
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=tmp_path))
    segment = SHM_FOLDER / f"{folder.name}-0"
    segment.write_bytes(b"pixels")
    yield folder, segment
    segment.unlink(missing_ok=True)


def test_a_run_is_swept_once_its_last_process_is_gone_and_not_before(run, tmp_path):
    folder, segment = run
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    child = int(holder.stdout.readline())
    assert sweep(tmp_path) == []
    holder.kill()
    holder.communicate()
    assert sweep(tmp_path) == []
    assert segment.exists()
    subprocess.run(["kill", "-KILL", str(child)], check=True)
    until(lambda: sweep(tmp_path) == [folder.name], 10)
    assert not folder.exists()
    assert not segment.exists()


@pytest.mark.parametrize("orphan", [True, False])
def test_a_models_process_is_ended_only_where_its_server_has_died(run, tmp_path, orphan):
    folder, _ = run
    # What Triton calls them: the server is a shell here, which waits.
    stub, server = (tmp_path / name for name in ("triton_python_backend_stub", "tritonserver"))
    stub.symlink_to("/bin/sleep")
    server.symlink_to("/bin/bash")
    model = folder / "models" / "inpaint" / "1" / "model.py"
    lock = hold(folder)
    # sleep refuses the word, but bash hands it on as the name of the command.
    script = f"(exec -a {model} {stub} 60) & echo $!; read -r _"
    started = subprocess.Popen(
        [str(server), "-c", script], pass_fds=(lock,), stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    os.close(lock)
    child = psutil.Process(int(started.stdout.readline()))
    try:
        until(lambda: child.name() == "triton_python_b", 10)
        if orphan:
            started.kill()
            started.wait()
        assert sweep(tmp_path) == ([folder.name] if orphan else [])
        # Where nobody looks after orphans, a killed one stays as a zombie.
        assert _runs(child) is not orphan
    finally:
        if child.is_running():
            child.kill()
        started.kill()
        started.communicate()


def test_an_ended_process_that_its_parent_leaves_a_zombie_is_not_waited_for(
    run, tmp_path, monkeypatch
):
    folder, _ = run
    stub = tmp_path / "triton_python_backend_stub"
    stub.symlink_to("/bin/sleep")
    lock = hold(folder)
    words = [str(lock), str(stub), str(folder / "models" / "inpaint" / "1" / "model.py")]
    started = subprocess.Popen(
        [sys.executable, "-c", NEGLECTFUL, *words], pass_fds=(lock,), stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    os.close(lock)
    child = psutil.Process(int(started.stdout.readline()))
    monkeypatch.setattr(dead_runs, "_GONE_S", 30.0)
    try:
        until(lambda: child.name() == "triton_python_b", 10)
        began = time.monotonic()
        sweep(tmp_path)
        assert time.monotonic() - began < 20
        assert child.status() == psutil.STATUS_ZOMBIE
    finally:
        started.kill()
        started.communicate()


@pytest.mark.parametrize("name", [PREFIX, f"{PREFIX}[a-z0-9_]*", f"{PREFIX}????????"])
def test_a_planted_folder_frees_no_memory_of_a_run_that_is_held(run, tmp_path, name):
    folder, segment = run
    lock = hold(folder)
    try:
        (tmp_path / name).mkdir()
        (tmp_path / name / "running").touch()
        assert sweep(tmp_path) == []
        assert segment.exists()
        assert (tmp_path / name / "running").exists()
        # Nor where such a name comes to it in another way.
        dead_runs.free(f"{PREFIX}[a-z0-9_]*")
        assert segment.exists()
    finally:
        os.close(lock)


def test_a_link_and_another_users_folder_are_no_runs(run, tmp_path, monkeypatch):
    folder, segment = run
    (folder / "running").touch()
    with monkeypatch.context() as other:
        other.setattr(os, "geteuid", lambda: folder.stat().st_uid + 1)
        assert sweep(tmp_path) == []
    assert segment.exists()
    links = tmp_path / "links"
    links.mkdir()
    (links / folder.name).symlink_to(folder)
    assert sweep(links) == []
    assert segment.exists()
    assert sweep(tmp_path) == [folder.name]
    assert not segment.exists()


def test_a_folder_that_is_no_runs_stays(run, tmp_path):
    folder, segment = run
    (folder / "mine.txt").write_text("keep")
    assert sweep(tmp_path) == []
    assert (folder / "mine.txt").exists()
    assert segment.exists()


def test_this_processs_own_run_stays(run, tmp_path):
    folder, _ = run
    lock = hold(folder)
    try:
        assert sweep(tmp_path) == []
    finally:
        os.close(lock)
    assert sweep(tmp_path) == [folder.name]


def test_what_was_there_still_when_the_next_server_started_is_swept_once_that_is_ready(
    run, tmp_path, monkeypatch
):
    folder, segment = run
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    lock = hold(folder)
    try:
        server = TritonServer(load_profile("embedded"), Endpoints("127.0.0.1", *free_ports(3)))
    finally:
        os.close(lock)
    try:
        assert segment.exists()
        told_to_stop = threading.Event()
        told_to_stop.set()
        server.wait_ready(1.0, told_to_stop)
        assert not segment.exists()
        assert not folder.exists()
    finally:
        server.close()


@pytest.mark.slow
def test_a_killed_servers_folder_and_memory_are_swept_once_its_models_have_ended(tmp_path: Path):
    def left() -> list[str]:
        runs = [path.name for path in (tmp_path / "tmp").glob("pawfect-*")]
        return [name.name for name in SHM_FOLDER.iterdir() if name.name.startswith(tuple(runs))]

    (tmp_path / "tmp").mkdir()
    with ServedProcess(tmp_path, TMPDIR=str(tmp_path / "tmp")) as served:
        until(lambda: len(left()) > 3, 60)
        # Alone: what it started outlives it for a moment.
        served.process.kill()
        served.process.wait(20)
        (first,) = (tmp_path / "tmp").glob("pawfect-*")
        until(lambda: sweep(tmp_path / "tmp") == [first.name], 60)
        assert not [name for name in SHM_FOLDER.iterdir() if name.name.startswith(first.name)]
