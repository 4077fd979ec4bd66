"""The variants' file, strictly read."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pawfect.contract.errors import PawfectError
from pawfect_service.jobs.kinds import CUTOUT
from pawfect_service.variants.file import Rule, Staging, load_variants, parse_variants

DOCS = (Path(__file__).parents[3] / "docs" / "variants.md").read_text()
FILE = """
salt = "one"

[[variants]]
name = "high"
kind = "cutout"
share = 10
parameters = { preset = "high" }
"""


def test_the_file_in_the_docs_is_one() -> None:
    (text,) = re.findall(r"```toml\n(.*?)```", DOCS, re.S)
    variants = parse_variants(text)
    assert variants.staging == Staging(("u-4711",), ("ops",))
    assert variants.rule == Rule(50, 0.05, 3.5)
    matted, isnet = variants.of_kind("cutout")
    assert (matted.name, matted.share, matted.staging) == ("matted", 10.0, False)
    assert matted.parameters == {"preset": "high", "edges": "matting"}
    assert (isnet.name, isnet.share, isnet.staging) == ("isnet", 0.0, True)
    for name in CUTOUT.varied:
        assert f"`{name}`" in DOCS


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('salt = "one"', "", "variants: expected salt, got nothing"),
        ('salt = "one"', 'salt = ""', "variants: salt: expected a text"),
        ('salt = "one"', "salt = 1", "variants: salt: expected a text, got int 1"),
        ('salt = "one"', 'salt = "one"\nsalts = 2', "expected some of rule, salt, staging"),
        ("[[variants]]", "[variants]", "variants: expected [[variants]], one each, got dict"),
        ("share = 10", "share = 100.1", "variant 1: share: expected from 0.0 to 100.0"),
        ("share = 10", "share = -1", "variant 1: share: expected from 0.0 to 100.0"),
        ("share = 10", "share = nan", "variant 1: share: expected from 0.0 to 100.0, got nan"),
        ("share = 10", 'share = "10"', "variant 1: share: expected a number, got str '10'"),
        ("share = 10", "share = true", "variant 1: share: expected a number, got bool True"),
        ("share = 10", "staging = 1", "variant 1: staging: expected true or false"),
        ('"high"\nkind', '"default"\nkind', "variant 1: name: expected up to 64 of"),
        ('"high"\nkind', '"own-choice"\nkind', "variant 1: name: expected up to 64 of"),
        ('"high"\nkind', '"High"\nkind', "variant 1: name: expected up to 64 of"),
        ('"cutout"', '"inpaint"', "variant 1: kind: expected one of cutout, got 'inpaint'"),
        ("share = 10", "shares = 10", "variant 1: expected some of kind, name, share, staging"),
        ('preset = "high"', 'preset = "best"', "variant high: preset: expected one of fast, "),
        ('preset = "high"', "threshold = nan", "variant high: threshold: expected from 0.0"),
        ('preset = "high"', 'network = "A B"', "variant high: network: expected a network's name"),
        ('preset = "high"', "deadline_ms = 5", "expected some of preset, network, size, resize"),
        ('{ preset = "high" }', "{}", "variant high: parameters: expected some of preset"),
        ('{ preset = "high" }', '"high"', "variant high: parameters: expected some of preset"),
        ('parameters = { preset = "high" }', "", "variant high: parameters: expected some of"),
        (
            "[[variants]]",
            "[staging]\nusers = [1]\n[[variants]]",
            "staging: users[0]: expected a text",
        ),
        ("[[variants]]", "[rule]\n[[variants]]", "rule: expected answers, got nothing"),
        (
            "[[variants]]",
            "[rule]\nanswers = 0\n[[variants]]",
            "rule: answers: expected at least 1",
        ),
        (
            "[[variants]]",
            "[rule]\nanswers = 9\nrating = 0.5\n[[variants]]",
            "rule: rating: expected from 1.0 to 5.0",
        ),
        ("[[variants]]", "[[variants", "variants: expected TOML, got "),
    ],
)
def test_what_a_file_may_not_say_is_refused_with_its_place(old: str, new: str, message: str):
    assert old in FILE
    with pytest.raises(PawfectError, match="INVALID_ARG") as caught:
        parse_variants(FILE.replace(old, new, 1))
    assert message in caught.value.message


def test_a_name_twice_and_shares_of_more_than_all_are_refused() -> None:
    again = FILE[FILE.index("[[") :]
    with pytest.raises(PawfectError, match="variant high: expected each name once, got 2 of it"):
        parse_variants(FILE + again)
    other = again.replace('"high"\nkind', '"more"\nkind')
    with pytest.raises(PawfectError, match="shares of cutout: expected at most 100 % together"):
        parse_variants(FILE + other.replace("share = 10", "share = 90.01"))
    thirds = [other.replace('"more"', f'"part-{at}"').replace("10", "33.3") for at in range(2)]
    parse_variants(FILE.replace("share = 10", "share = 33.4") + "".join(thirds))


def test_a_file_that_cannot_be_read_is_refused_without_its_path(tmp_path: Path) -> None:
    place = tmp_path / "variants.toml"
    with pytest.raises(PawfectError, match="got FileNotFoundError") as caught:
        load_variants(place)
    assert str(tmp_path) not in caught.value.message
    place.write_bytes(b"\xff")
    with pytest.raises(PawfectError, match="got UnicodeDecodeError"):
        load_variants(place)
    place.write_text("#" * (64 * 1024 + 1))
    with pytest.raises(PawfectError, match="at most 65536 bytes"):
        load_variants(place)
