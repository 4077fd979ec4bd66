"""What is checked of a request's files where there is no time for their pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.contract.parameters import MaskFileParams
from pawfect.photo.formats import READ
from pawfect.photo.xmp import source_type
from pawfect_client import decode_photo
from pawfect_service.jobs.kinds import INPAINT
from pawfect_service.jobs.kinds.pictures import (
    PREVIEW_PX,
    UNDERSTOOD,
    check_headers,
    check_upload,
    edited_jpeg,
    preview_jpeg,
    read_pictures,
)
from tests.pawfect.photo.pictures import encoded, hole, opened, scene

PHOTO = encoded(scene(160, 128), "JPEG", quality=92)
MASK = encoded(hole(160, 128), "PNG")
GUARD = encoded(np.roll(hole(160, 128), 50, axis=1), "PNG")
OTHER = encoded(hole(128, 160), "PNG")
EMPTY = encoded(np.zeros((128, 160), np.uint8), "PNG")
FULL = encoded(np.full((128, 160), 255, np.uint8), "PNG")
CLEAR = encoded(np.dstack([scene(160, 128), np.full((128, 160), 90, np.uint8)]), "PNG")
INVERTED = encoded(255 - hole(160, 128), "PNG")
ERASED = encoded(np.dstack([np.zeros((128, 160, 3), np.uint8), 255 - hole(160, 128)]), "PNG")
SMALL = encoded(hole(80, 64), "PNG")
TURNED = Image.Exif()
TURNED[0x0112] = 6


@pytest.mark.parametrize(
    "files",
    [
        (PHOTO, MASK, None),
        (PHOTO, MASK, GUARD),
        (encoded(scene(128, 160), "JPEG", exif=TURNED.tobytes()), MASK, None),
        (encoded(scene(160, 128), "PNG"), MASK, GUARD),
        (encoded(scene(160, 128), "WEBP"), MASK, None),
        (encoded(scene(160, 128), "TIFF"), MASK, None),
        (encoded(scene(160, 128), "AVIF"), MASK, None),
        (encoded(scene(160, 128).astype(np.uint8)[:, :, 0], "BMP"), MASK, None),
        (PHOTO, encoded(hole(160, 128), "WEBP", lossless=True), None),
        (PHOTO, MASK, encoded(hole(160, 128), "WEBP", lossless=True)),
    ],
)
def test_good_files_become_the_same_upload_as_by_the_whole_check(files: Any) -> None:
    stored = check_headers(*files, "grass")
    assert stored == check_upload(*files, "grass")
    assert opened(stored.photo).format == "JPEG"
    assert opened(stored.mask).format == "PNG"
    for given, kept in zip(files, (stored.photo, stored.mask, stored.protect), strict=True):
        if given and opened(given).format in ("JPEG", "PNG") and given != files[0]:
            assert kept == given, "stored byte for byte"


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ((b"", MASK), "photo: expected"),
        ((b"hello", MASK), f"photo: expected {READ}, got text"),
        ((PHOTO, b""), "mask: expected"),
        ((b"GIF89a" + bytes(20), MASK), "photo: expected"),
        ((PHOTO, b"%PDF-1.7"), f"mask: expected {READ}, got a PDF"),
        ((PHOTO[:900], MASK), "photo: expected"),
        ((PHOTO, MASK[:-20]), "mask: expected"),
        ((PHOTO, OTHER), "mask: expected the photo's size 160x128"),
        ((PHOTO, MASK, OTHER), "protect: expected the photo's size 160x128"),
        ((CLEAR, MASK), "photo: expected"),
        ((encoded(scene(32, 32), "JPEG"), encoded(hole(32, 32), "PNG")), "photo: expected sides"),
        ((PHOTO, MASK, None, "x" * 2049), "PROMPT: expected texts of at most 2048 bytes"),
        # Decoded all the same, since it is brought into another format: then all of it is checked.
        ((encoded(scene(160, 128), "PNG"), EMPTY), "MASK: expected some pixels >= 128"),
    ],
)
def test_what_headers_tell_is_refused_as_by_the_whole_check(files: Any, said: str) -> None:
    for check in (check_headers, check_upload):
        with pytest.raises(PawfectError) as caught:
            check(*files)
        assert caught.value.kind is ErrorKind.INVALID_ARG
        assert caught.value.message.startswith(said)


@pytest.mark.parametrize("check", [check_upload, check_headers])
@pytest.mark.parametrize(
    ("mask", "reading", "note"),
    [
        (MASK, MaskFileParams(), None),
        (ERASED, MaskFileParams(), "one colour; its transparent part, 2.9%, is taken for the hole"),
        (ERASED, MaskFileParams(mask_is="erased"), None),
        (INVERTED, MaskFileParams(mask_is="black"), None),
        (INVERTED, MaskFileParams(invert_mask=True), None),
        (INVERTED, MaskFileParams(mask_is="auto"), "its strokes, 2.9%, taken for the hole"),
    ],
)
def test_a_mask_is_stored_as_it_was_understood_and_that_is_said_where_it_was_found_out(
    check: Any, mask: bytes, reading: Any, note: str | None
) -> None:
    stored = check(PHOTO, mask, reading=reading)
    assert stored.note == (note and f"{note}: the smaller side")
    kept = opened(stored.mask)
    assert kept.mode == "L"
    assert np.array_equal(np.array(kept), hole(160, 128))


@pytest.mark.parametrize("check", [check_upload, check_headers])
def test_a_mask_of_the_photos_shape_is_stored_at_its_size(check: Any) -> None:
    with pytest.raises(PawfectError, match="which fit_mask scales to it"):
        check(PHOTO, SMALL)
    stored = check(PHOTO, SMALL, SMALL, reading=MaskFileParams(fit_mask=True))
    assert [opened(file).size for file in (stored.mask, stored.protect)] == [(160, 128)] * 2
    assert stored.note == "scaled from 80x64"


@pytest.mark.parametrize("check", [check_upload, check_headers])
def test_a_photo_with_the_object_painted_over_is_compared_with_the_whole_photo(check: Any) -> None:
    over = opened(PHOTO).convert("RGB")
    over.paste((255, 0, 255), (60, 40, 100, 80))
    reading = MaskFileParams(mask_is="erased")
    stored = np.array(opened(check(PHOTO, encoded(over, "PNG"), reading=reading).mask))
    assert (stored[42:78, 62:98] == 255).all()
    assert np.count_nonzero(stored) < 50 * 50


def test_a_mask_of_nearly_everything_is_filled_where_it_was_named() -> None:
    white = MaskFileParams(mask_is="white")
    for check in (check_upload, check_headers):
        stored = check(PHOTO, INVERTED, reading=white)
        understood = read_pictures(stored.photo, stored.mask, None, None, UNDERSTOOD).mask
        assert np.array_equal(understood < 128, hole(160, 128) >= 128)
    for refused in (check_upload, read_pictures):
        with pytest.raises(PawfectError, match="mask: expected at most 95% of the photo"):
            refused(PHOTO, INVERTED, None)


def test_a_silhouette_protects_what_it_paints() -> None:
    pet = np.zeros((128, 160, 4), np.uint8)
    pet[:, :100, 3] = 255
    for check in (check_upload, check_headers):
        guard = check(PHOTO, MASK, encoded(pet, "PNG")).protect
        assert guard is not None
        assert np.array_equal(np.array(opened(guard)), pet[:, :, 3])


@pytest.mark.parametrize(
    ("photo", "got"), [(CLEAR, "a PNG"), (encoded(opened(CLEAR), "TIFF"), "a TIFF")]
)
def test_transparent_parts_are_refused_by_the_photos_own_format(photo: bytes, got: str) -> None:
    for check in (check_headers, check_upload):
        with pytest.raises(PawfectError) as caught:
            check(photo, MASK)
        assert caught.value.message == (
            "photo: expected a photo without transparent parts, since the result is a JPEG, "
            f"got {got} with transparent parts"
        )


def test_a_result_says_how_it_was_changed_and_keeps_resolution_and_grey() -> None:
    photo = decode_photo(encoded(scene(160, 128, channels=1), "JPEG", dpi=(300, 300)))
    edited = opened(edited_jpeg(photo, photo.pixels, "lama"))
    assert (edited.mode, edited.info["dpi"]) == ("L", (300, 300))
    assert source_type(edited.info["xmp"]) == "compositeWithTrainedAlgorithmicMedia"
    assert "xmp" not in opened(preview_jpeg(photo, photo.pixels)).info


def test_a_preview_is_small() -> None:
    photo = decode_photo(encoded(scene(560, 420), "JPEG"))
    assert opened(preview_jpeg(photo, photo.pixels)).size == (PREVIEW_PX, PREVIEW_PX * 3 // 4)


def test_a_jpeg_may_lack_its_end_mark_and_no_more() -> None:
    stored = [check(PHOTO[:-2], MASK).photo for check in (check_headers, check_upload)]
    assert stored == [PHOTO[:-2]] * 2
    for check in (check_headers, check_upload):
        with pytest.raises(PawfectError, match="photo: expected a JPEG with all the pixels"):
            check(PHOTO[:-40], MASK)


@pytest.mark.parametrize("mask", [EMPTY, FULL], ids=["empty", "full"])
def test_what_only_pixels_tell_is_left_to_the_worker(mask: bytes) -> None:
    assert check_headers(PHOTO, mask).mask == mask
    with pytest.raises(PawfectError, match="MASK: expected some pixels"):
        check_upload(PHOTO, mask)
    broken = PHOTO[: len(PHOTO) // 2] + b"\xff\xd9"
    assert check_headers(broken, MASK).photo == broken
    with pytest.raises(PawfectError, match="photo: expected a JPEG with all the pixels"):
        check_upload(broken, MASK)


@pytest.mark.parametrize("headers_only", [False, True])
def test_an_inpainting_has_a_mask_by_the_time_that_its_files_are_checked(headers_only):
    with pytest.raises(PawfectError, match="mask: expected a file, got none"):
        INPAINT.check({"photo": PHOTO}, {}, {"remove": "leash"}, headers_only=headers_only)
