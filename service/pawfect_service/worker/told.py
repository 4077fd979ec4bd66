"""What the work of a job tells while it goes on, kept until it is written down."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable
from dataclasses import dataclass, replace
from typing import Final

from pawfect_service.jobs.document import SessionDocument
from pawfect_service.jobs.fields import Progress, storable
from pawfect_service.jobs.live import LiveCandidate, LiveSheet
from pawfect_service.stores.base import Files

LOG: Final = logging.getLogger("pawfect.worker")

# A preview in place of another, s: Cloud Storage takes about one writing a second of an object.
SHOWN_EVERY_S: Final = 1.1


@dataclass(frozen=True)
class News:
    """What was told since the last writing.

    Attributes:
        progress: how far the job is; None: no further.
        lines: of its log.
        preview: whether there is a new one in storage.
        candidates: of a search.
        sheet: the picture of them; None: as before.
    """

    progress: Progress | None = None
    lines: tuple[str, ...] = ()
    preview: bool = False
    candidates: tuple[LiveCandidate, ...] = ()
    sheet: LiveSheet | None = None


NO_NEWS: Final = News()


class Told:
    """`OnProgress` of a job; of one that is no run's, lines and previews are not kept.

    Args:
        session: the job, as it was taken up.
    """

    def __init__(self, session: SessionDocument) -> None:
        self._followed = session.live is not None
        self._news = NO_NEWS
        self._picture: bytes | None = None
        self._pictured = asyncio.Event()
        self._stage: str | None = None
        self._began = time.monotonic()
        starts = session.counts.starts
        self.line("a worker has taken it up" + (f", start {starts}" if starts > 1 else ""))

    def __call__(self, stage: str, share: float) -> None:
        """Take the stage that ended, and the share of the job that is done."""
        progress = Progress(stage=storable(stage), share=min(max(float(share), 0.0), 1.0))
        if stage != self._stage:
            self._stage = stage
            passed_s = time.monotonic() - self._began
            self.line(f"{passed_s:.1f} s: {stage}, {100 * progress.share:.0f} %")
        self._news = replace(self._news, progress=progress)

    def line(self, text: str) -> None:
        """Take a line of the job's log."""
        if self._followed:
            self._news = replace(self._news, lines=(*self._news.lines, text))

    def preview(self, picture: bytes) -> None:
        """Take what is made so far, a small JPEG."""
        if self._followed:
            self._picture = picture
            self._pictured.set()

    def candidate(self, found: LiveCandidate, sheet: LiveSheet) -> None:
        """Take a candidate of a search, and where its picture lies among the others."""
        if self._followed:
            candidates = (*self._news.candidates, found)
            self._news = replace(self._news, candidates=candidates, sheet=sheet)

    @property
    def quiet(self) -> bool:
        """Whether there is nothing to write down."""
        return self._news == NO_NEWS

    def take(self) -> News:
        """Return what was told since the last time."""
        news, self._news = self._news, NO_NEWS
        return news

    def put_back(self, news: News) -> None:
        """Take back what could not be written down."""
        now = self._news
        self._news = News(
            now.progress or news.progress,
            (*news.lines, *now.lines),
            now.preview or news.preview,
            (*news.candidates, *now.candidates),
            now.sheet or news.sheet,
        )

    async def pictured(self) -> bytes:
        """Return the newest preview, once there is a new one."""
        await self._pictured.wait()
        self._pictured.clear()
        return self._picture or b""

    def shown(self) -> None:
        """Note that the newest preview is in storage."""
        self._news = replace(self._news, preview=True)


async def show_previews(told: Told, files: Files, path: str) -> None:
    """Put each preview into storage, until cancelled; one that cannot be stored is left out.

    Args:
        told: what the work tells.
        files: the storage.
        path: where, each in place of the one before it.
    """
    while True:
        picture = await told.pictured()
        try:
            await whole(files.put({path: picture}))
            told.shown()
        except Exception:
            LOG.warning("a preview could not be stored", exc_info=True)
        await asyncio.sleep(SHOWN_EVERY_S)


async def whole(writing: Awaitable[None]) -> None:
    """Wait for files to be written, also when cancelled: what is cleared then must be there."""
    task = asyncio.ensure_future(writing)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.gather(task, return_exceptions=True)
        raise
