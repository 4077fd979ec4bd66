"""`make t4`: what a search takes on each card, modelled, into perf/results.

Candidates share batches of steps, which a card works at for as long as for the same steps one by
one; so they are summed. What the judges elsewhere take is theirs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import click

from pawfect.contract.search import PRESETS, SearchParams, search_plan
from pawfect.costs import CASES, Costs
from pawfect.orchestrator.planner import steps_run
from pawfect.profile import load_profile
from pawfect.search.tries import UNDIFFUSED, Try, global_tries, local_tries
from pawfect.settings import ChainSettings
from perf.diffusion.estimates import estimate
from perf.diffusion.memory import seen_pictures
from perf.diffusion.request import PHOTO_PIXELS, rounded
from perf.diffusion.storage import FUSED, TORCH
from perf.publish import as_markdown, provenance, publish, table

# Profiles, whose first engine makes the candidates, and kernels of integer layers.
CARDS: Final = (
    ("t4", TORCH),
    ("t4", FUSED),
    ("t4-klein", TORCH),
    ("t4-klein", FUSED),
    ("l4", FUSED),
    ("l4-edit", FUSED),
    ("h200", FUSED),
)
SIZES: Final = (512, 768, 1024)
# The local judge on the CPU, without its networks, ms for each candidate: measured at 1 MP
# (docs/judges.md); candidates of a batch are judged while the card works at the next.
JUDGE_MS: Final = 100.0
INTRODUCTION: Final = """\
**Every second on this page is modelled, none is measured: no card was at hand.** What a stage
costs is modelled as in perf/results/t4-model.md. A search is: labels around the hole and the prompt
once, the undiffused candidate on the CPU beside it, each other candidate encoded, denoised in the
profile's steps (a child that starts from its parent's picture runs a part of them) and decoded, and
the surfaces inside each by SAM3 for the local judge. One square window on a photo of 1600x1200; a
prompt that the cache has. Candidates are made by the profile's first engine: FLUX.1-Fill, or what
the profile is named after, FLUX.2 [klein] or Qwen-Image-Edit. Judges elsewhere are not in it: they
are asked while the card works at the next candidates.
"""


def tries_of(preset: str, engine: str = "flux") -> tuple[Try, ...]:
    """Return the candidates of a preset by an engine, none of the parents the undiffused."""
    plan = search_plan(SearchParams(preset=preset))
    first = global_tries(plan, engine, 0)
    parents = [one for one in first if one.variation.name != UNDIFFUSED][: plan.m_global]
    return (*first, *local_tries(plan, engine, 0, parents))


def steps_of(tries: Sequence[Try], steps: int, strength: float = 1.0) -> int:
    """Return how many steps of a schedule all candidates run, those of the first at a strength."""
    return sum(
        steps_run(steps, float(one.variation.settings.get("strength", strength)))
        for one in tries
        if one.variation.name != UNDIFFUSED
    )


def search_s(known: Costs, tries: Sequence[Try], side: int, settings: ChainSettings) -> float:
    """Return the seconds of a search over one square window of `side` px, its prompt known."""
    tokens, pixels = seen_pictures(settings) * (side // 16) ** 2, side * side
    made = sum(one.variation.name != UNDIFFUSED for one in tries)
    each = known.encode_ms(pixels) + known.decode_ms(pixels)
    steps = steps_of(tries, settings.steps, settings.strength)
    spent = steps * known.step_ms(tokens) + made * each
    judged = len(tries) * known.labels_ms + JUDGE_MS
    return (spent + known.labels_ms + judged + known.rest_ms(PHOTO_PIXELS)) / 1000


def cells() -> Iterator[dict[str, Any]]:
    """Yield all cells of card x preset x size; seconds by case are modelled."""
    for name, kernels in CARDS:
        profile = load_profile(name)
        engine = profile.engines[0]
        settings = profile.chain(engine)
        assert settings is not None
        known = {case: estimate(profile, engine, case, kernels) for case in CASES}
        for preset in PRESETS:
            tries = tries_of(preset, engine)
            for side in SIZES:
                spent = {case: search_s(known[case], tries, side, settings) for case in CASES}
                yield {
                    "card": name,
                    "kernels": kernels,
                    "preset": preset,
                    "candidates": len(tries),
                    "side": side,
                    "steps": settings.steps,
                    "steps_together": steps_of(tries, settings.steps, settings.strength),
                    "total_s": rounded(spent, 1),
                }


def model() -> dict[str, Any]:
    """Return the whole result but for its provenance: the same on every machine."""
    return {"note": "seconds are modelled, not measured", "cells": list(cells())}


def markdown(result: dict[str, Any]) -> str:
    """Return the result as one page."""
    rows = (
        (
            *(cell[name] for name in ("card", "kernels", "preset", "candidates", "side", "steps")),
            cell["steps_together"],
            *(f"{cell['total_s'][case]:.1f}" for case in ("likely", "low", "high")),
        )
        for cell in result["cells"]
    )
    head = (
        "profile", "kernels", "preset", "candidates", "px", "steps of one", "steps together",
        "s likely", "low", "high",
    )  # fmt: skip
    parts = (
        "# What a search takes on each card, modelled\n",
        as_markdown(result["provenance"]),
        INTRODUCTION,
        table(head, rows),
    )
    return "\n".join(parts)


@click.command()
@click.option("--out", type=click.Path(path_type=Path), default=Path("perf/results"))
def search_cost(out: Path) -> None:
    """Write `search-cost.json` and `.md`."""
    result = {"provenance": provenance("make t4", ("pawfect",)), **model()}
    publish(out, "search-cost", result, markdown(result))


if __name__ == "__main__":
    search_cost()
