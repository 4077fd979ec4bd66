"""What an orchestrator holds at a time is bounded by requests and by the pixels of their photos."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pawfect.contract.tensors import MAX_PIXELS
from pawfect_triton.orchestrator_model import PIXELS, PROBES, Places


def test_two_of_the_largest_photos_are_held_and_no_third():
    places = Places(16)
    assert [places.take(probe=False, pixels=MAX_PIXELS) for _ in range(3)] == [True, True, False]
    places.leave(probe=False, pixels=MAX_PIXELS)
    assert places.take(probe=False, pixels=MAX_PIXELS)


def test_sixteen_photos_of_12_megapixels_are_bounded_by_their_number():
    places = Places(16)
    assert [places.take(probe=False, pixels=12_000_000) for _ in range(17)] == [True] * 16 + [False]


def test_a_photo_larger_than_the_bound_is_taken_where_nothing_else_is_held():
    places = Places(4, pixels=10)
    assert places.take(probe=False, pixels=11)
    assert not places.take(probe=False, pixels=1)
    places.leave(probe=False, pixels=11)
    assert places.take(probe=False, pixels=1)


def test_a_probe_has_a_place_beside_the_largest_photos():
    places = Places(16)
    while places.take(probe=False, pixels=MAX_PIXELS - 100):
        pass
    assert [places.take(probe=True, pixels=16) for _ in range(PROBES + 1)] == [True] * PROBES + [
        False
    ]


@given(st.lists(st.tuples(st.booleans(), st.integers(1, MAX_PIXELS)), max_size=60))
def test_never_more_is_held_and_what_is_given_back_is_free(orders):
    places, held = Places(5), []
    for come, pixels in orders:
        if come:
            fits = len(held) < 5 and (not held or sum(held) + pixels <= PIXELS)
            assert places.take(probe=False, pixels=pixels) is fits
            held += [pixels] * fits
        elif held:
            places.leave(probe=False, pixels=held.pop())
        assert places.held == len(held)
