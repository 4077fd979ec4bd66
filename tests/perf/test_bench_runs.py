"""The benchmark over time: budgets, the history and what it calls slower, and refusals."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from pawfect.contract.report import Report
from pawfect.profile import load_profile
from perf.bench import __main__ as runner
from perf.bench import history
from perf.bench.analyzer import Measurement
from perf.bench.budget import verdicts
from perf.bench.history import HistoryError, comparable, read_history, record, slower
from perf.bench.page import Outcome, markdown
from perf.bench.preflight import CannotMeasure, check_machine, gpu_here, machine_class
from perf.bench.stages import split_of

SOURCE = {"command": "c", "date": "2026-01-02", "machine": "m", "versions": {"python": "3"}}


def measured(p50: float = 100.0, model: str = "inpaint", concurrency: int = 1) -> Measurement:
    return Measurement(model, concurrency, 20, 10.0, p50, 1.5 * p50, 2 * p50, 0.0, 0.0)


def runs_of(*p50s: float, profile: str = "tiny", machine: str = "m") -> list[dict]:
    return [record(profile, machine, SOURCE, [measured(p50)], []) for p50 in p50s]


def test_the_budget_is_judged_by_p95_at_one_in_flight():
    items = [measured(100), measured(300, concurrency=2), measured(10, "mask_cleanup")]
    held, missed = verdicts(items, {"inpaint": 150, "mask_cleanup": 14})
    assert (held.model, held.p95_ms, held.held) == ("inpaint", 150, True)
    assert (missed.model, missed.p95_ms, missed.held) == ("mask_cleanup", 15, False)
    with pytest.raises(ValueError, match="one in flight of patch_fill"):
        verdicts(items, {"patch_fill": 1})


def test_a_model_over_its_budget_fails_the_run_and_is_named():
    outcome = Outcome("tiny", "m", SOURCE, verdicts=verdicts([measured(100)], {"inpaint": 149}))
    assert outcome.problems == ["over budget: inpaint: p95 150 ms of 149 ms"]
    assert "| `inpaint` | 150.0 | 149 | NO |" in markdown(outcome)


@given(st.lists(st.floats(50, 60), min_size=1, max_size=12), st.floats(1, 200))
def test_slower_is_over_a_tenth_above_the_median_and_outside_the_noise(before, now):
    found = slower(runs_of(*before), measured(now))
    ordered = sorted(before)
    middle = (ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2
    if now <= 1.1 * middle - 1e-6:
        assert found is None
    # Nothing lies further than 10 from any of them, so three deviations are under 45.
    elif now > 60 + 45:
        assert (found.p50_ms, found.runs) == (now, len(before))
        assert found.before_ms == pytest.approx(middle)


def test_a_noisy_history_calls_slower_only_what_leaves_its_noise():
    steady, noisy = runs_of(99, 100, 101, 100, 100), runs_of(60, 140, 100, 80, 120)
    assert slower(steady, measured(115)).noise_ms == 0
    # 1.4826 times the median deviation of 20, three times: 89.
    assert slower(noisy, measured(115)) is None
    assert slower(noisy, measured(188)) is None
    assert slower(noisy, measured(190)).noise_ms == pytest.approx(88.96)


def test_a_slow_run_in_the_history_does_not_become_what_is_expected():
    assert slower(runs_of(100, 100, 300, 100, 100), measured(150)) is not None


def test_runs_of_other_profiles_machines_and_models_are_no_measure():
    others = runs_of(10, profile="t4") + runs_of(10, machine="n")
    assert comparable(others, "tiny", "m") == []
    mine = comparable(others + runs_of(*range(100, 115)), "tiny", "m")
    assert [run["measurements"]["inpaint@1"]["p50_ms"] for run in mine] == list(range(105, 115))
    assert slower(mine, measured(1000, concurrency=2)) is None
    assert slower(mine, measured(1000, model="patch_fill")) is None


def test_a_history_is_read_as_it_was_written_and_a_broken_line_is_named(tmp_path):
    path = tmp_path / "deep" / history.FILE
    assert read_history(path) == []
    became = slower(runs_of(50), measured(100))
    run = record("tiny", machine_class(), SOURCE, [measured(100)], [became])
    history.append(path, run)
    history.append(path, run)
    assert read_history(path) == [run, run]
    assert run["measurements"]["inpaint@1"] == {
        "p50_ms": 100, "p95_ms": 150, "p99_ms": 200, "throughput": 10.0,
    }  # fmt: skip
    assert run["regressions"][0]["before_ms"] == 50
    for broken in ("{", "[]", json.dumps({**run, "measurements": {"inpaint@1": {}}})):
        path.write_text(json.dumps(run) + "\n" + broken + "\n")
        with pytest.raises(HistoryError, match=r"history.jsonl: line 2: expected"):
            read_history(path)


def test_a_regression_fails_the_run_and_says_by_how_much():
    became = slower(runs_of(100, 100, 100), measured(125))
    outcome = Outcome("tiny", "m", SOURCE, regressions=[became], earlier=3)
    (problem,) = outcome.problems
    assert problem.startswith("slower: inpaint, 1 in flight: 125.0 ms, +25 % over the median 100.0")
    assert problem.removeprefix("slower: ") in markdown(outcome)
    assert "No earlier run" in markdown(Outcome("tiny", "m", SOURCE))


class Server:
    class endpoints:  # noqa: N801 - as TritonServer has it
        grpc = "nowhere"


def test_what_looks_slower_is_measured_again_and_the_middle_one_counts(tmp_path):
    config = runner.load_configs(("mask_cleanup",), "tiny")[0]

    class Analyzer:
        def __init__(self, *p50s: float) -> None:
            self.left = list(p50s)

        def measure(self, *_: object) -> Measurement:
            return measured(self.left.pop(0), "mask_cleanup")

    before = [record("tiny", "m", SOURCE, [measured(100, "mask_cleanup")], [])]

    def once(*p50s: float) -> tuple[float, int]:
        analyzer = Analyzer(*p50s)
        run = runner.Run(load_profile("tiny"), [config], analyzer, before)
        return run._through_server(config, {}, Server, 1).p50_ms, len(analyzer.left)

    assert once(105, 1, 1) == (105, 2)
    assert once(150, 104, 103) == (104, 0)
    assert once(150, 104, 160) == (150, 0)


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


@pytest.mark.parametrize("profile", ["t4", "l4", "h200"])
def test_a_gpu_profile_is_refused_without_gpu_and_weights_before_anything_starts(
    profile, tmp_path, monkeypatch
):
    monkeypatch.setenv("PAWFECT_WEIGHTS", str(tmp_path / "weights"))
    assert not gpu_here()
    with pytest.raises(CannotMeasure) as refused:
        check_machine(load_profile(profile))
    told = str(refused.value)
    assert f"profile {profile}: expected a CUDA GPU" in told
    assert f"run `pawfect weights fetch {profile}`" in told
    said = CliRunner().invoke(runner.bench, ["--profile", profile, "--out", str(tmp_path / "out")])
    assert said.exit_code == 2
    assert "expected a CUDA GPU" in said.output
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


def test_a_budget_without_a_measurement_at_one_in_flight_is_refused(tmp_path, monkeypatch):
    real = runner.load_configs

    def never_alone(models: tuple[str, ...], profile: str) -> list:
        return [replace(config, concurrency=(2,)) for config in real(models, profile)]

    monkeypatch.setattr(runner, "load_configs", never_alone)
    said = CliRunner().invoke(runner.bench, ["--out", str(tmp_path)])
    assert said.exit_code == 2
    assert "mask_cleanup: concurrency: expected 1 too" in said.output
