"""`make t4`: what the denoising models take on a T4, modelled, into perf/results and the profiles.

No T4 was at hand.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import click

import pawfect
from pawfect.costs import CASES, Costs
from pawfect.profile import Profile, load_profile
from perf.diffusion import edit_cost, flops, klein_cost
from perf.diffusion.cards import BYTES, CARDS, T4
from perf.diffusion.estimates import cost_table, estimate, write_costs
from perf.diffusion.memory import Process, processes_of, total_gib
from perf.diffusion.published import FLUX, FLUX_AUTOENCODER
from perf.diffusion.request import request_s, rounded
from perf.diffusion.storage import FUSED, TORCH
from perf.diffusion.t4_page import markdown
from perf.publish import provenance, publish

PACKAGES: Final = ("pawfect", "numpy")
PROFILES: Final = Path(pawfect.__file__).parent / "profiles"
SIZES: Final = (512, 768, 1024)
STEPS: Final = (8, 12, 20, 28)
TARGET_S: Final = 30.0
STAGE_PX: Final = 768
# Variants of the memory table: tiles of the VAE, px, and steps that share a call.
TILES: Final = (1024, 768, 512)
BATCHES: Final = (1, 2, 4, 8)
H200_S: Final = 5.58


@dataclass(frozen=True)
class Engine:
    """One way to hold and compute the transformer.

    Attributes:
        name: for people.
        entry: of the weights' manifest.
        modulation: `layers` or `cached`.
        kernels: of integer layers: `fused` (comfy-kitchen) or `torch`.
    """

    name: str
    entry: str
    modulation: str = "cached"
    kernels: str = TORCH

    def profile(self, text_tokens: int = 128, **settings: int) -> Profile:
        """Return the t4 profile with this engine in it."""
        base = load_profile("t4")
        assert base.flux is not None
        given: dict[str, Any] = {"modulation": self.modulation, "text_tokens": text_tokens}
        given |= settings
        weights = MappingProxyType({**base.weights, "flux_transformer": self.entry})
        return replace(base, weights=weights, flux=replace(base.flux, **given))

    def costs(self, text_tokens: int = 128) -> dict[str, Costs]:
        """Return its costs on a T4 by case."""
        profile = self.profile(text_tokens)
        return {case: estimate(profile, "flux", case, self.kernels) for case in CASES}

    def processes(self, side: int, batch: int = 1, **settings: int) -> tuple[Process, ...]:
        """Return its processes with windows up to `side` px."""
        profile = self.profile(**settings)
        return processes_of(profile, side=side, batch=batch, kernels=self.kernels)


ENGINES: Final = (
    Engine("Q4_0, modulation in the layers", "flux-fill-dev-q4_0", "layers"),
    Engine("Q4_0, cached modulation", "flux-fill-dev-q4_0"),
    Engine("int8, torch's kernels", "flux-fill-dev-turbo-int8"),
    Engine("int8, fused kernels", "flux-fill-dev-turbo-int8", kernels=FUSED),
    Engine("int4, torch's kernels", "flux-fill-dev-turbo-int4"),
    Engine("int4, fused kernels", "flux-fill-dev-turbo-int4", kernels=FUSED),
)


def cells() -> Iterator[dict[str, Any]]:
    """Yield all cells of engine x size x steps; seconds are modelled.

    `step_s` and `total_s` are by case, of one step and of the request, its prompt encoded before;
    `memory_gib` is of all processes with windows up to this size, `fits` whether the card has it,
    and `under_30_s` which cases end under the target.
    """
    for engine in ENGINES:
        known = engine.costs()
        for side in SIZES:
            held = total_gib(engine.processes(side))
            fits = held < T4.usable_gib
            step_s = {case: known[case].step_ms((side // 16) ** 2) / 1000 for case in CASES}
            for steps in STEPS:
                total_s = {case: request_s(known[case], side, steps) for case in CASES}
                yield {
                    "engine": engine.name,
                    "side": side,
                    "steps": steps,
                    "step_s": rounded(step_s, 3),
                    "total_s": rounded(total_s, 1),
                    "memory_gib": round(held, 2),
                    "fits": fits,
                    "under_30_s": _under_target(rounded(total_s, 1), fits),
                }


def _under_target(total_s: Mapping[str, float], fits: bool) -> str:
    under = [case for case in CASES if total_s[case] < TARGET_S]
    found = "yes" if len(under) == len(CASES) else f"{under[-1]} only" if under else "no"
    return found if fits else f"{found}, does not fit"


def stage_rows(engine: Engine, side: int) -> list[dict[str, Any]]:
    """Return each stage's work and modelled seconds on a T4 at one size."""
    settings, known = engine.profile().flux, engine.costs()
    assert settings is not None
    half, tokens, pixels = settings.dtype, (side // 16) ** 2, side * side
    step = flops.network_work(FLUX, tokens, settings.text_tokens, engine.modulation)
    coders = FLUX_AUTOENCODER
    caption = {case: T4.seconds(flops.CAPTION, half, case) for case in CASES}

    def ms(stage: str, *size: int) -> dict[str, float]:
        values = {case: getattr(known[case], stage) for case in CASES}
        return {case: (value(*size) if size else value) / 1000 for case, value in values.items()}

    rows = (
        ("SAM3, all phrases", flops.LABELS, half, ms("labels_ms")),
        ("Florence-2, longest caption", flops.CAPTION, half, caption),
        ("T5 and CLIP, on the CPU", flops.TEXT, "float32", ms("text_ms")),
        ("VAE, encode", flops.coder_work(coders.encode, pixels), half, ms("encode_ms", pixels)),
        ("one denoising step", step, half, ms("step_ms", tokens)),
        ("VAE, decode", flops.coder_work(coders.decode, pixels), half, ms("decode_ms", pixels)),
    )
    return [
        {
            "stage": name,
            "tflop": round(work.flop / 1e12, 3),
            "weights_million": round(work.weights / 1e6, 1),
            "moved_gb": round(work.moved * BYTES[dtype] / 1e9, 2),
            "seconds": rounded(spent, 3),
        }
        for name, work, dtype, spent in rows
    ]


def comparison_rows() -> list[dict[str, Any]]:
    """Return the model beside what was seen or published."""
    # What the service ran before: 28 steps of the whole photo, its longer side 1024 px.
    known = ENGINES[0].costs(512)
    whole = {case: 28 * known[case].step_ms(64 * 48) / 1000 for case in CASES}
    profile = load_profile("h200")
    assert profile.flux is not None
    profile = replace(profile, flux=replace(profile.flux, text_tokens=512))
    spent = {}
    for case in CASES:
        h200 = estimate(profile, "flux", case)
        spent[case] = (28 * h200.step_ms(4096) + h200.decode_ms(1024**2)) / 1000
    return [
        {"what": "T4, Q4_0, 28 steps, 1024x768 px, 512 text tokens", "known": "60-120 (seen)",
         "modelled": rounded(whole, 1)},
        {"what": "H200, bf16 eager, 28 steps, 1024x1024 px", "known": f"{H200_S} (published)",
         "modelled": rounded(spent, 1)},
    ]  # fmt: skip


def memory_rows() -> list[dict[str, Any]]:
    """Return GiB by engine, VAE tile, batch and size: batches of the last engine alone."""
    variants = [(engine, px, 1) for engine in ENGINES for px in TILES]
    variants += [(ENGINES[-1], TILES[0], batch) for batch in BATCHES[1:]]
    return [
        {"engine": engine.name, "tile_px": px, "batch": batch}
        | {
            str(side): round(total_gib(engine.processes(side, batch, tile_px=px)), 2)
            for side in SIZES
        }
        for engine, px, batch in variants
    ]


def model() -> dict[str, Any]:
    """Return the whole result but for its provenance: the same on every machine."""
    klein = list(klein_cost.cells())
    return {
        "note": "seconds are modelled, not measured",
        "cells": list(cells()),
        "stage_px": STAGE_PX,
        "stage_engine": ENGINES[-1].name,
        "stages": stage_rows(ENGINES[-1], STAGE_PX),
        "memory": memory_rows(),
        "processes": [asdict(process) for process in ENGINES[-1].processes(SIZES[-1])],
        "profiles": {
            name: round(total_gib(processes_of(load_profile(name), kernels=TORCH)), 2)
            for name in CARDS
        },
        "comparison": comparison_rows(),
        "klein": klein,
        "klein_goals": klein_cost.goals(klein),
        "klein_stages": klein_cost.stage_rows(),
        "klein_processes": [asdict(process) for process in klein_cost.own_processes()],
        "edit": list(edit_cost.cells()),
    }


@click.command()
@click.option("--costs/--no-costs", default=True, help="Write the profiles' tables of costs too.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("perf/results"))
def t4(out: Path, costs: bool) -> None:
    """Write `t4-model.json` and `.md`, and what stages cost into the profiles."""
    result = {"provenance": provenance("make t4", PACKAGES), **model()}
    page = markdown(result)
    publish(out, "t4-model", result, page)
    click.echo(page)
    for name in CARDS if costs else ():
        write_costs(PROFILES / f"{name}.toml", cost_table(load_profile(name)))


if __name__ == "__main__":
    t4()
