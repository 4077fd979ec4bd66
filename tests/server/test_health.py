"""What `pawfect serve --health-port` tells: the watch's word, for probes that run no command."""

from __future__ import annotations

import socket

import httpx
import pytest

from pawfect_triton.health import Health, HealthServer
from tests.conftest import ServedProcess, free_ports

HOST = "127.0.0.1"


@pytest.fixture
def told():
    """A health that is told of, and how to ask for it."""
    health = Health(patience_s=1000.0, hung_s=1000.0)
    (port,) = free_ports(1)
    with HealthServer(HOST, port, health):
        yield health, lambda path: httpx.get(f"http://{HOST}:{port}{path}", trust_env=False)


def test_a_starting_server_is_alive_and_not_ready(told):
    _, ask = told
    answer = ask("/readyz")
    assert (answer.status_code, answer.json()) == (503, {"ready": False, "why": "starting"})
    assert (ask("/healthz").status_code, ask("/healthz").json()) == (200, {"alive": True})


def test_a_server_that_is_restarted_is_not_ready_until_its_models_have_answered(told):
    health, ask = told
    health.serves()
    assert (ask("/readyz?x=1").status_code, ask("/readyz").json()) == (200, {"ready": True})
    health.troubled("the process of /opt/models/patch_fill died")
    assert ask("/readyz").json() == {"ready": False, "why": "the process of patch_fill died"}
    assert ask("/healthz").status_code == 200
    health.serves()
    assert ask("/readyz").status_code == 200


def test_anything_else_is_not_found(told):
    assert told[1]("/").status_code == 404


def test_a_caller_that_says_nothing_keeps_nobody_else_waiting(told):
    _, ask = told
    with socket.create_connection((HOST, ask("/healthz").url.port)):
        assert ask("/healthz").status_code == 200


def test_a_server_that_no_restart_mends_is_beyond_help():
    health = Health(patience_s=-1.0, hung_s=1000.0)
    assert health.beyond_help == "starting"
    health.serves()
    assert health.beyond_help is None
    health.troubled("the server's process ended")
    assert health.beyond_help == "the server's process ended"


def test_a_watch_that_has_gone_silent_is_beyond_help():
    health = Health(patience_s=1000.0, hung_s=-1.0)
    health.serves()
    assert health.unready == health.beyond_help
    assert str(health.unready).startswith("the watch has been silent for")


def test_the_trouble_that_lasts_is_counted_from_its_beginning():
    health = Health(patience_s=1000.0, hung_s=1000.0)
    health.serves()
    health.troubled("one")
    since = health._since
    health.troubled("another")
    assert health._since == since
    assert health.unready == "another"


def test_a_health_port_that_is_taken_is_said_in_one_line(tmp_path):
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
        with ServedProcess(tmp_path, "--no-http", "--health-port", str(port)) as served:
            assert served.process.wait(60) == 1
            assert f"health port {port} on {HOST}: Address already in use" in served.output()
