"""All that a release consists of: locked packages, the page's npm packages, sets of weights."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any, Final

from packaging.markers import default_environment

from pawfect.weights.manifest import Entry, manifest
from perf.release.licences import WEIGHTS, Part, licence_of
from perf.release.pins import ROOT, SETS, Pin, pins_of

PYPI: Final = "pypi"
NPM: Final = "npm"
# npm packages whose code is in the page, and those that only build and test it.
PAGE: Final = "page"
PAGE_DEV: Final = "page-dev"
_LOCK: Final = ROOT / "web" / "package-lock.json"


def all_parts() -> tuple[Part, ...]:
    """Return everything, by kind and name."""
    return (*python_parts(), *page_parts(), *weights_parts())


def python_parts() -> tuple[Part, ...]:
    """Return the locked packages with the sets that they are in."""
    found: dict[tuple[str, str], Pin] = {}
    sets: dict[tuple[str, str], set[str]] = defaultdict(set)
    for name, files in SETS.items():
        for pin in pins_of(files):
            found[pin.name, pin.version] = pin
            sets[pin.name, pin.version].add(name)
    return tuple(
        Part(PYPI, pin.name, pin.version, licence_of(pin.name), frozenset(sets[key]), pin.hashes)
        for key, pin in sorted(found.items())
    )


def page_parts(lock: Path = _LOCK) -> tuple[Part, ...]:
    """Return the page's npm packages, each version once.

    Args:
        lock: npm's, of lockfileVersion 3.
    """
    found: dict[tuple[str, str], Part] = {}
    packages: dict[str, Any] = json.loads(lock.read_text("utf-8"))["packages"]
    for place, package in packages.items():
        if not place:
            continue
        name = place.rpartition("node_modules/")[2]
        own = frozenset({PAGE_DEV if package.get("dev") else PAGE})
        key = (name, package["version"])
        before = found[key].sets if key in found else frozenset()
        found[key] = Part(NPM, *key, package.get("license"), own | before)
    return tuple(part for _, part in sorted(found.items()))


def weights_parts() -> tuple[Part, ...]:
    """Return the manifest's sets of weights."""
    return tuple(_weights(entry) for _, entry in sorted(manifest().items()))


def _weights(entry: Entry) -> Part:
    about = entry.licence_note or ("" if entry.commercial else "not for commercial use")
    return Part(
        WEIGHTS,
        entry.name,
        entry.revision or entry.version or "built",
        entry.licence,
        frozenset({WEIGHTS}),
        tuple(file.sha256 for file in entry.files if file.sha256),
        about,
    )


def installed_here(pin: Pin) -> bool:
    """Say whether a pin is for this machine and this Python."""
    return pin.installed({key: str(value) for key, value in default_environment().items()})
