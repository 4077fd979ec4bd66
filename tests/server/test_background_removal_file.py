"""`background_removal_file` on the real server: a photo's file in, its cut-out's file out."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc as triton

from pawfect.contract.cutout import CutoutFileParams, CutoutReport
from pawfect.contract.errors import ErrorKind, from_message
from pawfect.contract.probe import PROBE_ID
from pawfect.orchestrator.cutout_file import BACKGROUND_REMOVAL_FILE
from pawfect.photo.photo import decode_photo
from pawfect.photo.saving import encode_photo
from pawfect_client import PawfectClient, cutout_photo
from pawfect_triton.probe import infer_inputs
from tests.pawfect.photo.pictures import encoded, opened, scene
from tests.refusals import refusal
from tests.server.conftest import answers
from tests.subject import share_in_common, standing

MODEL = "background_removal_file"
CASES = Path(__file__).parents[1] / "cases"
HEIC = Path(__file__).parents[1] / "pawfect" / "photo" / "files" / "turned.heic"
PIXELS, FIGURE = standing()
PHOTO = encoded(PIXELS, "JPEG", quality=95)
GROUND = encoded(scene(70, 64, seed=3), "PNG")


def bytes_of(**files: bytes) -> dict[str, np.ndarray]:
    return {name: np.array([data], np.object_) for name, data in files.items()}


class Files:
    """Calls of the model by plain tritonclient; errors come as PawfectError."""

    def __init__(self, url: str) -> None:
        self.grpc = triton.InferenceServerClient(url)

    def __call__(self, photo: bytes = PHOTO, **given: Any) -> tuple[bytes, CutoutReport]:
        more = {name: given.pop(name) for name in list(given) if name.isupper()}
        inputs = infer_inputs(MODEL, bytes_of(PHOTO=photo, **more))
        try:
            answer = self.grpc.infer(MODEL, inputs, parameters=given, client_timeout=120)
        except triton.InferenceServerException as error:
            raise from_message(error.message()) from error
        (file,), (report,) = answer.as_numpy("FILE"), answer.as_numpy("REPORT")
        return file, CutoutReport.from_json(report)


@pytest.fixture(scope="module")
def files(server):
    calls = Files(server.endpoints.grpc)
    yield calls
    calls.grpc.close()


def by_the_client(server, photo: bytes, kind: str, ground: bytes | None = None, **given: Any):
    """Decoded here, cut out by the model `background_removal`, written here."""
    background = None if ground is None else decode_photo(ground)
    with PawfectClient(server.endpoints.grpc) as client:
        made, _ = cutout_photo(client.background_removal, decode_photo(photo), background, given)
    return encode_photo(made, kind)


DEEP = (CASES / "deep16.png").read_bytes()
PICTURES = {
    "JPEG": PHOTO,
    "grey": encoded(PIXELS[:, :, 0], "PNG"),
    "WebP": encoded(PIXELS, "WEBP", lossless=True),
    "16 bits": DEEP,
    "alpha": (CASES / "alpha.png").read_bytes(),
    "CMYK": encoded(opened(PHOTO).convert("CMYK"), "JPEG"),
    "HEIC": HEIC.read_bytes(),
}


@pytest.mark.parametrize("name", PICTURES)
def test_the_file_is_the_one_that_the_client_makes(server, files, name):
    photo = PICTURES[name]
    file, report = files(photo)
    assert file == by_the_client(server, photo, "PNG")
    assert opened(file).size == decode_photo(photo).size
    assert decode_photo(file).alpha is not None
    assert (report.output, report.lost, report.network) == ("rgba", (), "u2netp")
    own = decode_photo(photo).format
    laid, report = files(photo, output="#2040ff")
    assert opened(laid).format == {"HEIF": "JPEG"}.get(own, own)
    assert not decode_photo(laid).has_transparency
    assert report.output == "#2040ff"


def test_the_figure_is_found_and_stands_on_what_was_asked_for(server, files):
    file, report = files(threshold=0.5)
    made = decode_photo(file)
    assert share_in_common(made.alpha, FIGURE) > 0.95
    assert set(np.unique(made.alpha)) <= {0, 255}
    assert (report.subject_found, report.threshold) == (True, 0.5)
    file, report = files(BACKGROUND=GROUND, format="png")
    assert report.output == "background"
    assert file == by_the_client(server, PHOTO, "PNG", GROUND)
    far = decode_photo(file).pixels[:8, :8]
    assert not np.array_equal(far, decode_photo(PHOTO).pixels[:8, :8])
    map_, report = files(output="map")
    assert decode_photo(map_).grey
    assert share_in_common(decode_photo(map_).pixels[:, :, 0], FIGURE) > 0.95


def test_without_a_subject_the_file_is_empty_and_no_error(files):
    file, report = files(encoded(np.full((80, 96, 3), 120, np.uint8), "PNG"))
    assert (report.subject_found, report.subject_share) == (False, 0)
    assert report.confidence < 0.7
    made = decode_photo(file)
    assert not made.alpha.any()
    assert not made.pixels.any()


def test_what_is_lost_is_told(files):
    _, report = files(DEEP, output="white", format="jpeg", quality=80)
    assert report.lost == ("8 of its 16 bits per channel",)


def test_base64_goes_both_ways(files):
    expected, _ = files(BACKGROUND=GROUND)
    photo, ground = base64.encodebytes(PHOTO), base64.b64encode(GROUND)
    file, _ = files(photo, BACKGROUND=ground, encoding="base64")
    assert base64.b64decode(file, validate=True) == expected


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"photo": PHOTO[:-400]}, "PHOTO: expected a JPEG with all the pixels that it declares"),
        ({"photo": b""}, "PHOTO: expected a JPEG, PNG, WebP, TIFF, AVIF, HEIC, BMP or GIF file"),
        ({"photo": encoded(scene(32, 32), "PNG")}, "PHOTO: expected sides of 64 to 16384 px"),
        ({"BACKGROUND": PHOTO[:-400]}, "BACKGROUND: expected a JPEG with all the pixels"),
        ({"BACKGROUND": b"%PDF-1.7"}, "BACKGROUND: expected a JPEG, PNG"),
        ({"output": "background"}, "BACKGROUND: expected a picture, as output=background says"),
        ({"output": "pink"}, "output: expected one of rgba, map, green, white, blur, background"),
        ({"format": "jpeg"}, "format: expected .png, .webp, .tif or .avif for a photo with"),
        ({"format": "bmp"}, "got BMP, which has no transparency"),
        ({"quality": 90}, "quality: expected one of JPEG, WebP, AVIF, got PNG"),
        ({"preset": "best"}, "preset: expected one of fast, standard, high, maximum"),
        ({"network": "nobody"}, "network: expected one of"),
        ({"threshold": 2.0}, "threshold: expected from 0.0 to 1.0"),
        ({"sead": 1}, "got sead"),
        ({"encoding": "base64"}, "PHOTO: expected base64, as encoding says"),
    ],
    ids=range(15),
)
def test_what_is_wrong_is_named(files, given, says):
    given = {"photo": PHOTO, **given}
    assert says in refusal(ErrorKind.INVALID_ARG, files, given.pop("photo"), **given)


def test_an_animation_is_refused_and_of_a_gif_the_first_frame_counts(files):
    frames = [opened(encoded(scene(seed=seed), "PNG")) for seed in range(2)]
    film = encoded(frames[0], "WEBP", save_all=True, append_images=frames[1:])
    assert "PHOTO: expected a still picture" in refusal(ErrorKind.INVALID_ARG, files, film)
    gif = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    _, report = files(gif)
    assert report.lost == ("its other frames",)


@pytest.mark.parametrize("size", [(64, 64), (64, 3000), (3000, 64)])
def test_extreme_shapes_are_cut_out_too(files, size):
    file, report = files(encoded(scene(*size), "PNG"), preset="fast")
    assert opened(file).size == size
    assert (report.width, report.height) == size


def test_a_deadline_holds_for_reading_and_writing_too(files):
    refusal(ErrorKind.DEADLINE, files, deadline_ms=1)


def test_a_probe_has_a_place_of_its_own(server, files):
    before = answers(server, MODEL, "OK")
    answer = files.grpc.infer(
        MODEL, infer_inputs(MODEL, bytes_of(PHOTO=PHOTO)), request_id=PROBE_ID
    )
    assert opened(answer.as_numpy("FILE")[0]).size == (96, 80)
    assert answers(server, MODEL, "OK") == before


def test_pixels_are_counted_off_the_headers_the_photos_twice():
    assert BACKGROUND_REMOVAL_FILE.pixels(bytes_of(PHOTO=PHOTO), {}) == 2 * 96 * 80
    both = bytes_of(PHOTO=PHOTO, BACKGROUND=GROUND)
    assert BACKGROUND_REMOVAL_FILE.pixels(both, {}) == 2 * 96 * 80 + 70 * 64
    assert CutoutFileParams.parse({"quality": "auto"}).quality is None
