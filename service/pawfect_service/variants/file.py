"""The file that says which share of users gets which choices: TOML, strictly read.

An example with its words explained stands in docs/variants.md.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final

from pawfect.contract.errors import PawfectError, invalid
from pawfect.contract.parameters import Scalar
from pawfect.contract.tables import (
    TableError,
    at_least,
    between,
    matching,
    read_table,
)
from pawfect_service import watched
from pawfect_service.jobs.fields import RATINGS
from pawfect_service.jobs.kinds import KINDS

# Of who gets no variant: the server's own choices.
DEFAULT: Final = "default"
# Of a request that names what a variant would choose: it is no variant's traffic.
OWN_CHOICE: Final = "own-choice"
# Longest file, bytes; a variant has some 100.
_MAX_BYTES: Final = 64 * 1024
_NAME: Final = matching(
    rf"(?!({DEFAULT}|{OWN_CHOICE})$)[a-z0-9][a-z0-9._-]{{0,63}}",
    f"up to 64 of a-z, 0-9, '.', '_' or '-', but not {DEFAULT} or {OWN_CHOICE}",
)
# Shares are sums of decimals: 33.3 + 66.7 is 100 to this.
_ROUNDING: Final = 1e-9


@dataclass(frozen=True)
class Staging:
    """Who gets a staged variant first.

    Attributes:
        users: their ids.
        keys: names of API keys, whoever's jobs they send.
    """

    users: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()


@dataclass(frozen=True)
class Rule:
    """When a variant is taken back.

    Attributes:
        answers: how many jobs, or ratings, there have to be before they are judged.
        failed: share of jobs that may fail, 0 to 1; None: any.
        rating: least mean rating, 1 to 5; None: any.
    """

    answers: Annotated[int, at_least(1)]
    failed: Annotated[float, between(0.0, 1.0)] | None = None
    rating: Annotated[float, between(float(RATINGS[0]), float(RATINGS[1]))] | None = None


@dataclass(frozen=True)
class _Row:
    """A variant but for its parameters, which are read by its kind."""

    name: Annotated[str, _NAME]
    kind: str
    share: Annotated[float, between(0.0, 100.0)] = 0.0
    staging: bool = False


@dataclass(frozen=True)
class Variant(_Row):
    """What some of the users get.

    Attributes:
        name: of it, once in a file.
        kind: of the jobs that it is about.
        share: per cent of users, 0 to 100.
        staging: whether the staging audience gets it, whatever the share.
        parameters: what it chooses, by the names that the kind lets variants choose.
    """

    parameters: Mapping[str, Scalar] = field(default_factory=dict)


@dataclass(frozen=True)
class _Head:
    """A file but for its variants."""

    salt: str
    staging: Staging = Staging()
    rule: Rule | None = None


@dataclass(frozen=True)
class Variants(_Head):
    """What a file says.

    Attributes:
        salt: of the dealing.
        staging: who is first.
        rule: when one is taken back; None: never by itself.
        variants: in the file's order.
    """

    variants: tuple[Variant, ...] = ()

    def of_kind(self, kind: str) -> tuple[Variant, ...]:
        """Return the variants of jobs of a kind."""
        return tuple(variant for variant in self.variants if variant.kind == kind)


def load_variants(path: Path) -> Variants:
    """Read a file; INVALID_ARG as `parse_variants` says, and for one that cannot be read."""
    return parse_variants(load_text(path))


def load_text(path: Path) -> str:
    """Return a file's text; INVALID_ARG for one that cannot be read or is too long."""
    return watched.load_text(path, _MAX_BYTES)


def parse_variants(text: str) -> Variants:
    """Return what a file's text says.

    Raises:
        PawfectError: INVALID_ARG for what is no TOML, an unknown or missing key, a value of another
            type or out of bounds, a name twice, shares of over 100 per cent together, and choices
            that the kind's parameters refuse.
    """
    try:
        table = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        # Not all of the parser's own kind: integers of over 4,300 digits, and what is too deep.
        raise invalid("variants", "TOML", error) from None
    rows = table.pop("variants", [])
    if not isinstance(rows, list):
        raise invalid("variants", "[[variants]], one each", type(rows).__name__)
    try:
        head = read_table(_Head, table, "variants")
        variants = tuple(_variant(row, f"variant {at}") for at, row in enumerate(rows, 1))
    except TableError as error:
        raise invalid(error.where or "variants", error.expected, error.got) from None
    _check_names(variants)
    _check_shares(variants)
    return Variants(head.salt, head.staging, head.rule, variants)


def _variant(table: Any, where: str) -> Variant:
    rest = dict(table) if isinstance(table, Mapping) else table
    chosen = rest.pop("parameters", {}) if isinstance(rest, dict) else {}
    row = read_table(_Row, rest, where)
    known = [name for name, kind in KINDS.items() if kind.varied]
    if row.kind not in known:
        raise invalid(f"{where}: kind", f"one of {', '.join(known)}", repr(row.kind))
    varied = KINDS[row.kind].varied
    if not isinstance(chosen, dict) or not chosen or not set(chosen) <= set(varied):
        got = ", ".join(map(str, chosen)) if isinstance(chosen, dict) else type(chosen).__name__
        expected = f"some of {', '.join(varied)}"
        raise invalid(f"variant {row.name}: parameters", expected, got or "none")
    try:
        KINDS[row.kind].parse(chosen, {})
    except PawfectError as error:
        raise PawfectError(error.kind, f"variant {row.name}: {error.message}") from None
    return Variant(row.name, row.kind, row.share, row.staging, chosen)


def _check_names(variants: tuple[Variant, ...]) -> None:
    names = [variant.name for variant in variants]
    for name in names:
        if names.count(name) > 1:
            raise invalid(f"variant {name}", "each name once", f"{names.count(name)} of it")


def _check_shares(variants: tuple[Variant, ...]) -> None:
    for kind in {variant.kind for variant in variants}:
        total = sum(variant.share for variant in variants if variant.kind == kind)
        if total > 100 + _ROUNDING:
            raise invalid(f"shares of {kind}", "at most 100 % together", f"{total:g} %")
