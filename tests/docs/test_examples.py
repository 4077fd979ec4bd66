"""The commands of the pages that a photo and a server are enough for, run as a reader would."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

import pawfect as package
from pawfect.lettering.faces import faces, font
from pawfect.local import inpaint_local
from pawfect.models import MODELS
from pawfect.profile import load_profile
from pawfect_service.http.callers import ApiKeys
from pawfect_service.variants.file import parse_variants
from tests.docs.examples import HOLE, PHOTO, pawfect, put, shell
from tests.docs.pages import ROOT, blocks_of, runs
from tests.pawfect.identity.photos import astronaut

SIGN = "REX"


def signed(folder: Path) -> list[int]:
    """Put a photo with a word into a folder, as sign.jpg and filled.jpg; return the word's box."""
    picture = Image.new("RGB", (320, 160), (235, 230, 220))
    ImageDraw.Draw(picture).text((60, 40), SIGN, (30, 30, 60), font=font(faces()[0].cuts()[0], 60))
    for name in ("sign.jpg", "filled.jpg"):
        picture.save(folder / name, quality=95)
    return [40, 30, 200, 90]


@runs("docs/folders.md", "inpaint photos/")
def test_a_folder_is_filled(script, server, tmp_path):
    put(tmp_path, "photos/dog.png", "masks/dog_mask.png")
    pawfect(script, tmp_path, "--url", server.endpoints.grpc)
    with Image.open(tmp_path / "filled/dog.png") as image:
        assert image.tobytes() == inpaint_local(PHOTO, HOLE).image.tobytes()


@runs("docs/variants.md", "--staging", whole=True)
def test_a_variant_is_staged_dealt_out_and_taken_back(script, tmp_path):
    (toml,) = (block.text for block in blocks_of("docs/variants.md") if block.language == "toml")
    (tmp_path / "FILE").write_text(toml)
    lines = script.splitlines()
    shares = []
    for line in lines:
        pawfect(line, tmp_path)
        shares.append(parse_variants((tmp_path / "FILE").read_text()).variants[0].share)
    assert shares == [10, 10, 100, 10]


@runs("docs/variants.md", "report FILE --store STORE --json", whole=True)
def test_what_came_of_variants_is_told_in_each_form(script, tmp_path):
    (toml,) = (block.text for block in blocks_of("docs/variants.md") if block.language == "toml")
    (tmp_path / "FILE").write_text(toml)
    for line in script.replace("STORE", "embedded:data").splitlines():
        told = pawfect(line, tmp_path).output
        if "--json" in line:
            assert {row["variant"] for row in json.loads(told)} == {
                "default", "isnet", "matted",
            }  # fmt: skip
    assert "<html" in (tmp_path / "variants.html").read_text()


@runs("docs/weights.md", "weights list", "weights path")
def test_weights_are_listed_and_found(script, tmp_path):
    listing, where = script.splitlines()
    assert re.search(r"^u2netp .*Apache-2.0 +yes", pawfect(listing, tmp_path).output, re.M)
    assert Path(pawfect(where, tmp_path).output.strip()).name == "u2netp"


@runs("docs/t4.md", "weights list")
def test_the_page_of_the_t4_lists_the_quantised_ones(script, tmp_path):
    listed = pawfect(script, tmp_path).output
    for name in ("int8", "q8_0", "q4_0", "turbo-int8", "turbo-q4_0"):
        assert f"flux-fill-dev-{name} " in listed


@pytest.mark.slow
@runs("docs/weights.md", "weights verify")
def test_all_weights_here_are_verified(script, tmp_path):
    pawfect(script, tmp_path)


@pytest.mark.slow
@runs("docs/troubleshooting.md", "weights verify")
def test_weights_are_verified_when_something_is_wrong(script, tmp_path):
    pawfect(script, tmp_path)


@runs("docs/troubleshooting.md", "--version", "pawfect probe")
def test_whoever_looks_for_trouble_sees_the_version_and_each_model(script, server, tmp_path):
    script = script.replace("127.0.0.1:8001", server.endpoints.grpc)
    version, probe = script.splitlines()
    assert package.__version__ in pawfect(version, tmp_path).output
    told_of_each_model(pawfect(probe, tmp_path).output)


@pytest.mark.slow
@runs("docs/operate.md", "pawfect probe")
def test_the_operators_probe_asks_each_model(script, server, tmp_path):
    told_of_each_model(pawfect(script, tmp_path, "--url", server.endpoints.grpc).output)


@pytest.mark.slow
@runs("deploy/README.md", "pawfect probe")
def test_the_containers_probe_asks_each_model(script, server, tmp_path):
    told_of_each_model(pawfect(script, tmp_path, "--url", server.endpoints.grpc).output)


def told_of_each_model(output: str) -> None:
    for name in load_profile("embedded").models:
        assert re.search(rf"\b{name}\b", output), name
    assert set(load_profile("embedded").models) <= set(MODELS)


@runs("README.md", "make help")
def test_make_tells_of_its_targets(script):
    told = shell(script, ROOT)
    assert re.search(r"^  demo  .*reference scene", told, re.M)


@runs("docs/architecture.md", "make help")
def test_each_target_is_told_of(script):
    told = set(re.findall(r"^  ([a-z0-9-]+) ", shell(script, ROOT), re.M))
    targets = re.findall(r"^([a-z0-9-]+):.*##", (ROOT / "Makefile").read_text(), re.M)
    assert told == set(targets)
    assert {"quality", "soak", "threats", "fuzz", "audit-dependencies"} <= told


@runs("docs/operate.md", "--new-api-key")
def test_a_key_is_made_for_the_file_of_keys(script, tmp_path):
    line = key_line(pawfect(script, tmp_path).output)
    ApiKeys([line])
    assert line.startswith("phone user1 ")


@runs("docs/sessions.md", "--new-api-key")
def test_an_admins_key_is_made_for_audits(script, tmp_path):
    line = key_line(pawfect(script, tmp_path).output)
    ApiKeys([line])
    assert "admin" in line


def key_line(told: str) -> str:
    (line,) = re.findall(r"line for --api-keys: (.*)", told)
    return str(line)


@runs("docs/swap.md", "faces walk.jpg")
def test_a_face_is_found(script, server, tmp_path):
    Image.fromarray(astronaut()).save(tmp_path / "walk.jpg", quality=95)
    told = pawfect(script, tmp_path, "--url", server.endpoints.grpc).output
    assert re.search(r"\b1 face\b", told), told


@pytest.mark.slow
@runs("docs/text.md", "text sign.jpg --json", whole=True)
def test_a_sign_is_read_on_the_server_and_without_one(script, server, tmp_path):
    signed(tmp_path)
    table, as_json = script.splitlines()
    assert SIGN in pawfect(table, tmp_path, "--url", server.endpoints.grpc).output
    told = json.loads(pawfect(as_json, tmp_path).output)
    assert SIGN in json.dumps(told)


@pytest.mark.slow
@runs("docs/refine.md", "refine filled.jpg")
def test_the_letters_of_a_sign_are_set_anew(script, server, tmp_path):
    box = signed(tmp_path)
    payload = {"corrections": [{"bbox": box, "text": "MAX"}]}
    (tmp_path / "sign.json").write_text(json.dumps(payload))
    pawfect(script, tmp_path, "--url", server.endpoints.grpc)
    with (
        Image.open(tmp_path / "corrected.jpg") as after,
        Image.open(tmp_path / "filled.jpg") as old,
    ):
        assert after.size == old.size
        assert after.tobytes() != old.tobytes()


@pytest.mark.slow
@runs("docs/calling.md", "search photo.jpg")
def test_the_best_of_many_is_kept_with_all_candidates(script, server, tmp_path):
    put(tmp_path, "photo.jpg", "mask.png")
    pawfect(script, tmp_path, "--url", server.endpoints.grpc)
    found_in(tmp_path / "found/task_photo")


@pytest.mark.slow
@runs("docs/search.md", "search dog.jpg")
def test_a_photoreal_search_keeps_all_candidates(script, server, tmp_path):
    put(tmp_path, "dog.jpg", "mask.png")
    pawfect(script, tmp_path, "--url", server.endpoints.grpc)
    found_in(tmp_path / "found/task_dog")


@pytest.mark.slow
@runs("docs/search.md", "--from-file project-label.json")
def test_tasks_of_a_file_are_searched(script, server, tmp_path):
    put(tmp_path, "dog.jpg", "mask.png")
    tasks = [
        {"id": number, "init_image_url": "dog.jpg", "mask_image_url": "mask.png"}
        for number in (1, 2, 3)
    ]
    (tmp_path / "project-label.json").write_text(json.dumps(tasks))
    pawfect(script.replace("127.0.0.1:8001", server.endpoints.grpc), tmp_path)
    for number in (1, 2, 3):
        found_in(tmp_path / f"found/task_{number}")


def found_in(folder: Path) -> None:
    with Image.open(folder / "result.png") as image:
        assert image.size == (PHOTO.shape[1], PHOTO.shape[0])
    assert json.loads((folder / "metrics.json").read_text())
    assert (folder / "page.html").is_file()
