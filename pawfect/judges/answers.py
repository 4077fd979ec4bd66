"""What a judge's text says: numbers from 0 to 10 by key, or why there is none.

The answer is one JSON object; prose or a code fence around it is let pass. Nothing is guessed: no
number in prose, no list of numbers, no text in a number's place.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.contract.scores import BEST
from pawfect.judges.rubric import FLAWS, REMARK

# Longest text that is read, letters: an answer has some hundred.
MOST_TEXT: Final = 16_384
_RANGE: Final = f"a number from 0 to {BEST:g}"


class _Twice:
    """Stands for a key that an object has more than once."""


@dataclass(frozen=True)
class Answer:
    """What a judge said.

    Attributes:
        numbers: by key, 0 to 10.
        silent: by key, why there is no number.
        flaws: of those that were listed, the ones that it sees.
        remark: in its words; empty where it made none.
    """

    numbers: Mapping[str, float]
    silent: Mapping[str, str]
    flaws: tuple[str, ...] = ()
    remark: str = ""


def read_answer(text: str, keys: Sequence[str], flaws: Collection[str] = ()) -> Answer:
    """Read the one JSON object of an answer.

    Args:
        text: of the judge.
        keys: the numbers that were asked for.
        flaws: the names that were listed; others are left out.

    Raises:
        PawfectError: INTERNAL where there is no such object or more than one; such an object has
            at least one of the keys.
    """
    if len(text) > MOST_TEXT:
        raise nonsense(f"a text of {len(text)} letters")
    found = [made for made in _objects(text) if any(key in made for key in keys)]
    if len(found) != 1:
        raise nonsense(f"{len(found) or 'none'} of them")
    (given,) = found
    numbers, silent = dict[str, float](), dict[str, str]()
    for key in keys:
        problem = _problem(given, key)
        if problem is None:
            numbers[key] = float(given[key])
        else:
            silent[key] = f"{key}: expected {_RANGE}, got {problem}"
    seen = given.get(FLAWS)
    listed = seen if isinstance(seen, list) else []
    remark = given.get(REMARK)
    return Answer(
        numbers,
        silent,
        tuple(name for name in flaws if name in listed),
        remark if isinstance(remark, str) else "",
    )


def nonsense(got: str) -> PawfectError:
    """Return the error of an answer without the one object that was asked for."""
    expected = "one JSON object with the numbers that were asked for"
    return PawfectError(ErrorKind.INTERNAL, f"answer: expected {expected}, got {got}")


def _problem(given: Mapping[str, Any], key: str) -> str | None:
    if key not in given:
        return "none"
    value = given[key]
    if isinstance(value, _Twice):
        return "two"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return f"a {type(value).__name__}"
    if 0 <= value <= BEST:
        return None
    return f"{value:g}" if isinstance(value, float) else "one out of range"


def _objects(text: str) -> Iterator[dict[str, Any]]:
    """Yield the JSON objects in a text that lie in no other one."""
    decoder = json.JSONDecoder(object_pairs_hook=_once)
    at = text.find("{")
    while at >= 0:
        try:
            made, end = decoder.raw_decode(text, at)
        except ValueError:
            end = at + 1
        except RecursionError:
            raise nonsense("one in which too much is nested") from None
        else:
            yield made
        at = text.find("{", end)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for key, value in pairs:
        made[key] = _Twice() if key in made else value
    return made
