"""What a search is worth: the holes, the searches on them, and the figures."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from pawfect.contract.search import SearchParams
from pawfect.local import LocalModels
from pawfect.orchestrator.control import Control
from pawfect.orchestrator.deployment import Deployment
from pawfect.orchestrator.search import search
from pawfect.orchestrator.searching import search_request
from pawfect.profile import load_profile
from pawfect.scores.look import look
from perf.quality.removal import Removal
from perf.scenes import QUALITY_GROUPS, scene_names
from perf.search import __main__ as command
from perf.search import candidates
from perf.search.holes import AREA_PX, MARGIN_PX, OWN_PX, PARTS, Hole, holes_of, split
from perf.search.searches import CANDIDATES, TWO_STAGES, Searched, search_hole
from perf.search.statistics import bootstrap, gap_closed, mean, rank_correlation
from perf.search.tables import by_count, correlations
from tests.lawn import holes, lawn


def tiny_hole(seed: int) -> Hole:
    """A hole of some 900 px in a lawn whose truth is known."""
    truth = lawn(128, 128, seed=seed)
    mask = holes(128, 128, (48, 48, 78, 78))
    photo = truth.copy()
    photo[mask > 0] = 127
    removal = Removal(f"lawn {seed}", "texture", photo, truth, mask, mask, 0)
    return Hole(f"lawn_{seed}", "tune", removal)


@pytest.fixture(scope="module")
def kept(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("kept")


@pytest.fixture(scope="module")
def found(kept) -> Searched:
    return search_hole(tiny_hole(1), kept)


def test_no_photo_is_in_both_parts():
    parts = split()
    assert set(parts) == set(PARTS)
    sources = [source for part in PARTS for source in parts[part]]
    pictures = [name for part in PARTS for names in parts[part].values() for name in names]
    assert len(sources) == len(set(sources))
    assert len(pictures) == len(set(pictures))
    scenes = {name for name in pictures if "." not in name}
    # The same scene once more at another size.
    assert scenes == set(scene_names(*QUALITY_GROUPS)) - {"reference_1600"}


def test_holes_are_the_same_each_time_and_lie_in_the_picture():
    sources = ("chelsea", "tiles")
    drawn, again = (list(holes_of("tune", None, sources)) for _ in range(2))
    assert [one.removal.name for one in drawn] == [
        "chelsea_leash", "chelsea_leash 0", "tiles_cushion", "tiles_cushion 0",
    ]  # fmt: skip
    for one, other in zip(drawn, again, strict=True):
        np.testing.assert_array_equal(one.removal.hole, other.removal.hole)
        outside = one.removal.hole == 0
        area = np.count_nonzero(one.removal.hole)
        assert area <= OWN_PX
        if one.removal.name.endswith(" 0"):
            truth = one.removal.truth
            np.testing.assert_array_equal(one.removal.photo[outside], truth[outside])
            assert 0.9 * AREA_PX[0] <= area <= AREA_PX[1]
            inner = one.removal.hole[MARGIN_PX:-MARGIN_PX, MARGIN_PX:-MARGIN_PX]
            assert np.count_nonzero(inner) == area


def test_a_searchs_candidates_differ_and_are_scored_by_the_truth(found):
    assert [row.variation for row in found.one_stage][:1] == ["undiffused"]
    assert len(found.one_stage) == len(found.two_stages) == CANDIDATES
    assert (
        found.two_stages[: TWO_STAGES.k_global]
        == tuple(
            replace(row, scores=other.scores)
            for row, other in zip(found.one_stage, found.two_stages, strict=True)
        )[: TWO_STAGES.k_global]
    )
    children = found.two_stages[TWO_STAGES.k_global :]
    assert {row.variation for row in children} == {"worst_part"}
    assert len({row.look for row in found.one_stage}) == CANDIDATES
    assert 0 < found.oracle <= min(found.one, found.chosen)
    assert found.searched_oracle <= found.searched
    assert found.best_of[0] == 0
    assert found.best_of[-1] == max(
        range(CANDIDATES), key=lambda n: found.one_stage[n].scores["potential"]
    )


def test_finished_candidates_are_not_made_again(found, kept, monkeypatch):
    def never(*given: object) -> None:
        raise AssertionError("made again")

    monkeypatch.setattr(candidates, "propose", never)
    again = search_hole(tiny_hole(1), kept)
    assert [row.look for row in again.one_stage] == [row.look for row in found.one_stage]
    assert (again.best_of, again.winner) == (found.best_of, found.winner)
    with pytest.raises(AssertionError, match="made again"):
        search_hole(tiny_hole(2), kept)


def test_the_two_stages_find_what_candidate_search_finds(found):
    removal = tiny_hole(1).removal
    profile = load_profile("embedded")
    params = SearchParams(
        engine="patch", k_global=4, m_global=2, k_local=2, dilate_px=0, protect="none"
    )
    request = search_request({"IMAGE": removal.photo, "MASK": removal.hole}, params)
    models = LocalModels(profile)
    working = search(request, Deployment(profile), models, Control(params.deadline_ms))
    result = asyncio.run(working)
    assert result.report.best == found.winner
    assert look(result.image, removal.truth, removal.hole) == pytest.approx(found.searched)


@pytest.mark.slow
def test_a_run_writes_tables_of_what_it_found(kept, tmp_path, monkeypatch):
    def tiny(part: str, photos: Path | None, only: tuple[str, ...]) -> list[Hole]:
        assert photos is None
        return [tiny_hole(1)] if part == "tune" else []

    monkeypatch.setattr(command, "holes_of", tiny)
    arguments = ["--kept", str(kept), "--out", str(tmp_path)]
    result = CliRunner().invoke(command.main, arguments)
    assert result.exit_code == 0, result.output
    content = json.loads((tmp_path / "search.json").read_text())
    (part,) = content["parts"].values()
    looks = {name: figure["value"] for name, figure in part["looks"].items()}
    assert looks["best of 8 by the truth"] <= looks["best of 8 by the potential"]
    assert part["cpu_seconds"]["one try"] < part["cpu_seconds"]["best of 8 by the potential"]
    page = (tmp_path / "search.md").read_text()
    assert f"| one try | {looks['one try']:.4f} (" in page
    assert content["provenance"]["versions"]["stlpips-pytorch"]


def test_a_photo_that_is_not_in_the_split_is_an_error():
    result = CliRunner().invoke(command.main, ["--only", "nowhere"])
    assert result.exit_code == 2
    assert "expected a photo of split.toml, got nowhere" in result.output


@pytest.mark.parametrize(
    ("scores", "looks", "expected"),
    [
        ([3, 2, 1], [0.1, 0.2, 0.3], 1.0),
        ([1, 2, 3], [0.1, 0.2, 0.3], -1.0),
        ([5, 5, 5], [0.1, 0.2, 0.3], 0.0),
        # By hand: ranks 0.5, 0.5, 2 and 1, 0, 2.
        ([1, 1, 2], [0.2, 0.3, 0.1], np.sqrt(3) / 2),
    ],
)
def test_rank_correlation_is_spearmans(scores, looks, expected):
    assert rank_correlation(scores, looks) == pytest.approx(expected)


def test_holes_that_are_always_filled_the_same_have_no_rank_correlation():
    assert rank_correlation([1, 2], [0.1, 0.1]) is None


def test_holes_of_one_photo_do_not_narrow_the_interval():
    values = [0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0]
    apart = bootstrap(mean, [str(n) for n in range(8)], values)
    alike = bootstrap(mean, ["a"] * 4 + ["b"] * 4, values)
    assert apart.value == alike.value == 0.5
    assert alike.high - alike.low == 1.0 > apart.high - apart.low


def test_the_gap_is_closed_by_the_oracle_and_not_by_one_try():
    one, oracle = np.array([0.3, 0.5]), np.array([0.2, 0.3])
    assert gap_closed(one, oracle, oracle) == pytest.approx(1.0)
    assert gap_closed(one, one, oracle) == 0.0
    assert gap_closed(one, (one + oracle) / 2, oracle) == pytest.approx(0.5)


def test_the_curve_begins_with_one_try_and_the_oracle_only_falls(found):
    curve = by_count([found])
    assert [count for count, _ in curve] == list(range(1, CANDIDATES + 1))
    assert curve[0][1] == pytest.approx((found.one,) * 3)
    best = [oracle for _, (_, _, oracle) in curve]
    assert best == sorted(best, reverse=True)
    assert best[-1] == found.oracle


def test_measures_count_the_other_way_round(found):
    rows = tuple(
        replace(row, scores={"potential": -row.look, "seam": row.look, "tone": -row.look})
        for row in found.one_stage
    )
    ranks = correlations([replace(found, one_stage=rows)])
    assert ranks["potential"][0].value == pytest.approx(1.0)
    assert ranks["seam"][0].value == pytest.approx(1.0)
    assert ranks["tone"][0].value == pytest.approx(-1.0)
