"""A proof's parts: its session, its plan, what must be there before it, its steps, its masks."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from pawfect.contract.tables import TableError
from pawfect.picture.mask import clean_mask
from pawfect.profile import load_profile
from pawfect.weights.manifest import manifest, parse_manifest
from pawfect.weights.store import Store
from perf.audit.matrix import session_in
from perf.audit.sessions import load_session
from perf.prove.live import APART_PX, SPECKS, growth, strew
from perf.prove.plan import GRIDS, STATIC_PROMPT, plan_of
from perf.prove.preflight import Card, ProofError, check_card, check_room, fetch_weights, find_card
from perf.prove.steps import Steps
from tests.perf.prove.conftest import SCENE, cells


def save(folder, **sizes):
    folder.mkdir(exist_ok=True)
    for name, size in sizes.items():
        picture = np.zeros((*size, 3), np.uint8)
        picture[10:20, 10:20] = 255
        image = Image.fromarray(picture)
        image.save(folder / f"{name}.png")
    return folder


@pytest.mark.parametrize("names", [("photo", "mask"), ("original", "mask_auto")])
def test_a_folder_as_people_name_it_and_as_the_api_stores_it_is_a_session(tmp_path, names):
    folder = save(tmp_path / "D1A406F5", **dict.fromkeys((*names, "truth"), (80, 96)))
    source = session_in(folder, {})
    session = load_session(source)
    assert session.name == "D1A406F5"
    assert session.photo.shape == (80, 96, 3)
    assert np.count_nonzero(session.mask >= 128) == 100
    assert session.truth is not None
    assert session.protect is None


def test_a_folder_that_is_no_session_is_refused_with_what_is_there(tmp_path):
    with pytest.raises(TableError, match=r"session no: expected a folder .* got no such folder"):
        session_in(tmp_path / "no", {})
    folder = save(tmp_path / "s", photo=(80, 96), other=(80, 96))
    with pytest.raises(TableError, match=r"mask\.\* or mask_auto\.\*, got other.png, photo.png"):
        session_in(folder, {})
    save(folder, mask=(80, 96), original=(80, 96))
    with pytest.raises(TableError, match=r"photo: expected one file, got original.png, photo.png"):
        session_in(folder, {})


@pytest.mark.parametrize("name", ["t4", "l4", "h200", "tiny"])
@pytest.mark.parametrize("full", [False, True])
def test_a_plan_has_the_baseline_the_product_and_the_roadmaps_grid(name, full):
    profile = load_profile(name)
    assert profile.flux is not None
    plan = plan_of(profile, SCENE, full=full)
    assert plan.rehearsal == (name == "tiny")
    flux = GRIDS["flux"]
    entries = tuple((flux.rehearsed if plan.rehearsal else flux.published).values())
    own = {(c.setting.quantisation, c.setting.prompt, c.setting.guidance, c.setting.steps)
           for c in cells(plan)}  # fmt: skip
    assert (entries[0], "static", 10.0, 28) in own
    assert (entries[2], "static", 10.0, 28) in own
    product = (profile.weights["flux_transformer"], "labels", profile.flux.guidance_scale)
    assert (*product, profile.flux.steps) in own
    assert {(entries[0], "labels", g, 20) for g in (2.0, 4.0, 10.0, 20.0, 30.0)} <= own
    assert {(entries[0], "labels", 10.0, steps) for steps in (8, 20, 28)} <= own
    grid = {(e, "labels", g, s) for e in entries for g in (2.0, 4.0, 10.0, 20.0, 30.0)
            for s in (8, 20, 28)}  # fmt: skip
    assert (grid <= own) == full
    assert plan.source.text("static") == STATIC_PROMPT
    assert plan.source.text("labels") is None


@pytest.mark.parametrize("name", ["t4-klein", "tiny-klein"])
@pytest.mark.parametrize("full", [False, True])
def test_a_plan_of_klein_varies_what_is_open_of_it(name, full):
    profile = load_profile(name)
    plan = plan_of(profile, SCENE, full=full)
    assert plan.engine == "klein"
    small, large = plan.quantisations.values()
    settings = [cell.setting for cell in cells(plan)]
    assert {(one.engine, one.guidance) for one in settings} == {("klein", None)}
    own = {(s.quantisation, s.prompt, s.strength, s.references, s.steps) for s in settings}
    assert {(entry, "static", 0.8, True, 4) for entry in (small, large)} <= own
    assert (profile.weights["klein_transformer"], "labels", 0.8, True, 4) in own
    assert {(small, "labels", strength, True, 4) for strength in (0.5, 0.7, 0.9)} <= own
    shown = {(small, "labels", 0.9 if full else 0.8, shown, 4) for shown in (True, False)}
    assert shown <= own
    assert ((large, "labels", 0.5, False, 8) in own) == full


def test_a_profile_of_several_engines_is_proved_one_at_a_time():
    h200 = load_profile("h200")
    plans = {name: plan_of(h200, SCENE, full=False, engine=name) for name in h200.denoising}
    assert [plan.engine for plan in plans.values()] == ["flux", "klein", "edit"]
    assert plan_of(h200, SCENE, full=False) == plans["flux"]
    assert {cell.setting.guidance for cell in cells(plans["edit"])} == {1.0, 2.5, 4.0}
    # The LoRA's schedule suits no weights but its own.
    lightning = plan_of(load_profile("l4-edit"), SCENE, full=False)
    assert lightning.entries == ("qwen-edit-2509-lightning8-int4",)
    assert {entry for plan in plans.values() for entry in plan.entries} <= set(manifest())


def test_without_a_card_a_profile_for_one_is_refused_in_one_line():
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("there is a card here")
    with pytest.raises(ProofError, match=r"profile t4: expected a CUDA card .* PROFILE=tiny"):
        find_card(load_profile("t4"), "flux")
    with pytest.raises(ProofError, match=r"profile t4-klein: .* PROFILE=tiny-klein"):
        find_card(load_profile("t4-klein"), "klein")
    assert find_card(load_profile("tiny"), "flux") == Card("CPU")


def test_a_smaller_card_than_the_profiles_is_refused_with_both_sizes():
    check_card(load_profile("t4"), Card("Tesla T4", 14.7, "7.5"))
    with pytest.raises(ProofError, match=r"expected a card of 13\.\d GiB, got GTX 1080 with 7\.9"):
        check_card(load_profile("t4"), Card("GTX 1080", 7.9, "6.1"))
    with pytest.raises(ProofError, match="expected a card of"):
        check_card(load_profile("h200"), Card("Tesla T4", 14.7, "7.5"))


def test_a_disk_without_room_is_refused_before_anything_is_written(tmp_path):
    place = tmp_path / "not" / "there"
    with pytest.raises(
        ProofError, match=r"expected 1000000000.0 GB of free disk space, got .*HERE"
    ):
        check_room(place, 1e9, "weights", "HERE")
    check_room(place, 0.0, "weights", "HERE")
    assert not place.exists()


GATED = {
    "gated-entry": {
        "kind": "fetched",
        "repository": "someone/model",
        "revision": "a" * 40,
        "licence": "own",
        "commercial": True,
        "gated": True,
        "about_gb": 0.001,
        "files": [{"path": "model.safetensors"}],
    }
}


def test_gated_weights_without_a_token_are_refused_with_the_page_and_another_way(
    tmp_path, monkeypatch
):
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setenv("HF_TOKEN_PATH", str(tmp_path / "none"))
    store = Store(tmp_path / "weights", parse_manifest(GATED))
    profile = load_profile("embedded")
    with pytest.raises(ProofError, match=r"HF_TOKEN.*huggingface.co/someone/model.*weights add"):
        fetch_weights(replace(profile, weights={}), ["gated-entry"], store)
    assert not (tmp_path / "weights" / "gated-entry").exists()


def test_a_step_runs_once_for_its_key_and_again_for_another(tmp_path):
    ran, said = [], []

    def work() -> dict[str, int]:
        ran.append(1)
        return {"found": len(ran)}

    steps = Steps(tmp_path, "one", said.append)
    assert steps.known("compile") is None
    assert [steps.found("compile", work) for _ in range(2)] == [{"found": 1}] * 2
    assert said == ["compile ...", "compile: done already"]
    assert Steps(tmp_path, "one", said.append).known("compile") == {"found": 1}
    assert Steps(tmp_path, "other", said.append).found("compile", work) == {"found": 2}


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"key": "one"}', b'{"key": "one", "found": 1}']
)
def test_a_damaged_step_is_run_again(tmp_path, content):
    (tmp_path / "steps").mkdir()
    (tmp_path / "steps" / "jobs.json").write_bytes(content)
    steps = Steps(tmp_path, "one", lambda line: None)
    assert steps.found("jobs", lambda: {"n": 1}) == {"n": 1}
    stored = json.loads((tmp_path / "steps" / "jobs.json").read_bytes())
    assert stored == {"key": "one", "found": {"n": 1}}


def test_what_can_be_mended_is_not_kept(tmp_path):
    steps = Steps(tmp_path, "one", lambda line: None)
    assert steps.found("compile", lambda: {"ok": False}, lambda found: found["ok"]) == {"ok": False}
    assert steps.known("compile") is None
    assert steps.found("compile", lambda: {"ok": True}, lambda found: found["ok"]) == {"ok": True}
    assert steps.known("compile") == {"ok": True}


def test_strewn_pixels_are_isolated_and_leave_the_mask_when_it_is_cleaned():
    mask = np.zeros((600, 800), np.uint8)
    mask[200:320, 300:460] = 255
    added, strewn = strew(mask)
    assert added.sum() == SPECKS
    assert np.array_equal(strewn > 0, (mask > 0) | added)
    ys, xs = np.nonzero(added)
    whites = np.argwhere(strewn > 0)
    for y, x in zip(ys, xs, strict=True):
        apart = np.hypot(*(whites - (y, x)).T)
        assert np.sort(apart)[1] >= APART_PX - 1
    assert not clean_mask(strewn).mask[added].any()
    again, _ = strew(mask)
    assert np.array_equal(added, again)


def test_growth_is_the_largest_distance_by_brute_force():
    rng = np.random.default_rng(3)
    marked = np.zeros((60, 70), np.uint8)
    marked[20:30, 30:45] = 255
    cleaned = np.where(rng.random(marked.shape) < 0.01, 255, marked).astype(np.uint8)
    points = np.argwhere(marked)
    largest = max(np.hypot(*(points - at).T).min() for at in np.argwhere(cleaned))
    assert growth(marked, cleaned) == pytest.approx(largest, abs=0.01)
    assert growth(marked, marked) == 0
