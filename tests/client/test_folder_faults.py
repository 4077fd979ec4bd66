"""A folder on a machine that fails: full disks, files that cannot be read, interrupts."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import subprocess

import numpy as np
import pytest
from PIL import Image

from pawfect_client import load_photo
from tests.client.processes import start
from tests.client.serving import long_job
from tests.client.test_folder import Folders, folders
from tests.pawfect.photo.pictures import hole, png, scene
from tests.server.conftest import answers, stubs, until

# Of Linux's prctl.h and capability.h.
PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 24, 1, 2
FLAT = png(np.full((64, 80, 3), 90, np.uint8))


@pytest.fixture
def desk(server, tmp_path):
    return folders(tmp_path, f"--url={server.endpoints.grpc}")


def started(desk: Folders, *options: str, **how) -> subprocess.Popen[str]:
    arguments = ["inpaint", "photos", "masks", "--out", "out", desk.where, *options]
    return start(arguments, desk.root, **how)


def obey_permissions() -> None:
    """Have the superuser's programs read and write only what their files' permissions allow."""
    for capability in (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH):
        ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)


def limited(size: int):
    return {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))}


def left_overs(desk: Folders) -> list[str]:
    return [name for name in os.listdir(desk.root / "out") if name.endswith(".part")]


def test_what_finds_no_room_fails_whole_and_the_rest_goes_on(desk):
    for number in range(3):
        desk.put(f"{number} large.png", png(scene(80, 64, seed=number)), f"{number} large.png")
        desk.put(f"{number} small.png", FLAT, f"{number} small.png")
    process = started(desk, **limited(8000))
    out, err = process.communicate(timeout=60)
    assert process.returncode == 65, err
    assert "3 of 6 pictures filled, 3 failed" in out
    for number in range(3):
        reason = "expected a place that can be written to, got File too large"
        assert f"  {number} large.png: {reason}" in err
    assert sorted(desk.results()) == [f"{number} small.png" for number in range(3)]
    assert len(desk.lines()) == 6
    again = desk()
    assert again.exit_code == 0, again.output
    assert "3 of 6 pictures filled, 3 done before" in again.stdout


def test_lines_that_find_no_room_are_counted_and_never_half_there(desk):
    for number in range(6):
        desk.put(f"{number}.png", FLAT, f"{number}.png")
    process = started(desk, **limited(1000))
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    written = len(desk.lines())
    assert 1 <= written < 6
    assert f"results.jsonl lacks {6 - written} lines, which found no room" in err
    assert "6 of 6 pictures filled" in out
    assert f"{6 - written} of 6 pictures filled, {written} done before" in desk().stdout


def test_where_nobody_reads_what_is_said_the_rest_is_not_begun(desk):
    for number in range(40):
        desk.put(f"{number:02}.png", FLAT, f"{number:02}.png")
    process = started(desk)
    assert process.stderr is not None
    process.stderr.close()
    assert process.wait(timeout=60) != 0
    assert process.stdout is not None
    process.stdout.close()
    assert len(desk.lines()) < 40
    assert left_overs(desk) == []
    assert desk().exit_code == 0
    assert len(desk.results()) == 40


def test_files_that_cannot_be_read_fail_and_the_rest_goes_on(desk):
    desk.put("good.png", mask="good.png")
    for name in ("dangling", "pipe", "secret"):
        desk.put(f"{name}.png", mask=f"{name}.png")
    photos = desk.root / "photos"
    (photos / "dangling.png").unlink()
    (photos / "dangling.png").symlink_to("nowhere.png")
    (photos / "pipe.png").unlink()
    os.mkfifo(photos / "pipe.png")
    (photos / "secret.png").chmod(0)
    process = started(desk, preexec_fn=obey_permissions)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 65, err
    assert "1 of 4 pictures filled, 3 failed" in out
    assert "  dangling.png: expected a readable file, got No such file" in err
    assert "  pipe.png: expected a regular file, got none" in err
    assert "  secret.png: expected a readable file, got Permission denied" in err
    assert list(desk.results()) == ["good.png"]


@pytest.mark.parametrize("what", ["photos", "masks", "out"])
def test_a_folder_that_may_not_be_read_is_named(desk, what):
    desk.put("dog.png", mask="dog.png")
    (desk.root / "out").mkdir()
    (desk.root / what).chmod(0)
    process = started(desk, preexec_fn=obey_permissions)
    out, err = process.communicate(timeout=60)
    (desk.root / what).chmod(0o755)
    assert process.returncode == 65, err
    assert out == ""
    assert err.splitlines()[-1].startswith("pawfect: the request itself is wrong: ")
    assert f"{what}: expected a" in err
    assert "got Permission denied" in err


@pytest.mark.parametrize("where", ["server", pytest.param("local", marks=pytest.mark.slow)])
def test_an_interrupt_leaves_whole_results_and_the_same_command_goes_on(server, desk, where):
    if where == "local":
        desk.where = "--local"
    image, mask = long_job()
    desk.put("1 small.png", FLAT, "1 small.png")
    for number in range(2, 6):
        desk.put(f"{number} long.png", png(image))
        (desk.root / "masks" / f"{number} long.png").write_bytes(png(mask))
    before = answers(server, "inpaint", "CANCELLED")
    # A suite that runs in the background inherits SIGINT as ignored; a terminal's program not.
    default = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.default_int_handler)}
    process = started(desk, **default)
    log = desk.root / "out" / "results.jsonl"
    # The small one is done, and the next are then in flight: on the server once it fills them.
    until(lambda: log.exists() and log.read_bytes().endswith(b"\n"), 60)
    if where == "server":
        fills = stubs(server, "patch_fill")

        def worked_s() -> float:
            return sum(process.cpu_times().user for process in fills)

        idle_s = worked_s()
        until(lambda: worked_s() > idle_s + 0.5, 30)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    # Where the interrupt comes late, one of those in flight is done too.
    done = list(desk.results())
    assert "1 small.png" in done
    assert len(done) < 5
    assert f"{len(done)} of 5 pictures filled" in out
    assert f"interrupted with {5 - len(done)} to go" in out
    assert left_overs(desk) == []
    cancelled = {line["input"] for line in desk.lines() if line["error"] == "PAWFECT_CANCELLED"}
    assert cancelled <= {f"{number} long.png" for number in range(2, 6)} - set(done)
    assert len(cancelled) <= 2
    if where == "server":
        until(lambda: answers(server, "inpaint", "CANCELLED") > before, 30)
    left = [f"{number} long.png" for number in range(2, 6) if f"{number} long.png" not in done]
    for name in left:
        desk.put(name, FLAT)
        Image.fromarray(hole(80, 64)).save(desk.root / "masks" / name)
    again = desk()
    assert again.exit_code == 0, again.output
    assert f"{len(left)} of 5 pictures filled, {len(done)} done before" in again.stdout
    assert load_photo(desk.root / "out" / left[-1]).size == (80, 64)
