"""Real photos that packages carry in their wheels, and what is made of them.

scikit-image: `grass`, `gravel`, `brick` (CC0, CC0Textures), `camera` (CC0, Lav Varshney), `chelsea`
(CC0, Stefan van der Walt), `coffee` (CC0, Rachel Michetti), `astronaut` (public domain, NASA),
`rocket` (public domain, SpaceX). scikit-learn: `china.jpg` (CC BY 2.0, danielbuechele) and
`flower.jpg` (CC BY 2.0, vultilion). Nothing is downloaded.
"""

from functools import cache
from pathlib import Path

import cv2
import numpy as np
import skimage
from PIL import Image
from sklearn import datasets

from perf.quality.light import Field, Pixels, Random, blur, disc_blur, octaves, to_linear

_SKIMAGE = Path(skimage.__file__).parent / "data"
_SKLEARN = Path(datasets.__file__).parent / "images"
_PLACES = {
    "grass": _SKIMAGE / "grass.png",
    "gravel": _SKIMAGE / "gravel.png",
    "brick": _SKIMAGE / "brick.png",
    "camera": _SKIMAGE / "camera.png",
    "chelsea": _SKIMAGE / "chelsea.png",
    "coffee": _SKIMAGE / "coffee.png",
    "astronaut": _SKIMAGE / "astronaut.png",
    "rocket": _SKIMAGE / "rocket.jpg",
    "china": _SKLEARN / "china.jpg",
    "flower": _SKLEARN / "flower.jpg",
}


@cache
def packaged(name: str) -> Pixels:
    """Load a packaged photo by name as UINT8 [H,W,3] RGB (read-only)."""
    with Image.open(_PLACES[name]) as picture:
        pixels = np.asarray(picture.convert("RGB"))
    pixels.setflags(write=False)
    return pixels


def graded(
    rng: Random, grey: Pixels, shadow: Field, middle: Field, highlight: Field, patch: Field
) -> Field:
    """Colour a grey texture as its surface is coloured outdoors.

    Args:
        rng: source of randomness.
        grey: UINT8 [H,W,3], the three channels equal.
        shadow: FP32 [3], linear light of the darkest tones.
        middle: FP32 [3], of the middle tones.
        highlight: FP32 [3], of the brightest.
        patch: FP32 [3] of the tint that grows and fades in patches of many sizes.

    Returns:
        FP32 [H,W,3] linear light.
    """
    tone = grey[..., 0].astype(np.float32) / 255
    low, high = np.percentile(tone, [0.5, 99.5])
    tone = np.clip((tone - low) / (high - low), 0, 1.1)
    lower = shadow + (middle - shadow) * np.clip(tone * 2, 0, 1)[..., None]
    light = lower + (highlight - middle) * np.clip(tone * 2 - 1, 0, 1.2)[..., None]
    shape = tone.shape
    stain = np.clip(0.35 + 0.30 * octaves(rng, shape, shape[1] / 3, 5, 0.6), 0, 0.9)
    tinted = patch * tone[..., None] ** 1.6 * 1.1
    light = light * (1 - stain[..., None]) + tinted * stain[..., None]
    sun = 1 + 0.10 * octaves(rng, shape, shape[1] / 1.5, 2)
    return np.asarray(light * sun[..., None], np.float32)


def out_of_focus(light: Field, radius: float, lift: float = 2.5) -> Field:
    """Throw a picture out of focus, as an open aperture does.

    Args:
        light: FP32 [H,W,3] linear light.
        radius: radius of the circle of confusion, px.
        lift: how much of the light that the picture clipped is given back to its highlights, so
            that they open into discs.

    Returns:
        FP32 [H,W,3].
    """
    lifted = light + lift * np.clip(light - 0.72, 0, None)
    return disc_blur(lifted.astype(np.float32), radius)


def lawn_into_blur(light: Field, far: float, radius: float) -> Field:
    """Lay a texture on the ground so that its front is sharp and its back out of focus.

    Args:
        light: FP32 [H,W,3] linear light of the texture seen from above.
        far: how many times smaller things are at the upper edge than at the lower.
        radius: blur at the upper edge, px; falls to none at two thirds of the way down.

    Returns:
        FP32 [H,W,3].
    """
    height, width = light.shape[:2]
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    scale = 1 / far + (1 - 1 / far) * rows / (height - 1)
    across = (columns - width / 2) / scale / far + width / 2
    along = (height - 1) * (1 - (1 / scale - 1) / (far - 1))
    ground = cv2.remap(light, across, along.astype(np.float32), cv2.INTER_CUBIC).astype(np.float32)
    stack = [ground] + [disc_blur(ground, radius * step / 6) for step in range(1, 7)]
    level = np.clip(1 - rows / (height * 0.66), 0, 1) * 6
    result: Field = np.zeros_like(ground)
    for step, layer in enumerate(stack):
        result += layer * np.clip(1 - np.abs(level - step), 0, 1)[..., None]
    return blur(result, 0.5)


def photo_light(name: str) -> Field:
    """Give a packaged photo as FP32 [H,W,3] linear light."""
    return to_linear(packaged(name))
