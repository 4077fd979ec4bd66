"""What the processes hold, while they run: samples by role and life."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final

import psutil

from harness.resident import resident
from perf.service.soak.site import Site
from perf.service.soak.slopes import Sample, slope

# Between two samples, s: 25 processes take 20 ms.
EVERY_S: Final = 5.0
_MB: Final = 1e6
# The one that has a response cache, which is left out; to look takes it 20 ms.
CACHING: Final = "tritonserver"
# A life: the role, the process and when it began.
Life = tuple[str, int, float]


class Watch:
    """Samples a site's processes.

    Attributes:
        lives: samples of each process, in order.
    """

    def __init__(self, site: Site) -> None:
        self._site = site
        self.lives: defaultdict[Life, list[Sample]] = defaultdict(list)

    async def run(self) -> None:
        """Sample every so often, until cancelled."""
        while True:
            self._site.note_runs()
            for role, process in self._site.roles().items():
                try:
                    with process.oneshot():
                        rss = resident(process) if role == CACHING else process.memory_info().rss
                        sample = Sample(
                            time.monotonic(),
                            rss / _MB,
                            process.num_fds(),
                            process.num_threads(),
                        )
                        # One that is just ending holds nothing any more.
                        if sample.mb:
                            life = role, process.pid, process.create_time()
                            self.lives[life].append(sample)
                except psutil.Error:
                    continue
            await asyncio.sleep(EVERY_S)


def memory_rows(lives: dict[Life, list[Sample]]) -> list[dict[str, Any]]:
    """Return a row for each role: its longest life, and how its memory grew in it."""
    rows = []
    for role in sorted({role for role, *_ in lives}):
        own = [samples for (name, *_), samples in lives.items() if name == role]
        longest = max(own, key=_length)
        found = slope(longest)
        first, last = longest[0], longest[-1]
        row: dict[str, Any] = {"role": role, "lives": len(own), "life_s": round(_length(longest))}
        row |= {"mb": [round(first.mb, 1), round(last.mb, 1)]}
        row |= {"descriptors": [first.descriptors, last.descriptors]}
        row |= {"threads": [first.threads, last.threads]}
        fitted = {k: round(v, 1) for k, v in asdict(found).items()} if found else None
        rows.append(row | {"mb_per_hour": fitted})
    return rows


def _length(samples: Sequence[Sample]) -> float:
    return samples[-1].at_s - samples[0].at_s
