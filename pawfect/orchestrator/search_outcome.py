"""The report of a search, from how it went."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import cv2

from pawfect.contract.parameters import DENOISING
from pawfect.contract.report import Fallback
from pawfect.contract.scores import IDENTITY
from pawfect.contract.search import SWAP
from pawfect.contract.search_report import SearchReport
from pawfect.orchestrator.control import Control
from pawfect.orchestrator.flow import licence_of
from pawfect.orchestrator.preparing import Prepared
from pawfect.orchestrator.proposal import Base
from pawfect.orchestrator.searching import SearchRequest
from pawfect.scores.local import JUDGE
from pawfect.search.potential import Ranking, similarity_of
from pawfect.search.tries import NEIGHBOURHOOD, REFINED, RENOISED

# Variations that need the model that refines a swap.
_REFINES: Final = frozenset({REFINED, RENOISED, NEIGHBOURHOOD})
# Of a search whose first candidate is the picture as it came.
_UNEDITED: Final = (
    "candidate 0 is the picture as it came: it wins only by a higher potential in which identity "
    "counts"
)


@dataclass(frozen=True, eq=False)
class Outcome:
    """How a search went.

    Attributes:
        ranking: the candidates compared.
        ended: see `pawfect.contract.search_report.ENDS`.
        fallbacks: what was done without.
        weights: identity of the weights that made candidates, by component.
        known: candidates that the request brought along.
    """

    ranking: Ranking
    ended: str
    fallbacks: tuple[Fallback, ...]
    weights: Mapping[str, str]
    known: int


def search_report(prepared: Prepared, outcome: Outcome, control: Control) -> SearchReport:
    """Return the report of a search that found something."""
    request, base, protected = prepared.request, prepared.base, prepared.protected
    params, ranking, plan = request.params, outcome.ranking, request.plan
    best = ranking.best
    return SearchReport(
        best=best.number,
        best_potential=best.potential,
        candidates=ranking.candidates,
        ended=outcome.ended,
        judges=ranking.judges,
        silent=ranking.silent,
        weights=dict(plan.weights),
        floor=plan.floor,
        planned=plan.total,
        known=outcome.known,
        preset=params.preset,
        proposer=params.proposer,
        engine=base.engine,
        engine_reason=prepared.reason,
        seed=params.seed,
        deadline_ms=params.deadline_ms,
        profile=base.deployment.profile.name,
        width=base.request.image.shape[1],
        height=base.request.image.shape[0],
        hole_px=cv2.countNonZero(base.cleaned.mask),
        protect_source=protected.source,
        stage_ms=control.stage_ms,
        total_ms=control.total_ms(),
        calls=sum(j.calls for one in ranking.candidates for j in one.judgements),
        notes=_notes(request, base, ranking),
        fallbacks=outcome.fallbacks + _unrefined(base, ranking),
        licence=licence_of(base.deployment, base.engine),
        swap=prepared.swap,
        weights_used={
            **prepared.weights,
            **outcome.weights,
            **protected.weights(base.deployment.finders),
        },
    )


def _unrefined(base: Base, ranking: Ranking) -> tuple[Fallback, ...]:
    """Return that nothing was refined, where every refinement of a swap failed."""
    refined = [one for one in ranking.candidates if one.variation in _REFINES]
    errors = [one.error for one in refined if one.error is not None]
    if base.proposer != SWAP or not errors or len(errors) < len(refined):
        return ()
    return (Fallback("refine", errors[0], "swaps that nothing refines"),)


def _notes(request: SearchRequest, base: Base, ranking: Ranking) -> tuple[str, ...]:
    notes = []
    counting = {name for names in ranking.judges.values() for name in names}
    if request.params.remote and counting <= {JUDGE}:
        notes.append("no judge elsewhere scored all candidates: the local scores alone decided")
    if request.reference is not None and IDENTITY not in ranking.judges:
        notes.append("no judge compared the candidates with the reference")
    if request.plan.unedited:
        notes.append(_UNEDITED)
    if ranking.best.potential is None:
        notes.append("no judge with a weight scored all candidates: the first one stands")
    if not ranking.best.above_floor:
        made = "edit" if request.plan.unedited else "candidate"
        notes.append(f"no {made} reaches the floor of local consistency, {request.plan.floor:g}")
    if request.plan.margin is not None:
        notes += _of_identity(ranking, request.plan.margin)
    failed = sum(one.error is not None for one in ranking.candidates)
    if failed:
        notes.append(f"{failed} of {len(ranking.candidates)} candidates could not be made")
    if base.engine not in DENOISING and request.inpaint.prompt is not None:
        notes.append(f"{base.engine} reads no prompt")
    return tuple(notes)


def _of_identity(ranking: Ranking, margin: float) -> list[str]:
    """Say who lost the raw swap's identity, or that it could not be measured."""
    made = [one for one in ranking.candidates if one.error is None]
    lost = sum(not one.keeps_identity for one in made)
    if not lost:
        return []
    if similarity_of(ranking.by_number[0]) is None:
        return ["the raw swap's identity could not be measured: no other candidate may win"]
    below = f"below the raw swap's by more than {margin:g}, or have no face to compare"
    return [f"{lost} of {len(made)} candidates are {below}: none of them may win"]
