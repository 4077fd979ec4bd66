"""Swapping a face: a search whose candidates show the face of the reference, with consent alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pawfect.contract.errors import invalid
from pawfect.contract.parameters import MaskFileParams, Scalar
from pawfect.contract.search import SWAP as PROPOSER
from pawfect.contract.search import SearchParams, check_swap_consent
from pawfect.contract.texts import check_texts
from pawfect_client.candidate_search import SWAP_PRESET
from pawfect_service.jobs.base import BASE_FIELD, BASE_INPUT
from pawfect_service.jobs.kinds.cutout_pictures import check_photo
from pawfect_service.jobs.kinds.inpaint import MASK, ORIGINAL
from pawfect_service.jobs.kinds.kind import Accepted, Kind, Task, Tools, checked_in_time
from pawfect_service.jobs.kinds.room import decoded
from pawfect_service.jobs.kinds.run_pictures import check_base
from pawfect_service.jobs.kinds.search import REFERENCE, Given, Parameters, Search, reference_of

CALLER: Final = "caller"
_READING: Final = tuple(MaskFileParams.__dataclass_fields__)


class Swap(Search):
    """The kind `swap`; its mask, which says which face, may be missing."""

    name = "swap"
    drawn_by: str | None = PROPOSER
    fields: Mapping[str, bool] = {"photo": True, REFERENCE: True, "mask": False}
    texts: tuple[str, ...] = ("prompt", *_READING)
    inputs: Mapping[str, str] = {BASE_INPUT: ORIGINAL, REFERENCE: "reference.jpg"}
    optional: Mapping[str, str] = {"mask": MASK}
    signed = True

    def parse(self, parameters: Mapping[str, Scalar], texts: Mapping[str, str]) -> Parameters:
        """Return what a request asks for; INVALID_ARG as a search says, and without consent."""
        given = {"preset": SWAP_PRESET, **parameters, "proposer": PROPOSER}
        check_swap_consent(SearchParams.parse(given))
        return super().parse(given, texts)

    def checked(self, parameters: Mapping[str, Any], longest_s: float) -> dict[str, Scalar]:
        """Return the scalars that were given.

        Raises:
            PawfectError: INVALID_ARG as `parse` says, for too late a deadline, and for what the
                service says itself: who calls, and what is proposed.
        """
        for name in (CALLER, "proposer"):
            if name in parameters:
                raise invalid(name, "none, since the service says it", "one")
        self.parse(parameters, {})
        return checked_in_time(SearchParams.parse(parameters), parameters, longest_s)

    def check(
        self,
        files: Mapping[str, bytes],
        parameters: Mapping[str, Scalar],
        texts: Mapping[str, str],
        *,
        headers_only: bool,
    ) -> Accepted:
        """Return the pictures as they are stored; INVALID_ARG as their checks say."""
        if "mask" in files:
            return super().check(files, parameters, texts, headers_only=headers_only)
        for name in _READING:
            if name in texts:
                raise invalid(name, "a mask too, which it belongs to", "none")
        if "prompt" in texts:
            check_texts("PROMPT", [texts["prompt"]])
        photo = files.get(BASE_FIELD)
        if photo is None:
            photo = check_photo(files["photo"], "photo", headers_only=headers_only)
        else:
            photo = check_base(photo)
        reference = check_photo(files[REFERENCE], REFERENCE, headers_only=headers_only)
        return Accepted({BASE_INPUT: photo, REFERENCE: reference})

    async def _decoded(self, task: Task, tools: Tools) -> Given:
        if "mask" in task.files:
            return await super()._decoded(task, tools)
        photo = await tools.off_loop(decoded, task.files[BASE_INPUT], "photo")
        return Given(photo, None, {REFERENCE: await reference_of(task, tools)})


SWAP: Final[Kind] = Swap()
