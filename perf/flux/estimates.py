"""What a profile's stages are expected to take: work by the card's rates.

A product takes its FLOP at the card's rate for its precision, attention a share of that rate, and
the kernels between products what they read and write at the memory's rate, one after another.
"""

from __future__ import annotations

from typing import Final

from pawfect.costs import CASES, Costs
from pawfect.profile import FluxSettings, Profile
from perf.flux import flops
from perf.flux.cards import CARDS, CPU, Card, Rates
from perf.flux.flops import Work
from perf.flux.parameters import BYTES, published
from perf.flux.storage import FUSED, Storage, storage_of

# Cleaning the mask, compositing and checking the seam, ms and ms per megapixel of the photo: of the
# reference scene (1.92 MP) the first takes 69 ms served (perf/results/bench-embedded.md), all
# together about 250 (assumed); by case.
REST_MS: Final = {"low": 30.0, "likely": 60.0, "high": 150.0}
REST_MS_PER_MP: Final = {"low": 50.0, "likely": 100.0, "high": 200.0}
# Of the values that enter and leave a block's linear layers, in widths of the model per token:
# double blocks have q, k, v (one in, one out each), the output and the two of the MLP.
DOUBLE_WIDTHS: Final = 18
SINGLE_WIDTHS: Final = 17


def estimate(profile: Profile, case: str = "likely", kernels: str = FUSED) -> Costs:
    """Return what a profile's stages are expected to take.

    Args:
        profile: with FLUX at full size, on a card that `CARDS` has.
        case: low, likely or high: by the card's fastest, usual and slowest rates.
        kernels: as `storage_of` takes it.

    Raises:
        ValueError: a profile without FLUX or of an unknown card, or an unknown case.
    """
    if case not in CASES:
        raise ValueError(f"case: expected one of {', '.join(CASES)}, got {case!r}")
    settings = profile.flux
    if settings is None or profile.name not in CARDS:
        raise ValueError(f"profile: expected one of {', '.join(CARDS)}, got {profile.name}")
    card = CARDS[profile.name]
    rates, text_rates = card.rates[case], CPU.rates[case]
    storage = storage_of(profile.weights["flux_transformer"], kernels)
    vae = published("flux_vae").config
    threads = settings.text_threads
    if settings.text_device == "cuda":
        text_rates, threads = rates, 1
    text_s = seconds(flops.TEXT, text_rates, settings.text_dtype, threads=threads)

    def vae_ms(work: Work) -> float:
        return 1000 * (rates.call_s + seconds(work, rates, settings.dtype))

    return Costs(
        step_ms=lambda tokens: 1000 * (rates.call_s + step_s(settings, storage, rates, tokens)),
        encode_ms=lambda pixels: vae_ms(flops.vae_encode(vae, pixels)),
        decode_ms=lambda pixels: vae_ms(flops.vae_decode(vae, pixels)),
        text_ms=1000 * (text_rates.call_s + text_s),
        labels_ms=_labels_ms(profile, card, case),
        rest_ms=lambda pixels: REST_MS[case] + REST_MS_PER_MP[case] * pixels / 1e6,
    )


def seconds(work: Work, rates: Rates, dtype: str, *, threads: int = 1) -> float:
    """Return how long a call takes: product, reading and moving one after another.

    Args:
        work: of the call.
        rates: of the card.
        dtype: float32, float16 or bfloat16.
        threads: of a CPU, whose rates are those of one.
    """
    rate = rates.product[dtype] * threads
    size = BYTES[dtype]
    spent = (work.linear + work.convolution) / rate + work.attention / (rate * rates.attention)
    spent += (work.weights + work.moved) * size / rates.moved
    # Kernels are launched ahead while the card is busy.
    return max(spent, work.kernels * rates.launch_s)


def step_s(settings: FluxSettings, storage: Storage, rates: Rates, tokens: float) -> float:
    """Return the seconds of one denoising step of a canvas of `tokens` image tokens."""
    config, dtype = published("flux_transformer").config, settings.dtype
    modulation = settings.modulation
    work = flops.flux_step(config, tokens, settings.text_tokens, modulation=modulation)
    rows = tokens + settings.text_tokens
    width = flops.inner_width(config)
    doubles, singles = int(config["num_layers"]), int(config["num_single_layers"])
    weights = flops.block_weights(config)
    spent = seconds(work, rates, dtype)
    if storage.compute is not None:
        # The blocks' products at the other rate; each token passes 12 squares of the width.
        flop = 2 * rows * 12 * width**2 * (doubles + singles)
        spent += flop / rates.product[storage.compute] - flop / rates.product[dtype]
        values = rows * width * (DOUBLE_WIDTHS * doubles + SINGLE_WIDTHS * singles)
        spent += values * storage.around_bytes / rates.moved
        size = (storage.bits or 8) / 8
        spent += weights * (size - BYTES[dtype]) / rates.moved
    if storage.modulation and modulation == "layers":
        weights += flops.modulation_weights(config)
    return spent + weights * storage.decode_bytes / rates.moved


def _labels_ms(profile: Profile, card: Card, case: str) -> float:
    """Return SAM3's time, at most what the profile waits for it."""
    if profile.sam3 is None:
        return 0.0
    rates = card.rates[case]
    spent = 1000 * (rates.call_s + seconds(flops.LABELS, rates, profile.sam3.dtype))
    return min(spent, float(profile.sam3.timeout_ms))
