"""Tokens against the packing of FluxFillPipeline, and previews against their formula."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from diffusers.pipelines.flux.pipeline_flux_fill import FluxFillPipeline
from hypothesis import given
from hypothesis import strategies as st

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.diffusion.preview import estimate, preview
from pawfect.diffusion.tokens import check_grid, pack, token_grid, unpack
from pawfect.flux.chain import FLUX
from pawfect.flux.condition import pack_mask
from tests.refusals import refusal

grids = st.tuples(st.integers(1, 6), st.integers(1, 6))


def planes(channels: int, rows: int, columns: int) -> np.ndarray:
    shape = (channels, 2 * rows, 2 * columns)
    return np.arange(np.prod(shape), dtype=np.float32).reshape(shape)


@given(grids)
def test_packing_equals_the_pipelines_and_unpacking_undoes_it(grid):
    latents = planes(16, *grid)
    height, width = latents.shape[1:]
    theirs = FluxFillPipeline._pack_latents(torch.tensor(latents)[None], 1, 16, height, width)
    ours = pack(latents)
    np.testing.assert_array_equal(ours, theirs[0].numpy())
    np.testing.assert_array_equal(unpack(ours, grid), latents)
    unpacked = FluxFillPipeline._unpack_latents(theirs, 8 * height, 8 * width, 8)
    np.testing.assert_array_equal(unpack(ours, grid), unpacked[0].numpy())


@given(grids)
def test_the_packed_mask_keeps_every_pixel_of_each_token(grid):
    rows, columns = grid
    mask = planes(1, 8 * rows, 8 * columns)[0]
    packed = pack_mask(mask)
    assert packed.shape == (rows * columns, 256)
    for row in range(rows):
        for column in range(columns):
            block = mask[16 * row : 16 * row + 16, 16 * column : 16 * column + 16]
            token = packed[row * columns + column]
            # By pixel of an 8x8 cell first, then by cell of the token's 2x2.
            cells = block.reshape(2, 8, 2, 8).transpose(1, 3, 0, 2)
            np.testing.assert_array_equal(token, cells.ravel())


def test_the_packed_mask_equals_the_pipelines(pipeline, scene):
    mask = (scene(48, 80)[1] >= 128).astype(np.float32)
    theirs, _ = pipeline.prepare_mask_latents(
        torch.tensor(mask)[None, None],
        torch.zeros(1, 16, 6, 10),
        *(1, 16, 1, 48, 80, torch.float32, "cpu", None),
    )
    np.testing.assert_array_equal(pack_mask(mask), theirs[0].numpy())


def test_a_picture_of_512_by_768_px_is_1536_tokens():
    rows, columns = token_grid(512, 768)
    assert (rows, columns, rows * columns) == (32, 48, 1536)


@pytest.mark.parametrize("size", [(0, 64), (64, 0), (72, 64), (64, 65), (-16, 64)])
def test_sides_that_are_no_multiples_of_16_are_refused(size):
    assert "multiples of 16 px" in refusal(ErrorKind.INVALID_ARG, token_grid, *size)


@pytest.mark.parametrize(("tokens", "grid"), [(7, (2, 3)), (0, (0, 3)), (6, (-2, -3))])
def test_tokens_that_do_not_fill_the_grid_are_refused(tokens, grid):
    with pytest.raises(PawfectError, match="expected"):
        check_grid(tokens, grid, "LATENTS")


def test_a_preview_pixel_is_its_latents_through_the_published_factors():
    rng = np.random.default_rng(5)
    latents = (4 * rng.standard_normal((16, 6, 8))).astype(np.float32)
    colours = FLUX.colours
    picture = preview(pack(latents), (3, 4), colours)
    assert picture.shape == (6, 8, 3)
    assert picture.dtype == np.uint8
    for row, column in np.ndindex(6, 8):
        rgb = (
            sum(latents[c, row, column] * FLUX.colours.factors[c] for c in range(16))
            + FLUX.colours.bias
        )
        expected = np.clip((rgb + 1) * 127.5, 0, 255)
        assert np.abs(picture[row, column] - expected).max() <= 0.51


def test_a_preview_survives_latents_that_overflowed():
    latents = np.full((4, 64), np.nan, np.float32)
    assert set(preview(latents, (2, 2), FLUX.colours).ravel()) == {128}


def test_the_estimate_drops_the_noise_at_any_level():
    rng = np.random.default_rng(1)
    clean, noise = (rng.standard_normal((6, 64), np.float32) for _ in range(2))
    for sigma in (1.0, 0.7, 0.05):
        noisy = np.float32(sigma) * noise + np.float32(1 - sigma) * clean
        found = estimate(noisy, noise - clean, sigma)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, clean, atol=1e-6)


@pytest.mark.parametrize("shape", [(6, 63), (5, 64), (6, 64, 1)])
def test_a_preview_of_misfitting_latents_is_refused(shape):
    given = (np.zeros(shape, np.float32), (2, 3), FLUX.colours)
    assert "LATENTS" in refusal(ErrorKind.INVALID_ARG, preview, *given)
