"""A mask in words: what a request's `remove` names in its photo becomes its mask."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pawfect.contract.errors import invalid
from pawfect.contract.find import MAX_MASKS, check_phrase
from pawfect.photo.image_file import read_header
from pawfect.photo.photo import decode_photo
from pawfect_client.finding import Named, joined, named
from pawfect_service.api.uploads import Order
from pawfect_service.jobs.kinds import Tools
from pawfect_service.jobs.kinds.inpaint import LEAST_SCORE, REMOVE
from pawfect_service.jobs.kinds.room import DECODING

# Each is a call of its own: a second of a T4's time or less.
MOST_PHRASES: Final = 8
# Photos that are held for it at a time: of the largest each takes 330 MB, and twice that as a
# message.
AT_ONCE: Final = 2


class Naming:
    """Gives orders their masks, a few at a time.

    Args:
        tools: the server, asked once for each phrase, and threads.
    """

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._room = asyncio.Semaphore(AT_ONCE)

    async def with_mask(self, order: Order) -> Order:
        """Return an order that has its mask: its own file, or what its words name in the photo.

        Raises:
            PawfectError: INVALID_ARG for neither mask nor words, for both, and for words that name
                nothing, or over 95 % of the photo; UNAVAILABLE where the server has no SAM3; else
                as it failed.
        """
        words, least = order.texts.get(REMOVE), order.texts.get(LEAST_SCORE)
        if words is None:
            if least is not None:
                raise invalid(REMOVE, f"words, which {LEAST_SCORE} belongs to", "none")
            if "mask" not in order.files:
                raise invalid("mask", "a file, or words as remove", "neither")
            return order
        others = {"mask", "mask_is", "invert_mask"} & {*order.files, *order.texts}
        if others:
            raise invalid(REMOVE, "words in place of a mask", f"{', '.join(sorted(others))} too")
        phrases = read_phrases(words)
        given: dict[str, Any] = {} if least is None else {LEAST_SCORE: _number(least)}
        async with self._room:
            finds = await self._found(order.files["photo"], phrases, given)
            mask = await self._tools.off_loop(_mask_file, finds)
        note = "; ".join(map(str, finds))
        return replace(order, files={**order.files, "mask": mask}, note=note)

    async def _found(
        self, photo: bytes, phrases: Sequence[str], given: Mapping[str, Any]
    ) -> list[Named]:
        pixels = await self._tools.off_loop(_decoded, photo)
        finds = []
        for phrase in phrases:
            # One after another: the first has the server see the photo, the others find it seen.
            asked = self._tools.labeller.find_masks(
                pixels, phrase, joined=True, most=MAX_MASKS, **given
            )
            finds.append(named(phrase, await asked))
        return finds


def read_phrases(words: str) -> list[str]:
    """Return the phrases of a text, parted by commas, each once.

    Raises:
        PawfectError: INVALID_ARG for none or more than eight, and as `check_phrase` does.
    """
    phrases = list(dict.fromkeys(check_phrase(part) for part in words.split(",") if part.strip()))
    if not 1 <= len(phrases) <= MOST_PHRASES:
        expected = f"1 to {MOST_PHRASES} phrases with commas between them"
        raise invalid(REMOVE, expected, len(phrases) or "an empty text")
    return phrases


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise invalid(LEAST_SCORE, "a number from 0 to 1", repr(text[:20])) from None


def _decoded(photo: bytes) -> NDArray[np.uint8]:
    width, height = read_header(photo, "photo").stored_size
    with DECODING.taken(width * height):
        return decode_photo(photo, "photo").pixels


def _mask_file(finds: Sequence[Named]) -> bytes:
    sink = io.BytesIO()
    Image.fromarray(joined(finds)).save(sink, "PNG")
    return sink.getvalue()
