"""`pawfect inpaint` and what people send as masks: how they are read, and what is said of it."""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np
import pytest

from pawfect.contract.report import Report
from pawfect_client.parameter_option import read_parameters
from tests.client.test_command import Desk
from tests.pawfect.photo.pictures import hole, png, scene


@pytest.fixture
def desk(server, tmp_path):
    made = Desk(tmp_path, server.endpoints.grpc)
    made.put("photo.png", png(scene(80, 64)))
    made.put("mask.png", png(hole(80, 64)))
    return made


CASES = Path(__file__).parents[1] / "cases"


def test_an_erased_mask_removes_the_object_and_says_how_it_was_read(desk):
    photo, mask, erased = (
        desk.put(name, (CASES / name).read_bytes())
        for name in ("photo.png", "mask.png", "erased_mask.png")
    )
    assert desk(photo=photo, mask=mask, out="plain.png").exit_code == 0
    run = desk(photo=photo, mask=erased, out="erased.png")
    assert run.exit_code == 0, run.output
    assert "; mask: one colour; its transparent part, 4.3%, is taken for the hole" in run.stdout
    assert run.stdout.count("\n") == 1
    results = [(desk.folder / name).read_bytes() for name in ("plain.png", "erased.png")]
    assert results[0] == results[1]


def test_a_mask_is_read_as_it_is_named(desk):
    desk.put("inverted.png", png(255 - hole(80, 64)))
    desk.put("large.png", png(hole(160, 128)))
    desk("--quiet", out="plain.png")
    plain = (desk.folder / "plain.png").read_bytes()
    for mask, options in (
        ("inverted.png", ["--mask-is=black"]),
        ("inverted.png", ["--invert-mask"]),
        ("inverted.png", ["--mask-is=auto"]),
        ("mask.png", ["--mask-is=white"]),
        ("mask.png", ["--mask-is=black", "--invert-mask"]),
    ):
        run = desk(*options, mask=mask)
        assert run.exit_code == 0, run.output
        assert (desk.folder / "out.png").read_bytes() == plain, options
    run = desk("--fit-mask", mask="large.png")
    assert run.exit_code == 0, run.output
    assert "; mask: scaled from 160x128" in run.stdout


def test_what_was_left_is_said_with_how_to_fill_it(desk):
    mask = np.zeros((128, 160), np.uint8)
    mask[30:90, 30:90] = 255
    mask[33:87, 33:87] = 0
    mask[110, 140:143] = mask[5, 5] = 255
    desk.put("photo.png", png(scene(160, 128)))
    desk.put("mask.png", png(mask))
    run = desk()
    assert run.exit_code == 0, run.output
    (line,) = run.stdout.splitlines()
    assert "; 2 specks of the mask under 9 px were left (--param least_speck_px=0 fills" in line
    assert "; an outline was filled along the stroke alone (--param fill_outlines=true" in line
    run = desk("--param", "least_speck_px=0", "--param", "fill_outlines=true", "--report",
               desk.path("r.json"))  # fmt: skip
    assert "specks" not in run.stdout
    assert "outline" not in run.stdout
    report = Report.from_json((desk.folder / "r.json").read_text())
    assert (report.specks, report.outlines, report.outlines_filled) == (0, 0, 1)
    assert report.hole_px > 64 * 64
    desk.put("mask.png", png(hole(160, 128)))
    assert "; fill_outlines found no closed outline" in desk("--param", "fill_outlines=true").stdout


def test_auto_reaches_the_service_as_it_is():
    given = ["dilate_px=auto", "steps=auto", "engine=auto"]
    assert read_parameters(given) == {"dilate_px": "auto", "steps": "auto", "engine": "auto"}
    with pytest.raises(click.UsageError, match="seed: expected an integer, got 'auto'"):
        read_parameters(["seed=auto"])
