"""The serving benchmark: its configurations, the real perf_analyzer, what it sends and compares."""

from __future__ import annotations

import base64
import time
from dataclasses import replace

import numpy as np
import pytest

from pawfect.contract.tables import TableError
from pawfect.contract.tensors import DTYPES
from pawfect.local import LocalModels
from pawfect.models import MODELS
from pawfect.profile import load_profile, profile_names
from pawfect.weights.store import ROOT_VARIABLE, Store
from pawfect_export.fetch import fetch
from pawfect_export.progress import silent
from perf.bench.analyzer import Analyzer, AnalyzerError, input_data
from perf.bench.configs import FILE, load_configs
from perf.bench.inputs import (
    NONCES,
    arrays_of,
    never_the_same,
    record_requests,
)
from perf.bench.served import measure_split
from tests.conftest import READY, ServedProcess, no_hub
from tests.server.conftest import metric
from tests.subject import standing

MASK = np.zeros((120, 160), np.uint8)
MASK[50:66, 60:80] = 255
PHOTO = np.random.default_rng(0).integers(60, 180, (120, 160, 3), np.uint8)


def config_of(model: str, profile: str):
    return load_configs((model,), profile)[0]


@pytest.mark.parametrize("profile", profile_names())
def test_every_model_of_every_profile_has_a_configuration_and_a_budget(profile):
    chosen = load_profile(profile)
    found = load_configs(chosen.models, profile)
    assert [config.model for config in found] == list(chosen.models)
    for config in found:
        # p95 is no more than the slowest of fewer.
        on_card = any(chosen.chain(chain).device == "cuda" for chain in chosen.chains)
        if MODELS[config.model].orchestration and on_card:
            assert config.requests >= 20
            if "SCENE_LABELS" in {tensor.name for tensor in MODELS[config.model].spec.inputs}:
                assert config.texts["SCENE_LABELS"] == ("grass", "fallen leaves")
    for model in ("inpaint", "inpaint_stream", "inpaint_file"):
        assert chosen.budget[model] == 30_000
    assert set(chosen.budget) == set(chosen.models)


def test_a_profile_changes_what_its_table_names_and_nothing_else():
    tiny, h200 = config_of("flux_transformer", "tiny"), config_of("flux_transformer", "h200")
    assert (tiny.concurrency, tiny.requests) == ((1, 2, 4), 24)
    assert (h200.concurrency, h200.requests) == ((1, 2, 4, 8), 96)
    assert replace(h200, concurrency=tiny.concurrency, requests=tiny.requests) == tiny


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"[mask_cleanup]": "[lama]"}, "model: expected one of .*lama"),
        ({'["MASK"]': '["IMAGE"]'}, "inputs: expected"),
        ({'["MASK"]': '["MASK", "COLOUR"]'}, "inputs: expected"),
        ({'["MASK"]': "3"}, "inputs: expected"),
        ({'"photo"': '"canvas"'}, "source: expected one of photo, file, window, view, chain"),
        ({"[1, 2, 4]": "[0]"}, "concurrency: expected rising integers from 1"),
        ({"[1, 2, 4]": "[2, 4]"}, "concurrency: expected rising integers from 1"),
        ({"60": "2.5"}, "requests: expected"),
        ({"60": "true"}, "requests: expected"),
        ({"60": "60\nwarmup = 3"}, "warmup"),
        ({"60": '60\ntexts = { PROMPT = ["grass"] }'}, "inputs: expected"),
        ({"60": "60\nprofiles.t5 = { requests = 3 }"}, "profiles: expected tables of .*t5"),
        ({"60": "60\nprofiles.t4 = { request = 3 }"}, "profiles: t4: expected .*request"),
        ({"60": "60\nprofiles.t4 = { requests = 0 }"}, "profiles: t4: requests"),
        ({"60": "["}, "expected a TOML file"),
        ({"mask_cleanup": "patch_fill", '["MASK"]': '["IMAGE", "MASK"]'}, "a table mask_cleanup"),
    ],
)
def test_a_configuration_with_a_mistake_is_refused_by_name(tmp_path, change, says):
    text = FILE.read_text()
    text = text[text.index("[mask_cleanup]") : text.index("[patch_fill]")]
    path = tmp_path / "models.toml"
    path.write_text(text)
    assert load_configs(("mask_cleanup",), "tiny", path)[0].requests == 60
    for before, after in change.items():
        text = text.replace(before, after)
    path.write_text(text)
    with pytest.raises(TableError, match=says):
        load_configs(("mask_cleanup",), "tiny", path)


def test_the_input_file_carries_the_raw_bytes_and_the_shape():
    entry = input_data({"MASK": MASK})["MASK"]
    again = np.frombuffer(base64.b64decode(entry["content"]["b64"]), np.uint8)
    np.testing.assert_array_equal(again.reshape(entry["shape"]), MASK)


@pytest.fixture(scope="module")
def analyzer(tmp_path_factory):
    """The real one, taken out of its wheel once."""
    return Analyzer(tmp_path_factory.mktemp("analyzer"))


def test_the_real_perf_analyzer_measures_a_model_of_the_running_server(server, analyzer):
    config = replace(config_of("mask_cleanup", "embedded"), requests=10)
    measured = analyzer.measure(config, [{"MASK": MASK}], server.endpoints.grpc, 2)
    assert (measured.model, measured.concurrency, measured.requests) == ("mask_cleanup", 2, 10)
    assert 0 < measured.p50_ms <= measured.p95_ms <= measured.p99_ms
    assert measured.throughput > 0
    with pytest.raises(AnalyzerError):
        analyzer.measure(config, [{"MASK": MASK[0]}], server.endpoints.grpc, 1)
    files = replace(config_of("inpaint_file", "embedded"), requests=2)
    sent = arrays_of(files, PHOTO, MASK, {})
    assert analyzer.measure(files, [sent], server.endpoints.grpc, 1).requests == 2
    # A judge elsewhere is measured without it.
    judge = replace(config_of("score_gemini", "embedded"), requests=2)
    sent = arrays_of(judge, PHOTO, MASK, {})
    assert analyzer.measure(judge, [sent], server.endpoints.grpc, 1).requests == 2


def test_the_split_of_an_orchestrator_is_the_median_of_its_reports_stages(server):
    for model in ("inpaint_stream", "inpaint", "inpaint_file"):
        config, url = config_of(model, "embedded"), server.endpoints.grpc
        arrays = arrays_of(config, PHOTO, MASK, {})
        split = measure_split(config, arrays, url, requests=2)
        assert (split.model, split.requests, split.engines) == (model, 2, {"patch": 2})
        reading = ["decode"] if model == "inpaint_file" else []
        # Where its weights are here, a network looks for what is to be protected.
        finding = ("shrink", "onnx_networks", "subject", "protect")
        stages = [name for name in split.stage_ms if name not in finding]
        assert stages[: len(reading) + 2] == [*reading, "validate", "mask_cleanup"]
        assert 0 < split.stage_ms["patch_fill"] <= split.total_ms


def test_the_split_of_refine_has_the_stages_of_its_fills(server):
    config = config_of("refine", "embedded")
    arrays = arrays_of(config, PHOTO, MASK, {})
    payload = b'{"masks": [{"bbox": [20, 20, 30, 30]}]}'
    arrays["PAYLOAD"] = np.array([payload], np.object_)
    split = measure_split(config, arrays, server.endpoints.grpc, requests=1)
    assert split.engines == {"inpaint": 1}
    assert {"regions", "mask_cleanup", "patch_fill", "report"} <= set(split.stage_ms)


@pytest.mark.parametrize("model", ["background_removal", "background_removal_file"])
def test_the_split_of_background_removal_names_the_network(server, model):
    config = config_of(model, "embedded")
    arrays = arrays_of(config, standing()[0], MASK, {})
    split = measure_split(config, arrays, server.endpoints.grpc, requests=2)
    assert (split.model, split.requests, split.engines) == (model, 2, {"u2netp": 2})
    assert {"shrink", "onnx_networks", "edges", "foreground", "output"} <= set(split.stage_ms)
    assert 0 < split.stage_ms["onnx_networks"] <= split.total_ms


@pytest.mark.slow
def test_the_networks_are_sent_the_photo_as_the_smallest_sees_it_past_the_cache(server, analyzer):
    config = replace(config_of("onnx_networks", "embedded"), requests=4)
    one = arrays_of(config, PHOTO, MASK, {})
    assert (one["IMAGE"].shape, one["NETWORK"][0]) == ((320, 320, 3), b"u2netp:320:static")
    # perf_analyzer may send a few more than it counts.
    assert config_of("onnx_networks", "h200").requests + 2 * max(config.concurrency) < NONCES
    missed = {"name": "nv_cache_num_misses_per_model", "model": "onnx_networks"}
    before = metric(server, **missed)
    sent = never_the_same(one, time.time_ns())[:12]
    measured = analyzer.measure(config, sent, server.endpoints.grpc, 1)
    assert (measured.model, measured.requests) == ("onnx_networks", 4)
    assert 0 < measured.p50_ms <= measured.p95_ms
    assert metric(server, **missed) >= before + 4


def test_the_patch_engine_is_sent_its_window():
    arrays = arrays_of(config_of("patch_fill", "embedded"), PHOTO, MASK, {})
    assert arrays["MASK"].shape == arrays["IMAGE"].shape[:2]
    assert 0 < arrays["MASK"].any(axis=0).sum() < arrays["MASK"].shape[1]


# All three chains.
ALL = load_profile("tiny-all")
NEURAL = [name for name in ALL.models if MODELS[name].weights]


@pytest.fixture(scope="module")
def tiny_root(tiny_weights):
    """PAWFECT_WEIGHTS names the tiny weights of all three chains."""
    pytest.importorskip("torch")
    fetch(sorted(set(ALL.weights.values())), Store(tiny_weights), no_hub, silent)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(ROOT_VARIABLE, str(tiny_weights))
        yield


@pytest.fixture(scope="module")
def asked(tiny_root):
    return record_requests(ALL, PHOTO, MASK)


@pytest.fixture(scope="module")
def models(tiny_root):
    return LocalModels(ALL)


@pytest.mark.slow
@pytest.mark.parametrize("model", NEURAL)
def test_what_the_chain_asked_a_neural_model_for_is_its_contract_and_can_be_asked_again(
    model, models, asked
):
    spec = MODELS[model].spec
    arrays = arrays_of(config_of(model, ALL.name), PHOTO, MASK, asked)
    for name, array in arrays.items():
        tensor = spec.input(name)
        assert array.dtype == DTYPES[tensor.datatype]
        assert all(want in (-1, got) for want, got in zip(tensor.shape, array.shape, strict=True))
    outputs = models.run(model, arrays, MODELS[model].probe_parameters)
    promised = {spec.name for spec in spec.outputs}
    # The prior is of requests with a strength under 1; SAM3 was asked for labels, not for words.
    unasked = {"PRIOR", "MASK_LOGITS", "PRESENCE"}
    assert promised - unasked <= set(outputs) <= promised


@pytest.mark.slow
def test_the_recorded_step_is_the_first_of_the_canvas(asked):
    step = asked["flux_transformer"]
    rows, columns = step["GRID"]
    height, width = asked["flux_vae_encoder"]["IMAGE"].shape[:2]
    assert (16 * rows, 16 * columns) == (height, width)
    assert step["TIMESTEP"] == [1000]
    assert np.abs(step["CONDITION"]).max() > 0


@pytest.mark.slow
@pytest.mark.parametrize("chain", ["klein", "edit"])
def test_the_recorded_step_of_what_edits_is_shown_the_floors_fill(chain, asked):
    step = asked[f"{chain}_transformer"]
    rows, columns = step["GRID"]
    assert step["LATENTS"].shape == step["REFERENCES"].shape
    assert len(step["LATENTS"]) == rows * columns
    assert step["REFERENCE_GRIDS"].tolist() == [[rows, columns]]
    # Both branches of guidance, which klein has not.
    assert ("NEGATIVE_EMBEDS" in step) == (chain == "edit")
    assert all(name in step for name in config_of(f"{chain}_transformer", "h200").inputs)


@pytest.mark.slow
def test_the_real_perf_analyzer_measures_klein_and_a_fill_by_it(asked, analyzer, tmp_path):
    with ServedProcess(tmp_path, profile="tiny-klein") as served:
        served.wait_for(READY)
        url = served.endpoints.grpc
        for model, requests, together in (
            ("klein_text_encoder", 4, 1),
            ("klein_transformer", 6, 2),
            ("klein_vae_decoder", 4, 1),
            ("inpaint", 2, 1),
        ):
            config = replace(config_of(model, "tiny-klein"), requests=requests)
            arrays = arrays_of(config, PHOTO, MASK, asked)
            sent = never_the_same(arrays, 0) if model == "klein_text_encoder" else [arrays]
            measured = analyzer.measure(config, sent, url, together)
            assert (measured.model, measured.requests) == (model, requests)
            assert 0 < measured.p50_ms <= measured.p95_ms
        split = measure_split(config, arrays, url, requests=1)
        served.stop()
    assert split.engines == {"klein": 1}
    stages = {"klein_text_encoder", "klein_vae_encoder", "klein_transformer", "klein_vae_decoder"}
    assert stages <= set(split.stage_ms)


def test_a_profile_that_is_named_after_another_is_measured_as_that():
    t4, named = config_of("score_local", "t4"), config_of("score_local", "t4-klein")
    assert named == t4 != config_of("score_local", "h200")
    assert config_of("flux_transformer", "tiny-all") == config_of("flux_transformer", "tiny")


@pytest.mark.slow
def test_no_request_to_the_cached_model_is_sent_twice_and_texts_go_as_texts(asked):
    config = config_of("flux_text_encoder", "tiny")
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
