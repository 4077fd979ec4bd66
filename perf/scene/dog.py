"""The dog's body: a young golden mongrel that sits and looks into the camera.

Solids stand in dog axes (metres): the ground is y = 0, the chest points to -z. `Coat` says what
grows on each part.
"""

from dataclasses import dataclass

import numpy as np

from perf.scene.arrays import Floats, Ints, floats, unit
from perf.scene.camera import TO_SUN, Camera
from perf.scene.colour import paint
from perf.scene.solids import Bone, Hoop, Lump, Solid, turned
from perf.scene.tracing import blocks, openness, sunlit, trace


@dataclass(frozen=True)
class Coat:
    """Fur of one part: flow (direction in dog axes), length (m), lift (0 flat .. 1 upright)."""

    flow: tuple[float, float, float]
    length: float
    lift: float
    colour: str


COATS: dict[str, Coat] = {
    "torso": Coat((0.0, -0.7, 0.7), 0.026, 0.24, "9a7549"),
    "chest": Coat((0.0, -1.0, -0.1), 0.036, 0.30, "d9c3a0"),
    "neck": Coat((0.0, -1.0, 0.15), 0.020, 0.18, "b08c60"),
    "skull": Coat((0.0, 0.45, 1.0), 0.009, 0.15, "a27f55"),
    "cheek": Coat((0.0, -0.55, 0.85), 0.017, 0.26, "b7966c"),
    "muzzle": Coat((0.0, 0.0, 1.0), 0.0045, 0.14, "d3b58c"),
    "ear": Coat((0.0, -1.0, 0.05), 0.022, 0.10, "60442e"),
    "foreleg": Coat((0.0, -1.0, 0.15), 0.014, 0.20, "c4a67c"),
    "paw": Coat((0.0, -0.5, -0.8), 0.007, 0.20, "dcc49e"),
    "haunch": Coat((0.0, -0.85, 0.2), 0.024, 0.24, "997548"),
    "tail": Coat((0.6, -0.6, 0.0), 0.060, 0.36, "b2905f"),
}
"""Lengths and lie as on a golden retriever; pale feathering, darker ears."""

BARE = ("nose", "eye", "collar", "tag", "lip")
"""Parts without fur."""


@dataclass(frozen=True)
class Pose:
    """Where the dog sits: position on the ground (m), size factor and turn to the left (rad)."""

    x: float
    z: float
    size: float
    yaw: float
    head_yaw: float
    head_pitch: float
    head_roll: float

    def to_dog(self, points: Floats) -> Floats:
        """Turn world points [P, 3] into dog axes."""
        shifted = (points - floats([self.x, 0.0, self.z])) / np.float32(self.size)
        return floats(shifted @ turned(self.yaw))

    def to_world(self, points: Floats) -> Floats:
        """Turn points [P, 3] in dog axes into world points."""
        return floats(points @ turned(self.yaw).T * np.float32(self.size)) + floats(
            [self.x, 0.0, self.z]
        )

    def turn_to_dog(self, directions: Floats) -> Floats:
        """Turn world directions [..., 3] into dog axes."""
        return floats(directions @ turned(self.yaw))


HEAD = (0.0, 0.515, -0.105)


def build(pose: Pose) -> list[Solid]:
    """Give the dog's solids in dog axes, body first, then what sits on it."""
    body: list[Solid] = [
        Bone("torso", (0, 0.33, 0.02), (0, 0.16, 0.20), 0.105, 0.13, 0.05),
        Lump("torso", (0, 0.13, 0.22), (0.13, 0.12, 0.12), blend=0.05),
        Lump("chest", (0, 0.315, -0.035), (0.098, 0.125, 0.095), blend=0.05),
        Bone("neck", (0, 0.37, -0.02), (0, 0.475, -0.08), 0.088, 0.070, 0.05),
    ]
    for side in (-1.0, 1.0):
        body += [
            Lump("haunch", (side * 0.125, 0.125, 0.13), (0.068, 0.12, 0.12), blend=0.04),
            Bone("paw", (side * 0.150, 0.03, 0.07), (side * 0.160, 0.026, -0.02), 0.032, 0.030),
            Lump("haunch", (side * 0.080, 0.27, -0.035), (0.048, 0.095, 0.06), blend=0.05),
            Bone(
                "foreleg", (side * 0.074, 0.25, -0.055), (side * 0.066, 0.06, -0.085), 0.043, 0.031
            ),
            Lump("paw", (side * 0.067, 0.030, -0.108), (0.036, 0.031, 0.048), blend=0.02),
        ]
        for toe in (-0.022, 0.0, 0.022):
            reach = -0.142 + 0.25 * abs(toe)
            body.append(
                Lump("paw", (side * 0.067 + toe, 0.022, reach), (0.014, 0.019, 0.020), blend=0.008)
            )
    body += [
        Bone("tail", (0.0, 0.07, 0.33), (0.20, 0.05, 0.34), 0.035, 0.030, 0.03),
        Bone("tail", (0.20, 0.05, 0.34), (0.33, 0.055, 0.22), 0.030, 0.018, 0.03),
        Hoop("collar", (0, 0.425, -0.050), (0, 0.80, -0.45), 0.104, 0.0115, 0.0025, 0.004),
    ]
    body.append(Lump("tag", (0.0, 0.350, -0.153), (0.013, 0.016, 0.003), blend=0.001))
    return body + _head(pose)


def _head(pose: Pose) -> list[Solid]:
    """Give the head's solids, turned as the pose says."""
    turn = turned(pose.head_yaw, pose.head_pitch, pose.head_roll)
    origin = floats(HEAD)

    def at(x: float, y: float, z: float) -> tuple[float, float, float]:
        p = origin + turn @ floats([x, y, z])
        return float(p[0]), float(p[1]), float(p[2])

    head: list[Solid] = [
        Lump("skull", at(0, 0, 0), (0.073, 0.060, 0.080), turn, 0.04),
        Bone("muzzle", at(0, -0.028, -0.05), at(0, -0.036, -0.128), 0.039, 0.028, 0.03),
        Bone("muzzle", at(0, -0.058, -0.03), at(0, -0.066, -0.105), 0.026, 0.017, 0.012),
    ]
    for side in (-1.0, 1.0):
        ear = turn @ turned(side * 0.35, 0.0, side * 0.24)
        head += [
            Lump("skull", at(side * 0.032, 0.026, -0.050), (0.027, 0.022, 0.028), turn, 0.025),
            Lump("cheek", at(side * 0.046, -0.032, -0.022), (0.036, 0.036, 0.046), turn, 0.03),
            Lump("muzzle", at(side * 0.016, -0.044, -0.112), (0.021, 0.021, 0.034), turn, 0.012),
            Lump("ear", at(side * 0.083, -0.016, 0.000), (0.013, 0.068, 0.043), ear, 0.006),
            Lump("eye", at(side * 0.0355, 0.0085, -0.0740), (0.0108, 0.0100, 0.0100), turn, 0.001),
        ]
        nostril = at(side * 0.0100, -0.0165, -0.1650)
        head.append(Lump("lip", nostril, (0.0050, 0.0038, 0.0045), turn, 0.0015))
        corner = at(side * 0.023, -0.060, -0.128), at(side * 0.037, -0.054, -0.078)
        head += [
            Bone("lip", at(0, -0.050, -0.153), corner[0], 0.0032, 0.0032, 0.002),
            Bone("lip", corner[0], corner[1], 0.0035, 0.0025, 0.002),
        ]
    head.append(Bone("lip", at(0, -0.026, -0.160), at(0, -0.050, -0.153), 0.003, 0.003, 0.002))
    head.append(Lump("nose", at(0, -0.014, -0.153), (0.021, 0.016, 0.014), turn, 0.004))
    return head


@dataclass(frozen=True)
class Body:
    """The traced dog: a grid of rays over its part of the picture.

    box: (x0, y0, x1, y1) px; step: px between rays; grid: INT32 [h, w], index of the hit + 1 or
    0; points and normals [P, 3] in dog axes; depth [P] metres; sky and sun: [P] shares of light.
    """

    pose: Pose
    solids: list[Solid]
    box: tuple[int, int, int, int]
    step: float
    grid: Ints
    points: Floats
    normals: Floats
    depth: Floats
    sky: Floats
    sun: Floats


def trace_body(camera: Camera, pose: Pose) -> Body:
    """Trace the dog's visible surface with its light, before any fur grows."""
    solids = build(pose)
    corners = floats([[x, y, z] for x in (-0.27, 0.40) for y in (0.0, 0.66) for z in (-0.30, 0.42)])
    flat, _ = camera.project(pose.to_world(corners))
    x0, y0 = np.maximum(np.floor(flat.min(axis=0)).astype(int), 0)
    x1, y1 = np.minimum(np.ceil(flat.max(axis=0)).astype(int), [camera.width, camera.height])
    step = 1.7 if camera.scale > 0.6 else 1.0
    columns, rows = np.arange(x0, x1, step) + step / 2, np.arange(y0, y1, step) + step / 2
    px, py = np.meshgrid(floats(columns), floats(rows))
    rays = camera.rays(px.reshape(-1), py.reshape(-1))
    lengths = np.sqrt(np.sum(rays * rays, axis=1))
    directions = pose.turn_to_dog(floats(rays / lengths[:, None]))
    eye = pose.to_dog(floats([[0.0, camera.eye_height, 0.0]]))[0]
    reach = float(np.sqrt(eye @ eye))
    bundles = blocks(len(rows), len(columns))
    surface = trace(solids, eye, directions, bundles, reach - 0.6, reach + 0.45)
    grid = np.zeros(len(rays), np.int32)
    grid[surface.index] = np.arange(1, len(surface.index) + 1)
    world = pose.to_world(surface.points)
    _, depth = camera.project(world)
    lifted = floats(surface.points + surface.normals * 0.012)
    sun = sunlit(solids, lifted, unit(pose.turn_to_dog(TO_SUN)), 7.0, 0.015)
    ground = 0.45 + 0.55 * np.clip(surface.points[:, 1] / 0.14, 0, 1)
    sky = openness(solids, surface.points, surface.normals) * ground
    return Body(
        pose,
        solids,
        (int(x0), int(y0), int(x1), int(y1)),
        step,
        grid.reshape(len(rows), len(columns)),
        surface.points,
        surface.normals,
        depth,
        floats(sky),
        sun,
    )


def coat_table() -> tuple[list[str], Floats, Floats, Floats, Floats]:
    """Give part names and, row by row, flow [N, 3], length [N], lift [N], colour [N, 3]."""
    names = list(COATS)
    coats = [COATS[name] for name in names]
    return (
        names,
        unit(floats([c.flow for c in coats])),
        floats([c.length for c in coats]),
        floats([c.lift for c in coats]),
        paint(*(c.colour for c in coats)),
    )
