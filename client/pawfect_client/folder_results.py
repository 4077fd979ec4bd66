"""results.jsonl of a folder: a line for each picture, by which the next run knows what is done."""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Self

from pawfect.contract.errors import ErrorKind, invalid

RESULTS_NAME: Final = "results.jsonl"


@dataclass(frozen=True)
class PictureResult:
    """What became of one picture; files are named within their folders.

    What a command has to say besides, such as what filled, the fields of its own kind of it say.

    Attributes:
        input: the picture's name.
        output: the result's name; None where it has none.
        request: SHA-256 of its files and all that was asked; None where they were not read.
        ms: from reading the photo to its result on disk, ms; None where none was made.
        remarks: what there is to say about it, as on the command's last line.
        error: the failure's kind, by its token, or None.
        message: what was expected and what came, or None.
    """

    input: str
    output: str | None
    request: str | None = None
    ms: float | None = None
    remarks: tuple[str, ...] = ()
    error: ErrorKind | None = None
    message: str | None = None

    @property
    def made(self) -> bool:
        """Whether its result was made just now, rather than before or not at all."""
        return self.ms is not None

    def how(self) -> str:
        """Return how its result was made, for people."""
        raise NotImplementedError

    def line(self) -> bytes:
        """Return the result as a line of JSON."""
        entry = asdict(self) | {"error": None if self.error is None else self.error.value}
        # In ASCII: a name need not be valid Unicode.
        return json.dumps(entry).encode() + b"\n"


class ResultLog:
    """The file of results, to which lines are added.

    Args:
        folder: of the results; made where it does not exist.

    Attributes:
        missing: lines that could not be written.

    Raises:
        PawfectError: INVALID_ARG where it cannot be made or written to, or holds other things:
            what lies there would be replaced.
    """

    def __init__(self, folder: Path) -> None:
        self.missing = 0
        path = folder / RESULTS_NAME
        try:
            folder.mkdir(exist_ok=True)
            if not path.exists() and any(not name.startswith(".") for name in os.listdir(folder)):
                expected = (
                    f"a new or empty folder, or one with the {RESULTS_NAME} of an earlier run"
                )
                raise invalid(folder.name, expected, "one with other files")
            self._file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o666)
            content = path.read_bytes()
        except OSError as error:
            got = error.strerror or type(error).__name__
            raise invalid(folder.name, "a folder that can be written to", got) from None
        self._done = dict(_entries(content))
        self._whole = not content or content.endswith(b"\n")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        os.close(self._file)

    def is_done(self, name: str, request: str) -> bool:
        """Say whether the newest line of a picture tells that just this was done."""
        return self._done.get(name) == request

    def add(self, result: PictureResult) -> None:
        """Add a line, whole or not at all; one that finds no room is counted as missing."""
        line = result.line() if self._whole else b"\n" + result.line()
        size = os.fstat(self._file).st_size
        try:
            written = 0
            while written < len(line):
                written += os.write(self._file, line[written:])
            self._whole = True
        except OSError:
            self.missing += 1
            with contextlib.suppress(OSError):
                os.ftruncate(self._file, size)


def _entries(content: bytes) -> list[tuple[str, str | None]]:
    """Return the pictures of all lines that can be read, each with what was done to it."""
    entries = []
    for line in content.splitlines():
        try:
            entry: Any = json.loads(line)
            done = None if entry["error"] else entry["request"]
            entries.append((entry["input"], done))
        except (ValueError, KeyError, TypeError, RecursionError):
            # The end of a run that was killed.
            continue
    return entries
