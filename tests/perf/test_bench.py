"""The serving benchmark: its configurations, the real perf_analyzer, its page."""

from __future__ import annotations

import base64
from dataclasses import replace

import numpy as np
import pytest

from pawfect.contract import MODELS
from pawfect.profile import load_profile, profile_names
from perf.bench.__main__ import markdown
from perf.bench.analyzer import Analyzer, input_data
from perf.bench.configs import FOLDER, ConfigError, load_config, load_configs
from perf.bench.goals import Goal
from perf.bench.in_process import window_arrays, work_of

MASK = np.zeros((120, 160), np.uint8)
MASK[40:70, 50:90] = 255
PHOTO = np.random.default_rng(0).integers(60, 180, (120, 160, 3), np.uint8)


@pytest.mark.parametrize("profile", profile_names())
def test_every_model_of_every_profile_has_a_configuration(profile):
    configs = load_configs(load_profile(profile).models)
    assert [config.model for config in configs] == list(load_profile(profile).models)
    for config in configs:
        assert config.concurrency == (1, 2, 4)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ('model = "lama"', "got lama"),
        ('inputs = ["IMAGE"]', "inputs: expected"),
        ('inputs = ["MASK", "COLOUR"]', "inputs: expected"),
        ("streaming = true", "streaming: expected False"),
        ("concurrency = [0]", "at least 1"),
        ("warmup = 3", "warmup"),
    ],
)
def test_a_configuration_with_a_mistake_is_refused_by_name(tmp_path, change, says):
    lines = (FOLDER / "mask_cleanup.toml").read_text().splitlines()
    key = change.split(" =")[0]
    changed = [line for line in lines if not line.startswith(f"{key} =")] + [change]
    path = tmp_path / "mask_cleanup.toml"
    path.write_text("\n".join(changed))
    with pytest.raises(ConfigError, match=says):
        load_config(path)


def test_the_input_file_carries_the_raw_bytes_and_the_shape():
    entry = input_data({"MASK": MASK})["MASK"]
    again = np.frombuffer(base64.b64decode(entry["content"]["b64"]), np.uint8)
    np.testing.assert_array_equal(again.reshape(entry["shape"]), MASK)


def test_the_real_perf_analyzer_measures_a_model_of_the_running_server(server, tmp_path):
    analyzer = Analyzer(tmp_path)
    config = replace(load_config(FOLDER / "mask_cleanup.toml"), requests=10)
    measured = analyzer.measure(config, {"MASK": MASK}, server.endpoints.grpc, 2)
    assert (measured.model, measured.concurrency, measured.requests) == ("mask_cleanup", 2, 10)
    assert 0 < measured.p50_ms <= measured.p90_ms <= measured.p99_ms
    assert measured.throughput > 0


def test_the_in_process_work_is_the_models_own():
    arrays = window_arrays(PHOTO, MASK)
    assert arrays["MASK"].shape == arrays["IMAGE"].shape[:2]
    outputs = work_of("patch_fill", arrays)()
    assert set(outputs) == {spec.name for spec in MODELS["patch_fill"].outputs}
    result = work_of("inpaint", {"IMAGE": PHOTO, "MASK": MASK})()
    assert result.image.shape == PHOTO.shape


def test_a_missed_goal_is_written_as_missed():
    source = {"command": "c", "date": "d", "machine": "m", "versions": {"python": "3"}}
    goals = [
        Goal("one", 1.0, "s", "< 2", True, "how"),
        Goal("two", 3.0, "s", "< 2", False, "how"),
    ]
    page = markdown("embedded", source, [], {}, goals)
    assert "| one | 1.0 s | < 2 | yes | how |" in page
    assert "| two | 3.0 s | < 2 | NO | how |" in page
