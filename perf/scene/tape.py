"""The leash's tape: it sags from the handle, runs on the grass and is lost among the blades."""

import cv2
import numpy as np

from perf.scene.arrays import Floats, floats, mix
from perf.scene.camera import SKYLIGHT, SUNLIGHT, TO_SUN, Camera
from perf.scene.colour import paint
from perf.scene.hand import NOSE, Grasp
from perf.scene.layers import Layer
from perf.scene.noise import soften
from perf.scene.strokes import SUPERSAMPLING, fixed_point, ribbons

TAPE_WIDTH_M = 0.010
"""A retractable leash's tape."""


def hang(camera: Camera, grasp: Grasp, rng: np.random.Generator) -> Floats:
    """Let the tape sag from the case to the grass and run a little way on it: [K, 3] metres."""
    start = grasp.to_world(floats(NOSE))
    spots = floats([[0.425, 0.855], [0.475, 0.835]]) * [camera.width, camera.height]
    landing, end = camera.points(
        floats(spots[:, 0]), floats(spots[:, 1]), camera.ground_depth(floats(spots[:, 1]))
    )
    landing[1] = 0.020
    s = np.linspace(0, 1, 60, dtype=np.float32)[:, None]
    hanging = mix(start, landing, s)
    hanging[:, 1] -= 0.09 * (s * (1 - s) * (1 + 0.4 * s))[:, 0] * 2
    hanging[:, 1] = np.maximum(hanging[:, 1], 0.022)
    t = np.linspace(0, 1, 40, dtype=np.float32)[1:, None]
    lying = landing + t * (end - landing)
    lying[:, 0] += 0.018 * np.sin(t[:, 0] * 6 + rng.uniform(0, 1)) * t[:, 0]
    return floats(np.concatenate([hanging, lying]))


def render_tape(camera: Camera, path: Floats, ground_depth: Floats) -> Layer:
    """Paint the tape; blades nearer than it (depth [H, W] in metres) hide it."""
    flat, depth = camera.project(path)
    width = TAPE_WIDTH_M * camera.focal / depth * 0.85
    size = (camera.height * SUPERSAMPLING, camera.width * SUPERSAMPLING)
    mask, far = np.zeros(size, np.uint8), np.zeros(size, np.float32)
    tone = np.zeros(size, np.float32)
    outline = ribbons(flat[None] * SUPERSAMPLING, (width * SUPERSAMPLING)[None])[0]
    count = len(path)
    side = fixed_point(flat * SUPERSAMPLING)
    for k in range(count - 1):
        quad = outline[[k, k + 1, 2 * count - 2 - k, 2 * count - 1 - k]]
        cv2.fillPoly(mask, [quad], (255.0,), cv2.LINE_8, 3)
        cv2.fillPoly(far, [quad], (float(depth[k]),), cv2.LINE_8, 3)
        cv2.fillPoly(tone, [quad], (0.55 + 0.25 * float(np.sin(k * 0.31)),), cv2.LINE_8, 3)
        if k % 2 == 0:
            cv2.line(tone, side[k].tolist(), side[k + 1].tolist(), (1.05,), 1, cv2.LINE_8, 3)
    cover = cv2.resize(floats(mask) / 255, (camera.width, camera.height), None, 0, 0, 3)
    shade = cv2.resize(tone, (camera.width, camera.height), None, 0, 0, 3)
    hidden = ground_depth < far[1::2, 1::2] - 0.004
    cover = np.where(hidden, 0.0, cover)
    colour = paint("37565d")[0] * (0.55 * SUNLIGHT + 0.5 * SKYLIGHT)
    return Layer(floats(shade[..., None] * (cover > 0)[..., None] * colour), floats(cover))


def tape_shadow(camera: Camera, path: Floats) -> Floats:
    """Share of the sun that the tape takes from each pixel of the lawn [H, W]: 0 .. 1.

    Only the low part casts one that can be seen: in hazy sun the penumbra of the rest is wider
    than the tape.
    """
    low = path[path[:, 1] < 0.13]
    fallen = low - TO_SUN * (low[:, 1:2] / TO_SUN[1])
    flat, depth = camera.project(floats(fallen))
    width = TAPE_WIDTH_M * camera.focal / depth
    shadow = np.zeros((camera.height, camera.width), np.uint8)
    outline = ribbons(flat[None], width[None] * 1.2)[0]
    count = len(low)
    for k in range(count - 1):
        strength = 190.0 * float(1 - low[k, 1] / 0.13)
        quad = outline[[k, k + 1, 2 * count - 2 - k, 2 * count - 1 - k]]
        cv2.fillPoly(shadow, [quad], (strength,), cv2.LINE_8, 3)
    soft = soften(floats(shadow) / 255, 2.2 * camera.scale)
    return floats(np.where(soft > 0.02, soft, 0.0))
