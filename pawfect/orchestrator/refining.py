"""What all requests of `refine` share, and how one of them is seen by its repair."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pawfect.contract.errors import ErrorKind, PawfectError, invalid
from pawfect.contract.refine import (
    MAX_REGIONS,
    Payload,
    RefineParams,
    SubjectPayload,
    check_type,
    read_payload,
)
from pawfect.contract.tensors import Array, check_photo_size
from pawfect.contract.texts import read_texts
from pawfect.orchestrator.deployment import DeployedChain, Deployment
from pawfect.orchestrator.serving import deployed
from pawfect.profile import Profile
from pawfect.refine.remote import INSTALL, SDK, RemoteEngine, is_installed
from pawfect.refine.remote_settings import KEY_VARIABLE, URL_VARIABLE, read_settings

# The types that each input beside IMAGE and PROTECT is for.
_INPUTS: Final[Mapping[str, tuple[str, ...]]] = {
    "MASKS": ("region", "subject", "general"),
    "REFERENCE": ("subject",),
}


@dataclass(frozen=True, eq=False)
class RefineRequest:
    """One request, checked.

    Attributes:
        image: UINT8 [H, W, 3] RGB.
        type: subject, text, region or general.
        payload: what is to be done.
        payload_json: the same as it came.
        params: the scalars.
        masks: UINT8 [K, H, W], >= 128 = it, or None.
        reference: UINT8 [h, w, 3] RGB, or None.
        protect: UINT8 [H, W], >= 128 = never changed, or None.
    """

    image: NDArray[np.uint8]
    type: str
    payload: Payload
    payload_json: str
    params: RefineParams
    masks: NDArray[np.uint8] | None = None
    reference: NDArray[np.uint8] | None = None
    protect: NDArray[np.uint8] | None = None


@dataclass(frozen=True)
class Refining:
    """What one server's `refine` works with, read once.

    Attributes:
        fill: the flow of `inpaint`.
        remote: the engine that the operator allows; None: there is none.
        remote_lacking: why not.
    """

    fill: Deployment
    remote: RemoteEngine | None = None
    remote_lacking: str | None = None

    def editor(self, params: RefineParams) -> DeployedChain | RemoteEngine:
        """Return what edits by words: a model of the profile, else the remote engine.

        Raises:
            PawfectError: UNAVAILABLE where there is none, where the request does not allow the only
                one there is, or names another, with what would be needed.
        """
        found = self.editor_or_lacking(params.engine)
        if isinstance(found, RemoteEngine) and not params.remote:
            only = "only a remote engine can do this here"
            found = f"{only}: with remote=true the picture is sent to it"
        if isinstance(found, str):
            raise PawfectError(ErrorKind.UNAVAILABLE, f"edit: {found}")
        return found

    def editor_or_lacking(self, asked: str = "auto") -> DeployedChain | RemoteEngine | str:
        """Return what edits by words where a request asks for an engine, or what is lacking."""
        lacking = f"profile {self.fill.profile.name} has no edit model"
        try:
            deployed = self.fill.editor(asked)
            if deployed is not None:
                return deployed
        except PawfectError as error:
            lacking = error.message
            if asked != "auto":
                return lacking
        return f"{lacking}, and {self.remote_lacking}" if self.remote is None else self.remote


def read_refining(profile: Profile, verbatim: bool) -> Refining:
    """Return what a profile and the environment give `refine`; see `Orchestration.deploy`."""
    fill = deployed(profile, verbatim)
    try:
        settings = read_settings(os.environ)
    except PawfectError as error:
        return Refining(fill, remote_lacking=f"the remote engine is off: {error.message}")
    if settings is None:
        lacking = f"no remote engine is set up ({URL_VARIABLE} and {KEY_VARIABLE} of the server)"
        return Refining(fill, remote_lacking=lacking)
    if not is_installed():
        lacking = f"the remote engine is off: it needs the package {SDK}: {INSTALL}"
        return Refining(fill, remote_lacking=lacking)
    return Refining(fill, RemoteEngine(settings))


def refine_request(inputs: Mapping[str, Array], params: RefineParams) -> RefineRequest:
    """Decode a request of `refine`.

    Raises:
        PawfectError: INVALID_ARG for what `read_payload` and `check_photo_size` refuse, MASKS or
            PROTECT of another size, an input that the type does not take, and a reference that the
            payload names and that is not there.
    """
    image = inputs["IMAGE"]
    height, width = image.shape[:2]
    check_photo_size(height, width, "IMAGE")
    (kind,) = read_texts("TYPE", inputs["TYPE"])
    check_type(kind)
    for name, types in _INPUTS.items():
        if name in inputs and kind not in types:
            raise invalid(name, f"it with {' or '.join(types)} alone", f"it with {kind}")
    _check_planes(inputs, height, width)
    text = _payload_text(inputs["PAYLOAD"])
    payload = read_payload(kind, text, width, height)
    named = payload.reference_file_id if isinstance(payload, SubjectPayload) else None
    if named is not None and "REFERENCE" not in inputs:
        raise invalid("REFERENCE", "the picture that PAYLOAD: referenceFileId names", "none")
    return RefineRequest(
        image=image,
        type=kind,
        payload=payload,
        payload_json=text,
        params=params,
        masks=inputs.get("MASKS"),
        reference=inputs.get("REFERENCE"),
        protect=inputs.get("PROTECT"),
    )


def _payload_text(tensor: Array) -> str:
    data = tensor.reshape(-1)[0]
    try:
        return data.decode() if isinstance(data, bytes) else str(data)
    except UnicodeDecodeError as error:
        raise invalid("PAYLOAD", "UTF-8", f"byte {data[error.start]:#04x}") from None


def _check_planes(inputs: Mapping[str, Array], height: int, width: int) -> None:
    """Raise INVALID_ARG unless all pictures beside IMAGE are of the sizes that they must have."""
    if "MASKS" in inputs:
        number = len(inputs["MASKS"])
        if not 1 <= number <= MAX_REGIONS:
            raise invalid("MASKS", f"1 to {MAX_REGIONS} masks", number)
    for name in ("MASKS", "PROTECT"):
        if name in inputs and inputs[name].shape[-2:] != (height, width):
            got = f"{inputs[name].shape[-1]}x{inputs[name].shape[-2]}"
            raise invalid(name, f"the image's size {width}x{height}", got)
    if "REFERENCE" in inputs:
        rows, columns = inputs["REFERENCE"].shape[:2]
        check_photo_size(rows, columns, "REFERENCE")
