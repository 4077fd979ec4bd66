"""The tiny checkpoints lie as the published ones are fetched: the same paths, no more, no fewer."""

from __future__ import annotations

from pathlib import Path

import pytest

from pawfect.weights.manifest import manifest
from pawfect_export.build import BUILDERS

# Each tiny entry and the fetched ones in whose place it stands.
STANDS_FOR = {
    "tiny-flux-fill": ("flux-fill-dev", "flux-fill-dev-transformer-bf16"),
    "tiny-sam3": ("sam3",),
    "tiny-florence2": ("florence2-base",),
}


@pytest.mark.parametrize("name", STANDS_FOR)
def test_a_tiny_entry_has_the_files_that_the_manifest_fetches(name, tmp_path):
    folder = tmp_path / name
    BUILDERS[name].load()(folder)
    made = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    fetched = [file.path for entry in STANDS_FOR[name] for file in manifest()[entry].files]
    assert sorted(made) == sorted(fetched)


def test_the_tiny_gguf_lies_as_a_published_one(tmp_path: Path):
    builder = BUILDERS["tiny-flux-fill-q8_0"]
    source, folder = tmp_path / "source", tmp_path / "gguf"
    BUILDERS[builder.sources[0]].load()(source)
    builder.load()(folder, source, **builder.options)
    made = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert made == {file.path for file in manifest()["flux-fill-dev-q8_0"].files}
