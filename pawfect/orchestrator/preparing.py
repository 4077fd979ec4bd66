"""What a search begins with: engine, character, cleaned mask, and what surrounds the holes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from pawfect.contract.parameters import DENOISING
from pawfect.contract.report import Fallback
from pawfect.contract.search_report import SwapReport
from pawfect.orchestrator.calls import CallModel
from pawfect.orchestrator.control import Control
from pawfect.orchestrator.deployment import Deployment
from pawfect.orchestrator.engine import Caller, Task, clean_mask
from pawfect.orchestrator.identifying import Who, who_is
from pawfect.orchestrator.progress import ProgressReporter
from pawfect.orchestrator.proposal import Base
from pawfect.orchestrator.proposing import PROPOSERS
from pawfect.orchestrator.protecting import Protected, find_protected
from pawfect.orchestrator.replacing import character_of
from pawfect.orchestrator.request import silent
from pawfect.orchestrator.searching import SearchRequest
from pawfect.orchestrator.surroundings import FROM_SAM3, Surroundings, find_surroundings
from pawfect.scene.prompt import Label


@dataclass(frozen=True, eq=False)
class Prepared:
    """What a search begins with.

    Attributes:
        request: with the plan that is searched by.
        base: what all candidates share.
        reason: why this engine.
        protected: what is protected, and why.
        around: surfaces around the holes, where SAM3 was asked; None: it was not.
        fallbacks: what was done without.
        who: whose face the local judge looks for; None: nobody's.
        weights: identity of the weights that were asked for all of it, by component.
        swap: of proposer swap, what is said of the faces.
    """

    request: SearchRequest
    base: Base
    reason: str
    protected: Protected
    around: Sequence[Label] | None = None
    fallbacks: tuple[Fallback, ...] = ()
    who: Who | None = None
    weights: Mapping[str, str] = field(default_factory=dict)
    swap: SwapReport | None = None


async def prepare(
    request: SearchRequest, deployment: Deployment, call: CallModel, control: Control
) -> Prepared:
    """Return what a search of fills or edits begins with.

    Args:
        request: the search's.
        deployment: the profile, and what was read from its weights.
        call: calls the models of the profile.
        control: deadline, cancellation and stage times.

    Raises:
        PawfectError: INVALID_ARG for a mask or PROTECT out of bounds; UNAVAILABLE for an engine
            that the profile lacks; DEADLINE or CANCELLED.
    """
    proposer = PROPOSERS[request.params.proposer]
    with control.stage("validate"):
        engine, reason = proposer.engine(deployment, request.params.engine)
        character = character_of(request, deployment, engine)
    protected = await find_protected(request.inpaint, deployment, call, control)
    own = replace(request.inpaint, protect=protected.mask)
    cleaned = await clean_mask(own, call, control)
    # A card takes as long for steps that share a batch as for the same one by one.
    plan_ms = request.params.deadline_ms / request.plan.total
    asked = request.params.proposer
    base = Base(own, cleaned, engine, deployment, call, plan_ms, asked, character)
    base, found = await _described(base, control)
    around = found.labels if found.source == FROM_SAM3 else None
    who, fallbacks = None, protected.fallbacks + found.fallbacks
    if request.reference is not None:
        who = await who_is(request.reference, deployment, Caller(call, control))
    return Prepared(request, base, reason, protected, around, fallbacks, who)


async def _described(base: Base, control: Control) -> tuple[Base, Surroundings]:
    """Ask once for what surrounds the holes, which all candidates that are denoised are told."""
    if base.engine not in DENOISING or not PROPOSERS[base.proposer].removes:
        return base, Surroundings()
    progress = ProgressReporter(silent, base.request.image, base.cleaned.mask, False)
    task = Task(base.request, base.cleaned, base.deployment, base.call, control, progress)
    found = await find_surroundings(task)
    labels = tuple(label.name for label in found.labels)
    return replace(base, request=replace(base.request, scene_labels=labels)), found
