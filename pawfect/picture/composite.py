"""Putting a fill into its photo: one tone, one grain, no seam, nothing else touched."""

import numpy as np
from numpy.typing import NDArray

from pawfect.picture import raster
from pawfect.picture.grain import match_grain
from pawfect.picture.tone import blur_known, membrane

_TONE_SIGMA = 4.0  # px: averages grain over some 100 px of the ring


def composite(
    image: NDArray[np.uint8],
    filled: NDArray[np.uint8],
    mask: NDArray[np.uint8],
    *,
    feather_px: int,
    match: bool = True,
    ignore: NDArray[np.bool_] | None = None,
) -> NDArray[np.uint8]:
    """Blend a fill over its photo across a feather that lies outside the mask.

    Where the fill was regenerated around the mask too, its tone and grain are first fitted to the
    photo's; a fill that repeats the photo there bit for bit was made for it, and is taken as it is.

    Args:
        image: UINT8 [H, W, 3] RGB, the photo or a window of it.
        filled: UINT8 [H, W, 3], the fill of that window.
        mask: UINT8 [H, W], >= 128 is taken from the fill.
        feather_px: width of the blend, px, 0 or more.
        match: whether tone and grain are fitted at all.
        ignore: [H, W], where photo and fill are not to be compared: other holes.

    Returns:
        UINT8 [H, W, 3]: the fill inside the mask, a blend up to `feather_px` from it, and beyond
        that the photo bit for bit.

    Raises:
        ValueError: a shape, a dtype or the feather is not as above.
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ValueError(f"image: expected uint8 [H, W, 3], got {image.dtype} {list(image.shape)}")
    if filled.shape != image.shape or filled.dtype != np.uint8:
        raise ValueError(
            f"filled: expected uint8 {list(image.shape)}, got {filled.dtype} {list(filled.shape)}"
        )
    if mask.shape != image.shape[:2] or mask.dtype != np.uint8:
        raise ValueError(
            f"mask: expected uint8 {list(image.shape[:2])}, got {mask.dtype} {list(mask.shape)}"
        )
    if feather_px < 0:
        raise ValueError(f"feather_px: expected 0 or more, got {feather_px}")
    hole = mask >= 128
    if not hole.any():
        return image.copy()
    weight = feather(hole, feather_px)[..., None]
    ring = _ring(hole, feather_px)
    if ignore is not None:
        ring &= ~ignore
    if match and not np.array_equal(filled[ring], image[ring]):
        filled = match_grain(fit_tone(filled, image, ring), image, hole, ring)
    blend = raster.to_pixels(weight * filled + (1 - weight) * image)
    return np.where(weight > 0, blend, image)


def feather(hole: NDArray[np.bool_], feather_px: int) -> NDArray[np.float32]:
    """Weigh the fill by the distance from the hole.

    Args:
        hole: [H, W].
        feather_px: width of the ramp, px.

    Returns:
        FLOAT32 [H, W]: 1 in the hole, falling smoothly to 0 beyond `feather_px` from it.
    """
    away = raster.distance_to(hole)
    share = np.clip(1 - away / (feather_px + 1), 0, 1)
    ramp = share * share * (3 - 2 * share)
    return np.where(away <= feather_px, ramp, 0).astype(np.float32)


def _ring(hole: NDArray[np.bool_], feather_px: int) -> NDArray[np.bool_]:
    """Mark the band around the hole, [H, W], on which a fill and its photo are compared."""
    return ~hole & (raster.distance_to(hole) <= max(12.0, 1.5 * feather_px))


def fit_tone(
    filled: NDArray[np.uint8], image: NDArray[np.uint8], ring: NDArray[np.bool_]
) -> NDArray[np.uint8]:
    """Shift a regenerated window's colours to the photo's.

    On the ring both are known: their difference, blurred, is spanned over everything else as a
    membrane (Perez, Gangnet and Blake, "Poisson image editing", 2003).

    Args:
        filled: UINT8 [H, W, 3], regenerated everywhere.
        image: UINT8 [H, W, 3], true on the ring.
        ring: [H, W], around the hole; its width sets how much grain is averaged.

    Returns:
        UINT8 [H, W, 3]; `filled` itself where the ring is empty.
    """
    if not ring.any():
        return filled
    difference = image.astype(np.float32) - filled.astype(np.float32)
    field, _ = blur_known(difference, ring, _TONE_SIGMA)
    return raster.to_pixels(filled + membrane(field, ring))
