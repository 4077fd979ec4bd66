"""The product's own orchestration in this process, and diffusers' FluxFillPipeline.

Both fill the same photo, and can be counted and timed.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import torch
from diffusers.pipelines.flux.pipeline_flux_fill import FluxFillPipeline
from numpy.typing import NDArray
from PIL import Image
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count

from pawfect.contract.parameters import MAX_DEADLINE_MS, InpaintParams
from pawfect.contract.tensors import Array
from pawfect.diffusion.schedule import Schedule
from pawfect.flux.chain import FLUX
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
from pawfect_export.tiny.flux import SCHEDULER
from perf.scenes import Scene

SEED: Final = 0
LABELS: Final = ("grass", "fallen leaves")
GUIDANCE: Final = 30.0
# The models that a fill calls.
CALLED: Final = (
    "mask_cleanup",
    "patch_fill",
    "flux_text_encoder",
    "flux_vae_encoder",
    "flux_transformer",
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


def _cpu_attention(
    query: Any, key: Any, value: Any, *args: Any, out_shape: Any = None, **kwargs: Any
) -> int:
    """Return the FLOP of scaled dot product attention from the shapes of its inputs."""
    flop: int = sdpa_flop_count(query, key, value)  # type: ignore[no-untyped-call]
    return flop


# torch 2.13 counts every attention kernel of GPUs and none of the CPU's.
_MAPPING: Final = {torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _cpu_attention}


def counter() -> FlopCounterMode:
    """Return a counter of matrix products, convolutions and attention; two FLOP a multiply-add.

    It sees the thread that enters it, under no_grad and inference_mode too, and the meta device.
    """
    return FlopCounterMode(display=False, custom_mapping=_MAPPING)


def flop_of(work: Callable[[], object]) -> int:
    """Return the FLOP of one call in this thread."""
    with counter() as counted:
        work()
    return int(counted.get_total_flops())


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
        deployment: profile and schedule.
        functions: the models, by name.
        flop: by model, what the last counted fill took.
        canvas: height and width at which it was counted, px.
    """

    deployment: Deployment
    functions: Mapping[str, Function]
    flop: dict[str, int] = field(default_factory=dict)
    canvas: tuple[int, int] = (0, 0)
    _counting: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def load(
        cls, folder: Path, profile: Profile, given: Mapping[str, Function] = MappingProxyType({})
    ) -> Product:
        """Load the models of a checkpoint of random weights through the server's own loaders.

        Args:
            folder: of the checkpoint.
            profile: device, precision and sizes.
            given: models that are not to be loaded.
        """
        store, threads = OneFolder(folder), torch.get_num_threads()
        loaded = {n: load_function(n, profile, store) for n in CALLED if n not in given}
        # Loading the text encoder sets its own process's threads; here they are everyone's.
        torch.set_num_threads(threads)
        schedule = Schedule.from_config(dict(SCHEDULER))
        weights = {"flux": f"random, seed {SEED}"}
        assert profile.flux is not None
        deployed = DeployedChain(FLUX, profile.flux, schedule)
        return cls(Deployment(profile, {"flux": deployed}, weights), {**loaded, **given})

    def fill(self, photo: Scene, steps: int, window_px: int | None) -> InpaintResult:
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
        request = InpaintRequest(photo.photo, photo.mask, params, scene_labels=LABELS)
        return asyncio.run(inpaint(request, self.deployment, self, Control(params.deadline_ms)))

    def count(self, photo: Scene, steps: int, window_px: int | None) -> InpaintResult:
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
        counts = self._counting and model.startswith("flux_")
        run = self._counted if counts else self.functions[model]
        given = (model, inputs, parameters) if counts else (inputs, parameters)
        return await asyncio.to_thread(run, *given)

    def _counted(
        self, model: str, inputs: Mapping[str, Array], parameters: Scalars
    ) -> dict[str, Array]:
        # One at a time: the counter's hooks on modules are the whole process's.
        with self._lock, counter() as counted:
            outputs = self.functions[model](inputs, parameters)
        self.flop[model] = self.flop.get(model, 0) + int(counted.get_total_flops())
        if model == "flux_vae_encoder":
            height, width = inputs["IMAGE"].shape[:2]
            self.canvas = height, width
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
        return cls(load(folder, dtype=torch.float32, local_files_only=True))

    def fill(self, photo: Scene, steps: int, prompt: str) -> NDArray[np.uint8]:
        """Fill the whole photo: UINT8 [px, px, 3]."""
        self.pipe.set_progress_bar_config(disable=True)
        filled = self.pipe(
            prompt=prompt,
            image=Image.fromarray(photo.photo),
            mask_image=Image.fromarray(photo.mask),
            height=self.px,
            width=self.px,
            num_inference_steps=steps,
            guidance_scale=GUIDANCE,
            max_sequence_length=self.tokens,
            generator=torch.Generator("cpu").manual_seed(0),
        )
        return np.array(filled.images[0])

    def count(self, photo: Scene, steps: int, prompt: str) -> None:
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
