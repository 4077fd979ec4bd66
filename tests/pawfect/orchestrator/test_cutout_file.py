"""`background_removal_file` in plain Python: the server's default output, given up, and late."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from pawfect.contract.cutout import CutoutFileParams
from pawfect.contract.errors import ErrorKind
from pawfect.orchestrator.control import Control
from pawfect.orchestrator.cutout_file import (
    BACKGROUND_REMOVAL_FILE,
    CutoutFileResult,
    cutout_file,
)
from pawfect.orchestrator.removal import read_removal
from pawfect.photo.photo import decode_photo
from tests.pawfect.photo.pictures import encoded, opened
from tests.refusals import refusal
from tests.subject import share_in_common, standing

PHOTO, FIGURE = standing()
JPEG = encoded(PHOTO, "JPEG", quality=95)


async def found(model: str, inputs: Mapping[str, Any], given: Any) -> Any:
    """A network that sees the figure: what is brightest in red."""
    del model, given
    height, width = inputs["IMAGE"].shape[:2]
    rows = (np.arange(height) * FIGURE.shape[0]) // height
    columns = (np.arange(width) * FIGURE.shape[1]) // width
    alpha = (FIGURE[np.ix_(rows, columns)] > 0).astype(np.float32)
    report = b'{"wanted": "cpu", "device": "cpu", "load_ms": 0.0, "mib": 0.0}'
    return {"MAP": alpha, "REPORT": np.array([report], object)}


async def never(model: str, inputs: Mapping[str, Any], given: Any) -> Any:
    """A model that does not answer."""
    await asyncio.Event().wait()


def run(
    profile: Any,
    photo: bytes = JPEG,
    call: Any = found,
    is_cancelled: Callable[[], bool] = lambda: False,
    **given: Any,
) -> CutoutFileResult:
    tensors = {name: np.array([given.pop(name)], object) for name in list(given) if name.isupper()}
    params = CutoutFileParams.parse(given)
    tensors["PHOTO"] = np.array([photo], object)
    control = Control(params.deadline_ms, is_cancelled)
    request = BACKGROUND_REMOVAL_FILE.decode(tensors, params)
    return asyncio.run(cutout_file(request, read_removal(profile), call, control))


def test_the_figure_is_cut_out_under_one_clock(embedded):
    result = run(embedded)
    made = decode_photo(result.file)
    assert made.format == "PNG"
    assert share_in_common(made.alpha, FIGURE) > 0.95
    report = result.report
    assert report.subject_found
    assert next(iter(report.stage_ms)) == "decode"
    assert list(report.stage_ms)[-1] == "encode"
    assert sum(report.stage_ms.values()) <= report.total_ms


def test_a_servers_own_output_decides_the_format_but_not_against_a_background(
    embedded, monkeypatch
):
    monkeypatch.setenv("PAWFECT_CUTOUT_OUTPUT", "green")
    assert opened(run(embedded).file).format == "JPEG"
    assert run(embedded).report.output == "green"
    ground = run(embedded, BACKGROUND=JPEG).report
    assert ground.output == "background"
    assert opened(run(embedded, output="rgba").file).format == "PNG"


@pytest.mark.parametrize("after", [0, 1, 2, 3])
def test_whoever_gives_up_is_told_so_and_nothing_is_made(embedded, after):
    looks = itertools.count()
    says = refusal(
        ErrorKind.CANCELLED,
        lambda: run(embedded, is_cancelled=lambda: next(looks) >= after),
    )
    assert says.startswith("cancelled by the caller before")


@pytest.mark.parametrize(("kind", "within_ms"), [("avif", 1000), ("bmp", 1995)])
def test_of_the_deadline_no_more_than_half_is_kept_for_writing(embedded, kind, within_ms):
    photo = encoded(standing(700, 700)[0], "BMP")
    given = {"call": never, "deadline_ms": 2000, "format": kind, "output": "green"}
    says = refusal(ErrorKind.DEADLINE, lambda: run(embedded, photo, **given))
    assert f"deadline_ms: expected an answer within {within_ms} ms" in says
