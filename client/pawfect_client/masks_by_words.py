"""A request of `find_masks`: what is sent, what comes back, and a server that has no SAM3."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pawfect.contract.errors import ErrorKind, PawfectError, invalid
from pawfect.contract.find import FindReport, check_boxes, check_phrase
from pawfect.contract.tensors import FIND_MASKS, IMAGE, Array
from pawfect.contract.texts import text_tensor
from pawfect_client.failures import AbsentError
from pawfect_client.inputs import check_picture
from pawfect_client.results import FoundMasks
from pawfect_client.wire import Call, broken, output_of, picture_of, report_of

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
    check_picture(image, IMAGE.name)
    if phrase is None and boxes is None:
        raise invalid("PHRASE, BOXES", "at least one of them", "neither")
    tensors: dict[str, Array] = {IMAGE.name: image}
    if phrase is not None:
        tensors["PHRASE"] = text_tensor(check_phrase(phrase))
    if boxes is not None:
        tensors["BOXES"] = check_boxes(boxes, *image.shape[:2])
    return tensors


def found_masks(response: Any, call: Call[Any]) -> FoundMasks:
    """Return what was found in a ModelInferResponse.

    Raises:
        PawfectError: INTERNAL for an answer that is not what the contract says.
    """
    scores = output_of(response, "SCORES")
    if scores is None or scores.ndim != 1:
        got = "nothing" if scores is None else f"{scores.dtype} {list(scores.shape)}"
        raise broken("SCORES", "one each", got)
    masks = picture_of(response, "MASKS", (len(scores), *call.shape[:2]))
    return FoundMasks(masks, scores.astype(np.float32), report_of(response, FindReport.from_json))


@contextmanager
def sam3_asked() -> Iterator[None]:
    """Have the block's failure say what a server lacks that does not know the model."""
    try:
        yield
    except AbsentError:
        lacking = f"{FIND_MASKS.name}: {_LACKS}"
        raise PawfectError(ErrorKind.UNAVAILABLE, lacking) from None
