"""Inpainting as a version of a run: its picture is kept without loss, its previews are seen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from pawfect.photo.photo import Photo
from pawfect_client.results import Done
from pawfect_service.jobs.kinds.inpaint import Inpaint, filled
from pawfect_service.jobs.kinds.kind import Kind, OnProgress, Task, Tools
from pawfect_service.jobs.kinds.pictures import Pictures
from pawfect_service.jobs.kinds.run_pictures import VERSION_OUTPUTS, version_files


class RunInpaint(Inpaint):
    """The kind `run_inpaint`, which runs call `inpaint`."""

    name = "run_inpaint"
    outputs: Mapping[str, str] = VERSION_OUTPUTS
    picture: str | None = "image"

    async def _filled(
        self, pictures: Pictures, task: Task, tools: Tools, on_progress: OnProgress
    ) -> Done:
        return await filled(pictures, task, tools, on_progress, {})

    async def _written(self, photo: Photo, done: Done, tools: Tools) -> dict[str, bytes]:
        return await version_files(photo, done.image, done.report.engine, tools)


RUN_INPAINT: Final[Kind] = RunInpaint()
