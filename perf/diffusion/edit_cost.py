"""What Qwen-Image-Edit takes on larger cards, modelled: a part of `make t4`. It needs bfloat16."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Final

from pawfect.costs import CASES, Costs
from pawfect.profile import Profile, load_profile
from perf.diffusion.cards import CARDS
from perf.diffusion.estimates import estimate
from perf.diffusion.memory import branches, processes_of, seen_pictures, total_gib
from perf.diffusion.request import request_s, rounded
from perf.diffusion.storage import FUSED, TORCH

SIZES: Final = (512, 768, 1024)


@dataclass(frozen=True)
class Way:
    """One way to run it.

    Attributes:
        name: for people.
        profile: whose settings.
        entry: of the transformer in the weights' manifest.
        steps: that are run.
        guidance: above 1 both branches run.
        kernels: of integer layers.
    """

    name: str
    profile: str
    entry: str
    steps: int
    guidance: float
    kernels: str = FUSED

    def applied(self) -> Profile:
        """Return the profile that runs it so."""
        base = load_profile(self.profile)
        assert base.edit is not None
        weights = MappingProxyType({**base.weights, "edit_transformer": self.entry})
        edit = replace(base.edit, steps=self.steps, guidance_scale=self.guidance)
        return replace(base, weights=weights, edit=edit)


_LIGHTNING: Final = "qwen-edit-2509-lightning8-int4"
WAYS: Final = (
    Way("L4, int4, 8 steps, fused kernels", "l4-edit", _LIGHTNING, 8, 1.0),
    Way("L4, int4, 8 steps, torch's kernels", "l4-edit", _LIGHTNING, 8, 1.0, TORCH),
    Way("L4, int4, 50 guided steps, fused kernels", "l4-edit", "qwen-edit-2509-int4", 50, 4.0),
    Way("H200, bf16, 40 guided steps", "h200", "qwen-image-edit-2509", 40, 4.0),
    Way("H200, bf16, 50 guided steps", "h200", "qwen-image-edit-2509", 50, 4.0),
)


def cells() -> Iterator[dict[str, Any]]:
    """Yield all cells of way x size; seconds are modelled.

    A request edits one window, which each step is shown beside its canvas; the text encoder sees
    it with each prompt, so that no cache knows one: `total_s` has it in it, for both branches of
    guidance. `fits` as in `klein_cost.cells`.
    """
    for way in WAYS:
        profile = way.applied()
        known = {case: estimate(profile, "edit", case, way.kernels) for case in CASES}
        for side in SIZES:
            yield _cell(way, profile, known, side)


def _cell(way: Way, profile: Profile, known: Mapping[str, Costs], side: int) -> dict[str, Any]:
    assert profile.edit is not None
    pictures, prompts = seen_pictures(profile.edit), branches(profile.edit)
    tokens = pictures * (side // 16) ** 2
    asked = side, way.steps, pictures, prompts
    held = total_gib(processes_of(profile, side=side, kernels=way.kernels))
    return {
        "way": way.name,
        "side": side,
        "steps": way.steps,
        "step_s": rounded({case: of.step_ms(tokens) / 1000 for case, of in known.items()}, 3),
        "total_s": rounded({case: request_s(of, *asked) for case, of in known.items()}, 1),
        "memory_gib": round(held, 2),
        "fits": held < CARDS[way.profile].usable_gib,
    }
