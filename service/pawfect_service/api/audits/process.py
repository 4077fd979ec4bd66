"""`pawfect audit` as a process: one at a time, and none that outlives its API."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, STDOUT, Process
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, Final

from pawfect.contract.errors import ErrorKind, PawfectError, without_paths
from pawfect_service.http.failures import ApiError

# Ends with its parent; see there.
_CHILD: Final = "pawfect_service.process.child"
_COMMAND: Final = "from pawfect.cli import main; main()"
# `pawfect audit matrices` takes 1 s on an idle core.
_ASKED_S: Final = 60.0
# An audit's server is killed at once, which takes a few seconds with all its models' processes.
END_S: Final = 30.0
# Somebody who looks whether an audit runs holds the lock for an instant: tries, and s between them.
_TRIES: Final = 10
_APART_S: Final = 0.05

# Of what the lock's file says: two ids of up to 128 characters, and a number.
_LENGTH: Final = 512


@dataclass(frozen=True)
class Holder:
    """The audit that runs.

    Attributes:
        uid: whose session it is of.
        sid: which.
        pid: its process; 0 while it is being started.
    """

    uid: str = ""
    sid: str = ""
    pid: int = 0


class Turn:
    """Who may audit: one at a time for all APIs of a folder, since two would time each other.

    The audit's process and the API that waits for its end hold the lock, so the kernel gives it
    back however these two end, and whoever sees it free sees the end written down.

    Args:
        root: the folder of all audits.
    """

    def __init__(self, root: Path) -> None:
        self._path = root / ".running"

    async def take(self, uid: str, sid: str) -> IO[bytes]:
        """Return the file that holds the lock while this process, or a child, has it open.

        Raises:
            ApiError: 409 where an audit runs.
            OSError: the folder cannot be written to.
        """
        # Not to its end: what is written there replaces what was.
        file = os.fdopen(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600), "r+b")
        try:
            for _ in range(_TRIES):
                with suppress(BlockingIOError):
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    _write(file, Holder(uid, sid))
                    return file
                await asyncio.sleep(_APART_S)
        except BaseException:
            file.close()
            raise
        file.close()
        holder = self.holder()
        mine = holder is not None and (holder.uid, holder.sid) == (uid, sid)
        got = "one of this session" if mine else "one of another session"
        message = f"audit: expected none under way on this machine, got {got}"
        raise ApiError(409, ErrorKind.INVALID_ARG, message)

    def holder(self) -> Holder | None:
        """Return the audit that runs; None: there is none. OSError: the folder cannot be read."""
        with suppress(FileNotFoundError), self._path.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                content = file.read()
                # Nothing yet: the folder's first audit is being started.
                return Holder(**json.loads(content)) if content else Holder()
        return None

    async def end(self, holder: Holder) -> None:
        """Have the audit that runs end, and return once it has."""
        waiting = asyncio.create_task(asyncio.to_thread(self._wait))
        for number in (signal.SIGTERM, signal.SIGKILL):
            with suppress(ProcessLookupError):
                os.kill(holder.pid, number)
            ended, _ = await asyncio.wait({waiting}, timeout=END_S)
            if ended:
                return

    def forget(self, uid: str) -> None:
        """Take a user's id out of the note of the last audit, unless another one runs."""
        with suppress(FileNotFoundError, BlockingIOError), self._path.open("r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            content = file.read()
            if content and Holder(**json.loads(content)).uid == uid:
                _write(file, Holder())

    def _wait(self) -> None:
        with self._path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH)


def _write(file: IO[bytes], holder: Holder) -> None:
    # In one piece of one length: whoever reads meanwhile sees one or the other.
    os.pwrite(file.fileno(), json.dumps(asdict(holder)).ljust(_LENGTH).encode(), 0)


async def start(arguments: Sequence[str], log: Path, turn: IO[bytes], holder: Holder) -> Process:
    """Start `pawfect audit run`.

    Args:
        arguments: of the command.
        log: where its output goes, in place of what is there.
        turn: as `Turn.take` gave it; its child has it open too, and goes on holding it.
        holder: without the process, which is added.

    Raises:
        OSError: no process is to be had.
    """
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", _CHILD, "audit", "run", *arguments),
            stdin=PIPE,
            stdout=output,
            stderr=STDOUT,
            # Ctrl-C reaches the API alone, which passes the word on once.
            start_new_session=True,
            pass_fds=(turn.fileno(),),
        )
    _write(turn, Holder(holder.uid, holder.sid, process.pid))
    return process


async def matrices() -> dict[str, int]:
    """Return the cells for one session of each matrix, by its name.

    Raises:
        PawfectError: UNAVAILABLE where `pawfect audit` is not installed, with how that is mended.
    """
    arguments = (sys.executable, "-c", _COMMAND, "audit", "matrices")
    process = await asyncio.create_subprocess_exec(
        *arguments, stdin=DEVNULL, stdout=PIPE, stderr=PIPE, start_new_session=True
    )
    try:
        async with asyncio.timeout(_ASKED_S):
            said, complaint = await process.communicate()
    except TimeoutError:
        late = f"audit: expected it to say its matrices within {_ASKED_S:g} s"
        raise PawfectError(ErrorKind.UNAVAILABLE, late) from None
    finally:
        if process.returncode is None:
            process.kill()
    if process.returncode:
        last = complaint.decode("utf-8", "replace").strip().rpartition("\n")[2]
        why = without_paths(last.removeprefix("Error: ")) or "it says nothing"
        raise PawfectError(ErrorKind.UNAVAILABLE, f"audit: expected it to be installed: {why}")
    told: dict[str, dict[str, Any]] = json.loads(said)
    return {name: int(matrix["cells"]) for name, matrix in told.items()}
