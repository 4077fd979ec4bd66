"""How results are published: a JSON file and a page, with command, versions, machine and date."""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource


def provenance(command: str, packages: tuple[str, ...]) -> dict[str, Any]:
    """Return where and with what a result was measured.

    Args:
        command: what anyone can run to repeat it.
        packages: distributions whose versions matter.
    """
    versions = {"python": platform.python_version()}
    for package in packages:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "absent"
    return {
        "command": command,
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "machine": f"{cpu_name()}, {os.cpu_count()} cores, {sys.platform}",
        "versions": versions,
    }


def given_command(command: str) -> str:
    """Return a command with the options it was given, metavars in place of this machine's folders.

    Args:
        command: what runs it; its click command is the current one.
    """
    context, words = click.get_current_context(), [command]
    for option in context.command.params:
        given = context.get_parameter_source(option.name or "") is ParameterSource.COMMANDLINE
        value = context.params.get(option.name or "")
        # Where the results are written changes none of them.
        if not given or option.name == "out":
            continue
        for one in value if isinstance(value, tuple) else (value,):
            shown = option.metavar if isinstance(one, Path) else one
            name = option.secondary_opts[0] if one is False else option.opts[0]
            words.append(name if isinstance(one, bool) else f"{name} {shown}")
    return " ".join(words)


def cpu_name() -> str:
    """Return the processor's model name."""
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.machine()


def as_markdown(source: Mapping[str, Any]) -> str:
    """Return the provenance as lines of Markdown."""
    versions = ", ".join(f"{name} {number}" for name, number in source["versions"].items())
    return f"`{source['command']}`, {source['date']}, {source['machine']}.\n{versions}.\n"


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a Markdown table, a newline at its end.

    Args:
        head: of each column.
        rows: cells, written as `str` writes them.
    """
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(str(value) for value in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def publish(out: Path, name: str, result: Mapping[str, Any], page: str) -> None:
    """Write NAME.json and NAME.md into a folder, which is made if missing."""
    out.mkdir(parents=True, exist_ok=True)
    (out / f"{name}.json").write_text(json.dumps(result, indent=1) + "\n", "utf-8")
    (out / f"{name}.md").write_text(page, "utf-8")
