"""One strict reader for tables of TOML, JSON and request parameters, into frozen dataclasses.

The field's type says what a value must be, and `Annotated` what else must hold::

    @dataclass(frozen=True)
    class Settings:
        device: Annotated[str, one_of("cpu", "cuda")]
        steps: Annotated[int, between(1, 100)] = 28

    settings = read_table(Settings, tomllib.loads(text), "settings.toml")

Types are bool, int, float (takes an integer too), str (not empty), `tuple[X, ...]`,
`Mapping[str, X]`, and dataclasses of these; `X | None` is for a field that may be left out. Nothing
is converted: the text "5" is no integer, and true is no number.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from functools import cache
from types import MappingProxyType, NoneType, UnionType
from typing import Annotated, Any, Final, TypeVar, Union, get_args, get_origin, get_type_hints

from pawfect.contract.errors import one_line

Table = TypeVar("Table")

# Letters of a value that a message shows: all of a number, a name or a box.
_SHOWN: Final = 200
# Letters of all that a table has where it should not: some dozen names.
_LONGEST: Final = 1000
_EXPECTED: Final = MappingProxyType(
    {bool: "true or false", int: "an integer", float: "a number", str: "a text"}
)


class TableError(ValueError):
    """A table that says something impossible: where, what was expected, what came."""

    def __init__(self, where: str, expected: str, got: object) -> None:
        where, got = where[:_LONGEST], str(got)
        got = got if len(got) <= _LONGEST else f"{got[:_LONGEST]}..."
        super().__init__(f"{where}: expected {expected}, got {got}")
        self.where = where
        self.expected = expected
        self.got = got


@dataclass(frozen=True)
class Rule:
    """What holds of a value beside its type, for `Annotated`.

    Attributes:
        fits: says whether it holds of a value of that type.
        expected: for the message.
    """

    fits: Callable[[Any], bool]
    expected: str


def between(low: float, high: float, *, above: bool = False) -> Rule:
    """Return the rule of a number from `low`, or above it, to `high`; NaN never fits."""
    edge = "above" if above else "from"
    return Rule(
        lambda value: low <= value <= high and not (above and value == low),
        f"{edge} {low} to {high}",
    )


def at_least(low: float) -> Rule:
    """Return the rule of a finite number of at least `low`."""
    return Rule(lambda value: low <= value < float("inf"), f"at least {low}")


def one_of(*choices: str) -> Rule:
    """Return the rule of one of some texts."""
    return Rule(lambda value: value in choices, f"one of {', '.join(choices)}")


def multiple_of(step: int) -> Rule:
    """Return the rule of a positive multiple of `step`."""
    return Rule(lambda value: value > 0 and value % step == 0, f"a positive multiple of {step}")


def rising(step: int, least: int = 1) -> Rule:
    """Return the rule of some multiples of `step`, none under `least`, each above the last."""
    return Rule(
        lambda values: (
            bool(values)
            and list(values) == sorted(set(values))
            and all(value >= least and value % step == 0 for value in values)
        ),
        f"rising multiples of {step}",
    )


def matching(pattern: str, expected: str) -> Rule:
    """Return the rule of a text that a regular expression matches whole."""
    compiled = re.compile(pattern)
    return Rule(lambda value: compiled.fullmatch(value) is not None, expected)


# The rule of a list that may not be empty.
SOME: Final = Rule(bool, "at least one")


def read_table(kind: type[Table], table: Any, where: str = "") -> Table:
    """Read a table into a dataclass; fields with a default may be absent.

    Args:
        kind: the dataclass.
        table: as TOML or JSON gives it.
        where: what the table is, at the start of messages.

    Raises:
        TableError: no table, an unknown or missing key, a value of another type or against a rule.
    """
    if not isinstance(table, Mapping):
        raise TableError(where, "a table", _shown(table))
    cached: type = kind
    types, optional = field_types(cached), _optional(cached)
    if not set(types) - optional <= set(table) <= set(types):
        unknown = sorted(map(str, set(table) - set(types)))
        if unknown:
            expected = f"some of {', '.join(sorted(types))}" if types else "none"
            raise TableError(where, expected, one_line(", ".join(unknown)))
        given = one_line(", ".join(sorted(table))) or "nothing"
        raise TableError(where, ", ".join(sorted(set(types) - optional)), given)
    prefix = f"{where}: " if where else ""
    return kind(**{key: _read(types[key], table[key], f"{prefix}{key}") for key in table})


@cache
def field_types(kind: type) -> Mapping[str, Any]:
    """Return the types of a dataclass's fields by name, without their `| None`."""
    return {name: _present(hint) for name, hint in get_type_hints(kind, None, None, True).items()}


def plain_type(hint: Any) -> type:
    """Return the type of a field of `field_types` without its rules."""
    plain: type = get_args(hint)[0] if get_origin(hint) is Annotated else hint
    return plain


@cache
def _optional(kind: type) -> frozenset[str]:
    return frozenset(
        spec.name
        for spec in fields(kind)
        if spec.default is not MISSING or spec.default_factory is not MISSING
    )


def _present(hint: Any) -> Any:
    if get_origin(hint) in (Union, UnionType):
        (hint,) = (one for one in get_args(hint) if one is not NoneType)
    return hint


def _read(hint: Any, value: Any, where: str) -> Any:
    rules: list[Rule] = []
    if get_origin(hint) is Annotated:
        hint, *rules = get_args(hint)
    result = _typed(hint, value, where, rules)
    for rule in rules:
        if not rule.fits(result):
            raise TableError(where, rule.expected, _repr(value))
    return result


def _typed(hint: Any, value: Any, where: str, rules: list[Rule]) -> Any:
    """Return a value of the type, tables and lists frozen."""
    if is_dataclass(hint) and isinstance(hint, type):
        return read_table(hint, value, where)
    if get_origin(hint) is tuple:
        if not isinstance(value, list):
            raise TableError(where, rules[0].expected if rules else "a list", _shown(value))
        item = get_args(hint)[0]
        return tuple(_read(item, one, f"{where}[{index}]") for index, one in enumerate(value))
    if hint is not None and get_origin(hint) is not None:
        if not isinstance(value, Mapping):
            raise TableError(where, "a table", _shown(value))
        item = get_args(hint)[1]
        return MappingProxyType(
            {k: _read(item, v, f"{where}: {one_line(str(k))}") for k, v in value.items()}
        )
    fits = type(value) is hint or (hint is float and type(value) is int)
    if not fits or value == "":
        # A rule on a text says more than that it is one.
        told = rules[0].expected if rules and hint is str else _EXPECTED[hint]
        raise TableError(where, told, _shown(value))
    if hint is not float:
        return value
    try:
        return float(value)
    except OverflowError:
        raise TableError(where, _EXPECTED[float], "an integer that no float holds") from None


def _shown(value: Any) -> str:
    return f"{type(value).__name__} {_repr(value)}".rstrip()


def _repr(value: Any) -> str:
    """Return a value as messages show it: the start of a long one, nothing of one too deep."""
    try:
        text = repr(value)
    except (RecursionError, ValueError):
        # ValueError: of an integer of more digits than Python turns into a text.
        return ""
    return one_line(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}...")
