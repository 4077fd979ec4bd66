"""`candidate_search` by proposer `edit`, in process, on both tiny chains that edit."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pawfect.chains import CHAINS
from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.contract.search import EDITORS, SearchParams
from pawfect.contract.tensors import Array
from pawfect.contract.texts import text_tensor
from pawfect.orchestrator import Deployment, replacing
from pawfect.orchestrator.generate import FEATHER_PX
from pawfect.orchestrator.proposal import Character
from pawfect.orchestrator.replacing import character_of, editor_of
from pawfect.orchestrator.searching import search_request
from pawfect.picture import raster
from tests.lawn import holes, lawn
from tests.pawfect.orchestrator.cards import with_chain
from tests.pawfect.orchestrator.conftest import Watched, raising
from tests.pawfect.orchestrator.searched import Search, Searched, brought, search_once, tree

PHOTO = lawn(96, 96)
MASK = holes(96, 96, (40, 40, 60, 60))
WHO = lawn(64, 80, seed=5)[:, :, ::-1].copy()
SMALL = {"k_global": 3, "m_global": 1, "k_local": 2}
ONE = {"k_global": 2, "k_local": 0}
# Of both chains that edit; where no more is to be learnt of Qwen-Image-Edit its runs are slow.
both = pytest.mark.parametrize("chain", ["klein", "edit"], indirect=True)
either = pytest.mark.parametrize(
    "chain", ["klein", pytest.param("edit", marks=pytest.mark.slow)], indirect=True
)
by_edit = pytest.mark.parametrize("chain", ["edit"], indirect=True)
by_klein = pytest.mark.parametrize("chain", ["klein"], indirect=True)


@pytest.fixture
def searching(in_tiny_weights, chain) -> Search:
    """Run one search by a tiny chain that edits, whose profile has all networks."""

    def run(
        *,
        mask: np.ndarray = MASK,
        before: dict[str, Any] | None = None,
        cancelled: Callable[[Watched], bool] | None = None,
        more: dict[str, Array] | None = None,
        **parameters: Any,
    ) -> Searched:
        inputs = {"IMAGE": PHOTO, "MASK": mask, "REFERENCE": WHO, **(more or {})}
        given = {"proposer": "edit", "steps": 2} | parameters
        return search_once(
            inputs, given, chain.deployment, Watched(chain.models, before), cancelled
        )

    return run


def character(deployment: Deployment, name: str, /, **parameters: Any) -> Character:
    """What a request asks of an engine."""
    params = SearchParams.parse({"proposer": "edit", **parameters})
    inputs = {"IMAGE": PHOTO, "MASK": MASK, "REFERENCE": WHO}
    found = character_of(search_request(inputs, params), deployment, name)
    assert found is not None
    return found


@both
def test_candidates_differ_and_the_same_request_gives_the_same_tree_and_pixels(searching, chain):
    engine = chain.name
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


@either
def test_outside_the_mask_and_its_feather_every_candidate_is_the_picture_bit_for_bit(searching):
    two = np.maximum(MASK, holes(96, 96, (4, 70, 20, 90)))
    run = searching(mask=two, **ONE)
    near = raster.distance_to(two > 0) <= FEATHER_PX
    assert (run.image[~near] == PHOTO[~near]).all()
    for hole in (MASK, two - MASK):
        inside = hole > 0
        assert (run.image[inside] != PHOTO[inside]).any(axis=1).mean() > 0.5


@either
def test_the_picture_as_it_came_is_compared_but_does_not_win_by_its_floor(searching):
    run = searching(**ONE)
    own, edited = run.report.candidates
    np.testing.assert_array_equal(run.crops[0], PHOTO[32:68, 32:68])
    assert own.potential > edited.potential
    assert own.above_floor
    assert run.report.best == 1
    assert any("candidate 0 is the picture as it came" in note for note in run.report.notes)


@both
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


@either
def test_a_child_that_starts_from_another_parent_is_another(searching):
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
@by_klein
def test_the_templates_say_whose_hair_and_who(chain, asked, says):
    assert says in character(chain.deployment, "klein", **asked).instruction


@either
def test_the_model_is_told_what_the_report_says(searching):
    run = searching(hair="character", **ONE)
    (made,) = (one for one in run.report.candidates if one.number)
    assert made.settings["instruction"] in run.models.prompts
    own = searching(**ONE, more={"PROMPT": text_tensor("Put a hat on it.")})
    assert own.report.candidates[1].settings["instruction"] == "Put a hat on it."
    assert "Put a hat on it." in own.models.prompts


def test_qwen_takes_50_steps_in_eacps_where_nothing_else_is_said(tiny_chain):
    own = tiny_chain("edit").deployment
    assert character(own, "edit").steps == 50
    assert character(own, "edit", preset="photoreal").steps is None
    assert character(tiny_chain("klein").deployment, "klein").steps is None
    lightning = replace(own.chains["edit"].settings, shift="lightning")
    assert character(with_chain(own, "edit", settings=lightning), "edit").steps is None


@by_edit
def test_the_presets_steps_are_taken_unless_the_request_names_some(searching, monkeypatch):
    monkeypatch.setattr(replacing, "EDIT_STEPS", {"eacps": 3})
    for asked, steps in (("auto", 3), (1, 1)):
        run = searching(**ONE, steps=asked)
        (made,) = (one for one in run.report.candidates if one.number)
        assert (made.settings["steps"], made.settings["steps_taken"]) == (steps, steps)


@by_klein
def test_nothing_looks_for_what_is_put_there_on_purpose(searching):
    run = searching(protect="auto", **ONE)
    assert not {"sam3_labeling", "onnx_networks", "florence2", "patch_fill"} & {*run.models.called}
    assert run.report.protect_source == "none"


def test_without_the_characters_picture_there_is_nothing_to_show():
    params = SearchParams.parse({"proposer": "edit"})
    with pytest.raises(PawfectError, match="REFERENCE: expected the character's picture") as none:
        search_request({"IMAGE": PHOTO, "MASK": MASK}, params)
    assert none.value.kind is ErrorKind.INVALID_ARG


@by_klein
def test_an_empty_mask_is_refused(searching):
    run = searching(mask=np.zeros_like(MASK))
    assert run.error is not None
    assert run.error.kind is ErrorKind.INVALID_ARG


@both
def test_an_instruction_over_the_token_limit_is_refused(searching, chain):
    most = chain.deployment.chains[chain.name].settings.text_tokens
    run = searching(**ONE, more={"PROMPT": text_tensor("hat " * 400)})
    assert run.error is not None
    assert run.error.kind is ErrorKind.INVALID_ARG
    assert run.error.message.startswith(f"instruction: expected at most {most} tokens")


@by_klein
def test_where_every_edit_fails_the_picture_as_it_came_is_no_answer(searching, chain):
    broken = PawfectError(ErrorKind.INTERNAL, f"{chain.vae_encoder}: broken")
    run = searching(**ONE, before={chain.vae_encoder: raising(broken)})
    assert run.error == broken


@by_klein
def test_a_deadline_too_near_for_one_edit_is_an_error(searching, chain):
    async def slow(count: int) -> None:
        await asyncio.sleep(2.0)

    run = searching(**ONE, deadline_ms=900, before={chain.transformer: slow})
    assert run.error is not None
    assert run.error.kind is ErrorKind.DEADLINE


@either
def test_a_cancelled_search_ends_within_a_step(searching, chain):
    step = chain.transformer
    run = searching(k_global=3, at_once=1, cancelled=lambda m: m.called.count(step) >= 1)
    assert run.error is not None
    assert run.error.kind is ErrorKind.CANCELLED
    assert run.models.called.count(step) == 1


@by_klein
def test_short_memory_makes_an_edit_smaller(searching, chain):
    full = PawfectError(ErrorKind.OUT_OF_MEMORY, f"{chain.transformer}: out of memory")
    run = searching(**ONE, before={chain.transformer: raising(full, 1, 1)})
    assert run.error is None
    assert all(one.error is None for one in run.report.candidates)


def test_qwen_edits_before_klein_and_what_is_left_out_does_not(tiny_chain):
    klein, edit = (tiny_chain(name).deployment for name in ("klein", "edit"))
    profile = replace(klein.profile, engines=("klein", "edit", "patch"))
    both = replace(klein, profile=profile, chains={**klein.chains, **edit.chains})
    assert editor_of(both, "auto")[0] == "edit"
    assert editor_of(both, "klein") == ("klein", "asked for")
    assert editor_of(klein, "auto") == ("klein", "what edits in profile tiny-klein")
    sold = replace(both, barred={"edit": "its licence forbids what is sold"})
    engine, why = editor_of(sold, "auto")
    assert engine == "klein"
    assert why.endswith("its licence forbids what is sold")


def test_an_engine_that_edits_and_is_not_there_is_said(tiny_chain, tiny_deployment):
    klein = tiny_chain("klein").deployment
    barred = replace(klein, barred={"klein": "its licence forbids what is sold"})
    for deployment, asked, says in (
        (tiny_deployment, "auto", "edit: profile tiny has no edit or klein"),
        (klein, "edit", "profile tiny-klein has klein"),
        (barred, "auto", "its licence forbids what is sold"),
    ):
        with pytest.raises(PawfectError, match=says) as refused:
            editor_of(deployment, asked)
        assert refused.value.kind is ErrorKind.UNAVAILABLE


def test_every_chain_that_edits_is_one_of_the_proposers():
    assert set(EDITORS) == {name for name, chain in CHAINS.items() if chain.edits}
