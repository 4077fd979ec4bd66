"""Every `config.pbtxt`, parsed into Triton's own proto, against the contract that clients use."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2 as config_proto

from pawfect.chains import CHAINS
from pawfect.models import MODELS
from pawfect.profile import load_profile
from pawfect_triton.chain_configs import write_configs
from pawfect_triton.function_model import take_card
from pawfect_triton.repository import gather, source_folders

ROOT = Path(__file__).parents[2]
FOLDERS = sorted(path for root in source_folders() for path in root.iterdir() if path.is_dir())


def parsed(folder: Path) -> config_proto.ModelConfig:
    text = (folder / "config.pbtxt").read_text()
    return text_format.Parse(text, config_proto.ModelConfig())


def tensors(items) -> dict[str, tuple[str, tuple[int, ...], bool]]:
    names = {"TYPE_STRING": "TYPE_BYTES"}
    found = {}
    for item in items:
        datatype = config_proto.DataType.Name(item.data_type)
        optional = getattr(item, "optional", False)
        found[item.name] = (names.get(datatype, datatype)[5:], tuple(item.dims), optional)
    assert len(found) == len(items)
    return found


def test_the_folders_are_the_models_of_the_contract():
    assert {folder.name for folder in FOLDERS} == set(MODELS)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_config_equals_contract(folder):
    config, spec = parsed(folder), MODELS[folder.name].spec
    assert config.name == spec.name
    assert config.max_batch_size == spec.max_batch_size
    assert (config.platform, config.backend) == (
        ("ensemble", "") if spec.ensemble else ("", "python")
    )
    assert tensors(config.input) == {t.name: (t.datatype, t.shape, t.optional) for t in spec.inputs}
    assert tensors(config.output) == {t.name: (t.datatype, t.shape, False) for t in spec.outputs}
    assert config.model_transaction_policy.decoupled == spec.decoupled


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_config_is_complete_without_autocompletion(folder):
    config = parsed(folder)
    if MODELS[folder.name].spec.ensemble:
        assert not config.instance_group
        return
    assert config.instance_group[0].kind == config_proto.ModelInstanceGroup.KIND_CPU
    assert config.instance_group[0].count >= 1
    # One instance of an orchestrator holds many requests.
    if MODELS[folder.name].orchestration:
        assert config.instance_group[0].count == 1


def test_what_needs_consent_is_not_warmed_up():
    # A warm-up has no parameters.
    assert not parsed(ROOT / "model_repository" / "face_swap").model_warmup


@pytest.mark.parametrize(
    "model",
    [model.name for model in MODELS.values() if model.weights and model.name != "face_swap"],
)
def test_a_neural_model_is_warmed_up_with_its_own_inputs(model):
    config, spec = parsed(ROOT / "model_repository" / model), MODELS[model].spec
    (sample,) = config.model_warmup
    # One request each, as the stages count them; of none with 0, in a model without batches too.
    assert (sample.batch_size, sample.count) == (1, 0)
    needed = {tensor.name for tensor in spec.inputs if not tensor.optional}
    # SAM3 is asked for labels, of which more is computed than for words.
    assert set(sample.inputs) == needed | ({"RING"} if model == "sam3_labeling" else set())
    for name, given in sample.inputs.items():
        tensor = spec.input(name)
        assert all(want in (-1, got) for want, got in zip(tensor.shape, given.dims, strict=True))
        if given.input_data_file:
            file = ROOT / "model_repository" / model / "warmup" / given.input_data_file
            assert file.is_file()


def test_the_configs_of_the_chains_are_made_from_their_definitions(tmp_path):
    write_configs(tmp_path)
    made = {path.relative_to(tmp_path): path.read_bytes() for path in tmp_path.rglob("*.*")}
    made |= {path.relative_to(tmp_path): path.read_bytes() for path in tmp_path.glob("*/warmup/*")}
    # Four models of each chain, each with a config.
    assert sum(path.name == "config.pbtxt" for path in made) == 4 * len(CHAINS)
    for path, data in made.items():
        assert (ROOT / "model_repository" / path).read_bytes() == data, (
            f"{path}: run `make configs`"
        )


def test_the_ensemble_passes_each_tensor_as_the_models_name_it():
    steps = parsed(ROOT / "ensemble" / "scene_labels").ensemble_scheduling.step
    assert [step.model_name for step in steps] == ["mask_cleanup", "sam3_labeling"]
    for step in steps:
        spec = MODELS[step.model_name].spec
        assert set(step.input_map) <= {tensor.name for tensor in spec.inputs}
        assert set(step.output_map) <= {tensor.name for tensor in spec.outputs}


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_no_queue_is_bounded_by_triton(folder):
    # Its batcher then sleeps 500 ms over requests that come while the model is busy; how many come
    # is bounded by the orchestrators.
    assert not parsed(folder).dynamic_batching.default_queue_policy.max_queue_size


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_model_py_is_thin(folder):
    if MODELS[folder.name].spec.ensemble:
        assert not (folder / "1" / "model.py").exists()
        return
    assert len((folder / "1" / "model.py").read_text().splitlines()) <= 120


def test_a_run_gets_exactly_the_profiles_models(tmp_path, embedded):
    gather(replace(embedded, models=("mask_cleanup", "inpaint")), tmp_path / "models")
    assert sorted(path.name for path in (tmp_path / "models").iterdir()) == [
        "inpaint",
        "mask_cleanup",
    ]
    assert (tmp_path / "models" / "inpaint" / "1" / "model.py").is_file()


def test_a_model_without_a_folder_is_named(tmp_path, embedded):
    with pytest.raises(FileNotFoundError, match="model lama"):
        gather(replace(embedded, models=("lama",)), tmp_path / "models")


def test_the_warm_up_has_the_widths_of_the_profiles_weights(tmp_path):
    tiny = load_profile("tiny")
    gather(tiny, tmp_path / "models")
    (sample,) = parsed(tmp_path / "models" / "flux_transformer").model_warmup
    assert list(sample.inputs["PROMPT_EMBEDS"].dims) == [tiny.flux.text_tokens, 64]
    assert list(sample.inputs["POOLED"].dims) == [32]
    (full,) = parsed(ROOT / "model_repository" / "flux_transformer").model_warmup
    assert list(full.inputs["PROMPT_EMBEDS"].dims) == [128, 4096]
    assert list(full.inputs["POOLED"].dims) == [768]


def test_each_chain_is_warmed_up_with_its_own_widths(tmp_path):
    profile = load_profile("tiny-klein")
    gather(profile, tmp_path / "models")
    (sample,) = parsed(tmp_path / "models" / "klein_transformer").model_warmup
    assert list(sample.inputs["PROMPT_EMBEDS"].dims) == [profile.klein.text_tokens, 96]
    (full,) = parsed(ROOT / "model_repository" / "klein_transformer").model_warmup
    assert list(full.inputs["PROMPT_EMBEDS"].dims) == [512, 7680]


@pytest.mark.parametrize(("name", "chain"), [("tiny", "flux"), ("tiny-klein", "klein")])
def test_only_the_transformer_has_an_instance_for_each_card(tmp_path, name, chain):
    profile = load_profile(name)
    settings = profile.chain(chain)
    assert settings is not None
    gather(replace(profile, **{chain: replace(settings, gpus=3)}), tmp_path / "models")
    counts = {
        model: parsed(tmp_path / "models" / model).instance_group[0].count
        for model in profile.models
        if model.startswith(f"{chain}_")
    }
    assert counts == {
        f"{chain}_text_encoder": 1,
        f"{chain}_vae_encoder": 1,
        f"{chain}_transformer": 3,
        f"{chain}_vae_decoder": 1,
    }


@pytest.mark.parametrize(
    ("count", "number", "before", "after"),
    [(1, 0, None, None), (1, 0, "2,3", "2,3"), (3, 2, None, "2"), (2, 1, "4,7", "7")],
)
def test_an_instance_sees_the_card_of_its_number(monkeypatch, count, number, before, after):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if before is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", before)
    config = json.dumps({"instance_group": [{"kind": "KIND_CPU", "count": count}]})
    take_card({"model_config": config, "model_instance_name": f"flux_transformer_0_{number}"})
    assert os.environ.get("CUDA_VISIBLE_DEVICES") == after
