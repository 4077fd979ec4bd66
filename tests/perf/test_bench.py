"""The serving benchmark: its configurations, the real perf_analyzer, its page."""

from __future__ import annotations

import base64
import shutil
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from pawfect.contract.tensors import DTYPES
from pawfect.local import LocalModels
from pawfect.models import MODELS
from pawfect.orchestrator.deployment import read_deployment
from pawfect.profile import load_profile, profile_names
from pawfect_triton.prerequisites import prepare
from perf.bench import configs
from perf.bench.__main__ import arrays_of
from perf.bench.analyzer import Analyzer, AnalyzerError, input_data
from perf.bench.chain import NONCES, never_the_same, record_requests
from perf.bench.configs import FOLDER, ConfigError, load_config, load_configs
from perf.bench.goals import Goal
from perf.bench.in_process import window_arrays, work_of
from perf.bench.page import Outcome, markdown
from perf.bench.stages import measure_split
from tests.conftest import NEURAL

SOURCE = {"command": "c", "date": "d", "machine": "m", "versions": {"python": "3"}}
MASK = np.zeros((120, 160), np.uint8)
MASK[40:70, 50:90] = 255
PHOTO = np.random.default_rng(0).integers(60, 180, (120, 160, 3), np.uint8)


@pytest.mark.parametrize("profile", profile_names())
def test_every_model_of_every_profile_has_a_configuration(profile):
    chosen = load_profile(profile)
    found = load_configs(chosen.models, profile)
    assert [config.model for config in found] == list(chosen.models)
    for config in found:
        assert config.concurrency == tuple(sorted(set(config.concurrency)))
        # A budget is judged at one in flight.
        assert config.concurrency[0] == 1
        # p95 is no more than the slowest of fewer.
        if MODELS[config.model].orchestration and chosen.flux and chosen.flux.device == "cuda":
            assert config.requests >= 20
            assert config.texts["SCENE_LABELS"] == ("grass", "fallen leaves")


@pytest.mark.parametrize("profile", profile_names())
def test_every_profile_promises_an_answer_within_30_s_and_a_bound_for_every_model(profile):
    chosen = load_profile(profile)
    assert chosen.budget["inpaint"] == chosen.budget["inpaint_stream"] == 30_000
    assert set(chosen.budget) == set(chosen.models)


def test_a_profile_changes_what_its_table_names_and_nothing_else():
    path = FOLDER / "flux_transformer.toml"
    tiny, h200 = load_config(path, "tiny"), load_config(path, "h200")
    assert (tiny.concurrency, tiny.requests) == ((1, 2, 4), 24)
    assert (h200.concurrency, h200.requests) == ((1, 2, 4, 8), 96)
    assert replace(h200, concurrency=tiny.concurrency, requests=tiny.requests) == tiny


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ('model = "lama"', "got lama"),
        ('inputs = ["IMAGE"]', "inputs: expected"),
        ('inputs = ["MASK", "COLOUR"]', "inputs: expected"),
        ('source = "canvas"', "source: expected one of photo, window, chain, got canvas"),
        ("streaming = true", "streaming: expected False"),
        ("concurrency = [0]", "at least 1"),
        ("concurrency = 2", "at least 1"),
        ("requests = 2.5", "at least 1"),
        ("requests = true", "at least 1"),
        ("inputs = 3", "inputs: expected"),
        ("warmup = 3", "warmup"),
        ("[parameters]\ndilate = 3", "parameters: .*dilate"),
        ("[parameters]\ndilate_px = 400", "dilate_px: expected"),
        ("[parameters]\ndilate_px = 3.5", "parameters: expected integers"),
        ('[texts]\nPROMPT = ["grass"]', "texts: expected"),
        ("[profiles.t5]\nrequests = 3", "profiles: expected tables of .*t5"),
        ("[profiles.t4]\nrequest = 3", "profiles.t4: expected some of .*request"),
        ("[profiles.t4]\nmodel = 'inpaint'", "profiles.t4: expected some of"),
        ("[profiles.t4]\nrequests = 0", "profiles.t4: concurrency and requests"),
        ("requests = [", "expected a TOML file"),
    ],
)
def test_a_configuration_with_a_mistake_is_refused_by_name(tmp_path, change, says):
    lines = (FOLDER / "mask_cleanup.toml").read_text().splitlines()
    key = change.split(" =")[0]
    changed = [line for line in lines if not line.startswith(f"{key} =")] + [change]
    path = tmp_path / "mask_cleanup.toml"
    path.write_text("\n".join(changed))
    with pytest.raises(ConfigError, match=says):
        load_config(path, "tiny")


def test_a_file_of_no_model_is_refused(tmp_path, monkeypatch):
    for path in FOLDER.glob("*.toml"):
        shutil.copy(path, tmp_path)
    monkeypatch.setattr(configs, "FOLDER", tmp_path)
    assert load_configs(("inpaint",), "tiny")[0].model == "inpaint"
    (tmp_path / "inpant.toml").write_text("")
    with pytest.raises(ConfigError, match="got inpant"):
        load_configs(("inpaint",), "tiny")
    (tmp_path / "inpant.toml").unlink()
    (tmp_path / "inpaint.toml").unlink()
    with pytest.raises(ConfigError, match=r"inpaint: expected a file inpaint\.toml"):
        load_configs(("inpaint",), "tiny")


def test_the_input_file_carries_the_raw_bytes_and_the_shape():
    entry = input_data({"MASK": MASK})["MASK"]
    again = np.frombuffer(base64.b64decode(entry["content"]["b64"]), np.uint8)
    np.testing.assert_array_equal(again.reshape(entry["shape"]), MASK)


def test_the_real_perf_analyzer_measures_a_model_of_the_running_server(server, tmp_path):
    analyzer = Analyzer(tmp_path)
    config = load_config(FOLDER / "mask_cleanup.toml", "embedded")
    config = replace(config, requests=10, parameters={"dilate_px": 3})
    measured = analyzer.measure(config, [{"MASK": MASK}], server.endpoints.grpc, 2)
    assert (measured.model, measured.concurrency, measured.requests) == ("mask_cleanup", 2, 10)
    assert 0 < measured.p50_ms <= measured.p95_ms <= measured.p99_ms
    assert measured.throughput > 0
    # The server reads the request parameter: one that it refuses makes perf_analyzer fail.
    wrong = replace(config, parameters={"dilate_px": 400})
    with pytest.raises(AnalyzerError):
        analyzer.measure(wrong, [{"MASK": MASK}], server.endpoints.grpc, 1)


def test_the_split_of_an_orchestrator_is_the_median_of_its_reports_stages(server):
    config = load_config(FOLDER / "inpaint_stream.toml", "embedded")
    config = replace(config, parameters={"engine": "patch", "seed": 3})
    arrays = {"IMAGE": PHOTO, "MASK": MASK}
    for model in (config, replace(config, model="inpaint", streaming=False)):
        split = measure_split(model, arrays, server.endpoints.grpc, requests=3)
        assert (split.model, split.requests, split.engines) == (model.model, 3, {"patch": 3})
        assert list(split.stage_ms)[:2] == ["validate", "mask_cleanup"]
        assert 0 < split.stage_ms["patch_fill"] <= split.total_ms


def test_the_in_process_work_is_the_models_own():
    profile = load_profile("embedded")
    here = LocalModels(profile), read_deployment(profile)
    arrays = window_arrays(PHOTO, MASK)
    assert arrays["MASK"].shape == arrays["IMAGE"].shape[:2]
    outputs = work_of("patch_fill", arrays, *here)()
    assert set(outputs) == {spec.name for spec in MODELS["patch_fill"].spec.outputs}
    result = work_of("inpaint", {"IMAGE": PHOTO, "MASK": MASK}, *here)()
    assert result.image.shape == PHOTO.shape


@pytest.fixture(scope="module")
def tiny():
    pytest.importorskip("torch")
    profile = load_profile("tiny")
    prepare(profile)
    return LocalModels(profile), read_deployment(profile)


@pytest.fixture(scope="module")
def asked(tiny):
    return record_requests(*tiny, PHOTO, MASK)


@pytest.mark.parametrize("model", [*NEURAL, "scene_labels"])
def test_what_the_chain_asked_a_neural_model_for_is_its_contract_and_can_be_asked_again(
    model, tiny, asked
):
    scene = SimpleNamespace(photo=PHOTO, mask=MASK)
    arrays = arrays_of(load_config(FOLDER / f"{model}.toml", "tiny"), scene, asked)
    for name, array in arrays.items():
        spec = MODELS[model].spec.input(name)
        assert array.dtype == DTYPES[spec.datatype]
        assert all(want in (-1, got) for want, got in zip(spec.shape, array.shape, strict=True))
    outputs = work_of(model, arrays, *tiny)()
    promised = {spec.name for spec in MODELS[model].spec.outputs}
    # The prior is of requests with a strength under 1.
    assert set(outputs) in (promised, promised - {"PRIOR"})


def test_the_recorded_step_is_the_first_of_the_canvas(asked):
    step = asked["flux_transformer"]
    rows, columns = step["GRID"]
    height, width = asked["flux_vae_encoder"]["IMAGE"].shape[:2]
    assert (16 * rows, 16 * columns) == (height, width)
    assert step["TIMESTEP"] == [1000]
    assert np.abs(step["CONDITION"]).max() > 0


def test_no_request_to_the_cached_model_is_sent_twice_and_texts_go_as_texts(asked):
    config = load_config(FOLDER / "flux_text_encoder.toml", "tiny")
    one = asked["flux_text_encoder"]
    nonces = [
        int(request["NONCE"][0])
        for concurrency in config.concurrency
        for request in never_the_same(one, concurrency * NONCES)
    ]
    assert len(set(nonces)) == len(nonces) == NONCES * len(config.concurrency)
    # perf_analyzer may send a few more than it counts.
    assert config.requests + 2 * max(config.concurrency) < NONCES
    prompt = one["PROMPT"][0].decode()
    assert prompt
    assert input_data(one)["PROMPT"] == {"content": [prompt], "shape": [1]}


def test_a_missed_goal_is_written_as_missed():
    goals = [
        Goal("one", 1.0, "s", "< 2", True, "how"),
        Goal("two", 3.0, "s", "< 2", False, "how"),
    ]
    outcome = Outcome("embedded", "m", SOURCE, goals=goals)
    assert outcome.problems == ["missed: two"]
    page = markdown(outcome)
    assert "| one | 1.0 s | < 2 | yes | how |" in page
    assert "| two | 3.0 s | < 2 | NO | how |" in page


def test_a_page_without_goals_says_where_they_are():
    page = markdown(Outcome("tiny", "m", SOURCE))
    assert "| goal |" not in page
    assert "bench-embedded.md" in page
