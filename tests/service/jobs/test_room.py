"""What is decoded at a time is bounded by pixels."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from pawfect.contract.tensors import MAX_PIXELS
from pawfect.photo.photo import Photo
from pawfect_service.jobs.kinds.room import DECODING, PixelRoom, decoded
from tests.pawfect.photo.pictures import png, scene


def test_never_more_pixels_are_held_than_there_is_room_for():
    room, lock = PixelRoom(100), threading.Lock()
    held: list[int] = []
    most: list[int] = []

    def work(pixels: int) -> None:
        with room.taken(pixels):
            with lock:
                held.append(pixels)
                most.append(sum(held))
            with lock:
                held.remove(pixels)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, [30, 60, 90, 10, 45, 55] * 200))
    assert len(most) == 1200
    assert max(most) <= 100


def test_what_does_not_fit_beside_another_waits_until_that_is_done():
    room, came = PixelRoom(100), threading.Event()

    def second() -> None:
        with room.taken(50):
            came.set()

    with ThreadPoolExecutor(1) as pool:
        with room.taken(60):
            waiting = pool.submit(second)
            with room.taken(40):
                pass
            assert not came.is_set()
        waiting.result(timeout=30)
    assert came.is_set()


def test_more_than_there_is_room_for_is_taken_alone_and_given_back_after_a_failure():
    room = PixelRoom(100)
    with pytest.raises(ZeroDivisionError), room.taken(500):
        raise ZeroDivisionError
    with room.taken(100):
        pass


def test_a_picture_is_decoded_once_there_is_room_for_its_pixels():
    photo, done = png(scene(80, 64)), threading.Event()

    def decode() -> Photo:
        read = decoded(photo, "photo")
        done.set()
        return read

    with ThreadPoolExecutor(1) as pool:
        with DECODING.taken(2 * MAX_PIXELS):
            waiting = pool.submit(decode)
            assert not done.wait(0.2)
        assert np.array_equal(waiting.result(timeout=10).pixels, scene(80, 64))
