"""What a profile's stages are expected to take: work by the card's rates; and its table `[cost]`.

A product takes its FLOP at the card's rate for its precision, attention a share of that rate, and
the kernels between products what they read and write at the memory's rate, one after another.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Final

from pawfect.costs import CASES, Costs, StageCost, stages_of
from pawfect.picture.canvas import TOKEN_PX
from pawfect.profile import Profile
from pawfect.settings import FluxSettings
from perf.diffusion import flops
from perf.diffusion.cards import BYTES, CARDS, CPU, Card
from perf.diffusion.flops import Work
from perf.diffusion.memory import FUSED, Storage, storage_of

# Cleaning the mask, compositing and checking the seam, ms and ms per megapixel of the photo: of the
# reference scene (1.92 MP) the first takes 69 ms served (perf/results/bench-embedded.md), all
# together about 250 (assumed); by case.
REST_MS: Final = {"low": 30.0, "likely": 60.0, "high": 150.0}
REST_MS_PER_MP: Final = {"low": 50.0, "likely": 100.0, "high": 200.0}
# Values that enter and leave the blocks' linear layers, in widths of the model per token: double
# blocks have 18 (q, k, v: one in, one out each; the output and the two of the MLP), single ones 17.
AROUND_WIDTHS: Final = 18 * flops.DOUBLES + 17 * flops.SINGLES
# What a profile's file has from here on is written by `make t4`.
HEAD: Final = """\
# What a stage takes, ms, one canvas alone, at the card's fastest, usual and slowest rates: by the
# side, px, of a square of the canvas's area (of the photo's for `rest`); 0 alone: whatever the
# size. `make t4` writes this table.
"""
# The work around FLUX grows evenly with the photo: two sizes say it all.
REST_PX: Final = (0, 4096)
BASIS: Final = "modelled"


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
    storage = storage_of(profile.weights["flux_transformer"], kernels)
    on_card = settings.text_device == "cuda"
    text_card, threads = (card, 1) if on_card else (CPU, settings.text_threads)

    def ms(work: Work, dtype: str, card: Card = card, threads: int = 1) -> float:
        called = card.call_ms[CASES.index(case)]
        return called + 1000 * card.seconds(work, dtype, case, threads)

    def step_ms(tokens: int) -> float:
        work = flops.flux_step(tokens, settings.text_tokens, settings.modulation)
        more = quantised_s(settings, storage, card, case, tokens + settings.text_tokens)
        return ms(work, settings.dtype) + 1000 * more

    sam3, labels_ms = profile.sam3, 0.0
    if sam3 is not None:
        # At most what the profile waits for it.
        labels_ms = min(ms(flops.LABELS, sam3.dtype), float(sam3.timeout_ms))
    return Costs(
        step_ms=step_ms,
        encode_ms=lambda pixels: ms(flops.vae_encode(pixels), settings.dtype),
        decode_ms=lambda pixels: ms(flops.vae_decode(pixels), settings.dtype),
        text_ms=ms(flops.TEXT, settings.text_dtype, text_card, threads),
        labels_ms=labels_ms,
        rest_ms=lambda pixels: REST_MS[case] + REST_MS_PER_MP[case] * pixels / 1e6,
    )


def quantised_s(
    settings: FluxSettings, storage: Storage, card: Card, case: str, tokens: float
) -> float:
    """Return the seconds that quantised layers add to a step; below 0 they save some."""
    weights, moved, spent = flops.BLOCK_WEIGHTS, 0.0, 0.0
    if storage.integer:
        # The blocks' products at the other rate; each token passes 12 squares of the width.
        flop = 2 * tokens * 12 * flops.WIDTH**2 * (flops.DOUBLES + flops.SINGLES)
        spent = flop / card.flop_s("int8", case) - flop / card.flop_s(settings.dtype, case)
        moved = tokens * flops.WIDTH * AROUND_WIDTHS * storage.around_bytes
        moved += weights * ((storage.bits or 8) / 8 - BYTES[settings.dtype])
    if storage.modulation and settings.modulation == "layers":
        weights += flops.MODULATION_WEIGHTS
    return spent + (moved + weights * storage.decode_bytes) / card.moved_s(case)


def cost_table(profile: Profile) -> dict[str, StageCost]:
    """Model the costs of a profile that `estimate` takes.

    Integer layers are counted with the fused kernels, which the container has.
    """
    costs = [estimate(profile, case) for case in CASES]
    settings = profile.flux
    assert settings is not None
    own, px = CARDS[profile.name].name, _sides(settings)
    text_on = CPU.name if settings.text_device == "cpu" else own

    def row(on: str, sides: tuple[int, ...], ms: Callable[[Costs, int], float]) -> StageCost:
        low, likely, high = (tuple(round(ms(known, side), 1) for side in sides) for known in costs)
        return StageCost(BASIS, on, sides, low, likely, high)

    rows = (
        row(own, px, lambda known, side: known.step_ms((side // TOKEN_PX) ** 2)),
        row(own, px, lambda known, side: known.encode_ms(side**2)),
        row(own, px, lambda known, side: known.decode_ms(side**2)),
        row(text_on, (0,), lambda known, _: known.text_ms),
        row(own, (0,), lambda known, _: known.labels_ms),
        row(CPU.name, REST_PX, lambda known, side: known.rest_ms(side**2)),
    )
    return dict(zip(stages_of(["flux"]), rows, strict=True))


def as_toml(table: dict[str, StageCost]) -> str:
    """Return a table as the end of a profile's file."""
    parts = [HEAD]
    for stage, cost in table.items():
        parts.append(f'[cost.{stage}]\nbasis = "{cost.basis}"\non = "{cost.on}"\n')
        parts.extend(f"{name} = {list(getattr(cost, name))}\n" for name in ("px", *CASES))
        parts.append("\n")
    return "".join(parts).rstrip("\n") + "\n"


def write_costs(path: Path, table: dict[str, StageCost]) -> None:
    """Put a table at the end of a profile's file, in place of the one that is there."""
    settings = path.read_text("utf-8").partition(HEAD)[0].rstrip("\n")
    path.write_text(f"{settings}\n\n{as_toml(table)}", "utf-8")


def _sides(settings: FluxSettings) -> tuple[int, ...]:
    """Return the working sizes, those half way between them, and half of the smallest."""
    between = ((low + high) // 2 for low, high in pairwise(settings.sizes))
    return tuple(sorted({settings.sizes[0] // 2, *settings.sizes, *between}))
