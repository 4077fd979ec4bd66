"""One task from its pictures to its page; each candidate is on disk as soon as it is there."""

from __future__ import annotations

from collections.abc import Callable, Generator
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
from pawfect_client.search.task_folder import METRICS, PAGE, RESULT, TaskFolder
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


def search_task(client: Searches, task: Task, out: Path, asked: Asked, show: TaskShow) -> Searched:
    """Search one task, or go on with it, or leave it where it is complete.

    Args:
        client: what searches.
        task: what is searched.
        out: folder of all tasks' folders.
        asked: what is asked.
        show: shows how far it is.

    Raises:
        PawfectError: as `read_pictures` and the client do; INVALID_ARG where the results find no
            place. What was finished by then stays, each file of it whole.
    """
    pictures = read_pictures(task, asked.files, asked.reading, asked.protect)
    request = asked.digest(pictures)
    folder = TaskFolder(out / task.folder)
    with folder.alone():
        remarks = [f"mask: {pictures.mask_note}"] if pictures.mask_note else []
        if folder.is_complete(request):
            return Searched(task.id, task.character, folder.path, remarks=tuple(remarks))
        done, broken = folder.finished(request, pictures.photo.size)
        if broken:
            remarks.append(f"{broken} candidates of an earlier run cannot be read, made again")
        folder.clear(done)
        folder.put_inputs(pictures)
        show.known(len(done), asked.planned())
        shown = Pictures(pictures.photo, pictures.mask, pictures.reference)
        for one in done:
            shown.add(one)
        result = _searched(client, pictures, asked, done, folder, request, shown, show)
        _finish(folder, task, pictures, result, request, shown)
    remarks += [f"{one.stage}: {one.reason}, {one.instead}" for one in result.report.fallbacks]
    remarks += result.report.notes
    if not result.report.complete:
        remarks.append(f"ended by {result.report.ended}: the same command goes on with it")
    told = (task.character, folder.path, result.report, len(done), tuple(remarks))
    return Searched(task.id, *told)


def _searched(
    client: Searches,
    pictures: TaskPictures,
    asked: Asked,
    done: list[FoundCandidate],
    folder: TaskFolder,
    request: str,
    shown: Pictures,
    show: TaskShow,
) -> SearchResult:
    """Return the client's answer, with every candidate written as it comes."""
    given: dict[str, Any] = {"prompt": asked.prompt, **asked.parameters}
    if pictures.protect is not None:
        given["protect"] = pictures.protect
    reference = None if pictures.reference is None else pictures.reference.pixels
    photo = pictures.photo
    written = {one.candidate.number for one in done}
    stream = client.search_stream(
        photo.pixels, pictures.mask, reference=reference, done=done, **given
    )
    with closing(stream):
        for event in stream:
            if isinstance(event, SearchResult):
                return event
            found = event.candidate
            # A server may tell of those that came with the request too.
            if found is not None and found.candidate.number not in written:
                folder.put_candidate(found, photo, request)
                written.add(found.candidate.number)
                shown.add(found)
            show.stage(event)
    raise PawfectError(ErrorKind.INTERNAL, "search: expected a result at its end, got none")


def _finish(
    folder: TaskFolder,
    task: Task,
    pictures: TaskPictures,
    result: SearchResult,
    request: str,
    shown: Pictures,
) -> None:
    """Write what the search came to; metrics.json last, which says that all of it is there."""
    report = result.report
    engine = report.winner.engine or report.engine
    filled = pictures.photo.with_pixels(result.image).changed_by(engine)
    folder.write(RESULT, encode_photo(filled, "PNG", quickly=True))
    shown.result = result.image
    folder.write(PAGE, page_of(task, report, shown))
    folder.write(METRICS, metrics_of(task, report, request))
