"""`refine` by every client and by the command line."""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from pawfect.contract.errors import TABLE, ErrorKind
from pawfect.contract.refine_report import CorrectionReport, RefineReport
from pawfect_client import (
    AsyncPawfectClient,
    LocalClient,
    PawfectClient,
    Refined,
    StageEvent,
    load_photo,
)
from pawfect_client.refine_command import _summary, refine
from pawfect_client.refine_file import RefinedFile
from tests.lawn import holes, lawn
from tests.pawfect.photo.pictures import png
from tests.refusals import refusal
from tests.server.conftest import answers
from tests.written import BOX, sign

PHOTO = lawn(96, 128)
MASK = holes(96, 128, (80, 50, 100, 70))
PAYLOAD = {"masks": [{"bbox": [20, 20, 16, 16], "prompt": "moss"}, {"mask": 0}]}
GIVEN = {"masks": MASK[None], "protect": "none", "seed": 4}


@dataclass
class Desk:
    """A folder with a photo, a mask and a payload, and the command run on them."""

    root: Path
    where: str

    def path(self, name: str) -> str:
        return str(self.root / name)

    def put(self, name: str, data: bytes | str) -> str:
        (self.root / name).write_bytes(data.encode() if isinstance(data, str) else data)
        return self.path(name)

    def __call__(self, *options: str, kind: str = "region", out: str = "out.png") -> Any:
        fixed = [self.path("photo.png"), "--type", kind, "--payload", self.path("payload.json")]
        return CliRunner().invoke(refine, [*fixed, "--out", self.path(out), self.where, *options])


@pytest.fixture
def desk(server, tmp_path):
    made = Desk(tmp_path, f"--url={server.endpoints.grpc}")
    made.put("photo.png", png(PHOTO))
    made.put("mask.png", png(MASK))
    made.put("payload.json", json.dumps(PAYLOAD))
    return made


def test_every_client_gives_the_same_pixels_streamed_and_whole(server):
    url = server.endpoints.grpc

    async def waited() -> list[Refined]:
        async with AsyncPawfectClient(url) as client:
            whole = await client.refine(PHOTO, "region", PAYLOAD, **GIVEN)
            events = client.refine_stream(PHOTO, "region", json.dumps(PAYLOAD), **GIVEN)
            async with aclosing(events):
                return [whole, [event async for event in events][-1]]

    with PawfectClient(url) as client, LocalClient() as local:
        events = list(client.refine_stream(PHOTO, "region", PAYLOAD, **GIVEN))
        results = [client.refine(PHOTO, "region", PAYLOAD, **GIVEN), events[-1]]
        results.append(local.refine(PHOTO, "region", PAYLOAD, **GIVEN))
    results += asyncio.run(waited())
    first = results[0]
    assert [region.mask for region in first.report.regions] == [None, 0]
    for result in results:
        assert isinstance(result, Refined)
        np.testing.assert_array_equal(result.image, first.image)
    assert all(isinstance(event, StageEvent) for event in events[:-1])
    assert events[-2].preview is not None
    first.image[0, 0] = 0  # It is the caller's own.


def test_capabilities_are_told_alike_and_are_no_answers_of_requests(server):
    before = answers(server, "refine", "OK")

    async def waited():
        async with AsyncPawfectClient(server.endpoints.grpc) as client:
            return await client.capabilities()

    with PawfectClient(server.endpoints.grpc) as client:
        told = client.capabilities()
    assert told == asyncio.run(waited())
    assert told.can["general"].remote
    with LocalClient() as local:
        assert local.capabilities().can["region"] == told.can["region"]
    assert answers(server, "refine", "OK") == before


@pytest.mark.parametrize(
    ("kind", "payload", "more", "said"),
    [
        ("face", {}, {}, "TYPE: expected one of subject, text, region, general"),
        ("region", {"masks": []}, {}, "PAYLOAD: masks: expected at least one"),
        ("region", {"masks": [{"bbox": {1}}]}, {}, "PAYLOAD: expected what JSON can hold"),
        ("general", {"prompt": "x" * 50_000}, {}, "PAYLOAD: prompt: expected texts of at most"),
        ("general", {"prompt": "x"}, {"masks": MASK}, "MASKS: expected a UINT8 array [K, H, W]"),
        ("general", {"prompt": "x"}, {"masks": MASK[None, 1:]}, "MASKS: expected the image's size"),
        ("general", {"prompt": "x"}, {"reference": MASK}, "REFERENCE: expected a UINT8 array"),
        ("general", {"prompt": "x"}, {"protect": MASK[1:]}, "PROTECT: expected the image's size"),
        ("general", {"prompt": "x"}, {"creativity": 0}, "creativity: expected from 1 to 3"),
        ("general", {"prompt": "x"}, {"steps": 3}, "steps"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_sent(kind, payload, more, said):
    # Nobody listens there.
    with PawfectClient("127.0.0.1:1") as client:
        asked = client.refine, PHOTO, kind, payload
        assert said in refusal(ErrorKind.INVALID_ARG, *asked, **more)


def test_a_file_comes_out_with_its_report(desk):
    run = desk("--mask", desk.path("mask.png"), "--seed=4", "--report", desk.path("r.json"))
    assert run.exit_code == 0, run.output
    report = json.loads((desk.root / "r.json").read_text())
    assert (report["type"], report["seed"], report["payload"]) == ("region", 4, PAYLOAD)
    changed = (load_photo(desk.root / "out.png").pixels != PHOTO).any(axis=2)
    assert changed.sum() == report["changed_px"]
    start = f"{desk.path('out.png')}: 128x96, {report['changed_px']} px changed, region by inpaint"
    assert run.stdout.startswith(start)
    assert "no prompt was read of masks[0]" in run.stdout
    assert run.stderr == ""


def test_here_and_on_the_server_the_files_are_equal(desk):
    options = ("--mask", desk.path("mask.png"), "--param", "protect=none")
    there = desk(*options)
    assert there.exit_code == 0, there.output
    desk.where = "--local"
    assert desk(*options, out="here.png").exit_code == 0
    assert (desk.root / "out.png").read_bytes() == (desk.root / "here.png").read_bytes()


def test_a_stream_prints_its_stages_as_lines_where_nobody_watches(desk):
    run = desk("--mask", desk.path("mask.png"), "--stream")
    assert run.exit_code == 0, run.output
    lines = run.stderr.splitlines()
    assert lines[0] == "validate 3%"
    assert "region 1 of 2 50%" in lines
    assert lines[-1] == "done 100%"


def test_with_remote_the_picture_goes_to_the_engine(desk, remote_images):
    remote_images.asked.clear()
    desk.put("payload.json", json.dumps({"instructions": "a red scarf"}))
    options = ("--mask", desk.path("mask.png"), "--reference", desk.path("photo.png"))
    run = desk(*options, "--remote", "--creativity=1", kind="subject")
    assert run.exit_code == 0, run.output
    (asked,) = remote_images.asked
    assert {name: len(sent) for name, sent in asked.pictures.items()} == {"image": 2, "mask": 1}
    kept = MASK < 128
    np.testing.assert_array_equal(load_photo(desk.root / "out.png").pixels[kept], PHOTO[kept])
    assert "left this machine" in run.stdout


def test_a_word_is_corrected_on_the_server(desk):
    desk.put("photo.png", png(sign()))
    correction = {"bbox": list(BOX), "text": "ROVER"}
    desk.put("payload.json", json.dumps({"corrections": [correction]}))
    run = desk("--report", desk.path("r.json"), "--stream", kind="text")
    assert run.exit_code == 0, run.output
    (told,) = json.loads((desk.root / "r.json").read_text())["corrections"]
    assert (told["old_text"], told["read"], told["exact"]) == ("BUDDY", "ROVER", True)
    assert "text by lettering in" in run.stdout
    assert "not read back" not in run.stdout
    assert "text 1 of 1 95%" in run.stderr.splitlines()
    assert b"compositeSynthetic" in load_photo(desk.root / "out.png").xmp


def test_each_kind_of_failure_has_its_exit_code(desk):
    wrong = TABLE[ErrorKind.INVALID_ARG].exit_code
    lacking = desk("--mask", desk.path("away.png"))
    assert (lacking.exit_code, lacking.stdout) == (wrong, "")
    assert "away.png" in lacking.stderr
    desk.put("payload.json", b"\xff\xfe")
    odd = desk()
    assert odd.exit_code == wrong
    assert "payload.json: expected JSON in UTF-8" in odd.stderr
    desk.put("payload.json", '{"prompt": "x"}')
    local = desk(kind="general")
    assert local.exit_code == TABLE[ErrorKind.UNAVAILABLE].exit_code
    assert "remote=true" in local.stderr
    assert not (desk.root / "out.png").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--seed=1", "--param", "seed=2"), "--seed and --param seed: expected one of them"),
        (("--creativity=4",), "1<=x<=3"),
        (("--param", "steps=2"), "with a key of creativity"),
    ],
)
def test_wrong_usage_is_said(tmp_path, options, said):
    run = Desk(tmp_path, "--local")(*options)
    assert run.exit_code == 2
    assert said in run.stderr


def test_a_text_that_was_not_set_is_said_to_be_so():
    usual = {"bbox": BOX, "old_text": "BUDDY", "font": "", "size_px": 0.0}
    lacking = CorrectionReport(text="ROVER", read=None, exact=False, tries=0, note="late", **usual)
    misread = CorrectionReport(text="REX", read="RFX", exact=False, tries=5, **usual)
    report = RefineReport(
        "text", {}, "lettering", 2, 0, 1, "tiny", 64, 64, 0, {}, 1.0, (lacking, misread)
    )
    told = list(_summary(Path("out.png"), RefinedFile(report, ())))
    assert told[1:] == [
        "not set: 'ROVER' (late)",
        "not read back as it should be: 'REX' (reads 'RFX')",
    ]
