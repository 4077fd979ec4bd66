"""`pawfect probe` on real servers: whole, without weights, without HTTP, and none at all."""

from __future__ import annotations

import os
import re
import socket
import subprocess

import numpy as np
import psutil
import pytest
import tritonclient.grpc as triton

from pawfect.contract.errors import TABLE, ErrorKind
from pawfect.profile import load_profile
from tests.conftest import NEURAL, PAWFECT, READY, ServedProcess, free_ports
from tests.server.conftest import SMALL, SMALL_HOLE, RawClient, infer_inputs, metric


def probe(*options: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "PAWFECT_PROFILE"}
    return subprocess.run(
        [PAWFECT, "probe", *options],
        capture_output=True, text=True, timeout=120, check=False, env=environment,
    )  # fmt: skip


def verdicts(ended: subprocess.CompletedProcess[str]) -> dict[str, str]:
    return dict(line.split()[:2] for line in ended.stdout.splitlines())


def test_a_line_with_its_time_for_each_model_of_a_healthy_server(server, embedded):
    ended = probe("--url", server.endpoints.grpc, "--timeout", "60")
    assert (ended.returncode, ended.stderr) == (0, "")
    lines = ended.stdout.splitlines()
    assert [line.split()[0] for line in lines] == list(embedded.models)
    # The weights of these are fetched by whoever wants them.
    without = [line for line in lines if line.startswith(("lama_fill", "face_swap"))]
    assert re.match(r"lama_fill +WITHOUT  .*`pawfect weights fetch embedded`", without[0])
    assert re.match(r"face_swap +WITHOUT  .*`pawfect weights fetch inswapper_128`", without[1])
    assert all(re.fullmatch(r"\w+ +OK  \d+ ms", line) for line in lines if line not in without)


def test_one_model_may_be_asked_alone(server):
    ended = probe("--url", server.endpoints.grpc, "--model", "mask_cleanup", "--timeout", "60")
    assert verdicts(ended) == {"mask_cleanup": "OK"}
    assert ended.returncode == 0


def test_what_the_server_does_not_run_fails_with_its_code(server):
    asked = ["--profile", "tiny", "--model", "florence2", "--model", "mask_cleanup"]
    ended = probe("--url", server.endpoints.grpc, *asked, "--timeout", "60")
    assert verdicts(ended) == {"florence2": "FAILED", "mask_cleanup": "OK"}
    assert ended.returncode == TABLE[ErrorKind.UNAVAILABLE].exit_code


def test_no_server_is_unavailable_and_never_a_traceback():
    url = f"127.0.0.1:{free_ports(1)[0]}"
    ended = probe("--url", url, "--model", "mask_cleanup", "--timeout", "5")
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
    ended = probe(*options)
    assert ended.returncode == 2
    assert says in " ".join(ended.stderr.split())


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """A server of the profile `t4` whose weights were never fetched."""
    pytest.importorskip("torch")
    folder = tmp_path_factory.mktemp("bare")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PAWFECT_WEIGHTS", str(folder / "none"))
        running = ServedProcess(folder, "--profile=t4", "--no-http")
    try:
        running.wait_for(READY)
        yield running
    finally:
        running.stop()


@pytest.mark.slow
def test_models_without_weights_fail_only_when_strict(bare):
    asked = ["--url", bare.endpoints.grpc, "--profile", "t4", "--timeout", "60"]
    ended, strict = probe(*asked), probe(*asked, "--strict")
    expected = dict.fromkeys(load_profile("t4").models, "OK")
    # The ensemble has a stage that lacks its weights.
    finders = [
        "onnx_networks",
        "background_removal",
        "background_removal_file",
        "face_analysis",
        "find_masks",
    ]
    expected |= dict.fromkeys([*NEURAL, "scene_labels", *finders], "WITHOUT")
    assert verdicts(ended) == verdicts(strict) == expected
    assert ended.returncode == 0
    assert strict.returncode == TABLE[ErrorKind.UNAVAILABLE].exit_code
    assert "pawfect weights fetch t4" in ended.stdout


@pytest.mark.slow
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


@pytest.mark.slow
def test_a_warm_up_that_fails_is_logged_and_keeps_no_server_from_starting(bare):
    # Without consent nothing is swapped, in a warm-up neither.
    for model in set(NEURAL) - {"face_swap"}:
        assert f"{model}: warm-up: PAWFECT_UNAVAILABLE: weights" in bare.output()


@pytest.mark.slow
def test_without_http_grpc_and_the_metrics_serve_and_nothing_listens_there(bare):
    at = bare.endpoints
    assert "HTTP     off" in bare.output()
    assert f":{at.http_port}" not in bare.output()
    with socket.socket() as caller, pytest.raises(ConnectionRefusedError):
        caller.connect((at.host, at.http_port))
    filled = RawClient(at.grpc)(SMALL, SMALL_HOLE).as_numpy("IMAGE")
    assert not np.array_equal(filled, SMALL)
    assert metric(bare, "nv_inference_request_success", model="inpaint") > 0


@pytest.mark.slow
def test_when_serve_itself_is_killed_the_server_goes_with_it(bare):
    """The last one of this file: the others need the server."""
    family = psutil.Process(bare.process.pid).children(recursive=True)
    assert family
    bare.process.kill()
    bare.process.wait(5)
    _, alive = psutil.wait_procs(family, 30)
    assert not alive
