"""An audit on a real server: killed half-way, gone on with, a model's process killed on the way."""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest
from click.testing import CliRunner
from PIL import Image

from harness.process import LoggedProcess
from pawfect.profile import load_profile
from pawfect.weights.store import ROOT_VARIABLE, Store
from pawfect_export.fetch import fetch
from pawfect_export.progress import silent
from perf.audit.__main__ import audit
from perf.audit.journal import NAME, Record, read_journal
from perf.audit.report import read_run
from tests.conftest import bring_networks, no_hub
from tests.perf.audit.conftest import MATRIX, SIDE, TINY, TINY_Q8

# Two busy cores take ten times as long to load the models as two idle ones.
LONG_S = 900
# Not TINY_Q8: an audit builds what needs nothing fetched.
ENTRIES = (TINY, "tiny-sam3", "tiny-florence2", "tiny-lama")
# As the set-up fetches them.
PACKAGED = {"u2netp", "pp-ocrv6-small"}

# Two weights, two guidance scales, two prompts.
CELLS = 8
COMMAND = (sys.executable, "-m", "perf.audit", "run")
RUN = MATRIX.replace("steps = [1, 3]", "steps = [2]")


class Run(LoggedProcess):
    """A `python -m perf.audit run` of its own process."""

    def __init__(self, matrix: Path, folder: Path, weights: Path) -> None:
        self.journal = folder / NAME
        own = {ROOT_VARIABLE: str(weights), "COLUMNS": "200"}
        command = [*COMMAND, "--matrix", str(matrix), "--out", str(folder)]
        super().__init__(command, folder.parent / "run.log", environment=os.environ | own)

    def records(self) -> list[Record]:
        return list(read_journal(self.journal)[1].values())

    def wait_for_records(self, count: int) -> None:
        until = time.monotonic() + LONG_S
        while len(self.records()) < count:
            ended = self.process.poll()
            assert ended is None, self.output()
            assert time.monotonic() < until, self.output()
            time.sleep(0.02)

    def server(self) -> psutil.Process:
        children = psutil.Process(self.process.pid).children()
        (server,) = [child for child in children if "tritonserver" in child.name()]
        return server


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("weights")
    fetch(ENTRIES, Store(root), no_hub, silent)
    return root


def check_cells(folder: Path, weights: set[str]) -> None:
    """Assert that each done cell ran with its own weights, size, prompt and steps."""
    done = [r for r in read_run(folder).records.values() if r.status == "done"]
    for record in done:
        setting = record.setting
        report = record.report
        assert report["weights"]["flux_transformer"].startswith(f"{setting.quantisation}@")
        assert [window["working_px"] for window in report["windows"]] == [128]
        assert report["steps"] == setting.steps
        texts = {"none": "", "five": "patchy green grass with fallen leaves"}
        assert report["prompt"] == texts[setting.prompt]
        assert record.total_ms >= report["stage_ms"]["flux_transformer"] > 0
        assert 0 < record.peak_mib < 20_000
        assert {"st_lpips", "seam_off", "sharpness"} <= set(record.scores)
    assert {record.setting.quantisation for record in done} == weights


def check_report(folder: Path) -> None:
    """Assert that the report is there, with every picture that it links to."""
    content = read_run(folder)
    html = (folder / "audit.html").read_text()
    for record in content.records.values():
        if record.picture:
            assert (folder / record.picture).is_file()
            assert (folder / record.crop).is_file()
            assert record.picture in html
    for session in content.note["sessions"]:
        assert (folder / session["photo"]).is_file()
        assert (folder / session["truth"]).is_file()


def picture(folder: Path, record: Record) -> np.ndarray:
    with Image.open(folder / record.picture) as image:
        return np.array(image)


@pytest.mark.slow
def test_an_audit_that_is_killed_goes_on_and_a_killed_models_process_costs_one_cell(
    tmp_path, lawn_files, weights
):
    matrix, folder = lawn_files / "run.toml", tmp_path / "out"
    matrix.write_text(RUN)
    with Run(matrix, folder, weights) as run:
        run.wait_for_records(2)
        server = run.server()
        run.process.kill()
        run.process.wait(10)
        server.wait(60)
        before, at_kill = run.records(), (folder / NAME).read_bytes()
        # What a kill in the middle of a line leaves behind.
        with (folder / NAME).open("ab") as journal:
            journal.write(b'{"cell": "half a li')
    with Run(matrix, folder, weights) as run:
        run.wait_for_records(len(before) + 1)
        stubs = [c for c in run.server().children() if "/flux_transformer/" in str(c.cmdline())]
        for stub in stubs:
            stub.kill()
        assert run.process.wait(LONG_S) == 0, run.output()
    with Run(matrix, folder, weights) as run:
        assert run.process.wait(LONG_S) == 0, run.output()
    log = run.output()
    assert f"{CELLS} are done already, 0 to run" in log
    assert f"{CELLS} cells: 1 sessions, 1 seeds\nflux: 2 x quantisation" in log
    assert log.count(f"{TINY_Q8}: built") == 1
    assert f"0 are done already, {CELLS} to run" in log
    assert f"{len(before)} are done already" in log
    assert "Traceback" not in log

    # No cell is run twice and none is missing.
    tables = [json.loads(line) for line in (folder / NAME).read_bytes().splitlines()]
    cells = [table["cell"] for table in tables if "run" not in table]
    assert len(before) >= 2
    assert len(cells) == len(set(cells)) == CELLS
    assert (folder / NAME).read_bytes().startswith(at_kill)
    runs = [table["run"] for table in tables if "run" in table]
    assert len(runs) == 3
    assert {cell["identity"] for cell in runs[0]["cells"]} == set(cells)

    # The server came back.
    records = read_run(folder).rows
    done = [record for record in records if record.status == "done"]
    assert len(done) >= CELLS - 2
    others = [record for record in records if record.status != "done"]
    assert all(r.status in ("fallen back", "failed") for r in others)
    assert all("MODEL_DOWN" in r.reason for r in others)
    assert "it is started again" in log
    check_cells(folder, {TINY, TINY_Q8})
    check_report(folder)

    # Weights, guidance and prompt give pictures of their own.
    by_setting = {record.setting: picture(folder, record) for record in done}
    for setting, image in by_setting.items():
        assert image.shape == (SIDE, SIDE, 3)
        for change in (
            {"quantisation": TINY_Q8 if setting.quantisation == TINY else TINY},
            {"guidance": 30.0 if setting.guidance == 4 else 4.0},
            {"prompt": "none" if setting.prompt == "five" else "five"},
        ):
            other = by_setting.get(replace(setting, **change))
            if other is not None:
                assert (other[100:160, 90:170] != image[100:160, 90:170]).any()


PLACED = """
profile = "tiny"
deadline_ms = 100000
{limit}
[axes]
quantisation = ["tiny-flux-fill"]
guidance = [4]
steps = [2]
prompt = ["none", "labels"]
size = [128]
attention = {attention}
tile_px = {tile_px}

[[session]]
name = "lawn"
photo = "photo.png"
mask = "mask.png"
truth = "truth.png"
"""


@pytest.mark.slow
def test_what_does_not_fit_beside_the_labels_gets_them_before_and_gives_the_same_pictures(
    tmp_path, lawn_files, weights
):
    matrix = lawn_files / "placed.toml"

    def run(folder: str, attention: list[str], tile_px: list[int], limit: str = "") -> str:
        axes = {"attention": json.dumps(attention), "tile_px": tile_px}
        matrix.write_text(PLACED.format(limit=limit, **axes))
        with Run(matrix, tmp_path / folder, weights) as ran:
            assert ran.process.wait(LONG_S) == 0, ran.output()
            return ran.output()

    run("beside", ["math"], [0, 64])
    beside = read_run(tmp_path / "beside").records
    assert {row.status for row in beside.values()} == {"done"}
    # Tiles are loaded with the setting that names them.
    whole, tiled = (
        picture(tmp_path / "beside", row)
        for px in (0, 64)
        for row in beside.values()
        if (row.setting.tile_px, row.setting.prompt) == (px, "labels")
    )
    assert (whole != tiled).any()

    # 2.7 GiB as six processes on a card, 1.8 without the two that label.
    log = run("alone", ["math", "xformers"], [64], "card_gib = 2")
    assert "4 without the labelling models" in log
    alone = read_run(tmp_path / "alone").records
    assert {row.status for row in alone.values()} == {"done", "fallen back"}
    for name, row in alone.items():
        assert "labels made before: 2.7" in row.reason
        assert "of 2.00 GiB beside the labelling models" in row.reason
        assert row.labelled
        assert row.labels_inside
        if row.status == "fallen back":
            # The rest of the server answers, and the cell says why it is none of its own.
            assert row.setting.attention == "xformers"
            assert "PAWFECT_UNAVAILABLE: weights tiny-flux-fill: attention xformers" in row.reason
            continue
        before = beside[name]
        assert (picture(tmp_path / "alone", row) == picture(tmp_path / "beside", before)).all()
        assert row.labels_around == before.labels_around
        assert row.report["prompt"] == before.report["prompt"]
        assert row.report["labels_source"] == "request"
        assert set(row.scores) == set(before.scores) > {"strange"}
    # Filled first, labelled afterwards: what is killed in between goes on with the labels.
    lines = (tmp_path / "alone" / NAME).read_text().splitlines()
    filled = [line for line in lines if '"labelled": false' in line]
    assert len(filled) == 4
    with (tmp_path / "alone" / NAME).open("a") as journal:
        journal.write(f"{filled[0]}\n")
    log = run("alone", ["math", "xformers"], [64], "card_gib = 2")
    assert log.count("4 are done already, 0 to run") == 1
    assert "labelling 1 fills" in log
    assert read_run(tmp_path / "alone").records == alone

    run("none", ["math"], [64], "card_gib = 1")
    none = read_run(tmp_path / "none")
    assert [row.status for row in none.rows] == ["not fitting"] * 2
    assert all("1.8" in row.reason and "of 1.00 GiB" in row.reason for row in none.rows)
    assert not (tmp_path / "none" / "pictures").exists()
    assert none.choice.recommended is None
    assert "2 not fitting" in (tmp_path / "none" / "audit.html").read_text()


SEVERAL = """
profile = "tiny-all"
deadline_ms = 100000

[axes]
engine = ["klein", "flux"]
quantisation = ["tiny-klein", "tiny-klein-int8", "tiny-flux-fill"]
guidance = [4]
steps = [2]
references = [true, false]
prompt = ["none"]
size = [128]

[[session]]
name = "lawn"
photo = "photo.png"
mask = "mask.png"
truth = "truth.png"
"""


@pytest.mark.slow
def test_engines_of_one_profile_are_audited_in_turn_each_with_its_own_settings(
    tmp_path, lawn_files, tmp_path_factory
):
    root = tmp_path_factory.mktemp("all_weights")
    bring_networks(root)
    fetch(sorted({*load_profile("tiny-all").weights.values()} - PACKAGED), Store(root), no_hub,
          silent)  # fmt: skip
    matrix, folder = lawn_files / "several.toml", tmp_path / "out"
    matrix.write_text(SEVERAL)
    with Run(matrix, folder, root) as run:
        assert run.process.wait(LONG_S) == 0, run.output()
        log = run.output()
    assert "FLUX.2 [klein] has no guidance: its cells go without" in log
    assert "FLUX.1-Fill has no references: its cells go without" in log
    rows = read_run(folder).rows
    assert {(row.status, row.reason) for row in rows} == {("done", "")}
    told = [(row.setting.engine, row.setting.quantisation, row.setting.references) for row in rows]
    assert told == [
        ("klein", "tiny-klein", True),
        ("klein", "tiny-klein", False),
        ("klein", "tiny-klein-int8", True),
        ("klein", "tiny-klein-int8", False),
        ("flux", TINY, None),
    ]
    for row in rows:
        component = f"{row.setting.engine}_transformer"
        assert row.report["engine"] == row.setting.engine
        assert row.report["weights"][component].startswith(f"{row.setting.quantisation}@")
        assert row.report["guidance_scale"] == row.setting.guidance
    assert len({picture(folder, row).tobytes() for row in rows}) == len(rows)
    check_report(folder)


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("flux-fill-dev-q4_0", "run `pawfect weights fetch flux-fill-dev-q4_0`"),
        ("tiny-sam3", "quantisation: expected transformers of flux, got tiny-sam3"),
    ],
)
def test_weights_that_are_not_here_or_no_transformer_are_said_before_anything_runs(
    entry, said, lawn_files, weights, tmp_path, monkeypatch
):
    monkeypatch.setenv(ROOT_VARIABLE, str(weights))
    matrix = lawn_files / "wrong.toml"
    matrix.write_text(MATRIX.replace("tiny-flux-fill-q8_0", entry))
    folder = tmp_path / "out"
    refused = CliRunner().invoke(audit, ["run", "--matrix", str(matrix), "--out", str(folder)])
    assert refused.exit_code == 1
    assert said in refused.output
    assert not folder.exists()
