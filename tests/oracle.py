"""The oracle of whole fills: diffusers' FluxFillPipeline, every component as it loads it itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from diffusers.pipelines.flux.pipeline_flux_fill import FluxFillPipeline
from PIL import Image


def load_pipeline(folder: Path) -> FluxFillPipeline:
    pipe = FluxFillPipeline.from_pretrained(folder, dtype=torch.float32, local_files_only=True)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def fill_by_pipeline(
    pipeline: FluxFillPipeline,
    image: np.ndarray,
    mask: np.ndarray,
    *,
    prompt: str,
    steps: int,
    guidance: float,
    strength: float,
    seed: int,
    tokens: int,
) -> np.ndarray:
    """Fill a whole photo, UINT8 [H, W, 3], under a mask, UINT8 [H, W]."""
    height, width = mask.shape
    return np.array(
        pipeline(
            prompt=prompt,
            image=Image.fromarray(image),
            mask_image=Image.fromarray(mask),
            height=height,
            width=width,
            strength=strength,
            num_inference_steps=steps,
            guidance_scale=guidance,
            max_sequence_length=tokens,
            generator=torch.Generator("cpu").manual_seed(seed),
        ).images[0]
    )
