"""What stands beside every published figure: command, versions, machine, date."""

from __future__ import annotations

import os
import platform
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any


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


def cpu_name() -> str:
    """Return the processor's model name."""
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.machine()


def as_markdown(source: dict[str, Any]) -> str:
    """Return the provenance as lines of Markdown."""
    versions = ", ".join(f"{name} {number}" for name, number in source["versions"].items())
    return f"`{source['command']}`, {source['date']}, {source['machine']}.\n{versions}.\n"
