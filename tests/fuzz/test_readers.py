"""Hostile bytes to every reader of bytes: only errors of the table come out, in short plain words.

Three ways in: inputs made from good ones by a seed; the same led by coverage, by atheris in a
process of its own; and what either once found, which is kept below and read for ever.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.fuzz.target import Target, inputs, problem
from harness.fuzz.targets import TARGETS
from pawfect.contract.errors import PawfectError, invalid

KEPT = Path(__file__).with_name("kept")
# A process that has read thousands of hostile files holds no more of them, bytes.
MOST_GROWTH = 50 * 2**20

every_target = pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)


def held(target: Target, data: bytes) -> None:
    assert (found := problem(target, data)) is None, f"{data[:300]!r}\n{found}"


def taken(target: Target, data: bytes) -> bool:
    try:
        target.read(data)
    except PawfectError:
        return False
    return True


@every_target
def test_good_inputs_are_taken_and_some_hostile_ones_are_refused_in_words(target: Target) -> None:
    for data in inputs(target, 0, 25):
        held(target, data)
    assert any(taken(target, data) for data in target.good())


@pytest.mark.parametrize(
    "path", sorted(KEPT.glob("*/*")), ids=lambda path: f"{path.parent.name}/{path.name}"
)
def test_what_once_came_out_as_another_error_is_refused_in_words(path: Path) -> None:
    held(TARGETS[path.parent.name], path.read_bytes())


@pytest.mark.slow
@every_target
def test_thousands_of_hostile_inputs_are_refused_in_words_and_leave_no_memory(
    target: Target,
) -> None:
    own = psutil.Process()
    for data in inputs(target, 1, 300):
        held(target, data)
    before = own.memory_info().rss
    for data in inputs(target, 2, 4000):
        held(target, data)
    assert own.memory_info().rss - before < MOST_GROWTH


@pytest.mark.slow
@every_target
def test_coverage_leads_to_no_input_that_is_not_refused_in_words(
    target: Target, tmp_path: Path
) -> None:
    # `make fuzz SECONDS=...` runs longer.
    seconds = int(os.environ.get("PAWFECT_FUZZ_SECONDS", "8"))
    command = [
        sys.executable, "-m", "harness.fuzz.guided", target.name, f"--seconds={seconds}",
        f"--corpus={tmp_path / 'corpus'}", f"--found={tmp_path / 'found'}",
    ]  # fmt: skip
    done = subprocess.run(
        command, capture_output=True, timeout=seconds + 180, check=False, text=True
    )
    left = [path.read_bytes()[:300] for path in (tmp_path / "found").iterdir()]
    assert done.returncode == 0, f"{left}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    runs = int(done.stderr.rpartition("stat::number_of_executed_units:")[2].split()[0])
    assert runs > 100, runs


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**400), 10**400)
    | st.floats()
    | st.text(st.characters(codec=None), max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=12,
)


@settings(max_examples=60)
@given(value=anything)
def test_a_message_can_be_sent_whatever_it_quotes(value: object) -> None:
    error = invalid("name", f"not {value}", repr(value) + str(value))
    assert isinstance(error, PawfectError)
    error.message.encode()
    assert len(str(error)) < 5000
