"""FLOP, bytes and seconds of each stage, and what is published to compare them with."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from pawfect.costs import CASES
from pawfect.profile import load_profile
from perf.flux.cards import CPU, GIGA, H200, T4, TERA, Rates
from perf.flux.configs import TRANSFORMER
from perf.flux.estimates import caption_work, estimate, label_work, text_work
from perf.flux.flops import flux, vae
from perf.flux.flops.work import Work
from perf.flux.parameters import BYTES
from perf.flux.seconds import seconds
from perf.flux.t4.engines import ENGINES, SIZES, Engine, costs, profile_of, total_s

# One step, TFLOP, as computed before for image side and text tokens.
STATED_TFLOP: Final = {
    (1024, 512): 74.4,
    (1024, 128): 67.1,
    (768, 512): 41.9,
    (768, 128): 35.6,
    (512, 512): 21.5,
    (512, 128): 15.8,
}
# 8 steps, 128 text tokens, all stages, s at 512, 768 and 1024 px, as modelled before.
STATED_S: Final = {
    "Q4_0, modulation in the layers": (16.8, 25.3, 39.5),
    "int8, fused kernels": (7.6, 13.9, 25.0),
    "int4, fused kernels": (5.5, 9.2, 16.0),
}
H200_S: Final = 5.58


def stage_rows(engine: Engine, side: int) -> list[dict[str, Any]]:
    """Return each stage's work and modelled seconds on a T4 at one size."""
    profile, settings, found = profile_of(engine)
    known = costs(engine)
    tokens, pixels = (side // 16) ** 2, side * side
    config = found.parts[TRANSFORMER]
    step = flux.step(config, tokens, settings.text_tokens, modulation=engine.modulation)
    caption = caption_work(profile, found)
    half = settings.dtype
    captioned = {case: seconds(caption, T4.rates[case], half) for case in CASES}
    rows: list[tuple[str, Work, str, dict[str, float]]] = [
        ("SAM3, all phrases", label_work(found), half, _ms(known, "labels_ms")),
        ("Florence-2, longest caption", caption, half, captioned),
        ("T5 and CLIP, on the CPU", text_work(settings, found), "float32", _ms(known, "text_ms")),
        ("VAE, encode", vae.encode(found.parts["vae"], pixels), half,
         {case: known[case].encode_ms(pixels) / 1000 for case in CASES}),
        ("one denoising step", step, half,
         {case: known[case].step_ms(tokens) / 1000 for case in CASES}),
        ("VAE, decode", vae.decode(found.parts["vae"], pixels), half,
         {case: known[case].decode_ms(pixels) / 1000 for case in CASES}),
    ]  # fmt: skip
    return [
        {
            "stage": name,
            "tflop": round(work.flop / 1e12, 3),
            "weights_million": round(work.weights / 1e6, 1),
            "moved_gb": round(work.moved * BYTES[dtype] / 1e9, 2),
            "seconds": {case: round(spent[case], 3) for case in CASES},
        }
        for name, work, dtype, spent in rows
    ]


def _ms(known: dict[str, Any], name: str) -> dict[str, float]:
    return {case: getattr(known[case], name) / 1000 for case in CASES}


def flop_rows() -> list[dict[str, Any]]:
    """Return FLOP of a step by size and text tokens, beside what was stated before."""
    _, _, found = profile_of(ENGINES[0])
    config = found.parts[TRANSFORMER]
    return [
        {
            "side": side,
            "text_tokens": text_tokens,
            "tflop": round(flux.step(config, (side // 16) ** 2, text_tokens).flop / 1e12, 2),
            "stated": stated,
        }
        for (side, text_tokens), stated in STATED_TFLOP.items()
    ]


def text_token_rows() -> list[dict[str, Any]]:
    """Return likely seconds of a step with 128 and 512 text tokens, by engine and size."""
    return [
        {
            "engine": engine.name,
            **{
                f"{side}/{text_tokens}": round(
                    costs(engine, text_tokens)["likely"].step_ms((side // 16) ** 2) / 1000, 2
                )
                for side in SIZES
                for text_tokens in (128, 512)
            },
        }
        for engine in ENGINES
    ]


def comparison_rows() -> list[dict[str, Any]]:
    """Return the model beside what is published or was stated before."""
    by_name = {engine.name: engine for engine in ENGINES}
    rows: list[dict[str, Any]] = []
    for name, stated in STATED_S.items():
        known = costs(by_name[name])
        for side, before in zip(SIZES, stated, strict=True):
            rows.append(
                _row(f"T4, {name}, 8 steps, {side} px, all stages", f"{before} (a model)",
                     {case: total_s(known[case], side, 8) for case in CASES})
            )  # fmt: skip
    # What runs today: 28 steps of the whole photo, its longer side 1024 px.
    known = costs(ENGINES[0], 512)
    whole = {case: 28 * known[case].step_ms(64 * 48) / 1000 for case in CASES}
    rows.append(_row("T4, Q4_0, 28 steps, 1024x768 px, 512 text tokens", "60-120 (seen)", whole))
    profile = load_profile("h200")
    if profile.flux is None:
        raise ValueError("h200: expected FLUX")
    profile = replace(profile, flux=replace(profile.flux, text_tokens=512))
    spent = {}
    for case in CASES:
        found = estimate(profile, case)
        if found is None:
            raise ValueError("h200: expected published models")
        spent[case] = (28 * found.step_ms(4096) + found.decode_ms(1024**2)) / 1000
    rows.append(_row("H200, bf16 eager, 28 steps, 1024x1024 px", f"{H200_S} (published)", spent))
    return rows


def _row(what: str, known: str, modelled: dict[str, float]) -> dict[str, Any]:
    return {
        "what": what,
        "known": known,
        "modelled": {case: round(modelled[case], 1) for case in CASES},
    }


def rates() -> dict[str, Any]:
    """Return the rates that the model counts with."""
    return {
        name: {case: _rates(card.rates[case]) for case in CASES}
        for name, card in (("t4", T4), ("h200", H200), ("cpu", CPU))
    }


def _rates(rates: Rates) -> dict[str, Any]:
    product = {kind: round(rate / TERA, 3) for kind, rate in rates.product.items()}
    return {
        "product_tflops": product,
        "attention_share": rates.attention,
        "moved_gb_s": rates.moved / GIGA,
    }
