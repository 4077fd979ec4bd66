"""The parts of the fill engine against oracles: solvers, correspondences, grain, choice."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from pawfect.patch import candidates, correspond, slopes
from pawfect.patch.candidates import Candidate
from pawfect.patch.choice import detail_ratio, disagreement, rehearsals, source_detail_ratio
from pawfect.patch.correspond import Correspondence
from pawfect.patch.heal import heal
from pawfect.patch.kinship import FINE, fine_detail, foreign
from pawfect.patch.level import Level, pyramid
from pawfect.picture.grain import noise_level, residual, sample_grain
from tests.pawfect.patch.textures import slope, square, stones


def level_of(image: np.ndarray, hole: np.ndarray, banned: np.ndarray | None = None) -> Level:
    nothing = np.zeros_like(hole)
    known = ~hole if banned is None else ~hole & ~banned
    detail = fine_detail(image, known, FINE[0])
    return Level(image, hole, nothing if banned is None else banned, nothing, detail)


def test_search_finds_the_place_that_a_piece_was_cut_from():
    image = stones(90, 120, size=1.5).astype(np.float32)
    hole = np.zeros((90, 120), np.bool_)
    hole[30:50, 20:40] = True
    image[27:53, 17:43] = image[27:53, 77:103]
    level = level_of(image.astype(np.uint8), hole)
    allowed = correspond.sources(level)
    rng = np.random.default_rng(0)
    start = correspond.anywhere(level, allowed, rng)
    found = correspond.search(image, start, allowed, rng, rounds=8, radius=60, strides=(8, 3, 1))
    rows, columns = np.divmod(found.targets, 120)
    right = (found.rows == rows) & (found.columns == columns + 60)
    assert right.mean() > 0.9


def test_sources_keep_off_holes_banned_pixels_and_the_border():
    hole, banned = square(40, 10, 16), square(40, 26, 30)
    allowed = correspond.sources(level_of(np.zeros((40, 40, 3), np.uint8), hole, banned))
    reach = correspond.RADIUS
    for y, x in np.argwhere(allowed):
        patch = (slice(y - reach, y + reach + 1), slice(x - reach, x + reach + 1))
        assert min(y, x) >= reach
        assert max(y, x) < 40 - reach
        assert not hole[patch].any()
        assert not banned[patch].any()


def shift_of(hole: np.ndarray, dy: int, dx: int) -> Correspondence:
    targets = np.flatnonzero(hole)
    rows, columns = np.divmod(targets, hole.shape[1])
    return Correspondence(
        (hole.shape[0], hole.shape[1]),
        targets,
        (rows + dy).astype(np.int32),
        (columns + dx).astype(np.int32),
    )


def test_votes_of_one_shift_are_an_exact_copy():
    image = stones(60, 90).astype(np.float32)
    hole = np.zeros((60, 90), np.bool_)
    hole[20:40, 10:30] = True
    voted = correspond.vote(image, shift_of(hole, 3, 40), radius=2, sigma=1.0)
    np.testing.assert_allclose(voted, image[23:43, 50:70].reshape(-1, 3), atol=1e-3)


def test_a_shift_is_twice_as_far_at_twice_the_size():
    coarse_hole = np.zeros((40, 60), np.bool_)
    coarse_hole[10:20, 10:20] = True
    fine_hole = np.zeros((80, 120), np.bool_)
    fine_hole[20:40, 20:40] = True
    fine = level_of(stones(80, 120), fine_hole)
    found = correspond.upscaled(
        shift_of(coarse_hole, 5, 20), fine, correspond.sources(fine), np.random.default_rng(0)
    )
    rows, columns = np.divmod(found.targets, 120)
    np.testing.assert_array_equal(found.rows - rows, 10)
    np.testing.assert_array_equal(found.columns - columns, 40)


def test_healing_levels_the_step_between_two_copies_and_keeps_their_detail():
    texture = stones(120, 120, size=1.5).astype(np.float32) * 0.2 + 80
    image = texture.copy()
    image[:, 70:] += 20
    hole = np.zeros((120, 120), np.bool_)
    hole[40:80, 20:60] = True
    targets = np.flatnonzero(hole)
    rows, columns = np.divmod(targets, 120)
    shift = np.where(columns < 40, 0, 45)
    down = np.where(columns < 40, -35, 0)
    found = Correspondence(
        (120, 120), targets, (rows + down).astype(np.int32), (columns + shift).astype(np.int32)
    )
    image.reshape(-1, 3)[targets] = image[found.rows, found.columns]
    healed = heal(image, hole, ~hole, found)
    np.testing.assert_array_equal(healed[~hole], image[~hole])
    before = abs(float(image[45:75, 40:43].mean() - image[45:75, 37:40].mean()))
    after = abs(float(healed[45:75, 40:43].mean() - healed[45:75, 37:40].mean()))
    assert before > 15
    assert after < 0.35 * before


def test_sampled_grain_has_the_strength_and_colour_of_its_ring():
    rng = np.random.default_rng(1)
    common = rng.normal(0, 5, (160, 160, 1))
    image = np.clip(np.rint(120 + common * np.array([1.0, 0.8, 0.5])), 0, 255).astype(np.uint8)
    everywhere = np.ones((160, 160), np.bool_)
    grain = sample_grain(image, everywhere, (160, 160), np.random.default_rng(2))
    measured = residual(image, everywhere).reshape(-1, 3).std(0)
    np.testing.assert_allclose(grain.reshape(-1, 3).std(0), measured, rtol=0.15)
    assert np.corrcoef(grain[..., 0].ravel(), grain[..., 2].ravel())[0, 1] > 0.9
    assert abs(float(grain.mean())) < 0.3


def test_noise_is_read_where_the_picture_is_calm():
    image = slope(200, 200, noise=3.0)
    image[:100] = stones(100, 200, size=1.0)
    everywhere = np.ones((200, 200), np.bool_)
    calm = np.zeros((200, 200), np.bool_)
    calm[120:] = True
    assert noise_level(image, everywhere) == pytest.approx(noise_level(image, calm), rel=0.15)
    assert noise_level(image, np.zeros((200, 200), np.bool_)) == 0


def test_what_is_out_of_focus_is_foreign_to_a_hole_in_sharp_texture():
    image = stones(240, 240, size=1.0)
    image[:80] = stones(80, 240, seed=4, size=8.0)
    hole = square(240, 130, 180)
    details = [fine_detail(image, ~hole, sigma) for sigma in FINE]
    unlike = foreign(details, hole, ~hole, 50.0)
    assert unlike[:60].mean() > 0.9
    assert unlike[110:].mean() < 0.05


def test_nothing_is_foreign_where_too_little_else_would_be_left():
    image = stones(100, 100, size=6.0)
    hole = square(100, 12, 88)
    image[8:92, 8:92] = stones(84, 84, size=0.7)
    details = [fine_detail(image, ~hole, sigma) for sigma in FINE]
    assert not foreign(details, hole, ~hole, 76.0).any()


def test_rehearsals_lie_apart_in_known_surroundings():
    hole, banned = square(240, 90, 150), np.zeros((240, 240), np.bool_)
    banned[:, 200:] = True
    level = level_of(stones(240, 240), hole, banned)
    placed = rehearsals(level)
    assert len(placed) == 2
    assert np.sum(placed, axis=0).max() == 1
    assert not np.logical_or.reduce(placed)[~level.known].any()


def test_there_are_no_rehearsals_where_there_is_no_room():
    assert rehearsals(level_of(stones(100, 100), square(100, 5, 95))) == []


def test_another_sample_of_a_texture_disagrees_less_than_a_flat_blob():
    truth, other = stones(120, 120, seed=0), stones(120, 120, seed=1)
    hole = square(120, 30, 90)
    flat = np.where(hole[..., None], np.uint8(128), truth)
    again = np.where(hole[..., None], other, truth)
    assert disagreement(truth, truth, hole) == pytest.approx(0, abs=1e-6)
    assert disagreement(again, truth, hole) < 0.5 * disagreement(flat, truth, hole)


def test_the_detail_ratio_is_none_for_the_photo_itself_and_negative_for_a_blob():
    image, hole = stones(160, 160, size=3.0), square(160, 50, 110)
    level = level_of(image, hole)
    assert abs(detail_ratio(image, level)) < 0.2
    assert detail_ratio(np.where(hole[..., None], np.uint8(128), image), level) < -0.5


def test_copies_from_out_of_focus_tell_by_their_source():
    image = stones(160, 160, size=1.0)
    image[:, 110:] = stones(160, 50, size=6.0)
    hole = square(160, 50, 90)
    level = level_of(image, hole)
    sharp, soft = shift_of(hole, 50, -30), shift_of(hole, 0, 66)
    assert abs(source_detail_ratio(Candidate(image, sharp), level)) < 0.2
    assert source_detail_ratio(Candidate(image, soft), level) < -1
    assert source_detail_ratio(Candidate(image), level) == 0


def test_shrinking_keeps_the_object_out_of_its_surroundings():
    image = np.full((101, 103, 3), 60, np.uint8)
    hole = np.zeros((101, 103), np.bool_)
    hole[33:68, 31:70] = True
    image[hole] = 255
    small = level_of(image, hole).shrunk(2.7)
    assert (small.image[~small.hole] == 60).all()
    assert small.hole.sum() * 2.7**2 >= hole.sum()


def test_a_pyramid_climbs_by_at_most_two_and_a_half_and_ends_at_the_full_size():
    full = level_of(np.zeros((700, 900, 3), np.uint8), np.zeros((700, 900), np.bool_))
    coarsest = full.shrunk(7.3)
    sides = [max(level.shape) for level in [coarsest, *pyramid(full, coarsest)]]
    assert sides[-1] == 900
    ratios = [b / a for a, b in itertools.pairwise(sides)]
    assert max(ratios) <= 2.5
    assert min(ratios) > 1
    assert pyramid(full, full) == []


def _receding_ground(height: int, width: int) -> np.ndarray:
    """Ground seen in perspective: stripes of grain that grows finer towards the top."""
    rng = np.random.default_rng(2)
    rows = []
    for y in range(height):
        grain = max(1, round(1 + 11 * y / height))
        cells = rng.integers(60, 200, width // grain + 2)
        rows.append(np.repeat(cells, grain)[:width])
    return np.repeat(np.array(rows, np.uint8)[..., None], 3, axis=2)


def test_level_patches_come_from_about_the_same_height():
    image = _receding_ground(160, 260)
    hole = np.zeros((160, 260), np.bool_)
    hole[20:140, 100:160] = True
    level = level_of(image, hole)
    apart = {}
    for fill in (candidates.fill_patches, candidates.fill_level_patches):
        found = fill(level, 0).correspondence
        own_rows = found.targets // found.shape[1]
        apart[fill] = np.abs(found.rows - own_rows).mean()
    assert apart[candidates.fill_level_patches] < 10
    assert apart[candidates.fill_level_patches] < apart[candidates.fill_patches] / 2


def test_the_guide_of_heights_rises_within_what_the_library_compares():
    nothing = np.zeros((40, 30), np.bool_)
    guide = slopes.heights(level_of(np.zeros((40, 30, 3), np.uint8), nothing))
    assert guide.shape == (40, 30)
    assert (np.diff(guide[:, 0]) > 0).all()
    assert guide.min() == 0
    assert guide.max() < 0.5
    np.testing.assert_array_equal(guide, np.repeat(guide[:, :1], 30, axis=1))
