"""Which cells a proof runs: the baseline as it was, the product's own, and the roadmap's grid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Final

from pawfect.contract.parameters import MAX_DEADLINE_MS
from pawfect.profile import Profile
from perf.audit.axes import Axes
from perf.audit.engines import has, settings_of
from perf.audit.matrix import Matrix, Source

# The service before this one: its prompt was the same for every photo.
STATIC_PROMPT: Final = "empty ground, nothing here"
STATIC: Final = "static"
BASELINE_PX: Final = 1024
BASELINE_STEPS: Final = 28
# A picture more or less strange may be the seed's doing: what quantisation does is told by three
# of the baseline. All settings that are compared with each other have the first alone.
SEEDS: Final = (0, 1, 2)
Values = Mapping[str, Any]
_NONE: Final[Values] = MappingProxyType({})


@dataclass(frozen=True)
class Grid:
    """What a proof asks of one engine.

    Attributes:
        published: entries of its quantised transformers by name, the smallest first.
        rehearsed: likewise, with tiny weights.
        varied: values of each setting that is asked about.
        baseline: settings of the service as it was, by axis; what is left out is the profile's.
        middle: likewise, from which a short run varies one thing at a time.
        stands_for: what to know of the entries.
    """

    published: Mapping[str, str]
    rehearsed: Mapping[str, str]
    varied: Mapping[str, tuple[Any, ...]]
    baseline: Values = field(default_factory=lambda: _NONE)
    middle: Values = field(default_factory=lambda: _NONE)
    stands_for: str = ""


GRIDS: Final[Mapping[str, Grid]] = MappingProxyType(
    {
        # The roadmap's.
        "flux": Grid(
            {
                "Q4_0": "flux-fill-dev-q4_0",
                "Q5_K_M": "flux-fill-dev-q5_k_s",
                "Q8_0": "flux-fill-dev-q8_0",
            },
            # The same number of loads.
            {
                "Q4_0": "tiny-flux-fill-int4",
                "Q5_K_M": "tiny-flux-fill-int8",
                "Q8_0": "tiny-flux-fill-q8_0",
            },
            {"guidance": (2.0, 4.0, 10.0, 20.0, 30.0), "steps": (8, 20, 28)},
            {"guidance": 10.0, "steps": BASELINE_STEPS},
            # What the roadmap expects of 1.1.
            {"guidance": 10.0, "steps": 20},
            "no published Q5_K_M of FLUX.1-Fill-dev could be named, Q5_K_S stands for it",
        ),
        # What is open of it; guided it is not.
        "klein": Grid(
            {"int4": "klein-4b-int4", "int8": "klein-4b-int8"},
            {"int4": "tiny-klein-int4", "int8": "tiny-klein-int8"},
            {
                # Of four steps the last two, three, or all.
                "strength": (0.5, 0.7, 0.9),
                "references": (True, False),
                "steps": (4, 8),
            },
        ),
        "edit": Grid(
            {"int4": "qwen-edit-2509-int4", "int8": "qwen-edit-2509-int8"},
            {"int4": "tiny-edit-int4", "int8": "tiny-edit-int8"},
            {"guidance": (1.0, 2.5, 4.0), "steps": (8, 20, 40)},
        ),
    }
)
# Qwen-Image-Edit with its LoRA of 8 steps, whose schedule no other weights were trained with.
LIGHTNING: Final = Grid(
    {"int4": "qwen-edit-2509-lightning8-int4"},
    {"int4": "tiny-edit-int4"},
    {"guidance": (1.0, 2.0), "steps": (4, 8)},
)


@dataclass(frozen=True)
class Plan:
    """What is run.

    Attributes:
        engine: that is proved.
        matrices: whose cells together are run.
        quantisations: by the roadmap's name, the entry that is it or stands for it, the smallest
            first.
        rehearsal: whether the weights are tiny random ones.
        stands_for: what to know of the quantisations.
    """

    engine: str
    matrices: tuple[Matrix, ...]
    quantisations: Mapping[str, str]
    rehearsal: bool
    stands_for: str = ""

    @property
    def source(self) -> Source:
        """The session, with the texts that its cells ask for."""
        return self.matrices[0].session[0]

    @property
    def entries(self) -> tuple[str, ...]:
        """Entries of the weights' manifest for the transformer, each once."""
        every = (name for matrix in self.matrices for name in matrix.axes.quantisation)
        return tuple(dict.fromkeys(every))

    @property
    def smallest(self) -> str:
        """The name of the smallest quantisation."""
        return next(iter(self.quantisations))

    @property
    def largest(self) -> str:
        """The name of the largest quantisation."""
        return list(self.quantisations)[-1]


def plan_of(profile: Profile, source: Source, *, full: bool, engine: str | None = None) -> Plan:
    """Return what a profile's proof runs on one session.

    Args:
        profile: with a denoising engine.
        source: the session.
        full: the whole grid; else each axis by itself from its middle.
        engine: that is proved; None: the profile's first.
    """
    engine = engine or profile.denoising[0]
    settings, entry = settings_of(profile, engine), profile.weights[f"{engine}_transformer"]
    grid = LIGHTNING if getattr(settings, "shift", "") == "lightning" else GRIDS[engine]
    rehearsal = entry.startswith("tiny-")
    quantisations = grid.rehearsed if rehearsal else grid.published
    entries = tuple(quantisations.values())
    baseline_px = max(px for px in settings.sizes if px <= BASELINE_PX)
    # The size next to the smallest: what the planner takes for most holes within 30 s.
    grid_px = settings.sizes[0] if rehearsal else settings.sizes[1]
    named = replace(source, prompts=MappingProxyType({STATIC: STATIC_PROMPT}))
    own = {"steps": settings.steps, "strength": settings.strength}
    own |= {"guidance": settings.guidance_scale} if has(profile, engine, "guidance") else {}
    own |= {"references": settings.refers} if has(profile, engine, "references") else {}

    def matrix(
        quantisation: tuple[str, ...],
        values: Values,
        varied: Mapping[str, tuple[Any, ...]] = _NONE,
        prompt: str = "labels",
        size: int = grid_px,
        seeds: tuple[int, ...] = SEEDS[:1],
    ) -> Matrix:
        said = {name: (value,) for name, value in (own | dict(values)).items()} | dict(varied)
        axes = Axes(
            quantisation=quantisation, prompt=(prompt,), size=(size,), engine=(engine,), **said
        )
        return Matrix(
            profile.name, axes, (named,), seeds, MAX_DEADLINE_MS, profile.budget["inpaint"]
        )

    ends = tuple(dict.fromkeys((entries[0], entries[-1])))
    matrices = [
        matrix(ends, grid.baseline, prompt=STATIC, size=baseline_px, seeds=SEEDS),
        matrix((entry,), _NONE),
        matrix(entries, grid.middle),
    ]
    if full:
        matrices.append(matrix(entries, grid.middle, grid.varied))
    else:
        matrices += [
            matrix(entries[:1], grid.middle, {name: values}) for name, values in grid.varied.items()
        ]
    return Plan(engine, tuple(matrices), quantisations, rehearsal, grid.stands_for)
