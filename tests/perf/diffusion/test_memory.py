"""Memory by process and how weights are stored: sizes, peaks, bytes as the real modules have."""

from __future__ import annotations

import math
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import gguf
import pytest
import torch
from diffusers.models.attention_dispatch import attention_backend
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.autoencoders.autoencoder_kl_flux2 import AutoencoderKLFlux2
from diffusers.models.autoencoders.autoencoder_kl_qwenimage import AutoencoderKLQwenImage
from diffusers.models.transformers.transformer_flux import FluxTransformer2DModel
from diffusers.models.transformers.transformer_flux2 import Flux2Transformer2DModel
from diffusers.models.transformers.transformer_qwenimage import QwenImageTransformer2DModel
from diffusers.quantizers.gguf.utils import dequantize_functions
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.func import functional_call

from pawfect.diffusion.attention import BACKENDS
from pawfect.model import ONNX
from pawfect.models import MODELS
from pawfect.profile import Profile, load_profile
from pawfect.settings import SwapSettings
from pawfect.weights.published import read
from perf.diffusion import memory
from perf.diffusion.cards import CARDS
from perf.diffusion.configs import CONFIGS
from perf.diffusion.memory import GIB, branches, processes_of, seen_pictures, total_gib
from perf.diffusion.published import FLUX, NETWORKS, QWEN3, WIDTH
from perf.diffusion.storage import (
    FUSED,
    GGUF,
    INTEGER,
    PLAIN,
    TORCH,
    Storage,
    storage_of,
    stored_bytes,
)
from perf.faces.network import work
from tests.perf.diffusion.modules import Peak, built, moved, step_of
from tests.perf.diffusion.test_flops import asked

HALF = 2


@pytest.fixture
def in_half():
    torch.set_default_dtype(torch.float16)
    yield
    torch.set_default_dtype(torch.float32)


def variant(entry: str, modulation: str, **settings: Any) -> Profile:
    """The t4 profile with another transformer."""
    profile = load_profile("t4")
    assert profile.flux is not None
    weights = MappingProxyType({**profile.weights, "flux_transformer": entry})
    flux = replace(profile.flux, modulation=modulation, **settings)
    return replace(profile, weights=weights, flux=flux)


def total(profile: Profile, **options: Any) -> float:
    return total_gib(processes_of(profile, **options))


def test_the_t4_profile_fits_with_all_five_processes_at_its_largest_size():
    profile = load_profile("t4")
    for kernels in ("fused", "torch"):
        processes = processes_of(profile, kernels=kernels)
        assert {process.model for process in processes} == {
            "sam3_labeling",
            "florence2",
            "flux_vae_encoder",
            "flux_vae_decoder",
            "flux_transformer",
        }
        assert total_gib(processes) < 14.7 == CARDS["t4"].usable_gib


def test_it_would_not_fit_with_the_modulation_layers_or_8_bits_or_t5_on_the_card():
    assert total(variant("flux-fill-dev-q4_0", "layers")) > 14.7
    assert total(variant("flux-fill-dev-turbo-int8", "cached")) > 14.7
    on_card = variant("flux-fill-dev-turbo-int4", "cached", text_device="cuda")
    assert total(on_card) > 14.7


@pytest.mark.parametrize("name", CARDS)
@pytest.mark.parametrize("kernels", [FUSED, TORCH])
def test_every_card_holds_its_profile_at_its_largest_size(name, kernels):
    profile = load_profile(name)
    processes = processes_of(profile, kernels=kernels)
    assert total_gib(processes) < CARDS[name].usable_gib
    on_card = {model for model in profile.models if profile.device(MODELS[model]) == "cuda"}
    assert {process.model for process in processes} == on_card


def klein(**settings: Any) -> Profile:
    """The t4-klein profile with other settings."""
    profile = load_profile("t4-klein")
    assert profile.klein is not None
    return replace(profile, klein=replace(profile.klein, **settings))


def with_entry(profile: Profile, **weights: str) -> Profile:
    return replace(profile, weights=MappingProxyType({**profile.weights, **weights}))


def test_a_t4_has_no_room_for_klein_in_8_bits_in_whole_canvases_or_with_a_plain_text_encoder():
    assert total(with_entry(klein(), klein_transformer="klein-4b-int8")) > 14.7
    assert total(klein(tile_px=1024)) > 14.7
    assert total(with_entry(klein(), klein_text="klein-4b-text-int8")) > 14.5
    assert total(with_entry(klein(), klein_text="klein-4b")) > 14.7
    # Without references a step holds half.
    assert total(klein(references=False)) < total(klein()) - 0.5


def test_an_l4_holds_qwen_image_edit_only_without_its_modulation_and_not_beside_klein():
    profile = load_profile("l4-edit")
    assert profile.edit is not None
    layers = replace(profile, edit=replace(profile.edit, modulation="layers"))
    assert total(layers) > 22.0 + 12
    own = sum(p.total for p in processes_of(klein()) if p.model.startswith("klein"))
    assert total(profile) + own > 22.0 + 5


def test_an_h200_leaves_room_for_batches_of_all_three():
    profile = load_profile("h200")
    assert total(profile, batch=2) < 138.0 < total(profile, batch=8)


def test_what_a_step_is_shown_and_takes_is_read_off_the_settings():
    h200, l4 = load_profile("h200"), load_profile("l4-edit")
    assert [seen_pictures(h200.chain(name)) for name in h200.chains] == [1, 2, 2]
    assert seen_pictures(klein(references=False).chain("klein")) == 1
    # FLUX and klein have no second prompt; distilled, Qwen-Image-Edit does not use its own.
    assert [branches(h200.chain(name)) for name in h200.chains] == [1, 1, 2]
    assert branches(l4.chain("edit")) == 1


def flux_bytes(storage: Storage, dtype: str, modulation: str) -> float:
    return stored_bytes(FLUX, storage, dtype, modulation)


def test_gguf_takes_what_the_published_files_do():
    # Whole files, in which some layers around the blocks stand in fp32.
    for name, published in (("q4_0", 6_809_920_800), ("q5_k_s", 8.29e9), ("q8_0", 12.7e9)):
        held = flux_bytes(GGUF[name], "float16", "layers")
        assert held == pytest.approx(published, rel=0.01)


def test_plain_weights_take_their_dtype():
    count = sum(map(math.prod, read("flux_transformer").tensors.values()))
    assert flux_bytes(PLAIN, "bfloat16", "layers") == 2 * count
    assert flux_bytes(PLAIN, "float32", "layers") == 4 * count


def test_cached_modulation_leaves_its_3_23_billion_weights_off_the_card():
    saved = flux_bytes(PLAIN, "float16", "layers") - flux_bytes(PLAIN, "float16", "cached")
    assert saved / HALF == pytest.approx(3.23e9, rel=0.002)
    own = INTEGER["int4", TORCH]
    # Quantised here, the modulation layers stay in half precision.
    assert flux_bytes(own, "float16", "layers") - flux_bytes(
        own, "float16", "cached"
    ) == pytest.approx(saved)


def test_memory_grows_with_size_and_batch_and_tiles_bound_the_autoencoder():
    profile = variant("flux-fill-dev-turbo-int4", "cached")
    sizes = [total(profile, side=side) for side in (512, 768, 1024)]
    batches = [total(profile, batch=batch) for batch in (1, 2, 8)]
    tiles = [
        total(variant("flux-fill-dev-turbo-int4", "cached", tile_px=px)) for px in (512, 768, 0)
    ]
    for rising in (sizes, batches, tiles):
        assert rising == sorted(set(rising))


def test_batches_of_8_fit_at_768_px_and_of_2_at_1024():
    profile = load_profile("t4")
    for side, batch, fits in ((768, 8, True), (1024, 2, True), (1024, 8, False)):
        assert (total(profile, side=side, batch=batch) <= 14.7) == fits


def test_a_profile_without_a_card_has_no_processes_on_one():
    assert processes_of(load_profile("embedded")) == processes_of(load_profile("tiny")) == ()


CLASSES: dict[str, Any] = {
    "flux": (FluxTransformer2DModel, read("flux_transformer").config),
    "klein": (Flux2Transformer2DModel, CONFIGS["klein_transformer"]),
    "edit": (QwenImageTransformer2DModel, CONFIGS["edit_transformer"]),
}


def peak_of(name: str, side: int, text_tokens: int, items: int) -> int:
    """Return the bytes that live at the peak of a step in half precision."""
    # As wide as published; the peak is within one block, however many there are.
    kind, config = CLASSES[name]
    few = {"num_layers": 1, "num_single_layers": 2}
    config = {**config, **{key: few[key] for key in few if key in config}}
    with FakeTensorMode(), torch.no_grad():
        module = kind.from_config(config)
        with Peak() as mode:
            step_of(name, module, side, text_tokens, items, torch.zeros(1))()
    return mode.peak


@pytest.mark.parametrize(
    ("name", "side", "text_tokens", "items"),
    [
        ("flux", 32, 128, 4),
        ("flux", 64, 512, 1),
        ("klein", 90, 512, 1),
        ("edit", 90, 324, 2),
    ],
)
def test_a_step_peaks_where_the_formula_says(name, side, text_tokens, items, in_half):
    peak = peak_of(name, side, text_tokens, items)
    tokens = items * (side * side + text_tokens)
    formula = NETWORKS[name].transformer.peak * tokens * WIDTH * HALF
    assert peak <= formula <= 1.05 * peak


@pytest.mark.parametrize(
    ("name", "side"), [("flux", 32), ("flux", 64), ("klein", 64), ("edit", 64)]
)
def test_plain_attention_peaks_where_the_formula_says(name, side, in_half):
    network, tokens = NETWORKS[name].transformer, side * side + 128
    with attention_backend(BACKENDS["math"]):
        peak = peak_of(name, side, 128, 1)
    scores = memory.SCORES * 24 * tokens**2 * 4
    held = network.plain_peak * tokens * WIDTH * HALF + scores
    assert peak <= held <= 1.05 * peak


@pytest.mark.parametrize("px", [512, 1024])
@pytest.mark.parametrize(
    ("name", "kind", "config"),
    [
        ("flux", AutoencoderKL, read("flux_vae").config),
        ("klein", AutoencoderKLFlux2, CONFIGS["klein_vae"]),
        ("edit", AutoencoderKLQwenImage, CONFIGS["edit_vae"]),
    ],
)
def test_an_autoencoder_peaks_where_the_formula_says(name, kind, config, px, in_half):
    coders, channels = NETWORKS[name].autoencoder, 32 if name == "klein" else 16
    frames = (1,) if name == "edit" else ()
    with FakeTensorMode(), torch.no_grad():
        module = kind.from_config(dict(config)).eval()
        with Peak() as encoding:
            module.encode(torch.empty(1, 3, *frames, px, px))
        with Peak() as decoding:
            module.decode(torch.empty(1, channels, *frames, px // 8, px // 8))
    for mode, coder in ((encoding, coders.encode), (decoding, coders.decode)):
        formula = coder.peak * px * px * coders.width * HALF
        assert mode.peak <= formula <= 1.05 * mode.peak


def test_qwen3_peaks_where_the_formula_says(in_half):
    module = built("qwen3")
    with FakeTensorMode(allow_non_fake_inputs=True), torch.no_grad():
        weights = {name: torch.empty(part.shape) for name, part in module.named_parameters()}
        told = {
            "input_ids": torch.zeros(1, 512, dtype=torch.long),
            "attention_mask": torch.zeros(1, 1, 512, 512),
            "use_cache": False,
            "output_hidden_states": True,
        }
        with Peak() as mode:
            functional_call(module, weights, (), told)
    formula = QWEN3.peak * 512 * QWEN3.width * HALF
    assert mode.peak <= formula <= 1.05 * mode.peak


def test_sam3_peaks_where_its_eight_phrases_do():
    module = built("sam3")
    module.vision_encoder = module.text_encoder = module.geometry_encoder = None
    module = module.to_empty(device="cpu").eval()
    call = asked(module, 24, 2, 256)
    with torch.no_grad(), Peak() as mode:
        call()
    # On 72 cells a side for 24, for eight phrases instead of two, in half of the bytes.
    peak = mode.peak * 9 * 4 / 2 / GIB
    assert peak <= memory.SAM3_PEAK_GIB <= 1.2 * peak


@pytest.mark.slow
def test_the_vision_towers_peak_within_their_processes_peaks(in_half):
    sam3, florence2 = built("sam3").vision_encoder, built("florence2_base").model.vision_tower
    for module, side, held in (
        (sam3, 1008, memory.SAM3_PEAK_GIB),
        (florence2, 768, memory.FLORENCE2_PEAK_GIB),
    ):
        with FakeTensorMode(), torch.no_grad():
            parts = [*module.named_parameters(), *module.named_buffers()]
            weights = {name: torch.empty(part.shape) for name, part in parts}
            picture = torch.empty(1, 3, side, side)
            with Peak() as mode:
                seen = functional_call(module, weights, (picture,))
        assert mode.peak / GIB <= held
        if module is sam3:
            levels = (*seen.fpn_hidden_states, *seen.fpn_position_encoding)
            kept = sum(level.numel() * level.element_size() for level in levels)
            assert kept / GIB <= memory.SAM3_SEEN_GIB <= 1.01 * kept / GIB


def test_networks_by_onnx_put_at_most_one_process_on_a_card():
    for name in CARDS:
        profile = load_profile(name)
        by_onnx = [
            model for model in map(MODELS.__getitem__, profile.models) if model.runtime == ONNX
        ]
        assert {model.name for model in by_onnx} == {
            "lama_fill",
            "onnx_networks",
            "text_reading",
            "face_analysis",
        } | {model for model in ["face_swap"] if model in profile.models}
        on_card = [model.name for model in by_onnx if profile.device(model) == "cuda"]
        assert on_card == (["onnx_networks"] if name == "h200" else [])


def test_a_t4_beside_flux_has_no_room_for_the_swapping_network_and_an_h200_has():
    for name, fits in (("t4", False), ("h200", True)):
        profile = load_profile(name)
        on_card = replace(profile, swap=SwapSettings("cuda", 4))
        assert {process.model for process in processes_of(on_card)} >= {"face_swap"}
        held = total(on_card, kernels=TORCH)
        assert held - total(profile, kernels=TORCH) == pytest.approx(1.35, abs=0.05)
        assert (held < CARDS[name].usable_gib) == fits
    assert work().weights == pytest.approx(memory.SWAP_VALUES, rel=0.001)


def test_sam3s_text_encoder_is_on_the_card_where_its_profile_says_so():
    profile = load_profile("h200")
    apart = replace(profile, sam3=replace(profile.sam3, text_device="cpu"))
    assert total(profile) - total(apart) == pytest.approx(2 * 353_462_272 / GIB)
    # On a T4 it would leave nothing for what is to come.
    t4 = load_profile("t4")
    on_card = replace(t4, sam3=replace(t4.sam3, text_device="cuda"))
    assert total(t4) < 14.0 < total(on_card) - 0.4


def test_weights_of_the_parts_are_those_of_the_published_files():
    processes = processes_of(load_profile("h200"))
    held = {process.model: process.weights * GIB for process in processes}
    assert held["florence2"] == pytest.approx(463_178_864, rel=0.001)
    assert held["flux_vae_encoder"] == held["flux_vae_decoder"] == 2 * 83_819_683
    text = 2 * (4_762_310_656 + 123_060_480)
    assert held["flux_text_encoder"] == pytest.approx(text, rel=0.001)
    # The published file of klein's; Qwen-Image-Edit's without the third that is modulation.
    assert held["klein_transformer"] == pytest.approx(7_751_109_744, rel=1e-5)
    assert held["edit_transformer"] == pytest.approx(40_861_028_288 - 13_591_511_040, rel=1e-3)


@pytest.mark.parametrize(
    ("entry", "scheme"),
    [
        ("flux-fill-dev-q4_0", "q4_0"),
        ("flux-fill-dev-q5_k_s", "q5_k_s"),
        ("flux-fill-dev-q8_0", "q8_0"),
        ("flux-fill-dev-turbo-int4", "int4"),
        ("flux-fill-dev-int8", "int8"),
        ("flux-fill-dev-transformer-bf16", "plain"),
        ("tiny-flux-fill", "plain"),
        ("klein-4b", "plain"),
        ("klein-4b-int8", "int8"),
        ("klein-4b-text-int4", "int4"),
        ("qwen-image-edit-2509", "plain"),
        ("qwen-edit-2509-lightning8-int4", "int4"),
    ],
)
def test_an_entry_names_its_scheme(entry, scheme):
    assert storage_of(entry).name == scheme


def test_what_is_quantised_here_keeps_its_modulation_and_what_is_published_does_not():
    assert storage_of("flux-fill-dev-q4_0").modulation
    assert not storage_of("flux-fill-dev-turbo-q4_0").modulation
    assert not storage_of("flux-fill-dev-int4", kernels=FUSED).modulation
    assert storage_of("tiny-flux-fill") is PLAIN


def test_fused_kernels_move_less_than_torchs_own():
    for scheme in ("int8", "int4"):
        fused, torchs = INTEGER[scheme, FUSED], INTEGER[scheme, TORCH]
        assert fused.around_bytes < torchs.around_bytes
        assert fused.decode_bytes <= torchs.decode_bytes


@pytest.mark.parametrize(("name", "kind"), [("q4_0", "Q4_0"), ("q5_k_s", "Q5_K"), ("q8_0", "Q8_0")])
def test_decoding_gguf_moves_what_diffusers_kernels_read_and_write(name, kind):
    quantised = gguf.GGMLQuantizationType[kind]
    block, size = gguf.GGML_QUANT_SIZES[quantised]
    blocks = torch.zeros(4096, size, dtype=torch.uint8)
    decode = dequantize_functions[quantised]
    got = moved(lambda: decode(blocks, block, size, dtype=torch.float16)) / (4096 * block)
    assert GGUF[name].decode_bytes == pytest.approx(got, rel=0.1)
    assert GGUF[name].bits == 8 * size / block
