"""The audit's own server: on the loopback address, its models loaded anew for each setting."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import tritonclient.grpc as triton
from numpy.typing import NDArray

from harness.local_server import free_ports
from pawfect.chains import CHAINS
from pawfect.contract.errors import ErrorKind, PawfectError, from_message
from pawfect.contract.tensors import Array
from pawfect.contract.texts import text_tensor
from pawfect.orchestrator.surroundings import CAPTION_TASK
from pawfect.profile import Profile
from pawfect.scene.prompt import Label
from pawfect_client.client import PawfectClient
from pawfect_client.results import Inpainted
from pawfect_client.retry import RetryPolicy
from pawfect_triton.overrides import Overrides
from pawfect_triton.probe import infer_inputs
from pawfect_triton.server import LOOPBACK, Endpoints, TritonServer
from perf.audit.engines import settings_of
from perf.audit.sessions import Session
from perf.peak_memory import PeakMemory, tree_bytes

# What plans with the size, chooses the engine and reports the weights' identity.
ORCHESTRATOR: Final = "inpaint"
# How long a process may take to end, s: its weights must be out of memory before the next are
# loaded.
UNLOADED_S: Final = 120.0
LABELS_S: Final = 120.0
# An audit takes hours: a busy machine's slow start is no reason to give it up, s.
READY_S: Final = 900.0
# How often memory is looked at, s: a step at full size takes longer.
MEMORY_EVERY_S: Final = 0.1
# Models that no cell asks.
_UNASKED: Final = (
    "inpaint_stream", "inpaint_file", "refine", "background_removal_file", "scene_labels",
    "find_masks",
)  # fmt: skip


class AuditServer:
    """A server with model control, and the settings that it has loaded.

    Args:
        profile: which models load.
        log: where the server's output goes.
        fills: whether it is to fill: with a denoising engine and its orchestrator among the models.
        whole: whether also those load that no cell asks.
    """

    def __init__(
        self, profile: Profile, log: Path, *, fills: bool = True, whole: bool = False
    ) -> None:
        models = (name for name in profile.models if whole or name not in _UNASKED)
        self.profile = replace(profile, models=tuple(models))
        self._log = log
        self._fills = fills
        self._running = ExitStack()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *caught: object) -> None:
        self._running.close()

    def start(self) -> None:
        """Start the server, anew where it runs, and wait until all models answer.

        Raises:
            MachineError: the machine lacks something.
            PawfectError: it ended, or was not ready in time.
        """
        self._running.close()
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with ExitStack() as running:
            log = running.enter_context(self._log.open("ab"))
            endpoints = Endpoints(LOOPBACK, *free_ports(3))
            server = TritonServer(self.profile, endpoints, log=log, model_control=True)
            running.callback(server.close)
            server.start()
            server.wait_ready(max(self.profile.limits.ready_s, READY_S))
            loaded = loaded_by(self.profile) if self._fills else {}
            if degraded := [server.degraded[name] for name in loaded if name in server.degraded]:
                raise PawfectError(ErrorKind.UNAVAILABLE, degraded[0])
            self._control: Any = triton.InferenceServerClient(
                endpoints.grpc, channel_args=[("grpc.max_receive_message_length", -1)]
            )
            running.callback(self._control.close)
            # One attempt: a cell's trouble is its result, and its time counts no waiting.
            client = PawfectClient(endpoints.grpc, retry=RetryPolicy(attempts=1))
            self._client = running.enter_context(client)
            reloaded = (*loaded, ORCHESTRATOR) if self._fills else ()
            self._configs = {
                model: self._control.get_model_config(model, as_json=True)["config"]
                for model in reloaded
            }
            self._server, self._loaded = server, loaded
            self._overrides: Overrides | None = None
            self._processes = set(server.running_stubs())
            self._running = running.pop_all()

    @property
    def address(self) -> str:
        """HOST:PORT of gRPC."""
        return self._server.endpoints.grpc

    def stubs(self) -> dict[int, str]:
        """Return the models' names by their processes' ids."""
        return self._server.running_stubs()

    @property
    def broken(self) -> bool:
        """Whether the server or one of its models has died: only a new start brings it back."""
        return not self._processes <= set(self._server.running_stubs())

    def load(self, overrides: Overrides) -> bool:
        """Put overrides in force; return whether anything had to be loaded.

        What was there before is out of memory before the next is loaded: a card has no room for
        both.

        Raises:
            PawfectError: a model does not load; UNAVAILABLE, with the server's words.
        """
        if overrides == self._overrides:
            return False
        before, after = self._loaded, loaded_by(overrides.applied(self.profile))
        # Should a model not load, nothing is known of any.
        self._loaded, self._overrides = {}, None
        for model in reloaded_between(before, after):
            self._reload(model, overrides)
        self._processes = set(self._server.running_stubs())
        self._loaded, self._overrides = after, overrides
        return True

    def _reload(self, model: str, overrides: Overrides) -> None:
        """Unload a model, wait until its process is gone, and load it with another config."""
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

    def fill(
        self, session: Session, prompt: str | None, labels: Sequence[str] = (), **parameters: Any
    ) -> Inpainted:
        """Fill a session's photo; raises PawfectError as the server answers.

        Args:
            session: whose photo and mask.
            prompt: for the model, or None.
            labels: surfaces around the hole, where they are known already.
            parameters: of the request.
        """
        return self._client.inpaint(
            session.photo,
            session.mask,
            protect=session.protect,
            scene_labels=labels,
            prompt=prompt,
            **parameters,
        )

    def clean(self, session: Session) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Return a session's cleaned mask and the ring around it, both UINT8 [H, W]."""
        arrays = {"MASK": session.mask}
        if session.protect is not None:
            arrays["PROTECT"] = session.protect
        mask, ring = self._ask("mask_cleanup", arrays, ("CLEAN_MASK", "RING"))
        return mask.astype(np.uint8), ring.astype(np.uint8)

    def labels(self, image: NDArray[np.uint8], where: NDArray[np.uint8]) -> list[Label]:
        """Ask SAM3 what lies under a mask, UINT8 [H, W]; nothing where the profile lacks it.

        Raises:
            PawfectError: as the server answers.
        """
        if self.profile.sam3 is None:
            return []
        arrays = {"IMAGE": image, "RING": where}
        answer = self._ask("sam3_labeling", arrays, ("LABELS", "SCORES", "COVERAGE"))
        named = zip(*answer, strict=True)
        return [Label(name.decode(), float(score), float(share)) for name, score, share in named]

    def caption(self, image: NDArray[np.uint8], where: NDArray[np.uint8]) -> str | None:
        """Ask Florence-2 what lies under a mask, UINT8 [H, W]; None where the profile lacks it.

        Raises:
            PawfectError: as the server answers.
        """
        if self.profile.florence2 is None:
            return None
        arrays = {"IMAGE": image, "RING": where, "TASK": text_tensor(CAPTION_TASK)}
        (text,) = self._ask("florence2", arrays, ("TEXT",))
        return str(text[0].decode())

    def _ask(
        self, model: str, arrays: Mapping[str, Array], outputs: tuple[str, ...]
    ) -> list[Array]:
        try:
            inputs = infer_inputs(model, arrays)
            result = self._control.infer(model, inputs, client_timeout=LABELS_S)
        except triton.InferenceServerException as error:
            raise from_message(error.message() or str(error)) from None
        return [result.as_numpy(name) for name in outputs]

    def watched(self) -> PeakMemory:
        """Return what watches the memory that matters while a block runs.

        On the CPU the resident sets of the server's processes; on a card what is in use there, by
        the server's metrics, which are renewed every 2 s.
        """
        on_card = any(
            settings_of(self.profile, chain).device == "cuda" for chain in self.profile.chains
        )
        return PeakMemory(self._on_card if on_card else self._resident, MEMORY_EVERY_S)

    def _resident(self) -> float:
        assert self._server.pid is not None
        return tree_bytes(self._server.pid, "rss")

    def _on_card(self) -> float:
        url = f"http://{LOOPBACK}:{self._server.endpoints.metrics_port}/metrics"
        with urllib.request.urlopen(url, timeout=5) as page:
            lines = page.read().decode().splitlines()
        used = (line for line in lines if line.startswith("nv_gpu_memory_us"))
        return max((float(line.rsplit(" ", 1)[1]) for line in used), default=0.0)


def loaded_by(profile: Profile) -> dict[str, tuple[object, ...]]:
    """Return what decides how a profile's models load that overrides concern, by model.

    The transformers load the weights and compute the attention, the autoencoders work in tiles.
    """
    found: dict[str, tuple[object, ...]] = {}
    for name in profile.chains:
        chain, settings = CHAINS[name], settings_of(profile, name)
        found[chain.transformer] = profile.entry(chain.transformer), settings.attention
        found[chain.vae_encoder] = found[chain.vae_decoder] = (settings.tile_px,)
    return found


def reloaded_between(
    before: Mapping[str, tuple[object, ...]], after: Mapping[str, tuple[object, ...]]
) -> tuple[str, ...]:
    """Return the models to load anew between what `loaded_by` gives of two settings.

    All of them where nothing is known of the first; the orchestrator always.
    """
    models = (model for model, loaded in after.items() if before.get(model) != loaded)
    return (*models, ORCHESTRATOR)
