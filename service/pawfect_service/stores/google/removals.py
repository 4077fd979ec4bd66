"""What is being removed, in Firestore: `removals/{key}`."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from google.cloud import firestore
from google.cloud.firestore_v1.base_document import DocumentSnapshot

from pawfect_service.jobs.paths import check_id
from pawfect_service.stores.base import Removal
from pawfect_service.stores.google.errors import translated

_COLLECTION: Final = "removals"
# One call, s; as for documents.
_TIMEOUT_S: Final = 10.0


class FirestoreRemovals:
    """`Removals` in Firestore.

    `pending` needs no index but those that every field has by itself, nor does `past`: there are as
    many as people who asked for it within the last half hour.

    Args:
        client: of Firestore.
    """

    def __init__(self, client: firestore.AsyncClient) -> None:
        self._client = client
        self._all = client.collection(_COLLECTION)

    async def begin(
        self, key: str, uid: str, kept_s: float, sids: tuple[str, ...], places: tuple[str, ...]
    ) -> Removal:
        """Write down that something is being removed, in place of what the key had."""
        reference = self._all.document(check_id("key", key))
        async with _bounded():
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

    async def end(self, removal: Removal) -> bool:
        """Take the user's id off a removal, and say whether it was still this one."""
        return await self._if_same(removal, {"uid": None, "sids": []})

    async def drop(self, removal: Removal) -> None:
        """Delete one, unless another has taken its place."""
        await self._if_same(removal, None)

    async def _if_same(self, removal: Removal, fields: dict[str, Any] | None) -> bool:
        """Change or delete a removal that is still this one, and say whether it was."""
        reference = self._all.document(check_id("key", removal.key))
        async with _bounded():
            found = await reference.get()
            if not found.exists or found.get("token") != removal.token:
                return False
            unchanged = self._client.write_option(last_update_time=found.update_time)
            if fields is None:
                await reference.delete(option=unchanged)
            else:
                await reference.update(fields, option=unchanged)
        return True

    async def of(self, *keys: str) -> list[Removal]:
        """Return those of some keys that there are."""
        references = [self._all.document(check_id("key", key)) for key in keys]
        async with _bounded():
            found = [each async for each in self._client.get_all(references)]
        return [_removal(each) for each in found if each.exists]

    async def pending(self, at_most: int) -> list[Removal]:
        """Return up to `at_most` that are under way, oldest first."""
        # Neither null nor missing.
        under_way = firestore.FieldFilter("uid", ">", "")
        async with _bounded():
            found = await self._all.where(filter=under_way).limit(at_most).get()
        return sorted(map(_removal, found), key=lambda each: each.began_at)

    async def past(self, at_most: int) -> list[Removal]:
        """Return up to `at_most` that have ended and whose `until` is over."""
        async with _bounded():
            now = float((await self._all.document("-").get()).read_time.timestamp())
            over = firestore.FieldFilter("until", "<=", now)
            found = await self._all.where(filter=over).limit(at_most).get()
        return [each for each in map(_removal, found) if not each.under_way]


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


@asynccontextmanager
async def _bounded() -> AsyncIterator[None]:
    with translated("documents"):
        async with asyncio.timeout(_TIMEOUT_S):
            yield
