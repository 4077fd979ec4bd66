"""What a proof refuses, in one line, before anything is fetched or written."""

from __future__ import annotations

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from perf.prove.__main__ import prove


def picture(path, height, width):
    path.parent.mkdir(exist_ok=True)
    pixels = np.full((height, width), 255, np.uint8)
    pixels[:20] = 0
    Image.fromarray(pixels).save(path)


def refused(tmp_path, *options) -> str:
    out, results = tmp_path / "out", tmp_path / "results"
    places = ["--out", str(out), "--results", str(results)]
    ended = CliRunner().invoke(prove, [*options, *places])
    assert ended.exit_code not in (0, 2), ended.output
    assert not out.exists()
    assert not results.exists()
    (line,) = ended.output.splitlines()
    assert str(tmp_path) not in line
    return line


def test_a_session_without_a_mask_and_one_with_another_photos_mask(tmp_path):
    session = tmp_path / "S"
    picture(session / "photo.png", 100, 120)
    options = ("--profile", "tiny", "--session", str(session))
    assert "session S: mask: expected mask.*" in refused(tmp_path, *options)
    picture(session / "mask.png", 100, 100)
    assert "expected the photo's size 120x100, got 100x100" in refused(tmp_path, *options)
    (session / "mask.png").write_bytes(b"not a picture")
    assert "mask.png: expected" in refused(tmp_path, *options)


@pytest.mark.parametrize(
    ("profile", "said"),
    [
        ("embedded", "expected one with a denoising engine"),
        ("none", "profile: expected one of embedded, h200"),
    ],
)
def test_a_profile_that_has_nothing_to_prove(tmp_path, profile, said):
    assert said in refused(tmp_path, "--profile", profile)


def test_an_engine_that_the_profile_lacks(tmp_path):
    said = refused(tmp_path, "--profile", "t4-klein", "--engine", "flux")
    assert "engine: expected one of klein, which profile t4-klein has, got flux" in said


def test_a_machine_without_the_profiles_card(tmp_path):
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("there is a card here")
    assert "expected a CUDA card that torch sees" in refused(tmp_path, "--profile", "t4")


@pytest.mark.slow
def test_a_place_that_cannot_be_written_to_is_told_without_a_traceback(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    out = tmp_path / "file" / "out"
    options = ["--profile", "tiny", "--out", str(out), "--results", str(tmp_path / "results")]
    ended = CliRunner().invoke(prove, options)
    assert ended.exit_code == 1
    assert "Not a directory" in ended.output
    assert "Traceback" not in ended.output
