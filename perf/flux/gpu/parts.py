"""The measurements, each by itself: plain figures out."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

import numpy as np
import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL

from pawfect.contract.errors import PawfectError
from pawfect.contract.tensors import Array
from pawfect.flux.tokens import CONDITION_WIDTH, LATENT_CHANNELS, TOKEN_WIDTH, VAE_PX
from pawfect.serving import BatchFunction
from perf.flux.gpu.models import Models, capped_product, defaults, pipeline_of, product_of
from perf.flux.gpu.quantised import quantised_transformer
from perf.flux.gpu.scale import T4_GIB, Scale
from perf.flux.versus.sides import Photo, Pipeline

GIB: Final = 2**30
PROMPT: Final = "grass with fallen leaves"


def pipeline_seconds(models: Models, scale: Scale, photo: Photo) -> dict[str, Any]:
    """Time (a): FluxFillPipeline on the whole image, its text encoding included."""
    pipeline = Pipeline(pipeline_of(models), scale.whole_px, scale.whole_tokens)
    pipeline.fill(photo, 2, PROMPT)
    seconds = _seconds(scale, lambda: pipeline.fill(photo, scale.whole_steps, PROMPT))
    return {"px": scale.whole_px, "steps": scale.whole_steps} | seconds


def product_seconds(models: Models, scale: Scale, photo: Photo, window: int) -> dict[str, Any]:
    """Time (b): `inpaint` from request to answer, as its report says, in one window.

    The patch engine's floor runs beside it on the CPU; FLUX's answer does not wait for it where
    the profile has no check.
    """
    product, _ = product_of(models, scale, window)
    product.fill(photo, 2, None)
    reports = [product.fill(photo, scale.own_steps, None).report for _ in range(scale.repeats)]
    for report in reports:
        if report.engine != "flux" or report.fallbacks:
            raise RuntimeError(f"expected a fill by FLUX, got {report.to_json()}")
    totals = [report.total_ms / 1000 for report in reports]
    last = reports[-1]
    return {
        "window": window,
        "steps": scale.own_steps,
        "working_px": [entry.working_px for entry in last.windows],
        "median_s": round(statistics.median(totals), 4),
        "each_s": [round(total, 4) for total in totals],
        "stage_ms": dict(last.stage_ms),
    }


def stage_seconds(models: Models, scale: Scale) -> list[dict[str, Any]]:
    """Time one denoising step and both ways of the autoencoder at each size, s; peaks in GiB."""
    rows = []
    for window in scale.capped:
        if torch.cuda.is_available():
            torch.cuda.reset_peak_memory_stats()
        _, batch = product_of(models, scale, window)
        step_s = _step_seconds(scale, batch, [step_inputs(scale, window, 0)])
        with torch.inference_mode(), defaults(scale.device, scale.dtype):
            picture = torch.zeros(1, 3, window, window)
            latents = torch.zeros(1, LATENT_CHANNELS, window // VAE_PX, window // VAE_PX)
            coding = [
                _seconds(scale, partial(models.vae.encode, picture))["median_s"],
                _seconds(scale, partial(models.vae.decode, latents))["median_s"],
            ]
        row = {"px": window, "step_s": round(step_s, 4), "encode_s": coding[0]}
        peak = _rounded(_peak("allocated"))
        rows.append(row | {"decode_s": coding[1], "peak_allocated_gib": peak})
    return rows


def batched_steps(models: Models, scale: Scale) -> dict[str, Any]:
    """Compare single steps of several clients in one batch with one client's, by the same function.

    Args:
        models: of one compilation state.
        scale: for sizes.
    """
    window = min(scale.windows)
    _, batch = product_of(models, scale, window)
    items = [step_inputs(scale, window, seed) for seed in range(scale.clients)]
    one = _step_seconds(scale, batch, items[:1])
    together = _step_seconds(scale, batch, items)
    rates = 1 / one, scale.clients / together
    return {
        "window": window,
        "clients": scale.clients,
        "one_steps_per_s": round(rates[0], 3),
        "all_steps_per_s": round(rates[1], 3),
        "ratio": round(rates[1] / rates[0], 3),
    }


def capped_fill(scale: Scale, photo: Photo, scheme: str) -> dict[str, Any]:
    """Load a quantised transformer in the memory of a T4 and fill with it.

    Returns:
        Peak GPU memory and the time of each fill; the seconds are this card's, not a T4's.
    """
    on_gpu = scale.device == "cuda"
    if on_gpu:
        total = torch.cuda.get_device_properties(0).total_memory
        torch.cuda.empty_cache()
        torch.cuda.set_per_process_memory_fraction(min(1.0, T4_GIB * GIB / total))
        torch.cuda.reset_peak_memory_stats()
    try:
        transformer, modulation = quantised_transformer(scale, scheme)
        with defaults(scale.device, scale.half):
            vae: Any = AutoencoderKL.from_config(dict(scale.configs["vae"]))
        vae.requires_grad_(False).eval()
        loaded = torch.cuda.memory_allocated() / GIB if on_gpu else None
        fills = []
        for window in scale.capped:
            product = capped_product(transformer, vae, scale, window, _text(scale))
            step = partial(product.functions["flux_transformer"], step_inputs(scale, window, 0), {})
            velocity = next(iter(step().values()))
            product.fill(photo, 1, None)
            report = product.fill(photo, scale.own_steps, None).report
            seconds = round(report.total_ms / 1000, 3)
            fills.append({"window": window, "s": seconds, "engine": report.engine,
                          "step_s": _seconds(scale, step)["median_s"],
                          "finite": bool(np.isfinite(velocity).all()),
                          "fallbacks": len(report.fallbacks)})  # fmt: skip
        return {
            "scheme": scheme,
            "modulation": modulation,
            "cap_gib": T4_GIB if on_gpu else None,
            "loaded_gib": _rounded(loaded),
            "peak_allocated_gib": _rounded(_peak("allocated")),
            "peak_reserved_gib": _rounded(_peak("reserved")),
            "fills": fills,
        }
    finally:
        if on_gpu:
            torch.cuda.set_per_process_memory_fraction(1.0)


def compile_blocks(models: Models, scale: Scale) -> dict[str, Any]:
    """Compile the transformer's repeated blocks; the first call of each shape then compiles."""
    torch._dynamo.config.recompile_limit = 64
    models.transformer.compile_repeated_blocks(fullgraph=True, backend=scale.backend, dynamic=False)
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
        "GUIDANCE": np.array([30.0], np.float32),
        "GRID": np.array([side, side], np.int32),
    }


def _text(scale: Scale) -> Any:
    """Return a text encoder that knows its answer, as the response cache does."""
    step = step_inputs(scale, 16, 0)
    answer = {
        "PROMPT_EMBEDS": step["PROMPT_EMBEDS"],
        "POOLED": step["POOLED"],
        "CUT": np.zeros(1, np.int32),
    }

    def run(inputs: Mapping[str, Array], parameters: Mapping[str, Any]) -> dict[str, Array]:
        return dict(answer)

    return run


def _step_seconds(scale: Scale, batch: BatchFunction, items: list[dict[str, Array]]) -> float:
    def step() -> None:
        for answer in batch(items):
            if isinstance(answer, PawfectError):
                raise answer

    step()
    # The velocity comes back to the CPU: the call ends when the GPU has.
    return statistics.median(_timed(step) for _ in range(scale.batch_repeats))


def _seconds(scale: Scale, work: Callable[[], object]) -> dict[str, Any]:
    each = [round(_timed(work), 4) for _ in range(scale.repeats)]
    return {"median_s": statistics.median(each), "each_s": each}


def _timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - start


def _peak(kind: str) -> float | None:
    if not torch.cuda.is_available():
        return None
    return float(torch.cuda.memory_stats()[f"{kind}_bytes.all.peak"]) / GIB


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
