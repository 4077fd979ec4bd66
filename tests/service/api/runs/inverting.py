"""A server in the test's own process: what is to be filled or repaired, it inverts."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from typing import Any

import numpy as np

from pawfect.contract.errors import PawfectError
from pawfect.contract.refine_report import RefineReport
from pawfect.contract.report import Report
from pawfect_client.results import Done, Refined, StageEvent

REPORT = Report(
    engine="patch",
    engine_reason="",
    profile="embedded",
    seed=0,
    deadline_ms=1000,
    width=160,
    height=128,
    hole_px=1,
    dilate_px=0.0,
    specks=0,
    pinholes=0,
    labels=(),
    labels_source="none",
    strength=1.0,
    windows=(),
    stage_ms={"invert": 1.0},
    total_ms=1.0,
)


class Inverting:
    """The methods of the client that versions call.

    Attributes:
        open: whether works come to their end; they wait for it behind their second stage.
        begun: set by each work at its second stage.
        failure: what the works end with instead of a result, if anything.
        seen: of each refinement its pixels, type, masks, reference and parameters.
    """

    def __init__(self) -> None:
        self.open, self.begun = asyncio.Event(), asyncio.Event()
        self.open.set()
        self.failure: PawfectError | None = None
        self.seen: list[dict[str, Any]] = []

    async def _stages(self, image: Any) -> AsyncGenerator[StageEvent]:
        yield StageEvent("look", 0.25)
        yield StageEvent("invert", 0.5, np.ascontiguousarray(image[::2, ::2]))
        self.begun.set()
        await self.open.wait()
        if self.failure is not None:
            raise self.failure

    async def inpaint_stream(
        self, image: Any, mask: Any, **given: Any
    ) -> AsyncGenerator[StageEvent | Done]:
        async for stage in self._stages(image):
            yield stage
        yield Done(_inverted(image, mask >= 128), REPORT)

    async def refine_stream(
        self, image: Any, kind: str, payload: str, **given: Any
    ) -> AsyncGenerator[StageEvent | Refined]:
        self.seen.append({"image": image.copy(), "kind": kind, "payload": payload, **given})
        async for stage in self._stages(image):
            yield stage
        asked = json.loads(payload)
        inside = np.zeros(image.shape[:2], bool)
        for one in asked.get("masks", []):
            if "bbox" in one:
                x, y, width, height = one["bbox"]
                inside[y : y + height, x : x + width] = True
            else:
                inside |= given["masks"][one["mask"]] >= 128
        report = RefineReport(
            type=kind,
            payload=asked,
            engine="inpaint",
            creativity=given.get("creativity", 2),
            seed=given.get("seed", 0),
            deadline_ms=1000,
            profile="embedded",
            width=image.shape[1],
            height=image.shape[0],
            changed_px=int(inside.sum()),
            stage_ms={"invert": 1.0},
            total_ms=1.0,
        )
        yield Refined(_inverted(image, inside), report)


def _inverted(image: Any, inside: Any) -> Any:
    changed = image.copy()
    changed[inside] = 255 - changed[inside]
    return changed
