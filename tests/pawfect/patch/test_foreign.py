"""What is foreign to a hole: a surface that the ring around it has not."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from pawfect.patch.completion import complete
from pawfect.patch.foreign import foreignness
from pawfect.picture import raster
from pawfect.picture.mask import clean_mask
from pawfect.stop import never
from perf.scenes import load_scene
from tests.pawfect.patch.textures import box_mask, stones


def _scene() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Stones with a smooth body beside the hole, of the stones' own mean colour."""
    image = stones(400, 500)
    body = box_mask(image.shape, 330, 60, 470, 340) > 0
    grain = np.random.default_rng(0).normal(0, 2, (400, 500, 1))
    smooth = np.clip(image.reshape(-1, 3).mean(0) + grain, 0, 255).astype(np.uint8)
    image = np.where(body[..., None], smooth, image)
    hole = box_mask(image.shape, 120, 120, 300, 280) > 0
    return image, hole, body


def test_a_body_of_the_same_colour_but_another_surface_is_foreign_and_the_ground_is_not():
    image, hole, body = _scene()
    found = foreignness(raster.to_lab_bytes(image), hole, ~hole)
    inside, outside = [], []
    for (row, column), share in np.ndenumerate(found.share):
        cell = np.s_[
            row * found.cell : (row + 1) * found.cell,
            column * found.cell : (column + 1) * found.cell,
        ]
        if body[cell].all() and row * found.cell > 80 and row * found.cell < 320:
            inside.append(share)
        elif not hole[cell].any() and column * found.cell < 290:
            outside.append(share)
    assert np.median(inside) == 1.0
    assert np.median(outside) == 0.0


def test_it_does_not_depend_on_what_is_not_known():
    image, hole, _ = _scene()
    other = np.where(hole[..., None], np.uint8(9), image)
    unknown = box_mask(image.shape, 114, 114, 306, 286) > 0
    np.testing.assert_array_equal(
        foreignness(raster.to_lab_bytes(image), hole, ~unknown).share,
        foreignness(raster.to_lab_bytes(other), hole, ~unknown).share,
    )


def test_where_next_to_nothing_is_known_nothing_is_foreign():
    image, hole, _ = _scene()
    assert not foreignness(raster.to_lab_bytes(image), hole, np.zeros_like(hole)).share.any()


@pytest.mark.parametrize("name", ["reference_768", "reference_1600"])
def test_next_to_nothing_is_copied_from_a_dog_that_sits_beside_a_hole_in_the_lawn(name: str):
    scene = load_scene(name)
    assert scene.protect is not None
    _, labels = cv2.connectedComponents(clean_mask(scene.mask).mask)
    # The hand; the specks beside it lie on the dog too, and are filled after it.
    hole = labels == np.bincount(labels[labels > 0]).argmax()
    banned = (labels > 0) & ~hole
    found = complete(scene.photo, hole, banned, 0, never)
    assert found is not None
    from_dog = scene.protect.ravel()[found[0][hole]] >= 128
    # Where nothing counts as foreign: 0.14 and 0.12.
    assert from_dog.mean() < 0.01
