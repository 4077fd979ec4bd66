"""`make audit-dependencies`: whether a locked package has faults that somebody published.

    python -m perf.release.advisories [--osv-url URL] [--npm-registry URL]

pip-audit asks OSV, and where that does not answer PyPI, about every locked Python package; npm
asks its registry about the page's. Exit code 0: nothing is known; 1: something is; 69: a part was
not answered, so that nothing is known of it.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import click

from perf.publish import table
from perf.release.parts import python_parts
from perf.release.pins import ROOT

OSV_URL: Final = "https://api.osv.dev/v1/query"
KNOWN: Final = 1
# As the table of errors has it for what is not there now.
UNANSWERED: Final = 69
# One package after the other: some 500 of them, over a slow line.
_LIMIT_S: Final = 1800.0
# A line of the table.
_MOST_ABOUT: Final = 100


@dataclass(frozen=True)
class Advisory:
    """A published fault of a locked package.

    Attributes:
        package: its name.
        version: the locked one.
        id: of the advisory.
        about: what it says, in short.
        fixed: versions without it, or empty.
    """

    package: str
    version: str
    id: str
    about: str
    fixed: str


@dataclass(frozen=True)
class Answer:
    """What a source said.

    Attributes:
        source: its name.
        asked: packages that it was asked about.
        unknown: those of them that it does not know.
        advisories: of the others.
    """

    source: str
    asked: int
    unknown: tuple[str, ...]
    advisories: tuple[Advisory, ...]


def ask_about_python(pins: Iterable[tuple[str, str]], osv_url: str = OSV_URL) -> Answer | None:
    """Return what OSV says of packages, or PyPI where OSV does not answer; None where neither does.

    Args:
        pins: name and version of each.
        osv_url: of OSV's query, or of what speaks its API.
    """
    pins = sorted(set(pins))
    for source, options in (("OSV", ("osv", "--osv-url", osv_url)), ("PyPI", ("pypi",))):
        answers = [_pip_audit(some, options) for some in apart(pins)]
        found = [one for answer in answers if answer is not None for one in answer]
        # PyPI's way to say that it has no such interface is that it knows no package.
        if None not in answers and any("version" in one for one in found):
            return read_pip_audit(source, found)
    return None


def apart(pins: Iterable[tuple[str, str]]) -> list[list[tuple[str, str]]]:
    """Return packages in as many lists as there are versions of one: each list has a name once."""
    lists: list[dict[str, str]] = []
    for name, version in pins:
        free = next((one for one in lists if name not in one), None)
        if free is None:
            lists.append(free := {})
        free[name] = version
    return [list(one.items()) for one in lists]


def read_pip_audit(source: str, dependencies: Iterable[Mapping[str, Any]]) -> Answer:
    """Return the answer in what pip-audit prints.

    Args:
        source: whom it asked.
        dependencies: the list of that name in its JSON.
    """
    dependencies = list(dependencies)
    unknown = tuple(one["name"] for one in dependencies if "version" not in one)
    advisories = tuple(
        Advisory(
            one["name"],
            one["version"],
            fault["id"],
            _short(fault.get("description", "")),
            ", ".join(fault.get("fix_versions", [])),
        )
        for one in dependencies
        for fault in one.get("vulns", [])
    )
    return Answer(source, len(dependencies), unknown, advisories)


def _pip_audit(
    pins: Sequence[tuple[str, str]], options: Sequence[str]
) -> list[dict[str, Any]] | None:
    with tempfile.TemporaryDirectory() as folder:
        wanted = Path(folder) / "requirements.txt"
        wanted.write_text("".join(f"{name}=={version}\n" for name, version in pins), "utf-8")
        # All that is asked about is pinned: nothing is resolved, and pip is not asked.
        how = ("--no-deps", "--disable-pip", "--format", "json", "--progress-spinner", "off")
        kept = ("--cache-dir", f"{folder}/cache")
        given = ("--requirement", str(wanted), "--vulnerability-service", *options)
        said = _said((sys.executable, "-m", "pip_audit", *how, *kept, *given), ROOT)
    found = said.get("dependencies") if said else None
    return found if isinstance(found, list) else None


def ask_about_page(folder: Path, registry: str | None = None) -> Answer | None:
    """Return what npm's registry says of the packages of a lock file; None where it does not.

    Args:
        folder: of package.json and package-lock.json.
        registry: another than the user's.
    """
    npm = shutil.which("npm")
    if npm is None:
        return None
    other = ("--registry", registry) if registry else ()
    said = _said((npm, "audit", "--json", "--package-lock-only", *other), folder)
    if said is None or not isinstance(said.get("vulnerabilities"), dict):
        return None
    lock: dict[str, Any] = json.loads((folder / "package-lock.json").read_text("utf-8"))["packages"]
    return Answer("npm", len(lock) - 1, (), tuple(read_npm_audit(said, lock)))


def read_npm_audit(said: Mapping[str, Any], lock: Mapping[str, Any]) -> Iterator[Advisory]:
    """Yield the advisories in what npm prints, each once for each version that is locked.

    Args:
        said: `npm audit --json`, of report version 2.
        lock: the lock file's packages by their places.
    """
    for name, found in said["vulnerabilities"].items():
        versions = sorted({lock[place]["version"] for place in found["nodes"] if place in lock})
        # A name alone: what it stands on has the fault, and is told by itself.
        faults = [via for via in found["via"] if isinstance(via, dict)]
        for version in versions:
            for fault in faults:
                id_ = str(fault.get("url", fault.get("source", ""))).rpartition("/")[2]
                about = _short(f"{fault.get('severity', '')}: {fault.get('title', '')}")
                yield Advisory(name, version, id_, about, f"not {fault.get('range', '')}")


def _said(command: Sequence[str], folder: Path) -> dict[str, Any] | None:
    """Return the JSON object that a command prints; None where it prints none."""
    try:
        run = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=_LIMIT_S, check=False
        )
        said = json.loads(run.stdout)
    except (OSError, subprocess.TimeoutExpired, ValueError):
        return None
    return said if isinstance(said, dict) else None


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _MOST_ABOUT else f"{line[:_MOST_ABOUT]}..."


def told(answers: Mapping[str, Answer | None]) -> str:
    """Return what came of it, in Markdown.

    Args:
        answers: by what was asked about; None where no source answered.
    """
    lines = []
    for what, answer in answers.items():
        if answer is None:
            lines.append(f"{what}: NO SOURCE ANSWERED; nothing is known of these packages")
            continue
        lines.append(f"{what}: {answer.source} answered about {answer.asked} packages")
        if answer.unknown:
            lines.append(f"{what}: unknown there: {', '.join(answer.unknown)}")
    head = ("package", "version", "advisory", "about", "fixed")
    rows = [
        (one.package, one.version, one.id, one.about.replace("|", "\\|"), one.fixed)
        for answer in answers.values()
        if answer
        for one in answer.advisories
    ]
    return "\n".join(lines) + (f"\n\n{table(head, rows)}" if rows else "")


def exit_code(answers: Iterable[Answer | None]) -> int:
    """Return KNOWN where anything is known, UNANSWERED where somebody did not answer, else 0."""
    answers = list(answers)
    if any(answer.advisories for answer in answers if answer):
        return KNOWN
    return UNANSWERED if None in answers else 0


@click.command()
@click.option("--osv-url", default=OSV_URL, metavar="URL", show_default=True)
@click.option("--npm-registry", metavar="URL", help="Another than npm's own settings say.")
def main(osv_url: str, npm_registry: str | None) -> None:
    """Ask about every locked package."""
    pins = [(part.name, part.version) for part in python_parts()]
    answers = {
        "Python": ask_about_python(pins, osv_url),
        "page": ask_about_page(ROOT / "web", npm_registry),
    }
    click.echo(told(answers))
    sys.exit(exit_code(answers.values()))


if __name__ == "__main__":
    main()
