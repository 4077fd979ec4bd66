"""What a removal is called, and what a request that writes holds against it.

Whoever writes looks after its writing whether a removal has begun meanwhile; whoever removes writes
that down before it looks what there is. So one of them sees the other, whichever was first.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final, Self

from pawfect.contract.errors import ErrorKind
from pawfect_service.http.failures import ApiError
from pawfect_service.jobs.paths import RunId, check_id, is_run_job
from pawfect_service.stores.base import Removals

_AGAIN: Final = {"Retry-After": "5"}


def user_key(uid: str) -> str:
    """Return what the removal of all that is a user's is called: a digest, which names nobody."""
    return f"user-{hashlib.sha256(check_id('uid', uid).encode()).hexdigest()}"


def session_key(uid: str, sid: str) -> str:
    """Return what the removal of a session is called; of a run's job, that of the whole run."""
    named = RunId.of_job(uid, sid).prefix if is_run_job(sid) else sid
    return f"session-{hashlib.sha256(f'{uid}/{named}'.encode()).hexdigest()}"


@dataclass(frozen=True)
class Writing:
    """A request that is to write something of a user's, from its beginning on.

    Attributes:
        removals: of the store.
        uid: whose.
        known: the token of the last deletion of all of that user's data, where it is known of.
    """

    removals: Removals
    uid: str
    known: str | None

    @classmethod
    async def begin(cls, removals: Removals, uid: str) -> Self:
        """Return a request's writing; ApiError 409 while the user's data are being deleted."""
        known = None
        for found in await removals.of(user_key(uid)):
            known = found.token
            if found.under_way:
                message = "user: expected data that stay, they are being deleted; try again later"
                raise ApiError(409, ErrorKind.INVALID_ARG, message, _AGAIN)
        return cls(removals, uid, known)

    async def check(self, sid: str) -> None:
        """Look, after a writing to a session, whether its run, or all, is removed meanwhile.

        A session that is no run's job needs no more than its own document, which the removal
        deletes in one transaction: a new job of that name comes before or after it.

        Raises:
            ApiError: 409; what was written has to go.
        """
        ours = user_key(self.uid)
        run = [session_key(self.uid, sid)] if is_run_job(sid) else []
        for found in await self.removals.of(ours, *run):
            if found.key != ours or found.token != self.known:
                what = "user: expected data" if found.key == ours else "run: expected one"
                raise deleted_meanwhile(what)


def deleted_meanwhile(expected: str) -> ApiError:
    """Return the error of a request whose user, or run, was deleted while it was under way."""
    message = f"{expected} that was not deleted meanwhile"
    return ApiError(409, ErrorKind.INVALID_ARG, message, _AGAIN)
