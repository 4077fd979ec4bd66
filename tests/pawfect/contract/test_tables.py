"""Tables into dataclasses: what is taken, and how the rest is refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import pytest

from pawfect.contract.tables import (
    SOME,
    TableError,
    at_least,
    between,
    matching,
    multiple_of,
    one_of,
    read_table,
    rising,
)


@dataclass(frozen=True)
class Inner:
    ratio: Annotated[float, between(0.0, 1.0, above=True)]


@dataclass(frozen=True)
class Outer:
    name: Annotated[str, matching("[a-z]+", "letters")]
    inner: Inner
    mode: Annotated[str, one_of("slow", "fast")] = "slow"
    size: Annotated[int, multiple_of(16)] | None = None
    sizes: Annotated[tuple[int, ...], rising(16)] = (16,)
    many: Annotated[tuple[Inner, ...], SOME] = ()
    by_name: Mapping[str, Annotated[int, at_least(1)]] | None = None
    on: bool = True


GOOD = {"name": "a", "inner": {"ratio": 1}}


def test_a_table_becomes_a_frozen_value_with_its_defaults():
    outer = read_table(Outer, GOOD)
    assert outer == Outer("a", Inner(1.0))
    assert type(outer.inner.ratio) is float
    given = {"size": 32, "many": [{"ratio": 0.5}], "sizes": [16, 48], "by_name": {"x": 2}}
    full = read_table(Outer, GOOD | given)
    assert (full.size, full.many, full.sizes) == (32, (Inner(0.5),), (16, 48))
    with pytest.raises(TypeError):
        full.by_name["y"] = 1


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"colour": 1}, "t: expected some of .*name.*, got colour"),
        ({"name": "A"}, "t: name: expected letters, got 'A'"),
        ({"name": 1}, "t: name: expected letters, got int 1"),
        ({"inner": 1}, "t: inner: expected a table, got int 1"),
        ({"inner": {}}, "t: inner: expected ratio, got nothing"),
        ({"inner": {"ratio": 0}}, "t: inner: ratio: expected above 0.0 to 1.0, got 0"),
        ({"inner": {"ratio": float("nan")}}, "ratio: expected above 0.0 to 1.0, got nan"),
        ({"inner": {"ratio": "1"}}, "ratio: expected a number, got str '1'"),
        ({"inner": {"ratio": True}}, "ratio: expected a number, got bool True"),
        ({"mode": "medium"}, "mode: expected one of slow, fast, got 'medium'"),
        ({"size": None}, "size: expected an integer, got NoneType None"),
        ({"size": 16.0}, "size: expected an integer, got float 16.0"),
        ({"size": 17}, "size: expected a positive multiple of 16, got 17"),
        ({"sizes": [32, 16]}, "sizes: expected rising multiples of 16"),
        ({"sizes": []}, "sizes: expected rising multiples of 16"),
        ({"many": []}, "many: expected at least one"),
        ({"many": [{"ratio": 2}]}, r"many\[0\]: ratio: expected above 0.0 to 1.0, got 2"),
        ({"by_name": {"x": 0}}, "by_name: x: expected at least 1, got 0"),
        ({"by_name": [1]}, "by_name: expected a table"),
        ({"on": "false"}, "on: expected true or false, got str 'false'"),
        ({"on": 1}, "on: expected true or false, got int 1"),
    ],
)
def test_anything_else_is_refused_with_its_place(change, says):
    with pytest.raises(TableError, match=says):
        read_table(Outer, GOOD | change, "t")


def test_what_is_no_table_or_lacks_a_key_is_refused():
    with pytest.raises(TableError, match="t: expected a table, got list"):
        read_table(Outer, [], "t")
    with pytest.raises(TableError, match="t: expected inner, name, got name"):
        read_table(Outer, {"name": "a"}, "t")
