"""The queue in Pub/Sub: a topic, its workers' subscription, and a topic for dead letters."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import logging
import math
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import google.cloud.pubsub_v1 as pubsub_v1
from google.api_core.exceptions import AlreadyExists, DeadlineExceeded, GoogleAPICallError
from google.cloud.pubsub_v1.subscriber.message import Message
from google.protobuf import duration_pb2, field_mask_pb2

from pawfect_sessions.contract import JobContract
from pawfect_sessions.stores.base import DeadLetter, Delivery
from pawfect_sessions.stores.google_errors import translated

_LOG: Final = logging.getLogger(__name__)

# Pub/Sub's own bounds: of a lease, in s; of deliveries before a message is dead.
_LEASE_S: Final = (10, 600)
_DELIVERIES: Final = (5, 100)
_TIMEOUT_S: Final = 30.0
# Pause before a stream that ended with an error is opened again.
_AWAY_S: Final = 1.0
# The attribute of a dead letter that says why; Pub/Sub's own dead letters have none.
_REASON: Final = "reason"
_SERVICE: Final = "queue"
# Names that the client takes for its own arguments.
_TAKEN: Final = frozenset(inspect.signature(pubsub_v1.PublisherClient.publish).parameters)
# What is brought up to date in a subscription that is there.
_RENEWED: Final = frozenset(
    {"ack_deadline_seconds", "retry_policy", "dead_letter_policy", "push_config"}
)


@dataclass(frozen=True)
class Names:
    """Full names of what one queue is made of in Pub/Sub."""

    topic: str
    subscription: str
    dead_topic: str
    dead_subscription: str

    @classmethod
    def of(cls, project: str, topic: str) -> Names:
        """Return the names of a topic of a project."""
        topics, subscriptions = (
            f"projects/{project}/{kind}/" for kind in ("topics", "subscriptions")
        )
        return cls(
            topic=f"{topics}{topic}",
            subscription=f"{subscriptions}{topic}-workers",
            dead_topic=f"{topics}{topic}-dead",
            dead_subscription=f"{subscriptions}{topic}-dead-kept",
        )


def ensure_topics(
    project: str, topic: str, contract: JobContract, push_endpoint: str | None = None
) -> Names:
    """Make the topics and subscriptions of a queue, or bring those that are there up to date.

    Pub/Sub's service account must be allowed to publish to the dead letters' topic and to subscribe
    to the workers' subscription.

    Args:
        project: Google's project.
        topic: the topic's short name.
        contract: lease, backoff and most deliveries.
        push_endpoint: URL that gets the messages; None: workers pull them.

    Raises:
        PawfectError: UNAVAILABLE or INTERNAL, as Pub/Sub refuses.
    """
    names = Names.of(project, topic)
    with (
        translated(_SERVICE),
        pubsub_v1.PublisherClient() as publisher,
        pubsub_v1.SubscriberClient() as subscriber,
    ):
        for name in (names.topic, names.dead_topic):
            with contextlib.suppress(AlreadyExists):
                publisher.create_topic(name=name, timeout=_TIMEOUT_S)
        kept = {"name": names.dead_subscription, "topic": names.dead_topic}
        for wanted in (_subscription(names, contract, push_endpoint), kept):
            try:
                subscriber.create_subscription(request=wanted, timeout=_TIMEOUT_S)
            except AlreadyExists:
                mask = field_mask_pb2.FieldMask(paths=sorted(wanted.keys() & _RENEWED))
                if mask.paths:
                    subscriber.update_subscription(
                        request={"subscription": wanted, "update_mask": mask}, timeout=_TIMEOUT_S
                    )
    return names


def _subscription(names: Names, contract: JobContract, push: str | None) -> dict[str, Any]:
    return {
        "name": names.subscription,
        "topic": names.topic,
        "ack_deadline_seconds": _within(contract.lease_s, _LEASE_S),
        "retry_policy": {
            "minimum_backoff": _duration(contract.backoff_min_s),
            "maximum_backoff": _duration(contract.backoff_max_s),
        },
        "dead_letter_policy": {
            "dead_letter_topic": names.dead_topic,
            "max_delivery_attempts": _within(contract.deliveries, _DELIVERIES),
        },
        "push_config": {"push_endpoint": push} if push else {},
        # Kept until somebody deletes it, however long no worker runs.
        "expiration_policy": {},
    }


def _within(value: float, bounds: tuple[int, int]) -> int:
    return min(max(math.ceil(value), bounds[0]), bounds[1])


def _duration(seconds: float) -> duration_pb2.Duration:
    duration = duration_pb2.Duration()
    duration.FromMicroseconds(round(seconds * 1e6))
    return duration


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
        with translated(_SERVICE):
            future = self._publisher.publish(topic, data, timeout=_TIMEOUT_S, **attributes)
            return str(await asyncio.wrap_future(future))

    async def deliveries(self, at_most: int) -> AsyncIterator[Delivery]:
        """Yield messages, at most so many unanswered at a time, until the iterator is closed."""
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
                    await asyncio.to_thread(stream.result, _TIMEOUT_S)

    def _open_stream(self, at_most: int, arrived: asyncio.Queue[Message]) -> Any:
        loop = asyncio.get_running_loop()
        lease_s = _within(self._contract.lease_s, _LEASE_S)
        return self._subscriber.subscribe(
            self._names.subscription,
            # Called on the client's threads.
            callback=lambda message: loop.call_soon_threadsafe(arrived.put_nowait, message),
            flow_control=pubsub_v1.types.FlowControl(
                max_messages=at_most,
                max_lease_duration=self._contract.fill_s + 2 * self._contract.lease_s,
                max_duration_per_lease_extension=lease_s,
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
        delivery.handle.modify_ack_deadline(_within(seconds, _LEASE_S))

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
        """Return so many dead letters; they stay."""
        return await asyncio.to_thread(self._dead_letters, at_most)

    def _dead_letters(self, at_most: int) -> list[DeadLetter]:
        name = self._names.dead_subscription
        with translated(_SERVICE):
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
