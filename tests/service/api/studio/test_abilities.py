"""What the server can do is asked once in a while; a busy one can still do what it could."""

from __future__ import annotations

from typing import Any

from pawfect.contract.capabilities import Capabilities, Capability
from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect_service.api import abilities
from pawfect_service.api.abilities import NAMES, Abilities


class Server:
    """Answers as it is told to."""

    def __init__(self) -> None:
        self.asked = 0
        self.failure: PawfectError | None = None

    async def capabilities(self) -> Capabilities:
        self.asked += 1
        if self.failure is not None:
            raise self.failure
        return Capabilities("embedded", {"cutout": Capability(True), "later": Capability(True)})


async def test_an_answer_is_kept_for_a_while_and_outlasts_a_full_house(monkeypatch):
    server: Any = Server()
    asked = Abilities(server)
    for _ in range(3):
        profile, can = await asked.now()
        assert (profile, tuple(can)) == ("embedded", NAMES)
        assert can["cutout"].available
        assert (can["text"].available, can["text"].why) == (False, "the server does not know of it")
    assert server.asked == 1
    monkeypatch.setattr(abilities, "KEPT_S", 0.0)
    server.failure = PawfectError(ErrorKind.QUEUE_FULL, "refine: full")
    assert (await asked.now())[1]["cutout"].available
    server.failure = PawfectError(ErrorKind.UNAVAILABLE, "server: away")
    profile, can = await asked.now()
    assert profile is None
    assert {ability.why for ability in can.values()} == {"server: expected an answer, got none yet"}
    server.failure = None
    assert (await asked.now())[1]["cutout"].available
    assert server.asked == 4
