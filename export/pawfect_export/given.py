"""Files that the user has: which of an entry's each is, and whether it can be that at all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from pawfect.contract.errors import invalid
from pawfect.weights.formats import mistaken
from pawfect.weights.manifest import Entry


@dataclass(frozen=True)
class Given:
    """One file that the user has.

    Attributes:
        source: where it lies; may be a link to it.
        path: of the file of the entry that it is taken for.
    """

    source: Path
    path: str

    @property
    def size(self) -> int:
        """Bytes."""
        return self.source.stat().st_size


def matched(entry: Entry, sources: Sequence[Path], path: str | None) -> list[Given]:
    """Return which of an entry's files each of the user's is.

    By its name where the entry has one file of that name, else by the end of its path, as
    `text_encoder/config.json`; the files of a folder by their paths below it, as published.

    Args:
        entry: one whose files are published.
        sources: files or folders.
        path: of the file of the entry that the one source is, or None: by name.

    Raises:
        PawfectError: INVALID_ARG where a name does not tell, two are the same file of the entry,
            or nothing is there.
    """
    found: list[Given] = []
    if path is not None:
        if path not in [file.path for file in entry.files]:
            raise invalid("--as", _paths(entry), path)
        if len(sources) != 1 or sources[0].is_dir():
            raise invalid("--as", "one file with it", "a folder or more than one")
    for source in sources:
        with readable(source):
            if source.is_dir():
                found += _inside(entry, source)
            elif source.is_file():
                found.append(Given(source, path or _named(entry, source)))
            else:
                raise invalid(source.name, "a file or a folder", "nothing of that name")
    for number, one in enumerate(found):
        for other in found[:number]:
            if other.path == one.path:
                raise invalid(one.path, "one file for it", f"{other.source.name} and another")
    return found


def check_format(given: Given) -> None:
    """Raise INVALID_ARG where a file is not what the name of the entry's file promises."""
    with readable(given.source):
        other = mistaken(given.source, given.path)
    if other:
        expected = PurePosixPath(given.path).suffix.removeprefix(".") or "a file"
        raise invalid(given.source.name, expected, other)


@contextmanager
def readable(source: Path) -> Iterator[None]:
    """Turn what the system says of a user's file into INVALID_ARG."""
    try:
        yield
    except OSError as error:
        got = error.strerror or type(error).__name__
        raise invalid(source.name, "a file that can be read", got) from None


def _inside(entry: Entry, folder: Path) -> list[Given]:
    found = [
        Given(folder / file.path, file.path)
        for file in entry.files
        if (folder / file.path).is_file()
    ]
    if not found:
        raise invalid(folder.name, f"the files as published ({_paths(entry)})", "none of them")
    return found


def _named(entry: Entry, source: Path) -> str:
    """Return the path of the entry's file that a file is by its name."""
    same = [file.path for file in entry.files if PurePosixPath(file.path).name == source.name]
    if len(same) == 1:
        return same[0]
    whole = source.absolute().parts
    # One part is the name alone, which is what does not tell here.
    ends = [path for path in same if (n := len(_parts(path))) > 1 and _parts(path) == whole[-n:]]
    if ends:
        return max(ends, key=len)
    expected = f"the name of one of {', '.join(same)}" if same else f"one of {_paths(entry)}"
    raise invalid(source.name, f"{expected}; say which it is with --as PATH", "a name alone")


def _parts(path: str) -> tuple[str, ...]:
    return PurePosixPath(path).parts


def _paths(entry: Entry) -> str:
    return ", ".join(file.path for file in entry.files)
