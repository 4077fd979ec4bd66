"""Everything that a store has, as bytes: what a deletion is proven by."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def raw_of(store_url: str, *folders: Path) -> dict[str, bytes]:
    """Return all that is stored, by where it lies.

    Args:
        store_url: of a store, on this machine or on the emulators of this process's environment.
        folders: other folders that belong to it.
    """
    kind, _, place = store_url.partition(":")
    found = dict(_of_folders(*folders))
    if kind == "embedded":
        found |= dict(_of_folders(Path(place)))
        return found | dict(_of_tables(Path(place) / "sessions.sqlite3"))
    project, bucket, _ = place.split("/")
    return found | dict(_of_firestore(project)) | dict(_of_bucket(project, bucket))


def where(found: dict[str, bytes], *texts: str) -> list[str]:
    """Return the places in which one of some texts stands, or whose own name has it."""
    return [
        place
        for place, data in found.items()
        if any(text in place or text.encode() in data for text in texts)
    ]


def _of_folders(*folders: Path) -> Iterator[tuple[str, bytes]]:
    for folder in folders:
        for path in folder.rglob("*"):
            yield str(path.relative_to(folder)), path.read_bytes() if path.is_file() else b""


def _of_tables(path: Path) -> Iterator[tuple[str, bytes]]:
    connection = sqlite3.connect(path)
    try:
        names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        assert len(names) > 4
        for (name,) in names:
            rows = connection.execute(f"SELECT rowid, * FROM {name}")
            for row in rows:
                texts = [
                    each if isinstance(each, bytes) else str(each).encode() for each in row[1:]
                ]
                yield f"{name} {row[0]}", b" ".join(texts)
    finally:
        connection.close()


def _bytes(value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


def _of_firestore(project: str) -> Iterator[tuple[str, bytes]]:
    from google.cloud import firestore

    client = firestore.Client(project=project)

    def below(collections: Any) -> Iterator[tuple[str, bytes]]:
        for collection in collections:
            # Those too that are but a name above others.
            for reference in collection.list_documents():
                fields = reference.get().to_dict()
                if fields is not None:
                    yield reference.path, repr(fields).encode()
                yield from below(reference.collections())

    yield from below(client.collections())
    client.close()


def _of_bucket(project: str, bucket: str) -> Iterator[tuple[str, bytes]]:
    from google.auth.credentials import AnonymousCredentials
    from google.cloud import storage

    client = storage.Client(project=project, credentials=AnonymousCredentials())
    for blob in client.list_blobs(bucket):
        yield blob.name, blob.download_as_bytes()
