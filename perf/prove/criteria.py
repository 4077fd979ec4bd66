"""The roadmap's success criteria and those of single engines, each with what judges it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

from perf.prove import flow, klein, settings
from perf.prove.evidence import Evidence
from perf.prove.verdict import REHEARSED, Verdict


@dataclass(frozen=True)
class Criterion:
    """One line of the roadmap, or of what an engine is to reach.

    Attributes:
        number: PHASE.LINE; 5 is beside the roadmap.
        text: what it asks.
        judge: looks at the evidence.
        of_weights: whether it is about pictures, or about seconds of a card: with tiny random
            weights it is rehearsed, and judged nowhere.
    """

    number: str
    text: str
    judge: Callable[[Evidence], Verdict]
    of_weights: bool = False

    def verdict(self, found: Evidence) -> Verdict:
        """Return how it came out."""
        verdict = self.judge(found)
        if found.plan.rehearsal and self.of_weights:
            return replace(
                verdict, status=REHEARSED, how=f"would be: {verdict.status}. {verdict.how}"
            )
        return verdict


CRITERIA: Final = (
    Criterion("0.1", "Baseline in seconds; Q4_0 beside Q8_0 on the session: quantisation's part in "
              "wrong content confirmed or ruled out", settings.quantisations_part, True),
    Criterion("0.2", "Guidance grid 2, 4, 10, 20, 30: the best value for background fill named",
              settings.guidance_grid, True),
    Criterion("0.3", "torch.compile on sm_75 confirmed or rejected by torch._dynamo.explain()",
              settings.compile_explained, True),
    Criterion("0.4", "A written report with numeric targets for steps, guidance, quantisation",
              settings.targets, True),
    Criterion("1.1", "Steps from 28 to the audited number (about 20), live",
              settings.steps_live, True),
    Criterion("1.2", "The audited guidance, live", settings.guidance_live, True),
    Criterion("1.3", "From Q4_0 to the better of Q5_K_M and Q8_0",
              settings.quantisation_live, True),
    Criterion("1.4", "Isolated white pixels leave the mask", flow.specks_leave),
    Criterion("1.5", "The mask grows 8-16 px, no hard seam", flow.mask_grows),
    Criterion("2.1", "Surface labels around the mask", flow.labels_around),
    Criterion("2.2", "Labelling beside the enqueue, which does not wait",
              flow.enqueue_does_not_wait),
    Criterion("2.3", "sceneLabels in the session's document, read on pickup",
              flow.labels_on_pickup),
    Criterion("2.4", "NACK while labels are missing, ended by an attempt counter and a wall-clock "
              "deadline", flow.nack_ends),
    Criterion("2.5", "Without labels Florence-2 or an empty prompt, never a failed job",
              flow.never_failed),
    Criterion("3.1", "The static prompt replaced by one built from labels or caption",
              flow.prompt_built),
    Criterion("3.2", "Florence-2-base captions the surroundings (1-2 s) where labels are absent",
              flow.captions, True),
    Criterion("3.3", "Prompt building in one unit-tested module", flow.prompt_module),
    Criterion("3.4", "On D1A406F5 matching grass and leaves, no wrong object", flow.right_content,
              True),
    Criterion("4.1", "Regional compile on the transformer's blocks if 0.3 allows, shown to run by "
              "explain()", settings.regional_compile, True),
    Criterion("4.2", "Under 30 s on a T4 on the session, all stages", settings.in_time, True),
    Criterion("4.3", "Else another optimisation (xformers, VAE tiling) documented and applied",
              settings.otherwise, True),
)  # fmt: skip
# What is asked of an engine beside the roadmap, which knew none but FLUX.1.
OWN: Final[Mapping[str, tuple[Criterion, ...]]] = MappingProxyType(
    {
        "klein": (
            Criterion("5.1", "Strength 0.5 to 0.9: the best value for background fill named",
                      klein.strength, True),
            Criterion("5.2", "With and without reference tokens: the better named, with the "
                      "seconds of both", klein.references, True),
            Criterion("5.3", "On a T4 at 768 px, 4 steps: under 10 s without reference tokens, "
                      "under 15 s with them", klein.in_time, True),
        ),
    }
)  # fmt: skip


def criteria_of(engine: str) -> tuple[Criterion, ...]:
    """Return what is asked of an engine: the roadmap's criteria, and its own."""
    return CRITERIA + OWN.get(engine, ())
