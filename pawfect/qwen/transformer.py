"""One denoising step of Qwen-Image-Edit: batched, both branches of guidance in the same batch."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from math import prod
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from diffusers.models.transformers.transformer_qwenimage import (
    QwenEmbedRope,
    QwenImageTransformer2DModel,
)
from numpy.typing import NDArray

from pawfect.contract.errors import invalid
from pawfect.contract.tensors import Array
from pawfect.diffusion.batch import Item
from pawfect.diffusion.guidance import guided, texts_of
from pawfect.diffusion.loading import on_meta, read_config
from pawfect.diffusion.modulation import Moment
from pawfect.diffusion.step import NOISE_TIMESTEP, TEXTS, Grid, check_step, grids_of
from pawfect.diffusion.transformer import ChainTransformer
from pawfect.qwen.chain import EDIT, LATENT_CHANNELS, TOKEN_WIDTH
from pawfect.qwen.gguf import PUBLISHED
from pawfect.qwen.modulation import Modulation
from pawfect.weights.reading import unusable

# What makes a Qwen-Image transformer one that edits; the rest is size. `zero_cond_t`, which 2511
# sets, is the module's own matter.
REQUIRED: Final = {"in_channels": TOKEN_WIDTH, "out_channels": LATENT_CHANNELS, "patch_size": 2}
# Of models of other kinds: distilled guidance, layers. Not in every config.
ABSENT: Final = ("guidance_embeds", "use_additional_t_cond", "use_layer3d_rope")
# Of diffusers' QwenEmbedRope, which has frequencies for so many positions.
ROTARY_BASE: Final = 10_000
POSITIONS: Final = 4096


class Transformer(ChainTransformer):
    """Qwen-Image's transformer, which sees latents, text and reference pictures."""

    model = EDIT.transformer
    published = PUBLISHED
    modulating = Modulation

    @staticmethod
    def build(folder: Path) -> Any:
        """See `build_module`."""
        return build_module(folder)

    def shared(self, item: Item) -> Hashable:
        """Return the grids of canvas and references, which steps of one batch share.

        Raises:
            PawfectError: INVALID_ARG for tensors that are no step of this transformer.
        """
        grids = check_step(item, TOKEN_WIDTH, self.module.config.joint_attention_dim)
        most = POSITIONS - max(side // 2 for grid in grids for side in grid)
        for name in TEXTS:
            if name in item and len(item[name]) > most:
                raise invalid(name, f"at most {most} tokens beside such grids", len(item[name]))
        guidance = float(item["GUIDANCE"][0])
        if not 0 <= guidance < np.inf:
            raise invalid("GUIDANCE", "0 or more, finite", guidance)
        return grids

    @torch.inference_mode()
    def velocities(self, items: Sequence[Item]) -> Sequence[NDArray[np.float32]]:
        """Return the velocities of a batch; each is computed as if it were alone.

        An item with NEGATIVE_EMBEDS and a GUIDANCE above 1 is two rows of the batch; see `guided`.

        Args:
            items: by the contract's names, each passed by `shared` with the same grids.

        Returns:
            float32 [T, 64] each; not finite where an item overflows the precision, which
            `pawfect.diffusion.schedule.euler` refuses.
        """
        texts = [texts_of(item) for item in items]
        counts = [len(own) for own in texts]
        rows = [item for item, count in zip(items, counts, strict=True) for _ in range(count)]
        flows = torch.split(self._flows(rows, [text for own in texts for text in own]), counts)
        return [
            guided(own, float(item["GUIDANCE"][0])).cpu().numpy()
            for item, own in zip(items, flows, strict=True)
        ]

    def _flows(self, rows: Sequence[Item], texts: Sequence[Array]) -> torch.Tensor:
        """Return the module's velocities, float32 [B, T, 64], of steps and one text for each."""
        grids = grids_of(rows[0])
        tokens = len(rows[0]["LATENTS"])
        names = [name for name in ("LATENTS", "REFERENCES") if name in rows[0]]
        pictures = [np.concatenate([row[name] for name in names]) for row in rows]
        longest = max(map(len, texts))
        padded = np.stack([np.pad(text, ((0, longest - len(text)), (0, 0))) for text in texts])
        mask = torch.arange(longest) < torch.tensor([[len(text)] for text in texts])
        flows = forward(
            self.module,
            self.tensor(np.stack(pictures)),
            self.tensor(padded),
            # Kernels without masks serve texts of one length.
            None if mask.all() else mask.to(self.device),
            self._conditioning(np.concatenate([row["TIMESTEP"] for row in rows]), tokens),
            grids,
        )
        return flows[:, :tokens].float()

    def _conditioning(self, timesteps: Array, tokens: int) -> Sequence[torch.Tensor]:
        """Return what modulates each block, and then the output: [B, N] each, or [2B, N].

        Where `zero_cond_t` is set, references are modulated as of timestep 0, by the second half.
        """
        if self.module.zero_cond_t:
            timesteps = np.concatenate([timesteps, np.zeros_like(timesteps)])
        if self.modulation is None:
            time = torch.tensor(timesteps / np.float32(NOISE_TIMESTEP)).to(self.device, self.dtype)
            embedding = self.module.time_text_embed(time, time)
            return [embedding] * (len(self.module.transformer_blocks) + 1)
        return self.rows([Moment(float(timestep)) for timestep in timesteps], tokens)


def build_module(folder: Path) -> QwenImageTransformer2DModel:
    """Return the QwenImageTransformer2DModel of a folder's config.json, without weights.

    Raises:
        PawfectError: UNAVAILABLE where the config is missing, damaged or another model's.
    """
    config = read_config(folder, "QwenImageTransformer2DModel", REQUIRED)
    for name in ABSENT:
        if config.get(name):
            raise unusable(folder, f"{name}: expected none, got {config[name]!r}")
    module: QwenImageTransformer2DModel = on_meta(
        folder, lambda: QwenImageTransformer2DModel.from_config(config)
    )
    # Its frequencies are no buffers, and so would stay on the meta device.
    axes = list(module.config["axes_dims_rope"])
    module.pos_embed = QwenEmbedRope(theta=ROTARY_BASE, axes_dim=axes, scale_rope=True)
    return module


def forward(
    module: Any,
    picture: torch.Tensor,
    text: torch.Tensor,
    mask: torch.Tensor | None,
    conditioning: Sequence[torch.Tensor],
    grids: Sequence[Grid],
) -> torch.Tensor:
    """Run a transformer: diffusers' own pass but that each block has its own conditioning.

    Args:
        module: a QwenImageTransformer2DModel.
        picture: [B, T, 64], latents, then references.
        text: [B, L, D].
        mask: bool [B, L], which tokens of the text are none of its padding; None: all.
        conditioning: of each block and of the output, see `Transformer._conditioning`.
        grids: of latents and references.

    Returns:
        [B, T, 64], the velocity; behind that of the latents nothing that means something.
    """
    *parts, last = conditioning
    index = None
    if module.zero_cond_t:
        last = last[: len(picture)]
        index = torch.arange(picture.shape[1], device=picture.device) >= prod(grids[0])
        index = index.int().expand(len(picture), -1)
    picture, text = module.img_in(picture), module.txt_in(module.txt_norm(text))
    rotary = module.pos_embed(
        [[(1, *grid) for grid in grids]], max_txt_seq_len=text.shape[1], device=picture.device
    )
    for block, part in zip(module.transformer_blocks, parts, strict=True):
        text, picture = block(
            hidden_states=picture,
            encoder_hidden_states=text,
            encoder_hidden_states_mask=mask,
            temb=part,
            image_rotary_emb=rotary,
            joint_attention_kwargs=None,
            modulate_index=index,
        )
    velocity: torch.Tensor = module.proj_out(module.norm_out(picture, last))
    return velocity
