"""The reference scene: a stand-in for session D1A406F5, drawn from a seed.

A dog sits on patchy grass with fallen leaves; a hand with a leash reaches in at the lower left.
`truth` is the same photograph had the hand not been there.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import cv2
import numpy as np

from perf.scene import backdrop, daylight, film, fur, hand, lawn, masks, tape
from perf.scene.arrays import Bytes, Floats, floats
from perf.scene.camera import TO_SUN, Camera
from perf.scene.dog import Body, Pose, trace_body
from perf.scene.layers import Layer, blurred, exact_mask, over
from perf.scene.lookup import depth_map
from perf.scene.noise import soften
from perf.scene.solids import union
from perf.scene.strokes import SUPERSAMPLING
from perf.scene.tracing import blocks, sunlit

LEAST_SIDE, MOST_SIDE = 96, 4096
"""Below, the dog is a smudge; above, memory passes 8 GiB (0.56 GiB per megapixel measured)."""

HAND_M = 0.72
"""Distance of the hand from the camera."""

HAND_SHARPER = 0.45
"""The hand is blurred by less than the lens would: a phone's focus reaches far."""


@dataclass(frozen=True)
class ReferenceScene:
    """A photo with an intruder, the truth behind it, and the masks; all arrays are H x W.

    photo, truth: UINT8 [H, W, 3] RGB; mask, clean_mask, pet_mask: UINT8 [H, W], 255 = set.
    `mask` is a segmenter's: rough, with specks and pinholes; `clean_mask` is exact.
    """

    photo: Bytes
    truth: Bytes
    mask: Bytes
    clean_mask: Bytes
    pet_mask: Bytes


def render_scene(seed: int = 0, *, width: int = 1600, height: int = 1200) -> ReferenceScene:
    """Render the scene of a seed; the same seed and size give the same bytes.

    Args:
        seed: Any non-negative integer.
        width: Picture width, 96-4096 px.
        height: Picture height, 96-4096 px.

    Raises:
        ValueError: If a side or the seed is out of range.
    """
    for name, side in (("width", width), ("height", height)):
        if not LEAST_SIDE <= side <= MOST_SIDE:
            raise ValueError(f"{name}: expected {LEAST_SIDE}-{MOST_SIDE} px, got {side}")
    if seed < 0:
        raise ValueError(f"seed: expected a non-negative integer, got {seed}")
    camera = Camera.phone(width, height)
    stream = np.random.SeedSequence(seed).spawn(6)
    ground_rng, dog_rng, hand_rng, far_rng, film_rng, mask_rng = map(np.random.default_rng, stream)

    with ThreadPoolExecutor(max_workers=2) as pool:
        growing = pool.submit(grow_lawn, ground_rng, camera)
        sitting = pool.submit(seat_dog, dog_rng, camera)
        reaching = pool.submit(reach_in, hand_rng, camera)
        meadow, (body, coat) = growing.result(), sitting.result()
        path, fist = reaching.result()
    sun_left, sky_left = dog_shadow(camera, body, meadow.depth)
    sky, sun = meadow.sky * sky_left[..., None], meadow.sun * sun_left[..., None]
    dog = meet_lawn(camera, coat, meadow.planted.sample_depths())
    ribbon = blurred(tape.render_tape(camera, path, meadow.depth), 0.6 * camera.scale)
    shadow = tape.tape_shadow(camera, path)
    intruder = over(fist, ribbon)
    bare = backdrop.stand_before(camera, far_rng, floats(sky + sun))
    bare = floats(bare * (1 - dog.cover[..., None]) + dog.colour)

    veil, fall = film.glow(bare, camera), film.falloff(camera)
    noise = film.noise_field(film_rng, height, width)
    truth = film.expose(bare, veil, noise, fall)
    touched = np.where((intruder.cover > 0) | (shadow > 0), 255, 0).astype(np.uint8)
    touched = masks.grown(touched, round(5 * camera.scale) + 3)
    box = jpeg_box(touched)
    lost = (0.35 * sky[box] + sun[box]) * (shadow * (1 - dog.cover))[box][..., None]
    held = (bare[box] - lost) * (1 - intruder.cover[box][..., None]) + intruder.colour[box]
    photo = truth.copy()
    developed = film.expose(floats(held), veil[box], noise[box], fall[box])
    photo[box] = np.where(touched[box][..., None] > 0, developed, truth[box])
    clean = exact_mask(intruder)
    mask, _ = masks.rough_mask(mask_rng, clean, shadow > 0.06, camera.scale)
    return ReferenceScene(photo, truth, mask, clean, masks.pet_mask(dog.cover, clean))


@dataclass(frozen=True)
class Meadow:
    """The lit lawn: what was painted, depth [H, W] in metres, sky and sun part [H, W, 3]."""

    planted: lawn.Planted
    depth: Floats
    sky: Floats
    sun: Floats


def grow_lawn(rng: np.random.Generator, camera: Camera) -> Meadow:
    """Grow the lawn and light it, without the dog's shadow."""
    planted = lawn.plant(rng, camera)
    depth = depth_map(planted)
    sky, sun = daylight.light(planted, daylight.sun_reaching(planted, depth))
    return Meadow(planted, depth, sky, sun)


def seat_dog(rng: np.random.Generator, camera: Camera) -> tuple[Body, fur.Coated]:
    """Choose the dog's pose, trace its body and grow its coat."""
    body = trace_body(camera, choose_pose(rng))
    return body, fur.paint_coat(rng, camera, body, fur.grow(rng, camera, body))


def reach_in(rng: np.random.Generator, camera: Camera) -> tuple[Floats, Layer]:
    """Give the tape's path [K, 3] (m) and the hand with its handle, a little out of focus."""
    grasp = hand.hold(camera, rng)
    path = tape.hang(camera, grasp, rng)
    fist = hand.render_hand(camera, grasp, rng)
    return path, blurred(fist, film.defocus(HAND_M, camera) * HAND_SHARPER)


def jpeg_box(mask: Bytes) -> tuple[slice, slice]:
    """Give the rows and columns around a mask [H, W], widened to JPEG's 16 px grid."""
    slices = []
    for axis in (1, 0):
        used = np.flatnonzero(mask.any(axis=axis))
        limit = mask.shape[1 - axis]
        first = max(int(used[0]) // 16 * 16 - 32, 0)
        slices.append(slice(first, min((int(used[-1]) // 16 + 3) * 16, limit)))
    return slices[0], slices[1]


def choose_pose(rng: np.random.Generator) -> Pose:
    """Seat the dog right of the middle, its chest to the left, its eyes on the camera."""
    return Pose(
        x=0.13 + rng.uniform(-0.03, 0.05),
        z=1.40 + rng.uniform(-0.03, 0.05),
        size=1.10 + rng.uniform(-0.03, 0.03),
        yaw=0.42 + rng.uniform(-0.10, 0.10),
        head_yaw=-0.32 + rng.uniform(-0.06, 0.06),
        head_pitch=-0.03,
        head_roll=rng.uniform(0.05, 0.14),
    )


def dog_shadow(camera: Camera, body: Body, depth: Floats) -> tuple[Floats, Floats]:
    """Share of sun and of sky that the dog leaves to the lawn, per pixel [H, W] each."""
    pose = body.pose
    side, half = 180, 1.05
    grid = np.linspace(-half, half, side, dtype=np.float32)
    gx, gz = np.meshgrid(pose.x - 0.35 + grid, pose.z + grid)
    order = np.concatenate(blocks(side, side))
    back = np.argsort(order)
    ground = floats(np.stack([gx.ravel(), np.full(gx.size, 0.004), gz.ravel()], axis=1))[order]
    local = pose.to_dog(ground)
    to_sun = pose.turn_to_dog(TO_SUN)
    sun = sunlit(body.solids, local, to_sun, 16.0, 0.01)[back].reshape(side, side)
    gap = union(body.solids, local + floats([0, 0.03, 0]))[back].reshape(side, side)
    sky = 1 - 0.72 * np.exp(-np.maximum(gap, 0) / 0.055)
    y, x = np.mgrid[0 : camera.height, 0 : camera.width].astype(np.float32)
    world = camera.points(x + 0.5, y + 0.5, np.minimum(depth, 50.0))
    foot = world - TO_SUN * (world[..., 1:2] / TO_SUN[1])

    def look_up(table: Floats, px: Floats, pz: Floats) -> Floats:
        column = (px - pose.x + 0.35 + half) / (2 * half) * (side - 1)
        row = (pz - pose.z + half) / (2 * half) * (side - 1)
        return floats(
            cv2.remap(
                table,
                floats(column),
                floats(row),
                cv2.INTER_LINEAR,
                None,
                cv2.BORDER_CONSTANT,
                (1.0,),
            )
        )

    return (
        look_up(soften(floats(sun), 0.8), foot[..., 0], foot[..., 2]),
        look_up(floats(sky), world[..., 0], world[..., 2]),
    )


def meet_lawn(camera: Camera, coat: fur.Coated, lawn_depth: Floats) -> Layer:
    """Stand the dog in the grass: blades nearer than its fur (samples [2H, 2W]) hide it."""
    x0, y0, x1, y1 = coat.box
    window = (
        slice(y0 * SUPERSAMPLING, y1 * SUPERSAMPLING),
        slice(x0 * SUPERSAMPLING, x1 * SUPERSAMPLING),
    )
    seen = (coat.depth > 0) & (coat.depth < lawn_depth[window] + 0.012)
    size = (x1 - x0, y1 - y0)
    colour = np.zeros((camera.height, camera.width, 3), np.float32)
    cover = np.zeros((camera.height, camera.width), np.float32)
    visible = floats(seen)
    colour[y0:y1, x0:x1] = cv2.resize(coat.colour * visible[..., None], size, None, 0, 0, 3)
    cover[y0:y1, x0:x1] = cv2.resize(visible, size, None, 0, 0, 3)
    return Layer(colour, cover)
