"""Prompts: surfaces in, one to three plain words out.

Over-specified prompts are a known cause of bad fills, so a prompt names at most two surfaces, and
colours, light and wetness are left to the picture. Every word of it is a word of `words.toml`; a
request's own PROMPT is read like a caption, so nothing that is written there can get through.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from pawfect.scene.lexicon import Surface, table
from pawfect.scene.phrases import read_surfaces

# A prompt's most words, "and" and "with" not counted: "grass with fallen leaves" has three.
MAX_WORDS: Final = 3
# A label at least this sure stands against a caption: more likely there than not.
SURE: Final = 0.5
# Below this a label is noise: a vocabulary of forty phrases gives a few such on any photo.
NOISE: Final = 0.1
# Share of the ring below which a label is the rim of something else: at the ring's usual width of
# 24-160 px, the few pixels by which segments overlap.
LEAST_COVERAGE: Final = 0.05
# Share of the ring from which a second surface meets the hole: a fifth is about the side of a
# square hole that it runs along. Litter needs only the least: it is thin by nature.
SECOND_COVERAGE: Final = 0.2


@dataclass(frozen=True)
class Label:
    """A surface that was seen in the ring, or that the request names.

    Attributes:
        name: any text; read through the table.
        score: 0-1. Where it is below the coverage it counts as presence times coverage, as
            `sam3_labeling` gives it.
        coverage: share of the ring, 0-1.
    """

    name: str
    score: float = 1.0
    coverage: float = 1.0

    @property
    def sureness(self) -> float:
        """How likely the surface is there at all, 0-1, however little of the ring it covers."""
        return min(self.score / self.coverage, 1.0) if self.coverage > 0 else 0.0


@dataclass(frozen=True)
class Prompt:
    """A prompt and where it comes from.

    Attributes:
        text: what the model is given, or told of by `pawfect.scene.instructions`.
        words: its words, "and" and "with" not counted: 1 to 3.
        source: prompt (the request's own), labels, caption or none.
        dropped: names of surfaces that were recognised, in any source, and are not in the text.
    """

    text: str
    words: int
    source: str
    dropped: tuple[str, ...] = ()


def build_prompt(
    labels: Sequence[Label], caption: str | None = None, asked: str | None = None
) -> Prompt:
    """Return the prompt for a hole from what is known of its surroundings.

    The first source that names a surface decides: the request's own prompt, the labels, the
    caption; surfaces that say little ("ground") count only where no source names a better one.

    - Labels that are sure, or that the caption names too, decide alone, by coverage. Where all
      are weak, a caption that contradicts them (grass against carpet: families not seen side by
      side) decides instead; otherwise the best of them does.
    - The second surface joins if it covers enough of the ring and the text keeps to three words:
      "A and B" where two meet, "A with B" where B is litter.

    Pure: the same arguments give the same prompt, and a prompt's own text, asked for or as a label,
    gives that text again.

    Args:
        labels: in any order; equal coverage keeps the order given.
        caption: text about the surroundings, in any of the table's languages.
        asked: the request's PROMPT, any text.
    """
    in_asked = read_surfaces(asked or "")
    in_caption = tuple(s for s in read_surfaces(caption or "") if not s.scenery)
    in_labels = _read_labels(labels)
    sources = {
        "prompt": [(surface, 1.0) for surface in in_asked],
        "labels": _trusted(in_labels, in_caption),
        "caption": [(surface, 1.0) for surface in in_caption],
    }
    seen = dict.fromkeys([*in_asked, *(claim.surface for claim in in_labels), *in_caption])
    for general in (False, True):
        for source, claims in sources.items():
            shown = _chosen([claim for claim in claims if claim[0].general is general])
            if shown:
                return Prompt(
                    _text(shown),
                    sum(surface.words for surface in shown),
                    source,
                    tuple(surface.name for surface in seen if surface not in shown),
                )
    return Prompt(table().neutral, 1, "none", tuple(surface.name for surface in seen))


@dataclass(frozen=True)
class _Claim:
    surface: Surface
    sureness: float
    coverage: float


def _read_labels(labels: Sequence[Label]) -> list[_Claim]:
    """Return the labels' surfaces, each once with the best that is claimed for it."""
    claims: dict[str, _Claim] = {}
    for label in labels:
        for surface in read_surfaces(label.name):
            before = claims.get(surface.name, _Claim(surface, 0.0, 0.0))
            claims[surface.name] = _Claim(
                surface,
                max(before.sureness, label.sureness),
                max(before.coverage, label.coverage),
            )
    return list(claims.values())


def _trusted(
    claims: Sequence[_Claim], in_caption: Sequence[Surface]
) -> list[tuple[Surface, float]]:
    """Return the surfaces of the labels that stand against the caption, by coverage."""
    heard = [c for c in claims if c.sureness >= NOISE and c.coverage >= LEAST_COVERAGE]
    trusted = [c for c in heard if c.sureness >= SURE or c.surface in in_caption]
    telling = [surface for surface in in_caption if not surface.general]
    if not trusted and not (telling and table().contradict([c.surface for c in heard], telling)):
        trusted = sorted(heard, key=lambda c: -c.sureness * c.coverage)[:1]
    trusted.sort(key=lambda c: -c.coverage)
    return [(c.surface, c.coverage) for c in trusted]


def _chosen(claims: Sequence[tuple[Surface, float]]) -> tuple[Surface, ...]:
    """Return the one or two surfaces that a prompt names, what lies on the other one last."""
    if not claims:
        return ()
    (first, _), *others = claims
    for surface, coverage in others:
        if coverage >= (LEAST_COVERAGE if surface.litter else SECOND_COVERAGE):
            under, upper = sorted([first, surface], key=lambda s: s.litter)
            # Where both are too many words, what lies on the ground gives way to the ground.
            return (under, upper) if under.words + upper.words <= MAX_WORDS else (under,)
    return (first,)


def _text(shown: Sequence[Surface]) -> str:
    under, *rest = shown
    if not rest:
        return under.name
    joined = "with" if rest[0].litter and not under.litter else "and"
    return f"{under.name} {joined} {rest[0].name}"
