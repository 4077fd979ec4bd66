"""A folder of pictures: several in flight, each filled or failed alone, what is done skipped."""

from __future__ import annotations

import hashlib
import json
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import asdict, replace
from pathlib import Path
from typing import Final, Protocol

from pawfect.contract.errors import ErrorKind, PawfectError, from_exception, invalid
from pawfect.photo.image_file import read_file
from pawfect_client.folder_plan import FolderPlan, Picture
from pawfect_client.folder_results import PictureResult, ResultLog
from pawfect_client.one_file import FileRequest, fill_file
from pawfect_client.results import Inpainted
from pawfect_client.summary import remarks

# Enough to read one photo and write another while a third is filled.
IN_FLIGHT: Final = 2
# The service holds no more at a time.
MOST_IN_FLIGHT: Final = 16


class Service(Protocol):
    """What fills: a client of a server, or the flow in this process."""

    @property
    def inpaint(self) -> Callable[..., Inpainted]:
        """Fill one photo."""
        ...

    def close(self) -> None:
        """Cancel what is in flight."""
        ...


def fill_folder(
    service: Service,
    plan: FolderPlan,
    asked: FileRequest,
    log: ResultLog,
    in_flight: int,
    show: Callable[[PictureResult], None],
) -> tuple[list[PictureResult], bool]:
    """Fill the pictures of a folder; what fails does not keep the others from being filled.

    Args:
        service: what fills; closed where someone interrupts.
        plan: what is to be done.
        asked: the same for each picture.
        log: knows what is done; takes a line for each picture that was not.
        in_flight: pictures at a time, at least 1.
        show: takes each picture's result as it comes.

    Returns:
        The results in the order in which they came, and whether someone interrupted: those in
        flight are then CANCELLED, those not begun have none.
    """
    # By its future: an interrupt may come in the middle of taking one, which is then taken again.
    results: dict[Future[PictureResult], PictureResult] = {}
    stopping = threading.Event()

    def take(ended: Future[PictureResult]) -> None:
        result = ended.result()
        if result.error is not None or result.engine is not None:
            log.add(result)
        results[ended] = result
        show(result)

    def fill_one(picture: Picture) -> PictureResult:
        result = _filled(service.inpaint, picture, asked, log)
        # A call that a closed connection no longer takes fails in words of its own.
        if stopping.is_set() and result.error is not None:
            return replace(result, error=ErrorKind.CANCELLED, message="interrupted")
        return result

    def stop(pool: ThreadPoolExecutor) -> None:
        stopping.set()
        pool.shutdown(wait=False, cancel_futures=True)
        service.close()

    with ThreadPoolExecutor(in_flight, thread_name_prefix="picture") as pool:
        waiting = [pool.submit(fill_one, picture) for picture in plan.pictures]
        try:
            for ended in as_completed(waiting):
                take(ended)
        except KeyboardInterrupt:
            stop(pool)
            # What was being written is finished, what was being filled comes back as cancelled.
            begun = [ended for ended in waiting if not ended.cancelled() and ended not in results]
            for ended in as_completed(begun):
                take(ended)
        except BaseException:
            stop(pool)
            raise
    return list(results.values()), stopping.is_set()


def _filled(
    fill: Callable[..., Inpainted], picture: Picture, asked: FileRequest, log: ResultLog
) -> PictureResult:
    """Return what became of a picture; one that was done before has neither engine nor error."""
    began = time.monotonic()
    result = PictureResult(picture.photo.name, _name(picture.mask), _name(picture.out))
    try:
        mask, out = _known(picture.mask), _known(picture.out)
        result = replace(result, request=_request_of(picture.photo, mask, asked))
        if log.is_done(picture.photo.name, str(result.request)) and os.path.isfile(out):
            return result
        filled = fill_file(fill, picture.photo, mask, out, asked)
    except PawfectError as error:
        return replace(result, error=error.kind, message=error.message)
    except Exception as error:  # noqa: BLE001 - the border of one picture: the rest goes on
        failure = from_exception(error, "picture")
        return replace(result, error=failure.kind, message=failure.message)
    return replace(
        result,
        engine=filled.report.engine,
        ms=round((time.monotonic() - began) * 1000, 1),
        remarks=tuple(remarks(filled, asked.request)),
    )


def _known(path: Path | PawfectError) -> Path:
    if isinstance(path, PawfectError):
        raise path
    return path


def _name(path: Path | PawfectError) -> str | None:
    return None if isinstance(path, PawfectError) else path.name


def _request_of(photo: Path, mask: Path, asked: FileRequest) -> str:
    """Return what tells a request from any other, SHA-256 of all that goes into it."""
    digest = hashlib.sha256(json.dumps(asdict(asked), sort_keys=True).encode())
    for path in (photo, mask):
        # A pipe, for one, would be waited for without end.
        if os.path.exists(path) and not os.path.isfile(path):
            raise invalid(path.name, "a regular file", "none")
        digest.update(hashlib.sha256(read_file(path, path.name)).digest())
    return digest.hexdigest()
