"""What a profile's stages are expected to take: work by the card's rates; and its table `[cost]`.

A product takes its FLOP at the card's rate for its precision, attention a share of that rate, and
the kernels between products what they read and write at the memory's rate, one after another.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from math import sqrt
from pathlib import Path
from typing import Final

from pawfect.costs import CASES, Costs, StageCost, stages_of
from pawfect.picture.canvas import TOKEN_PX
from pawfect.profile import Profile
from pawfect.settings import ChainSettings
from perf.diffusion import flops
from perf.diffusion.cards import BYTES, CARDS, CPU, Card
from perf.diffusion.flops import BlockWork, Work
from perf.diffusion.memory import branches
from perf.diffusion.networks import MODULATION, Network
from perf.diffusion.published import NETWORKS
from perf.diffusion.storage import FUSED, Storage, storage_of

# Cleaning the mask, compositing and checking the seam, ms and ms per megapixel of the photo: of the
# reference scene (1.92 MP) the first takes 69 ms served (perf/results/bench-embedded.md), all
# together about 250 (assumed); by case.
REST_MS: Final = {"low": 30.0, "likely": 60.0, "high": 150.0}
REST_MS_PER_MP: Final = {"low": 50.0, "likely": 100.0, "high": 200.0}
# Areas, of the largest canvas, that the table has of steps that may be shown references: up to
# three pictures of the canvas's size beside it.
SEEN_AREAS: Final = (1.25, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0)
# What a profile's file has from here on is written by `make t4`.
HEAD: Final = """\
# What a stage takes, ms, one canvas alone, at the card's fastest, usual and slowest rates: by the
# side, px, of a square of the canvas's area (of the photo's for `rest`; of a transformer: of all
# pictures that its step is shown); 0 alone: whatever the size. `make t4` writes this table.
"""
# The work around a chain grows evenly with the photo: two sizes say it all.
REST_PX: Final = (0, 4096)
BASIS: Final = "modelled"


def estimate(profile: Profile, chain: str, case: str = "likely", kernels: str = FUSED) -> Costs:
    """Return what a chain's stages are expected to take.

    Args:
        profile: of the full-size models, on a card that `CARDS` has.
        chain: flux, klein or edit; one that the profile has.
        case: low, likely or high: by the card's fastest, usual and slowest rates.
        kernels: as `storage_of` takes it.

    Raises:
        ValueError: a profile without the chain or of an unknown card, or an unknown case.
    """
    if case not in CASES:
        raise ValueError(f"case: expected one of {', '.join(CASES)}, got {case!r}")
    if profile.name not in CARDS:
        raise ValueError(f"profile: expected one of {', '.join(CARDS)}, got {profile.name}")
    settings = profile.chain(chain)
    if settings is None:
        raise ValueError(f"chain: expected one of {', '.join(profile.chains)}, got {chain!r}")
    card, networks = CARDS[profile.name], NETWORKS[chain]
    storage = storage_of(profile.entry(f"{chain}_transformer"), kernels)
    text = flops.shown_tokens(networks, settings.text_tokens)
    items, coders = branches(settings), networks.autoencoder

    def ms(work: Work, dtype: str) -> float:
        called = card.call_ms[CASES.index(case)]
        return called + 1000 * card.seconds(work, dtype, case)

    def step_ms(tokens: int) -> float:
        network, dtype = networks.transformer, settings.dtype
        work = flops.network_work(network, tokens, text, settings.modulation, items)
        blocks = flops.block_work(network, tokens, text, items)
        more = quantised_s(network, blocks, storage, dtype, settings.modulation, card, case)
        return ms(work, dtype) + 1000 * more

    sam3, labels_ms = profile.sam3, 0.0
    if sam3 is not None:
        # At most what the profile waits for it.
        labels_ms = min(ms(flops.LABELS, sam3.dtype), float(sam3.timeout_ms))
    return Costs(
        step_ms=step_ms,
        encode_ms=lambda pixels: ms(flops.coder_work(coders.encode, pixels), settings.dtype),
        decode_ms=lambda pixels: ms(flops.coder_work(coders.decode, pixels), settings.dtype),
        text_ms=text_ms(profile, chain, settings, case, kernels),
        labels_ms=labels_ms,
        rest_ms=lambda pixels: REST_MS[case] + REST_MS_PER_MP[case] * pixels / 1e6,
    )


def text_ms(
    profile: Profile, chain: str, settings: ChainSettings, case: str, kernels: str = FUSED
) -> float:
    """Return what embedding one prompt takes, with one picture where the encoder sees pictures, ms.

    Args:
        profile: on a card that `CARDS` has.
        chain: of it.
        settings: of the chain; its text encoder runs on the card or in threads of a CPU.
        case: low, likely or high.
        kernels: as `storage_of` takes it.
    """
    networks, dtype = NETWORKS[chain], settings.text_dtype
    on_card = settings.text_device == "cuda"
    card, threads = (CARDS[profile.name], 1) if on_card else (CPU, settings.text_threads)
    work = flops.text_work(networks, settings.text_tokens)
    spent = card.seconds(work, dtype, case, threads)
    if networks.text is not None:
        tokens = flops.shown_tokens(networks, settings.text_tokens)
        blocks = flops.block_work(networks.text, 0, tokens)
        storage = storage_of(profile.entry(f"{chain}_text"), kernels)
        spent += quantised_s(networks.text, blocks, storage, dtype, "layers", card, case)
    return card.call_ms[CASES.index(case)] + 1000 * spent


def quantised_s(
    network: Network,
    blocks: BlockWork,
    storage: Storage,
    dtype: str,
    modulation: str,
    card: Card,
    case: str,
) -> float:
    """Return the seconds that quantised layers add to a call; below 0 they save some."""
    moved, spent, decoded = 0.0, 0.0, blocks.weights
    if storage.integer:
        # The blocks' products at the other rate.
        spent = blocks.flop / card.flop_s("int8", case) - blocks.flop / card.flop_s(dtype, case)
        moved = blocks.values * storage.around_bytes
        moved += blocks.weights * ((storage.bits or 8) / 8 - BYTES[dtype])
    if storage.modulation and modulation == "layers":
        decoded += sum(layer.weights for layer in network.of(MODULATION))
    return spent + (moved + decoded * storage.decode_bytes) / card.moved_s(case)


def cost_table(profile: Profile) -> dict[str, StageCost]:
    """Model the costs of all chains of a profile that `estimate` takes.

    Integer layers are counted with the fused kernels, which the container has.
    """
    rows: list[StageCost] = []
    for chain in profile.chains:
        rows += _chain_rows(profile, chain)
    costs = [estimate(profile, profile.chains[0], case) for case in CASES]
    rows += [
        _row(costs, CARDS[profile.name].name, (0,), lambda known, _: known.labels_ms),
        _row(costs, CPU.name, REST_PX, lambda known, side: known.rest_ms(side**2)),
    ]
    return dict(zip(stages_of(profile.chains), rows, strict=True))


def _chain_rows(profile: Profile, chain: str) -> tuple[StageCost, ...]:
    """Return a chain's own rows, in the order of `pawfect.costs.PARTS`."""
    costs, settings = [estimate(profile, chain, case) for case in CASES], profile.chain(chain)
    assert settings is not None
    own, px = CARDS[profile.name].name, _sides(settings)
    text_on = CPU.name if settings.text_device == "cpu" else own
    seen = _seen_sides(settings, chain)
    return (
        _row(costs, own, seen, lambda known, side: known.step_ms((side // TOKEN_PX) ** 2)),
        _row(costs, own, px, lambda known, side: known.encode_ms(side**2)),
        _row(costs, own, px, lambda known, side: known.decode_ms(side**2)),
        _row(costs, text_on, (0,), lambda known, _: known.text_ms),
    )


def _row(
    costs: list[Costs], on: str, sides: tuple[int, ...], ms: Callable[[Costs, int], float]
) -> StageCost:
    low, likely, high = (tuple(round(ms(known, side), 1) for side in sides) for known in costs)
    return StageCost(BASIS, on, sides, low, likely, high)


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


def _sides(settings: ChainSettings) -> tuple[int, ...]:
    """Return the working sizes, those half way between them, and half of the smallest."""
    between = ((low + high) // (2 * TOKEN_PX) * TOKEN_PX for low, high in pairwise(settings.sizes))
    return tuple(sorted({settings.sizes[0] // 2, *settings.sizes, *between}))


def _seen_sides(settings: ChainSettings, chain: str) -> tuple[int, ...]:
    """Return the sides of `_sides`, and further ones where steps are shown references too."""
    sides = _sides(settings)
    if chain == "flux":
        return sides
    more = (round(settings.sizes[-1] * sqrt(area) / TOKEN_PX) * TOKEN_PX for area in SEEN_AREAS)
    return (*sides, *more)
