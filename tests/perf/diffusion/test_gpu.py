"""The GPU's script, rehearsed on a CPU: every part runs and leaves its figures."""

from __future__ import annotations

import json

import pytest
import torch
from click.testing import CliRunner

from perf.diffusion.gpu import __main__ as gpu
from perf.diffusion.gpu import chains
from perf.diffusion.gpu.models import full, small
from perf.diffusion.gpu.parts import goals


@pytest.fixture(scope="module")
def rehearsal(tmp_path_factory):
    path = tmp_path_factory.mktemp("gpu") / "gpu-tiny.json"
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(gpu, "SCHEMES", ("int4", "q8_0"))
        gpu.measure(True, path, ["eager", "layers", "capped", "klein", "edit"])
    return json.loads(path.read_text())


def chain_was_measured(parts, how: str) -> None:
    for row in parts[f"stages {how}"]["rows"]:
        assert min(row["step_s"], row["encode_s"], row["decode_s"]) > 0
    for window in small().windows:
        product = parts[f"product {window} {how}"]
        assert 0 < product["median_s"] < 60
        assert product["stage_ms"]["flux_transformer"] > 0
    assert parts[f"pipeline {how}"]["steps"] == small().whole_steps
    batch = parts[f"batch {how}"]
    assert batch["clients"] == 8
    ratio = batch["all_steps_per_s"] / batch["one_steps_per_s"]
    assert batch["ratio"] == pytest.approx(ratio, rel=0.01)


def quantised_transformers_filled(parts, *schemes: str) -> None:
    for name in schemes:
        fills = parts[f"capped {name}"]["fills"]
        assert [(fill["engine"], fill["fallbacks"], fill["finite"]) for fill in fills] == [
            ("flux", 0, True)
        ] * 3


STEPS = {
    # Of 4 x 4 and 6 x 6 tokens, alone and beside a picture of the same size.
    "klein plain, 64 px, 0 references": (16, 1),
    "klein plain, 64 px, 1 references": (32, 1),
    "klein plain, 96 px, 0 references": (36, 1),
    "klein plain, 96 px, 1 references": (72, 1),
    "edit plain, 64 px, 1 references": (32, 1),
    "edit plain, 64 px, 1 references, guidance 4": (32, 2),
    "edit int8, 64 px, 1 references": (32, 1),
    "edit int8, 64 px, 1 references, guidance 4": (32, 2),
}


def chains_were_stepped(parts) -> None:
    for name, (tokens, branches) in STEPS.items():
        step = parts[name]
        assert (step["picture_tokens"], step["branches"]) == (tokens, branches)
        assert step["step_s"] > 0
        assert step["finite"]
    assert parts["edit int8"]["arithmetic"].startswith("int8")


@pytest.mark.slow
def test_parts_run_and_are_on_disk(rehearsal):
    assert rehearsal["complete"] is True
    parts = rehearsal["parts"]
    assert {name: part["error"] for name, part in parts.items() if "error" in part} == {}
    chain_was_measured(parts, "eager")
    quantised_transformers_filled(parts, "int4", "q8_0")
    chains_were_stepped(parts)
    (goal,) = [goal for goal in rehearsal["goals"] if "klein" in goal["name"]]
    assert (goal["measured"], goal["reached"]) == (0, True)


@pytest.mark.slow
def test_every_part_of_the_command_runs(tmp_path):
    try:
        ran = CliRunner().invoke(gpu.main, ["--tiny", "--out", str(tmp_path)])
    finally:
        # Compiled code holds on to the modules.
        torch._dynamo.reset()
    assert ran.exit_code == 0, ran.output
    parts = json.loads((tmp_path / "gpu-tiny.json").read_text())["parts"]
    for how in ("eager", "compiled"):
        chain_was_measured(parts, how)
    assert parts["compiled graphs"]["unique_graphs"] >= 2
    quantised_transformers_filled(parts, "int8", "int4", "q8_0", "q4_0")
    chains_were_stepped(parts)


@pytest.mark.slow
def test_every_layer_tells_its_error_and_its_time(rehearsal):
    rows = rehearsal["parts"]["layers"]["rows"]
    assert {row["scheme"] for row in rows} == {"int8", "int4", "q8_0", "q4_0"}
    for row in rows:
        assert row["error_unquantised"] < row["error"] < 0.2
        assert row["ms"] > 0


def test_the_full_scale_is_the_published_model():
    scale = full()
    assert scale.configs["transformer"]["num_layers"] == 19
    assert scale.configs["text_encoder_2"]["d_model"] == 4096
    assert (scale.whole_px, scale.whole_steps, scale.own_steps) == (1024, 28, 8)
    assert scale.windows == (768, 512)
    assert (scale.chain_px["klein"], scale.chain_px["edit"]) == ((768, 1024), (1024,))
    klein, edit = (scale.chain_configs[name] for name in ("klein", "edit"))
    assert (klein["num_layers"], klein["num_single_layers"], edit["num_layers"]) == (5, 20, 60)


@pytest.mark.slow
def test_a_chain_that_cannot_be_built_leaves_the_others(monkeypatch):
    taken = {}

    def take(name, work):
        try:
            taken[name] = work()
        except MemoryError as error:
            taken[name] = str(error)

    def none(*_):
        raise MemoryError("no room")

    monkeypatch.setattr(chains, "random_transformer", none)
    chains.measure_chain(small(), "edit", take)
    assert taken["edit plain"] == "no room"
    assert [name for name in taken if name.startswith("edit int8,")]
    assert not [name for name in taken if name.startswith("edit plain,")]


def test_a_failing_part_leaves_the_others_and_the_file(tmp_path):
    results = gpu.Results(tmp_path / "deep" / "gpu.json", {"gpu": "none"})

    def fails() -> None:
        raise ValueError("no")

    results.take("bad", fails)
    results.take("good", lambda: {"figure": 1})
    kept = json.loads((tmp_path / "deep" / "gpu.json").read_text())
    assert kept["parts"]["bad"]["error"] == "ValueError: no"
    assert kept["parts"]["good"]["figure"] == 1
    assert kept["complete"] is False


def test_goals_compare_like_with_like():
    parts = {
        "product 768 eager": {"median_s": 0.9},
        "product 512 eager": {"median_s": 0.5},
        "product 768 compiled": {"error": "no"},
        "pipeline eager": {"median_s": 5.6},
        "pipeline compiled": {"median_s": 3.5},
        "batch eager": {"ratio": 1.7},
        "capped int4": {"fills": [{"engine": "flux", "fallbacks": 0, "finite": True}]},
        "capped int8": {"fills": [{"engine": "patch", "fallbacks": 1, "finite": False}]},
    }
    found = {goal["name"]: goal for goal in goals(parts, (768, 512))}
    assert found["s from request to answer, window 768"]["reached"]
    ratio = found["times faster than the pipeline, window 768, both eager"]
    assert (ratio["measured"], ratio["reached"]) == (6.222, True)
    assert not found["times faster than the pipeline, window 512, both eager"]["reached"]
    assert not found["times one client's steps a second, in batches, eager"]["reached"]
    assert not any("compiled" in name for name in found)
    (capped,) = [goal for name, goal in found.items() if name.startswith("schemes")]
    assert (capped["measured"], capped["reached"]) == (1, True)
    assert found["steps in fp16 with NaN or Inf"]["measured"] == 1


def test_without_a_gpu_the_script_says_so_and_unknown_parts_are_refused(tmp_path):
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    said = CliRunner().invoke(gpu.main, ["--out", str(tmp_path)])
    assert said.exit_code == 2
    assert "expected a CUDA GPU" in said.output
    said = CliRunner().invoke(gpu.main, ["--parts", "eager,kapped"])
    assert said.exit_code == 2
    assert "kapped" in said.output
