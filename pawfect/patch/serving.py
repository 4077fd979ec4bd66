"""`patch_fill` as a function of tensors."""

from __future__ import annotations

import json
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from pawfect.contract.errors import invalid
from pawfect.contract.parameters import FillParams
from pawfect.contract.tensors import MASK_THRESHOLD, Array
from pawfect.contract.texts import text_tensor
from pawfect.patch.engine import fill
from pawfect.stop import Stop, never


def patch_fill(
    inputs: Mapping[str, Array], params: FillParams, stop: Stop = never
) -> dict[str, Array]:
    """Fill one window from its own patches; see `pawfect.patch.engine.fill`.

    Raises:
        PawfectError: INVALID_ARG for planes of other sizes, and an empty or a full mask;
            CANCELLED, since `stop` said so.
    """
    image, mask, protect = checked_planes(inputs)
    result = fill(
        image, mask, protect=protect, seed=params.seed, working_px=params.working_px, stop=stop
    )
    report = text_tensor(json.dumps({"method": result.method}))
    return {"IMAGE": result.image, "REPORT": report}


def checked_planes(
    inputs: Mapping[str, Array],
) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8] | None]:
    """Return the IMAGE, MASK and PROTECT of a request to a fill of one window.

    Raises:
        PawfectError: INVALID_ARG for planes of other sizes, and an empty or a full mask.
    """
    image, mask, protect = inputs["IMAGE"], inputs["MASK"], inputs.get("PROTECT")
    for name, plane in (("MASK", mask), ("PROTECT", protect)):
        if plane is not None and plane.shape != image.shape[:2]:
            expected = f"the image's size {image.shape[1]}x{image.shape[0]}"
            raise invalid(name, expected, f"{plane.shape[1]}x{plane.shape[0]}")
    if not 0 < np.count_nonzero(mask >= MASK_THRESHOLD) < mask.size:
        raise invalid("MASK", "some pixels to fill and some to keep", "an empty or a full mask")
    return image, mask, protect
