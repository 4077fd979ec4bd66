"""Redelivery in the Pub/Sub emulator, whose retry policy breaks for good."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import google.cloud.pubsub_v1 as pubsub_v1
from google.protobuf import field_mask_pb2

# A time without the policy is a few of the 50 ms after which each stream of the emulator looks for
# messages, and too short for a job to use up its tries.
_OFF_S: Final = 0.2


class Redelivery:
    """Takes a subscription's retry policy away for a moment, again and again.

    The emulator (0.8.20) keeps a list of what waits for its backoff. When a message on it is
    acknowledged, or its lease ends meanwhile beside another one's, the list's thread dies, and
    nothing that is put back comes again: after one late acknowledgement none of 7 messages did
    within 15 s, and none of 20 within 40 s once their backoff was longer than their lease. Taking
    the policy away empties the list: what waited comes when its lease ends.

    Args:
        subscription: full name, in an emulator that this process reaches.
        every_s: between two times without the policy, s.
    """

    def __init__(self, subscription: str, every_s: float = 10.0) -> None:
        self._name = subscription
        self._every_s = every_s
        self._client = pubsub_v1.SubscriberClient()
        self._policy = self._client.get_subscription(subscription=subscription).retry_policy

    @asynccontextmanager
    async def kept_going(self) -> AsyncIterator[None]:
        """Mend it for the length of the block; afterwards there is no policy."""
        stop = asyncio.Event()
        mending = asyncio.create_task(self._mend(stop))
        try:
            yield
        finally:
            stop.set()
            await mending
            await self._set(None)
            self._client.close()

    async def _mend(self, stop: asyncio.Event) -> None:
        while not await _set_within(stop, self._every_s):
            await self._set(None)
            await asyncio.sleep(_OFF_S)
            await self._set(self._policy)

    async def _set(self, policy: Any) -> None:
        await asyncio.to_thread(
            self._client.update_subscription,
            subscription=pubsub_v1.types.Subscription(name=self._name, retry_policy=policy),
            update_mask=field_mask_pb2.FieldMask(paths=["retry_policy"]),
        )


async def _set_within(stop: asyncio.Event, wait_s: float) -> bool:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(wait_s):
            await stop.wait()
    return stop.is_set()
