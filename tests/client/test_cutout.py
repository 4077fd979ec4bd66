"""`pawfect cutout`: a photo, on a server or here, its messages and its exit codes."""

from __future__ import annotations

import json
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
from tests.pawfect.photo.pictures import SRGB, encoded, exif_with_thumbnail, png, scene
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
