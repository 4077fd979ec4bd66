"""The network path against the networks' own publishers, in every mode; `data` says how made."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pawfect.matting.network import OpenNetwork, enlarged, shrunk, stretched
from pawfect.matting.networks import Network, View, find_network
from pawfect.weights.store import Store, weights_root

DATA = Path(__file__).parent / "data"
INSPYRENET = DATA / "inspyrenet"
# Of the large picture's map every so many-th pixel is kept.
STRIDE = {"large": 16}
# The original's own limit of the shorter side.
ORIGINAL_PX = 1280


def answered(network: Network, view: View, folder: Path, photo: np.ndarray) -> np.ndarray:
    """Return the map, UINT8, at the photo's size."""
    opened = OpenNetwork.load(network, view, folder, 1, "cpu")
    seen = shrunk(photo, network, view.seen(photo.shape[1], photo.shape[0]))
    whole = enlarged(stretched(opened.map(seen), network), network, photo.shape[:2])
    # Both packages cut off what is behind the point.
    return (whole * 255).astype(np.uint8)


def picture(path: Path, mode: str = "RGB") -> np.ndarray:
    return np.asarray(Image.open(path).convert(mode))


@pytest.mark.parametrize(
    ("name", "mode", "view"),
    [
        ("small", "fast_static", View(384, "static", "fast.onnx")),
        ("tall", "fast_static", View(384, "static", "fast.onnx")),
        ("small", "base_dynamic", View(ORIGINAL_PX, "dynamic", "base.onnx")),
        ("tall", "base_dynamic", View(ORIGINAL_PX, "dynamic", "base.onnx")),
        *(
            pytest.param(name, mode, view, marks=pytest.mark.slow)
            for name, mode, view in (
                ("large", "base_dynamic", View(ORIGINAL_PX, "dynamic", "base.onnx")),
                ("small", "base_static", View(1024, "static", "base.onnx")),
                ("tall", "base_static", View(1024, "static", "base.onnx")),
            )
        ),
    ],
)
def test_inspyrenet_answers_as_transparent_backgrounds_own_code(name, mode, view):
    expected = picture(INSPYRENET / f"{name}_{mode}.png", "L").astype(int)
    photo = picture(INSPYRENET / f"{name}.png")
    step = STRIDE.get(name, 1)
    got = answered(find_network("inspyrenet"), view, INSPYRENET, photo)[::step, ::step]
    assert got.shape == expected.shape
    assert np.ptp(expected) > 200
    assert np.abs(got - expected).max() <= 1


@pytest.mark.parametrize("name", ["bright", "dim"])
def test_u2netp_answers_as_rembgs_own_code(name):
    network = find_network("u2netp")
    folder = Store(weights_root()).folder("u2netp", mend="make network")
    photo = picture(DATA / "u2netp" / f"{name}.png")
    expected = picture(DATA / "u2netp" / f"{name}_mask.png", "L").astype(int)
    got = answered(network, network.views[0], folder, photo)
    assert np.ptp(expected) > 200
    assert np.abs(got - expected).max() <= 1
