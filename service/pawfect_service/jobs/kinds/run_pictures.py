"""The pictures of a run's versions: each works on the exact one before it. CPU work, off the loop.

A result is kept as image.png, without loss, so that in a chain of versions no pixel is written anew
but where it is changed; edited.jpg is the same for people.
"""

from __future__ import annotations

import asyncio
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pawfect.contract.errors import invalid
from pawfect.contract.search import SWAP
from pawfect.photo.image_file import read_header
from pawfect.photo.photo import Photo, is_jpeg
from pawfect.photo.saving import encode_photo
from pawfect_service.jobs.kinds.kind import Tools
from pawfect_service.jobs.kinds.pictures import edited_jpeg, preview_jpeg

IMAGE: Final = "image.png"
EDITED: Final = "edited.jpg"
PREVIEW: Final = "preview.jpg"
# What a version of a run is, by the outputs' names, in the order in which they are published.
VERSION_OUTPUTS: Final = {"preview": PREVIEW, "edited": EDITED, "image": IMAGE}


def check_base(data: bytes) -> bytes:
    """Return another version's picture that can be worked on, as it is.

    Raises:
        PawfectError: INVALID_ARG for one with transparent parts, such as a cut-out's.
    """
    if not is_jpeg(data) and read_header(data, "base").image.has_transparency_data:
        expected = "a picture without transparent parts; base says which version is worked on"
        raise invalid("base", expected, "one that is cut out")
    return data


def image_png(photo: Photo, pixels: NDArray[np.uint8], engine: str) -> bytes:
    """Return the content of image.png: upright, without loss, with the original's metadata.

    Args:
        photo: the original.
        pixels: UINT8 [H, W, 3] RGB of its size.
        engine: which filled it.
    """
    return encode_photo(photo.with_pixels(pixels).changed_by(engine), "PNG", quickly=True)


async def version_files(
    photo: Photo, pixels: NDArray[np.uint8], engine: str, tools: Tools
) -> dict[str, bytes]:
    """Return the content of each of VERSION_OUTPUTS.

    Args:
        photo: what was worked on.
        pixels: UINT8 [H, W, 3] RGB of its size.
        engine: which filled it.
        tools: threads.
    """
    # A swapped face says what it is wherever it is seen.
    seen = engine if engine == SWAP else None
    preview, edited, image = await asyncio.gather(
        tools.off_loop(preview_jpeg, photo, pixels, seen),
        tools.off_loop(edited_jpeg, photo, pixels, engine),
        tools.off_loop(image_png, photo, pixels, engine),
    )
    return {"preview": preview, "edited": edited, "image": image}
