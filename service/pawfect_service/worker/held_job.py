"""One job in a worker's hands."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from pawfect_service.jobs.document import SessionDocument, attempt_path, session_path
from pawfect_service.jobs.message import JobMessage

# Keeps the message from everybody else for so many seconds.
Hold = Callable[[float], Awaitable[None]]


@dataclass(frozen=True)
class HeldJob:
    """A job whose lease is this worker's.

    Attributes:
        message: which job.
        session: as it stood when it was taken up.
        hold: keeps the queue's message away from others.
        owner: the name of this piece of work, in the lease.
    """

    message: JobMessage
    session: SessionDocument
    hold: Hold
    owner: str = field(default_factory=lambda: secrets.token_hex(8))

    @property
    def start(self) -> int:
        """Which of the job's starts this is."""
        return self.session.counts.starts

    def path(self, name: str) -> str:
        """Return the path of one of the session's files."""
        return session_path(self.message.uid, self.message.sid, name)

    def attempt(self, name: str) -> str:
        """Return where this start puts a file until it has won."""
        return attempt_path(self.message.uid, self.message.sid, self.message.job, self.start, name)
