"""A photo, or what a mask marks of it, changed as words say."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pawfect.contract.refine import GeneralPayload
from pawfect.refine.creativity import Creativity
from pawfect.refine.editing import Edit, edit_photo
from pawfect.refine.repaired import Repaired


async def repair_all(
    image: NDArray[np.uint8],
    payload: GeneralPayload,
    mask: NDArray[np.uint8] | None,
    level: Creativity,
    edit: Edit,
) -> Repaired:
    """Have an engine change a photo; arguments as `edit_photo` has them."""
    words = f"{payload.prompt} {level.words}"
    return await edit_photo(image, mask, (), words, edit)
