"""`pawfect cutout`: a photo or a folder, on a server or here, its messages and its exit codes."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from pawfect.contract.errors import TABLE, ErrorKind
from pawfect.weights.store import ROOT_VARIABLE
from pawfect_client import load_photo
from pawfect_client.cutout_command import cutout
from tests.client.test_folder_faults import obey_permissions
from tests.conftest import free_ports
from tests.pawfect.photo.pictures import SRGB, encoded, exif_with_thumbnail, png, scene
from tests.server.conftest import until
from tests.subject import share_in_common, standing

PHOTO, FIGURE = standing()
FLAT = png(np.full((80, 96, 3), 120, np.uint8))
WRONG = TABLE[ErrorKind.INVALID_ARG].exit_code


@dataclass
class Desk:
    """A folder with photos, and the command run on them."""

    root: Path
    where: str

    def put(self, name: str, data: bytes) -> str:
        file = self.root / name
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(data)
        return str(file)

    def __call__(self, *options: str, photo: str = "photo.png", out: str = "out.png") -> Any:
        files = [str(self.root / photo), "--out", str(self.root / out)]
        return CliRunner().invoke(cutout, [*files, self.where, *options])

    def lines(self, out: str = "out") -> dict[str, dict[str, Any]]:
        """The newest line of each picture."""
        text = (self.root / out / "results.jsonl").read_text()
        return {line["input"]: line for line in map(json.loads, text.splitlines())}

    def results(self, out: str = "out") -> dict[str, bytes]:
        files = (self.root / out).iterdir()
        return {file.name: file.read_bytes() for file in files if file.name != "results.jsonl"}


@pytest.fixture
def desk(server, tmp_path):
    made = Desk(tmp_path, f"--url={server.endpoints.grpc}")
    made.put("photo.png", png(PHOTO))
    return made


@pytest.fixture
def folder(desk):
    for number in range(3):
        desk.put(f"photos/{number}.png", png(standing(80 + number)[0]))
    return desk


def test_a_phones_photo_is_cut_out_upright_with_profile_and_gps(desk):
    exif = exif_with_thumbnail(6, encoded(scene(64, 64), "JPEG"), b"note")
    stored = np.rot90(PHOTO).copy()
    desk.put("phone.jpg", encoded(stored, "JPEG", quality=95, exif=exif, icc_profile=SRGB))
    run = desk("--report", str(desk.root / "r.json"), photo="phone.jpg")
    assert run.exit_code == 0, run.output
    made = load_photo(desk.root / "out.png")
    assert (made.size, made.icc_profile) == ((96, 80), SRGB)
    assert made.exif == load_photo(desk.root / "phone.jpg").exif
    assert share_in_common(made.alpha, FIGURE) > 0.95
    report = json.loads((desk.root / "r.json").read_text())
    assert report["subject_found"] is True
    share = f"subject on {100 * report['subject_share']:.1f} % of the photo"
    sure = f"confidence {report['confidence']:.2f}"
    assert run.stdout.startswith(f"{desk.root / 'out.png'}: 96x80, {share}, {sure}, by u2netp at ")
    assert run.stdout.count("\n") == 1
    assert run.stderr == ""


def test_what_is_said_on_the_command_line_reaches_the_network(desk):
    ground = desk.put("ground.png", png(scene(64, 70, seed=3)))
    for number, (options, told) in enumerate(
        (
            (("--preset", "fast"), {"preset": "fast", "output": "rgba"}),
            (("--threshold", "0.5", "--edges", "none"), {"threshold": 0.5, "edges": "none"}),
            (("--network", "u2netp", "--size", "320"), {"network": "u2netp", "size": 320}),
            (("--background", "green"), {"output": "green"}),
            (("--background", "#102030"), {"output": "#102030"}),
            (("--background", "blur", "--param", "resize=static"), {"output": "blur"}),
            (("--background", ground), {"output": "background"}),
            (("--param", "output=map"), {"output": "map"}),
        )
    ):
        name = f"{number}.png"
        run = desk(*options, "--report", str(desk.root / "r.json"), "--quiet", out=name)
        assert run.output == ""
        report = json.loads((desk.root / "r.json").read_text())
        assert {key: report[key] for key in told} == told
        made = load_photo(desk.root / name)
        assert (made.alpha is not None) == (report["output"] == "rgba")
    assert made.grey


@pytest.mark.parametrize("options", [(), ("--background", "white"), ("--threshold", "0.5")])
def test_a_file_comes_out_here_as_a_server_makes_it(desk, options):
    assert desk(*options).exit_code == 0
    here = Desk(desk.root, "--local")(*options, out="here.png")
    assert here.exit_code == 0, here.output
    assert (desk.root / "here.png").read_bytes() == (desk.root / "out.png").read_bytes()


def test_without_a_subject_the_file_is_empty_and_the_last_line_says_so(desk):
    desk.put("photo.png", FLAT)
    run = desk()
    assert run.exit_code == 0, run.output
    assert "96x80, no subject found, by u2netp" in run.stdout
    assert "nothing of the photo is in it (output=rgba)" in run.stdout
    assert not load_photo(desk.root / "out.png").alpha.any()


def test_what_the_format_cannot_hold_is_told(desk):
    desk.put("photo.png", png(PHOTO.astype(np.uint16) * 257, bits=16))
    run = desk("--background", "white", out="out.jpg")
    assert run.exit_code == 0, run.output
    assert "not in this format: 8 of its 16 bits per channel" in run.stdout


@pytest.mark.parametrize(
    ("options", "given", "says"),
    [
        ((), {"out": "out.jpg"}, "out.jpg: expected .png, .webp, .tif or .avif for a photo with"),
        ((), {"out": "out.gif"}, "out.gif: expected a name ending in .jpg"),
        ((), {"out": "none/out.png"}, "out.png: expected a place in an existing folder"),
        ((), {"photo": "nobody.png"}, "nobody.png: expected a readable file"),
        ((), {"photo": "broken.jpg"}, "broken.jpg: expected a JPEG with all the pixels"),
        ((), {"photo": "tiny.png"}, "tiny.png: expected sides of 64 to 16384 px, got 32x32"),
        (("--background", "broken.jpg"), {}, "broken.jpg: expected a"),
        (("--background", "#12"), {}, "output: expected one of rgba"),
        (("--param", "output=background"), {}, "BACKGROUND: expected a picture"),
        (("--network", "nobody"), {}, "network: expected one of"),
        (("--network", "../x"), {}, "network: expected a network's name, got '../x'"),
        (("--size", "7"), {}, "size: expected auto or a number of px, 10 to 9999, got '7'"),
        (("--param", "deadline_ms=0"), {}, "deadline_ms: expected from 1 to 600000, got 0"),
        (("--quality", "80"), {}, "quality: expected one of JPEG, WebP, AVIF, got PNG"),
        (("--report", "none/r.json"), {}, "r.json: expected a place in an existing folder"),
    ],
    ids=range(15),
)
def test_what_is_wrong_is_said_in_one_line_and_nothing_is_written(
    desk, monkeypatch, options, given, says
):
    monkeypatch.chdir(desk.root)
    desk.put("broken.jpg", encoded(PHOTO, "JPEG")[:-400])
    desk.put("tiny.png", png(scene(32, 32)))
    before = sorted(desk.root.iterdir())
    run = desk(*options, **given)
    assert run.exit_code == WRONG, run.output
    (line,) = run.stderr.splitlines()
    assert line.startswith("pawfect: the request itself is wrong: ")
    assert says in line
    assert sorted(desk.root.iterdir()) == before


@pytest.mark.parametrize(
    "options",
    [
        ("--preset", "best"),
        ("--edges", "soft"),
        ("--threshold", "1.5"),
        ("--preset", "fast", "--param", "preset=high"),
        ("--background", "green", "--param", "output=map"),
        ("--param", "colour=red"),
        ("--param", "threshold=half"),
        ("--local",),
    ],
    ids=" ".join,
)
def test_wrong_usage_exits_with_2(desk, options):
    run = desk(*options)
    assert run.exit_code == 2, run.output
    assert not (desk.root / "out.png").exists()


def test_without_weights_the_command_that_mends_it_is_named(desk, monkeypatch):
    monkeypatch.setenv(ROOT_VARIABLE, str(desk.root / "none"))
    desk.where = "--local"
    run = desk()
    assert run.exit_code == TABLE[ErrorKind.UNAVAILABLE].exit_code
    assert run.stderr.endswith("run `pawfect weights fetch u2netp`\n")
    assert not (desk.root / "out.png").exists()


def test_without_a_server_one_message_says_so(folder):
    folder.where = f"--url=127.0.0.1:{free_ports(1)[0]}"
    for given in ({}, {"photo": "photos", "out": "out"}):
        run = folder(**given)
        assert run.exit_code == TABLE[ErrorKind.UNAVAILABLE].exit_code
        assert len(run.stderr.splitlines()) == 1
    assert not (folder.root / "out").exists()


def test_a_folder_is_cut_out_each_picture_alone_and_what_is_done_is_skipped(folder):
    folder.put("photos/flat.jpg", encoded(np.full((80, 96, 3), 120, np.uint8), "JPEG"))
    folder.put("photos/notes.jpg", b"a note\n")
    folder.put("photos/notes.txt", b"a note\n")
    run = folder(photo="photos", out="out")
    assert run.exit_code == WRONG, run.output
    assert "4 of 5 pictures cut out, 1 failed" in run.stdout
    assert "1 other files left alone" in run.stdout
    assert "masks" not in run.stdout
    assert "  notes.jpg: expected a JPEG" in run.stderr
    lines = folder.lines()
    found = {name: line["subject_found"] for name, line in lines.items()}
    assert found == {"0.png": True, "1.png": True, "2.png": True, "flat.jpg": False} | {
        "notes.jpg": None
    }
    assert lines["0.png"]["network"] == "u2netp"
    assert lines["flat.jpg"]["output"] == "flat.png"
    assert "nothing of the photo is in it (output=rgba)" in lines["flat.jpg"]["remarks"]
    assert lines["notes.jpg"]["error"] == "PAWFECT_INVALID_ARG"
    assert sorted(folder.results()) == ["0.png", "1.png", "2.png", "flat.png"]
    (folder.root / "photos" / "notes.jpg").unlink()
    again = folder(photo="photos", out="out")
    assert again.exit_code == 0
    assert "0 of 4 pictures cut out, 4 done before" in again.stdout
    folder.put("photos/1.png", png(standing(90)[0]))
    assert "1 of 4 pictures cut out, 3 done before" in folder(photo="photos", out="out").stdout
    assert "4 of 4 pictures" in folder("--threshold", "0.5", photo="photos", out="out").stdout


def test_a_folder_on_a_background_keeps_its_formats_and_follows_the_backgrounds_file(folder):
    folder.put("photos/dog.jpg", encoded(PHOTO, "JPEG", quality=95))
    ground = folder.put("ground.png", png(scene(64, 70, seed=3)))
    given = ("--background", ground)
    assert folder(*given, photo="photos", out="out").exit_code == 0
    assert sorted(folder.results()) == ["0.png", "1.png", "2.png", "dog.jpg"]
    assert "4 done before" in folder(*given, photo="photos", out="out").stdout
    folder.put("ground.png", png(scene(64, 70, seed=4)))
    assert "4 of 4 pictures cut out" in folder(*given, photo="photos", out="out").stdout
    here = Desk(folder.root, "--local")(*given, photo="photos", out="here")
    assert here.exit_code == 0, here.output
    assert folder.results("here") == folder.results("out")


@pytest.mark.parametrize(
    ("options", "given", "says"),
    [
        (("--format", "jpeg"), {}, "format: expected .png, .webp, .tif or .avif for a photo"),
        (("--quality", "80"), {}, "quality: expected one of JPEG, WebP, AVIF, got PNG"),
        ((), {"out": "photos"}, "photos: expected a folder of its own for the results"),
        ((), {"out": "none/out"}, "out: expected a folder that can be written to"),
        ((), {"out": "full"}, "full: expected a new or empty folder"),
    ],
    ids=range(5),
)
def test_a_folder_that_cannot_be_done_is_refused_before_anything_is_sent(
    folder, options, given, says
):
    folder.put("full/mine.png", b"mine")
    before = {path: path.stat().st_mtime_ns for path in folder.root.rglob("*")}
    run = folder(*options, **{"photo": "photos", "out": "out", **given})
    assert run.exit_code == WRONG
    assert says in run.stderr.splitlines()[-1]
    assert {path: path.stat().st_mtime_ns for path in folder.root.rglob("*")} == before


def started(desk: Desk, *options: str, **how: Any) -> subprocess.Popen[str]:
    program = str(Path(sys.executable).parent / "pawfect")
    command = [program, "cutout", "photos", "--out", "out", desk.where, *options]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, cwd=desk.root, **pipes, **how)


def test_a_folder_that_may_not_be_written_to_is_named(folder):
    (folder.root / "out").mkdir()
    (folder.root / "out").chmod(0o555)
    process = started(folder, preexec_fn=obey_permissions)
    _, err = process.communicate(timeout=60)
    assert process.returncode == WRONG, err
    assert "out: expected a folder that can be written to, got Permission denied" in err


# On a server in short; both ways end as those of `pawfect inpaint` do.
@pytest.mark.parametrize("where", ["server", pytest.param("local", marks=pytest.mark.slow)])
def test_an_interrupt_leaves_whole_results_and_the_same_command_goes_on(desk, where):
    if where == "local":
        desk.where = "--local"
    desk.put("photos/1 small.png", png(PHOTO))
    for number in range(2, 6):
        large = standing(1000, 1000)[0]
        desk.put(f"photos/{number} large.png", encoded(large, "PNG", compress_level=1))
    # A suite that runs in the background inherits SIGINT as ignored; a terminal's program not.
    default = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.default_int_handler)}
    process = started(desk, **default)
    log = desk.root / "out" / "results.jsonl"
    until(lambda: log.exists() and log.read_bytes().endswith(b"\n"), 60)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    done = sorted(desk.results())
    assert "1 small.png" in done
    assert f"{len(done)} of 5 pictures cut out" in out
    assert f"interrupted with {5 - len(done)} to go" in out
    assert all(load_photo(desk.root / "out" / name).alpha is not None for name in done)
    again = desk(photo="photos", out="out")
    assert again.exit_code == 0, again.output
    assert f"{5 - len(done)} of 5 pictures cut out, {len(done)} done before" in again.stdout
