"""The ledger of sizes: this environment, the memory table and a started server agree with it."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest

from pawfect.profile import load_profile, profile_names
from perf.release.footprint import (
    MEASURED,
    NAME,
    measured_memory,
    package_bytes,
    page_of,
    profile_size,
    set_size,
)
from perf.release.pins import ROOT, SETS, SHIPPED

RESULTS = ROOT / "perf" / "results"
LEDGER: dict[str, Any] = json.loads((RESULTS / f"{NAME}.json").read_text("utf-8"))
# Of a set's bytes: builds of one version for another Python differ by some per cent, a package more
# or another version of a large one by more.
DISK_SHARE = 0.05
# Of a server's memory: what is shared, and how far caches have grown, differ from run to run.
MEMORY_SHARE = 0.3
# Of a card's, GiB: the table is arithmetic.
CARD_GIB = 0.02

linux = pytest.mark.skipif(
    not LEDGER["provenance"]["machine"].endswith(sys.platform),
    reason="the ledger's packages are those of another system",
)


@linux
@pytest.mark.parametrize("name", sorted(SHIPPED - {"card"}))
def test_a_set_takes_the_disk_that_the_ledger_says(name):
    size, kept = set_size(name), LEDGER["sets"][name]
    assert size.absent == ()
    assert size.packages == kept["packages"], "make footprint"
    assert size.bytes == pytest.approx(kept["bytes"], rel=DISK_SHARE), "make footprint"


def test_the_ledger_knows_every_set_and_every_profile():
    assert set(LEDGER["sets"]) == set(SETS)
    assert set(LEDGER["profiles"]) == set(profile_names())
    assert LEDGER["memory_mb"][MEASURED]["started"] < LEDGER["memory_mb"][MEASURED]["filling"]


@pytest.mark.parametrize("name", profile_names())
def test_a_profile_takes_the_card_that_the_ledger_says(name):
    size, kept = profile_size(load_profile(name)), LEDGER["profiles"][name]
    assert size.set == kept["set"], "make footprint"
    assert size.card_gib == pytest.approx(kept["card_gib"], abs=CARD_GIB), "make footprint"


@pytest.mark.parametrize("name", profile_names())
def test_a_start_is_refused_on_a_card_that_the_memory_table_says_is_too_small(name):
    profile = load_profile(name)
    needed = profile_size(profile).card_gib
    # The profile's number is rounded up, and by no more than a tenth.
    assert needed <= profile.limits.card_gib <= needed + 0.1, f"limits.card_gib of {name}"


def test_the_page_is_the_ledgers():
    assert (RESULTS / f"{NAME}.md").read_text("utf-8") == page_of(LEDGER)


def test_a_packages_bytes_are_its_files_and_compiled_code_is_none(tmp_path, monkeypatch):
    folder = tmp_path / "planted-1.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: planted\nVersion: 1\n")
    record = "planted.py,sha256=x,100\nplanted.cpython-311.pyc,,900\nplanted/data,,23\n"
    (folder / "RECORD").write_text(record)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert package_bytes("planted") == 123
    assert package_bytes("not-planted") is None


@pytest.mark.slow
def test_a_started_server_holds_the_memory_that_the_ledger_says():
    held, kept = measured_memory(MEASURED), LEDGER["memory_mb"][MEASURED]
    for moment in ("started", "filling"):
        assert held[moment] == pytest.approx(kept[moment], rel=MEMORY_SHARE), "make footprint"
