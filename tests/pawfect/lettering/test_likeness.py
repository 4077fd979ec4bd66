"""The closest face: that in which the old letters were drawn, where it was and as it was."""

import numpy as np
import pytest

from pawfect.contract.reading import ReadText
from pawfect.lettering.faces import faces
from pawfect.lettering.frame import frame_of, rectified
from pawfect.lettering.ink import find_ink
from pawfect.lettering.likeness import closest
from pawfect.lettering.old import studied
from tests.pawfect.lettering.drawn import cut_of, word

# Of each kind, so that a search among them takes a second.
AMONG = {"open-sans", "oswald", "tinos", "roboto-slab", "pacifico", "roboto-mono", "luckiest-guy"}


@pytest.mark.parametrize(
    ("name", "weight", "text", "angle"),
    [
        ("open-sans", 600, "Molly", 0.0),
        ("roboto-slab", 800, "HOME", 3.0),
        pytest.param("tinos", 400, "LUNA", 8.0, marks=pytest.mark.slow),
        pytest.param("pacifico", 400, "Bella", -6.0, marks=pytest.mark.slow),
    ],
)
def test_the_face_it_was_drawn_in_is_found(name: str, weight: int, text: str, angle: float) -> None:
    drawn = word(text, cut_of(name, weight), angle=angle)
    frame = frame_of(drawn.quad)
    ink = find_ink(rectified(drawn.photo.astype(np.float32), frame), frame.line)
    assert ink is not None
    among = [face for face in faces() if face.name in AMONG]
    match = closest(ink, text, text, among)
    assert match is not None
    assert match.cut.face.name == name
    assert match.likeness > 0.93
    assert abs(match.cut.weight - weight) <= 120
    assert abs(match.tracking) < 8
    assert abs(match.slant) < 0.08


@pytest.mark.parametrize("sigma", [0.7, pytest.param(1.6, marks=pytest.mark.slow)])
def test_the_softness_of_its_edges_is_measured(sigma: float) -> None:
    drawn = word("HOME", cut_of("arimo"), blur=sigma, cap_px=44)
    line = studied(drawn.photo, ReadText(drawn.quad, "HOME", 1.0), "HOME")
    assert line is not None
    assert line.style.sigma == pytest.approx(sigma, rel=0.3)
    assert line.style.grain == pytest.approx(2.0, abs=0.8)
