"""The run: every method on every scene with the same mask, scored; peers' outputs may be cached."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from perf.quality.digest import digest_of
from perf.quality.light import Mask, Pixels
from perf.quality.methods import Method, Outcome, cleaned
from perf.quality.scenes import Group, Scene
from perf.quality.scores import Scores, score


@dataclass(frozen=True)
class Row:
    """One method on one scene.

    Attributes:
        scene: the scene's name.
        group: the scene's group.
        method: the method's name, or "truth".
        scores: None if the method failed.
        seconds: wall time; 0 for the truth.
        unfilled: part of the hole left empty, 0 to 1.
        outside_changed: part of the pixels outside the hole that differ from the photo, 0 to 1.
        hole_differs: part of all pixels where the method's own hole is not the scored one, 0 to 1.
        error: what was raised, empty if nothing.
    """

    scene: str
    group: Group
    method: str
    scores: Scores | None
    seconds: float = 0.0
    unfilled: float = 0.0
    outside_changed: float = 0.0
    hole_differs: float = 0.0
    error: str = ""


@dataclass(frozen=True)
class SceneResult:
    """A scene with all its rows, the truth's first, and the images they were taken from."""

    scene: Scene
    hole: Mask
    sha256: str
    rows: tuple[Row, ...]
    images: dict[str, Pixels]


def _cache_file(folder: Path, sha256: str, hole: Mask, method: Method) -> Path:
    """Name the file that holds a peer's output: by scene, mask, method and version."""
    key = hashlib.sha256(f"{sha256} {method.name} {method.version}".encode())
    key.update(np.ascontiguousarray(hole).tobytes())
    return folder / f"{method.name}-{key.hexdigest()[:24]}.npz"


def _fill(method: Method, scene: Scene, hole: Mask, sha256: str, cache: Path | None) -> Outcome:
    """Run a method, or take a peer's output from the cache."""
    if cache is None or method.own:
        return method.run(scene, hole)
    path = _cache_file(cache, sha256, hole, method)
    if path.exists():
        with np.load(path) as kept:
            return Outcome(kept["image"], float(kept["seconds"]), float(kept["unfilled"]))
    outcome = method.run(scene, hole)
    cache.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(
        path, image=outcome.image, seconds=outcome.seconds, unfilled=outcome.unfilled
    )
    return outcome


def _row(method: Method, scene: Scene, hole: Mask, outcome: Outcome) -> Row:
    """Score what a method gave."""
    outside = hole == 0
    changed = (outcome.image != scene.photo).any(axis=2)[outside].mean()
    own = hole if outcome.hole is None else outcome.hole
    return Row(
        scene.name,
        scene.group,
        method.name,
        score(outcome.image, scene.truth, hole),
        outcome.seconds,
        outcome.unfilled,
        float(changed),
        float(((own > 0) != (hole > 0)).mean()),
    )


def run_scene(
    scene: Scene,
    methods: Sequence[Method],
    cache: Path | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> SceneResult:
    """Run methods on a scene and score them, and the truth itself.

    Args:
        scene: what to remove.
        methods: in the order of the tables.
        cache: folder of the peers' outputs; None runs every method now.
        say: takes one line of progress per method.

    Returns:
        The rows; a method that raises has a row with its error.
    """
    hole = cleaned(scene)
    sha256 = digest_of(scene).sha256
    rows = [Row(scene.name, scene.group, "truth", score(scene.truth, scene.truth, hole))]
    images: dict[str, Pixels] = {}
    for method in methods:
        try:
            outcome = _fill(method, scene, hole, sha256, cache)
            row = _row(method, scene, hole, outcome)
            images[method.name] = outcome.image
        except Exception as error:  # noqa: BLE001 - whatever a method raises is its result
            message = f"{type(error).__name__}: {error}"
            row = Row(scene.name, scene.group, method.name, None, error=message)
        rows.append(row)
        say(_line(row))
    return SceneResult(scene, hole, sha256, tuple(rows), images)


def _line(row: Row) -> str:
    """Put a row on one line."""
    if row.scores is None:
        return f"{row.scene:20} {row.method:10} ERROR {row.error}"
    return (
        f"{row.scene:20} {row.method:10} ST-LPIPS {row.scores.st_lpips:.4f}"
        f"  seam {row.scores.seam_step:5.2f}  sharpness {row.scores.sharpness:5.2f}"
        f"  {row.seconds:6.2f} s"
    )
