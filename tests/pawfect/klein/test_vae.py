"""Encoded pictures against Flux2KleinInpaintPipeline's own preparation, draw by draw."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.diffusion.autoencoder import MAX_ANGLE
from pawfect.diffusion.tokens import unpack
from pawfect.klein.vae import Vae
from tests.refusals import refusal


def by_pipeline(pipe, image, seed):
    """Return noise and latents of the inpainting pipeline's own preparation."""
    height, width = image.shape[:2]
    given = pipe.image_processor.preprocess(Image.fromarray(image), height, width)
    generator = torch.Generator("cpu").manual_seed(seed)
    with torch.no_grad():
        _, noise, latents, *_ = pipe.prepare_latents(
            given,
            pipe.scheduler.timesteps[:1],
            *(1, 32, height, width, torch.float32, "cpu", generator),
        )
    return noise[0].numpy(), latents[0].numpy()


@pytest.mark.parametrize("size", [(64, 64), (48, 112)])
@pytest.mark.parametrize("seed", [0, 1, 2**63 - 1])
def test_encoding_equals_the_pipelines_preparation(klein, inpaint_pipeline, scene, size, seed):
    image, _ = scene(*size)
    noise, latents = by_pipeline(inpaint_pipeline, image, seed)
    encoded = klein.vae.encode(image, seed)
    for ours, theirs in ((encoded.latents, noise), (encoded.prior, latents)):
        assert ours.dtype == np.float32
        np.testing.assert_array_equal(ours, theirs)


def test_the_seed_decides_the_noise_and_nothing_of_the_picture(klein, scene):
    image, _ = scene(64, 64)
    one, other = (klein.vae.encode(image, seed) for seed in (3, 4))
    np.testing.assert_array_equal(one.prior, other.prior)
    assert np.abs(one.latents - other.latents).max() > 1


def test_decoding_equals_the_pipelines(klein, pipeline):
    latents = np.random.default_rng(4).standard_normal((3 * 5, 128), np.float32)
    module = pipeline.vae
    spread = torch.sqrt(module.bn.running_var + module.config.batch_norm_eps)
    scaled = torch.tensor(latents) * spread + module.bn.running_mean
    planes = pipeline._unpatchify_latents(scaled.T.reshape(1, 128, 3, 5))
    with torch.no_grad():
        expected = np.array(pipeline.image_processor.postprocess(module.decode(planes).sample)[0])
    ours = klein.vae.decode(latents, (3, 5))
    assert ours.shape == (48, 80, 3)
    np.testing.assert_array_equal(ours, expected)


def test_large_pictures_go_through_in_tiles_and_small_ones_whole(
    klein_folder, klein, pipeline, scene
):
    tiled = Vae.load(klein_folder, device="cpu", dtype="float32", tile_px=64)
    sizes = []
    tiled.module.encoder.register_forward_hook(lambda _, g, __: sizes.append(g[0].shape[2:]))
    tiled.module.decoder.register_forward_hook(lambda _, g, __: sizes.append(g[0].shape[2:]))
    small, large = scene(64, 64)[0], scene(128, 96)[0]
    np.testing.assert_array_equal(tiled.encode(small, 1).prior, klein.vae.encode(small, 1).prior)
    assert sizes == [(64, 64)]
    sizes.clear()
    prior = tiled.encode(large, 1).prior
    assert prior.shape == (48, 128)
    assert len(sizes) > 1
    assert max(max(size) for size in sizes) == 64
    sizes.clear()
    picture = tiled.decode(prior, (8, 6))
    assert picture.shape == (128, 96, 3)
    assert max(max(size) for size in sizes) == 8
    # diffusers' tiles, blended its way.
    planes = tiled.unscaled(torch.tensor(prior), (8, 6))
    with torch.no_grad():
        expected = tiled.module.tiled_decode(planes).sample
    np.testing.assert_array_equal(
        picture, np.array(pipeline.image_processor.postprocess(expected)[0])
    )


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_stays_near_single(klein_folder, klein, scene, dtype):
    vae = Vae.load(klein_folder, device="cpu", dtype=dtype, tile_px=0)
    image, _ = scene(64, 64)
    half, whole = (each.encode(image, 1) for each in (vae, klein.vae))
    np.testing.assert_array_equal(half.latents, whole.latents)
    assert half.prior.dtype == np.float32
    assert np.abs(half.prior - whole.prior).max() < {"float16": 0.02, "bfloat16": 0.2}[dtype]
    difference = vae.decode(whole.prior, (4, 4)).astype(int) - klein.vae.decode(whole.prior, (4, 4))
    assert np.abs(difference).mean() < 4


def test_noise_turns_from_one_seeds_to_anothers_and_stays_normal(klein, scene):
    image, _ = scene(96, 96)
    own, other = (klein.vae.encode(image, seed) for seed in (3, 8))
    for angle in (0.0, 0.3, MAX_ANGLE):
        turned = klein.vae.encode(image, 3, (8, angle))
        np.testing.assert_array_equal(turned.prior, own.prior)
        assert abs(turned.latents.std() - 1) < 0.05
        for latents, part in ((own.latents, np.cos(angle)), (other.latents, np.sin(angle))):
            likeness = np.corrcoef(turned.latents.ravel(), latents.ravel())[0, 1]
            assert abs(likeness - part) < 0.05


IMAGE = np.zeros((64, 48, 3), np.uint8)


@pytest.mark.parametrize(
    ("image", "seed", "toward", "says"),
    [
        (IMAGE[:63], 0, None, "IMAGE: expected sides that are multiples of 16"),
        (IMAGE[:0], 0, None, "IMAGE: expected sides"),
        (IMAGE[..., :1], 0, None, "IMAGE: expected uint8 [64, 48, 3]"),
        (IMAGE[..., 0], 0, None, "IMAGE: expected uint8"),
        (IMAGE / 255, 0, None, "got float64"),
        (IMAGE, -1, None, "SEED: expected 0 to"),
        (IMAGE, 2**63, None, "SEED: expected 0 to"),
        (IMAGE, 0, (-1, 0.1), "TOWARD_SEED: expected 0 to"),
        (IMAGE, 0, (1, 1.6), "ANGLE: expected 0 to 1.5708"),
        (IMAGE, 0, (1, float("nan")), "ANGLE: expected 0 to"),
    ],
)
def test_bad_pictures_and_noise_are_named(klein, image, seed, toward, says):
    assert says in refusal(ErrorKind.INVALID_ARG, klein.vae.encode, image, seed, toward)


@pytest.mark.parametrize(
    ("latents", "grid", "says"),
    [
        (np.zeros((12, 128), np.float32), (3, 5), "LATENTS: expected 15 tokens"),
        (np.zeros((12, 64), np.float32), (3, 4), "LATENTS: expected shape [T, 128]"),
        (np.zeros((0, 128), np.float32), (0, 4), "GRID: expected positive"),
        (np.full((12, 128), np.nan, np.float32), (3, 4), "LATENTS: expected finite"),
    ],
)
def test_bad_latents_are_named(klein, latents, grid, says):
    assert says in refusal(ErrorKind.INVALID_ARG, klein.vae.decode, latents, grid)


def test_an_overflow_inside_is_an_error_and_no_picture(klein_folder):
    vae = Vae.load(klein_folder, device="cpu", dtype="float16", tile_px=0)
    latents = np.full((12, 128), 1e5, np.float32)
    assert "overflow" in refusal(ErrorKind.INTERNAL, vae.decode, latents, (3, 4))


@pytest.mark.parametrize("tile_px", [-32, 48])
def test_tiles_that_would_not_meet_are_refused(klein_folder, tile_px):
    with pytest.raises(PawfectError, match="multiple of 32"):
        Vae.load(klein_folder, device="cpu", dtype="float32", tile_px=tile_px)


def test_the_noise_of_a_token_is_drawn_for_the_token(klein):
    generator = torch.Generator("cpu").manual_seed(5)
    drawn = torch.randn((1, 128, 4, 3), generator=generator)[0]
    latents = klein.vae.encode(IMAGE, 5).latents
    np.testing.assert_array_equal(latents[4], drawn[:, 1, 1].numpy())
    assert unpack(latents, (4, 3)).shape == (32, 8, 6)
