"""The lawn as one surface: thatch, leaves and blades, painted as identities back to front."""

from dataclasses import dataclass

import cv2
import numpy as np

from perf.scene.arrays import Floats, Ints, floats
from perf.scene.camera import Camera
from perf.scene.grass import Blades, Terrain, standing, thatch
from perf.scene.leaves import LeafShape, Leaves, draw_shapes, strew
from perf.scene.strokes import SUPERSAMPLING, curve, fixed_point, paint_shapes, ribbons

SPINE_POINTS = 5
"""Points along a blade's outline: a bend of 60 degrees still looks round."""


@dataclass(frozen=True)
class Planted:
    """The painted lawn: identities per sample and the tables that they index.

    ids: INT32 [2H, 2W]; 0 is soil, 1..B blades, above that leaves. curves: [B, 3, 2] Bezier
    points in samples; depths: [B, 2] depth (m) of root and tip; inverse: [L, 9] from samples to
    a leaf's (u, v); leaf_depths: [L, 3] depth at the centre and its change along u and v.
    """

    camera: Camera
    terrain: Terrain
    ids: Ints
    blades: Blades
    curves: Floats
    depths: Floats
    leaves: Leaves
    shapes: list[LeafShape]
    inverse: Floats
    leaf_depths: Floats

    def sample_depths(self) -> Floats:
        """Give the depth (m) of every sample [2H, 2W]: a blade counts at its root."""
        rows = floats(np.arange(self.ids.shape[0]) + 0.5) / SUPERSAMPLING
        soil = self.camera.ground_depth(rows)
        table = np.concatenate([[0], self.depths[:, 0], self.leaf_depths[:, 0]])
        depth = floats(table)[self.ids]
        return floats(np.where(self.ids == 0, soil[:, None], depth))


def plant(rng: np.random.Generator, camera: Camera) -> Planted:
    """Grow, strew and paint the lawn."""
    terrain = Terrain.grow(rng)
    blades = thatch(rng, camera, terrain).join(standing(rng, camera, terrain))
    leaves = strew(rng, camera, terrain)
    shapes = draw_shapes(rng)

    spine = curve(blades.root, blades.bend, blades.tip, SPINE_POINTS)
    xy, depth = camera.project(spine)
    taper = floats([0.75, 1.0, 0.92, 0.62, 0.12])
    widths = blades.width[:, None] * taper * camera.focal / depth * SUPERSAMPLING
    outlines = list(ribbons(xy * SUPERSAMPLING, floats(np.maximum(widths, 0.7))))
    ends, end_depths = camera.project(np.stack([blades.root, blades.bend, blades.tip], axis=1))

    inverse, leaf_depths, leaf_outlines = _lay(camera, leaves, shapes)
    order_key = np.where(blades.flat, blades.root[:, 2] + 100.0, blades.root[:, 2])
    reach = np.abs(leaves.along[:, 2]) + np.abs(leaves.across[:, 2])
    leaf_key = leaves.centre[:, 2] - np.where(leaves.buried, 0.15, 0.75) * reach * 0.69
    order = np.argsort(-np.concatenate([order_key, leaf_key]), kind="stable")
    ids = np.zeros((camera.height * SUPERSAMPLING, camera.width * SUPERSAMPLING), np.int32)
    everything = outlines + leaf_outlines
    paint_shapes(ids, [everything[i] for i in order], order + 1)
    return Planted(
        camera,
        terrain,
        ids,
        blades,
        floats(ends * SUPERSAMPLING),
        floats(end_depths[:, [0, 2]]),
        leaves,
        shapes,
        inverse,
        leaf_depths,
    )


def _lay(
    camera: Camera, leaves: Leaves, shapes: list[LeafShape]
) -> tuple[Floats, Floats, list[Ints]]:
    """Project leaves: inverse maps [L, 9], depths [L, 3] and outlines in fixed point."""
    count = len(leaves.shape)
    inverse = np.zeros((count, 9), np.float32)
    corners = floats([[-1, -1], [1, -1], [1, 1], [-1, 1]])
    outlines = []
    for i in range(count):
        uv = np.concatenate([shapes[leaves.shape[i]].outline, corners])
        points = leaves.centre[i] + uv[:, :1] * leaves.along[i] + uv[:, 1:] * leaves.across[i]
        flat, _ = camera.project(floats(points[-4:]))
        points[:, 1] += (uv**2) @ leaves.curl[i]
        points[:, 1] = np.maximum(points[:, 1], 0.001)
        bent, _ = camera.project(floats(points[:-4]))
        outlines.append(fixed_point(bent * SUPERSAMPLING))
        forward = cv2.getPerspectiveTransform(corners, floats(flat * SUPERSAMPLING))
        inverse[i] = np.linalg.inv(forward).reshape(-1)
    _, centre = camera.project(leaves.centre)
    _, end = camera.project(floats(leaves.centre + leaves.along))
    _, side = camera.project(floats(leaves.centre + leaves.across))
    return inverse, floats(np.stack([centre, end - centre, side - centre], axis=1)), outlines
