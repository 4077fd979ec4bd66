"""Fur: hairs rooted on the traced body, combed, clumped, painted and lit strand by strand.

The light on a strand follows Kajiya and Kay 1989, "Rendering fur with three dimensional
textures": diffuse by the sine, sheen by the cosine of the angle to the strand.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from perf.scene.arrays import Floats, Ints, floats, mix, smoothstep, unit
from perf.scene.camera import SKYLIGHT, SUNLIGHT, TO_SUN, Camera
from perf.scene.colour import paint
from perf.scene.dog import BARE, HEAD, Body, Pose, coat_table
from perf.scene.noise import fractal_tile, sample
from perf.scene.solids import turned
from perf.scene.strokes import SUPERSAMPLING, curve, fixed_point, paint_hairs
from perf.scene.tracing import nearness

HAIRS_PER_PIXEL = 1.7
"""Hairs per picture pixel of dog: each covers some 20 samples, so the skin never shows."""

WHISKERS = 0.0015
"""Share of the muzzle's hairs that are whiskers: some thirty."""


@dataclass(frozen=True)
class Hairs:
    """Strands as curves in the world; N rows.

    root, bend, tip: [N, 3] metres; colour: [N, 3] linear; normal: [N, 3] of the skin below;
    sky, sun: [N] light at the root; depth: [N] metres.
    """

    root: Floats
    bend: Floats
    tip: Floats
    colour: Floats
    normal: Floats
    sky: Floats
    sun: Floats
    depth: Floats


def grow(rng: np.random.Generator, camera: Camera, body: Body) -> Hairs:
    """Root hairs all over the visible skin and comb them along the coat."""
    pose = body.pose
    hit_rows = len(body.points)
    count = int(hit_rows * body.step**2 * HAIRS_PER_PIXEL)
    row = rng.integers(0, hit_rows, count)
    names, flows, lengths, lifts, colours = coat_table()
    parts = names + list(BARE)
    share_at = nearness(body.solids, body.points, parts, 0.004)
    furred = share_at[:, : len(names)].sum(axis=1)
    row = row[rng.random(count) < smoothstep(0.35, 0.75, furred[row])]
    n = len(row)
    share = share_at[row, : len(names)]
    share = share / share.sum(axis=1, keepdims=True)
    normal = body.normals[row]
    jitter = rng.normal(0, 0.0009, (n, 3)).astype(np.float32)
    root = body.points[row] + jitter - normal * np.sum(jitter * normal, axis=1, keepdims=True)

    flow = _flow(pose, share, flows, root, normal, names)
    wave = fractal_tile(rng, 256, 1.5)
    a = sample(wave, root[:, 0] + root[:, 2], root[:, 1] * 0.7, 0.22)
    b = sample(wave, root[:, 1] + 0.3, root[:, 0] - root[:, 2], 0.20)
    sideways = np.cross(normal, flow)
    flow = flow + (0.30 * a + rng.normal(0, 0.16, n))[:, None] * sideways
    flow = unit(floats(flow - normal * np.sum(flow * normal, axis=1, keepdims=True)))
    lift = np.clip(share @ lifts * (1 + 0.35 * b) + rng.normal(0, 0.07, n), 0.03, 0.9)
    length = share @ lengths * rng.lognormal(0, 0.20, n) * np.clip(1 + 0.12 * a, 0.6, 1.4)
    whisker = (share[:, names.index("muzzle")] > 0.9) & (rng.random(n) < WHISKERS)
    length = np.where(whisker, rng.uniform(0.03, 0.06, n), length)
    lift = np.where(whisker, 0.45, lift)
    first = unit(floats(flow * (1 - lift)[:, None] + normal * (lift * 1.5)[:, None]))
    bend = root + first * (0.5 * length)[:, None]
    tip = bend + (flow * 0.55 + first * 0.35 + floats([0, -0.28, 0])) * (0.5 * length)[:, None]
    tip += rng.normal(0, 0.05, (n, 3)) * length[:, None]

    share_colour = np.exp(np.log(share + 1e-6) * 0.7)
    colour = (share_colour / share_colour.sum(axis=1, keepdims=True)) @ colours
    colour = _markings(root, colour)
    colour *= np.clip(1 + 0.10 * a + rng.normal(0, 0.10, n), 0.5, 1.5)[:, None]
    pale = (rng.random(n) < 0.06)[:, None]
    colour = np.where(pale, mix(colour, paint("e6d3b0")[0], 0.4), colour)
    world = [pose.to_world(floats(p)) for p in (root, bend, tip)]
    world, tone = _clump(rng, camera, world, length * pose.size)
    colour *= tone[:, None]
    return Hairs(
        world[0],
        world[1],
        world[2],
        floats(colour),
        normal,
        body.sky[row],
        body.sun[row],
        body.depth[row],
    )


def _flow(
    pose: Pose, share: Floats, flows: Floats, root: Floats, normal: Floats, names: list[str]
) -> Floats:
    """Comb direction [N, 3] along the skin: the parts' flows, and outwards from the nose."""
    flow = share @ flows
    from_nose = unit(floats(root - (floats(HEAD) + _nose(pose))))
    on_head = share[:, [names.index(p) for p in ("muzzle", "skull", "cheek")]].sum(axis=1)
    flow = mix(flow, from_nose, on_head[:, None])
    out = floats(np.sign(root[:, :1]) * [[0.25, 0.0, 0.0]])
    flow = flow + out * (1 - on_head)[:, None]
    return unit(floats(flow - normal * np.sum(flow * normal, axis=1, keepdims=True)))


def _nose(pose: Pose) -> Floats:
    turn = turned(pose.head_yaw, pose.head_pitch, pose.head_roll)
    return floats(turn @ floats([0.0, -0.005, -0.16]))


def _markings(root: Floats, colour: Floats) -> Floats:
    """Deepen the saddle and soil the paws, as on real coats."""
    back = smoothstep(-0.02, 0.16, floats(root[:, 2])) * smoothstep(0.08, 0.25, floats(root[:, 1]))
    colour = colour * (1 - 0.22 * back[:, None])
    low = 1 - smoothstep(0.0, 0.09, floats(root[:, 1]))
    return floats(mix(colour, colour * floats([0.86, 0.80, 0.74]), low[:, None]))


def _clump(
    rng: np.random.Generator, camera: Camera, world: list[Floats], length: Floats
) -> tuple[list[Floats], Floats]:
    """Draw strands towards the nearest of a few guide strands, tips most: locks of fur.

    Gives the strands' three points and a tone [N] around 1 that a lock's strands share.
    """
    root, bend, tip = world
    flat, _ = camera.project(root)
    n = len(root)
    guides = rng.choice(n, max(n // 70, 1), replace=False)
    seeds = np.full((camera.height, camera.width), 255, np.uint8)
    owner = np.full((camera.height, camera.width), -1, np.int64)
    gx = np.clip(flat[guides, 0], 0, camera.width - 1).astype(np.int64)
    gy = np.clip(flat[guides, 1], 0, camera.height - 1).astype(np.int64)
    seeds[gy, gx] = 0
    owner[gy, gx] = guides
    _, labels = cv2.distanceTransformWithLabels(
        seeds, cv2.DIST_L2, 3, labelType=cv2.DIST_LABEL_PIXEL
    )
    by_label = np.full(int(labels.max()) + 1, -1, np.int64)
    by_label[labels[gy, gx]] = owner[gy, gx]
    x = np.clip(flat[:, 0], 0, camera.width - 1).astype(np.int64)
    y = np.clip(flat[:, 1], 0, camera.height - 1).astype(np.int64)
    guide = by_label[labels[y, x]]
    apart = np.sqrt(np.sum((root - root[guide]) ** 2, axis=1))
    pull = 0.80 * np.clip(1 - apart / (0.9 * length + 1e-4), 0, 1) * rng.uniform(0.3, 1.0, n)
    tip = mix(tip, tip[guide], pull[:, None])
    bend = mix(bend, bend[guide] + 0.5 * (root - root[guide]), (0.5 * pull)[:, None])
    outer = np.sqrt(np.sum((root - root[guide]) ** 2, axis=1)) / (length + 1e-4)
    tone = rng.lognormal(0, 0.13, n)[guide] * (1.06 - 0.30 * np.clip(outer, 0, 0.6))
    return [root, bend, tip], floats(tone)


@dataclass(frozen=True)
class Coated:
    """The furred dog before it meets the lawn, at two samples per pixel in its box.

    box: (x0, y0, x1, y1) px; colour: [h, w, 3] linear; depth: [h, w] metres, 0 where there is
    no dog.
    """

    box: tuple[int, int, int, int]
    colour: Floats
    depth: Floats


def paint_coat(rng: np.random.Generator, camera: Camera, body: Body, hairs: Hairs) -> Coated:
    """Paint skin and hairs back to front and light them."""
    margin = int(70 * camera.scale)
    x0, y0 = max(body.box[0] - margin, 0), max(body.box[1] - margin, 0)
    x1, y1 = min(body.box[2] + margin, camera.width), min(body.box[3] + margin, camera.height)
    height, width = (y1 - y0) * SUPERSAMPLING, (x1 - x0) * SUPERSAMPLING
    spine, _ = camera.project(curve(hairs.root, hairs.bend, hairs.tip, 5))
    spine = (spine - floats([x0, y0])) * SUPERSAMPLING
    ends, _ = camera.project(np.stack([hairs.root, hairs.bend, hairs.tip], axis=1))
    ends = (ends - floats([x0, y0])) * SUPERSAMPLING
    order = np.argsort(-(hairs.depth + rng.normal(0, 0.004, len(hairs.depth))), kind="stable")
    ids = np.zeros((height, width), np.int32)
    thickness = 1
    paint_hairs(ids, fixed_point(spine)[order], order + 1, thickness)
    colour, depth = _skin(camera, body, (x0, y0, x1, y1))
    flat = ids.reshape(-1)
    hairy = np.flatnonzero(flat)
    rows = flat[hairy] - 1
    px = np.stack([hairy % width, hairy // width], axis=1).astype(np.float32) + 0.5
    shaded = np.empty((len(rows), 3), np.float32)
    for part in np.array_split(np.arange(len(rows)), 12):
        shaded[part] = _shade(camera, hairs, ends, rows[part], px[part])
    colour.reshape(-1, 3)[hairy] = shaded
    depth.reshape(-1)[hairy] = hairs.depth[rows]
    return Coated((x0, y0, x1, y1), colour, depth)


def _shade(camera: Camera, hairs: Hairs, ends: Floats, row: Ints, px: Floats) -> Floats:
    """Light samples [S] on hairs `row` at canvas positions px [S, 2]: linear [S, 3]."""
    p0, p2 = ends[row, 0], ends[row, 2]
    chord = p2 - p0
    t = np.sum((px - p0) * chord, axis=1) / (np.sum(chord * chord, axis=1) + 1.0)
    t = np.clip(t, 0.0, 1.0)[:, None]
    tangent = unit(floats(mix((hairs.bend - hairs.root)[row], (hairs.tip - hairs.bend)[row], t)))
    view = unit(floats(floats([0, camera.eye_height, 0]) - hairs.root[row]))
    along_sun = tangent @ TO_SUN
    sine = np.sqrt(np.maximum(1 - along_sun**2, 0))
    along_eye = np.sum(tangent * view, axis=1)
    eye_sine = np.sqrt(np.maximum(1 - along_eye**2, 0))
    mirror = np.clip(sine * eye_sine - along_sun * along_eye, 0, 1)
    wrap = np.clip((hairs.normal[row] @ TO_SUN) * 0.75 + 0.25, 0, 1)
    shown = hairs.sun[row] * wrap
    tone = (0.30 + 0.78 * t[:, 0] ** 0.8)[:, None]
    diffuse = hairs.colour[row] * tone
    sun = diffuse * (0.85 * sine)[:, None] + (0.10 * mirror**14)[:, None] * tone
    sky = diffuse * (0.62 + 0.25 * hairs.normal[row, 1])[:, None]
    return floats(sun * shown[:, None] * SUNLIGHT + sky * hairs.sky[row, None] * SKYLIGHT)


def _skin(camera: Camera, body: Body, box: tuple[int, int, int, int]) -> tuple[Floats, Floats]:
    """Shade what shows between and beside the fur: dark undercoat, eyes, nose, collar."""
    x0, y0, x1, y1 = box
    names, _, _, _, colours = coat_table()
    parts = names + list(BARE)
    share = nearness(body.solids, body.points, parts, 0.0012)
    bare = paint("241e1b", "0d0805", "8f2f2a", "b9b9b4", "120c09")
    colour = share @ np.concatenate([colours * 0.6, bare])
    pose = body.pose
    sun_at = floats(pose.turn_to_dog(TO_SUN))
    eye_at = pose.to_dog(floats([[0, camera.eye_height, 0]]))[0]
    view = unit(floats(eye_at - body.points))
    half_way = unit(floats(view + unit(sun_at)))
    damp = share[:, parts.index("nose")]
    pebbles = np.sin(body.points * 2100) * np.sin(body.points[:, [1, 2, 0]] * 1700 + 1)
    bumpy = unit(floats(body.normals + 0.16 * damp[:, None] * pebbles))
    gloss = np.clip(np.sum(bumpy * half_way, axis=1), 0, 1)
    lambert = np.clip(body.normals @ sun_at, 0, 1)
    light = colour * (
        lambert[:, None] * body.sun[:, None] * SUNLIGHT + 0.8 * body.sky[:, None] * SKYLIGHT
    )
    wet = share[:, parts.index("eye")]
    eye_axis = unit(floats(view + floats([0.0, 0.04, 0.0])))
    round_ = np.sum(body.normals * eye_axis, axis=1)
    iris = smoothstep(0.50, 0.66, floats(round_)) * (1 - smoothstep(0.86, 0.91, floats(round_)))
    light += (wet * iris)[:, None] * paint("6b3d1c")[0] * (0.5 + 0.5 * lambert)[:, None] * SKYLIGHT
    mirrored = 2 * np.sum(body.normals * view, axis=1)[:, None] * body.normals - view
    skyward = smoothstep(0.35, 0.75, floats(mirrored[:, 1]))
    light += (0.16 * wet * skyward)[:, None] * SKYLIGHT
    light += (wet * gloss**420 * 9.0 + damp * gloss**22 * 0.22)[:, None] * SUNLIGHT
    up = np.clip(body.normals[:, 1], 0, 1)
    light += ((0.10 * wet + 0.05 * damp) * up**2)[:, None] * SKYLIGHT
    rows = np.where(body.grid > 0, body.grid - 1, 0)
    lit = light[rows] * (body.grid > 0)[..., None]
    near = np.where(body.grid > 0, body.depth[rows], 0)
    size = (
        (body.box[2] - body.box[0]) * SUPERSAMPLING,
        (body.box[3] - body.box[1]) * SUPERSAMPLING,
    )
    colour_here = np.zeros(((y1 - y0) * 2, (x1 - x0) * 2, 3), np.float32)
    depth_here = np.zeros(colour_here.shape[:2], np.float32)
    left, top = (body.box[0] - x0) * 2, (body.box[1] - y0) * 2
    inside = slice(top, top + size[1]), slice(left, left + size[0])
    cover = cv2.resize(floats(body.grid > 0), size, None, 0, 0, cv2.INTER_LINEAR)
    big = cv2.resize(floats(lit), size, None, 0, 0, cv2.INTER_LINEAR)
    solid = cover > 0.5
    colour_here[inside] = big / np.maximum(cover, 0.3)[..., None] * solid[..., None]
    deep = cv2.resize(floats(near), size, None, 0, 0, cv2.INTER_NEAREST)
    deep = np.where(deep > 0, deep, float(np.median(body.depth)))
    depth_here[inside] = deep * solid
    return colour_here, depth_here
