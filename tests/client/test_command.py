"""`pawfect inpaint` from files to a file, its messages and its exit codes."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from click.testing import CliRunner

from pawfect.contract.errors import TABLE, ErrorKind
from pawfect.contract.report import Report
from pawfect_client import decode_photo, load_photo
from pawfect_client.command import inpaint
from tests.client.serving import SENT_S, long_job
from tests.conftest import free_ports
from tests.pawfect.photo.pictures import SRGB, encoded, exif_with_thumbnail, hole, png, scene
from tests.server.conftest import answers, until


@dataclass
class Desk:
    """A folder with a photo and a mask, and the command run on them."""

    folder: Path
    url: str

    def path(self, name: str) -> str:
        return str(self.folder / name)

    def put(self, name: str, data: bytes) -> str:
        (self.folder / name).write_bytes(data)
        return self.path(name)

    def __call__(
        self, *options: str, out: str = "out.png", photo="photo.png", mask="mask.png"
    ) -> Any:
        files = [self.path(photo), self.path(mask), "--out", self.path(out)]
        return CliRunner().invoke(inpaint, [*files, f"--url={self.url}", *options])


@pytest.fixture
def desk(server, tmp_path):
    made = Desk(tmp_path, server.endpoints.grpc)
    made.put("photo.png", png(scene(80, 64)))
    made.put("mask.png", png(hole(80, 64)))
    return made


def test_a_phones_photo_comes_back_upright_with_profile_and_gps(desk):
    exif = exif_with_thumbnail(6, encoded(scene(64, 64), "JPEG"), b"note")
    source = encoded(scene(80, 64), "JPEG", exif=exif, icc_profile=SRGB)
    desk.put("phone.jpg", source)
    desk.put("upright.png", png(hole(64, 80)))
    run = desk("--report", desk.path("r.json"), photo="phone.jpg", mask="upright.png", out="o.webp")
    assert run.exit_code == 0, run.output
    result, photo = load_photo(desk.path("o.webp")), decode_photo(source)
    assert result.size == (64, 80)
    assert result.icc_profile == SRGB
    assert result.exif == photo.exif
    assert np.abs(result.pixels[:15, :15].astype(int) - photo.pixels[:15, :15]).mean() < 5
    report = Report.from_json((desk.folder / "r.json").read_text())
    assert (report.width, report.height) == (64, 80)
    assert run.stdout.startswith(f"{desk.path('o.webp')}: 64x80, {report.hole_px} px filled by")
    assert run.stdout.count("\n") == 1
    assert run.stderr == ""


def test_alpha_and_pixels_outside_the_mask_stay_in_a_lossless_file(desk):
    rgba = scene(80, 64, channels=4)
    desk.put("photo.png", png(rgba))
    assert desk("--quiet").output == ""
    result = load_photo(desk.path("out.png"))
    assert np.array_equal(result.alpha[:9], rgba[:9, :, 3])
    assert np.array_equal(result.pixels[:9], rgba[:9, :, :3])


@pytest.mark.parametrize("channels", [3, 4])
def test_the_wish_for_no_protection_reaches_the_service_beside_a_mask_of_it_too(desk, channels):
    desk.put("photo.png", png(scene(80, 64, channels=channels)))
    desk.put("pet.png", png(np.zeros((64, 80), np.uint8)))
    report = desk.path("r.json")
    for options, source in (((), "none"), (("--protect", desk.path("pet.png")), "request")):
        run = desk("--param", "protect=none", "--report", report, *options)
        assert run.exit_code == 0, run.output
        told = json.loads(Path(report).read_text())["protect_source"]
        # A photo with transparent parts has them barred in a request of its own.
        assert told == (source if channels == 3 else "request")


def test_the_options_reach_the_service(desk):
    options = ["--seed=7", "--param", "dilate_px=3", "--param", "engine=patch", "--label", "grass"]
    more = ["--label", "leaves", "--prompt", "grass with leaves", "--timeout", "60"]
    run = desk(*options, *more, "--report", desk.path("r.json"))
    assert run.exit_code == 0, run.output
    text = (desk.folder / "r.json").read_text()
    report = json.loads(text)
    assert report["seed"] == 7
    assert report["dilate_px"] == 3
    assert report["labels"] == ["grass", "leaves"]
    assert report["prompt"] == "grass with leaves"
    assert text.startswith('{\n  "engine": "patch",\n')


def test_protected_pixels_stay(desk):
    protect = np.zeros((64, 80), np.uint8)
    protect[:, 30:] = 255
    desk.put("pet.png", png(protect))
    assert desk("--protect", desk.path("pet.png")).exit_code == 0
    kept = load_photo(desk.path("out.png")).pixels[protect > 0]
    assert np.array_equal(kept, scene(80, 64)[protect > 0])


def test_a_stream_prints_its_stages_as_lines_where_nobody_watches(desk):
    run = desk("--stream")
    assert run.exit_code == 0, run.output
    lines = run.stderr.splitlines()
    assert lines[0] == "mask_cleanup 5%"
    assert lines[-1] == "done 100%"
    assert run.stdout.count("\n") == 1


def test_with_and_without_a_stream_the_files_are_equal(desk):
    desk("--stream", out="a.png")
    desk(out="b.png")
    files = [(desk.folder / name).read_bytes() for name in ("a.png", "b.png")]
    assert files[0] == files[1]


def failed(run: Any, kind: ErrorKind, message: str) -> None:
    """Check exit code, form and content of a failure."""
    row = TABLE[kind]
    assert run.exit_code == row.exit_code, run.output
    last = run.stderr.splitlines()[-1]
    assert last.startswith(f"pawfect: {row.meaning}: ")
    assert message in last
    assert "Traceback" not in run.output
    assert run.stdout == ""


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"out": "out.gif"}, "out.gif: expected a name ending in"),
        ({"out": "none/out.png"}, "got no folder none"),
        ({"photo": "absent.png"}, "absent.png: expected a readable file, got No such file"),
        ({"mask": "absent.png"}, "absent.png: expected a readable file, got No such file"),
        ({"photo": "note.png"}, "BMP or GIF file, got text"),
        ({"photo": "half.png"}, "half.png: expected a whole PNG, got a truncated or broken one"),
        ({"mask": "small.png"}, "small.png: expected the photo's size 80x64, got 96x80"),
        ({"mask": "twice.png"}, "got 160x128 of the same shape, which fit_mask scales to it"),
        ({"mask": "inverted.png"}, "3.0% the other way round (mask_is=white or mask_is=black)"),
        ({"mask": "empty.png"}, "MASK: expected some pixels >= 128 (to fill), got none above 0"),
        ({"photo": "clear.png", "out": "out.jpg"}, "out.jpg: expected .png, .webp, .tif or"),
    ],
)
def test_wrong_files_exit_with_65_and_write_nothing(desk, options, message):
    desk.put("note.png", b"a note\n")
    desk.put("half.png", png(scene(80, 64))[:3000])
    desk.put("small.png", png(hole()))
    desk.put("empty.png", png(hole(80, 64) * 0))
    desk.put("twice.png", png(hole(160, 128)))
    desk.put("inverted.png", png(255 - hole(80, 64)))
    desk.put("clear.png", png(scene(80, 64, channels=4)))
    before = sorted(desk.folder.iterdir())
    failed(desk(**options), ErrorKind.INVALID_ARG, message)
    assert sorted(desk.folder.iterdir()) == before


@pytest.mark.parametrize("stream", [[], ["--stream"]])
def test_each_kind_of_failure_has_its_exit_code(desk, stream):
    steps = desk("--param", "steps=0", *stream)
    failed(steps, ErrorKind.INVALID_ARG, "steps: expected from 1 to 100, got 0")
    flux = desk("--param", "engine=flux", *stream)
    failed(flux, ErrorKind.UNAVAILABLE, "engine=flux: profile embedded has lama, patch")
    late = desk("--param", "deadline_ms=1", *stream)
    failed(late, ErrorKind.DEADLINE, "expected an answer within 1 ms")
    hasty = desk("--timeout", "0.001", *stream)
    failed(hasty, ErrorKind.DEADLINE, "within 0.001 s, got none")


def test_no_server_is_said_within_seconds(desk):
    desk.url = f"127.0.0.1:{free_ports(1)[0]}"
    started = time.monotonic()
    failed(desk(), ErrorKind.UNAVAILABLE, desk.url)
    assert time.monotonic() - started < 5


def test_an_old_result_stays_where_a_new_one_fails(desk):
    desk.put("out.png", b"old")
    desk("--param", "engine=flux")
    assert (desk.folder / "out.png").read_bytes() == b"old"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--param", "step=4"], "expected KEY=VALUE with a key of engine, steps,"),
        (["--param", "steps"], "expected KEY=VALUE with a key of engine, steps,"),
        (["--param", "steps=four"], "steps: expected an integer, got 'four'"),
        (["--param", "steps=4.0"], "steps: expected an integer, got '4.0'"),
        (["--param", "strength=much"], "strength: expected a number, got 'much'"),
        (["--param", "match_colour=no"], "match_colour: expected true or false, got 'no'"),
        (["--seed", "1", "--param", "seed=2"], "parameter seed: expected once, got twice"),
        (["--timeout", "0"], "Invalid value for '--timeout'"),
    ],
)
def test_wrong_usage_exits_with_2_and_says_what_is_right(desk, options, message):
    run = desk(*options)
    assert run.exit_code == 2
    assert message in " ".join(run.stderr.split())


def test_not_a_number_is_refused(desk):
    run = desk("--param", "strength=nan")
    failed(run, ErrorKind.INVALID_ARG, "strength: expected above 0.0 to 1.0, got nan")


def test_the_command_needs_nothing_of_the_servers_packages():
    code = (
        "import sys, pawfect_client.command, pawfect_client.report_table\n"
        "names = {name.partition('.')[0] for name in sys.modules} | set(sys.modules)\n"
        "print(*sorted(names & set(sys.argv[1:])))"
    )
    unwanted = ["cv2", "torch", "numba", "psutil", "pawfect_triton", "pawfect.orchestrator"]
    run = [sys.executable, "-c", code, *unwanted, "pawfect.patch", "pawfect.picture.mask"]
    assert subprocess.run(run, capture_output=True, text=True, timeout=60).stdout == "\n"


def program(desk: Desk, *options: str) -> list[str]:
    files = [desk.path("photo.png"), desk.path("mask.png"), "--out", desk.path("out.png")]
    command = str(Path(sys.executable).parent / "pawfect")
    return [command, "inpaint", *files, f"--url={desk.url}", *options]


def test_the_installed_program_fills_a_photo(desk):
    run = subprocess.run(program(desk, "--stream"), capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stderr
    assert "mask_cleanup 5%" in run.stderr
    assert load_photo(desk.path("out.png")).size == (80, 64)


@pytest.mark.parametrize("stream", [[], ["--stream"]])
def test_an_interrupt_cancels_on_the_server_and_exits_with_130(server, desk, stream):
    image, mask = long_job()
    desk.put("photo.png", png(image))
    desk.put("mask.png", png(mask))
    model = "inpaint_stream" if stream else "inpaint"
    before = answers(server, model, "CANCELLED")
    process = subprocess.Popen(
        program(desk, *stream),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A suite that runs in the background inherits SIGINT as ignored; a terminal's program not.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    port = int(desk.url.rpartition(":")[2])
    peers = psutil.Process(process.pid).net_connections
    until(lambda: any(peer.raddr and peer.raddr.port == port for peer in peers()), 30)
    # The request is then on its way; the server works at it ten times as long.
    time.sleep(SENT_S)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 130, err
    assert err.splitlines()[-1] == "pawfect: the caller cancelled the request: interrupted"
    assert out == ""
    assert not (desk.folder / "out.png").exists()
    until(lambda: answers(server, model, "CANCELLED") == before + 1, 30)
