"""The oracles of edits: diffusers' own pipelines, mended as `perf.diffusion.edit_pipeline` says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from diffusers import (
    QwenImageEditInpaintPipeline,
    QwenImageEditPipeline,
    QwenImageEditPlusPipeline,
)
from diffusers.pipelines.qwenimage import (
    pipeline_qwenimage_edit,
    pipeline_qwenimage_edit_inpaint,
    pipeline_qwenimage_edit_plus,
)
from PIL import Image

from perf.diffusion.edit_pipeline import load_pipeline

__all__ = ["areas", "edit_by_pipeline", "load_pipeline", "show_as_plus"]

# Of the pipelines that have one area for all, the function that scales to it.
OTHERS = {
    module: module.calculate_dimensions
    for module in (pipeline_qwenimage_edit, pipeline_qwenimage_edit_inpaint)
}
Picture = np.ndarray
Pipeline = QwenImageEditPipeline | QwenImageEditPlusPipeline | QwenImageEditInpaintPipeline


@contextmanager
def areas(shown: int, latents: int) -> Iterator[None]:
    """Have the pipelines scale pictures to other areas than a megapixel.

    Args:
        shown: px, of what EditPlus shows its text encoder.
        latents: px, of what becomes latents, and of what Edit and its inpainting show theirs.
    """
    plus = pipeline_qwenimage_edit_plus
    before = plus.CONDITION_IMAGE_SIZE, plus.VAE_IMAGE_SIZE
    calculate = [module.calculate_dimensions for module in OTHERS]
    plus.CONDITION_IMAGE_SIZE, plus.VAE_IMAGE_SIZE = shown, latents
    for module, own in OTHERS.items():
        module.calculate_dimensions = lambda _, ratio, own=own: own(latents, ratio)
    try:
        yield
    finally:
        plus.CONDITION_IMAGE_SIZE, plus.VAE_IMAGE_SIZE = before
        for module, given in zip(OTHERS, calculate, strict=True):
            module.calculate_dimensions = given


def edit_by_pipeline(
    pipeline: Pipeline,
    pictures: Sequence[Picture],
    *,
    prompt: str,
    negative: str | None,
    steps: int,
    guidance: float,
    seed: int,
    size: tuple[int, int],
    mask: Picture | None = None,
    strength: float = 1.0,
) -> Picture:
    """Edit pictures, UINT8 [H, W, 3] each; the one of inpainting under a mask, UINT8 [H, W].

    Returns UINT8 of a size, rows and columns.
    """
    images = [Image.fromarray(picture) for picture in pictures]
    plus = isinstance(pipeline, QwenImageEditPlusPipeline)
    masked = {} if mask is None else {"mask_image": Image.fromarray(mask), "strength": strength}
    edited = pipeline(
        image=images if plus else images[0],
        prompt=prompt,
        negative_prompt=negative,
        true_cfg_scale=guidance,
        num_inference_steps=steps,
        height=size[0],
        width=size[1],
        generator=torch.Generator("cpu").manual_seed(seed),
        **masked,
    ).images[0]
    return np.array(edited)


def show_as_plus(pipeline: QwenImageEditInpaintPipeline) -> None:
    """Have inpainting show its text encoder the picture as EditPlus does.

    diffusers has no inpainting for EditPlus: template and area of its other pipeline are given to
    the one for Qwen-Image-Edit.
    """
    first = "Picture 1: <|vision_start|><|image_pad|><|vision_end|>"
    pipeline.prompt_template_encode = pipeline.prompt_template_encode.replace(
        first.removeprefix("Picture 1: "), first
    )
    embed = pipeline._get_qwen_prompt_embeds

    def shown(prompt: Any, image: Any, *given: Any, **more: Any) -> Any:
        plus = pipeline_qwenimage_edit_plus
        width, height = plus.calculate_dimensions(
            plus.CONDITION_IMAGE_SIZE, image.width / image.height
        )
        return embed(prompt, pipeline.image_processor.resize(image, height, width), *given, **more)

    pipeline._get_qwen_prompt_embeds = shown
