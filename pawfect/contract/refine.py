"""What `refine` takes beside its pictures: the type of repair, its payload in JSON, parameters.

read_payload          one strict reader for the four types; messages name the field
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Annotated, Any, Final

from pawfect.contract.errors import invalid
from pawfect.contract.letters import check_letters
from pawfect.contract.parameters import ENGINES, MAX_DEADLINE_MS, PROTECTS, Parameters
from pawfect.contract.tables import SOME, Rule, TableError, between, one_of, read_table
from pawfect.contract.texts import check_prompt

TYPES: Final = ("subject", "text", "region", "general")
# Longest payload: 32 corrections of 200 characters with their boxes take some 35 kB as JSON with
# every letter escaped.
MAX_PAYLOAD_BYTES: Final = 65_536
MAX_CORRECTIONS: Final = 32
MAX_REGIONS: Final = 16
CREATIVITY: Final = (1, 3)
# What stands in a message of a value that may be 64 kB long.
_SHOWN: Final = 80
_BOX: Final = Rule(lambda value: len(value) == 4, "four integers [x, y, width, height]")

Bbox = tuple[int, int, int, int]


@dataclass(frozen=True)
class RefineParams(Parameters):
    """Parameters of `refine`.

    Attributes:
        creativity: 1 (close to what is there) to 3 (free); see `pawfect.refine.creativity`.
        seed: 0 to 2**63 - 1; the same input, seed and profile give the same pixels, but for what a
            remote engine answers.
        deadline_ms: 1 to 600,000 ms from the request's arrival to its answer; a region takes as
            long as an inpainting, a remote engine up to a minute.
        engine: what fills a hole, as for `inpaint`; of `subject` and `general` what edits: auto,
            klein or edit.
        protect: without PROTECT, auto: the subject that a network finds and no region marks is
            neither filled nor copied from; none: nothing is protected.
        remote: whether the picture may leave the server for a remote engine, where nothing there
            edits.
    """

    creativity: Annotated[int, between(*CREATIVITY)] = 2
    seed: Annotated[int, between(0, 2**63 - 1)] = 0
    deadline_ms: Annotated[int, between(1, MAX_DEADLINE_MS)] = 120_000
    engine: Annotated[str, one_of(*ENGINES)] = "auto"
    protect: Annotated[str, one_of(*PROTECTS)] = "auto"
    remote: bool = False


@dataclass(frozen=True)
class SubjectPayload:
    """The subject is to look like a reference picture, or as the instructions say.

    Attributes:
        instructions: what is to change, at most 2,048 bytes.
        reference_file_id: name of the file that came as REFERENCE, which then must have come; told
            in REPORT, no more.
    """

    instructions: str
    reference_file_id: str | None = None


@dataclass(frozen=True)
class Correction:
    """One text that is to stand somewhere.

    Attributes:
        bbox: x, y, width, height in px, within the photo.
        text: 1 to 200 characters of one line, in NFC, without blanks at its ends.
    """

    bbox: Bbox
    text: str


@dataclass(frozen=True)
class TextPayload:
    """Texts that are to stand in the photo instead of those that do.

    Attributes:
        corrections: 1 to 32, their boxes share no pixel.
        instructions: at most 2,048 bytes, or None.
    """

    corrections: tuple[Correction, ...]
    instructions: str | None = None


@dataclass(frozen=True)
class Region:
    """One part of the photo that is to be filled anew.

    Attributes:
        bbox: x, y, width, height in px, within the photo; None where a mask says it.
        mask: its place in MASKS, from 0; None where a box says it.
        prompt: what is to be there, at most 2,048 bytes, or None.
    """

    bbox: Bbox | None = None
    mask: int | None = None
    prompt: str | None = None


@dataclass(frozen=True)
class RegionPayload:
    """Parts of the photo that are to be filled anew.

    Attributes:
        masks: 1 to 16, in the order in which they are filled; the boxes share no pixel, and no
            mask stands twice.
    """

    masks: tuple[Region, ...]


@dataclass(frozen=True)
class GeneralPayload:
    """What is to change in the photo as a whole.

    Attributes:
        prompt: at most 2,048 bytes.
    """

    prompt: str


Payload = SubjectPayload | TextPayload | RegionPayload | GeneralPayload


def check_type(name: str) -> str:
    """Return the type of a repair; INVALID_ARG where it is none of TYPES."""
    if name not in TYPES:
        raise invalid("TYPE", f"one of {', '.join(TYPES)}", repr(name[:_SHOWN]))
    return name


def read_payload(kind: str, text: str | bytes, width: int, height: int) -> Payload:
    """Return the payload of one repair, checked.

    Args:
        kind: one of TYPES.
        text: a JSON object.
        width: the photo's, px.
        height: the photo's, px.

    Raises:
        PawfectError: INVALID_ARG for another type, more than 64 KiB, what is no JSON object, a key
            that is unknown or missing, a value out of bounds, boxes that are empty, not within the
            photo or share a pixel, and a correction that Latin fonts cannot write.
    """
    read = _READERS[check_type(kind)]
    given = _json_of(text)
    try:
        return read(given, width, height)
    except TableError as error:
        raise invalid(error.where, error.expected, _short(str(error.got))) from None


@dataclass(frozen=True)
class _Subject:
    instructions: str
    referenceFileId: str | None = None  # noqa: N815


@dataclass(frozen=True)
class _Correction:
    bbox: Annotated[tuple[int, ...], _BOX]
    text: str


@dataclass(frozen=True)
class _Text:
    corrections: Annotated[tuple[_Correction, ...], SOME]
    instructions: str | None = None


@dataclass(frozen=True)
class _Region:
    bbox: Annotated[tuple[int, ...], _BOX] | None = None
    mask: Annotated[int, between(0, MAX_REGIONS - 1)] | None = None
    prompt: str | None = None


@dataclass(frozen=True)
class _Regions:
    masks: Annotated[tuple[_Region, ...], SOME]


def _json_of(text: str | bytes) -> Any:
    data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    if len(data) > MAX_PAYLOAD_BYTES:
        raise invalid("PAYLOAD", f"at most {MAX_PAYLOAD_BYTES} bytes", f"{len(data)} bytes")
    try:
        return json.loads(data.decode(), object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise invalid("PAYLOAD", "a JSON object in UTF-8", type(error).__name__) from None


def _once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object of JSON; INVALID_ARG where a key stands twice: one of them would be lost."""
    given = dict(pairs)
    if len(given) < len(pairs):
        raise invalid("PAYLOAD", "each key once", "a key that stands twice")
    return given


def _subject(given: Any, width: int, height: int) -> SubjectPayload:
    del width, height
    read = read_table(_Subject, given, "PAYLOAD")
    name = _optional("referenceFileId", read.referenceFileId)
    return SubjectPayload(check_prompt("PAYLOAD: instructions", read.instructions), name)


def _general(given: Any, width: int, height: int) -> GeneralPayload:
    del width, height
    return GeneralPayload(
        check_prompt("PAYLOAD: prompt", read_table(GeneralPayload, given, "PAYLOAD").prompt)
    )


def _text(given: Any, width: int, height: int) -> TextPayload:
    read = read_table(_Text, given, "PAYLOAD")
    _check_number("corrections", read.corrections, MAX_CORRECTIONS)
    corrections = tuple(
        Correction(
            _box(f"PAYLOAD: corrections[{index}]: bbox", one.bbox, width, height),
            check_letters(f"PAYLOAD: corrections[{index}]: text", one.text),
        )
        for index, one in enumerate(read.corrections)
    )
    _check_apart("corrections", [one.bbox for one in corrections])
    return TextPayload(corrections, _optional("instructions", read.instructions))


def _regions(given: Any, width: int, height: int) -> RegionPayload:
    read = read_table(_Regions, given, "PAYLOAD")
    _check_number("masks", read.masks, MAX_REGIONS)
    regions = tuple(
        _region(f"masks[{index}]", one, width, height) for index, one in enumerate(read.masks)
    )
    _check_apart("masks", [one.bbox for one in regions])
    drawn = [one.mask for one in regions if one.mask is not None]
    if len(set(drawn)) < len(drawn):
        raise invalid("PAYLOAD: masks", "each mask once", ", ".join(map(str, drawn)))
    return RegionPayload(regions)


_READERS: Final[Mapping[str, Callable[[Any, int, int], Payload]]] = {
    "subject": _subject,
    "text": _text,
    "region": _regions,
    "general": _general,
}


def _region(where: str, given: _Region, width: int, height: int) -> Region:
    if (given.bbox is None) is (given.mask is None):
        got = "neither" if given.bbox is None else "both"
        raise invalid(f"PAYLOAD: {where}", "either bbox or mask", got)
    box = None
    if given.bbox is not None:
        box = _box(f"PAYLOAD: {where}: bbox", given.bbox, width, height)
    return Region(box, given.mask, _optional(f"{where}: prompt", given.prompt))


def _optional(name: str, text: str | None) -> str | None:
    return None if text is None else check_prompt(f"PAYLOAD: {name}", text)


def _check_number(name: str, given: Sequence[object], most: int) -> None:
    if len(given) > most:
        raise invalid(f"PAYLOAD: {name}", f"at most {most}", len(given))


def _box(where: str, given: Sequence[int], width: int, height: int) -> Bbox:
    x, y, wide, high = given
    if not (0 <= x < x + wide <= width and 0 <= y < y + high <= height):
        expected = f"[x, y, width, height], not empty, within the photo's {width}x{height} px"
        raise invalid(where, expected, _short(str(list(given))))
    return x, y, wide, high


def _check_apart(name: str, boxes: Sequence[Bbox | None]) -> None:
    placed = [(index, box) for index, box in enumerate(boxes) if box is not None]
    for (first, a), (second, b) in combinations(placed, 2):
        if all(a[i] < b[i] + b[i + 2] and b[i] < a[i] + a[i + 2] for i in (0, 1)):
            got = f"{name}[{first}] {list(a)} and {name}[{second}] {list(b)}"
            raise invalid(f"PAYLOAD: {name}", "boxes that share no pixel", got)


def _short(shown: str) -> str:
    return shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}..."
