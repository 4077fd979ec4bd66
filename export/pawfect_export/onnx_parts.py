"""The parts of the models that become ONNX files, with inputs to write and check them by."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from diffusers.models.transformers.transformer_flux import FluxTransformer2DModel
from transformers.models.florence2.modeling_florence2 import Florence2ForConditionalGeneration
from transformers.models.sam3.modeling_sam3 import Sam3Model

from pawfect.flux import transformer_module
from pawfect.scene import florence2, sam3_checkpoint
from pawfect.weights.checkpoint import load_strict, read_tensors

# Token counts at which FLUX's blocks are traced and checked; any distinct small numbers do.
IMAGE_TOKENS: Final = 12
TEXT_TOKENS: Final = 5

Inputs = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Part:
    """One part of a model, ready to be written.

    Attributes:
        name: of the file, without its suffix.
        module: takes the inputs by name, gives one tensor or a tuple of them.
        inputs: makes inputs for a batch of this size.
        dynamic: names of the axes that stay dynamic, per input.
        outputs: their names.
        traced: written by torch's older exporter. The newer one reasons about every size in
            symbols, which takes minutes on Florence-2's windows and their padding.
    """

    name: str
    module: torch.nn.Module
    inputs: Callable[[int], Inputs]
    dynamic: Mapping[str, Mapping[int, str]]
    outputs: Sequence[str]
    traced: bool = False


class _FluxBlock(torch.nn.Module):
    """A FLUX block with its rotary embedding given for image and text apart: sizes stay free."""

    def __init__(self, block: torch.nn.Module) -> None:
        super().__init__()
        self.block = block

    def forward(
        self,
        hidden_states: torch.Tensor,
        encoder_hidden_states: torch.Tensor,
        temb: torch.Tensor,
        image_cos: torch.Tensor,
        image_sin: torch.Tensor,
        text_cos: torch.Tensor,
        text_sin: torch.Tensor,
    ) -> Any:
        rotary = (torch.cat([text_cos, image_cos]), torch.cat([text_sin, image_sin]))
        return self.block(
            hidden_states=hidden_states,
            encoder_hidden_states=encoder_hidden_states,
            temb=temb,
            image_rotary_emb=rotary,
        )


class _Field(torch.nn.Module):
    """A vision model of transformers, giving one field of its output."""

    def __init__(self, model: torch.nn.Module, field: str) -> None:
        super().__init__()
        self.model, self.field = model, field

    def forward(self, pixel_values: torch.Tensor) -> Any:
        return getattr(self.model(pixel_values), self.field)


def flux_blocks(model: FluxTransformer2DModel) -> tuple[Part, Part]:
    """Return the first double-stream and the first single-stream block of FLUX's transformer.

    Inputs, FP32: hidden_states [B, T, D], encoder_hidden_states [B, L, D], temb [B, D], and the
    cosines and sines of the rotary embedding, [T, head] for the image and [L, head] for the text.
    Outputs: encoder_hidden_states [B, L, D] and hidden_states [B, T, D].
    """
    config = model.config
    inner = config["attention_head_dim"] * config["num_attention_heads"]

    def inputs(batch: int) -> Inputs:
        image, text = IMAGE_TOKENS + batch, TEXT_TOKENS + batch
        ids = torch.zeros(text + image, 3)
        ids[text:, 1], ids[text:, 2] = torch.arange(image) // 4, torch.arange(image) % 4
        cos, sin = model.pos_embed(ids)
        return {
            "hidden_states": torch.randn(batch, image, inner),
            "encoder_hidden_states": torch.randn(batch, text, inner),
            "temb": torch.randn(batch, inner),
            "image_cos": cos[text:],
            "image_sin": sin[text:],
            "text_cos": cos[:text],
            "text_sin": sin[:text],
        }

    image, text = {0: "image_tokens"}, {0: "text_tokens"}
    dynamic = {
        "hidden_states": {0: "batch", 1: "image_tokens"},
        "encoder_hidden_states": {0: "batch", 1: "text_tokens"},
        "temb": {0: "batch"},
        "image_cos": image,
        "image_sin": image,
        "text_cos": text,
        "text_sin": text,
    }
    outputs = ("encoder_hidden_states_out", "hidden_states_out")
    double, single = model.transformer_blocks[0], model.single_transformer_blocks[0]
    return (
        Part("flux_double_block", _FluxBlock(double), inputs, dynamic, outputs),
        Part("flux_single_block", _FluxBlock(single), inputs, dynamic, outputs),
    )


def florence2_tower(model: Florence2ForConditionalGeneration) -> Part:
    """Return Florence-2's vision tower: pixel_values [B, 3, H, W] to features [B, C, h, w]."""
    tower = model.model.vision_tower
    # The fused attention takes its scale as a number, and the channel attention's depends on the
    # picture's size: written with it, the file would be right for the traced size alone.
    tower.config._attn_implementation = "eager"

    def inputs(batch: int) -> Inputs:
        # Sides that no window divides, so that the padding is part of what is written.
        return {"pixel_values": torch.randn(batch, 3, 50 + 32 * batch, 70 + 32 * batch)}

    dynamic = {"pixel_values": {0: "batch", 2: "height", 3: "width"}}
    module = _Field(tower, "last_hidden_state")
    return Part("florence2_tower", module, inputs, dynamic, ("features",), traced=True)


def sam3_encoder(model: Sam3Model) -> Part:
    """Return SAM3's vision encoder: pixel_values [B, 3, S, S] to its pyramid of feature maps."""
    encoder: Any = model.vision_encoder
    side = encoder.config.backbone_config.image_size

    def inputs(batch: int) -> Inputs:
        return {"pixel_values": torch.randn(batch, 3, side, side)}

    outputs = [f"level_{n}" for n in range(len(encoder.config.scale_factors))]
    module = _Field(encoder, "fpn_hidden_states")
    return Part("sam3_encoder", module, inputs, {"pixel_values": {0: "batch"}}, outputs)


def _flux(folder: Path) -> tuple[Part, ...]:
    inner = folder / "transformer"
    model = transformer_module.build_module(inner, {})
    _fill(model, read_tensors(inner, "diffusion_pytorch_model"), folder)
    return flux_blocks(model)


def _florence2(folder: Path) -> tuple[Part, ...]:
    _, model = florence2.build_module(folder)
    _fill(model, read_tensors(folder, "model"), folder)
    return (florence2_tower(model),)


def _sam3(folder: Path) -> tuple[Part, ...]:
    model = sam3_checkpoint.build_module(folder)
    tensors = read_tensors(
        folder,
        "model",
        under=sam3_checkpoint.DETECTOR_PREFIX,
        beside=sam3_checkpoint.TRACKER_PREFIXES,
    )
    _fill(model, tensors, folder)
    return (sam3_encoder(model),)


def _fill(model: torch.nn.Module, tensors: Mapping[str, torch.Tensor], folder: Path) -> None:
    load_strict(model, tensors, folder.name, device="cpu", dtype=torch.float32)


FAMILIES: Final = {"flux": _flux, "florence2": _florence2, "sam3": _sam3}
