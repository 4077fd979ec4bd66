"""A real server as it runs in a cluster: behind TLS, with closed protocols, told of over HTTP."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
import pytest
import tritonclient.grpc as triton

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.profile import load_profile
from pawfect_client import PawfectClient
from pawfect_client.retry import RetryPolicy
from pawfect_triton.closed import ALWAYS, RESTRICTED, closing
from pawfect_triton.command import serve
from pawfect_triton.grpc_options import GrpcOptions
from pawfect_triton.installation import MachineError
from pawfect_triton.server import Endpoints, TritonServer
from pawfect_triton.tls import Tls, load_tls
from tests.certificates import HOST, certificate
from tests.conftest import PAWFECT, READY, ServedProcess, free_ports
from tests.server.conftest import stubs, until

IMAGE = np.full((64, 64, 3), 90, np.uint8)
MASK = np.zeros((64, 64), np.uint8)
MASK[20:30, 20:30] = 255
# Client's connections of the guarded server are closed after this long, s.
AGE_S = 1


@dataclass(frozen=True)
class Guarded:
    served: ServedProcess
    health_port: int
    key: Path
    cert: Path

    def status(self) -> int:
        """What /readyz answers; 0 where nobody does."""
        with contextlib.suppress(httpx.TransportError):
            url = f"http://{HOST}:{self.health_port}/readyz"
            return httpx.get(url, trust_env=False).status_code
        return 0

    def raw(self) -> triton.InferenceServerClient:
        url = self.served.endpoints.grpc
        return triton.InferenceServerClient(url, ssl=True, root_certificates=str(self.cert))


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    folder = tmp_path_factory.mktemp("guarded")
    key, cert = certificate(folder)
    (port,) = free_ports(1)
    options = ["--no-http", f"--health-port={port}", f"--tls-cert={cert}", f"--tls-key={key}"]
    options += ["--restricted", f"--connection-age={AGE_S}", "--exit-timeout=620"]
    with ServedProcess(folder, *options) as served:
        guarded = Guarded(served, port, key, cert)
        until(lambda: guarded.status() == 503, 60)
        assert READY not in served.output()
        served.wait_for(READY)
        yield guarded
        # However long it may take, a server that holds nothing ends at once.
        assert served.stop() == 0


@pytest.mark.slow
def test_it_says_as_whom_it_shows_itself_and_where_its_health_is_told(guarded):
    output = guarded.served.output()
    assert f"gRPC     {guarded.served.endpoints.grpc}, TLS as {HOST}" in output
    assert f"health   http://{HOST}:{guarded.health_port}/readyz" in output


@pytest.mark.slow
def test_the_client_fills_over_tls_and_goes_on_when_its_connection_has_aged(guarded):
    code = (
        "import sys, time, numpy as np\n"
        "from pawfect_client import PawfectClient\n"
        "from tests.server.test_guarded import IMAGE, MASK\n"
        "with PawfectClient(sys.argv[1]) as client:\n"
        "    for _ in range(4):\n"
        "        assert client.inpaint(IMAGE, MASK).image.shape == IMAGE.shape\n"
        f"        time.sleep({AGE_S})\n"
    )
    url = f"https://{guarded.served.endpoints.grpc}"
    # gRPC reads it once in a process.
    trusted = {**os.environ, "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH": str(guarded.cert)}
    ran = subprocess.run(
        [sys.executable, "-c", code, url], env=trusted, capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr


@pytest.mark.slow
def test_a_client_may_be_told_whom_to_trust(guarded):
    url = f"https://{guarded.served.endpoints.grpc}"
    with PawfectClient(url, trusted=guarded.cert.read_bytes()) as client:
        assert client.inpaint(IMAGE, MASK).image.shape == IMAGE.shape


@pytest.mark.slow
def test_a_caller_without_tls_is_answered_nothing(guarded):
    once = RetryPolicy(attempts=1)
    with (
        PawfectClient(guarded.served.endpoints.grpc, retry=once, timeout_s=5) as client,
        pytest.raises(PawfectError) as caught,
    ):
        client.inpaint(IMAGE, MASK)
    assert caught.value.kind in (ErrorKind.UNAVAILABLE, ErrorKind.DEADLINE)


@pytest.mark.slow
def test_what_no_client_needs_is_closed_and_the_rest_open(guarded):
    client = guarded.raw()
    assert client.is_server_ready()
    assert client.get_model_metadata("inpaint").name == "inpaint"
    closed = (
        lambda: client.register_system_shared_memory("mine", "/mine", 64),
        lambda: client.get_model_config("inpaint"),
        client.get_model_repository_index,
        client.get_inference_statistics,
        client.get_trace_settings,
        client.get_log_settings,
    )
    assert len(closed) == len(RESTRICTED)
    for ask in closed:
        with pytest.raises(triton.InferenceServerException, match="This protocol is restricted"):
            ask()
    client.close()


@pytest.mark.slow
def test_the_probe_asks_over_tls_with_the_servers_own_files(guarded):
    words = [PAWFECT, "probe", "--url", guarded.served.endpoints.grpc, "--model", "mask_cleanup"]
    files = {"PAWFECT_TLS_CERT": str(guarded.cert), "PAWFECT_TLS_KEY": str(guarded.key)}
    asked = {**os.environ, **files}
    ran = subprocess.run(words, env=asked, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert ran.stdout.startswith("mask_cleanup  OK")


@pytest.mark.slow
def test_it_is_ready_once_its_models_answer_and_not_while_one_is_dead(guarded):
    assert guarded.status() == 200
    readies = guarded.served.output().count(READY)
    stubs(guarded.served, "patch_fill")[0].kill()
    until(lambda: guarded.status() == 503, 60)
    guarded.served.wait_for(READY, times=readies + 1)
    assert guarded.status() == 200


# --- options, without a server -------------------------------------------------------------------


def protocols(option: str) -> set[str]:
    return set(option.split("=", 1)[1].split(":")[0].split(","))


def test_without_options_what_can_harm_the_servers_machine_is_closed_over_grpc_and_http():
    assert GrpcOptions().arguments() == []
    grpc, http = closing(restricted=False, http=True)
    assert grpc.startswith("--grpc-restricted-protocol=")
    assert http.startswith("--http-restricted-api=")
    assert protocols(grpc) == protocols(http) == {"shared-memory", "trace", "logging"}


def test_restricted_closes_all_that_no_client_asks_for():
    (grpc,) = closing(restricted=True, http=False)
    told = {"model-config", "model-repository", "statistics"}
    assert protocols(grpc) == {"shared-memory", "trace", "logging"} | told
    assert set(ALWAYS) < set(RESTRICTED)


def test_each_start_closes_protocols_with_another_key():
    one, other = (closing(restricted=True, http=False) for _ in range(2))
    assert one != other
    assert len(one[0].rpartition("=")[2]) == 32


def test_without_a_word_it_listens_on_this_machine_alone():
    (host,) = (option for option in serve.params if option.name == "host")
    assert host.default == "127.0.0.1"


def test_a_server_of_the_command_closes_them_and_has_no_model_control():
    endpoints = Endpoints("127.0.0.1", *free_ports(3))
    server = TritonServer(load_profile("embedded"), endpoints)
    try:
        command = server.command()
    finally:
        server.close()
    assert "--model-control-mode=none" in command
    for option in ("--grpc-restricted-protocol=", "--http-restricted-api="):
        (found,) = (word for word in command if word.startswith(option))
        assert protocols(found) == set(ALWAYS)


def test_a_certificate_and_its_key_become_tritons_options(tmp_path):
    key, cert = certificate(tmp_path)
    tls = load_tls(cert, key)
    assert tls == Tls(cert, key, HOST)
    assert GrpcOptions(tls, connection_age_s=300).arguments() == [
        "--grpc-use-ssl=true",
        f"--grpc-server-cert={cert}",
        f"--grpc-server-key={key}",
        "--grpc-max-connection-age=300000",
    ]
    assert load_tls(None, None) is None


def refused(cert: Path | None, key: Path | None) -> str:
    with pytest.raises(MachineError) as caught:
        load_tls(cert, key)
    (problem,) = caught.value.problems
    return problem


def test_files_that_are_no_identity_are_refused_in_one_line(tmp_path):
    (tmp_path / "other").mkdir()
    key, cert = certificate(tmp_path)
    other, _ = certificate(tmp_path / "other")
    assert refused(cert, None) == "TLS: expected --tls-cert and --tls-key, got no --tls-key"
    assert refused(None, key) == "TLS: expected --tls-cert and --tls-key, got no --tls-cert"
    missing = refused(tmp_path / "none.pem", key)
    assert missing == "--tls-cert none.pem: expected a PEM file, got: No such file or directory"
    assert "got: KEY_VALUES_MISMATCH" in refused(cert, other)
    assert "expected a certificate that holds today" in refused(key, key)
    late = certificate(tmp_path, hours=-1)
    assert refused(late[1], late[0]).endswith("got: certificate has expired")
