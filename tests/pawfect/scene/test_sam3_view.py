"""What SAM3 looks at: the part of the photo, and its pixels as the published processor's."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers.image_processing_backends import PilBackend

from pawfect.scene.sam3_view import Processing, pixel_values, surroundings

PUBLISHED = {
    "do_resize": True,
    "do_rescale": True,
    "do_normalize": True,
    "resample": 2,
    "size": {"height": 1008, "width": 1008},
    "image_mean": [0.5, 0.5, 0.5],
    "image_std": [0.5, 0.5, 0.5],
    "rescale_factor": 1 / 255,
}
# One level of 0-255 after normalising: rounding may differ between two correct resizers.
LEVEL = 2 / 255


class PublishedProcessor(PilBackend):
    """transformers' own steps with the published numbers; SAM3's own class needs torchvision."""

    do_resize = do_rescale = do_normalize = True
    resample = 2
    rescale_factor = 1 / 255

    def __init__(self, side: int) -> None:
        super().__init__(
            size={"height": side, "width": side}, image_mean=[0.5] * 3, image_std=[0.5] * 3
        )


def photo(height: int, width: int) -> np.ndarray:
    """A photo with slow and fast detail, so that antialiasing shows."""
    rng = np.random.default_rng(height * width)
    rows, columns = np.mgrid[:height, :width]
    waves = 80 * np.sin(rows / 7)[..., None] + 40 * np.cos(columns / 23)[..., None]
    noise = rng.normal(0, 30, (height, width, 3))
    return (128 + waves + noise).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize(
    ("height", "width", "side"), [(480, 640, 224), (333, 1000, 112), (64, 70, 224), (224, 224, 224)]
)
def test_pixels_are_those_of_the_published_processor(height: int, width: int, side: int):
    image = photo(height, width)
    processing = Processing(side, (0.5,) * 3, (0.5,) * 3, 1 / 255)
    expected = PublishedProcessor(side)(image, return_tensors="pt")["pixel_values"]
    got = pixel_values(image, processing)
    assert got.shape == (1, 3, side, side)
    assert got.dtype == torch.float32
    difference = (got - expected).abs()
    assert difference.max() <= LEVEL * 1.001
    assert (difference > LEVEL / 2).float().mean() < 0.1


def test_pixels_of_a_part_are_those_of_its_copy_and_read_only_pictures_do():
    image = photo(200, 300)
    image.setflags(write=False)
    part = image[20:180, 50:250]
    processing = Processing.parse(PUBLISHED | {"size": {"height": 96, "width": 96}})
    torch.testing.assert_close(
        pixel_values(part, processing), pixel_values(part.copy(), processing), rtol=0, atol=0
    )


def test_every_mean_and_deviation_goes_to_its_channel():
    image = np.full((64, 64, 3), (255, 127, 0), np.uint8)
    processing = Processing(64, (0.5, 0.25, 0.0), (0.5, 0.25, 1.0), 1 / 255)
    channels = pixel_values(image, processing)[0, :, 0, 0]
    torch.testing.assert_close(channels, torch.tensor([1.0, (127 / 255 - 0.25) / 0.25, 0.0]))


def ring_of(height: int, width: int, box: tuple[int, int, int, int]) -> np.ndarray:
    x0, y0, x1, y1 = box
    ring = np.zeros((height, width), np.uint8)
    ring[y0, x0:x1] = ring[y1 - 1, x0:x1] = 255
    ring[y0:y1, x0] = ring[y0:y1, x1 - 1] = 255
    return ring


@st.composite
def rings(draw):
    height, width = draw(st.integers(64, 400)), draw(st.integers(64, 400))
    x0, y0 = draw(st.integers(0, width - 1)), draw(st.integers(0, height - 1))
    x1, y1 = draw(st.integers(x0 + 1, width)), draw(st.integers(y0 + 1, height))
    return ring_of(height, width, (x0, y0, x1, y1))


@given(rings(), st.integers(14, 500))
def test_the_view_holds_the_whole_ring_and_lies_within_the_photo(ring, side):
    rows, columns = surroundings(ring, side)
    seen = ring[rows, columns]
    assert (seen >= 128).sum() == (ring >= 128).sum()
    assert 0 <= rows.start < rows.stop <= ring.shape[0]
    assert 0 <= columns.start < columns.stop <= ring.shape[1]


@given(rings(), st.integers(14, 500))
def test_the_view_is_square_and_holds_as_much_context_as_the_photo_has(ring, side):
    view = surroundings(ring, side)
    heights, widths = np.nonzero(ring)
    longest = max(np.ptp(heights), np.ptp(widths)) + 1
    for part, whole in zip(view, ring.shape, strict=True):
        assert part.stop - part.start == min(whole, max(side, 2 * longest))


def test_a_small_hole_in_a_large_photo_is_seen_at_full_resolution():
    ring = ring_of(3000, 4000, (3000, 200, 3300, 450))
    rows, columns = surroundings(ring, 1008)
    assert (rows, columns) == (slice(0, 1008), slice(2646, 3654))


def test_a_photo_smaller_than_the_view_is_seen_whole():
    assert surroundings(ring_of(480, 640, (10, 10, 60, 60)), 1008) == (
        slice(0, 480),
        slice(0, 640),
    )


def test_an_empty_ring_has_no_view():
    assert surroundings(np.full((64, 64), 127, np.uint8), 224) is None


def test_the_published_numbers_are_read():
    assert Processing.parse(PUBLISHED) == Processing(1008, (0.5,) * 3, (0.5,) * 3, 1 / 255)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"do_normalize": False}, "expected bilinear resizing, rescaling and normalising"),
        ({"resample": 3}, "expected bilinear resizing"),
        ({"size": {"height": 8, "width": 9}}, "expected equal height and width"),
        ({"size": {"longest_edge": 8}}, "expected a side and a rescale_factor, got None"),
        ({"size": 1008}, "expected equal height and width as size, got 1008"),
        ({"image_mean": [0.5]}, "expected three numbers as image_mean, got [0.5]"),
        ({"image_std": None}, "expected three numbers as image_std, got None"),
        ({"rescale_factor": 0.0}, "expected a side and a rescale_factor"),
    ],
)
def test_another_processing_is_refused(change: dict[str, object], said: str):
    with pytest.raises(ValueError, match="expected") as caught:
        Processing.parse({**PUBLISHED, **change})
    assert said in str(caught.value)
