"""The locked requirements: which packages in which versions each set of them installs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT: Final = Path(__file__).resolve().parents[2]
# Files of requirements/ by the set that they install, as in the Makefile and the Dockerfiles.
SETS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "server": ("server", "ocr", "faces", "tritonserver"),
        "neural": ("server", "ocr", "faces", "tritonserver", "neural", "torch"),
        "card": ("server", "ocr", "faces", "neural", "torch-cuda", "kernels"),
        "sessions": ("server", "ocr", "faces", "tritonserver", "sessions"),
        "service": ("service",),
        "build": ("build",),
        "dev": ("dev", "moondream"),
        "perf": ("perf", "torch"),
        "peer": ("rembg",),
        # Installed by no target, but by who wants it.
        "dlib": ("dlib",),
    }
)
# Sets that reach a user: in an image, or by a command that is no measurement.
SHIPPED: Final = frozenset({"server", "neural", "card", "sessions", "service"})
# Where any of it may run. A pin whose marker is true in none of these is installed by nobody.
_PLATFORMS: Final = (("linux", "Linux"), ("darwin", "Darwin"), ("win32", "Windows"))
_MACHINES: Final = ("x86_64", "aarch64")
_PYTHONS: Final = ("3.11", "3.12")
_PIN: Final = re.compile(r"^(?P<spec>[A-Za-z0-9][^\\#]*?)\s*\\?\s*$")
_HASH: Final = re.compile(r"--hash=sha256:([0-9a-f]{64})")


@dataclass(frozen=True)
class Pin:
    """One locked package.

    Attributes:
        name: as the registry's index normalises it.
        version: the exact one.
        marker: where it is installed, as PEP 508 writes it; empty: everywhere.
        hashes: SHA-256 of its files; empty where the file has none.
    """

    name: str
    version: str
    marker: str
    hashes: tuple[str, ...]

    def installed(self, environment: Mapping[str, str]) -> bool:
        """Say whether it is installed in an environment, of PEP 508's variables."""
        return not self.marker or Requirement(f"x; {self.marker}").marker.evaluate(  # type: ignore[union-attr]
            dict(environment)
        )


def read_pins(path: Path) -> tuple[Pin, ...]:
    """Read a file of locked requirements.

    Args:
        path: of the file; lines `name==version; marker`, with hashes on lines of their own.

    Raises:
        ValueError: a requirement that names no exact version.
    """
    pins: list[Pin] = []
    for line in path.read_text("utf-8").splitlines():
        if digests := _HASH.findall(line):
            last = pins.pop()
            pins.append(Pin(last.name, last.version, last.marker, (*last.hashes, *digests)))
        elif found := _PIN.match(line):
            asked = Requirement(found["spec"])
            exact = [each.version for each in asked.specifier if each.operator == "=="]
            if len(exact) != 1:
                raise ValueError(f"{path.name}: expected NAME==VERSION, got {line.strip()}")
            marker = str(asked.marker or "")
            pins.append(Pin(canonicalize_name(asked.name), exact[0], marker, ()))
    return tuple(pins)


def pins_of(files: Iterable[str], folder: Path = ROOT / "requirements") -> tuple[Pin, ...]:
    """Return what files of locked requirements install, each package once, by name.

    Args:
        files: names without `.txt`; of a package in several the last one's pin is taken, as it is
            installed last.
        folder: that holds them.
    """
    by_name = {pin.name: pin for file in files for pin in read_pins(folder / f"{file}.txt")}
    environments = list(_environments())
    wanted = (pin for pin in by_name.values() if any(map(pin.installed, environments)))
    return tuple(sorted(wanted, key=lambda pin: pin.name))


def _environments() -> Iterable[Mapping[str, str]]:
    for platform, system in _PLATFORMS:
        for machine in _MACHINES:
            for python in _PYTHONS:
                yield {
                    "sys_platform": platform,
                    "platform_system": system,
                    "platform_machine": machine,
                    "python_version": python,
                    "python_full_version": f"{python}.0",
                    "implementation_name": "cpython",
                    "platform_python_implementation": "CPython",
                    "os_name": "nt" if platform == "win32" else "posix",
                    "extra": "",
                }
