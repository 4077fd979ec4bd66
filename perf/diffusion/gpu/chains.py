"""One step of the chains that are shown pictures, FLUX.2 [klein] and Qwen-Image-Edit."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import torch

from pawfect.chains import CHAINS
from pawfect.contract.errors import PawfectError
from pawfect.contract.tensors import Array
from pawfect.diffusion.batch import Stepper, answer_steps
from pawfect.picture.canvas import TOKEN_PX
from pawfect.weights.checkpoint import torch_dtype
from perf.diffusion.gpu.models import Scale, peaks, reset_peaks, seconds
from perf.diffusion.random_transformer import quantised_transformer, random_transformer
from perf.diffusion.transformers import TRANSFORMERS

# How the weights are stored, by chain.
PLAIN: Final = "plain"
STORED: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {"klein": (PLAIN,), "edit": (PLAIN, "int8")}
)
# Guidance of Qwen-Image-Edit: 1, and the model card's, which takes a second branch.
GUIDANCE: Final = (1.0, 4.0)
Take = Callable[[str, Callable[[], Any]], None]


@dataclass(frozen=True)
class Case:
    """One step.

    Attributes:
        chain: klein or edit.
        px: both sides of the picture.
        references: pictures of the same size that it is shown beside.
        guidance: above 1 with a second branch.
    """

    chain: str
    px: int
    references: int
    guidance: float = 1.0

    def __str__(self) -> str:
        shown = f"{self.px} px, {self.references} references"
        return shown if self.guidance == 1 else f"{shown}, guidance {self.guidance:g}"


def cases(chain: str, sides: tuple[int, ...]) -> Iterator[Case]:
    """Yield the steps of a chain that are measured, the cheapest first.

    Args:
        chain: klein or edit.
        sides: of the pictures, px.
    """
    for px in sides:
        if CHAINS[chain].guided:
            yield from (Case(chain, px, 1, guidance) for guidance in GUIDANCE)
        else:
            yield from (Case(chain, px, references) for references in (0, 1))


def measure_chain(scale: Scale, chain: str, take: Take) -> None:
    """Measure a chain's steps, each figure by itself.

    Args:
        scale: how large everything is.
        chain: klein or edit.
        take: runs a part by its name and keeps what it returns, or its exception.
    """
    for stored in STORED[chain]:
        # Empty where it could not be built.
        made: list[Any] = []
        take(f"{chain} {stored}", partial(_built, scale, chain, stored, made))
        for case in cases(chain, scale.chain_px[chain]) if made else ():
            take(f"{chain} {stored}, {case}", partial(step, scale, made[0], case))
        made.clear()
        gc.collect()
        if scale.device == "cuda":
            torch.cuda.empty_cache()


def _built(scale: Scale, chain: str, stored: str, made: list[Any]) -> dict[str, Any]:
    """Build a transformer of random weights into `made`; return what it is and holds."""
    config, dtype = scale.chain_configs[chain], torch_dtype(scale.dtype)
    reset_peaks(scale)
    if stored == PLAIN:
        module = random_transformer(chain, config, scale.device, dtype)
        made.append(TRANSFORMERS[chain](module, scale.device, dtype))
    else:
        asked = (chain, config, stored, scale.device, dtype, scale.rows)
        made.append(quantised_transformer(*asked))
    return {"dtype": scale.dtype, "arithmetic": made[0].arithmetic} | peaks(scale)


def step(scale: Scale, transformer: Stepper, case: Case) -> dict[str, Any]:
    """Time one step by the server's own batched function, s; peaks in GiB."""
    item = step_inputs(scale, case)
    reset_peaks(scale)

    def one() -> Array:
        (answer,) = answer_steps(transformer, [item])
        if isinstance(answer, PawfectError):
            raise answer
        velocity: Array = answer["VELOCITY"]
        return velocity

    finite = bool(np.isfinite(one()).all())
    timed = seconds(scale, one)
    tokens = len(item["LATENTS"]) + len(item.get("REFERENCES", ()))
    return {
        "px": case.px,
        "picture_tokens": tokens,
        "text_tokens": len(item["PROMPT_EMBEDS"]),
        "branches": 1 + ("NEGATIVE_EMBEDS" in item),
        "step_s": timed["median_s"],
        "each_s": timed["each_s"],
        "finite": finite,
    } | peaks(scale)


def step_inputs(scale: Scale, case: Case) -> dict[str, Array]:
    """Return one request's step, random."""
    rng = np.random.default_rng(0)
    chain, side = CHAINS[case.chain], case.px // TOKEN_PX
    width = scale.chain_configs[case.chain]["joint_attention_dim"]
    grid = np.array([side, side], np.int32)

    def normal(*shape: int) -> Array:
        return rng.standard_normal(shape).astype(np.float32)

    def text() -> Array:
        return normal(scale.chain_tokens[case.chain], width).astype(np.float16)

    item = {
        "LATENTS": normal(side * side, chain.token_width),
        "PROMPT_EMBEDS": text(),
        "TIMESTEP": np.array([1000.0], np.float32),
        "GRID": grid,
    }
    if case.references:
        item["REFERENCES"] = normal(case.references * side * side, chain.token_width)
        item["REFERENCE_GRIDS"] = np.repeat(grid[None], case.references, axis=0)
    if chain.guided:
        item["GUIDANCE"] = np.array([case.guidance], np.float32)
    if case.guidance > 1:
        item["NEGATIVE_EMBEDS"] = text()
    return item
