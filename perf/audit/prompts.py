"""How much a prompt says: nothing, one word, two, five; or what the product itself makes of labels.

Over-specified prompts are a known cause of bad fills, which is what this axis measures. Words are
counted as `pawfect.scene.prompt` counts them: "and" and "with" are none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

WORDS: Final = MappingProxyType({"none": 0, "one": 1, "two": 2, "five": 5})
# The product's own way: no PROMPT in the request, so that the labels decide.
LABELS: Final = "labels"
SPECIFICITIES: Final = (*WORDS, LABELS)
_JOINING: Final = ("and", "with")

_OF_THE_REFERENCE: Final = MappingProxyType(
    {
        "one": "grass",
        "two": "grass with leaves",
        "five": "patchy green grass with fallen leaves",
    }
)
SCENE_TEXTS: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType(
    {
        "reference_1600": _OF_THE_REFERENCE,
        "reference_768": _OF_THE_REFERENCE,
        "grass_hand": MappingProxyType(
            {"one": "grass", "two": "green grass", "five": "short green grass and dry blades"}
        ),
        "gravel_toys": MappingProxyType(
            {"one": "gravel", "two": "grey gravel", "five": "loose grey gravel with small stones"}
        ),
        "brick_ball": MappingProxyType(
            {"one": "bricks", "two": "brick wall", "five": "old red brick wall with mortar"}
        ),
        "sky_leash": MappingProxyType(
            {"one": "sky", "two": "blue sky", "five": "clear pale blue sky with haze"}
        ),
    }
)


def words_of(text: str) -> int:
    """Count the words of a text, "and" and "with" not counted."""
    return sum(word.strip(",.") not in _JOINING for word in text.split())


def text_for(scene: str | None, own: Mapping[str, str], specificity: str) -> str | None:
    """Return a session's PROMPT; None where the request brings none.

    Args:
        scene: whose texts count where the session has none of its own.
        own: the session's texts by specificity.
        specificity: one of SPECIFICITIES.

    Raises:
        ValueError: nobody says what the text is.
    """
    if specificity == LABELS:
        return None
    if specificity == "none":
        return ""
    text = own.get(specificity) or SCENE_TEXTS.get(scene or "", own).get(specificity)
    if text is None:
        raise ValueError(f"prompts.{specificity}: expected a text of the session, got nothing")
    return text


def check_texts(
    session: str, scene: str | None, own: Mapping[str, str], wanted: Iterable[str]
) -> None:
    """Raise ValueError where a session lacks a text, or one has another number of words."""
    for specificity in {*wanted, *own}:
        try:
            text = text_for(scene, own, specificity)
        except ValueError as error:
            raise ValueError(f"session {session}: {error}") from None
        expected = WORDS.get(specificity)
        if text is None or expected is None:
            if specificity in own:
                raise ValueError(f"session {session}: prompts.{LABELS}: the labels are the text")
        elif words_of(own.get(specificity, text)) != expected:
            got = f"{words_of(own.get(specificity, text))} in {own.get(specificity, text)!r}"
            raise ValueError(
                f"session {session}: prompts.{specificity}: expected {expected} words "
                f'("and" and "with" not counted), got {got}'
            )
