"""Many requests at once: headers are checked at once, pixels by the worker."""

from __future__ import annotations

import asyncio

import numpy as np

from tests.pawfect.photo.pictures import encoded, hole
from tests.service.stack import PHOTO

EMPTY = encoded(np.zeros((128, 160), np.uint8), "PNG")


async def test_in_a_crowd_a_mask_of_another_size_is_still_refused_at_once(alone):
    other = encoded(hole(128, 160), "PNG")
    answers = await asyncio.gather(*(alone.post(mask=other, sid=f"s{n}") for n in range(12)))
    assert {answer.status_code for answer in answers} == {400}
    cut = PHOTO[: len(PHOTO) // 2]
    answers = await asyncio.gather(*(alone.post(photo=cut, sid=f"s{n}") for n in range(12)))
    assert {answer.status_code for answer in answers} == {400}


async def test_in_a_crowd_an_empty_mask_ends_as_failed_with_its_reason(alone):
    counter = alone.app.state.context.enqueuer.counter
    with counter.counted(), counter.counted():
        assert (await alone.post(mask=EMPTY)).status_code == 202
    job = (await alone.state())["job"]
    await alone.labelled()
    assert (await alone.deliver(job)).action.value == "ack"
    state = await alone.state()
    assert state["processingStatus"] == "failed"
    assert "MASK: expected some pixels >= 128" in state["error"]["message"]
