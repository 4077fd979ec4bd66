"""The subject, made to look like a reference picture or as words say."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pawfect.contract.refine import SubjectPayload
from pawfect.refine.creativity import Creativity
from pawfect.refine.editing import Edit, edit_photo
from pawfect.refine.repaired import Repaired

_LIKE = "The second picture shows the real subject: make the first picture's subject look like it."
_LIKE_ALL = (
    "The other pictures show the real subject: make the first picture's subject look like it."
)
_ALONE = "This is about the main subject of the picture."


async def repair_subject(
    image: NDArray[np.uint8],
    payload: SubjectPayload,
    mask: NDArray[np.uint8] | None,
    references: Sequence[NDArray[np.uint8]],
    level: Creativity,
    edit: Edit,
) -> Repaired:
    """Have an engine repair the subject; arguments as `edit_photo` has them."""
    about = (_ALONE, _LIKE, _LIKE_ALL)[min(len(references), 2)]
    words = " ".join((payload.instructions, about, level.words))
    return await edit_photo(image, mask, references, words, edit)
