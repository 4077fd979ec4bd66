"""One denoising step of Qwen-Image-Edit: batched, both branches of guidance in the same batch."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
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
from pawfect.diffusion.loading import on_meta, read_config
from pawfect.diffusion.transformer_files import load_transformer
from pawfect.qwen.chain import LATENT_CHANNELS, TOKEN_WIDTH
from pawfect.qwen.gguf import PUBLISHED
from pawfect.weights.checkpoint import torch_dtype
from pawfect.weights.reading import unusable

# What makes a Qwen-Image transformer one that edits; the rest is size. `zero_cond_t`, which 2511
# sets, is the module's own matter.
REQUIRED: Final = {"in_channels": TOKEN_WIDTH, "out_channels": LATENT_CHANNELS, "patch_size": 2}
# Of models of other kinds: distilled guidance, layers. Not in every config.
ABSENT: Final = ("guidance_embeds", "use_additional_t_cond", "use_layer3d_rope")
# The timestep of pure noise: the schedule counts from it down to 0.
NOISE_TIMESTEP: Final = 1000.0
# Of diffusers' QwenEmbedRope, which has frequencies for so many positions.
ROTARY_BASE: Final = 10_000
POSITIONS: Final = 4096

Item = Mapping[str, Array]
Grid = tuple[int, int]


class Transformer:
    """Qwen-Image's transformer, which sees latents, text and reference pictures.

    Args:
        module: a QwenImageTransformer2DModel, loaded.
        device: where it lies.
        dtype: in which it computes.
        arithmetic: what computes the blocks' linear layers: `plain`, or a scheme of quantisation
            and the kernels in force.

    Attributes:
        model: Triton's name of it.
    """

    model: Final = "edit_transformer"

    def __init__(
        self, module: Any, device: str, dtype: torch.dtype, arithmetic: str = "plain"
    ) -> None:
        self.module = module
        self.device = device
        self.dtype = dtype
        self.arithmetic = arithmetic

    @classmethod
    def load(cls, folder: Path, *, device: str, dtype: str) -> Transformer:
        """Load the `transformer` of a folder, or the GGUF file in it.

        Args:
            folder: of the whole model, or of its transformer alone; see
                `pawfect.diffusion.transformer_files`.
            device: cpu or cuda.
            dtype: float32, float16 or bfloat16, of the computation.

        Raises:
            PawfectError: UNAVAILABLE where a file is missing, damaged or another model's.
        """
        module, arithmetic = load_transformer(
            folder, build_module, PUBLISHED, device=device, dtype=dtype
        )
        return cls(module, device, torch_dtype(dtype), arithmetic)

    def shared(self, item: Item) -> Hashable:
        """Return the grids of canvas and references, which steps of one batch share.

        Raises:
            PawfectError: INVALID_ARG for tensors that are no step of this transformer.
        """
        grids = _grids(item)
        tokens = (
            ("LATENTS", item["LATENTS"], grids[:1]),
            ("REFERENCES", item.get("REFERENCES"), grids[1:]),
        )
        for name, array, own in tokens:
            if array is not None:
                _check_values(name, array, TOKEN_WIDTH)
                count = sum(rows * columns for rows, columns in own)
                if len(array) != count:
                    raise invalid(name, f"{count} tokens for grids of {_listed(own)}", len(array))
        most = POSITIONS - max(side // 2 for grid in grids for side in grid)
        for name in ("PROMPT_EMBEDS", "NEGATIVE_EMBEDS"):
            if name in item:
                _check_values(name, item[name], self.module.config.joint_attention_dim)
                if len(item[name]) > most:
                    raise invalid(name, f"at most {most} tokens beside such grids", len(item[name]))
        timestep, guidance = float(item["TIMESTEP"][0]), float(item["GUIDANCE"][0])
        if not 0 < timestep <= NOISE_TIMESTEP:
            raise invalid("TIMESTEP", f"above 0 to {NOISE_TIMESTEP:g}", timestep)
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
        texts = [_texts(item) for item in items]
        counts = [len(own) for own in texts]
        rows = [item for item, count in zip(items, counts, strict=True) for _ in range(count)]
        flows = self._flows(rows, [text for own in texts for text in own]).split(counts)
        return [
            guided(own, float(item["GUIDANCE"][0])).cpu().numpy()
            for item, own in zip(items, flows, strict=True)
        ]

    def free(self) -> None:
        """Drop what is kept where memory is short: nothing is."""

    def _flows(self, rows: Sequence[Item], texts: Sequence[Array]) -> torch.Tensor:
        """Return the module's velocities, float32 [B, T, 64], of steps and one text for each."""
        grids = _grids(rows[0])
        pictures = [
            np.concatenate([row["LATENTS"], *([row["REFERENCES"]] if grids[1:] else [])])
            for row in rows
        ]
        longest = max(map(len, texts))
        padded = np.stack([np.pad(text, ((0, longest - len(text)), (0, 0))) for text in texts])
        lengths = torch.tensor([[len(text)] for text in texts])
        mask = torch.arange(longest) < lengths
        timesteps = np.concatenate([row["TIMESTEP"] for row in rows])
        flows = self.module(
            hidden_states=self._tensor(np.stack(pictures)),
            encoder_hidden_states=self._tensor(padded),
            # Kernels without masks serve texts of one length.
            encoder_hidden_states_mask=None if mask.all() else mask.to(self.device),
            timestep=torch.tensor(timesteps / np.float32(NOISE_TIMESTEP)).to(self.device),
            img_shapes=[[(1, *grid) for grid in grids]] * len(rows),
            return_dict=False,
        )[0]
        tokens = grids[0][0] * grids[0][1]
        velocities: torch.Tensor = flows[:, :tokens].float()
        return velocities

    def _tensor(self, array: Array) -> torch.Tensor:
        return torch.tensor(array).to(self.device, self.dtype)


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


def guided(flows: torch.Tensor, guidance: float) -> torch.Tensor:
    """Return the velocities [T, 64] of the branches of one item, [1 or 2, T, 64].

    With a second, negative branch it goes from that beyond the first, by classifier-free guidance
    (Ho and Salimans 2022, arXiv:2207.12598), with the norm of the first in each token, as the
    pipelines have it.
    """
    positive = flows[0]
    if len(flows) == 1:
        return positive
    mixed = flows[1] + guidance * (positive - flows[1])
    norms = [torch.linalg.vector_norm(flow, dim=-1, keepdim=True) for flow in (positive, mixed)]
    rescaled: torch.Tensor = mixed * (norms[0] / norms[1])
    return rescaled


def _texts(item: Item) -> list[Array]:
    """Return what each branch of an item reads: its prompt, and what it does not want."""
    texts = [item["PROMPT_EMBEDS"]]
    if "NEGATIVE_EMBEDS" in item and float(item["GUIDANCE"][0]) > 1:
        texts.append(item["NEGATIVE_EMBEDS"])
    return texts


def _grids(item: Item) -> tuple[Grid, ...]:
    """Return rows and columns of the canvas, then of each reference.

    Raises:
        PawfectError: INVALID_ARG where they are not positive, or references lack their grids.
    """
    if ("REFERENCES" in item) is not ("REFERENCE_GRIDS" in item):
        raise invalid("REFERENCES, REFERENCE_GRIDS", "both or neither", "one of them")
    given = [item["GRID"], *item.get("REFERENCE_GRIDS", ())]
    grids = tuple((int(rows), int(columns)) for rows, columns in given)
    if "REFERENCES" in item and len(grids) == 1:
        raise invalid("REFERENCE_GRIDS", "one grid or more", "none")
    for grid in grids:
        if min(grid) < 1:
            name = "GRID" if grid is grids[0] else "REFERENCE_GRIDS"
            raise invalid(name, "positive rows and columns of tokens", f"{grid[0]}x{grid[1]}")
    return grids


def _check_values(name: str, array: Array, width: int) -> None:
    if array.ndim != 2 or array.shape[1] != width or not len(array):
        raise invalid(name, f"shape [T, {width}] and some tokens", list(array.shape))
    if not np.isfinite(array).all():
        raise invalid(name, "finite values", "others")


def _listed(grids: Sequence[Grid]) -> str:
    return ", ".join(f"{rows}x{columns}" for rows, columns in grids)
