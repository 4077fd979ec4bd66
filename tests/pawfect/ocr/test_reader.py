"""The reader against RapidOCR's own pipeline, and on words that are known."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from pawfect.contract.errors import ErrorKind
from pawfect.ocr import tiles
from pawfect.ocr.reader import SURE
from tests.pawfect.ocr.signs import GROUND, covered, sign
from tests.refusals import refusal

WORDS = ["BEWARE OF THE DOG", "Good boy Luna", "Call 555-0134"]
# px: enough for these signs, for a quarter of the time of the usual 2000.
SIZE = 448


@pytest.fixture(scope="module")
def rapidocr():
    """RapidOCR's whole pipeline on the networks of its own package."""
    from rapidocr import RapidOCR

    made = RapidOCR(params={"Global.log_level": "critical"})
    yield made
    logging.getLogger("RapidOCR").handlers.clear()


PICTURES = {
    "a sign": sign(WORDS)[0],
    "a sign that leans": sign(WORDS, turned=20)[0],
    "a sign on its head": sign(WORDS, turned=180)[0],
    "a strip, which is padded": sign(["Luna & Max"], (740, 80), 36)[0],
}
LEANS = "a sign that leans"


@pytest.mark.parametrize(
    "name",
    [LEANS, *(pytest.param(name, marks=pytest.mark.slow) for name in PICTURES if name != LEANS)],
)
def test_boxes_texts_and_scores_are_those_of_rapidocrs_own_pipeline(name, reader, rapidocr):
    picture = PICTURES[name]
    own = rapidocr(np.ascontiguousarray(picture[..., ::-1]), text_score=0.0)
    read = reader.read(picture, 2000).texts
    expected = {
        text: (score, box) for text, score, box in zip(own.txts, own.scores, own.boxes, strict=True)
    }
    assert len(expected) == len(own.txts) == len(read) >= 1
    assert min(own.scores) > SURE
    for found in read:
        score, box = expected[found.text]
        assert found.score == pytest.approx(score, abs=1e-4)
        # The same corners; which comes first, RapidOCR does not say of text on its head.
        rolled = [np.roll(found.quad, turns, axis=0) for turns in range(4)]
        assert min(np.abs(quad - box).max() for quad in rolled) == 0


@pytest.mark.parametrize("turned", [0, 35, 90, 140, 180, 200, 270, 300])
def test_words_are_read_in_any_direction_with_their_own_upper_left_first(turned, reader):
    picture, places = sign(WORDS, turned=turned)
    read = reader.read(picture, SIZE).texts
    assert [found.text for found in read] == WORDS
    for found, place in zip(read, places, strict=True):
        assert found.score > SURE
        assert covered(place, found.quad) > 0.95
        nearest = np.linalg.norm(found.quad[:, None] - place[None], axis=-1).argmin(axis=1)
        assert nearest.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("turned", [90, 180, 270])
def test_words_too_short_to_show_their_direction_are_tried_in_each(turned, reader):
    picture, places = sign(["REX", "OK", "Mia"], px=40, turned=turned)
    read = reader.read(picture, SIZE).texts
    assert [found.text for found in read] == ["REX", "OK", "Mia"]
    for found, place in zip(read, places, strict=True):
        nearest = np.linalg.norm(found.quad[:, None] - place[None], axis=-1).argmin(axis=1)
        assert nearest.tolist() == [0, 1, 2, 3]


def test_where_nothing_is_written_nothing_is_read(reader):
    flat = np.full((128, 192, 3), 90, np.uint8)
    ramp = np.ascontiguousarray(
        np.broadcast_to(np.arange(256, dtype=np.uint8)[:, None], (256, 256))
    )
    for picture in (flat, np.repeat(ramp[..., None], 3, axis=-1)):
        reading = reader.read(picture, SIZE)
        assert reading.texts == ()
        assert reading.seen == (picture.shape[1], picture.shape[0])


@pytest.mark.parametrize(("height", "width"), [(64, 64), (64, 520), (520, 64), (64, 2000)])
def test_the_smallest_and_the_longest_pictures_are_read(height, width, reader):
    across = np.full((64, max(height, width), 3), GROUND, np.uint8)
    across[:, -64:] = sign(["Max"], (64, 64), 24)[0]
    picture = np.rot90(across) if height > width else across
    read = reader.read(np.ascontiguousarray(picture), 512).texts
    assert [found.text for found in read] == ["Max"]
    (found,) = read
    assert (found.quad >= 0).all()
    assert (found.quad <= [width, height]).all()


def test_small_words_are_found_at_a_larger_size_and_read_from_the_photo_itself(reader):
    words = ["Leash required", "Good boy Max", "Walk 3 miles"]
    picture, places = sign(words, (800, 600), 15)
    # At half its size lines are 7 px high.
    read = reader.read(picture, 400)
    assert read.seen == (400, 300)
    assert [found.text for found in read.texts] == words
    assert all(covered(place, f.quad) > 0.8 for place, f in zip(places, read.texts, strict=True))
    assert "Leash required" not in [f.text for f in reader.read(picture, 240).texts]


def test_in_tiles_the_same_is_read(reader, monkeypatch):
    picture, _ = sign(WORDS, (544, 384), 32)
    whole = reader.read(picture, 544).texts
    monkeypatch.setattr(tiles, "WHOLE_PX", 100_000)
    monkeypatch.setattr(tiles.spans, "__defaults__", (320, 192))
    assert len(tuple(tiles.tiles(384, 544))) == 6
    cut = reader.read(picture, 544).texts
    assert [found.text for found in cut] == [found.text for found in whole] == WORDS
    for one, other in zip(cut, whole, strict=True):
        assert np.abs(one.quad - other.quad).max() <= 4


def test_it_stops_where_it_is_told_to(reader):
    picture = sign(WORDS)[0]
    calls = []

    def stop() -> bool:
        calls.append(None)
        return len(calls) > 2

    message = refusal(ErrorKind.CANCELLED, reader.read, picture, SIZE, stop)
    assert message == "told to stop"


@pytest.mark.slow
def test_a_photo_of_12_mp_shows_words_of_12_px_and_in_tiles_of_8(reader):
    for px, size in ((12, 2000), (8, 4000)):
        picture, _ = sign(["Leash required", "Good boy Max", "Vet & Care"], (4000, 3000), px)
        read = [found.text for found in reader.read(picture, size).texts]
        assert read == ["Leash required", "Good boy Max", "Vet & Care"], (px, size)
