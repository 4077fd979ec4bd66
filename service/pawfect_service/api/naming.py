"""A mask in words: what a request's `remove` names in its photo becomes its mask."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, Final

from pawfect.contract.errors import ErrorKind, PawfectError, invalid
from pawfect.contract.find import check_phrase
from pawfect.photo.saving import plain_png
from pawfect_client.finding import JOINED, Named, joined, named
from pawfect_service.api.uploads import Order
from pawfect_service.jobs.base import BASE_FIELD
from pawfect_service.jobs.kinds import Tools
from pawfect_service.jobs.kinds.inpaint import LEAST_SCORE, REMOVE
from pawfect_service.jobs.kinds.room import decoded

# Each is a call of its own: a second of a T4's time or less.
MOST_PHRASES: Final = 8
# Photos that are held for it at a time: of the largest each takes 330 MB, and twice that as a
# message.
AT_ONCE: Final = 2
# Requests inside at a time, those that wait included, each of which holds its upload: the two at
# work and three turns of theirs.
MOST_REQUESTS: Final = 8
# Of a request, its turn included: a caller's patience with a POST. Eight phrases take a T4 some
# ten seconds.
LONGEST_S: Final = 60.0


class Naming:
    """Gives orders their masks, a few at a time.

    Args:
        tools: the server, asked once for each phrase, and threads.
        at_most: how many orders with words, waiting ones included; the next is refused at once.
        within_s: how long one may take, its wait included, s.
    """

    def __init__(
        self, tools: Tools, *, at_most: int = MOST_REQUESTS, within_s: float = LONGEST_S
    ) -> None:
        self._tools = tools
        self._room = asyncio.Semaphore(AT_ONCE)
        self._at_most = at_most
        self._within_s = within_s
        self._inside = 0

    async def with_mask(self, order: Order) -> Order:
        """Return an order that has its mask: its own file, or what its words name in the photo.

        Raises:
            PawfectError: INVALID_ARG for neither mask nor words, for both, and for words that name
                nothing, or over 95 % of the photo; UNAVAILABLE where the server has no SAM3;
                QUEUE_FULL where too many wait; DEADLINE where it takes too long; else as it failed.
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
        given: dict[str, Any] = {} if least is None else {LEAST_SCORE: read_number(least)}
        async with self.turn():
            photo = order.files.get("photo") or order.files[BASE_FIELD]
            finds = await self._found(photo, phrases, given)
            mask = await self._tools.off_loop(_mask_file, finds)
        note = "; ".join(map(str, finds))
        return replace(order, files={**order.files, "mask": mask}, note=note)

    @asynccontextmanager
    async def turn(self, asked: str = REMOVE) -> AsyncIterator[None]:
        """Have the block wait for its turn, and end it where that and itself take too long.

        Args:
            asked: what messages call it.
        """
        if self._inside >= self._at_most:
            expected = f"at most {self._at_most} requests for masks at a time"
            raise PawfectError(ErrorKind.QUEUE_FULL, f"{asked}: expected {expected}, got more")
        self._inside += 1
        limit = asyncio.timeout(self._within_s)
        try:
            async with limit, self._room:
                yield
        except TimeoutError:
            if not limit.expired():
                raise
            expected = f"{asked}: expected the mask within {self._within_s:g} s"
            raise PawfectError(ErrorKind.DEADLINE, f"{expected}, got none") from None
        finally:
            self._inside -= 1

    async def _found(
        self, photo: bytes, phrases: Sequence[str], given: Mapping[str, Any]
    ) -> list[Named]:
        pixels = (await self._tools.off_loop(decoded, photo, "photo")).pixels
        finds = []
        for phrase in phrases:
            # One after another: the first has the server see the photo, the others find it seen.
            asked = self._tools.labeller.find_masks(pixels, phrase, **JOINED, **given)
            finds.append(named(phrase, await asked, REMOVE))
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


def read_number(text: str, name: str = LEAST_SCORE) -> float:
    """Return how sure to be; INVALID_ARG for what is no number.

    Args:
        text: what was given.
        name: what messages call it.
    """
    try:
        return float(text)
    except ValueError:
        raise invalid(name, "a number from 0 to 1", repr(text[:20])) from None


def _mask_file(finds: Sequence[Named]) -> bytes:
    return plain_png(joined(finds, REMOVE))
