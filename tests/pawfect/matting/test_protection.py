"""What a fill leaves alone: the pet beside a hole, not what goes, nor what goes on under it."""

from __future__ import annotations

import cv2
import numpy as np

from pawfect.matting.protection import protection

SIZE = (400, 600)


def blank() -> np.ndarray:
    return np.zeros(SIZE, np.uint8)


def disc(at: tuple[int, int], radius: int) -> np.ndarray:
    return cv2.circle(blank(), at, radius, 255, -1)


def strip(start: tuple[int, int], end: tuple[int, int], px: int) -> np.ndarray:
    return cv2.line(blank(), start, end, 255, px)


def found(subject: np.ndarray, mask: np.ndarray):
    return protection((subject > 0).astype(np.float32), mask)


def test_a_pet_beside_the_hole_is_protected_to_its_last_pixel():
    pet, hole = disc((400, 200), 90), disc((150, 200), 60)
    protected = found(pet, hole)
    np.testing.assert_array_equal(protected.mask, pet)


def test_a_pet_that_the_hole_touches_is_protected_but_for_what_is_marked():
    pet = disc((400, 200), 90)
    hole = disc((260, 200), 60)  # 10 px of it over the pet
    protected = found(pet, hole)
    assert protected.under == 0
    np.testing.assert_array_equal(protected.mask, np.where(hole > 0, 0, pet))


def test_what_the_mask_marks_goes_with_the_rim_that_it_left_out():
    pet, hand = disc((450, 200), 80), disc((150, 250), 60)
    hole = disc((150, 250), 55)
    protected = found(pet | hand, hole)
    assert protected.marked == 1
    np.testing.assert_array_equal(protected.mask, pet)


def test_the_rim_of_a_hand_that_holds_the_pet_goes_too():
    pet = disc((420, 200), 100)
    arm = strip((0, 200), (340, 200), 40)
    hole = strip((0, 200), (312, 200), 32)
    protected = found(pet | arm, hole)
    beside = blank() > 0
    beside[150:250, :290] = True
    assert not (protected.mask[beside] > 0).any()
    inner = disc((420, 200), 70) > 0
    assert (protected.mask[inner] > 0).all()


def test_a_pet_that_goes_on_under_a_leash_is_what_the_hole_is_filled_with():
    pet, leash = disc((300, 200), 150), strip((0, 180), (599, 220), 16)
    protected = found(pet, leash)
    assert protected.under >= 1
    assert protected.mask is None


def test_a_collar_on_the_pet_and_a_toy_before_it_take_its_colours():
    pet = disc((300, 200), 150)
    for hole in (disc((300, 200), 40), disc((300, 330), 40)):
        protected = found(pet, hole)
        assert (protected.under, protected.mask) == (1, None)


def test_another_pet_stays_protected_while_one_goes_on_under_the_hole():
    first, second = disc((150, 200), 100), disc((480, 200), 80)
    protected = found(first | second, disc((150, 200), 30))
    np.testing.assert_array_equal(protected.mask, second)


def test_without_a_subject_nothing_is_protected():
    protected = protection(np.zeros(SIZE, np.float32), disc((300, 200), 50))
    assert (protected.mask, protected.marked, protected.under) == (None, 0, 0)


def test_specks_of_a_networks_noise_are_not_protected():
    assert found(disc((500, 100), 4), disc((300, 200), 50)).mask is None


def test_a_subject_that_is_the_whole_photo_is_what_the_hole_is_filled_with():
    assert found(np.full(SIZE, 255, np.uint8), disc((300, 200), 50)).mask is None


def test_a_large_photo_is_judged_smaller_and_protected_to_its_last_pixel():
    pet = cv2.circle(np.zeros((2000, 3000), np.uint8), (2100, 1000), 600, 255, -1)
    hole = cv2.circle(np.zeros_like(pet), (1350, 1000), 200, 255, -1)  # 50 px of it over the pet
    np.testing.assert_array_equal(found(pet, hole).mask, np.where(hole > 0, 0, pet))
    collar = cv2.circle(np.zeros_like(pet), (2100, 900), 100, 255, -1)
    assert found(pet, collar).under == 1
