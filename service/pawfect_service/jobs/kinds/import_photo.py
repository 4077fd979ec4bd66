"""Importing: a photo becomes the first version of a run, as it came, with a preview."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any, Final

from pawfect import __version__
from pawfect.contract.parameters import NoParams, Scalar
from pawfect_service.jobs.base import BASE_INPUT
from pawfect_service.jobs.fields import SceneLabels
from pawfect_service.jobs.kinds.cutout_pictures import check_photo
from pawfect_service.jobs.kinds.kind import Accepted, Kind, Made, OnProgress, Task, Tools
from pawfect_service.jobs.kinds.pictures import preview_jpeg
from pawfect_service.jobs.kinds.room import decoded


class Import:
    """The kind `import`."""

    name = "import"
    fields: Mapping[str, bool] = {"photo": True}
    texts: tuple[str, ...] = ()
    inputs: Mapping[str, str] = {BASE_INPUT: "original.jpg"}
    optional: Mapping[str, str] = {}
    outputs: Mapping[str, str] = {"preview": "preview.jpg"}
    labelled = False
    varied: tuple[str, ...] = ()
    picture: str | None = BASE_INPUT
    signed = False

    def parse(self, parameters: Mapping[str, Scalar], texts: Mapping[str, str]) -> NoParams:
        """Return nothing; INVALID_ARG for any parameter."""
        return NoParams.parse(parameters)

    def checked(self, parameters: Mapping[str, Any], longest_s: float) -> dict[str, Scalar]:
        """Return nothing; INVALID_ARG for any parameter."""
        NoParams.parse(parameters)
        return {}

    def check(
        self,
        files: Mapping[str, bytes],
        parameters: Mapping[str, Scalar],
        texts: Mapping[str, str],
        *,
        headers_only: bool,
    ) -> Accepted:
        """Return the photo as it is stored; INVALID_ARG as `check_photo` says."""
        return Accepted(
            {BASE_INPUT: check_photo(files["photo"], "photo", headers_only=headers_only)}
        )

    async def find_labels(self, files: Mapping[str, bytes], tools: Tools) -> SceneLabels:
        """Raise NotImplementedError: nothing is filled here."""
        raise NotImplementedError("import: no labels")

    async def work(self, task: Task, tools: Tools, on_progress: OnProgress) -> Made:
        """Decode the photo, which finds what is broken in it, and make its preview."""
        began = time.monotonic()
        photo = await tools.off_loop(decoded, task.files[BASE_INPUT], "photo")
        preview = await tools.off_loop(preview_jpeg, photo, photo.pixels)
        width, height = photo.size
        report = {"width": width, "height": height, "pawfect_version": __version__}
        return Made({"preview": preview}, json.dumps(report), round(time.monotonic() - began, 3))


IMPORT: Final[Kind] = Import()
