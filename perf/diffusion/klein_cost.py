"""What FLUX.2 [klein] takes on a T4, modelled: a part of `make t4`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import product
from types import MappingProxyType
from typing import Any, Final

from pawfect.costs import CASES, Costs
from pawfect.profile import Profile, load_profile
from perf.diffusion import flops
from perf.diffusion.cards import BYTES, T4
from perf.diffusion.estimates import estimate
from perf.diffusion.flops import Work
from perf.diffusion.memory import Process, processes_of, total_gib
from perf.diffusion.published import NETWORKS
from perf.diffusion.request import request_s, rounded
from perf.diffusion.storage import FUSED, TORCH

PROFILE: Final = "t4-klein"
SCHEMES: Final = ("int4", "int8")
KERNELS: Final = (FUSED, TORCH)
SIZES: Final = (512, 768, 1024)
# What it is distilled to; a strength under 1 runs fewer.
STEPS: Final = 4
STAGE_PX: Final = 768
# Threads of the CPU that a text encoder may have, as the profiles give T5.
CPU_THREADS: Final = 4
# With the prompt known, the seconds that are likely, without references and with them, by side in
# px; and what the slowest rates may take.
GOALS: Final = ((False, 768, 10.0), (False, 1024, 14.0), (True, 768, 15.0))
HIGH_S: Final = 30.0


def variant(scheme: str = "int4", *, references: bool = True, text_on_cpu: bool = False) -> Profile:
    """Return the t4-klein profile with another transformer, without references, or T4's CPU."""
    base = load_profile(PROFILE)
    assert base.klein is not None
    weights, settings = {**base.weights, "klein_transformer": f"klein-4b-{scheme}"}, base.klein
    if text_on_cpu:
        weights["klein_text"] = "klein-4b"
        settings = replace(
            settings, text_device="cpu", text_dtype="float32", text_threads=CPU_THREADS
        )
    settings = replace(settings, references=references)
    return replace(base, weights=MappingProxyType(weights), klein=settings)


def costs(profile: Profile, kernels: str) -> dict[str, Costs]:
    """Return klein's costs by case."""
    return {case: estimate(profile, "klein", case, kernels) for case in CASES}


def cells() -> Iterator[dict[str, Any]]:
    """Yield all cells of transformer x kernels x references x size; seconds are modelled.

    Of each by case: `step_s` of one step; `known_s` of a request whose prompt is known, `unseen_s`
    of one whose prompt is encoded first, in 4 bits on the card, `unseen_cpu_s` on the CPU.
    `memory_gib` is of all processes with windows up to this size, `fits` whether the card has it.
    """
    for scheme, kernels, references in product(SCHEMES, KERNELS, (False, True)):
        for side in SIZES:
            yield _cell(scheme, kernels, references, side)


def _cell(scheme: str, kernels: str, references: bool, side: int) -> dict[str, Any]:
    profile, pictures = variant(scheme, references=references), 1 + references
    known, asked = costs(profile, kernels), (side, STEPS, pictures)
    on_cpu = costs(variant(scheme, references=references, text_on_cpu=True), kernels)
    tokens = pictures * (side // 16) ** 2
    held = total_gib(processes_of(profile, side=side, kernels=kernels))
    return {
        "scheme": scheme,
        "kernels": kernels,
        "references": references,
        "side": side,
        "step_s": rounded({case: of.step_ms(tokens) / 1000 for case, of in known.items()}, 3),
        "known_s": rounded({case: request_s(of, *asked) for case, of in known.items()}, 1),
        "unseen_s": rounded({case: request_s(of, *asked, 1) for case, of in known.items()}, 1),
        "unseen_cpu_s": rounded({case: request_s(of, *asked, 1) for case, of in on_cpu.items()}, 1),
        "memory_gib": round(held, 2),
        "fits": held < T4.usable_gib,
    }


def goals(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return whether each of GOALS is reached, by transformer and kernels."""
    found = []
    for row, (references, side, limit) in product(rows, GOALS):
        if (row["references"], row["side"]) != (references, side):
            continue
        likely, high = row["known_s"]["likely"], row["known_s"]["high"]
        found.append(
            {name: row[name] for name in ("scheme", "kernels", "references", "side", "fits")}
            | {
                "likely_under_s": limit,
                "likely_s": likely,
                "high_under_s": HIGH_S,
                "high_s": high,
                "reached": likely < limit and high < HIGH_S and row["fits"],
            }
        )
    return found


def stage_rows(side: int = STAGE_PX) -> list[dict[str, Any]]:
    """Return the work and the seconds of each of klein's own stages, fused kernels, at one size."""
    networks, pixels, tokens = NETWORKS["klein"], side * side, (side // 16) ** 2
    profile, coders = variant(), NETWORKS["klein"].autoencoder
    assert profile.klein is not None
    text_tokens = profile.klein.text_tokens
    known, on_cpu = costs(profile, FUSED), costs(variant(text_on_cpu=True), FUSED)
    text = flops.text_work(networks, text_tokens)

    def step(pictures: int) -> Work:
        return flops.network_work(networks.transformer, pictures * tokens, text_tokens)

    rows: tuple[tuple[str, Work, str, Callable[[str], float]], ...] = (
        ("Qwen3, 4 bits, on the card", text, "float16", lambda case: known[case].text_ms),
        ("Qwen3, on the CPU", text, "float32", lambda case: on_cpu[case].text_ms),
        ("VAE, encode", flops.coder_work(coders.encode, pixels), "float16",
         lambda case: known[case].encode_ms(pixels)),
        ("one step, no reference", step(1), "float16", lambda case: known[case].step_ms(tokens)),
        ("one step, a reference", step(2), "float16", lambda case: known[case].step_ms(2 * tokens)),
        ("VAE, decode", flops.coder_work(coders.decode, pixels), "float16",
         lambda case: known[case].decode_ms(pixels)),
    )  # fmt: skip
    return [
        {
            "stage": name,
            "tflop": round(work.flop / 1e12, 3),
            "weights_million": round(work.weights / 1e6, 1),
            "moved_gb": round(work.moved * BYTES[dtype] / 1e9, 2),
            "seconds": rounded({case: ms(case) / 1000 for case in CASES}, 3),
        }
        for name, work, dtype, ms in rows
    ]


def own_processes() -> tuple[Process, ...]:
    """Return the processes of the profile at its largest window, with torch's kernels."""
    return processes_of(load_profile(PROFILE), kernels=TORCH)
