"""The processes of a soak: server, API and workers on one embedded store, kept going."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

import psutil

from harness.local_server import HOST, free_ports
from harness.process import PAWFECT, LoggedProcess
from pawfect_triton.dead_runs import sweep
from pawfect_triton.installation import SHM_FOLDER
from pawfect_triton.server import EXIT_TIMEOUT_S
from perf.service.soak.clock import SteppedClock
from perf.service.soak.disk import Disk

WORKERS: Final = 2
API_PROCESSES: Final = 2
READY: Final = "ready: every model has answered"
# How often an ended process is looked for, and the pause before it is started again, s: what a
# container's or systemd's restart takes.
_LOOK_S: Final = 0.2
_AGAIN_S: Final = 1.0
# A whole start on a busy machine, s.
READY_S: Final = 150.0
# How long each process has to end at the end, s; then it is killed. A server may finish what it
# holds, for EXIT_TIMEOUT_S.
END_S: Final = EXIT_TIMEOUT_S + 30.0
# Kills what is left and unmounts when the pipe at its input ends with this process, however that
# ends. Each line of the file is a process group's leader.
_GUARD: Final = """
trap '' INT TERM
read -r _
while read -r group; do kill -KILL -- "-$group" 2>/dev/null; done < "$1"
sleep 1
umount -l "$2" 2>/dev/null
for run in "$3"/pawfect-*; do rm -rf "/dev/shm/$(basename "$run")"*; done
"""


class Kept:
    """A process that is started again whenever it ends.

    Args:
        name: for people.
        command: what it is.
        log: where its output is added.
        environment: all of its variables.
        started: is told of each start.
    """

    def __init__(
        self,
        name: str,
        command: list[str],
        log: Path,
        environment: Mapping[str, str],
        started: Callable[[int], None],
    ) -> None:
        self.name = name
        self.log = log
        self.starts = 1
        self._started = started
        self._process = LoggedProcess(command, log, environment=environment, folder=log.parent)
        started(self._process.process.pid)

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        return self._process.process.pid if self._process.process.poll() is None else None

    async def keep(self) -> None:
        """Start it again whenever it has ended, until cancelled."""
        while True:
            await asyncio.sleep(_LOOK_S)
            if self.pid is None:
                await asyncio.sleep(_AGAIN_S)
                self._process.start()
                self._started(self._process.process.pid)
                self.starts += 1

    def ready(self, times: int = 1) -> bool:
        """Say whether its log says so many times that it is ready."""
        return self._process.output().count(READY) >= times

    def end(self) -> int:
        """Ask it to end; kill it, and all that it started, where it does not.

        Returns:
            Its exit code; negative: the signal that ended it.
        """
        process = self._process.process
        with contextlib.suppress(ProcessLookupError):
            # A stopped one hears nothing else.
            process.send_signal(signal.SIGCONT)
            process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(END_S)
        self._process.kill()
        return process.returncode


class Site:
    """Everything that runs.

    Args:
        folder: for logs, the store and temporary files; empty.
        minutes: of the run.

    Attributes:
        processes: what runs, by name.
        starts: how often each was started, once all have ended.
        killed: those of them that did not end when they were asked to.
    """

    def __init__(self, folder: Path, minutes: float) -> None:
        self.folder = folder.resolve()
        self.temporary = self.folder / "tmp"
        self.temporary.mkdir(parents=True)
        self.clock = SteppedClock(self.folder)
        self.disk = Disk(self.folder / "store", minutes)
        self.processes: dict[str, Kept] = {}
        self.starts: dict[str, int] = {}
        self.killed: list[str] = []
        self._guarded = self.folder / "groups"
        self._guarded.touch()
        self._runs: set[str] = set()
        self._keeping: list[asyncio.Task[None]] = []
        grpc, http, metrics, self._port = free_ports(4)
        self.triton = f"{HOST}:{grpc}"
        self._ports = {"grpc": grpc, "http": http, "metrics": metrics}

    @property
    def store(self) -> str:
        """The store's url."""
        return f"embedded:{self.disk.folder}"

    @property
    def url(self) -> str:
        """Of the API."""
        return f"http://{HOST}:{self._port}"

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Site]:
        """Start all of it, keep it going, and stop all of it, whatever happens."""
        with ExitStack() as stack:
            stack.enter_context(self.disk)
            stack.enter_context(self._guard())
            try:
                self._start()
                kept = self.processes.values()
                self._keeping = [asyncio.create_task(one.keep()) for one in kept]
                await self._ready()
                yield self
            finally:
                await self.end()
                # What has been counted by now; on a busy machine the last server may be killed.
                sweep(self.temporary)

    async def end(self) -> None:
        """End all processes, at the same time, and leave them so; the store stays."""
        for task in self._keeping:
            task.cancel()
        await asyncio.gather(*self._keeping, return_exceptions=True)
        ends = (asyncio.to_thread(one.end) for one in self.processes.values())
        codes = await asyncio.gather(*ends, return_exceptions=True)
        ended = zip(self.processes, codes, strict=True)
        self.killed += [name for name, code in ended if code == -signal.SIGKILL]
        self.starts |= {name: one.starts for name, one in self.processes.items()}
        self.processes = {}

    def _start(self) -> None:
        shared = {**os.environ, "TMPDIR": str(self.temporary), "PYTHONUNBUFFERED": "1"}
        served = [f"--{name}-port={port}" for name, port in self._ports.items()]
        self._run("serve", ["serve", "--profile", "embedded", *served], shared)
        where = ["--store", self.store, "--triton", self.triton]
        timed = {**shared, **self.clock.environment}
        answers = ["--no-auth", "--port", str(self._port), "--processes", str(API_PROCESSES)]
        self._run("api", ["api", *where, *answers, "--rate", "1000000/minute"], timed)
        for number in range(1, WORKERS + 1):
            self._run(f"worker {number}", ["worker", *where, "--grace", "5"], timed)

    def _run(self, name: str, arguments: list[str], environment: Mapping[str, str]) -> None:
        log = self.folder / f"{name.replace(' ', '')}.log"
        command = [PAWFECT, *arguments]
        self.processes[name] = Kept(name, command, log, environment, self._started)

    def _started(self, group: int) -> None:
        with self._guarded.open("a") as file:
            file.write(f"{group}\n")

    @contextlib.contextmanager
    def _guard(self) -> Iterator[None]:
        """Have somebody else clean up where this process cannot."""
        places = (self._guarded, self.disk.folder, self.temporary)
        command = ["bash", "-c", _GUARD, "bash", *map(str, places)]
        guard = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)
        try:
            yield
        finally:
            guard.kill()
            # Waits, and closes the pipe.
            guard.communicate()

    async def _ready(self) -> None:
        until = time.monotonic() + READY_S
        while not (self.processes["serve"].ready() and await self._answers(self._port)):
            if time.monotonic() > until:
                logs = "\n".join(one.log.read_text()[-800:] for one in self.processes.values())
                raise RuntimeError(f"expected all to be ready within {READY_S:g} s:\n{logs}")
            await asyncio.sleep(_LOOK_S)

    async def served(self, within_s: float) -> None:
        """Return once Triton listens, which it does with all models loaded, or after so long."""
        until = time.monotonic() + within_s
        while time.monotonic() < until and not await self._answers(self._ports["grpc"]):
            await asyncio.sleep(_LOOK_S)

    async def _answers(self, port: int) -> bool:
        try:
            _, writer = await asyncio.open_connection(HOST, port)
        except OSError:
            return False
        writer.close()
        return True

    def means(self) -> dict[str, str]:
        """Return how disk and clock are broken here, or why they are not."""
        disk = "a tmpfs of its own, whose size is set to what is in it"
        clock = "a shim in LD_PRELOAD adds an offset to the wall clock of API and workers"
        return {
            "disk": f"never full, {self.disk.why_none}" if self.disk.why_none else disk,
            "clock": f"never stepped, {self.clock.why_none}" if self.clock.why_none else clock,
        }

    # --- what runs now --------------------------------------------------------------------------

    def roles(self) -> dict[str, psutil.Process]:
        """Return what runs now: serve, tritonserver, models, API processes and workers."""
        found: dict[str, psutil.Process] = {}
        for name, kept in self.processes.items():
            with contextlib.suppress(psutil.NoSuchProcess):
                if kept.pid is None:
                    continue
                root = psutil.Process(kept.pid)
                found[f"{name} 1" if name == "api" else name] = root
                below = _alive_children(root)
                if name == "api":
                    found |= {f"api {number}": one for number, one in enumerate(below, 2)}
                elif name == "serve":
                    for server in below:
                        found["tritonserver"] = server
                        found |= _models(server)
        return found

    def note_runs(self) -> None:
        """Remember the folders of servers that run: their shared memory is named after them."""
        self._runs |= {path.name for path in self.temporary.glob("pawfect-*")}

    def left_in_memory(self) -> list[str]:
        """Return the segments of shared memory that this run's servers have left."""
        names = [path.name for path in SHM_FOLDER.iterdir()]
        return [name for name in names if any(map(name.startswith, self._runs))]

    def left_running(self) -> list[str]:
        """Kill the processes of this run's servers that nobody has ended; return what they are."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                words = process.cmdline()
                if any(f"{self.temporary}/pawfect-" in word for word in words):
                    found.append(next((_model_of(w) for w in words if _model_of(w)), words[0]))
                    process.kill()
        return [name.removeprefix(str(self.temporary)) for name in found]

    def left_on_disk(self) -> Counter[str]:
        """Return the temporary files that are left, by what their names begin with."""
        return Counter(path.name.partition("-")[0] for path in self.temporary.iterdir())


def _alive_children(process: psutil.Process) -> list[psutil.Process]:
    children = process.children()
    return [one for one in children if one.status() != psutil.STATUS_ZOMBIE]


def _models(server: psutil.Process) -> dict[str, psutil.Process]:
    """Return the models' processes of a server, by the folder of their model.py."""
    found = {}
    for child in server.children():
        with contextlib.suppress(psutil.NoSuchProcess):
            for model in filter(None, map(_model_of, child.cmdline())):
                found[f"model {model}"] = child
    return found


def _model_of(word: str) -> str:
    """Return the model whose model.py a word of a command line names; else nothing."""
    return Path(word).parts[-3] if word.endswith("/model.py") else ""
