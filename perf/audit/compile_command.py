"""`pawfect audit compile`: whether a transformer compiles, really runs compiled, and pays."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import click
import torch

from pawfect.contract.errors import PawfectError
from pawfect.flux.tokens import TOKEN_PX
from pawfect.flux.transformer import Transformer
from pawfect.profile import FluxSettings, Profile, ProfileError, load_profile
from pawfect.weights.checkpoint import torch_dtype
from pawfect.weights.published import read as read_published
from pawfect.weights.reading import weights_folder
from pawfect.weights.store import Store, weights_root
from perf.audit.compilation import Proof, prove

# Whether and how much the blocks repeat changes nothing of how one compiles; random weights of all
# 57 would take 24 GB.
BLOCKS_OF_EACH: Final = 2


@dataclass(frozen=True)
class Subject:
    """What is compiled: a module, where and in what it computes, and where its weights are from."""

    module: Any
    device: str
    dtype: torch.dtype
    said: tuple[str, ...]


@click.command("compile")
@click.option("--profile", "name", default="tiny", show_default=True)
@click.option("--size", type=click.IntRange(64, 2048), help="Working size, px; default the least.")
@click.option("--backend", default="inductor", show_default=True, help="One that torch knows.")
@click.option("--batches", default="1,2,4", show_default=True, help="The first one is timed.")
@click.option("--repeats", type=click.IntRange(0), default=5, show_default=True)
def compile_(name: str, size: int | None, backend: str, batches: str, repeats: int) -> None:
    """Explain and compile a profile's blocks; the exit code is 1 where any of them ran eager."""
    try:
        sizes = tuple(int(part) for part in batches.split(","))
        if not sizes or min(sizes) < 1 or len(set(sizes)) < len(sizes):
            raise ValueError
    except ValueError:
        raise click.BadParameter(
            "expected whole numbers, as 1,2,4", param_hint="--batches"
        ) from None
    if backend not in (known := torch.compiler.list_backends(exclude_tags=())):
        raise click.BadParameter(f"expected one of {', '.join(known)}", param_hint="--backend")
    try:
        profile = load_profile(name)
    except ProfileError as error:
        raise click.BadParameter(str(error), param_hint="--profile") from None
    if profile.flux is None:
        raise click.BadParameter(f"profile {name} has no FLUX", param_hint="--profile")
    side = (size or profile.flux.sizes[0]) // TOKEN_PX
    subject = subject_of(profile)
    step = steps_of(subject, profile.flux, side)
    proof = prove(subject.module, step, backend=backend, batches=sizes, repeats=repeats)
    click.echo(told(profile, subject, side * TOKEN_PX, proof))
    sys.exit(1 if proof.problems else 0)


def subject_of(profile: Profile) -> Subject:
    """Return a profile's transformer: with its weights where they are here, else random ones."""
    settings = profile.flux
    assert settings is not None
    device, said = settings.device, []
    if device == "cuda" and not torch.cuda.is_available():
        device = "cpu"
        said.append("no CUDA device here: on the CPU, whose times say nothing about the card")
    dtype = torch_dtype(settings.dtype)
    entry = profile.weights["flux_transformer"]
    try:
        folder = weights_folder("flux_transformer", profile, Store(weights_root()))
        module = Transformer.load(folder, device=device, dtype=settings.dtype).module
        return Subject(module, device, dtype, (*said, f"weights: {entry}"))
    except PawfectError as error:
        said.append(f"weights: random, unquantised, {BLOCKS_OF_EACH} blocks of each kind ({error})")
    return Subject(_random(settings, device, dtype), device, dtype, tuple(said))


def _random(settings: FluxSettings, device: str, dtype: torch.dtype) -> Any:
    """Return the profile's transformer with few blocks of each kind and random weights."""
    from diffusers.models.transformers.transformer_flux import FluxTransformer2DModel

    from pawfect_export.tiny.flux import PROMPT_WIDTH, TRANSFORMER

    tiny = settings.text_width == PROMPT_WIDTH
    config = dict(TRANSFORMER if tiny else read_published("flux_transformer").config)
    config |= {"num_layers": BLOCKS_OF_EACH, "num_single_layers": BLOCKS_OF_EACH}
    with torch.device("meta"):
        module: Any = FluxTransformer2DModel.from_config(config)
    # torch's own `to`: diffusers' one warns of layers to be kept in fp32, of which there are none.
    torch.nn.Module.to(module, dtype)
    module.to_empty(device=device)
    generator = torch.Generator(device).manual_seed(0)
    for tensor in module.parameters():
        # Near unit activations, as trained weights give: neither overflow nor denormal numbers,
        # which are slow.
        fan_in = tensor.shape[-1] if tensor.ndim > 1 else 100
        with torch.no_grad():
            tensor.normal_(0, fan_in**-0.5, generator=generator)
    return module.requires_grad_(False).eval()


def steps_of(subject: Subject, settings: FluxSettings, side: int) -> Callable[[int], torch.Tensor]:
    """Return what runs one step for a batch of so many, on a grid of `side` x `side` tokens."""
    config = subject.module.config

    def step(batch: int) -> torch.Tensor:
        # On the CPU, so that it is the same on every device.
        generator = torch.Generator().manual_seed(0)

        def random(*shape: int) -> torch.Tensor:
            values = torch.randn(batch, *shape, generator=generator)
            return values.to(subject.device, subject.dtype)

        rows = torch.arange(side, device=subject.device)
        flow: torch.Tensor = subject.module(
            hidden_states=random(side * side, config.in_channels),
            encoder_hidden_states=random(settings.text_tokens, config.joint_attention_dim),
            pooled_projections=random(config.pooled_projection_dim),
            timestep=torch.full((batch,), 0.5, device=subject.device),
            guidance=torch.full((batch,), settings.guidance_scale, device=subject.device),
            img_ids=torch.cartesian_prod(torch.zeros_like(rows[:1]), rows, rows).float(),
            txt_ids=torch.zeros(settings.text_tokens, 3, device=subject.device),
            return_dict=False,
        )[0]
        return flow

    return step


def told(profile: Profile, subject: Subject, size: int, proof: Proof) -> str:
    """Return what came of it, for people."""
    assert profile.flux is not None
    switch = "on" if profile.flux.compile else "off"
    lines = [
        f"profile {profile.name}: compile is {switch}: {profile.flux.compile_reason}",
        *subject.said,
        f"torch {torch.__version__}, backend {proof.backend}, {subject.dtype}, {size}x{size} px, "
        f"{subject.device}",
    ]
    lines += [
        f"{one.kind} (x{one.blocks}): {one.graphs} graphs, {len(one.breaks)} breaks, "
        f"{one.guards} guards, {one.operations} operations"
        for one in proof.explained
    ]
    lines += [
        f"batch of {batch}: {made} graphs compiled; a step ran {proof.ran[batch]} compiled graphs "
        f"for {proof.blocks} blocks"
        for batch, made in proof.compiled.items()
    ]
    if proof.ratio is not None:
        eager, compiled = statistics.median(proof.eager_ms), statistics.median(proof.compiled_ms)
        lines.append(
            f"a step: {eager:.1f} ms eager, {compiled:.1f} ms compiled, {proof.ratio:.2f} times as "
            f"fast (median of {len(proof.eager_ms)} pairs); the first took "
            f"{proof.first_ms / 1000:.1f} s; outputs differ by {proof.difference:.1e}, relative"
        )
    if proof.problems:
        lines += ["NOT COMPILED:", *(f"  {problem}" for problem in proof.problems)]
    else:
        lines.append("compiled: every block of every step ran as a compiled graph")
    return "\n".join(lines)
