"""Quantised weights made from published ones: the same bytes each time, whole or not at all."""

from __future__ import annotations

import json
import resource
import shutil
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import load_file, save_file

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.diffusion.quantised.loading import read_recipe
from pawfect.diffusion.quantised.scheme import SCHEMES
from pawfect.diffusion.transformer_files import STEM
from pawfect.flux.transformer import Transformer
from pawfect.weights.checkpoint import read_tensors
from pawfect.weights.manifest import parse_manifest
from pawfect.weights.store import Store
from pawfect_export import build as building
from pawfect_export import command, quantise, writing
from pawfect_export.build import QUANTISE, Builder, build_entry
from pawfect_export.progress import silent
from pawfect_export.quantise import build

LAYER = "transformer_blocks.0.attn.to_q"
BUILT = {"kind": "built", "licence": "none", "commercial": True}
BUILDERS = {
    "flux": Builder("pawfect_export.tiny.flux:build"),
    "lora": Builder("tests.export.test_quantise:make_lora"),
    "flux-int8": Builder(
        QUANTISE, ("flux", "lora"), {"scheme": "int8", "lora_scale": 0.5}, told=True
    ),
}


def make_lora(folder: Path) -> None:
    generator = torch.Generator().manual_seed(3)
    tensors = {
        f"transformer.{LAYER}.lora_A.weight": torch.randn(2, 128, generator=generator),
        f"transformer.{LAYER}.lora_B.weight": torch.randn(128, 2, generator=generator),
    }
    save_file(tensors, folder / "lora.safetensors")


@pytest.fixture
def source(tiny_weights) -> Path:
    return tiny_weights / "tiny-flux-fill"


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(tmp_path / "weights", parse_manifest(dict.fromkeys(BUILDERS, BUILT)))


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_same_source_gives_the_same_bytes(source, tmp_path, scheme):
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        build(tmp_path / name, source, scheme=scheme, part_bytes=400_000)
    first = contents(tmp_path / "first")
    assert first == contents(tmp_path / "second")
    parts = [name for name in first if name.endswith(".safetensors")]
    assert len(parts) > 1
    assert all(len(first[name]) < 500_000 for name in parts)
    assert first["transformer/config.json"] == (source / "transformer/config.json").read_bytes()


def test_the_lora_is_fused_before_quantising(source, tmp_path):
    lora = tmp_path / "lora"
    lora.mkdir()
    make_lora(lora)
    fused = Path(shutil.copytree(source, tmp_path / "fused"))
    matrices = load_file(lora / "lora.safetensors")
    down, up = (matrices[f"transformer.{LAYER}.lora_{side}.weight"] for side in "AB")
    for path in (fused / "transformer").glob("*.safetensors"):
        tensors = {name: value.float() for name, value in load_file(path).items()}
        if f"{LAYER}.weight" in tensors:
            tensors[f"{LAYER}.weight"] += 0.5 * up @ down
        save_file(tensors, path)
    made = {}
    for name, arguments in {
        "by us": (source, lora),
        "before": (fused,),
        "plain": (source,),
    }.items():
        folder = tmp_path / name
        folder.mkdir()
        build(folder, *arguments, scheme="int8", lora_scale=0.5)
        made[name] = read_tensors(folder / "transformer", STEM)
    for name, tensor in made["by us"].items():
        assert torch.equal(tensor, made["before"][name]), name
    changed = {n for n, t in made["by us"].items() if not torch.equal(t, made["plain"][n])}
    assert changed == {f"{LAYER}.weight", f"{LAYER}.weight_scale"}


def test_an_entry_carries_its_recipe_and_the_store_verifies_it(store):
    build_entry("flux-int8", store, silent, BUILDERS)
    folder = store.folder("flux-int8", mend="m")
    recipe = read_recipe(folder / "transformer", STEM)
    assert (recipe.scheme, recipe.rotation, recipe.group) == ("int8", 256, 0)
    assert recipe.source == store.identity("flux")
    assert (recipe.lora, recipe.lora_scale) == (store.identity("lora"), 0.5)
    assert Transformer.load(folder, device="cpu", dtype="float32").arithmetic.startswith("int8 by")
    path = min((folder / "transformer").glob("*.safetensors"))
    path.unlink()
    with pytest.raises(PawfectError, match=r"expected transformer/.*, got nothing; run `m`"):
        store.folder("flux-int8", mend="m")


def test_an_entry_that_was_never_made_is_unavailable_with_the_command(store):
    with pytest.raises(PawfectError, match=r"expected it built here.*run `pawfect weights") as got:
        store.folder("flux-int8", mend="pawfect weights fetch t4")
    assert got.value.kind is ErrorKind.UNAVAILABLE


@pytest.mark.parametrize(
    ("options", "says", "kind"),
    [
        ({"scheme": "int3"}, "expected one of int8, int4", ErrorKind.INVALID_ARG),
        ({"scheme": "q5_k"}, "K-quants are read", ErrorKind.INVALID_ARG),
        ({"scheme": "int8", "lora_scale": 0.0}, "lora_scale: exp", ErrorKind.INVALID_ARG),
        ({"scheme": "int8", "lora_scale": float("nan")}, "lora_scale", ErrorKind.INVALID_ARG),
    ],
)
def test_impossible_settings_are_refused(source, tmp_path, options, says, kind):
    with pytest.raises(PawfectError, match=says) as caught:
        build(tmp_path, source, **options)
    assert caught.value.kind is kind
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(("value", "says"), [(float("nan"), "finite"), (1e6, "float16 holds")])
def test_weights_that_do_not_fit_are_refused_by_name(source, tmp_path, value, says):
    folder = Path(shutil.copytree(source, tmp_path / "source"))
    for path in (folder / "transformer").glob("*.safetensors"):
        tensors = load_file(path)
        if "x_embedder.bias" in tensors:
            tensors["x_embedder.bias"][0] = value
            save_file(tensors, path)
    (tmp_path / "made").mkdir()
    with pytest.raises(PawfectError, match=f"x_embedder.bias: expected .*{says}"):
        build(tmp_path / "made", folder, scheme="int8")


def test_a_write_that_fails_leaves_nothing_that_is_used(store):
    build_entry("flux", store, silent, BUILDERS)
    build_entry("lora", store, silent, BUILDERS)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    # The system refuses to write on, as it does on a full disk.
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with pytest.raises(PawfectError, match="expected to write int8 weights, got") as caught:
            build_entry("flux-int8", store, silent, BUILDERS)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert caught.value.kind is ErrorKind.UNAVAILABLE
    assert list(store.problems("flux-int8"))
    assert {path.name for path in store.root.iterdir() if path.is_dir()} == {
        ".locks", "flux", "lora",
    }  # fmt: skip


def test_a_disk_that_is_too_small_is_refused_before_anything_is_made(source, tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(quantise.shutil, "disk_usage", lambda path: usage)
    with pytest.raises(PawfectError, match=r"of free disk space, got 1 kB") as caught:
        build(tmp_path, source, scheme="int4")
    assert caught.value.kind is ErrorKind.UNAVAILABLE
    assert not any((tmp_path / "transformer").iterdir())


def test_the_whole_model_is_never_in_memory(source, tmp_path, monkeypatch):
    """Of what is made, one file's worth and one layer are held at a time."""
    held: list[int] = []
    real = writing.save_file

    def saving(tensors, path, metadata):
        held.append(sum(tensor.nbytes for tensor in tensors.values()))
        real(tensors, path, metadata=metadata)

    monkeypatch.setattr(writing, "save_file", saving)
    build(tmp_path, source, scheme="int4", part_bytes=200_000)
    index = json.loads((tmp_path / f"transformer/{STEM}.safetensors.index.json").read_text())
    assert sum(held) == index["metadata"]["total_size"]
    # The largest single tensor of the tiny model is a modulation of 768 x 128.
    assert max(held) <= 200_000 + 768 * 128 * 2


@pytest.fixture
def typed(monkeypatch, tmp_path):
    root = tmp_path / "weights"
    entries = parse_manifest(dict.fromkeys(BUILDERS, BUILT))
    monkeypatch.setenv("PAWFECT_WEIGHTS", str(root))
    monkeypatch.setattr(command, "Store", lambda root: Store(root, entries))
    monkeypatch.setattr(building, "BUILDERS", BUILDERS)
    return lambda *words: CliRunner().invoke(command.weights, ["quantise", *words])


def test_the_command_makes_an_entry_once_and_again_when_asked(typed):
    run = typed("flux-int8")
    assert run.exit_code == 0, run.output
    assert run.stderr.endswith("flux-int8: built\n")
    assert typed("flux-int8").stderr == "flux-int8: here and whole\n"
    assert typed("flux-int8", "--fresh").stderr.endswith("flux-int8: built\n")


@pytest.mark.parametrize(("name", "says"), [("flux-int3", "flux-int8, got"), ("flux", "flux-int8")])
def test_the_command_names_the_entries_that_it_makes(typed, name, says):
    run = typed(name)
    assert run.exit_code == 65
    assert says in run.stderr


def test_a_source_that_was_not_fetched_is_named_with_its_command(tmp_path):
    run = CliRunner().invoke(
        command.weights,
        ["quantise", "flux-fill-dev-turbo-int4"],
        env={"PAWFECT_WEIGHTS": str(tmp_path)},
    )
    assert run.exit_code == 69
    assert "run `pawfect weights fetch flux-fill-dev-transformer-bf16`" in run.stderr
