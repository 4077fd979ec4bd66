"""The two sides: the product's own orchestration in this process, and diffusers' FluxFillPipeline.

Both load the same files, fill the same photo, and can be counted and timed.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import torch
from diffusers.pipelines.flux.pipeline_flux_fill import FluxFillPipeline
from numpy.typing import NDArray
from PIL import Image

from pawfect.contract.parameters import MAX_DEADLINE_MS, InpaintParams
from pawfect.contract.tensors import Array
from pawfect.orchestrator import (
    Control,
    Deployment,
    InpaintRequest,
    InpaintResult,
    Scalars,
    inpaint,
)
from pawfect.profile import Profile
from pawfect.serving import Function, load_function
from perf.flux.versus.checkpoint import OneFolder
from perf.flux.versus.counting import counter

LABELS: Final = ("grass", "fallen leaves")
GUIDANCE: Final = 30.0
# The models that a fill calls, but for the transformer.
BESIDES: Final = (
    "mask_cleanup",
    "patch_fill",
    "flux_text_encoder",
    "flux_vae_encoder",
    "flux_vae_decoder",
)
# By the modules that FlopCounterMode names, the product's stage that does the same.
STAGES: Final = MappingProxyType(
    {
        "CLIPTextModel": "flux_text_encoder",
        "T5EncoderModel": "flux_text_encoder",
        "Encoder": "flux_vae_encoder",
        "FluxTransformer2DModel": "flux_transformer",
        "Decoder": "flux_vae_decoder",
    }
)


@dataclass(frozen=True)
class Photo:
    """What both sides fill: UINT8 [H, W, 3], and UINT8 [H, W], >= 128 = fill."""

    image: NDArray[np.uint8]
    mask: NDArray[np.uint8]


@dataclass
class Product:
    """`inpaint` as the server runs it, its models called in threads of this process.

    Attributes:
        deployment: profile and schedule.
        functions: the models, by name.
        flop: by model, what the last counted fill took.
    """

    deployment: Deployment
    functions: Mapping[str, Function]
    flop: dict[str, int] = field(default_factory=dict)
    _counting: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def load(cls, folder: Path, profile: Profile, deployment: Deployment) -> Product:
        """Load the models of a checkpoint through the server's own loaders."""
        store = OneFolder(folder)
        step = load_function("flux_transformer", profile, store)
        threads = torch.get_num_threads()
        loaded = {name: load_function(name, profile, store) for name in BESIDES}
        # Loading the text encoder sets its own process's threads; here they are everyone's.
        torch.set_num_threads(threads)
        return cls(deployment, {**loaded, "flux_transformer": step})

    def fill(self, photo: Photo, steps: int, window_px: int | None) -> InpaintResult:
        """Fill a photo; `window_px` bounds the working size, None leaves it to the profile.

        Raises:
            PawfectError: as `inpaint` does; a fill by patches is an error here.
        """
        given: dict[str, Any] = {
            "engine": "flux",
            "steps": steps,
            "guidance_scale": GUIDANCE,
            "deadline_ms": MAX_DEADLINE_MS,
        }
        if window_px is not None:
            given["window_px"] = window_px
        params = InpaintParams.parse(given)
        request = InpaintRequest(photo.image, photo.mask, params, scene_labels=LABELS)
        return asyncio.run(inpaint(request, self.deployment, self, Control(params.deadline_ms)))

    def count(self, photo: Photo, steps: int, window_px: int | None) -> InpaintResult:
        """Fill a photo and leave each stage's FLOP in `flop`."""
        self.flop, self._counting = {}, True
        try:
            return self.fill(photo, steps, window_px)
        finally:
            self._counting = False

    async def __call__(
        self, model: str, inputs: Mapping[str, Array], parameters: Scalars
    ) -> dict[str, Array]:
        """Return the model's outputs by name; see `CallModel`."""
        run = self._counted if self._counting and model.startswith("flux_") else self._plain
        return await asyncio.to_thread(run, model, inputs, parameters)

    def _plain(
        self, model: str, inputs: Mapping[str, Array], parameters: Scalars
    ) -> dict[str, Array]:
        return self.functions[model](inputs, parameters)

    def _counted(
        self, model: str, inputs: Mapping[str, Array], parameters: Scalars
    ) -> dict[str, Array]:
        # One at a time: the counter's hooks on modules are the whole process's.
        with self._lock, counter() as counted:
            outputs = self._plain(model, inputs, parameters)
        self.flop[model] = self.flop.get(model, 0) + int(counted.get_total_flops())
        return outputs


@dataclass
class Pipeline:
    """FluxFillPipeline on the whole image, as its model card calls it.

    Attributes:
        pipe: diffusers' own.
        px: both sides of its picture; 1024 is its default.
        tokens: T5 tokens; 512 is its default.
        flop: by the product's stage, what the last counted fill took.
    """

    pipe: Any
    px: int = 1024
    tokens: int = 512
    flop: dict[str, int] = field(default_factory=dict)

    @classmethod
    def load(cls, folder: Path) -> Pipeline:
        """Load a checkpoint as diffusers and transformers do."""
        load: Any = FluxFillPipeline.from_pretrained
        pipe = load(folder, dtype=torch.float32, local_files_only=True)
        pipe.set_progress_bar_config(disable=True)
        return cls(pipe)

    def fill(self, photo: Photo, steps: int, prompt: str) -> NDArray[np.uint8]:
        """Fill the whole photo: UINT8 [px, px, 3]."""
        filled = self.pipe(
            prompt=prompt,
            image=Image.fromarray(photo.image),
            mask_image=Image.fromarray(photo.mask),
            height=self.px,
            width=self.px,
            num_inference_steps=steps,
            guidance_scale=GUIDANCE,
            max_sequence_length=self.tokens,
            generator=torch.Generator("cpu").manual_seed(0),
        )
        return np.array(filled.images[0])

    def count(self, photo: Photo, steps: int, prompt: str) -> None:
        """Fill a photo and leave each stage's FLOP in `flop`."""
        with counter() as counted:
            self.fill(photo, steps, prompt)
        self.flop = {}
        for module, operations in counted.get_flop_counts().items():
            if module in STAGES:
                stage = STAGES[module]
                self.flop[stage] = self.flop.get(stage, 0) + sum(operations.values())
        total = int(counted.get_total_flops())
        if sum(self.flop.values()) != total:
            found = f"{self.flop}, {sorted(counted.get_flop_counts())[:8]}"
            raise RuntimeError(f"expected {total} FLOP in the pipeline's stages, got {found}")
