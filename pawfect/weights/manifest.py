"""The manifest: every set of weights, parsed strictly."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Any, Final

from pawfect.contract.errors import invalid

FETCHED: Final = "fetched"
BUILT: Final = "built"

# Characters of a name that is one folder, on every system.
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")
_REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
# Code, or formats that run code when they are loaded.
_REFUSED_SUFFIXES: Final = frozenset({".py", ".pt", ".pth", ".bin", ".ckpt", ".pkl", ".pickle"})

_ENTRY_KEYS: Final[Mapping[str, tuple[frozenset[str], frozenset[str]]]] = {
    FETCHED: (
        frozenset({"kind", "repository", "revision", "licence", "gated", "files"}),
        frozenset({"pinned", "licence_note", "about_gb"}),
    ),
    BUILT: (frozenset({"kind", "licence"}), frozenset({"licence_note", "sources"})),
}
_FILE_KEYS: Final = (
    frozenset({"path"}),
    frozenset({"size", "sha256", "repository", "revision"}),
)


class ManifestError(ValueError):
    """A manifest that says something impossible; the entry is named."""


@dataclass(frozen=True)
class WeightsFile:
    """One file of a fetched entry.

    Attributes:
        path: below the entry's folder and in the repository alike, with slashes.
        repository: OWNER/NAME; the entry's own unless the file says otherwise.
        revision: full commit, or a branch where the entry is not pinned.
        size: bytes, or None where it is not known.
        sha256: hexadecimal digest, or None where it is not known.
    """

    path: str
    repository: str
    revision: str
    size: int | None = None
    sha256: str | None = None


@dataclass(frozen=True)
class Entry:
    """One set of weights.

    Attributes:
        name: its name and its folder's.
        kind: `fetched` or `built`.
        licence: the licence's name.
        licence_note: what to know about it; said where weights are fetched.
        repository: OWNER/NAME of a fetched entry, else empty.
        revision: commit or branch of a fetched entry, else empty.
        pinned: whether `revision` is a commit.
        gated: whether the licence must be accepted on the repository's page.
        about_gb: size for people, decimal gigabytes, or None.
        files: of a fetched entry; empty for a built one, whose lock names its files.
        sources: entries of which a built one is made.
    """

    name: str
    kind: str
    licence: str
    licence_note: str = ""
    repository: str = ""
    revision: str = ""
    pinned: bool = True
    gated: bool = False
    about_gb: float | None = None
    files: tuple[WeightsFile, ...] = ()
    sources: tuple[str, ...] = ()

    def file(self, path: str) -> WeightsFile:
        """Return the file of that path; KeyError where there is none."""
        return next(file for file in self.files if file.path == path)

    @property
    def size(self) -> int | None:
        """Bytes of all files, or None where one is not known."""
        known = [file.size for file in self.files if file.size is not None]
        return sum(known) if known and len(known) == len(self.files) else None


@cache
def manifest() -> Mapping[str, Entry]:
    """Return the package's own entries by name."""
    text = (resources.files("pawfect") / "weights" / "manifest.toml").read_text("utf-8")
    return parse_manifest(tomllib.loads(text))


def find_entry(entries: Mapping[str, Entry], name: str) -> Entry:
    """Return the entry of that name.

    Raises:
        PawfectError: INVALID_ARG for a name that is not in the manifest.
    """
    if name not in entries:
        raise invalid("entry", f"one of {', '.join(entries)}", repr(name))
    return entries[name]


def parse_manifest(tables: Mapping[str, Any]) -> Mapping[str, Entry]:
    """Check all tables and return the entries by name.

    Args:
        tables: the manifest as TOML gives it.

    Raises:
        ManifestError: unknown or missing keys, wrong types, paths that leave the folder, revisions
            that are no commits, files that could run code.
    """
    return MappingProxyType({name: _entry(name, table) for name, table in tables.items()})


def is_commit(revision: str) -> bool:
    """Say whether a revision is a full commit, not a branch or a tag."""
    return bool(_COMMIT.fullmatch(revision))


def check_path(path: str) -> str:
    """Return a relative path with slashes that stays below its folder.

    Raises:
        ValueError: it is absolute, has `..` or another oddity in it.
    """
    parts = PurePosixPath(path).parts
    if (
        not parts
        or "\\" in path
        or "\0" in path
        or path.startswith("/")
        or ".." in parts
        or str(PurePosixPath(path)) != path
    ):
        raise ValueError(f"expected a plain relative path, got {path!r}")
    return path


def _entry(name: str, table: Any) -> Entry:
    if not _NAME.fullmatch(name):
        raise ManifestError(f"{name!r}: expected a name of a-z, 0-9, . _ -")
    if not isinstance(table, Mapping):
        raise ManifestError(f"{name}: expected a table, got {type(table).__name__}")
    kind = table.get("kind")
    if not isinstance(kind, str) or kind not in _ENTRY_KEYS:
        raise ManifestError(f"{name}: kind: expected fetched or built, got {kind!r}")
    _require_keys(name, table, *_ENTRY_KEYS[kind])
    licence = _typed(name, table, "licence", str)
    note = _typed(name, table, "licence_note", str, "")
    if not licence:
        raise ManifestError(f"{name}: licence: expected its name, got nothing")
    if kind == BUILT:
        sources = _typed(name, table, "sources", list, [])
        if any(type(source) is not str for source in sources):
            raise ManifestError(f"{name}: sources: expected names of entries, got {sources}")
        return Entry(name, kind, licence, note, sources=tuple(sources))
    pinned = _typed(name, table, "pinned", bool, True)
    repository = _matching(name, table, "repository", _REPOSITORY, "OWNER/NAME")
    revision = _typed(name, table, "revision", str)
    if pinned != is_commit(revision):
        expected = "a full commit" if pinned else "a branch (pinned = false)"
        raise ManifestError(f"{name}: revision: expected {expected}, got {revision!r}")
    about = table.get("about_gb")
    if about is not None and (type(about) not in (int, float) or about <= 0):
        raise ManifestError(f"{name}: about_gb: expected a positive number, got {about!r}")
    listed = _typed(name, table, "files", list)
    files = tuple(_file(name, item, repository, revision) for item in listed)
    paths = [file.path for file in files]
    if not files or len(set(paths)) < len(paths):
        raise ManifestError(f"{name}: files: expected different ones, got {paths}")
    if len({(file.repository, file.revision) for file in files}) > len(
        {file.repository for file in files}
    ):
        raise ManifestError(f"{name}: files: expected one revision of a repository, got several")
    return Entry(
        name,
        kind,
        licence,
        note,
        repository,
        revision,
        pinned,
        _typed(name, table, "gated", bool),
        about,
        files,
    )


def _file(entry: str, table: Any, repository: str, revision: str) -> WeightsFile:
    if not isinstance(table, Mapping):
        raise ManifestError(f"{entry}: files: expected tables, got {table!r}")
    where = f"{entry}: {table.get('path')}"
    _require_keys(where, table, *_FILE_KEYS)
    path = _typed(where, table, "path", str)
    try:
        check_path(path)
    except ValueError as error:
        raise ManifestError(f"{entry}: path: {error}") from None
    if PurePosixPath(path).suffix in _REFUSED_SUFFIXES:
        raise ManifestError(f"{where}: expected a format that cannot run code")
    size = table.get("size")
    if size is not None and (type(size) is not int or size < 1):
        raise ManifestError(f"{where}: size: expected bytes, got {size!r}")
    if ("repository" in table) != ("revision" in table):
        raise ManifestError(f"{where}: expected repository and revision together")
    if "repository" in table:
        repository = _matching(where, table, "repository", _REPOSITORY, "OWNER/NAME")
        revision = _matching(where, table, "revision", _COMMIT, "a full commit")
    digest = None
    if "sha256" in table:
        digest = _matching(where, table, "sha256", _SHA256, "64 hexadecimal digits")
    return WeightsFile(path, repository, revision, size, digest)


def _require_keys(
    where: str, table: Mapping[str, Any], required: frozenset[str], optional: frozenset[str]
) -> None:
    missing = sorted(required - set(table))
    unknown = sorted(set(table) - required - optional)
    if missing or unknown:
        raise ManifestError(f"{where}: missing keys {missing}, unknown keys {unknown}")


def _typed(where: str, table: Mapping[str, Any], key: str, kind: type, default: Any = None) -> Any:
    value = table.get(key, default)
    if type(value) is not kind:
        raise ManifestError(f"{where}: {key}: expected {kind.__name__}, got {value!r}")
    return value


def _matching(
    where: str, table: Mapping[str, Any], key: str, pattern: re.Pattern[str], expected: str
) -> str:
    value = table.get(key)
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise ManifestError(f"{where}: {key}: expected {expected}, got {value!r}")
    return value
