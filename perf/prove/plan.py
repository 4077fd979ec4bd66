"""Which cells a proof runs: the baseline as it was, the product's own, and the roadmap's grid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

from pawfect.contract.parameters import MAX_DEADLINE_MS
from pawfect.profile import Profile
from perf.audit.matrix import Axes, Matrix, Source

# The service before this one: its prompt was the same for every photo.
STATIC_PROMPT: Final = "empty ground, nothing here"
STATIC: Final = "static"
BASELINE_PX: Final = 1024
BASELINE_STEPS: Final = 28
BASELINE_GUIDANCE: Final = 10.0
# The roadmap's grid.
GUIDANCE: Final = (2.0, 4.0, 10.0, 20.0, 30.0)
STEPS: Final = (8, 20, 28)
# What the roadmap expects of 1.1; the middle from which a short run varies one thing at a time.
MIDDLE_STEPS: Final = 20
# A picture more or less strange may be the seed's doing: what quantisation does is told by three
# of the baseline. All settings that are compared with each other have the first alone.
SEEDS: Final = (0, 1, 2)
# For the roadmap's Q4_0, Q5_K_M and Q8_0. No published Q5_K_M of FLUX.1-Fill-dev could be named:
# Q5_K_S, of nearly its size, stands for it.
PUBLISHED: Final = ("flux-fill-dev-q4_0", "flux-fill-dev-q5_k_s", "flux-fill-dev-q8_0")
# With tiny weights a rehearsal: the same number of loads.
REHEARSED: Final = ("tiny-flux-fill-int4", "tiny-flux-fill-int8", "tiny-flux-fill-q8_0")


@dataclass(frozen=True)
class Plan:
    """What is run.

    Attributes:
        matrices: whose cells together are run.
        quantisations: by the roadmap's name, the entry that is it or stands for it.
        rehearsal: whether the weights are tiny random ones.
    """

    matrices: tuple[Matrix, ...]
    quantisations: Mapping[str, str]
    rehearsal: bool

    @property
    def source(self) -> Source:
        """The session, with the texts that its cells ask for."""
        return self.matrices[0].session[0]

    @property
    def entries(self) -> tuple[str, ...]:
        """Entries of the weights' manifest for the transformer, each once."""
        every = (name for matrix in self.matrices for name in matrix.axes.quantisation)
        return tuple(dict.fromkeys(every))


def plan_of(profile: Profile, source: Source, *, full: bool) -> Plan:
    """Return what a profile's proof runs on one session.

    Args:
        profile: with FLUX.
        source: the session.
        full: the whole grid; else each axis by itself from its middle.
    """
    assert profile.flux is not None
    rehearsal = profile.weights["flux_transformer"].startswith("tiny-")
    entries = REHEARSED if rehearsal else PUBLISHED
    baseline_px = max(px for px in profile.flux.sizes if px <= BASELINE_PX)
    # The size next to the smallest: what the planner takes for most holes within 30 s.
    grid_px = profile.flux.sizes[0] if rehearsal else profile.flux.sizes[1]
    named = replace(source, prompts=MappingProxyType({STATIC: STATIC_PROMPT}))

    def matrix(
        quantisation: tuple[str, ...],
        guidance: tuple[float, ...],
        steps: tuple[int, ...],
        prompt: str = "labels",
        size: int = grid_px,
        seeds: tuple[int, ...] = SEEDS[:1],
    ) -> Matrix:
        axes = Axes(quantisation, guidance, steps, (prompt,), (size,))
        return Matrix(
            profile.name, axes, (named,), seeds, MAX_DEADLINE_MS, profile.budget["inpaint"]
        )

    q4, q8 = entries[0], entries[-1]
    middle = ((BASELINE_GUIDANCE,), (MIDDLE_STEPS,))
    matrices = [
        matrix((q4, q8), (BASELINE_GUIDANCE,), (BASELINE_STEPS,), STATIC, baseline_px, SEEDS),
        matrix(
            (profile.weights["flux_transformer"],),
            (profile.flux.guidance_scale,),
            (profile.flux.steps,),
        ),
        matrix(entries, *middle),
    ]
    if full:
        matrices.append(matrix(entries, GUIDANCE, STEPS))
    else:
        matrices.append(matrix((q4,), GUIDANCE, (MIDDLE_STEPS,)))
        matrices.append(matrix((q4,), (BASELINE_GUIDANCE,), STEPS))
    names = ("Q4_0", "Q5_K_M", "Q8_0")
    roles = MappingProxyType(dict(zip(names, entries, strict=True)))
    return Plan(tuple(matrices), roles, rehearsal)
