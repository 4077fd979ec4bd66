"""Changes of a variants' file, and the way back."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

import pytest

from pawfect.contract.errors import PawfectError, invalid
from pawfect_service.variants import changing
from pawfect_service.variants.changing import set_variants, stages_began, take_back
from pawfect_service.variants.file import parse_variants

TEXT = """# what we try this month
salt = "one"

[[variants]]
name = "high"      # with fur
kind = "cutout"
share = 0          # per cent
staging = true
parameters = { preset = "high" }

# the other one
[[variants]]
name = "fast"
kind = "cutout"
parameters = { preset = "fast" }
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    place = tmp_path / "variants.toml"
    place.write_text(TEXT)
    return place


def test_a_change_touches_its_fields_alone_and_comes_back_step_by_step(file: Path):
    said = set_variants(file, {"high": {"share": 10.0}})
    assert said.variants[0].share == 10.0
    assert file.read_text() == TEXT.replace("share = 0 ", "share = 10.0 ")
    set_variants(file, {"high": {"share": 100.0, "staging": False}})
    expected = TEXT.replace("share = 0 ", "share = 100.0 ")
    assert file.read_text() == expected.replace("staging = true", "staging = false")
    set_variants(file, {"fast": {"staging": True}})
    assert parse_variants(file.read_text()).variants[1].staging
    assert take_back(file).variants[1].staging is False
    assert take_back(file).variants[0].share == 10.0
    assert take_back(file) == parse_variants(TEXT)
    assert file.read_text() == TEXT
    with pytest.raises(PawfectError, match=r"variants\.toml\.history: expected a change to take"):
        take_back(file)


def test_a_variants_stage_begins_with_the_command_that_changed_it_and_with_the_way_back(file: Path):
    assert stages_began(file) == {}
    marks = [time.time()]
    for change in ({"high": {"share": 10.0}}, {"fast": {"staging": True}}):
        set_variants(file, change)
        marks.append(time.time())
    began = stages_began(file)
    assert marks[0] <= began["high"] <= marks[1] <= began["fast"] <= marks[2]
    take_back(file)
    assert stages_began(file)["high"] == began["high"], "its own stage goes on"
    assert stages_began(file)["fast"] >= marks[2]
    take_back(file)
    assert stages_began(file)["high"] >= marks[2]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"none": {"share": 1.0}}, "variant: expected one of high, fast, got none"),
        ({"high": {"share": 101.0}}, "variant 1: share: expected from 0.0 to 100.0"),
        ({"high": {"share": float("nan")}}, "variant 1: share: expected from 0.0 to 100.0"),
        ({"high": {"share": 60.0}, "fast": {"share": 41.0}}, "expected at most 100 % together"),
    ],
)
def test_a_change_that_may_not_be_changes_nothing(file: Path, changes, message):
    with pytest.raises(PawfectError) as caught:
        set_variants(file, changes)
    assert message in caught.value.message
    assert file.read_text() == TEXT
    assert list(file.parent.iterdir()) == [file]


def test_a_change_that_is_interrupted_is_whole_or_nothing_and_no_step_back(file, monkeypatch):
    set_variants(file, {"high": {"share": 5.0}})
    five, write = file.read_text(), changing.write_atomically

    def full(path: Path, data: bytes) -> None:
        if path == file:
            raise invalid(path.name, "a place that can be written to", "No space left on device")
        write(path, data)

    monkeypatch.setattr(changing, "write_atomically", full)
    with pytest.raises(PawfectError, match="got No space left on device"):
        set_variants(file, {"high": {"share": 50.0}})
    assert file.read_text() == five
    monkeypatch.undo()
    assert take_back(file) == parse_variants(TEXT)


def test_changes_at_once_all_count_and_all_come_back(file: Path):
    changes = [{name: {"share": share}} for name in ("high", "fast") for share in (1.0, 2.0, 3.0)]
    threads = [threading.Thread(target=set_variants, args=(file, each)) for each in changes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(variant.share > 0 for variant in parse_variants(file.read_text()).variants)
    history = json.loads(file.with_name("variants.toml.history").read_text())
    assert len(history) == len(changes)
    for _ in changes:
        said = take_back(file)
    assert said == parse_variants(TEXT)


def test_a_history_that_somebody_edited_into_something_else_is_refused(file: Path):
    for content in ("{", "{}", '[{"at": 1}]'):
        file.with_name("variants.toml.history").write_text(content)
        for work in (take_back, lambda place: set_variants(place, {"high": {"share": 1.0}})):
            with pytest.raises(PawfectError, match="history: expected"):
                work(file)
    assert file.read_text() == TEXT
