"""Where sessions live: small interfaces, Google's services behind them, or one folder."""

from __future__ import annotations

from pathlib import Path

from pawfect.contract.errors import invalid
from pawfect_service.jobs.contract import JobContract
from pawfect_service.stores.base import PushTarget, Stores


def open_stores(url: str, contract: JobContract) -> Stores:
    """Open a store.

    Args:
        url: `embedded:FOLDER`, or `google:PROJECT/BUCKET/TOPIC` (database "(default)"; the
            subscription is TOPIC-workers, the dead letters' topic TOPIC-dead).
        contract: the bounds of its jobs.

    Raises:
        PawfectError: INVALID_ARG for another url.
    """
    kind, places = _parsed(url)
    if kind == "embedded":
        from pawfect_service.stores.embedded.store import open_embedded

        return open_embedded(Path(places[0]), contract)
    from pawfect_service.stores.google.store import open_google

    project, bucket, topic = places
    return open_google(project, bucket, topic, contract)


def make_queue(url: str, contract: JobContract, push: PushTarget | None = None) -> None:
    """Make what a store's queue needs before it is opened, or bring it up to date.

    Args:
        url: as `open_stores` takes it; an embedded store needs nothing.
        contract: lease, longest fill, backoff and most deliveries.
        push: what the messages are pushed to; None: workers pull them.

    Raises:
        PawfectError: INVALID_ARG for another url, and for a push from a store that pushes nothing;
            UNAVAILABLE or INTERNAL, as Pub/Sub refuses.
    """
    kind, places = _parsed(url)
    if kind == "google":
        from pawfect_service.stores.google.topics import ensure_topics

        ensure_topics(places[0], places[2], contract, push)
    elif push is not None:
        raise invalid("store", "google:PROJECT/BUCKET/TOPIC, which alone pushes", url)


def _parsed(url: str) -> tuple[str, list[str]]:
    """Return the kind of a store and the parts of its place."""
    kind, _, place = url.partition(":")
    if kind == "embedded" and place:
        return kind, [place]
    parts = place.split("/")
    if kind == "google" and all(parts) and len(parts) == 3:
        return kind, parts
    raise invalid("store", "embedded:FOLDER or google:PROJECT/BUCKET/TOPIC", url)
