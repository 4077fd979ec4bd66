"""A session on the whole neural chain: SAM3's own labels reach the document, then the fill."""

from __future__ import annotations

import time

import pytest

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
