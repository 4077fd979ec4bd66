"""A copy of the tree in which guards are taken out and put back."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import cache_from_source
from pathlib import Path
from typing import Final

from perf.threats.rows import Row

# What tests need and git ignores; linked where the tree has it.
_LINKED: Final = ("weights", "web/node_modules", "service/pawfect_service/page")


def copy_tree(root: Path, into: Path) -> None:
    """Copy the files that git tracks, and those that it would, as they are on disk.

    Args:
        root: of the tree.
        into: an empty folder.
    """
    listed = _git(root, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    for name in sorted(set(filter(None, listed.split("\0")))):
        # What was deleted and not yet committed is listed all the same.
        if os.path.lexists(root / name):
            (into / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / name, into / name, follow_symlinks=False)
    for name in _LINKED:
        if (root / name).exists() and not (into / name).exists():
            (into / name).parent.mkdir(parents=True, exist_ok=True)
            (into / name).symlink_to((root / name).resolve())


def commit_of(root: Path) -> str:
    """Return the commit's short name, with a plus where files are not as it has them."""
    changed = _git(root, "status", "--porcelain", "--", ".", ":!perf/results", ":!docs")
    return _git(root, "rev-parse", "--short=10", "HEAD").strip() + ("+" if changed.strip() else "")


def _git(root: Path, *arguments: str) -> str:
    return subprocess.run(
        ["git", "-C", str(root), *arguments], check=True, capture_output=True, text=True
    ).stdout


@contextmanager
def without_guard(row: Row, tree: Path) -> Iterator[None]:
    """Take a row's guard out of a copy of the tree for as long as the block runs."""
    path = tree / row.file
    text = path.read_text("utf-8")
    try:
        _write(path, row.without_guard(text))
        yield
    finally:
        _write(path, text)


def _write(path: Path, text: str) -> None:
    path.write_text(text, "utf-8")
    if path.suffix == ".py":
        # Bytecode is taken as new by seconds and size, which both may have stayed.
        Path(cache_from_source(str(path))).unlink(missing_ok=True)
