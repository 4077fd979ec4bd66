"""Each of the roadmap's criteria passes on evidence that shows it, and fails without."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from perf.audit.journal import Record
from perf.prove.criteria import CRITERIA
from perf.prove.jobs import Jobs
from perf.prove.preflight import Card
from perf.prove.verdict import ELSEWHERE, FAIL, LOOK, PASS, REHEARSED, Verdict
from tests.perf.prove.conftest import EVENT, JOB, LIVE, fill

ROADMAP = [
    "0.1", "0.2", "0.3", "0.4",
    "1.1", "1.2", "1.3", "1.4", "1.5",
    "2.1", "2.2", "2.3", "2.4", "2.5",
    "3.1", "3.2", "3.3", "3.4",
    "4.1", "4.2", "4.3",
]  # fmt: skip
Q4, Q8 = "tiny-flux-fill-int4", "tiny-flux-fill-q8_0"
FAILED = replace(EVENT, exit_code=1, text="torch._dynamo.explain(): 2 graphs\nNOT COMPILED:")
CRASHED = replace(EVENT, exit_code=-9, text="weights: random")
NO_ROOM = replace(EVENT, exit_code=1, text="NOT COMPILED:\n  OutOfMemoryError: CUDA out of memory")
NEVER = replace(JOB, labels_source="sam3", over_s=16.0)


def verdict(found: Any, number: str) -> Verdict:
    (criterion,) = (criterion for criterion in CRITERIA if criterion.number == number)
    return criterion.verdict(found)


def strange(**shares: float):
    """Return a change of records: the strange share by their quantisation."""
    by_entry = {"q4": Q4, "q8": Q8}

    def changed(row: Record) -> Record:
        share = next(
            (s for name, s in shares.items() if by_entry[name] == row.setting.quantisation), 0.0
        )
        return replace(row, scores={**row.scores, "strange": share})

    return changed


def test_every_line_of_the_roadmap_is_there_once_and_in_order():
    assert [criterion.number for criterion in CRITERIA] == ROADMAP


@pytest.mark.parametrize("number", ["1.4", "1.5", "2.1", "2.2", "2.3", "2.4", "2.5", "3.1", "3.2",
                                    "3.3", "4.2"])  # fmt: skip
def test_what_was_shown_passes(evidence, number):
    assert verdict(evidence(), number).status == PASS


def live(**instead: Any) -> dict[str, Any]:
    return {"live": replace(LIVE, **instead)}


def fills(**report: Any) -> dict[str, Any]:
    return live(fills=(fill(0, **report),))


@pytest.mark.parametrize(
    ("number", "instead"),
    [
        ("1.4", live(specks_left=1)),
        ("1.4", live(specks=0)),
        ("1.5", live(dilate_px=4.0)),
        ("1.5", live(growth_px=19.0)),
        ("1.5", live(growth_px=0.0)),
        ("1.5", live(fills=(replace(fill(0), scores={"seam_off": 5.0}),))),
        ("2.1", live(labels_around={})),
        ("2.2", {"jobs": Jobs(replace(JOB, posted_s=5.0), NEVER)}),
        ("2.2", {"jobs": Jobs(replace(JOB, document_labels=()), NEVER)}),
        ("2.3", {"jobs": Jobs(replace(JOB, report_labels=("sand",)), NEVER)}),
        ("2.3", {"jobs": Jobs(replace(JOB, labels_source="sam3"), NEVER)}),
        ("2.4", {"jobs": Jobs(replace(JOB, label_waits=0), NEVER)}),
        ("2.4", {"jobs": Jobs(JOB, replace(NEVER, label_waits=7))}),
        ("2.5", {"jobs": Jobs(JOB, replace(NEVER, status="failed"))}),
        ("2.5", live(without_any=fill(0, labels_source="sam3").report)),
        ("2.5", live(without_sam3={"error": "PAWFECT_INTERNAL: no labels"})),
        ("2.5", {"jobs": Jobs(JOB, replace(NEVER, status="processing"))}),
        ("3.1", fills(prompt="empty ground, nothing here")),
        ("3.1", fills(prompt_source="none")),
        ("3.2", live(without_sam3=fill(0, labels_source="none").report)),
        ("3.2", live(without_sam3=None)),
        ("3.2", live(without_sam3={"error": "PAWFECT_INTERNAL: no labels"})),
        ("3.3", {"prompts": replace(EVENT, exit_code=1)}),
        ("3.3", {"prompts": replace(EVENT, text="no tests ran")}),
        ("3.4", live(fills=(replace(fill(0), scores={"seam_off": 1.0, "strange": 0.3}),))),
        ("4.2", fills(total_ms=31_000.0)),
        ("4.2", live(analyzer={"p95_ms": 30_500.0})),
        ("4.2", fills(engine="patch")),
        ("4.2", fills(steps_taken=5)),
    ],
)
def test_what_was_not_shown_fails(evidence, number, instead):
    assert verdict(evidence(**instead), number).status == FAIL


@pytest.mark.parametrize(
    ("shares", "word"), [({"q4": 0.3}, "confirmed"), ({"q8": 0.3}, "ruled out"), ({}, "ruled out")]
)
def test_quantisations_part_in_wrong_content_is_told_by_pairs(evidence, shares, word):
    told = verdict(evidence(strange(**shares)), "0.1")
    assert told.status == PASS
    # The baseline's with three seeds, and one of the grid.
    assert f"over 4 pairs {shares.get('q4', 0):.1%}" in told.how
    assert told.how.endswith(f"quantisation's part is {word}")
    assert len(told.pictures) == 2


def test_without_labels_or_without_the_larger_weights_a_person_looks(evidence):
    unlabelled = evidence(lambda row: replace(row, scores={"seam_off": 1.0}))
    assert verdict(unlabelled, "0.1").status == LOOK

    def without_q8(row: Record) -> Record:
        return replace(row, status="failed") if row.setting.quantisation == Q8 else row

    told = verdict(evidence(without_q8), "0.1")
    assert told.status == LOOK
    assert len(told.pictures) == 1


def test_the_best_guidance_is_named_from_cells_that_differ_in_it_alone(evidence):
    def changed(row: Record) -> Record:
        # The baseline and the other weights would mislead: they are not of the grid.
        own = row.setting.quantisation == Q4 and row.setting.prompt == "labels"
        apart = abs(row.setting.guidance - 4.0)
        return replace(row, scores={"seam_off": apart if own else 0.0})

    told = verdict(evidence(changed), "0.2")
    assert told.status == PASS
    assert told.how.endswith("the best is 4.0")
    assert [caption for _, caption in told.pictures] == [
        f"guidance {value:.1f}" for value in (2, 4, 10, 20, 30)
    ]


def best_is(**setting: Any):
    """Return a change of records: the cells of this setting are the best."""

    def changed(row: Record) -> Record:
        same = all(getattr(row.setting, name) == value for name, value in setting.items())
        return replace(row, scores={"seam_off": 0.0 if same else 5.0})

    return changed


def test_steps_and_guidance_that_are_served_are_compared_with_what_is_recommended(evidence):
    own = {"quantisation": "tiny-flux-fill", "guidance": 30.0, "steps": 8}
    same = evidence(best_is(**own), **fills(guidance_scale=30.0))
    assert [verdict(same, number).status for number in ("1.1", "1.2")] == [PASS] * 2
    other = evidence(best_is(quantisation=Q8, prompt="labels"), **fills(guidance_scale=30.0))
    assert [verdict(other, number).status for number in ("1.1", "1.2")] == [FAIL] * 2
    fewer = evidence(best_is(**own), **fills(guidance_scale=30.0, steps_taken=5))
    assert verdict(fewer, "1.1").status == FAIL
    slow = evidence(lambda row: replace(row, report={**row.report, "total_ms": 31_000.0}))
    assert [verdict(slow, n).status for n in ("0.4", "1.1", "1.2")] == [FAIL] * 3


def test_the_weights_that_are_served_are_the_better_of_the_larger_or_better_than_it(evidence):
    assert verdict(evidence(best_is(quantisation="tiny-flux-fill")), "1.3").status == PASS
    assert verdict(evidence(best_is(quantisation=Q8)), "1.3").status == FAIL
    q8 = evidence(best_is(quantisation=Q8))
    weights = {**q8.profile.weights, "flux_transformer": Q8}
    served = replace(q8, profile=replace(q8.profile, weights=weights))
    assert verdict(served, "1.3").status == PASS


def test_the_former_services_prompt_is_never_recommended(evidence):
    found = evidence(best_is(prompt="static"))
    assert found.run.choice.recommended is not None
    assert found.run.choice.recommended.setting.prompt == "static"
    assert found.best is not None
    assert found.best.setting.prompt == "labels"


def test_settings_that_are_compared_have_the_same_seeds(evidence):
    seeds: dict[Any, set[int]] = {}
    for cell in evidence().run.cells:
        if cell.setting.prompt == "labels":
            seeds.setdefault(cell.setting, set()).add(cell.seed)
    assert set(map(frozenset, seeds.values())) == {frozenset({0})}


def test_what_a_t4_is_asked_for_is_judged_on_a_t4_alone(evidence):
    h200 = evidence(card=Card("NVIDIA H200", 139.0, "9.0"))
    assert verdict(h200, "4.2").status == ELSEWHERE
    assert verdict(h200, "0.3").status == ELSEWHERE
    assert verdict(evidence(), "0.3").status == PASS
    assert verdict(evidence(compiled=FAILED), "0.3").how.startswith("rejected")


def test_compiling_may_be_off_only_where_it_fails_or_does_not_pay(evidence):
    # The tiny profile keeps it off.
    assert verdict(evidence(compiled=FAILED), "4.1").status == PASS
    for compiled_ms, status in ((99.0, PASS), (60.0, FAIL)):
        step = f"a step: 100.0 ms eager, {compiled_ms} ms compiled (medians"
        timed = replace(EVENT, text=f"{EVENT.text}\n{step}")
        assert verdict(evidence(compiled=timed), "4.1").status == status


@pytest.mark.parametrize("told", [CRASHED, NO_ROOM, replace(EVENT, text="")])
def test_a_compilation_without_a_finding_is_neither_confirmed_nor_rejected(evidence, told):
    found = evidence(compiled=told)
    assert verdict(found, "0.3").status == FAIL
    assert verdict(found, "4.1").status == FAIL
    assert not told.conclusive


def with_flux(found: Any, **instead: Any) -> Any:
    profile = replace(found.profile, flux=replace(found.profile.flux, **instead))
    return replace(found, profile=profile)


def test_compiling_that_is_on_has_to_work(evidence):
    assert verdict(with_flux(evidence(), compile=True), "4.1").status == PASS
    assert verdict(with_flux(evidence(compiled=FAILED), compile=True), "4.1").status == FAIL


def test_another_optimisation_is_named_by_the_profile_and_in_force(evidence):
    assert verdict(evidence(), "4.3").status == FAIL
    tiled = with_flux(evidence(), tile_px=1024)
    assert verdict(tiled, "4.3").status == PASS
    efficient = with_flux(evidence(), attention="efficient", attention_reason="no flash here")
    assert "attention efficient (no flash here)" in verdict(efficient, "4.3").how
    broken = with_flux(evidence(attention=FAILED), attention="efficient")
    assert verdict(broken, "4.3").status == FAIL


def test_a_rehearsal_judges_no_picture_and_no_second_of_a_card(evidence):
    found = evidence(rehearsal=True, card=Card("CPU"), **fills(total_ms=31_000.0))
    by_number = {criterion.number: criterion.verdict(found) for criterion in CRITERIA}
    assert {number for number, told in by_number.items() if told.status != REHEARSED} == {
        "1.4", "1.5", "2.1", "2.2", "2.3", "2.4", "2.5", "3.1", "3.3",
    }  # fmt: skip
    assert by_number["4.2"].how.startswith("would be: fail.")
