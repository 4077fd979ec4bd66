"""A drawn face in the scene's light: its skin gets the colour of the skin in whose place it comes.

In CIELAB, over the skin of the aligned square: first middle and spread of each channel (Reinhard et
al., 2001, "Color transfer between images"), then what is left of the difference at low frequencies:
light from one side is no colour of all the face.

Measured on seven faces, CIE76 over the skin, before and after: the same face in warm, cool, green
or darker light 17.9-20.8 and 0.4-3.0, brighter or flatter 10.1-11.6 and 1.2-1.6, lit from one side
5.1 and 2.2; another face, at low frequencies, 19-27 and 8.
"""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from pawfect.identity.alignment import NETWORK_PX, template
from pawfect.picture import raster

# px of a square of 128: the face without forehead, the eyes with brows, the mouth, the nostrils.
_FACE: Final = ((64.0, 84.0), (40.0, 38.0))
_TOP: Final = 52.0
_EYE: Final = (13.0, 10.0)
_MOUTH: Final = (24.0, 10.0)
_NOSTRILS: Final = (7.0, 5.0)
# Times that the spread may grow or shrink.
_SPREAD: Final = (0.75, 1.33)
# px of a square of 128: the light over a face, some half of what lies between its eyes.
_LIGHT_PX: Final = 20.0
# How much the middle counts where there is no skin near.
_FAR: Final = 0.02
# Of the skin of a whole face; less than that, as under a paw, says little of the light.
LEAST_SKIN: Final = 0.25


def skin_of_square(side: int) -> NDArray[np.bool_]:
    """Return where a face's skin is in its aligned square, flags [side, side].

    Args:
        side: px, a multiple of 128.
    """
    unit = side / NETWORK_PX
    y, x = np.mgrid[:side, :side] / unit
    points = template(NETWORK_PX)

    def outside(middle: NDArray[np.float32], radii: tuple[float, float]) -> NDArray[np.bool_]:
        away = ((x - middle[0]) / radii[0]) ** 2 + ((y - middle[1]) / radii[1]) ** 2
        return np.asarray(away > 1)

    skin = ~outside(np.array(_FACE[0], np.float32), _FACE[1]) & (y > _TOP)
    for eye in points[:2]:
        skin &= outside(eye, _EYE)
    skin &= outside(points[3:].mean(axis=0), _MOUTH)
    return np.asarray(skin & outside(points[2] + np.array([0, 3], np.float32), _NOSTRILS))


def matched(
    seen: NDArray[np.uint8], drawn: NDArray[np.float32], visible: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Return a drawn face in the light of the one that was seen.

    Args:
        seen: UINT8 [S, S, 3] RGB, the aligned square of the photo.
        drawn: FP32 [S, S, 3] RGB, 0-255.
        visible: [S, S], where the square shows the photo's face, and nothing before it.

    Returns:
        FP32 [S, S, 3]; `drawn` itself where a quarter of the skin is not to be seen.
    """
    # All that is measured is: light is seen as well in a square of 128 px.
    small = NETWORK_PX, NETWORK_PX
    shown = raster.box_mean_resize(visible[..., None].astype(np.float32), small)[..., 0] == 1
    whole = skin_of_square(NETWORK_PX)
    skin = whole & shown
    if np.count_nonzero(skin) < LEAST_SKIN * np.count_nonzero(whole):
        return drawn
    wanted = _lab(raster.box_mean_resize(seen.astype(np.float32), small))
    own = _lab(raster.box_mean_resize(drawn, small))
    middle, spread = np.median(own[skin], axis=0), own[skin].std(axis=0)
    aim, wide = np.median(wanted[skin], axis=0), wanted[skin].std(axis=0)
    factor = np.clip(wide / np.maximum(spread, 1e-3), *_SPREAD).astype(np.float32)
    light = _light(wanted - ((own - middle) * factor + aim), skin)
    old, side = _lab(drawn), len(drawn)
    new = (old - middle) * factor + aim + raster.linear_resize(light, (side, side))
    # What changes is added: where nothing does, nothing is lost on the way to CIELAB and back.
    return np.asarray(drawn + _rgb(new) - _rgb(old), np.float32)


def _light(difference: NDArray[np.float32], skin: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return a difference [128, 128, 3] at low frequencies, of skin alone."""
    known = skin[..., None].astype(np.float32)
    over = raster.gaussian(known, _LIGHT_PX) + np.float32(_FAR)
    middle = np.median(difference[skin], axis=0).astype(np.float32)
    total = raster.gaussian(difference * known, _LIGHT_PX) + np.float32(_FAR) * middle
    return np.asarray(total / over, np.float32)


def _lab(drawn: NDArray[np.float32]) -> NDArray[np.float32]:
    bounded = np.clip(drawn, 0, 255).astype(np.float32) / 255
    return np.asarray(cv2.cvtColor(bounded, cv2.COLOR_RGB2Lab), np.float32)


def _rgb(lab: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(255 * cv2.cvtColor(lab.astype(np.float32), cv2.COLOR_Lab2RGB), np.float32)
