"""diffusers' own pipelines of the denoising engines on a whole photo, counted and timed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final
from unittest.mock import patch

import numpy as np
import torch
from diffusers.pipelines.flux.pipeline_flux_fill import FluxFillPipeline
from diffusers.pipelines.flux2.pipeline_flux2_klein import Flux2KleinPipeline
from diffusers.pipelines.flux2.pipeline_flux2_klein_inpaint import Flux2KleinInpaintPipeline
from diffusers.pipelines.qwenimage.pipeline_qwenimage_edit_inpaint import (
    QwenImageEditInpaintPipeline,
)
from numpy.typing import NDArray
from PIL import Image

from perf.diffusion.counting import Done, counter
from perf.diffusion.edit_pipeline import load_pipeline
from perf.scenes import Scene

# The pipelines' default: both sides of FLUX.1's picture; the others scale the photo to its area.
PX: Final = 1024
TOKENS: Final = 512


@dataclass(frozen=True)
class Sampling:
    """How a fill is denoised.

    Attributes:
        steps: denoising steps.
        guidance: guidance scale; of Qwen-Image-Edit of its true CFG.
        strength: above 0 to 1.
    """

    steps: int
    guidance: float = 1.0
    strength: float = 1.0


@dataclass(frozen=True)
class Kind:
    """One pipeline.

    Attributes:
        name: of its class.
        load: of the folder of a whole model, each component as its own library does.
        arguments: what it takes beside photo, mask, prompt, steps and generator, by how the fill is
            denoised, the sides of FLUX.1's picture, px, and text tokens.
        encoders: its text encoders.
    """

    name: str
    load: Callable[[Path], Any]
    arguments: Callable[[Sampling, int, int], Mapping[str, Any]]
    encoders: tuple[str, ...] = ("text_encoder",)


def _flux(folder: Path) -> Any:
    load: Any = FluxFillPipeline.from_pretrained
    return load(folder, dtype=torch.float32, local_files_only=True)


def _klein(folder: Path) -> Any:
    load: Any = Flux2KleinPipeline.from_pretrained
    pipe = load(folder, dtype=torch.float32, local_files_only=True)
    inpaint: Any = Flux2KleinInpaintPipeline
    return inpaint(**pipe.components, is_distilled=pipe.config.is_distilled)


KINDS: Final[Mapping[str, Kind]] = MappingProxyType(
    {
        "flux": Kind(
            FluxFillPipeline.__name__,
            _flux,
            lambda asked, px, tokens: {
                "height": px,
                "width": px,
                "strength": asked.strength,
                "guidance_scale": asked.guidance,
                "max_sequence_length": tokens,
            },
            ("text_encoder", "text_encoder_2"),
        ),
        "klein": Kind(
            Flux2KleinInpaintPipeline.__name__,
            _klein,
            # Distilled weights ignore its guidance.
            lambda asked, px, tokens: {
                "strength": asked.strength,
                "guidance_scale": 1.0,
                "max_sequence_length": tokens,
            },
        ),
        "edit": Kind(
            QwenImageEditInpaintPipeline.__name__,
            lambda folder: load_pipeline(QwenImageEditInpaintPipeline, folder),
            lambda asked, px, tokens: {
                "strength": asked.strength,
                "true_cfg_scale": asked.guidance,
                "negative_prompt": " " if asked.guidance > 1 else None,
            },
        ),
    }
)


@dataclass
class Pipeline:
    """A pipeline on the whole photo, as its model card calls it.

    Attributes:
        kind: which.
        pipe: diffusers' own.
        px: both sides of FLUX.1's picture.
        tokens: of the text, to which FLUX.1's and klein's pad each prompt.
        done: what the last counted fill took.
    """

    kind: Kind
    pipe: Any
    px: int = PX
    tokens: int = TOKENS
    done: Done = field(default_factory=Done)

    @classmethod
    def load(cls, engine: str, folder: Path) -> Pipeline:
        """Load a checkpoint as diffusers and transformers do.

        Args:
            engine: flux, klein or edit.
            folder: of the whole model.
        """
        kind = KINDS[engine]
        return cls(kind, kind.load(folder))

    def fill(self, photo: Scene, prompt: str, asked: Sampling) -> NDArray[np.uint8]:
        """Fill the whole photo: UINT8 [h, w, 3], of about the area of `px` a side."""
        self.pipe.set_progress_bar_config(disable=True)
        filled = self.pipe(
            prompt=prompt,
            image=Image.fromarray(photo.photo),
            mask_image=Image.fromarray(photo.mask),
            num_inference_steps=asked.steps,
            generator=torch.Generator("cpu").manual_seed(0),
            **self.kind.arguments(asked, self.px, self.tokens),
        )
        return np.array(filled.images[0])

    def count(self, photo: Scene, prompt: str, asked: Sampling) -> Done:
        """Fill a photo and return what each stage took.

        Raises:
            RuntimeError: some FLOP are of no stage.
        """
        self.done = Done()
        with counter() as counted, self._watched():
            self.fill(photo, prompt, asked)
        total = int(counted.get_total_flops())
        if sum(self.done.flop.values()) != total:
            raise RuntimeError(f"expected {total} FLOP in all stages, got {self.done.flop}")
        return self.done

    @contextmanager
    def _watched(self) -> Iterator[None]:
        """Count each call of a component while the block runs."""
        pipe, done = self.pipe, self.done

        def seen(picture: torch.Tensor, *_: Any, **__: Any) -> None:
            height, width = picture.shape[-2:]
            done.canvas = height, width

        def stepped(*_: Any, **given: Any) -> None:
            items, tokens = given["hidden_states"].shape[:2]
            done.stepped(tokens, given["encoder_hidden_states"].shape[1], items)

        watched: list[tuple[Any, str, str, Callable[..., None]]] = [
            *((getattr(pipe, name), "forward", "text", _unseen) for name in self.kind.encoders),
            (pipe.vae, "encode", "encode", seen),
            (pipe.vae, "decode", "decode", _unseen),
            (pipe.transformer, "forward", "step", stepped),
        ]
        with ExitStack() as stack:
            for module, method, stage, look in watched:
                call = _counting(getattr(module, method), stage, look, done)
                stack.enter_context(patch.object(module, method, call))
            yield
        # All encoders together embed one prompt.
        done.calls["text"] //= len(self.kind.encoders)


def _unseen(*_: Any, **__: Any) -> None:
    """Look at nothing of a call."""


def _counting(
    call: Callable[..., Any], stage: str, look: Callable[..., None], done: Done
) -> Callable[..., Any]:
    """Return a call that is looked at and counted."""

    def counted(*args: Any, **given: Any) -> Any:
        look(*args, **given)
        return done.counted(stage, lambda: call(*args, **given))

    return counted
