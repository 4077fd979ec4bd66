"""`text` in the flow of `refine`: the real reader, letters and fill."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import cycle, islice
from threading import Event

import numpy as np
import pytest

from pawfect.contract.errors import ErrorKind
from pawfect.contract.refine import RefineParams
from pawfect.contract.texts import text_tensor
from pawfect.lettering.likeness import closest
from pawfect.local_refine import LocalRefine
from pawfect.orchestrator.control import Control
from pawfect.orchestrator.deployment import Deployment
from pawfect.orchestrator.lettering import _without_denoising
from pawfect.orchestrator.refining import Refining, refine_request
from pawfect.orchestrator.request import silent
from pawfect.orchestrator.work import Work
from tests.refusals import refusal
from tests.written import BOX, HEIGHT, WIDTH, sign

PHOTO = sign()


def asked(text: str = "ROVER", **more: np.ndarray) -> dict[str, np.ndarray]:
    correction = {"bbox": list(BOX), "text": text}
    payload = json.dumps({"corrections": [correction], "instructions": "in gold"})
    texts = {"TYPE": text_tensor("text"), "PAYLOAD": text_tensor(payload)}
    return {"IMAGE": PHOTO, **texts, **more}


@pytest.mark.slow
def test_a_word_is_set_anew_read_back_and_what_lies_apart_stays():
    seen = []
    # The board beyond the word.
    protect = np.zeros((HEIGHT, WIDTH), np.uint8)
    protect[:, 250:] = 255
    result = LocalRefine().refine(asked(PROTECT=protect), {"seed": 3}, notify=seen.append)
    (correction,) = result.report.corrections
    assert (correction.old_text, correction.read, correction.exact) == ("BUDDY", "ROVER", True)
    assert correction.bbox == BOX
    x, y, wide, high = BOX
    inside = np.zeros((HEIGHT, WIDTH), bool)
    inside[y : y + high, x : x + wide] = True
    changed = (result.image != PHOTO).any(axis=2)
    assert changed[inside].mean() > 0.1
    assert not changed[:20].any()
    assert not changed[-20:].any()
    assert not changed[protect > 0].any()
    report = result.report
    assert (report.engine, report.changed_px) == ("lettering", np.count_nonzero(changed))
    assert "reading" in report.weights
    assert report.notes[0].startswith("the instructions were not read")
    assert {"text_reading", "patch_fill"} <= set(report.stage_ms)
    assert sum(report.stage_ms.values()) <= report.total_ms
    shares = [progress.progress for progress in seen]
    assert shares == sorted(shares)
    (shown,) = [progress.preview for progress in seen if progress.stage == "text 1 of 1"]
    assert (shown != PHOTO).any()


def test_an_emoji_and_a_script_from_right_to_left_are_refused_before_anything_is_read():
    for text in ("REX 🐕", "שלום"):
        message = refusal(ErrorKind.INVALID_ARG, LocalRefine().refine, asked(text), {})
        assert message.startswith("PAYLOAD: corrections[0]: text: expected Latin letters")


def test_a_late_answer_is_late():
    late = {"deadline_ms": 1}
    refusal(ErrorKind.DEADLINE, LocalRefine().refine, asked(), late)


def test_letters_are_no_longer_measured_once_nobody_waits(monkeypatch):
    gone, ended, faces = Event(), Event(), []

    def watched(ink, old, new, among, stop):
        def one_by_one():
            for face in among:
                gone.set()
                faces.append(face)
                yield face

        try:
            # A minute of faces, unless it is told to stop.
            return closest(ink, old, new, islice(cycle(one_by_one()), 2000), stop)
        finally:
            ended.set()

    monkeypatch.setattr("pawfect.lettering.old.closest", watched)
    flow = LocalRefine()
    message = refusal(ErrorKind.CANCELLED, flow.refine, asked(), {}, stop=gone.is_set)
    assert message.startswith("cancelled by the caller")
    assert ended.wait(20)


@pytest.fixture
def without_reader(embedded):
    models = tuple(name for name in embedded.models if name != "text_reading")
    budget = {name: ms for name, ms in embedded.budget.items() if name in models}
    return replace(embedded, models=models, budget=budget)


def test_a_profile_that_cannot_read_says_so(without_reader):
    flow = LocalRefine(without_reader)
    assert refusal(ErrorKind.UNAVAILABLE, flow.refine, asked(), {}) == (
        "text_reading: expected it in the profile, embedded has none"
    )
    can = flow.capabilities().can["text"]
    assert (can.available, can.why) == (
        False,
        "profile embedded has no network for it (text_reading)",
    )


def test_without_its_weights_it_says_what_fetches_them(tmp_path, monkeypatch):
    monkeypatch.setenv("PAWFECT_WEIGHTS", str(tmp_path))
    can = LocalRefine().capabilities().can["text"]
    assert can.why == (
        "weights pp-ocrv6-small are not here: run `pawfect weights fetch pp-ocrv6-small`"
    )
    message = refusal(ErrorKind.UNAVAILABLE, LocalRefine().refine, asked(), {})
    assert "weights" in message


def test_without_the_reader_itself_it_says_what_installs_it(monkeypatch):
    monkeypatch.setattr("pawfect.orchestrator.capabilities.find_spec", lambda name: None)
    can = LocalRefine().capabilities().can["text"]
    assert can.why == ("the package rapidocr is not here: pip install --no-deps rapidocr==3.10.0")


def test_flux_fills_letters_only_where_it_is_asked_for(tiny):
    assert "flux" in tiny.engines
    request = refine_request(asked(), RefineParams())
    work = Work(request, Refining(Deployment(tiny)), _unused, Control(1000), silent)
    assert _without_denoising(work).refining.fill.engine("auto")[0] != "flux"
    wished = replace(request, params=RefineParams(engine="flux"))
    assert (
        _without_denoising(replace(work, request=wished)).refining.fill.engine("flux")[0] == "flux"
    )


async def _unused(*given):
    raise AssertionError(given)
