"""One denoising step of FLUX.1-Fill: batched; it keeps nothing but rows of the modulation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from pawfect.contract.errors import invalid
from pawfect.contract.tensors import Array
from pawfect.diffusion.modulation import Moment
from pawfect.diffusion.tokens import check_grid
from pawfect.diffusion.transformer import ChainTransformer
from pawfect.flux.chain import FLUX
from pawfect.flux.condition import CONDITION_WIDTH, TOKEN_WIDTH
from pawfect.flux.gguf import PUBLISHED
from pawfect.flux.modulation import Modulation
from pawfect.flux.transformer_module import FILL, build_module

# The timestep of pure noise: the schedule counts from it down to 0.
NOISE_TIMESTEP: Final = 1000.0

# What of a step is stacked to a batch.
STEP: Final = ("LATENTS", "CONDITION", "PROMPT_EMBEDS", "POOLED", "TIMESTEP", "GUIDANCE")

Floats = NDArray[np.floating[Any]]


class Transformer(ChainTransformer):
    """FLUX's transformer, which sees the latents and says which way they flow."""

    model = FLUX.transformer
    published = PUBLISHED
    modulating = Modulation

    @staticmethod
    def build(folder: Path) -> Any:
        """See `build_module`."""
        return build_module(folder, FILL)

    @torch.inference_mode()
    def velocity(
        self,
        latents: Floats,
        condition: Floats,
        prompt_embeds: Floats,
        pooled: Floats,
        timestep: Floats,
        guidance: Floats,
        grid: tuple[int, int],
    ) -> NDArray[np.float32]:
        """Return the velocity at each item's timestep: noise minus picture.

        Items share the grid and the number of text tokens, nothing else; each is computed as if it
        were alone.

        Args:
            latents: [B, T, 64].
            condition: [B, T, 320], as `Vae.encode` gives it.
            prompt_embeds: [B, L, D].
            pooled: [B, P].
            timestep: [B], above 0 to 1000, noise.
            guidance: [B], 0 or more; in float16 at most 65.
            grid: rows and columns of tokens.

        Returns:
            float32 [B, T, 64]; not finite where an item overflows the precision, which
            `pawfect.diffusion.schedule.euler` refuses.

        Raises:
            PawfectError: INVALID_ARG as `check` does.
        """
        self.check(latents, condition, prompt_embeds, pooled, timestep, guidance, grid)
        flow = forward(
            self.module,
            self.tensor(np.concatenate((latents, condition), axis=2)),
            self.tensor(prompt_embeds),
            self._conditioning(pooled, timestep, guidance, grid[0] * grid[1]),
            self._positions(grid, prompt_embeds.shape[1]),
        )
        velocity: NDArray[np.float32] = flow.float().cpu().numpy()
        return velocity

    def shared(self, item: Mapping[str, Array]) -> tuple[int, ...]:
        """Return what steps of one batch share; see `pawfect.diffusion.batch.Stepper`."""
        rows, columns = (int(number) for number in item["GRID"])
        self.check(**_arguments([item]), grid=(rows, columns))
        return rows, columns, *item["PROMPT_EMBEDS"].shape

    def velocities(self, items: Sequence[Mapping[str, Array]]) -> Sequence[NDArray[np.float32]]:
        """Return the velocities of a batch; see `pawfect.diffusion.batch.Stepper`."""
        rows, columns = (int(number) for number in items[0]["GRID"])
        return list(self.velocity(**_arguments(items), grid=(rows, columns)))

    def check(
        self,
        latents: Floats,
        condition: Floats,
        prompt_embeds: Floats,
        pooled: Floats,
        timestep: Floats,
        guidance: Floats,
        grid: tuple[int, int],
    ) -> None:
        """Raise INVALID_ARG unless `velocity` can take these tensors, which it names.

        It is for callers that must not let one request's mistake fail those batched with it.
        """
        config = self.module.config
        items, tokens = (*latents.shape, 0, 0)[:2]
        text = prompt_embeds.shape[1] if prompt_embeds.ndim > 1 else 0
        given = (
            ("LATENTS", latents, (items, tokens, TOKEN_WIDTH)),
            ("CONDITION", condition, (items, tokens, CONDITION_WIDTH)),
            ("PROMPT_EMBEDS", prompt_embeds, (items, text, config.joint_attention_dim)),
            ("POOLED", pooled, (items, config.pooled_projection_dim)),
            ("TIMESTEP", timestep, (items,)),
            ("GUIDANCE", guidance, (items,)),
        )
        for name, array, shape in given:
            if array.shape != shape or not array.size:
                raise invalid(name, f"shape {list(shape)} and some items", list(array.shape))
            if not np.isfinite(array).all():
                raise invalid(name, "finite values", "others")
        check_grid(tokens, grid, "LATENTS")
        if not ((timestep > 0) & (timestep <= NOISE_TIMESTEP)).all():
            expected = f"above 0 to {NOISE_TIMESTEP:g}"
            raise invalid("TIMESTEP", expected, _listed(timestep))
        # The module multiplies guidance by 1000 in its own precision.
        most = torch.finfo(self.dtype).max // 1000
        if not ((guidance >= 0) & (guidance <= most)).all():
            raise invalid("GUIDANCE", f"0 to {most:g}", _listed(guidance))

    def _positions(self, grid: tuple[int, int], text: int) -> torch.Tensor:
        """Return [L + T, 3]: zeros for text, then 0, row and column of each picture token."""
        rows, columns = (torch.arange(side, device=self.device) for side in grid)
        positions = torch.cartesian_prod(torch.zeros_like(rows[:1]), rows, columns)
        return torch.cat((positions.new_zeros(text, 3), positions)).float()

    def _conditioning(
        self, pooled: Floats, timestep: Floats, guidance: Floats, tokens: int
    ) -> Sequence[torch.Tensor]:
        """Return what modulates each block, and then the output: [B, N] each."""
        if self.modulation is None:
            # As the module does, which takes 0 to 1 and multiplies by 1000 itself.
            time = torch.tensor(timestep).to(self.device).float() / NOISE_TIMESTEP
            embedding = self.module.time_text_embed(
                time.to(self.dtype) * 1000,
                self.tensor(guidance) * 1000,
                self.tensor(pooled),
            )
            return [embedding] * (len(_blocks(self.module)) + 1)
        moments = [Moment.of(*item) for item in zip(timestep, guidance, pooled, strict=True)]
        return self.rows(moments, tokens)


def forward(
    module: Any,
    picture: torch.Tensor,
    text: torch.Tensor,
    conditioning: Sequence[torch.Tensor],
    positions: torch.Tensor,
) -> torch.Tensor:
    """Run a transformer: diffusers' own pass but that each block has its own conditioning.

    Args:
        module: a FluxTransformer2DModel.
        picture: [B, T, 384], latents beside condition.
        text: [B, L, D].
        conditioning: of each block and of the output, [B, N] each: the time embedding, or the rows
            that `pawfect.diffusion.modulation` computed.
        positions: [L + T, 3], of text and picture tokens.

    Returns:
        [B, T, 64], the velocity.
    """
    picture, text = module.x_embedder(picture), module.context_embedder(text)
    rotary = module.pos_embed(positions)
    *parts, last = conditioning
    for block, part in zip(_blocks(module), parts, strict=True):
        text, picture = block(
            hidden_states=picture,
            encoder_hidden_states=text,
            temb=part,
            image_rotary_emb=rotary,
            joint_attention_kwargs=None,
        )
    velocity: torch.Tensor = module.proj_out(module.norm_out(picture, last))
    return velocity


def _blocks(module: Any) -> list[torch.nn.Module]:
    return [*module.transformer_blocks, *module.single_transformer_blocks]


def _arguments(items: Sequence[Mapping[str, Array]]) -> dict[str, Any]:
    """Return a batch [B, ...] by the names of `Transformer.velocity`; scalars become [B]."""
    named = {name.lower(): np.stack([item[name] for item in items]) for name in STEP}
    return named | {name: named[name][:, 0] for name in ("timestep", "guidance")}


def _listed(values: Floats) -> str:
    return ", ".join(f"{value:g}" for value in values.tolist())
