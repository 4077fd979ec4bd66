"""The threat model's rows are true of the tree, and its page and results are those of the rows."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from perf.threats.page import PAGE, with_tables
from perf.threats.rows import ROWS, has_test, problems, read_rows

ROOT = Path(__file__).parents[3]
ROW = """
[[row]]
id = "one"
who = "anyone"
what = "a thing"
guard = "A check."
file = "code.py"
remove = "check()"
with = "pass"
test = "test_code.py::test_it"
"""


@pytest.fixture(scope="module")
def rows():
    return read_rows(ROOT)


@pytest.fixture
def tree(tmp_path):
    (tmp_path / ROWS).mkdir(parents=True)
    (tmp_path / "code.py").write_text("def check(): ...\n")
    (tmp_path / "test_code.py").write_text(
        "def test_it(): ...\nclass TestThem:\n    async def test_that(self): ...\n"
    )
    return tmp_path


def written(tree: Path, text: str) -> Path:
    (tree / ROWS / "some.toml").write_text(text)
    return tree


def test_each_row_has_its_guard_once_and_its_test_and_stays_python_without_the_guard(rows):
    assert rows
    assert [problem for row in rows for problem in problems(row, ROOT)] == []


def test_the_page_has_the_tables_of_the_rows(rows):
    page = (ROOT / PAGE).read_text("utf-8")
    assert page == with_tables(page, rows), "python -m perf.threats --tables writes them"
    for row in rows:
        assert f"| `{row.id}` |" in page


def test_the_results_are_of_these_rows_and_each_guard_was_needed(rows):
    results = json.loads((ROOT / "perf/results/threats.json").read_text("utf-8"))["rows"]
    shown = {result["id"]: result["tried"] for result in results}
    wrong = [row.id for row in rows if shown.get(row.id) != row.digest]
    assert not wrong, "python -m perf.threats --row ID tries a row"
    assert len(shown) == len(rows)
    assert {(result["with"], result["without"]) for result in results} == {("green", "red")}
    assert all(result["failure"] for result in results)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('who = "anyone"\n', "", "expected the keys"),
        ('who = "anyone"', 'whom = "anyone"', "expected the keys"),
        ('who = "anyone"', "who = 3", "expected texts"),
        ('who = "anyone"', 'who = " "', "expected texts"),
        ('id = "one"', 'id = "One Two"', "id in kebab-case"),
        ('with = "pass"', 'with = "check()"', "expected `with` to differ"),
    ],
)
def test_a_row_that_is_not_whole_is_refused(tree, old, new, message):
    with pytest.raises(ValueError, match=message):
        read_rows(written(tree, ROW.replace(old, new)))


def test_an_id_that_is_there_twice_is_refused(tree):
    with pytest.raises(ValueError, match="expected each id once, got one again"):
        read_rows(written(tree, ROW + ROW))


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({}, None),
        ({"file": "none.py"}, "one: expected the file none.py, got none"),
        ({"remove": "chek()"}, "one: expected `remove` once in code.py, got 0"),
        ({"remove": "e"}, "one: expected `remove` once in code.py, got 2"),
        ({"remove": "def check(): ...", "instead": "def"}, "one: code.py is no Python without"),
        ({"test": "test_code.py::test_other"}, "one: expected the test test_code.py::test_other"),
    ],
)
def test_what_is_wrong_with_a_row_is_named(tree, changes, problem):
    base = replace(read_rows(written(tree, ROW))[0], instead="...", remove="def check(): ...")
    found = problems(replace(base, **({"instead": "x = 1"} | changes)), tree)
    if problem is None:
        assert found == []
    else:
        assert len(found) == 1
        assert found[0].startswith(problem)


@pytest.mark.parametrize(
    ("test", "there"),
    [
        ("test_code.py::test_it", True),
        ("test_code.py::TestThem::test_that", True),
        ("test_code.py::test_that", False),
        ("test_code.py::TestThem", False),
        ("test_code.py", False),
        ("none.py::test_it", False),
        ("page.test.ts::shows text as text", True),
        ("page.test.ts::shows", False),
    ],
)
def test_a_test_is_found_by_its_id(tree, test, there):
    (tree / "page.test.ts").write_text('test("shows text as text", () => {});\n')
    assert has_test(test, tree) is there
