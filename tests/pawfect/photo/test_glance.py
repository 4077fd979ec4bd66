"""A glance at a JPEG finds what its whole decoding finds."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from pawfect.contract.errors import PawfectError
from pawfect.photo.colour import rgb_and_alpha
from pawfect.photo.photo import glance_at_jpeg
from pawfect_client import decode_mask, decode_photo, encode_photo
from tests.pawfect.photo.pictures import encoded, hole, opened, scene

END = b"\xff\xd9"


def verdict(read, data: bytes) -> object:
    """The size, or the message of the error."""
    try:
        found = read(data)
    except PawfectError as error:
        return error.message
    return found.size, found.stored_size


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}])
def test_a_glance_refuses_what_decoding_refuses(options):
    whole = encoded(scene(200, 136), "JPEG", quality=80, **options)
    shares = np.linspace(0.02, 1, 40)
    cut = [whole[: int(len(whole) * share)] for share in shares]
    refused = 0
    for data in [*cut, *(part + END for part in cut), whole, whole + b"more"]:
        expected = verdict(decode_photo, data)
        assert verdict(glance_at_jpeg, data) == expected
        refused += isinstance(expected, str)
    assert 60 < refused < 82


@pytest.mark.parametrize("orientation", range(10))
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_glance_tells_the_size_as_it_is_seen(orientation, mode):
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(Image.fromarray(scene(96, 80)).convert(mode), "JPEG", exif=exif.tobytes())
    assert verdict(glance_at_jpeg, data) == verdict(decode_photo, data)


def test_a_glance_leaves_other_formats_to_others():
    assert glance_at_jpeg(encoded(scene(), "PNG")) is None
    assert glance_at_jpeg(b"") is None


def test_a_grey_mask_is_read_as_by_the_way_through_rgb():
    mask = scene(channels=1)
    read = decode_mask(encoded(mask, "PNG"))
    rgb, _, _ = rgb_and_alpha(Image.fromarray(mask))
    assert np.array_equal(read, np.array(Image.fromarray(rgb).convert("L")))
    assert read.flags.owndata
    assert np.array_equal(decode_mask(encoded(Image.fromarray(hole()).convert("1"), "PNG")), hole())


@pytest.mark.parametrize("quality", [50, 85, 95])
def test_a_jpeg_is_written_at_the_quality_that_is_asked(quality):
    photo = decode_photo(encoded(scene(), "PNG"))
    expected = opened(encoded(scene(), "JPEG", quality=quality)).quantization
    assert opened(encode_photo(photo, "JPEG", quality)).quantization == expected
