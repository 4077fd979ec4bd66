"""Jobs and uploads are let in as far as their user's quotas go; a refusal says which, and why."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

from pawfect.contract.errors import ErrorKind
from pawfect.contract.metrics import QUOTA_REFUSALS
from pawfect.contract.tensors import REMOTE_JUDGES
from pawfect_service.api.abilities import Abilities
from pawfect_service.http.failures import ApiError
from pawfect_service.jobs.kinds.kind import Kind
from pawfect_service.jobs.kinds.refine import TYPE
from pawfect_service.jobs.kinds.request import JobRequest
from pawfect_service.jobs.paths import session_path
from pawfect_service.quotas.keeper import Place, QuotaKeeper, RefusedError
from pawfect_service.quotas.ledger import Refusal, next_day_s
from pawfect_service.quotas.prices import EDIT, MILLIONTHS, asks_elsewhere, possible_cost
from pawfect_service.telemetry.metrics import count

# When to ask again where a job has to end first, s: most take longer than a few seconds.
JOB_ENDS_S: Final = 10
_MIB: Final = 2**20


class QuotaError(ApiError):
    """A quota that is used up; see `quota_error`."""


class Gate:
    """Lets jobs and uploads in.

    Args:
        keeper: of the quotas.
        abilities: what the server can do: a judge that it does not have costs nothing.
    """

    def __init__(self, keeper: QuotaKeeper, abilities: Abilities) -> None:
        self.keeper = keeper
        self._abilities = abilities

    async def admit_job(
        self,
        where: tuple[str, str],
        job: str,
        kind: Kind,
        request: JobRequest,
        files: Mapping[str, bytes],
    ) -> Place | None:
        """Write down that a job comes; None: nothing is counted of anybody.

        Args:
            where: uid and sid of its session.
            job: its id.
            kind: of it.
            request: what it is asked for.
            files: contents of its inputs as they are stored, by name.

        Raises:
            QuotaError: a quota is used up.
        """
        if self.keeper.rules.off:
            return None
        own = request.files(kind).items()
        sizes = {session_path(*where, file): len(files[name]) for name, file in own}
        paid = await self._paid(kind, request)
        asked = kind.parse(request.parameters, request.texts) if paid else None
        usd = possible_cost(asked, paid, self.keeper.rules.prices)
        try:
            return await self.keeper.admit(*where, job, sizes, usd, paid)
        except RefusedError as error:
            raise quota_error(error.why) from None

    async def admit_upload(self, uid: str, files: Mapping[str, int]) -> Place | None:
        """Write down that files without a job come, bytes by path; QuotaError: they do not fit."""
        try:
            return await self.keeper.admit_upload(uid, files)
        except RefusedError as error:
            raise quota_error(error.why) from None

    async def _paid(self, kind: Kind, request: JobRequest) -> tuple[str, ...]:
        """Return whom a job may ask that is paid; what the server may have counts as had."""
        possible, found = asks_elsewhere(kind, request.parameters), list[str]()
        for name in possible:
            if name == EDIT:
                able = await self._abilities.of(request.texts[TYPE])
                asked = able is None or able.remote
            else:
                able = await self._abilities.of(REMOTE_JUDGES[name].name)
                asked = able is None or able.available
            if asked:
                found.append(name)
        return tuple(found)


def quota_error(why: Refusal) -> QuotaError:
    """Return what is answered where a quota is used up.

    429 with Retry-After where waiting helps, 413 for bytes, 400 where one job alone is too much.
    """
    count(QUOTA_REFUSALS, quota=why.quota)
    if why.quota == "jobs":
        message = (
            f"quota of jobs: expected at most {why.limit:g} of yours to wait or run at a time, got "
            f"{why.used:g} already; wait until one is over, or cancel one"
        )
        return _later(message, JOB_ENDS_S)
    if why.quota == "kept_bytes":
        message = (
            f"quota of storage: expected at most {_size(why.limit)} of yours, got "
            f"{_size(why.used)} already and {_size(why.more)} more; delete what you no longer need"
        )
        return QuotaError(413, ErrorKind.INVALID_ARG, message)
    limit, more = why.limit / MILLIONTHS, why.more / MILLIONTHS
    expected = f"quota of judges: expected at most {limit:g} USD a day (UTC)"
    if why.more > why.limit:
        message = (
            f"{expected}, got a job that may cost {more:g} USD; ask for fewer candidates, or send "
            "it without remote"
        )
        return QuotaError(400, ErrorKind.INVALID_ARG, message)
    message = (
        f"{expected}, got {why.used / MILLIONTHS:g} USD spent, {why.held / MILLIONTHS:g} USD held "
        f"for your jobs under way and up to {more:g} USD for this one; send it without remote, or "
        "wait for the next day"
    )
    return _later(message, math.ceil(next_day_s(why.now)))


def _size(count: float) -> str:
    """Return bytes as people read them."""
    return f"{count / _MIB:,.1f} MiB" if count >= _MIB else f"{count:.0f} bytes"


def _later(message: str, wait_s: int) -> QuotaError:
    return QuotaError(429, ErrorKind.QUEUE_FULL, message, {"Retry-After": str(wait_s)})
