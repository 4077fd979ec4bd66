"""Transparent photos: alpha is filled as a picture of its own, and colour from what can be seen.

What is not there cannot be copied: a hole on transparent ground becomes transparent, and where it
crosses the outline of a cut-out, both colour and alpha are continued. Two requests do it:
`ask_alpha` first, then `ask_colours`; either may have nothing to ask.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pawfect.contract.tensors import MASK_THRESHOLD
from pawfect.photo.colour import in_three
from pawfect.photo.photo import Photo

Plane = NDArray[np.uint8]

# Which engine continues alpha: an outline is an edge to go on with, no scene to be imagined.
ALPHA_ENGINE: Final = "patch"
# Below it a colour is a guess: of 255 levels, 8 bits that were once multiplied by it keep 32.
_VISIBLE: Final = 32
# A fill of alpha that comes so near to an end is meant to be there: its tone is fitted to its
# surroundings, which moves it by some levels.
_SNAP: Final = 16
# How far round the mask's box, px, the photo is looked at: masks grow by 8 to 16 px, and what lies
# within a hole's own size is what it is filled from.
_MARGIN: Final = 64
_GROWTH: Final = 16


@dataclass(frozen=True, eq=False)
class Ask:
    """What a server is to fill.

    Attributes:
        image: UINT8 [H, W, 3].
        mask: UINT8 [H, W], >= 128 = fill.
        protect: UINT8 [H, W], >= 128 = neither filled nor copied from, or None.
    """

    image: NDArray[np.uint8]
    mask: Plane
    protect: Plane | None


def ask_alpha(photo: Photo, mask: Plane, protect: Plane | None) -> Ask | None:
    """Return the request for a photo's alpha; None where all is opaque round the mask.

    Args:
        photo: the photo.
        mask: UINT8 [H, W], >= 128 = fill.
        protect: UINT8 [H, W], >= 128 = never filled, or None.
    """
    if photo.alpha is None:
        return None
    box = _box(mask, photo.alpha.shape)
    if photo.alpha[box].min(initial=255) == 255:
        return None
    return Ask(in_three(photo.alpha), mask, protect)


def continued_alpha(photo: Photo, mask: Plane, answer: NDArray[np.uint8]) -> Plane:
    """Return a photo's new alpha UINT8 [H, W].

    Args:
        photo: a photo with alpha.
        mask: UINT8 [H, W], >= 128 = fill.
        answer: UINT8 [H, W, 3], the answer to `ask_alpha`.
    """
    assert photo.alpha is not None
    filled = answer[:, :, 0].copy()
    changed = filled != photo.alpha
    filled[changed & (filled < _SNAP)] = 0
    filled[changed & (filled > 255 - _SNAP)] = 255
    # Outside the mask nothing appears that had no colour: the request for colours leaves it alone.
    unseen = _unseen(photo.alpha, mask)
    filled[unseen] = np.minimum(filled, photo.alpha)[unseen]
    return filled


def ask_colours(
    photo: Photo, mask: Plane, protect: Plane | None, alpha: Plane | None
) -> Ask | None:
    """Return the request for a photo's colours; None where nothing of the fill will be seen.

    Args:
        photo: the photo.
        mask: UINT8 [H, W], >= 128 = fill.
        protect: UINT8 [H, W], >= 128 = never filled, or None.
        alpha: what `continued_alpha` gave, or None where alpha was not asked for.
    """
    if photo.alpha is None or alpha is None:
        return Ask(photo.pixels, mask, protect)
    near = _box(mask, alpha.shape, _GROWTH)
    if alpha[near].max(initial=0) == 0:
        return None
    unseen = _unseen(photo.alpha, mask)
    barred = np.where(unseen, np.uint8(255), np.uint8(0))
    if protect is not None:
        barred = np.maximum(barred, protect)
    # Patches pass over what is barred; a network would see whatever the file holds there.
    image, around = photo.pixels.copy(), _box(mask, alpha.shape)
    image[around] = _bled(photo.pixels[around], photo.alpha[around])
    return Ask(image, mask, barred)


def with_answers(
    photo: Photo, mask: Plane, colours: NDArray[np.uint8] | None, alpha: Plane | None
) -> Photo:
    """Return the photo with its hole filled.

    Args:
        photo: as it was.
        mask: UINT8 [H, W], >= 128 = fill.
        colours: UINT8 [H, W, 3], the answer to `ask_colours`, or None where it asked nothing.
        alpha: what `continued_alpha` gave, or None where alpha was not asked for.
    """
    if alpha is None or photo.alpha is None:
        return photo.with_pixels(photo.pixels if colours is None else colours)
    pixels = photo.pixels.copy()
    if colours is not None:
        np.copyto(pixels, colours, where=~_unseen(photo.alpha, mask)[:, :, None])
    # What was removed does not stay under what cannot be seen.
    pixels[(alpha == 0) & ((mask >= MASK_THRESHOLD) | (photo.alpha > 0))] = 0
    return photo.with_pixels(pixels, alpha)


def _unseen(alpha: Plane, mask: Plane) -> NDArray[np.bool_]:
    """Return which pixels outside the mask have no colour worth the name."""
    return (alpha < _VISIBLE) & (mask < MASK_THRESHOLD)


def _box(mask: Plane, shape: tuple[int, ...], margin: int | None = None) -> tuple[slice, slice]:
    """Return the rows and columns of the mask's box, grown; None: by its own size."""
    boxes = []
    for axis, side in zip((1, 0), shape, strict=True):
        (marked,) = np.nonzero((mask >= MASK_THRESHOLD).any(axis=axis))
        if not marked.size:
            return slice(0), slice(0)
        first, last = int(marked[0]), int(marked[-1]) + 1
        grown = max(_MARGIN, last - first) if margin is None else margin
        boxes.append(slice(max(first - grown, 0), min(last + grown, side)))
    return boxes[0], boxes[1]


def _bled(pixels: NDArray[np.uint8], alpha: Plane) -> NDArray[np.uint8]:
    """Return colours that go on over transparent ground: from what is seen, ever coarser.

    Args:
        pixels: UINT8 [H, W, 3].
        alpha: UINT8 [H, W].
    """
    opaque = np.where(alpha >= _VISIBLE, np.uint8(255), np.uint8(0))
    levels = [Image.fromarray(np.dstack([pixels, opaque]))]
    while min(levels[-1].size) > 1:
        # Reduced as multiplied by alpha, so that what is not there counts nothing.
        small = np.array(levels[-1].convert("RGBa").reduce(2).convert("RGBA"))
        small[:, :, 3] = np.where(small[:, :, 3] > 0, 255, 0)
        levels.append(Image.fromarray(small))
    ground = levels.pop().convert("RGB")
    while levels:
        level = levels.pop()
        coarse = ground.resize(level.size, Image.Resampling.BILINEAR)
        ground = Image.composite(level.convert("RGB"), coarse, level.getchannel("A"))
    return np.array(ground)
