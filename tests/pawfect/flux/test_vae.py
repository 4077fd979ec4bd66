"""Encoded windows against FluxFillPipeline's own preparation, draw by draw."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.diffusion.autoencoder import MAX_ANGLE
from pawfect.diffusion.tokens import unpack
from pawfect.flux.vae import Vae
from tests.refusals import refusal


def by_pipeline(pipeline, image, mask, seed, start=None):
    """Return latents, condition and prior of the pipeline's own methods in its own order."""
    height, width = mask.shape
    generator = torch.Generator("cpu").manual_seed(seed)
    start = image if start is None else start

    def preprocessed(picture):
        return pipeline.image_processor.preprocess(Image.fromarray(picture), height, width)

    shape = (1, 16, height // 8, width // 8)
    with torch.no_grad():
        prior = pipeline._encode_vae_image(preprocessed(start), generator)
        noise = torch.randn(shape, generator=generator)
        hole = pipeline.mask_processor.preprocess(Image.fromarray(mask), height, width)
        packed_mask, masked = pipeline.prepare_mask_latents(
            hole,
            preprocessed(image) * (1 - hole),
            *(1, 16, 1, height, width, torch.float32, "cpu", generator),
        )
    pack = pipeline._pack_latents
    size = (1, 16, *shape[2:])
    return (
        pack(noise, *size)[0].numpy(),
        torch.cat((masked, packed_mask), dim=-1)[0].numpy(),
        pack(prior, *size)[0].numpy(),
    )


@pytest.mark.parametrize("size", [(64, 64), (48, 112)])
@pytest.mark.parametrize("seed", [0, 1, 2**63 - 1])
def test_encoding_equals_the_pipelines_preparation(parts, pipeline, scene, size, seed):
    image, mask = scene(*size)
    prefill = scene(*size, seed=2)[0]
    latents, condition, prior = by_pipeline(pipeline, image, mask, seed, prefill)
    encoded = parts.vae.encode(image, mask, seed, prefill)
    for ours, theirs in (
        (encoded.latents, latents),
        (encoded.condition, condition),
        (encoded.prior, prior),
    ):
        assert ours.dtype == np.float32
        np.testing.assert_array_equal(ours, theirs)


def test_a_prefill_changes_nothing_but_the_prior(parts, scene):
    image, mask = scene(64, 64)
    alone, filled = (parts.vae.encode(image, mask, 3, prefill) for prefill in (None, image))
    assert alone.prior is None
    np.testing.assert_array_equal(alone.latents, filled.latents)
    np.testing.assert_array_equal(alone.condition, filled.condition)


def test_nothing_is_encoded_twice(flux_folder, scene):
    vae = Vae.load(flux_folder, device="cpu", dtype="float32", tile_px=0)
    seen = []
    vae.module.encoder.register_forward_hook(lambda _, given, __: seen.append(given[0]))
    image, mask = scene(64, 64)
    vae.encode(image, mask, 1)
    assert len(seen) == 1
    # The hole is mid-grey, the rest untouched.
    assert (seen[0][0].permute(1, 2, 0)[torch.tensor(mask >= 128)] == 0).all()
    vae.encode(image, mask, 1, image)
    assert len(seen) == 3


def test_what_the_hole_hid_is_not_in_the_condition(parts, scene):
    image, mask = scene(64, 64)
    other = np.where(mask[..., None] >= 128, 255 - image, image)
    one, two = (parts.vae.encode(picture, mask, 5).condition for picture in (image, other))
    np.testing.assert_array_equal(one, two)


def test_mask_values_from_128_up_mean_fill(parts, scene):
    image, mask = scene(64, 64)
    hard = np.where(mask >= 128, 255, 0).astype(np.uint8)
    soft, firm = (parts.vae.encode(image, m, 5).condition for m in (mask, hard))
    np.testing.assert_array_equal(soft, firm)
    assert set(np.unique(soft[:, 64:])) == {0, 1}


def test_decoding_equals_the_pipelines(parts, pipeline):
    latents = np.random.default_rng(4).standard_normal((3 * 5, 64), np.float32)
    unpacked = pipeline._unpack_latents(torch.tensor(latents)[None], 48, 80, 8)
    config = pipeline.vae.config
    with torch.no_grad():
        decoded = pipeline.vae.decode(unpacked / config.scaling_factor + config.shift_factor).sample
    expected = np.array(pipeline.image_processor.postprocess(decoded)[0])
    ours = parts.vae.decode(latents, (3, 5))
    assert ours.shape == (48, 80, 3)
    np.testing.assert_array_equal(ours, expected)


def test_large_windows_go_through_in_tiles_and_small_ones_whole(flux_folder, parts, scene):
    tiled = Vae.load(flux_folder, device="cpu", dtype="float32", tile_px=64)
    sizes = []
    tiled.module.encoder.register_forward_hook(lambda _, g, __: sizes.append(g[0].shape[2:]))
    tiled.module.decoder.register_forward_hook(lambda _, g, __: sizes.append(g[0].shape[2:]))
    image, mask = scene(64, 64)
    whole = tiled.encode(image, mask, 1)
    np.testing.assert_array_equal(whole.condition, parts.vae.encode(image, mask, 1).condition)
    assert sizes == [(64, 64)]
    sizes.clear()
    image, mask = scene(160, 96)
    encoded = tiled.encode(image, mask, 1, image)
    assert encoded.condition.shape == (60, 320)
    assert encoded.prior.shape == encoded.latents.shape == (60, 64)
    assert len(sizes) == 2 * 4 * 2
    assert max(max(size) for size in sizes) == 64
    sizes.clear()
    picture = tiled.decode(encoded.prior, (10, 6))
    assert picture.shape == (160, 96, 3)
    assert max(max(size) for size in sizes) == 8
    # diffusers' tiles, blended its way.
    expected = tiled.module.tiled_decode(
        torch.tensor(unpack(encoded.prior, (10, 6)))[None] / 0.3611 + 0.1159
    ).sample[0]
    levels = (expected * 0.5 + 0.5).clamp(0, 1).permute(1, 2, 0).detach().numpy()
    np.testing.assert_array_equal(picture, (levels * 255).round().astype(np.uint8))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_stays_near_single(flux_folder, parts, scene, dtype):
    vae = Vae.load(flux_folder, device="cpu", dtype=dtype, tile_px=0)
    image, mask = scene(64, 64)
    half, whole = (v.encode(image, mask, 1, image) for v in (vae, parts.vae))
    np.testing.assert_array_equal(half.latents, whole.latents)
    assert half.prior.dtype == np.float32
    assert np.abs(half.prior - whole.prior).max() < {"float16": 0.01, "bfloat16": 0.1}[dtype]
    difference = vae.decode(whole.prior, (4, 4)).astype(int) - parts.vae.decode(whole.prior, (4, 4))
    assert np.abs(difference).mean() < 4


IMAGE = np.zeros((64, 48, 3), np.uint8)
MASK = np.zeros((64, 48), np.uint8)


@pytest.mark.parametrize(
    ("image", "mask", "seed", "prefill", "says"),
    [
        (IMAGE[:63], MASK[:63], 0, None, "IMAGE: expected sides that are multiples of 16"),
        (IMAGE[:0], MASK[:0], 0, None, "IMAGE: expected sides"),
        (IMAGE[..., :1], MASK, 0, None, "IMAGE: expected uint8 [64, 48, 3]"),
        (IMAGE[..., 0], MASK, 0, None, "IMAGE: expected uint8"),
        (IMAGE / 255, MASK, 0, None, "got float64"),
        (IMAGE, MASK.T, 0, None, "MASK: expected uint8 [64, 48], got uint8 [48, 64]"),
        (IMAGE, MASK > 0, 0, None, "got bool"),
        (IMAGE, MASK, -1, None, "SEED: expected 0 to"),
        (IMAGE, MASK, 2**63, None, "SEED: expected 0 to"),
        (IMAGE, MASK, 0, IMAGE[:48], "PREFILL: expected uint8 [64, 48, 3]"),
        (IMAGE, MASK, 0, MASK, "PREFILL: expected"),
    ],
)
def test_bad_windows_are_named(parts, image, mask, seed, prefill, says):
    assert says in refusal(ErrorKind.INVALID_ARG, parts.vae.encode, image, mask, seed, prefill)


def test_noise_turns_from_one_seeds_to_anothers_and_stays_normal(parts, scene):
    image, mask = scene(128, 128)
    own, other = (parts.vae.encode(image, mask, seed) for seed in (3, 8))
    turned = {
        angle: parts.vae.encode(image, mask, 3, None, (8, angle))
        for angle in (0.0, 0.3, np.pi / 4, MAX_ANGLE)
    }
    np.testing.assert_array_equal(turned[0.0].latents, own.latents)
    np.testing.assert_allclose(turned[MAX_ANGLE].latents, other.latents, atol=1e-6)
    for angle, encoded in turned.items():
        # The condition is the photo's, drawn by the first seed alone.
        np.testing.assert_array_equal(encoded.condition, own.condition)
        assert abs(encoded.latents.std() - 1) < 0.05
        likeness = np.corrcoef(encoded.latents.ravel(), own.latents.ravel())[0, 1]
        assert abs(likeness - np.cos(angle)) < 0.05


@pytest.mark.parametrize(
    ("toward", "says"),
    [
        ((-1, 0.1), "TOWARD_SEED: expected 0 to"),
        ((1, -0.1), "ANGLE: expected 0 to 1.5708"),
        ((1, 1.6), "ANGLE: expected 0 to 1.5708"),
        ((1, float("nan")), "ANGLE: expected 0 to"),
    ],
)
def test_noise_that_cannot_be_turned_so_is_named(parts, toward, says):
    assert says in refusal(ErrorKind.INVALID_ARG, parts.vae.encode, IMAGE, MASK, 0, None, toward)


@pytest.mark.parametrize(
    ("latents", "grid", "says"),
    [
        (np.zeros((12, 64), np.float32), (3, 5), "LATENTS: expected 15 tokens"),
        (np.zeros((12, 60), np.float32), (3, 4), "LATENTS: expected shape [T, 64]"),
        (np.zeros((1, 12, 64), np.float32), (3, 4), "LATENTS: expected shape"),
        (np.zeros((0, 64), np.float32), (0, 4), "GRID: expected positive"),
        (np.full((12, 64), np.nan, np.float32), (3, 4), "LATENTS: expected finite"),
        (np.full((12, 64), np.inf, np.float32), (3, 4), "LATENTS: expected finite"),
    ],
)
def test_bad_latents_are_named(parts, latents, grid, says):
    assert says in refusal(ErrorKind.INVALID_ARG, parts.vae.decode, latents, grid)


def test_an_overflow_inside_is_an_error_and_no_picture(flux_folder):
    vae = Vae.load(flux_folder, device="cpu", dtype="float16", tile_px=0)
    latents = np.full((12, 64), 1e5, np.float32)
    assert "overflow" in refusal(ErrorKind.INTERNAL, vae.decode, latents, (3, 4))


@pytest.mark.parametrize("tile_px", [-32, 48, 100])
def test_tiles_that_would_not_meet_are_refused(flux_folder, tile_px):
    with pytest.raises(PawfectError, match="multiple of 32"):
        Vae.load(flux_folder, device="cpu", dtype="float32", tile_px=tile_px)
