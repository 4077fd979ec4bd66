"""The page and the result say what was found, and of a rehearsal that it means nothing."""

from __future__ import annotations

import json
from dataclasses import replace
from html.parser import HTMLParser

from perf.audit.journal import Record
from perf.prove.criteria import CRITERIA
from perf.prove.page import HTML, MEANINGLESS, verdicts_of, write_page, write_result
from perf.prove.plan import STATIC
from perf.prove.preflight import Card
from perf.prove.verdict import PASS
from tests.perf.prove.conftest import LIVE


class Page(HTMLParser):
    """A page's texts, pictures and table rows."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.pictures: list[str] = []
        self.rows: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "img":
            assert given["alt"]
            self.pictures.append(str(given["src"]))
        if tag == "tr" and given.get("id"):
            self.rows.append(str(given["id"]))

    def handle_data(self, data: str) -> None:
        self.text += data


def page(folder, found) -> Page:
    path = write_page(folder, found, verdicts_of(found))
    assert path == folder / HTML
    return Page(path.read_text())


def test_the_page_has_every_criterion_and_the_pictures_side_by_side(evidence, tmp_path):
    found = evidence()
    shown = page(tmp_path, found)
    assert shown.rows == [f"c{criterion.number}" for criterion in CRITERIA]
    for criterion, verdict in verdicts_of(found):
        assert criterion.text in shown.text
        assert verdict.how in shown.text
    baseline = found.baseline()
    assert baseline is not None
    assert baseline.crop in shown.pictures
    assert {fill.crop for fill in LIVE.fills} <= set(shown.pictures)
    assert "as it was, Q4_0" in shown.text
    assert "Tesla T4, 14.7 GiB" in shown.text
    assert "Q5_K_M: tiny-flux-fill-int8" in shown.text
    assert "Q5_K_S stands for it" in shown.text
    assert MEANINGLESS not in shown.text


def test_a_rehearsals_page_says_that_its_pictures_mean_nothing(evidence, tmp_path):
    found = evidence(rehearsal=True, card=Card("CPU"))
    assert MEANINGLESS in page(tmp_path, found).text
    write_result(tmp_path, "prove-tiny", found, verdicts_of(found))
    assert MEANINGLESS in (tmp_path / "prove-tiny.md").read_text()
    assert json.loads((tmp_path / "prove-tiny.json").read_text())["rehearsal"]


def test_a_run_whose_baseline_failed_has_a_page_too(evidence, tmp_path):
    def failed(row: Record) -> Record:
        if row.setting.prompt != STATIC:
            return row
        why = "PAWFECT_OUT_OF_MEMORY: <flux>"
        return replace(row, status="failed", reason=why, crop="", picture="", scores={}, report={})

    found = evidence(failed, live=replace(LIVE, analyzer={"problem": "no <wheel>"}))
    shown = page(tmp_path, found)
    assert "the baseline gave no picture of its own" in shown.text
    assert "no <wheel>" in shown.text
    assert "as it was, Q4_0" not in shown.text
    write_result(tmp_path, "prove-t4", found, verdicts_of(found))
    rows = json.loads((tmp_path / "prove-t4.json").read_text())["cells"]
    assert {row["loss"] for row in rows if row["status"] == "failed"} == {None}


def test_the_result_has_the_verdicts_and_a_row_for_each_cell_and_no_picture(evidence, tmp_path):
    found = evidence()
    write_result(tmp_path, "prove-t4", found, verdicts_of(found))
    result = json.loads((tmp_path / "prove-t4.json").read_text())
    assert [one["number"] for one in result["criteria"]] == [one.number for one in CRITERIA]
    statuses = {one["number"]: one["status"] for one in result["criteria"]}
    assert statuses["1.4"] == PASS
    assert len(result["cells"]) == len(found.run.cells)
    text = (tmp_path / "prove-t4.md").read_text()
    assert text.count("| tiny-flux-fill") == len(found.run.cells)
    assert "Tesla T4" in text
    assert ".jpg" not in text + json.dumps(result)
