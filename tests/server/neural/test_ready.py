"""`pawfect serve` with the profile `tiny`: builds what it needs, and all models are ready."""

from __future__ import annotations

import tritonclient.grpc as triton

from pawfect.profile import load_profile
from pawfect.weights.store import Store
from pawfect_triton.probe import Prober
from tests.conftest import NEURAL
from tests.server.neural.conftest import READY_S


def test_the_profile_of_the_environment_has_every_model_ready_in_time(
    started, neural_server, record_property
):
    record_property("ready_s", round(started.ready_s, 1))
    print(f"ready after {started.ready_s:.1f} s, the weights' build included")  # noqa: T201
    assert started.ready_s < READY_S
    tiny = load_profile("tiny")
    client = triton.InferenceServerClient(neural_server.endpoints.grpc)
    index = client.get_model_repository_index(as_json=True)["models"]
    assert {(entry["name"], entry["state"]) for entry in index} == {
        (model, "READY") for model in tiny.models
    }
    client.close()
    assert set(NEURAL) < set(tiny.models)
    output = neural_server.output()
    assert f"profile  tiny: {', '.join(tiny.models)}" in output
    assert "WITHOUT" not in output


def test_missing_weights_that_are_built_are_built_at_the_start(started, neural_server):
    store, tiny = Store(started.weights), load_profile("tiny")
    for entry in set(tiny.weights.values()):
        assert f"{entry}: built" in neural_server.output()
        assert not list(store.problems(entry, rehash=True))


def test_every_model_answers_its_probe(neural_server):
    prober = Prober(neural_server.endpoints.grpc, load_profile("tiny"))
    for model in load_profile("tiny").models:
        prober.probe(model, 60)
    prober.close()
