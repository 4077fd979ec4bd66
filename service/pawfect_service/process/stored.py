"""Documents of a store, read by a command."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

import click

from pawfect.contract.errors import PawfectError
from pawfect_service.jobs.contract import Document, JobContract
from pawfect_service.stores import open_stores

T = TypeVar("T")


def told(work: Callable[[], T]) -> T:
    """Return what work gives; what is wrong with files or store is said in one line."""
    try:
        return work()
    except PawfectError as error:
        raise click.ClickException(error.message) from None


def documents_of(store: str, kind: str, since: float) -> list[Document]:
    """Return the documents of jobs of a kind.

    Args:
        store: where they are, as options name it.
        kind: of the jobs.
        since: those that were queued then or later, s since the epoch.
    """

    async def read() -> list[Document]:
        stores = open_stores(store, JobContract())
        try:
            return [each async for each in stores.documents.of_kind(kind, since)]
        finally:
            await stores.close()

    return asyncio.run(read())
