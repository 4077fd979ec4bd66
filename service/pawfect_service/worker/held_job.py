"""One job in a worker's hands."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from pawfect_service.jobs.document import SessionDocument, attempt_paths, own_paths
from pawfect_service.jobs.kinds import Kind
from pawfect_service.jobs.message import JobMessage
from pawfect_service.jobs.move import Step
from pawfect_service.jobs.paths import session_path
from pawfect_service.sessions import Sessions

# Keeps the message from other workers for a number of seconds.
Hold = Callable[[float], Awaitable[None]]


@dataclass(frozen=True)
class HeldJob:
    """A job whose lease is this worker's.

    Attributes:
        sessions: moves of the documents.
        message: which job.
        session: as it stood when it was taken up.
        hold: keeps the queue's message away from others.
        owner: the name of this piece of work, in the lease.
    """

    sessions: Sessions
    message: JobMessage
    session: SessionDocument
    hold: Hold
    owner: str

    @property
    def kind(self) -> Kind:
        """What the job is of."""
        return self.session.kind

    @property
    def start(self) -> int:
        """Which of the job's starts this is."""
        return self.session.counts.starts

    def path(self, name: str) -> str:
        """Return the path of one of the session's files."""
        return session_path(self.message.uid, self.message.sid, name)

    def attempts(self) -> dict[str, str]:
        """Return where this start puts each output until it has won, by name."""
        message = self.message
        return attempt_paths(message.uid, message.sid, message.job, self.start, self.kind)

    def published(self) -> dict[str, str]:
        """Return where each output lies once the job is completed, by name."""
        own = own_paths(self.message.uid, self.message.sid, self.kind)
        return {name: own[name] for name in self.kind.outputs}

    async def move(self, move: Callable[..., Step], **named: Any) -> Step:
        """Make a move as the holder of the job's lease."""
        named = {"job": self.message.job, "owner": self.owner, **named}
        return await self.sessions.move(self.message.uid, self.message.sid, move, **named)
