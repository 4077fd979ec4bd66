"""What is fuzzed: one reader of hostile bytes, what it may raise, and what holds whatever it gets.

problem(target, data)   what is wrong with how a reader took some bytes; None: nothing
"""

from __future__ import annotations

import json
import random
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from harness.fuzz.bytes_mutated import mutated, with_right_sums
from harness.fuzz.json_mutated import json_mutated
from harness.fuzz.leaks import leak
from pawfect.contract.errors import ErrorKind, PawfectError

# CPU seconds for one input: all inputs are under 1 MiB and declare few pixels, or are refused.
LONGEST_S: Final = 10.0
# Letters of a message: it goes into an answer, a log line and a report.
LONGEST_MESSAGE: Final = 4096


@dataclass(frozen=True)
class Target:
    """One reader.

    Attributes:
        name: kebab-case; also of the folder of its kept inputs.
        good: makes inputs that it takes.
        read: reads one, and does with it what the product does next.
        raises: what may come out besides PawfectError: what the reader's own docstring says.
        kinds: of a PawfectError that may come out.
        tokens: pieces that mean something in its format.
        most: longest input, bytes.
    """

    name: str
    good: Callable[[], list[bytes]]
    read: Callable[[bytes], object]
    raises: tuple[type[Exception], ...] = ()
    kinds: tuple[ErrorKind, ...] = (ErrorKind.INVALID_ARG,)
    tokens: tuple[bytes, ...] = ()
    most: int = 1 << 16


def problem(target: Target, data: bytes) -> str | None:
    """Return what is wrong with how a reader took some bytes; None where nothing is.

    Only errors of the table, or those that the reader's docstring names, may come out; their
    messages are short, can be sent as UTF-8, and tell no path and no traceback. CPU
    time is bounded.
    """
    began = time.process_time()
    found = _taken(target, data)
    spent = time.process_time() - began
    return found or (f"{spent:.1f} s of CPU" if spent > LONGEST_S else None)


def _taken(target: Target, data: bytes) -> str | None:
    try:
        with warnings.catch_warnings():
            # Decoders warn of what they pass over.
            warnings.simplefilter("ignore")
            target.read(data)
    except PawfectError as error:
        if error.kind not in target.kinds:
            return f"kind {error.kind.name}: {error.message[:300]}"
        return _told(error.message, data)
    except target.raises as error:
        return _told(str(error), data)
    except Exception as error:  # noqa: BLE001 - that is what is looked for
        return "".join(traceback.format_exception(error, limit=-6))
    return None


def _told(message: str, data: bytes) -> str | None:
    try:
        message.encode()
    except UnicodeEncodeError:
        return f"a message that UTF-8 cannot carry: {message[:300]!a}"
    if len(message) > LONGEST_MESSAGE:
        return f"a message of {len(message)} letters: {message[:300]!r}"
    found = leak(message, data.decode("latin-1"))
    return found and f"a message that tells {found!r}"


def any_way(ways: Sequence[Callable[[], object]]) -> None:
    """Read in several ways; the last refusal comes out where none takes it.

    Args:
        ways: each reads.
    """
    refusals = []
    for way in ways:
        try:
            way()
        except PawfectError as error:
            refusals.append(error)
            # One that is no error in words is one whatever the other ways say.
            if error.kind is ErrorKind.INTERNAL or len(error.message) > LONGEST_MESSAGE:
                raise
    if len(refusals) == len(ways):
        raise refusals[-1]


def inputs(target: Target, seed: int, count: int) -> Iterator[bytes]:
    """Yield a target's good inputs, then so many made from them; the same for the same seed."""
    good = target.good()
    yield from good
    rng = random.Random(f"{target.name}:{seed}")
    for _ in range(count):
        yield made(target, rng, good)


def made(target: Target, rng: random.Random, good: Sequence[bytes]) -> bytes:
    """Return one hostile input made from good ones."""
    if rng.random() < 0.7 and (data := _json_made(rng, rng.choice(good))):
        return data[: target.most]
    data = mutated(rng, good, target.tokens, target.most)
    return with_right_sums(data) if rng.random() < 0.7 else data


def _json_made(rng: random.Random, good: bytes) -> bytes | None:
    """Return JSON, an object or list in each line, with one line changed; None for other bytes."""
    if good[:1] not in (b"{", b"["):
        return None
    lines = good.splitlines()
    at = rng.randrange(len(lines))
    try:
        lines[at] = json_mutated(rng, json.loads(lines[at]))
    except (ValueError, RecursionError):
        return None
    return b"\n".join(lines)
