"""The stored scenes: complete, consistent with each other, and what they were when exported."""

from __future__ import annotations

import hashlib

import cv2
import numpy as np
import pytest

from perf.scenes import (
    DATA,
    GROUPS,
    QUALITY_GROUPS,
    Scene,
    group_of,
    load_scene,
    scene_names,
)

# Longest way of the lens's and the sharpening's soft edge, px.
FOOTPRINT_PX = 25
# Of the decoded photo and truth at export: no decoder may change what results were measured on.
PIXELS = {
    "reference_1600": "81efdc43909f0ddc59d11c53d03f396b349a750cbcab2600a3b7c2eff8b9a6d8",
    "china_trees_hand": "58dddef2334458dc7ad88ea727251b0a102e740f60e7ca64d179260077187f27",
    "brick_ball": "17b6bb17fda16aecbf57e60ee49a350e43d90c1f8a68024b7d1c152d6e74ea7e",
}


@pytest.fixture(scope="module")
def scenes() -> dict[str, Scene]:
    return {name: load_scene(name) for name in scene_names()}


def blobs(mask: np.ndarray) -> int:
    return cv2.connectedComponents((mask > 0).astype(np.uint8))[0] - 1


@pytest.mark.parametrize("name", PIXELS)
def test_the_pixels_are_those_that_results_were_measured_on(name, scenes):
    scene = scenes[name]
    sha = hashlib.sha256(scene.photo.tobytes() + scene.truth.tobytes())
    assert sha.hexdigest() == PIXELS[name]


def test_every_group_is_there_and_the_set_has_every_kind_of_hole(scenes):
    names = scene_names(*QUALITY_GROUPS)
    assert len(names) == 30
    assert len(scene_names("variation")) == 10
    assert {group_of(name) for name in scene_names()} == set(GROUPS)
    pasted = [scenes[name] for name in scene_names(*QUALITY_GROUPS[:-1])]
    areas = [float((scene.object_mask > 0).mean()) for scene in pasted]
    assert sum(area <= 0.035 for area in areas) >= 5
    assert sum(0.15 <= area <= 0.30 for area in areas) >= 4
    assert sum(blobs(scene.object_mask) >= 2 for scene in pasted) >= 4
    edges = (0, -1, np.s_[:, 0], np.s_[:, -1])
    assert sum(any(s.object_mask[edge].any() for edge in edges) for s in pasted) >= 5
    assert sum(blobs(s.mask) > blobs(s.object_mask) for s in pasted) >= 5
    with pytest.raises(KeyError, match="got moon"):
        load_scene("moon")


@pytest.mark.parametrize("name", scene_names())
def test_photo_and_truth_differ_at_the_object_and_its_shadow_alone(name, scenes):
    scene = scenes[name]
    shape = scene.photo.shape[:2]
    assert scene.truth.shape == (*shape, 3)
    masks = [scene.mask, scene.object_mask, *([] if scene.protect is None else [scene.protect])]
    assert all(mask.shape == shape and set(np.unique(mask)) == {0, 255} for mask in masks)
    differ = (scene.photo != scene.truth).any(axis=2)
    assert differ[scene.object_mask > 0].mean() > 0.9
    near = np.ones((2 * FOOTPRINT_PX + 1,) * 2, np.uint8)
    # The mask holds the shadow too, and specks far from both.
    marked = cv2.morphologyEx(scene.mask, cv2.MORPH_OPEN, np.ones((9, 9), np.uint8))
    assert not differ[cv2.dilate(scene.object_mask | marked, near) == 0].any()


@pytest.mark.parametrize("name", scene_names())
def test_the_mask_covers_the_object_but_for_pinholes(name, scenes):
    scene = scenes[name]
    missed = ((scene.object_mask > 0) & (scene.mask == 0)).astype(np.uint8)
    assert missed.sum() <= 0.01 * np.count_nonzero(scene.object_mask) + 60


@pytest.mark.parametrize("name", scene_names("reference", "variation"))
def test_the_pets_alpha_is_soft_along_its_fur_and_its_mask_is_apart_from_the_object(name, scenes):
    scene = scenes[name]
    assert scene.alpha is not None
    assert scene.protect is not None
    assert not (scene.protect & scene.object_mask).any()
    assert 0.03 < (scene.protect > 0).mean() < 0.4
    assert scene.alpha[scene.protect > 0].mean() > 240
    assert scene.alpha[scene.protect == 0].mean() < 3
    soft = (scene.alpha > 0) & (scene.alpha < 255)
    assert soft.sum() > 0.03 * (scene.protect > 0).sum()


def test_a_scene_shrinks_with_all_its_masks(scenes):
    small = scenes["dog_near"].resized(200, 150)
    assert small.photo.shape == small.truth.shape == (150, 200, 3)
    for mask in (small.mask, small.object_mask, small.protect):
        assert set(np.unique(mask)) == {0, 255}
    assert small.alpha.shape == (150, 200)
    assert scenes["brick_ball"].resized(64, 64).alpha is None


def test_the_data_stays_small():
    assert sum(path.stat().st_size for path in DATA.rglob("*.*")) < 15e6
