"""`--push`: a task's results as a commit of a git work tree, pushed, or nothing changed there.

The commit is made beside the work tree, with an index of its own, and pushed; only when the remote
has it do the tree's branch, index and files follow.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pawfect.contract.errors import without_paths
from pawfect.contract.files import write_whole
from pawfect_client.search.search_task import Searched

_REMOTE: Final = "origin"
# A push of some hundred megabytes over a slow line.
_PUSH_S: Final = 600.0
_LOCAL_S: Final = 60.0
# What git keeps while something of several steps is under way there.
_UNDER_WAY: Final = {
    "MERGE_HEAD": "a merge",
    "CHERRY_PICK_HEAD": "a cherry-pick",
    "REVERT_HEAD": "a revert",
    "BISECT_LOG": "a bisection",
    "rebase-merge": "a rebase",
    "rebase-apply": "a rebase",
    "index.lock": "another git command",
}
# How lines start that say what is wrong: a branch that was rejected first.
_TELLING: Final = ("!", "fatal:", "error:")
_RESULTS: Final = ("*.png", "metrics.json", "page.html")


class PushError(Exception):
    """Why nothing was pushed, in words; the tree is as it was, unless they say otherwise."""


@dataclass(frozen=True)
class PushTarget:
    """Where results are pushed.

    Attributes:
        tree: folder of a git work tree.
        remote: name of the remote; None: origin.
        branch: the remote's branch; None: that which the tree is on.
    """

    tree: Path
    remote: str | None = None
    branch: str | None = None


def push_results(searched: Searched, target: PushTarget) -> str:
    """Commit a task's results below the work tree's folder and push them; return what was done.

    Raises:
        PushError: git is missing or refuses, something is under way in the tree, its files there
            were changed, or the push was rejected.
    """
    assert searched.folder is not None
    given = _Git(target.tree)
    prefix = given("rev-parse", "--show-prefix").rstrip("\n")
    root = Path(given("rev-parse", "--show-toplevel").rstrip("\n"))
    git = _Git(root)
    branch = git.branch()
    to = target.branch or branch
    git.check_rests()
    names = {path.name: path for kind in _RESULTS for path in sorted(searched.folder.glob(kind))}
    files = {f"{prefix}{searched.folder.name}/{name}": path for name, path in names.items()}
    try:
        contents = {name: path.read_bytes() for name, path in files.items()}
    except OSError as error:
        raise PushError(f"the results cannot be read: {error.strerror}") from None
    head = git.head()
    _check_untouched(git, root, contents)
    commit = _committed(git, contents, head, message_of(searched))
    where = f"{target.remote or _REMOTE} {to}"
    if commit is None:
        # What an earlier run committed and could not push goes now.
        commit = head or ""
    if not commit:
        raise PushError("there is nothing to push")
    git("push", "--porcelain", target.remote or _REMOTE, f"{commit}:refs/heads/{to}", limit=_PUSH_S)
    if commit == head:
        return f"task {searched.id}: {where} has it"
    _follow(git, root, contents, commit, head, branch)
    return f"task {searched.id}: pushed to {where}"


def message_of(searched: Searched) -> str:
    """Return the commit's message."""
    character = f" ({searched.character})" if searched.character else ""
    return f"Inpaint EACPS result: task {searched.id}{character}"


class _Git:
    """git in a folder."""

    def __init__(self, folder: Path) -> None:
        program = shutil.which("git")
        if program is None:
            raise PushError("git is not installed")
        if not folder.is_dir():
            raise PushError("there is no such folder")
        self._start = [program, "-C", str(folder)]
        self._folder = folder
        if self("rev-parse", "--is-inside-work-tree").strip() != "true":
            raise PushError("this is no git work tree")

    def __call__(
        self,
        *arguments: str,
        given: bytes | None = None,
        limit: float = _LOCAL_S,
        environment: Mapping[str, str] | None = None,
    ) -> str:
        """Return what a command prints; PushError where it fails or takes too long."""
        variables = {**os.environ, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C", **(environment or {})}
        how: dict[str, object] = {"input": given} if given is not None else {}
        if given is None:
            how["stdin"] = subprocess.DEVNULL
        try:
            done = subprocess.run(  # type: ignore[call-overload]
                [*self._start, *arguments],
                capture_output=True,
                timeout=limit,
                env=variables,
                check=False,
                **how,
            )
        except subprocess.TimeoutExpired:
            raise PushError(f"git {arguments[0]} took over {limit:g} s") from None
        if done.returncode:
            raise PushError(f"git {arguments[0]}: {_reason(done.stdout + done.stderr)}")
        text: str = done.stdout.decode(errors="replace")
        return text

    def says(self, *arguments: str) -> str | None:
        """Return what a command prints; None where it fails."""
        try:
            return self(*arguments).strip()
        except PushError:
            return None

    def head(self) -> str | None:
        """Return the commit that the tree is at; None before the first one."""
        return self.says("rev-parse", "--verify", "--quiet", "HEAD^{commit}")

    def branch(self) -> str:
        """Return the branch that the tree is on."""
        name = self.says("symbolic-ref", "--quiet", "--short", "HEAD")
        if not name:
            raise PushError("the work tree is on no branch")
        return name

    def check_rests(self) -> None:
        """Raise PushError where something of several steps is under way in the tree."""
        asked = (word for name in _UNDER_WAY for word in ("--git-path", name))
        paths = self("rev-parse", *asked).splitlines()
        for path, what in zip(paths, _UNDER_WAY.values(), strict=True):
            if (self._folder / path).exists():
                raise PushError(f"{what} is under way there")
        if self("ls-files", "--unmerged"):
            raise PushError("there are conflicts that nobody has resolved")


def _check_untouched(git: _Git, root: Path, contents: Mapping[str, bytes]) -> None:
    """Raise PushError where someone changed what would be written over."""
    how = ("--porcelain=v1", "-z", "--no-renames", "--untracked-files=all", "--ignored")
    changed = git("status", *how, "--", *_from_top(contents))
    for entry in filter(None, changed.split("\0")):
        path, ours = root / entry[3:], contents.get(entry[3:])
        if ours is None or not path.is_file() or path.read_bytes() != ours:
            raise PushError(f"{path.name} there has changes that are not committed")


def _committed(
    git: _Git, contents: Mapping[str, bytes], head: str | None, message: str
) -> str | None:
    """Return a new commit with the files on top of HEAD; None where HEAD has them all."""
    with tempfile.TemporaryDirectory() as folder:
        own = {"GIT_INDEX_FILE": str(Path(folder) / "index")}
        git("read-tree", head or "--empty", environment=own)
        entries = []
        for name, content in contents.items():
            # As the tree's attributes have it, which may keep large files elsewhere.
            blob = git("hash-object", "-w", "--stdin", "--path", name, given=content).strip()
            entries.append(f"100644 {blob}\t{name}\0")
        listed = "".join(entries).encode()
        git("update-index", "-z", "--index-info", given=listed, environment=own)
        tree = git("write-tree", environment=own).strip()
    if head is not None and git("rev-parse", f"{head}^{{tree}}").strip() == tree:
        return None
    parents = [] if head is None else ["-p", head]
    return git("commit-tree", tree, *parents, "-m", message).strip()


def _follow(
    git: _Git,
    root: Path,
    contents: Mapping[str, bytes],
    commit: str,
    head: str | None,
    branch: str,
) -> None:
    """Bring branch, index and files of the tree to the commit that was pushed."""
    before = {root / name: _bytes_of(root / name) for name in contents}
    try:
        for name, content in contents.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            write_whole(root / name, content)
        git("add", "--force", "--", *_from_top(contents))
        git("update-ref", "-m", "pawfect search", f"refs/heads/{branch}", commit, head or "")
    except (OSError, PushError) as error:
        for path, old in before.items():
            _put_back(path, old)
        git.says("reset", "--quiet", "--", *_from_top(contents))
        said = error.strerror if isinstance(error, OSError) else str(error)
        raise PushError(f"it was pushed, but the work tree could not follow: {said}") from None


def _bytes_of(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def _put_back(path: Path, content: bytes | None) -> None:
    with suppress(OSError):
        if content is None:
            path.unlink(missing_ok=True)
        elif path.read_bytes() != content:
            write_whole(path, content)


def _from_top(names: Mapping[str, bytes]) -> Sequence[str]:
    """Return names, counted from the tree's top and taken as they are."""
    return [f":(top,literal){name}" for name in names]


def _reason(said: bytes) -> str:
    """Return the line of git's words that tells most, without paths, addresses and passwords."""
    lines = [line.strip() for line in said.decode(errors="replace").splitlines() if line.strip()]
    telling = [line for start in _TELLING for line in lines if line.startswith(start)]
    line = (telling or lines or ["it failed"])[0]
    return without_paths(" ".join("..." if "://" in word else word for word in line.split()))
