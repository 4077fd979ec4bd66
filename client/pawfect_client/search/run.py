"""All tasks of a run, one after the other: what fails does not stop the rest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from pawfect.contract.errors import from_exception
from pawfect_client.search.asked import Asked
from pawfect_client.search.display import RunShow
from pawfect_client.search.search_task import Searched, Searches, search_task
from pawfect_client.search.tasks import BrokenTask, Task


def run_tasks(
    client: Searches,
    tasks: Sequence[Task | BrokenTask],
    out: Path,
    asked: Asked,
    show: RunShow,
    after: Callable[[Searched], None],
) -> tuple[list[Searched], bool]:
    """Search tasks; a search shares the server's devices among its candidates by itself.

    Args:
        client: what searches.
        tasks: what is searched.
        out: folder of their folders.
        asked: what is asked of each.
        show: shows how far it is.
        after: takes each task whose results are all there.

    Returns:
        What became of those that were begun, and whether someone interrupted.
    """
    results: list[Searched] = []
    for task in tasks:
        show.begun(task.id)
        try:
            searched = _searched(client, task, out, asked, show)
            if searched.error is None and (searched.report is None or searched.report.complete):
                after(searched)
        except KeyboardInterrupt:
            return results, True
        results.append(searched)
        show.ended(searched)
    return results, False


def _searched(
    client: Searches, task: Task | BrokenTask, out: Path, asked: Asked, show: RunShow
) -> Searched:
    """Return what became of a task; its failure is one entry of it."""
    if isinstance(task, BrokenTask):
        return Searched(task.id, error=task.error.kind, message=task.error.message)
    try:
        return search_task(client, task, out, asked, show)
    except Exception as error:  # noqa: BLE001 - the border of one task: the rest goes on
        failure = from_exception(error, "search")
        return Searched(task.id, task.character, error=failure.kind, message=failure.message)
