"""`task_{id}/`: what is in it, and which of its candidates a run that goes on need not make again.

A candidate is two files: its picture, and JSON beside it, which is written last and says of which
request it is and what the picture's digest is. What does not agree with that is made again.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pawfect.contract.candidates import Edges, FoundCandidate, read_candidate
from pawfect.contract.errors import PawfectError, invalid
from pawfect.contract.search import INPAINT, SWAP
from pawfect.contract.search_report import Candidate
from pawfect.photo.image_file import read_file
from pawfect.photo.photo import Photo, decode_photo
from pawfect.photo.saving import encode_photo, plain_png, write_atomically
from pawfect_client.search.pictures import TaskPictures, remove_parts

INIT: Final = "init.png"
MASK: Final = "mask.png"
CHARACTER: Final = "character.png"
RESULT: Final = "result.png"
METRICS: Final = "metrics.json"
PAGE: Final = "page.html"
_CANDIDATE: Final = re.compile(r"candidate_(\d+)_seed(\d+)\.(png|json)")


def name_of_candidate(candidate: Candidate) -> str:
    """Return the name of a candidate's picture."""
    return f"candidate_{candidate.number}_seed{candidate.seed}.png"


class TaskFolder:
    """The folder of one task's results.

    Args:
        path: the folder; made where it does not exist, its own parent too.

    Raises:
        PawfectError: INVALID_ARG where it cannot be made.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            got = error.strerror or type(error).__name__
            raise invalid(path.name, "a folder that can be written to", got) from None

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep other runs out while the block runs, and clear away what a killed one left.

        Raises:
            PawfectError: INVALID_ARG where another run is at it.
        """
        try:
            lock = os.open(self.path, os.O_RDONLY)
        except OSError as error:
            raise invalid(self.path.name, "a readable folder", error.strerror) from None
        try:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                expected = "a folder that no other run works at"
                raise invalid(self.path.name, expected, "one that another run works at") from None
            except OSError:
                # A file system without locks.
                pass
            remove_parts(self.path, "*")
            yield
        finally:
            os.close(lock)

    def write(self, name: str, data: bytes) -> None:
        """Write a file whole or not at all; INVALID_ARG where there is no room for it."""
        write_atomically(self.path / name, data)

    def put_inputs(self, pictures: TaskPictures) -> None:
        """Write init.png and, where there are such, mask.png and character.png."""
        self.write(INIT, encode_photo(pictures.photo, "PNG", quickly=True))
        if pictures.mask is not None:
            self.write(MASK, plain_png(pictures.mask))
        if pictures.reference is not None:
            self.write(CHARACTER, encode_photo(pictures.reference, "PNG", quickly=True))

    def put_candidate(
        self, found: FoundCandidate, photo: Photo, request: str, proposer: str = INPAINT
    ) -> None:
        """Write a finished candidate; one that failed leaves no files.

        Args:
            found: the candidate.
            photo: what its box is laid on.
            request: digest of the request.
            proposer: what made it.

        Raises:
            PawfectError: INVALID_ARG where there is no room; what was written of it then goes.
        """
        if found.image is None or found.box is None:
            return
        x0, y0, x1, y1 = found.box
        pixels = photo.pixels.copy()
        pixels[y0:y1, x0:x1] = found.image
        plain = _plain(photo, pixels)
        engine = maker(proposer, found.candidate.engine)
        if engine is not None:
            plain = plain.changed_by(engine)
        picture = encode_photo(plain, "PNG", quickly=True)
        name = name_of_candidate(found.candidate)
        known = {
            "request": request,
            "sha256": hashlib.sha256(picture).hexdigest(),
            "box": list(found.box),
            "candidate": found.candidate.as_json(),
        }
        self.write(name, picture)
        try:
            self.write(_beside(name), json.dumps(known, ensure_ascii=False, indent=1).encode())
        except PawfectError:
            (self.path / name).unlink(missing_ok=True)
            raise

    def finished(self, request: str, size: tuple[int, int]) -> tuple[list[FoundCandidate], int]:
        """Return the candidates that are there of a request, by number, and how many are broken.

        Args:
            request: its digest.
            size: (width, height) of the photo, px.
        """
        found: dict[int, FoundCandidate] = {}
        broken = 0
        for path in sorted(self.path.glob("candidate_*.json")):
            if not _CANDIDATE.fullmatch(path.name):
                continue
            try:
                one = _read_candidate(path, request, size)
            except (PawfectError, ValueError, KeyError, TypeError, RecursionError):
                broken += 1
                continue
            if one is not None:
                found[one.candidate.number] = one
        boxes = [one.box for one in found.values()]
        # All of one request have the same; those of another version of the server are not mixed.
        if len(set(boxes)) > 1:
            return [], broken + len(found)
        return [found[number] for number in sorted(found)], broken

    def is_complete(self, request: str, *, masked: bool = True) -> bool:
        """Say whether the results of a request are there, all of them.

        Args:
            request: its digest.
            masked: whether it has a mask.
        """
        try:
            metrics = json.loads(read_file(self.path / METRICS, METRICS))
            there = metrics["request"] == request and metrics["complete"] is True
        except (PawfectError, ValueError, KeyError, TypeError, RecursionError):
            return False
        names = (RESULT, PAGE, INIT, *((MASK,) if masked else ()))
        return there and all((self.path / name).is_file() for name in names)

    def clear(self, kept: list[FoundCandidate]) -> None:
        """Remove the results of other requests, but for some candidates; nothing else."""
        names = {name_of_candidate(one.candidate) for one in kept}
        names |= {_beside(name) for name in names}
        ours = [self.path / name for name in (METRICS, PAGE, RESULT, CHARACTER, MASK)]
        # JSON before its picture: what is left of a pair is then no candidate.
        pairs = sorted(self.path.glob("candidate_*"), key=lambda path: path.suffix)
        ours += [path for path in pairs if _CANDIDATE.fullmatch(path.name)]
        try:
            for path in ours:
                if path.name not in names:
                    path.unlink(missing_ok=True)
        except OSError as error:
            got = error.strerror or type(error).__name__
            raise invalid(path.name, "a file that can be replaced", got) from None


def maker(proposer: str, engine: str | None) -> str | None:
    """Return what a picture's metadata says changed it: a swap, whatever refined it after.

    Args:
        proposer: of the search.
        engine: what made the picture, or None.
    """
    return SWAP if proposer == SWAP else engine


def _beside(name: str) -> str:
    return f"{name.removesuffix('.png')}.json"


def _plain(photo: Photo, pixels: NDArray[np.uint8]) -> Photo:
    """Return a candidate as it is written: every pixel as it is, and the photo's colours."""
    # A profile of grey says nothing of three channels.
    profile = None if photo.grey else photo.icc_profile
    bare = replace(photo, pixels=pixels, deep=None, grey=False, exif=None, xmp=None)
    return replace(bare, icc_profile=profile)


def _read_candidate(path: Path, request: str, size: tuple[int, int]) -> FoundCandidate | None:
    """Return the candidate that a file tells of; None for one of another request."""
    known: Any = json.loads(read_file(path, path.name))
    if known["request"] != request:
        return None
    candidate = read_candidate(known["candidate"])
    name = name_of_candidate(candidate)
    if candidate.error is not None or _beside(name) != path.name:
        raise ValueError("expected the candidate that the file's name says")
    picture = read_file(path.with_name(name), name)
    if hashlib.sha256(picture).hexdigest() != known["sha256"]:
        raise ValueError("expected the picture that the file tells of")
    pixels = decode_photo(picture, name).pixels
    box = _box(known["box"], size)
    x0, y0, x1, y1 = box
    if pixels.shape[:2] != (size[1], size[0]):
        raise ValueError("expected a picture of the photo's size")
    return FoundCandidate(candidate, np.ascontiguousarray(pixels[y0:y1, x0:x1]), box)


def _box(given: Any, size: tuple[int, int]) -> Edges:
    x0, y0, x1, y1 = given
    integers = all(type(edge) is int for edge in given)
    if not (integers and 0 <= x0 < x1 <= size[0] and 0 <= y0 < y1 <= size[1]):
        raise ValueError("expected a box within the photo")
    return x0, y0, x1, y1
