"""The benchmark over time: budgets, the history and what it calls slower, and refusals."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from pawfect.contract.find import FindReport
from pawfect.contract.report import Report
from pawfect.contract.tables import TableError
from pawfect.profile import load_profile
from perf.bench import __main__ as runner
from perf.bench.analyzer import Measurement
from perf.bench.configs import load_configs
from perf.bench.files import goals_of
from perf.bench.goals import FILE, append, budget_goals, read_history, slower
from perf.bench.page import Outcome, markdown
from perf.bench.served import split_of

SOURCE = {"command": "c", "date": "2026-01-02", "machine": "m", "versions": {"python": "3"}}


def measured(p50: float = 100.0, model: str = "inpaint", concurrency: int = 1) -> Measurement:
    return Measurement(model, concurrency, 20, 10.0, p50, 1.5 * p50, 2 * p50, 0.0, 0.0)


def runs_of(*p50s: float) -> list[dict]:
    return [{"measurements": {"inpaint@1": {"p50_ms": p50}}} for p50 in p50s]


def test_the_budget_is_judged_by_p95_at_one_in_flight():
    items = [measured(100), measured(300, concurrency=2), measured(10, "mask_cleanup")]
    held, missed = budget_goals(items, {"inpaint": 150, "mask_cleanup": 14})
    assert (held.name, held.measured, held.reached) == ("`inpaint`, p95", 150, True)
    assert (missed.name, missed.measured, missed.reached) == ("`mask_cleanup`, p95", 15, False)
    outcome = Outcome("tiny", "m", SOURCE, items, goals=[held, missed])
    assert outcome.problems == ["missed: `mask_cleanup`, p95: 15.0 ms, expected <= 14: the budget"]
    page = markdown(outcome)
    assert "| `mask_cleanup`, p95 | 15.0 ms | <= 14 | NO | the budget |" in page
    assert "| `inpaint`, p95 | 150.0 ms | <= 150 | yes | the budget |" in page
    assert "| `inpaint` | 1 | 20 | 100.0 | 150.0 | 200.0 | 10.00 | 0.0 |" in page
    assert [goal["reached"] for goal in outcome.as_json()["goals"]] == [True, False]


@given(st.lists(st.floats(50, 60), min_size=1, max_size=12), st.floats(1, 200))
def test_slower_is_over_a_tenth_above_the_median_and_outside_the_noise(before, now):
    found = slower(runs_of(*before), measured(now))
    ordered = sorted(before)
    middle = (ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2
    if now <= 1.1 * middle - 1e-6:
        assert found is None
    # Nothing lies further than 10 from any of them, so three deviations are under 45.
    elif now > 60 + 45:
        assert (found.measured, found.reached) == (now, False)
        assert f"{middle:.1f} ms of {len(before)} earlier runs" in found.detail


def test_the_serving_cost_of_files_leaves_out_reading_and_writing():
    stages = [{"decode": 300.0, "patch_fill": 500.0, "encode": 200.0}] * 3
    share, per_mp = goals_of([1120.0, 1500.0, 1110.0], [1000.0] * 3, stages)
    assert (share.measured, share.reached) == (12.0, True)
    assert (per_mp.measured, per_mp.reached) == (10.0, True)
    assert "300 ms reading, 200 ms writing and 120 ms beside the stages" in share.detail
    share, _ = goals_of([1160.0], [1000.0], stages[:1])
    assert (share.measured, share.reached) == (16.0, False)


def test_a_noisy_history_calls_slower_only_what_leaves_its_noise():
    steady, noisy = runs_of(99, 100, 101, 100, 100), runs_of(60, 140, 100, 80, 120)
    assert slower(steady, measured(115)).bound == "<= 110.0"
    # 1.4826 times the median deviation of 20, three times: 89.
    assert slower(noisy, measured(115)) is None
    assert slower(noisy, measured(188)) is None
    assert slower(noisy, measured(190)).bound == "<= 189.0"
    # A slow run in the history does not become what is expected.
    assert slower(runs_of(100, 100, 300, 100, 100), measured(150)) is not None
    assert slower(steady, measured(1000, concurrency=2)) is None
    assert slower(steady, measured(1000, model="patch_fill")) is None


def test_a_history_gives_the_last_runs_of_a_profile_on_a_machine(tmp_path):
    path = tmp_path / "deep" / FILE
    assert read_history(path, "tiny", "m") == []
    for n in range(12):
        append(path, "tiny", "m", SOURCE, [measured(100 + n)])
    append(path, "t4", "m", SOURCE, [measured(10)])
    append(path, "tiny", "n", SOURCE, [measured(10)])
    mine = read_history(path, "tiny", "m")
    assert [run["measurements"]["inpaint@1"]["p50_ms"] for run in mine] == list(range(102, 112))
    assert mine[0]["measurements"]["inpaint@1"] == {
        "p50_ms": 102, "p95_ms": 153, "p99_ms": 204, "throughput": 10.0,
    }  # fmt: skip
    for broken in ("{", "[]", json.dumps({**mine[0], "measurements": {"inpaint@1": {}}})):
        path.write_text(json.dumps(mine[0]) + "\n" + broken + "\n")
        with pytest.raises(TableError, match=r"history.jsonl: line 2: expected"):
            read_history(path, "tiny", "m")


def test_a_regression_fails_the_run_and_says_by_how_much():
    became = slower(runs_of(100, 100, 100), measured(125))
    outcome = Outcome("tiny", "m", SOURCE, goals=[became], earlier=3)
    told = "+25 % over the median 100.0 ms of 3 earlier runs"
    problem = f"missed: `inpaint`, p50, 1 in flight: 125 ms, expected <= 110.0: {told}"
    assert outcome.problems == [problem]
    assert f"| 125 ms | <= 110.0 | NO | {told} |" in markdown(outcome)
    assert "Compared with 3 earlier runs" in markdown(outcome)


class Server:
    class endpoints:  # noqa: N801 - as TritonServer has it
        grpc = "nowhere"


@pytest.mark.parametrize(
    ("p50s", "counts", "left"), [((105, 1, 1), 105, 2), ((150, 104, 103), 104, 0),
                                 ((150, 104, 160), 150, 0)],
)  # fmt: skip
def test_what_looks_slower_is_measured_again_and_the_middle_one_counts(p50s, counts, left):
    class Analyzer:
        def __init__(self) -> None:
            self.left = list(p50s)

        def measure(self, *_: object) -> Measurement:
            return measured(self.left.pop(0))

    analyzer, (config,) = Analyzer(), load_configs(("inpaint",), "tiny")
    run = runner.Run(load_profile("tiny"), [config], analyzer, runs_of(100))
    assert run.through_server(config, {}, Server, 1).p50_ms == counts
    assert len(analyzer.left) == left


def test_the_split_leaves_out_requests_that_lacked_a_stage():
    def report(engine: str, **stages: float) -> Report:
        return Report(
            engine=engine, engine_reason="", profile="tiny", seed=0, deadline_ms=1, width=1,
            height=1, hole_px=1, dilate_px=1, specks=0, pinholes=0, labels=(), labels_source="none",
            strength=1, windows=(), stage_ms=stages, total_ms=sum(stages.values()),
        )  # fmt: skip

    reports = [report("flux", a=1, b=2), report("flux", a=3, b=4, c=5), report("patch", a=9)]
    split = split_of("inpaint", reports)
    assert split.stage_ms == {"a": 3, "b": 3, "c": 5}
    assert (split.engines, split.total_ms) == ({"flux": 2, "patch": 1}, 9)


def test_the_split_of_what_has_neither_engine_nor_network_names_none():
    report = FindReport(
        phrase="leash", boxes=0, presence=0.9, finds=(), left_out=0, least_score=0.5,
        mask_threshold=0.5, joined=False, profile="tiny", width=64, height=64,
        stage_ms={"sam3_labeling": 4.0}, total_ms=5.0,
    )  # fmt: skip
    split = split_of("find_masks", [report, report])
    assert (split.engines, split.fallbacks) == ({}, ())
    assert (split.stage_ms, split.total_ms) == ({"sam3_labeling": 4.0}, 5.0)


@pytest.mark.parametrize("profile", ["t4", "l4", "h200"])
def test_a_gpu_profile_is_refused_without_gpu_and_weights_before_anything_starts(
    profile, tmp_path, monkeypatch
):
    monkeypatch.setenv("PAWFECT_WEIGHTS", str(tmp_path / "weights"))
    assert not runner.gpu_here()
    said = CliRunner().invoke(runner.bench, ["--profile", profile, "--out", str(tmp_path / "out")])
    assert said.exit_code == 2
    assert f"profile {profile}: expected a CUDA GPU" in said.output
    assert f"run `pawfect weights fetch {profile}`" in said.output
    assert "Traceback" not in said.output
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--profile", "tyni"], "profile: expected one of"),
        (["--profile", "embedded", "--out", "."], "history.jsonl: line 1"),
    ],
)
def test_mistakes_are_told_before_anything_starts(tmp_path, monkeypatch, options, says):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "history.jsonl").write_text("what")
    said = CliRunner().invoke(runner.bench, options)
    assert (said.exit_code, says in said.output) == (2, True)


def test_lama_and_a_swap_are_measured_only_where_their_weights_are_here(tmp_path, monkeypatch):
    monkeypatch.setenv("PAWFECT_WEIGHTS", str(tmp_path))
    embedded, tiny = load_profile("embedded"), load_profile("tiny")
    without = runner.with_what_is_here(embedded)
    assert set(embedded.models) - set(without.models) == {"lama_fill", "face_swap"}
    assert (without.engines, dict(without.fill_weights)) == (("patch",), {})
    assert set(without.budget) == set(without.models)
    # What can be built is built before it is measured.
    assert runner.with_what_is_here(tiny) == tiny
