"""The model of a search's cost: complete, by the search's own tries, and the one published."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pawfect.contract.search import PRESETS, SearchParams, search_plan
from perf.diffusion.search_cost import CARDS, SIZES, cells, model, steps_of, tries_of

PUBLISHED = Path(__file__).resolve().parents[3] / "perf" / "results" / "search-cost.json"


def test_every_card_preset_and_size_has_its_cell_and_larger_ones_cost_more():
    found = {(c["card"], c["kernels"], c["preset"], c["side"]): c["total_s"] for c in cells()}
    assert set(found) == {
        (*card, preset, side) for card in CARDS for preset in PRESETS for side in SIZES
    }
    for card in CARDS:
        for side in SIZES:
            few, many = found[*card, "eacps", side], found[*card, "photoreal", side]
            assert 0 < few["low"] <= few["likely"] <= few["high"]
            assert few["likely"] < many["likely"]
        by_size = [found[*card, "eacps", side]["likely"] for side in SIZES]
        assert by_size == sorted(set(by_size))


@pytest.mark.parametrize("preset", PRESETS)
def test_steps_are_those_of_all_candidates_but_the_undiffused(preset):
    tries = tries_of(preset)
    assert len(tries) == search_plan(SearchParams(preset=preset)).total
    whole = 8 * (len(tries) - 1)
    # Children that start from their parent's picture run a part of the schedule.
    assert whole / 2 < steps_of(tries, 8) < whole


def test_the_published_model_is_this_one():
    published = json.loads(PUBLISHED.read_text())
    del published["provenance"]
    assert published == json.loads(json.dumps(model()))
