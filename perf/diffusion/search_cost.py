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
from perf.diffusion.estimates import estimate
from perf.diffusion.storage import FUSED, TORCH
from perf.publish import as_markdown, provenance, publish, table

CARDS: Final = (("t4", TORCH), ("t4", FUSED), ("l4", FUSED), ("h200", FUSED))
SIZES: Final = (512, 768, 1024)
# Of the reference photo, 1600 x 1200.
PHOTO_PIXELS: Final = 1600 * 1200
# The local judge on the CPU, without its networks, ms for each candidate: measured at 1 MP
# (docs/judges.md); candidates of a batch are judged while the card works at the next.
JUDGE_MS: Final = 100.0
INTRODUCTION: Final = """\
**Every second on this page is modelled, none is measured: no card was at hand.** What a stage
costs is modelled as in perf/results/t4-model.md. A search is: labels around the hole and the prompt
once, the undiffused candidate on the CPU beside it, each other candidate encoded, denoised in the
profile's steps (a child that starts from its parent's picture runs a part of them) and decoded, and
the surfaces inside each by SAM3 for the local judge. One square window on a photo of 1600x1200; a
prompt that the cache has. Judges elsewhere are not in it: they are asked while the card works at
the next candidates.
"""


def tries_of(preset: str) -> tuple[Try, ...]:
    """Return the candidates of a preset by FLUX, where none of the parents is the undiffused."""
    plan = search_plan(SearchParams(preset=preset))
    first = global_tries(plan, "flux", 0)
    parents = [one for one in first if one.variation.name != UNDIFFUSED][: plan.m_global]
    return (*first, *local_tries(plan, "flux", 0, parents))


def steps_of(tries: Sequence[Try], steps: int) -> int:
    """Return how many steps of a schedule all candidates run together."""
    return sum(
        steps_run(steps, float(one.variation.settings.get("strength", 1.0)))
        for one in tries
        if one.variation.name != UNDIFFUSED
    )


def search_s(known: Costs, tries: Sequence[Try], side: int, steps: int) -> float:
    """Return the seconds of a search over one square window of `side` px."""
    tokens, pixels = (side // 16) ** 2, side * side
    made = sum(one.variation.name != UNDIFFUSED for one in tries)
    each = known.encode_ms(pixels) + known.decode_ms(pixels)
    spent = steps_of(tries, steps) * known.step_ms(tokens) + made * each
    judged = len(tries) * known.labels_ms + JUDGE_MS
    return (spent + known.labels_ms + judged + known.rest_ms(PHOTO_PIXELS)) / 1000


def cells() -> Iterator[dict[str, Any]]:
    """Yield all cells of card x preset x size; seconds by case are modelled."""
    for name, kernels in CARDS:
        profile = load_profile(name)
        assert profile.flux is not None
        known = {case: estimate(profile, "flux", case, kernels) for case in CASES}
        for preset in PRESETS:
            tries, steps = tries_of(preset), profile.flux.steps
            for side in SIZES:
                yield {
                    "card": name,
                    "kernels": kernels,
                    "preset": preset,
                    "candidates": len(tries),
                    "side": side,
                    "steps": steps,
                    "steps_together": steps_of(tries, steps),
                    "total_s": {
                        case: round(search_s(known[case], tries, side, steps), 1) for case in CASES
                    },
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
        "card", "kernels", "preset", "candidates", "px", "steps of one", "steps together",
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
