"""`refine` by words on the server: what the pipelines draw, both models at once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from diffusers import QwenImageEditPlusPipeline

from pawfect.contract.capabilities import CAPABILITIES, Capabilities, Capability
from pawfect.contract.refine_report import RefineReport
from pawfect.contract.texts import text_tensor
from pawfect.refine.creativity import creativity
from tests import edit_oracle, klein_oracle
from tests.lawn import holes, lawn
from tests.server.conftest import Stream
from tests.server.neural.conftest import PHOTO_PX, difference
from tests.server.neural.test_chains import SETTINGS

PHOTO = lawn(PHOTO_PX, PHOTO_PX)
REFERENCE = lawn(PHOTO_PX, PHOTO_PX, 4)
WORDS = {"prompt": "softer evening light"}
ENDS_S = 120


@pytest.fixture
def streamed(neural_server) -> Iterator[Any]:
    """Streams of `refine`, closed at the end."""
    opened: list[Stream] = []

    def stream(kind: str, payload: Any, **given: Any) -> Stream:
        texts = {"TYPE": text_tensor(kind), "PAYLOAD": text_tensor(json.dumps(payload))}
        opened.append(Stream(neural_server.endpoints.grpc, PHOTO, model="refine", **texts, **given))
        return opened[-1]

    yield stream
    for each in opened:
        each.close()


def done(stream: Stream) -> tuple[np.ndarray, RefineReport]:
    assert stream.ended.wait(ENDS_S)
    assert stream.errors == []
    (image,) = stream.outputs("IMAGE")
    (report,) = stream.outputs("REPORT")
    return image, RefineReport.from_json(report[0])


def test_both_models_edit_at_once_what_their_pipelines_draw(streamed, started):
    by_klein = streamed("general", WORDS, engine="klein", seed=2)
    by_edit = streamed(
        "subject", {"instructions": "brown ears"}, engine="edit", seed=3, REFERENCE=REFERENCE
    )
    image, report = done(by_klein)
    said = creativity(2).words
    theirs = klein_oracle.draw_by_pipeline(
        klein_oracle.load_pipeline(started.weights / "tiny-klein"), (PHOTO_PX, PHOTO_PX), [PHOTO],
        prompt=f"{WORDS['prompt']} {said}", steps=4, seed=2, tokens=SETTINGS.klein.text_tokens,
    )  # fmt: skip
    assert difference(image, theirs.picture) <= 1
    assert (report.engine, report.edit.steps_taken, report.remote) == ("klein", 4, None)
    assert report.changes is not None
    stages = [text[0].decode() for text in by_klein.outputs("STAGE")]
    assert stages.count("klein_transformer") == 4
    shares = [float(share[0]) for share in by_klein.outputs("PROGRESS")]
    assert shares == sorted(shares)
    assert len(by_klein.outputs("PREVIEW")) >= 4

    image, report = done(by_edit)
    with edit_oracle.areas(384 * 384, PHOTO_PX * PHOTO_PX):
        pipeline = edit_oracle.load_pipeline(
            QwenImageEditPlusPipeline, started.weights / "tiny-edit"
        )
        drawn = edit_oracle.edit_by_pipeline(
            pipeline, [PHOTO, REFERENCE], negative=" ", steps=4, guidance=4.0, seed=3,
            size=(PHOTO_PX, PHOTO_PX),
            prompt="brown ears The second picture shows the real subject: make the first "
            f"picture's subject look like it. {said}",
        )  # fmt: skip
    assert difference(image, drawn) <= 1
    assert (report.engine, report.edit.guidance_scale) == ("edit", 4.0)


def test_the_first_edit_model_of_the_profile_changes_a_marked_part_and_no_bit_beside(streamed):
    mask = holes(PHOTO_PX, PHOTO_PX, (30, 20, 90, 60))
    image, report = done(streamed("general", WORDS, MASKS=mask[None]))
    np.testing.assert_array_equal(image[mask < 128], PHOTO[mask < 128])
    assert (image[mask >= 128] != PHOTO[mask >= 128]).any(axis=1).mean() > 0.9
    assert (report.engine, report.changes) == ("klein", None)


def test_the_server_says_that_it_edits_itself(streamed):
    stream = streamed(CAPABILITIES, {})
    assert stream.ended.wait(ENDS_S)
    (told,) = stream.outputs("REPORT")
    can = Capabilities.from_json(told[0]).can
    assert (can["general"], can["subject"]) == (Capability(True), Capability(True))
