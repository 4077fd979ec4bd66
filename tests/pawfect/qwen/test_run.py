"""Whole edits against diffusers' own pipelines: same seed, steps, guidance, pictures, prompts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from PIL import Image

from pawfect.diffusion.batch import answer_steps
from pawfect.diffusion.schedule import euler, first_step, noised, put_back, read_schedule
from pawfect.qwen.chain import EDIT
from pawfect.qwen.pictures import scaled_size
from tests.edit_oracle import edit_by_pipeline
from tests.pawfect.qwen.conftest import LATENTS, Parts

PROMPT = "Remove the dog and fill the hole with grass."
GUIDED = {"guidance": 4.0, "negative": " "}
UNGUIDED = {"guidance": 1.0, "negative": None}


def edited(
    parts: Parts,
    canvas: np.ndarray,
    pictures: Sequence[np.ndarray],
    *,
    prompt: str,
    negative: str | None,
    steps: int,
    guidance: float,
    seed: int,
    mask: np.ndarray | None = None,
    strength: float = 1.0,
    area: int = LATENTS,
) -> np.ndarray:
    """Edit as the orchestrator does: canvas UINT8 [H, W, 3], which gives the size and the start.

    The pictures, of any sizes, are shown to both the text encoder and the transformer.
    """
    text = {"PROMPT_EMBEDS": parts.text.encode(prompt, pictures).embeds}
    if negative is not None:
        text["NEGATIVE_EMBEDS"] = parts.text.encode(negative, pictures).embeds
    masked = mask is not None
    start = parts.vae.encode(canvas, seed, sampled=masked)
    grid = canvas.shape[0] // 16, canvas.shape[1] // 16
    references, grids = [], []
    for picture in pictures:
        size = scaled_size(*picture.shape[:2], area)
        scaled = np.array(Image.fromarray(picture).resize(size[::-1], Image.Resampling.LANCZOS))
        references.append(parts.vae.encode(scaled, seed, sampled=masked).prior)
        grids.append((size[0] // 16, size[1] // 16))
    given = text | {
        "GUIDANCE": np.array([guidance], np.float32),
        "GRID": np.array(grid, np.int32),
        "REFERENCES": np.concatenate(references),
        "REFERENCE_GRIDS": np.array(grids, np.int32),
    }
    schedule = read_schedule(parts.folder, EDIT.shift)
    sigmas = schedule.sigmas(steps, len(start.latents))
    timesteps = schedule.timesteps(sigmas)
    begin = first_step(steps, strength)
    latents = noised(start.prior, start.latents, sigmas[begin])
    for at in range(begin, steps):
        step = given | {"LATENTS": latents, "TIMESTEP": timesteps[at : at + 1]}
        (answer,) = answer_steps(parts.transformer, [step])
        assert isinstance(answer, dict), answer
        latents = euler(latents, answer["VELOCITY"], sigmas[at], sigmas[at + 1])
        if mask is not None:
            outside = noised(start.prior, start.latents, sigmas[at + 1])
            latents = put_back(latents, EDIT.put_back(mask), outside)
    return parts.vae.decode(latents, grid)


def assert_same(ours: np.ndarray, theirs: np.ndarray) -> None:
    """At most one level apart, and hardly anywhere, of pictures that show something."""
    assert ours.std() > 20
    apart = np.abs(ours.astype(int) - theirs)
    assert apart.max() <= 1
    # A guidance of 4.1 in place of 4 is 0.06 apart.
    assert apart.mean() < 0.01


@pytest.mark.parametrize("how", [GUIDED, UNGUIDED], ids=["guided", "unguided"])
def test_an_edit_equals_the_pipelines(parts, pipelines, photo, how):
    picture = photo(100, 130)
    size = scaled_size(100, 130, LATENTS)
    given = {"prompt": PROMPT, "steps": 4, "seed": 7, **how}
    theirs = edit_by_pipeline(pipelines("edit"), [picture], size=size, **given)
    canvas = np.zeros((*size, 3), np.uint8)
    assert_same(edited(parts("edit"), canvas, [picture], **given), theirs)


@pytest.mark.parametrize("sizes", [[(100, 130)], [(100, 130), (90, 60)]], ids=["one", "two"])
def test_an_edit_by_several_pictures_equals_the_pipelines(parts, pipelines, photo, sizes):
    pictures = [photo(*size, seed) for seed, size in enumerate(sizes)]
    given = {"prompt": PROMPT, "steps": 4, "seed": 8, **GUIDED}
    theirs = edit_by_pipeline(pipelines("plus"), pictures, size=(64, 96), **given)
    canvas = np.zeros((64, 96, 3), np.uint8)
    assert_same(edited(parts("plus"), canvas, pictures, **given), theirs)


@pytest.mark.parametrize("strength", [1.0, 0.6])
def test_a_masked_edit_equals_the_inpainting_pipelines(parts, pipelines, photo, strength):
    picture = photo(64, 96)
    rows, columns = np.mgrid[:64, :96]
    # Grey levels on both sides of the threshold, and a hole that no 8 px cell bounds.
    mask = np.random.default_rng(0).integers(0, 128, (64, 96), np.uint8)
    mask[np.hypot(rows - 30, columns - 50) < 21] = 128
    given = {"prompt": PROMPT, "steps": 5, "seed": 9, "strength": strength, "mask": mask, **GUIDED}
    theirs = edit_by_pipeline(pipelines("inpaint"), [picture], size=(64, 96), **given)
    ours = edited(parts("inpaint"), picture, [picture], **given)
    assert_same(ours, theirs)
