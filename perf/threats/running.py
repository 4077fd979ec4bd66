"""Runs rows' tests in a copy of the tree, with pytest or, for those of the page, with Vitest."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from perf.threats.rows import VITEST
from perf.threats.verdict import Outcome, Verdict, outcome

# The sources that a checkout is installed with, before those of the environment.
_SOURCES: Final = ("", "client", "service", "export")


def run_tests(tree: Path, tests: Iterable[str], timeout_s: float) -> dict[str, Outcome]:
    """Run tests in a tree and return how each ended.

    Args:
        tree: where they run.
        tests: each FILE::NAME or FILE::CLASS::NAME.
        timeout_s: of each process that runs tests; after it all of them are TIMED_OUT.
    """
    ended: dict[str, Outcome] = {}
    tests = sorted(set(tests))
    page = [test for test in tests if test.split("::")[0].endswith(VITEST)]
    python = [test for test in tests if test not in page]
    if python:
        command = (sys.executable, "-m", "pytest", "-q", "--tb=short", "-p", "no:cacheprovider")
        options = ("-o", "addopts=--strict-markers", "--junitxml={junit}")
        ended |= _run(tree, tree, python, (*command, *options, *python), timeout_s)
    for test in page:
        file, name = test.removeprefix("web/").split("::")
        reporter = ("--reporter=junit", "--outputFile={junit}")
        vitest = ("node_modules/.bin/vitest", "run", file, "-t", name, *reporter)
        ended |= _run(tree, tree / "web", [test], vitest, timeout_s)
    return ended


def _run(
    tree: Path, folder: Path, tests: Iterable[str], command: Iterable[str], timeout_s: float
) -> dict[str, Outcome]:
    with TemporaryDirectory(prefix="threats-") as kept:
        junit = Path(kept) / "junit.xml"
        words = [word.replace("{junit}", str(junit)) for word in command]
        process = subprocess.Popen(
            words,
            cwd=folder,
            env=_environment(tree),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return dict.fromkeys(tests, Outcome(Verdict.TIMED_OUT))
        finally:
            # Whatever the test left running goes with it.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        return {test: outcome(junit, test) for test in tests}


def _environment(tree: Path) -> Mapping[str, str]:
    own = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    sources = os.pathsep.join(str(tree / name) for name in _SOURCES)
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    return own | {"PYTHONPATH": sources, "PATH": programs}
