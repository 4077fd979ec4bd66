"""The Pub/Sub emulator's broken retry policy, and what brings its messages back."""

from __future__ import annotations

import asyncio
import contextlib
import time

import google.cloud.pubsub_v1 as pubsub_v1
import pytest
from google.api_core.exceptions import DeadlineExceeded

from harness.emulators import PROJECT, Emulator
from harness.redelivery import Redelivery
from tests.conftest import need_emulators

LEASE_S = 10


@pytest.fixture
def emulator(tmp_path, monkeypatch):
    """A Pub/Sub emulator of its own: what breaks here is in nobody's way."""
    need_emulators()
    started = Emulator("pubsub", tmp_path)
    try:
        started.wait_for("Server started")
        monkeypatch.setenv("PUBSUB_EMULATOR_HOST", started.address)
        yield
    finally:
        started.stop()


class Subscription:
    """A topic with one subscription that has a retry policy, and one who pulls by hand."""

    def __init__(self) -> None:
        self.topic, self.name = (
            f"projects/{PROJECT}/{kind}/again" for kind in ("topics", "subscriptions")
        )
        self.publisher, self.client = pubsub_v1.PublisherClient(), pubsub_v1.SubscriberClient()
        self.publisher.create_topic(name=self.topic)
        policy = {"minimum_backoff": "1s", "maximum_backoff": "60s"}
        self.client.create_subscription(
            request={
                "name": self.name,
                "topic": self.topic,
                "ack_deadline_seconds": LEASE_S,
                "retry_policy": pubsub_v1.types.RetryPolicy(policy),
            }
        )

    def close(self) -> None:
        self.publisher.stop()
        self.publisher.transport.close()
        self.client.close()

    def put_back_twice(self, count: int) -> list[str]:
        """Publish so many; return their ack ids, now that they wait for their backoff.

        The emulator gives a message again at once after its first delivery.
        """
        for number in range(count):
            self.publisher.publish(self.topic, str(number).encode()).result(10)
        for _ in range(2):
            ids = self.pulled(count, 10)
            assert len(ids) == count
            self.client.modify_ack_deadline(
                subscription=self.name, ack_ids=ids, ack_deadline_seconds=0
            )
        return ids

    def pulled(self, count: int, wait_s: float) -> list[str]:
        """Return the ack ids of so many messages, or of those that come in time."""
        found, end = [], time.monotonic() + wait_s
        while len(found) < count and time.monotonic() < end:
            with contextlib.suppress(DeadlineExceeded):
                answer = self.client.pull(
                    subscription=self.name,
                    max_messages=count - len(found),
                    timeout=1.0,
                    retry=None,
                )
                found += [message.ack_id for message in answer.received_messages]
        return found

    @property
    def policy(self):
        return self.client.get_subscription(subscription=self.name).retry_policy


# The small fault run, slow too, has messages come again by it.
@pytest.mark.slow
@pytest.mark.usefixtures("emulator")
async def test_messages_that_the_emulator_keeps_for_ever_come_again():
    subscription = Subscription()
    try:
        # A late answer to one that waits is what breaks it.
        late = subscription.put_back_twice(1)
        subscription.client.acknowledge(subscription=subscription.name, ack_ids=late)
        await asyncio.sleep(3)
        subscription.put_back_twice(3)
        assert subscription.pulled(3, 5) == []
        assert subscription.policy
        async with Redelivery(subscription.name, every_s=1).kept_going():
            assert len(await asyncio.to_thread(subscription.pulled, 3, 2 * LEASE_S)) == 3
        assert not subscription.policy
    finally:
        subscription.close()
