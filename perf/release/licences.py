"""Licences of what the project installs, and the project's own list of those that are allowed."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any, Final

from license_expression import ExpressionError, get_spdx_licensing

TABLE: Final = Path(__file__).with_name("licences.toml")
# Of weights: what their manifest says is no SPDX expression.
WEIGHTS: Final = "weights"
_LICENSING: Final = get_spdx_licensing()


@dataclass(frozen=True)
class Part:
    """One thing that a release installs, serves or has fetched.

    Attributes:
        kind: pypi, npm or weights.
        name: in its registry or manifest.
        version: exact; of weights the revision.
        licence: an SPDX expression, or of weights what the manifest names; None: unknown.
        sets: where it is, of `pins.SETS`, `page`, `page-dev` or `weights`.
        hashes: SHA-256 of its files, if they are locked.
        about: what to know about its licence.
    """

    kind: str
    name: str
    version: str
    licence: str | None
    sets: frozenset[str]
    hashes: tuple[str, ...] = ()
    about: str = ""


@dataclass(frozen=True)
class Allowance:
    """What a package may have beside the allowed licences.

    Attributes:
        licences: SPDX identifiers.
        sets: where the package may be then.
        reason: why that is fine.
    """

    licences: frozenset[str]
    sets: frozenset[str]
    reason: str


@dataclass(frozen=True)
class Policy:
    """The tables of licences.toml.

    Attributes:
        allowed: reasons by SPDX identifier.
        aliases: identifiers by what old metadata writes.
        known: expressions by package, read by hand.
        exceptions: by package.
        weights: reasons by what the weights' manifest names.
    """

    allowed: Mapping[str, str]
    aliases: Mapping[str, str]
    known: Mapping[str, str]
    exceptions: Mapping[str, Allowance]
    weights: Mapping[str, str]


@cache
def policy() -> Policy:
    """Return the project's tables."""
    table = tomllib.loads(TABLE.read_text("utf-8"))
    exceptions = {
        name: Allowance(frozenset(row["licences"]), frozenset(row["sets"]), row["reason"])
        for name, row in table["exceptions"].items()
    }
    return Policy(table["allowed"], table["aliases"], table["known"], exceptions, table["weights"])


def licence_of(name: str, rules: Policy | None = None) -> str | None:
    """Return the licence of a package that is installed here or that `known` names.

    Args:
        name: of the package.
        rules: None: the project's.

    Returns:
        An SPDX expression; None where neither its metadata nor the table says one.
    """
    rules = rules or policy()
    if name in rules.known:
        return rules.known[name]
    try:
        metadata: Any = distribution(name).metadata
    except PackageNotFoundError:
        return None
    return licence_in(metadata, rules)


def licence_in(metadata: Any, rules: Policy) -> str | None:
    """Return what a package's metadata says, as an SPDX expression; None where nothing does.

    Args:
        metadata: an email message, as importlib gives it.
        rules: whose aliases are taken.
    """
    if expression := metadata.get("License-Expression"):
        return str(expression)
    # Some put the whole licence there: its first line may be its name.
    first = next(iter((metadata.get("License") or "").strip().splitlines()), "")
    classifiers = [
        line.rpartition(" :: ")[2]
        for line in metadata.get_all("Classifier") or ()
        if line.startswith("License :: ")
    ]
    for said in (first, *classifiers):
        meant: str = rules.aliases.get(said, said)
        if meant and not problems_of_expression(meant):
            return meant
    return None


def problems_of_expression(expression: str) -> list[str]:
    """Return what is wrong with an SPDX expression."""
    found = _LICENSING.validate(expression, strict=False)
    return [str(each) for each in found.errors]


def check(parts: Iterable[Part], rules: Policy | None = None) -> list[str]:
    """Return what is wrong with the licences of parts, a line each; none: all are allowed.

    Args:
        parts: to be looked at.
        rules: None: the project's.
    """
    rules = rules or policy()
    return [f"{part.kind} {part.name}: {wrong}" for part in parts if (wrong := _wrong(part, rules))]


def _wrong(part: Part, rules: Policy) -> str | None:
    if not part.licence:
        return "no licence is known: read its own, and name it under [known] in licences.toml"
    if part.kind == WEIGHTS:
        return None if part.licence in rules.weights else f"{part.licence} is not in [weights]"
    exception = rules.exceptions.get(part.name)
    allowed = set(rules.allowed)
    if exception is not None and part.sets <= exception.sets:
        allowed |= exception.licences
    try:
        tree = _LICENSING.parse(part.licence)
    except ExpressionError as error:
        return f"expected an SPDX expression, got {part.licence}: {error}"
    if _fine(tree, allowed):
        return None
    where = ", ".join(sorted(part.sets))
    return f"{part.licence} is not allowed in {where}"


def _fine(tree: Any, allowed: set[str]) -> bool:
    """Say whether an expression can be met with allowed licences: all of AND, one of OR."""
    if isinstance(tree, _LICENSING.OR):
        return any(_fine(part, allowed) for part in tree.args)
    if isinstance(tree, _LICENSING.AND):
        return all(_fine(part, allowed) for part in tree.args)
    return {each.key for each in tree.decompose()} <= allowed
