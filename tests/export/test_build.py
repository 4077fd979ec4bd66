"""Building entries here: what they are made of comes first, and a folder appears whole."""

from __future__ import annotations

import pytest

from pawfect.contract.errors import PawfectError
from pawfect_export import build
from pawfect_export.build import Builder
from pawfect_export.progress import silent
from tests.export.conftest import LARGE
from tests.export.test_fetch import fetched


def made(folder, seed=0):
    (folder / "sub").mkdir()
    (folder / "sub" / "model.safetensors").write_bytes(b"made %d" % seed)


def made_of(folder, source, quantisation):
    (folder / "model.gguf").write_bytes(
        (source / "sub" / "model.safetensors").read_bytes() + quantisation.encode()
    )


def failing(folder):
    (folder / "half").write_bytes(b"x")
    raise RuntimeError("out of paint")


HERE = "tests.export.test_build"
BUILDERS = {
    "made": Builder(f"{HERE}:made"),
    "made-of-made": Builder(f"{HERE}:made_of", ("made",), {"quantisation": "Q8_0"}),
}


def test_a_built_entry_brings_what_it_is_made_of(store):
    build.build_entry("made-of-made", store, silent, BUILDERS)
    assert (store.folder("made", mend="m") / "sub/model.safetensors").read_bytes() == b"made 0"
    assert (store.folder("made-of-made", mend="m") / "model.gguf").read_bytes() == b"made 0Q8_0"
    assert store.lock.get("made").files["sub/model.safetensors"].origin == "build"


def test_the_identity_is_the_builds_and_a_failed_build_changes_nothing(
    store,
):
    build.build_entry("made", store, silent, BUILDERS)
    first = store.identity("made")
    build.build_entry("made", store, silent, BUILDERS)
    assert store.identity("made") == first
    assert first.startswith("made@")
    build.build_entry("made", store, silent, {"made": Builder(f"{HERE}:made", options={"seed": 1})})
    assert (second := store.identity("made")) != first
    with pytest.raises(RuntimeError, match="out of paint"):
        build.build_entry("made", store, silent, {"made": Builder(f"{HERE}:failing")})
    assert store.folder("made", mend="m")
    assert store.identity("made") == second
    assert sorted(p.name for p in store.root.iterdir()) == [".locks", "made", "weights.lock.json"]


def test_a_builder_whose_package_is_missing_says_how_to_install_it(store):
    with pytest.raises(PawfectError, match=r"needs the package no_such: pip install"):
        build.build_entry("made", store, silent, {"made": Builder("no_such.tiny:build")})


def test_every_built_entry_has_a_builder_whose_sources_are_entries():
    from pawfect.weights.manifest import manifest

    names = {entry.name for entry in manifest().values() if entry.kind == "built"}
    assert set(build.BUILDERS) == names
    said = {name: manifest()[name].sources for name in names}
    assert {name: builder.sources for name, builder in build.BUILDERS.items()} == said
    sources = {source for builder in build.BUILDERS.values() for source in builder.sources}
    assert sources <= set(manifest())


def test_fetching_a_built_entry_fetches_what_it_is_made_of(store, hub, monkeypatch):
    made = {"made": Builder(f"{HERE}:weighed", ("toy",), told=True)}
    monkeypatch.setattr(build, "BUILDERS", made)
    fetched(store, hub, "made")
    size, identity = (store.folder("made", mend="m") / "note").read_text().split()
    assert (int(size), identity) == (len(LARGE), store.identity("toy"))


def test_building_alone_fetches_nothing(store, hub):
    made = {"made": Builder(f"{HERE}:weighed", ("toy",), told=True)}
    with pytest.raises(PawfectError, match="run `pawfect weights fetch toy`"):
        build.build_entry("made", store, silent, made)
    assert hub.requests == []


def weighed(folder, source, identities, say):
    say("weighing")
    size = (source / "unet/model.safetensors").stat().st_size
    (folder / "note").write_text(f"{size} {identities[0]}")
