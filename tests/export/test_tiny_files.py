"""The tiny checkpoints: the published ones' paths, no more, no fewer, the same bytes each time."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from pawfect.weights.manifest import manifest
from pawfect_export.build import BUILDERS

# Each tiny entry and the fetched ones in whose place it stands.
STANDS_FOR = {
    "tiny-flux-fill": ("flux-fill-dev", "flux-fill-dev-transformer-bf16"),
    "tiny-sam3": ("sam3",),
    "tiny-florence2": ("florence2-base",),
}


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


@pytest.mark.parametrize("name", STANDS_FOR)
def test_a_tiny_entry_is_laid_out_as_published_and_its_seed_decides_its_weights(name, tmp_path):
    build = BUILDERS[name].load()
    before = torch.get_rng_state()
    build(tmp_path / "new" / "first")
    build(tmp_path / "again")
    build(tmp_path / "other", seed=1)
    assert torch.equal(before, torch.get_rng_state())
    first, other = contents(tmp_path / "new" / "first"), contents(tmp_path / "other")
    fetched = [file.path for entry in STANDS_FOR[name] for file in manifest()[entry].files]
    assert sorted(first) == sorted(fetched)
    assert sum(map(len, first.values())) < 30e6
    assert contents(tmp_path / "again") == first
    changed = {path for path in first if first[path] != other[path]}
    assert changed == {path for path in first if path.endswith(".safetensors")}


def test_the_tiny_gguf_lies_as_a_published_one(tmp_path: Path):
    builder = BUILDERS["tiny-flux-fill-q8_0"]
    source, folder = tmp_path / "source", tmp_path / "gguf"
    BUILDERS[builder.sources[0]].load()(source)
    builder.load()(folder, source, **builder.options)
    assert set(contents(folder)) == {file.path for file in manifest()["flux-fill-dev-q8_0"].files}
