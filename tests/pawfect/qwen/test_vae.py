"""Encoded pictures against the pipelines' own preparation, draw by draw, and decoded latents."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pawfect.contract.errors import ErrorKind
from pawfect.qwen.vae import Vae
from tests.refusals import refusal

HOW = {"device": "cpu", "dtype": "float32", "tile_px": 0}


def preprocessed(pipeline, image: np.ndarray) -> torch.Tensor:
    height, width = image.shape[:2]
    return pipeline.image_processor.preprocess(Image.fromarray(image), height, width)[:, :, None]


def packed(pipeline, planes: torch.Tensor) -> np.ndarray:
    """Return [T, 64] of [1, 16, 1, h, w]."""
    return pipeline._pack_latents(planes, 1, 16, *planes.shape[-2:])[0].numpy()


@pytest.mark.parametrize("size", [(64, 64), (48, 112)])
@pytest.mark.parametrize("seed", [0, 2**63 - 1])
def test_encoding_equals_the_pipelines_preparation(parts, pipelines, photo, size, seed):
    image = photo(*size)
    pipeline = pipelines("edit")
    with torch.no_grad():
        noise, prior = pipeline.prepare_latents(
            preprocessed(pipeline, image),
            *(1, 16, *size, torch.float32, "cpu", torch.Generator("cpu").manual_seed(seed)),
        )
    encoded = parts("edit").vae.encode(image, seed)
    assert encoded.latents.dtype == encoded.prior.dtype == np.float32
    np.testing.assert_array_equal(encoded.latents, noise[0].numpy())
    np.testing.assert_allclose(encoded.prior, prior[0].numpy(), atol=1e-6)


def test_a_sampled_picture_equals_the_inpainting_pipelines_preparation(parts, pipelines, photo):
    image = photo(48, 64)
    pipeline = pipelines("inpaint")
    generator = torch.Generator("cpu").manual_seed(4)
    with torch.no_grad():
        prior = pipeline._encode_vae_image(preprocessed(pipeline, image), generator)
    noise = torch.randn(prior.shape, generator=generator)
    encoded = parts("edit").vae.encode(image, 4, sampled=True)
    np.testing.assert_array_equal(encoded.latents, packed(pipeline, noise))
    np.testing.assert_allclose(encoded.prior, packed(pipeline, prior), atol=1e-6)
    assert np.abs(encoded.prior - parts("edit").vae.encode(image, 4).prior).max() > 0.1


@pytest.mark.parametrize("sampled", [False, True])
def test_noise_turned_by_a_right_angle_is_the_other_seeds(parts, photo, sampled):
    image, vae = photo(32, 48), parts("edit").vae
    own, other = (vae.encode(image, seed, sampled=sampled) for seed in (1, 2))
    turned = vae.encode(image, 1, (2, math.pi / 2), sampled=sampled)
    np.testing.assert_allclose(turned.latents, other.latents, atol=1e-6)
    np.testing.assert_array_equal(turned.prior, own.prior)
    half = vae.encode(image, 1, (2, math.pi / 4), sampled=sampled).latents
    expected = (own.latents + other.latents) * math.sqrt(0.5)
    np.testing.assert_allclose(half, expected, atol=1e-6)


def test_decoding_equals_the_pipelines(parts, pipelines):
    latents = np.random.default_rng(4).standard_normal((3 * 5, 64), np.float32)
    pipeline = pipelines("edit")
    config = pipeline.vae.config
    mean, std = (
        torch.tensor(values).view(1, 16, 1, 1, 1)
        for values in (config.latents_mean, config.latents_std)
    )
    planes = pipeline._unpack_latents(torch.tensor(latents)[None], 48, 80, 8)
    with torch.no_grad():
        decoded = pipeline.vae.decode(planes / (1.0 / std) + mean).sample[:, :, 0]
    expected = np.array(pipeline.image_processor.postprocess(decoded)[0])
    ours = parts("edit").vae.decode(latents, (3, 5))
    assert ours.shape == (48, 80, 3)
    assert np.abs(ours.astype(int) - expected).max() <= 1
    assert (ours != expected).mean() < 1e-3


def test_large_pictures_go_through_in_tiles_and_small_ones_whole(folders, parts, photo):
    tiled, whole = Vae.load(folders["edit"], **HOW | {"tile_px": 64}), parts("edit").vae
    sizes = []
    for part in (tiled.module.encoder, tiled.module.decoder):
        part.register_forward_hook(lambda _, given, __: sizes.append(given[0].shape[3:]))
    small = photo(64, 64)
    np.testing.assert_array_equal(tiled.encode(small, 1).prior, whole.encode(small, 1).prior)
    assert sizes == [(64, 64)]
    sizes.clear()
    large = photo(160, 96)
    encoded = tiled.encode(large, 1)
    assert encoded.prior.shape == encoded.latents.shape == (60, 64)
    assert len(sizes) == 4 * 2
    assert max(max(size) for size in sizes) == 64
    sizes.clear()
    picture = tiled.decode(encoded.prior, (10, 6))
    assert picture.shape == (160, 96, 3)
    assert len(sizes) == 4 * 2
    assert max(max(size) for size in sizes) == 8


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_stays_near_single(folders, parts, photo, dtype):
    vae, image = Vae.load(folders["edit"], **HOW | {"dtype": dtype}), photo(64, 64)
    half, whole = (v.encode(image, 1) for v in (vae, parts("edit").vae))
    np.testing.assert_array_equal(half.latents, whole.latents)
    assert np.abs(half.prior - whole.prior).max() < {"float16": 0.01, "bfloat16": 0.1}[dtype]
    pictures = [v.decode(whole.prior, (4, 4)).astype(int) for v in (vae, parts("edit").vae)]
    assert np.abs(pictures[0] - pictures[1]).mean() < 4


IMAGE = np.zeros((64, 48, 3), np.uint8)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"image": IMAGE[:60]}, "IMAGE: expected sides that are multiples of 16 px, got 48x60"),
        ({"image": IMAGE.astype(np.float32)}, "IMAGE: expected uint8"),
        ({"image": IMAGE[..., 0]}, "IMAGE: expected uint8"),
        ({"seed": -1}, "SEED: expected 0 to"),
        ({"toward": (-1, 0.5)}, "TOWARD_SEED: expected 0 to"),
        ({"toward": (1, 1.6)}, "ANGLE: expected 0 to 1.5708"),
    ],
)
def test_wrong_pictures_and_seeds_are_refused(parts, change, says):
    given = {"image": IMAGE, "seed": 0} | change
    assert says in refusal(ErrorKind.INVALID_ARG, parts("edit").vae.encode, **given)


@pytest.mark.parametrize(
    ("latents", "grid", "says"),
    [
        (np.zeros((12, 63), np.float32), (3, 4), "LATENTS: expected shape [T, 64]"),
        (np.zeros((12, 64), np.float32), (3, 5), "LATENTS: expected 15 tokens"),
        (np.full((12, 64), np.nan, np.float32), (3, 4), "LATENTS: expected finite"),
        (np.zeros((12, 64), np.float32), (-3, -4), "GRID: expected positive"),
    ],
)
def test_wrong_latents_are_refused(parts, latents, grid, says):
    decode = parts("edit").vae.decode
    assert says in refusal(ErrorKind.INVALID_ARG, decode, latents, grid)


@pytest.mark.parametrize(
    ("name", "change", "says"),
    [
        ("config.json", {"z_dim": 8}, "z_dim: expected 16, got 8"),
        ("config.json", {"_class_name": "AutoencoderKL"}, "got AutoencoderKL"),
        ("config.json", {"latents_std": [1.0]}, "latents_std: expected 16"),
        (
            "config.json",
            {"temperal_downsample": [False, True], "dim_mult": [1, 2, 4]},
            "expected 8 px per latents pixel",
        ),
        ("config.json", {"base_dim": 16}, "mis-shaped"),
        ("diffusion_pytorch_model.safetensors", None, "expected diffusion_pytorch_model"),
    ],
)
def test_a_missing_or_damaged_file_is_unavailable(folders, tmp_path, name, change, says):
    folder = Path(shutil.copytree(folders["edit"], tmp_path / "qwen"))
    path = folder / "vae" / name
    if change is None:
        path.unlink()
    else:
        path.write_text(json.dumps(json.loads(path.read_text()) | change))
    message = refusal(ErrorKind.UNAVAILABLE, Vae.load, folder, **HOW)
    assert says in message
    assert str(tmp_path) not in message
