"""The measurements, each by itself: plain figures out; and what is asked of one H200."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from functools import partial
from typing import Any, Final

import numpy as np
import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL

from pawfect.contract.errors import PawfectError
from pawfect.contract.tensors import Array
from pawfect.diffusion.tokens import VAE_PX
from pawfect.flux.condition import CONDITION_WIDTH, LATENT_CHANNELS, TOKEN_WIDTH
from pawfect.serving import BatchFunction
from pawfect.weights.checkpoint import torch_dtype
from perf.diffusion.cards import T4
from perf.diffusion.gpu.models import (
    CHAINS,
    Scale,
    batched_step,
    capped_product,
    defaults,
    peaks,
    product_of,
    reset_peaks,
    seconds,
)
from perf.diffusion.memory import GIB
from perf.diffusion.pipelines import KINDS, Pipeline, Sampling
from perf.diffusion.random_transformer import quantised_transformer
from perf.scenes import Scene

PROMPT: Final = "grass with fallen leaves"
GUIDANCE: Final = 30.0
# That are batched.
CLIENTS: Final = 8
# From request to answer, s, at the larger window.
ANSWER_S: Final = 1.0
# Times faster than the pipeline, like against like, by window, px.
FASTER: Final = {768: 6.0, 512: 12.0}
BATCHED: Final = 1.8


def pipeline_seconds(pipe: Any, scale: Scale, photo: Scene) -> dict[str, Any]:
    """Time FluxFillPipeline on the whole image, its text encoding included."""
    pipeline = Pipeline(KINDS["flux"], pipe, scale.whole_px, scale.whole_tokens)
    pipeline.fill(photo, PROMPT, Sampling(2, GUIDANCE))
    asked = Sampling(scale.whole_steps, GUIDANCE)
    timed = seconds(scale, lambda: pipeline.fill(photo, PROMPT, asked))
    return {"px": scale.whole_px, "steps": scale.whole_steps} | timed


def product_seconds(pipe: Any, scale: Scale, photo: Scene, window: int) -> dict[str, Any]:
    """Time `inpaint` from request to answer, as its report says, in one window.

    The patch engine's floor runs beside it on the CPU; FLUX's answer does not wait for it where
    the profile has no check.
    """
    product = product_of(pipe, scale, window)
    product.fill(photo, 2, None)
    reports = [product.fill(photo, scale.own_steps, None).report for _ in range(scale.repeats)]
    for report in reports:
        if report.engine != "flux" or report.fallbacks:
            raise RuntimeError(f"expected a fill by FLUX, got {report.to_json()}")
    totals = [round(report.total_ms / 1000, 4) for report in reports]
    return {
        "window": window,
        "steps": scale.own_steps,
        "median_s": statistics.median(totals),
        "each_s": totals,
        "stage_ms": dict(reports[-1].stage_ms),
    }


def stage_seconds(pipe: Any, scale: Scale) -> list[dict[str, Any]]:
    """Time one denoising step and both ways of the autoencoder at each size, s; peaks in GiB."""
    rows = []
    batch = batched_step(pipe, scale)
    for px in (*scale.windows, scale.whole_px):
        reset_peaks(scale)
        row = {"px": px, "step_s": _step_seconds(scale, batch, [step_inputs(scale, px, 0)])}
        with torch.inference_mode(), defaults(scale.device, scale.dtype):
            picture = torch.zeros(1, 3, px, px)
            latents = torch.zeros(1, LATENT_CHANNELS, px // VAE_PX, px // VAE_PX)
            row["encode_s"] = seconds(scale, partial(pipe.vae.encode, picture))["median_s"]
            row["decode_s"] = seconds(scale, partial(pipe.vae.decode, latents))["median_s"]
        rows.append(row | peaks(scale))
    return rows


def batched_steps(pipe: Any, scale: Scale) -> dict[str, Any]:
    """Compare steps of several clients in one batch with one client's, by the same function."""
    batch, window = batched_step(pipe, scale), min(scale.windows)
    items = [step_inputs(scale, window, seed) for seed in range(CLIENTS)]
    one, together = _step_seconds(scale, batch, items[:1]), _step_seconds(scale, batch, items)
    return {
        "window": window,
        "clients": CLIENTS,
        "one_steps_per_s": round(1 / one, 3),
        "all_steps_per_s": round(CLIENTS / together, 3),
        "ratio": round(CLIENTS * one / together, 3),
    }


def capped_fill(scale: Scale, photo: Scene, scheme: str) -> dict[str, Any]:
    """Load a quantised transformer in the memory of a T4 and fill with it.

    Returns:
        Peak GPU memory and the time of each fill; the seconds are this card's, not a T4's.
    """
    on_gpu, config = scale.device == "cuda", scale.configs["transformer"]
    if on_gpu:
        total = torch.cuda.get_device_properties(0).total_memory
        torch.cuda.empty_cache()
        torch.cuda.set_per_process_memory_fraction(min(1.0, T4.usable_gib * GIB / total))
        torch.cuda.reset_peak_memory_stats()
    try:
        dtype = torch_dtype(scale.half)
        transformer = quantised_transformer(
            "flux", config, scheme, scale.device, dtype, scale.rows, "cached"
        )
        with defaults(scale.device, scale.half):
            vae: Any = AutoencoderKL.from_config(dict(scale.configs["vae"]))
        vae.requires_grad_(False).eval()
        fills = []
        for window in (*scale.windows, scale.whole_px):
            inputs = step_inputs(scale, window, 0)
            # Of a prompt that the response cache knows.
            known = {name: inputs[name] for name in ("PROMPT_EMBEDS", "POOLED")}
            known["CUT"] = np.zeros(1, np.int32)
            product = capped_product(transformer, vae, scale, window, known)
            step = partial(product.functions["flux_transformer"], inputs, {})
            velocity = next(iter(step().values()))
            product.fill(photo, 1, None)
            report = product.fill(photo, scale.own_steps, None).report
            fills.append({"window": window, "s": round(report.total_ms / 1000, 3),
                          "engine": report.engine, "step_s": seconds(scale, step)["median_s"],
                          "finite": bool(np.isfinite(velocity).all()),
                          "fallbacks": len(report.fallbacks)})  # fmt: skip
        return {"scheme": scheme, "cap_gib": T4.usable_gib, "fills": fills} | peaks(scale)
    finally:
        if on_gpu:
            torch.cuda.set_per_process_memory_fraction(1.0)


def compile_blocks(pipe: Any, scale: Scale) -> dict[str, Any]:
    """Compile the transformer's repeated blocks; the first call of each shape then compiles."""
    torch._dynamo.config.recompile_limit = 64
    pipe.transformer.compile_repeated_blocks(fullgraph=True, backend=scale.backend, dynamic=False)
    return {"backend": scale.backend}


def compiled_graphs() -> dict[str, int]:
    """Return how many graphs dynamo has captured.

    Raises:
        RuntimeError: none: what was called compiled ran eager.
    """
    graphs = int(torch._dynamo.utils.counters["stats"]["unique_graphs"])
    if not graphs:
        raise RuntimeError("expected compiled blocks, got no graph")
    return {"unique_graphs": graphs}


def step_inputs(scale: Scale, window: int, seed: int) -> dict[str, Array]:
    """Return one request's step of a square window, random."""
    rng = np.random.default_rng(seed)
    side = window // 16
    config = scale.configs["transformer"]

    def normal(*shape: int) -> Array:
        return rng.standard_normal(shape).astype(np.float32)

    embeds = normal(scale.tokens, config["joint_attention_dim"])
    return {
        "LATENTS": normal(side * side, TOKEN_WIDTH),
        "CONDITION": normal(side * side, CONDITION_WIDTH),
        "PROMPT_EMBEDS": embeds.astype(np.float16),
        "POOLED": normal(config["pooled_projection_dim"]).astype(np.float16),
        "TIMESTEP": np.array([1000.0 - 100 * seed], np.float32),
        "GUIDANCE": np.array([GUIDANCE], np.float32),
        "GRID": np.array([side, side], np.int32),
    }


def goals(parts: Mapping[str, Any], windows: tuple[int, ...]) -> list[dict[str, Any]]:
    """Return each goal with what was measured; those whose figures are not there are left out.

    Args:
        parts: results by the name of their part.
        windows: of `inpaint`, largest first: what stands for 768 and 512 px.
    """
    found: list[dict[str, Any]] = []

    def goal(name: str, measured: float, bound: float, reached: bool) -> None:
        found.append({"name": name, "measured": measured, "bound": bound, "reached": reached})

    def figures(part: str, key: str) -> dict[str, float]:
        named = {how: parts.get(f"{part} {how}", {}).get(key) for how in ("eager", "compiled")}
        return {how: value for how, value in named.items() if value is not None}

    if times := figures(f"product {windows[0]}", "median_s"):
        best = min(times.values())
        goal(f"s from request to answer, window {windows[0]}", best, ANSWER_S, best < ANSWER_S)
    for how, whole in figures("pipeline", "median_s").items():
        for window, bound in zip(windows, FASTER.values(), strict=True):
            own = figures(f"product {window}", "median_s")
            if how in own:
                ratio = round(whole / own[how], 3)
                name = f"times faster than the pipeline, window {window}, both {how}"
                goal(name, ratio, bound, ratio >= bound)
    for how, ratio in figures("batch", "ratio").items():
        name = f"times one client's steps a second, in batches, {how}"
        goal(name, ratio, BATCHED, ratio >= BATCHED)
    capped = [
        part["fills"] for n, part in parts.items() if n.startswith("capped ") and "fills" in part
    ]
    if capped:
        filled = sum(
            all(fill["engine"] == "flux" and not fill["fallbacks"] for fill in fills)
            for fills in capped
        )
        name = "schemes that load and fill at every size within a T4's memory"
        goal(name, filled, 1, filled >= 1)
        bad = [fill["finite"] for fills in capped for fill in fills].count(False)
        goal("steps in fp16 with NaN or Inf", bad, 0, not bad)
    shown = [part for n, part in parts.items() if n.startswith(CHAINS) and "finite" in part]
    if shown:
        bad = [part["finite"] for part in shown].count(False)
        goal("steps of klein and Qwen-Image-Edit with NaN or Inf", bad, 0, not bad)
    return found


def _step_seconds(scale: Scale, batch: BatchFunction, items: list[dict[str, Array]]) -> float:
    def step() -> None:
        for answer in batch(items):
            if isinstance(answer, PawfectError):
                raise answer

    step()
    # The velocity comes back to the CPU: the call ends when the GPU has.
    median: float = seconds(scale, step)["median_s"]
    return median
