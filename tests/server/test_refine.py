"""`refine` on the suite's server: raw streams, its errors, the remote engine behind it."""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np
import pytest

from pawfect.contract.capabilities import CAPABILITIES, Capabilities
from pawfect.contract.errors import ErrorKind, from_message
from pawfect.contract.refine_report import RefineReport
from pawfect.contract.texts import text_tensor
from tests.image_server import KEY, ImageServer, refused
from tests.lawn import holes, lawn
from tests.server.conftest import Stream, answers, until

HEIGHT, WIDTH = 120, 160
PHOTO = lawn(HEIGHT, WIDTH)
MASK = holes(HEIGHT, WIDTH, (30, 20, 70, 60))
TWO = {"masks": [{"bbox": [20, 20, 16, 16], "prompt": "moss"}, {"bbox": [100, 70, 20, 12]}]}
RED = {"prompt": "all of it in red"}


@pytest.fixture
def images(remote_images: ImageServer) -> Iterator[ImageServer]:
    """The remote engine as it was."""
    draw = remote_images.draw
    remote_images.asked.clear()
    remote_images.arrived.clear()
    remote_images.left.clear()
    yield remote_images
    remote_images.draw, remote_images.hold = draw, False


@pytest.fixture
def streamed(server):
    """Streams of `refine`, closed at the end."""
    opened: list[Stream] = []

    def stream(kind: str, payload: object, **given) -> Stream:
        text = payload if isinstance(payload, str) else json.dumps(payload)
        texts = {"TYPE": text_tensor(kind), "PAYLOAD": text_tensor(text)}
        opened.append(Stream(server.endpoints.grpc, PHOTO, model="refine", **texts, **given))
        return opened[-1]

    yield stream
    for each in opened:
        each.close()


def done(stream: Stream) -> tuple[np.ndarray, RefineReport]:
    assert stream.ended.wait(60)
    assert stream.errors == []
    (image,) = stream.outputs("IMAGE")
    (report,) = stream.outputs("REPORT")
    return image, RefineReport.from_json(report[0])


def failed(stream: Stream) -> tuple[ErrorKind, str]:
    assert stream.ended.wait(60)
    (error,) = stream.errors
    mapped = from_message(str(error))
    return mapped.kind, mapped.message


def test_regions_come_with_stages_previews_and_a_last_picture(streamed):
    stream = streamed("region", TWO, protect="none", seed=3)
    image, report = done(stream)
    stages = [text[0].decode() for text in stream.outputs("STAGE")]
    assert stages[0] == "validate"
    assert stages[-1] == "done"
    assert [stage for stage in stages if stage in ("region 1 of 2", "region 2 of 2")] == [
        "region 1 of 2",
        "region 2 of 2",
    ]
    shares = [float(share[0]) for share in stream.outputs("PROGRESS")]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert {preview.shape for preview in stream.outputs("PREVIEW")} == {PHOTO.shape}
    assert (image != PHOTO).any(axis=2).sum() == report.changed_px > 0
    assert [region.prompt_used for region in report.regions] == [False, False]
    assert report.notes[0].startswith("no prompt was read of masks[0]: the engine patch")
    assert report.seed == 3


@pytest.mark.parametrize(
    ("kind", "payload", "given", "said"),
    [
        ("face", {}, {}, "TYPE: expected one of subject, text, region, general, got 'face'"),
        ("region", "{", {}, "PAYLOAD: expected a JSON object in UTF-8"),
        ("region", {"masks": [{"bbox": [150, 0, 20, 20]}]}, {}, "masks[0]: bbox: expected"),
        ("region", {"masks": [{"mask": 0}]}, {}, "a mask within MASKS, which has 0, got 0"),
        ("general", {"prompt": "x" * 50_000}, {}, "PAYLOAD: prompt: expected texts of at most"),
        ("general", RED, {"creativity": 4}, "creativity: expected from 1 to 3, got 4"),
        ("general", RED, {"remote": "yes"}, "remote: expected true or false"),
        ("general", RED, {"MASKS": MASK[None, :50]}, "MASKS: expected the image's size 160x120"),
    ],
)
def test_bad_input_is_said_over_the_wire(streamed, kind, payload, given, said):
    error, message = failed(streamed(kind, payload, **given))
    assert error is ErrorKind.INVALID_ARG
    assert said in message


def test_without_the_requests_word_no_picture_leaves(streamed, images):
    kind, message = failed(streamed("general", RED))
    assert kind is ErrorKind.UNAVAILABLE
    assert "with remote=true the picture is sent to it" in message
    assert images.asked == []


def test_a_remote_edit_leaves_what_lies_beside_its_mask_bit_for_bit(streamed, images, server):
    image, report = done(streamed("general", RED, remote=True, MASKS=MASK[None]))
    np.testing.assert_array_equal(image[MASK < 128], PHOTO[MASK < 128])
    assert (image[MASK >= 128] != PHOTO[MASK >= 128]).any(axis=1).mean() > 0.9
    assert report.engine == "remote"
    assert images.asked[0].authorization == f"Bearer {KEY}"
    assert KEY not in server.output()


def test_what_it_refuses_is_told_without_the_key(streamed, images, server):
    images.draw = lambda asked: refused(400, f"no hats, {KEY}", "moderation_blocked")
    kind, message = failed(streamed("subject", {"instructions": "a hat"}, remote=True))
    assert kind is ErrorKind.INVALID_ARG
    assert message.endswith("got status 400: no hats, ***")
    assert KEY not in server.output()


def test_who_leaves_the_stream_leaves_the_engine(streamed, images, server):
    images.hold = True
    before = answers(server, "refine", "CANCELLED")
    stream = streamed("general", RED, remote=True)
    assert images.arrived.wait(60)
    stream.close(cancel=True)
    assert images.left.wait(60)
    until(lambda: answers(server, "refine", "CANCELLED") == before + 1)


def test_what_the_server_can_do_is_told_and_nothing_is_done(streamed, images):
    stream = streamed(CAPABILITIES, "{}")
    assert stream.ended.wait(60)
    told = Capabilities.from_json(stream.outputs("REPORT")[0][0])
    assert told.profile == "embedded"
    assert told.can["region"].ignores_prompt
    assert told.can["general"].remote
    assert images.asked == []
