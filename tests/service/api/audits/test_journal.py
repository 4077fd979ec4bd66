"""The journal that the audit itself writes is read, however far it is."""

from __future__ import annotations

import json

import pytest

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect_service.api.audits.journal import FORMAT, NAME, SHOWN, read_journal
from perf.audit import journal as written
from perf.audit.journal import Journal
from tests.perf.audit.conftest import cell, note, record

CELLS = [cell(letter * 16, guidance=float(n)) for n, letter in enumerate("abcdefg")]


def test_the_format_is_the_audits_own():
    assert (NAME, FORMAT) == (written.NAME, written.FORMAT)


def test_without_a_journal_or_a_run_there_is_no_progress(tmp_path):
    assert read_journal(tmp_path / NAME).progress is None
    with Journal(tmp_path) as journal:
        journal.add(record(CELLS[0]))
        assert read_journal(journal.path) == read_journal(tmp_path / "none")


def test_progress_counts_the_cells_of_the_last_run_that_have_a_record(tmp_path):
    with Journal(tmp_path) as journal:
        journal.begin(note(CELLS[:3]))
        for one in CELLS[:3]:
            journal.add(record(one))
        journal.begin(note(CELLS[2:]))
        found = read_journal(journal.path)
        assert (found.runs, found.progress.cells, found.progress.ran) == (2, 5, 1)
        journal.add(record(CELLS[3], "failed", reason="PAWFECT_INTERNAL: no /srv/data/x.bin"))
        journal.add(record(CELLS[4], "fallen back", total_ms=2500.0))
        progress = read_journal(journal.path).progress
    assert (progress.cells, progress.ran) == (5, 3)
    assert progress.statuses == {"done": 1, "failed": 1, "fallen back": 1}
    assert [last.status for last in progress.last] == ["fallen back", "failed", "done"]
    assert [last.total_ms for last in progress.last] == [2500.0, 0.0, 1000.0]
    assert progress.last[1].reason == "PAWFECT_INTERNAL: no x.bin", "no path"
    assert progress.last[0].setting == vars(CELLS[4].setting)


def test_the_newest_cells_come_first_also_where_one_ran_again(tmp_path):
    with Journal(tmp_path) as journal:
        journal.begin(note(CELLS))
        for one in CELLS:
            journal.add(record(one))
        journal.add(record(CELLS[1]))
        progress = read_journal(journal.path).progress
    guidances = [last.setting["guidance"] for last in progress.last]
    assert guidances == [1.0, 6.0, 5.0, 4.0, 3.0][:SHOWN]
    assert progress.ran == 7


def test_the_line_that_is_being_written_is_left_out(tmp_path):
    with Journal(tmp_path) as journal:
        journal.begin(note(CELLS))
        journal.add(record(CELLS[0]))
        before = read_journal(journal.path)
        content = journal.path.read_bytes()
        journal.add(record(CELLS[1]))
        added = journal.path.read_bytes()[len(content) :]
        for cut in range(0, len(added) - 1, 97):
            journal.path.write_bytes(content + added[:cut])
            assert read_journal(journal.path) == before


@pytest.mark.parametrize(
    "line",
    ["[]", "null", "no json", '{"cell": "a"}', '{"run": {}}', '{"format": 2, "run": {}}', "\xff"],
)
def test_what_is_no_journal_is_an_error_that_names_the_line(tmp_path, line):
    with Journal(tmp_path) as journal:
        journal.begin(note(CELLS))
    with journal.path.open("ab") as file:
        file.write(line.encode("latin-1") + b"\n")
    with pytest.raises(PawfectError, match="got another line 2; move the audit's folder") as caught:
        read_journal(journal.path)
    assert caught.value.kind is ErrorKind.INTERNAL
    assert str(tmp_path) not in caught.value.message


def test_another_format_says_so(tmp_path):
    (tmp_path / NAME).write_text(json.dumps({"format": FORMAT + 1, "run": note(CELLS)}) + "\n")
    with pytest.raises(PawfectError, match="expected format 2, got another; finish it with"):
        read_journal(tmp_path / NAME)
