"""The journal survives whatever ends an audit."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perf.audit.journal import AuditError, Journal, Record, read_journal
from tests.perf.audit.conftest import cell, record


def test_what_was_added_is_read_back(tmp_path):
    rows = [
        record(cell("a" * 16), labels_inside={"grass": 0.5}, fallbacks=("x: y; z",), text=""),
        record(cell("b" * 16, steps=3), "failed", reason="PAWFECT_INTERNAL: no"),
    ]
    with Journal(tmp_path) as journal:
        journal.begin({"profile": "tiny"})
        for row in rows:
            journal.add(row)
    runs, records, _ = read_journal(tmp_path / "journal.jsonl")
    assert runs == [{"profile": "tiny"}]
    assert list(records.values()) == rows


def test_the_last_of_two_records_of_a_cell_counts(tmp_path):
    with Journal(tmp_path) as journal:
        journal.add(record(status="failed", reason="no"))
        journal.add(record())
    assert read_journal(tmp_path / "journal.jsonl")[1]["a" * 16].status == "done"


@given(cut=st.integers(1, 10_000))
def test_a_line_cut_off_anywhere_is_dropped_and_the_next_one_is_whole(
    tmp_path_factory: pytest.TempPathFactory, cut: int
):
    folder = tmp_path_factory.mktemp("cut")
    with Journal(folder) as journal:
        journal.add(record())
        before = journal.path.stat().st_size
        journal.add(record(cell("b" * 16)))
    content = journal.path.read_bytes()
    journal.path.write_bytes(content[: before + cut % (len(content) - before)])
    with Journal(folder) as journal:
        assert list(journal.records) == ["a" * 16]
        journal.add(record(cell("c" * 16)))
    assert list(read_journal(journal.path)[1]) == ["a" * 16, "c" * 16]


def test_two_audits_cannot_write_into_one_folder(tmp_path):
    with Journal(tmp_path), pytest.raises(AuditError, match="another audit is writing here"):
        Journal(tmp_path)
    with Journal(tmp_path) as journal:
        assert not journal.records


@pytest.mark.parametrize(
    "line", ["[]", "null", "no json", '{"cell": "a"}', '{"format": 9, "run": {}}', '{"run": {}}']
)
def test_a_file_that_is_no_journal_is_left_alone(tmp_path, line):
    path = tmp_path / "journal.jsonl"
    path.write_text(line + "\n")
    with pytest.raises(AuditError, match=r"line 1|format 1"):
        Journal(tmp_path)
    assert path.read_text() == line + "\n"


FULL = """
import resource, sys
from pathlib import Path
from perf.audit.journal import AuditError, Journal
from perf.audit.pictures import save_picture
from tests.perf.audit.conftest import cell, record
import numpy as np

folder = Path(sys.argv[1])
noise = np.random.default_rng(0).integers(0, 255, (300, 300, 3)).astype(np.uint8)
with Journal(folder) as journal:
    journal.add(record())
    room = journal.path.stat().st_size + 100
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))
    for attempt in (
        lambda: journal.add(record(cell("b" * 16))),
        lambda: save_picture(folder, "b", noise),
    ):
        try:
            attempt()
        except AuditError as error:
            print(error)
"""


def test_a_full_disk_is_a_clear_error_and_the_journal_stays_readable(tmp_path):
    # A limit on the size of files: the system takes a part of the line, then refuses the rest.
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(FULL), str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
    )
    journal, picture = done.stdout.splitlines()
    assert journal.startswith("journal.jsonl: the disk is full")
    assert "run the same command again" in journal
    assert picture.startswith("pictures/b.jpg: the disk is full")
    assert list((tmp_path / "pictures").iterdir()) == []
    with Journal(tmp_path) as again:
        assert list(again.records) == ["a" * 16]
        again.add(record(cell("b" * 16)))
    lines = (tmp_path / "journal.jsonl").read_text().splitlines()
    assert [Record.of(json.loads(line)).cell for line in lines] == ["a" * 16, "b" * 16]
