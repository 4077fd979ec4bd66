"""What a stream of the server's says, told to those who follow the job."""

from __future__ import annotations

from pawfect.photo.photo import Photo
from pawfect_client.results import StageEvent
from pawfect_service.jobs.kinds.kind import OnProgress, Tools
from pawfect_service.jobs.kinds.pictures import preview_jpeg


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
