"""A chain's models around the denoising: prompt and pictures in, canvas out; one call each."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pawfect.contract.pictures import joined
from pawfect.contract.tensors import Array
from pawfect.contract.texts import text_tensor
from pawfect.diffusion.chain import Chain
from pawfect.orchestrator.engine import Asking, Task, Toward
from pawfect.orchestrator.patch import seed_of
from pawfect.picture.canvas import Canvas

Picture = NDArray[np.uint8]
Grid = tuple[int, int]


@dataclass(frozen=True, eq=False)
class Text:
    """A prompt as a text encoder gives it.

    Attributes:
        tensors: what every step takes of it.
        cut: tokens that were left out.
    """

    tensors: Mapping[str, Array]
    cut: int


@dataclass(frozen=True, eq=False)
class Encoded:
    """A canvas as its denoising starts.

    Attributes:
        grid: rows and columns of its tokens.
        latents: FP32 [T, W], noise.
        prior: FP32 [T, W], of the picture that denoising starts from, or None.
        share: FP32 [T, 1 or W], how much of each token is filled where the rest is put back after
            each step; None: nothing is.
        tensors: what every step takes besides: a condition, references.
    """

    grid: Grid
    latents: NDArray[np.float32]
    prior: NDArray[np.float32] | None
    share: NDArray[np.float32] | None
    tensors: Mapping[str, Array]

    @property
    def tokens(self) -> int:
        """Image tokens of the canvas."""
        return self.grid[0] * self.grid[1]


async def encode_text(
    asking: Asking, chain: Chain, prompt: str, pictures: Sequence[Picture] = (), unwanted: str = ""
) -> Text:
    """Embed a prompt, and what is not wanted where that is said.

    Args:
        asking: calls the models.
        chain: whose.
        prompt: what to show or to do.
        pictures: UINT8 [h, w, 3] each, of any sizes, for an encoder that sees them.
        unwanted: the second prompt of a guided chain that takes one; empty: none.
    """
    shown = joined(pictures, ("PICTURES", "SIZES")) if chain.sees_pictures else {}
    out = await asking.ask(chain.text_encoder, {"PROMPT": text_tensor(prompt), **shown})
    tensors = {name: out[name].copy() for name in chain.text}
    text = Text(tensors, int(out["CUT"][0]))
    if not (chain.negative and unwanted):
        return text
    other = await asking.ask(chain.text_encoder, {"PROMPT": text_tensor(unwanted), **shown})
    return replace(text, tensors={**tensors, NEGATIVE: other["PROMPT_EMBEDS"].copy()})


NEGATIVE: Final = "NEGATIVE_EMBEDS"


async def encode_picture(
    asking: Asking,
    chain: Chain,
    picture: Picture,
    seed: int,
    toward: Toward | None = None,
    *,
    masked: bool = False,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Encode one picture of a chain with references.

    Args:
        asking: calls the models.
        chain: whose.
        picture: UINT8 [H, W, 3], sides multiples of 16.
        seed: of the noise.
        toward: of the noise, or None.
        masked: whether what a mask leaves of it is put back after each step.

    Returns:
        The seed's noise and the picture's latents, FP32 [T, W] each.
    """
    inputs: dict[str, Array] = {"IMAGE": picture, "SEED": np.array([seed], np.int64)}
    if chain.samples_prior and masked:
        inputs["SAMPLED"] = np.array([1], np.uint8)
    out = await asking.ask(chain.vae_encoder, inputs | _turned(toward, 0))
    return floats(out["LATENTS"]), floats(out["PRIOR"])


def referring(references: Sequence[tuple[NDArray[np.float32], Grid]]) -> dict[str, Array]:
    """Return reference pictures, latents FP32 [T, W] and grid each, as the steps take them."""
    if not references:
        return {}
    return {
        "REFERENCES": np.concatenate([latents for latents, _ in references]),
        "REFERENCE_GRIDS": np.array([grid for _, grid in references], np.int32),
    }


async def encode_canvas(
    task: Task,
    chain: Chain,
    canvas: Canvas,
    seed: int,
    prefill: Picture | None,
    *,
    index: int = 0,
    referred: bool = False,
) -> Encoded:
    """Encode one canvas, all holes masked: none may show through into the fill of another.

    Args:
        task: the request.
        chain: whose models.
        canvas: the part of the photo and its working size.
        seed: of the noise of the request's first canvas.
        prefill: UINT8 [H, W, 3], the photo to start from, or None, which only a chain that is shown
            the mask can do without.
        index: the canvas's place among the request's.
        referred: whether the prefill is a reference of the steps too.
    """
    own = seed_of(seed, index)
    mask = await asyncio.to_thread(canvas.take_mask, task.cleaned.mask)
    taken = None if prefill is None else await asyncio.to_thread(canvas.take, prefill)
    if chain.put_back is None:
        return await _masked(task, chain, canvas, mask, own, taken, index)
    assert taken is not None
    toward = (
        None if task.toward is None else replace(task.toward, seed=seed_of(task.toward.seed, index))
    )
    noise, prior = await encode_picture(task, chain, taken, own, toward, masked=True)
    tensors = referring([(prior, canvas.grid)]) if referred else {}
    return Encoded(canvas.grid, noise, prior, chain.put_back(mask), tensors)


async def _masked(
    task: Task,
    chain: Chain,
    canvas: Canvas,
    mask: Picture,
    seed: int,
    prefill: Picture | None,
    index: int,
) -> Encoded:
    """Encode a canvas for a model that is shown the mask."""
    inputs: dict[str, Array] = {
        "IMAGE": await asyncio.to_thread(canvas.take, task.request.image),
        "MASK": mask,
        "SEED": np.array([seed], np.int64),
    }
    if prefill is not None:
        inputs["PREFILL"] = prefill
    out = await task.ask(chain.vae_encoder, inputs | _turned(task.toward, index))
    prior = None if prefill is None else floats(out["PRIOR"])
    condition = {"CONDITION": floats(out["CONDITION"])}
    return Encoded(canvas.grid, floats(out["LATENTS"]), prior, None, condition)


def _turned(toward: Toward | None, index: int) -> dict[str, Array]:
    if toward is None:
        return {}
    return {
        "TOWARD_SEED": np.array([seed_of(toward.seed, index)], np.int64),
        "ANGLE": np.array([toward.angle], np.float32),
    }


async def decode_canvas(
    asking: Asking, chain: Chain, canvas: Canvas, latents: NDArray[np.float32]
) -> Picture:
    """Decode latents FP32 [T, W] to the canvas's part of the photo, UINT8 [h, w, 3]."""
    inputs: dict[str, Array] = {"LATENTS": latents, "GRID": np.array(canvas.grid, np.int32)}
    out = await asking.ask(chain.vae_decoder, inputs)
    return await asyncio.to_thread(canvas.put_back, out["IMAGE"].astype(np.uint8))


def floats(array: Array) -> NDArray[np.float32]:
    """Copy out of the memory that Triton lends until the answer is dropped."""
    return np.array(array, np.float32)
