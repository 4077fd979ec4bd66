"""The audit's own server: on the loopback address, its models loaded anew for each setting."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final, Self

import numpy as np
import tritonclient.grpc as triton
from numpy.typing import NDArray

from harness.local_server import free_ports
from pawfect.contract.errors import ErrorKind, PawfectError, from_message
from pawfect.contract.tensors import Array
from pawfect.profile import Profile
from pawfect.scene.prompt import Label
from pawfect_client.client import PawfectClient
from pawfect_client.results import Inpainted
from pawfect_client.retry import RetryPolicy
from pawfect_triton.overrides import Overrides
from pawfect_triton.probe import infer_inputs
from pawfect_triton.server import LOOPBACK, Endpoints, TritonServer
from perf.audit.memory import watch_memory
from perf.audit.sessions import Session

# The models that an override concerns: the one that loads the weights, and the one that plans with
# the size and reports the weights' identity.
TRANSFORMER: Final = "flux_transformer"
ORCHESTRATOR: Final = "inpaint"
# How long a process may take to end, s: its weights must be out of memory before the next are
# loaded.
UNLOADED_S: Final = 120.0
LABELS_S: Final = 120.0
# An audit takes hours: a busy machine's slow start is no reason to give it up, s.
READY_S: Final = 900.0
# Models that no cell asks.
_UNASKED: Final = ("inpaint_stream", "scene_labels")


class AuditServer:
    """A server with model control, and the settings that it has loaded.

    Args:
        profile: which models load.
        log: where the server's output goes.

    Attributes:
        loaded: the overrides in force; None: the profile's own.
        restarts: how often it was started again.
    """

    def __init__(self, profile: Profile, log: Path) -> None:
        models = tuple(name for name in profile.models if name not in _UNASKED)
        self.profile = replace(profile, models=models)
        self.loaded: Overrides | None = None
        self.restarts = 0
        self._log_path = log
        self._log: IO[bytes] | None = None
        self._server: TritonServer | None = None
        self._control: Any = None
        self._client: PawfectClient | None = None
        self._configs: dict[str, dict[str, Any]] = {}
        self._processes: set[int] = set()

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            # Else nothing would end a server that has started and does not get ready.
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def start(self) -> None:
        """Start the server and wait until all models answer.

        Raises:
            MachineError: the machine lacks something.
            PawfectError: it ended, or was not ready in time.
        """
        self._log_path.parent.mkdir(parents=True, exist_ok=True)
        self._log = self._log_path.open("ab")
        endpoints = Endpoints(LOOPBACK, *free_ports(3))
        self._server = TritonServer(self.profile, endpoints, log=self._log, model_control=True)
        self._server.start()
        self._server.wait_ready(max(self.profile.limits.ready_s, READY_S))
        degraded = dict(self._server.degraded)
        if TRANSFORMER in degraded:
            raise PawfectError(ErrorKind.UNAVAILABLE, degraded[TRANSFORMER])
        self._control = triton.InferenceServerClient(
            endpoints.grpc, channel_args=[("grpc.max_receive_message_length", -1)]
        )
        # One attempt: a cell's trouble is its result, and its time counts no waiting.
        self._client = PawfectClient(endpoints.grpc, retry=RetryPolicy(attempts=1))
        self._configs = {
            model: self._control.get_model_config(model, as_json=True)["config"]
            for model in (TRANSFORMER, ORCHESTRATOR)
        }
        self.loaded = None
        self._processes = set(self._server.running_stubs())
        assert self._server.pid is not None
        assert self.profile.flux is not None
        url = f"http://{LOOPBACK}:{endpoints.metrics_port}/metrics"
        self.memory, self.memory_kind = watch_memory(
            self.profile.flux.device, self._server.pid, url
        )

    def close(self) -> None:
        """Stop the server, at once where it does not stop by itself."""
        if self._client is not None:
            self._client.close()
        if self._control is not None:
            self._control.close()
        if self._server is not None:
            self._server.close()
        if self._log is not None:
            self._log.close()
        self._client = self._control = self._server = self._log = None

    def restart(self) -> None:
        """Start again, for what died; raises as `start`."""
        self.close()
        self.restarts += 1
        self.start()

    @property
    def broken(self) -> bool:
        """Whether the server or one of its models has died: only a restart brings it back."""
        return self._server is None or not self._processes <= set(self._server.running_stubs())

    def load(self, overrides: Overrides) -> bool:
        """Put overrides in force; return whether anything had to be loaded.

        What was there before is out of memory before the next is loaded: a card has no room for
        both.

        Raises:
            PawfectError: a model does not load; UNAVAILABLE, with the server's words.
        """
        if overrides == self.loaded:
            return False
        before, self.loaded = self.loaded, None
        same = before is not None and before.transformer == overrides.transformer
        for model in (ORCHESTRATOR,) if same else (TRANSFORMER, ORCHESTRATOR):
            self._reload(model, overrides)
        assert self._server is not None
        self._processes = set(self._server.running_stubs())
        self.loaded = overrides
        return True

    def _reload(self, model: str, overrides: Overrides) -> None:
        """Unload a model, wait until its process is gone, and load it with another config."""
        assert self._server is not None
        own = {pid for pid, name in self._server.running_stubs().items() if name == model}
        config = {**self._configs[model], "parameters": overrides.parameter()}
        try:
            self._control.unload_model(model)
            until = time.monotonic() + UNLOADED_S
            self._processes -= own
            while own & set(self._server.running_stubs()):
                if time.monotonic() > until:
                    problem = f"{model}: expected its process to end within {UNLOADED_S:.0f} s"
                    raise PawfectError(ErrorKind.UNAVAILABLE, problem)
                time.sleep(0.02)
            self._control.load_model(model, config=json.dumps(config))
        except triton.InferenceServerException as error:
            raise from_message(error.message() or str(error), ErrorKind.UNAVAILABLE) from None

    def fill(self, session: Session, prompt: str | None, **parameters: Any) -> Inpainted:
        """Fill a session's photo; raises PawfectError as the server answers."""
        assert self._client is not None
        return self._client.inpaint(
            session.photo, session.mask, protect=session.protect, prompt=prompt, **parameters
        )

    def clean(self, session: Session) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Return a session's cleaned mask and the ring around it, both UINT8 [H, W]."""
        arrays = {"MASK": session.mask}
        if session.protect is not None:
            arrays["PROTECT"] = session.protect
        out = self._ask("mask_cleanup", arrays, ("CLEAN_MASK", "RING"))
        return out["CLEAN_MASK"].astype(np.uint8), out["RING"].astype(np.uint8)

    def labels(self, image: NDArray[np.uint8], where: NDArray[np.uint8]) -> list[Label]:
        """Ask SAM3 what lies under a mask, UINT8 [H, W]; nothing where the profile lacks it.

        Raises:
            PawfectError: as the server answers.
        """
        if self.profile.sam3 is None:
            return []
        arrays = {"IMAGE": image, "RING": where}
        out = self._ask("sam3_labeling", arrays, ("LABELS", "SCORES", "COVERAGE"))
        named = zip(out["LABELS"], out["SCORES"], out["COVERAGE"], strict=True)
        return [Label(name.decode(), float(score), float(share)) for name, score, share in named]

    def _ask(
        self, model: str, arrays: Mapping[str, Array], outputs: tuple[str, ...]
    ) -> dict[str, Array]:
        try:
            inputs = infer_inputs(model, arrays)
            result = self._control.infer(model, inputs, client_timeout=LABELS_S)
        except triton.InferenceServerException as error:
            raise from_message(error.message() or str(error)) from None
        return {name: result.as_numpy(name) for name in outputs}
