"""The journal survives whatever ends an audit."""

from __future__ import annotations

import json
import resource

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perf.audit.journal import AuditError, Journal, Record, read_journal
from tests.perf.audit.conftest import cell, record


def test_what_was_added_is_read_back(tmp_path):
    rows = [
        record(cell("a" * 16), labels_inside={"grass": 0.5}),
        record(cell("b" * 16, steps=3), "failed", reason="PAWFECT_INTERNAL: no"),
    ]
    with Journal(tmp_path) as journal:
        journal.begin({"profile": "tiny"})
        for row in rows:
            journal.add(row)
    runs, records, _ = read_journal(tmp_path / "journal.jsonl")
    assert runs == [{"profile": "tiny"}]
    assert list(records.values()) == rows


def test_a_journal_from_before_attention_was_varied_is_read(tmp_path):
    path = tmp_path / "journal.jsonl"
    with Journal(tmp_path) as journal:
        journal.begin({"profile": "tiny"})
        journal.add(record())
    head, row = map(json.loads, path.read_text().splitlines())
    assert head["format"] == 2
    del row["setting"]["attention"], row["setting"]["tile_px"], row["labelled"]
    path.write_text("".join(f"{json.dumps(table)}\n" for table in (head, row)))
    assert read_journal(path)[1] == {"a" * 16: record()}


def test_the_last_of_two_records_of_a_cell_counts_and_one_audit_writes(tmp_path):
    with Journal(tmp_path) as journal:
        with pytest.raises(AuditError, match="another audit is writing here"):
            Journal(tmp_path)
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


@pytest.mark.parametrize(
    "line", ["[]", "null", "no json", '{"cell": "a"}', '{"format": 9, "run": {}}', '{"run": {}}']
)
def test_a_file_that_is_no_journal_is_left_alone(tmp_path, line):
    path = tmp_path / "journal.jsonl"
    path.write_text(line + "\n")
    with pytest.raises(AuditError, match=r"line 1|format 2"):
        Journal(tmp_path)
    assert path.read_text() == line + "\n"


def test_a_full_disk_is_an_error_and_the_journal_stays_readable(tmp_path):
    with Journal(tmp_path) as journal:
        journal.add(record())
        # A limit on the size of files: the system takes a part of the line, then refuses the rest.
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (journal.path.stat().st_size + 100, hard))
        try:
            with pytest.raises(OSError, match="File too large"):
                journal.add(record(cell("b" * 16)))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    with Journal(tmp_path) as again:
        assert list(again.records) == ["a" * 16]
        again.add(record(cell("b" * 16)))
    lines = (tmp_path / "journal.jsonl").read_text().splitlines()
    assert [Record.of(json.loads(line)).cell for line in lines] == ["a" * 16, "b" * 16]
