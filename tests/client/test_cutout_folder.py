"""`pawfect cutout` of a folder: each picture alone, done once, and on after an interrupt."""

from __future__ import annotations

import signal
import subprocess
from typing import Any

import numpy as np
import pytest

from pawfect.contract.errors import TABLE, ErrorKind
from pawfect_client import load_photo
from tests.client.processes import start
from tests.client.test_cutout import PHOTO, WRONG, Desk
from tests.client.test_folder_faults import obey_permissions
from tests.conftest import free_ports
from tests.pawfect.photo.pictures import encoded, png, scene
from tests.server.conftest import until
from tests.subject import standing


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
    arguments = ["cutout", "photos", "--out", "out", desk.where, *options]
    return start(arguments, desk.root, **how)


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
