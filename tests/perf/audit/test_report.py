"""The report holds every cell, links to its picture, and shows what others wrote as text."""

from __future__ import annotations

import html
import re
from html.parser import HTMLParser
from urllib.parse import parse_qsl, quote, urlsplit

import pytest
from google.cloud.storage import Client

from perf.audit.choice import choose
from perf.audit.journal import AuditError, Journal
from perf.audit.report import Run, read_run, upload, write_report
from tests.perf.audit.conftest import TINY_Q8, cell, note, record
from tests.signed_urls import MAIL, check_signature, emulated_bucket, write_key

EVIL = '<script>alert("x")</script>|`'
VOID = {"meta", "img", "br", "link", "input", "hr"}


class Page(HTMLParser):
    """What is where in a page; elements that do not close are an error."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text
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
def run() -> Run:
    cells = [
        cell("a" * 16, EVIL, prompt="five", guidance=30.0),
        cell("b" * 16, EVIL, quantisation=TINY_Q8, steps=28),
        cell("c" * 16, EVIL, steps=4),
        cell("d" * 16, EVIL, steps=12),
    ]
    rows = [
        record(cells[0], prompt=EVIL, labels_inside={EVIL: 0.5}),
        record(cells[1], "fallen back", reason="engine patch: late", total_ms=30_500.0),
        record(cells[2], "failed", reason=f"PAWFECT_INTERNAL: {EVIL}"),
    ]
    records = {row.cell: row for row in rows}
    sessions = [{"name": EVIL, "photo": "pictures/p.jpg", "truth": ""}]
    source = {"command": EVIL, "date": "d", "machine": "m", "versions": {"v": "1"}}
    said = note(cells, sessions=sessions, provenance=source)
    return Run(said, cells, records, choose(cells, records, 30_000))


def written(folder, run, links=None) -> Page:
    return Page(write_report(folder, run, links).read_text())


def test_the_page_shows_every_cell_its_picture_and_what_others_wrote_as_text(tmp_path, run):
    page = written(tmp_path, run)
    assert len(page.all("figure", "cell")) == 2
    assert len(page.all("tr", "cell")) == 3
    assert len(page.all("tr", "setting")) == 4
    sources = [attrs["src"] for attrs in page.all("img")]
    crops = [f"pictures/{letter * 16}-crop.jpg" for letter in "ab"]
    assert sources == ["pictures/p.jpg", *crops]
    assert all(attrs.get("alt") for attrs in page.all("img"))
    links = {attrs["href"] for attrs in page.all("a")}
    assert links == {f"pictures/{letter * 16}.jpg" for letter in "ab"}
    assert "Incomplete: 1 are missing" in page.text
    # Nothing from elsewhere, and no markup but its own.
    assert not page.all("link")
    assert all("src" not in attrs for attrs in page.all("script"))
    assert "http://" not in page.text
    assert "https://" not in page.text
    assert len(page.all("script")) == 1
    assert "<script>alert" not in page.text
    assert EVIL in "".join(page.words)


def test_filters_offer_every_value_and_rows_carry_it(tmp_path, run):
    page = written(tmp_path, run)
    offered = {attrs["data-axis"] for attrs in page.all("select")}
    assert offered == {
        "engine", "quantisation", "size", "strength", "references", "prompt", "guidance", "steps",
        "attention", "tile_px", "status",
    }  # fmt: skip
    assert {attrs["data-steps"] for attrs in page.all("figure", "cell")} == {"8", "28"}
    for value in ("4", "8", "12", "28", "fallen back", "failed", TINY_Q8):
        assert f"<option>{value}</option>" in page.text


def test_the_recommended_setting_stands_there_with_its_numbers_and_the_rule(tmp_path, run):
    page = written(tmp_path, run)
    best = run.choice.recommended
    assert best is not None
    assert best.setting.guidance == 30
    (chosen,) = page.all("tr", "chosen")
    assert chosen["data-guidance"] == "30"
    assert "st_lpips / 0.13" in page.text
    assert f"{best.loss:.3f}" in page.text


def test_what_does_not_fit_is_shown_with_its_gib_and_what_was_not_varied_as_the_profiles(tmp_path):
    cells = [cell("a" * 16), cell("b" * 16, attention="math", tile_px=64)]
    why = "25.00 of 14.70 GiB without the labelling models, 30.00 with them"
    rows = [record(cells[0], "not fitting", reason=why, picture="", crop="", report={})]
    rows.append(record(cells[1]))
    known = {row.cell: row for row in rows}
    text = written(tmp_path, Run(note(cells[:1]), cells[:1], known, choose(cells, known, 1))).text
    assert why in text
    assert "1 not fitting" in text
    assert 'data-attention="profile&#39;s"' in text
    text = written(tmp_path, Run(note(cells[1:]), cells[1:], known, choose(cells, known, 1))).text
    assert "attention math, tiles 64 px" in text
    assert 'data-tile_px="64"' in text


def test_a_run_without_any_record_is_a_page_too(tmp_path, run):
    page = written(tmp_path, Run(run.note, run.cells, {}, choose(run.cells, {}, 30_000)))
    assert "None: no complete setting keeps the budget" in page.text
    assert not page.all("figure", "cell")


@pytest.fixture(scope="module")
def key_file(tmp_path_factory):
    return tmp_path_factory.mktemp("key") / "key.json"


@pytest.fixture(scope="module")
def public_key(key_file):
    return write_key(key_file)


@pytest.fixture
def emulator():
    with emulated_bucket():
        yield


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_pictures_are_uploaded_once_and_the_page_links_to_them_signed(
    emulator, tmp_path, key_file, public_key
):
    def stored() -> dict[str, bytes]:
        blobs = Client(project="project").bucket("pets").list_blobs()
        return {blob.name: blob.download_as_bytes() for blob in blobs}

    rows = [record(cell(letter * 16)) for letter in "ab"]
    paths = [row.picture for row in rows]
    (tmp_path / "pictures").mkdir()
    for path in paths:
        (tmp_path / path).write_bytes(path.encode())
    with Journal(tmp_path) as journal:
        journal.begin(note([cell(row.cell) for row in rows]))
        for row in rows:
            journal.add(row)
    upload(tmp_path, paths[:1], "gs://pets/runs & 1/", key_file)
    (tmp_path / paths[0]).write_bytes(b"another picture of this name there is none")
    links = upload(tmp_path, paths, "gs://pets/runs & 1", key_file)
    assert stored() == {f"runs & 1/{path}": path.encode() for path in paths}
    text = html.unescape(write_report(tmp_path, read_run(tmp_path), links).read_text())
    assert "hold until" in text
    (link,) = set(re.findall(rf'(https://[^" ]+{paths[0]}[^" ]+)', text))
    parts = urlsplit(link)
    query = dict(parse_qsl(parts.query))
    assert (parts.scheme, parts.netloc) == ("https", "storage.googleapis.com")
    assert parts.path == f"/pets/{quote('runs & 1')}/{paths[0]}"
    assert query["X-Goog-Expires"] == str(7 * 24 * 3600)
    assert query["X-Goog-Credential"].startswith(f"{MAIL}/")
    check_signature(link, public_key)


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_what_is_no_bucket_or_no_key_is_a_plain_error(emulator, tmp_path, key_file, public_key):
    with pytest.raises(AuditError, match=r"upload to gs://none:"):
        upload(tmp_path, [], "gs://none", key_file)
    for wrong in ("s3://pets", "pets/runs", "gs://", "gs:///x"):
        with pytest.raises(AuditError, match="expected gs://BUCKET/PREFIX"):
            upload(tmp_path, [], wrong, key_file)
    for content in ("", "{}", "no json"):
        path = tmp_path / "key.json"
        path.write_text(content)
        with pytest.raises(AuditError, match=r"key key\.json: expected a service acc") as caught:
            upload(tmp_path, [], "gs://pets", path)
        assert str(tmp_path) not in str(caught.value)
