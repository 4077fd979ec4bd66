"""`refine` of every client: one signature and one check, whoever answers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from pawfect.contract.capabilities import CAPABILITIES, Capabilities
from pawfect.contract.errors import invalid
from pawfect.contract.parameters import Scalar
from pawfect.contract.pictures import joined
from pawfect.contract.probe import PROBE_ID, probe_photo
from pawfect.contract.refine import REFERENCES, RefineParams, read_payload
from pawfect.contract.refine_report import RefineReport
from pawfect.contract.tensors import REFINE, Array
from pawfect.contract.texts import text_tensor
from pawfect_client.inputs import check_picture, check_plane, tensor_or_parameter
from pawfect_client.results import Refined
from pawfect_client.wire import Call, call_of, picture_of, report_of

Image = NDArray[np.uint8]
# A payload as JSON has it, or its text.
Payload = Mapping[str, Any] | str
# Refined, the events of a stream and Capabilities, or what an event loop waits for them by.
Answer = TypeVar("Answer", covariant=True)
Events = TypeVar("Events", covariant=True)
Told = TypeVar("Told", covariant=True)

_NO_PARAMETERS: Final[Mapping[str, Scalar]] = MappingProxyType({})


class Refinement(Generic[Answer, Events, Told]):
    """Checks a request; the client answers it."""

    def refine(
        self,
        image: Image,
        kind: str,
        payload: Payload,
        *,
        masks: Image | None = None,
        reference: Image | Sequence[Image] | None = None,
        protect: Image | str | None = None,
        **parameters: Scalar,
    ) -> Answer:
        """Repair a part of a picture, or all of it.

        Args:
            image: UINT8 [H, W, 3] RGB, sides 64-16,384 px, at most 110 MP.
            kind: subject, text, region or general.
            payload: what is to be done, see `pawfect.contract.refine`: as JSON has it, or its text.
            masks: UINT8 [K, H, W], >= 128 = it: of `region` those that its payload names; of
                `subject` and `general` what may change, all others stay bit for bit; or None.
            reference: UINT8 [h, w, 3] RGB of any size that a photo may have, or up to eight of
                them: of `subject`, what it is to look like; or None.
            protect: UINT8 [H, W], >= 128 = never changed; or the parameter of that name: auto (as
                None) has a network find the pet, none protects nothing.
            parameters: the scalars of `pawfect.contract.refine.RefineParams`.

        Returns:
            `Refined`; of the asynchronous client what is awaited for it.

        Raises:
            PawfectError: INVALID_ARG before anything is sent; else as the server answered, or
                UNAVAILABLE, DEADLINE or CANCELLED where it did not. UNAVAILABLE also for what the
                server cannot do: `capabilities` says so beforehand.
        """
        asked = masks, reference, protect
        return self._refine(*_checked(image, kind, payload, *asked, parameters))

    def refine_stream(
        self,
        image: Image,
        kind: str,
        payload: Payload,
        *,
        masks: Image | None = None,
        reference: Image | Sequence[Image] | None = None,
        protect: Image | str | None = None,
        **parameters: Scalar,
    ) -> Events:
        """Repair a picture and tell how far it is: stages as they end, `Refined` at last.

        Arguments and errors are those of `refine`; streams are those of `inpaint_stream`.
        """
        asked = masks, reference, protect
        return self._refine_events(*_checked(image, kind, payload, *asked, parameters))

    def capabilities(self) -> Told:
        """Return what the server can do: cutout, find_masks and each type of `refine`.

        It takes no place of a request, reads no picture, and is answered in milliseconds.

        Returns:
            `Capabilities`; of the asynchronous client what is awaited for it.

        Raises:
            PawfectError: UNAVAILABLE where there is no server, or one that has no `refine`.
        """
        raise NotImplementedError

    def _refine(self, tensors: Mapping[str, Array], parameters: Mapping[str, Scalar]) -> Answer:
        """Answer a request that was checked."""
        raise NotImplementedError

    def _refine_events(
        self, tensors: Mapping[str, Array], parameters: Mapping[str, Scalar]
    ) -> Events:
        """Answer a request that was checked, as a stream."""
        raise NotImplementedError


def refine_call(
    tensors: Mapping[str, Array], parameters: Mapping[str, Scalar], timeout_s: float | None
) -> Call[Refined]:
    """Return the call of `refine`; its arguments are those of `pawfect_client.wire.call_of`."""
    call = call_of(REFINE.name, tensors, parameters, timeout_s)
    return Call(call.message, call.shape, call.timeout_s, _refined)


def capabilities_call(timeout_s: float | None) -> Call[Capabilities]:
    """Return the call that asks what the server can do."""
    texts = {"TYPE": text_tensor(CAPABILITIES), "PAYLOAD": text_tensor("{}")}
    call = call_of(REFINE.name, {"IMAGE": probe_photo(), **texts}, _NO_PARAMETERS, timeout_s)
    # As a probe it takes no place of a request.
    call.message.id = PROBE_ID
    return Call(call.message, call.shape, call.timeout_s, _capabilities)


def _refined(response: Any, call: Call[Refined]) -> Refined:
    image = picture_of(response, "IMAGE", call.shape)
    return Refined(image, report_of(response, RefineReport.from_json))


def _capabilities(response: Any, call: Call[Capabilities]) -> Capabilities:
    del call
    return report_of(response, Capabilities.from_json)


def _checked(
    image: Image,
    kind: str,
    payload: Payload,
    masks: Image | None,
    reference: Image | Sequence[Image] | None,
    protect: Image | str | None,
    parameters: Mapping[str, Scalar],
) -> tuple[dict[str, Array], Mapping[str, Scalar]]:
    """Return the tensors of a request by name and its parameters; raises INVALID_ARG."""
    guard, parameters = tensor_or_parameter(protect, parameters)
    RefineParams.parse(parameters)
    check_picture(image, "IMAGE")
    height, width = image.shape[:2]
    text = payload if isinstance(payload, str) else _json(payload)
    read_payload(kind, text, width, height)
    tensors: dict[str, Array] = {
        "IMAGE": image,
        "TYPE": text_tensor(kind),
        "PAYLOAD": text_tensor(text),
    }
    if masks is not None:
        if not isinstance(masks, np.ndarray) or masks.ndim != 3 or not len(masks):
            got = type(masks).__name__ if not isinstance(masks, np.ndarray) else list(masks.shape)
            raise invalid("MASKS", "a UINT8 array [K, H, W]", got)
        for mask in masks:
            check_plane(mask, "MASKS", width, height)
        tensors["MASKS"] = masks
    if reference is not None and len(reference):
        tensors |= _references(reference)
    if guard is not None:
        check_plane(guard, "PROTECT", width, height)
        tensors["PROTECT"] = guard
    return tensors, parameters


def _references(reference: Image | Sequence[Image]) -> dict[str, Array]:
    """Return the tensors of one or several pictures to go by."""
    first, *others = [reference] if isinstance(reference, np.ndarray) else reference
    for one in (first, *others):
        check_picture(one, "REFERENCE")
    return {"REFERENCE": first} | (joined(others, REFERENCES) if others else {})


def _json(payload: Mapping[str, Any]) -> str:
    try:
        return json.dumps(payload)
    except (TypeError, ValueError) as error:
        raise invalid("PAYLOAD", "what JSON can hold", error) from None
