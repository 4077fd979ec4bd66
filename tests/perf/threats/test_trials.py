"""A guard is taken out of a copy of the tree, and only a test that then fails is called red."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from perf.threats.__main__ import main
from perf.threats.page import PAGE
from perf.threats.rows import ROWS

# Eight processes of pytest.
pytestmark = pytest.mark.slow

CODE = """
def half(number):
    limit = 10
    if number > limit:
        raise ValueError("too much")
    return number // 2
"""
TESTS = """
import pytest
from code_under_test import half

@pytest.mark.parametrize("number", [11, 12])
def test_it_binds(number):
    with pytest.raises(ValueError):
        half(number)

def test_it_does_not_bind():
    assert half(4) == 2

def test_it_fails_anyhow():
    assert half(4) == 3

def test_it_is_skipped():
    pytest.skip("not here")
"""
REMOVED = {
    "check": ('    if number > limit:\n        raise ValueError("too much")\n', ""),
    "name": ("    limit = 10\n", ""),
}
# By row: what is removed, the test, with the guard, without.
EXPECTED = {
    "binds": ("check", "test_it_binds", "green", "red"),
    "does-not-bind": ("check", "test_it_does_not_bind", "green", "green"),
    "fails-anyhow": ("check", "test_it_fails_anyhow", "red", "red"),
    "breaks-the-code": ("name", "test_it_binds", "green", "broken"),
    "is-skipped": ("check", "test_it_is_skipped", "skipped", "skipped"),
}


def row(name: str) -> str:
    removed, test, *_ = EXPECTED[name]
    remove, instead = REMOVED[removed]
    return (
        f'[[row]]\nid = "{name}"\nwho = "w"\nwhat = "a <b> | c"\nguard = "g"\n'
        f'file = "code_under_test.py"\nremove = """{remove}"""\nwith = """{instead}"""\n'
        f'test = "test_code.py::{test}"\n'
    )


@pytest.fixture(scope="module")
def tried(tmp_path_factory):
    """A repository whose rows were all tried once, and what the command said."""
    root = tmp_path_factory.mktemp("tree")
    (root / ROWS).mkdir(parents=True)
    (root / "docs").mkdir()
    (root / "code_under_test.py").write_text(CODE)
    (root / "test_code.py").write_text(TESTS)
    (root / ROWS / "some.toml").write_text("\n".join(map(row, EXPECTED)))
    (root / PAGE).write_text(
        "# T\n<!-- rows: python -m perf.threats --tables -->\n<!-- end of the rows -->\nend\n"
    )
    for command in (
        ("init", "-q"),
        ("add", "."),
        ("-c", "user.name=n", "-c", "user.email=e@e", "commit", "-qm", "all"),
    ):
        subprocess.run(["git", "-C", root, *command], check=True)
    return root, CliRunner().invoke(main, ["--root", str(root)])


def results(root: Path) -> dict[str, dict[str, object]]:
    return {
        row["id"]: row
        for row in json.loads((root / "perf/results/threats.json").read_text())["rows"]
    }


@pytest.mark.parametrize("name", EXPECTED)
def test_a_row_is_shown_only_where_its_test_passes_with_and_fails_without_the_guard(tried, name):
    root, said = tried
    found = results(root)[name]
    assert (found["with"], found["without"]) == EXPECTED[name][2:]
    sign = "ok " if EXPECTED[name][2:] == ("green", "red") else "BAD"
    assert f"{sign} {name}: " in said.output


def test_one_row_that_is_not_shown_fails_the_command(tried):
    assert tried[1].exit_code == 1


def test_the_failing_line_is_named_without_the_folder(tried):
    found = results(tried[0])["binds"]
    assert found["failure"] == "Failed: DID NOT RAISE ValueError"
    assert found["where"] == "test_code.py:7"
    assert "/tmp" not in (tried[0] / "perf/results/threats.md").read_text().replace("\\", "/")


def test_the_tree_itself_keeps_its_guards(tried):
    assert (tried[0] / "code_under_test.py").read_text() == CODE


def test_the_page_gets_its_table_with_markup_as_text(tried):
    page = (tried[0] / PAGE).read_text()
    assert "| `binds` | w | a &lt;b> \\| c |" in page
    assert page.endswith("<!-- end of the rows -->\nend\n")


def test_trying_one_row_keeps_the_others_results(tried, tmp_path):
    root, _ = tried
    before = results(root)
    said = CliRunner().invoke(main, ["--root", str(root), "--row", "binds"])
    assert said.exit_code == 0
    assert set(results(root)) == set(before)


def test_a_row_that_is_not_there_is_refused(tried):
    said = CliRunner().invoke(main, ["--root", str(tried[0]), "--row", "none"])
    assert said.exit_code == 2
    assert "expected a row or a surface of the threat model, got none" in said.output
