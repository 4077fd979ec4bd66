"""What a stream of the server's says, told to those who follow the job."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import Any, Protocol, TypeVar

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.photo.photo import Photo
from pawfect_client.results import StageEvent
from pawfect_service.jobs.kinds.kind import OnProgress, Tools
from pawfect_service.jobs.kinds.pictures import preview_jpeg
from pawfect_service.telemetry.traces import StageSpans


class Ended(Protocol):
    """How a stream ends: with a report, which has the milliseconds of each stage."""

    @property
    def report(self) -> Any:
        """The report of the model."""
        ...


End = TypeVar("End", bound=Ended)


async def followed(
    stream: AsyncGenerator[StageEvent | End, None],
    end: type[End],
    told: Callable[[StageEvent], Awaitable[None]],
) -> End:
    """Return how a stream ends; each of its stages is told, and becomes a span.

    Args:
        stream: of the server's.
        end: what its last message is.
        told: awaited for each message before it.

    Raises:
        PawfectError: as the stream does; INTERNAL where it ends without a result.
    """
    stages = StageSpans()
    try:
        async with aclosing(stream) as events:
            async for event in events:
                if isinstance(event, end):
                    stages.record(event.report.stage_ms)
                    return event
                assert isinstance(event, StageEvent)
                stages.ended(event.stage)
                await told(event)
    except BaseException:
        stages.record_told()
        raise
    raise PawfectError(ErrorKind.INTERNAL, "stream: expected a result at its end, got none")


async def tell(event: StageEvent, photo: Photo, tools: Tools, on_progress: OnProgress) -> None:
    """Tell of one message of a stream.

    Args:
        event: the stage that ended, and perhaps a preview.
        photo: what is worked on; a preview is in its colours.
        tools: threads, which encode the preview.
        on_progress: who is told.
    """
    on_progress(event.stage, event.progress)
    if event.preview is not None:
        on_progress.preview(await tools.off_loop(preview_jpeg, photo, event.preview))
