"""The native PatchMatch call, made safe for threads and for odd inputs."""

from threading import Lock
from typing import cast

import numpy as np
import patchmatch
from numpy.typing import NDArray

from pawfect.picture import raster

PATCH_RADIUS = 3
"""Radius of the compared patches, px. Over 25 scenes laid out small, 3 beats 5 by a sixth on
texture (ST-LPIPS 0.099 against 0.120) and ties on structure; on coarse levels the library tries 5
by itself."""

MIN_SOURCES = 32
"""Fewest whole patches outside the hole worth a search; below it a fill repeats one patch."""

GUIDE_WEIGHT = 0.1
"""Of the guide beside the patches' own distance: 0.25 and 0.6 helped no more, and took detail from
the copies where a guide does not help."""

_native = Lock()  # the library's seed is global to the process: held from seeding to the answer


def native_seed(seed: int) -> int:
    """Fold a seed of up to 63 bits into the 32 bits that the native library keeps."""
    return (seed ^ (seed >> 32)) & 0xFFFFFFFF


def synthesise(
    image: NDArray[np.uint8],
    hole: NDArray[np.bool_],
    banned: NDArray[np.bool_],
    *,
    seed: int,
    guide: NDArray[np.float32] | None = None,
) -> NDArray[np.uint8]:
    """Fill the hole with patches of the image (Barnes et al., SIGGRAPH 2009).

    Args:
        image: [H, W, 3], 0-255.
        hole: [H, W], what to fill.
        banned: [H, W], what is kept and never copied from.
        seed: 0 to 2**63 - 1; the same arguments give the same pixels, whatever ran before.
        guide: [H, W], 0 to under 0.5; sources are preferred where it is as in the target.

    Returns:
        The filled image, [H, W, 3]; the pixels outside the hole are those of `image`.
    """
    gaps = hole.astype(np.uint8)
    shut = (banned & ~hole).astype(np.uint8) if banned.any() else None
    with _native:
        patchmatch.set_random_seed(native_seed(seed))
        if guide is None:
            filled = patchmatch.inpaint(image, gaps, global_mask=shut, patch_size=PATCH_RADIUS)
        else:
            # The library compares the first two planes, each with period 1.
            planes = np.zeros((*guide.shape, 3), np.float32)
            planes[..., 0] = guide
            filled = patchmatch.inpaint_regularity(
                image,
                gaps,
                planes,
                global_mask=shut,
                patch_size=PATCH_RADIUS,
                guide_weight=GUIDE_WEIGHT,
            )
    return cast("NDArray[np.uint8]", np.where(hole[..., None], filled, image))


def enough_sources(blocked: NDArray[np.bool_]) -> bool:
    """Tell whether the pixels that are not blocked, [H, W], hold enough whole patches to copy."""
    if min(blocked.shape) < 2 * PATCH_RADIUS + 1:
        return False
    middles = ~raster.grow(blocked, PATCH_RADIUS, border=True)
    return int(np.count_nonzero(middles)) >= MIN_SOURCES
