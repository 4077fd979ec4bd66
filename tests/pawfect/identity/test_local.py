"""`face_analysis` in a client's own process."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pytest

from pawfect.contract.errors import ErrorKind
from pawfect.contract.faces import FaceParams, read_faces
from pawfect.identity.serving import Run
from pawfect.local import LocalFaces
from pawfect.profile import Profile
from pawfect.weights.store import ROOT_VARIABLE
from tests.pawfect.identity.photos import astronaut
from tests.refusals import refusal

PROJECT = Path(__file__).parents[3] / "pyproject.toml"


def test_faces_are_found_without_a_server(
    tiny: Profile, face_weights: Path, insight: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ROOT_VARIABLE, str(face_weights))
    faces, report = LocalFaces(tiny).find_faces(astronaut(), {"least_score": 0.6})
    (face,) = faces
    (same,) = read_faces(insight({"IMAGE": astronaut()}, FaceParams()))
    np.testing.assert_array_equal(face.box, same.box)
    np.testing.assert_array_equal(face.landmarks, same.landmarks)
    assert (report.kind, report.found) == ("insightface", 1)


def test_a_profile_without_the_model_is_unavailable(tiny: Profile) -> None:
    without = replace(tiny, models=("inpaint",))
    refusal(ErrorKind.UNAVAILABLE, LocalFaces(without).find_faces, astronaut(), {})


def test_the_client_finds_it_by_its_entry_point() -> None:
    group = tomllib.loads(PROJECT.read_text("utf-8"))["project"]["entry-points"]["pawfect.flows"]
    assert EntryPoint("face_analysis", group["face_analysis"], "pawfect.flows").load() is LocalFaces
