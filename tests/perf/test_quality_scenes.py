import cv2
import numpy as np
import pytest

from perf.quality.digest import digest_of, recorded_digests, same_scene, set_digest
from perf.quality.objects import FOOTPRINT_PX
from perf.quality.scenes import (
    GROUPS,
    LARGE_HOLE,
    NAMES,
    RECIPES,
    SCENES_FOR_A_LOOK,
    SMALL_HOLE,
    Scene,
    build_scene,
    build_scenes,
    group_of,
)


@pytest.fixture(scope="module")
def pasted() -> dict[str, Scene]:
    return {scene.name: scene for scene in build_scenes(tuple(RECIPES))}


def components(mask: np.ndarray) -> int:
    return cv2.connectedComponents((mask > 0).astype(np.uint8))[0] - 1


def test_the_set_is_the_recorded_one(pasted: dict[str, Scene]) -> None:
    recorded = recorded_digests()
    changed = [n for n, s in pasted.items() if not same_scene(digest_of(s), recorded[n])]
    assert changed == []
    assert set(recorded) == set(NAMES)


def test_a_reference_scene_is_the_recorded_one() -> None:
    scene = build_scene("reference_768")
    assert same_scene(digest_of(scene), recorded_digests()["reference_768"])


def test_a_moved_object_is_another_set(pasted: dict[str, Scene]) -> None:
    scene = pasted["grass_dry_ball"]
    moved = Scene(
        scene.name,
        scene.group,
        np.roll(scene.photo, 12, axis=1),
        scene.truth,
        np.roll(scene.mask, 12, axis=1),
        np.roll(scene.true_mask, 12, axis=1),
    )
    assert not same_scene(digest_of(moved), digest_of(scene))


def test_a_last_bit_is_no_other_set(pasted: dict[str, Scene]) -> None:
    scene = pasted["grass_dry_ball"]
    photo = scene.photo.copy()
    photo[5, 7] ^= 1
    nudged = Scene(scene.name, scene.group, photo, scene.truth, scene.mask, scene.true_mask)
    assert digest_of(nudged).sha256 != digest_of(scene).sha256
    assert same_scene(digest_of(nudged), digest_of(scene))


def test_the_set_has_one_digest_whatever_the_order() -> None:
    recorded = recorded_digests()
    backwards = dict(reversed(recorded.items()))
    assert set_digest(backwards) == set_digest(recorded)


@pytest.mark.parametrize("name", RECIPES)
def test_the_photo_is_the_truth_outside_the_objects_footprint(
    name: str, pasted: dict[str, Scene]
) -> None:
    scene = pasted[name]
    reach = 2 * FOOTPRINT_PX + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach))
    outside = cv2.dilate(scene.true_mask, disc) == 0
    assert np.array_equal(scene.photo[outside], scene.truth[outside])
    rim = outside == (scene.true_mask > 0)
    assert (scene.photo != scene.truth).any(axis=2)[rim].any(), "expected a soft edge"


@pytest.mark.parametrize("name", RECIPES)
def test_the_users_mask_covers_the_object_but_for_pinholes(
    name: str, pasted: dict[str, Scene]
) -> None:
    scene = pasted[name]
    missed = ((scene.true_mask > 0) & (scene.mask == 0)).astype(np.uint8)
    assert missed.sum() <= 0.01 * np.count_nonzero(scene.true_mask) + 60
    assert components(missed) <= RECIPES[name].spoil.pinholes
    assert set(np.unique(scene.mask)) <= {0, 255}


@pytest.mark.parametrize("name", RECIPES)
def test_arrays_are_pictures(name: str, pasted: dict[str, Scene]) -> None:
    scene = pasted[name]
    shape = scene.photo.shape[:2]
    assert scene.truth.shape == scene.photo.shape == (*shape, 3)
    assert scene.mask.shape == scene.true_mask.shape == shape
    arrays = (scene.photo, scene.truth, scene.mask, scene.true_mask)
    assert {str(array.dtype) for array in arrays} == {"uint8"}


def test_every_group_and_every_kind_of_hole_is_there(pasted: dict[str, Scene]) -> None:
    assert 24 <= len(NAMES) <= 30
    assert {group_of(name) for name in NAMES} == set(GROUPS)
    assert {group_of(name) for name in SCENES_FOR_A_LOOK} == set(GROUPS)
    areas = [float((scene.true_mask > 0).mean()) for scene in pasted.values()]
    assert sum(area <= SMALL_HOLE for area in areas) >= 5
    assert sum(LARGE_HOLE <= area <= 0.30 for area in areas) >= 4
    assert max(areas) <= 0.30
    several = [scene for scene in pasted.values() if components(scene.true_mask) >= 2]
    assert len(several) >= 4
    border = [
        scene
        for scene in pasted.values()
        if any(scene.true_mask[edge].any() for edge in (0, -1, np.s_[:, 0], np.s_[:, -1]))
    ]
    assert len(border) >= 5
    specks = [s for s in pasted.values() if components(s.mask) > components(s.true_mask)]
    assert len(specks) >= 5


def test_a_scene_is_built_the_same_twice(pasted: dict[str, Scene]) -> None:
    again = build_scene("brick_ball")
    assert digest_of(again) == digest_of(pasted["brick_ball"])
