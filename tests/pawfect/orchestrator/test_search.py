"""`candidate_search` in process, on the tiny chain and on patches: its tree and its ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.contract.search_report import SearchReport
from pawfect.contract.tensors import Array
from pawfect.contract.texts import text_tensor
from pawfect.orchestrator import Deployment
from tests.lawn import holes, lawn
from tests.pawfect.orchestrator.conftest import Watched, raising
from tests.pawfect.orchestrator.searched import Search, Searched, brought, search_once, tree

PHOTO = lawn(128, 128)
MASK = holes(128, 128, (40, 40, 84, 80))
SMALL = {"k_global": 3, "m_global": 1, "k_local": 2}


@pytest.fixture
def searching(in_tiny_weights, tiny_deployment, tiny_models) -> Search:
    """Run one search on the tiny chain in real time.

    The networks that look at each fill are left out: up to a second of CPU each.
    """
    profile = replace(tiny_deployment.profile, sam3=None, florence2=None)
    plain = replace(tiny_deployment, profile=profile, finders={})

    def run(
        photo: np.ndarray = PHOTO,
        mask: np.ndarray = MASK,
        *,
        before: dict[str, Any] | None = None,
        after: dict[str, Any] | None = None,
        cancelled: Callable[[Watched], bool] | None = None,
        more: dict[str, Array] | None = None,
        deployment: Deployment = plain,
        **parameters: Any,
    ) -> Searched:
        models = Watched(tiny_models, before, after)
        inputs = {"IMAGE": photo, "MASK": mask, **(more or {})}
        given = {"protect": "none", "steps": 3} | parameters
        return search_once(inputs, given, deployment, models, cancelled)

    return run


@pytest.mark.parametrize("engine", ["flux", "patch"])
def test_the_same_request_gives_the_same_tree_and_picture(searching, engine):
    one, other = (searching(engine=engine, seed=7, **SMALL) for _ in range(2))
    assert tree(one.report) == tree(other.report)
    np.testing.assert_array_equal(one.image, other.image)
    report = one.report
    assert [c.number for c in report.candidates] == [0, 1, 2, 3, 4]
    assert [c.phase for c in report.candidates] == ["global"] * 3 + ["local"] * 2
    assert (report.planned, report.ended, report.known) == (5, "done", 0)
    parents = {c.parent for c in report.candidates if c.phase == "local"}
    globals_ = [c for c in report.candidates if c.phase == "global"]
    assert parents == {max(globals_, key=lambda c: (c.above_floor, c.potential)).number}
    best = max(report.candidates, key=lambda c: (c.above_floor, c.potential))
    assert report.best == best.number
    assert SearchReport.from_json(report.to_json()) == report
    outside = MASK == 0
    if engine == "patch":
        np.testing.assert_array_equal(one.image[outside], PHOTO[outside])


@pytest.mark.parametrize("engine", ["flux", "patch"])
def test_each_candidate_is_streamed_once_with_what_it_shows(searching, engine):
    run = searching(engine=engine, **SMALL)
    assert sorted(one.candidate.number for one in run.streamed) == [0, 1, 2, 3, 4]
    ((x0, y0, x1, y1),) = {one.box for one in run.streamed}
    assert (x0, y0, x1, y1) == (32, 32, 92, 88)
    whole = PHOTO.copy()
    whole[y0:y1, x0:x1] = run.crops[run.report.best]
    np.testing.assert_array_equal(run.image, whole)
    assert len({crop.tobytes() for crop in run.crops.values()}) == 5, "each try is another"
    shares = [one.progress for one in run.seen]
    assert shares == sorted(shares)
    assert shares[-1] <= 1


def test_children_start_from_their_parents(searching):
    run = searching(engine="flux", k_global=2, m_global=2, k_local=2, floor=0.0)
    crops = run.crops
    by_number = {one.number: one for one in run.report.candidates}
    children = [one for one in run.report.candidates if one.phase == "local"]
    assert {one.variation for one in children} == {"renoised", "neighbourhood"}

    def distance(a: int, b: int) -> float:
        return float(np.abs(crops[a].astype(float) - crops[b]).mean())

    for child in children:
        # The undiffused has no noise to have neighbours.
        if child.parent == 0:
            assert child.variation == "renoised"
        if child.variation == "neighbourhood":
            assert child.settings["noise_seed"] == by_number[child.parent].seed
            assert distance(child.number, child.parent) < distance(0, 1)


def test_patches_children_keep_all_but_the_worst_part(searching):
    run = searching(engine="patch", **SMALL)
    crops = run.crops
    hole_px = run.report.hole_px
    for child in (one for one in run.report.candidates if one.phase == "local"):
        changed = (crops[child.number] != crops[child.parent]).any(axis=2).sum()
        assert 0 < changed <= child.settings["part_px"] <= 0.5 * hole_px


def test_candidates_at_once_ask_for_their_steps_side_by_side(searching):
    """As the server's batches need it."""
    asked, most = 0, 0

    async def before(count: int) -> None:
        nonlocal asked, most
        asked += 1
        most = max(most, asked)
        await asyncio.sleep(0.05)

    def after(outputs: dict[str, Any], count: int) -> dict[str, Any]:
        nonlocal asked
        asked -= 1
        return outputs

    run = searching(
        engine="flux", k_global=5, k_local=0, at_once=4, steps=2,
        before={"flux_transformer": before}, after={"flux_transformer": after},
    )  # fmt: skip
    assert run.report.ended == "done"
    assert most == 4


def test_a_cancelled_search_ends_within_a_step(searching):
    run = searching(
        engine="flux",
        k_global=4,
        cancelled=lambda models: models.called.count("flux_transformer") >= 2,
    )
    assert run.error is not None
    assert run.error.kind is ErrorKind.CANCELLED
    # Those that were on their way when it was noticed: one step each of those at once.
    assert run.models.called.count("flux_transformer") <= 2 + 3


@pytest.mark.parametrize("engine", ["flux", "patch"])
def test_what_was_finished_is_not_made_again(searching, engine):
    first = searching(engine=engine, seed=3, **SMALL)
    again = searching(engine=engine, seed=3, **SMALL, more=brought(first, 0, 2, 4))
    assert again.report.known == 3
    assert sorted(one.candidate.number for one in again.streamed) == [1, 3]
    assert tree(again.report) == tree(first.report)
    np.testing.assert_array_equal(again.image, first.image)


def test_the_floor_is_laid_once_and_by_a_search_that_goes_on_not_again(searching):
    first = searching(engine="flux", **SMALL)
    assert first.models.called.count("patch_fill") == 1
    again = searching(engine="flux", **SMALL, more=brought(first, 0))
    assert again.models.called.count("patch_fill") == 0
    assert tree(again.report) == tree(first.report)


def test_surfaces_are_asked_for_once_around_the_hole_and_once_in_each_fill(
    searching, tiny_deployment
):
    labelled = replace(tiny_deployment, finders={})
    run = searching(engine="flux", k_global=3, k_local=0, deployment=labelled)
    assert run.models.called.count("sam3_labeling") == 1 + 3
    # With one surface around the prompt that varies is that of nothing in particular.
    prompts = {one.settings.get("prompt") for one in run.report.candidates}
    assert prompts - {None}


def test_a_judge_that_was_silent_is_not_asked_again_and_counts_for_none(searching):
    run = searching(engine="patch", remote=True, **SMALL)
    report = run.report
    # Nobody has set one up.
    assert run.models.called.count("score_gemini") == 1
    assert report.judges == {"consistency": ("local",), "realism": ("local",)}
    told = report.silent["gemini: consistency"]
    assert told.startswith("it scored 0 of 5 candidates: UNAVAILABLE: score_gemini")
    assert report.notes == (
        "no judge elsewhere scored all candidates: the local scores alone decided",
    )


def test_candidates_of_another_request_are_made_anew(searching):
    first = searching(engine="patch", seed=3, **SMALL)
    other = searching(engine="patch", seed=4, **SMALL, more=brought(first, 0, 1))
    assert other.report.known == 0
    assert tree(other.report) == tree(searching(engine="patch", seed=4, **SMALL).report)


def test_short_memory_makes_fewer_at_a_time_then_smaller_ones(searching):
    full = PawfectError(ErrorKind.OUT_OF_MEMORY, "flux_transformer: out of memory")
    run = searching(
        engine="flux", k_global=4, k_local=0, at_once=2,
        before={"flux_transformer": raising(full, 1, 1)},
    )  # fmt: skip
    assert run.report.ended == "done"
    assert all(one.error is None for one in run.report.candidates)


def test_without_memory_for_one_the_best_so_far_is_the_answer(searching):
    full = PawfectError(ErrorKind.OUT_OF_MEMORY, "flux_vae_encoder: out of memory")
    run = searching(k_global=4, at_once=2, before={"flux_vae_encoder": raising(full)})
    report = run.report
    assert (report.best, len(report.candidates)) == (0, 1)
    assert report.ended == "memory"
    assert report.fallbacks[0].instead == "1 at a time"


def test_a_candidate_that_fails_is_told_and_the_rest_compete(searching):
    broken = PawfectError(ErrorKind.INTERNAL, "flux_vae_encoder: broken")
    run = searching(
        engine="flux", k_global=3, k_local=0, at_once=1,
        before={"flux_vae_encoder": raising(broken, 1, 1)},
    )  # fmt: skip
    failed, *others = [one for one in run.report.candidates if one.number]
    assert failed.error == "INTERNAL: flux_vae_encoder: broken"
    assert failed.potential is None
    assert all(one.error is None for one in others)
    assert "1 of 3 candidates could not be made" in run.report.notes


def test_where_flux_was_asked_for_and_fails_always_its_error_is_the_answer(searching):
    broken = PawfectError(ErrorKind.INTERNAL, "flux_vae_encoder: broken")
    insisting = searching(engine="flux", **SMALL, before={"flux_vae_encoder": raising(broken)})
    assert insisting.error == broken
    open_ = searching(engine="auto", **SMALL, before={"flux_vae_encoder": raising(broken)})
    assert open_.report.best == 0
    assert open_.report.winner.engine == "patch"


def test_the_deadline_hands_over_the_best_so_far(searching):
    async def slow(count: int) -> None:
        if count > 1:
            await asyncio.sleep(2.0)

    run = searching(
        engine="patch", k_global=6, at_once=1, deadline_ms=2500, before={"patch_fill": slow}
    )
    assert run.report.ended == "deadline"
    assert not run.report.complete
    assert run.report.total_ms < 2600
    assert run.report.candidates[0].error is None


def test_a_deadline_too_near_for_one_candidate_is_an_error(searching):
    async def slow(count: int) -> None:
        await asyncio.sleep(2.0)

    run = searching(engine="patch", deadline_ms=700, before={"patch_fill": slow})
    assert run.error is not None
    assert run.error.kind is ErrorKind.DEADLINE


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (
            {"DONE": text_tensor("{}")},
            "DONE: expected all of DONE, DONE_IMAGES, DONE_BOX, got DONE",
        ),
        (
            {
                "DONE": text_tensor("{}"),
                "DONE_IMAGES": np.zeros((1, 4, 4, 3), np.uint8),
                "DONE_BOX": np.array([0, 0, 4, 4], np.int32),
            },
            "DONE: expected JSON of candidates",
        ),
        (
            {
                "DONE": text_tensor("{}"),
                "DONE_IMAGES": np.zeros((1, 4, 4, 3), np.uint8),
                "DONE_BOX": np.array([0, 0, 400, 4], np.int32),
            },
            "DONE_BOX: expected a box within 128x128",
        ),
        (
            {
                "DONE": text_tensor("{}"),
                "DONE_IMAGES": np.zeros((2, 4, 4, 3), np.uint8),
                "DONE_BOX": np.array([0, 0, 4, 4], np.int32),
            },
            "DONE_IMAGES: expected uint8 [1, 4, 4, 3], got uint8 [2, 4, 4, 3]",
        ),
        ({"REFERENCE": np.zeros((8, 90, 3), np.uint8)}, "REFERENCE: expected sides of 64"),
    ],
)
def test_what_a_request_brings_along_is_checked(searching, more, says):
    run = searching(engine="patch", more=more)
    assert run.error is not None
    assert run.error.kind is ErrorKind.INVALID_ARG
    assert run.error.message.startswith(says)


def test_scores_that_are_no_numbers_are_refused(searching):
    first = searching(engine="patch", k_global=1, k_local=0)
    given = brought(first, 0)
    text = given["DONE"][0].decode()
    number = str(first.report.candidates[0].judgements[0].scores["realism"])
    given["DONE"] = text_tensor(text.replace(f'"realism": {number}', '"realism": NaN'))
    run = searching(engine="patch", k_global=1, k_local=0, more=given)
    assert run.error is not None
    assert run.error.message.startswith("DONE: expected JSON of candidates")
