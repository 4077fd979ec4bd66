"""`pawfect serve` with the profile `tiny-all`: builds what it needs, and all models are ready."""

from __future__ import annotations

import tritonclient.grpc as triton

from pawfect.profile import load_profile
from pawfect.weights.store import Store
from tests.conftest import NEURAL
from tests.server.neural.conftest import PROFILE, READY_S


def test_the_profile_of_the_environment_has_its_weights_built_and_every_model_ready_in_time(
    started, neural_server, record_property
):
    record_property("ready_s", round(started.ready_s, 1))
    print(f"ready after {started.ready_s:.1f} s, the weights' build included")  # noqa: T201
    assert started.ready_s < READY_S
    tiny = load_profile(PROFILE)
    client = triton.InferenceServerClient(neural_server.endpoints.grpc)
    index = client.get_model_repository_index(as_json=True)["models"]
    assert {(entry["name"], entry["state"]) for entry in index} == {
        (model, "READY") for model in tiny.models
    }
    client.close()
    assert set(NEURAL) < set(tiny.models)
    output = neural_server.output()
    assert f"profile  {PROFILE}: {', '.join(tiny.models)}" in output
    assert "WITHOUT" not in output
    store = Store(started.weights)
    for entry in set(tiny.fill_weights.values()):
        assert f"{entry}: built" in output
        assert not list(store.problems(entry, rehash=True))
