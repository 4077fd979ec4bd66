"""Published faults of locked packages: the real clients against a server of their sources' API."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from click.testing import CliRunner

from perf.release.advisories import (
    KNOWN,
    UNANSWERED,
    Advisory,
    Answer,
    apart,
    ask_about_page,
    ask_about_python,
    exit_code,
    main,
    read_npm_audit,
    read_pip_audit,
    told,
)
from tests.loopback import serving

GONE = "http://127.0.0.1:9/"
FAULT = {
    "id": "PYSEC-2021-108",
    "aliases": ["CVE-2021-33503"],
    "summary": "slow on many at-signs",
    "affected": [
        {
            "package": {"name": "urllib3", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "1.26.5"}]}],
        }
    ],
}
HOLE = {
    "id": 1179,
    "url": "https://github.com/advisories/GHSA-vh95-rmgr-6w4m",
    "title": "Prototype Pollution in minimist",
    "severity": "critical",
    "vulnerable_versions": "<0.2.1",
}
URLLIB3 = Advisory("urllib3", "1.26.0", "PYSEC-2021-108", "slow on many at-signs", "1.26.5")
POLLUTION = "critical: Prototype Pollution in minimist"
MINIMIST = Advisory("minimist", "0.0.8", "GHSA-vh95-rmgr-6w4m", POLLUTION, "not <0.2.1")


class Source:
    """Speaks as much of OSV's and of npm's registry as the two clients ask for."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.faulty = True
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}/"

    @contextmanager
    def serving(self) -> Iterator[Source]:
        with serving(self._http):
            yield self

    def answer(self, path: str, asked: Any) -> Any:
        self.asked.append(asked)
        if path.endswith("/advisories/bulk"):
            return {"minimist": [HOLE]} if self.faulty else {}
        name = asked["package"]["name"]
        return {"vulns": [FAULT]} if self.faulty and name == "urllib3" else {}

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                self._send(owner.answer(self.path, json.loads(body)))

            def do_GET(self) -> None:
                # npm asks which versions there are.
                self._send({"name": "minimist", "versions": {"0.0.8": {"version": "0.0.8"}}})

            def _send(self, said: Any) -> None:
                content = json.dumps(said).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *args: Any) -> None:
                pass

        return Handler


@pytest.fixture
def source() -> Iterator[Source]:
    with Source().serving() as running:
        yield running


@pytest.fixture
def page(tmp_path):
    """A folder whose lock has one package."""
    own = {"name": "page", "version": "1.0.0", "dependencies": {"minimist": "0.0.8"}}
    (tmp_path / "package.json").write_text(json.dumps(own))
    locked = {
        "version": "0.0.8",
        "resolved": "https://registry.npmjs.org/minimist/-/minimist-0.0.8.tgz",
    }
    lock = {
        "name": "page",
        "lockfileVersion": 3,
        "packages": {"": own, "node_modules/minimist": locked},
    }
    (tmp_path / "package-lock.json").write_text(json.dumps(lock))
    return tmp_path


@pytest.mark.slow
def test_osvs_answer_about_each_version_of_each_package_is_read(source):
    pins = [("urllib3", "1.26.0"), ("click", "8.1.8"), ("urllib3", "2.6.0")]
    answer = ask_about_python(pins, f"{source.url}v1/query")
    assert answer is not None
    assert (answer.source, answer.asked, answer.unknown) == ("OSV", 3, ())
    assert URLLIB3 in answer.advisories
    asked = {(one["package"]["name"], one["version"]) for one in source.asked}
    assert asked == set(pins)
    assert {one["package"]["ecosystem"] for one in source.asked} == {"PyPI"}
    source.faulty = False
    clean = ask_about_python(pins, f"{source.url}v1/query")
    assert clean == Answer("OSV", 3, (), ())


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed")
def test_npms_answer_is_read(source, page):
    answer = ask_about_page(page, source.url)
    assert answer == Answer("npm", 1, (), (MINIMIST,))
    assert source.asked == [{"minimist": ["0.0.8"]}]
    source.faulty = False
    assert ask_about_page(page, source.url) == Answer("npm", 1, (), ())


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed")
def test_a_registry_that_does_not_answer_is_no_clean_answer(page):
    assert ask_about_page(page, GONE) is None


def test_the_command_says_that_nobody_answered_and_ends_with_69(monkeypatch):
    monkeypatch.setattr("perf.release.advisories.ask_about_python", lambda *given: None)
    clean = Answer("npm", 300, (), ())
    monkeypatch.setattr("perf.release.advisories.ask_about_page", lambda *given: clean)
    said = CliRunner().invoke(main, [])
    assert said.exit_code == 69
    assert "Python: NO SOURCE ANSWERED; nothing is known of these packages" in said.output
    assert "page: npm answered about 300 packages" in said.output


def test_what_is_known_goes_before_what_is_not():
    clean, known = Answer("OSV", 1, (), ()), Answer("npm", 1, (), (MINIMIST,))
    assert exit_code([clean, clean]) == 0
    assert exit_code([clean, None]) == UNANSWERED
    assert exit_code([None, known]) == KNOWN
    assert exit_code([clean, known]) == KNOWN
    assert "| minimist | 0.0.8 | GHSA-vh95-rmgr-6w4m |" in told({"page": known})


def test_a_package_that_a_source_does_not_know_is_told_and_not_clean():
    skipped = {"name": "torch", "skip_reason": "not found"}
    clean = {"name": "click", "version": "8.1.8", "vulns": []}
    answer = read_pip_audit("PyPI", [skipped, clean])
    assert answer == Answer("PyPI", 2, ("torch",), ())
    assert "Python: unknown there: torch" in told({"Python": answer})


def test_a_source_that_knows_no_package_at_all_has_not_answered(monkeypatch):
    skipped = [{"name": "click", "skip_reason": "not found"}]
    monkeypatch.setattr("perf.release.advisories._pip_audit", lambda *given: skipped)
    assert ask_about_python([("click", "8.1.8")]) is None


def test_each_list_has_a_name_once():
    pins = [("a", "1"), ("a", "2"), ("b", "1"), ("a", "3")]
    assert apart(pins) == [[("a", "1"), ("b", "1")], [("a", "2")], [("a", "3")]]


def test_a_package_that_only_stands_on_a_faulty_one_is_not_told_twice():
    lock = {"node_modules/mkdirp": {"version": "0.5.1"}}
    above = {"nodes": ["node_modules/mkdirp"], "via": ["minimist"]}
    assert list(read_npm_audit({"vulnerabilities": {"mkdirp": above}}, lock)) == []
