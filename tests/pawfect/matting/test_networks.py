"""The networks as data: what each view sees, and which one a request gets."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pawfect.contract.errors import ErrorKind
from pawfect.contract.tables import TableError
from pawfect.matting.networks import MULTIPLE, View, find_network, key, networks, parse_networks
from pawfect.weights.manifest import manifest
from tests.pawfect.matting.small_networks import PLAIN
from tests.refusals import refusal

VIEWS = [
    {"size": 384, "resize": "static", "file": "fast.onnx"},
    {"size": 1024, "resize": "static", "file": "base.onnx"},
    {"size": 1536, "resize": "dynamic", "file": "base.onnx"},
]
THREE = parse_networks({"three": PLAIN | {"views": VIEWS}})["three"]


def test_every_network_has_weights_in_the_manifest_and_three_colours():
    assert "u2netp" in networks()
    for network in networks().values():
        assert network.weights in manifest()
        assert len(network.mean) == len(network.std) == 3
        sizes = [view.size for view in network.views]
        assert sizes == sorted(sizes)


@pytest.mark.parametrize(
    ("asked", "got"),
    [
        ((1024, "static"), (1024, "static")),
        ((2048, "static"), (1024, "static")),
        ((500, "static"), (384, "static")),
        ((100, "static"), (384, "static")),
        ((2048, "dynamic"), (1536, "dynamic")),
        ((1024, "dynamic"), (1536, "dynamic")),
    ],
)
def test_the_nearest_view_of_the_resize_is_taken(asked, got):
    view = THREE.view(*asked)
    assert (view.size, view.resize) == got


def test_a_resize_that_a_network_lacks_is_the_one_that_it_has():
    static = parse_networks({"one": PLAIN})["one"]
    assert static.view(1024, "dynamic") == static.views[0]


def test_where_memory_is_short_views_get_smaller_to_the_last():
    first = THREE.smaller(THREE.views[2])
    assert first == THREE.views[1]
    assert THREE.smaller(first) == THREE.views[0]
    assert THREE.smaller(THREE.views[0]) is None


def test_a_view_is_found_by_its_key_and_no_other():
    assert THREE.named(key(THREE, THREE.views[1])) == THREE.views[1]
    said = refusal(ErrorKind.INVALID_ARG, THREE.named, "three:999:static")
    assert "three:384:static, three:1024:static" in said
    assert "'three:999:static'" in said


def test_an_unknown_network_is_refused_with_those_that_there_are():
    assert "u2netp" in refusal(ErrorKind.INVALID_ARG, find_network, "u3net")


@given(st.integers(64, 16_384), st.integers(64, 16_384), st.sampled_from([384, 1280, 2048]))
def test_a_dynamic_view_keeps_the_shape_and_its_shorter_side_within_the_size(width, height, size):
    # transparent-background 1.3.4, utils.dynamic_resize, in words: the shorter side comes to at
    # most `size`, both are rounded to multiples of 32. Ours sees a panorama smaller than that.
    seen = View(size, "dynamic", "x").seen(width, height)
    shorter = min(width, height)
    scale = min(1, size / shorter, 4 / 3 * size / (width * height) ** 0.5)
    for px, got in zip((width, height), seen, strict=True):
        assert got % MULTIPLE == 0
        assert got >= MULTIPLE
        assert abs(got - max(scale * px, MULTIPLE)) <= MULTIPLE / 2 + 1e-6
    assert math.prod(seen) <= (4 / 3 * size + MULTIPLE) ** 2
    assert View(size, "static", "x").seen(width, height) == (size, size)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"views": []}, "views"),
        ({"white": "12"}, "white"),
        ({"resample": "nearest"}, "resample"),
        ({"colour": 1}, "colour"),
        ({"views": [{"size": 100, "resize": "static", "file": "x"}]}, "multiple of 32"),
    ],
)
def test_an_impossible_table_is_refused(change, says):
    with pytest.raises(TableError, match=says):
        parse_networks({"bad": PLAIN | change})
