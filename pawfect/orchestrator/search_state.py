"""The state of one search: its candidates made, judged, kept and compared, stage by stage."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final

import numpy as np

from pawfect.contract.candidates import FoundCandidate
from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.contract.parameters import DENOISING
from pawfect.contract.report import Fallback
from pawfect.contract.search_report import INIT, SWAPPED, Candidate
from pawfect.contract.tensors import REMOTE_JUDGES
from pawfect.orchestrator import budget
from pawfect.orchestrator.control import Control
from pawfect.orchestrator.crew import Finish, Room, make_all
from pawfect.orchestrator.generate import FEATHER_PX
from pawfect.orchestrator.judging import Judging, judge
from pawfect.orchestrator.patched import Patched
from pawfect.orchestrator.preparing import Prepared
from pawfect.orchestrator.progress import preview_of
from pawfect.orchestrator.proposal import Base, Picture, Proposed
from pawfect.orchestrator.proposing import PROPOSERS, propose
from pawfect.orchestrator.request import InpaintRequest, Notify, Progress, silent
from pawfect.orchestrator.searching import is_of
from pawfect.picture.box import Box
from pawfect.search.potential import Ranking, can_be_beaten, rank
from pawfect.search.tries import UNDIFFUSED, Try, global_tries, local_tries

# Where the work stands when the first candidate begins, and when the last is judged, as shares.
BEGINS: Final = 0.05
_ENDS: Final = 0.98
# Candidates at a time: steps of one model share a batch of 8; patches have two processes.
AT_ONCE: Final[Mapping[str, int]] = {
    **dict.fromkeys(DENOISING, 8),
    "lama": 2,
    "patch": 2,
    SWAPPED: 2,
}


@dataclass(frozen=True, eq=False)
class Kept:
    """A candidate that was made: what is known of it, and what it shows within the box."""

    candidate: Candidate
    crop: Picture | None = None
    weights: Mapping[str, str] = field(default_factory=dict)
    error: PawfectError | None = None


class SearchState:
    """The state of one search: what is made so far. Its methods run on one event loop.

    Args:
        prepared: what it begins with.
        control: the search's clock.
        notify: takes a report after each candidate.
    """

    def __init__(self, prepared: Prepared, control: Control, notify: Notify) -> None:
        request, base = prepared.request, prepared.base
        self._request = request
        self._base = base
        self._control = control
        self._notify = notify
        self._plan = request.plan
        self._kept: dict[int, Kept] = {}
        self._box = _changed_box(base)
        self._reached = BEGINS
        self.known = 0
        params = request.params
        models = base.deployment.profile.models
        remote = [name for name, spec in REMOTE_JUDGES.items() if spec.name in models]
        self._judging = Judging(
            base.request.image,
            base.cleaned.mask,
            request.reference,
            remote if params.remote else (),
            params.judge_ms,
            base.deployment,
            base.call,
            prepared.around,
            networks=PROPOSERS[base.proposer].removes,
            who=prepared.who,
        )
        self._at_once = params.at_once or _at_once(base)
        self._room = Room(self._at_once, params.window_px)

    @property
    def candidates(self) -> tuple[Candidate, ...]:
        """What is known of those that were made, and of those that failed."""
        return tuple(kept.candidate for kept in self._kept.values())

    @property
    def weights(self) -> dict[str, str]:
        """Identity of the weights that made them, by component."""
        return {name: one for kept in self._kept.values() for name, one in kept.weights.items()}

    def ranking(self) -> Ranking:
        """Compare all candidates that there are."""
        return rank(self.candidates, self._plan)

    def picture_of(self, number: int) -> Picture:
        """Return a candidate's picture, UINT8 [H, W, 3]."""
        crop = self._kept[number].crop
        assert crop is not None
        return self._with(crop)

    def _with(self, crop: Picture) -> Picture:
        image = self._base.request.image.copy()
        image[self._box.slices] = crop
        return image

    def why_none(self, ended: str) -> PawfectError | None:
        """Return why there is no candidate, or none by the engine that was asked for; else None."""
        made = self._answers()
        if self._plan.margin is not None and made:
            # The raw swap is an answer, whatever became of what refines it.
            return None if self._raw_stands() else self._kept[0].error
        errors = [kept.error for kept in self._kept.values() if kept.error is not None]
        insists = self._request.params.engine == self._base.engine
        if errors and (not made or (insists and len(made) == 1 and made[0].number == 0)):
            return errors[0]
        if made:
            return None
        if ended == "memory":
            return PawfectError(ErrorKind.OUT_OF_MEMORY, "candidate_search: not one candidate fits")
        within = self._request.params.deadline_ms
        told = f"deadline_ms: expected time for one candidate, got {within} ms"
        return PawfectError(ErrorKind.DEADLINE, told)

    async def run(self) -> tuple[str, tuple[Fallback, ...]]:
        """Go through both stages; return how they ended, and what was done without."""
        try:
            return await self._stages()
        except PawfectError as error:
            if error.kind is not ErrorKind.DEADLINE or not self._is_late():
                raise
            return "deadline", ()

    async def _stages(self) -> tuple[str, tuple[Fallback, ...]]:
        plan, engine, seed = self._plan, self._base.engine, self._request.params.seed
        proposer = self._base.proposer
        first, *others = global_tries(plan, engine, seed, proposer)
        fallbacks: tuple[Fallback, ...] = ()
        # The undiffused is the others' floor; where it fails they make their own.
        for tries in ([first], others):
            stage = await make_all(tries, self._room, self._make, self._goes_on)
            self._room, fallbacks = stage.room, fallbacks + stage.fallbacks
            if stage.short:
                return "memory", fallbacks
            if plan.margin is not None and not self._raw_stands():
                return "done", fallbacks
        by_number = {one.number: one for one in (first, *others)}
        ranking = self.ranking()
        keeping = [n for n in ranking.best_first if ranking.by_number[n].keeps_identity]
        parents = [by_number[number] for number in keeping[: plan.m_global]]
        children = local_tries(plan, engine, seed, parents, proposer)
        stage = await make_all(children, self._room, self._make, self._goes_on)
        fallbacks += stage.fallbacks
        if stage.short:
            return "memory", fallbacks
        everything = len(self._kept) == plan.k_global + len(children)
        return "done" if everything else "cannot_win", fallbacks

    def _goes_on(self) -> bool:
        if self._control.remaining_ms() <= budget.RESERVE_MS:
            raise PawfectError(ErrorKind.DEADLINE, "candidate_search: no time for another")
        return not self._answers() or can_be_beaten(self.ranking())

    def _raw_stands(self) -> bool:
        """Say whether the first candidate was made."""
        first = self._kept.get(0)
        return first is not None and first.error is None

    def _answers(self) -> list[Candidate]:
        """Return the candidates that were made, but for the picture as it came."""
        return [one for one in self.candidates if one.error is None and one.engine != INIT]

    async def _make(self, tried: Try, room: Room) -> Finish:
        """Make one candidate, or take it from the earlier run; return what has it judged."""
        earlier = self._earlier(tried)
        if earlier is not None:
            self.known += 1
            kept = Kept(earlier.candidate.unranked(), earlier.image)
            return partial(self._keep, kept, tried, told=False)
        began = self._control.clock()
        made = await self._proposed(tried, room)
        spent = round((self._control.clock() - began) * 1000, 2)
        parent = None if tried.parent is None else tried.parent.number
        candidate = Candidate(
            tried.number, tried.phase, tried.seed, tried.variation.name, parent, ms=spent
        )
        if isinstance(made, PawfectError):
            error = f"{made.kind.name}: {made.message}"
            return partial(self._keep, Kept(replace(candidate, error=error), error=made), tried)
        candidate = replace(
            candidate, settings=made.settings, engine=made.engine, fallbacks=made.fallbacks
        )
        return partial(self._judged, candidate, made, tried)

    def _earlier(self, tried: Try) -> FoundCandidate | None:
        """Return what an earlier run made of a try."""
        earlier = self._request.done.get(tried.number)
        if earlier is None or not is_of(earlier.candidate, tried):
            return None
        if earlier.box != self._box.edges or earlier.image is None:
            return None
        if tried.variation.name == UNDIFFUSED and not self._plan.unedited:
            image = self._with(earlier.image)
            floor = Patched(image, (), earlier.candidate.engine or "patch")
            self._base = replace(self._base, floor=floor)
        return earlier

    async def _judged(self, candidate: Candidate, made: Proposed, tried: Try) -> None:
        crop = np.ascontiguousarray(made.image[self._box.slices])
        try:
            judgements = await judge(self._judging, made.image, self._control)
        except PawfectError as error:
            if error.kind is ErrorKind.DEADLINE and not self._answers():
                # Better than none.
                await self._keep(Kept(candidate, crop, made.weights), tried)
            raise
        # Who was silent once counts for none: it need not be asked, or paid, again.
        silent = {one.judge for one in judgements if not one.scores}
        remote = [name for name in self._judging.remote if name not in silent]
        self._judging = replace(self._judging, remote=remote)
        candidate = replace(candidate, judgements=judgements)
        await self._keep(Kept(candidate, crop, made.weights), tried)

    async def _proposed(self, tried: Try, room: Room) -> Proposed | PawfectError:
        parent = None if tried.parent is None else self.picture_of(tried.parent.number)
        base = replace(self._base, request=self._within(room))
        # It ends early enough for the best to be handed over.
        part = self._control.part(self._control.remaining_ms() - budget.RESERVE_MS)
        try:
            with self._control.stage("propose"):
                made = await propose(base, tried, parent, part)
        except PawfectError as error:
            if error.kind is ErrorKind.OUT_OF_MEMORY:
                raise
            self._control.check("propose")
            if error.kind is ErrorKind.DEADLINE and self._is_late():
                raise
            return error
        if tried.variation.name == UNDIFFUSED:
            self._base = replace(self._base, floor=made.floor)
        return made

    def _within(self, room: Room) -> InpaintRequest:
        """Return the request of one candidate, which has a share of the search's time.

        It follows from the request alone, not from the clock, so that the same request gives the
        same pixels.
        """
        own, deadline_ms = self._base.request, self._request.params.deadline_ms
        share_ms = max(deadline_ms * self._at_once // self._plan.total, 1)
        params = replace(
            own.params,
            engine=self._base.engine,
            window_px=room.window_px,
            deadline_ms=min(share_ms, deadline_ms),
        )
        return replace(own, params=params)

    def _is_late(self) -> bool:
        return self._control.remaining_ms() <= 2 * budget.RESERVE_MS

    async def _keep(self, kept: Kept, tried: Try, told: bool = True) -> None:
        self._kept[tried.number] = kept
        done = len(self._kept) / self._plan.total
        self._reached = max(self._reached, BEGINS + (_ENDS - BEGINS) * min(done, 1.0))
        if self._notify is silent:
            return
        ranking = self.ranking()
        shown = None
        if ranking.best_first:
            best = ranking.best.number
            shown = await asyncio.to_thread(lambda: preview_of(self.picture_of(best)))
        found = None
        if told:
            box = None if kept.crop is None else self._box.edges
            found = FoundCandidate(ranking.by_number[tried.number], kept.crop, box)
        await self._notify(Progress(tried.phase, self._reached, shown, found))


def _at_once(base: Base) -> int:
    """Return how many candidates fill the batches of all cards."""
    deployed = base.deployment.chains.get(base.engine)
    cards = 1 if deployed is None else deployed.settings.gpus
    return AT_ONCE[base.engine] * cards


def _changed_box(base: Base) -> Box:
    """Return the box of all that a candidate may change: the holes and the feather round them."""
    height, width = base.cleaned.mask.shape
    holes = base.cleaned.windows[0].holes
    for window in base.cleaned.windows[1:]:
        holes = holes.union(window.holes)
    return Box(
        max(holes.x0 - FEATHER_PX, 0),
        max(holes.y0 - FEATHER_PX, 0),
        min(holes.x1 + FEATHER_PX, width),
        min(holes.y1 + FEATHER_PX, height),
    )
