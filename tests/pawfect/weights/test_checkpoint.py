"""Checkpoints: whole or not at all, safetensors only, every failure a clear UNAVAILABLE error."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from pawfect.contract.errors import ErrorKind
from pawfect.weights.checkpoint import (
    check_strict,
    load_strict,
    names_under,
    read_file,
    read_json,
    read_tensors,
)
from tests.refusals import refusal


class Tied(nn.Module):
    """An embedding that the head shares, a running buffer, and one that no checkpoint holds."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(5, 4)
        self.wo = nn.Linear(4, 4)
        self.head = nn.Linear(4, 5, bias=False)
        self.head.weight = self.embedding.weight
        self.register_buffer("count", torch.tensor(0))
        self.register_buffer("scale", torch.ones(4))
        self.register_buffer("positions", torch.arange(4), persistent=False)


def hollow() -> Tied:
    with torch.device("meta"):
        module = Tied()
    module.positions = torch.arange(4)
    return module


def weights(seed: int = 0) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {
        "embedding.weight": torch.randn(5, 4, generator=generator),
        "wo.weight": torch.randn(4, 4, generator=generator),
        "wo.bias": torch.randn(4, generator=generator),
        "count": torch.tensor(7),
        "scale": torch.randn(4, generator=generator),
    }


def fill(module: nn.Module, tensors: dict[str, torch.Tensor], **options: object) -> None:
    given = {"device": "cpu", "dtype": torch.float32, **options}
    load_strict(module, tensors, "model", **given)  # type: ignore[arg-type]


def refused(call: Callable[..., object], *given: object, **more: object) -> str:
    message = refusal(ErrorKind.UNAVAILABLE, call, *given, **more)
    assert "/" not in message
    return message


def test_a_module_on_meta_gets_its_weights_and_stays_tied():
    module = hollow()
    fill(module, weights())
    state = module.state_dict()
    for name, tensor in weights().items():
        torch.testing.assert_close(state[name], tensor, rtol=0, atol=0)
    assert module.head.weight is module.embedding.weight
    assert not any(tensor.is_meta for tensor in [*module.parameters(), *module.buffers()])
    assert not any(parameter.requires_grad for parameter in module.parameters())
    assert not module.training


@pytest.mark.parametrize("names", [("embedding",), ("head",), ("embedding", "head")])
def test_tied_weights_may_be_given_under_any_of_their_names(names):
    module = hollow()
    tensors = weights()
    shared = tensors.pop("embedding.weight")
    fill(module, tensors | {f"{name}.weight": shared for name in names})
    assert module.head.weight is module.embedding.weight
    torch.testing.assert_close(module.head.weight.data, shared, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"wo.weight": None}, "got 1 missing: wo.weight"),
        ({"embedding.weight": None}, "got 2 missing: embedding.weight, head.weight"),
        ({"scale": None}, "got 1 missing: scale"),
        ({"positions": torch.arange(4)}, "got 1 extra: positions"),
        ({f"x{n}": torch.ones(1) for n in range(5)}, "got 5 extra: x0, x1, x2 and 2 more"),
        ({"wo.bias": torch.ones(3)}, "got 1 mis-shaped: wo.bias [3] for [4]"),
        ({"wo.bias": torch.ones(1, 4)}, "got 1 mis-shaped: wo.bias [1, 4] for [4]"),
        ({"wo.weight": torch.ones(4, 4, dtype=torch.int8)}, "got 1 mistyped: wo.weight"),
        ({"count": torch.tensor(1.0)}, "got 1 mistyped: count"),
        ({"head.weight": torch.zeros(5, 4)}, "embedding.weight, head.weight that differ"),
    ],
)
def test_wrong_tensors_are_named_and_nothing_is_assigned(change, expected):
    module = Tied()
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    tensors = {name: t for name, t in (weights() | change).items() if t is not None}
    assert expected in refused(fill, module, tensors)
    for name, tensor in module.state_dict().items():
        torch.testing.assert_close(tensor, before[name], rtol=0, atol=0)


def test_buffers_on_meta_that_no_checkpoint_holds_are_the_callers_mistake():
    with torch.device("meta"):
        module = Tied()
    with pytest.raises(ValueError, match="positions on meta"):
        fill(module, weights())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_floating_point_weights_take_the_dtype_and_the_kept_part_takes_it_but_for_fp16(dtype):
    module = hollow()
    fill(module, weights(), dtype=dtype, keep_fp32=("wo",))
    kept = torch.float32 if dtype == torch.float16 else dtype
    assert module.embedding.weight.dtype == dtype
    assert module.scale.dtype == dtype
    assert module.wo.weight.dtype == module.wo.bias.dtype == kept
    assert module.count.dtype == torch.int64


def test_t5_keeps_wo_in_fp32_as_transformers_does():
    from transformers.models.t5.configuration_t5 import T5Config
    from transformers.models.t5.modeling_t5 import T5EncoderModel

    config = T5Config(
        vocab_size=16, d_model=8, d_kv=4, d_ff=16, num_layers=2, num_heads=2, is_gated_act=True
    )
    torch.manual_seed(0)
    whole = T5EncoderModel(config)
    tensors = {n: t for n, t in whole.state_dict().items() if n != "encoder.embed_tokens.weight"}
    module = T5EncoderModel(config)
    kept = tuple(T5EncoderModel._keep_in_fp32_modules)
    fill(module, tensors, dtype=torch.float16, keep_fp32=kept)
    wide = {n for n, p in module.named_parameters() if p.dtype == torch.float32}
    assert wide == {f"encoder.block.{n}.layer.1.DenseReluDense.wo.weight" for n in range(2)}
    assert module.shared.weight is module.encoder.embed_tokens.weight


def test_weights_are_copies_that_outlive_the_file(tmp_path):
    save_file(weights(), tmp_path / "model.safetensors")
    module = hollow()
    fill(module, read_tensors(tmp_path, "model"))
    size = (tmp_path / "model.safetensors").stat().st_size
    with (tmp_path / "model.safetensors").open("r+b") as file:
        file.write(b"\xff" * size)
    torch.testing.assert_close(module.scale, weights()["scale"], rtol=0, atol=0)


def test_loading_takes_the_weights_memory_once(tmp_path):
    class Large(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.parts = nn.ParameterList(torch.empty(5_000_000) for _ in range(5))

    save_file({f"parts.{n}": torch.zeros(5_000_000) for n in range(5)}, tmp_path / "m.safetensors")
    with torch.device("meta"):
        module = Large()
    before = resident_kib("RssAnon")
    tensors = read_tensors(tmp_path, "m")
    assert tensors["parts.0"].shape == (5_000_000,)
    assert resident_kib("RssAnon") - before < 10_000
    fill(module, tensors, dtype=torch.float16)
    # 50 MB of FP16; the 100 MB of FP32 stay the mapped file's.
    assert resident_kib("RssAnon") - before < 75_000


def resident_kib(field: str) -> int:
    status = Path("/proc/self/status").read_text()
    return int(next(row for row in status.splitlines() if row.startswith(field)).split()[1])


def split(folder: Path, **index: object) -> dict[str, str]:
    """Write the weights as two parts and an index, which `index` overrides."""
    placed = {}
    for part, names in {
        "model-00001-of-00002.safetensors": ("embedding.weight", "wo.weight"),
        "model-00002-of-00002.safetensors": ("wo.bias", "count", "scale"),
    }.items():
        save_file({name: weights()[name] for name in names}, folder / part)
        placed |= dict.fromkeys(names, part)
    content = {"metadata": {"total_size": 1}, "weight_map": placed} | index
    (folder / "model.safetensors.index.json").write_text(json.dumps(content))
    return placed


def test_parts_are_read_as_one_and_an_absent_one_is_named(tmp_path):
    split(tmp_path)
    tensors = read_tensors(tmp_path, "model")
    assert tensors.keys() == weights().keys()
    fill(hollow(), tensors)
    (tmp_path / "model-00002-of-00002.safetensors").unlink()
    message = refused(read_tensors, tmp_path, "model")
    assert "expected model-00002-of-00002.safetensors, got nothing" in message


@pytest.mark.parametrize("part", ["../outside.safetensors", "..", "a.bin", "sub\\..\\x", ""])
def test_an_index_naming_anything_but_safetensors_beside_it_is_refused(tmp_path, part):
    inside = tmp_path / "inside"
    inside.mkdir()
    save_file(weights(), tmp_path / "outside.safetensors")
    save_file(weights(), inside / "a.bin")
    placed = split(inside)
    split(inside, weight_map=placed | {"scale": part})
    message = refusal(ErrorKind.UNAVAILABLE, read_tensors, inside, "model")
    assert "expected safetensors files beside it" in message


def test_an_index_that_is_malformed_or_does_not_say_what_the_parts_hold_is_refused(tmp_path):
    for malformed in (None, [], {"a": 1}, {"a": None}):
        placed = split(tmp_path, weight_map=malformed)
        assert "expected weight_map" in refused(read_tensors, tmp_path, "model")
    split(tmp_path, weight_map=placed | {"scale": "model-00001-of-00002.safetensors"})
    message = refused(read_tensors, tmp_path, "model")
    assert "expected the tensors of the index, not so scale" in message
    split(tmp_path, weight_map={n: p for n, p in placed.items() if n != "scale"})
    assert "not so scale" in refused(read_tensors, tmp_path, "model")


@pytest.mark.parametrize("keep", [0, 4, 40, -1])
def test_a_truncated_file_is_refused(tmp_path, keep):
    save_file(weights(), tmp_path / "model.safetensors")
    whole = (tmp_path / "model.safetensors").read_bytes()
    (tmp_path / "model.safetensors").write_bytes(whole[:keep])
    message = refused(read_tensors, tmp_path, "model")
    assert "model.safetensors: expected safetensors, got a damaged file" in message


@pytest.mark.parametrize("how", ["torch", "torch legacy", "pickle 2", "pickle 5"])
def test_a_pickle_under_the_name_of_safetensors_is_refused_and_never_run(tmp_path, how):
    path, ran = tmp_path / "model.safetensors", tmp_path / "ran"

    class Payload:
        def __reduce__(self):
            return Path.touch, (ran,)

    if how.startswith("torch"):
        torch.save({"a": Payload()}, path, _use_new_zipfile_serialization=how == "torch")
    else:
        path.write_bytes(pickle.dumps(Payload(), protocol=int(how[-1])))
    name = f"weights {tmp_path.name}: model.safetensors"
    assert refused(read_file, path) == f"{name}: expected safetensors, got a pickle"
    assert not ran.exists()


def test_neither_a_pickle_beside_the_expected_name_nor_a_folder_under_it_is_a_substitute(tmp_path):
    torch.save(weights(), tmp_path / "pytorch_model.bin")
    message = refused(read_tensors, tmp_path, "model")
    assert "expected model.safetensors, got pytorch_model.bin" in message
    (tmp_path / "sub/model.safetensors").mkdir(parents=True)
    assert "got no file" in refused(read_tensors, tmp_path / "sub", "model")
    assert "got no file" in refused(read_tensors, tmp_path / "absent", "model")
    assert "a damaged file" in refused(read_file, tmp_path / "sub/model.safetensors")


def test_json_is_read_and_its_absence_or_damage_named(tmp_path):
    path = tmp_path / "config.json"
    assert "expected config.json, got FileNotFoundError" in refused(read_json, tmp_path, path.name)
    for damaged in (b"", b"{", b"[1]", b"\xff\xfe", b"[" * 100_000):
        path.write_bytes(damaged)
        assert "config.json" in refused(read_json, tmp_path, path.name)
    path.write_text('{"hidden_size": 8}')
    assert read_json(tmp_path, path.name) == {"hidden_size": 8}


def test_a_part_of_a_larger_checkpoint_is_read_by_its_prefix_which_may_be_absent(tmp_path):
    larger = {f"detector_model.{name}": tensor for name, tensor in weights().items()}
    save_file(larger | {"tracker_neck.a": torch.ones(1)}, tmp_path / "model.safetensors")
    tensors = read_tensors(tmp_path, "model", under="detector_model.", beside=("tracker_neck.",))
    assert tensors.keys() == weights().keys()
    fill(hollow(), tensors)
    stray = read_tensors(tmp_path, "model", under="detector_model.")
    assert "1 extra: tracker_neck.a" in refused(fill, hollow(), stray)
    assert names_under(["a.b", "part.c"], "part.") == {"a.b": "a.b", "part.c": "c"}
    save_file({"x.a": torch.ones(1), "a": torch.ones(1)}, tmp_path / "model.safetensors")
    assert "expected each tensor once" in refused(read_tensors, tmp_path, "model", under="x.")


def test_names_and_shapes_are_checked_without_any_weights():
    shapes = {name: tuple(tensor.shape) for name, tensor in weights().items()}
    check_strict(hollow(), shapes, "model")
    assert "1 mis-shaped" in refused(check_strict, hollow(), shapes | {"scale": (5,)}, "model")
