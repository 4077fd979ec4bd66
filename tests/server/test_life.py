"""A server's life: ready, a killed process, signals, what the machine lacks."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import threading
import time

import httpx
import psutil
import pytest
import tritonclient.grpc as triton

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.contract.tensors import DTYPES
from pawfect.models import MODELS
from pawfect.profile import load_profile
from pawfect.serving import probe_inputs
from pawfect_triton.installation import MachineError
from pawfect_triton.probe import Prober, lacks_weights
from pawfect_triton.server import Endpoints, TritonServer
from tests.conftest import PAWFECT, READY, ServedProcess, free_ports
from tests.server.conftest import (
    LONG,
    LONG_HOLE,
    SMALL,
    SMALL_HOLE,
    RawClient,
    metric,
    stubs,
    triton_process,
    until,
)


@pytest.mark.parametrize("model", MODELS)
def test_every_model_of_the_contract_has_a_probe(model):
    inputs = probe_inputs(model, load_profile("tiny-all"))
    for spec in MODELS[model].spec.inputs:
        assert spec.optional or spec.name in inputs
    for name, array in inputs.items():
        spec = MODELS[model].spec.input(name)
        shape = array.shape[1:] if MODELS[model].batched else array.shape
        assert len(shape) == len(spec.shape)
        assert all(want in (-1, got) for want, got in zip(spec.shape, shape, strict=True))
        assert array.dtype == DTYPES[spec.datatype]


def test_serve_prints_its_endpoints_and_loads_exactly_the_profiles_models(server, embedded):
    output = server.output()
    for port in server.endpoints.ports.values():
        assert f"127.0.0.1:{port}" in output
    client = triton.InferenceServerClient(server.endpoints.grpc)
    index = client.get_model_repository_index(as_json=True)["models"]
    assert {entry["name"] for entry in index} == set(embedded.models)


def test_models_cannot_be_loaded_or_unloaded_from_outside(server):
    client = triton.InferenceServerClient(server.endpoints.grpc)
    with pytest.raises(triton.InferenceServerException, match="not allowed"):
        client.unload_model("inpaint")


def test_nobody_takes_shared_memory_or_says_where_traces_and_logs_are_written(server, tmp_path):
    log, trace = {"log_file": str(tmp_path / "log")}, {"trace_file": str(tmp_path / "trace")}
    with triton.InferenceServerClient(server.endpoints.grpc) as client:
        asked = (
            lambda: client.register_system_shared_memory("mine", "/mine", 64),
            lambda: client.update_log_settings(log),
            lambda: client.update_trace_settings(settings=trace),
            client.get_log_settings,
        )
        for ask in asked:
            with pytest.raises(triton.InferenceServerException, match="restricted"):
                ask()
    region = {"key": "/mine", "offset": 0, "byte_size": 64}
    posted = (
        ("systemsharedmemory/region/mine/register", region),
        ("logging", log),
        ("trace/setting", trace),
    )
    url = f"http://{server.endpoints.host}:{server.endpoints.http_port}/v2"
    for path, body in posted:
        answer = httpx.post(f"{url}/{path}", json=body, trust_env=False)
        assert answer.status_code == 403
        assert "restricted" in answer.text
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("model", ["patch_fill", pytest.param("inpaint", marks=pytest.mark.slow)])
def test_a_killed_process_is_noticed_counted_and_brought_back(server, model):
    readies = server.output().count(READY)
    restarts = metric(server, "pawfect_server_restarts")
    answers: list[object] = []

    def ask() -> None:
        try:
            answers.append(RawClient(server.endpoints.grpc)(LONG, LONG_HOLE, timeout_s=40))
        except PawfectError as error:
            answers.append(error)

    askers = [threading.Thread(target=ask) for _ in range(3)]
    for asker in askers:
        asker.start()
    time.sleep(0.5)
    killed = time.monotonic()
    stubs(server, model)[0].kill()
    noticed = f"the process of {model} died"
    until(lambda: noticed in server.output().rsplit(READY, 1)[-1], 5.0)
    assert time.monotonic() - killed < 5.0
    server.wait_for(READY, readies + 1)
    for asker in askers:
        asker.join(45)
    # No silence: each was answered, with a picture or with a reason to send it again.
    assert len(answers) == 3
    for answer in answers:
        if isinstance(answer, PawfectError):
            assert answer.kind in (ErrorKind.MODEL_DOWN, ErrorKind.UNAVAILABLE), str(answer)
    assert metric(server, "pawfect_server_restarts") == restarts + 1
    again = RawClient(server.endpoints.grpc)(SMALL, SMALL_HOLE)
    assert again.as_numpy("IMAGE").shape == SMALL.shape


@pytest.mark.slow
def test_a_server_whose_own_process_died_is_brought_back(server):
    readies = server.output().count(READY)
    triton_process(server).kill()
    server.wait_for(READY, readies + 1)
    again = RawClient(server.endpoints.grpc)(SMALL, SMALL_HOLE)
    assert again.as_numpy("IMAGE").shape == SMALL.shape


@pytest.mark.slow
def test_a_model_that_dies_while_the_server_starts_ends_the_start_at_once(tmp_path):
    # Triton itself waits for it without end; the profile would give the start 120 s.
    with ServedProcess(tmp_path) as starting:
        # The first has been there for a while by then.
        until(lambda: len(_stubs_below(starting)) >= 6, 60)
        killed = time.monotonic()
        model, stub = _stubs_below(starting)[0]
        stub.kill()
        assert starting.process.wait(40) == 1
    assert time.monotonic() - killed < 40
    assert f"the process of {model} died while starting" in starting.output()


def _stubs_below(starting: ServedProcess) -> list[tuple[str, psutil.Process]]:
    found = []
    for child in psutil.Process(starting.process.pid).children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            files = [part for part in child.cmdline() if part.endswith("/model.py")]
            found += [(file.split("/")[-3], child) for file in files]
    return found


def test_a_probe_tells_a_dead_port_from_a_living_model(server, embedded):
    prober = Prober(server.endpoints.grpc, embedded)
    for model in embedded.models:
        if not MODELS[model].weights:
            prober.probe(model, 20)
    with pytest.raises(PawfectError, match="weights lama-512-int8") as caught:
        prober.probe("lama_fill", 20)
    assert lacks_weights(caught.value)
    prober.close()
    nobody = Prober(f"127.0.0.1:{free_ports(1)[0]}", embedded)
    with pytest.raises(PawfectError) as caught:
        nobody.probe("mask_cleanup", 1)
    assert caught.value.kind in (ErrorKind.UNAVAILABLE, ErrorKind.DEADLINE)
    nobody.close()


@pytest.mark.slow
def test_sigterm_finishes_what_is_in_flight_then_leaves_nothing_behind(tmp_path):
    running = ServedProcess(tmp_path)
    answers: list[object] = []
    try:
        running.wait_for(READY)
        family = psutil.Process(running.process.pid).children(recursive=True)
        client = RawClient(running.endpoints.grpc)
        asked = {"image": LONG, "mask": LONG_HOLE, "protect": "none"}
        asker = threading.Thread(target=lambda: answers.append(client(**asked)))
        asker.start()
        # Its last model is working by then.
        time.sleep(0.6)
        running.process.send_signal(signal.SIGTERM)
        time.sleep(0.2)
        with pytest.raises(PawfectError) as caught:
            RawClient(running.endpoints.grpc)(SMALL, SMALL_HOLE)
        assert caught.value.row.retry
        asker.join(30)
        assert answers[0].as_numpy("IMAGE").shape == LONG.shape
        assert running.process.wait(30) == 0
        _, alive = psutil.wait_procs(family, 5)
        assert not alive
    finally:
        running.stop()


def run_serve(*options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [PAWFECT, "serve", *options],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, **environment},
        check=False,
    )


def test_a_taken_port_is_named_with_its_option():
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        ended = run_serve(f"--grpc-port={port}")
    assert ended.returncode == 1
    assert f"grpc port {port} is taken on 127.0.0.1: choose another, --grpc-port" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_an_unknown_profile_is_answered_with_the_known_ones():
    ended = run_serve("--profile=embeded")
    assert ended.returncode == 2
    assert re.search(r"expected one of .*embedded.*, got 'embeded'", ended.stderr, re.S)


def test_what_the_machine_lacks_is_said_with_its_mend(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setenv("PATH", "/nowhere")
    endpoints = Endpoints("127.0.0.1", *free_ports(3))
    with pytest.raises(MachineError, match="pip install --no-deps nvidia-pytriton"):
        TritonServer(load_profile("embedded"), endpoints)


def test_numpy_2_is_refused_because_outputs_would_come_empty(monkeypatch):
    endpoints = Endpoints("127.0.0.1", *free_ports(3))
    server = TritonServer(load_profile("embedded"), endpoints)
    try:
        monkeypatch.setattr("numpy.__version__", "2.3.0")
        with pytest.raises(MachineError, match="pip install 'numpy<2'"):
            server.start()
    finally:
        server.close()
