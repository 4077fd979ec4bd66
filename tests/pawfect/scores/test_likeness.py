"""Two faces' embeddings as a score: thresholds, ends, and what is never compared."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pawfect.contract.errors import ErrorKind
from pawfect.contract.faces import KINDS, Face
from pawfect.scores.likeness import CURVES, likeness
from tests.refusals import refusal

ANGLES = st.floats(0, np.pi)


def face(kind: str, embedding: np.ndarray) -> Face:
    known = KINDS[kind]
    given_ = np.zeros(known.embedding, np.float32)
    given_[: len(embedding)] = embedding[: known.embedding]
    landmarks = np.zeros((known.landmarks, 2), np.float32)
    return Face(kind, np.zeros(4, np.float32), 1.0, np.zeros((5, 2), np.float32), landmarks, given_)


def at(angle: float, length: float = 1.0) -> np.ndarray:
    return length * np.array([np.cos(angle), np.sin(angle)])


def test_every_kind_that_can_be_compared_has_a_curve_and_no_other():
    assert set(CURVES) == {kind for kind, known in KINDS.items() if known.embedding}


@pytest.mark.parametrize(
    ("cosine", "score"), [(1.0, 10), (0.8, 10), (0.6, 7.5), (0.4, 5), (0.13, 0), (-1.0, 0)]
)
def test_arcface_gets_a_five_at_insightfaces_own_threshold(cosine, score):
    # Whatever the lengths: only the angle counts.
    first, second = face("insightface", at(0, 20)), face("insightface", at(np.arccos(cosine), 7))
    alike = likeness(first, second)
    assert alike.score == pytest.approx(score, abs=0.02)
    assert alike.parts["similarity"] == pytest.approx(cosine, abs=1e-3)
    assert set(alike.parts) == {"similarity"}


@pytest.mark.parametrize(
    ("distance", "score"), [(0, 10), (0.2, 10), (0.4, 7.5), (0.6, 5), (0.8, 2.5), (1.0, 0)]
)
def test_dlib_gets_a_five_at_a_distance_of_0_6(distance, score):
    first, second = (face("centerface-dlib", at(0, length)) for length in (1.4, 1.4 - distance))
    alike = likeness(first, second)
    assert alike.score == pytest.approx(score, abs=0.02)
    assert alike.parts["distance"] == pytest.approx(distance, abs=1e-3)
    assert alike.parts["similarity"] == pytest.approx(1, abs=1e-3)


@given(ANGLES, ANGLES, st.sampled_from(sorted(CURVES)))
def test_the_more_alike_the_higher(one, other, kind):
    nearer, farther = sorted((one, other))
    reference = face(kind, at(0))
    scores = [likeness(face(kind, at(angle)), reference).score for angle in (nearer, farther)]
    assert 10 >= scores[0] >= scores[1] - 1e-3 >= -1e-3


def test_what_cannot_be_compared_is_refused():
    first, other = face("insightface", at(0)), face("centerface-dlib", at(0))
    refusal(ErrorKind.INVALID_ARG, likeness, first, other)
    none = face("centerface", at(0))
    refusal(ErrorKind.INVALID_ARG, likeness, none, none)
    broken = face("insightface", np.array([np.nan, 1]))
    refusal(ErrorKind.INVALID_ARG, likeness, first, broken)


def test_an_embedding_of_nothing_is_like_nobody():
    first, nothing = face("insightface", at(0)), face("insightface", np.zeros(2))
    assert likeness(first, nothing).score == 0
