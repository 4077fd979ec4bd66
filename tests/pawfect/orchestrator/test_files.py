"""`inpaint_file` in plain Python: colour and alpha under one clock, given up, and late."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from pawfect.contract.errors import ErrorKind
from pawfect.contract.parameters import InpaintFileParams
from pawfect.local import LocalModels
from pawfect.orchestrator import Control, Deployment
from pawfect.orchestrator.files import INPAINT_FILE, FileResult, inpaint_file
from pawfect.photo.photo import decode_photo
from tests.lawn import holes, lawn
from tests.pawfect.photo.pictures import encoded
from tests.refusals import refusal

SIZE = (200, 240)
HOLE = encoded(holes(*SIZE, (100, 80, 124, 100)), "PNG")
CUT_OUT = np.dstack([lawn(*SIZE), np.full(SIZE, 255, np.uint8)])
CUT_OUT[:, :110, 3] = 0


class Calls:
    """Calls the models and keeps which were called, with which parameters."""

    def __init__(self) -> None:
        self.models = LocalModels()
        self.asked: list[tuple[str, dict[str, Any]]] = []

    async def __call__(self, model: str, inputs: Mapping[str, Any], given: Any) -> Any:
        self.asked.append((model, dict(given)))
        return await self.models(model, inputs, given)


def run(
    profile: Any,
    photo: bytes,
    mask: bytes = HOLE,
    call: Any = None,
    is_cancelled: Callable[[], bool] = lambda: False,
    **given: Any,
) -> FileResult:
    params = InpaintFileParams.parse(given)
    tensors = {"PHOTO": np.array([photo], object), "MASK": np.array([mask], object)}
    control = Control(params.deadline_ms, is_cancelled)
    request = INPAINT_FILE.decode(tensors, params)
    return asyncio.run(inpaint_file(request, Deployment(profile), call or Calls(), control))


def test_a_cut_out_is_filled_in_colour_and_alpha_under_one_clock(embedded):
    calls = Calls()
    result = run(embedded, encoded(CUT_OUT, "PNG"), call=calls, seed=5)
    assert [model for model, _ in calls.asked].count("patch_fill") == 2
    filled = decode_photo(result.file)
    assert filled.has_transparency
    assert (result.report.seed, result.report.engine) == (5, "patch")
    assert sum(result.report.stage_ms.values()) <= result.report.total_ms


@pytest.mark.parametrize("after", [0, 1, 2, 5, 9])
def test_whoever_gives_up_is_told_so_and_nothing_is_made(embedded, after):
    looks = itertools.count()
    says = refusal(
        ErrorKind.CANCELLED,
        lambda: run(embedded, encoded(CUT_OUT, "PNG"), is_cancelled=lambda: next(looks) >= after),
    )
    assert says.startswith("cancelled by the caller before")


async def never(model: str, inputs: Mapping[str, Any], given: Any) -> Any:
    """A model that does not answer."""
    await asyncio.Event().wait()


@pytest.mark.parametrize(("kind", "within_ms"), [("avif", 1000), ("bmp", 1990)])
def test_of_the_deadline_no_more_than_half_is_kept_for_writing(embedded, kind, within_ms):
    photo = encoded(lawn(1000, 1000), "BMP")
    mask = encoded(holes(1000, 1000, (200, 200, 240, 240)), "PNG")
    given = {"call": never, "deadline_ms": 2000, "format": kind}
    says = refusal(ErrorKind.DEADLINE, lambda: run(embedded, photo, mask, **given))
    assert f"deadline_ms: expected an answer within {within_ms} ms" in says
