"""What of a window an inpainting network sees, and its drawing back in the window."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pawfect.lama.network import Network
from pawfect.picture import raster
from pawfect.picture.box import Box
from pawfect.stop import Stop, look, never

CONTEXT: Final = 0.5
"""On each side of the hole's box, as a share of its longer side: half of what is seen is hole."""
GROW_PX: Final = 3
"""Of the network's px, round the hole: MI-GAN's own graph mixes the picture in so far."""


@dataclass(frozen=True, eq=False)
class View:
    """A part of a window at the network's scale.

    Attributes:
        box: the part.
        picture: UINT8 [h, w, 3] RGB, means of what is known; what is not known is of any colour.
        unknown: [h, w], what the network is to draw: the hole, a little more, and what it must not
            go on with.
    """

    box: Box
    picture: NDArray[np.uint8]
    unknown: NDArray[np.bool_]


def drawn_window(
    network: Network,
    image: NDArray[np.uint8],
    hole: NDArray[np.bool_],
    banned: NDArray[np.bool_],
    most_px: int,
    stop: Stop = never,
) -> NDArray[np.uint8]:
    """Have a network draw a window's hole.

    Args:
        network: draws.
        image: UINT8 [H, W, 3] RGB.
        hole: [H, W], at least one pixel in and one out.
        banned: [H, W], what is not to go on in the hole, and is not shown: protected pixels, other
            holes.
        most_px: longest side, px, at which is drawn.
        stop: ends the run of the network.

    Returns:
        UINT8 [H, W, 3] RGB, the whole window as sharp as the drawing: its drawing in the hole, the
        photo elsewhere.

    Raises:
        PawfectError: UNAVAILABLE and CANCELLED as `Network.draw` does.
    """
    look(stop)
    view = seen(image, hole, banned, _longest(network, most_px))
    drawn = _drawn(network, view, stop)
    scale = view.picture.shape[0] / view.box.height, view.picture.shape[1] / view.box.width
    whole = tuple(max(1, round(s * n)) for s, n in zip(scale, hole.shape, strict=True))
    around, _ = _means(image, ~hole & ~banned, (whole[0], whole[1]))
    out = _enlarged(around, hole.shape)
    out[view.box.slices] = _enlarged(drawn, (view.box.height, view.box.width))
    return out


def seen(
    image: NDArray[np.uint8],
    hole: NDArray[np.bool_],
    banned: NDArray[np.bool_],
    side: int,
) -> View:
    """Return what a network sees of a window: its hole with some context, at most `side` px."""
    box = cut(hole, side)
    part, own = image[box.slices], hole[box.slices]
    known = ~own & ~banned[box.slices]
    if not known.any():
        known = ~own
    factor = min(1.0, side / max(box.width, box.height))
    size = (max(1, round(factor * box.height)), max(1, round(factor * box.width)))
    picture, unknown = _means(part, known, size)
    grown = raster.grow(unknown, GROW_PX)
    return View(box, picture, unknown if grown.all() else grown)


def _means(
    image: NDArray[np.uint8], known: NDArray[np.bool_], size: tuple[int, int]
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Shrink by the means of what is known, and say where not all is."""
    share = raster.box_mean_resize(known.astype(np.float32)[..., None], size)
    # In bytes: a large window's colours as floats take four times the memory.
    total = raster.shrink(np.where(known[..., None], image, np.uint8(0)), size).astype(np.float32)
    usual = total.sum((0, 1)) / max(float(share.sum()), 1e-6)
    picture = np.where(share > 1e-6, total / np.maximum(share, 1e-6), usual)
    return raster.to_pixels(picture), share[..., 0] < 1 - 1e-6


def cut(hole: NDArray[np.bool_], side: int) -> Box:
    """Return the box round a hole that is seen: with its context, and `side` px where there are."""
    rows, columns = np.flatnonzero(hole.any(1)), np.flatnonzero(hole.any(0))
    (y0, y1), (x0, x1) = ((int(at[0]), int(at[-1]) + 1) for at in (rows, columns))
    want = max(side, round((1 + 2 * CONTEXT) * max(x1 - x0, y1 - y0)))
    top, bottom = _span(y0, y1, want, hole.shape[0])
    left, right = _span(x0, x1, want, hole.shape[1])
    return Box(left, top, right, bottom)


def _span(low: int, high: int, want: int, limit: int) -> tuple[int, int]:
    start = min(max((low + high - want) // 2, 0), max(limit - want, 0))
    return start, min(start + want, limit)


def _longest(network: Network, most_px: int) -> int:
    size = network.contract.size
    return most_px if size is None else min(*size, most_px)


def _drawn(network: Network, view: View, stop: Stop) -> NDArray[np.uint8]:
    """Draw a view, padded by reflection to a size that the network takes: UINT8 [h, w, 3]."""
    height, width = view.unknown.shape
    tall, wide = network.sides(height, width)
    edge = ((0, tall - height), (0, wide - width))
    picture = np.pad(view.picture, (*edge, (0, 0)), mode="symmetric")
    drawn = network.draw(picture, np.pad(view.unknown, edge, mode="symmetric"), stop)
    return np.ascontiguousarray(drawn[:height, :width])


def _enlarged(picture: NDArray[np.uint8], size: tuple[int, ...]) -> NDArray[np.uint8]:
    return raster.enlarge(picture, (size[0], size[1])) if picture.shape[:2] != size else picture
