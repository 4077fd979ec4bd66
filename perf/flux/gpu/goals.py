"""What is asked of one H200, read off the results."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

# From request to answer, s, at a window of 768 px.
ANSWER_S: Final = 1.0
# Times faster than the pipeline, like against like, by window, px.
FASTER: Final = {768: 6.0, 512: 12.0}
BATCHED: Final = 1.8
CAPPED: Final = "at least one scheme loads and fills at every size"


def goals(parts: Mapping[str, Any], windows: tuple[int, ...]) -> list[dict[str, Any]]:
    """Return each goal with what was measured; those whose figures are not there are left out.

    Args:
        parts: results by the name of their part.
        windows: of `inpaint`, largest first: what stands for 768 and 512 px.
    """
    found: list[dict[str, Any]] = []

    def goal(name: str, measured: float, bound: float, reached: bool) -> None:
        found.append({"name": name, "measured": measured, "bound": bound, "reached": reached})

    def figure(part: str, key: str) -> float | None:
        value = parts.get(part, {}).get(key)
        return None if value is None else float(value)

    best = [
        seconds
        for how in ("eager", "compiled")
        if (seconds := figure(f"product {windows[0]} {how}", "median_s")) is not None
    ]
    if best:
        name = f"s from request to answer, window {windows[0]}"
        goal(name, min(best), ANSWER_S, min(best) < ANSWER_S)
    for how in ("eager", "compiled"):
        whole = figure(f"pipeline {how}", "median_s")
        for window, bound in zip(windows, FASTER.values(), strict=True):
            own = figure(f"product {window} {how}", "median_s")
            if whole is not None and own is not None:
                ratio = round(whole / own, 3)
                name = f"times faster than the pipeline, window {window}, both {how}"
                goal(name, ratio, bound, ratio >= bound)
        ratio_batched = figure(f"batch {how}", "ratio")
        if ratio_batched is not None:
            name = f"times one client's steps a second, in batches, {how}"
            goal(name, ratio_batched, BATCHED, ratio_batched >= BATCHED)
    capped = {n: part for n, part in parts.items() if n.startswith("capped") and "fills" in part}
    if capped:
        filled = sum(
            all(fill["engine"] == "flux" and not fill["fallbacks"] for fill in part["fills"])
            for part in capped.values()
        )
        goal(f"schemes within a T4's memory: {CAPPED}", filled, 1, filled >= 1)
        steps = [fill["finite"] for part in capped.values() for fill in part["fills"]]
        goal("steps in fp16 with NaN or Inf", steps.count(False), 0, all(steps))
    return found
