"""What a proof asks of klein: the roadmap's criteria as far as they mean something, and its own."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from perf.audit.journal import Record
from perf.prove.criteria import criteria_of
from perf.prove.page import verdicts_of
from perf.prove.preflight import Card
from perf.prove.verdict import ELSEWHERE, FAIL, PASS, Verdict
from tests.perf.prove.conftest import fill
from tests.perf.prove.test_criteria import LIVE, ROADMAP, best_is


def served(**report: Any) -> dict[str, Any]:
    weights = {"klein_transformer": "tiny-klein@1"}
    told = {"engine": "klein", "steps": 4, "steps_taken": 4, "strength": 0.8, "weights": weights}
    one = fill(0, **{**told, "guidance_scale": None, **report})
    return {"live": replace(LIVE, fills=(one,))}


@pytest.fixture
def klein(evidence):
    """Build evidence of klein, whose cells take 4 s, 2 without references."""

    def build(changed=lambda row: row, **instead):
        def quicker(row: Record) -> Record:
            ms = 4000.0 if row.setting.references else 2000.0
            return changed(replace(row, report={**row.report, "total_ms": ms}))

        return evidence(quicker, name="tiny-klein", **{**served(), **instead})

    return build


def verdict(found: Any, number: str) -> Verdict:
    (told,) = (v for criterion, v in verdicts_of(found) if criterion.number == number)
    return told


def test_an_engine_has_its_own_criteria_after_the_roadmaps(klein, evidence):
    assert [criterion.number for criterion in criteria_of("flux")] == ROADMAP
    assert [criterion.number for criterion in criteria_of("edit")] == ROADMAP
    numbers = [*ROADMAP, "5.1", "5.2", "5.3"]
    assert [criterion.number for criterion, _ in verdicts_of(klein())] == numbers
    assert [criterion.number for criterion, _ in verdicts_of(evidence())] == ROADMAP


def test_what_is_no_setting_of_klein_is_not_judged(klein):
    for number in ("0.2", "1.2"):
        told = verdict(klein(), number)
        assert (told.status, told.how) == (ELSEWHERE, "FLUX.2 [klein] is not guided")


def test_kleins_files_are_compared_in_place_of_the_roadmaps(klein):
    told = verdict(klein(), "0.1")
    assert told.status == PASS
    assert "% with int8: quantisation's part is ruled out" in told.how
    captions = [caption for _, caption in told.pictures]
    assert captions == ["baseline, int4, 4 steps", "the same, int8"]
    assert verdict(klein(best_is(quantisation="tiny-klein")), "1.3").status == PASS
    assert verdict(klein(best_is(quantisation="tiny-klein-int8")), "1.3").status == FAIL


def test_the_best_strength_and_both_ways_with_references_are_named(klein):
    told = verdict(klein(best_is(strength=0.7)), "5.1")
    assert (told.status, told.how.rpartition("; ")[2]) == (PASS, "the best is 0.7")
    told = verdict(klein(best_is(references=False)), "5.2")
    assert told.status == PASS
    assert told.how.endswith("the best is False; without 2.0 s, with references 4.0 s")


def test_kleins_seconds_are_judged_on_a_t4_at_768_px(klein):
    # The tiny profile's grid is of 128 px.
    assert verdict(klein(), "5.3").status == ELSEWHERE
    rehearsed = klein(rehearsal=True, card=Card("CPU"))
    assert verdict(rehearsed, "5.3").how.startswith("would be: pass. without 2.0 s")

    def failed(row: Record) -> Record:
        return replace(row, status="failed") if row.setting.references is False else row

    assert verdict(klein(failed), "5.3").status == FAIL
    assert verdict(at_768(klein()), "5.3").status == PASS
    assert verdict(at_768(klein(), without_s=11.0), "5.3").status == FAIL
    h200 = at_768(klein(card=Card("NVIDIA H200", 139.0, "9.0")))
    assert verdict(h200, "5.3").status == ELSEWHERE


def at_768(found: Any, without_s: float = 2.0) -> Any:
    """Return evidence whose grid was of 768 px."""
    matrices = tuple(
        replace(matrix, axes=replace(matrix.axes, size=(768,))) for matrix in found.plan.matrices
    )

    def moved(row: Record) -> Record:
        setting = replace(row.setting, size=768)
        ms = 4000.0 if setting.references else without_s * 1000
        return replace(row, setting=setting, report={**row.report, "total_ms": ms})

    records = {name: moved(row) for name, row in found.run.records.items()}
    plan, run = replace(found.plan, matrices=matrices), replace(found.run, records=records)
    return replace(found, plan=plan, run=run)


def test_what_is_served_by_klein_is_compared_with_what_is_recommended(klein):
    product = {"quantisation": "tiny-klein", "steps": 4}
    assert verdict(klein(best_is(**product)), "1.1").status == PASS
    # Of a strength of 0.6 three of four steps are run: none was left out.
    weaker = served(strength=0.6, steps_taken=3)
    assert verdict(klein(best_is(**product), **weaker), "1.1").status == PASS
    assert verdict(klein(best_is(**product), **served(steps_taken=2)), "1.1").status == FAIL
    assert verdict(klein(), "4.2").status == PASS
    assert verdict(klein(**served(engine="flux")), "4.2").status == FAIL
    assert "sent to FLUX.2 [klein]: " in verdict(klein(), "3.1").how
