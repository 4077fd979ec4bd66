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
    check_type,
    read_payload,
)
from pawfect.contract.tensors import Array, check_photo_size
from pawfect.contract.texts import read_texts
from pawfect.orchestrator.deployment import Deployment
from pawfect.orchestrator.serving import deployed
from pawfect.profile import Profile
from pawfect.refine.editing import Edit
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

    @property
    def edit_lacking(self) -> str | None:
        """What `subject` and `general` would need; None where they can be asked for."""
        if self.remote is not None:
            return None
        return f"profile {self.fill.profile.name} has no edit model, and {self.remote_lacking}"

    def edit(self, params: RefineParams) -> Edit:
        """Return the engine that edits by words; an edit model of the profile joins here.

        Raises:
            PawfectError: UNAVAILABLE where there is none, or the request does not allow the only
                one there is, with what would be needed.
        """
        lacking = self.edit_lacking
        if lacking is None and not params.remote:
            lacking = (
                "only a remote engine can do this here: with remote=true the picture is sent to it"
            )
        if lacking is not None or self.remote is None:
            raise PawfectError(ErrorKind.UNAVAILABLE, f"edit: {lacking}")
        return self.remote


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
            PROTECT of another size, and an input that the type does not take.
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
    return RefineRequest(
        image=image,
        type=kind,
        payload=read_payload(kind, text, width, height),
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
