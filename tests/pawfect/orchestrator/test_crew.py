"""How the candidates of a stage are made: at once, in less room, until none can win."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.orchestrator.crew import Finish, Room, Stage, make_all
from pawfect.search.tries import SEED, Try, Variation
from tests.pawfect.orchestrator.cards import in_virtual_time

TRIES = tuple(Try(number, "global", number, Variation(SEED)) for number in range(8))
FULL = PawfectError(ErrorKind.OUT_OF_MEMORY, "out of memory")


class Workshop:
    """Makes candidates in a second each and judges them in ten, in virtual time."""

    def __init__(self, fits: Callable[[Room], bool] = lambda room: True) -> None:
        self._fits = fits
        self.making = self.most = 0
        self.made: list[int] = []
        self.judged: list[int] = []
        self.rooms: list[Room] = []
        self.broken: int | None = None

    async def make(self, tried: Try, room: Room) -> Finish:
        self.making += 1
        self.most = max(self.most, self.making)
        self.rooms.append(room)
        try:
            await asyncio.sleep(1)
            if not self._fits(room):
                raise FULL
            if tried.number == self.broken:
                raise PawfectError(ErrorKind.CANCELLED, "cancelled")
        finally:
            self.making -= 1
        self.made.append(tried.number)

        async def finish() -> None:
            await asyncio.sleep(10)
            self.judged.append(tried.number)

        return finish

    def run(self, room: Room, goes_on: Callable[[], bool] = lambda: True) -> tuple[Stage, float]:
        return timed(lambda: make_all(TRIES, room, self.make, goes_on))


def timed(work: Callable[[], Awaitable[Any]]) -> tuple[Any, float]:
    found: list[Any] = []

    async def whole() -> None:
        clock = asyncio.get_running_loop().time
        began = clock()
        found.append(await work())
        found.append(clock() - began)

    in_virtual_time(whole())
    return found[0], found[1]


def test_others_are_made_while_one_is_judged():
    shop = Workshop()
    stage, seconds = shop.run(Room(2))
    assert (stage, seconds) == (Stage(Room(2), False, ()), 4 + 10)
    assert shop.most == 2
    assert sorted(shop.judged) == sorted(shop.made) == list(range(8))


def test_where_memory_is_short_fewer_are_made_then_smaller_ones():
    shop = Workshop(lambda room: room.at_once <= 2)
    stage, _ = shop.run(Room(8))
    assert stage.room == Room(2)
    assert [one.instead for one in stage.fallbacks] == ["4 at a time", "2 at a time"]
    assert sorted(shop.judged) == list(range(8))
    shop = Workshop(lambda room: room.window_px is not None and room.window_px <= 300)
    stage, _ = shop.run(Room(2, 1200))
    assert [one.instead for one in stage.fallbacks] == [
        "1 at a time", "windows of 600 px", "windows of 300 px",
    ]  # fmt: skip
    assert sorted(shop.judged) == list(range(8))


def test_without_memory_for_one_the_stage_ends_short_with_what_was_judged():
    shop = Workshop(lambda room: False)
    stage, _ = shop.run(Room(4))
    assert stage.short
    assert stage.room.less() is None
    assert shop.made == []


def test_what_ends_the_search_stops_all_others():
    shop = Workshop()
    shop.broken = 3
    with pytest.raises(PawfectError, match="cancelled"):
        shop.run(Room(2))
    assert shop.making == 0
    assert shop.judged == []


def test_once_none_can_win_no_other_begins_and_those_begun_are_judged():
    shop = Workshop()
    _, seconds = shop.run(Room(2), lambda: len(shop.made) < 2)
    assert sorted(shop.made) == sorted(shop.judged) == [0, 1]
    assert seconds == 11


@pytest.mark.parametrize(
    ("room", "smaller"),
    [
        (Room(8), Room(4)),
        (Room(3), Room(1)),
        (Room(1), Room(1, 512)),
        (Room(1, 1200), Room(1, 600)),
        (Room(1, 600), Room(1, 300)),
        (Room(1, 300), None),
    ],
)
def test_less_room_is_fewer_first_and_never_under_the_least_window(room, smaller):
    assert room.less() == smaller
