"""A network's map: the picture as it is prepared, and answers that are none."""

from __future__ import annotations

import numpy as np
import pytest

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.matting.network import OpenNetwork, enlarged, prepared, stretched
from tests.pawfect.matting.small_networks import SIZE, network, red
from tests.refusals import refusal


def opened(folder, spec=None):
    spec = spec or network()
    return OpenNetwork.load(spec, spec.views[0], folder, 1, "cpu")


def picture(seed: int = 0, size: int = SIZE) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (size, size, 3), np.uint8)


def test_the_map_is_what_the_file_gives(tmp_path):
    seen = picture()
    values = opened(red(tmp_path)).map(seen)
    assert values.dtype == np.float32
    np.testing.assert_array_equal(values, seen[..., 0] / np.float32(255))


def test_the_picture_is_normalised_by_white_or_by_its_brightest_value():
    seen = picture() // 2
    spec = network(mean=[0.5, 0.25, 0.0], std=[0.5, 1.0, 2.0])
    by_white = prepared(seen, spec)[0].transpose(1, 2, 0)
    expected = (seen / 255 - np.array([0.5, 0.25, 0])) / np.array([0.5, 1, 2])
    np.testing.assert_allclose(by_white, expected, atol=1e-6)
    brightest = prepared(seen, network(white="brightest"))
    assert brightest.max() == 1
    assert not prepared(np.zeros_like(seen), network(white="brightest")).any()


def test_logits_become_shares_without_a_warning(tmp_path):
    spec = network(sigmoid=True)
    values = opened(red(tmp_path, scale=-1000), spec).map(picture())
    assert values.min() >= 0
    assert values.max() == 0.5  # of a red of 0


def test_a_map_is_stretched_where_the_networks_own_code_does_it():
    values = np.linspace(0.2, 0.7, 16, dtype=np.float32).reshape(4, 4)
    whole = stretched(values, network(stretch=True))
    assert (whole.min(), whole.max()) == (0, 1)
    assert stretched(values, network()) is values
    assert not stretched(np.full((4, 4), 0.3, np.float32), network(stretch=True)).any()


def test_corners_stay_corners_where_the_networks_own_code_keeps_them():
    values = picture(size=32)[..., 0] / np.float32(255)
    large = enlarged(values, network(enlarge="corners"), (77, 131))
    assert large.shape == (77, 131)
    np.testing.assert_allclose(
        large[[0, 0, -1, -1], [0, -1, 0, -1]], values[[0, 0, -1, -1], [0, -1, 0, -1]]
    )
    # Linear in between: brute force at some places.
    for y, x in ((10, 20), (33, 100), (76, 65)):
        at = y * 31 / 76, x * 31 / 130
        y0, x0 = min(int(at[0]), 30), min(int(at[1]), 30)
        v, u = at[0] - y0, at[1] - x0
        own = (
            values[y0, x0] * (1 - v) * (1 - u)
            + values[y0, x0 + 1] * (1 - v) * u
            + values[y0 + 1, x0] * v * (1 - u)
            + values[y0 + 1, x0 + 1] * v * u
        )
        assert abs(large[y, x] - own) < 1e-5


@pytest.mark.parametrize(
    ("made", "says"),
    [
        ({"channels": 4}, "another contract"),
        ({"size": 96}, "another contract"),
    ],
)
def test_a_file_of_another_contract_is_refused(tmp_path, made, says):
    said = refusal(ErrorKind.UNAVAILABLE, opened, red(tmp_path / "small", **made))
    assert says in said
    assert "weights small" in said
    assert "/" not in said


def test_a_file_without_the_output_that_is_asked_for_is_refused(tmp_path):
    spec = network(output=1)
    refusal(ErrorKind.UNAVAILABLE, opened, red(tmp_path / "small"), spec)
    assert opened(red(tmp_path / "two", outputs=2), spec).map(picture()).shape == (SIZE, SIZE)


def test_numbers_that_are_no_shares_are_refused(tmp_path):
    for scale in (2.0, -1.0, float("nan"), float("inf")):
        network_of_scale = opened(red(tmp_path / str(scale), scale=scale))
        with pytest.raises(PawfectError, match="values from 0 to 1"):
            network_of_scale.map(picture())


def test_a_file_of_any_size_serves_a_view_that_keeps_the_shape(tmp_path):
    views = [{"size": SIZE, "resize": "dynamic", "file": "small.onnx"}]
    values = opened(red(tmp_path, None), network(views=views)).map(picture()[:32])
    assert values.shape == (32, SIZE)
