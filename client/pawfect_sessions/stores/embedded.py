"""The embedded store: one SQLite file and one folder for all processes of one machine."""

from __future__ import annotations

from pathlib import Path

from pawfect_sessions.contract import JobContract
from pawfect_sessions.stores.base import Stores
from pawfect_sessions.stores.clock import Sources
from pawfect_sessions.stores.database import Database
from pawfect_sessions.stores.embedded_documents import SCHEMA as DOCUMENTS
from pawfect_sessions.stores.embedded_documents import EmbeddedDocuments
from pawfect_sessions.stores.embedded_queue import SCHEMA as QUEUE
from pawfect_sessions.stores.embedded_queue import EmbeddedQueue
from pawfect_sessions.stores.folder import Folder


def open_embedded(folder: Path, contract: JobContract, sources: Sources | None = None) -> Stores:
    """Open the store in a folder, made if it is missing, on a disk of this machine.

    Args:
        folder: holds `sessions.sqlite3` and `files/`.
        contract: the bounds that the queue needs.
        sources: the machine's clocks.
    """
    files = Folder(folder / "files")
    database = Database(folder / "sessions.sqlite3", DOCUMENTS + QUEUE, sources or Sources())
    return Stores(
        EmbeddedDocuments(database), files, EmbeddedQueue(database, contract), database.close
    )
