"""FLUX.2 [klein] two ways: by diffusers' pipelines, and by our parts in a plain loop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers.pipelines.flux2.pipeline_flux2_klein import Flux2KleinPipeline
from diffusers.pipelines.flux2.pipeline_flux2_klein_inpaint import Flux2KleinInpaintPipeline
from PIL import Image

from pawfect.diffusion.batch import answer_steps
from pawfect.diffusion.schedule import euler, first_step, noised, put_back, read_schedule
from pawfect.diffusion.tokens import token_grid
from pawfect.klein.chain import KLEIN
from pawfect.klein.text import TextEncoder
from pawfect.klein.transformer import Transformer
from pawfect.klein.vae import Vae

Picture = np.ndarray
Tensors = dict[str, np.ndarray]


@dataclass(frozen=True)
class Drawn:
    """What a run ends with: the picture, UINT8 [H, W, 3], and its latents, float32 [T, 128]."""

    picture: Picture
    latents: np.ndarray


def load_pipeline(folder: Path) -> Flux2KleinPipeline:
    """Every component as diffusers and transformers load it themselves."""
    pipe = Flux2KleinPipeline.from_pretrained(folder, dtype=torch.float32, local_files_only=True)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def load_inpaint_pipeline(pipe: Flux2KleinPipeline) -> Flux2KleinInpaintPipeline:
    """The other pipeline of the same components."""
    inpaint = Flux2KleinInpaintPipeline(**pipe.components, is_distilled=pipe.config.is_distilled)
    inpaint.set_progress_bar_config(disable=True)
    return inpaint


def draw_by_pipeline(
    pipe: Flux2KleinPipeline,
    size: tuple[int, int],
    references: Sequence[Picture],
    *,
    prompt: str,
    steps: int,
    seed: int,
    tokens: int,
) -> Drawn:
    """Draw a picture of a size (H, W) by a prompt, and by reference pictures if there are any."""
    pictures = [Image.fromarray(picture) for picture in references]
    return _by_pipeline(
        pipe,
        image=pictures or None,
        height=size[0],
        width=size[1],
        prompt=prompt,
        num_inference_steps=steps,
        generator=torch.Generator("cpu").manual_seed(seed),
        max_sequence_length=tokens,
    )


def fill_by_pipeline(
    pipe: Flux2KleinInpaintPipeline,
    image: Picture,
    mask: np.ndarray,
    *,
    prompt: str,
    steps: int,
    strength: float,
    seed: int,
    tokens: int,
    reference: Picture | None = None,
) -> Drawn:
    """Fill a picture, UINT8 [H, W, 3], under a mask, UINT8 [H, W].

    The picture is a reference, and before another one the first.
    """
    return _by_pipeline(
        pipe,
        image=Image.fromarray(image),
        image_reference=None if reference is None else Image.fromarray(reference),
        mask_image=Image.fromarray(mask),
        strength=strength,
        prompt=prompt,
        num_inference_steps=steps,
        generator=torch.Generator("cpu").manual_seed(seed),
        max_sequence_length=tokens,
    )


def _by_pipeline(pipe: Flux2KleinPipeline | Flux2KleinInpaintPipeline, **given: object) -> Drawn:
    last: dict[str, torch.Tensor] = {}

    def keep(_: object, __: int, ___: object, tensors: dict[str, torch.Tensor]) -> dict:
        last.update(tensors)
        return tensors

    # Its default guidance, which distilled weights ignore, is another in each pipeline.
    picture = pipe(**given, guidance_scale=1.0, callback_on_step_end=keep).images[0]
    return Drawn(np.array(picture), last["latents"][0].numpy())


@dataclass(frozen=True)
class Parts:
    """Our parts, loaded, and the folder of the whole model."""

    folder: Path
    text: TextEncoder
    vae: Vae
    transformer: Transformer

    @classmethod
    def load(cls, folder: Path, tokens: int) -> Parts:
        """Load them in float32, on the CPU."""
        how = {"device": "cpu", "dtype": "float32"}
        return cls(
            folder,
            TextEncoder.load(folder, **how, tokens=tokens),
            Vae.load(folder, **how, tile_px=0),
            Transformer.load(folder, **how),
        )

    def velocity(self, step: Tensors) -> np.ndarray:
        (answer,) = answer_steps(self.transformer, [step])
        assert isinstance(answer, dict), answer
        return answer["VELOCITY"]

    def draw(
        self,
        size: tuple[int, int],
        references: Sequence[Picture],
        *,
        prompt: str,
        steps: int,
        seed: int,
    ) -> Drawn:
        """As `draw_by_pipeline`."""
        blank = np.zeros((*size, 3), np.uint8)
        given = self.given(prompt, references)
        grid = token_grid(*size)
        noise = self.vae.encode(blank, seed).latents
        latents = denoise(self.velocity, self.folder, noise, grid, given, steps=steps)
        return Drawn(self.vae.decode(latents, grid), latents)

    def fill(
        self,
        image: Picture,
        mask: np.ndarray,
        *,
        prompt: str,
        steps: int,
        strength: float,
        seed: int,
    ) -> Drawn:
        """As `fill_by_pipeline`."""
        encoded = self.vae.encode(image, seed)
        grid = token_grid(*mask.shape)
        assert KLEIN.put_back is not None
        latents = denoise(
            self.velocity,
            self.folder,
            encoded.latents,
            grid,
            self.given(prompt, [image]),
            steps=steps,
            strength=strength,
            kept=(encoded.prior, KLEIN.put_back(mask)),
        )
        return Drawn(self.vae.decode(latents, grid), latents)

    def given(self, prompt: str, references: Sequence[Picture]) -> Tensors:
        """What every step of a run is given beside its latents."""
        tensors: Tensors = {"PROMPT_EMBEDS": self.text.encode(prompt).embeds}
        if references:
            priors = [self.vae.encode(picture, 0).prior for picture in references]
            grids = [token_grid(*picture.shape[:2]) for picture in references]
            tensors["REFERENCES"] = np.concatenate(priors)
            tensors["REFERENCE_GRIDS"] = np.array(grids, np.int32)
        return tensors


def denoise(
    velocity: Callable[[Tensors], np.ndarray],
    folder: Path,
    noise: np.ndarray,
    grid: tuple[int, int],
    given: Tensors,
    *,
    steps: int,
    strength: float = 1.0,
    kept: tuple[np.ndarray, np.ndarray] | None = None,
) -> np.ndarray:
    """Run a whole schedule, step by step.

    Args:
        velocity: answers one step, by the tensors of `klein_transformer`.
        folder: of the whole model, for its schedule.
        noise: float32 [T, 128].
        grid: rows and columns of tokens.
        given: what every step is given beside latents, timestep and grid.
        steps: of the whole schedule.
        strength: under 1 the run starts from `kept`.
        kept: latents of the picture, float32 [T, 128], and how much of each token is filled,
            float32 [T, 1]: the rest is put back after each step. None: all is drawn.

    Returns:
        Finished latents, float32 [T, 128].
    """
    schedule = read_schedule(folder, KLEIN.shift)
    sigmas = schedule.sigmas(steps, len(noise))
    timesteps = schedule.timesteps(sigmas)
    begin = first_step(steps, strength)
    latents = noise if kept is None else noised(kept[0], noise, sigmas[begin])
    for at in range(begin, steps):
        step = given | {
            "LATENTS": latents,
            "TIMESTEP": timesteps[at : at + 1],
            "GRID": np.array(grid, np.int32),
        }
        latents = euler(latents, velocity(step), sigmas[at], sigmas[at + 1])
        if kept is not None:
            prior, share = kept
            latents = put_back(latents, share, noised(prior, noise, sigmas[at + 1]))
    return latents
