"""A request of `find_masks`: what is sent, what comes back, and a server that has no SAM3."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from tritonclient.grpc import InferResult

from pawfect.contract.errors import ErrorKind, PawfectError, invalid
from pawfect.contract.find import FindReport, check_boxes, check_phrase
from pawfect.contract.tensors import FIND_MASKS, IMAGE, Array, check_photo_size
from pawfect.contract.texts import text_tensor
from pawfect_client.failures import AbsentError
from pawfect_client.results import FoundMasks
from pawfect_client.wire import Call

_LACKS: Final = "expected a server with SAM3, profile t4, l4 or h200, got one without it"


def find_tensors(
    image: NDArray[np.uint8], phrase: str | None, boxes: Array | None
) -> dict[str, Array]:
    """Return the tensors of a request by name, those that are absent left out.

    Args:
        image: UINT8 [H, W, 3] RGB.
        phrase: what to find, or None.
        boxes: [B, 4], x0, y0, x1, y1 in px round examples of it, or None.

    Raises:
        PawfectError: INVALID_ARG for an image of another type, dtype, shape or size, for neither
            phrase nor boxes, and for what `check_phrase` and `check_boxes` refuse.
    """
    expected = "a UINT8 array [H, W, 3]"
    if not isinstance(image, np.ndarray):
        raise invalid(IMAGE.name, expected, "nothing" if image is None else type(image).__name__)
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise invalid(IMAGE.name, expected, f"{image.dtype} {list(image.shape)}")
    height, width = image.shape[:2]
    check_photo_size(height, width, IMAGE.name)
    if phrase is None and boxes is None:
        raise invalid("PHRASE, BOXES", "at least one of them", "neither")
    tensors: dict[str, Array] = {IMAGE.name: image}
    if phrase is not None:
        tensors["PHRASE"] = text_tensor(check_phrase(phrase))
    if boxes is not None:
        tensors["BOXES"] = check_boxes(boxes, height, width)
    return tensors


def found_masks(response: Any, call: Call) -> FoundMasks:
    """Return what was found in a ModelInferResponse.

    Raises:
        PawfectError: INTERNAL for an answer that is not what the contract says.
    """
    answer = InferResult(response)
    masks, scores, report = (answer.as_numpy(spec.name) for spec in FIND_MASKS.outputs)
    if masks is None or scores is None or report is None or report.size != 1:
        raise _broken("MASKS, SCORES, REPORT", "all three", "fewer")
    shape = (len(scores), *call.shape[:2])
    if masks.shape != shape or masks.dtype != np.uint8:
        raise _broken("MASKS", f"uint8 {list(shape)}", f"{masks.dtype} {list(masks.shape)}")
    try:
        parsed = FindReport.from_json(report.item())
    except (ValueError, KeyError, TypeError) as error:
        raise _broken("REPORT", "entries that this client knows", repr(error)) from None
    # Copies: the arrays are views of the message's bytes.
    return FoundMasks(masks.astype(np.uint8), scores.astype(np.float32), parsed)


@contextmanager
def sam3_asked() -> Iterator[None]:
    """Have the block's failure say what a server lacks that does not know the model."""
    try:
        yield
    except AbsentError:
        lacking = f"{FIND_MASKS.name}: {_LACKS}"
        raise PawfectError(ErrorKind.UNAVAILABLE, lacking) from None


def _broken(what: str, expected: str, got: str) -> PawfectError:
    return PawfectError(ErrorKind.INTERNAL, f"{what} of the answer: expected {expected}, got {got}")
