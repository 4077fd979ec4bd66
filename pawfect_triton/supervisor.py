"""Keeps a server alive: watches its models and restarts it when one's process died.

A dead stub process never comes back by itself, and only a restart of the server brings the model
back.
"""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Callable
from typing import Final

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.models import MODELS
from pawfect_triton.health import Health
from pawfect_triton.probe import Prober
from pawfect_triton.server import TritonServer

LOG = logging.getLogger("pawfect.serve")

# How often the processes are looked at, s: a death is noticed well within 5 s, for next to no work.
WATCH_S: Final = 0.5
# How often each model is asked for a tiny inference, s: all of them cost about 0.1 s of CPU. No
# answer within PROBE_PATIENCE_S means that the model is busy; none for HUNG_S, to a probe or to
# others, that it hangs. Neural models are asked more rarely: a caption is no small thing.
PROBE_EVERY_S: Final = 10.0
PROBE_NEURAL_EVERY_S: Final = 60.0
PROBE_PATIENCE_S: Final = 2.0
HUNG_S: Final = 300.0
# How long a server with a dead model may finish what its living models hold, s. Waiting longer
# keeps every new request out; a server with a dead stub does not end by itself.
DRAIN_S: Final = 5.0
# Pause before a restart that follows another one closely, s; doubled each time up to the longest.
FIRST_PAUSE_S: Final = 0.5
LONGEST_PAUSE_S: Final = 30.0
# A server that ran this long without trouble starts again at the first pause, s.
SETTLED_S: Final = 60.0


class Supervisor:
    """Runs one server until it is told to stop.

    Args:
        server: not yet started.
        on_ready: called each time all models have answered.

    Attributes:
        restarts: how often it was restarted.
        health: how it is, for whoever asks from outside.
    """

    def __init__(self, server: TritonServer, on_ready: Callable[[], None]) -> None:
        self._server = server
        self._on_ready = on_ready
        self._stopping = threading.Event()
        # Requests that each model had answered when it was last too busy for a probe.
        self._counts: dict[str, int] = {}
        self.restarts = 0
        # A restart may take as long as a start; what takes longer is not mended from here.
        self.health = Health(server.profile.limits.ready_s + LONGEST_PAUSE_S, HUNG_S)

    def stop(self, number: int) -> None:
        """Hand a signal on to the server and end `run`; a second one kills it."""
        if self._stopping.is_set():
            self._server.signal(signal.SIGKILL)
        else:
            self._stopping.set()
            self._server.signal(number)

    def run(self) -> int:
        """Start the server, keep it alive, and return its exit code once it was told to stop.

        Raises:
            MachineError: the machine lacks something.
            PawfectError: the first start failed; later ones are tried again.
        """
        pause = FIRST_PAUSE_S
        self._server.start(self.restarts)
        self._server.wait_ready(self._server.profile.limits.ready_s, self._stopping)
        while not self._stopping.is_set():
            self.health.serves()
            self._on_ready()
            since = time.monotonic()
            trouble = self._watch()
            if trouble is None:
                break
            pause = FIRST_PAUSE_S if time.monotonic() - since > SETTLED_S else pause
            pause = self._restart(trouble, pause)
        return self._server.stop()

    def _restart(self, trouble: str, pause: float) -> float:
        """Restart until it serves or is told to stop; return the pause before a next restart, s."""
        while not self._stopping.is_set():
            self.restarts += 1
            LOG.error("restart %d: %s", self.restarts, trouble)
            self.health.troubled(trouble)
            self._server.stop(DRAIN_S)
            self._stopping.wait(pause)
            pause = min(2 * pause, LONGEST_PAUSE_S)
            if self._stopping.is_set():
                break
            try:
                self._server.start(self.restarts)
                self._server.wait_ready(self._server.profile.limits.ready_s, self._stopping)
            except (PawfectError, RuntimeError) as error:
                trouble = f"the restarted server failed: {error}"
            else:
                break
        return pause

    def _watch(self) -> str | None:
        """Return what is wrong with the running server, or None when it is to stop."""
        prober = self._server.prober()
        answered = dict.fromkeys(self._server.profile.models, time.monotonic())
        due = {model: time.monotonic() + _pause(model) for model in answered}
        try:
            while not self._stopping.wait(WATCH_S):
                if self._server.pid is None:
                    return "the server's process ended"
                dead = self._server.dead_models()
                if dead:
                    return f"the process of {', '.join(dead)} died"
                for model in [m for m, at in due.items() if time.monotonic() >= at]:
                    trouble = self._probe(model, prober, answered)
                    if trouble:
                        return trouble
                    due[model] = time.monotonic() + _pause(model)
                self.health.seen()
            return None
        finally:
            prober.close()

    def _probe(self, model: str, prober: Prober, answered: dict[str, float]) -> str | None:
        """Ask a model; return what is wrong with it, if anything."""
        if self._stopping.is_set() or self._server.dead_models():
            return None
        try:
            prober.probe(model, PROBE_PATIENCE_S)
        except PawfectError as error:
            if error.kind is ErrorKind.MODEL_DOWN:
                return f"{model}: {error.message}"
            # Busy, its queue full, or it refused: it lives as long as it answers now and then.
            if error.kind is not ErrorKind.DEADLINE:
                if model not in self._server.degraded:
                    LOG.warning("probe of %s: %s", model, error)
                answered[model] = time.monotonic()
            elif self._works(model):
                answered[model] = time.monotonic()
            elif time.monotonic() - answered[model] > HUNG_S:
                return f"{model} has answered nothing for {HUNG_S:.0f} s"
        else:
            answered[model] = time.monotonic()
        return None

    def _works(self, model: str) -> bool:
        """Say whether a model has answered anybody since this was last asked."""
        before, now = self._counts.get(model), self._server.answered(model)
        if now is not None:
            self._counts[model] = now
        return before is not None and now is not None and now > before


def _pause(model: str) -> float:
    return PROBE_NEURAL_EVERY_S if MODELS[model].weights else PROBE_EVERY_S
