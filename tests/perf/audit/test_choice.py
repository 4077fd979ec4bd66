"""The recommended setting is the best of those in time, by the rule that the page states."""

from __future__ import annotations

import pytest

from perf.audit.choice import RULE, UNITS, choose, loss_of
from tests.perf.audit.conftest import cell, record


def run(*rows, budget_ms=10_000):
    """Rows of (steps, total ms, seam step[, status]), one setting each."""
    cells, records = [], {}
    for number, (steps, ms, seam, *status) in enumerate(rows):
        one = cell(f"{number:016}", steps=steps)
        cells.append(one)
        if ms is not None:
            scores = {"seam_off": seam}
            records[one.identity] = record(one, *status, total_ms=ms, scores=scores)
    return choose(cells, records, budget_ms)


def test_the_best_in_time_is_recommended_not_the_best_and_of_equal_ones_the_faster():
    choice = run((4, 4000, 3.0), (8, 8000, 2.0), (28, 28_000, 1.0))
    assert choice.recommended is not None
    assert choice.recommended.setting.steps == 8
    assert [one.setting.steps for one in choice.outcomes] == [28, 8, 4]
    assert list(map(choice.in_budget, choice.outcomes)) == [False, True, True]
    choice = run((20, 5000, 2.0), (8, 3000, 2.0))
    assert choice.recommended is not None
    assert choice.recommended.setting.steps == 8


def test_a_setting_that_fell_back_or_failed_anywhere_is_never_recommended():
    choice = run((4, 100, 0.1, "fallen back"), (8, 100, 0.2, "failed"), (12, 100, 9.0))
    assert choice.recommended is not None
    assert choice.recommended.setting.steps == 12


def test_a_setting_that_the_card_has_no_room_for_is_counted_and_never_recommended():
    choice = run((4, 100, 0.1, "not fitting"), (12, 100, 9.0))
    assert choice.recommended is not None
    assert choice.recommended.setting.steps == 12
    assert (choice.outcomes[1].not_fitting, choice.outcomes[1].complete) == (1, False)
    assert choice.missing == 0


def test_a_fill_whose_labels_are_still_to_come_counts_as_missing():
    one = cell()
    assert choose([one], {one.identity: record(one, labelled=False)}, 10_000).missing == 1
    assert choose([one], {one.identity: record(one)}, 10_000).missing == 0


def test_nothing_is_recommended_where_nothing_keeps_the_budget():
    choice = run((4, 20_000, 1.0))
    assert choice.recommended is None
    assert choice.outcomes[0].complete


def test_missing_cells_are_counted_and_never_recommended():
    choice = run((4, None, 0), (8, 10, 5.0))
    assert choice.missing == 1
    assert choice.recommended is not None
    assert choice.recommended.setting.steps == 8


def test_the_slowest_session_must_keep_the_budget_and_the_mean_decides():
    cells = [cell(f"{n}" * 16, f"session {n}") for n in range(2)]
    records = {
        c.identity: record(c, total_ms=ms, scores={"seam_off": seam})
        for c, ms, seam in zip(cells, (9000, 11_000), (1.0, 3.0), strict=True)
    }
    assert choose(cells, records, 10_000).recommended is None
    best = choose(cells, records, 11_000).recommended
    assert best is not None
    assert best.loss == pytest.approx(2.0 / UNITS["seam_off"])
    assert (best.mean_ms, best.slowest_ms) == (10_000, 11_000)


def test_the_loss_is_the_sum_that_the_rule_states():
    scores = {"st_lpips": 0.26, "seam_off": 1.15, "sharpness": 9.0, "sharpness_log": 0.69}
    assert loss_of(record(scores=scores)) == pytest.approx(2 + 0.5 + 1)
    assert all(f"{name} / {unit:g}" in RULE for name, unit in UNITS.items())
