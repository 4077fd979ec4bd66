"""Refining: a finished picture of a run becomes another one, mended as its type says.

`refine.toml` says in which stages; each is a function of this file or `refine_stages`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pawfect.contract.errors import ErrorKind, PawfectError, invalid
from pawfect.contract.parameters import Scalar
from pawfect.contract.refine import (
    MAX_REGIONS,
    TYPES,
    GeneralPayload,
    RefineParams,
    RegionPayload,
    SubjectPayload,
    check_type,
    read_payload,
)
from pawfect.photo.image_file import read_header
from pawfect_service.jobs.base import BASE_FIELD, BASE_INPUT
from pawfect_service.jobs.fields import SceneLabels
from pawfect_service.jobs.kinds.cutout_pictures import check_photo
from pawfect_service.jobs.kinds.kind import (
    Accepted,
    Kind,
    Made,
    OnProgress,
    Task,
    Tools,
    checked_in_time,
)
from pawfect_service.jobs.kinds.pictures import size_of_stored
from pawfect_service.jobs.kinds.refine_masks import MASKS_FILE, drawn_masks
from pawfect_service.jobs.kinds.refine_stages import STAGES, Refining
from pawfect_service.jobs.kinds.room import DECODING
from pawfect_service.jobs.kinds.run_pictures import VERSION_OUTPUTS, check_base

TYPE: Final = "type"
PAYLOAD: Final = "payload"
REFERENCE: Final = "reference"
# The fields of drawn masks, in order.
MASK_FIELDS: Final = tuple(f"mask{number}" for number in range(MAX_REGIONS))
# What stands in `stage_order` for the stage of the refinement's type.
_BY_TYPE: Final = "TYPE"


@dataclass(frozen=True)
class Parameters:
    """What a refinement was asked for.

    Attributes:
        scalars: those of RefineParams that were given.
        type: one of TYPES.
        payload: what of, JSON text.
    """

    scalars: Mapping[str, Scalar]
    type: str
    payload: str


def stages_of(type_: str) -> tuple[str, ...]:
    """Return the names of a type's stages, in order; ValueError for a file of another form."""
    order = _PLAN["stage_order"]
    return tuple(_PLAN["types"][type_] if name == _BY_TYPE else name for name in order)


def _plan() -> dict[str, Any]:
    plan = tomllib.loads(Path(__file__).with_name("refine.toml").read_text("utf-8"))
    if set(plan) != {"stage_order", "types"} or set(plan["types"]) != set(TYPES):
        raise ValueError(f"refine.toml: expected stage_order, and types {', '.join(TYPES)}")
    named = {*plan["types"].values(), *plan["stage_order"]} - {_BY_TYPE}
    if named - set(STAGES):
        raise ValueError(f"refine.toml: expected stages of {', '.join(STAGES)}, got {named}")
    return plan


_PLAN: Final = _plan()


class Refine:
    """The kind `refine`."""

    name = "refine"
    fields: Mapping[str, bool] = {
        BASE_FIELD: True,
        **dict.fromkeys((*MASK_FIELDS, REFERENCE), False),
    }
    texts: tuple[str, ...] = (TYPE, PAYLOAD)
    inputs: Mapping[str, str] = {BASE_INPUT: "original.jpg"}
    optional: Mapping[str, str] = {"masks": MASKS_FILE, REFERENCE: "reference.jpg"}
    outputs: Mapping[str, str] = VERSION_OUTPUTS
    labelled = False
    varied: tuple[str, ...] = ()
    picture: str | None = "image"
    signed = False

    def parse(self, parameters: Mapping[str, Scalar], texts: Mapping[str, str]) -> Parameters:
        """Return what a request asks for; INVALID_ARG as RefineParams says, and for no type."""
        RefineParams.parse(parameters)
        for name in self.texts:
            if name not in texts:
                raise invalid(name, "a text", "none")
        return Parameters(parameters, check_type(texts[TYPE]), texts[PAYLOAD])

    def checked(self, parameters: Mapping[str, Any], longest_s: float) -> dict[str, Scalar]:
        """Return the scalars that were given; INVALID_ARG also for too late a deadline."""
        return checked_in_time(RefineParams.parse(parameters), parameters, longest_s)

    def check(
        self,
        files: Mapping[str, bytes],
        parameters: Mapping[str, Scalar],
        texts: Mapping[str, str],
        *,
        headers_only: bool,
    ) -> Accepted:
        """Return the base, and the masks and the reference as they are stored.

        Raises:
            PawfectError: INVALID_ARG as `read_payload` says, for masks and a reference that the
                type has no use for, and as `drawn_masks` and `check_photo` say.
        """
        asked = self.parse(parameters, texts)
        base = check_base(files[BASE_FIELD])
        width, height = size_of_stored(base).size
        payload = read_payload(asked.type, asked.payload, width, height)
        stored = {BASE_INPUT: base}
        drawn = [files[name] for name in MASK_FIELDS if name in files]
        _check_drawn(payload, len(drawn))
        if drawn:
            stored_size = read_header(base, BASE_FIELD).stored_size
            with DECODING.taken(stored_size[0] * stored_size[1]):
                stored["masks"] = drawn_masks(drawn, (width, height), payload)
        if REFERENCE in files:
            if not isinstance(payload, SubjectPayload):
                raise invalid(REFERENCE, "none but for subject", f"one for {asked.type}")
            stored[REFERENCE] = check_photo(files[REFERENCE], REFERENCE, headers_only=headers_only)
        return Accepted(stored)

    async def find_labels(self, files: Mapping[str, bytes], tools: Tools) -> SceneLabels:
        """Raise NotImplementedError: the server finds what surrounds a region by itself."""
        raise NotImplementedError("refine: no labels")

    async def work(self, task: Task, tools: Tools, on_progress: OnProgress) -> Made:
        """Go through the type's stages, each on what the one before it gave."""
        asked: Parameters = task.parameters
        state = Refining(asked.type, asked.payload, asked.scalars)
        for name in stages_of(asked.type):
            on_progress.line(f"stage {name}")
            state = await STAGES[name](state, task, tools, on_progress)
        if state.made is None:
            raise PawfectError(ErrorKind.INTERNAL, "refine.toml: expected save_outputs at the end")
        return state.made


def _check_drawn(payload: object, drawn: int) -> None:
    """Raise INVALID_ARG where masks are missing, or are not asked for.

    A region names its masks; of a subject, or of the whole, they say what may change.
    """
    if isinstance(payload, SubjectPayload | GeneralPayload):
        return
    regions = payload.masks if isinstance(payload, RegionPayload) else ()
    asked = {one.mask for one in regions if one.mask is not None}
    if asked != set(range(drawn)):
        named = ", ".join(map(str, sorted(asked))) or "none"
        raise invalid("masks", f"the files that the payload names, {named}", f"{drawn} of them")


REFINE: Final[Kind] = Refine()
