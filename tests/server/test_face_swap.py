"""`face_swap` on the suite's server, whose network was never fetched."""

from __future__ import annotations

import pytest
import tritonclient.grpc as triton

from pawfect.contract.errors import ErrorKind, from_message
from pawfect.serving import probe_inputs
from tests.server.conftest import infer_inputs


def test_without_its_weights_it_is_unavailable_with_the_command_that_asks(server, embedded):
    client = triton.InferenceServerClient(server.endpoints.grpc)
    inputs = infer_inputs("face_swap", probe_inputs("face_swap", embedded))
    with pytest.raises(triton.InferenceServerException) as caught:
        client.infer("face_swap", inputs, parameters={"consent": True})
    client.close()
    error = from_message(caught.value.message())
    assert error.kind is ErrorKind.UNAVAILABLE
    assert "run `pawfect weights fetch inswapper_128`" in error.message
