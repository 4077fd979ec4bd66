"""`pawfect probe` on real servers: whole, without weights, without HTTP, and none at all."""

from __future__ import annotations

import re
import socket
import subprocess

import numpy as np
import pytest
import tritonclient.grpc as triton

from pawfect.contract.errors import TABLE, ErrorKind
from pawfect.profile import load_profile
from tests.conftest import NEURAL, free_ports, pawfect, serve
from tests.refusals import refusal
from tests.server.conftest import (
    SMALL,
    SMALL_HOLE,
    RawClient,
    fallen_back,
    infer_inputs,
    metric,
    until,
)

READY = "ready: every model has answered"


def verdicts(ended: subprocess.CompletedProcess[str]) -> dict[str, str]:
    return dict(line.split()[:2] for line in ended.stdout.splitlines())


def test_a_line_with_its_time_for_each_model_of_a_healthy_server(server, embedded):
    ended = pawfect("probe", "--url", server.endpoints.grpc, "--timeout", "60")
    assert (ended.returncode, ended.stderr) == (0, "")
    lines = ended.stdout.splitlines()
    assert [line.split()[0] for line in lines] == list(embedded.models)
    assert all(re.fullmatch(r"\w+ +OK  \d+ ms", line) for line in lines)


def test_single_models_may_be_asked_and_what_the_server_does_not_run_fails(server):
    asked = ["--profile", "tiny", "--model", "florence2", "--model", "mask_cleanup"]
    ended = pawfect("probe", "--url", server.endpoints.grpc, *asked, "--timeout", "60")
    assert verdicts(ended) == {"florence2": "FAILED", "mask_cleanup": "OK"}
    assert ended.returncode == TABLE[ErrorKind.UNAVAILABLE].exit_code


def test_no_server_is_unavailable_and_never_a_traceback():
    url = f"127.0.0.1:{free_ports(1)[0]}"
    ended = pawfect("probe", "--url", url, "--model", "mask_cleanup", "--timeout", "5")
    assert verdicts(ended) == {"mask_cleanup": "FAILED"}
    allowed = {TABLE[kind].exit_code for kind in (ErrorKind.UNAVAILABLE, ErrorKind.DEADLINE)}
    assert ended.returncode in allowed
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--profile", "embeded"], "expected one of"),
        (["--model", "florence2"], "expected some of mask_cleanup"),
        (["--timeout", "0"], "0"),
    ],
)
def test_a_wrong_option_is_a_usage_error(options, says):
    ended = pawfect("probe", *options)
    assert ended.returncode == 2
    assert says in " ".join(ended.stderr.split())


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """A server of the profile `t4` whose weights were never fetched."""
    pytest.importorskip("torch")
    folder = tmp_path_factory.mktemp("bare")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PAWFECT_WEIGHTS", str(folder / "none"))
        running = serve(folder, "--profile=t4", "--no-http")
    try:
        running.wait_for(READY)
        yield running
    finally:
        assert running.stop() == 0


def test_models_without_weights_fail_only_when_strict(bare):
    asked = ["--url", bare.endpoints.grpc, "--profile", "t4", "--timeout", "60"]
    ended, strict = pawfect("probe", *asked), pawfect("probe", *asked, "--strict")
    expected = dict.fromkeys(load_profile("t4").models, "OK")
    # The ensemble has a stage that lacks its weights.
    expected |= dict.fromkeys([*NEURAL, "scene_labels"], "WITHOUT")
    assert verdicts(ended) == verdicts(strict) == expected
    assert ended.returncode == 0
    assert strict.returncode == TABLE[ErrorKind.UNAVAILABLE].exit_code
    assert "pawfect weights fetch t4" in ended.stdout


def test_a_failure_that_the_response_cache_kept_is_passed_by_with_a_nonce(bare):
    client = triton.InferenceServerClient(bare.endpoints.grpc)

    def ask(**more: np.ndarray) -> triton.InferResult:
        arrays = {"PROMPT": np.array([b"grass"], np.object_), **more}
        return client.infer("flux_text_encoder", infer_inputs("flux_text_encoder", arrays))

    with pytest.raises(triton.InferenceServerException, match="weights flux-fill-dev"):
        ask()
    # What Triton 24.10 does; should this fail with another release, NONCE is no longer needed.
    assert ask().as_numpy("PROMPT_EMBEDS") is None
    with pytest.raises(triton.InferenceServerException, match="weights flux-fill-dev"):
        ask(NONCE=np.array([7], np.int64))
    client.close()


def test_a_warm_up_that_fails_is_logged_and_keeps_no_server_from_starting(bare):
    for model in NEURAL:
        assert f"{model}: warm-up: PAWFECT_UNAVAILABLE: weights" in bare.output()


def test_without_flux_weights_patches_fill_and_flux_itself_is_unavailable(bare):
    client = RawClient(bare.endpoints.grpc)
    patched = client(SMALL, SMALL_HOLE, engine="patch").as_numpy("IMAGE")
    assert not np.array_equal(patched, SMALL)
    result = client(SMALL, SMALL_HOLE)
    np.testing.assert_array_equal(result.as_numpy("IMAGE"), patched)
    report = client.report(result)
    (fallback,) = report.fallbacks
    assert (report.engine, fallback.stage, fallback.instead) == ("patch", "flux", "patch")
    assert fallback.reason.startswith("PAWFECT_UNAVAILABLE: weights flux-fill-dev: expected")
    assert fallback.reason in report.engine_reason
    until(lambda: fallen_back(bare, "flux", "patch") == 1)
    message = refusal(ErrorKind.UNAVAILABLE, client, SMALL, SMALL_HOLE, engine="flux")
    assert message.startswith("weights flux-fill-dev: expected")
    assert "run `pawfect weights fetch t4`" in message


def test_without_http_grpc_and_the_metrics_serve_and_nothing_listens_there(bare):
    at = bare.endpoints
    assert "HTTP     off" in bare.output()
    assert f":{at.http_port}" not in bare.output()
    with socket.socket() as caller, pytest.raises(ConnectionRefusedError):
        caller.connect((at.host, at.http_port))
    RawClient(at.grpc)(SMALL, SMALL_HOLE)
    assert metric(bare, "nv_inference_request_success", model="inpaint") > 0
