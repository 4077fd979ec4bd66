"""`pawfect api` and `pawfect worker` as processes."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest
from click.testing import CliRunner

from harness.process import PAWFECT, LoggedProcess
from pawfect_service.process import command, processes
from tests.conftest import free_ports
from tests.scrape import differences, families, page, value
from tests.server.conftest import until
from tests.service.stack import HERE, MASK, PHOTO

START_S = 60.0
PUSHED = ("worker", "--push", "--make-topics", "--no-auth")
ENDPOINT = ("--push-endpoint", "https://w.example/v1/worker/push")
TOKEN = ("--push-audience", "w", "--push-email", "p@q.iam.example")


def process(folder: Path, *arguments: str) -> LoggedProcess:
    """Run a command in a folder, its output in NAME.log there."""
    return LoggedProcess([PAWFECT, *arguments], folder / f"{arguments[0]}.log", folder=folder)


def refused(name: str, *options: str) -> str:
    """What a command that refuses its options says, run here; its log goes nowhere."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(processes, "log_json", lambda _: None)
        # What this process has imported is kept already, see tests/conftest.py; over all of it the
        # collector takes more than a second.
        patch.setattr(processes, "keep_imports", lambda: None)
        ran = CliRunner().invoke(getattr(command, name), options)
    assert isinstance(ran.exception, SystemExit), "said in a line, without a traceback"
    assert ran.exit_code in (1, 2)
    return ran.stderr


def neighbours() -> tuple[int, int]:
    """Two free ports, the second one next to the first."""
    while True:
        first = free_ports(1)[0]
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", first + 1)):
            return first, first + 1


def answered(url: str) -> None:
    def answers() -> bool:
        with contextlib.suppress(httpx.TransportError):
            return httpx.get(url, trust_env=False).status_code == 200
        return False

    until(answers, START_S)


def filled(url: str) -> dict[str, object]:
    """The state of a session that is queued and then over."""
    path = f"{url}/v1/users/u/sessions/s"
    with httpx.Client(trust_env=False, timeout=START_S) as http:
        posted = http.post(f"{path}/inpaint", files={"photo": PHOTO, "mask": MASK})
        assert posted.status_code == 202, posted.text
        with http.stream("GET", f"{path}/events") as events:
            events.read()
        return dict(http.get(path).json())


def test_an_api_and_a_worker_share_a_folder_and_end_when_told_to(tmp_path, server):
    port = free_ports(1)[0]
    common = ("--store", "embedded:data", "--triton", server.endpoints.grpc)
    first, second = neighbours()
    two = ("--processes", "2", "--metrics-port", str(first))
    health, own = free_ports(2)
    told = ("--health-port", str(health), "--metrics-port", str(own))
    with (
        process(tmp_path, "api", *common, "--port", str(port), "--no-auth", *two) as api,
        process(tmp_path, "worker", *common, "--price-per-hour", "36", *told) as worker,
    ):
        answered(f"http://127.0.0.1:{port}/healthz")
        state = filled(f"http://127.0.0.1:{port}")
        assert state["processingStatus"] == "completed"
        cost = state["cost"]
        assert isinstance(cost, dict)
        assert cost["amount"] == pytest.approx(cost["seconds"] / 100)
        answered(f"http://127.0.0.1:{health}/healthz")
        answered(f"http://127.0.0.1:{health}/readyz")
        told_by = {at: page(f"http://127.0.0.1:{at}/metrics") for at in (first, second, own)}
        assert worker.stop() == 0
        family = family_of(api)
        assert api.stop() == 0
        assert psutil.wait_procs(family, START_S)[1] == []
    assert f'"url": "http://127.0.0.1:{port}"' in (tmp_path / "api.log").read_text()
    lines = [json.loads(line) for line in (tmp_path / "worker.log").read_text().splitlines()]
    delivered = [line for line in lines if line["message"] == "delivery"]
    assert delivered[-1]["action"] == "ack"
    assert delivered[-1]["session"] == "u/s"
    assert delivered[-1]["attempt"] == 1
    for text in told_by.values():
        assert list(differences(families(text))) == []
    # One of the two answered the request.
    queued = [value(told_by[at], "pawfect_jobs_queued_total") for at in (first, second)]
    assert sorted(queued) == [0, 1]
    assert value(told_by[own], "pawfect_jobs_done_total", kind="inpaint") == 1


def test_several_apis_on_one_port_and_a_worker_end_as_failed_where_one_ends(
    tmp_path, monkeypatch, server
):
    monkeypatch.chdir(tmp_path)
    port = free_ports(1)[0]
    url = f"http://127.0.0.1:{port}"
    arguments = ("--triton", server.endpoints.grpc, "--port", str(port), "--processes", "2")
    with process(tmp_path, "api", "--no-auth", "--with-worker", *arguments) as api:
        until(lambda: sum(listens(each, port) for each in family_of(api)) == 2, START_S)
        _, other = family_of(api)
        for _ in range(20):
            answered(f"{url}/readyz")
        assert filled(url)["processingStatus"] == "completed"
        joining = refused("api", "--no-auth", "--port", str(port), "--processes", "2")
        assert f"127.0.0.1:{port}: expected an address to listen on" in joining
        other.kill()
        assert api.process.wait(START_S) == 1
    assert "pawfect api: expected to run as long as this" in (tmp_path / "api.log").read_text()
    assert (tmp_path / "data" / "files" / HERE / "edited.jpg").is_file()


def family_of(running: LoggedProcess) -> list[psutil.Process]:
    parent = psutil.Process(running.process.pid)
    return [parent, *parent.children(recursive=True)]


def listens(running: psutil.Process, port: int) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return any(
            each.status == psutil.CONN_LISTEN and each.laddr.port == port
            for each in running.net_connections("tcp")
        )
    return False


def test_a_killed_api_leaves_no_server_behind(tmp_path):
    triton, port = free_ports(2)
    arguments = ("--triton", f"127.0.0.1:{triton}", "--port", str(port), "--no-auth")
    with process(tmp_path, "api", "--with-server", "embedded", *arguments) as api:

        def served() -> bool:
            # The server's start has short-lived processes among its own.
            with contextlib.suppress(psutil.NoSuchProcess):
                return any("tritonserver" in each.name() for each in family_of(api))
            return False

        until(served, START_S)
        _, *family = family_of(api)
        assert len(family) >= 2, "pawfect serve, and tritonserver below it"
        api.process.kill()
        api.process.wait()
        _, left = psutil.wait_procs(family, START_S)
        for each in left:
            each.kill()
        assert left == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["api"], "expected --api-keys, --google-audience or, on a laptop, --no-auth"),
        (["api", "--no-auth", "--host", "0.0.0.0"], "--no-auth: expected a loopback --host"),
        (["api", "--no-auth", "--google-audience", "c"], "--no-auth: expected"),
        (["api", "--api-keys", "none"], "API keys: expected a readable file"),
        (["api", "--no-auth", "--store", "cloud:x"], "store: expected embedded:FOLDER"),
        (["api", "--no-auth", "--triton", "http://x"], "--triton: expected HOST:PORT"),
        (["api", "--no-auth", "--triton-identity"], "triton: expected https://HOST with"),
        (
            ["api", "--no-auth", "--triton", "https://x", "--with-server", "embedded"],
            "--with-server: expected --triton HOST:PORT with it",
        ),
        (["worker", "--triton-identity", "--triton", "x:1"], "triton: expected https://HOST with"),
        (
            ["api", "--no-auth", "--variants", "none"],
            "none: expected a readable file, got FileNotF",
        ),
        (["api", "--no-auth", "--rate", "often"], "rate limit: expected one such as 120/minute"),
        (
            ["api", "--no-auth", "--rate-storage", "redis://:secret@x:1"],
            "with the package coredis installed, redis://HOST:PORT, got 'redis'",
        ),
        (["worker", "--triton-ca", "x", "--triton", "x:1"], "--triton-ca: expected --triton https"),
        (
            ["worker", "--triton-ca", "none", "--triton", "https://x"],
            "--triton-ca: expected a file of PEM certificates, got No such file",
        ),
        (
            ["worker", "--triton-ca", __file__, "--triton", "https://x"],
            "--triton-ca: expected a file of PEM certificates, got one without",
        ),
        (
            ["api", "--no-auth", "--processes", "3", "--metrics-port", "65534"],
            "--metrics-port: expected a port for each process, up to 65535 and none that this "
            "command listens on otherwise, got 65534 to 65536",
        ),
        (
            ["api", "--no-auth", "--processes", "2", "--port", "9102", "--metrics-port", "9101"],
            "--metrics-port: expected a port for each process",
        ),
        (["worker", "--health-port", "9", "--metrics-port", "9"], "--metrics-port: expected"),
        (
            ["worker", "--push", "--no-auth", "--port", "9", "--metrics-port", "9"],
            "--metrics-port: expected",
        ),
        (["worker", "--push"], "--push: expected --push-audience and --push-email"),
        (
            ["worker", "--push", "--no-auth", "--health-port", "1"],
            "--health-port: expected no --push",
        ),
        (["worker", "--store", "nowhere"], "store: expected embedded:FOLDER"),
        (PUSHED, "--push --make-topics: expected --push-endpoint"),
        ([*PUSHED, "--push-endpoint", "w.example"], "expected https://HOST/... or http://HOST/..."),
        ([*PUSHED, "--push-endpoint", "http://[w"], "expected https://HOST/... or http://HOST/..."),
        ([*PUSHED, "--push-endpoint", "http://w"], "store: expected google:PROJECT/BUCKET/TOPIC"),
        (
            ["worker", "--make-topics", *ENDPOINT],
            "--push-endpoint: expected --push and --make-topics",
        ),
        (["worker", "--push", "--no-auth", *ENDPOINT], "--push-endpoint: expected --push and"),
        (
            ["worker", "--push", "--make-topics", *TOKEN, "--push-endpoint", "http://w.example"],
            "--push-endpoint: expected https://HOST/..., got http://w.example",
        ),
    ],
)
def test_options_that_do_not_fit_are_refused_in_words(tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    assert message in refused(*arguments)


def test_a_new_key_is_shown_once_with_its_line():
    ran = CliRunner().invoke(command.api, ["--new-api-key", "phone:u"])
    key, line = (text.rpartition(": ")[2] for text in ran.stdout.splitlines())
    assert ran.exit_code == 0
    assert line.startswith("phone u ")
    assert key not in line
    said = refused("api", "--new-api-key", "phone")
    assert "expected NAME:UID or NAME:*, perhaps :admin behind it, got phone" in said
    ran = CliRunner().invoke(command.api, ["--new-api-key", "ops:*:admin"])
    assert ran.stdout.splitlines()[1].endswith(" admin")
    assert ": ops * " in ran.stdout


@pytest.fixture
def taken() -> Iterator[str]:
    """A port that somebody listens on."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        yield str(holder.getsockname()[1])


@pytest.mark.parametrize(
    ("arguments", "option", "mend"),
    [
        (("api", "--no-auth"), "--port", "--port"),
        (("api", "--no-auth"), "--metrics-port", "--metrics-port"),
        (("api", "--no-auth", "--processes", "2"), "--metrics-port", "--metrics-port"),
        (("worker",), "--health-port", "--health-port"),
        (("worker",), "--metrics-port", "--metrics-port"),
        (("worker", "--push", "--no-auth"), "--port", "--port"),
    ],
)
def test_a_taken_port_is_named_with_the_option_that_mends_it(
    tmp_path, monkeypatch, taken, arguments, option, mend
):
    monkeypatch.chdir(tmp_path)
    # Of several processes the second one's.
    first = int(taken) - arguments.count("--processes")
    said = refused(*arguments, option, str(first))
    assert f"127.0.0.1:{taken}: expected an address" in said
    assert said.endswith(f"got Address already in use: choose another, {mend}\n")


def test_one_of_several_processes_has_one_page_wherever_the_others_are(
    tmp_path, monkeypatch, taken
):
    monkeypatch.chdir(tmp_path)
    # As `--port P+1 --metrics-port P-3 --processes 4` calls its last one.
    ports = ("--port", str(int(taken) + 1), "--processes", "4", "--metrics-port", taken)
    said = refused("api", "--no-auth", *ports, "--one-of-several")
    assert f"127.0.0.1:{taken}: expected an address" in said, "no page was refused for its number"


@pytest.mark.parametrize("options", [("--health-port",), ("--metrics-port",)])
def test_a_host_of_no_interface_here_is_mended_by_another_host(tmp_path, monkeypatch, options):
    monkeypatch.chdir(tmp_path)
    # Of the block that is for documentation alone.
    said = refused("worker", "--host", "192.0.2.1", *options, str(free_ports(1)[0]))
    assert said.endswith(": choose another, --host\n")


@pytest.mark.parametrize("command", ["api", "worker"])
@pytest.mark.parametrize(
    ("name", "value", "option"),
    [
        ("PAWFECT_METRICS_PORT", "many", "--metrics-port"),
        ("PAWFECT_METRICS_PORT", "70000", "--metrics-port"),
        ("PORT", "http", "--port"),
        ("PAWFECT_TRITON_IDENTITY", "perhaps", "--triton-identity"),
        ("PAWFECT_TRITON", "nowhere", "--triton"),
        ("PAWFECT_STORE", "nowhere", "store"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318", "OTEL_EXPORTER_OTLP_ENDPOINT"),
    ],
)
def test_a_variable_of_another_form_is_refused_by_its_name(
    tmp_path, monkeypatch, command, name, value, option
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(name, value)
    said = refused(command, *(("--no-auth",) if command == "api" else ()))
    (line,) = (each for each in said.splitlines() if each.startswith("Error: "))
    assert option in line
    assert "Traceback" not in said


@pytest.mark.parametrize("content", [None, "nonsense\n", ""])
def test_keys_that_let_nobody_in_end_the_start(tmp_path, monkeypatch, content):
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "api-keys"
    if content is not None:
        file.write_text(content)
    said = refused("api", "--api-keys", str(file))
    assert "API keys" in said
    assert "expected NAME UID SHA256" in said or "pawfect api --new-api-key NAME:UID makes" in said
