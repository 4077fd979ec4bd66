"""What a job takes, from this project's own results: measured on a CPU, modelled on a T4."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from perf.service.scaling.simulation import Service

RESULTS: Final = Path(__file__).parents[2] / "results"
ENGINE: Final = "int4, fused kernels"
SIDE: Final = 768
STEPS: Final = 8
# On demand, us-central1, Google Cloud's price list, US$ an hour: n1-standard-4 0.19 and a T4 0.35;
# e2-standard-2 0.067. Node and cluster fees are left out.
T4_PRICE: Final = 0.54
CPU_PRICE: Final = 0.067


def embedded(results: Path = RESULTS) -> Service:
    """Return the patch engine on two cores, as `make bench` measured it."""
    found: dict[int, Any] = {
        one["concurrency"]: one
        for one in _read(results / "bench-embedded.json")["perf_analyzer"]
        if one["model"] == "inpaint"
    }
    # One on each core; what they take together is what one of two takes.
    seconds = found[2]["p50_ms"] / 1000
    return Service("embedded, 2 cores, measured", 1, seconds, 0.0, 2, 0.0, CPU_PRICE, lanes=2)


def t4(results: Path = RESULTS) -> Service:
    """Return the `t4` profile at 768 px and 8 steps, as `make t4` models it: no T4 was at hand."""
    page = _read(results / "t4-model.json")
    (cell,) = (
        one
        for one in page["cells"]
        if (one["engine"], one["side"], one["steps"]) == (ENGINE, SIDE, STEPS)
    )
    step, total = cell["step_s"]["likely"], cell["total_s"]["likely"]
    (label,) = (one for one in page["stages"] if one["stage"].startswith("SAM3"))
    # Labels came with the job, so that its own request does without SAM3 around the hole.
    around = total - STEPS * step - label["seconds"]["likely"]
    return Service(
        "T4, int4, 768 px, 8 steps, modelled",
        STEPS,
        step,
        around,
        4,
        label["seconds"]["likely"],
        T4_PRICE,
    )


def _read(path: Path) -> dict[str, Any]:
    page: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return page
