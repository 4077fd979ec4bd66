"""Where sessions live: small interfaces, Google's services behind them, or one folder."""

from __future__ import annotations

import sqlite3
import tempfile
from pathlib import Path
from typing import Final

from pawfect.contract.errors import ErrorKind, PawfectError, invalid
from pawfect_service.jobs.contract import JobContract
from pawfect_service.stores.base import PushTarget, Stores

# What a new database takes, with its index of shared pages, and some more.
_PROBE_BYTES: Final = 256 * 1024


def open_stores(url: str, contract: JobContract) -> Stores:
    """Open a store.

    Args:
        url: `embedded:FOLDER`, or `google:PROJECT/BUCKET/TOPIC` (database "(default)"; the
            subscription is TOPIC-workers, the dead letters' topic TOPIC-dead).
        contract: the bounds of its jobs.

    Raises:
        PawfectError: INVALID_ARG for another url; UNAVAILABLE for a folder that cannot be written
            to or whose database is damaged, and without Google's credentials. Whether Google's
            services answer is not asked: see `pawfect_service.stores.reached`.
    """
    kind, places = _parsed(url)
    return _embedded(places[0], contract) if kind == "embedded" else _google(places, contract)


def _embedded(folder: str, contract: JobContract) -> Stores:
    from pawfect_service.stores.embedded.store import open_embedded

    try:
        _try_writing(Path(folder))
        return open_embedded(Path(folder), contract)
    except (OSError, sqlite3.OperationalError) as error:
        got = getattr(error, "strerror", None) or str(error)
        problem = (
            f"store: expected a folder that can be written to, got {got}: free space there, or "
            "name another, --store embedded:FOLDER"
        )
        raise PawfectError(ErrorKind.UNAVAILABLE, problem) from None
    except sqlite3.DatabaseError as error:
        problem = (
            f"store: expected a whole database in its folder, got: {error}: put a copy of it back, "
            "or name another folder, --store embedded:FOLDER"
        )
        raise PawfectError(ErrorKind.UNAVAILABLE, problem) from None


def _try_writing(folder: Path) -> None:
    """Raise OSError for a folder that cannot be made or written to: SQLite would wait 30 s."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder) as probe:
        probe.write(bytes(_PROBE_BYTES))
        probe.flush()


def _google(places: list[str], contract: JobContract) -> Stores:
    from google.auth.exceptions import DefaultCredentialsError

    from pawfect_service.stores.google.store import open_google

    project, bucket, topic = places
    try:
        return open_google(project, bucket, topic, contract)
    except DefaultCredentialsError:
        problem = (
            "store: expected Google's credentials, got none that can be read: run as a service "
            "account, or `gcloud auth application-default login`"
        )
        raise PawfectError(ErrorKind.UNAVAILABLE, problem) from None


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

        try:
            ensure_topics(places[0], places[2], contract, push)
        except PawfectError as error:
            mend = "check --store, the network and the account's rights"
            raise PawfectError(error.kind, f"{error.message}: {mend}") from None
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
