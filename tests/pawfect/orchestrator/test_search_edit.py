"""`candidate_search` by proposer `edit`, in process, on both tiny chains that edit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.contract.search import SearchParams
from pawfect.contract.tensors import Array
from pawfect.contract.texts import text_tensor
from pawfect.local import LocalModels
from pawfect.orchestrator import Deployment, replacing
from pawfect.orchestrator.deployment import read_deployment
from pawfect.orchestrator.generate import FEATHER_PX
from pawfect.orchestrator.replacing import character_of
from pawfect.orchestrator.searching import search_request
from pawfect.picture import raster
from pawfect.profile import load_profile
from pawfect.weights.store import ROOT_VARIABLE, Store
from pawfect_export.fetch import fetch
from pawfect_export.progress import silent
from tests.lawn import holes, lawn
from tests.pawfect.orchestrator.conftest import Watched, raising
from tests.pawfect.orchestrator.searched import Search, Searched, brought, search_once, tree

PHOTO = lawn(96, 96)
MASK = holes(96, 96, (40, 40, 60, 60))
WHO = lawn(64, 80, seed=5)[:, :, ::-1].copy()
SMALL = {"k_global": 3, "m_global": 1, "k_local": 2}
ONE = {"k_global": 2, "k_local": 0}
ENGINES = ("edit", "klein")


@dataclass(frozen=True)
class Editing:
    """A tiny chain that edits: its deployment, and its models, loaded when they are called."""

    deployment: Deployment
    models: LocalModels


@pytest.fixture(scope="module")
def editing(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Editing]:
    """Give the tiny chain of an engine."""
    root: Path = tmp_path_factory.mktemp("weights")
    loaded: dict[str, Editing] = {}

    def load(engine: str) -> Editing:
        if engine not in loaded:
            profile = load_profile(f"tiny-{engine}")
            fetch([profile.name], Store(root), lambda: None, silent)
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv(ROOT_VARIABLE, str(root))
                models = LocalModels(profile)
                for part in ("text_encoder", "vae_encoder", "transformer", "vae_decoder"):
                    models._function(f"{engine}_{part}")
                loaded[engine] = Editing(read_deployment(profile), models)
        return loaded[engine]

    return load


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def searching(editing, engine) -> Search:
    """Run one search by an engine that edits; its profile names the tiny networks too."""

    def run(
        *,
        mask: np.ndarray = MASK,
        before: dict[str, Any] | None = None,
        cancelled: Callable[[Watched], bool] | None = None,
        more: dict[str, Array] | None = None,
        deployment: Deployment | None = None,
        **parameters: Any,
    ) -> Searched:
        chain = editing(engine)
        inputs = {"IMAGE": PHOTO, "MASK": mask, "REFERENCE": WHO, **(more or {})}
        given = {"proposer": "edit", "steps": 2} | parameters
        models = Watched(chain.models, before)
        return search_once(inputs, given, deployment or chain.deployment, models, cancelled)

    return run


def character(engine: str, editing: Any, /, **parameters: Any) -> Any:
    """What a request asks of an engine."""
    params = SearchParams.parse({"proposer": "edit", **parameters})
    inputs = {"IMAGE": PHOTO, "MASK": MASK, "REFERENCE": WHO}
    return character_of(search_request(inputs, params), editing(engine).deployment, engine)


def test_candidates_differ_and_the_same_request_gives_the_same_tree_and_pixels(searching, engine):
    one, other = (searching(seed=7, character="Rex", **SMALL) for _ in range(2))
    assert tree(one.report) == tree(other.report)
    np.testing.assert_array_equal(one.image, other.image)
    report = one.report
    assert (report.proposer, report.engine, report.ended) == ("edit", engine, "done")
    assert report.licence is not None
    assert report.licence.startswith("none: random numbers")
    assert set(report.weights_used) == {engine, f"{engine}_transformer"}
    assert [c.error for c in report.candidates] == [None] * 5
    assert len({crop.tobytes() for crop in one.crops.values()}) == 5
    first, *edits = report.candidates
    assert (first.variation, first.engine, dict(first.settings)) == ("undiffused", "init", {})
    assert {c.variation for c in edits} == {"seed", "renoised", "neighbourhood"}
    for made in edits:
        assert made.engine == engine
        assert made.settings["steps"] == 2
        assert "with Rex, the character in picture 2. Keep the hair" in made.settings["instruction"]
        assert ("guidance_scale" in made.settings) == (engine == "edit")


def test_outside_the_mask_and_its_feather_every_candidate_is_the_picture_bit_for_bit(searching):
    two = np.maximum(MASK, holes(96, 96, (4, 70, 20, 90)))
    run = searching(mask=two, **ONE)
    near = raster.distance_to(two > 0) <= FEATHER_PX
    assert (run.image[~near] == PHOTO[~near]).all()
    for hole in (MASK, two - MASK):
        inside = hole > 0
        assert (run.image[inside] != PHOTO[inside]).any(axis=1).mean() > 0.5


def test_the_picture_as_it_came_is_compared_but_does_not_win_by_its_floor(searching):
    run = searching(**ONE)
    own, edited = run.report.candidates
    np.testing.assert_array_equal(run.crops[0], PHOTO[32:68, 32:68])
    assert own.potential > edited.potential
    assert own.above_floor
    assert run.report.best == 1
    assert any("candidate 0 is the picture as it came" in note for note in run.report.notes)


def test_children_start_from_their_parent_or_from_noise_close_to_its_own(searching):
    run = searching(k_global=2, m_global=1, k_local=2, at_once=1)
    _, parent, renoised, close = run.report.candidates
    assert (renoised.settings["strength"], renoised.settings["steps_taken"]) == (0.5, 1)
    assert (close.settings["noise_seed"], close.settings["angle"]) == (parent.seed, 0.35)
    own, _, anew, turned, _ = (step["LATENTS"] for step in run.models.steps)
    times = [float(step["TIMESTEP"][0]) for step in run.models.steps]
    assert times[0] == times[3] == 1000 > times[2] == times[1]
    assert np.corrcoef(own.flat, turned.flat)[0, 1] == pytest.approx(np.cos(0.35), abs=0.02)
    assert abs(np.corrcoef(own.flat, anew.flat)[0, 1]) < 0.5


def test_a_child_that_starts_from_another_parent_is_another(searching, engine):
    """The picture that it starts from counts, not its seed alone."""
    first = searching(k_global=2, m_global=1, k_local=1)
    again = searching(k_global=2, m_global=1, k_local=1, more=altered(first))
    assert again.report.known == 2
    (child,) = again.streamed
    assert child.candidate.variation == "renoised"
    assert (first.crops[2] != child.image).any()


def altered(run: Searched) -> dict[str, Array]:
    """The first stage's candidates of a run, the edit turned into its negative."""
    given = brought(run, 0, 1)
    places = [one.candidate.number for one in run.streamed if one.candidate.number < 2]
    given["DONE_IMAGES"][places.index(1)] ^= 255
    return given


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({}, "with the character in picture 2. Keep the hair, pose"),
        ({"hair": "keep", "character": "Käthe"}, "with Käthe, the character in picture 2. Keep"),
        ({"hair": "character"}, "with the character in picture 2, hair included. Keep the pose"),
    ],
)
def test_the_templates_say_whose_hair_and_who(editing, asked, says):
    assert says in character("klein", editing, **asked).instruction


def test_the_model_is_told_what_the_report_says(searching):
    run = searching(hair="character", **ONE)
    (made,) = (one for one in run.report.candidates if one.number)
    assert made.settings["instruction"] in run.models.prompts
    own = searching(**ONE, more={"PROMPT": text_tensor("Put a hat on it.")})
    assert own.report.candidates[1].settings["instruction"] == "Put a hat on it."
    assert "Put a hat on it." in own.models.prompts


def test_qwen_takes_50_steps_in_eacps_where_nothing_else_is_said(editing):
    assert character("edit", editing).steps == 50
    assert character("edit", editing, preset="photoreal").steps is None
    assert character("klein", editing).steps is None
    chain = editing("edit").deployment.chains["edit"]
    few = replace(chain, settings=replace(chain.settings, shift="lightning"))
    deployment = replace(editing("edit").deployment, chains={"edit": few})
    params = SearchParams.parse({"proposer": "edit"})
    request = search_request({"IMAGE": PHOTO, "MASK": MASK, "REFERENCE": WHO}, params)
    assert character_of(request, deployment, "edit").steps is None


@pytest.mark.parametrize("engine", ["edit"], indirect=True)
def test_the_presets_steps_are_taken_unless_the_request_names_some(searching, monkeypatch):
    monkeypatch.setattr(replacing, "EDIT_STEPS", {"eacps": 3})
    for asked, steps in (("auto", 3), (1, 1)):
        run = searching(**ONE, steps=asked)
        (made,) = (one for one in run.report.candidates if one.number)
        assert (made.settings["steps"], made.settings["steps_taken"]) == (steps, steps)


def test_nothing_looks_for_what_is_put_there_on_purpose(searching):
    run = searching(protect="auto", **ONE)
    assert not {"sam3_labeling", "onnx_networks", "florence2", "patch_fill"} & {*run.models.called}
    assert run.report.protect_source == "none"


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"engine": "flux"}, "engine: expected auto, edit or klein with proposer=edit, got flux"),
        ({"k_global": 1}, "k_global: expected at least 2 with proposer=edit"),
    ],
)
def test_what_no_edit_can_be_made_of_is_refused(editing, asked, says):
    with pytest.raises(PawfectError) as refused:
        character("edit", editing, **asked)
    assert refused.value.kind is ErrorKind.INVALID_ARG
    assert refused.value.message.startswith(says)


def test_without_the_characters_picture_there_is_nothing_to_show():
    params = SearchParams.parse({"proposer": "edit"})
    with pytest.raises(PawfectError, match="REFERENCE: expected the character's picture") as none:
        search_request({"IMAGE": PHOTO, "MASK": MASK}, params)
    assert none.value.kind is ErrorKind.INVALID_ARG


def test_an_empty_mask_is_refused(searching):
    run = searching(mask=np.zeros_like(MASK))
    assert run.error is not None
    assert run.error.kind is ErrorKind.INVALID_ARG


def test_an_instruction_over_the_token_limit_is_refused(searching):
    run = searching(**ONE, more={"PROMPT": text_tensor("hat " * 400)})
    assert run.error is not None
    assert run.error.kind is ErrorKind.INVALID_ARG
    assert run.error.message.startswith("instruction: expected at most 128 tokens")


def test_where_every_edit_fails_the_picture_as_it_came_is_no_answer(searching, engine):
    broken = PawfectError(ErrorKind.INTERNAL, f"{engine}_vae_encoder: broken")
    run = searching(**ONE, before={f"{engine}_vae_encoder": raising(broken)})
    assert run.error == broken


def test_a_cancelled_search_ends_within_a_step(searching, engine):
    step = f"{engine}_transformer"
    run = searching(k_global=3, at_once=1, cancelled=lambda m: m.called.count(step) >= 1)
    assert run.error is not None
    assert run.error.kind is ErrorKind.CANCELLED
    assert run.models.called.count(step) == 1


def test_an_editing_chain_is_chosen_qwen_before_klein_and_none_that_is_left_out(editing):
    both = replace(
        editing("edit").deployment,
        chains=editing("klein").deployment.chains | editing("edit").deployment.chains,
    )
    assert both.editor("auto")[0] == "edit"
    assert both.editor("klein") == ("klein", "asked for")
    sold = replace(both, barred={"edit": "its licence forbids what is sold"})
    engine, why = sold.editor("auto")
    assert engine == "klein"
    assert why.endswith("edit is left out: its licence forbids what is sold")
    for none, says in (
        (replace(sold, chains={}), "engine=auto: edit is left out: its licence"),
        (editing("klein").deployment, "engine=edit: profile tiny-klein has no edit"),
    ):
        with pytest.raises(PawfectError) as refused:
            none.editor(says.partition(":")[0].removeprefix("engine="))
        assert refused.value.kind is ErrorKind.UNAVAILABLE
        assert refused.value.message.startswith(says)
