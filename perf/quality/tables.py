"""The results as files: `quality.json` with every row, `quality.md` with means and tables."""

import json
import math
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

from perf.quality.bench import Row, SceneResult
from perf.quality.scenes import GROUPS

PACKAGES = (
    "numpy",
    "opencv-contrib-python-headless",
    "pypatchmatch",
    "scikit-image",
    "scikit-learn",
    "stlpips-pytorch",
    "torch",
)


@dataclass(frozen=True)
class Means:
    """A method's means over some scenes.

    Attributes:
        scenes: how many were scored.
        errors: how many failed; they are in no mean.
        st_lpips: mean distance to the truth.
        seam_step: mean colour step, CIEDE2000.
        seam_excess: mean of what the step has above the truth's own on the same scene.
        seam_off: mean distance of the step from the truth's own, either way.
        sharpness_log: mean |ln| of the ratio inside to outside.
        sharpness_off: mean |ln| of the ratio over the truth's own.
        seconds: mean wall time.
    """

    scenes: int
    errors: int
    st_lpips: float
    seam_step: float
    seam_excess: float
    seam_off: float
    sharpness_log: float
    sharpness_off: float
    seconds: float


@dataclass(frozen=True)
class Conditions:
    """How a result came about, so that it can be repeated."""

    command: str
    date: str
    fresh: bool
    set_sha256: str
    set_is: str
    cpu: str
    versions: dict[str, str]


def versions() -> dict[str, str]:
    """Give the versions of Python and of the packages that results depend on."""
    return {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}}


def means(results: Sequence[SceneResult], method: str, group: str | None = None) -> Means:
    """Average a method's rows over the scenes of a group, or of all."""
    sums = [0.0] * 7
    scored = failed = 0
    for result in results:
        rows = {row.method: row for row in result.rows}
        row, truth = rows[method], rows["truth"].scores
        if group not in (None, row.group):
            continue
        if row.scores is None or truth is None:
            failed += 1
            continue
        scored += 1
        own, step = row.scores, row.scores.seam_step - truth.seam_step
        values = (
            own.st_lpips,
            own.seam_step,
            max(step, 0.0),
            abs(step),
            own.sharpness_log,
            abs(math.log(own.sharpness / truth.sharpness)),
            row.seconds,
        )
        sums = [total + value for total, value in zip(sums, values, strict=True)]
    return Means(scored, failed, *(total / scored if scored else math.nan for total in sums))


def methods_of(results: Sequence[SceneResult]) -> list[str]:
    """List the methods of a run, the truth first."""
    return [row.method for row in results[0].rows]


def write_json(path: Path, results: Sequence[SceneResult], conditions: Conditions) -> None:
    """Write conditions, means and every row to a JSON file."""
    names = methods_of(results)
    groups = [group for group in GROUPS if any(r.scene.group == group for r in results)]
    averages = {"all": {name: _plain(means(results, name)) for name in names}}
    for group in groups:
        averages[group] = {name: _plain(means(results, name, group)) for name in names}
    content = {
        "conditions": asdict(conditions),
        "means": averages,
        "scenes": {result.scene.name: result.sha256 for result in results},
        "rows": [asdict(row) for result in results for row in result.rows],
    }
    path.write_text(json.dumps(content, indent=1) + "\n")


def _plain(value: Means) -> dict[str, float | int | None]:
    """Turn means into JSON's values, which have no NaN."""
    return {k: None if math.isnan(v) else v for k, v in asdict(value).items()}


def _means_table(results: Sequence[SceneResult], group: str | None) -> list[str]:
    """Lay out one group's means as a Markdown table."""
    lines = [
        "| method | scenes | ST-LPIPS | seam step | above truth | off truth "
        "| sharpness abs(ln) | off truth | s |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name in methods_of(results):
        m = means(results, name, group)
        count = f"{m.scenes}" + (f" ({m.errors} failed)" if m.errors else "")
        lines.append(
            f"| {name} | {count} | {m.st_lpips:.4f} | {m.seam_step:.2f} | {m.seam_excess:.2f} "
            f"| {m.seam_off:.2f} | {m.sharpness_log:.2f} | {m.sharpness_off:.2f} "
            f"| {m.seconds:.2f} |"
        )
    return lines


def _cell(row: Row) -> str:
    """Put a row's scores into one table cell."""
    if row.scores is None:
        return f"error: {row.error}".replace("|", "/").replace("\n", " ")
    scores = row.scores
    mark = f" unfilled {row.unfilled:.1%}" if row.unfilled else ""
    return (
        f"{scores.st_lpips:.4f} / {scores.seam_step:.2f} / {scores.sharpness:.2f} "
        f"/ {row.seconds:.2f}{mark}"
    )


def write_markdown(path: Path, results: Sequence[SceneResult], conditions: Conditions) -> None:
    """Write the means of the set and of each group, and the table of scenes, as Markdown."""
    names = methods_of(results)
    kept = ", ".join(f"{name} {number}" for name, number in conditions.versions.items())
    lines = [
        "# Removal with known truth",
        "",
        f"`{conditions.command}` on {conditions.date}, {conditions.cpu}.",
        f"{kept}.",
        f"Set {conditions.set_sha256[:16]} ({conditions.set_is}); "
        + ("every method ran in this run." if conditions.fresh else "peers partly from the cache."),
        "",
        "ST-LPIPS to the truth on tight crops around the holes: lower is better. Seam step: "
        "CIEDE2000 between local means on both sides of the hole's contour. The truth has a step "
        "of its own, which is the floor; less than that is a smear, not a better seam, so the two "
        "columns after it compare with the truth's step scene by scene. Sharpness: Laplacian "
        "energy inside over outside. Seconds are wall time.",
        "",
        "## All scenes",
        "",
        *_means_table(results, None),
    ]
    for group in GROUPS:
        if any(result.scene.group == group for result in results):
            lines += ["", f"## {group.capitalize()}", "", *_means_table(results, group)]
    lines += [
        "",
        "## Scene by scene",
        "",
        "ST-LPIPS / seam step / sharpness ratio / seconds.",
        "",
        "| scene | group | hole | " + " | ".join(names) + " |",
        "|---|---|---|" + "---|" * len(names),
    ]
    for result in results:
        share = float((result.hole > 0).mean())
        cells = " | ".join(_cell(row) for row in result.rows)
        lines.append(f"| {result.scene.name} | {result.scene.group} | {share:.1%} | {cells} |")
    path.write_text("\n".join(lines) + "\n")
