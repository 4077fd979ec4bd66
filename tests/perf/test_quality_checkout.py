"""The fill of another checkout, run by its own code in its own process."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

import pawfect
from perf.quality.checkout import Checkout
from perf.quality.methods import METHODS
from perf.quality.removal import Removal
from tests.lawn import holes, lawn

# A fill under its earlier name, which paints what it was given, talks, and refuses small pictures.
EARLIER = """
from types import SimpleNamespace

def fill_with_choice(image, mask, *, protect=None, seed=0):
    print("filling")
    if len(image) < 50:
        raise ValueError("too small")
    image = image.copy()
    image[mask > 0] = (1, 2, 3) if protect is None else (4, 5, 6)
    return SimpleNamespace(image=image)
"""


def removal(height: int = 90, unknown: np.ndarray | None = None) -> Removal:
    photo, hole = lawn(height, 120), holes(height, 120, (40, 20, 70, 40))
    return Removal("one", "photo", photo, photo, hole, hole, 0, unknown)


@pytest.fixture
def folder(tmp_path) -> Path:
    """A checkout whose environment is this one."""
    (tmp_path / ".venv").symlink_to(sys.prefix)
    return tmp_path


@pytest.fixture
def earlier(folder) -> Path:
    (folder / "pawfect/patch").mkdir(parents=True)
    (folder / "pawfect/__init__.py").touch()
    (folder / "pawfect/patch/__init__.py").write_text(EARLIER)
    return folder


def test_it_fills_by_its_own_code_and_measures_itself(earlier):
    with Checkout(earlier) as before:
        outcome = before.method().run(removal())
        protected = before.fill(removal(unknown=holes(90, 120, (0, 0, 9, 9))))
    inside = removal().hole > 0
    assert (outcome.image[inside] == (1, 2, 3)).all()
    assert (outcome.image[~inside] == removal().photo[~inside]).all()
    assert (protected.image[inside] == (4, 5, 6)).all()
    assert 0 <= outcome.cpu_seconds < 1
    assert 0 < outcome.seconds < 1


def test_what_it_raises_is_told_and_the_next_one_is_filled(earlier):
    with Checkout(earlier) as before:
        with pytest.raises(RuntimeError, match="ValueError: too small"):
            before.fill(removal(height=45))
        assert before.fill(removal()).image.shape == (90, 120, 3)


def test_a_process_that_ended_is_an_error_not_a_wait(earlier):
    (earlier / "pawfect/patch/__init__.py").write_text("raise SystemExit(3)")
    with Checkout(earlier) as before, pytest.raises(RuntimeError, match="expected a fill"):
        before.fill(removal())


def test_this_project_as_another_checkout_gives_its_own_pixels(folder):
    (folder / "pawfect").symlink_to(Path(pawfect.__file__).parent)
    with Checkout(folder) as same:
        image = same.fill(removal()).image
    assert (image == METHODS["patches"].run(removal()).image).all()


def test_a_folder_that_is_no_checkout_is_refused(tmp_path):
    with pytest.raises(ValueError, match="expected a checkout"):
        Checkout(tmp_path)
