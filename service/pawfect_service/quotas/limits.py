"""What a user may have at a time: the API's options, and a file with exceptions and prices.

An example of the file stands in docs/people-data.md.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Final

from pawfect.contract.errors import invalid
from pawfect.contract.tables import Rule, TableError, at_least, between, read_table
from pawfect_service.jobs.paths import ID_RULE, is_id
from pawfect_service.quotas.prices import Prices
from pawfect_service.watched import WatchedFile, load_text

GIB: Final = 2**30
# Longest file, bytes; an exception has some 60.
_MAX_BYTES: Final = 256 * 1024
# More is no quota: a million GiB, a million USD a day.
MOST: Final = 10**6
# In flight of one user, where quotas are on: a ledger has some 500 bytes for each, and Firestore
# holds a document of 1 MiB.
MOST_JOBS: Final = 1000


@dataclass(frozen=True)
class Limits:
    """What one user may have; None: as much as there is.

    Attributes:
        jobs: that wait or run, of all kinds.
        kept_bytes: of all files, originals and results.
        judge_usd: what judges and remote engines may cost in a day, UTC, USD.
    """

    jobs: int | None = None
    kept_bytes: int | None = None
    judge_usd: float | None = None

    @property
    def none(self) -> bool:
        """Whether there is no limit at all."""
        return self == Limits()


@dataclass(frozen=True)
class _User:
    uid: Annotated[str, Rule(is_id, ID_RULE)]
    jobs: Annotated[int, between(0, MOST_JOBS)] | None = None
    kept_gib: Annotated[float, between(0, MOST)] | None = None
    judge_usd: Annotated[float, between(0, MOST)] | None = None
    unlimited: bool = False


@dataclass(frozen=True)
class _Prices:
    gemini: Annotated[float, at_least(0)] = Prices.gemini
    moondream: Annotated[float, at_least(0)] = Prices.moondream
    edit: Annotated[float, at_least(0)] = Prices.edit


@dataclass(frozen=True)
class _File:
    prices: _Prices = _Prices()
    users: tuple[_User, ...] = ()


@dataclass(frozen=True)
class Exceptions:
    """What a file says.

    Attributes:
        prices: of what is asked elsewhere.
        users: by uid, what stands in the row; None in it: the options' own limit.
        unlimited: users without any limit.
    """

    prices: Prices = field(default_factory=Prices)
    users: Mapping[str, Limits] = field(default_factory=lambda: MappingProxyType({}))
    unlimited: frozenset[str] = frozenset()


def parse_exceptions(text: str) -> Exceptions:
    """Return what a file's text says.

    Raises:
        PawfectError: INVALID_ARG for what is no TOML, an unknown or missing key, a value of another
            type or out of bounds, a user twice, and an unlimited one with limits.
    """
    try:
        file = read_table(_File, tomllib.loads(text), "quotas")
    except tomllib.TOMLDecodeError as error:
        raise invalid("quotas", "TOML", str(error)) from None
    except TableError as error:
        raise invalid(error.where or "quotas", error.expected, error.got) from None
    users: dict[str, Limits] = {}
    for row in file.users:
        if row.uid in users:
            raise invalid(f"quotas: user {row.uid}", "each user once", "it twice")
        kept = None if row.kept_gib is None else round(row.kept_gib * GIB)
        users[row.uid] = Limits(row.jobs, kept, row.judge_usd)
        if row.unlimited and not users[row.uid].none:
            raise invalid(f"quotas: user {row.uid}", "unlimited or limits", "both")
    unlimited = frozenset(row.uid for row in file.users if row.unlimited)
    prices = Prices(file.prices.gemini, file.prices.moondream, file.prices.edit)
    return Exceptions(prices, users, unlimited)


def load_exceptions(path: Path) -> Exceptions:
    """Read a file; INVALID_ARG as `parse_exceptions` says, and for one that cannot be read."""
    return parse_exceptions(load_text(path, _MAX_BYTES))


class Rules:
    """The limits of each user as they are now.

    Args:
        usual: of who is no exception.
        file: with exceptions and prices, read anew when it changes; None: there are none.

    Raises:
        PawfectError: INVALID_ARG as `load_exceptions` says.
    """

    def __init__(self, usual: Limits, file: Path | None = None) -> None:
        self._usual = usual
        self._watched = None if file is None else WatchedFile(file, load_exceptions, "quotas")

    @property
    def off(self) -> bool:
        """Whether nothing limits anybody, and nothing can before the API is started anew."""
        return self._usual.none and self._watched is None

    @property
    def prices(self) -> Prices:
        """Of what is asked elsewhere."""
        return self._exceptions.prices

    @property
    def _exceptions(self) -> Exceptions:
        return Exceptions() if self._watched is None else self._watched.now()

    def of(self, uid: str) -> Limits:
        """Return a user's limits."""
        said, usual = self._exceptions, self._usual
        if uid in said.unlimited:
            return Limits()
        own = said.users.get(uid, Limits())
        return Limits(
            usual.jobs if own.jobs is None else own.jobs,
            usual.kept_bytes if own.kept_bytes is None else own.kept_bytes,
            usual.judge_usd if own.judge_usd is None else own.judge_usd,
        )
