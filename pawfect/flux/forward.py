"""FluxTransformer2DModel's forward pass in parts, so that a step may leave some of them out.

In all parts together it is diffusers' own pass, operation by operation; the blocks are diffusers'.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch


@dataclass(frozen=True)
class Conditioning:
    """What modulates the blocks.

    Attributes:
        values: [B, D], the time embedding, which all blocks take; or [B, N], the rows of all blocks
            side by side, as `pawfect.flux.modulation` computes them.
        widths: of each block's part of the rows, the output's last; none: the time embedding.
    """

    values: torch.Tensor
    widths: tuple[int, ...] = ()

    def parts(self, blocks: int) -> Sequence[torch.Tensor]:
        """Return what each of so many blocks takes, and then the output."""
        if not self.widths:
            return [self.values] * (blocks + 1)
        parts: Sequence[torch.Tensor] = torch.split(self.values, list(self.widths), dim=1)
        return parts


@dataclass(frozen=True)
class Inputs:
    """A step's tensors on the transformer's device, in its precision.

    Attributes:
        picture: [B, T, 384], latents beside condition.
        text: [B, L, D].
        conditioning: of the B items.
        positions: [L + T, 3], of text and picture tokens.
    """

    picture: torch.Tensor
    text: torch.Tensor
    conditioning: Conditioning
    positions: torch.Tensor

    def of(self, items: Sequence[int]) -> Inputs:
        """Return some of the items, in this order."""
        at = list(items)
        conditioning = replace(self.conditioning, values=self.conditioning.values[at])
        return replace(
            self, picture=self.picture[at], text=self.text[at], conditioning=conditioning
        )


@dataclass(frozen=True)
class Activations:
    """What passes from one block to the next.

    Attributes:
        picture: [B, T, D].
        text: [B, L, D].
    """

    picture: torch.Tensor
    text: torch.Tensor

    def of(self, items: Sequence[int]) -> Activations:
        """Return some of the items, in this order."""
        return Activations(self.picture[list(items)], self.text[list(items)])


class Forward:
    """One batch on its way through the transformer.

    Args:
        module: a FluxTransformer2DModel.
        inputs: of the batch.
    """

    def __init__(self, module: Any, inputs: Inputs) -> None:
        self.inputs = inputs
        self._module = module
        self._blocks = [*module.transformer_blocks, *module.single_transformer_blocks]
        self._parts = inputs.conditioning.parts(len(self._blocks))

    def of(self, items: Sequence[int]) -> Forward:
        """Return the way of some of the items, in this order."""
        return Forward(self._module, self.inputs.of(items))

    def embedded(self) -> Activations:
        """Return what the first block takes."""
        module = self._module
        return Activations(
            module.x_embedder(self.inputs.picture), module.context_embedder(self.inputs.text)
        )

    def first(self, given: Activations) -> Activations:
        """Return what the first block gives."""
        return self._through(given, 0, 1)

    def remaining(self, given: Activations) -> Activations:
        """Return what all blocks but the first make of what the first gave."""
        return self._through(given, 1, len(self._blocks))

    def velocity(self, picture: torch.Tensor) -> torch.Tensor:
        """Return [B, T, 64] from what the last block gave for the picture, [B, T, D]."""
        module = self._module
        velocity: torch.Tensor = module.proj_out(module.norm_out(picture, self._parts[-1]))
        return velocity

    def whole(self) -> torch.Tensor:
        """Return the velocity [B, T, 64] by way of all parts."""
        return self.velocity(self._through(self.embedded(), 0, len(self._blocks)).picture)

    @cached_property
    def _rotary(self) -> tuple[torch.Tensor, torch.Tensor]:
        rotary: tuple[torch.Tensor, torch.Tensor] = self._module.pos_embed(self.inputs.positions)
        return rotary

    def _through(self, given: Activations, begin: int, end: int) -> Activations:
        for block, part in zip(self._blocks[begin:end], self._parts[begin:end], strict=True):
            text, picture = block(
                hidden_states=given.picture,
                encoder_hidden_states=given.text,
                temb=part,
                image_rotary_emb=self._rotary,
                joint_attention_kwargs=None,
            )
            given = Activations(picture, text)
        return given
