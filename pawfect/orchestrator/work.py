"""One request of `refine` as its repair sees it, and the parts that its work falls into."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from pawfect.contract.parameters import InpaintParams
from pawfect.orchestrator.calls import CallModel
from pawfect.orchestrator.control import Control
from pawfect.orchestrator.flow import inpaint
from pawfect.orchestrator.refining import RefineRequest, Refining
from pawfect.orchestrator.request import InpaintRequest, InpaintResult, Notify, Progress
from pawfect.refine.creativity import Creativity, creativity

# Where the work stands when the repair begins and when it is done, as shares of the whole.
BEGINS: Final = 0.05
ENDS: Final = 0.95


@dataclass(frozen=True, eq=False)
class Work:
    """One request, and what its repair works with.

    Attributes:
        request: what is asked for.
        refining: the server's engines.
        call: calls the models.
        control: deadline, cancellation and stage times.
        notify: takes a report after each stage and part.
    """

    request: RefineRequest
    refining: Refining
    call: CallModel
    control: Control
    notify: Notify

    @property
    def level(self) -> Creativity:
        """The request's creativity."""
        return creativity(self.request.params.creativity)

    def fill_params(self) -> InpaintParams:
        """Return the parameters of an inpainting of this request."""
        params, level = self.request.params, self.level
        own = InpaintParams(
            engine=params.engine,
            seed=params.seed,
            deadline_ms=params.deadline_ms,
            protect=params.protect,
        )
        fill = self.refining.fill
        settings = fill.profile.chain(fill.engine(params.engine)[0])
        if settings is None:
            return own
        own = replace(own, strength=level.strength)
        # A model that is distilled to few steps and to no guidance has no others.
        if settings.distilled:
            return own
        return replace(
            own,
            steps=max(1, round(settings.steps * level.steps)),
            guidance_scale=settings.guidance_scale * level.guidance,
        )

    async def fill(self, request: InpaintRequest, control: Control, part: Part) -> InpaintResult:
        """Run the flow of `inpaint` for a part of the work."""
        return await inpaint(request, self.refining.fill, self.call, control, part.told(self))


@dataclass(frozen=True)
class Part:
    """One of several parts of the work.

    Attributes:
        name: of the part, for the stages.
        place: from 0.
        number: of parts.
    """

    name: str
    place: int
    number: int

    def share(self, done: float) -> float:
        """Return the share of the whole that is done where `done` of this part is, 0 to 1."""
        return BEGINS + (ENDS - BEGINS) * (self.place + done) / self.number

    def told(self, work: Work) -> Notify:
        """Return what tells the work's caller of this part's progress."""

        async def tell(progress: Progress) -> None:
            share = self.share(progress.progress)
            stage = f"{self.name}: {progress.stage}"
            await work.notify(Progress(stage, share, progress.preview))

        return tell
