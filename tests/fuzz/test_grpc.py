"""20,000 malformed gRPC requests to the local Triton, with HTTP off: it stays up, it tells nothing.

Triton 2.51 (24.10) comes in a wheel and is for loopback alone. It predates these, all of NVIDIA's
bulletins 5687 (August 2025, mended in 25.05 to 25.07) and 5816 (April 2026, mended in 26.02):

- HTTP: stack overflows by chunked bodies and crafted requests (CVE-2025-23310, -23311), a heap
  overflow (CVE-2025-23317), a header that crashes it (CVE-2026-24175). So HTTP is off here, and in
  production; nothing of it is fuzzed.
- The Python backend's shared memory: reads and writes out of bounds (CVE-2025-23318, -23319,
  -23333, -23334), and errors that tell its name (CVE-2025-23320). So no case registers a region
  that there is.
- Whole numbers that overflow (CVE-2025-23323 to -23327, CVE-2026-24173): a tensor whose size
  overflows 64 bits ends the model's process. `pawfect serve` starts the server anew; the last test
  here shows both. So no other case has such a size.
- Outputs by the hundred thousand (CVE-2026-24146). A case asks for some hundred.

Production's image is 26.10, see Dockerfile.triton.
"""

from __future__ import annotations

from collections.abc import Iterator

import grpc
import pytest
from tritonclient.grpc import service_pb2

from harness.fuzz import frames
from harness.fuzz.grpc_requests import made, overflowing, request_of
from harness.fuzz.grpc_run import Outcome, good_answers, growth, memory, send
from pawfect.profile import load_profile
from tests.conftest import READY, ServedProcess
from tests.server.conftest import triton_process

REQUESTS = 20_000
# Until then the heaps of Triton's threads grow, which keep what messages of up to a few MB took:
# measured from 2,000 requests on, +29 MiB at 6,000, +43 at 8,000, and +52 at 22,000.
WARM_UP = 6_000
# Its start beside others' work, s.
START_S = 300.0
MOST_GROWTH = 50 * 2**20
PROFILE = load_profile("embedded")
# What the smoke sends: those that answer in milliseconds.
QUICK = ["inpaint", "inpaint_stream", "inpaint_file", "mask_cleanup", "refine", "score_local"]
# Those whose probes need no weights that a clone lacks.
MODELS = [name for name in PROFILE.models if name not in ("lama_fill", "face_swap")]


def as_before(outcome: Outcome) -> None:
    assert not outcome.faults, "\n".join(outcome.faults[:20])
    # Each of them was refused or worked at, and answered.
    assert outcome.sent == sum(outcome.codes.values())
    assert outcome.codes["INVALID_ARGUMENT"] > outcome.sent / 3
    assert outcome.codes["OK"] > 0


def test_malformed_requests_and_frames_leave_the_server_as_it_was(server: ServedProcess) -> None:
    address = server.endpoints.grpc
    before, processes = good_answers(address, PROFILE, QUICK), memory(triton_process(server))
    as_before(send(address, PROFILE, QUICK, range(300), seed=3))
    frames.send(server.endpoints.host, server.endpoints.grpc_port, 3, range(40))
    assert good_answers(address, PROFILE, QUICK) == before
    growth(processes, memory(triton_process(server)))


def test_a_payload_whose_key_is_half_a_letter_is_refused_and_not_left_without_an_answer(
    server: ServedProcess,
) -> None:
    # The refusal quotes it. Sent as it was it raised in the model, and nobody ever answered.
    request = request_of("refine", PROFILE)
    payload = b'{"masks": [{"bbox": [30, 30, 4, 4]}], "\\ud800": 1}'
    at = [one.name for one in request.inputs].index("PAYLOAD")
    request.raw_input_contents[at] = len(payload).to_bytes(4, "little") + payload
    with grpc.insecure_channel(server.endpoints.grpc) as channel:
        call = channel.stream_stream("/inference.GRPCInferenceService/ModelStreamInfer")
        (answer,) = call(iter([request.SerializeToString()]), timeout=30)
    told = service_pb2.ModelStreamInferResponse.FromString(answer).error_message
    assert r"PAYLOAD: expected some of masks, got \ud800" in told


def test_a_run_is_the_same_again_and_another_seed_is_another_run() -> None:
    good = {name: request_of(name, PROFILE) for name in ("inpaint", "refine")}
    one = [made(1, number, good) for number in range(40)]
    assert one == [made(1, number, good) for number in range(40)]
    assert one != [made(2, number, good) for number in range(40)]


@pytest.fixture(scope="module", params=["embedded"])
def private(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServedProcess]:
    """A server of these tests alone, without HTTP."""
    folder = tmp_path_factory.mktemp("fuzzed-server")
    with ServedProcess(folder, "--no-http", profile=request.param) as running:
        running.wait_for(READY, timeout_s=START_S)
        yield running
        running.stop()


@pytest.mark.slow
def test_20_000_malformed_requests_leave_the_server_as_it_was(private: ServedProcess) -> None:
    address = private.endpoints.grpc
    before, triton = good_answers(address, PROFILE, MODELS), triton_process(private)
    as_before(send(address, PROFILE, MODELS, range(WARM_UP), seed=1))
    processes = memory(triton)
    as_before(send(address, PROFILE, MODELS, range(REQUESTS), seed=0))
    closed = frames.send(private.endpoints.host, private.endpoints.grpc_port, 0, range(1000))
    assert closed > 500
    assert good_answers(address, PROFILE, MODELS) == before
    grown = growth(processes, memory(triton))
    assert max(grown.values()) < MOST_GROWTH, grown
    assert "restart" not in private.output()
    assert "Traceback" not in private.output()


@pytest.mark.slow
def test_a_size_that_overflows_ends_a_process_in_this_release_and_the_server_comes_back(
    private: ServedProcess,
) -> None:
    address, times = private.endpoints.grpc, private.output().count(READY)
    before = good_answers(address, PROFILE, MODELS)
    body = overflowing(request_of("inpaint", PROFILE)).SerializeToString()
    with grpc.insecure_channel(address) as channel:
        call = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
        with pytest.raises(grpc.RpcError) as caught:
            call(body, timeout=30)
    assert "/" not in str(caught.value.details()).replace("text/", "")
    private.wait_for(READY, times + 1, START_S)
    assert good_answers(address, PROFILE, MODELS) == before
