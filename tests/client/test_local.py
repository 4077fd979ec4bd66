"""`--local`: the flow in the client's own process, found by its entry point."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from click.testing import CliRunner

from pawfect.contract.errors import TABLE, ErrorKind, PawfectError
from pawfect.profile import PROFILE_VARIABLE
from pawfect_client import Done, LocalClient, PawfectClient
from pawfect_client.command import inpaint
from pawfect_client.local import find_flow
from tests.client.serving import long_job
from tests.pawfect.photo.pictures import hole, png, scene
from tests.server.conftest import until

PHOTO, HOLE = scene(80, 64), hole(80, 64)
ALPHA = scene(80, 64, channels=4)
# CPU after which a program has read its files and fills: it takes 2 s of it to get there and 20
# more to fill.
BEGUN_S = 4.0


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "photo.png").write_bytes(png(PHOTO))
    (tmp_path / "alpha.png").write_bytes(png(ALPHA))
    (tmp_path / "mask.png").write_bytes(png(HOLE))
    return tmp_path


def run(files: Path, *options: str, photo: str = "photo.png", out: str = "out.png") -> Any:
    paths = [str(files / name) for name in (photo, "mask.png", out)]
    return CliRunner().invoke(inpaint, [*paths[:2], "--out", paths[2], *options])


@pytest.mark.parametrize("photo", ["photo.png", "alpha.png"])
@pytest.mark.parametrize("options", [(), ("--stream",), ("--seed", "7", "--param", "dilate_px=3")])
def test_a_file_comes_out_as_a_server_makes_it(server, files, photo, options):
    here = run(files, "--local", *options, photo=photo)
    assert here.exit_code == 0, here.output
    there = run(files, f"--url={server.endpoints.grpc}", *options, photo=photo, out="there.png")
    assert there.exit_code == 0, there.output
    assert (files / "out.png").read_bytes() == (files / "there.png").read_bytes()
    assert here.stderr == there.stderr


def test_labels_prompt_protect_and_report_are_those_of_the_request(files):
    pet = np.zeros((64, 80), np.uint8)
    pet[:, 30:] = 255
    (files / "pet.png").write_bytes(png(pet))
    options = ("--label", "grass", "--label", "leaves", "--prompt", "grass", "--seed", "3")
    more = ("--protect", str(files / "pet.png"), "--report", str(files / "r.json"))
    made = run(files, "--local", *options, *more)
    assert made.exit_code == 0, made.output
    report = json.loads((files / "r.json").read_text())
    told = (report["labels"], report["prompt"], report["seed"], report["profile"])
    assert told == (["grass", "leaves"], "grass", 3, "embedded")


@pytest.mark.parametrize(
    ("option", "kind", "message"),
    [
        ("steps=0", ErrorKind.INVALID_ARG, "steps: expected from 1 to 100, got 0"),
        ("engine=flux", ErrorKind.UNAVAILABLE, "engine=flux: profile embedded has lama, patch"),
        ("deadline_ms=1", ErrorKind.DEADLINE, "expected an answer within 1 ms"),
    ],
)
@pytest.mark.parametrize("stream", [[], ["--stream"]])
def test_failures_are_those_of_the_table(files, option, kind, message, stream):
    made = run(files, "--local", "--param", option, *stream)
    assert made.exit_code == TABLE[kind].exit_code
    last = made.stderr.splitlines()[-1]
    assert last.startswith(f"pawfect: {TABLE[kind].meaning}: ")
    assert message in last
    assert not (files / "out.png").exists()


@pytest.mark.parametrize("option", ["--url=127.0.0.1:8001", "--timeout=5"])
def test_what_is_said_of_a_server_is_wrong_usage(files, option):
    made = run(files, "--local", option)
    assert made.exit_code == 2
    assert "expected a server, got --local" in made.stderr


def test_a_profile_that_does_not_exist_is_named(files, monkeypatch):
    monkeypatch.setenv(PROFILE_VARIABLE, "laptop")
    made = run(files, "--local")
    assert made.exit_code == TABLE[ErrorKind.UNAVAILABLE].exit_code
    assert "profile: expected one of" in made.stderr
    assert "got 'laptop'" in made.stderr


def test_a_flow_that_nobody_registered_says_what_to_install():
    for name, group in (("inpaint", "pawfect.none"), ("swim", "pawfect.flows")):
        with pytest.raises(PawfectError) as caught:
            find_flow(name, group)
        assert caught.value.kind is ErrorKind.UNAVAILABLE
        expected = f"local: the flow {name} is not installed here: pip install"
        assert caught.value.message == f"{expected} 'pawfect[client,server]'"


def test_a_package_that_the_flow_lacks_is_named_with_what_brings_it(files):
    # As on a machine with `pawfect[client]` alone.
    code = "import sys; sys.modules['cv2'] = None\nfrom pawfect.cli import main; main(sys.argv[1:])"
    command = ["inpaint", "photo.png", "mask.png", "--out", "out.png", "--local"]
    ended = subprocess.run(
        [sys.executable, "-c", code, *command],
        cwd=files,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.returncode == TABLE[ErrorKind.UNAVAILABLE].exit_code
    (line,) = ended.stderr.splitlines()
    needs = "local: the flow inpaint needs the package cv2: pip install 'pawfect[client,server]'"
    assert line.endswith(needs)


def test_the_client_gives_what_a_servers_client_gives(server):
    with PawfectClient(server.endpoints.grpc) as there, LocalClient() as here:
        expected = there.inpaint(PHOTO, HOLE, seed=5)
        answer = here.inpaint(PHOTO, HOLE, seed=5)
        np.testing.assert_array_equal(answer.image, expected.image)
        assert answer.report.windows == expected.report.windows
        streams = [list(client.inpaint_stream(PHOTO, HOLE)) for client in (here, there)]
    stages = [[event.stage for event in stream[:-1]] for stream in streams]
    assert stages[0] == stages[1]
    assert isinstance(streams[0][-1], Done)


async def test_it_can_be_called_where_an_event_loop_runs():
    """As in a notebook."""
    with LocalClient() as here:
        assert here.inpaint(PHOTO, HOLE).image.shape == PHOTO.shape


def test_what_breaks_in_the_flow_is_an_error_of_the_table_and_tells_no_more():
    class Flow:
        def inpaint(self, **given: Any) -> None:
            raise OSError("/secret/place")

    client = LocalClient()
    client._flows["inpaint"] = Flow()
    with pytest.raises(PawfectError) as caught:
        client.inpaint(PHOTO, HOLE)
    assert (caught.value.kind, caught.value.message) == (ErrorKind.INTERNAL, "inpaint: OSError")


def test_a_closed_client_and_a_stream_that_is_left_end_their_work():
    image, mask = long_job()
    with LocalClient() as client:
        stream = client.inpaint_stream(image, mask)
        assert next(stream).stage == "mask_cleanup"
        stream.close()
        assert "inpaint" not in {thread.name for thread in threading.enumerate()}
        stream = client.inpaint_stream(image, mask)
        next(stream)
        client.close()
        with pytest.raises(PawfectError) as caught:
            list(stream)
    assert caught.value.kind is ErrorKind.CANCELLED


@pytest.mark.parametrize("stream", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_an_interrupt_exits_with_130_and_writes_nothing(files, stream):
    image, mask = long_job()
    (files / "photo.png").write_bytes(png(image))
    (files / "mask.png").write_bytes(png(mask))
    program = str(Path(sys.executable).parent / "pawfect")
    command = [program, "inpaint", "photo.png", "mask.png", "--out", "out.png", "--local"]
    process = subprocess.Popen(
        [*command, *(["--stream"] if stream else [])],
        cwd=files,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A suite that runs in the background inherits SIGINT as ignored; a terminal's program not.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    if stream:
        assert process.stderr is not None
        assert process.stderr.readline().startswith("mask_cleanup")
    else:
        until(lambda: psutil.Process(process.pid).cpu_times().user > BEGUN_S, 60)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    assert err.splitlines()[-1] == "pawfect: the caller cancelled the request: interrupted"
    assert out == ""
    assert not (files / "out.png").exists()
