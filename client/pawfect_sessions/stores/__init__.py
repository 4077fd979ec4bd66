"""Where sessions live: small interfaces, Google's services behind them, or one folder."""

from __future__ import annotations

from pathlib import Path

from pawfect.errors import invalid
from pawfect_sessions.contract import JobContract
from pawfect_sessions.stores.base import Stores


def open_stores(url: str, contract: JobContract) -> Stores:
    """Open a store.

    Args:
        url: `embedded:FOLDER`, or `google:PROJECT/BUCKET/TOPIC` (database "(default)"; the
            subscription is TOPIC-workers, the dead letters' topic TOPIC-dead).
        contract: the bounds of its jobs.

    Raises:
        PawfectError: INVALID_ARG for another url.
    """
    kind, _, place = url.partition(":")
    if kind == "embedded" and place:
        from pawfect_sessions.stores.embedded import open_embedded

        return open_embedded(Path(place), contract)
    if kind == "google" and all(parts := place.split("/")) and len(parts) == 3:
        from pawfect_sessions.stores.google import open_google

        project, bucket, topic = parts
        return open_google(project, bucket, topic, contract)
    raise invalid("store", "embedded:FOLDER or google:PROJECT/BUCKET/TOPIC", url)
