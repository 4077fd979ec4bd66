"""Texts corrected: read, taken out, set, read again; nothing else changes."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.contract.reading import ReadText
from pawfect.contract.refine import Bbox, Correction, TextPayload
from pawfect.patch.engine import fill as fill_by_patches
from pawfect.refine.limits import Limits
from pawfect.refine.text import ATTEMPTS, TextFreedom, repair_text
from tests.pawfect.lettering.drawn import Word, cut_of, word

Image = NDArray[np.uint8]


class Reader:
    """Reads the photo as it was told to, and what was set as one answer after another."""

    def __init__(self, photo: Image, texts: Sequence[ReadText], answers: Sequence[str]) -> None:
        self._photo, self._texts, self._answers = photo, tuple(texts), list(answers)
        self.seen: list[Image] = []

    async def __call__(self, image: Image) -> Sequence[ReadText]:
        if image.shape == self._photo.shape and (image == self._photo).all():
            return self._texts
        self.seen.append(image)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        height, width = image.shape[:2]
        quad = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float32)
        return (ReadText(quad, answer, 0.9),) if answer else ()


async def fill(image: Image, mask: Image, protect: Image | None = None) -> Image:
    return fill_by_patches(image, mask, protect=protect).image


def box_of(drawn: Word) -> Bbox:
    x, y, w, h = cv2.boundingRect(np.rint(drawn.quad).astype(np.int32))
    return x, y, w, h


@pytest.fixture(scope="module")
def tag() -> Word:
    return word("MAX", cut_of("oswald", 600), size=(120, 260))


async def test_a_name_is_changed_and_nothing_far_from_it(tag: Word) -> None:
    box = box_of(tag)
    reader = Reader(tag.photo, [ReadText(tag.quad, "MAX", 0.98)], ["SAM"])
    told: list[int] = []

    async def on_set(place: int, image: Image) -> None:
        assert image.shape == tag.photo.shape
        told.append(place)

    payload = TextPayload((Correction(box, "SAM"),))
    done = await repair_text(tag.photo, payload, TextFreedom(), fill, reader, on_set)
    (report,) = done.corrections
    assert (report.old_text, report.read, report.exact) == ("MAX", "SAM", True)
    assert report.fits
    assert report.tries == 1
    assert report.font.startswith("oswald")
    assert report.reused == "AM"
    assert report.size_px == pytest.approx(34, abs=2)
    assert told == [0]
    changed = (done.image != tag.photo).any(2)
    near = cv2.dilate((tag.cover > 0.02).astype(np.uint8), np.ones((41, 61), np.uint8)) > 0
    assert changed.any()
    assert not (changed & ~near).any()
    # The old letters are gone where no new ones stand, and the new ink is the old one's.
    assert np.abs(done.image.astype(int) - tag.photo)[tag.cover > 0.9].max() > 60
    darkest = np.sort(done.image.sum(2).ravel())[40]
    assert darkest == pytest.approx(np.sort(tag.photo.sum(2).ravel())[40], abs=30)


async def test_what_is_misread_is_set_anew_and_the_best_reading_wins(tag: Word) -> None:
    texts = [ReadText(tag.quad, "MAX", 0.98)]
    reader = Reader(tag.photo, texts, ["S", "SAN", "XX", "", "S"])
    payload = TextPayload((Correction(box_of(tag), "SAM"),))
    done = await repair_text(tag.photo, payload, TextFreedom(), fill, reader)
    (report,) = done.corrections
    assert (report.read, report.exact) == ("SAN", False)
    assert report.tries == 1 + len(ATTEMPTS) == len(reader.seen)
    # The second attempt drew all letters: none was cut.
    assert report.reused == ""


async def test_an_empty_box_gets_letters_that_contrast_and_stay_within(tag: Word) -> None:
    reader = Reader(tag.bare, [], ["", "BELLA"])
    box = (40, 30, 180, 50)
    payload = TextPayload((Correction(box, "BELLA"),))
    done = await repair_text(tag.bare, payload, TextFreedom(), fill, reader)
    (report,) = done.corrections
    assert (report.old_text, report.read, report.exact) == (None, "BELLA", True)
    assert (report.fits, report.note) == (True, None)
    assert report.likeness is None
    ys, xs = np.nonzero((done.image != tag.bare).any(2))
    assert ys.min() >= 30
    assert ys.max() < 80
    assert xs.min() >= 40
    assert xs.max() < 220
    assert xs.max() - xs.min() > 90
    assert done.image[ys, xs].min() < 60


async def test_letters_that_cannot_be_read_are_taken_out_before_new_ones_are_set(
    tag: Word,
) -> None:
    reader = Reader(tag.photo, [], ["", "I"])
    payload = TextPayload((Correction(box_of(tag), "I"),))
    done = await repair_text(tag.photo, payload, TextFreedom(), fill, reader)
    (report,) = done.corrections
    assert (report.old_text, report.read, report.exact) == (None, "I", True)
    assert report.note == "nothing could be read there: what stood off the ground was taken out"
    # An I in the middle: of what stood left and right of it nothing is left.
    middle = tag.photo.shape[1] // 2
    beside = tag.cover > 0.5
    beside[:, middle - 16 : middle + 16] = False
    assert np.abs(tag.photo.astype(int) - tag.bare)[beside].mean() > 80
    assert np.abs(done.image.astype(int) - tag.bare)[beside].mean() < 12


async def test_nothing_is_set_across_letters_that_cannot_be_told_from_their_ground(
    tag: Word,
) -> None:
    photo = np.vstack([tag.photo, tag.bare])
    below = tag.quad + np.array((0, 120), np.float32)
    reader = Reader(photo, [ReadText(tag.quad, "MAX", 0.9), ReadText(below, "DOG", 0.6)], ["I"])
    payload = TextPayload((Correction((20, 10, 220, 220), "I CAT"),))
    done = await repair_text(photo, payload, TextFreedom(), fill, reader)
    (report,) = done.corrections
    assert (report.old_text, report.read, report.fits) == ("MAX\nDOG", None, False)
    assert report.note is not None
    assert report.note.endswith("could not be told from their ground: nothing was set")
    assert (done.image == photo).all()
    assert reader.seen == []


class Hurried(Reader):
    """Reads until there is no time left: what was set is read once."""

    left_ms = 60_000.0

    async def __call__(self, image: Image) -> Sequence[ReadText]:
        texts = await super().__call__(image)
        self.left_ms = 0.0 if self.seen else self.left_ms
        return texts


async def test_what_is_not_begun_in_time_stays_and_what_is_done_too(tag: Word) -> None:
    photo = np.vstack([tag.photo, tag.photo])
    below = tag.quad + np.array((0, 120), np.float32)
    texts = [ReadText(tag.quad, "MAX", 0.9), ReadText(below, "MAX", 0.9)]
    reader = Hurried(photo, texts, ["IT"])
    x, y, w, h = box_of(tag)
    asked = Correction((x, y, w, h), "I"), Correction((x, y + 120, w, h), "I")
    limits = Limits(left_ms=lambda: reader.left_ms)
    done = await repair_text(photo, TextPayload(asked), TextFreedom(), fill, reader, limits=limits)
    first, second = done.corrections
    # The first is not read right, but there is no time for another try.
    assert (first.read, first.exact, first.tries) == ("IT", False, 1)
    assert (second.old_text, second.read, second.tries, second.fits) == ("MAX", None, 0, False)
    assert second.note == "not begun: there was no time left; the old text stays"
    assert (done.image[:120] != photo[:120]).any()
    assert (done.image[120:] == photo[120:]).all()


async def test_without_time_nothing_is_begun(tag: Word) -> None:
    reader = Reader(tag.photo, [ReadText(tag.quad, "MAX", 0.9)], ["SAM"])
    payload = TextPayload((Correction(box_of(tag), "SAM"),))
    limits = Limits(left_ms=lambda: 0.0)
    done = await repair_text(tag.photo, payload, TextFreedom(), fill, reader, limits=limits)
    assert done.corrections[0].tries == 0
    assert (done.image == tag.photo).all()


async def test_nobody_waits_and_no_face_is_laid(tag: Word) -> None:
    reader = Reader(tag.photo, [ReadText(tag.quad, "MAX", 0.9)], ["SAM"])
    payload = TextPayload((Correction(box_of(tag), "SAM"),))
    limits = Limits(stop=lambda: True)
    with pytest.raises(PawfectError) as raised:
        await repair_text(tag.photo, payload, TextFreedom(), fill, reader, limits=limits)
    assert raised.value.kind is ErrorKind.CANCELLED


async def test_what_is_protected_is_so_when_the_text_is_read_again(tag: Word) -> None:
    protect = np.zeros(tag.photo.shape[:2], np.bool_)
    protect[:, 140:] = True
    reader = Reader(tag.photo, [ReadText(tag.quad, "MAX", 0.9)], ["I"])
    payload = TextPayload((Correction(box_of(tag), "I"),))
    limits = Limits(protect=protect)
    done = await repair_text(tag.photo, payload, TextFreedom(), fill, reader, limits=limits)
    assert (done.image == tag.photo)[protect].all()
    assert (done.image != tag.photo)[~protect].any()
    # What was read is what is answered.
    (seen,) = reader.seen
    assert cv2.matchTemplate(done.image, seen, cv2.TM_SQDIFF).min() < 100


@pytest.mark.slow
async def test_two_lines_share_a_text_and_an_empty_box_takes_over_their_looks() -> None:
    looks = {"ink": (250, 245, 230), "ground": (60, 110, 80), "size": (130, 420), "texture": 3.0}
    above, below = (word(text, cut_of("roboto-slab"), **looks) for text in ("BEWARE", "OF CAT"))
    photo = np.vstack([above.photo, below.photo, above.bare])
    lower = below.quad + np.array((0, 130), np.float32)
    texts = [ReadText(above.quad, "BEWARE", 0.9), ReadText(lower, "OF CAT", 0.9)]
    reader = Reader(photo, texts, ["", "BEWARE OF DOG", "Woof!"])
    asked = (
        Correction((60, 20, 300, 220), "BEWARE OF DOG"),
        Correction((120, 290, 180, 60), "Woof!"),
    )
    done = await repair_text(photo, TextPayload(asked), TextFreedom("any"), fill, reader)
    both, empty = done.corrections
    assert both.old_text == "BEWARE\nOF CAT"
    assert both.reused == "BEWAREOFO"
    assert empty.old_text is None
    assert empty.font.startswith("roboto-slab")
    assert empty.size_px == pytest.approx(both.size_px, rel=0.35)
    # The first line says what it said, where it said it.
    apart = np.abs(done.image[:130].astype(int) - above.photo)
    assert apart[above.cover > 0.5].mean() < 12


@pytest.mark.parametrize(
    ("text", "named"), [("Woof 🐶", "U+1F436"), ("שלום", "U+05E9"), ("日", "U+65E5")]
)
async def test_letters_that_no_face_has_are_refused_before_anything_is_read(
    tag: Word, text: str, named: str
) -> None:
    reader = Reader(tag.photo, [], [""])
    payload = TextPayload((Correction((1, 1, 40, 20), "OK"), Correction((60, 1, 40, 20), text)))
    with pytest.raises(PawfectError) as raised:
        await repair_text(tag.photo, payload, TextFreedom(), fill, reader)
    assert raised.value.kind is ErrorKind.INVALID_ARG
    assert "corrections[1]: text" in str(raised.value)
    assert named in str(raised.value)
    assert reader.seen == []


def test_a_freedom_that_there_is_not_is_refused() -> None:
    with pytest.raises(ValueError, match="any, most, all, none"):
        TextFreedom("some")


@pytest.mark.parametrize("box", [(0, 0, 1, 1), (258, 118, 2, 2), (0, 0, 260, 120)])
async def test_the_smallest_box_and_the_largest_are_no_failure(tag: Word, box: Bbox) -> None:
    payload = TextPayload((Correction(box, "Bella"),))
    reader = Reader(tag.bare, [], ["", "Bella"])
    done = await repair_text(tag.bare, payload, TextFreedom(), fill, reader)
    assert done.image.shape == tag.bare.shape
    (report,) = done.corrections
    assert report.old_text is None
    assert report.fits == (box[3] > 2)
    assert (report.note is None) == report.fits


async def test_a_reading_of_no_height_and_letters_that_no_face_has_are_lived_with(
    tag: Word,
) -> None:
    flat = ReadText(np.array([(60, 50), (200, 50), (200, 50), (60, 50)], np.float32), "flat", 0.9)
    foreign = ReadText(tag.quad, "\u72d7AX", 0.6)
    payload = TextPayload((Correction(box_of(tag), "MAX"),))
    reader = Reader(tag.photo, [flat, foreign], ["MAX"])
    done = await repair_text(tag.photo, payload, TextFreedom(), fill, reader)
    assert done.corrections[0].exact
