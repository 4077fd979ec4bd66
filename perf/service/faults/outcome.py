"""What a run left behind, for its verdict."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, cast

from pawfect_service.stores.base import Stores
from perf.service.faults.plan import Fault, Plan
from perf.service.faults.witness import Seen


@dataclass
class Outcome:
    """Everything that was seen, done and left.

    Attributes:
        plan: what was to be done.
        sessions: by the document's path.
        pictures: number of each session's picture, by the same path.
        edited: each session's result, by the same path.
        leftovers: paths of files that belong to attempts.
        undelivered: messages that were still in the queue.
        dead_letters: messages that nobody could do anything with.
        done: faults.
        broken_connections: by the cuts.
        duplicates: messages that were published again.
        retried_posts: requests to the API that were sent again.
        seconds: from the start to the last final state.
    """

    plan: Plan
    sessions: dict[str, Seen] = field(default_factory=dict)
    pictures: dict[str, int] = field(default_factory=dict)
    edited: dict[str, bytes] = field(default_factory=dict)
    leftovers: list[str] = field(default_factory=list)
    undelivered: int = 0
    dead_letters: int = 0
    done: Counter[Fault] = field(default_factory=Counter)
    broken_connections: int = 0
    duplicates: int = 0
    retried_posts: int = 0
    seconds: float = 0.0

    async def collect(self, stores: Stores, left_s: float) -> None:
        """Note files and messages, once nobody works any more.

        Args:
            stores: where they are.
            left_s: how long messages are looked for, s: what a worker held comes when its lease
                ends.
        """
        for path, seen in self.sessions.items():
            files = await stores.files.list(path)
            self.leftovers += [name for name in files if "/attempts/" in name]
            if edited := seen.document["paths"].get("edited"):
                self.edited[path] = await stores.files.get(edited)
        self.dead_letters = len(await stores.queue.dead_letters(1000))
        deliveries = cast("Any", stores.queue.deliveries(100))
        async with aclosing(deliveries):
            try:
                async with asyncio.timeout(left_s):
                    async for delivery in deliveries:
                        self.undelivered += 1
                        await stores.queue.ack(delivery)
            except TimeoutError:
                pass
