"""A face drawn anew, against insightface's own INSwapper on the same files."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from insightface.model_zoo.inswapper import INSwapper
from onnx import TensorProto

from pawfect.contract.errors import ErrorKind
from pawfect.identity.alignment import alignment, inverse, template, transformed
from pawfect.identity.inswapper import Swapper
from pawfect.identity.interleaved import put_together, taken_apart
from pawfect.identity.swap import draw_face
from pawfect_export.tiny import inswapper as tiny
from tests.pawfect.identity import swappers
from tests.pawfect.identity.marked import MARKED
from tests.refusals import refusal

RNG = np.random.default_rng(11)
EMBEDDING = (20 * RNG.normal(size=512)).astype(np.float32)


@pytest.fixture(scope="module")
def tiny_folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("swapper") / "tiny-inswapper"
    tiny.build(folder)
    return folder


@pytest.fixture(scope="module")
def swapper(tiny_folder) -> Swapper:
    return Swapper.load(tiny_folder, 1)


@pytest.fixture(scope="module")
def oracle(tiny_folder) -> INSwapper:
    file = str(tiny_folder / tiny.FILE)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    return INSwapper(file, onnxruntime.InferenceSession(file, options))


def by_oracle(oracle, photo, points, embedding):
    target = SimpleNamespace(kps=points)
    source = SimpleNamespace(normed_embedding=embedding / np.linalg.norm(embedding))
    bgr = np.ascontiguousarray(photo[..., ::-1])
    square, matrix = oracle.get(bgr, target, source, paste_back=False)
    return square[..., ::-1], matrix


@pytest.mark.parametrize("place", range(len(MARKED)))
def test_square_and_matrix_are_those_of_insightfaces_inswapper_byte_for_byte(
    place, swapper, oracle
):
    one = MARKED[place]
    drawn = draw_face(one.photo, one.face.points, EMBEDDING, swapper, 128)
    square, matrix = by_oracle(oracle, one.photo, one.face.points, EMBEDDING)
    np.testing.assert_array_equal(drawn.matrix, matrix)
    np.testing.assert_array_equal(drawn.square, square)
    # It was no trifle: the picture did change.
    assert np.abs(drawn.square.astype(int) - drawn.seen).mean() > 3


@settings(max_examples=40)
@given(
    moved=arrays(np.float32, (5, 2), elements=st.floats(-4, 4, width=32)),
    turned=st.floats(-3.1, 3.1),
    scale=st.floats(0.5, 3.0),
    seed=st.integers(0, 2**16),
)
def test_any_face_at_any_place_is_aligned_and_drawn_as_by_inswapper(
    moved, turned, scale, seed, swapper, oracle
):
    turn = scale * np.array([[np.cos(turned), -np.sin(turned)], [np.sin(turned), np.cos(turned)]])
    middle = template(128).mean(axis=0)
    points = ((template(128) - middle) @ turn.T + (200, 150) + moved).astype(np.float32)
    photo = MARKED[-1].photo
    embedding = np.random.default_rng(seed).normal(size=512).astype(np.float32)
    drawn = draw_face(photo, points, embedding, swapper, 128)
    square, matrix = by_oracle(oracle, photo, points, embedding)
    np.testing.assert_array_equal(drawn.matrix, matrix)
    np.testing.assert_array_equal(drawn.square, square)


def test_the_embedding_arrives_as_the_network_mixes_it(swapper, tiny_folder):
    one = MARKED[-1]
    drawn = draw_face(one.photo, one.face.points, EMBEDDING, swapper, 128)
    rng = np.random.default_rng(0)
    tint = rng.normal(size=(512, 48)).astype(np.float32)
    latent_map = (rng.normal(size=(512, 512)) / np.sqrt(512)).astype(np.float32)
    latent = EMBEDDING @ latent_map
    cells = tiny.AMPLITUDE * np.tanh(latent / np.linalg.norm(latent) @ tint).reshape(3, 4, 4)
    tints = np.stack([cv2.resize(cell, (128, 128)) for cell in cells], axis=-1)
    wanted = np.clip(drawn.seen + 255 * tints, 0, 255)
    np.testing.assert_allclose(drawn.drawn, wanted, atol=0.01)
    longer = draw_face(one.photo, one.face.points, 7 * EMBEDDING, swapper, 128)
    np.testing.assert_allclose(longer.drawn, drawn.drawn, atol=0.01)


@pytest.mark.parametrize("side", [128, 256, 512])
def test_a_square_taken_apart_is_whole_again_and_each_part_is_every_nth_pixel(side):
    square = RNG.integers(0, 256, (side, side, 3), np.uint8)
    parts, n = taken_apart(square), side // 128
    assert parts.shape == (n * n, 128, 128, 3)
    for row in range(n):
        for column in range(n):
            np.testing.assert_array_equal(parts[row * n + column], square[row::n, column::n])
    np.testing.assert_array_equal(put_together(parts.astype(np.float32)), square)


@pytest.mark.parametrize("side", [256, 512])
def test_a_larger_square_shows_the_same_face_at_the_same_places(side, swapper):
    one, n = MARKED[-1], side // 128
    small = draw_face(one.photo, one.face.points, EMBEDDING, swapper, 128)
    large = draw_face(one.photo, one.face.points, EMBEDDING, swapper, side)
    np.testing.assert_allclose(large.matrix, n * small.matrix, rtol=1e-6)
    # Every n-th pixel lies where one of the small square does, and was drawn by the same network.
    assert np.abs(large.drawn[::n, ::n] - small.drawn).max() < 2


def test_the_five_points_come_to_lie_near_the_templates_and_lead_back():
    for one in MARKED:
        matrix = alignment(one.face.points, 128)
        placed = transformed(matrix, one.face.points)
        assert np.abs(placed - template(128)).max() < 16
        back = transformed(inverse(matrix), placed)
        np.testing.assert_allclose(back, one.face.points, atol=1e-6)


def test_16_bit_files_and_maps_are_read_too(tmp_path):
    folder = swappers.same(
        tmp_path, dtype=TensorProto.FLOAT16, latent_map=swappers.MAP.astype(np.float16)
    )
    one = MARKED[0]
    drawn = draw_face(one.photo, one.face.points, EMBEDDING, Swapper.load(folder, 1), 128)
    assert np.abs(drawn.drawn - drawn.seen).max() < 0.13


GOOD = MARKED[-1].face.points


@pytest.mark.parametrize(
    ("points", "says"),
    [
        (np.full((5, 2), np.nan), "POINTS: expected finite numbers"),
        (np.where(np.eye(5, 2) > 0, np.inf, GOOD), "POINTS: expected finite numbers"),
        (np.full((5, 2), 200.0), "POINTS: expected five points of a face, got one point"),
        (
            GOOD + (600, 0),
            "POINTS: expected at least 3 of 5 within the photo of 512 x 512 px, got 0",
        ),
        (GOOD[[1, 0, 2, 4, 3]], "POINTS: expected eyes, nose and mouth of one face"),
        (GOOD[[3, 0, 4, 1, 2]], "POINTS: expected eyes, nose and mouth of one face"),
        (
            (GOOD - GOOD[2]) * 0.28 + GOOD[2],
            "POINTS: expected a face whose square has at least 48 px",
        ),
    ],
)
def test_points_that_are_no_faces_are_refused(points, says, swapper):
    photo = MARKED[-1].photo
    message = refusal(
        ErrorKind.INVALID_ARG,
        draw_face, photo, np.asarray(points, np.float32), EMBEDDING, swapper, 128,
    )  # fmt: skip
    assert message.startswith(says)


@pytest.mark.parametrize(
    "embedding", [np.zeros(512), np.full(512, np.nan), np.where(np.arange(512) == 7, np.inf, 1)]
)
def test_an_embedding_that_is_none_is_refused(embedding, swapper):
    message = refusal(
        ErrorKind.INVALID_ARG,
        draw_face, MARKED[-1].photo, GOOD, embedding.astype(np.float32), swapper, 128,
    )  # fmt: skip
    assert message == "EMBEDDING: expected finite numbers, not all 0, got others"


def test_a_face_that_the_border_cuts_is_drawn_with_black_outside(swapper, oracle):
    photo = np.ascontiguousarray(MARKED[-1].photo[:, 215:])
    points = GOOD - np.float32([215, 0])
    assert (points[:, 0] < 0).sum() == 2
    drawn = draw_face(photo, points, EMBEDDING, swapper, 128)
    square, _ = by_oracle(oracle, photo, points, EMBEDDING)
    np.testing.assert_array_equal(drawn.square, square)
    assert not drawn.seen[40:80, 0].any()


def foreign_files(folder: Path) -> dict[str, Path]:
    """Files that are no inswapper, by what is said of them."""
    from onnx import helper

    same = [helper.make_node("Identity", ["target"], ["output"])]
    small = {"map": swappers.MAP}
    return {
        "target tensor(float) [1, 3, 256, 256]": swappers.written(
            folder / "size", same, small, face=(1, 3, 256, 256)
        ),
        "source tensor(float) [1, 128]": swappers.written(
            folder / "width", same, small, latent=(1, 128)
        ),
        "target tensor(double) [1, 3, 128, 128]": swappers.written(
            folder / "type", same, small, dtype=TensorProto.DOUBLE
        ),
        "as the graph's last initializer, got a graph without initializers": swappers.written(
            folder / "none", same, {}
        ),
        "as the graph's last initializer, got [512, 128]": swappers.written(
            folder / "map", same, {"map": swappers.MAP[:, :128]}
        ),
        "as the graph's last initializer, got an initializer of type 7": swappers.written(
            folder / "integers", same, {"map": np.zeros((512, 512), np.int64)}
        ),
        "as the graph's last initializer, got numbers that are not finite": swappers.written(
            folder / "nan", same, {"map": np.full((512, 512), np.nan, np.float32)}
        ),
    }


def test_files_that_are_no_inswapper_are_unavailable_with_what_they_are(tmp_path):
    for says, folder in foreign_files(tmp_path).items():
        message = refusal(ErrorKind.UNAVAILABLE, Swapper.load, folder, 1)
        assert message.startswith(f"weights {folder.name}: expected ")
        assert says in message
        assert str(tmp_path) not in message


def test_a_missing_or_damaged_file_is_unavailable(tmp_path, tiny_folder):
    (tmp_path / "none").mkdir()
    none = refusal(ErrorKind.UNAVAILABLE, Swapper.load, tmp_path / "none", 1)
    assert none == "weights none: expected one ONNX file, got 0"
    (tmp_path / "cut").mkdir()
    content = (tiny_folder / tiny.FILE).read_bytes()
    (tmp_path / "cut" / tiny.FILE).write_bytes(content[: len(content) // 2])
    cut = refusal(ErrorKind.UNAVAILABLE, Swapper.load, tmp_path / "cut", 1)
    assert "expected an ONNX file that onnxruntime loads" in cut


def test_a_network_that_draws_no_numbers_is_unavailable(tmp_path):
    nothing = np.full((128, 128, 3), np.nan, np.float32)
    broken = Swapper.load(swappers.painting(tmp_path / "broken", nothing), 1)
    message = refusal(
        ErrorKind.UNAVAILABLE, draw_face, MARKED[-1].photo, GOOD, EMBEDDING, broken, 128
    )
    assert message == "weights broken: expected finite numbers, got some that are not"


def test_a_run_that_nobody_waits_for_ends(swapper):
    refusal(
        ErrorKind.CANCELLED,
        draw_face, MARKED[-1].photo, GOOD, EMBEDDING, swapper, 512, lambda: True,
    )  # fmt: skip
