"""A claimed result becomes the session's: its files get their names, the job its end."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Mapping
from typing import Final

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect_service.jobs.document import SessionDocument
from pawfect_service.jobs.move import Answer, Step
from pawfect_service.jobs.moves import complete, put_back, result_gone
from pawfect_service.jobs.paths import ATTEMPTS
from pawfect_service.services import Services
from pawfect_service.worker.lease import HeldJob

LOG: Final = logging.getLogger("pawfect.worker")


class Publisher:
    """Copies claimed files to their names; done twice it does the same.

    Args:
        services: the store.
    """

    def __init__(self, services: Services) -> None:
        self._files = services.stores.files
        self._sessions = services.sessions

    async def publish(self, job: HeldJob, session: SessionDocument) -> Step:
        """Copy the claimed files while the lease is held, and complete the job.

        A copy that fails is no failure of the job: it goes back to be published by the
        worker that gets it next; how often is counted in the document.

        Args:
            job: whose lease is held.
            session: with its result.

        Raises:
            PawfectError: INTERNAL for a session without a result.
        """
        result = session.result
        if result is None:
            raise PawfectError(ErrorKind.INTERNAL, "publish: expected a result, got none")
        claimed = result.outputs
        try:
            # A worker that stands still between its lease and its copy could bring an older job's
            # picture long after, so that goes first. It is listed before the lease is looked at:
            # what a later job makes is never among it, however long this worker stands still.
            stale = set(await self._files.list(job.path(ATTEMPTS))) - set(claimed.values())
            for name, target in job.published().items():
                step = await self._held(job)
                if step.answer is not Answer.GO_ON:
                    return await self._cleared(job, claimed, step)
                while stale:
                    await self._files.delete(stale.pop())
                await self._files.copy(claimed[name], target)
        except FileNotFoundError:
            # Another worker has published it and cleared up, or somebody has deleted the files.
            return await self._cleared(job, claimed, await job.move(result_gone))
        except Exception:
            LOG.exception("a result could not be published")
            return await self._cleared(job, claimed, await job.move(put_back))
        message = job.message
        step = await self._sessions.move(message.uid, message.sid, complete, job=message.job)
        return await self._cleared(job, claimed, step)

    async def _held(self, job: HeldJob) -> Step:
        """Hold job and message for another `lease_s`; GO_ON, or why nothing is to be copied.

        A worker that stood still while its lease ran out would copy an old job's picture to the
        name of a new one's.
        """
        step = await job.extend()
        return await job.move(put_back) if step.answer is Answer.LATE else step

    async def _cleared(self, job: HeldJob, claimed: Mapping[str, str], step: Step) -> Step:
        """Delete the claimed files where the job is over; return the step."""
        if step.answer in (Answer.COMPLETED, Answer.OVER):
            await self._delete(*claimed.values())
        if step.answer is Answer.OVER and step.session is None:
            # The session was deleted meanwhile: nothing of it comes back.
            await self._delete(*job.published().values())
        return step

    async def clear(self, job: HeldJob) -> None:
        """Delete what this start has uploaded, if anything."""
        await self._delete(*job.attempts().values(), job.preview_path())

    async def clear_unless_claimed(self, job: HeldJob, step: Step) -> None:
        """Delete what this start has uploaded, but not what a result is still to be made of."""
        session = step.session
        claimed = session is not None and session.job == job.message.job and session.result
        if not claimed or step.answer is Answer.OVER:
            await self.clear(job)

    async def _delete(self, *paths: str) -> None:
        """Delete files that nobody reads; where the store is away they stay."""
        for path in paths:
            with contextlib.suppress(Exception):
                await self._files.delete(path)
