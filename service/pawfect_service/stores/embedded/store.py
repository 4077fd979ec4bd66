"""The embedded store: one SQLite file and one folder for all processes of one machine."""

from __future__ import annotations

from pathlib import Path

from pawfect_service.jobs.contract import JobContract
from pawfect_service.stores.base import Stores
from pawfect_service.stores.embedded.database import Database
from pawfect_service.stores.embedded.documents import SCHEMA as DOCUMENTS
from pawfect_service.stores.embedded.documents import EmbeddedDocuments
from pawfect_service.stores.embedded.files import Folder
from pawfect_service.stores.embedded.queue import SCHEMA as QUEUE
from pawfect_service.stores.embedded.queue import EmbeddedQueue
from pawfect_service.stores.embedded.records import SCHEMA as RECORDS
from pawfect_service.stores.embedded.records import EmbeddedRecords
from pawfect_service.stores.embedded.removals import SCHEMA as REMOVALS
from pawfect_service.stores.embedded.removals import EmbeddedRemovals


def open_embedded(folder: Path, contract: JobContract) -> Stores:
    """Open the store in a folder, made if it is missing, on a disk of this machine.

    Args:
        folder: holds `sessions.sqlite3` and `files/`.
        contract: the bounds that the queue needs.
    """
    files = Folder(folder / "files")
    database = Database(folder / "sessions.sqlite3", DOCUMENTS + QUEUE + RECORDS + REMOVALS)

    async def scrub() -> None:
        await files.tidy()
        await database.scrub()

    return Stores(
        EmbeddedDocuments(database),
        files,
        EmbeddedQueue(database, contract),
        EmbeddedRecords(database),
        EmbeddedRemovals(database),
        database.close,
        scrub,
    )
