"""Every `config.pbtxt`, parsed into Triton's own proto, against the contract that clients use."""

from __future__ import annotations

from pathlib import Path

import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2 as config_proto

from pawfect.contract import MODELS
from pawfect.orchestrator.patch import WINDOWS_AT_ONCE
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
    config, spec = parsed(folder), MODELS[folder.name]
    assert config.name == spec.name
    assert config.backend == "python"
    assert tensors(config.input) == {t.name: (t.datatype, t.shape, t.optional) for t in spec.inputs}
    assert tensors(config.output) == {t.name: (t.datatype, t.shape, False) for t in spec.outputs}
    assert config.model_transaction_policy.decoupled == spec.decoupled


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_config_is_complete_without_autocompletion(folder):
    config = parsed(folder)
    assert config.max_batch_size == 0
    assert config.instance_group[0].kind == config_proto.ModelInstanceGroup.KIND_CPU
    assert config.instance_group[0].count >= 1
    # One instance of an orchestrator holds many requests.
    if folder.name.startswith("inpaint"):
        assert config.instance_group[0].count == 1


@pytest.mark.parametrize("model", ["mask_cleanup", "patch_fill"])
def test_a_childs_queue_holds_what_the_orchestrators_may_send_and_no_more(model, embedded):
    config = parsed(next(folder for folder in FOLDERS if folder.name == model))
    queue = config.dynamic_batching.default_queue_policy.max_queue_size
    assert queue == 2 * embedded.limits.max_in_flight * WINDOWS_AT_ONCE


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_model_py_is_thin(folder):
    assert len((folder / "1" / "model.py").read_text().splitlines()) <= 120


def test_a_run_gets_exactly_the_models_asked_for(tmp_path):
    gather(["mask_cleanup", "inpaint"], tmp_path / "models")
    assert sorted(path.name for path in (tmp_path / "models").iterdir()) == [
        "inpaint",
        "mask_cleanup",
    ]
    assert (tmp_path / "models" / "inpaint" / "1" / "model.py").is_file()


def test_a_model_without_a_folder_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="model lama"):
        gather(["lama"], tmp_path / "models")
