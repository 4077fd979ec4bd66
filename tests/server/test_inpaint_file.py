"""`inpaint_file` on the real server: files in, a file out, over gRPC and over HTTP's JSON."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tritonclient.grpc as triton
from PIL import Image

from harness.relay import Relay
from pawfect.contract.errors import ErrorKind, from_message
from pawfect.contract.parameters import FILE_FORMATS, InpaintFileParams
from pawfect.contract.probe import PROBE_ID
from pawfect.contract.report import Report
from pawfect.orchestrator.files import INPAINT_FILE
from pawfect.photo.formats import FORMAT_NAMES
from pawfect.photo.mask_file import decode_mask
from pawfect.photo.photo import decode_photo
from pawfect.photo.saving import encode_photo
from pawfect_client import PawfectClient, inpaint_photo
from pawfect_triton.probe import infer_inputs
from tests.lawn import holes, lawn
from tests.pawfect.photo.pictures import encoded, hole, opened, png, scene
from tests.refusals import refusal
from tests.server.conftest import LONG, LONG_HOLE, answers, stubs, until

MODEL = "inpaint_file"
CASES = Path(__file__).parents[1] / "cases"
HEIC = Path(__file__).parents[1] / "pawfect" / "photo" / "files" / "turned.heic"
PHOTO = encoded(scene(), "JPEG", quality=90)
MASK = encoded(hole(), "PNG")


def bytes_of(**files: bytes) -> dict[str, np.ndarray]:
    return {name: np.array([data], np.object_) for name, data in files.items()}


class Files:
    """Calls of `inpaint_file` by plain tritonclient; errors come as PawfectError."""

    def __init__(self, url: str) -> None:
        self.grpc = triton.InferenceServerClient(url)

    def __call__(self, photo: bytes, mask: bytes, **given: Any) -> tuple[bytes, Report]:
        more = {name: given.pop(name) for name in list(given) if name.isupper()}
        inputs = infer_inputs(MODEL, bytes_of(PHOTO=photo, MASK=mask, **more))
        try:
            answer = self.grpc.infer(MODEL, inputs, parameters=given, client_timeout=120)
        except triton.InferenceServerException as error:
            raise from_message(error.message()) from error
        (file,), (report,) = answer.as_numpy("FILE"), answer.as_numpy("REPORT")
        return file, Report.from_json(report)


@pytest.fixture(scope="module")
def files(server):
    calls = Files(server.endpoints.grpc)
    yield calls
    calls.grpc.close()


def by_the_client(server, photo: bytes, mask: bytes, kind: str | None = None, **given: Any) -> Any:
    """Decoded here, filled by the model `inpaint`, written here, as the command line does."""
    read = decode_photo(photo)
    with PawfectClient(server.endpoints.grpc) as client:
        filled, _ = inpaint_photo(client.inpaint, read, decode_mask(mask, read), None, given)
    return encode_photo(filled, kind or read.format)


PICTURES = {
    "JPEG": (PHOTO, MASK),
    "PNG": (encoded(scene(), "PNG", dpi=(300, 300)), MASK),
    "grey": (encoded(scene(channels=1), "PNG"), MASK),
    "WebP": (encoded(scene(), "WEBP", lossless=True), MASK),
    "BMP": (encoded(scene(), "BMP"), MASK),
    "TIFF of 16 bits": (
        encode_photo(decode_photo((CASES / "deep16.png").read_bytes()), "TIFF"),
        (CASES / "deep16_mask.png").read_bytes(),
    ),
    "PNG of 16 bits": tuple((CASES / f"deep16{end}.png").read_bytes() for end in ("", "_mask")),
    "alpha": tuple((CASES / f"alpha{end}.png").read_bytes() for end in ("", "_mask")),
}


@pytest.mark.parametrize("name", PICTURES)
def test_the_file_is_the_one_that_the_client_makes(server, files, name):
    photo, mask = PICTURES[name]
    file, report = files(photo, mask, seed=7)
    assert file == by_the_client(server, photo, mask, seed=7)
    assert opened(file).format == opened(photo).format
    assert (report.engine, report.seed, report.lost) == ("patch", 7, ())
    assert next(iter(report.stage_ms)) == "decode"
    assert list(report.stage_ms)[-1] == "encode"
    assert sum(report.stage_ms.values()) <= report.total_ms


def test_heic_is_answered_as_jpeg_and_what_is_lost_is_told(server, files):
    photo = HEIC.read_bytes()
    width, height = decode_photo(photo).size
    mask = encoded(hole(width, height), "PNG")
    file, _ = files(photo, mask)
    assert file == by_the_client(server, photo, mask, "JPEG")
    deep, its_mask = PICTURES["PNG of 16 bits"]
    file, report = files(deep, its_mask, format="jpeg", quality=60)
    assert opened(file).format == "JPEG"
    assert report.lost == ("8 of its 16 bits per channel",)


def test_the_parameters_of_files_are_heeded(files):
    black = encoded(255 - hole(), "PNG")
    expected, _ = files(PHOTO, MASK)
    assert files(PHOTO, black, mask_is="black")[0] == expected
    assert files(PHOTO, black, invert_mask=True, mask_is="white")[0] == expected
    large = encoded(hole().repeat(2, axis=0).repeat(2, axis=1), "PNG")
    file, report = files(PHOTO, large, fit_mask=True)
    assert file == expected
    assert report.mask_note == "scaled from 192x160"
    small, _ = files(PHOTO, MASK, quality=40)
    assert len(small) < len(expected) / 2
    assert opened(files(PHOTO, MASK, format="png")[0]).format == "PNG"


def test_floats_reach_the_fill_and_what_is_protected_stays(files):
    expected, _ = files(PHOTO, MASK)
    file, report = files(PHOTO, MASK, strength=0.5, guidance_scale=2.5)
    assert (file, report.strength) == (expected, 0.5)
    guard = np.zeros((80, 96), np.uint8)
    guard[:34] = 255
    photo = encoded(scene(), "PNG")
    file, _ = files(photo, MASK, PROTECT=encoded(guard, "PNG"))
    assert np.array_equal(np.array(opened(file))[:34], scene()[:34])
    assert not np.array_equal(np.array(opened(file)), scene())


def test_base64_goes_both_ways_over_grpc(files):
    expected, _ = files(PHOTO, MASK)
    # In lines, as `base64` and MIME write it.
    photo, mask = base64.encodebytes(PHOTO), base64.b64encode(MASK)
    file, _ = files(photo, mask, encoding="base64")
    assert base64.b64decode(file, validate=True) == expected


def over_http(server, parameters: dict[str, Any], **texts: str) -> dict[str, Any]:
    """The answer's tensors by name, as JSON has them."""
    inputs = [
        {"name": name, "datatype": "BYTES", "shape": [1], "data": [text]}
        for name, text in texts.items()
    ]
    body = json.dumps({"inputs": inputs, "parameters": parameters}).encode()
    at = server.endpoints
    url = f"http://{at.host}:{at.http_port}/v2/models/{MODEL}/infer"
    with urllib.request.urlopen(urllib.request.Request(url, body), timeout=60) as answer:
        return {out["name"]: out["data"][0] for out in json.load(answer)["outputs"]}


def test_base64_goes_both_ways_over_http(server, files):
    texts = {"PHOTO": PHOTO, "MASK": MASK}
    given = {name: base64.b64encode(data).decode() for name, data in texts.items()}
    answer = over_http(server, {"encoding": "base64", "seed": 3}, **given)
    expected, report = files(PHOTO, MASK, seed=3)
    assert base64.b64decode(answer["FILE"], validate=True) == expected
    assert Report.from_json(answer["REPORT"]).hole_px == report.hole_px
    with pytest.raises(urllib.error.HTTPError) as caught:
        over_http(server, {"encoding": "base64"}, PHOTO="no photo!", MASK=given["MASK"])
    assert caught.value.code == 400
    assert "PHOTO: expected base64, as encoding says" in json.load(caught.value)["error"]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"photo": PHOTO[:-400]}, "PHOTO: expected a JPEG with all the pixels that it declares"),
        ({"photo": b""}, "PHOTO: expected a JPEG, PNG, WebP, TIFF, AVIF, HEIC, BMP or GIF file"),
        ({"photo": base64.b64encode(PHOTO)}, "BMP or GIF file, got text"),
        ({"photo": encoded(scene(32, 32), "PNG")}, "PHOTO: expected sides of 64 to 16384 px"),
        ({"mask": b"%PDF-1.7"}, "MASK: expected a JPEG"),
        ({"mask": encoded(hole(80, 96), "PNG")}, "MASK: expected the photo's size 96x80"),
        ({"mask": encoded(hole() * 0, "PNG")}, "MASK: expected some pixels >= 128"),
        ({"mask": PHOTO}, "MASK: expected"),
        ({"PROTECT": encoded(hole(80, 96), "PNG")}, "PROTECT: expected the photo's size 96x80"),
        ({"sead": 1}, "got sead"),
        ({"quality": 0}, "quality: expected from 1 to 100, got 0"),
        ({"quality": "90"}, "quality: expected an integer, got str '90'"),
        ({"format": "heic"}, "format: expected one of jpeg, png, webp, tiff, avif, bmp"),
        ({"format": "png", "quality": 90}, "quality: expected one of JPEG, WebP, AVIF, got PNG"),
        ({"encoding": "hex"}, "encoding: expected one of raw, base64"),
        ({"encoding": "base64"}, "PHOTO: expected base64, as encoding says"),
        ({"mask_is": "grey"}, "mask_is: expected one of white, black"),
        ({"engine": "flux"}, None),
    ],
    ids=range(18),
)
def test_what_is_wrong_is_named_and_the_next_request_works(files, given, says):
    given = {"photo": PHOTO, "mask": MASK, **given}
    if says is None:
        refusal(ErrorKind.UNAVAILABLE, files, given.pop("photo"), given.pop("mask"), **given)
    else:
        photo, mask = given.pop("photo"), given.pop("mask")
        assert says in refusal(ErrorKind.INVALID_ARG, files, photo, mask, **given)
    assert opened(files(PHOTO, MASK)[0]).size == (96, 80)


def test_transparent_parts_are_not_written_as_jpeg(files):
    photo, mask = PICTURES["alpha"]
    says = refusal(ErrorKind.INVALID_ARG, files, photo, mask, format="jpeg")
    assert "for a photo with transparent parts, got JPEG" in says


def test_cancelling_stops_the_work_and_the_next_request_is_quick(server, files):
    def small() -> float:
        start = time.monotonic()
        assert opened(files(PHOTO, MASK)[0]).size == (96, 80)
        return time.monotonic() - start

    alone, cancelled = small(), answers(server, MODEL, "CANCELLED")
    fillers = stubs(server, "patch_fill")
    long = bytes_of(PHOTO=encoded(LONG, "BMP"), MASK=encoded(LONG_HOLE, "PNG"))
    inputs = infer_inputs(MODEL, long)

    def spent() -> float:
        return sum(filler.cpu_times().user for filler in fillers)

    before = spent()
    calls = [files.grpc.async_infer(MODEL, inputs, lambda result, error: None) for _ in fillers]
    until(lambda: spent() > before + 0.6)
    for call in calls:
        call.cancel()
    # The fills themselves would go on for seconds.
    assert small() < alone + 1
    until(lambda: answers(server, MODEL, "CANCELLED") == cancelled + len(calls), 5)


def test_a_deadline_holds_for_reading_and_writing_too(files):
    photo = encoded(lawn(1000, 1000), "BMP")
    mask = encoded(holes(1000, 1000, (400, 400, 410, 410)), "PNG")
    refusal(ErrorKind.DEADLINE, files, photo, mask, deadline_ms=1)


async def test_12_megapixels_take_the_bytes_of_their_files_on_the_wire(server):
    pixels = cv2.resize(lawn(750, 1000), (4000, 3000), interpolation=cv2.INTER_CUBIC)
    photo = encoded(pixels, "JPEG", quality=90)
    mask = encoded(holes(3000, 4000, (2000, 1500, 2040, 1540)), "PNG")
    async with Relay(server.endpoints.grpc).running() as relay:
        calls = Files(relay.address)
        file, report = await asyncio.to_thread(calls, photo, mask)
        calls.grpc.close()
        passed = relay.passed
    whole = len(photo) + len(mask) + len(file)
    assert whole <= passed <= 1.01 * whole
    assert (report.width, report.height) == (4000, 3000)
    assert passed < (2 * pixels.nbytes + pixels[:, :, 0].size) / 5


def test_a_probe_has_a_place_of_its_own(server, files):
    before = answers(server, MODEL, "OK")
    inputs = infer_inputs(MODEL, bytes_of(PHOTO=PHOTO, MASK=MASK))
    answer = files.grpc.infer(MODEL, inputs, request_id=PROBE_ID)
    assert Image.open(io.BytesIO(answer.as_numpy("FILE")[0])).size == (96, 80)
    assert answers(server, MODEL, "OK") == before


def test_the_contract_names_the_formats_that_are_written():
    assert set(FILE_FORMATS) == set(FORMAT_NAMES)
    assert InpaintFileParams.parse({"quality": "auto"}).quality is None


def test_pixels_are_counted_off_the_headers_of_all_files():
    tensors = bytes_of(PHOTO=PHOTO, MASK=MASK, PROTECT=MASK)
    assert INPAINT_FILE.pixels(tensors, {}) == 3 * 96 * 80
    texts = {name: np.array([base64.b64encode(one[0])]) for name, one in tensors.items()}
    assert INPAINT_FILE.pixels(texts, {"encoding": "base64"}) == 3 * 96 * 80
    broken = bytes_of(PHOTO=b"none", MASK=png(np.zeros((80, 96), np.uint8)))
    assert INPAINT_FILE.pixels(broken, {}) == 96 * 80
    assert INPAINT_FILE.pixels(broken, {"encoding": "base64"}) == 0
