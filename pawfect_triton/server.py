"""The server as a process: its command line, start and end, and its models' processes."""

from __future__ import annotations

import contextlib
import ctypes
import logging
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Final

import psutil

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.profile import PROFILE_VARIABLE, Profile
from pawfect_triton.answered import answered
from pawfect_triton.closed import closing
from pawfect_triton.dead_runs import PREFIX, free, hold, sweep
from pawfect_triton.grpc_options import GrpcOptions
from pawfect_triton.installation import Installation, check_machine, find_installation
from pawfect_triton.metrics import RESTARTS_VARIABLE
from pawfect_triton.model_environment import model_environment
from pawfect_triton.probe import Prober, lacks_weights
from pawfect_triton.repository import gather
from pawfect_triton.start_checks import is_of_disk, unwritable
from pawfect_triton.tracing import server_arguments

LOG: Final = logging.getLogger("pawfect.serve")

# Pictures pass between server and models through shared memory, which starts at 1 MB and grows by
# 1 MB at a time by default: many small steps for a 36 MB picture.
SHM_DEFAULT_BYTES: Final = 4 * 2**20
SHM_GROWTH_BYTES: Final = 16 * 2**20
# Response cache: some 60 prompts of 128 tokens at full size (1 MB each), more than surfaces; or 16
# photos as a network sees them at 1024 px (4 MB each), 160 at 320 px.
CACHE_BYTES: Final = 64 * 2**20
# How long the server may finish what it holds after SIGTERM, s: above the default deadline of 30 s.
# Where requests may name the longest one, of 600 s, `--exit-timeout` is to be longer than that.
EXIT_TIMEOUT_S: Final = 60
# What it may take beyond that until its process is gone, s.
EXIT_MARGIN_S: Final = 5
# While it starts, its models' processes are looked at so often, s; one that dies within that time
# of its own start is not seen to, and the start then takes as long as it may.
STARTING_S: Final = 0.2
PR_SET_PDEATHSIG: Final = 1
_OPEN: Final = GrpcOptions()
LOOPBACK: Final = "127.0.0.1"


@dataclass(frozen=True)
class Endpoints:
    """Where a server listens.

    Attributes:
        host: address.
        grpc_port: of gRPC.
        http_port: of HTTP; None: HTTP is off.
        metrics_port: of the metrics, over an HTTP server of their own.
    """

    host: str
    grpc_port: int
    http_port: int | None
    metrics_port: int

    @property
    def grpc(self) -> str:
        """HOST:PORT of gRPC."""
        return f"{self.host}:{self.grpc_port}"

    @property
    def ports(self) -> Mapping[str, int]:
        """Ports by the name of their option."""
        ports = {"grpc": self.grpc_port, "http": self.http_port, "metrics": self.metrics_port}
        return {name: port for name, port in ports.items() if port is not None}


class TritonServer:
    """One run of the real `tritonserver` with a profile's models.

    Args:
        profile: which models load.
        endpoints: where it listens.
        log: where its output goes; None: this process's stderr.
        verbose: whether its INFO lines are printed too.
        model_control: whether models may be loaded and unloaded over the network, with configs of
            the caller's: only for an audit's own server, on the loopback address.
        grpc: how its gRPC endpoint is protected and shared out.
        exit_timeout_s: how long it may finish what it holds once it is told to end, s.

    Attributes:
        degraded: models that answer UNAVAILABLE for want of their weights, and why.
    """

    def __init__(
        self,
        profile: Profile,
        endpoints: Endpoints,
        log: IO[bytes] | None = None,
        verbose: bool = False,
        model_control: bool = False,
        grpc: GrpcOptions = _OPEN,
        exit_timeout_s: int = EXIT_TIMEOUT_S,
    ) -> None:
        if model_control and endpoints.host != LOOPBACK:
            raise ValueError(f"model control: expected host {LOOPBACK}, got {endpoints.host}")
        self._model_control = model_control
        self.grpc = grpc
        self._exit_timeout_s = exit_timeout_s
        self.profile = profile
        self.endpoints = endpoints
        self._log = log
        self._verbose = verbose
        self._process: subprocess.Popen[bytes] | None = None
        self._stubs: dict[int, str] = {}
        self._looked = 0.0
        self.degraded: dict[str, str] = {}
        try:
            self._folder = Path(tempfile.mkdtemp(prefix=PREFIX))
        except OSError as error:
            raise unwritable(error) from None
        _sweep()
        self._lock: int | None = None
        try:
            self._lock = hold(self._folder)
            self.installation: Installation = find_installation(self._folder)
            gather(profile, self._folder / "models")
        except BaseException as error:
            self._remove()
            if is_of_disk(error):
                raise unwritable(error) from None
            raise

    @property
    def pid(self) -> int | None:
        """Process id of the running server, else None."""
        return self._process.pid if self._process and self._process.poll() is None else None

    def answered(self, model: str) -> int | None:
        """Return how many requests a model has answered since the start; None: nobody says."""
        return answered(self.endpoints.host, self.endpoints.metrics_port, model)

    def start(self, restarts: int = 0) -> None:
        """Start the process; `wait_ready` says when it serves.

        Args:
            restarts: how often it was restarted before, for the metric.

        Raises:
            MachineError: the machine lacks something; each problem says how to mend it.
        """
        check_machine(self.installation, self.endpoints.host, self.endpoints.ports)
        self._stubs = {}
        self.degraded = {}
        try:
            shared = model_environment(self._folder)
        except OSError as error:
            raise unwritable(error) from None
        self._process = subprocess.Popen(
            self.command(),
            env={
                **os.environ,
                **self.installation.environment,
                PROFILE_VARIABLE: self.profile.name,
                RESTARTS_VARIABLE: str(restarts),
                **shared,
            },
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            # A group of its own: the terminal's Ctrl-C reaches us, and we hand it on once.
            start_new_session=True,
            # At once: one that drains keeps its ports from the watch that is started anew.
            preexec_fn=partial(die_with_parent, signal.SIGKILL),
            # Theirs too: the run is dead once all of them are.
            pass_fds=() if self._lock is None else (self._lock,),
        )

    def command(self) -> list[str]:
        """Return the command line."""
        at = self.endpoints
        command = [
            str(self.installation.binary),
            f"--model-repository={self._folder / 'models'}",
            *(
                ["--model-control-mode=explicit", "--load-model=*"]
                if self._model_control
                else ["--model-control-mode=none"]
            ),
            "--disable-auto-complete-config",
            f"--exit-timeout-secs={self._exit_timeout_s}",
            *(
                []
                if _has_gpu()
                else ["--allow-gpu-metrics=false", "--pinned-memory-pool-byte-size=0"]
            ),
            f"--grpc-address={at.host}",
            f"--grpc-port={at.grpc_port}",
            *self.grpc.arguments(),
            *closing(restricted=self.grpc.restricted, http=at.http_port is not None),
            *(
                ["--allow-http=false"]
                if at.http_port is None
                else [f"--http-address={at.host}", f"--http-port={at.http_port}"]
            ),
            *server_arguments(os.environ, http=at.http_port is not None),
            f"--metrics-address={at.host}",
            f"--metrics-port={at.metrics_port}",
            f"--log-info={'true' if self._verbose else 'false'}",
            f"--backend-config=python,shm-region-prefix-name={self._shm_prefix}",
            f"--backend-config=python,shm-default-byte-size={SHM_DEFAULT_BYTES}",
            f"--backend-config=python,shm-growth-byte-size={SHM_GROWTH_BYTES}",
            # Of its own Triton gives a model's process 30 s to start. One that is later, on a busy
            # machine, it waits for without end: the server then never opens its ports.
            f"--backend-config=python,stub-timeout-seconds={self.profile.limits.ready_s}",
        ]
        if self.installation.backends:
            command.append(f"--backend-directory={self.installation.backends}")
        if self.profile.chains or self.profile.onnx is not None:
            command.append(f"--cache-config=local,size={CACHE_BYTES}")
            if self.installation.caches:
                command.append(f"--cache-directory={self.installation.caches}")
        return command

    @property
    def _shm_prefix(self) -> str:
        return self._folder.name

    def wait_ready(self, timeout_s: float, stopping: threading.Event | None = None) -> None:
        """Return when every model has answered a tiny real inference, or `stopping` is set.

        Raises:
            PawfectError: UNAVAILABLE where the process, or one of its models', ended; DEADLINE
                where time ran out, with the last answer.
        """
        until = time.monotonic() + timeout_s
        prober = self.prober()
        try:
            for model in self.profile.models:
                self._wait_for(model, prober, until, stopping or threading.Event())
        finally:
            prober.close()
        self._stubs = self.running_stubs()
        # The processes of one that was killed just before this one's start may have been there yet.
        _sweep()

    def prober(self) -> Prober:
        """Return what asks this server's models for a sign of life."""
        return Prober(self.endpoints.grpc, self.profile, self.grpc.tls)

    def _wait_for(
        self, model: str, prober: Prober, until: float, stopping: threading.Event
    ) -> None:
        while not stopping.is_set():
            if self.pid is None:
                code = self._process.returncode if self._process else None
                raise PawfectError(
                    ErrorKind.UNAVAILABLE, f"the server ended with exit code {code} while starting"
                )
            self._check_stubs()
            left = until - time.monotonic()
            try:
                prober.probe(model, max(left, 0.1))
            except PawfectError as error:
                if lacks_weights(error):
                    self.degraded[model] = error.message
                    return
                if left <= 0:
                    raise PawfectError(
                        ErrorKind.DEADLINE, f"{model} not ready in time: {error.message}"
                    ) from None
                stopping.wait(0.1)
            else:
                return

    def _check_stubs(self) -> None:
        """Raise UNAVAILABLE where a model's process has died since the start.

        Triton then neither serves nor ends: it waits for the process without end.
        """
        if time.monotonic() - self._looked < STARTING_S:
            return
        self._looked = time.monotonic()
        if dead := self.dead_models():
            died = f"the process of {', '.join(dead)} died while starting"
            raise PawfectError(ErrorKind.UNAVAILABLE, died)
        self._stubs = self.running_stubs()

    def dead_models(self) -> list[str]:
        """Return the models one of whose processes has died since it was last seen well."""
        alive = self.running_stubs()
        return sorted({model for pid, model in self._stubs.items() if pid not in alive})

    def running_stubs(self) -> dict[int, str]:
        """Return model names by process id of the stubs that run."""
        if self.pid is None:
            return {}
        stubs = {}
        for child in psutil.Process(self.pid).children():
            try:
                if child.status() == psutil.STATUS_ZOMBIE:
                    continue
                named = next((m for part in child.cmdline() if (m := self._model_of(part))), None)
            except psutil.NoSuchProcess:
                continue
            if named:
                stubs[child.pid] = named
        return stubs

    def _model_of(self, argument: str) -> str | None:
        """Return the model whose `model.py` a stub's argument names."""
        parts = Path(argument).parts
        return next((model for model in self.profile.models if model in parts), None)

    def signal(self, number: int) -> None:
        """Hand a signal on to the server."""
        if self._process and self._process.poll() is None:
            self._process.send_signal(number)

    def stop(self, timeout_s: float | None = None) -> int:
        """End the server, after what it holds is finished or the time is over.

        Args:
            timeout_s: the longest wait, s; None: its exit timeout and a little more.

        Returns:
            Its exit code; negative: the signal that ended it; 0 where it never ran.
        """
        if self._process is None:
            return 0
        self.signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            longest = self._exit_timeout_s + EXIT_MARGIN_S
            self._process.wait(longest if timeout_s is None else timeout_s)
        self.kill()
        return self._process.returncode

    def kill(self) -> None:
        """End the server and its models' processes at once and free their shared memory."""
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        free(self._shm_prefix)

    def close(self) -> None:
        """Kill what still runs and remove this run's folder."""
        self.kill()
        self._remove()

    def _remove(self) -> None:
        """Remove this run's folder, and let go of it."""
        shutil.rmtree(self._folder, ignore_errors=True)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _has_gpu() -> bool:
    """Say whether this machine has an NVIDIA device."""
    return Path("/dev/nvidiactl").exists()


def _sweep() -> None:
    for run in sweep():
        LOG.warning("removed what a killed server had left: %s", run)


def die_with_parent(number: signal.Signals = signal.SIGTERM) -> None:
    """Have the kernel signal this process when its parent dies, so that none is left behind."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, number)
