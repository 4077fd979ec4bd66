"""Searching: a photo and a mask become the best of many fills or edits, all in one picture.

A start that ends before its search does leaves nothing: the next one makes all candidates anew, the
same ones, since they follow from the request.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from opentelemetry.trace import SpanKind

from pawfect.contract.errors import ErrorKind, PawfectError, invalid
from pawfect.contract.parameters import Scalar
from pawfect.contract.search import (
    EDIT,
    INPAINT,
    SWAP,
    SearchParams,
    check_reference,
    search_plan,
)
from pawfect.photo.photo import Photo
from pawfect_client.results import SearchResult, StageEvent
from pawfect_service.jobs.kinds.candidate_sheet import CandidateSheet
from pawfect_service.jobs.kinds.cutout_pictures import check_photo
from pawfect_service.jobs.kinds.inpaint import (
    PROTECT,
    Inpaint,
    in_turn,
    read_reading,
    understood,
)
from pawfect_service.jobs.kinds.inpaint import Parameters as InpaintParameters
from pawfect_service.jobs.kinds.kind import (
    Accepted,
    Kind,
    Made,
    OnProgress,
    Task,
    Tools,
    checked_in_time,
)
from pawfect_service.jobs.kinds.pictures import read_pictures
from pawfect_service.jobs.kinds.room import decoded
from pawfect_service.jobs.kinds.run_pictures import VERSION_OUTPUTS, version_files
from pawfect_service.jobs.kinds.telling import followed
from pawfect_service.jobs.live import MOST_CANDIDATES, LiveCandidate
from pawfect_service.telemetry.traces import span

REFERENCE: Final = "reference"
# The output in which each candidate has a cell.
CANDIDATES: Final = "candidates"
# And the entry of the report that says where.
SHEET: Final = "sheet"


@dataclass(frozen=True)
class Parameters(InpaintParameters):
    """What a search was asked for: as an inpainting, its scalars those of SearchParams.

    Attributes:
        planned: candidates of the whole plan.
    """

    planned: int


@dataclass(frozen=True, eq=False)
class Given:
    """A search's pictures, decoded.

    Attributes:
        photo: what is worked on, upright.
        mask: UINT8 [H, W], >= 128 = fill; None: the server finds what is to change.
        more: the others by name, as `search_stream` takes them.
    """

    photo: Photo
    mask: NDArray[np.uint8] | None
    more: Mapping[str, Any]


class Search(Inpaint):
    """The kind `search`; its files are an inpainting's, and who the result is to show."""

    name = "search"
    # What the pictures' metadata say, whatever the report does; None: the engine that won.
    drawn_by: str | None = None
    fields: Mapping[str, bool] = {**Inpaint.fields, REFERENCE: False}
    optional: Mapping[str, str] = {"protect": PROTECT, REFERENCE: "reference.jpg"}
    outputs: Mapping[str, str] = {**VERSION_OUTPUTS, CANDIDATES: "candidates.jpg"}
    # The server finds what surrounds the holes once for all candidates.
    labelled = False
    picture: str | None = "image"

    def parse(self, parameters: Mapping[str, Scalar], texts: Mapping[str, str]) -> Parameters:
        """Return what a request asks for.

        Raises:
            PawfectError: INVALID_ARG as SearchParams and `search_plan` say, and for more candidates
                than a job's document holds.
        """
        planned = search_plan(SearchParams.parse(parameters)).total
        if planned > MOST_CANDIDATES:
            raise invalid("candidates", f"at most {MOST_CANDIDATES} in all", planned)
        return Parameters(parameters, texts.get("prompt"), read_reading(texts), planned)

    def checked(self, parameters: Mapping[str, Any], longest_s: float) -> dict[str, Scalar]:
        """Return the scalars that were given.

        Raises:
            PawfectError: INVALID_ARG as `parse` says, for too late a deadline, and for a swap,
                which has a kind of its own that says who asked.
        """
        self.parse(parameters, {})
        params = SearchParams.parse(parameters)
        if params.proposer == SWAP:
            raise invalid("proposer", f"{INPAINT} or {EDIT}; a swap is a job of kind swap", SWAP)
        return checked_in_time(params, parameters, longest_s)

    def check(
        self,
        files: Mapping[str, bytes],
        parameters: Mapping[str, Scalar],
        texts: Mapping[str, str],
        *,
        headers_only: bool,
    ) -> Accepted:
        """Return photo, masks and reference as they are stored; INVALID_ARG as their checks say."""
        check_reference(SearchParams.parse(parameters), REFERENCE in files, REFERENCE)
        accepted = super().check(files, parameters, texts, headers_only=headers_only)
        if REFERENCE not in files:
            return accepted
        reference = check_photo(files[REFERENCE], REFERENCE, headers_only=headers_only)
        return replace(accepted, files={**accepted.files, REFERENCE: reference})

    async def work(self, task: Task, tools: Tools, on_progress: OnProgress) -> Made:
        """Have the server search; `on_progress` hears of each stage, and sees the candidates."""
        asked: Parameters = task.parameters
        with span("decode pictures"):
            given = await self._decoded(task, tools)
        sheet = CandidateSheet(given.photo, asked.planned, self.drawn_by)
        done = await _searched(given, task, tools, on_progress, sheet)
        report = done.report
        with span("encode pictures"):
            engine = self.drawn_by or report.winner.engine or report.engine
            outputs = await version_files(given.photo, done.image, engine, tools)
            candidates = await tools.off_loop(sheet.jpeg)
        if candidates is None:
            raise PawfectError(ErrorKind.INTERNAL, "search: expected a candidate's picture")
        told = json.loads(report.to_json()) | {SHEET: sheet.report()}
        outputs[CANDIDATES] = candidates
        return Made(outputs, json.dumps(told, ensure_ascii=False), round(report.total_ms / 1000, 3))

    async def _decoded(self, task: Task, tools: Tools) -> Given:
        asked: Parameters = task.parameters
        names = ("original", "mask", "protect")
        files = *(task.files.get(name) for name in names), asked.prompt, understood(asked)
        pictures = await tools.off_loop(in_turn, read_pictures, *files)
        more = dict[str, Any]()
        if pictures.protect is not None:
            more["protect"] = pictures.protect
        if REFERENCE in task.files:
            more[REFERENCE] = await reference_of(task, tools)
        return Given(pictures.photo, pictures.mask, more)


async def reference_of(task: Task, tools: Tools) -> NDArray[np.uint8]:
    """Return the picture of who the result is to show, UINT8 [h, w, 3] RGB."""
    found = await tools.off_loop(decoded, task.files[REFERENCE], REFERENCE)
    return found.pixels


async def _searched(
    given: Given,
    task: Task,
    tools: Tools,
    on_progress: OnProgress,
    sheet: CandidateSheet,
) -> SearchResult:
    """Return what the server found; each candidate is told, and drawn into the sheet, as it comes.

    Args:
        given: the pictures.
        task: what was asked for.
        tools: the server, and threads.
        on_progress: who is told.
        sheet: the picture of all candidates.
    """
    asked: Parameters = task.parameters
    scalars: dict[str, Any] = dict(asked.scalars)
    with span("triton candidate_search", SpanKind.CLIENT, attributes=task.span_attributes):
        stream = tools.triton.search_stream(
            given.photo.pixels, given.mask, prompt=asked.prompt, **{**scalars, **given.more}
        )
        return await followed(
            stream, SearchResult, lambda event: _tell(event, sheet, tools, on_progress)
        )


async def _tell(
    event: StageEvent, sheet: CandidateSheet, tools: Tools, on_progress: OnProgress
) -> None:
    on_progress(event.stage, event.progress)
    if event.candidate is None:
        return
    # Drawn first: whoever is told of a candidate finds it in the next preview.
    await tools.off_loop(sheet.add, event.candidate)
    found = LiveCandidate.of(event.candidate.candidate)
    on_progress.candidate(found, sheet.layout)
    on_progress.line(_line(found))
    picture = await tools.off_loop(lambda: sheet.jpeg(small=True))
    if picture is not None:
        on_progress.preview(picture)


def _line(found: LiveCandidate) -> str:
    whence = "" if found.parent is None else f" from {found.parent}"
    if found.error is not None:
        return f"candidate {found.number}{whence}: {found.error}"
    scores = ", ".join(f"{axis} {score:.1f}" for axis, score in found.scores.items())
    return f"candidate {found.number}{whence}, {found.variation}: {scores or 'no scores'}"


SEARCH: Final[Kind] = Search()
