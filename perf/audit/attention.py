"""`python -m perf.audit attention`: ways to compute attention, timed on a profile's own blocks.

A way counts only where its own kernel ran in every block: the kernels are counted by torch's
profiler.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

import click
import torch
from torch.profiler import ProfilerActivity
from torch.profiler import profile as profiled

from pawfect.diffusion.attention import BACKENDS, AttentionError, use_attention
from pawfect.diffusion.compiling import repeated_blocks
from pawfect.picture.canvas import TOKEN_PX
from pawfect.profile import Profile
from perf.audit.compiled import Step, device_of, steps_of, transformer_of
from perf.audit.engines import settings_of
from perf.audit.options import chosen_engine

PLAIN: Final = "math"
# Steps of each way that are timed, in turn, so that a busy machine slows all.
ROUNDS: Final = 5
# What torch calls its kernels, and xformers its own, by the word that a profile uses.
SDPA: Final = "aten::_scaled_dot_product_"
KERNELS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "efficient": (f"{SDPA}efficient_attention",),
        "math": (f"{SDPA}attention_math",),
        "xformers": ("xformers",),
        "auto": (SDPA, "aten::_fused_sdp"),
    }
)
# Both sides' rounding: of a velocity, relative to the largest, in 32 and in 16 bits.
TOLERANCE: Final = MappingProxyType(
    {torch.float32: 1e-4, torch.float16: 2e-2, torch.bfloat16: 1e-1}
)


@dataclass
class Timed:
    """What came of one way to compute attention.

    Attributes:
        kernels: of attention that one step ran, by torch's name.
        ms: median time of a step; None: it does not run here.
        peak_mib: most memory of a step over what is held between steps; None: not on a card.
        difference: largest difference of the velocity from the plain products' one, relative to
            the largest velocity.
        problem: why it does not run here or does not count; empty: it holds.
    """

    kernels: Counter[str] = field(default_factory=Counter)
    ms: float | None = None
    peak_mib: float | None = None
    difference: float | None = None
    problem: str = ""


def compare(module: Any, step: Step, batch: int = 1) -> dict[str, Timed]:
    """Time every way to compute attention on one transformer, in turn.

    Args:
        module: diffusers' transformer, not compiled; it computes as `auto` afterwards.
        step: runs it once for a batch of so many items.
        batch: items of a step.
    """
    blocks, found = len(repeated_blocks(module)), {name: Timed() for name in BACKENDS}
    with torch.inference_mode():
        use_attention(module, PLAIN)
        plain = step(batch).float()
        for name, timed in found.items():
            try:
                use_attention(module, name)
            except AttentionError as error:
                timed.problem = str(error)
                continue
            got = step(batch)
            scale = plain.abs().max().clamp_min(1e-12)
            timed.difference = float((got.float() - plain).abs().max() / scale)
            timed.kernels = kernels_of(lambda: step(batch))
            timed.peak_mib = _peak_mib(lambda: step(batch), got.device)
            timed.problem = _problem(name, timed, blocks, got.dtype)
        here = [name for name, timed in found.items() if timed.kernels]
        ms = {name: [0.0] * ROUNDS for name in here}
        for turn in range(ROUNDS):
            for name in here:
                use_attention(module, name)
                ms[name][turn] = _ms(lambda: step(batch))
        use_attention(module, "auto")
    for name in here:
        found[name].ms = statistics.median(ms[name])
    return found


def kernels_of(call: Callable[[], object]) -> Counter[str]:
    """Return the attention kernels that a call runs, by torch's name, with how often."""
    with profiled(activities=[ProfilerActivity.CPU]) as watched:
        call()
    names = Counter({event.key: event.count for event in watched.key_averages()})
    kept = (SDPA, "xformers")
    return Counter({name: count for name, count in names.items() if name.startswith(kept)})


def _problem(name: str, timed: Timed, blocks: int, dtype: torch.dtype) -> str:
    ran = sum(n for kernel, n in timed.kernels.items() if kernel.startswith(KERNELS[name]))
    if ran != blocks:
        return f"its kernel ran in {ran} of {blocks} blocks"
    if timed.difference is not None and not timed.difference <= TOLERANCE[dtype]:
        return f"velocities differ by {timed.difference:.1e} of the largest"
    return ""


def _peak_mib(call: Callable[[], object], device: torch.device) -> float | None:
    if device.type != "cuda":
        return None
    torch.cuda.synchronize(device)
    torch.cuda.reset_peak_memory_stats(device)
    held = torch.cuda.memory_allocated(device)
    call()
    torch.cuda.synchronize(device)
    return (torch.cuda.max_memory_allocated(device) - held) / 2**20


def _ms(call: Callable[[], torch.Tensor]) -> float:
    began = time.perf_counter()
    # Reading one number waits for the device.
    call().flatten()[0].item()
    return (time.perf_counter() - began) * 1000


@click.command("attention")
@chosen_engine
def attention(profile: Profile, engine: str, size: int | None) -> None:
    """Time each way to compute attention; the exit code is 1 where the profile's own fails."""
    settings = settings_of(profile, engine)
    side = (size or settings.sizes[0]) // TOKEN_PX
    module, weights = transformer_of(profile, engine)
    click.echo(
        f"profile {profile.name}, {engine}: attention {settings.attention}: "
        f"{settings.attention_reason}"
    )
    device = device_of(settings)
    where = torch.cuda.get_device_name() if device == "cuda" else "cpu"
    click.echo(
        f"{weights}\ntorch {torch.__version__}, {settings.dtype}, {side * TOKEN_PX} px, {where}"
    )
    found = compare(module, steps_of(engine, module, settings, side))
    for way, timed in found.items():
        click.echo(f"{way}: {told(timed)}")
    own = found[settings.attention]
    if own.problem and device != settings.device:
        click.echo(f"the profile is for {settings.device}: its own attention is not judged here")
    elif own.problem:
        click.echo(f"NOT IN FORCE: attention {settings.attention} of profile {profile.name}")
        sys.exit(1)


def told(timed: Timed) -> str:
    """Return what came of one way, for people."""
    if timed.ms is None:
        return f"not here: {timed.problem}"
    kernels = ", ".join(f"{count} x {kernel}" for kernel, count in timed.kernels.items())
    peak = "" if timed.peak_mib is None else f", {timed.peak_mib:.0f} MiB more at the peak"
    tail = f": NOT IT: {timed.problem}" if timed.problem else ""
    return (
        f"{timed.ms:.1f} ms a step (median of {ROUNDS}, in turn){peak}; {kernels}; velocities "
        f"differ from plain products' by {timed.difference:.1e}, relative{tail}"
    )
