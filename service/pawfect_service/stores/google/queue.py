"""The queue in Pub/Sub, as workers pull it and everybody publishes to it."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final

import google.cloud.pubsub_v1 as pubsub_v1
from google.api_core.exceptions import DeadlineExceeded, GoogleAPICallError
from google.cloud.pubsub_v1.subscriber.message import Message

from pawfect_service.jobs.contract import JobContract
from pawfect_service.stores.base import DeadLetter, Delivery
from pawfect_service.stores.google.errors import translated
from pawfect_service.stores.google.topics import (
    SERVICE,
    TIMEOUT_S,
    Names,
    lease_within,
    longest_pull_s,
)

_LOG: Final = logging.getLogger(__name__)

# Pause before a stream that ended with an error is opened again.
_AWAY_S: Final = 1.0
# The attribute of a dead letter that says why; Pub/Sub's own dead letters have none.
_REASON: Final = "reason"
# Names that the client takes for its own arguments.
_TAKEN: Final = frozenset(inspect.signature(pubsub_v1.PublisherClient.publish).parameters)


class PubSubQueue:
    """`Queue` in Pub/Sub; the client extends a delivery's lease while this process has it.

    Args:
        names: what `ensure_topics` made.
        contract: lease and longest fill.
    """

    def __init__(self, names: Names, contract: JobContract) -> None:
        self._names = names
        self._contract = contract
        self._publisher = pubsub_v1.PublisherClient()
        self._subscriber = pubsub_v1.SubscriberClient()

    async def publish(self, data: bytes, attributes: Mapping[str, str]) -> str:
        """Queue a message and return its id, once Pub/Sub has it."""
        return await self._publish(self._names.topic, data, attributes)

    async def _publish(self, topic: str, data: bytes, attributes: Mapping[str, str]) -> str:
        with translated(SERVICE):
            future = self._publisher.publish(topic, data, timeout=TIMEOUT_S, **attributes)
            return str(await asyncio.wrap_future(future))

    async def deliveries(self, at_most: int) -> AsyncIterator[Delivery]:
        """Yield messages, up to `at_most` unanswered at a time, until the iterator is closed."""
        arrived: asyncio.Queue[Message] = asyncio.Queue()
        while True:
            stream = self._open_stream(at_most, arrived)
            ended = asyncio.wrap_future(stream)
            try:
                while True:
                    getting = asyncio.ensure_future(arrived.get())
                    try:
                        await asyncio.wait({getting, ended}, return_when=asyncio.FIRST_COMPLETED)
                    finally:
                        if not getting.done():
                            getting.cancel()
                    if not getting.done():
                        break
                    yield _delivery(getting.result())
                error = ended.exception()
                _LOG.warning("queue: %s; opening the stream again", type(error).__name__)
                await asyncio.sleep(_AWAY_S)
            finally:
                while not arrived.empty():
                    arrived.get_nowait().nack()
                stream.cancel()
                with contextlib.suppress(GoogleAPICallError, asyncio.CancelledError):
                    await asyncio.to_thread(stream.result, TIMEOUT_S)

    def _open_stream(self, at_most: int, arrived: asyncio.Queue[Message]) -> Any:
        loop = asyncio.get_running_loop()
        return self._subscriber.subscribe(
            self._names.subscription,
            # Called on the client's threads.
            callback=lambda message: loop.call_soon_threadsafe(arrived.put_nowait, message),
            flow_control=pubsub_v1.types.FlowControl(
                max_messages=at_most,
                max_lease_duration=longest_pull_s(self._contract),
                max_duration_per_lease_extension=lease_within(self._contract.lease_s),
            ),
        )

    async def ack(self, delivery: Delivery) -> None:
        """The message is done with."""
        delivery.handle.ack()

    async def nack(self, delivery: Delivery) -> None:
        """The message comes again after the subscription's backoff."""
        delivery.handle.nack()

    async def extend(self, delivery: Delivery, seconds: float) -> None:
        """Nobody else gets the message for so long."""
        delivery.handle.modify_ack_deadline(lease_within(seconds))

    async def bury(self, delivery: Delivery, reason: str) -> None:
        """The message goes to the dead letters, and is done with."""
        attributes = {
            name: value for name, value in delivery.attributes.items() if name not in _TAKEN
        }
        attributes[_REASON] = reason
        await self._publish(self._names.dead_topic, delivery.data, attributes)
        if delivery.handle is not None:
            await self.ack(delivery)

    async def dead_letters(self, at_most: int) -> list[DeadLetter]:
        """Return up to `at_most` dead letters; they stay."""
        return await asyncio.to_thread(self._dead_letters, at_most)

    def _dead_letters(self, at_most: int) -> list[DeadLetter]:
        name = self._names.dead_subscription
        with translated(SERVICE):
            try:
                found = self._subscriber.pull(
                    subscription=name, max_messages=at_most, timeout=2.0, retry=None
                ).received_messages
            except DeadlineExceeded:
                return []
            if found:
                self._subscriber.modify_ack_deadline(
                    subscription=name,
                    ack_ids=[letter.ack_id for letter in found],
                    ack_deadline_seconds=0,
                )
        return [_dead_letter(letter.message.data, letter.message.attributes) for letter in found]

    async def messages(self, uid: str, sid: str | None = None) -> list[str]:
        """Return none: no message of Pub/Sub's can be had but by working on it."""
        return []

    async def forget(self, names: Sequence[str]) -> int:
        """Nothing, likewise."""
        return 0

    async def close(self) -> None:
        """Send what is still to be sent, and close the connections."""
        await asyncio.to_thread(self._publisher.stop)
        self._publisher.transport.close()
        self._subscriber.close()


def _delivery(message: Message) -> Delivery:
    return Delivery(str(message.message_id), message.data, dict(message.attributes), message)


def _dead_letter(data: bytes, attributes: Mapping[str, str]) -> DeadLetter:
    named = dict(attributes)
    return DeadLetter(data, named, named.pop(_REASON, "delivered too often"))
