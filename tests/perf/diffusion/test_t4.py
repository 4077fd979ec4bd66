"""The T4's model: complete, honest about what it is, and the one that is published."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from perf.diffusion.t4 import ENGINES, SIZES, STEPS, cells, model, t4

PUBLISHED = Path(__file__).resolve().parents[3] / "perf" / "results"


@pytest.fixture(scope="module")
def table() -> dict[tuple[str, int, int], Any]:
    return {(cell["engine"], cell["side"], cell["steps"]): cell for cell in cells()}


def test_every_engine_size_and_number_of_steps_has_its_cell(table):
    names = [engine.name for engine in ENGINES]
    assert set(table) == {(n, side, steps) for n in names for side in SIZES for steps in STEPS}
    for cell in table.values():
        assert 0 < cell["total_s"]["low"] <= cell["total_s"]["likely"] <= cell["total_s"]["high"]
        assert cell["total_s"]["likely"] > cell["steps"] * cell["step_s"]["likely"]


def test_seconds_rise_with_steps_and_with_size(table):
    for engine in ENGINES:
        for side in SIZES:
            by_steps = [table[engine.name, side, steps]["total_s"]["likely"] for steps in STEPS]
            assert by_steps == sorted(set(by_steps))
        for steps in STEPS:
            by_size = [table[engine.name, side, steps]["total_s"]["likely"] for side in SIZES]
            assert by_size == sorted(set(by_size))


def test_a_cell_counts_only_cases_under_30_s_and_tells_what_does_not_fit(table):
    for cell in table.values():
        slow = cell["total_s"]["high"] >= 30
        assert cell["under_30_s"].startswith("yes") != slow
        assert cell["under_30_s"].endswith("does not fit") != (cell["memory_gib"] < 14.7)


def test_8_steps_at_768_px_end_in_time_in_4_bits_with_fused_kernels(table):
    assert table["int4, fused kernels", 768, 8]["under_30_s"] == "yes"
    assert table["Q4_0, modulation in the layers", 768, 28]["under_30_s"] == "no"


def test_the_command_writes_a_page_that_says_modelled_and_its_data(tmp_path):
    done = CliRunner().invoke(t4, ["--no-costs", "--out", str(tmp_path)])
    assert done.exit_code == 0, done.output
    page = (tmp_path / "t4-model.md").read_text()
    assert "modelled, none is measured" in page
    assert "make t4" in page
    written = json.loads((tmp_path / "t4-model.json").read_text())
    assert written["note"] == "seconds are modelled, not measured"
    assert {"command", "date", "machine", "versions"} <= written["provenance"].keys()


def test_the_published_result_is_that_of_this_code():
    published = json.loads((PUBLISHED / "t4-model.json").read_text())
    del published["provenance"]
    assert published == json.loads(json.dumps(model())), "make t4 renews it"
