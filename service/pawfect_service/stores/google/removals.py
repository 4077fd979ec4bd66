"""What is being removed, in Firestore: `removals/{key}`."""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import Any, Final, TypeGuard

from google.cloud import firestore
from google.cloud.firestore_v1.base_document import DocumentSnapshot

from pawfect_service.jobs.contract import Document
from pawfect_service.jobs.paths import check_id
from pawfect_service.stores.base import Change, Removal
from pawfect_service.stores.google.documents import FirestoreDocuments
from pawfect_service.stores.google.errors import bounded

_COLLECTION: Final = "removals"


class FirestoreRemovals:
    """`Removals` in Firestore.

    `pending` needs no index but those that every field has by itself, nor does `past`: there are as
    many as people who asked for it within the last half hour.

    Args:
        client: of Firestore.
        documents: the same database's, which know how one is written on condition.
    """

    def __init__(self, client: firestore.AsyncClient, documents: FirestoreDocuments) -> None:
        self._client, self._documents = client, documents
        self._all = client.collection(_COLLECTION)

    async def begin(
        self, key: str, uid: str, kept_s: float, sids: tuple[str, ...], places: tuple[str, ...]
    ) -> Removal:
        """Write down that something is being removed, in place of what the key had."""
        reference = self._all.document(check_id("key", key))
        async with bounded("documents"):
            # The clock comes with the reading.
            now = float((await reference.get()).read_time.timestamp())
            begun = Removal(key, secrets.token_hex(8), now, now + kept_s, uid, sids, places)
            await reference.set(
                {
                    "token": begun.token,
                    "beganAt": begun.began_at,
                    "until": begun.until,
                    "uid": uid,
                    "sids": list(sids),
                    "places": list(places),
                }
            )
        return begun

    async def renew(self, removal: Removal) -> Removal | None:
        """Begin a removal anew, as another one; None where it has ended or is another by now."""
        token = secrets.token_hex(8)

        def decide(document: Document | None, now: float) -> Change:
            if not _is(document, removal) or document["uid"] is None:
                return Change(None)
            until = now + removal.until - removal.began_at
            new = replace(removal, token=token, began_at=now, until=until)
            fields = {"token": token, "beganAt": now, "until": until}
            return Change({**document, **fields}, new)

        renewed: Removal | None = await self._documents.update_at(_path(removal), decide)
        return renewed

    async def end(self, removal: Removal) -> bool:
        """Take the user's id off a removal, and say whether it was still this one."""

        def decide(document: Document | None, _: float) -> Change:
            if not _is(document, removal):
                return Change(None, False)
            return Change({**document, "uid": None, "sids": []}, True)

        return bool(await self._documents.update_at(_path(removal), decide))

    async def drop(self, removal: Removal) -> None:
        """Delete one, unless another has taken its place."""

        def decide(document: Document | None, _: float) -> Change:
            return Change(None, delete=_is(document, removal))

        await self._documents.update_at(_path(removal), decide)

    async def of(self, *keys: str) -> list[Removal]:
        """Return those of some keys that there are."""
        references = [self._all.document(check_id("key", key)) for key in keys]
        async with bounded("documents"):
            found = [each async for each in self._client.get_all(references)]
        return [_removal(each) for each in found if each.exists]

    async def pending(self, at_most: int) -> list[Removal]:
        """Return up to `at_most` that are under way, oldest first."""
        # Neither null nor missing.
        under_way = firestore.FieldFilter("uid", ">", "")
        async with bounded("documents"):
            found = await self._all.where(filter=under_way).limit(at_most).get()
        return sorted(map(_removal, found), key=lambda each: each.began_at)

    async def past(self, at_most: int) -> list[Removal]:
        """Return up to `at_most` that have ended and whose `until` is over."""
        async with bounded("documents"):
            now = float((await self._all.document("-").get()).read_time.timestamp())
            over = firestore.FieldFilter("until", "<=", now)
            found = await self._all.where(filter=over).limit(at_most).get()
        return [each for each in map(_removal, found) if not each.under_way]


def _path(removal: Removal) -> str:
    return f"{_COLLECTION}/{check_id('key', removal.key)}"


def _is(document: Document | None, removal: Removal) -> TypeGuard[Document]:
    """Say whether what there is is this removal, and no other that has taken its place."""
    return document is not None and document.get("token") == removal.token


def _removal(found: DocumentSnapshot[Any]) -> Removal:
    fields = found.to_dict() or {}
    return Removal(
        key=found.id,
        token=str(fields["token"]),
        began_at=float(fields["beganAt"]),
        until=float(fields["until"]),
        uid=fields["uid"],
        sids=tuple(fields["sids"]),
        places=tuple(fields["places"]),
    )
