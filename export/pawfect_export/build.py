"""Entries that are built here: a table of builders, each imported when it runs."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from pawfect.errors import ErrorKind, PawfectError
from pawfect.weights.lock import BUILT_HERE, held, now
from pawfect.weights.store import Store, locked_folder
from pawfect_export.progress import Watch


@dataclass(frozen=True)
class Builder:
    """How an entry is built.

    Attributes:
        function: MODULE:NAME; called with the folder, then with the source's folder if there is
            one.
        source: the entry that it is made of, or None.
        options: further arguments.
    """

    function: str
    source: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    def load(self) -> Callable[..., None]:
        """Import the function."""
        module, name = self.function.split(":")
        function: Callable[..., None] = getattr(import_module(module), name)
        return function


BUILDERS: Final[Mapping[str, Builder]] = MappingProxyType(
    {
        "tiny-flux-fill": Builder("pawfect_export.tiny.flux:build"),
        "tiny-flux-fill-q8_0": Builder(
            "pawfect_export.tiny.flux_gguf:build",
            "tiny-flux-fill",
            {"quantisation": "Q8_0"},
        ),
        "tiny-sam3": Builder("pawfect_export.tiny.sam3:build"),
        "tiny-florence2": Builder("pawfect_export.tiny.florence2:build"),
    }
)


def build_entry(
    name: str, store: Store, watch: Watch, builders: Mapping[str, Builder] | None = None
) -> None:
    """Build an entry, and first the one that it is made of; the caller holds the entry.

    The folder appears at once and whole: it is built beside its place and renamed.

    Args:
        name: of a built entry.
        store: where it goes.
        watch: is told how it goes.
        builders: by entry; None: BUILDERS.

    Raises:
        PawfectError: UNAVAILABLE where a package that the builder needs is not installed.
    """
    builders = BUILDERS if builders is None else builders
    builder = builders[name]
    folders = []
    if builder.source is not None:
        source = builder.source
        with held(store.root, f"fetch-{source}"):
            if any(store.problems(source)):
                build_entry(source, store, watch, builders)
        folders.append(store.root / source)
    watch.say(f"{name}: building")
    try:
        function = builder.load()
    except ModuleNotFoundError as error:
        raise PawfectError(
            ErrorKind.UNAVAILABLE,
            f"weights {name}: building needs the package {error.name}: "
            "pip install 'pawfect[neural]'",
        ) from None
    store.root.mkdir(parents=True, exist_ok=True)
    place = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=store.root))
    try:
        made = place / name
        made.mkdir()
        function(made, *folders, **builder.options)
        locked = locked_folder(made, BUILT_HERE, now())
        target = store.root / name
        if target.exists():
            os.replace(target, place / "before")
        os.replace(made, target)
    finally:
        shutil.rmtree(place, ignore_errors=True)
    store.lock.put(name, locked)
    watch.say(f"{name}: built")
