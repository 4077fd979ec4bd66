"""Compiled code on disk: used where it is whole, made anew where it is not, never in the way."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest

from tests.pawfect.patch.processes import run

# Prints a compiled function's answer, and how often its code was found and was not.
_DOUBLED = """
import sys
from pawfect.patch.core import compiled

@compiled
def doubled(number):
    return 2 * number

print(doubled(21), doubled.stats.cache_hits.total(), doubled.stats.cache_misses.total())
"""
FOUND, MADE = ["42 1 0"], ["42 0 1"]


@pytest.fixture
def doubled(tmp_path: Path):
    """A program whose code is kept in a folder of its own, and that folder."""
    program, folder = tmp_path / "doubled.py", tmp_path / "kept"
    program.write_text(_DOUBLED)

    def answer(**more) -> list[str]:
        return run(str(program), NUMBA_CACHE_DIR=str(folder), **more)

    return answer, folder


def files(folder: Path, suffix: str) -> list[Path]:
    return [file for file in folder.rglob(f"*{suffix}") if "doubled" in file.name]


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".nbi", ".nbc"], ids=["the index", "the code"])
def test_damaged_code_is_made_anew_and_kept_again(doubled, suffix: str):
    answer, folder = doubled
    assert [answer(), answer()] == [MADE, FOUND]
    (file,) = files(folder, suffix)
    for damaged in (b"", file.read_bytes()[:40], b"\xff" * 400):
        file.write_bytes(damaged)
        assert [answer(), answer()] == [MADE, FOUND]


@pytest.mark.slow
def test_where_the_disk_is_full_code_is_made_and_not_kept(doubled):
    answer, folder = doubled

    def no_room() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))

    assert answer(before=no_room) == MADE
    assert not any(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    assert [answer(), answer(before=no_room)] == [MADE, FOUND]
