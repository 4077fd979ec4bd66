"""A session on the whole neural chain: SAM3's own labels reach the document, then the fill."""

from __future__ import annotations

import io
import time

import numpy as np
import pytest
from PIL import Image

from pawfect.contract.texts import text_tensor
from pawfect_client import decode_mask, decode_photo
from tests.pawfect.photo.pictures import encoded, hole, scene
from tests.server.neural.conftest import NeuralClient
from tests.service.stack import running

PHOTO, MASK = encoded(scene(256, 256), "JPEG", quality=95), encoded(hole(256, 256), "PNG")


async def test_the_servers_own_labels_reach_the_document_and_then_the_fill(
    tmp_path, neural_server, client: NeuralClient
):
    photo = decode_photo(PHOTO)
    arrays = {"IMAGE": photo.pixels, "MASK": decode_mask(MASK, photo)}
    own = client.ask("scene_labels", arrays)
    names = [name.decode() for name in own["LABELS"].tolist()]
    assert names, "SAM3 names something here"
    began = time.time()
    async with running(f"embedded:{tmp_path}", neural_server.endpoints.grpc) as stack:
        posted = await stack.post(PHOTO, MASK, parameters='{"seed": 7, "steps": 2}')
        assert posted.status_code == 202
        async with stack.working():
            state = await stack.over()
    labels = state["sceneLabels"]
    assert labels.keys() == {"labels", "scores", "coverage", "source", "model", "timestamp"}
    assert labels["labels"] == names
    assert labels["scores"] == pytest.approx(own["SCORES"].tolist())
    assert labels["coverage"] == pytest.approx(own["COVERAGE"].tolist())
    assert (labels["source"], labels["model"]) == ("sam3", "scene_labels")
    assert began <= labels["timestamp"] <= time.time()
    assert state["sceneLabelsError"] is None

    assert state["processingStatus"] == "completed", state["error"]
    assert state["report"]["labels_source"] == "request"
    assert state["report"]["labels"] == names


async def test_words_in_place_of_a_mask_become_the_sessions_mask_and_are_removed(
    tmp_path, neural_server, client: NeuralClient
):
    pixels = decode_photo(PHOTO).pixels
    # Random weights are sure of nothing, and of these find some of the photo and not all of it.
    words, least = ("collar", "rope"), 0.245
    asked = ({"IMAGE": pixels, "PHRASE": text_tensor(phrase)} for phrase in words)
    own = [client.ask("find_masks", each, least_score=least, most=64) for each in asked]
    expected = np.concatenate([each["MASKS"] for each in own]).max(axis=0)
    assert all(each["MASKS"].any() for each in own)
    assert 0.1 < (expected > 0).mean() < 0.9
    async with running(f"embedded:{tmp_path}", neural_server.endpoints.grpc) as stack:
        parameters = '{"engine": "patch", "dilate_px": 0}'
        words_of = {"remove": ", ".join(words), "least_score": str(least)}
        posted = await stack.post(PHOTO, None, parameters=parameters, **words_of)
        assert posted.status_code == 202, posted.text
        async with stack.working():
            state = await stack.over()
        assert state["processingStatus"] == "completed", state["error"]
        mask = await stack.file("mask_auto.png")
        nothing = await stack.post(PHOTO, None, remove="rope, hand", least_score="1", sid="n")
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(mask))), expected)
    for phrase, each in zip(words, own, strict=True):
        assert f"{phrase}: score {each['SCORES'][0]:.2f}, " in state["note"]
    assert f"({np.count_nonzero(own[0]['MASKS'].max(axis=0))} px" in state["note"]
    assert nothing.status_code == 400
    assert "by the name of 'rope', got nothing" in nothing.json()["error"]["message"]
