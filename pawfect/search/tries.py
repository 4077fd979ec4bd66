"""What a search tries: each candidate's seed and variation, by proposer and engine.

Stage 1 differs in seed, prompt, guidance or symmetry, of a swap in how much of it is drawn anew and
at which size it was drawn; stage 2 starts from a parent: noise in the
neighbourhood of its own (a zero-order search: Ma et al., "Inference-Time Scaling for Diffusion
Models beyond Scaling Denoising Steps", 2025), its result noised again to a part of the schedule, or
for patches the worst part of its fill searched anew.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import cycle, islice
from types import MappingProxyType
from typing import Final

from pawfect.contract.faces import PIXEL_BOOSTS
from pawfect.contract.search import EDIT, INPAINT, SWAP, SearchPlan
from pawfect.contract.search_report import GLOBAL, LOCAL, SWAPPED

UNDIFFUSED: Final = "undiffused"
SEED: Final = "seed"
GUIDANCE: Final = "guidance"
PROMPT: Final = "prompt"
MIRRORED: Final = "mirrored"
TURNED: Final = "turned"
NEIGHBOURHOOD: Final = "neighbourhood"
RENOISED: Final = "renoised"
WORST_PART: Final = "worst_part"
REFINED: Final = "refined"
BOOSTED: Final = "boosted"
# What never was noise of its own.
_NOISELESS: Final = frozenset({UNDIFFUSED, BOOSTED})

Setting = float | str
Settings = Mapping[str, Setting]
_PLAIN: Final[Settings] = MappingProxyType({})
# Seeds of children lie far from those of the first stage, and each parent's from the others'.
_SEEDS_OF_A_PARENT: Final = 1000
_MAX_SEED: Final = 2**63


@dataclass(frozen=True)
class Variation:
    """How a candidate differs from the plain try.

    Attributes:
        name: one of the names above.
        settings: its numbers, by name.
    """

    name: str
    settings: Settings = field(default_factory=lambda: _PLAIN)


@dataclass(frozen=True)
class Try:
    """A candidate that is to be made.

    Attributes:
        number: its place in the search, from 0.
        phase: global or local.
        seed: 0 to 2**63 - 1.
        variation: how it differs from the plain try.
        parent: the try that it starts from, or None.
    """

    number: int
    phase: str
    seed: int
    variation: Variation
    parent: Try | None = None


def _varied(name: str, **settings: Setting) -> Variation:
    return Variation(name, MappingProxyType(settings))


# Stage 1 after the undiffused, over and over, where guidance is distilled away.
_UNGUIDED: Final = (_varied(SEED), _varied(SEED), _varied(PROMPT), _varied(SEED))
# The same where it is not. Guidance as a factor of the request's or the profile's: of FLUX.1-Fill
# the range of 10 to 30 that it is published and used with.
_DENOISED: Final = (
    _varied(SEED),
    _varied(GUIDANCE, factor=0.5),
    _varied(PROMPT),
    _varied(SEED),
    _varied(GUIDANCE, factor=1.5),
)
# Of Qwen-Image-Edit around the published 4; which range serves best nobody has measured.
_TRUE_GUIDED: Final = (
    _varied(SEED),
    _varied(GUIDANCE, factor=0.7),
    _varied(PROMPT),
    _varied(SEED),
    _varied(GUIDANCE, factor=1.4),
)
# An edit's instruction stays as it was asked for.
_EDITED: Final = (
    _varied(SEED),
    _varied(SEED),
    _varied(GUIDANCE, factor=0.7),
    _varied(SEED),
    _varied(GUIDANCE, factor=1.4),
)
_SEEDED: Final = (_varied(SEED),)
# A fill by patches is begun at the upper left and scanned from there: mirrored and turned by
# quarters it falls into other minima than another seed does. Of four such tries the best is as near
# to the truth as of eight of which four differ by their seed alone (`make search-bench`).
_COPIED: Final = (
    _varied(TURNED, quarters=2),
    _varied(MIRRORED, quarters=1),
    _varied(MIRRORED, quarters=0),
    _varied(TURNED, quarters=1),
    _varied(MIRRORED, quarters=2),
    _varied(TURNED, quarters=3),
    _varied(MIRRORED, quarters=3),
)
# A network knows photos the right way up.
_LED: Final = (
    _varied(MIRRORED, quarters=0),
    _varied(SEED),
    _varied(TURNED, quarters=2),
    _varied(SEED),
)
# Stage 2. Of a schedule of 8 steps a strength of 0.5 runs four, 0.75 six; an angle of 0.35 rad
# leaves 94 % of the parent's own noise, 0.7 rad 76 %.
_NEAR: Final = (
    _varied(RENOISED, strength=0.5),
    _varied(NEIGHBOURHOOD, angle=0.35),
    _varied(RENOISED, strength=0.75),
    _varied(NEIGHBOURHOOD, angle=0.7),
)
_ANEW: Final = (_varied(WORST_PART),)
# A swap: refined with noise to the usual part of the schedule (`pawfect.search.refinement`), to
# half of it, to half as much again; and the swap itself at another size of the face, which asks
# nothing of the model that refines. What serves best nobody has measured.
_REFINED: Final = (
    _varied(REFINED, factor=1.0),
    _varied(REFINED, factor=0.5),
    _varied(BOOSTED, step=1),
    _varied(REFINED, factor=1.0),
    _varied(REFINED, factor=1.5),
    _varied(BOOSTED, step=2),
    _varied(REFINED, factor=0.75),
)
# Every size at which `face_swap` draws, once.
_BOOSTED: Final = tuple(_varied(BOOSTED, step=step) for step in range(1, len(PIXEL_BOOSTS)))
# Stage 2 of a swap: little more noise than keeps the face.
_NEAR_SWAP: Final = (
    _varied(RENOISED, strength=0.25),
    _varied(NEIGHBOURHOOD, angle=0.35),
    _varied(RENOISED, strength=0.5),
    _varied(NEIGHBOURHOOD, angle=0.7),
)
# By proposer and engine.
_STAGES: Final[Mapping[tuple[str, str], tuple[Sequence[Variation], Sequence[Variation]]]] = (
    MappingProxyType(
        {
            (INPAINT, "flux"): (_DENOISED, _NEAR),
            (INPAINT, "klein"): (_UNGUIDED, _NEAR),
            (INPAINT, "edit"): (_TRUE_GUIDED, _NEAR),
            (INPAINT, "lama"): (_LED, _ANEW),
            (INPAINT, "patch"): (_COPIED, _ANEW),
            (EDIT, "edit"): (_EDITED, _NEAR),
            (EDIT, "klein"): (_SEEDED, _NEAR),
            (SWAP, "edit"): (_REFINED, _NEAR_SWAP),
            (SWAP, "klein"): (_REFINED, _NEAR_SWAP),
            (SWAP, SWAPPED): (_BOOSTED, ()),
        }
    )
)


def global_tries(
    plan: SearchPlan, engine: str, seed: int, proposer: str = INPAINT
) -> tuple[Try, ...]:
    """Return the tries of the first stage: the undiffused, which has the request's seed, first.

    Args:
        plan: how many; of swaps that nothing refines there are no more than sizes of the face.
        engine: as `pawfect.contract.parameters.ENGINES` has them, but for auto.
        seed: the request's.
        proposer: of `pawfect.contract.search.PROPOSERS`.
    """
    varied = islice(_over_and_over(_STAGES[proposer, engine][0]), plan.k_global - 1)
    others = (
        Try(n, GLOBAL, (seed + n) % _MAX_SEED, variation) for n, variation in enumerate(varied, 1)
    )
    return (Try(0, GLOBAL, seed, Variation(UNDIFFUSED)), *others)


def _over_and_over(varied: Sequence[Variation]) -> Iterator[Variation]:
    """Give variations again and again; those that another seed does not change only once."""
    yield from varied
    seeded = [one for one in varied if one.name != BOOSTED]
    yield from cycle(seeded)


def local_tries(
    plan: SearchPlan, engine: str, seed: int, parents: Sequence[Try], proposer: str = INPAINT
) -> tuple[Try, ...]:
    """Return the tries of the second stage.

    A child's number follows from its parent's place among the parents: where another run finds the
    same parents, it finds the same children.

    Args:
        plan: how many children each has.
        engine: as `pawfect.contract.parameters.ENGINES` has them, but for auto.
        seed: the request's.
        parents: the best of the first stage, best first.
        proposer: of `pawfect.contract.search.PROPOSERS`.
    """
    tries = []
    for place, parent in enumerate(parents):
        # What never was noise of its own has no neighbours.
        varied = [
            one
            for one in _STAGES[proposer, engine][1]
            if not (one.name == NEIGHBOURHOOD and parent.variation.name in _NOISELESS)
        ]
        for child in range(plan.k_local):
            tries.append(
                Try(
                    plan.k_global + place * plan.k_local + child,
                    LOCAL,
                    (seed + _SEEDS_OF_A_PARENT * (parent.number + 1) + child) % _MAX_SEED,
                    varied[child % len(varied)],
                    parent,
                )
            )
    return tuple(tries)
