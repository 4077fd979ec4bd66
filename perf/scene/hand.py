"""The intruder: the photographer's own left hand with a retractable leash.

The hand's solids stand in hand axes (metres): wrist at the origin, x towards the thumb, y
towards the fingers, z up from the back of the hand, which faces the camera.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from perf.scene.arrays import Floats, floats, unit
from perf.scene.camera import SKYLIGHT, SUNLIGHT, TO_SUN, Camera
from perf.scene.colour import paint
from perf.scene.layers import Layer
from perf.scene.noise import fractal_tile, sample
from perf.scene.solids import Bone, Hoop, Lump, Solid, turned
from perf.scene.tracing import blocks, nearness, openness, sunlit, trace

PARTS = ("skin", "knuckle", "nail", "sleeve", "case", "grip", "button", "lens")

COLOURS = ("c99c82", "c28770", "d9b3a2", "39455a", "2b2e30", "232527", "8a352c", "35757a")
"""Skin, redder knuckles, nails, a navy jacket, a charcoal case with rubber, red and teal."""


def build() -> list[Solid]:
    """Give the solids of hand, sleeve and leash handle in hand axes."""
    fingers = {  # knuckle, middle joint, radius: index to little finger, in centimetres
        "index": ((3.0, 8.4, 0.5), (3.7, 12.6, -0.9), (3.3, 11.9, -3.6), 1.12),
        "middle": ((1.0, 9.1, 0.9), (1.2, 13.6, -0.5), (1.1, 12.8, -3.6), 1.16),
        "ring": ((-1.0, 8.6, 0.7), (-1.2, 12.9, -0.8), (-1.2, 12.2, -3.6), 1.10),
        "little": ((-2.9, 7.6, 0.0), (-3.5, 11.1, -1.4), (-3.4, 10.5, -3.6), 0.97),
    }
    solids: list[Solid] = [
        Lump("skin", (0, 0.045, -0.009), (0.038, 0.052, 0.017), blend=0.02),
        Bone("skin", (0.010, 0.000, -0.003), (0.009, -0.09, -0.008), 0.019, 0.024, 0.03),
        Bone("skin", (-0.012, 0.000, -0.005), (-0.015, -0.09, -0.010), 0.0175, 0.023, 0.03),
    ]
    for start, (knuckle, joint, end, radius) in zip(
        (0.017, 0.006, -0.007, -0.018), fingers.values(), strict=True
    ):
        k, j, e = (tuple(c / 100 for c in p) for p in (knuckle, joint, end))
        r = radius / 100
        solids += [
            Bone("skin", (start, 0.005, 0.001), (k[0], k[1], k[2]), 0.010, r * 0.95, 0.016),
            Bone("skin", (k[0], k[1], k[2]), (j[0], j[1], j[2]), r, r * 0.90, 0.0045),
            Bone("skin", (j[0], j[1], j[2]), (e[0], e[1], e[2]), r * 0.93, r * 0.82, 0.005),
            Lump("knuckle", (k[0], k[1], k[2] + 0.004), (r * 0.9, r * 0.95, r * 0.72), blend=0.012),
            Lump(
                "knuckle", (j[0], j[1] - 0.001, j[2] + 0.002), (r, r * 0.85, r * 0.8), blend=0.008
            ),
        ]
    nail = turned(0.20, -0.18, 0.22)
    solids += [
        Bone("skin", (0.020, 0.010, -0.004), (0.052, 0.052, 0.000), 0.016, 0.0130, 0.018),
        Bone("skin", (0.052, 0.052, 0.000), (0.067, 0.086, 0.002), 0.0120, 0.0105, 0.008),
        Bone("skin", (0.067, 0.086, 0.002), (0.060, 0.117, 0.000), 0.0106, 0.0084, 0.006),
        Lump("knuckle", (0.067, 0.085, 0.006), (0.0095, 0.010, 0.0080), blend=0.008),
        Lump("nail", (0.0612, 0.1130, 0.0076), (0.0064, 0.0088, 0.0026), nail, 0.0010),
        Bone("sleeve", (-0.003, -0.088, -0.008), (-0.016, -0.18, -0.018), 0.041, 0.047, 0.004),
        Bone("sleeve", (-0.016, -0.18, -0.018), (-0.070, -0.52, -0.06), 0.047, 0.064, 0.03),
        Hoop(
            "sleeve", (-0.003, -0.062, -0.007), (-0.08, -1.0, -0.08), 0.0415, 0.016, 0.0015, 0.006
        ),
    ]
    return solids + _leash_handle()


def _leash_handle() -> list[Solid]:
    """Give the handle: a bar through the fist, two struts, a flat round case and its nose."""
    face = turned(0.62, 0.10, 0.0)
    return [
        Bone("grip", (-0.050, 0.098, -0.028), (0.062, 0.093, -0.026), 0.0125, 0.0125, 0.004),
        Bone("grip", (0.062, 0.093, -0.026), (0.070, 0.150, -0.032), 0.0125, 0.013, 0.015),
        Bone("grip", (-0.050, 0.098, -0.028), (-0.038, 0.160, -0.050), 0.0125, 0.013, 0.015),
        Lump("case", (0.020, 0.190, -0.045), (0.062, 0.060, 0.024), face, 0.014),
        Lump("lens", (0.031, 0.192, -0.0265), (0.034, 0.033, 0.0085), face, 0.001),
        Lump("case", (0.033, 0.192, -0.0215), (0.020, 0.0195, 0.0075), face, 0.001),
        Bone("case", (0.040, 0.215, -0.050), (0.074, 0.252, -0.062), 0.022, 0.011, 0.02),
        Lump("button", (0.058, 0.128, -0.016), (0.010, 0.013, 0.007), face, 0.002),
    ]


NOSE = (0.079, 0.258, -0.064)
"""Where the tape leaves the case, in hand axes."""


@dataclass(frozen=True)
class Grasp:
    """Where the hand is held: wrist position [3] in the world (m) and its turn [3, 3]."""

    wrist: Floats
    turn: Floats

    def to_world(self, points: Floats) -> Floats:
        """Turn points [..., 3] in hand axes into world points."""
        return floats(points @ self.turn.T + self.wrist)


def hold(camera: Camera, rng: np.random.Generator) -> Grasp:
    """Choose how the hand reaches into the lower left of the picture."""
    across = camera.width * rng.uniform(0.125, 0.150)
    down = camera.height * rng.uniform(0.845, 0.870)
    wrist = camera.points(floats([across]), floats([down]), floats([0.70]))[0]
    view = turned(0.0, camera.pitch, 0.0)
    own = turned(rng.uniform(-0.05, 0.05), -0.32, -0.62 + rng.uniform(-0.06, 0.06))
    mirror = floats(np.diag([1.0, 1.0, -1.0]))  # hand z looks at the camera, world z away
    return Grasp(wrist, floats(view @ mirror @ own))


def render_hand(camera: Camera, grasp: Grasp, rng: np.random.Generator) -> Layer:
    """Trace and light the hand, the sleeve and the handle: a sharp layer of the picture."""
    solids = build()
    step = 1.5 if camera.scale > 0.6 else 1.0
    corners = floats([[x, y, z] for x in (-0.13, 0.13) for y in (-0.5, 0.29) for z in (-0.1, 0.04)])
    flat, _ = camera.project(grasp.to_world(corners))
    x0, y0 = np.maximum(np.floor(flat.min(axis=0)).astype(int), 0)
    x1, y1 = np.minimum(np.ceil(flat.max(axis=0)).astype(int), [camera.width, camera.height])
    columns, rows = np.arange(x0, x1, step) + step / 2, np.arange(y0, y1, step) + step / 2
    px, py = np.meshgrid(floats(columns), floats(rows))
    rays = unit(camera.rays(px.reshape(-1), py.reshape(-1)))
    eye = floats((floats([0, camera.eye_height, 0]) - grasp.wrist) @ grasp.turn)
    bundles = blocks(len(rows), len(columns))
    surface = trace(solids, eye, floats(rays @ grasp.turn), bundles, 0.25, 1.15)
    hits = surface.index
    picture = np.zeros((len(rays), 3), np.float32)
    picture[hits] = _shade(solids, surface.points, surface.normals, eye, grasp, rng)
    cover = np.zeros(len(rays), np.float32)
    cover[hits] = 1.0
    size = (int(x1 - x0), int(y1 - y0))
    out = Layer(
        np.zeros((camera.height, camera.width, 3), np.float32),
        np.zeros((camera.height, camera.width), np.float32),
    )
    shape = (len(rows), len(columns))
    inside = slice(y0, y1), slice(x0, x1)
    out.colour[inside] = cv2.resize(picture.reshape(*shape, 3), size, None, 0, 0, 1)
    out.cover[inside] = cv2.resize(cover.reshape(shape), size, None, 0, 0, 1)
    return out


def _shade(
    solids: list[Solid],
    points: Floats,
    normals: Floats,
    eye: Floats,
    grasp: Grasp,
    rng: np.random.Generator,
) -> Floats:
    """Light surface points [P] of the hand: linear [P, 3]."""
    share = nearness(solids, points, PARTS, 0.0012)
    soft_share = nearness(solids, points, PARTS, 0.005)
    blush = soft_share[:, PARTS.index("knuckle")]
    part = {name: share[:, i] for i, name in enumerate(PARTS)}
    flesh = part["skin"] + part["knuckle"]
    share[:, 0], share[:, 1] = flesh * (1 - 0.7 * blush), flesh * 0.7 * blush
    cloth, plastic = part["sleeve"], part["case"] + part["lens"] + part["button"]
    grain, fold = fractal_tile(rng, 512, 0.8), fractal_tile(rng, 256, 2.3)
    x, y, z = points.T
    crease = sample(fold, y * 1.5 + x * 0.5, x - z, 0.22)
    pores = sample(grain, x + z, y, 0.055)
    weave = np.sin((y * 0.97 + x * 0.26) * 3300) * np.sin((x + z) * 2600)
    bump = np.stack(
        [
            sample(fold, y * 1.5 + x * 0.5 + 0.005, x - z, 0.22) - crease,
            sample(fold, y * 1.5 + x * 0.5, x - z + 0.005, 0.22) - crease,
            np.zeros_like(x),
        ],
        axis=1,
    )
    lines = np.sin(y * 1900 + 1.2 * pores + 7 * crease) * np.maximum(blush - 0.35, 0) * flesh
    rough = bump * (1.5 * cloth + 0.35 * flesh)[:, None]
    rough[:, 1] += 0.22 * lines
    rough += 0.05 * (flesh + cloth)[:, None] * rng.normal(0, 1, rough.shape)
    normals = unit(floats(normals + rough))
    colour = share @ paint(*COLOURS)
    mottled = (
        1
        + flesh * (0.07 * pores + 0.07 * crease)
        + plastic * 0.10 * pores
        + cloth * (0.10 * weave + 0.10 * pores)
    )
    colour = colour * mottled[:, None]
    colour = colour * (1 + flesh[:, None] * crease[:, None] * floats([0.04, -0.06, -0.05]))
    colour = colour * (1 - 0.16 * np.maximum(lines, 0))[:, None]
    vein = np.exp(-((sample(fold, x * 1.1 + 0.4, y * 0.4, 0.13) / 0.12) ** 2))
    vein = vein * flesh * (1 - blush) * np.clip(1.0 - np.abs(y - 0.02) / 0.08, 0, 1)
    colour = colour * (1 - vein[:, None] * floats([0.13, 0.07, 0.03]))
    sun_at = unit(floats(TO_SUN @ grasp.turn))
    sun = sunlit(solids, floats(points + normals * 0.002), sun_at, 10.0, 0.006)
    sky = openness(solids, points, normals, 0.035)
    cosine = normals @ sun_at
    wrap = flesh[:, None] * floats([0.26, 0.13, 0.08])
    bled = sun[:, None] ** (1 - 0.45 * flesh[:, None] * floats([1.0, 0.35, 0.2]))
    direct = np.clip((cosine[:, None] + wrap) / (1 + wrap), 0, 1) * bled
    up = normals @ floats(floats([0, 1, 0]) @ grasp.turn)
    bounce = floats([0.20, 0.22, 0.10]) * np.clip(0.5 - 0.5 * up, 0, 1)[:, None]
    reddened = sky[:, None] ** (1 - flesh[:, None] * floats([0.45, 0.1, 0.0]))
    ambient = reddened * (SKYLIGHT * (0.52 + 0.40 * up)[:, None] + bounce)
    light = colour * (direct * SUNLIGHT * 0.92 + ambient)
    view = unit(floats(eye - points))
    gloss = np.clip(np.sum(normals * unit(floats(view + sun_at)), axis=1), 0, 1)
    edge = (1 - np.clip(np.sum(normals * view, axis=1), 0, 1)) ** 5
    shine = flesh * (0.07 + 0.02 * pores) * gloss**14 + part["nail"] * 0.35 * gloss**60
    shine += (
        plastic * (0.5 * gloss**90 + 0.07 * gloss**10) * (1 + 0.25 * pores)
        + part["grip"] * 0.05 * gloss**10
    )
    light += (shine * sun)[:, None] * SUNLIGHT
    return floats(light + (edge * sky * (0.12 + 0.12 * plastic))[:, None] * SKYLIGHT)
