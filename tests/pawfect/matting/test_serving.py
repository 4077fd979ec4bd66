"""`onnx_networks` as a function: one process for all networks, told apart by tensors alone."""

from __future__ import annotations

import json

import numpy as np
import pytest

from pawfect.contract.errors import ErrorKind
from pawfect.contract.parameters import NoParams
from pawfect.contract.texts import text_tensor
from pawfect.matting import serving
from pawfect.matting.networks import networks, parse_networks
from pawfect.matting.serving import Shelf, onnx_networks, probe
from pawfect.settings import OnnxSettings
from tests.pawfect.matting.small_networks import PLAIN, SIZE, red
from tests.refusals import refusal

VIEWS = [
    {"size": SIZE, "resize": "static", "file": "small.onnx"},
    {"size": 96, "resize": "dynamic", "file": "any.onnx"},
]
KNOWN = parse_networks(
    {name: PLAIN | {"weights": name, "views": VIEWS} for name in ("one", "two", "three")}
)
SETTINGS = OnnxSettings("cpu", "a test", False, 1, 2)
PICTURE = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3), np.uint8)


@pytest.fixture(autouse=True)
def known_networks(monkeypatch):
    monkeypatch.setattr("pawfect.matting.networks.networks", lambda: KNOWN)


@pytest.fixture
def find(tmp_path):
    """Returns folders of the three networks; which were asked for is in `find.asked`."""
    for name in KNOWN:
        red(tmp_path / name)
        red(tmp_path / name, None, file="any.onnx")
    asked: list[str] = []

    def found(entry):
        asked.append(entry)
        return tmp_path / entry

    found.asked = asked
    return found


def inputs(network, picture=PICTURE, **more):
    return {"IMAGE": picture, "NETWORK": text_tensor(network)} | more


def test_the_map_and_what_it_cost_are_given(find):
    run = onnx_networks(SETTINGS, find)
    out = run(inputs(f"one:{SIZE}:static"), NoParams())
    np.testing.assert_array_equal(out["MAP"], PICTURE[..., 0] / np.float32(255))
    told = json.loads(out["REPORT"][0])
    assert told["device"] == "cpu"
    assert told["load_ms"] > 0
    assert told["mib"] >= 0


def test_views_of_one_file_share_it_and_a_network_is_loaded_once(find):
    run = onnx_networks(SETTINGS, find)
    for _ in range(2):
        run(inputs(f"one:{SIZE}:static"), NoParams())
    assert find.asked == ["one"]


def test_the_least_recently_used_network_leaves_for_another(find):
    shelf = Shelf(SETTINGS, find)

    def get(name):
        return shelf.get(KNOWN[name], KNOWN[name].views[0], "cpu")

    first, second = get("one"), get("two")
    assert get("one") is first
    get("three")
    assert get("one") is first
    assert get("two") is not second


def test_a_network_that_is_kept_does_not_leave_for_others(find):
    shelf = Shelf(OnnxSettings("cpu", "a test", False, 1, 1, ("one",)), find)

    def get(name):
        return shelf.get(KNOWN[name], KNOWN[name].views[0], "cpu")

    first, second = get("one"), get("two")
    assert get("two") is second
    third = get("three")
    assert (get("one"), get("three")) == (first, third)
    assert get("two") is not second


def test_a_picture_that_keeps_its_shape_is_taken_as_the_view_sees_it(find):
    run = onnx_networks(SETTINGS, find)
    wide = np.zeros((96, 160, 3), np.uint8)
    assert run(inputs("one:96:dynamic", wide), NoParams())["MAP"].shape == (96, 160)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (inputs("four:64:static"), "network: expected one of one, two, three, got 'four'"),
        (inputs("one"), "NETWORK: expected one of one:64:static, one:96:dynamic, got 'one'"),
        (inputs("one:96:static"), "NETWORK"),
        (inputs("one:64:static", PICTURE[:32]), "IMAGE: expected 64x64 px, got 64x32"),
        (inputs("one:96:dynamic", PICTURE[:50]), "IMAGE: expected a size that the view sees"),
        (inputs("one:96:dynamic", np.zeros((128, 160, 3), np.uint8)), "IMAGE"),
        (inputs("one:64:static", DEVICE=text_tensor("cuda")), "DEVICE: expected cpu"),
    ],
)
def test_what_no_flow_asks_is_refused_by_name(find, given, says):
    run = onnx_networks(SETTINGS, find)
    assert refusal(ErrorKind.INVALID_ARG, run, given, NoParams()).startswith(says)


@pytest.mark.slow
def test_memory_that_others_hold_is_given_up_before_the_answer_is_that_there_is_none(
    find, monkeypatch
):
    run = onnx_networks(SETTINGS, find)
    run(inputs("one:64:static"), NoParams())
    whole, fails = serving.OpenNetwork.map, [True]

    def short_once(self, picture, stop):
        if fails.pop() if fails else False:
            raise MemoryError
        return whole(self, picture, stop)

    monkeypatch.setattr(serving.OpenNetwork, "map", short_once)
    run(inputs("two:64:static"), NoParams())
    # The first of them had left, the second was loaded anew.
    assert find.asked == ["one", "two", "two"]

    def short(self, picture, stop):
        raise MemoryError

    monkeypatch.setattr(serving.OpenNetwork, "map", short)
    said = refusal(ErrorKind.OUT_OF_MEMORY, run, inputs("two:64:static"), NoParams())
    assert said == "two:64:static: out of memory"


def test_a_device_that_this_onnxruntime_lacks_gives_way_to_the_cpu(find):
    run = onnx_networks(OnnxSettings("cuda", "a test", True, 1, 2), find)
    out = run(inputs("one:64:static"), NoParams())
    told = json.loads(out["REPORT"][0])
    assert (told["wanted"], told["device"]) == ("tensorrt", "cpu")


def test_the_probe_is_never_twice_the_same_and_asks_the_smallest_network(monkeypatch):
    monkeypatch.setattr(serving, "networks", networks)
    first, second = probe(None), probe(None)
    assert first["NETWORK"][0] == b"u2netp:320:static"
    assert first["IMAGE"].shape == (320, 320, 3)
    assert first["NONCE"][0] != second["NONCE"][0]
