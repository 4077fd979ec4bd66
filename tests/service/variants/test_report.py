"""`pawfect variants`: from the documents of a store to table, JSON, page and change."""

from __future__ import annotations

import asyncio
import json
import time
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from pawfect_service.process.variants_command import variants
from pawfect_service.stores.base import Change
from pawfect_service.variants.file import load_variants
from pawfect_service.variants.page import page_of
from tests.service.variants.test_answers import FILE, JOBS, cost, figures, job


@pytest.fixture
def file(tmp_path: Path, uid: str) -> Path:
    """A file with one variant, named as the test's user is, and a rule."""
    place = tmp_path / "variants.toml"
    place.write_text(f"""
salt = "one"
[rule]
answers = 3
failed = 0.5
[[variants]]
name = "{uid}"
kind = "cutout"
share = 10
parameters = {{ preset = "high" }}
""")
    return place


def ran(*arguments: object) -> Result:
    return CliRunner().invoke(variants, [str(each) for each in arguments], env={"COLUMNS": "220"})


async def test_a_report_reads_the_store_and_its_rule_takes_a_variant_back(
    opened, store_url, file, uid
):
    stores, now, day = opened(), time.time(), 86_400.0
    jobs = [
        job(uid, rating=5, sharpness=0.5, **cost(1.5)),
        job(uid, "failed"),
        job(uid, "failed"),
        job(uid, "failed", queuedAt=now - 8 * day),
        job(uid, "failed", jobKind="other"),
        job("own-choice", **cost(1.0)),
    ]
    for number, document in enumerate(jobs):
        whole = {"jobKind": "cutout", "queuedAt": now - day, **document}
        await stores.documents.update(uid, f"s{number}", lambda *_, whole=whole: Change(whole))
    page = file.with_name("page.html")
    given = ("report", file, "--store", store_url, "--json", "--page", page)

    async def reported(*more: str) -> tuple[dict[str, Any], str]:
        result = await asyncio.to_thread(ran, *given, *more)
        assert result.exit_code == 0, result.output
        rows = {row["variant"]: row for row in json.loads(result.stdout)}
        return rows[uid], result.stderr

    row, told = await reported()
    assert (row["answers"], row["ratings"], row["share"], told) == (3, 1, 10.0, "")
    assert row["failed"]["value"] == pytest.approx(2 / 3)
    assert row["rating"]["value"] == 5.0
    assert row["seconds_p50"] == row["seconds_p95"] == 1.5
    assert (row["sharpness"], row["out_of_memory"]["value"]) == (0.5, 0.0)
    assert (await reported("--days", "9"))[0]["answers"] == 4
    assert uid in page.read_text()

    _, told = await reported("--apply")
    assert told == f"{uid} is taken back: 66.7% of 3 failed, more than 50.0%\n"
    assert load_variants(file).variants[0].share == 0
    row, told = await reported("--apply")
    assert (row["share"], told) == (0.0, ""), "once"
    assert ran("back", file).stdout == f"cutout {uid}: 10 %\n"
    row, told = await reported("--apply")
    assert (row["answers"], row["share"], told) == (3, 10.0, ""), "tried again, judged anew"
    for number in range(3):
        fresh = job(uid, "failed", jobKind="cutout", queuedAt=time.time())
        await stores.documents.update(uid, f"n{number}", lambda *_, fresh=fresh: Change(fresh))
    _, told = await reported("--apply")
    assert told == f"{uid} is taken back: 100.0% of 3 failed, more than 50.0%\n"


def test_shares_are_set_and_taken_back_by_a_command_each(file, uid):
    assert ran("set", file, uid, "--staging").stdout == f"cutout {uid}: 10 %, staging\n"
    assert ran("set", file, uid, "--share", "33.3").stdout == f"cutout {uid}: 33.3 %, staging\n"
    assert ran("back", file).stdout == f"cutout {uid}: 10 %, staging\n"
    assert ran("set", file, uid, "--no-staging").stdout == f"cutout {uid}: 10 %\n"
    for arguments, message in (
        (("set", file, uid), "expected --share PERCENT, --staging or --no-staging"),
        (("set", file, uid, "--share", "nan"), "share: expected from 0.0 to 100.0, got nan"),
        (("set", file, "none", "--share", "1"), f"variant: expected one of {uid}, got none"),
        (("back", file.with_name("none")), "none: expected a readable file"),
        (
            ("report", file, "--store", f"embedded:{file.parent}", "--page", "no/such"),
            "such: expected a",
        ),
        (("report", "--apply"), "--apply: expected FILE with it"),
        (("report", "--kind", "inpaint"), "--kind: expected one of cutout, got inpaint"),
        (("report", "--days", "0"), "0.0 is not in the range"),
        (("report", "--store", "redis:x"), "store: expected embedded:FOLDER or google:"),
    ):
        result = ran(*arguments)
        assert result.exit_code in (1, 2)
        assert isinstance(result.exception, SystemExit)
        assert message in result.stderr, arguments


def test_the_table_says_what_is_known_and_a_dash_for_the_rest(file, uid, tmp_path):
    result = ran("report", file, "--store", f"embedded:{tmp_path / 'data'}")
    assert result.exit_code == 0, result.output
    rows = [line for line in result.stdout.splitlines() if uid in line or "default" in line]
    cells = [[cell.strip() for cell in row.split("│")[1:-1]] for row in rows[:2]]
    assert cells == [
        [uid, "10 %", "0", *"------"],
        ["default", "90 %", "0", *"------"],
    ]


class _Read(HTMLParser):
    """The texts of a page's cells, and every attribute that loads something."""

    def __init__(self) -> None:
        super().__init__()
        self.cells: list[str] = []
        self.loads: list[str] = []
        self.inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.inside = tag == "td"
        if self.inside:
            self.cells.append("")
        self.loads += [name for name, _ in attrs if name in ("src", "href", "srcset", "data")]
        assert tag not in ("script", "link", "img", "iframe")

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.cells[-1] += data


def test_the_page_has_every_figure_escapes_names_and_loads_nothing():
    odd = "<script>alert(1)</script>"
    page = page_of("cutout", list(figures([*JOBS, job(odd)], FILE).values()), "today & on")
    read = _Read()
    read.feed(page)
    assert read.loads == []
    assert read.cells[:4] == ["high", "25 %", "5", "3.67 (1.83 to 4.75) of 3"]
    assert read.cells[4:6] == ["2.00", "2.90"]
    assert odd in read.cells
    assert "today &amp; on" in page
    assert "url(" not in page
    assert page.count("<svg") == 2, "of those that were rated"
