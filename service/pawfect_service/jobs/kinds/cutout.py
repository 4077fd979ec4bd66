"""Cutting out: a photo becomes its subject with alpha, the alpha alone, and a preview."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from opentelemetry.trace import SpanKind

from pawfect.contract.cutout import CutoutParams
from pawfect.contract.parameters import Scalar
from pawfect.photo.cutting import Cutting, cutting
from pawfect_client.results import CutOut
from pawfect_service.jobs.base import BASE_FIELD, BASE_INPUT
from pawfect_service.jobs.fields import SceneLabels
from pawfect_service.jobs.kinds.cutout_pictures import check_photo, result_files
from pawfect_service.jobs.kinds.kind import (
    Accepted,
    Kind,
    Made,
    OnProgress,
    Task,
    Tools,
    checked_in_time,
)
from pawfect_service.jobs.kinds.room import DECODING, decoded
from pawfect_service.jobs.kinds.run_pictures import check_base
from pawfect_service.telemetry.traces import StageSpans, span

ORIGINAL: Final = "original.jpg"
BACKGROUND: Final = "background.jpg"
CUTOUT_FILE: Final = "cutout.png"
ALPHA: Final = "alpha.png"
PREVIEW: Final = "preview.png"
_MODEL: Final = "background_removal"


@dataclass(frozen=True)
class Parameters:
    """What a cut-out was asked for.

    Attributes:
        scalars: those of CutoutParams that were given.
    """

    scalars: Mapping[str, Scalar]


class Cutout:
    """The kind `cutout`."""

    name = "cutout"
    fields: Mapping[str, bool] = {"photo": True, "background": False}
    texts: tuple[str, ...] = ()
    inputs: Mapping[str, str] = {"original": ORIGINAL}
    optional: Mapping[str, str] = {"background": BACKGROUND}
    outputs: Mapping[str, str] = {"preview": PREVIEW, "alpha": ALPHA, "cutout": CUTOUT_FILE}
    labelled = False
    varied: tuple[str, ...] = ("preset", "network", "size", "resize", "edges", "threshold")
    picture: str | None = "cutout"
    signed = False

    def parse(self, parameters: Mapping[str, Scalar], texts: Mapping[str, str]) -> Parameters:
        """Return what a request asks for; INVALID_ARG as CutoutParams says."""
        CutoutParams.parse(parameters)
        return Parameters(parameters)

    def checked(self, parameters: Mapping[str, Any], longest_s: float) -> dict[str, Scalar]:
        """Return the scalars that were given; INVALID_ARG also for too late a deadline."""
        return checked_in_time(CutoutParams.parse(parameters), parameters, longest_s)

    def check(
        self,
        files: Mapping[str, bytes],
        parameters: Mapping[str, Scalar],
        texts: Mapping[str, str],
        *,
        headers_only: bool,
    ) -> Accepted:
        """Return the pictures as they are stored.

        A background may have another size than the photo: the server fits it.

        Raises:
            PawfectError: INVALID_ARG as `check_photo` and `check_base` say, and for an output that
                wants a background where none came.
        """
        CutoutParams.parse(parameters).laid_on(background="background" in files)
        stored = {}
        if BASE_FIELD in files:
            stored[BASE_INPUT] = check_base(files[BASE_FIELD])
        for field, name in (("photo", BASE_INPUT), ("background", "background")):
            if field in files:
                stored[name] = check_photo(files[field], field, headers_only=headers_only)
        return Accepted(stored)

    async def find_labels(self, files: Mapping[str, bytes], tools: Tools) -> SceneLabels:
        """Raise NotImplementedError: what surrounds a subject is of no use here."""
        raise NotImplementedError("cutout: no labels")

    async def work(self, task: Task, tools: Tools, on_progress: OnProgress) -> Made:
        """Have the server cut the subject out."""
        with span("decode pictures"):
            photo = await tools.off_loop(decoded, task.files["original"], "photo")
            background = None
            if "background" in task.files:
                given = task.files["background"], "background"
                background = await tools.off_loop(decoded, *given)
            scalars = task.parameters.scalars
            output = CutoutParams.parse(scalars).laid_on(background=background is not None)
            asked = await tools.off_loop(cutting, photo, background, output)
        on_progress(_MODEL, 0.0)
        with span(f"triton {_MODEL}", SpanKind.CLIENT, attributes=task.span_attributes):
            stages = StageSpans()
            found = await tools.triton.background_removal(
                asked.image, background=asked.background, **{**scalars, "output": output}
            )
            stages.record(found.report.stage_ms)
        with span("encode pictures"):
            outputs = await tools.off_loop(_encoded, asked, found)
        report = found.report
        return Made(outputs, report.to_json(), round(report.total_ms / 1000, 3))


def _encoded(asked: Cutting, found: CutOut) -> dict[str, bytes]:
    width, height = asked.photo.size
    with DECODING.taken(width * height):
        return result_files(asked, found)


CUTOUT: Final[Kind] = Cutout()
