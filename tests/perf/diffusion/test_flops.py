"""FLOP and moved values by formula against what torch counts on the real modules."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
import torch
from diffusers.models.transformers.transformer_flux import FluxTransformer2DModel
from diffusers.models.transformers.transformer_flux2 import Flux2Transformer2DModel
from diffusers.models.transformers.transformer_qwenimage import QwenImageTransformer2DModel
from transformers.modeling_outputs import BaseModelOutputWithPooling
from transformers.models.sam3.modeling_sam3 import Sam3VisionEncoderOutput

from pawfect.diffusion.quantised.scheme import quantised_layers
from pawfect.scene.lexicon import labelled_surfaces
from pawfect.weights.manifest import manifest
from pawfect.weights.published import read
from perf.diffusion import flops
from perf.diffusion.configs import CONFIGS
from perf.diffusion.networks import BLOCK, MODULATION
from perf.diffusion.published import NETWORKS, QWEN2_5, QWEN3, VISION, WIDTH
from tests.perf.diffusion.modules import built, counted, full_size, moved, step_of

WITHIN = 0.01
META = torch.device("meta")


def agrees(formula: float, call: Callable[[], object]) -> None:
    assert formula == pytest.approx(counted(call), rel=WITHIN)


TRANSFORMERS = {name: f"{name}_transformer" for name in NETWORKS}


@pytest.mark.parametrize(
    ("name", "side", "text_tokens", "items"),
    [
        ("flux", 64, 512, 1),
        # A canvas and a reference of 1024 px.
        ("klein", 90, 512, 1),
        # Both branches of guidance.
        ("edit", 90, 324, 2),
    ],
)
def test_a_step_takes_the_flop_of_the_formula(name, side, text_tokens, items):
    module = full_size(TRANSFORMERS[name])
    like = torch.empty(1, device=META, dtype=module.dtype)
    formula = flops.network_work(NETWORKS[name].transformer, side * side, text_tokens, items=items)
    agrees(formula.flop, step_of(name, module, side, text_tokens, items, like))


@pytest.mark.parametrize("name", NETWORKS)
def test_a_transformers_layers_and_parameters_are_those_of_its_class(name):
    module, network = full_size(TRANSFORMERS[name]), NETWORKS[name].transformer
    assert sum(part.numel() for part in module.parameters()) == network.parameters
    shapes = Counter(
        (part.in_features, part.out_features, part.bias is not None)
        for part in module.modules()
        if isinstance(part, torch.nn.Linear)
    )
    described: Counter[tuple[int, int, bool]] = Counter()
    for layer in network.linears:
        described[layer.inputs, layer.outputs, layer.bias] += layer.times
    assert described == shapes
    # What a scheme quantises is what the description says of blocks.
    quantised = quantised_layers(module, "int8").values()
    blocks = sum(layer.weight.numel() for layer in quantised)
    assert blocks == flops.block_work(network, 1, 1).weights
    ends = sum(layer.in_features + layer.out_features for layer in quantised)
    assert sum(layer.times * (layer.inputs + layer.outputs) for layer in network.of(BLOCK)) == ends


@pytest.mark.parametrize(
    ("name", "entry", "files"),
    [
        ("klein_transformer", "klein-4b", "transformer/"),
        ("klein_vae", "klein-4b", "vae/"),
        ("edit_transformer", "qwen-image-edit-2509", "transformer/"),
        ("edit_vae", "qwen-image-edit-2509", "vae/"),
    ],
)
def test_published_files_hold_the_parameters_in_16_bits(name, entry, files):
    size = sum(
        file.size
        for file in manifest()[entry].files
        if file.path.startswith(files) and file.path.endswith(".safetensors")
    )
    parameters = sum(part.numel() for part in full_size(name).parameters())
    # Beside them a header, and the statistics of klein's latents.
    assert 0 <= size - 2 * parameters < 300_000


def test_text_encoders_hold_the_published_files_without_what_is_not_used():
    qwen3, vl = full_size("qwen3"), full_size("qwen2_5_vl")
    own = sum(part.numel() for part in qwen3.parameters())
    assert own == QWEN3.parameters
    layer = sum(part.numel() for part in qwen3.layers[0].parameters())
    # Nine layers and the last norm more, and no head of its own.
    assert 2 * (own + 9 * layer + 2560) == pytest.approx(8_044_981_992, rel=1e-5)
    language, vision = vl.language_model, vl.visual
    assert sum(part.numel() for part in language.parameters()) == QWEN2_5.parameters
    assert sum(part.numel() for part in vision.parameters()) == VISION.parameters
    head = 152_064 * 3584
    whole = 2 * (QWEN2_5.parameters + VISION.parameters + head)
    assert whole == pytest.approx(16_584_414_544, rel=1e-5)
    for module, network in ((qwen3, QWEN3), (language, QWEN2_5)):
        blocks = sum(part.weight.numel() for part in quantised_layers(module, "int4").values())
        assert blocks == flops.block_work(network, 0, 1).weights


def test_flux_with_its_modulation_layers_and_without():
    module = full_size("flux_transformer")
    like = torch.empty(1, device=META, dtype=module.dtype)
    whole = counted(step_of("flux", module, 32, 128, 1, like))
    rows = torch.empty(1, WIDTH, device=META)
    layers = [
        part.linear
        for name, part in module.named_modules()
        if "transformer_blocks" in name and hasattr(part, "linear")
    ]
    of_layers = sum(counted(lambda layer=layer: layer(rows)) for layer in layers)
    assert sum(layer.weight.numel() for layer in layers) == MODULATION_WEIGHTS["flux"]
    cached = flops.network_work(NETWORKS["flux"].transformer, 1024, 128, "cached")
    assert cached.flop == pytest.approx(whole - of_layers, rel=WITHIN)


MODULATION_WEIGHTS = {
    name: sum(layer.weights for layer in networks.transformer.of(MODULATION))
    for name, networks in NETWORKS.items()
}


def test_modulation_that_can_be_cached_is_a_quarter_of_flux_and_a_third_of_qwen_image():
    share = {
        name: weights / NETWORKS[name].transformer.parameters
        for name, weights in MODULATION_WEIGHTS.items()
    }
    assert share["flux"] == pytest.approx(0.27, abs=0.005)
    assert share["klein"] == 0
    assert share["edit"] == pytest.approx(0.33, abs=0.005)


def test_the_weights_are_those_of_the_published_linear_layers():
    shapes = {
        name: shape[0] * shape[1]
        for name, shape in read("flux_transformer").tensors.items()
        if len(shape) == 2
    }
    network = NETWORKS["flux"].transformer
    inside = sum(count for name, count in shapes.items() if "transformer_blocks." in name)
    assert inside == flops.block_work(network, 1, 1).weights + MODULATION_WEIGHTS["flux"]
    assert flops.network_work(network, 1, 1).weights == sum(shapes.values())
    assert (
        flops.network_work(network, 1, 1, "cached").weights
        == sum(shapes.values()) - (MODULATION_WEIGHTS["flux"])
    )


@pytest.mark.parametrize("size", [(512, 512), (1024, 768)])
@pytest.mark.parametrize("name", NETWORKS)
def test_an_autoencoder(name, size):
    module, coders = full_size(f"{name}_vae"), NETWORKS[name].autoencoder
    assert sum(part.numel() for part in module.parameters()) == coders.parameters
    pixels = size[0] * size[1]
    encode, decode = coding(name, module, size)
    agrees(flops.coder_work(coders.encode, pixels).flop, encode)
    agrees(flops.coder_work(coders.decode, pixels).flop, decode)
    for coder, own in (
        (coders.encode, "encoder quant_conv"),
        (coders.decode, "decoder post_quant_conv"),
    ):
        parts = [getattr(module, part) for part in own.split() if getattr(module, part, None)]
        kernels = sum(
            layer.weight.numel() for part in parts for layer in part.modules() if products(layer)
        )
        assert coder.weights == kernels


def coding(
    name: str, module: Any, size: tuple[int, int]
) -> tuple[Callable[[], object], Callable[[], object]]:
    """Return calls of an autoencoder on the meta device: of its encoder and of its decoder."""
    height, width = size
    channels = {"flux": 16, "klein": 32, "edit": 16}[name]
    # A picture is the first frame of a video.
    frames = (1,) if name == "edit" else ()
    picture = torch.empty(1, 3, *frames, height, width, device=META)
    latents = torch.empty(1, channels, *frames, height // 8, width // 8, device=META)
    return lambda: module.encode(picture), lambda: module.decode(latents)


def products(part: Any) -> bool:
    return isinstance(part, torch.nn.Conv2d | torch.nn.Conv3d | torch.nn.Linear)


def test_the_full_size_text_encoders():
    t5, clip = full_size("t5_text_encoder"), full_size("clip_text_encoder")
    ids = torch.zeros(1, 128, dtype=torch.long, device=META)
    short = torch.zeros(1, 77, dtype=torch.long, device=META)
    agrees(flops.TEXT.flop, lambda: (t5(ids), clip(short)))


@pytest.mark.parametrize("tokens", [128, 512])
def test_qwen3_as_far_as_klein_reads_it(tokens):
    module = full_size("qwen3")
    ids = torch.zeros(1, tokens, dtype=torch.long, device=META)
    mask = torch.zeros(1, 1, tokens, tokens, device=META)
    formula = flops.text_work(NETWORKS["klein"], tokens).flop
    agrees(formula, lambda: module(input_ids=ids, attention_mask=mask, use_cache=False))


@pytest.mark.slow
def test_qwen2_5_vl_with_a_picture():
    module, networks = full_size("qwen2_5_vl"), NETWORKS["edit"]
    grid = torch.tensor([[1, 28, 28]])
    patches = torch.empty(28 * 28, 1176, device=META)
    places = torch.zeros(28 * 28, 2, device=META)
    seen = counted(lambda: module.visual(patches, grid_thw=grid, position_ids=places))
    assert flops.network_work(VISION, networks.patches, 0).flop == pytest.approx(seen, rel=WITHIN)
    tokens = flops.shown_tokens(networks, 128)
    embeds = torch.empty(1, tokens, 3584, device=META)
    positions = torch.zeros(3, 1, tokens, dtype=torch.long, device=META)
    mask = torch.zeros(1, 1, tokens, tokens, device=META)
    read_text = counted(
        lambda: module.language_model(
            inputs_embeds=embeds, position_ids=positions, attention_mask=mask, use_cache=False
        )
    )
    assert flops.text_work(networks, 128).flop == pytest.approx(seen + read_text, rel=WITHIN)


@pytest.mark.slow
def test_sam3_with_all_phrases_takes_its_vision_encoder_once_and_its_detector_for_each():
    module = full_size("sam3")
    picture = torch.empty(1, 3, 1008, 1008, device=META)
    vision = counted(lambda: module.vision_encoder(picture))
    # The rest is the detector's, whose grid is read out of real tensors: 24 cells for its 72.
    detector = built("sam3")
    detector.vision_encoder = detector.text_encoder = detector.geometry_encoder = None
    detector = detector.to_empty(device="cpu").eval()
    small = counted(asked(detector, 24, 2, 256)) / 2
    count = sum(len(surface.phrases) for surface in labelled_surfaces())
    # From nine times as much work by cells, to 81 times where cells attend to cells.
    assert vision + 9 * count * small < flops.LABELS.flop < vision + 81 * count * small


def test_the_full_size_vision_tower_of_florence2_is_most_of_a_caption():
    module = full_size("florence2_base")
    picture = torch.empty(1, 3, 768, 768, device=META)
    vision = counted(lambda: module.model.get_image_features(picture))
    assert 0.5 * flops.CAPTION.flop < vision < flops.CAPTION.flop


def asked(module: Any, sides: int, phrases: int, width: int) -> Any:
    levels = tuple(
        torch.zeros(phrases, width, side, side)
        for side in (sides * 4, sides * 2, sides, sides // 2)
    )
    seen = Sam3VisionEncoderOutput(fpn_hidden_states=levels, fpn_position_encoding=levels)
    texts = BaseModelOutputWithPooling(pooler_output=torch.zeros(phrases, 32, width))
    mask = torch.ones(phrases, 32, dtype=torch.long)
    return lambda: module(vision_embeds=seen, text_embeds=texts, attention_mask=mask)


# A quarter as wide as published: what is as wide as a head, not as the model, stays small.
NARROW: dict[str, Any] = {
    "flux": read("flux_transformer").config,
    "klein": CONFIGS["klein_transformer"],
    "edit": CONFIGS["edit_transformer"],
}
CLASSES = {
    "flux": FluxTransformer2DModel,
    "klein": Flux2Transformer2DModel,
    "edit": QwenImageTransformer2DModel,
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "doubles", "singles", "passes"),
    [
        ("flux", 1, 2, 129 + 2 * 126),
        ("klein", 1, 2, 137 + 2 * 129.5),
        ("edit", 2, 0, 2 * 92.9),
    ],
)
def test_a_transformer_moves_what_its_kernels_read_and_write(name, doubles, singles, passes):
    config = {**NARROW[name], "num_attention_heads": 6, "num_layers": doubles}
    if singles:
        config["num_single_layers"] = singles
    module = CLASSES[name].from_config(config).half()
    got = moved(step_of(name, module, 14, 32, 1, torch.zeros(1).half())) / 2
    formula = WIDTH / 4 * ((196 + 32) * passes + 196 * NETWORKS[name].transformer.outer)
    assert formula == pytest.approx(got, rel=0.1)


def test_the_passes_of_all_blocks_are_those_of_each():
    for name, passes in (
        ("flux", 19 * 129 + 38 * 126),
        ("klein", 5 * 137 + 20 * 129.5),
        ("edit", 60 * 92.9),
    ):
        assert NETWORKS[name].transformer.passes == passes


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_an_autoencoder_moves_what_its_kernels_read_and_write(name):
    module, coders = full_size(f"{name}_vae"), NETWORKS[name].autoencoder
    for coder, call in zip(
        (coders.encode, coders.decode), coding(name, module, (256, 256)), strict=True
    ):
        formula = flops.coder_work(coder, 256 * 256).moved
        assert formula == pytest.approx(moved(call) / 4, rel=0.15)
