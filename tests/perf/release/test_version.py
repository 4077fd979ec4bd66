"""The version comes from git's tags, wherever the package is built from; the changelog knows it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from datetime import date
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.version import Version

from pawfect import __version__
from pawfect.contract.report import Report
from perf.release.pins import ROOT

CHANGELOG = (ROOT / "CHANGELOG.md").read_text("utf-8")
SECTION = re.compile(r"^## \[(?P<name>[^\]]+)\](?: - (?P<date>\S+))?$", re.M)
KINDS = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def git(folder: Path, *arguments: str) -> str:
    author = ("-c", "user.name=n", "-c", "user.email=n@example.com", "-c", "commit.gpgsign=false")
    ran = subprocess.run(
        ["git", *author, *arguments], cwd=folder, check=True, capture_output=True, text=True
    )
    return ran.stdout.strip()


def built_version(folder: Path) -> str:
    ran = subprocess.run(
        [sys.executable, "-m", "hatchling", "version"],
        cwd=folder,
        check=True,
        capture_output=True,
        text=True,
    )
    return ran.stdout.strip()


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A repository with this project's build file and one commit."""
    folder = tmp_path / "clone"
    folder.mkdir()
    shutil.copy(ROOT / "pyproject.toml", folder)
    git(folder, "init", "--quiet")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "--message=one")
    return folder


def test_a_tagged_commit_is_that_release_and_later_ones_come_before_the_next(clone):
    git(clone, "tag", "v1.2.3")
    assert built_version(clone) == "1.2.3"
    git(clone, "commit", "--quiet", "--allow-empty", "--message=two")
    later = built_version(clone)
    assert later == f"1.2.4.dev1+g{git(clone, 'rev-parse', '--short=9', 'HEAD')}"
    assert Version("1.2.3") < Version(later) < Version("1.2.4")


def test_a_shallow_clone_without_tags_names_its_commit_before_any_release(clone, tmp_path):
    git(clone, "tag", "v1.2.3")
    git(clone, "commit", "--quiet", "--allow-empty", "--message=two")
    shallow = tmp_path / "shallow"
    git(tmp_path, "clone", "--quiet", "--depth=1", "--no-tags", clone.as_uri(), str(shallow))
    assert git(shallow, "tag") == ""
    head = git(clone, "rev-parse", "--short=9", "HEAD")
    assert built_version(shallow) == f"0.0.1.dev1+g{head}"


def test_a_folder_without_git_is_0_0_0_unless_it_is_told(clone, monkeypatch):
    shutil.rmtree(clone / ".git")
    assert built_version(clone) == "0.0.0"
    monkeypatch.setenv("SETUPTOOLS_SCM_PRETEND_VERSION_FOR_PAWFECT", "4.5.6")
    assert built_version(clone) == "4.5.6"


def test_the_running_version_is_the_installed_packages_and_every_reports():
    assert __version__ == version("pawfect")
    assert Report.__dataclass_fields__["version"].default == __version__


def test_the_changelog_has_an_entry_for_this_version_and_for_every_release():
    sections = {match["name"]: match["date"] for match in SECTION.finditer(CHANGELOG)}
    own = Version(__version__)
    # What is no release is under Unreleased, and so is what does not know its release.
    unreleased = own.is_devrelease or own == Version("0.0.0")
    assert ("Unreleased" if unreleased else own.public) in sections
    released = set(sections) - {"Unreleased"}
    tags = git(ROOT, "tag", "--list", "v*").split() if (ROOT / ".git").exists() else []
    assert {tag.removeprefix("v") for tag in tags} <= released
    for name in released:
        assert date.fromisoformat(sections[name])


def test_the_changelog_has_keep_a_changelogs_form_newest_first():
    names = [match["name"] for match in SECTION.finditer(CHANGELOG)]
    assert names[0] == "Unreleased"
    releases = [Version(name) for name in names[1:]]
    assert releases == sorted(releases, reverse=True)
    kinds = re.findall(r"^### (.+)$", CHANGELOG, re.M)
    assert kinds
    assert set(kinds) <= KINDS


def test_the_build_and_the_tests_have_the_same_tools():
    text = (ROOT / "pyproject.toml").read_text("utf-8")
    (required,) = re.findall(r"^requires = \[(.+)\]$", text, re.M)
    locked = (ROOT / "requirements" / "dev.txt").read_text("utf-8")
    for pin in re.findall(r'"([^"]+)"', required):
        assert f"\n{pin} " in locked, pin
