"""`pawfect inpaint` on the files that people have: what comes back, and as what."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from pawfect.contract.errors import ErrorKind
from pawfect.photo.xmp import source_type
from pawfect_client import load_mask, load_photo
from tests.client.test_command import Desk, failed
from tests.pawfect.photo.pictures import encoded, hole, png, scene

CASES = Path(__file__).parents[1] / "cases"


@pytest.fixture
def desk(server, tmp_path):
    made = Desk(tmp_path, server.endpoints.grpc)
    made.put("photo.png", png(scene(80, 64)))
    made.put("mask.png", png(hole(80, 64)))
    return made


def test_16_bits_come_back_as_16_and_the_hole_is_filled(desk):
    photo, mask = str(CASES / "deep16.png"), str(CASES / "deep16_mask.png")
    for out in ("out.png", "out.tif"):
        assert desk(photo=photo, mask=mask, out=out).exit_code == 0
    before, hole_of_it = load_photo(photo), load_mask(mask) >= 128
    results = [load_photo(desk.path(out)) for out in ("out.png", "out.tif")]
    assert np.array_equal(results[0].deep, results[1].deep)
    far = np.array(Image.fromarray(hole_of_it).filter(ImageFilter.MaxFilter(41))) == 0
    assert far.sum() > 1000
    assert np.array_equal(results[0].deep[far], before.deep[far])
    # Red falls and blue rises by 412 a row: what is filled goes on with it, to levels of 8 bits.
    truth = np.broadcast_to(before.deep[:, :1], before.deep.shape)
    off = results[0].deep[hole_of_it].astype(int) - truth[hole_of_it]
    assert np.abs(off).max() < 4 * 257
    shallow = desk(photo=photo, mask=mask, out="out.jpg")
    assert shallow.stdout.strip().endswith("; not in this format: 8 of its 16 bits per channel")


def test_a_removed_object_on_transparent_ground_leaves_nothing(desk):
    photo, mask = str(CASES / "alpha.png"), str(CASES / "alpha_mask.png")
    run = desk(photo=photo, mask=mask)
    assert run.exit_code == 0, run.output
    result, gone = load_photo(desk.path("out.png")), load_mask(mask) >= 128
    assert result.alpha[gone].max() == 0
    assert np.array_equal(result.alpha[~gone], load_photo(photo).alpha[~gone])


def test_the_resolution_is_kept_and_the_engine_named(desk):
    photo, mask = str(CASES / "dpi.png"), str(CASES / "mask.png")
    for out in ("out.png", "out.jpg", "out.webp", "out.tif"):
        assert desk(photo=photo, mask=mask, out=out).exit_code == 0
        result = load_photo(desk.path(out))
        assert source_type(result.xmp) == "algorithmicallyEnhanced"
        if out != "out.webp":
            assert result.dpi == pytest.approx((300, 300), abs=0.01)


def test_a_heic_comes_back_as_a_jpeg_of_the_quality_that_is_asked(desk):
    heic = Path(__file__).parents[1] / "pawfect" / "photo" / "files" / "turned.heic"
    desk.put("phone.heic", heic.read_bytes())
    desk.put("upright.png", png(hole(80, 96)))
    sizes = []
    for quality in ("60", "95"):
        run = desk("--quality", quality, photo="phone.heic", mask="upright.png", out="o.jpg")
        assert run.exit_code == 0, run.output
        sizes.append((desk.folder / "o.jpg").stat().st_size)
    assert sizes[0] < sizes[1]
    assert load_photo(desk.path("o.jpg")).format == "JPEG"


def test_the_format_can_be_another_than_the_names(desk):
    run = desk("--format", "tiff", out="result.tmp")
    assert run.exit_code == 0, run.output
    assert load_photo(desk.path("result.tmp")).format == "TIFF"
    failed(
        desk("--quality", "80", out="b.png"),
        ErrorKind.INVALID_ARG,
        "quality: expected one of JPEG, WebP, AVIF, got PNG, which loses nothing",
    )


def test_a_jpeg_without_its_end_mark_is_filled_and_one_that_lacks_pixels_is_refused(desk):
    source = encoded(scene(80, 64), "JPEG", quality=90)
    desk.put("open.jpg", source[:-2])
    assert desk(photo="open.jpg").exit_code == 0
    desk.put("short.jpg", source[:-3])
    failed(desk(photo="short.jpg"), ErrorKind.INVALID_ARG, "short.jpg: expected a JPEG with all")


def test_of_an_animated_gif_it_is_said_that_the_first_frame_counts(desk):
    frames = [Image.fromarray(scene(80, 64, seed=seed)).quantize(64) for seed in range(3)]
    moving = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    desk.put("moving.gif", moving)
    run = desk(photo="moving.gif")
    assert run.exit_code == 0, run.output
    assert run.stdout.strip().endswith("; not in this format: its other frames")
    desk.put("still.gif", encoded(frames[0], "GIF"))
    assert "not in this format" not in desk(photo="still.gif").stdout
