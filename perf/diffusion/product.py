"""The product's own orchestration in this process: it fills a photo, counted and timed."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import torch

from pawfect.chains import CHAINS
from pawfect.contract.parameters import MAX_DEADLINE_MS, InpaintParams
from pawfect.contract.tensors import Array
from pawfect.diffusion.chain import Chain
from pawfect.diffusion.schedule import Schedule
from pawfect.orchestrator import (
    Control,
    Deployment,
    InpaintRequest,
    InpaintResult,
    Scalars,
    inpaint,
)
from pawfect.orchestrator.deployment import DeployedChain
from pawfect.profile import Profile
from pawfect.serving import Function, load_function
from pawfect.weights.store import Store
from pawfect_export.tiny import edit, flux, klein
from perf.diffusion.counting import STAGES, Done
from perf.scenes import Scene

SCHEDULERS: Final[Mapping[str, Mapping[str, Any]]] = MappingProxyType(
    {"flux": flux.SCHEDULER, "klein": klein.SCHEDULER, "edit": edit.SCHEDULER}
)
SEED: Final = 0
LABELS: Final = ("grass", "fallen leaves")
# The models that a fill calls beside its engine's.
CALLED: Final = ("mask_cleanup", "patch_fill")


class OneFolder(Store):
    """A store whose every entry is one folder."""

    def __init__(self, path: Path) -> None:
        super().__init__(path.parent)
        self._path = path

    def folder(self, name: str, *, mend: str) -> Path:
        """Return the folder, whatever the entry."""
        return self._path


@dataclass
class Product:
    """`inpaint` as the server runs it, its models called in threads of this process.

    Attributes:
        engine: that fills.
        deployment: profile and schedule.
        functions: the models, by name.
        done: what the last counted fill took.
    """

    engine: str
    deployment: Deployment
    functions: Mapping[str, Function]
    done: Done = field(default_factory=Done)
    _counting: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def load(
        cls,
        engine: str,
        folder: Path,
        profile: Profile,
        given: Mapping[str, Function] = MappingProxyType({}),
    ) -> Product:
        """Load the models of a checkpoint of random weights through the server's own loaders.

        Args:
            engine: flux, klein or edit.
            folder: of the checkpoint.
            profile: device, precision, sizes and how it denoises.
            given: models that are not to be loaded.
        """
        store, threads = OneFolder(folder), torch.get_num_threads()
        chain, settings = CHAINS[engine], profile.chain(engine)
        assert settings is not None
        names = (*CALLED, *_stages(chain))
        loaded = {name: load_function(name, profile, store) for name in names if name not in given}
        # Loading the text encoder sets its own process's threads; here they are everyone's.
        torch.set_num_threads(threads)
        schedule = Schedule.from_config(dict(SCHEDULERS[engine]), chain.shift)
        deployed = DeployedChain(chain, settings, chain.rescheduled(schedule, settings))
        weights = {engine: f"random, seed {SEED}"}
        return cls(engine, Deployment(profile, {engine: deployed}, weights), {**loaded, **given})

    def fill(self, photo: Scene, steps: int, window_px: int | None, **given: Any) -> InpaintResult:
        """Fill a photo as the profile has its engine denoise.

        Args:
            photo: and what is to vanish from it.
            steps: denoising steps.
            window_px: bounds the working size; None leaves it to the profile.
            given: further parameters of the request.

        Raises:
            PawfectError: as `inpaint` does; a fill by patches is an error here.
        """
        if window_px is not None:
            given["window_px"] = window_px
        given |= {"engine": self.engine, "steps": steps, "deadline_ms": MAX_DEADLINE_MS}
        params = InpaintParams.parse(given)
        request = InpaintRequest(photo.photo, photo.mask, params, scene_labels=LABELS)
        return asyncio.run(inpaint(request, self.deployment, self, Control(params.deadline_ms)))

    def count(self, photo: Scene, steps: int, window_px: int | None) -> InpaintResult:
        """Fill a photo from pure noise, and leave in `done` what each stage took."""
        self.done, self._counting = Done(), True
        try:
            return self.fill(photo, steps, window_px, strength=1.0)
        finally:
            self._counting = False

    async def __call__(
        self, model: str, inputs: Mapping[str, Array], parameters: Scalars
    ) -> dict[str, Array]:
        """Return the model's outputs by name; see `CallModel`."""
        stage = _stages(CHAINS[self.engine]).get(model) if self._counting else None
        if stage is None:
            return await asyncio.to_thread(self.functions[model], inputs, parameters)
        return await asyncio.to_thread(self._counted, stage, model, inputs, parameters)

    def _counted(
        self, stage: str, model: str, inputs: Mapping[str, Array], parameters: Scalars
    ) -> dict[str, Array]:
        # One at a time: the counter's hooks on modules are the whole process's.
        with self._lock:
            if stage == "encode":
                height, width = inputs["IMAGE"].shape[:2]
                self.done.canvas = height, width
            elif stage == "step":
                pictures = (inputs[name] for name in ("LATENTS", "REFERENCES") if name in inputs)
                text = len(inputs["PROMPT_EMBEDS"])
                self.done.stepped(sum(map(len, pictures)), text, 1 + ("NEGATIVE_EMBEDS" in inputs))
            return self.done.counted(stage, lambda: self.functions[model](inputs, parameters))


def _stages(chain: Chain) -> dict[str, str]:
    """Return the stage of each of a chain's models."""
    models = (chain.text_encoder, chain.vae_encoder, chain.transformer, chain.vae_decoder)
    return dict(zip(models, STAGES, strict=True))
