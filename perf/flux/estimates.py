"""What a profile's stages are expected to take, for the planner."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from pawfect.costs import CASES, Costs
from pawfect.profile import FluxSettings, Profile
from pawfect.scene.vocabulary import load_vocabulary
from perf.flux.cards import CARDS, CPU, Card, Rates
from perf.flux.configs import TRANSFORMER, Configs, configs_of
from perf.flux.flops import florence2, flux, sam3, text, vae
from perf.flux.flops.work import NOTHING, Work
from perf.flux.seconds import seconds, step_seconds

# Phrases that SAM3 is asked in one batch (`pawfect.scene.sam3.PHRASES_AT_ONCE`, which needs
# torch).
PHRASES_AT_ONCE: Final = 8
# Cleaning the mask, compositing and checking the seam, ms and ms per megapixel of the photo: of the
# reference scene (1.92 MP) the first takes 69 ms served (perf/results/bench-embedded.md), all
# together about 250 (assumed); by case.
REST_MS: Final = {"low": 30.0, "likely": 60.0, "high": 150.0}
REST_MS_PER_MP: Final = {"low": 50.0, "likely": 100.0, "high": 200.0}


def estimate(
    profile: Profile, case: str = "likely", root: Path | None = None, *, kernels: str | None = None
) -> Costs | None:
    """Return what a profile's stages are expected to take.

    Args:
        profile: with FLUX.
        case: low, likely or high: by the card's fastest, usual and slowest rates.
        root: the weights' root; None: the configured one.
        kernels: as `storage_of` takes it.

    Returns:
        The costs, or None where the profile has no FLUX, its card is unknown, or its models are
        neither here nor published ones.
    """
    if case not in CASES:
        raise ValueError(f"case: expected one of {', '.join(CASES)}, got {case!r}")
    settings = profile.flux
    if settings is None or profile.name not in CARDS:
        return None
    found = configs_of(profile, root, kernels=kernels)
    if found is None or not {TRANSFORMER, "vae", "clip", "t5"} <= found.parts.keys():
        return None
    return estimate_with(profile, settings, found, case)


def estimate_with(profile: Profile, settings: FluxSettings, found: Configs, case: str) -> Costs:
    """Return the costs of a profile whose configs are at hand, arguments as `estimate`."""
    card = CARDS[profile.name]
    rates = card.rates[case]

    def step_ms(tokens: int) -> float:
        return 1000 * whole_step(settings, found, rates, tokens)

    def encode_ms(pixels: int) -> float:
        return _vae_ms(vae.encode(found.parts["vae"], pixels), settings, rates)

    def decode_ms(pixels: int) -> float:
        return _vae_ms(vae.decode(found.parts["vae"], pixels), settings, rates)

    def rest_ms(pixels: int) -> float:
        return REST_MS[case] + REST_MS_PER_MP[case] * pixels / 1e6

    return Costs(
        step_ms=step_ms,
        encode_ms=encode_ms,
        decode_ms=decode_ms,
        text_ms=_text_ms(settings, found, card, case),
        labels_ms=_labels_ms(profile, found, card, case),
        rest_ms=rest_ms,
    )


def whole_step(
    settings: FluxSettings, found: Configs, rates: Rates, tokens: float, batch: int = 1
) -> float:
    """Return the seconds of one denoising step of a batch, the call included."""
    config, storage = found.parts[TRANSFORMER], found.storage
    if storage is None:
        raise ValueError("storage: expected the transformer's, got none")
    work = flux.step(
        config, tokens, settings.text_tokens, batch=batch, modulation=settings.modulation
    )
    rows = batch * (tokens + settings.text_tokens)
    spent = step_seconds(config, work, rows, rates, settings.dtype, storage, settings.modulation)
    return rates.call_s + spent


def label_work(found: Configs) -> Work:
    """Return the work of labelling one picture by SAM3, all phrases asked."""
    config = found.parts.get("sam3")
    if config is None:
        return NOTHING
    count = sum(len(surface.phrases) for surface in load_vocabulary())
    work = sam3.vision(config) + sam3.phrases(config, PHRASES_AT_ONCE).times(
        count // PHRASES_AT_ONCE
    )
    left = count % PHRASES_AT_ONCE
    return work + (sam3.phrases(config, left) if left else NOTHING)


def caption_work(profile: Profile, found: Configs) -> Work:
    """Return the work of one caption by Florence-2, as long as it may get."""
    config, settings = found.parts.get("florence2"), profile.florence2
    if config is None or settings is None:
        return NOTHING
    return florence2.caption(config, settings.max_tokens, side=found.caption_px)


def text_work(settings: FluxSettings, found: Configs) -> Work:
    """Return the work of encoding one prompt."""
    return text.t5(found.parts["t5"], settings.text_tokens) + text.clip(found.parts["clip"])


def _vae_ms(work: Work, settings: FluxSettings, rates: Rates) -> float:
    return 1000 * (rates.call_s + seconds(work, rates, settings.dtype))


def _text_ms(settings: FluxSettings, found: Configs, card: Card, case: str) -> float:
    rates = (card if settings.text_device == "cuda" else CPU).rates[case]
    threads = settings.text_threads if settings.text_device == "cpu" else 1
    spent = seconds(text_work(settings, found), rates, settings.text_dtype, threads=threads)
    return 1000 * (rates.call_s + spent)


def _labels_ms(profile: Profile, found: Configs, card: Card, case: str) -> float:
    """Return SAM3's time, else Florence-2's, at most what the profile waits for it."""
    for settings, work in (
        (profile.sam3, label_work(found)),
        (profile.florence2, caption_work(profile, found)),
    ):
        if settings is None or work == NOTHING:
            continue
        rates = (CPU if settings.device == "cpu" else card).rates[case]
        spent = 1000 * (rates.call_s + seconds(work, rates, settings.dtype))
        return min(spent, float(settings.timeout_ms))
    return 0.0
