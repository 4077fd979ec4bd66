"""Keeps the set fixed: a SHA-256 per scene, and a thumbprint that survives a last-bit difference.

The set may not change once a fill has been tuned on it. Its random numbers come from a frozen
stream, but floating-point kernels (numpy's, OpenCV's) differ in the last bit between versions and
processors, which can turn a pixel by one level. So `set.json` holds two things for each scene: the
SHA-256 of its four arrays, and their means over an 8x8 grid. Equal hashes mean the same pixels;
unequal hashes with means no further apart than `TOLERANCE` mean the same set, developed on another
machine; anything else is another set.
"""

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np

from perf.quality.scenes import NAMES, Scene, build_scenes

RECORD = Path(__file__).with_name("set.json")
GRID = 8
# Levels of 255 that a cell's mean may move: rounding alone moves it by one.
TOLERANCE = 1


@dataclass(frozen=True)
class Digest:
    """What is remembered of a scene: SHA-256 in hex, and the 8x8 means in base64."""

    sha256: str
    thumbprint: str


def digest_of(scene: Scene) -> Digest:
    """Take a scene's hash and thumbprint, over photo, truth, mask and true mask."""
    sha = hashlib.sha256()
    cells = bytearray()
    for array in (scene.photo, scene.truth, scene.mask, scene.true_mask):
        sha.update(repr((array.shape, str(array.dtype))).encode())
        sha.update(np.ascontiguousarray(array).tobytes())
        plane = array.astype(np.float64)
        if plane.ndim == 3:
            plane = plane.mean(axis=2)
        grid = cv2.resize(plane, (GRID, GRID), interpolation=cv2.INTER_AREA)
        cells += np.round(grid).astype(np.uint8).tobytes()
    return Digest(sha.hexdigest(), base64.b64encode(bytes(cells)).decode())


def same_scene(found: Digest, recorded: Digest) -> bool:
    """Tell whether two digests are of the same scene, last bits aside."""
    if found.sha256 == recorded.sha256:
        return True
    one, other = (
        np.frombuffer(base64.b64decode(digest.thumbprint), np.uint8).astype(int)
        for digest in (found, recorded)
    )
    return bool(np.abs(one - other).max() <= TOLERANCE)


def recorded_digests(path: Path = RECORD) -> dict[str, Digest]:
    """Read the digests of the fixed set, by scene name."""
    rows: dict[str, dict[str, str]] = json.loads(path.read_text())["scenes"]
    return {name: Digest(**row) for name, row in rows.items()}


def set_digest(digests: Mapping[str, Digest]) -> str:
    """Give the set one SHA-256, in hex, from its scenes' names and hashes."""
    lines = (f"{name} {digests[name].sha256}\n" for name in sorted(digests))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def record(path: Path = RECORD, names: tuple[str, ...] = NAMES) -> dict[str, Digest]:
    """Build the scenes and write their digests: only when the set itself is meant to change."""
    digests = {scene.name: digest_of(scene) for scene in build_scenes(names)}
    rows = {name: asdict(digest) for name, digest in digests.items()}
    versions = {"numpy": np.__version__, "opencv": cv2.__version__}
    content = {"set_sha256": set_digest(digests), "made_with": versions, "scenes": rows}
    path.write_text(json.dumps(content, indent=1) + "\n")
    return digests
