"""LaMa's tiny network on the real server: the model, and the engine that is asked for by name."""

from __future__ import annotations

import json

import numpy as np
import pytest

from pawfect.contract.errors import ErrorKind, PawfectError
from tests.lawn import holes
from tests.server.neural.conftest import GRASS, PHOTO_PX, NeuralClient, photo

MASK = holes(PHOTO_PX, PHOTO_PX, (40, 50, 80, 90))
PROTECT = holes(PHOTO_PX, PHOTO_PX, (90, 30, 120, 100))


@pytest.mark.parametrize("protect", [None, PROTECT], ids=["nothing", "something protected"])
def test_the_served_model_gives_what_its_function_gives(client: NeuralClient, library, protect):
    arrays = {"IMAGE": photo(3), "MASK": MASK}
    if protect is not None:
        arrays["PROTECT"] = protect
    served, own = client.ask("lama_fill", arrays), library("lama_fill", arrays)
    np.testing.assert_array_equal(served["IMAGE"], own["IMAGE"])
    assert json.loads(served["REPORT"][0]) == json.loads(own["REPORT"][0])
    np.testing.assert_array_equal(served["IMAGE"][MASK == 0], photo(3)[MASK == 0])


def test_the_engine_by_name_is_led_by_the_network(client: NeuralClient, library):
    result = client(photo(3), MASK, engine="lama", dilate_px=0, SCENE_LABELS=GRASS)
    report = client.report(result)
    assert (report.engine, report.engine_reason) == ("lama", "asked for")
    assert report.weights["lama"].startswith("tiny-lama@")
    assert "flux_transformer" not in report.stage_ms
    own = library("lama_fill", {"IMAGE": photo(3), "MASK": MASK})["IMAGE"]
    np.testing.assert_array_equal(result.as_numpy("IMAGE"), own)


def test_a_mask_of_another_size_is_the_callers_fault(client: NeuralClient):
    with pytest.raises(PawfectError) as caught:
        client.ask("lama_fill", {"IMAGE": photo(3), "MASK": MASK[:-1]})
    assert caught.value.kind is ErrorKind.INVALID_ARG
