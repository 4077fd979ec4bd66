"""What the models' processes share: compiled code, and who still waits."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from pawfect.contract.errors import ErrorKind
from pawfect.stop import never
from pawfect_triton.model_environment import (
    CODE_VARIABLE,
    HEAPS_VARIABLE,
    model_environment,
)
from pawfect_triton.waiting import FOLDER_VARIABLE, stop_of, waiting
from tests.refusals import refusal
from tests.server.conftest import stubs

NOBODY = 65534


@contextmanager
def unprivileged() -> Iterator[None]:
    """Run the block as nobody where the tests run as root, who may write to everything."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(before)


@pytest.fixture
def folders() -> Iterator[tuple[Path, Path]]:
    """A folder of kept code that only its owner can write to, and a run's, that nobody can."""
    with tempfile.TemporaryDirectory() as base:
        kept, own = Path(base, "kept"), Path(base, "own")
        Path(base).chmod(0o755)
        kept.mkdir()
        own.mkdir()
        own.chmod(0o777)
        yield kept, own
        kept.chmod(0o755)


def test_code_kept_where_it_can_be_added_to_stays_there(folders, monkeypatch):
    kept, own = folders
    monkeypatch.setenv(CODE_VARIABLE, str(kept))
    assert CODE_VARIABLE not in model_environment(own)
    monkeypatch.delenv(CODE_VARIABLE)
    assert CODE_VARIABLE not in model_environment(own)


def test_code_in_a_read_only_folder_is_copied_to_where_more_can_be_added(folders, monkeypatch):
    kept, own = folders
    (kept / "patch_1").mkdir()
    (kept / "patch_1" / "core.nbc").write_bytes(b"code")
    for folder in (kept / "patch_1", kept):
        folder.chmod(0o555)
    monkeypatch.setenv(CODE_VARIABLE, str(kept))
    with unprivileged():
        # A restart finds its own copy.
        for _ in range(2):
            copied = Path(model_environment(own)[CODE_VARIABLE])
            assert copied.is_relative_to(own)
            assert (copied / "patch_1" / "core.nbc").read_bytes() == b"code"
            (copied / "patch_1" / "more.nbc").write_bytes(b"more")


def test_a_folder_of_code_that_cannot_be_made_is_one_of_the_runs_own(folders, monkeypatch):
    kept, own = folders
    (kept / "file").touch()
    monkeypatch.setenv(CODE_VARIABLE, str(kept / "file" / "folder"))
    assert Path(model_environment(own)[CODE_VARIABLE]).is_dir()


@pytest.mark.slow
def test_copied_code_is_what_a_model_loads(folders, monkeypatch):
    kept, own = folders
    fill = [sys.executable, "-m", "pawfect.patch"]
    subprocess.run(fill, env=os.environ | {CODE_VARIABLE: str(kept)}, check=True)
    copied = own / "compiled"
    shutil.copytree(kept, copied)
    before = {path.name for path in copied.rglob("*.nbc")}
    assert len(before) > 10
    environment = os.environ | {CODE_VARIABLE: str(copied), "NUMBA_DEBUG_CACHE": "1"}
    log = subprocess.run(fill, env=environment, capture_output=True, text=True, check=True).stdout
    assert "data loaded from" in log
    assert "data saved to" not in log


def test_a_models_process_keeps_few_heaps(server):
    """Each heap keeps what its largest request left: with one a thread a model grows for long."""
    (stub,) = stubs(server, "refine")
    assert stub.environ()[HEAPS_VARIABLE] == "2"


@pytest.fixture
def held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder where callers are noted."""
    folder = model_environment(tmp_path)[FOLDER_VARIABLE]
    monkeypatch.setenv(FOLDER_VARIABLE, folder)
    return Path(folder)


def test_a_model_is_told_to_stop_once_its_caller_no_longer_waits(held):
    with waiting("patch_fill") as noted:
        stop = stop_of("patch_fill", None, given := {"seed": 1, **noted})
        assert given == {"seed": 1}
        assert not stop()
    assert stop()
    assert list(held.iterdir()) == []


def test_a_cancelled_caller_waits_no_longer(held):
    async def call() -> None:
        with waiting("patch_fill"):
            await asyncio.sleep(60)

    async def cancelled() -> None:
        task = asyncio.create_task(call())
        await asyncio.sleep(0)
        assert len(list(held.iterdir())) == 1
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(cancelled())
    assert list(held.iterdir()) == []


def test_a_model_that_cannot_be_stopped_is_told_of_no_caller(held):
    with waiting("mask_cleanup") as noted:
        assert noted == {}
    assert stop_of("mask_cleanup", None, {}) is never


def test_a_request_from_outside_stops_when_it_is_cancelled(held):
    cancelled = [False]
    request = SimpleNamespace(is_cancelled=lambda: cancelled[0])
    stop = stop_of("patch_fill", request, {})
    assert not stop()
    cancelled[0] = True
    assert stop()


@pytest.mark.parametrize("name", ["../x", "", "A" * 32, 5, True])
def test_a_name_that_no_caller_within_the_server_gives_is_refused(held, name):
    message = refusal(ErrorKind.INVALID_ARG, stop_of, "patch_fill", None, {"waiting": name})
    assert "waiting: expected a name given by this server" in message
