"""One task from its pictures to its page; each candidate is on disk as soon as it is there."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from pawfect.contract.candidates import FoundCandidate
from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.contract.search_report import SearchReport
from pawfect.photo.saving import encode_photo
from pawfect_client.results import SearchResult, StageEvent
from pawfect_client.search.asked import Asked
from pawfect_client.search.metrics import metrics_of
from pawfect_client.search.page import Pictures, page_of
from pawfect_client.search.pictures import TaskPictures, read_pictures
from pawfect_client.search.swapped import swap_lines
from pawfect_client.search.task_folder import METRICS, PAGE, RESULT, TaskFolder, maker
from pawfect_client.search.tasks import Task


class Searches(Protocol):
    """What searches: a client of a server, or the flow in this process."""

    @property
    def search_stream(
        self,
    ) -> Callable[..., Generator[StageEvent | SearchResult, None, None]]:
        """Search, and tell how far it is."""
        ...


class TaskShow(Protocol):
    """Shows how far one task is."""

    def known(self, count: int, planned: int) -> None:
        """Show how many candidates an earlier run finished, of how many."""
        ...

    def stage(self, event: StageEvent) -> None:
        """Show a stage that ended, or a candidate that was finished."""
        ...


@dataclass(frozen=True)
class Searched:
    """What became of one task.

    Attributes:
        id: its id.
        character: its character's name, or None.
        folder: where its results are; None where it has none.
        report: of the search; None where it failed, or was complete before.
        known: candidates that an earlier run had finished.
        remarks: what there is to say about it.
        error: the failure's kind, or None.
        message: what was expected and what came, or None.
    """

    id: int | str
    character: str | None = None
    folder: Path | None = None
    report: SearchReport | None = None
    known: int = 0
    remarks: tuple[str, ...] = ()
    error: ErrorKind | None = None
    message: str | None = None


@dataclass(frozen=True, eq=False)
class _Work:
    """One task that is worked at.

    Attributes:
        task: what is searched.
        pictures: its pictures.
        asked: what is asked.
        request: digest of all that.
        folder: of its results.
        shown: its pictures and candidates, as its page will show them.
    """

    task: Task
    pictures: TaskPictures
    asked: Asked
    request: str
    folder: TaskFolder
    shown: Pictures


def search_task(client: Searches, task: Task, out: Path, asked: Asked, show: TaskShow) -> Searched:
    """Search one task, or go on with it, or leave it where it is complete.

    Args:
        client: what searches.
        task: what is searched.
        out: folder of all tasks' folders.
        asked: what is asked.
        show: shows how far it is.

    Raises:
        PawfectError: as `Asked.of`, `read_pictures` and the client do; INVALID_ARG where the
            results find no place. What was finished by then stays, each file of it whole.
    """
    asked = asked.of(task)
    pictures = read_pictures(task, asked.files, asked.reading, asked.protect)
    shown = Pictures(pictures.photo, pictures.mask, pictures.reference)
    folder = TaskFolder(out / task.folder)
    work = _Work(task, pictures, asked, asked.digest(pictures), folder, shown)
    remarks = [f"mask: {pictures.mask_note}"] if pictures.mask_note else []
    with folder.alone():
        if folder.is_complete(work.request, masked=pictures.mask is not None):
            return Searched(task.id, task.character, folder.path, remarks=tuple(remarks))
        done, broken = folder.finished(work.request, pictures.photo.size)
        if broken:
            remarks.append(
                f"candidates of an earlier run that cannot be read, made again: {broken}"
            )
        folder.clear(done)
        folder.put_inputs(pictures)
        show.known(len(done), asked.planned())
        result = _searched(client, work, done, show)
        _finish(work, result)
    remarks += _remarks(result.report)
    told = (task.character, folder.path, result.report, len(done), tuple(remarks))
    return Searched(task.id, *told)


def _searched(
    client: Searches, work: _Work, done: list[FoundCandidate], show: TaskShow
) -> SearchResult:
    """Return the client's answer, with every candidate written as it comes."""
    pictures, photo = work.pictures, work.pictures.photo
    given: dict[str, Any] = {"prompt": work.asked.prompt, **work.asked.parameters}
    if pictures.protect is not None:
        given["protect"] = pictures.protect
    if pictures.reference is not None:
        given["reference"] = pictures.reference.pixels
    for one in done:
        work.shown.add(one)
    written = {one.candidate.number for one in done}
    stream = client.search_stream(photo.pixels, pictures.mask, done=done, **given)
    with closing(stream):
        for event in stream:
            if isinstance(event, SearchResult):
                return event
            found = event.candidate
            # A server may tell of those that came with the request too.
            if found is not None and found.candidate.number not in written:
                work.folder.put_candidate(found, photo, work.request, work.asked.proposer)
                work.shown.add(found)
                written.add(found.candidate.number)
            show.stage(event)
    raise PawfectError(ErrorKind.INTERNAL, "search: expected a result at its end, got none")


def _finish(work: _Work, result: SearchResult) -> None:
    """Write what the search came to; metrics.json last, which says that all of it is there."""
    report, folder = result.report, work.folder
    engine = maker(work.asked.proposer, report.winner.engine) or report.engine
    filled = work.pictures.photo.with_pixels(result.image).changed_by(engine)
    folder.write(RESULT, encode_photo(filled, "PNG", quickly=True))
    folder.write(PAGE, page_of(work.task, report, work.shown, result.image))
    folder.write(METRICS, metrics_of(work.task, report, work.request))


def _remarks(report: SearchReport) -> Iterator[str]:
    for fallback in report.fallbacks:
        yield f"{fallback.stage}: {fallback.reason}; instead: {fallback.instead}"
    yield from swap_lines(report)
    yield from report.notes
    if not report.complete:
        yield f"ended by {report.ended}: the same command goes on with it"
