"""The stages of a refinement: loading and saving are the service's, the repair is the server's."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Final

from opentelemetry.trace import SpanKind

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.contract.parameters import Scalar
from pawfect.photo.photo import Photo
from pawfect_client.results import Refined
from pawfect_service.jobs.base import BASE_INPUT
from pawfect_service.jobs.kinds.kind import Made, OnProgress, Task, Tools
from pawfect_service.jobs.kinds.refine_masks import separate_masks
from pawfect_service.jobs.kinds.room import decoded
from pawfect_service.jobs.kinds.run_pictures import version_files
from pawfect_service.jobs.kinds.telling import followed, tell
from pawfect_service.telemetry.traces import span

_MODEL: Final = "refine"


@dataclass(frozen=True, eq=False)
class Refining:
    """A refinement on its way.

    Attributes:
        type: subject, text, region or general.
        payload: what of, JSON text.
        scalars: those of RefineParams that were given.
        photo: the base's picture, once it is loaded.
        done: the server's answer, once there is one.
        made: the result, once it is saved.
    """

    type: str
    payload: str
    scalars: Mapping[str, Scalar]
    photo: Photo | None = None
    done: Refined | None = None
    made: Made | None = None


Stage = Callable[[Refining, Task, Tools, OnProgress], Awaitable[Refining]]


async def load_base_image(
    state: Refining, task: Task, tools: Tools, on_progress: OnProgress
) -> Refining:
    """Decode the base's picture."""
    with span("decode pictures"):
        photo = await tools.off_loop(decoded, task.files[BASE_INPUT], "base")
    return replace(state, photo=photo)


async def repair(state: Refining, task: Task, tools: Tools, on_progress: OnProgress) -> Refining:
    """Have the server mend the picture; `on_progress` hears of each of its stages."""
    photo = _loaded(state)
    files, more = task.files, dict[str, Any]()
    if "masks" in files:
        more["masks"] = await tools.off_loop(separate_masks, files["masks"])
    if "reference" in files:
        found = await tools.off_loop(decoded, files["reference"], "reference")
        more["reference"] = found.pixels
    with span(f"triton {_MODEL}", SpanKind.CLIENT, attributes=task.span_attributes):
        scalars: dict[str, Any] = dict(state.scalars)
        stream = tools.triton.refine_stream(
            photo.pixels, state.type, state.payload, **{**more, **scalars}
        )
        done = await followed(stream, Refined, lambda event: tell(event, photo, tools, on_progress))
    return replace(state, done=done)


async def save_outputs(
    state: Refining, task: Task, tools: Tools, on_progress: OnProgress
) -> Refining:
    """Encode the result, with the base's metadata and colour profile."""
    photo, done = _loaded(state), state.done
    if done is None:
        raise PawfectError(ErrorKind.INTERNAL, "refine.toml: expected a repair before it is saved")
    with span("encode pictures"):
        outputs = await version_files(photo, done.image, done.report.engine, tools)
    report = done.report
    made = Made(outputs, report.to_json(), round(report.total_ms / 1000, 3))
    return replace(state, made=made)


def _loaded(state: Refining) -> Photo:
    if state.photo is None:
        raise PawfectError(ErrorKind.INTERNAL, "refine.toml: expected load_base_image first")
    return state.photo


# By the names that `refine.toml` gives them; the server tells the types of repair apart.
STAGES: Final[Mapping[str, Stage]] = MappingProxyType(
    {
        "load_base_image": load_base_image,
        "subject_repair": repair,
        "text_repair": repair,
        "region_repair": repair,
        "general_repair": repair,
        "save_outputs": save_outputs,
    }
)
