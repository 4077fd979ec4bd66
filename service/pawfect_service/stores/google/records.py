"""Consent records, and what quotas count, in Firestore: `records/{uid}`, apart from `users/{uid}`.

In production `forget_consents` needs the index of `at` for the collection group `consents`.
"""

from __future__ import annotations

from typing import Any, Final

from google.api_core.exceptions import AlreadyExists
from google.cloud import firestore

from pawfect.contract.errors import PawfectError
from pawfect_service.jobs.contract import Document
from pawfect_service.jobs.paths import check_id
from pawfect_service.stores.base import ConsentMark, Decide, KeptRecords
from pawfect_service.stores.google.calls import (
    bounded,
    read_document,
    read_time,
    update_whole,
)

_CONSENTS: Final = "consents"
_AT: Final = "at"
# Firestore's word for a document's own name in a query.
_NAME: Final = "__name__"
# Documents that are read, or deleted in one commit, at a time; a commit takes at most 500.
_PAGE: Final = 300


class FirestoreRecords:
    """`Records` in Firestore.

    Args:
        client: of the database.
    """

    def __init__(self, client: firestore.AsyncClient) -> None:
        self._client = client

    async def add_consent(self, uid: str, name: str, record: Document) -> None:
        """Write a consent record with the clock as its `at`; one that is there stays."""
        reference = self._client.document(_consent(uid, name))
        async with bounded():
            # Any document's reading brings the clock along, one that is not there too.
            snapshot = await reference.get()
        if snapshot.exists:
            return
        try:
            async with bounded():
                await reference.create({**record, _AT: read_time(snapshot)})
        except PawfectError as error:
            # Its name is a job's own: it is this very record, written by a call that broke off.
            if not isinstance(error.__cause__, AlreadyExists):
                raise

    async def consent(self, uid: str, name: str) -> Document | None:
        """Return a consent record or None."""
        async with bounded():
            return read_document(await self._client.document(_consent(uid, name)).get())

    async def consents(
        self, uid: str, at_most: int, before: ConsentMark | None = None
    ) -> list[tuple[str, Document]]:
        """Return a user's consent records by name, newest first, those older than `before`."""
        here = self._client.collection(_consents(uid))
        falling = firestore.Query.DESCENDING
        query = here.order_by(_AT, direction=falling).order_by(_NAME, direction=falling)
        query = query.limit(at_most)
        if before is not None:
            then = here.document(check_id("name", before.name))
            query = query.start_after({_AT: before.at, _NAME: then})
        async with bounded():
            return [(found.id, found.to_dict() or {}) for found in await query.get()]

    async def forget_consents(self, older_s: float, at_most: int) -> int:
        """Delete up to `at_most` consent records, anybody's, of over `older_s`; say how many."""
        async with bounded():
            now = read_time(await self._client.document(_quota("-")).get())
            query = (
                self._client.collection_group(_CONSENTS)
                .where(filter=firestore.FieldFilter(_AT, "<", now - older_s))
                .order_by(_AT)
                .limit(min(at_most, _PAGE))
            )
            # What others call `consents` is theirs.
            ours = [
                found.reference
                for found in await query.get()
                if found.reference.path.startswith("records/")
            ]
        return await self._delete(ours)

    async def update_quota(self, uid: str, decide: Decide) -> Any:
        """Run `decide` over what quotas count until its commit is taken; return its `answer`."""
        return await update_whole(self._client, _quota(uid), decide)

    async def quota(self, uid: str) -> Document | None:
        """Return what quotas count of a user; None: nothing yet."""
        async with bounded():
            return read_document(await self._client.document(_quota(uid)).get())

    async def list_records(self, uid: str) -> KeptRecords:
        """Return all consent records of a user, and what quotas count."""
        consents: dict[str, Document] = {}
        query = self._client.collection(_consents(uid)).order_by(_NAME).limit(_PAGE)
        following = query
        while True:
            async with bounded():
                page = await following.get()
            consents |= {found.id: found.to_dict() or {} for found in page}
            if len(page) < _PAGE:
                return KeptRecords(consents, await self.quota(uid))
            following = query.start_after(page[-1])

    async def delete_records(self, uid: str) -> int:
        """Delete all that `list_records` returns; say how many records that were."""
        gone = 0
        while True:
            async with bounded():
                page = await self._client.collection(_consents(uid)).limit(_PAGE).get()
            gone += await self._delete([found.reference for found in page])
            if len(page) < _PAGE:
                break
        counted = await self.quota(uid)
        return gone + await self._delete(
            [] if counted is None else [self._client.document(_quota(uid))]
        )

    async def _delete(self, references: list[Any]) -> int:
        if references:
            batch = self._client.batch()
            for reference in references:
                batch.delete(reference)
            async with bounded():
                await batch.commit()
        return len(references)


def _consents(uid: str) -> str:
    return f"records/{check_id('uid', uid)}/{_CONSENTS}"


def _consent(uid: str, name: str) -> str:
    return f"{_consents(uid)}/{check_id('name', name)}"


def _quota(uid: str) -> str:
    return f"records/{check_id('uid', uid)}/quotas/counted"
