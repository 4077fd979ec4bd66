"""Google's services as a store: Firestore, Cloud Storage and Pub/Sub, or their emulators.

The emulators are found as the client libraries do: FIRESTORE_EMULATOR_HOST, PUBSUB_EMULATOR_HOST
(host:port) and STORAGE_EMULATOR_HOST (with http://).
"""

from __future__ import annotations

import os
from typing import Any

import google.auth
import google.cloud.storage as storage
from google.auth.credentials import AnonymousCredentials, Credentials
from google.cloud import firestore

from pawfect_service.jobs.contract import JobContract
from pawfect_service.stores.base import Stores
from pawfect_service.stores.google.documents import FirestoreDocuments
from pawfect_service.stores.google.files import StorageFiles
from pawfect_service.stores.google.queue import PubSubQueue
from pawfect_service.stores.google.records import FirestoreRecords
from pawfect_service.stores.google.removals import FirestoreRemovals
from pawfect_service.stores.google.topics import Names


def open_google(project: str, bucket: str, topic: str, contract: JobContract) -> Stores:
    """Open Google's services; within the event loop that uses them.

    Args:
        project: Google's project.
        bucket: the bucket of the files.
        topic: short name of the queue's topic, made by `ensure_topics`.
        contract: the bounds that the queue needs.
    """
    client, watcher = firestore.AsyncClient(project=project), firestore.Client(project=project)
    credentials = _credentials()
    files = storage.Client(project=project, credentials=credentials)
    queue = PubSubQueue(Names.of(project, topic), contract)

    async def close() -> None:
        await queue.close()
        files.close()
        # The clients' own close() leaves their channels open.
        channels: list[Any] = [each._firestore_api.transport for each in (watcher, client)]
        channels[0].close()
        await channels[1].close()

    stored = StorageFiles(files, bucket, credentials)
    documents = FirestoreDocuments(client, watcher)
    records = FirestoreRecords(client, documents)

    async def scrub() -> None:
        """Nothing: what is deleted is Google's to overwrite."""

    return Stores(
        documents,
        stored,
        queue,
        records,
        FirestoreRemovals(client, documents),
        close,
        scrub,
    )


def _credentials() -> Credentials:
    """Return those of Cloud Storage; its emulator knows no accounts."""
    if os.environ.get("STORAGE_EMULATOR_HOST"):
        return AnonymousCredentials()  # type: ignore[no-untyped-call]
    credentials: Credentials = google.auth.default(scopes=storage.Client.SCOPE)[0]
    return credentials
