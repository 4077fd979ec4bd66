"""Scores of surfaces against brute force: only the ring counts."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pawfect.scene.sam3_answers import best_first, ring_share, score_surfaces

SIDE = 6


@given(
    st.integers(1, 9), st.integers(1, 9), st.integers(1, 9), st.integers(1, 9), st.integers(0, 99)
)
def test_a_cell_holds_its_share_of_the_ring_by_area(height, width, rows, columns, seed):
    ring = np.random.default_rng(seed).integers(0, 256, (height, width), dtype=np.uint8)
    # Each pixel cut into rows x columns parts, each cell made of height x width of them.
    parts = np.repeat(np.repeat(ring >= 128, rows, axis=0), columns, axis=1)
    expected = parts.reshape(rows, height, columns, width).mean(axis=(1, 3))
    np.testing.assert_allclose(ring_share(ring, rows, columns), expected, atol=1e-12)


def test_a_thin_ring_is_not_lost_between_cells():
    ring = np.zeros((800, 1200), np.uint8)
    ring[401, 100:1100] = 255
    assert math.isclose(ring_share(ring, 8, 12).sum(), 1000 / (100 * 100))


@st.composite
def answers(draw):
    phrases = draw(st.integers(1, 6))
    surfaces = draw(st.integers(1, 4))
    share = st.floats(0, 1, width=32)
    return (
        draw(arrays(np.float32, phrases, elements=share)),
        draw(arrays(np.bool_, (phrases, SIDE, SIDE))),
        draw(arrays(np.float64, (SIDE, SIDE), elements=st.sampled_from([0, 0.25, 0.5, 1]))),
        draw(arrays(np.int64, phrases, elements=st.integers(0, surfaces - 1))),
        surfaces,
    )


def brute_force(presence, masks, ring, surface_of, surfaces):
    """Return scores and coverage, pixel by pixel."""
    scores, coverage = [0.0] * surfaces, [0.0] * surfaces
    for phrase in range(len(presence)):
        whole = covered = 0.0
        for row in range(SIDE):
            for column in range(SIDE):
                whole += ring[row, column]
                covered += ring[row, column] * masks[phrase, row, column]
        share = covered / whole if whole else 0.0
        score = float(presence[phrase]) * share
        if score > scores[surface_of[phrase]]:
            scores[surface_of[phrase]], coverage[surface_of[phrase]] = score, share
    return scores, coverage


@given(answers())
def test_a_score_is_the_best_of_presence_times_coverage(given_answers):
    scores, coverage = score_surfaces(*given_answers)
    assert scores.dtype == coverage.dtype == np.float32
    expected_scores, expected_coverage = brute_force(*given_answers)
    np.testing.assert_allclose(scores, expected_scores, atol=1e-6)
    # Where two phrases score the same, either's coverage is right; where nothing scores, any.
    clear = np.array(expected_scores) > 1e-6
    presence, _, _, surface_of, surfaces = given_answers
    clear &= np.bincount(surface_of[presence > 0], minlength=surfaces) == 1
    np.testing.assert_allclose(coverage[clear], np.array(expected_coverage)[clear], atol=1e-6)


@given(answers(), st.integers(0, 99))
def test_what_masks_say_outside_the_ring_changes_nothing(given_answers, seed):
    presence, masks, ring, surface_of, surfaces = given_answers
    other = np.random.default_rng(seed).random(masks.shape) < 0.5
    elsewhere = np.where(ring > 0, masks, other)
    for before, after in zip(
        score_surfaces(presence, masks, ring, surface_of, surfaces),
        score_surfaces(presence, elsewhere, ring, surface_of, surfaces),
        strict=True,
    ):
        np.testing.assert_array_equal(before, after)


def test_an_empty_ring_scores_nothing():
    scores, coverage = score_surfaces(
        np.ones(2), np.ones((2, SIDE, SIDE), bool), np.zeros((SIDE, SIDE)), np.array([0, 1]), 2
    )
    assert not scores.any()
    assert not coverage.any()


def test_of_two_phrases_that_score_the_same_the_first_gives_the_coverage():
    masks = np.zeros((2, 1, 4), bool)
    masks[0, 0, :2] = masks[1, 0, :] = True
    scores, coverage = score_surfaces(
        np.array([1.0, 0.5]), masks, np.ones((1, 4)), np.array([0, 0]), 1
    )
    assert (scores[0], coverage[0]) == (0.5, 0.5)


def test_labels_come_best_first_and_equals_in_the_vocabularys_order():
    scores = np.array([0.2, 0.7, 0.2, 0.9, 0.2], np.float32)
    coverage = np.array([0.3, 0.8, 0.5, 1.0, 0.4], np.float32)
    labels = best_first("abcde", scores, coverage, least=0.0, most=9)
    assert labels.names == ("d", "b", "a", "c", "e")
    np.testing.assert_array_equal(labels.coverage, coverage[[3, 1, 0, 2, 4]])


def test_labels_under_the_least_score_and_over_the_most_are_left_out():
    scores = np.array([0.5, 0.25, 0.75, 0.125], np.float32)
    assert best_first("abcd", scores, scores, least=0.25, most=9).names == ("c", "a", "b")
    assert best_first("abcd", scores, scores, least=0.25, most=2).names == ("c", "a")
    assert best_first("abcd", scores, scores, least=0.8, most=2).names == ()
