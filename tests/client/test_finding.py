"""Words in place of a mask: what they found in words, what is refused, who is asked."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from tritonclient.grpc import service_pb2
from tritonclient.utils import np_to_triton_dtype, serialize_byte_tensor

from pawfect.contract.errors import TABLE, ErrorKind
from pawfect.contract.find import Find, FindReport
from pawfect.contract.texts import text_tensor
from pawfect_client import FoundMasks, PawfectClient, RetryPolicy
from pawfect_client.command import inpaint
from pawfect_client.finding import joined, named
from pawfect_client.mask_command import mask
from pawfect_client.masks_by_words import found_masks
from pawfect_client.wire import Call
from tests.client.serving import AsyncFromOutside
from tests.pawfect.photo.pictures import hole, png, scene
from tests.refusals import refusal

SIDE = 100


def found(*rows: slice, presence: float = 0.5) -> FoundMasks:
    """Joined finds, each a number of rows of a photo of 100x100 px."""
    masks = np.zeros((min(len(rows), 1), SIDE, SIDE), np.uint8)
    for own in rows:
        masks[0, own] = 255
    finds = tuple(Find(0.75, 100, (0, 0, 1, 1)) for _ in rows)
    report = FindReport(
        phrase="leash", boxes=0, presence=presence, finds=finds, left_out=0, least_score=0.3,
        mask_threshold=0.5, joined=True, profile="tiny", width=SIDE, height=SIDE, stage_ms={},
        total_ms=1.0,
    )  # fmt: skip
    return FoundMasks(masks, np.full(len(masks), 0.75, np.float32), report)


def test_a_find_is_said_with_its_score_and_area():
    one, two = named("leash", found(slice(0, 3))), named("hand", found(slice(2, 4), slice(8, 9)))
    assert str(one) == "leash: score 0.75, 3 % of the photo (300 px)"
    assert str(two) == "hand: score 0.75, 3 % of the photo (300 px, 2 of them)"
    assert np.flatnonzero(joined([one, two]).any(axis=1)).tolist() == [0, 1, 2, 3, 8]


def test_nothing_and_nearly_everything_are_refused_by_name():
    nothing = refusal(ErrorKind.INVALID_ARG, named, "leash", found(presence=0.125))
    assert "by the name of 'leash', got nothing: it is 12 % sure that there is one" in nothing
    # A find of which no pixel is over the threshold.
    assert "got nothing" in refusal(ErrorKind.INVALID_ARG, named, "leash", found(slice(0, 0)))
    everything = refusal(ErrorKind.INVALID_ARG, named, "leash", found(slice(0, 96)))
    assert everything == "find: expected at most 95 % of the photo for 'leash', got 96.0 %"
    halves = [named("a", found(slice(0, 60))), named("b", found(slice(50, 98)))]
    assert "for 'a' and 'b', got 98.0 %" in refusal(ErrorKind.INVALID_ARG, joined, halves)
    assert named("leash", found(slice(0, 95))).share == 0.95


def test_what_is_refused_has_the_name_by_which_it_was_asked_for():
    nothing = refusal(ErrorKind.INVALID_ARG, named, "leash", found(), "remove")
    assert nothing.startswith("remove: expected something that can be seen in the photo")
    nearly_all = refusal(ErrorKind.INVALID_ARG, named, "leash", found(slice(0, 96)), "remove")
    assert nearly_all.startswith("remove: expected at most 95 % of the photo for 'leash'")
    halves = [named("a", found(slice(0, 60))), named("b", found(slice(50, 98)))]
    together = refusal(ErrorKind.INVALID_ARG, joined, halves, "remove")
    assert together.startswith("remove: expected at most 95 % of the photo for 'a' and 'b'")


@pytest.mark.parametrize("client", [PawfectClient, AsyncFromOutside])
def test_a_server_without_sam3_is_said_by_both_clients_and_the_commands(client, server, tmp_path):
    image = scene(80, 64)
    once = RetryPolicy(attempts=1)
    with client(server.endpoints.grpc, retry=once) as connected:
        for boxes in (None, np.array([[1, 2, 30, 40]])):
            phrase = "leash" if boxes is None else None
            message = refusal(
                ErrorKind.UNAVAILABLE, connected.find_masks, image, phrase, boxes=boxes
            )
            assert message.startswith("find_masks: expected a server with SAM3, profile t4")
    (tmp_path / "photo.png").write_bytes(png(image))
    for which, options in ((mask, ["--find=leash"]), (inpaint, ["--remove=leash", "--yes"])):
        options += [f"--out={tmp_path / 'out.png'}", f"--url={server.endpoints.grpc}"]
        done = CliRunner().invoke(which, [str(tmp_path / "photo.png"), *options])
        assert done.exit_code == TABLE[ErrorKind.UNAVAILABLE].exit_code
        assert "expected a server with SAM3" in done.output
        assert not (tmp_path / "out.png").exists()


def test_what_cannot_be_asked_for_is_refused_before_anything_is_sent():
    image = scene(80, 64)
    with PawfectClient("127.0.0.1:1") as client:
        for given, said in (
            ({}, "PHRASE, BOXES: expected at least one of them, got neither"),
            ({"phrase": ""}, "PHRASE: expected words, such as leash, got an empty text"),
            ({"boxes": np.zeros((0, 4))}, "BOXES: expected 1 to 16 boxes, got 0"),
            ({"phrase": "leash", "most": 0}, "most: expected from 1 to 64, got 0"),
            ({"phrase": "leash", "seed": 1}, "got seed"),
        ):
            assert said in refusal(ErrorKind.INVALID_ARG, client.find_masks, image, **given)
        # By the rules, and in the words, of every other call that takes a photo.
        for wrong in (image[..., 0], scene(80, 64, channels=4), scene(63, 80), None):
            said = refusal(ErrorKind.INVALID_ARG, client.background_removal, wrong)
            assert said.startswith("IMAGE: expected")
            assert refusal(ErrorKind.INVALID_ARG, client.find_masks, wrong, "leash") == said


def answer(**changed: Any) -> service_pb2.ModelInferResponse:
    """An answer with one find; None leaves an output out."""
    one = found(slice(0, 3))
    outputs = {
        "MASKS": one.masks, "SCORES": one.scores, "REPORT": text_tensor(one.report.to_json()),
    } | changed  # fmt: skip
    response = service_pb2.ModelInferResponse()
    for name, array in outputs.items():
        if array is not None:
            datatype = np_to_triton_dtype(array.dtype)
            response.outputs.add(name=name, datatype=datatype, shape=array.shape)
            raw = serialize_byte_tensor(array).item() if datatype == "BYTES" else array.tobytes()
            response.raw_output_contents.append(raw)
    return response


def test_what_was_found_is_read_as_it_was_written_and_another_answer_is_a_defect():
    call, one = Call(None, (SIDE, SIDE, 3), 1, found_masks), found(slice(0, 3))
    read = found_masks(answer(), call)
    assert np.array_equal(read.masks, one.masks)
    assert (read.scores.tolist(), read.report) == ([0.75], one.report)
    read.masks[0, 0] = 0
    for changed, said in (
        ({"SCORES": None}, "SCORES of the answer: expected one each, got nothing"),
        ({"SCORES": np.float32([[1]])}, "SCORES of the answer: expected one each, got float32 [1,"),
        ({"MASKS": one.masks[:0]}, "MASKS of the answer: expected uint8 [1, 100, 100], got uint8"),
        ({"REPORT": text_tensor("{}")}, "REPORT of the answer: expected entries that this client"),
    ):
        told = refusal(ErrorKind.INTERNAL, found_masks, answer(**changed), call)
        assert told.startswith(said)


def test_words_go_with_a_server_and_one_photo_and_no_mask_and_somebody_to_ask(tmp_path):
    (tmp_path / "photo.png").write_bytes(png(scene(80, 64)))
    (tmp_path / "mask.png").write_bytes(png(hole(80, 64)))
    picture, drawn = str(tmp_path / "photo.png"), str(tmp_path / "mask.png")
    for arguments, said in (
        ([picture], "Missing argument 'MASK', or --remove in its place."),
        ([picture, drawn, "--yes"], "--yes and --least-score: expected --remove, got none"),
        ([picture, drawn, "--remove=leash", "--yes"], "in place of a mask, got MASK too"),
        ([picture, "--remove=leash", "--yes", "--invert-mask"], "got --mask-is or --invert-mask"),
        ([str(tmp_path), "--remove=leash", "--yes"], "expected one photo and a server, got a fold"),
        ([picture, "--remove=leash", "--yes", "--local"], "and a server, got --local"),
        ([picture, "--remove=leash"], "expected a terminal to ask at, or --yes"),
    ):
        done = CliRunner().invoke(inpaint, [*arguments, f"--out={tmp_path / 'out.png'}"])
        assert done.exit_code == 2, done.output
        assert said in " ".join(done.output.split())
    done = CliRunner().invoke(mask, [picture, "--find=leash", f"--out={tmp_path / 'out.jpg'}"])
    assert done.exit_code == TABLE[ErrorKind.INVALID_ARG].exit_code
    assert "out: expected a name ending in .png, got out.jpg" in done.output
