"""Blocks of the published widths: in float16 at what it holds, and with outliers in every input."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from diffusers.models.transformers.transformer_flux import FluxTransformer2DModel
from diffusers.models.transformers.transformer_flux2 import Flux2Transformer2DModel
from diffusers.models.transformers.transformer_qwenimage import (
    QwenEmbedRope,
    QwenImageTransformer2DModel,
)
from transformers.models.qwen2_5_vl.configuration_qwen2_5_vl import Qwen2_5_VLTextConfig
from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import (
    Qwen2_5_VLRotaryEmbedding,
    Qwen2_5_VLTextModel,
)
from transformers.models.qwen3.configuration_qwen3 import Qwen3Config
from transformers.models.qwen3.modeling_qwen3 import Qwen3Model, Qwen3RotaryEmbedding

from pawfect.diffusion.quantised.scheme import SCHEMES, quantised_layers, with_layers
from perf.diffusion.random_transformer import FACTOR, OUTLIERS, repeated

TOKENS, TEXT = 9, 4
# Of each weight so many rows are drawn and quantised, and repeated.
ROWS = 64


def flux() -> Any:
    return FluxTransformer2DModel(
        in_channels=384, out_channels=64, num_layers=1, num_single_layers=1, guidance_embeds=True
    )


def klein() -> Any:
    return Flux2Transformer2DModel(
        num_layers=1,
        num_single_layers=1,
        num_attention_heads=24,
        joint_attention_dim=7680,
        guidance_embeds=False,
    )


def edit() -> Any:
    return QwenImageTransformer2DModel(num_layers=1)


def qwen3() -> Any:
    """One layer of Qwen3-4B."""
    config = Qwen3Config(
        vocab_size=8,
        hidden_size=2560,
        intermediate_size=9728,
        num_hidden_layers=1,
        num_attention_heads=32,
        num_key_value_heads=8,
        head_dim=128,
    )
    return Qwen3Model(config)


def qwen25() -> Any:
    """One layer of Qwen2.5-VL-7B's language model."""
    config = Qwen2_5_VLTextConfig(
        vocab_size=8,
        hidden_size=3584,
        intermediate_size=18944,
        num_hidden_layers=1,
        num_attention_heads=28,
        num_key_value_heads=4,
        rope_parameters={"rope_type": "default", "mrope_section": [16, 24, 24], "rope_theta": 1e6},
    )
    return Qwen2_5_VLTextModel(config)


def hollow(kind: Callable[[], Any]) -> Any:
    """Build a module on the meta device but for what no checkpoint holds."""
    with torch.device("meta"):
        module = kind()
    if kind is edit:
        axes = list(module.config.axes_dims_rope)
        module.pos_embed = QwenEmbedRope(theta=10_000, axes_dim=axes, scale_rope=True)
    rotary = {qwen3: Qwen3RotaryEmbedding, qwen25: Qwen2_5_VLRotaryEmbedding}
    if kind in rotary:
        module.rotary_emb = rotary[kind](module.config)
    return module


def in_codes(kind: Callable[[], Any], scheme: str, dtype: torch.dtype) -> Any:
    """Return a module of random codes, already quantised."""
    module = hollow(kind)
    layers = with_layers(module, SCHEMES[scheme], dtype)
    torch.nn.Module.to_empty(module, device="cpu").requires_grad_(False).eval()
    generator = torch.Generator().manual_seed(0)
    for layer in layers:
        # Codes of int8 that are evenly spread have a deviation of 73.
        layer.weight_scale.fill_(1 / (73 * math.sqrt(layer.in_features)))
        low, high = (-127, 128) if layer.weight.dtype == torch.int8 else (0, 256)
        layer.weight.random_(low, high, generator=generator)
        if hasattr(layer, "group_scale"):
            layer.group_scale.copy_(torch.full(layer.group_scale.shape, 127.0))
    for tensor in (*module.parameters(), *(x.bias for x in layers if x.bias is not None)):
        scale = 1 / math.sqrt(tensor.shape[-1]) if tensor.ndim > 1 else 0.1
        tensor.data = (torch.randn(tensor.shape, generator=generator) * scale).to(dtype)
    return module


def velocity(module: Any, dtype: torch.dtype) -> torch.Tensor:
    """Run a step whose first channels of latents and text are 1."""
    generator = torch.Generator().manual_seed(1)
    config = module.config
    latents = torch.randn(1, TOKENS, config.in_channels, generator=generator).to(dtype)
    text = torch.randn(1, TEXT, config.joint_attention_dim, generator=generator).to(dtype)
    latents[..., 0] = text[..., 0] = 1
    given: dict[str, Any] = {"timestep": torch.tensor([0.5]), "return_dict": False}
    rows = torch.cartesian_prod(torch.zeros(1), torch.arange(3.0), torch.arange(3.0))
    if isinstance(module, FluxTransformer2DModel):
        given |= {"guidance": torch.tensor([3.5]), "img_ids": rows, "txt_ids": torch.zeros(TEXT, 3)}
        given["pooled_projections"] = torch.randn(1, 768, generator=generator).to(dtype)
    elif isinstance(module, Flux2Transformer2DModel):
        ids = torch.nn.functional.pad(rows, (0, 1))
        given |= {"img_ids": ids, "txt_ids": torch.zeros(TEXT, 4)}
    else:
        given["img_shapes"] = [[(1, 3, 3)]]
    with torch.inference_mode():
        (flow,) = module(hidden_states=latents, encoder_hidden_states=text, **given)
    return flow


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["int8", "int4"])
@pytest.mark.parametrize(
    ("kind", "dtype", "massive"),
    [
        # Just below 65504 in every token, as diffusers' clipping leaves them.
        (flux, torch.float16, 60_000.0),
        (klein, torch.float16, 60_000.0),
        # What Qwen-Image's stream reaches; float16 does not hold it.
        (edit, torch.bfloat16, 2e7),
    ],
)
def test_nothing_overflows_with_massive_channels_in_the_stream(kind, dtype, massive, scheme):
    module = in_codes(kind, scheme, dtype)
    pair = torch.tensor([massive, -massive], dtype=dtype)
    embedders = (
        (module.img_in, module.txt_in)
        if kind is edit
        else (module.x_embedder, module.context_embedder)
    )
    for embedder in embedders:
        embedder.weight[:, 0] = 0
        embedder.weight[[154, 1446], 0] = pair
    if kind is edit:
        # It scales the text's first channel too.
        module.txt_norm.weight.fill_(1)
    infinite: list[str] = []
    for name, layer in module.named_modules():
        if not list(layer.children()):
            layer.register_forward_hook(
                lambda layer, inputs, output, name=name: (
                    (None if torch.isfinite(output).all() else infinite.append(name))
                    if isinstance(output, torch.Tensor)
                    else None
                )
            )
    if kind is flux:
        # Neurons of the feed-forward layers in the thousands.
        module.single_transformer_blocks[0].proj_mlp.bias[:8] = 20_000
        module.transformer_blocks[0].ff.net[0].proj.bias[:8] = 20_000
    flow = velocity(module, dtype)
    assert not infinite
    assert flow.dtype == dtype
    assert bool(torch.isfinite(flow).all())


def drawn(kind: Callable[[], Any]) -> Any:
    """Return a plain float32 module of few random rows again and again, near unit activations."""
    module = hollow(kind)
    generator = torch.Generator().manual_seed(0)
    state = {}
    for name, like in module.state_dict().items():
        if like.ndim > 1:
            few = torch.randn(min(ROWS, len(like)), like.shape[1], generator=generator)
            state[name] = repeated(few * like.shape[1] ** -0.5, like.shape)
        else:
            state[name] = torch.full(like.shape, float(name.endswith("weight")))
    module.load_state_dict(state, assign=True)
    return module.requires_grad_(False).eval()


def with_outlying_inputs(layer: torch.nn.Module, channels: torch.Tensor) -> torch.nn.Module:
    """Make some channels of a layer's input FACTOR times what they were."""

    def change(_: torch.nn.Module, inputs: tuple[torch.Tensor]) -> tuple[torch.Tensor]:
        changed = inputs[0].clone()
        changed[..., channels] *= FACTOR
        return (changed,)

    layer.register_forward_pre_hook(change)
    return layer


def of_rows(scheme: str, layer: torch.nn.Linear) -> Any:
    """Return a scheme's layer in place of a plain one of `drawn`, few of whose rows differ."""
    bias = layer.bias is not None
    own: Any = SCHEMES[scheme].linear(layer.in_features, layer.out_features, bias, torch.float32)
    for name, few in SCHEMES[scheme].quantise(layer.weight[:ROWS]).items():
        getattr(own, name).data = repeated(few, getattr(own, name).shape)
    if bias:
        own.bias.data = layer.bias.data
    return own


def output(module: Any) -> torch.Tensor:
    if not hasattr(module, "layers"):
        return velocity(module, torch.float32)
    generator = torch.Generator().manual_seed(1)
    states = torch.randn(1, 16, module.config.hidden_size, generator=generator)
    with torch.inference_mode():
        return module(inputs_embeds=states, use_cache=False).last_hidden_state


@pytest.mark.slow
@pytest.mark.parametrize(("scheme", "error"), [("int8", 0.05), ("int4", 0.15)])
@pytest.mark.parametrize("kind", [klein, edit, qwen3, qwen25])
def test_blocks_of_published_widths_are_close_with_outliers_in_every_input(kind, scheme, error):
    module, generator = drawn(kind), torch.Generator().manual_seed(2)
    layers = quantised_layers(module, scheme)
    for name, layer in layers.items():
        channels = torch.randperm(layer.in_features, generator=generator)[:OUTLIERS]
        # It carries much of the result, but not all.
        layer.weight[:, channels] /= math.sqrt(FACTOR)
        made = with_outlying_inputs(of_rows(scheme, layer), channels)
        layers[name] = (with_outlying_inputs(layer, channels), made)
    expected = output(module)
    for name, (_, made) in layers.items():
        module.set_submodule(name, made)
    got = output(module)
    assert 0 < float((got - expected).norm() / expected.norm()) <= error
