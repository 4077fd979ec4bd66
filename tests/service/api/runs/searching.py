"""A server in the test's own process that searches: candidates of one colour each."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

from pawfect.contract.candidates import FoundCandidate
from pawfect_client.results import SearchResult, StageEvent
from tests.client.search.flow import Flow, Told


class Searching:
    """The method of the client that searches call.

    Attributes:
        failing: numbers of candidates that have no picture.
        open: whether works come to their end; they wait for it behind the candidate `hold`.
        begun: set by each work there.
        seen: what came with each request.
        found: the candidates of the last work, with their pixels.
        result: its result.
    """

    def __init__(self) -> None:
        self.failing: frozenset[int] = frozenset()
        self.hold = 2
        self.open, self.begun = asyncio.Event(), asyncio.Event()
        self.open.set()
        self.seen: list[dict[str, Any]] = []
        self.found: dict[int, FoundCandidate] = {}
        self.result: SearchResult | None = None

    async def search_stream(
        self,
        image: Any,
        mask: Any,
        *,
        reference: Any = None,
        protect: Any = None,
        prompt: Any = None,
        **scalars: Any,
    ) -> AsyncGenerator[StageEvent | SearchResult]:
        given = {"reference": reference, "protect": protect, "prompt": prompt}
        self.seen.append({"image": image, "mask": mask, **given, **scalars})
        flow, told = Flow(), list[Told]()
        flow.failing = self.failing
        tensors = {"IMAGE": image} | ({} if mask is None else {"MASK": mask})
        done = await asyncio.to_thread(flow.search, tensors, scalars, notify=told.append)
        self.found = {}
        for one in told:
            if one.candidate is not None:
                self.found[one.candidate.candidate.number] = one.candidate
            yield StageEvent(one.stage, one.progress, None, one.candidate)
            if self.hold in self.found:
                self.begun.set()
                await self.open.wait()
        self.result = SearchResult(done.image, done.report)
        yield self.result
