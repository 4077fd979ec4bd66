"""Daylight on the lawn: what the sun and the sky make of soil, blades and leaves."""

import cv2
import numpy as np

from perf.scene.arrays import Floats, floats, mix, smoothstep, unit
from perf.scene.camera import SKYLIGHT, SUNLIGHT, TO_SUN
from perf.scene.colour import paint
from perf.scene.lawn import Planted
from perf.scene.leaves import TEXTURE
from perf.scene.lookup import BAND_ROWS, Seen, grid, in_bands, look
from perf.scene.noise import sample, soften

SHADOW_REACH_M = (0.004, 0.009, 0.016, 0.026, 0.040, 0.060)
"""Distances along the sun's direction at which a point looks for what shades it."""


def sun_reaching(lawn: Planted, depth: Floats) -> Floats:
    """March from each pixel towards the sun through the depth map: 0 shaded .. 1 sunlit [H, W].

    A screen-space shadow: cheap, and at the scale of blades and leaves as good as a traced one.
    """
    camera = lawn.camera
    height, width = depth.shape
    reach = np.ones((height, width), np.float32)

    def work(first: int, last: int) -> None:
        x, y = grid(first, last, width, 1)
        own = depth[first:last].reshape(-1)
        start = camera.points(x, y, own)
        shade = np.zeros_like(own)
        for distance in SHADOW_REACH_M:
            xy, away = camera.project(start + TO_SUN * np.float32(distance))
            column = np.clip(xy[:, 0], 0, width - 1).astype(np.int32)
            row = np.clip(xy[:, 1], 0, height - 1).astype(np.int32)
            gap = away - depth[row, column]
            blocked = (gap > 0.002) & (gap < 0.03 + distance)
            shade += blocked * np.float32(0.62 if distance < 0.03 else 0.4)
        reach[first:last] = (1.0 - np.minimum(shade, 1.0)).reshape(-1, width)

    in_bands(height, BAND_ROWS // 2, work)
    far = smoothstep(3.0, 6.0, depth)
    return mix(soften(reach, 0.7 * camera.scale), 0.75, far)


def _soil(lawn: Planted) -> Floats:
    """Colour of the bare ground per pixel, linear [H, W, 3]: soil, moss and far-off grass."""
    camera, terrain = lawn.camera, lawn.terrain
    x, y = grid(0, camera.height, camera.width, 1)
    depth = np.minimum(camera.ground_depth(y), 60.0)
    ground = camera.points(x, y, floats(depth))
    gx, gz = floats(ground[:, 0]), floats(ground[:, 2])
    fine = sample(terrain.fine, gx, gz, 0.35)
    moss = smoothstep(0.2, 1.4, sample(terrain.lush, floats(gx + 0.4), gz, 1.1))
    soil = paint("5a4836")[0] * np.clip(1 + 0.35 * fine, 0.3, 2)[:, None]
    soil = mix(
        soil, paint("5c6436")[0] * np.clip(1 + 0.3 * fine, 0.3, 2)[:, None], 0.6 * moss[:, None]
    )
    dry = terrain.dryness(gx, gz)[:, None]
    meadow = mix(paint("7b8548")[0], paint("b3a473")[0], dry)
    meadow = meadow * (1 + 0.18 * sample(terrain.lush, gx, gz, 6.0))[:, None]
    far = smoothstep(3.0, 9.0, floats(depth))[:, None]
    return mix(soil * 0.5, meadow * 0.62, far).reshape(camera.height, camera.width, 3)


def light(lawn: Planted, reach: Floats) -> tuple[Floats, Floats]:
    """Shade every sample and average to pixels: (sky part, sun part), linear [H, W, 3] each.

    The parts stay apart so that a later shadow (the leash's) dims one more than the other.
    """
    height, width = reach.shape
    soil = _soil(lawn)
    sky = np.empty((height, width, 3), np.float32)
    sun = np.empty((height, width, 3), np.float32)
    leaf_mask = floats(lawn.ids[1::2, 1::2] > len(lawn.curves))
    scale = lawn.camera.scale
    crowd = np.maximum(soften(leaf_mask, 5 * scale), 0.8 * soften(leaf_mask, 14 * scale))
    open_sky = 1 - 0.55 * crowd * (1 - leaf_mask)
    canopy = 0.008 + 0.018 * lawn.terrain.lushness(lawn.blades.root[:, 0], lawn.blades.root[:, 2])
    textures = floats(np.stack([shape.texture for shape in lawn.shapes]))

    def work(first: int, last: int) -> None:
        rows, columns = (last - first) * 2, width * 2
        x, y = grid(first * 2, last * 2, columns, 1)
        ids = lawn.ids[first * 2 : last * 2].reshape(-1)
        seen = look(lawn, ids, x, y)
        ground = np.repeat(np.repeat(soil[first:last], 2, axis=0), 2, axis=1)
        colour = ground.reshape(-1, 3)
        sky_seen = np.full(len(ids), 0.55, np.float32)
        sun_seen = np.full(len(ids), 0.50, np.float32)
        colour[seen.on_blade], sky_seen[seen.on_blade], sun_seen[seen.on_blade] = _shade_blades(
            lawn, canopy, seen
        )
        colour[seen.on_leaf], sky_seen[seen.on_leaf], sun_seen[seen.on_leaf] = _shade_leaves(
            lawn, textures, seen
        )
        size = (width, last - first)
        for target, seen_light in ((sky, sky_seen), (sun, sun_seen)):
            picture = (colour * seen_light[:, None]).reshape(rows, columns, 3)
            target[first:last] = cv2.resize(picture, size, None, 0, 0, cv2.INTER_AREA)

    in_bands(height, BAND_ROWS // 2, work)
    sky *= open_sky[..., None] * SKYLIGHT
    sun *= (reach * (1 - 0.25 * (1 - open_sky)))[..., None] * SUNLIGHT
    return sky, sun


def _shade_blades(lawn: Planted, canopy: Floats, seen: Seen) -> tuple[Floats, Floats, Floats]:
    """Colour [S, 3], share of sky [S] and share of sun [S] of samples on blades."""
    blades, row, t = lawn.blades, seen.blade, seen.t
    colour = mix(blades.base[row], blades.top[row], t[:, None])
    streak = 1 + 0.10 * np.sin(seen.side * 2.1 + row)
    height = 2 * t * (1 - t) * blades.bend[row, 1] + t * t * blades.tip[row, 1]
    height = height + (1 - t) ** 2 * blades.root[row, 1]
    rise = np.clip(height / canopy[row], 0, 1)
    far = smoothstep(2.5, 8.0, lawn.depths[row, 0])
    openness = mix(0.16 + 0.84 * rise**0.8, 0.75, far)
    lit = blades.lit[row]
    sun = mix(lit[:, 0], lit[:, 1], smoothstep(-0.8, 0.8, seen.side))
    return (
        floats(colour * streak[:, None]),
        openness,
        floats(sun * (0.25 + 0.75 * openness)),
    )


def _shade_leaves(lawn: Planted, textures: Floats, seen: Seen) -> tuple[Floats, Floats, Floats]:
    """Colour [S, 3], share of sky [S] and share of sun [S] of samples on leaves."""
    leaves, row = lawn.leaves, seen.leaf
    tu = np.clip((seen.u + 1) * 0.5 * TEXTURE, 0, TEXTURE - 1).astype(np.int32)
    tv = np.clip((seen.v + 1) * 0.5 * TEXTURE, 0, TEXTURE - 1).astype(np.int32)
    colour = textures[leaves.shape[row], tv, tu] * leaves.tint[row]
    a, b = unit(leaves.along), unit(leaves.across)
    up = np.cross(b, a)
    up *= np.sign(up[:, 1:2])
    half = np.sqrt(np.sum(leaves.along**2, axis=1))
    slope_u = 2 * leaves.curl[row, 0] * seen.u / half[row]
    slope_v = 2 * leaves.curl[row, 1] * seen.v / half[row] + 0.16 * np.tanh(seen.v * 12)
    normal = unit(floats(up[row] - a[row] * slope_u[:, None] - b[row] * slope_v[:, None]))
    cosine = normal @ TO_SUN
    sun = np.where(cosine > 0, 0.12 + 0.88 * cosine, 0.12)
    sky = 0.55 + 0.40 * normal[:, 1]
    return floats(colour), floats(sky), floats(sun)
