"""A folder of pictures: several in flight, each done or failed alone, what is done skipped."""

from __future__ import annotations

import hashlib
import json
import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

from pawfect.contract.errors import ErrorKind, PawfectError, from_exception, invalid
from pawfect.photo.image_file import read_file
from pawfect_client.folder_plan import FolderPlan, Picture
from pawfect_client.folder_results import PictureResult, ResultLog

# Enough to read one photo and write another while a third is worked at.
IN_FLIGHT: Final = 2
# The service holds no more at a time.
MOST_IN_FLIGHT: Final = 16

Result = TypeVar("Result", bound=PictureResult)


class Work(Protocol[Result]):
    """What a command does to each picture of a folder."""

    @property
    def verbs(self) -> tuple[str, str]:
        """What it does and what is then done, such as filling and filled."""
        ...

    def begun(self, picture: Picture) -> Result:
        """Return the result of a picture that is still to be done: the names of its files."""
        ...

    def request_of(self, picture: Picture) -> str:
        """Return what tells this request from any other, see `digest_of`."""
        ...

    def make(self, picture: Picture, out: Path, result: Result) -> Result:
        """Write the picture's result, and return how it was made but for its time."""
        ...

    def close(self) -> None:
        """Cancel what is in flight."""
        ...


def run_folder(
    work: Work[Result],
    plan: FolderPlan,
    log: ResultLog,
    in_flight: int,
    show: Callable[[Result], None],
) -> tuple[list[Result], bool]:
    """Do the pictures of a folder; what fails does not keep the others from being done.

    Args:
        work: what is done to each picture; closed where someone interrupts.
        plan: what is to be done.
        log: knows what is done; takes a line for each picture that was not.
        in_flight: pictures at a time, at least 1.
        show: takes each picture's result as it comes.

    Returns:
        The results in the order in which they came, and whether someone interrupted: those in
        flight are then CANCELLED, those not begun have none.
    """
    # By its future: an interrupt may come in the middle of taking one, which is then taken again.
    results: dict[Future[Result], Result] = {}
    stopping = threading.Event()

    def take(ended: Future[Result]) -> None:
        result = ended.result()
        if result.error is not None or result.made:
            log.add(result)
        results[ended] = result
        show(result)

    def do_one(picture: Picture) -> Result:
        result = _done(work, picture, log)
        # A call that a closed connection no longer takes fails in words of its own.
        if stopping.is_set() and result.error is not None:
            return replace(result, error=ErrorKind.CANCELLED, message="interrupted")
        return result

    def stop(pool: ThreadPoolExecutor) -> None:
        stopping.set()
        pool.shutdown(wait=False, cancel_futures=True)
        work.close()

    with ThreadPoolExecutor(in_flight, thread_name_prefix="picture") as pool:
        waiting = [pool.submit(do_one, picture) for picture in plan.pictures]
        try:
            for ended in as_completed(waiting):
                take(ended)
        except KeyboardInterrupt:
            stop(pool)
            # What was being written is finished, what was worked at comes back as cancelled.
            begun = [ended for ended in waiting if not ended.cancelled() and ended not in results]
            for ended in as_completed(begun):
                take(ended)
        except BaseException:
            stop(pool)
            raise
    return list(results.values()), stopping.is_set()


def _done(work: Work[Result], picture: Picture, log: ResultLog) -> Result:
    """Return what became of a picture; one that was done before is not made, and has no error."""
    began = time.monotonic()
    result = work.begun(picture)
    try:
        result = replace(result, request=work.request_of(picture))
        out = known(picture.out)
        if log.is_done(result.input, str(result.request)) and os.path.isfile(out):
            return result
        made = work.make(picture, out, result)
    except Exception as error:  # noqa: BLE001 - the border of one picture: the rest goes on
        failure = from_exception(error, "picture")
        return replace(result, error=failure.kind, message=failure.message)
    return replace(made, ms=round((time.monotonic() - began) * 1000, 1))


def known(path: Path | PawfectError) -> Path:
    """Return a picture's file; raises the reason where there is none."""
    if isinstance(path, PawfectError):
        raise path
    return path


def name_of(path: Path | PawfectError) -> str | None:
    """Return the name of a picture's file; None where there is none."""
    return None if isinstance(path, PawfectError) else path.name


def digest_of(asked: Mapping[str, Any], files: Iterable[Path]) -> str:
    """Return what tells a request from any other, SHA-256 of all that goes into it.

    Args:
        asked: what JSON can hold.
        files: whose content counts.

    Raises:
        PawfectError: INVALID_ARG for a file that cannot be read.
    """
    digest = hashlib.sha256(json.dumps(asked, sort_keys=True).encode())
    for path in files:
        # A pipe, for one, would be waited for without end.
        if os.path.exists(path) and not os.path.isfile(path):
            raise invalid(path.name, "a regular file", "none")
        digest.update(hashlib.sha256(read_file(path, path.name)).digest())
    return digest.hexdigest()
