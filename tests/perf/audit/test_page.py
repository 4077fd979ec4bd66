"""The report holds every cell, links to its picture, and shows what others wrote as text."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from html.parser import HTMLParser

import pytest

from perf.audit.choice import choose
from perf.audit.journal import AuditError
from perf.audit.page import Content, write_report
from tests.perf.audit.conftest import TINY_Q8, cell, record

EVIL = '<script>alert("x")</script>|`'
VOID = {"meta", "img", "br", "link", "input", "hr", "circle"}


class Page(HTMLParser):
    """What is where in a page; elements that do not close are an error."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)

    def all(self, tag: str, kind: str = "") -> list[dict[str, str | None]]:
        found = (attrs for name, attrs in self.tags if name == tag)
        return [a for a in found if kind in (a.get("class") or "").split() or not kind]


@pytest.fixture
def content():
    cells = [
        cell("a" * 16, EVIL, prompt="five", guidance=30.0),
        cell("b" * 16, EVIL, quantisation=TINY_Q8, steps=28),
        cell("c" * 16, EVIL, steps=4),
        cell("d" * 16, EVIL, steps=12),
    ]
    rows = [
        record(cells[0], text=EVIL, labels_inside={EVIL: 0.5}),
        record(cells[1], "fallen back", reason="engine patch: late", total_ms=30_500.0),
        record(cells[2], "failed", reason=f"PAWFECT_INTERNAL: {EVIL}"),
    ]
    records = {row.cell: row for row in rows}
    run = {
        "profile": "tiny",
        "provenance": {"command": EVIL, "date": "d", "machine": "m", "versions": {"v": "1"}},
        "sessions": [{"name": EVIL, "photo": "pictures/p.jpg", "truth": ""}],
    }
    return Content(run, cells, records, choose(cells, records, 30_000), {})


def written(folder, content):
    text = write_report(folder, content).read_text()
    return Page(text), text


def test_the_page_shows_every_cell_and_its_picture(tmp_path, content):
    page, _ = written(tmp_path, content)
    assert len(page.all("figure", "cell")) == 2
    assert len(page.all("tr", "cell")) == 3
    assert len(page.all("tr", "setting")) == 4
    sources = [attrs["src"] for attrs in page.all("img")]
    crops = [f"pictures/{letter * 16}-crop.jpg" for letter in "ab"]
    assert sources == ["pictures/p.jpg", *crops]
    assert all(attrs.get("alt") for attrs in page.all("img"))
    links = {attrs["href"] for attrs in page.all("a")}
    assert links == {f"pictures/{letter * 16}.jpg" for letter in "ab"}


def test_the_page_needs_nothing_from_elsewhere(tmp_path, content):
    page, text = written(tmp_path, content)
    assert not page.all("link")
    assert all("src" not in attrs for attrs in page.all("script"))
    assert "http://" not in text
    assert "https://" not in text


def test_what_others_wrote_is_text_and_no_markup(tmp_path, content):
    page, text = written(tmp_path, content)
    assert len(page.all("script")) == 1
    assert "<script>alert" not in text
    assert EVIL in "".join(page.words)


def test_filters_offer_every_value_and_rows_carry_it(tmp_path, content):
    page, text = written(tmp_path, content)
    offered = {attrs["data-axis"] for attrs in page.all("select")}
    assert offered == {
        "quantisation", "size", "strength", "prompt", "guidance", "steps", "status",
    }  # fmt: skip
    steps = {attrs["data-steps"] for attrs in page.all("figure", "cell")}
    assert steps == {"8", "28"}
    for value in ("4", "8", "12", "28", "fallen back", "failed", TINY_Q8):
        assert f"<option>{value}</option>" in text


def test_an_incomplete_run_and_a_missing_recommendation_are_said(tmp_path, content):
    _, text = written(tmp_path, content)
    assert "Incomplete: 1 are missing" in text


def test_the_recommended_setting_stands_there_with_its_numbers_and_the_rule(tmp_path, content):
    page, text = written(tmp_path, content)
    best = content.choice.recommended
    assert best is not None
    assert best.setting.guidance == 30
    (chosen,) = page.all("tr", "chosen")
    assert chosen["data-guidance"] == "30"
    assert "st_lpips / 0.13" in text
    assert f"{best.loss:.3f}" in text


def test_uploaded_pictures_are_linked_where_they_lie(tmp_path, content):
    link = "https://storage.googleapis.com/pets/a.jpg?X-Goog-Signature=1&b=2"
    links = {"pictures/" + "a" * 16 + ".jpg": link}
    uploaded = Content(
        content.run, content.cells, content.records, content.choice, links, "2026-01-08"
    )
    page, text = written(tmp_path, uploaded)
    assert link in {attrs["href"] for attrs in page.all("a")}
    assert "hold until 2026-01-08" in text


def test_a_run_without_any_record_is_a_page_too(tmp_path, content):
    empty = Content(content.run, content.cells, {}, choose(content.cells, {}, 30_000), {})
    page, text = written(tmp_path, empty)
    assert "None: no complete setting keeps the budget" in text
    assert not page.all("figure", "cell")


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """Refuse larger files, as a full disk does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_is_a_clear_error_and_the_report_stays_as_it_was(tmp_path, content):
    html = write_report(tmp_path, content)
    before = html.read_bytes()
    with files_of_at_most(100), pytest.raises(AuditError, match=r"^audit\.html: the disk is full"):
        write_report(tmp_path, content)
    assert html.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["audit.html"]
