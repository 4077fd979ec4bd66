"""GiB of each process that a profile puts on the card, from real sizes of parameters.

A process holds its CUDA context, its weights, and the most that its activations took so far: torch
keeps freed memory for itself, so peaks add up over processes even where they never coincide.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pawfect.profile import FluxSettings, Profile
from perf.flux.configs import TRANSFORMER, Configs, configs_of
from perf.flux.estimates import PHRASES_AT_ONCE
from perf.flux.flops import florence2, flux, sam3
from perf.flux.parameters import BYTES, count_of, sizes_of, transformer_bytes

GIB: Final = 2**30
# A CUDA context with torch's and cuBLAS's kernels: about 0.45 GiB per process.
CONTEXT_GIB: Final = 0.45
# What an allocator of blocks holds over what lives in them.
SLACK: Final = 1.1
# Bytes that live at the peak of a call, as multiples of one tensor: followed through the real
# modules at full size and half precision (tests/perf/flux/test_memory.py). FLUX: tokens x width,
# in the single blocks, where queries, keys, values, the MLP's hidden layer and its input live
# together. VAE: pixels x its first width. SAM3: cells x width. Florence-2: cells of the first
# stage x its width.
FLUX_PEAK: Final = 17.6
ENCODE_PEAK: Final = 5.1
DECODE_PEAK: Final = 6.1
VISION_PEAK: Final = 15.5
PHRASE_PEAK: Final = 60.0
FLORENCE2_PEAK: Final = 18.2
# Keys, values and logits of the caption's beams, bytes.
CAPTION_BYTES: Final = 64 * 2**20
# Parts of SAM3 that are let go once the phrases are encoded.
LET_GO: Final = ("text_encoder.", "geometry_encoder.")


@dataclass(frozen=True)
class Process:
    """One process on the card, GiB.

    Attributes:
        model: the Triton model.
        weights: of parameters.
        activations: the most that lives during a call, with what the allocator holds over it.
        context: of CUDA.
    """

    model: str
    weights: float
    activations: float
    context: float = CONTEXT_GIB

    @property
    def total(self) -> float:
        """All of it, GiB."""
        return self.weights + self.activations + self.context


@dataclass(frozen=True)
class Plan:
    """The processes of one profile on the card, GiB in sum as `total`."""

    processes: tuple[Process, ...]

    @property
    def total(self) -> float:
        """GiB of all processes."""
        return sum(process.total for process in self.processes)


def plan_of(
    profile: Profile,
    *,
    side: int | None = None,
    batch: int = 1,
    root: Path | None = None,
    kernels: str | None = None,
) -> Plan | None:
    """Plan a profile's memory on its card.

    Args:
        profile: whose.
        side: of the largest square window, px; None: the largest of the profile's sizes.
        batch: steps that share a call of the transformer.
        root: the weights' root; None: the configured one.
        kernels: as `storage_of` takes it.

    Returns:
        The plan, empty where nothing runs on a card; None where a model is no published one and
        its weights are not here.
    """
    found = configs_of(profile, root, kernels=kernels)
    if found is None:
        return None
    if not found.published:
        return Plan(()) if not _on_card(profile) else None
    made: dict[str, Callable[[], Process]] = {}
    settings = profile.flux
    if settings is not None:
        px = settings.sizes[-1] if side is None else side
        made |= _flux(settings, found, px, batch)
    if profile.sam3 is not None and profile.sam3.device == "cuda":
        size = BYTES[profile.sam3.dtype]
        made["sam3_labeling"] = lambda: _sam3(found, size)
    if profile.florence2 is not None and profile.florence2.device == "cuda":
        half = BYTES[profile.florence2.dtype]
        made["florence2"] = lambda: _florence2(found, half)
    return Plan(tuple(made[model]() for model in profile.models if model in made))


def _flux(
    settings: FluxSettings, found: Configs, px: int, batch: int
) -> dict[str, Callable[[], Process]]:
    made: dict[str, Callable[[], Process]] = {}
    if settings.text_device == "cuda":
        made["flux_text_encoder"] = lambda: _text(settings)
    if settings.device == "cuda":
        made["flux_vae_encoder"] = lambda: _vae(
            "flux_vae_encoder", found, settings, px, ENCODE_PEAK
        )
        made["flux_vae_decoder"] = lambda: _vae(
            "flux_vae_decoder", found, settings, px, DECODE_PEAK
        )
        made["flux_transformer"] = lambda: _transformer(settings, found, px, batch)
    return made


def _transformer(settings: FluxSettings, found: Configs, px: int, batch: int) -> Process:
    config, storage = found.parts[TRANSFORMER], found.storage
    if storage is None:
        raise ValueError("storage: expected the transformer's, got none")
    weights = transformer_bytes(storage, settings.dtype, settings.modulation)
    tokens = batch * ((px // 16) ** 2 + settings.text_tokens)
    width = flux.inner_width(config)
    peak = FLUX_PEAK * tokens * width * BYTES[settings.dtype]
    # The widest layer, behind the MLP of a single block.
    peak += storage.scratch_bytes * (1 + flux.MLP_RATIO) * width**2
    return _process("flux_transformer", weights, peak)


def _vae(model: str, found: Configs, settings: FluxSettings, px: int, peak: float) -> Process:
    config, size = found.parts["vae"], BYTES[settings.dtype]
    # Longer sides go in tiles.
    side = min(px, settings.tile_px) if settings.tile_px else px
    live = peak * side**2 * int(config["block_out_channels"][0]) * size
    return _process(model, count_of(sizes_of("flux_vae")) * size, live)


def _text(settings: FluxSettings) -> Process:
    size = BYTES[settings.text_dtype]
    t5, clip = sizes_of("t5_text_encoder"), sizes_of("clip_text_encoder")
    held = count_of({**t5, **{f"clip.{name}": count for name, count in clip.items()}}) * size
    if settings.text_dtype == "float16":
        # `wo` stays in float32.
        held += count_of({name: n for name, n in t5.items() if name.endswith(".wo.weight")}) * 2
    # The gated hidden layers and the norms in fp32.
    return _process("flux_text_encoder", held, settings.text_tokens * 10240 * 4 * 6)


def _sam3(found: Configs, size: int) -> Process:
    config = found.parts["sam3"]
    own = {
        name.removeprefix("detector_model."): count
        for name, count in sizes_of("sam3").items()
        if name.startswith("detector_model.")
    }
    kept = count_of({name: n for name, n in own.items() if not name.startswith(LET_GO)}) * size
    rows, columns = sam3.cells_of(config)
    cells = rows * columns
    backbone = sam3.detector(config)["vision_config"]["backbone_config"]
    width = int(sam3.detector(config)["detr_encoder_config"].get("hidden_size", 256))
    live = max(
        VISION_PEAK * cells * int(backbone["hidden_size"]) * size,
        PHRASE_PEAK * cells * width * size * PHRASES_AT_ONCE,
        # While it loads, the text encoder is there too.
        count_of(own) * size - kept,
    )
    return _process("sam3_labeling", kept, live)


def _florence2(found: Configs, size: int) -> Process:
    config = found.parts["florence2"]
    cells, width, _ = next(iter(florence2.stages(config, found.caption_px)))
    live = FLORENCE2_PEAK * cells**2 * width * size + CAPTION_BYTES
    return _process("florence2", count_of(sizes_of("florence2_base")) * size, live)


def _process(model: str, weights: float, live: float) -> Process:
    return Process(model, weights / GIB, SLACK * live / GIB)


def _on_card(profile: Profile) -> bool:
    devices: Iterable[str] = (
        settings.device
        for settings in (profile.flux, profile.sam3, profile.florence2)
        if settings is not None
    )
    return "cuda" in devices


def largest_batch(profile: Profile, side: int, usable_gib: float, most: int = 8) -> int:
    """Return how many steps at one size may share a call within the card's memory.

    Args:
        profile: whose.
        side: of the square window, px; the other processes are planned for the profile's largest.
        usable_gib: of the card.
        most: of a batch.

    Returns:
        0 to `most`; 0 where not even one fits, or nothing is known.
    """
    whole = plan_of(profile)
    fits = 0
    for batch in range(1, most + 1):
        plan = plan_of(profile, side=side, batch=batch)
        if whole is None or plan is None:
            break
        steps = next((p for p in plan.processes if p.model == "flux_transformer"), None)
        others = sum(p.total for p in whole.processes if p.model != "flux_transformer")
        if others + (steps.total if steps else 0) > usable_gib:
            break
        fits = batch
    return fits
