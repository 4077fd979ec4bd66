"""Consent records, and what quotas count, in Firestore: `records/{uid}`, apart from `users/{uid}`.

In production `forget_consents` needs the index of `at` for the collection group `consents`.
"""

from __future__ import annotations

from typing import Any, Final

from google.cloud import firestore

from pawfect_service.jobs.contract import Document
from pawfect_service.jobs.paths import check_id
from pawfect_service.stores.base import Change, ConsentMark, Decide, KeptRecords
from pawfect_service.stores.google.documents import FirestoreDocuments
from pawfect_service.stores.google.errors import bounded

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
        documents: the same database's, which know how one is written on condition.
    """

    def __init__(self, client: firestore.AsyncClient, documents: FirestoreDocuments) -> None:
        self._client, self._documents = client, documents

    async def add_consent(self, uid: str, name: str, record: Document) -> None:
        """Write a consent record with the clock as its `at`; one that is there stays."""

        def once(document: Document | None, now: float) -> Change:
            return Change({**record, _AT: now} if document is None else None)

        await self._documents.update_at(_consent(uid, name), once)

    async def consent(self, uid: str, name: str) -> Document | None:
        """Return a consent record or None."""
        return (await self._documents.read_at(_consent(uid, name)))[0]

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
        async with bounded("records"):
            return [(found.id, found.to_dict() or {}) for found in await query.get()]

    async def withdraw_consent(self, uid: str, name: str) -> None:
        """Delete the consent record of a job that was never made; one that is not there is fine."""
        await self._delete([self._client.document(_consent(uid, name))])

    async def forget_consents(self, older_s: float, at_most: int) -> int:
        """Delete up to `at_most` consent records, anybody's, of over `older_s`; say how many."""
        # Any document's reading brings the clock along, one that is not there too.
        _, now = await self._documents.read_at(_quota("-"))
        size = min(at_most, _PAGE)
        query = (
            self._client.collection_group(_CONSENTS)
            .where(filter=firestore.FieldFilter(_AT, "<", now - older_s))
            .order_by(_AT)
            .limit(size)
        )
        while True:
            async with bounded("records"):
                page = await query.get()
            # What others call `consents` is theirs; a whole page of it is not the end.
            ours = [
                found.reference for found in page if found.reference.path.startswith("records/")
            ]
            if ours or len(page) < size:
                return await self._delete(ours)
            query = query.start_after(page[-1])

    async def update_quota(self, uid: str, decide: Decide) -> Any:
        """Run `decide` over what quotas count until its commit is taken; return its `answer`."""
        return await self._documents.update_at(_quota(uid), decide)

    async def quota(self, uid: str) -> Document | None:
        """Return what quotas count of a user; None: nothing yet."""
        return (await self._documents.read_at(_quota(uid)))[0]

    async def list_records(self, uid: str) -> KeptRecords:
        """Return all consent records of a user, and what quotas count."""
        consents: dict[str, Document] = {}
        query = self._client.collection(_consents(uid)).order_by(_NAME).limit(_PAGE)
        following = query
        while True:
            async with bounded("records"):
                page = await following.get()
            consents |= {found.id: found.to_dict() or {} for found in page}
            if len(page) < _PAGE:
                return KeptRecords(consents, await self.quota(uid))
            following = query.start_after(page[-1])

    async def delete_records(self, uid: str) -> int:
        """Delete all that `list_records` returns; say how many records that were."""
        gone = 0
        while True:
            async with bounded("records"):
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
            async with bounded("records"):
                await batch.commit()
        return len(references)


def _consents(uid: str) -> str:
    return f"records/{check_id('uid', uid)}/{_CONSENTS}"


def _consent(uid: str, name: str) -> str:
    return f"{_consents(uid)}/{check_id('name', name)}"


def _quota(uid: str) -> str:
    return f"records/{check_id('uid', uid)}/quotas/counted"
