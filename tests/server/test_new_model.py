"""A new model is one definition, one folder and its function: a throw-away one, really served."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from harness.local_server import free_ports
from pawfect import models
from pawfect.profile import Profile, parse_profile
from pawfect_triton import repository
from pawfect_triton.server import Endpoints, TritonServer
from tests.server.conftest import SMALL, RawClient

CONFIG = """
name: "negative"
backend: "python"
input [ { name: "IMAGE" data_type: TYPE_UINT8 dims: [ -1, -1, 3 ] } ]
output [ { name: "IMAGE" data_type: TYPE_UINT8 dims: [ -1, -1, 3 ] } ]
instance_group [ { kind: KIND_CPU count: 1 } ]
"""
MODEL_PY = """
import tests.server.negative
from pawfect_triton.function_model import FunctionModel


class TritonPythonModel(FunctionModel):
    pass
"""


@pytest.fixture
def profile() -> Iterator[Profile]:
    """A profile that has the model only; its server's processes read `embedded`."""
    importlib.import_module("tests.server.negative")
    yield parse_profile(
        "embedded",
        {
            "description": "one throw-away model",
            "models": ["negative"],
            "engines": ["patch"],
            "limits": {"max_in_flight": 1, "ready_s": 120},
        },
    )
    del models._BY_NAME["negative"], sys.modules["tests.server.negative"]


def test_a_new_model_is_gathered_probed_and_served(profile, tmp_path: Path, monkeypatch):
    folder = tmp_path / "new" / "negative"
    (folder / "1").mkdir(parents=True)
    (folder / "config.pbtxt").write_text(CONFIG)
    (folder / "1" / "model.py").write_text(MODEL_PY)
    monkeypatch.setattr(repository, "source_folders", lambda: (tmp_path / "new",))
    server = TritonServer(profile, Endpoints("127.0.0.1", *free_ports(3)))
    try:
        server.start()
        server.wait_ready(profile.limits.ready_s)
        client = RawClient(server.endpoints.grpc)
        answer = client(SMALL, None, model="negative").as_numpy("IMAGE")
        client.grpc.close()
    finally:
        server.stop()
        server.close()
    np.testing.assert_array_equal(answer, 255 - SMALL)


def test_a_name_in_use_is_not_given_to_another_model():
    taken = models.MODELS["inpaint"]
    assert models.register(taken) is taken
    with pytest.raises(ValueError, match="model inpaint: expected a name that is free"):
        models.register(models.Model(taken.spec))
