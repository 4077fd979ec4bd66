"""`pawfect inpaint` on a folder: what is filled, what fails and why, and what a second run does."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from pawfect.contract.errors import TABLE, ErrorKind
from pawfect.photo.formats import WRITTEN_AS
from pawfect_client import decode_photo, load_photo
from pawfect_client.command import inpaint
from tests.conftest import free_ports
from tests.pawfect.photo.pictures import hole, png, scene
from tests.pawfect.photo.test_many_files import FILLED, REFUSED

SUFFIXES = {"jpeg": ".jpg", "tiff": ".tif"}


@dataclass
class Folders:
    """Pictures, masks and results, and the command run on them."""

    root: Path
    where: str

    def put(self, name: str, photo: bytes | None = None, mask: str | None = None) -> None:
        """Add a picture, and a mask of this name."""
        data = png(scene(80, 64)) if photo is None else photo
        (self.root / "photos" / name).write_bytes(data)
        if mask is not None:
            (self.root / "masks" / mask).write_bytes(png(hole(80, 64)))

    def __call__(self, *options: str, photos="photos", masks="masks", out="out") -> Any:
        arguments = [str(self.root / name) for name in (photos, masks)]
        return CliRunner().invoke(
            inpaint, [*arguments, "--out", str(self.root / out), self.where, *options]
        )

    def lines(self, out: str = "out") -> list[dict[str, Any]]:
        text = (self.root / out / "results.jsonl").read_text()
        return [json.loads(line) for line in text.splitlines()]

    def results(self, out: str = "out") -> dict[str, bytes]:
        """What lies in the folder of results, but for the list of them."""
        files = (self.root / out).iterdir()
        return {file.name: file.read_bytes() for file in files if file.name != "results.jsonl"}


def folders(root: Path, where: str) -> Folders:
    for name in ("photos", "masks"):
        (root / name).mkdir()
    return Folders(root, where)


@pytest.fixture
def desk(server, tmp_path):
    return folders(tmp_path, f"--url={server.endpoints.grpc}")


@pytest.fixture
def three(desk):
    for number, mask in enumerate(("0.png", "mask_1.png", "2-mask.png")):
        desk.put(f"{number}.png", png(scene(80, 64, seed=number)), mask)
    return desk


def put_sixty(desk: Folders) -> dict[str, str]:
    """Add the sixty pictures; return their files' names."""
    names = {}
    for name, make in {**FILLED, **{name: row[0] for name, row in REFUSED.items()}}.items():
        data = make()
        kind = name.split()[0]
        names[name] = f"{name.replace('/', '_')}{SUFFIXES.get(kind, f'.{kind}')}"
        if name in REFUSED:
            names[name] = f"{name}.jpg"
        width, height = decode_photo(data).size if name in FILLED else (96, 80)
        mask = np.zeros((height, width), np.uint8)
        mask[36:44, 40:52] = 255
        desk.put(names[name], data)
        (desk.root / "masks" / f"{names[name]}_mask.png").write_bytes(png(mask))
    return names


def test_sixty_pictures_are_filled_or_refused_each_with_its_reason_here_and_on_a_server(desk):
    names = put_sixty(desk)
    asked = "--param", "dilate_px=2", "--param", "protect=none"
    run = desk(*asked, "--in-flight", "4")
    assert run.exit_code == TABLE[ErrorKind.INVALID_ARG].exit_code, run.output
    assert "50 of 60 pictures filled, 10 failed" in run.stdout
    assert len(run.stdout.splitlines()) == 1
    lines = {line["input"]: line for line in desk.lines()}
    assert len(desk.lines()) == len(lines) == 60
    for name, (_, reason) in REFUSED.items():
        line = lines[names[name]]
        assert (line["error"], line["engine"]) == ("PAWFECT_INVALID_ARG", None)
        assert reason in line["message"]
        assert f"  {names[name]}: expected" in run.stderr
    for name in FILLED:
        line = lines[names[name]]
        assert (line["error"], line["engine"]) == (None, "patch")
        before = load_photo(desk.root / "photos" / names[name])
        after = load_photo(desk.root / "out" / line["output"])
        assert after.format == WRITTEN_AS.get(before.format, before.format)
        outside = np.ones(before.pixels.shape[:2], bool)
        outside[30:50, 34:58] = False
        if after.lossless:
            assert np.array_equal(after.pixels[outside], before.pixels[outside])
    here = Folders(desk.root, "--local")(*asked, out="here")
    assert here.exit_code == run.exit_code
    assert desk.results("here") == desk.results("out")


def test_what_is_done_is_skipped_and_what_changed_is_done_again(three):
    assert three().exit_code == 0
    before = three.results()
    assert sorted(before) == ["0.png", "1.png", "2.png"]
    run = three()
    assert run.exit_code == 0
    assert "0 of 3 pictures filled, 3 done before" in run.stdout
    assert len(three.lines()) == 3
    (three.root / "masks" / "mask_1.png").write_bytes(png(hole(80, 64)[::-1].copy()))
    (three.root / "out" / "2.png").unlink()
    assert "2 of 3 pictures filled, 1 done before" in three().stdout
    after = three.results()
    assert (after["0.png"], after["2.png"]) == (before["0.png"], before["2.png"])
    assert after["1.png"] != before["1.png"]
    assert "3 of 3 pictures filled" in three("--seed", "4").stdout
    assert len(three.lines()) == 8


def test_a_line_that_a_killed_run_left_half_written_counts_as_none(three):
    three()
    log = three.root / "out" / "results.jsonl"
    whole = log.read_bytes()
    log.write_bytes(whole[:-20])
    assert "1 of 3 pictures filled, 2 done before" in three().stdout
    last = log.read_bytes().splitlines()[-1]
    assert json.loads(last)["error"] is None
    assert "3 done before" in three().stdout


def test_without_a_mask_or_with_several_a_picture_fails_and_the_others_go_on(three):
    three.put("lost.png")
    three.put("twice.png", mask="twice_mask.png")
    three.put("twice.png", mask="mask-twice.png")
    (three.root / "photos" / "notes.txt").write_text("a note")
    (three.root / "masks" / "nobody.png").write_bytes(png(hole(80, 64)))
    (three.root / "photos" / "further.png").mkdir()
    run = three()
    assert run.exit_code == 65
    for told in ("3 of 5 pictures filled, 2 failed", "1 other files left alone"):
        assert told in run.stdout
    assert "3 masks not used" in run.stdout
    expected = "expected one mask of its name, such as"
    assert f"  lost.png: {expected} lost_mask.png, got none" in run.stderr
    both = "got mask-twice.png, twice_mask.png"
    assert f"  twice.png: {expected} twice_mask.png, {both}" in run.stderr


def test_failures_of_several_kinds_exit_with_1(three):
    three.put("lost.png")
    run = three("--param", "engine=flux", "--quiet")
    assert run.exit_code == 1
    assert run.stdout == ""
    assert "pawfect: 3 failed, the server, or the engine asked for, is not there" in run.stderr
    assert "pawfect: 1 failed, the request itself is wrong" in run.stderr
    assert "  0.png: engine=flux: profile embedded has lama, patch only" in run.stderr
    assert three("--param", "engine=flux").exit_code == 1
    (three.root / "photos" / "lost.png").unlink()
    assert three("--param", "engine=flux").exit_code == TABLE[ErrorKind.UNAVAILABLE].exit_code


def test_what_is_to_be_said_of_a_picture_stands_in_its_line(desk):
    mask = np.zeros((64, 80, 4), np.uint8)
    mask[:, :, 0] = 200
    mask[:, :, 3] = np.where(hole(80, 64) > 0, 0, 255)
    desk.put("dog.png")
    (desk.root / "masks" / "dog.png").write_bytes(png(mask))
    run = desk()
    assert run.exit_code == 0, run.output
    (remark,) = desk.lines()[0]["remarks"]
    assert remark.startswith("mask: ")
    assert "remarks on 1 in results.jsonl" in run.stdout


def test_names_with_newlines_and_bytes_that_are_no_text_keep_to_one_line(desk):
    desk.put("a\nb.png", mask="a\nb_mask.png")
    desk.put("c\nd.png", b"a note\n", "c\nd_mask.png")
    desk.put("\udcff.png", mask="mask_\udcff.png")
    run = desk()
    assert run.exit_code == 65
    assert "2 of 3 pictures filled, 1 failed" in run.stdout
    assert r"  c\nd.png: expected a JPEG" in run.stderr
    assert all(line[0] in "123p " for line in run.stderr.splitlines())
    assert sorted(desk.results()) == ["a\nb.png", "\udcff.png"]
    assert [line["output"] for line in sorted(desk.lines(), key=lambda line: line["input"])] == [
        "a\nb.png",
        "c\nd.png",
        "\udcff.png",
    ]
    assert "0 of 3 pictures filled, 2 done before" in desk().stdout


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"out": "photos"}, "photos: expected a folder of its own for the results, got that of"),
        ({"out": "masks"}, "masks: expected a folder of its own for the results, got that of"),
        ({"out": "link"}, "photos: expected a folder of its own for the results, got that of"),
        ({"out": "full"}, "full: expected a new or empty folder, or one with the results.jsonl"),
        ({"out": "note"}, "note: expected a folder that can be written to, got File exists"),
        ({"out": "none/out"}, "out: expected a folder that can be written to, got No such file"),
        ({"photos": "empty"}, "empty: expected a folder with pictures, got none"),
        ({"masks": "none"}, "none: expected a readable folder of masks, got No such file"),
        ({"masks": "note"}, "note: expected a readable folder of masks, got Not a directory"),
    ],
)
def test_wrong_folders_are_refused_and_nothing_is_written(three, options, message):
    (three.root / "empty").mkdir()
    (three.root / "full").mkdir()
    (three.root / "full" / "0.png").write_bytes(b"mine")
    (three.root / "note").write_text("a note")
    (three.root / "link").symlink_to(three.root / "photos")
    before = {path: path.stat().st_mtime_ns for path in three.root.rglob("*")}
    run = three(**options)
    assert run.exit_code == 65
    assert message in run.stderr.splitlines()[-1]
    assert run.stdout == ""
    assert {path: path.stat().st_mtime_ns for path in three.root.rglob("*")} == before


@pytest.mark.parametrize("option", ["--stream", "--report=r.json", "--protect=p.png"])
def test_options_of_a_single_picture_are_refused(three, option):
    run = three(option)
    assert run.exit_code == 2
    assert "expected a photo, got a folder" in run.stderr
    assert not (three.root / "out").exists()


def test_without_a_server_one_message_says_so(three):
    three.where = f"--url=127.0.0.1:{free_ports(1)[0]}"
    run = three()
    assert run.exit_code == TABLE[ErrorKind.UNAVAILABLE].exit_code
    assert len(run.stderr.splitlines()) == 1
    assert not (three.root / "out").exists()


def test_pictures_and_masks_may_lie_in_one_folder(desk):
    desk.put("dog.png")
    desk.put("cat_mask.png", png(hole(80, 64)))
    desk.put("cat.png")
    desk.put("dog_mask.png", png(hole(80, 64)))
    run = desk(masks="photos")
    assert run.exit_code == 0, run.output
    assert sorted(desk.results()) == ["cat.png", "dog.png"]
