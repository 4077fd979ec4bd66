"""How a test ended is read from its JUnit file, over all of its cases."""

from __future__ import annotations

import pytest

from perf.threats.verdict import Outcome, Verdict, outcome

TEST = "tests/a/test_b.py::test_it"
IN_CLASS = "tests/a/test_b.py::TestThem::test_it"
PAGE = "web/tests/words/text.test.ts::is text"


def case(name: str, inside: str = "", where: str = "tests.a.test_b") -> str:
    return f'<testcase classname="{where}" name="{name}">{inside}</testcase>'


def failed(message: str, text: str = "", kind: str = "failure") -> str:
    return f'<{kind} message="{message}">{text}</{kind}>'


PASSED = case("test_it")
FAILED = case("test_it[1]", failed("assert 1 == 2&#10;more", "tests/a/test_b.py:7: in test_it"))
ERROR = case("test_it[2]", failed("collection failure", kind="error"))
NAMELESS = case("test_it[3]", failed("NameError: name 'x' is not defined"))
SKIPPED = case("test_it[4]", '<skipped message="no" />')


@pytest.mark.parametrize(
    ("cases", "test", "verdict"),
    [
        ([PASSED], TEST, Verdict.GREEN),
        ([PASSED, SKIPPED], TEST, Verdict.GREEN),
        ([SKIPPED], TEST, Verdict.SKIPPED),
        ([], TEST, Verdict.NOT_RUN),
        ([PASSED, FAILED], TEST, Verdict.RED),
        ([FAILED, ERROR], TEST, Verdict.BROKEN),
        ([FAILED, NAMELESS], TEST, Verdict.BROKEN),
        ([case("test_it", failed("SyntaxError: broken PNG file"))], TEST, Verdict.RED),
        ([case("test_it", failed("assert &apos;NameError: x&apos; == 1"))], TEST, Verdict.RED),
        ([case("test_it_too", failed("no")), PASSED], TEST, Verdict.GREEN),
        ([FAILED], IN_CLASS, Verdict.NOT_RUN),
        ([case("test_it", failed("no"), "tests.a.test_b.TestThem")], IN_CLASS, Verdict.RED),
        ([case("text > of users > is text", failed("no"), "x")], PAGE, Verdict.RED),
        ([case("text > of users > is text")], PAGE, Verdict.GREEN),
    ],
)
def test_all_cases_of_a_test_make_its_verdict(tmp_path, cases, test, verdict):
    junit = tmp_path / "junit.xml"
    junit.write_text(f"<testsuites><testsuite>{''.join(cases)}</testsuite></testsuites>")
    assert outcome(junit, test).verdict is verdict


def test_the_failures_first_line_and_its_place_are_kept(tmp_path):
    junit = tmp_path / "junit.xml"
    junit.write_text(f"<testsuite>{FAILED}</testsuite>")
    assert outcome(junit, TEST) == Outcome(Verdict.RED, "assert 1 == 2", "tests/a/test_b.py:7")


def test_a_run_that_left_no_file_ran_nothing(tmp_path):
    assert outcome(tmp_path / "none.xml", TEST) == Outcome(Verdict.NOT_RUN)
