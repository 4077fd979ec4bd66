"""`--push` into a real work tree with a real remote: a commit there, or nothing changed."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from pawfect_client.search.push import PushError, PushTarget, message_of, push_results
from pawfect_client.search.search_task import Searched

NAMES = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "Ann",
    "GIT_AUTHOR_EMAIL": "ann@example.org",
    "GIT_COMMITTER_NAME": "Ann",
    "GIT_COMMITTER_EMAIL": "ann@example.org",
}


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """A work tree on main with one commit, which its remote has, and a file of someone's own."""
    for name, value in NAMES.items():
        monkeypatch.setenv(name, value)
    bare, tree = tmp_path / "bare.git", tmp_path / "tree"
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(bare)], check=True)
    subprocess.run(["git", "init", "-q", "-b", "main", str(tree)], check=True)
    git(tree, "remote", "add", "origin", str(bare))
    (tree / "readme.txt").write_text("ours\n")
    git(tree, "add", "readme.txt")
    git(tree, "commit", "-q", "-m", "first")
    git(tree, "push", "-q", "origin", "main")
    (tree / "draft.txt").write_text("half\n")
    git(tree, "add", "draft.txt")
    (tree / "readme.txt").write_text("ours, changed\n")
    return tree


@pytest.fixture
def searched(tmp_path):
    folder = tmp_path / "out" / "task_7"
    folder.mkdir(parents=True)
    for name in ("init.png", "result.png", "candidate_0_seed0.png", "metrics.json", "page.html"):
        (folder / name).write_bytes(name.encode())
    (folder / "candidate_0_seed0.json").write_text("{}")
    return Searched(7, "Rex", folder)


def state(tree: Path) -> tuple[str, ...]:
    files = {
        str(path.relative_to(tree)): path.read_bytes()
        for path in sorted(tree.rglob("*"))
        if path.is_file() and ".git" not in path.relative_to(tree).parts
    }
    told = git(tree, "status", "--porcelain=v1", "-z", "--untracked-files=all")
    return (
        git(tree, "for-each-ref", "refs/heads"),
        told,
        git(tree, "ls-files", "--stage"),
        str(files),
    )


def refused(searched, target) -> str:
    with pytest.raises(PushError) as caught:
        push_results(searched, target)
    return str(caught.value)


RESULTS = [
    f"task_7/{name}"
    for name in (
        "candidate_0_seed0.png",
        "init.png",
        "metrics.json",
        "page.html",
        "result.png",
    )
]


def test_results_are_one_commit_that_the_remote_has_and_nothing_else_is_in_it(tree, searched):
    assert push_results(searched, PushTarget(tree)) == "task 7: pushed to origin main"
    bare = tree.parent / "bare.git"
    assert git(bare, "log", "-1", "--format=%s", "main") == "Inpaint EACPS result: task 7 (Rex)"
    assert git(bare, "rev-parse", "main") == git(tree, "rev-parse", "HEAD")
    assert git(tree, "diff", "--name-only", "HEAD~1", "HEAD").splitlines() == RESULTS
    assert (tree / "task_7" / "result.png").read_bytes() == b"result.png"
    # What someone has staged and changed stays so.
    assert git(tree, "status", "--porcelain").splitlines() == ["A  draft.txt", " M readme.txt"]


def test_a_second_push_of_the_same_makes_no_commit(tree, searched):
    push_results(searched, PushTarget(tree))
    before = state(tree)
    assert push_results(searched, PushTarget(tree)) == "task 7: origin main has it"
    assert state(tree) == before
    (searched.folder / "result.png").write_bytes(b"better")
    push_results(searched, PushTarget(tree))
    assert git(tree, "diff", "--name-only", "HEAD~1", "HEAD") == "task_7/result.png"


def test_another_branch_of_the_remote_and_a_folder_within_the_tree(tree, searched):
    inner = tree / "results"
    inner.mkdir()
    told = push_results(searched, PushTarget(inner, "origin", "searches"))
    assert told == "task 7: pushed to origin searches"
    bare = tree.parent / "bare.git"
    assert git(bare, "rev-parse", "searches") == git(tree, "rev-parse", "main")
    assert git(bare, "rev-parse", "main") == git(tree, "rev-parse", "main~1")
    assert (inner / "task_7" / "page.html").exists()


def test_results_that_lie_in_the_tree_already_are_committed_where_they_are(tree, searched):
    searched.folder.rename(tree / "task_7")
    (tree / ".gitignore").write_text("*.png\n")
    inside = Searched(7, None, tree / "task_7")
    assert push_results(inside, PushTarget(tree)) == "task 7: pushed to origin main"
    assert git(tree, "log", "-1", "--format=%s") == "Inpaint EACPS result: task 7"
    assert "task_7/result.png" in git(tree, "ls-files")


def merge_under_way(tree):
    git(tree, "stash", "-q")
    git(tree, "checkout", "-q", "-b", "other")
    (tree / "readme.txt").write_text("theirs\n")
    git(tree, "commit", "-q", "-am", "theirs")
    git(tree, "checkout", "-q", "main")
    (tree / "readme.txt").write_text("ours again\n")
    git(tree, "commit", "-q", "-am", "ours")
    done = subprocess.run(["git", "-C", str(tree), "merge", "other"], capture_output=True)
    assert done.returncode == 1


def remote_went_on(tree):
    other = tree.parent / "other"
    git(tree, "clone", "-q", str(tree.parent / "bare.git"), str(other))
    (other / "new.txt").write_text("new\n")
    git(other, "add", "new.txt")
    git(other, "commit", "-q", "-m", "new")
    git(other, "push", "-q", "origin", "main")


def changed_there(tree):
    (tree / "task_7").mkdir()
    (tree / "task_7" / "result.png").write_bytes(b"retouched by hand")


def on_no_branch(tree):
    git(tree, "checkout", "-q", "--detach")


def no_identity(tree):
    for name in NAMES:
        if name.startswith(("GIT_AUTHOR", "GIT_COMMITTER")):
            os.environ.pop(name, None)
    git(tree, "config", "user.useConfigOnly", "true")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (merge_under_way, "a merge is under way there"),
        (remote_went_on, "git push: ! "),
        (changed_there, "result.png there has changes that are not committed"),
        (on_no_branch, "the work tree is on no branch"),
        (no_identity, "git commit-tree: fatal: "),
        (lambda tree: git(tree, "remote", "remove", "origin"), "git push: fatal: 'origin'"),
        (
            lambda tree: (tree / ".git" / "index.lock").write_text(""),
            "another git command is under way there",
        ),
    ],
    ids=["merge", "rejected", "changed", "detached", "identity", "remote", "lock"],
)
def test_what_fails_says_why_and_leaves_the_tree_as_it_was(tree, searched, spoil, said):
    spoil(tree)
    before = state(tree)
    assert refused(searched, PushTarget(tree)).startswith(said)
    assert state(tree) == before


def test_where_the_tree_cannot_follow_it_is_as_it_was(tree, searched):
    # As where someone else moves the branch while the push is on its way.
    race = tree / ".git" / "hooks" / "reference-transaction"
    race.write_text(
        '#!/bin/sh\n[ "$1" = prepared ] || exit 0\n'
        "while read old new ref; do [ $ref != refs/heads/main ] || exit 1; done\n"
    )
    race.chmod(0o755)
    before = state(tree)
    said = refused(searched, PushTarget(tree))
    assert said.startswith("it was pushed, but the work tree could not follow: git update-ref")
    assert state(tree) == before
    assert not (tree / "task_7" / "result.png").exists()


def test_no_work_tree_no_folder_and_no_git_are_said(tree, searched, tmp_path, monkeypatch):
    assert "git rev-parse: fatal: not a git repository" in refused(
        searched, PushTarget(tmp_path / "out")
    )
    assert refused(searched, PushTarget(tmp_path / "gone")) == "there is no such folder"
    assert refused(searched, PushTarget(tree.parent / "bare.git")).startswith(
        ("this is no git work tree", "git rev-parse: fatal: this operation must be run in a work")
    )
    monkeypatch.setenv("PATH", str(tmp_path))
    assert refused(searched, PushTarget(tree)) == "git is not installed"


def test_a_task_without_a_character_has_no_brackets():
    assert message_of(Searched(3)) == "Inpaint EACPS result: task 3"


def test_the_command_pushes_each_task_and_a_failure_is_a_warning(tree, desk):
    run = desk("--push", "origin", "main", "--push-tree", str(tree), "--character", "Rex")
    assert run.exit_code == 0, run.output
    assert "task photo: pushed to origin main" in run.stdout
    files = git(tree, "ls-tree", "--name-only", "-r", "HEAD", "task_photo").splitlines()
    assert "task_photo/result.png" in files
    assert len([name for name in files if "candidate" in name]) == 8
    (tree / ".git" / "MERGE_HEAD").write_text(git(tree, "rev-parse", "HEAD"))
    again = desk("--push", "--push-tree", str(tree), "--seed=3")
    assert again.exit_code == 0
    assert "pawfect: --push: task photo: not pushed: a merge is under way there" in again.stderr
    (tree / ".git" / "MERGE_HEAD").unlink()
    # What could not be pushed goes with the next run, though the task is complete.
    later = desk("--push", "--push-tree", str(tree), "--seed=3")
    assert "task photo: pushed to origin main" in later.stdout
