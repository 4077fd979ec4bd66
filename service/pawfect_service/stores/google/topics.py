"""What a queue is made of in Pub/Sub: topics for jobs and dead letters, and their subscriptions."""

from __future__ import annotations

import contextlib
import math
from dataclasses import dataclass
from typing import Any, Final

import google.cloud.pubsub_v1 as pubsub_v1
from google.api_core.exceptions import Aborted, AlreadyExists, ServiceUnavailable
from google.api_core.retry import Retry, if_exception_type
from google.protobuf import duration_pb2, field_mask_pb2

from pawfect.contract.errors import invalid
from pawfect_service.jobs.contract import PATIENCE_S, JobContract
from pawfect_service.stores.base import PushTarget
from pawfect_service.stores.google.errors import translated

SERVICE: Final = "queue"
TIMEOUT_S: Final = 30.0
# The libraries' own tries go on for ten minutes; a start says within ten seconds what is away.
_RETRY: Final = Retry(if_exception_type(ServiceUnavailable, Aborted), timeout=4.0)
# Pub/Sub's own bounds: of a lease, in s; of deliveries before a message is dead.
_LEASE_S: Final = (10, 600)
_DELIVERIES: Final = (5, 100)
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
    project: str, topic: str, contract: JobContract, push: PushTarget | None = None
) -> Names:
    """Make the topics and subscriptions of a queue, or bring those that are there up to date.

    Pub/Sub's service account must be allowed to publish to the dead letters' topic and to subscribe
    to the workers' subscription; where it pushes with a token, also to make tokens of that service
    account, and the caller to act as it.

    Args:
        project: Google's project.
        topic: the topic's short name.
        contract: lease, longest fill, backoff and most deliveries.
        push: what the messages are pushed to; None: workers pull them.

    Raises:
        PawfectError: UNAVAILABLE or INTERNAL, as Pub/Sub refuses; INVALID_ARG where a fill may take
            longer than Pub/Sub waits for the answer to a push.
    """
    names = Names.of(project, topic)
    kept = {"name": names.dead_subscription, "topic": names.dead_topic}
    subscriptions = (_subscription(names, contract, push), kept)
    with (
        translated(SERVICE),
        pubsub_v1.PublisherClient() as publisher,
        pubsub_v1.SubscriberClient() as subscriber,
    ):
        for name in (names.topic, names.dead_topic):
            with contextlib.suppress(AlreadyExists):
                publisher.create_topic(name=name, timeout=TIMEOUT_S, retry=_RETRY)
        for wanted in subscriptions:
            try:
                subscriber.create_subscription(request=wanted, timeout=TIMEOUT_S, retry=_RETRY)
            except AlreadyExists:
                mask = field_mask_pb2.FieldMask(paths=sorted(wanted.keys() & _RENEWED))
                if mask.paths:
                    subscriber.update_subscription(
                        request={"subscription": wanted, "update_mask": mask},
                        timeout=TIMEOUT_S,
                        retry=_RETRY,
                    )
    return names


def _subscription(names: Names, contract: JobContract, push: PushTarget | None) -> dict[str, Any]:
    return {
        "name": names.subscription,
        "topic": names.topic,
        "ack_deadline_seconds": _ack_deadline_s(contract, push),
        "retry_policy": {
            "minimum_backoff": _duration(contract.backoff_min_s),
            "maximum_backoff": _duration(contract.backoff_max_s),
        },
        "dead_letter_policy": {
            "dead_letter_topic": names.dead_topic,
            "max_delivery_attempts": _within(contract.deliveries, _DELIVERIES),
        },
        "push_config": _push_config(push) if push else {},
        # Kept until somebody deletes it, however long no worker runs.
        "expiration_policy": {},
    }


def _ack_deadline_s(contract: JobContract, push: PushTarget | None) -> int:
    """Return how long a delivery may be without an answer before the message comes again, s.

    Who pulls a message extends this while a job runs; a pushed one is held by it alone.
    """
    if push is None:
        return lease_within(contract.lease_s)
    if contract.fill_s >= _LEASE_S[1]:
        raise invalid("fill_s of pushed jobs", f"under {_LEASE_S[1]} s", f"{contract.fill_s:g} s")
    return lease_within(longest_hold_s(contract))


def _push_config(push: PushTarget) -> dict[str, Any]:
    config: dict[str, Any] = {"push_endpoint": push.endpoint}
    if push.email:
        config["oidc_token"] = {"service_account_email": push.email, "audience": push.audience}
    return config


def longest_hold_s(contract: JobContract) -> float:
    """Return how long a pushed message is held at most, s: a fill, and a lease before and after."""
    return contract.fill_s + 2 * contract.lease_s


def longest_pull_s(contract: JobContract) -> float:
    """Return how long a pulled message is held at most, s: its worker may wait for the server."""
    return longest_hold_s(contract) + PATIENCE_S


def lease_within(seconds: float) -> int:
    """Return the time nearest to this for which Pub/Sub keeps a message from others, s."""
    return _within(seconds, _LEASE_S)


def _within(value: float, bounds: tuple[int, int]) -> int:
    return min(max(math.ceil(value), bounds[0]), bounds[1])


def _duration(seconds: float) -> duration_pb2.Duration:
    duration = duration_pb2.Duration()
    duration.FromMicroseconds(round(seconds * 1e6))
    return duration
