"""Subject and general: cut out, edited, scaled back, put in; the rest bit for bit."""

from __future__ import annotations

import asyncio

import cv2
import numpy as np
import pytest

from pawfect.contract.refine import GeneralPayload, SubjectPayload
from pawfect.contract.refine_report import EditReport
from pawfect.refine.creativity import creativity
from pawfect.refine.editing import Edited, EditTask, RemoteAnswer
from pawfect.refine.general import repair_all
from pawfect.refine.remote import SIDE
from pawfect.refine.subject import repair_subject
from tests.lawn import holes, lawn

LEVEL = creativity(1)
ANSWER = RemoteAnswer("artist", 5.0, 3)


class Artist:
    """Draws a colour over all of it, at a size of its own where it has one, far from here."""

    sizes = (SIDE,)

    def __init__(self, size: tuple[int, int] | None = None, colour=(250, 10, 10)) -> None:
        self.size, self.colour = size, colour
        self.task: EditTask | None = None

    async def __call__(self, task: EditTask) -> Edited:
        self.task = task
        height, width = self.size or task.picture.shape[:2]
        return Edited(np.full((height, width, 3), self.colour, np.uint8), "remote", ANSWER)


class Copyist(Artist):
    """Gives back what it was given."""

    async def __call__(self, task: EditTask) -> Edited:
        self.task = task
        return Edited(task.picture, "remote", ANSWER)


class Neighbour(Artist):
    """Draws on this machine, at sizes of its own."""

    sizes = (256, 512)

    async def __call__(self, task: EditTask) -> Edited:
        self.task = task
        height, width = task.picture.shape[:2]
        edit = EditReport("mit", (width, height), 4, 4, 1.0)
        return Edited(255 - task.picture, "klein", edit=edit, weights={"klein": "x"})


def general(photo, mask, artist):
    return asyncio.run(repair_all(photo, GeneralPayload("red"), mask, LEVEL, artist))


@pytest.mark.parametrize(
    ("shape", "size"),
    [
        ((300, 420), None),
        ((300, 420), (700, 900)),
        ((300, 420), (64, 64)),
        ((1500, 2200), (900, 900)),
    ],
)
def test_outside_the_mask_not_a_bit_changes(shape, size):
    photo = lawn(*shape)
    mask = holes(*shape, (100, 90, 180, 200))
    cv2.circle(mask, (300, 150), 40, 255, -1)
    result = general(photo, mask, Artist(size)).image
    kept = mask < 128
    np.testing.assert_array_equal(result[kept], photo[kept])
    changed = (result != photo).any(axis=2)
    assert changed[mask >= 128].mean() > 0.9


def test_an_edge_of_a_mask_that_is_soft_counts_by_its_threshold():
    photo = lawn(200, 260)
    mask = cv2.GaussianBlur(holes(200, 260, (80, 60, 140, 120)), (0, 0), 5)
    result = general(photo, mask, Artist()).image
    np.testing.assert_array_equal(result[mask < 128], photo[mask < 128])


def test_with_a_mask_no_more_than_its_surroundings_is_given_away():
    photo = lawn(1700, 2600)
    mask = holes(1700, 2600, (2300, 300, 2400, 380))
    artist = Artist()
    result = general(photo, mask, artist)
    assert artist.task.picture.shape[0] * artist.task.picture.shape[1] < 1_700_000
    # The mask's own corner of the photo at full size: its far end is not in it.
    assert artist.task.mask.any()
    assert "of it left this machine" in result.notes[0]
    assert result.remote.sent_px == artist.task.picture.shape[1::-1]


def test_sides_are_such_as_engines_draw():
    for shape in ((480, 640), (640, 480), (64, 2000), (1000, 1000)):
        artist = Artist()
        general(lawn(*shape), None, artist)
        height, width = artist.task.picture.shape[:2]
        assert (height % 16, width % 16) == (0, 0)
        assert 1 / 3.1 < width / height < 3.1


def test_without_a_mask_the_whole_may_change_and_that_is_said():
    photo = lawn(300, 400)
    result = general(photo, None, Artist())
    assert (result.image == (250, 10, 10)).all()
    assert result.image.shape == photo.shape
    assert result.notes[0].startswith("the whole photo left this machine, at ")
    assert (
        result.notes[-1] == "without a mask the whole photo was drawn anew, and has no more detail"
    )


def test_an_answer_of_another_size_is_scaled_and_said():
    result = general(lawn(300, 400), None, Artist((512, 512)))
    assert result.remote.scaled
    assert result.remote.answered_px == (512, 512)
    assert "the answer was 512x512 px where" in result.notes[1]
    assert not general(lawn(300, 400), None, Artist()).remote.scaled


def test_what_comes_back_as_it_was_stands_where_it_stood():
    photo = cv2.GaussianBlur(lawn(400, 600), (0, 0), 4)
    result = general(photo, holes(400, 600, (100, 100, 300, 250)), Copyist()).image
    difference = np.abs(result.astype(int) - photo.astype(int))
    assert difference.max() <= 6
    assert difference.mean() < 0.5


def test_the_words_are_the_requests_own_and_the_levels():
    artist = Artist()
    general(lawn(100, 100), None, artist)
    assert artist.task.words == f"red {LEVEL.words}"


def test_a_subject_is_told_of_its_reference():
    photo, shown, artist = lawn(100, 140), lawn(90, 200, seed=5), Artist()
    payload = SubjectPayload("the ears are brown", "f1")
    asyncio.run(repair_subject(photo, payload, None, shown, LEVEL, artist))
    assert artist.task.words.startswith("the ears are brown The second picture shows the real")
    assert artist.task.words.endswith(LEVEL.words)
    height, width = artist.task.reference.shape[:2]
    assert abs(width / height - 200 / 90) < 0.05
    small = cv2.resize(artist.task.reference, (200, 90), interpolation=cv2.INTER_AREA)
    assert np.abs(small.astype(int) - shown.astype(int)).mean() < 4
    asyncio.run(repair_subject(photo, payload, None, None, LEVEL, artist))
    assert artist.task.reference is None
    assert "main subject of the picture" in artist.task.words


@pytest.mark.parametrize(
    ("shape", "drawn"),
    [
        ((160, 200), (224, 288)),  # Brought to the smallest size that holds it.
        ((400, 600), (416, 624)),
        ((900, 900), (512, 512)),
    ],
)
def test_what_draws_here_is_given_one_of_its_own_sizes_and_nothing_left_this_machine(shape, drawn):
    photo, neighbour = lawn(*shape), Neighbour()
    result = general(photo, None, neighbour)
    assert neighbour.task.picture.shape[:2] == drawn
    assert (result.engine, result.remote, result.weights) == ("klein", None, {"klein": "x"})
    assert result.edit.working_px == drawn[::-1]
    assert not any("left this machine" in note for note in result.notes)
    assert result.image.shape == photo.shape


def test_what_draws_here_is_given_a_marked_part_pixel_for_pixel():
    photo, mask = lawn(900, 1200), holes(900, 1200, (500, 400, 560, 450))
    neighbour = Neighbour()
    result = general(photo, mask, neighbour)
    task = neighbour.task
    np.testing.assert_array_equal(task.picture, photo[task.box.slices])
    np.testing.assert_array_equal(task.mask, mask[task.box.slices])
    np.testing.assert_array_equal(result.image[mask < 128], photo[mask < 128])
    assert (result.image[mask >= 128] != photo[mask >= 128]).any(axis=1).mean() > 0.9
